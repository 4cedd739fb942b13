"""TURN: a coturn of our own or one that exists, tried before anybody is told of it, and credentials for sessions."""
