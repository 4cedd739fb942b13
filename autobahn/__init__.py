"""Autobahn's WebSocket test suite against Sheetbend's connection layer and others (docs/autobahn.md)."""
