"""Links: what two members say to each other, over whichever path there is."""

from .link import Link

__all__ = ["Link"]
