"""Sheetbend measured against Node servers and a floor. `python -m benchmarks --help`; what it means: README.md."""
