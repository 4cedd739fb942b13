"""The connection doctor: tries every way to a server from here, and says what that means (docs/doctor.md)."""

from .address import ServerAddress, parse_address
from .diagnosis import diagnose
from .report import Check, Report, Verdict

__all__ = ["Check", "Report", "ServerAddress", "Verdict", "diagnose", "parse_address"]
