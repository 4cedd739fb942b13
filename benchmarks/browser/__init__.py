"""What pages of Chromium get: how soon the first message comes, how much goes through."""

from .bulk import BulkDirect, BulkRelay
from .contestants import PAGES
from .first_message import FirstMessage

__all__ = ["PAGES", "BulkDirect", "BulkRelay", "FirstMessage"]
