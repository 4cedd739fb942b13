"""The client's side of `sheetbend.v1` as state machines: a session over many connections, and the room it is in."""
