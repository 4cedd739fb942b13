"""Input that nobody would send, and what must hold all the same: see `__main__`."""
