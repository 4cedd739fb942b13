"""TLS contexts: from the operator's files, or with a certificate made at start."""

from __future__ import annotations

import ipaddress
import ssl
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from ..errors import ConfigurationError

__all__ = ["load_context", "self_signed_context"]

_LIFETIME = timedelta(days=90)


def load_context(cert: Path, key: Path) -> ssl.SSLContext:
    """Return a server context for a PEM certificate chain and its unencrypted PEM key."""
    for path in (cert, key):
        try:
            path.read_bytes()
        except OSError as error:
            raise ConfigurationError("unreadable_file", f"Can't read {path}: {error.strerror}.") from None
    context = _context()
    try:
        context.load_cert_chain(cert, key, password=_refuse_password)
    except (ssl.SSLError, ValueError, OSError):
        raise ConfigurationError(
            "bad_tls", f"{cert} and {key} are not a PEM certificate and its unencrypted PEM key."
        ) from None
    return context


def self_signed_context(hosts: Sequence[str]) -> tuple[ssl.SSLContext, str]:
    """Return a context with a fresh certificate for `hosts` (names or addresses), and its SHA-256 fingerprint."""
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = _certificate(key, hosts)
    context = _context()
    with tempfile.TemporaryDirectory(prefix="sheetbend-") as folder:  # ssl reads files only
        pem = Path(folder, "server.pem")
        pem.touch(mode=0o600)
        pem.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
            + certificate.public_bytes(serialization.Encoding.PEM)
        )
        context.load_cert_chain(pem)
    digest = sha256(certificate.public_bytes(serialization.Encoding.DER)).hexdigest().upper()
    return context, ":".join(digest[i : i + 2] for i in range(0, len(digest), 2))


def _context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    return context


def _certificate(key: ec.EllipticCurvePrivateKey, hosts: Sequence[str]) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Sheetbend")])
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + _LIFETIME)
        .add_extension(x509.SubjectAlternativeName([_general_name(host) for host in hosts]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _refuse_password() -> str:
    raise ValueError("the key is encrypted")
