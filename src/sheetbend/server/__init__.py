"""The server: sockets, clock and files around the core."""
