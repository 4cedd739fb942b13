"""Planted bugs."""
from __future__ import annotations
from contextlib import contextmanager
MUTANTS = {}
@contextmanager
def mutated(name):
    yield
