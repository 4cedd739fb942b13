"""Tokens as an attacker would write them, and the keys for it."""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from joserfc.jwk import ECKey, OKPKey, RSAKey

from sheetbend.core.grants import Grants
from sheetbend.core.limits import Limits
from sheetbend.errors import RefusedError
from sheetbend.server.token_keys import load_keys
from sheetbend.server.tokens import TokenVerifier

__all__ = [
    "ALGORITHMS",
    "CLAIMS",
    "NOW",
    "OTHER_SECRET",
    "SECRET",
    "Keys",
    "assert_invalid",
    "encoded",
    "forged",
    "hs256",
    "jwk_of",
    "public_pem",
    "refusal",
    "signer",
    "verifier",
    "verify",
]

ALGORITHMS = ["EdDSA", "ES256", "RS256"]
NOW = 1_800_000_000.0
SECRET = "canary-" + "0123456789abcdef" * 3
OTHER_SECRET = "fedcba9876543210" * 4
CLAIMS: dict[str, Any] = {"sub": "ada", "room": "demo", "exp": NOW + 3600}

Native = Any
Sign = Callable[[bytes], bytes]


def encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def hs256(secret: str | bytes = SECRET) -> Sign:
    key = secret.encode() if isinstance(secret, str) else secret
    return lambda message: hmac.digest(key, message, "sha256")


def forged(
    header: dict[str, Any] | str | bytes | None = None,
    payload: dict[str, Any] | str | bytes = CLAIMS,
    sign: Sign | None = None,
) -> str:
    """Return a token as an attacker, or a careless library, would write it."""

    def as_bytes(value: dict[str, Any] | str | bytes) -> bytes:
        if isinstance(value, bytes):
            return value
        return value.encode() if isinstance(value, str) else json.dumps(value).encode()

    message = f"{encoded(as_bytes({'alg': 'HS256'} if header is None else header))}.{encoded(as_bytes(payload))}"
    return f"{message}.{encoded((sign or hs256())(message.encode()))}"


def verifier(
    secrets: tuple[str, ...] = (SECRET,), *files: Path, audience: str | None = None, now: float = NOW
) -> TokenVerifier:
    return TokenVerifier(load_keys(secrets, [], files), audience=audience, limits=Limits(), clock=lambda: now)


def verify(token: str, **options: Any) -> Grants:
    return verifier(**options).verify(token)


def refusal(token: str, by: TokenVerifier | None = None, **options: Any) -> RefusedError:
    """Return the error, which must say nothing that the token or the key says."""
    with pytest.raises(RefusedError) as caught:
        (by or verifier(**options)).verify(token)
    error = caught.value
    assert error.sentence.endswith(".")
    assert SECRET not in error.sentence
    assert all(part not in error.sentence for part in token.split(".") if len(part) > 8)
    return error


def assert_invalid(token: str, by: TokenVerifier | None = None, **options: Any) -> None:
    assert refusal(token, by, **options).code == "invalid_token"


class Keys:
    """A key pair of each kind, in files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.native: dict[str, Native] = {
            "EdDSA": ed25519.Ed25519PrivateKey.generate(),
            "ES256": ec.generate_private_key(ec.SECP256R1()),
            "RS256": rsa.generate_private_key(65537, 2048),
        }

    def private(self, name: str) -> Path:
        return self.write_private(name, self.native[name])

    def public(self, name: str) -> Path:
        path = self.write(f"{name}.pub.pem", public_pem(self.native[name]))
        path.chmod(0o644)
        return path

    def write_private(self, name: str, key: Native) -> Path:
        return self.write(f"{name}.pem", key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))

    def write(self, name: str, text: bytes | str) -> Path:
        path = self.folder / name
        path.touch(mode=0o600)
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return path

    def write_jwks(self, *entries: dict[str, Any]) -> Path:
        return self.write("keys.json", json.dumps({"keys": entries}))

    def sign(self, name: str) -> Sign:
        return signer(self.native[name])

    def jwk(self, name: str, **members: Any) -> dict[str, Any]:
        return {**jwk_of(self.native[name].public_key()), **members}


def public_pem(key: Native) -> bytes:
    pem: bytes = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return pem


def signer(key: Native, digest: hashes.HashAlgorithm | None = None) -> Sign:
    """Sign with the key itself, as no library would have to agree."""
    algorithm = digest or hashes.SHA256()
    if isinstance(key, ec.EllipticCurvePrivateKey):
        size = (key.key_size + 7) // 8

        def ecdsa(message: bytes) -> bytes:
            return b"".join(
                n.to_bytes(size, "big") for n in decode_dss_signature(key.sign(message, ec.ECDSA(algorithm)))
            )

        return ecdsa
    if isinstance(key, rsa.RSAPrivateKey):
        return lambda message: key.sign(message, padding.PKCS1v15(), algorithm)
    sign: Sign = key.sign
    return sign


def jwk_of(key: Native, *, private: bool = False) -> dict[str, Any]:
    """Return a key as RFC 7517 writes it."""
    kind: Any = OKPKey
    if isinstance(key, ec.EllipticCurvePrivateKey | ec.EllipticCurvePublicKey):
        kind = ECKey
    elif isinstance(key, rsa.RSAPrivateKey | rsa.RSAPublicKey):
        kind = RSAKey
    jwk: dict[str, Any] = kind.import_key(key).as_dict(private=private)
    return jwk
