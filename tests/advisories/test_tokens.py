"""Tokens that let strangers into other servers, shown to ours in `hello` (docs/tokens.md, RFC 8725)."""

from __future__ import annotations

import json
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from sheetbend.core.limits import Limits
from sheetbend.core.rate_limits import Rate
from tests.support.clients import native
from tests.support.in_process import RunningServer, asynchronous, serving
from tests.support.protocol import CLOSE_CODES
from tests.support.tokens import OTHER_SECRET, SECRET, Keys, encoded, forged, hs256, jwk_of, public_pem, signer

LIMITS = Limits(address_failure_rate=Rate(per_s=1000, burst=1000))
"""So many wrong tokens at once would else be turned away unread."""

Check = Callable[[RunningServer], Awaitable[None]]


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    return Keys(tmp_path_factory.mktemp("keys"))


def claims(**more: Any) -> dict[str, Any]:
    """What a good token says."""
    return {"sub": "ada", "room": "demo", "aud": "app", "exp": int(time.time()) + 60, **more}


def with_keys(check: Check, *public: Path, secrets: tuple[str, ...] = ()) -> None:
    """Run `check` on a server with these keys."""

    @asynchronous
    async def run() -> None:
        async with serving(
            LIMITS, auth="token", token_secrets=secrets, token_keys=public, token_audience="app"
        ) as server:
            await check(server)

    run()


async def answer_to(server: RunningServer, token: Any) -> str:
    """Return `welcome`, or the error's code; after an error the connection must be closed."""
    async with await native(server.websocket_url, hello=False) as client:
        await client.send("hello", token=token)
        answer = await client.receive()
        if answer["type"] == "welcome":
            return "welcome"
        assert await client.close_code() == CLOSE_CODES["unauthorized"]
        return str(answer["code"])


def assert_refused(*tokens: Any, public: tuple[Path, ...] = (), good: str | None = None) -> None:
    """Each token is refused by a server that takes `good` ones, and every other stays outside too."""

    async def check(server: RunningServer) -> None:
        assert await answer_to(server, forged(payload=claims()) if good is None else good) == "welcome"
        for token in tokens:
            assert await answer_to(server, token) == "invalid_token", token

    with_keys(check, *public, secrets=() if public else (SECRET,))


def test_the_public_key_as_a_secret(keys: Keys) -> None:
    """CVE-2022-29217, PyJWT, CVE-2016-10555, jwt-simple, and CVE-2022-23541, jsonwebtoken: a token said HS256, and was
    checked with the public key, which everybody knows, as the secret."""
    pem = public_pem(keys.native["RS256"])
    der = keys.native["RS256"].public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    jwk = json.dumps(jwk_of(keys.native["RS256"].public_key())).encode()
    tokens = [
        forged({"alg": algorithm}, claims(), hs256(secret))
        for algorithm in ("HS256", "HS384", "HS512")
        for secret in (pem, pem.strip(), der, jwk, b"")
    ]
    good = forged({"alg": "RS256"}, claims(), keys.sign("RS256"))
    assert_refused(*tokens, public=(keys.public("RS256"),), good=good)


def test_an_openssh_key_as_a_secret(keys: Keys) -> None:
    """CVE-2024-33663, python-jose: likewise with an ECDSA key in OpenSSH's format, which wasn't known for a key."""
    public = keys.native["ES256"].public_key()
    ssh = public.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    tokens = [forged({"alg": "HS256"}, claims(), hs256(secret)) for secret in (ssh, public_pem(keys.native["ES256"]))]
    good = forged({"alg": "ES256"}, claims(), keys.sign("ES256"))
    assert_refused(*tokens, public=(keys.public("ES256"),), good=good)


def test_a_symmetric_algorithm_beside_a_key_pair(keys: Keys) -> None:
    """CVE-2021-39215, Jitsi Meet: tokens by a symmetric algorithm were taken where only a key pair was meant to be."""
    tokens = [
        forged({"alg": "HS256", **more}, claims(), hs256(OTHER_SECRET)) for more in ({}, {"kid": ""}, {"kid": "a"})
    ]
    good = forged({"alg": "EdDSA"}, claims(), keys.sign("EdDSA"))
    assert_refused(*tokens, public=(keys.public("EdDSA"),), good=good)


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "nOnE", "", "null", None, [], {"HS256": 1}, 0, False])
def test_no_algorithm(algorithm: Any) -> None:
    """CVE-2022-23540, jsonwebtoken: without a list of algorithms, `none` was one of them."""
    unsigned = forged({"alg": algorithm}, claims(), lambda _: b"")
    assert_refused(unsigned, forged({"alg": algorithm}, claims()), forged({"typ": "JWT"}, claims()))


def test_no_signature() -> None:
    """CVE-2020-28042, ServiceStack: a token whose signature was empty passed."""
    header, payload, signature = forged(payload=claims()).split(".")
    assert_refused(
        f"{header}.{payload}.",
        f"{header}.{payload}",
        f"{header}.{payload}.{signature[:-4]}",
        f"{header}.{payload}.{signature}.",
        f"{header}.{payload}.{signature}{signature}",
        forged(payload=claims(), sign=lambda _: bytes(32)),
    )


def test_a_signature_of_zeros(keys: Keys) -> None:
    """CVE-2022-21449, Java: an ECDSA signature of two zeros was good for every message and key."""
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    signatures = [bytes(64), order.to_bytes(32, "big") * 2, b"\x30\x06\x02\x01\x00\x02\x01\x00", b""]
    message = forged({"alg": "ES256"}, claims()).rpartition(".")[0]
    tokens = [f"{message}.{encoded(signature)}" for signature in signatures]
    good = forged({"alg": "ES256"}, claims(), keys.sign("ES256"))
    assert_refused(*tokens, public=(keys.public("ES256"),), good=good)


def test_a_key_that_the_token_brings() -> None:
    """CVE-2018-0114, node-jose: a token was checked with the key in its own header."""
    own = ec.generate_private_key(ec.SECP256R1())
    jwk = jwk_of(own.public_key())
    headers: list[dict[str, Any]] = [
        {"alg": "ES256", "jwk": jwk},
        {"alg": "ES256", "jku": "https://evil.example/keys.json"},
        {"alg": "ES256", "x5u": "https://evil.example/cert.pem"},
        {"alg": "ES256", "x5c": ["MIIB"]},
        {"alg": "ES256", "kid": "../../../../dev/null"},
    ]
    tokens = [forged(header, claims(), signer(own)) for header in headers]
    tokens += [forged({**header, "alg": "HS256"}, claims()) for header in headers[:4]]
    tokens.append(forged({"alg": "HS256", "jwk": {"kty": "oct", "k": encoded(b"x" * 32)}}, claims(), hs256(b"x" * 32)))
    assert_refused(*tokens)


def test_a_critical_header_that_nobody_knows() -> None:
    """CVE-2025-59420, Authlib: what a token called critical, and nobody understood, was passed over."""
    assert_refused(
        *(
            forged({"alg": "HS256", "crit": critical, **more}, claims())
            for critical, more in (
                (["bork"], {"bork": True}),
                (["b64"], {"b64": False}),
                (["exp"], {}),
                ([], {}),
                ("alg", {}),
                (None, {}),
            )
        )
    )


def test_a_key_for_another_algorithm(keys: Keys) -> None:
    """CVE-2022-23539, jsonwebtoken: a key was used with algorithms that it isn't for."""
    tokens = [
        forged({"alg": algorithm}, claims(), signer(keys.native["RS256"], digest))
        for algorithm, digest in (
            ("RS384", hashes.SHA384()),
            ("RS512", hashes.SHA512()),
            ("RS1", hashes.SHA1()),
            ("PS256", hashes.SHA256()),
            ("rs256", hashes.SHA256()),
        )
    ]
    tokens.append(forged({"alg": "RS256"}, claims(), signer(rsa.generate_private_key(65537, 2048))))
    good = forged({"alg": "RS256"}, claims(), keys.sign("RS256"))
    assert_refused(*tokens, public=(keys.public("RS256"),), good=good)


def test_a_token_in_json() -> None:
    """CVE-2022-39227, python-jwt: a token in JWS's JSON form was read in one way and checked in another."""
    header, payload, signature = forged(payload=claims()).split(".")
    flat = {"protected": header, "payload": payload, "signature": signature}
    assert_refused(
        json.dumps(flat),
        json.dumps({"payload": payload, "signatures": [{"protected": header, "signature": signature}]}),
        json.dumps({f"  {header}.{encoded(json.dumps(claims(sub='root')).encode())}.": "", **flat}),
        f"{{{header}.{payload}.{signature}}}",
    )


def test_encrypted_tokens_and_bombs() -> None:
    """CVE-2024-33664, python-jose, and CVE-2025-62706, Authlib: a compressed token grew to fill the memory."""
    header = encoded(b'{"alg":"dir","enc":"A256GCM","zip":"DEF"}')
    assert_refused(
        ".".join([header, "", "AAAA", "A" * 4000, "AAAA"]),
        ".".join([header, "AAAA", "AAAA"]),
        forged({"alg": "HS256", "zip": "DEF"}, claims()),
    )


def test_endless_tokens() -> None:
    """CVE-2025-65015, joserfc: a token that was too long stood as a whole in the exception, and in the log."""

    async def check(server: RunningServer) -> None:
        for token in ("A" * 60_000, "." * 60_000, f"{'A' * 30_000}.{'B' * 30_000}.", "é" * 8000):
            async with await native(server.websocket_url, hello=False) as client:
                error = await client.refusal("hello", token=token)
                assert error["code"] in ("invalid_token", "invalid_message")
                assert len(error["message"]) < 200

    with_keys(check, secrets=(SECRET,))


@pytest.mark.parametrize("audience", [[], "", "ap", "appx", ["other"], [["app"]], None, {"app": 1}, [None], 1])
def test_for_another_audience(audience: Any) -> None:
    """CVE-2020-26160, jwt-go, and CVE-2024-53861, PyJWT: an empty list of audiences passed, and a part of a name."""
    missing = claims()
    del missing["aud"]
    assert_refused(forged(payload=claims(aud=audience)), forged(payload=missing))


@pytest.mark.parametrize("token", [None, "", 1, [], {}, True, "undefined", "null", "Bearer x.y.z"])
def test_no_token(token: Any) -> None:
    """CVE-2025-52882, Claude Code extensions: whoever could connect needed no token."""

    async def check(server: RunningServer) -> None:
        async with await native(server.websocket_url, hello=False) as client:
            assert (await client.refusal("join", roomId="demo"))["code"] == "hello_required"
            assert (await client.refusal("token", token=forged(payload=claims())))["code"] == "hello_required"
            error = await client.refusal("hello", token=token)
            assert error["code"] in ("token_required", "invalid_token", "invalid_message")
        async with await native(f"{server.websocket_url}?token={forged(payload=claims())}", hello=False) as client:
            assert (await client.refusal("hello"))["code"] == "token_required"

    with_keys(check, secrets=(SECRET,))


def test_a_token_for_one_room() -> None:
    """CVE-2022-29233, BigBlueButton: who had been let into one room reached others."""

    async def check(server: RunningServer) -> None:
        async with await native(server.websocket_url, hello=False) as client:
            await client.send("hello", token=forged(payload=claims(room=["demo", "team-*"], can=["message"])))
            await client.receive("welcome")
            for room in ("other", "demo2", "dem", "DEMO", "demo*", "team", "Team-1", "*", "xteam-1", "demo\u00a0"):
                assert (await client.refusal("join", roomId=room))["code"] == "not_allowed", room
            await client.join("team-1")
            assert (await client.refusal("offer", roomId="team-1", target="0" * 32, sdp=1))["code"] == "not_allowed"
            assert (await client.refusal("set-access", roomId="team-1", access="locked"))["code"] == "not_allowed"

    with_keys(check, secrets=(SECRET,))
