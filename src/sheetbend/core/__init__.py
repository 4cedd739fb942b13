"""Rooms, sessions and dialects as state machines: no sockets, threads, clock or randomness in here."""
