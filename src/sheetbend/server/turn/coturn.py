"""Debian's coturn as a child process: its configuration, its life, its log.

Leaves to others: when to start it again, and whether it works (`service`).
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import errno
import ipaddress
import os
import shutil
import signal
import socket
import sys
import tempfile
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import ifaddr
import structlog

from ...core.limits import Limits
from ...errors import ConfigurationError
from ..addresses import lan_address
from ..admission import Network
from ..ice_config import IceConfig
from .peers import denied_ranges, range_of

__all__ = ["Coturn", "CoturnSettings", "settings_of", "taken_port"]

_CONFIGURATION = "turnserver.conf"
_REALM = "sheetbend"
_NONCE_S = 600
_ALLOCATION_S = 600
"""What the client of a lost machine leaves behind is gone after this; those that live refresh it."""
_STOP_TIMEOUT_S = 2
_LOG_LINES_MAX = 10
"""Kept to explain an early end."""
_LOG_LINE_CHARS_MAX = 300
_LOG_READ_BYTES = 65_536
_PR_SET_PDEATHSIG = 1

log = structlog.get_logger("sheetbend")


@dataclass(frozen=True, slots=True, kw_only=True)
class CoturnSettings:
    """All that a configuration is made of. Addresses are those of this machine."""

    listening_ips: Sequence[str]
    relay_ip: str
    external_ip: str | None
    port: int
    tls_port: int
    answers_stun: bool
    """Where it has the port on which we would."""
    relay_ports: tuple[int, int]
    secrets: Sequence[str] = field(repr=False)
    tls_cert: Path | None
    tls_key: Path | None
    allowed_peers: Sequence[Network]
    limits: Limits

    @property
    def is_ipv4(self) -> bool:
        return ":" not in self.relay_ip

    def as_text(self, folder: Path) -> str:
        """Return the configuration file; coturn may write to `folder`."""
        limits = self.limits
        # Two members who are both relayed meet at this address.
        relay = ipaddress.ip_network(self.relay_ip)
        allowed = [relay, *self.allowed_peers]
        first, last = self.relay_ports
        lines = [
            *(f"listening-ip={address}" for address in self.listening_ips),
            f"listening-port={self.port}",
            f"relay-ip={self.relay_ip}",
            *([f"external-ip={self.external_ip}/{self.relay_ip}"] if self.external_ip else []),
            # Clients don't ask for a family, and two relayed members meet in the same one alone.
            f"allocation-default-address-family={'ipv4' if self.is_ipv4 else 'ipv6'}",
            f"min-port={first}",
            f"max-port={last}",
            "use-auth-secret",
            *(f"static-auth-secret={secret}" for secret in self.secrets),
            f"realm={_REALM}",
            f"stale-nonce={_NONCE_S}",
            f"max-allocate-lifetime={_ALLOCATION_S}",
            f"user-quota={limits.turn_allocations_per_session_max}",
            f"total-quota={limits.turn_allocations_max}",
            f"max-bps={limits.turn_bytes_per_s_max}",
            *self._tls_lines(),
            # Not UDP's TLS or TCP to peers, for which browsers have no use.
            "no-dtls",
            "no-tcp-relay",
            *([] if self.answers_stun else ["no-stun"]),
            # Nothing in an answer that isn't needed there.
            "no-software-attribute",
            "no-rfc5780",
            "no-stun-backward-compatibility",
            "response-origin-only-with-rfc5780",
            "no-cli",
            "no-multicast-peers",
            *(["allow-loopback-peers"] if any(network.is_loopback for network in allowed) else []),
            *(f"allowed-peer-ip={range_of(network)}" for network in allowed),
            *(f"denied-peer-ip={text}" for text in denied_ranges()),
            # No database, no other files.
            "no-auth-pings",
            "no-dynamic-ip-list",
            "no-dynamic-realms",
            "userdb=:memory:",  # a file would be locked while its tables are made, and the first user refused
            f"pidfile={folder / 'pid'}",
            "log-file=stdout",
            "simple-log",
        ]
        return "\n".join([*lines, ""])

    def _tls_lines(self) -> list[str]:
        if self.tls_cert is None:
            return ["no-tls"]
        return [
            f"tls-listening-port={self.tls_port}",
            f"cert={self.tls_cert.absolute()}",
            f"pkey={self.tls_key.absolute() if self.tls_key else ''}",
            "no-tlsv1",
            "no-tlsv1_1",
        ]


def settings_of(
    ice: IceConfig,
    host: str,
    *,
    stun_port: int | None,
    secrets: Sequence[str],
    tls_cert: Path | None,
    tls_key: Path | None,
    limits: Limits,
) -> CoturnSettings:
    """Return the settings for a coturn that listens on `host`, where STUN is to be answered on `stun_port`.

    Raises ConfigurationError with what to do.
    """
    if shutil.which("turnserver") is None:
        raise ConfigurationError(
            "no_coturn", "--turn coturn needs coturn, which isn't installed: apt-get install coturn."
        )
    listening_ips, relay_ip = _addresses(host)
    external_ip = ice.turn_external_ip
    if external_ip is not None and (external_ip.version == 6) != (":" in relay_ip):
        raise ConfigurationError(
            "bad_turn", f"--turn-external-ip {external_ip} is of another kind than {relay_ip}, which it stands for."
        )
    return CoturnSettings(
        listening_ips=listening_ips,
        relay_ip=relay_ip,
        external_ip=None if external_ip is None else str(external_ip),
        port=ice.turn_port,
        tls_port=ice.turn_tls_port,
        answers_stun=ice.turn_port == stun_port,
        relay_ports=ice.turn_relay_ports,
        secrets=secrets,
        tls_cert=tls_cert,
        tls_key=tls_key,
        allowed_peers=ice.turn_allow,
        limits=limits,
    )


def _addresses(host: str) -> tuple[list[str], str]:
    """Return where to listen, and the one address to relay from: with several, coturn would take them in turn."""
    try:
        found = socket.getaddrinfo(host, 0, type=socket.SOCK_DGRAM, flags=socket.AI_PASSIVE)[0][4][0]
    except (socket.gaierror, UnicodeError):
        raise ConfigurationError("bad_host", f"There is no address {host!r}: give another --ice-host.") from None
    address = ipaddress.ip_address(found)
    if not address.is_unspecified:
        return [str(address)], str(address)
    ours = [
        ipaddress.ip_address(str(ip.ip) if ip.is_IPv4 else ip.ip[0])
        for adapter in ifaddr.get_adapters()
        for ip in adapter.ips
    ]
    usable = [each for each in ours if each.version == 4 or (address.version == 6 and not each.is_link_local)]
    # To relay from 127.0.0.1 would let whoever reaches another address reach what listens there.
    others = sorted((each.version, str(each)) for each in usable if not each.is_loopback)
    relay_ip = (
        lan_address() or (_ipv6_address() if address.version == 6 else None) or (others[0][1] if others else None)
    )
    return [str(each) for each in usable], relay_ip or "127.0.0.1"


def _ipv6_address() -> str | None:
    """Return the IPv6 address this machine has on its way out, None without one. Sends nothing."""
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("2001:db8::1", 9))  # RFC 3849: an address for documentation
        except OSError:
            return None
        return str(probe.getsockname()[0])


def taken_port(settings: CoturnSettings) -> str | None:
    """Return what is in coturn's way, if anything is: by itself it would go on without that port."""
    ports = [(settings.port, socket.SOCK_STREAM, "TCP"), (settings.port, socket.SOCK_DGRAM, "UDP")]
    if settings.tls_cert:
        ports.append((settings.tls_port, socket.SOCK_STREAM, "TCP"))
    for port, kind, name in ports:
        for host in settings.listening_ips:
            problem = _bind_problem(host, port, kind)
            if problem is not None:
                return f"{name} port {port} on {host} {problem}"
    return None


class Coturn:
    """One run of coturn, from `start` to `stop`. It ends with this process too, however that ends (Linux)."""

    def __init__(
        self, process: asyncio.subprocess.Process, folder: tempfile.TemporaryDirectory[str], secrets: Sequence[str]
    ) -> None:
        self._process = process
        self._folder = folder
        self._secrets = secrets
        self._logging = asyncio.create_task(self._read_log())
        self.pid = process.pid
        self.last_lines: deque[str] = deque(maxlen=_LOG_LINES_MAX)
        """What it said last, without secrets."""

    @classmethod
    async def start(cls, settings: CoturnSettings) -> Coturn:
        """Start it; whether it works is another question. Raises OSError."""
        folder = tempfile.TemporaryDirectory(prefix="sheetbend-turn-")  # of this user alone
        try:
            file = _write_configuration(settings, Path(folder.name))
            parent = os.getpid()
            process = await asyncio.create_subprocess_exec(
                "turnserver",
                "-c",
                str(file),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                cwd="/",
                env={"PATH": os.environ.get("PATH", os.defpath)},  # not our secrets
                start_new_session=True,  # Ctrl-C is for us, and calls go on until we have ended ours
                preexec_fn=lambda: _end_with(parent),
            )
        except BaseException:
            folder.cleanup()
            raise
        return cls(process, folder, settings.secrets)

    def forget_configuration(self) -> None:
        """Take its secrets off the disk: it has read them, and all it writes is its log."""
        self._folder.cleanup()

    async def wait(self) -> int:
        """Return its exit status once it has ended."""
        status = await self._process.wait()
        await self._logging
        return status

    async def stop(self) -> None:
        """End it, and leave nothing behind."""
        process = self._process
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            try:
                await asyncio.wait_for(process.wait(), _STOP_TIMEOUT_S)
            except TimeoutError:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
        await self._logging
        self._folder.cleanup()

    async def _read_log(self) -> None:
        """Read all of it, or coturn would wait; of long lines the beginning."""
        output, rest = self._process.stdout, b""
        while output is not None and (chunk := await output.read(_LOG_READ_BYTES)):
            *lines, rest = (rest + chunk).split(b"\n")
            rest = rest[:_LOG_LINE_CHARS_MAX]
            for line in lines:
                self._note(line[:_LOG_LINE_CHARS_MAX].decode("utf-8", "replace").strip())

    def _note(self, line: str) -> None:
        for secret in self._secrets:
            line = line.replace(secret, "…")
        if line:
            self.last_lines.append(line)
            log.debug("coturn", line=line)


def _write_configuration(settings: CoturnSettings, folder: Path) -> Path:
    file = folder / _CONFIGURATION
    file.touch(mode=0o600)
    file.write_text(settings.as_text(folder))
    return file


def _bind_problem(host: str, port: int, kind: socket.SocketKind) -> str | None:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, kind) as probe:
        if kind is socket.SOCK_STREAM:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # what connections of before left
        try:
            probe.bind((host, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return "is taken: end what holds it (`systemctl disable --now coturn`, if that is it), or give another"
            if error.errno == errno.EACCES:
                return "may not be opened by this user: give one from 1024 on"
            return f"can't be opened: {error.strerror}"
    return None


def _end_with(parent: int) -> None:
    """In the child, before it becomes coturn: let the kernel end it when we are gone."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # gone already
            os._exit(1)
