"""The claims of a token: when it holds, and what each may be."""

from __future__ import annotations

import json

import pytest

from sheetbend.server.token_claims import LEEWAY_S
from tests.support.tokens import (
    CLAIMS,
    NOW,
    OTHER_SECRET,
    assert_invalid,
    forged,
    hs256,
    refusal,
    verify,
)


def test_a_token_ends() -> None:
    token = forged(payload={**CLAIMS, "exp": NOW})
    assert verify(token, now=NOW + LEEWAY_S - 0.01).subject == "ada"
    assert refusal(token, now=NOW + LEEWAY_S).code == "token_expired"
    assert refusal(forged(payload={**CLAIMS, "exp": 0})).code == "token_expired"


def test_a_token_begins() -> None:
    token = forged(payload={**CLAIMS, "nbf": NOW})
    assert verify(token, now=NOW - LEEWAY_S).subject == "ada"
    assert_invalid(token, now=NOW - LEEWAY_S - 0.01)


@pytest.mark.parametrize("claim", ["exp", "nbf"])
@pytest.mark.parametrize(
    "value",
    [
        *["NaN", "Infinity", "-Infinity", "1e400", "1e308", "9" * 5000, "-1", str(int((NOW + 3600) * 1000))],
        *["true", "null", '"1900000000"', "[1900000000]", "{}"],
    ],
)
def test_a_time_is_a_sensible_number_of_seconds(claim: str, value: str) -> None:
    claims = json.dumps({**CLAIMS, claim: "@"}).replace('"@"', value)
    assert_invalid(forged(payload=claims))


def test_a_time_may_have_a_fraction() -> None:
    assert verify(forged(payload={**CLAIMS, "exp": NOW + 0.5})).expires_at == NOW + 0.5 + LEEWAY_S


def test_a_token_without_end_is_refused() -> None:
    assert_invalid(forged(payload={"sub": "ada", "room": "demo"}))


def test_an_expired_forgery_is_a_forgery() -> None:
    assert_invalid(forged(payload={**CLAIMS, "exp": 1}, sign=hs256(OTHER_SECRET)))


@pytest.mark.parametrize(
    ("claim", "value"),
    [
        ("sub", None),
        ("sub", ""),
        ("sub", 7),
        ("sub", ["ada"]),
        ("sub", "x" * 129),
        ("sub", "a\nb"),
        ("sub", "a\u202eb"),
        ("name", None),
        ("name", ""),
        ("name", 7),
        ("name", "x" * 65),
        ("name", "a\0"),
        ("name", "\u2067evil"),
        ("room", None),
        ("room", ""),
        ("room", 7),
        ("room", []),
        ("room", [[]]),
        ("room", {}),
        ("room", [None]),
        ("room", ["demo", ""]),
        ("room", "x" * 129),
        ("room", "a\u2028b"),
        ("room", ["r"] * 65),
        ("can", None),
        ("can", "message"),
        ("can", ["message", "fly"]),
        ("can", ["Message"]),
        ("can", [["message"]]),
        ("can", {"message": True}),
        ("aud", "somewhere"),
        ("aud", []),
        ("aud", None),
    ],
)
def test_a_claim_of_another_form_is_refused(claim: str, value: object) -> None:
    assert_invalid(forged(payload={**CLAIMS, claim: value}))


@pytest.mark.parametrize("claim", ["sub", "room", "exp"])
def test_a_claim_that_is_needed_is_missed(claim: str) -> None:
    error = refusal(forged(payload={name: value for name, value in CLAIMS.items() if name != claim}))
    assert error.code == "invalid_token"
    assert claim in error.sentence


@pytest.mark.parametrize(
    ("audience", "taken"),
    [
        ("here", True),
        (["there", "here"], True),
        ("there", False),
        ([], False),
        (["there"], False),
        ("her", False),
        ("HERE", False),
        (None, False),
        ({"here": 1}, False),
        ([["here"]], False),
    ],
    ids=str,
)
def test_a_token_names_this_audience(audience: object, taken: bool) -> None:
    token = forged(payload={**CLAIMS, "aud": audience})
    if taken:
        assert verify(token, audience="here").subject == "ada"
    else:
        assert_invalid(token, audience="here")


def test_a_token_without_audience_is_for_none() -> None:
    assert_invalid(forged(), audience="here")
