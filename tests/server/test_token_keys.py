"""The keys of tokens: which are taken, and what is said of those that aren't."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest
import structlog
from cryptography.hazmat.primitives.asymmetric import ed448, rsa
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat, PublicFormat

from sheetbend.core.limits import Limits
from sheetbend.errors import ConfigurationError
from sheetbend.server.token_keys import load_keys, read_private_key, read_secret_key, secret_key, secrets_of
from sheetbend.server.tokens import TokenVerifier
from tests.support.tokens import (
    ALGORITHMS,
    NOW,
    SECRET,
    Keys,
    encoded,
    forged,
    jwk_of,
    public_pem,
)


def assert_no_key(path: Path, *words: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_keys([], [], [path])
    for word in words:
        assert word in caught.value.sentence
    assert str(path) in caught.value.sentence


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_server_takes_no_private_key(keys: Keys, algorithm: str) -> None:
    assert_no_key(keys.private(algorithm), "private", "-pubout")
    jwk = jwk_of(keys.native[algorithm], private=True)
    assert_no_key(keys.write_jwks(jwk), "private")


def test_a_key_is_long_enough_and_of_a_known_kind(keys: Keys) -> None:
    short = rsa.generate_private_key(65537, 1024)
    assert_no_key(keys.write("short.pem", public_pem(short)), "1024", "2048")
    numbers = short.public_key().public_numbers()
    modulus = encoded(numbers.n.to_bytes(128, "big"))
    assert_no_key(keys.write_jwks({"kty": "RSA", "n": modulus, "e": "AQAB"}), "1024", "2048")
    assert_no_key(keys.write("ed448.pem", public_pem(ed448.Ed448PrivateKey.generate())), "Ed25519")
    assert_no_key(keys.write_jwks({"kty": "oct", "k": encoded(SECRET.encode())}), "--token-secret-file")
    assert_no_key(keys.write_jwks({"kty": "OKP", "crv": "X25519", "x": encoded(b"\1" * 32)}), "Ed25519")
    assert_no_key(keys.write_jwks({"kty": "AKP", "pub": "AAAA"}))


@pytest.mark.parametrize(
    ("algorithm", "members"),
    [
        ("RS256", {"alg": "PS256"}),
        ("RS256", {"alg": "RS512"}),
        ("RS256", {"alg": "HS256"}),
        ("RS256", {"alg": "none"}),
        ("RS256", {"alg": 7}),
        ("ES256", {"alg": "ES384"}),
        ("ES256", {"alg": "ECDH-ES"}),
        ("EdDSA", {"alg": "Ed448"}),
        ("EdDSA", {"key_ops": ["sign"]}),
        ("EdDSA", {"key_ops": 7}),
        ("EdDSA", {"use": "other"}),
        ("EdDSA", {"kid": 7}),
        ("EdDSA", {"x": "!"}),
        ("EdDSA", {"x": 7}),
        ("EdDSA", {"crv": "P-256"}),
        ("ES256", {"crv": "P-384"}),
        ("ES256", {"crv": "P-999"}),
        ("ES256", {"x": "AAAA"}),
        ("ES256", {"kty": ["EC"]}),
        ("ES256", {"kty": None}),
    ],
)
def test_a_key_that_contradicts_itself_is_refused(keys: Keys, algorithm: str, members: dict[str, Any]) -> None:
    assert_no_key(keys.write_jwks(keys.jwk(algorithm, **members)))


def test_a_key_for_encryption_is_passed_over(keys: Keys) -> None:
    entries = [keys.jwk("RS256", use="enc", alg="RSA-OAEP"), keys.jwk("ES256", use="sig", kid="a")]
    assert [key.kid for key in load_keys([], [], [keys.write_jwks(*entries)])] == ["a"]
    assert_no_key(keys.write_jwks(entries[0]), "no key")


@pytest.mark.parametrize(
    "text", ["", "x", "{}", "{", '{"keys":{}}', '{"keys":[]}', '{"keys":[7]}', '{"keys":[],"keys":[]}']
)
def test_a_file_without_a_key_is_refused(keys: Keys, text: str) -> None:
    assert_no_key(keys.write("no.json", text))


def test_a_file_that_can_not_be_read_is_named(keys: Keys) -> None:
    assert_no_key(keys.folder / "missing.pem", "Can't read")
    assert_no_key(keys.folder, "Can't read")
    assert_no_key(keys.write("huge.json", "{" * 100_000), "longer")


@pytest.mark.parametrize("secret", ["x" * 31, "x" * 31 + "\n", "", "x" * 20 + "\n" + "x" * 20, "é" * 40, "\x1b" * 40])
def test_a_secret_is_one_line_of_some_length(keys: Keys, secret: str) -> None:
    with pytest.raises(ConfigurationError, match="openssl rand -hex 32"):
        secret_key(secret.rstrip("\n"), "here")
    with pytest.raises(ConfigurationError, match="openssl rand -hex 32"):
        read_secret_key(keys.write("secret", secret))


def test_a_key_is_no_secret(keys: Keys) -> None:
    ssh = keys.native["EdDSA"].public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    for path in (keys.public("RS256"), keys.private("EdDSA")):
        with pytest.raises(ConfigurationError, match="--token-key"):
            read_secret_key(path)
    for path in (keys.write("ssh", ssh), keys.write("ssh", b"ssh-rsa " + b"A" * 40)):
        with pytest.raises(ConfigurationError, match="another kind"):
            read_secret_key(path)


def test_a_secret_file_may_end_its_line(keys: Keys) -> None:
    for end in ("", "\n", "\r\n"):
        loaded = load_keys([], [keys.write("secret", SECRET + end)], [])
        check = TokenVerifier(loaded, audience=None, limits=Limits(), clock=lambda: NOW)
        assert check.verify(forged()).subject == "ada"


def test_a_secret_that_everybody_may_read_is_warned_of(keys: Keys) -> None:
    path = keys.write("open-secret", SECRET)
    with structlog.testing.capture_logs() as logs:
        read_secret_key(path)
        assert logs == []
        load_keys([], [], [keys.public("ES256")])
        assert logs == []
        path.chmod(0o644)
        read_secret_key(path)
    assert [(entry["event"], entry["path"]) for entry in logs] == [("secret_readable_by_everybody", str(path))]


def test_an_encrypted_or_public_key_mints_nothing(keys: Keys) -> None:
    locked = keys.native["ES256"].private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x"))
    for path in (
        keys.write("locked.pem", locked),
        keys.public("ES256"),
        keys.write("x.pem", "-----BEGIN PRIVATE KEY-----"),
    ):
        with pytest.raises(ConfigurationError, match="private key"):
            read_private_key(path)


def test_secrets_come_from_two_variables() -> None:
    assert secrets_of({}) == ()
    assert secrets_of({"SHEETBEND_TOKEN_SECRET": "a", "SHEETBEND_TOKEN_SECRET_PREVIOUS": "b"}) == ("a", "b")
    assert secrets_of({"SHEETBEND_TOKEN_SECRET": "a", "SHEETBEND_TOKEN_SECRET_PREVIOUS": ""}) == ("a",)
    with pytest.raises(ConfigurationError):
        secrets_of({"SHEETBEND_TOKEN_SECRET_PREVIOUS": "b"})


def test_nothing_shows_a_secret() -> None:
    key = secret_key(SECRET, "here")
    assert SECRET not in repr(key)
    assert hashlib.sha256(SECRET.encode()).hexdigest() not in repr(key)
    for bad in (SECRET[:31], SECRET + "\0", SECRET + "é"):
        with pytest.raises(ConfigurationError) as caught:
            secret_key(bad, "here")
        assert "canary" not in caught.value.sentence
