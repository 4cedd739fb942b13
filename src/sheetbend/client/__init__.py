"""The Python peer."""
