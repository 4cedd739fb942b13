"""The keys of tokens: shared secrets, public keys to verify with, private keys to mint with.

A key has one algorithm, which its kind decides and no token can change. Raises ConfigurationError with what to do; no
sentence and no `repr` holds a secret.
"""

from __future__ import annotations

import stat
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import structlog
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key
from joserfc.errors import JoseError, SecurityWarning
from joserfc.jwk import ECKey, Key, OctKey, OKPKey, RSAKey, import_key

from ..core.limits import Limits
from ..core.strict_json import InvalidUtf8Error, parse
from ..errors import ConfigurationError, RefusedError

__all__ = [
    "KEYS_MAX",
    "SECRET_VARIABLES",
    "TokenKey",
    "load_keys",
    "read_private_key",
    "read_secret_key",
    "secret_key",
    "secrets_of",
]

KEYS_MAX = 2
"""The key in use, and the one before or after it."""
SECRET_VARIABLES = ("SHEETBEND_TOKEN_SECRET", "SHEETBEND_TOKEN_SECRET_PREVIOUS")
SECRET_BYTES_MIN = 32
"""As many as SHA-256 gives (RFC 7518 section 3.2)."""
RSA_BITS_MIN = 2048
_FILE_BYTES_MAX = 65_536

_NEW_SECRET = "`openssl rand -hex 32` makes one"  # noqa: S105
_ALGORITHMS = "Ed25519, P-256 or RSA"

log = structlog.get_logger("sheetbend")


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenKey:
    """A key and what it is for. `algorithms` are the names of its one algorithm, the one to write first.

    RFC 9864 gave Ed25519 a second name; whoever mints writes one or the other.
    """

    algorithms: tuple[str, ...]
    key: Key = field(repr=False)
    kid: str | None = None


def secrets_of(environment: Mapping[str, str]) -> tuple[str, ...]:
    """Return the secrets in SECRET_VARIABLES, newest first."""
    secrets = tuple(environment[name] for name in SECRET_VARIABLES if environment.get(name))
    if secrets and not environment.get(SECRET_VARIABLES[0]):
        raise ConfigurationError("bad_token_key", f"{SECRET_VARIABLES[1]} is set, but {SECRET_VARIABLES[0]} isn't.")
    return secrets


def load_keys(secrets: Sequence[str], secret_files: Sequence[Path], key_files: Sequence[Path]) -> list[TokenKey]:
    """Return 1 to KEYS_MAX keys to verify with."""
    keys = [secret_key(secret, f"in {name}") for secret, name in zip(secrets, SECRET_VARIABLES, strict=False)]
    keys += [secret_key(_read_secret(path), f"in {path}") for path in secret_files]
    for path in key_files:
        keys += _public_keys(path)
    if not keys:
        raise ConfigurationError(
            "no_token_key",
            f"--auth token needs a key: set {SECRET_VARIABLES[0]} ({_NEW_SECRET}), or give --token-secret-file or "
            "--token-key.",
        )
    if len(keys) > KEYS_MAX:
        raise ConfigurationError(
            "too_many_token_keys", f"There are {len(keys)} token keys, and at most {KEYS_MAX} may be in use at once."
        )
    return keys


def secret_key(secret: str, where: str, kid: str | None = None) -> TokenKey:
    """Return the HS256 key that `secret` is, letter for letter."""
    if "-----BEGIN" in secret:
        raise ConfigurationError("bad_token_key", f"The token secret {where} is a PEM key: give it as --token-key.")
    if not secret.isprintable() or not secret.isascii():
        raise ConfigurationError("bad_token_key", f"The token secret {where} is not one line of ASCII: {_NEW_SECRET}.")
    if len(secret) < SECRET_BYTES_MIN:
        raise ConfigurationError(
            "bad_token_key",
            f"The token secret {where} has {len(secret)} characters and needs {SECRET_BYTES_MIN}: {_NEW_SECRET}.",
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", SecurityWarning)
            return TokenKey(algorithms=("HS256",), key=OctKey.import_key(secret), kid=kid)
    except (ValueError, SecurityWarning):  # an SSH key
        raise ConfigurationError("bad_token_key", f"The token secret {where} is a key of another kind.") from None


def read_private_key(path: Path, kid: str | None = None) -> TokenKey:
    """Return the key to mint with that the PEM file `path` holds."""
    text = _read(path, is_secret=True)
    try:
        native = load_pem_private_key(text, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):  # TypeError: it is encrypted
        raise ConfigurationError("bad_token_key", f"{path} is not an unencrypted private key in PEM.") from None
    return _key_of(native, path, kid)


def read_secret_key(path: Path, kid: str | None = None) -> TokenKey:
    """Return the HS256 key in the file `path`."""
    return secret_key(_read_secret(path), f"in {path}", kid)


def _public_keys(path: Path) -> list[TokenKey]:
    text = _read(path)
    if text.lstrip()[:1] == b"{":
        return _jwks(text, path)
    if b"PRIVATE KEY" in text:
        raise ConfigurationError(
            "bad_token_key",
            f"{path} is a private key, which the server must not have: give the public one "
            f"(`openssl pkey -in {path.name} -pubout`).",
        )
    try:
        native = load_pem_public_key(text)
    except (ValueError, UnsupportedAlgorithm):
        raise ConfigurationError("bad_token_key", f"{path} is neither a public key in PEM nor a JWKS.") from None
    return [_key_of(native, path)]


def _jwks(text: bytes, path: Path) -> list[TokenKey]:
    """Return the keys of a JSON Web Key Set, or of a single one (RFC 7517), but those for encryption."""
    try:
        value, _ = parse(text, Limits())
    except (RefusedError, InvalidUtf8Error):
        raise ConfigurationError("bad_token_key", f"{path} is not valid JSON, or has a key twice.") from None
    entries = value.get("keys", [value])
    if type(entries) is not list or not all(type(entry) is dict for entry in entries):
        raise ConfigurationError("bad_token_key", f"{path} is not a JWKS: keys is a list of objects.")
    keys = [_jwk(entry, path) for entry in entries if entry.get("use") != "enc"]
    if not keys:
        raise ConfigurationError("bad_token_key", f"{path} has no key for signatures.")
    return keys


def _jwk(entry: dict[str, Any], path: Path) -> TokenKey:
    kind, kid, algorithm = entry.get("kty"), entry.get("kid"), entry.get("alg")
    if kind == "oct":
        raise ConfigurationError("bad_token_key", f"{path} has a secret: put it into a --token-secret-file.")
    if "d" in entry:
        raise ConfigurationError("bad_token_key", f"{path} has a private key, which the server must not have.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SecurityWarning)  # of a short key, which is refused below
            imported = import_key(entry)
        imported.check_key_op("verify")
    except (
        JoseError,
        ValueError,
        KeyError,
        TypeError,
        UnsupportedAlgorithm,
    ):  # KeyError: a curve that joserfc doesn't know
        raise ConfigurationError(
            "bad_token_key", f"{path} has a key that can't verify signatures: take {_ALGORITHMS}."
        ) from None
    key = _key_of(imported.raw_value, path, kid)
    if algorithm is not None and algorithm not in key.algorithms:
        raise ConfigurationError("bad_token_key", f"{path} has a key for another algorithm than {key.algorithms[0]}.")
    return key


def _key_of(native: object, path: Path, kid: str | None = None) -> TokenKey:
    """Let the kind of key decide the algorithm."""
    if isinstance(native, Ed25519PublicKey | Ed25519PrivateKey):
        return TokenKey(algorithms=("EdDSA", "Ed25519"), key=OKPKey.import_key(native), kid=kid)
    if isinstance(native, EllipticCurvePublicKey | EllipticCurvePrivateKey) and isinstance(native.curve, SECP256R1):
        return TokenKey(algorithms=("ES256",), key=ECKey.import_key(native), kid=kid)
    if isinstance(native, RSAPublicKey | RSAPrivateKey):
        if native.key_size < RSA_BITS_MIN:
            raise ConfigurationError(
                "bad_token_key", f"{path} has an RSA key of {native.key_size} bits and needs {RSA_BITS_MIN}."
            )
        return TokenKey(algorithms=("RS256",), key=RSAKey.import_key(native), kid=kid)
    raise ConfigurationError("bad_token_key", f"{path} has a key of another kind than {_ALGORITHMS}.")


def _read_secret(path: Path) -> str:
    text = _read(path, is_secret=True)
    try:
        return text.decode("ascii").rstrip("\r\n")  # editors and `openssl rand` end the line
    except UnicodeDecodeError:
        raise ConfigurationError(
            "bad_token_key", f"The token secret in {path} is not one line of ASCII: {_NEW_SECRET}."
        ) from None


def _read(path: Path, *, is_secret: bool = False) -> bytes:
    try:
        with path.open("rb") as file:
            text = file.read(_FILE_BYTES_MAX + 1)
            # Refusing it would refuse the secrets that Docker and Kubernetes mount, which everybody may read.
            if is_secret and path.stat().st_mode & stat.S_IROTH:
                log.warning("secret_readable_by_everybody", path=str(path))
    except OSError as error:
        raise ConfigurationError("unreadable_file", f"Can't read {path}: {error.strerror}.") from None
    if len(text) > _FILE_BYTES_MAX:
        raise ConfigurationError("bad_token_key", f"{path} is longer than {_FILE_BYTES_MAX} bytes, and no key.")
    return text
