"""A real coturn, and a TURN client to try it with."""

from __future__ import annotations

import asyncio
import shutil
import socket
import time
from asyncio.subprocess import DEVNULL
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from aioice import stun, turn
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from sheetbend.core.limits import Limits
from sheetbend.server.ice_config import IceConfig
from sheetbend.server.turn.coturn import Coturn, CoturnSettings, settings_of
from sheetbend.server.turn.credentials import turn_credentials

__all__ = [
    "OTHER_SECRET",
    "SECRET",
    "allocate",
    "certificate",
    "coturn_settings",
    "error_of",
    "free_port",
    "needs_coturn",
    "running",
    "somebody_elses",
]

SECRET = "e5a1cd0f3a8d4f6a9d0b7c2e1f4a6b8c"
OTHER_SECRET = "0b9c8d7e6f5a4b3c2d1e0f9a8b7c6d5e"
_START_TIMEOUT_S = 10

needs_coturn = pytest.mark.skipif(
    shutil.which("turnserver") is None, reason="coturn is missing: sudo apt-get install -y coturn"
)


def free_port() -> int:
    """Return a port that is free for TCP and UDP now."""
    while True:
        with socket.socket() as tcp, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            tcp.bind(("127.0.0.1", 0))
            port: int = tcp.getsockname()[1]
            with suppress(OSError):
                udp.bind(("127.0.0.1", port))
                return port


def coturn_settings(
    host: str = "127.0.0.1",
    *,
    secrets: tuple[str, ...] = (SECRET,),
    tls: tuple[Path, Path] | None = None,
    limits: Limits | None = None,
    stun_port: int | None = None,
    **ice: Any,
) -> CoturnSettings:
    """What `sheetbend serve --turn coturn` would run on free ports."""
    # Linux gives ports from 32768 on to whoever asks for any: relay ports below don't meet those of other tests.
    ports = {"turn_port": free_port(), "turn_tls_port": free_port(), "turn_relay_ports": (20_000, 32_000)}
    cert, key = tls or (None, None)
    config = IceConfig(turn="coturn", **{**ports, **ice})
    return settings_of(
        config, host, stun_port=stun_port, secrets=secrets, tls_cert=cert, tls_key=key, limits=limits or Limits()
    )


@asynccontextmanager
async def running(settings: CoturnSettings) -> AsyncIterator[Coturn]:
    """A coturn that takes connections."""
    coturn = await Coturn.start(settings)
    try:
        await _until_open(settings.listening_ips[0], settings.port)
        yield coturn
    finally:
        await coturn.stop()


def certificate(folder: Path, host: str) -> tuple[Path, Path]:
    """Files with a certificate for `host`, which nobody vouches for, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    with_address = x509.IPAddress(ip_address(host)) if host[0].isdigit() else x509.DNSName(host)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.add_extension(x509.SubjectAlternativeName([with_address]), critical=False)
    now = datetime.now(UTC)
    signed = builder.not_valid_before(now).not_valid_after(now + timedelta(days=1)).sign(key, hashes.SHA256())
    cert_file, key_file = folder / "cert.pem", folder / "key.pem"
    cert_file.write_bytes(signed.public_bytes(Encoding.PEM))
    key_file.touch(mode=0o600)
    key_file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return cert_file, key_file


@asynccontextmanager
async def somebody_elses(*flags: str, tls: tuple[Path, Path] | None = None) -> AsyncIterator[int]:
    """A coturn as an operator would start it, with SECRET; give its port, where it takes TLS too with a certificate."""
    port = free_port()
    command = ["turnserver", "-n", "-L", "127.0.0.1", "-E", "127.0.0.1", "-p", str(port), "--realm", "r", "--no-cli"]
    command += ["--use-auth-secret", f"--static-auth-secret={SECRET}", "--min-port", "20000", "--max-port", "32000"]
    command += ["--log-file", "stdout", "--pidfile", "/dev/null", "--userdb", ":memory:", "--no-dtls"]
    command += ["--cert", str(tls[0]), "--pkey", str(tls[1])] if tls else ["--no-tls"]
    process = await asyncio.create_subprocess_exec(*command, *flags, stdout=DEVNULL, stderr=DEVNULL)
    try:
        await _until_open("127.0.0.1", port)
        yield port
    finally:
        process.kill()
        await process.wait()


async def _until_open(host: str, port: int) -> None:
    async with asyncio.timeout(_START_TIMEOUT_S):
        while True:
            with suppress(OSError):
                _, writer = await asyncio.open_connection(host, port)
                writer.close()
                return
            await asyncio.sleep(0.02)


@asynccontextmanager
async def allocate(
    settings: CoturnSettings, *, secret: str = SECRET, user: str = "ada", lifetime_s: float = 60
) -> AsyncIterator[turn.TurnClientUdpProtocol]:
    """An allocation: the client, to make further requests with. Raises stun.TransactionFailed."""
    server = (settings.listening_ips[0], settings.port)
    username, password = turn_credentials(secret, user, time.time() + lifetime_s)
    transport, client = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: turn.TurnClientUdpProtocol(
            server, username=username, password=password, lifetime=600, channel_refresh_time=500
        ),
        remote_addr=server,
    )
    try:
        await client.connect()
        yield client
        await client.delete()
    finally:
        transport.close()


async def error_of(client: turn.TurnClientUdpProtocol, method: stun.Method, attributes: dict[str, Any]) -> int | None:
    """Make a request; return the TURN error it is answered with, None if it is granted."""
    request = stun.Message(method, stun.Class.REQUEST, attributes=attributes)
    try:
        await client.request_with_retry(request)
    except stun.TransactionFailed as failed:
        return failed.response.error_code
    return None
