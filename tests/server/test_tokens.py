"""Tokens: what good ones grant, and every way known to forge one."""

from __future__ import annotations

import hmac
import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jwe, jws
from joserfc.jwk import OctKey

from sheetbend.core.grants import EVERYTHING, MEMBER, Grants
from sheetbend.errors import ConfigurationError, RefusedError
from sheetbend.server.token_claims import LEEWAY_S
from sheetbend.server.token_keys import load_keys, read_private_key, secret_key
from sheetbend.server.tokens import TOKEN_BYTES_MAX, mint
from tests.support.tokens import (
    ALGORITHMS,
    CLAIMS,
    NOW,
    OTHER_SECRET,
    SECRET,
    Keys,
    assert_invalid,
    forged,
    hs256,
    jwk_of,
    public_pem,
    signer,
    verifier,
    verify,
)

# What good ones grant.


def test_the_least_token_makes_a_member_of_its_room() -> None:
    expected = Grants(can=MEMBER, rooms=("demo",), subject="ada", name=None, expires_at=NOW + 3600 + LEEWAY_S)
    assert verify(forged()) == expected


def test_every_claim_is_granted() -> None:
    claims = {
        **CLAIMS,
        "name": "Ada Lovelace 🦋",
        "room": ["demo", "team-*"],
        "can": ["message", "moderate", "message"],
        "nbf": NOW - 10,
        "iat": NOW,
        "iss": "ignored",
        "jti": ["ignored"],
    }
    grants = verify(forged(payload=claims))
    assert grants.can == {"message", "moderate"}
    assert grants.name == "Ada Lovelace 🦋"
    assert [grants.admits_to(room) for room in ("demo", "demo2", "team-", "team-a", "tea")] == [
        True,
        False,
        True,
        True,
        False,
    ]


def test_a_star_is_every_room() -> None:
    assert verify(forged(payload={**CLAIMS, "room": "*"})).rooms is None
    assert verify(forged(payload={**CLAIMS, "room": ["a", "*"]})).rooms is None
    assert not verify(forged(payload={**CLAIMS, "room": "a*b"})).admits_to("acb")


def test_a_token_may_grant_nothing_but_presence() -> None:
    assert verify(forged(payload={**CLAIMS, "can": []})).can == frozenset()


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_token_by_a_private_key_is_taken_by_its_public_key(keys: Keys, algorithm: str) -> None:
    token = mint(read_private_key(keys.private(algorithm)), subject="ada", rooms=["demo"], expires_in_s=60, now=NOW)
    for path in (
        keys.public(algorithm),
        keys.write_jwks(keys.jwk(algorithm)),
        keys.write("one.json", json.dumps(keys.jwk(algorithm))),
    ):
        grants = verifier((), path).verify(token)
        assert (grants.subject, grants.rooms) == ("ada", ("demo",))
    assert_invalid(token, verifier())
    assert_invalid(forged(), verifier((), keys.public(algorithm)))


@pytest.mark.parametrize("name", ["EdDSA", "Ed25519"])
def test_both_names_of_ed25519_are_known(keys: Keys, name: str) -> None:
    token = forged({"alg": name}, sign=keys.sign("EdDSA"))
    for path in (keys.public("EdDSA"), keys.write_jwks(keys.jwk("EdDSA", alg=name))):
        assert verifier((), path).verify(token).subject == "ada"


@given(
    st.text(st.characters(categories=["L", "N", "P"]), min_size=1, max_size=128),
    st.lists(st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=20), min_size=1, max_size=64),
    st.none() | st.sets(st.sampled_from(sorted(EVERYTHING))),
    st.integers(1, 10**9),
)
def test_what_is_minted_is_granted(subject: str, rooms: list[str], can: set[str] | None, expires_in_s: int) -> None:
    token = mint(
        secret_key(SECRET, "here"),
        subject=subject,
        rooms=rooms,
        can=can,
        audience="here",
        expires_in_s=expires_in_s,
        now=NOW,
    )
    grants = verify(token, audience="here")
    assert grants.subject == subject
    assert grants.rooms == tuple(rooms)
    assert grants.can == (MEMBER if can is None else can)
    assert grants.expires_at == NOW + expires_in_s + LEEWAY_S


@pytest.mark.parametrize(
    "claims",
    [{"subject": ""}, {"rooms": []}, {"rooms": ["x" * 129]}, {"can": ["fly"]}, {"name": "\n"}, {"expires_in_s": -10}],
    ids=str,
)
def test_what_no_server_would_take_is_not_minted(claims: dict[str, Any]) -> None:
    arguments: dict[str, Any] = {"subject": "ada", "rooms": ["demo"], "expires_in_s": 60, **claims}
    with pytest.raises(ConfigurationError):
        mint(secret_key(SECRET, "here"), now=NOW, **arguments)


def test_how_long_grants_hold_is_told() -> None:
    check = verifier(now=NOW + 600)
    assert check.left_s(check.verify(forged())) == 3000 + LEEWAY_S
    assert check.left_s(Grants()) is None
    assert check.left_s(Grants(expires_at=NOW)) == 0


# Forgeries.


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "nOnE", "", None, ["HS256"], {"HS256": 1}, 0, "HS256 "])
@pytest.mark.parametrize("signature", [b"", b"x", None])
def test_no_algorithm_is_none(algorithm: object, signature: bytes | None) -> None:
    sign = hs256() if signature is None else lambda _: signature or b""
    assert_invalid(forged({"alg": algorithm}, sign=sign))
    assert_invalid(forged({"typ": "JWT"}, sign=sign))


@pytest.mark.parametrize("algorithm", ["HS384", "HS512"])
def test_a_secret_is_for_hs256_alone(algorithm: str) -> None:
    digest = algorithm.replace("HS", "sha")
    assert_invalid(forged({"alg": algorithm}, sign=lambda message: hmac.digest(SECRET.encode(), message, digest)))


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_public_key_is_no_secret(keys: Keys, algorithm: str) -> None:
    """Key confusion: the public key is public, so nothing that it keys may count (CVE-2015-9235, CVE-2022-29217)."""
    pem = keys.public(algorithm)
    text = pem.read_bytes()
    der = keys.native[algorithm].public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    for check in (verifier((), pem), verifier((SECRET,), pem), verifier((), keys.write_jwks(keys.jwk(algorithm)))):
        for secret in (text, text.strip(), der, b"", json.dumps(keys.jwk(algorithm)).encode()):
            assert_invalid(forged(sign=hs256(secret)), check)
            assert_invalid(forged({"alg": algorithm}, sign=hs256(secret)), check)


@pytest.mark.parametrize("algorithm", ["RS384", "RS512", "PS256", "PS512"])
def test_an_rsa_key_is_for_rs256_alone(keys: Keys, algorithm: str) -> None:
    key = keys.native["RS256"]
    digest = {"256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512()}[algorithm[2:]]
    scheme = padding.PSS(padding.MGF1(digest), digest.digest_size) if algorithm[0] == "P" else padding.PKCS1v15()
    assert_invalid(
        forged({"alg": algorithm}, sign=lambda message: key.sign(message, scheme, digest)),
        verifier((), keys.public("RS256")),
    )


@pytest.mark.parametrize("curve", [ec.SECP384R1(), ec.SECP521R1(), ec.SECP256K1()], ids=lambda curve: curve.name)
def test_es256_is_of_its_curve_alone(keys: Keys, curve: ec.EllipticCurve) -> None:
    key = ec.generate_private_key(curve)
    assert_invalid(forged({"alg": "ES256"}, sign=signer(key)), verifier((), keys.public("ES256")))
    assert_invalid(forged({"alg": "ES384"}, sign=signer(key, hashes.SHA384())), verifier((), keys.public("ES256")))
    with pytest.raises(ConfigurationError):
        verifier((), keys.write("curve.pem", public_pem(key)))


@pytest.mark.parametrize(
    "signature", [b"\0" * 64, b"\0" * 63 + b"\1", b"\xff" * 64, b"", b"\0" * 96, b"\x30\x06\x02\x01\x01\x02\x01\x01"]
)
def test_an_ecdsa_signature_of_nothing_is_none(keys: Keys, signature: bytes) -> None:
    """CVE-2022-21449: r = s = 0."""
    assert_invalid(forged({"alg": "ES256"}, sign=lambda _: signature), verifier((), keys.public("ES256")))


@pytest.mark.parametrize(
    "header",
    [
        {"crit": ["exp"], "exp": NOW + 3600},
        {"crit": ["b64"], "b64": True},
        {"crit": ["b64"], "b64": False},
        {"crit": ["unknown"], "unknown": 1},
        {"crit": ["missing"]},
        {"crit": []},
        {"crit": 7},
        {"crit": "b64"},
        {"b64": False},
        {"b64": True},
        {"jku": "https://evil.example/keys.json"},
        {"x5u": "https://evil.example/cert.pem"},
        {"x5c": ["MIIB"]},
        {"jwk": {"kty": "oct", "k": "AAAA"}},
        {"cty": "JWT"},
        {"zip": "DEF"},
        {"enc": "A256GCM"},
        {"epk": {}},
        {"unknown": 1},
        {"kid": 7},
        {"kid": None},
        {"kid": ["a"]},
        {"typ": "secevent+jwt"},
        {"typ": 7},
        {"typ": None},
    ],
    ids=str,
)
def test_a_header_that_asks_for_more_is_refused(header: dict[str, Any]) -> None:
    assert_invalid(forged({"alg": "HS256", **header}))


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_key_that_a_token_brings_is_not_used(keys: Keys, tmp_path: Path, algorithm: str) -> None:
    """CVE-2018-0114."""
    mallory = Keys(tmp_path)
    for extra in ({}, {"jwk": mallory.jwk(algorithm)}, {"kid": "../../dev/null"}, {"x5t": "a"}):
        assert_invalid(
            forged({"alg": algorithm, **extra}, sign=mallory.sign(algorithm)), verifier((), keys.public(algorithm))
        )


def test_what_identity_providers_write_beside_is_taken() -> None:
    for header in (
        {"typ": "JWT"},
        {"typ": "jwt"},
        {"typ": "application/at+jwt"},
        {"kid": "any"},
        {"x5t": "a", "x5t#S256": "b"},
    ):
        assert verify(forged({"alg": "HS256", **header})).subject == "ada"


@pytest.mark.parametrize(
    "header",
    [
        '{"alg":"none","alg":"HS256"}',
        '{"alg":"HS256","alg":"none"}',
        '{"alg":"HS256","alg":"HS256"}',
        '{"alg":"HS256","al\\u0067":"HS256"}',
    ],
)
def test_a_header_says_nothing_twice(header: str) -> None:
    assert_invalid(forged(header))


@pytest.mark.parametrize(
    "claim", ['"sub":"eve"', '"room":"*"', f'"exp":{NOW + 9e6}', '"c\\u0061n":["moderate"],"can":[]']
)
def test_a_payload_says_nothing_twice(claim: str) -> None:
    text = json.dumps(CLAIMS)
    assert verify(forged(payload=text)).subject == "ada"
    assert_invalid(forged(payload=text.replace("{", "{" + claim + ",", 1)))
    assert_invalid(forged(payload=text.replace("}", "," + claim + "}", 1)))


@pytest.mark.parametrize(
    "text", ["", "[]", "null", "7", '"x"', "{", "{}x", "\ufeff{}", "{'a':1}", '{"a":NaN}', "[" * 900]
)
def test_header_and_payload_are_objects(text: str) -> None:
    assert_invalid(forged(header=text))
    assert_invalid(forged(payload=text))


@pytest.mark.parametrize(
    "text", [b"\xff\xfe", b'{"alg":"HS256","kid":"\xff"}', b'{"sub":"\xed\xa0\x80"}', b'{"a":"\\ud800"}']
)
def test_header_and_payload_are_utf_8(text: bytes) -> None:
    assert_invalid(forged(header=text))
    assert_invalid(forged(payload=text))


def test_a_token_is_not_spelled_in_two_ways() -> None:
    head, payload, signature = forged().split(".")
    last = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    other = last[last.index(signature[-1]) ^ 1]
    variants = [
        f"{head}.{payload}.{signature}=",
        f"{head}.{payload}.{signature[:-1]}{other}",
        f"{head}=.{payload}.{signature}",
        f" {head}.{payload}.{signature}",
        f"{head}.{payload}.{signature}\n",
        f"{head}.{payload}.{signature}.",
        f".{head}.{payload}.{signature}",
        f"{head}.{payload}",
        f"{head}..{signature}",
        f"{head}.{payload}.",
        f"Bearer {head}.{payload}.{signature}",
        f"{head}.{payload}.{signature}é",
        "",
        "..",
        "\ud800.a.b",
        json.dumps({"protected": head, "payload": payload, "signature": signature}),
    ]
    for variant in variants:
        assert_invalid(variant)


@given(st.data())
def test_no_character_of_a_token_may_change(data: st.DataObject) -> None:
    token = forged()
    index = data.draw(st.integers(0, len(token) - 1))
    changed = (
        token[:index]
        + data.draw(st.characters(codec="ascii").filter(lambda char: char != token[index]))
        + token[index + 1 :]
    )
    assert_invalid(changed)


@given(st.text(max_size=200) | st.from_regex(r"[\w-]{0,60}\.[\w-]{0,60}\.[\w-]{0,60}", fullmatch=True))
def test_no_text_is_a_fault(text: str) -> None:
    assert_invalid(text)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda values: st.lists(values, max_size=4) | st.dictionaries(st.text(max_size=5), values, max_size=4),
    max_leaves=8,
)


@given(
    st.fixed_dictionaries({"alg": st.just("HS256")}, optional=dict.fromkeys(("kid", "typ", "crit", "b64", "x5t"), JSON))
)
def test_no_signed_header_is_a_fault(header: dict[str, Any]) -> None:
    try:
        verify(forged(header))
    except RefusedError as error:
        assert error.code == "invalid_token"


@given(st.fixed_dictionaries({}, optional=dict.fromkeys(("sub", "name", "room", "can", "aud", "exp", "nbf"), JSON)))
def test_no_signed_claims_are_a_fault(claims: dict[str, Any]) -> None:
    try:
        verify(forged(payload={**CLAIMS, **claims}))
    except RefusedError as error:
        assert error.code in ("invalid_token", "token_expired")


def test_an_encrypted_token_is_refused() -> None:
    key = OctKey.import_key(OTHER_SECRET[:32])
    assert_invalid(jwe.encrypt_compact({"alg": "dir", "enc": "A256GCM"}, json.dumps(CLAIMS).encode(), key))


def test_a_token_with_an_unencoded_payload_is_refused() -> None:
    header = {"alg": "HS256", "b64": False, "crit": ["b64"]}
    assert_invalid(jws.serialize_compact(header, "payload", OctKey.import_key(SECRET)))


def test_a_token_has_a_length() -> None:
    def of(length: int) -> str:
        padding_ = ""
        while len(token := forged(payload={**CLAIMS, "x": padding_})) < length:
            padding_ += "x" * max(1, (length - len(token)) * 3 // 4 - 2)
        return token

    long = of(TOKEN_BYTES_MAX - 4)
    assert len(long) <= TOKEN_BYTES_MAX
    assert verify(long).subject == "ada"
    assert_invalid(of(TOKEN_BYTES_MAX + 1))
    assert_invalid("x" * 10_000_000)


# Two keys.


def test_two_secrets_are_tried_in_turn() -> None:
    check = verifier((SECRET, OTHER_SECRET))
    assert check.verify(forged()).subject == "ada"
    assert check.verify(forged(sign=hs256(OTHER_SECRET))).subject == "ada"
    assert check.verify(forged({"alg": "HS256", "kid": "any"}, sign=hs256(OTHER_SECRET))).subject == "ada"
    assert_invalid(forged(sign=hs256("x" * 40)), check)


def test_a_kid_picks_its_key_and_no_other(keys: Keys) -> None:
    old, new = ed25519.Ed25519PrivateKey.generate(), ed25519.Ed25519PrivateKey.generate()
    path = keys.write_jwks(
        *(
            {**jwk_of(key.public_key()), "kid": kid, "alg": "EdDSA", "use": "sig"}
            for key, kid in [(old, "old"), (new, "new")]
        )
    )
    check = verifier((), path)
    for kid, key, taken in [
        ("old", old, True),
        ("new", new, True),
        ("new", old, False),
        ("old", new, False),
        ("gone", new, False),
        ("", new, False),
        (None, old, True),
        (None, new, True),
    ]:
        token = forged({"alg": "EdDSA", **({} if kid is None else {"kid": kid})}, sign=signer(key))
        if taken:
            assert check.verify(token).subject == "ada"
        else:
            assert_invalid(token, check)


def test_a_minted_token_names_its_key(keys: Keys) -> None:
    public = keys.write_jwks(keys.jwk("ES256", kid="this"), keys.jwk("EdDSA", kid="other"))
    for kid, taken in [("this", True), ("that", False), (None, True)]:
        key = read_private_key(keys.private("ES256"), kid)
        token = mint(key, subject="ada", rooms=["demo"], expires_in_s=60, now=NOW)
        if taken:
            assert verifier((), public).verify(token).subject == "ada"
        else:
            assert_invalid(token, verifier((), public))


def test_keys_of_two_kinds_live_side_by_side(keys: Keys) -> None:
    check = verifier((SECRET,), keys.public("ES256"))
    assert check.verify(forged()).subject == "ada"
    assert check.verify(forged({"alg": "ES256"}, sign=keys.sign("ES256"))).subject == "ada"
    assert_invalid(forged({"alg": "EdDSA"}, sign=keys.sign("EdDSA")), check)


def test_there_are_at_most_two_keys(keys: Keys) -> None:
    with pytest.raises(ConfigurationError, match="3"):
        load_keys([SECRET, OTHER_SECRET], [], [keys.public("ES256")])
    with pytest.raises(ConfigurationError, match="3"):
        load_keys([], [], [keys.write_jwks(*map(keys.jwk, ALGORITHMS))])
    with pytest.raises(ConfigurationError, match="SHEETBEND_TOKEN_SECRET"):
        load_keys([], [], [])
