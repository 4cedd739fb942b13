"""Sealing written a second time, from docs/sealing.md alone, as short as can be: what the other two are held to.

`python -m tests.client.sealing_reference` writes protocol/fixtures/sealing.json with it.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import struct
from base64 import urlsafe_b64encode
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

FIXTURE = Path(__file__).parents[2] / "protocol" / "fixtures" / "sealing.json"
ROLES = ("first", "second")


def text(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def hashed(label: str) -> bytes:
    """32 bytes that look random and are the same each time."""
    return hashlib.sha256(label.encode()).digest()


def lp(*parts: str) -> bytes:
    return b"".join(struct.pack(">I", len(part.encode())) + part.encode() for part in parts)


def hkdf(key: bytes, salt: bytes, info: str, size: int) -> bytes:
    pseudorandom = hmac.digest(salt or bytes(32), key, "sha256")
    output = block = b""
    for number in range(1, size // 32 + 2):
        block = hmac.digest(pseudorandom, block + info.encode() + bytes([number]), "sha256")
        output += block
    return output[:size]


class Member:
    def __init__(self, name: str, user_id: str) -> None:
        self.private = hashed(name)
        self.public = X25519PrivateKey.from_private_bytes(self.private).public_key().public_bytes_raw()
        self.key, self.user_id = text(self.public), user_id


class Pair:
    """What two members share. `sealed`, `tag` and the rest take the role of who does it."""

    def __init__(self, a: Member, b: Member, room: str, secret: str | None) -> None:
        self.members = sorted((a, b), key=lambda member: member.key)
        self.room, self.secret = room, secret
        first, second = self.members
        self.shared = X25519PrivateKey.from_private_bytes(first.private).exchange(
            X25519PublicKey.from_public_bytes(second.public)
        )
        mode = "open" if secret is None else "secret"
        people = (first.key, first.user_id, second.key, second.user_id)
        self.salt = hashlib.sha256(lp("sheetbend link 1", mode, room, *people)).digest()
        self.psk = bytes(32) if secret is None else hkdf(secret.encode(), b"", "sheetbend secret 1", 32)
        self.output = hkdf(self.shared + self.psk, self.salt, "sheetbend keys 1", 152)
        self.keys = (self.output[:32], self.output[32:64])
        self.ivs = (self.output[64:76], self.output[76:88])

    def sealed(self, role: int, counter: int, aad: bytes, plaintext: bytes) -> bytes:
        nonce = int.from_bytes(self.ivs[role], "big") ^ counter
        body = AESGCM(self.keys[role]).encrypt(nonce.to_bytes(12, "big"), plaintext, aad)
        return struct.pack(">Q", counter) + body

    def tag(self, role: int, number: int, parts: list[str]) -> str:
        head = struct.pack(">I", number)
        mac = hmac.digest(self.output[88:120], bytes([role + 1]) + head + lp(*parts), "sha256")
        return text(head + mac)

    def words(self, nonces: list[bytes]) -> list[int]:
        bits = hkdf(self.output[120:152], b"".join(nonces), "sheetbend words 1", 6)
        binary = "".join(f"{byte:08b}" for byte in bits)
        return [int(binary[at : at + 6], 2) for at in range(0, 42, 6)]


def commitment(nonce: bytes) -> bytes:
    return hashlib.sha256(lp("sheetbend words 1") + nonce).digest()


ADA = Member("Ada", "0f" * 16)
BOB = Member("Bob", "a0" * 16)
EVE = Member("Eve", "77" * 16)
ROOM, SECRET = "demo", "mY3v8ZkQ1rT0aBcDeFgHiw"
SDP = "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=fingerprint:sha-256 " + ":".join(["4A"] * 32) + "\r\n"
PAIRS = {
    "with a secret": Pair(ADA, BOB, ROOM, SECRET),
    "without a secret": Pair(ADA, BOB, ROOM, None),
    "with a secret that a person chose, in a room with another alphabet": Pair(BOB, EVE, "комната 🎻", "пароль é"),
}
PLAINTEXTS = [b"", b"\x00", b"hello", hashed("long") * 40]
KIND_1, KIND_2 = b"\x01", b"\x02"


def pair_vectors(name: str, pair: Pair) -> dict[str, Any]:
    parts = ["offer", SDP, "7d1e", "camera", "\ue000", "screen", "\U0001f3bb", "é"]
    nonces = [hashed("first nonce"), hashed("second nonce")]
    return {
        "name": name,
        "roomId": pair.room,
        "secret": pair.secret,
        **{
            role: {"privateKey": member.private.hex(), "key": member.key, "userId": member.user_id}
            for role, member in zip(ROLES, pair.members, strict=True)
        },
        "shared": pair.shared.hex(),
        "psk": pair.psk.hex(),
        "salt": pair.salt.hex(),
        "output": pair.output.hex(),
        "frames": [
            {"by": ROLES[role], "aad": aad.hex(), "plaintext": plaintext.hex(), "sealed": sealed.hex()}
            for role in (0, 1)
            for counter, plaintext in enumerate(PLAINTEXTS)
            for aad in [(KIND_1, b"")[counter % 2]]
            for sealed in [pair.sealed(role, counter, aad, plaintext)]
        ],
        "tags": [
            {"by": ROLES[role], "parts": bound, "tag": pair.tag(role, number, bound)}
            for role in (0, 1)
            for number, bound in enumerate([parts, ["answer", SDP], ["reclaim", "token", "fingerprint"], []])
        ],
        "words": {
            "nonces": [nonce.hex() for nonce in nonces],
            "messages": [
                (b"\x01" + commitment(nonces[0])).hex(),
                (b"\x02" + nonces[1]).hex(),
                (b"\x03" + nonces[0]).hex(),
            ],
            "words": pair.words(nonces),
        },
    }


def flipped(data: bytes, bit: int) -> bytes:
    return (int.from_bytes(data, "big") ^ 1 << (len(data) * 8 - 1 - bit)).to_bytes(len(data), "big")


def frame_cases() -> list[dict[str, Any]]:
    """What the second member of the first pair answers to frames, after it has opened others."""
    pair = PAIRS["with a secret"]
    content = b"hello"
    ada, bob = (0, 1)

    def frame(counter: int) -> bytes:
        return pair.sealed(ada, counter, KIND_1, content)

    def by(sender: Member, receiver: Member, room: str = ROOM, secret: str | None = SECRET) -> bytes:
        other = Pair(sender, receiver, room, secret)
        return other.sealed(other.members.index(sender), 0, KIND_1, content)

    first, second = pair.members
    renamed = Member("Ada" if first is ADA else "Bob", "0e" * 16)
    cases: list[tuple[str, list[bytes], bytes, bytes, str | None]] = [
        ("nothing", [], b"", KIND_1, "frame_refused"),
        ("a byte less than the shortest frame", [], frame(0)[:23], KIND_1, "frame_refused"),
        ("cut by a byte", [], frame(0)[:-1], KIND_1, "frame_refused"),
        ("longer by a byte", [], frame(0) + b"\x00", KIND_1, "frame_refused"),
        ("the first bit of the counter flipped", [], flipped(frame(0), 0), KIND_1, "frame_refused"),
        ("the last bit of the counter flipped", [], flipped(frame(0), 63), KIND_1, "frame_refused"),
        ("a bit of the content flipped", [], flipped(frame(0), 64), KIND_1, "frame_refused"),
        ("the last bit of the tag flipped", [], flipped(frame(0), 8 * len(frame(0)) - 1), KIND_1, "frame_refused"),
        ("of another kind", [], frame(0), KIND_2, "frame_refused"),
        ("of no kind", [], frame(0), b"", "frame_refused"),
        ("its own frame, sent back", [], pair.sealed(bob, 0, KIND_1, content), KIND_1, "frame_refused"),
        ("from a stranger", [], by(EVE, second), KIND_1, "frame_refused"),
        ("from another room", [], by(first, second, room="other"), KIND_1, "frame_refused"),
        ("with another secret", [], by(first, second, secret=SECRET + "x"), KIND_1, "frame_refused"),
        ("without the secret", [], by(first, second, secret=None), KIND_1, "frame_refused"),
        ("under another user id", [], by(renamed, second), KIND_1, "frame_refused"),
        ("again", [frame(0)], frame(0), KIND_1, "frame_replayed"),
        ("again, after others", [frame(3), frame(1), frame(40)], frame(1), KIND_1, "frame_replayed"),
        ("late", [frame(1)], frame(0), KIND_1, None),
        ("at the far end of the window", [frame(2047)], frame(0), KIND_1, None),
        ("just behind the window", [frame(2048)], frame(0), KIND_1, "frame_replayed"),
        ("again, at the far end of the window", [frame(0), frame(2047)], frame(0), KIND_1, "frame_replayed"),
        ("far ahead", [frame(0), frame(5)], frame(100_000), KIND_1, None),
        ("late, after one that was far ahead", [frame(31), frame(100_000)], frame(97_953), KIND_1, None),
        (
            "too late, after one that was far ahead",
            [frame(31), frame(100_000)],
            frame(97_952),
            KIND_1,
            "frame_replayed",
        ),
        ("the last that may be", [frame(0)], frame(2**32 - 1), KIND_1, None),
        ("again, the last that may be", [frame(2**32 - 1)], frame(2**32 - 1), KIND_1, "frame_replayed"),
        ("late, after the last that may be", [frame(2**32 - 1)], frame(2**32 - 2048), KIND_1, None),
        ("too late, after the last that may be", [frame(2**32 - 1)], frame(2**32 - 2049), KIND_1, "frame_replayed"),
        ("beyond the last that may be", [], frame(2**32), KIND_1, "frame_refused"),
    ]
    return [
        {
            "name": name,
            "opened": [each.hex() for each in opened],
            "sealed": sealed.hex(),
            "aad": aad.hex(),
            "code": code,
        }
        for name, opened, sealed, aad, code in cases
    ]


def tag_cases() -> list[dict[str, Any]]:
    """What the second member of the first pair answers to tags, after it has verified others with the same parts."""
    pair = PAIRS["with a secret"]
    parts = ["offer", SDP]
    wrong = "description_refused"

    def tag(number: int, parts: list[str] = parts) -> str:
        return pair.tag(0, number, parts)

    other_sdp = SDP.replace("4A:", "4B:", 1)
    stranger = Pair(EVE, pair.members[1], ROOM, SECRET)
    cases: list[tuple[str, list[str], list[str], object, str | None]] = [
        ("none", [], parts, None, wrong),
        ("a number", [], parts, 7, wrong),
        ("an empty one", [], parts, "", wrong),
        ("one that is too short", [], parts, tag(0)[:-4], wrong),
        ("one that is too long", [], parts, tag(0) + "AAAA", wrong),
        ("one with a space in front", [], parts, " " + tag(0), wrong),
        ("one with padding", [], parts, tag(0) + "=", wrong),
        ("another letter", [], parts, tag(0)[:-1] + ("A" if tag(0)[-1] != "A" else "B"), wrong),
        ("another number", [], parts, "AAAB" + tag(0)[4:], wrong),
        ("a letter that isn't of base64url", [], parts, tag(0)[:-1] + "é", wrong),
        ("its own", [], parts, pair.tag(1, 0, parts), wrong),
        ("a stranger's", [], parts, stranger.tag(stranger.members.index(EVE), 0, parts), wrong),
        ("without the secret", [], parts, Pair(ADA, BOB, ROOM, None).tag(0, 0, parts), wrong),
        ("for another fingerprint", [], ["offer", other_sdp], tag(0), wrong),
        ("for one fingerprint more", [], ["offer", SDP + "a=fingerprint:sha-1 00\r\n"], tag(0), wrong),
        ("for LF in place of CRLF", [], ["offer", SDP.replace("\r\n", "\n")], tag(0), wrong),
        ("for an answer", [], ["answer", SDP], tag(0), wrong),
        ("for parts cut elsewhere", [], ["offe", "r" + SDP], tag(0), wrong),
        ("for a part more", [], [*parts, ""], tag(0), wrong),
        ("again", [tag(0)], parts, tag(0), wrong),
        ("an older one", [tag(1)], parts, tag(0), wrong),
        ("one after others were lost", [tag(0)], parts, tag(1000), None),
        ("the last that may be", [], parts, tag(2**32 - 1), None),
    ]
    return [
        {"name": name, "verified": verified, "verifiedParts": parts, "parts": given, "tag": tag, "code": code}
        for name, verified, given, tag, code in cases
    ]


def key_cases() -> list[dict[str, Any]]:
    """Keys that the first member of the first pair refuses."""
    good = PAIRS["with a secret"].members[1].key
    prime = 2**255 - 19
    low_order = [
        0,
        1,
        325606250916557431795983626356110631294008115727848805560023387167927233504,
        39382357235489614581723060781553021112529911719440698176882885853963445705823,
        prime - 1,
        prime,
        prime + 1,
    ]
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    respelled = good[:-1] + alphabet[alphabet.index(good[-1]) + 1]
    return [
        {"name": "our own", "key": PAIRS["with a secret"].members[0].key},
        {"name": "empty", "key": ""},
        {"name": "too short", "key": good[:-1]},
        {"name": "too long", "key": good + "A"},
        {"name": "padded", "key": good + "="},
        {"name": "spelled in another way", "key": respelled},
        {"name": "with a space", "key": good[:20] + " " + good[20:]},
        {"name": "in base64", "key": text(b"\xff" * 32).replace("_", "/")},
        {"name": "with a letter that isn't of base64url", "key": good[:-1] + "é"},
        *(
            {"name": f"of low order, {point.to_bytes(32, 'little').hex()}", "key": text(point.to_bytes(32, "little"))}
            for point in low_order
        ),
    ]


def words_cases() -> list[dict[str, Any]]:
    """Messages that end the exchange: after `messages`, all answered, `last` is refused. `at` is who receives them."""
    nonces = [hashed("first nonce"), hashed("second nonce")]
    commit, nonce, reveal = b"\x01" + commitment(nonces[0]), b"\x02" + nonces[1], b"\x03" + nonces[0]
    cases: list[tuple[str, str, list[bytes], bytes]] = [
        ("nothing, in place of the nonce", "first", [], b""),
        ("its own commitment", "first", [], commit),
        ("its own nonce revealed", "first", [], reveal),
        ("a short nonce", "first", [], nonce[:-1]),
        ("a second nonce", "first", [nonce], nonce),
        ("nothing, in place of the commitment", "second", [], b""),
        ("a nonce before the commitment", "second", [], nonce),
        ("a nonce revealed before the commitment", "second", [], reveal),
        ("a long commitment", "second", [], commit + b"\x00"),
        ("a second commitment", "second", [commit], commit),
        ("another nonce than was committed to", "second", [commit], b"\x03" + nonces[1]),
        ("a nonce revealed twice", "second", [commit, reveal], reveal),
        ("of an unknown kind", "second", [commit], b"\x04" + nonces[0]),
        ("of kind 0", "second", [commit, reveal], b"\x00" + nonces[0]),
    ]
    return [
        {"name": name, "at": at, "messages": [each.hex() for each in messages], "last": last.hex()}
        for name, at, messages, last in cases
    ]


def fixture() -> dict[str, Any]:
    return {
        "pairs": [pair_vectors(name, pair) for name, pair in PAIRS.items()],
        "frames": frame_cases(),
        "tags": tag_cases(),
        "keys": key_cases(),
        "words": words_cases(),
    }


if __name__ == "__main__":
    FIXTURE.write_text(json.dumps(fixture(), indent=1, ensure_ascii=False) + "\n")
