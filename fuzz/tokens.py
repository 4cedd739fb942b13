"""Tokens that were never given out, and claims that nobody would mint."""

from __future__ import annotations

from joserfc import jws
from joserfc.jwk import OKPKey

from sheetbend.core.limits import Limits
from sheetbend.errors import RefusedError
from sheetbend.server.token_keys import TokenKey, secret_key
from sheetbend.server.tokens import TOKEN_BYTES_MAX, TokenVerifier, mint

__all__ = ["MINTED", "read_claims", "verify"]

NOW = 1_700_000_000.0

_SECRET = secret_key("0123456789abcdef0123456789abcdef", "of the fuzzer", kid="one")
_PAIR = TokenKey(algorithms=("EdDSA", "Ed25519"), key=OKPKey.generate_key("Ed25519"), kid="two")
_LIMITS = Limits()
_verifier = TokenVerifier([_SECRET, _PAIR], audience="fuzz", limits=_LIMITS, clock=lambda: NOW)

MINTED = [
    mint(key, subject="ada", rooms=rooms, expires_in_s=60, now=NOW, name=name, can=can, audience="fuzz")
    for key in (_SECRET, _PAIR)
    for rooms, name, can in ((["demo"], None, None), (["a", "b*"], "Ada", ["message", "moderate"]))
]
_SIGNED = {token.rpartition(".")[0] for token in MINTED}


def verify(data: bytes) -> None:
    """Only what was signed by a key is taken, however the rest is spelt."""
    token = data.decode("utf-8", "replace")
    try:
        _verifier.verify(token)
    except RefusedError as error:
        assert error.code in ("invalid_token", "token_expired")
        assert len(error.sentence) < 500, "as long as the token"
    else:
        assert token.rpartition(".")[0] in _SIGNED, token


def read_claims(data: bytes) -> None:
    """Whatever the operator signs, it grants something sound or is refused."""
    token = jws.serialize_compact({"alg": "HS256"}, data[: TOKEN_BYTES_MAX // 2], _SECRET.key, algorithms=["HS256"])
    try:
        grants = _verifier.verify(token)
    except RefusedError as error:
        assert error.code in ("invalid_token", "token_expired")
        return
    assert grants.can <= {"publish", "subscribe", "message", "moderate"}
    assert grants.subject
    assert grants.expires_at is not None
    assert grants.expires_at > NOW
    assert grants.rooms is None or all(0 < len(room) <= _LIMITS.room_id_chars_max + 1 for room in grants.rooms)
