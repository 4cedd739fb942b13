"""Sealing: what two members send through the server, nobody else can read, alter, repeat or send back.

A member makes one KeyPair for each session and shows its `key` to the room. `KeyPair.agree` with another member's key
gives the Seal of the two, without an exchange: `seal` and `open` for frames on the relay, `bind` and `verify` for
session descriptions, `safety_words` for people to compare. What isn't right raises SealingError; nothing falls back.

docs/sealing.md has the construction and what it does and doesn't protect. `web/sdk/src/sealing.ts` is its twin, held to
the same fixtures.
"""

from __future__ import annotations

import hmac
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable, Mapping
from hashlib import sha256

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from ..errors import SealingError

__all__ = [
    "AGREEMENTS_MAX",
    "FRAMES_MAX",
    "OVERHEAD_BYTES",
    "REPLAY_WINDOW_FRAMES",
    "SEALED_BYTES_MAX",
    "KeyPair",
    "SafetyWords",
    "Seal",
    "description_parts",
    "new_room_secret",
]

OVERHEAD_BYTES = 24
"""A sealed frame is longer than its content by a counter of 8 bytes and a tag of 16."""
FRAMES_MAX = 1 << 32
"""Frames, and tags, of one key. Then `key_worn_out`."""
SEALED_BYTES_MAX = 1 << 39
"""What one key seals: 2^35 blocks, where RFC 9001 (appendix B.1.1) has AES-GCM stop too. Then `key_worn_out`."""
REPLAY_WINDOW_FRAMES = 2048
"""How far behind the newest a frame may be. Older ones are refused, as nobody knows any more whether they came."""
AGREEMENTS_MAX = 16_384
"""How many members one key pair agrees with. Then `key_worn_out`."""

_KEY_BYTES = 32
_SECRET_BYTES = 16
_NONCE_BYTES = 32
_COUNTER_BYTES = 8
_NUMBER_BYTES = 4
_COMMIT, _NONCE, _REVEAL = b"\x01", b"\x02", b"\x03"
_WORDS = 7
_BITS_A_WORD = 6


def new_room_secret() -> str:
    """A secret for a room's link: 22 characters, 128 bits.

    ```python
    url = f"https://example.org/r/demo#{new_room_secret()}"
    ```
    """
    return _to_text(secrets.token_bytes(_SECRET_BYTES))


class KeyPair:
    """A member's keys for one session. They live here and can't be stored: nothing makes the same Seal twice."""

    def __init__(self, private_key: bytes | None = None) -> None:
        """Makes new keys. `private_key`, 32 bytes, is for tests: a key that comes back makes nonces come back."""
        self._private = (
            X25519PrivateKey.generate() if private_key is None else X25519PrivateKey.from_private_bytes(private_key)
        )
        self.key = _to_text(self._private.public_key().public_bytes_raw())
        """The public key, as members show it to the room: 43 characters of base64url."""
        self._agreed: set[bytes] = set()

    def agree(self, *, room_id: str, own_id: str, other_id: str, other_key: str, secret: str | None) -> Seal:
        """Makes the Seal with another member. Keep it for as long as either of you lives under these user ids.

        `secret` is the text behind `#` in the room's link, None where there is none. Raises SealingError `key_refused`
        for a key that can't be one, for our own, and for the same member again: counters would begin again under the
        same keys, which lays them open. `key_worn_out` after AGREEMENTS_MAX.
        """
        if secret == "":
            raise ValueError("An empty secret is none: pass None.")
        their_key = _from_text(other_key, _KEY_BYTES)
        if their_key is None or other_key == self.key:
            raise SealingError("key_refused", "The other member's key can't be used.")
        is_first = self.key < other_key
        ours, theirs = (self.key, own_id), (other_key, other_id)
        first, second = (ours, theirs) if is_first else (theirs, ours)
        mode = "open" if secret is None else "secret"
        salt = sha256(_prefixed(["sheetbend link 1", mode, room_id, *first, *second])).digest()
        self._agree_once(salt)
        try:
            shared = self._private.exchange(X25519PublicKey.from_public_bytes(their_key))
        except ValueError:  # a point of low order: anybody knows what comes out
            raise SealingError("key_refused", "The other member's key can't be used.") from None
        psk = bytes(32) if secret is None else _hkdf(_utf8(secret), b"", b"sheetbend secret 1", 32)
        return Seal(_hkdf(shared + psk, salt, b"sheetbend keys 1", _Keys.SIZE), is_first=is_first)

    def _agree_once(self, salt: bytes) -> None:
        if salt in self._agreed:
            raise SealingError("key_refused", "There is a seal with this member already.")
        if len(self._agreed) == AGREEMENTS_MAX:
            raise SealingError("key_worn_out", "This key has met too many members: join again.")
        self._agreed.add(salt)


class _Keys:
    """What the two have agreed, cut into its parts."""

    SIZE = 2 * 32 + 2 * 12 + 32 + 32

    def __init__(self, output: bytes) -> None:
        self.first_to_second, self.second_to_first = output[:32], output[32:64]
        self.first_iv, self.second_iv = output[64:76], output[76:88]
        self.tags, self.words = output[88:120], output[120:152]


class Seal:
    """What two members have agreed. `KeyPair.agree` makes it."""

    def __init__(self, output: bytes, *, is_first: bool) -> None:
        keys = _Keys(output)
        to_other, from_other = keys.first_to_second, keys.second_to_first
        own_iv, other_iv = keys.first_iv, keys.second_iv
        if not is_first:
            to_other, from_other, own_iv, other_iv = from_other, to_other, other_iv, own_iv
        self.is_first = is_first
        """Whether our `key` is the smaller one, as text."""
        self._sealing, self._opening = AESGCM(to_other), AESGCM(from_other)
        self._own_iv, self._other_iv = int.from_bytes(own_iv, "big"), int.from_bytes(other_iv, "big")
        self._tag_key = keys.tags
        self._words_key: bytes | None = keys.words
        self._sealed_frames = 0
        self._sealed_bytes = 0
        self._opened = _ReplayWindow()
        self._bound = 0
        self._verified = 0
        """Tags with a smaller number are old."""

    def seal(self, plaintext: bytes, aad: bytes) -> bytes:
        """Seal a frame, OVERHEAD_BYTES longer than `plaintext`. `aad` goes unsealed or not at all, but must be right.

        Raises SealingError `key_worn_out`.
        """
        counter = self._sealed_frames
        self._sealed_bytes += len(plaintext)
        if counter >= FRAMES_MAX or self._sealed_bytes > SEALED_BYTES_MAX:
            raise SealingError("key_worn_out", "This key has sealed all it may: join again.")
        self._sealed_frames = counter + 1
        nonce = (self._own_iv ^ counter).to_bytes(12, "big")
        return counter.to_bytes(_COUNTER_BYTES, "big") + self._sealing.encrypt(nonce, plaintext, aad)

    def open(self, sealed: bytes, aad: bytes) -> bytes:
        """Open what the other member sealed with the same `aad`. Frames may come late, within REPLAY_WINDOW_FRAMES.

        Raises SealingError `frame_refused` or `frame_replayed`.
        """
        counter = int.from_bytes(sealed[:_COUNTER_BYTES], "big")
        if len(sealed) < OVERHEAD_BYTES or counter >= FRAMES_MAX:
            raise SealingError("frame_refused", "A frame is not what the other member sealed.")
        nonce = (self._other_iv ^ counter).to_bytes(12, "big")
        try:
            plaintext = self._opening.decrypt(nonce, sealed[_COUNTER_BYTES:], aad)
        except InvalidTag:
            raise SealingError("frame_refused", "A frame is not what the other member sealed.") from None
        if not self._opened.take(counter):
            raise SealingError("frame_replayed", "A frame came again, or far too late.")
        return plaintext

    def bind(self, parts: Iterable[str]) -> str:
        """Make the tag that shows `parts` to be ours, 48 characters. Goes with them, in the order they are sent.

        `parts` are `description_parts` of a description, or any other texts whose first one says what they are.
        """
        number = self._bound
        if number >= FRAMES_MAX:
            raise SealingError("key_worn_out", "This key has made all the tags it may: join again.")
        self._bound = number + 1
        return _to_text(self._tag(number, parts, by_first=self.is_first))

    def verify(self, parts: Iterable[str], tag: object) -> None:
        """Check that the other member bound `parts`, after all that were verified before.

        `tag` is what came, of any type; None where nothing did. Raises SealingError `description_refused`.
        """
        given = _from_text(tag, _NUMBER_BYTES + 32) if isinstance(tag, str) else None
        if given is not None:
            number = int.from_bytes(given[:_NUMBER_BYTES], "big")
            expected = self._tag(number, parts, by_first=not self.is_first)
            if hmac.compare_digest(given, expected) and number >= self._verified:
                self._verified = number + 1
                return
        raise SealingError("description_refused", "A description is not from the other member.")

    def safety_words(self, *, nonce: bytes | None = None) -> SafetyWords:
        """Begin the exchange that gives both members the same words. Once: a stranger in between shall have one try.

        `nonce`, 32 random bytes, is for tests.
        """
        key, self._words_key = self._words_key, None
        if key is None:
            raise ValueError("A seal has its words once.")
        return SafetyWords(key, is_first=self.is_first, nonce=nonce or secrets.token_bytes(_NONCE_BYTES))

    def _tag(self, number: int, parts: Iterable[str], *, by_first: bool) -> bytes:
        head = number.to_bytes(_NUMBER_BYTES, "big")
        role = b"\x01" if by_first else b"\x02"
        return head + hmac.digest(self._tag_key, role + head + _prefixed(parts), "sha256")


class _ReplayWindow:
    """Which of the latest frames have come. RFC 4303, section 3.4.3."""

    def __init__(self) -> None:
        self._newest = -1
        self._seen = 0
        """Bit 0 is the newest."""

    def take(self, counter: int) -> bool:
        """Whether the frame is new and not too old. For authentic frames only: a forged one would move the window."""
        ahead = counter - self._newest
        if ahead > 0:
            kept = self._seen << ahead if ahead < REPLAY_WINDOW_FRAMES else 0
            self._seen = (kept | 1) & ((1 << REPLAY_WINDOW_FRAMES) - 1)
            self._newest = counter
            return True
        bit = 1 << -ahead
        if -ahead >= REPLAY_WINDOW_FRAMES or self._seen & bit:
            return False
        self._seen |= bit
        return True


class SafetyWords:
    """Words that are the same for two members if nobody stands between them: 7 numbers below 64.

    The words are made of a nonce of each. The first member is held to its own, by its hash, before it sees the
    other's, so neither, nor anyone between, can choose nonces by the words that come out:

        first    start: commit ──>
        second   receive: <── nonce
        first    receive: reveal ──>, and has `words`
        second   receive: has `words`

    The messages go over the link, reliably and in order. Anything else ends the exchange for good.
    """

    def __init__(self, key: bytes, *, is_first: bool, nonce: bytes) -> None:
        self._key = key
        self._is_first = is_first
        self._nonce = nonce
        self._commitment = b""
        self._expected: bytes | None = None if is_first else _COMMIT
        """The kind of the message that must come next; empty for none, None before `start`."""
        self.words: tuple[int, ...] | None = None
        """Once the exchange is over. What they look like stands in `safety_words`."""

    def start(self) -> bytes | None:
        """The message to send first, once; None for the second member, who waits. Raises `words_refused`."""
        if not self._is_first:
            return None
        if self._expected is not None:  # a nonce that was revealed must not be committed to again
            raise SealingError("words_refused", "The exchange of safety words has begun.")
        self._expected = _NONCE
        return _COMMIT + _commitment(self._nonce)

    def receive(self, message: bytes) -> bytes | None:
        """The message to answer with, if any. Raises SealingError `words_refused`."""
        kind, body = message[:1], message[1:]
        expected, self._expected = self._expected, b""
        if not kind or kind != expected or len(body) != _NONCE_BYTES:
            raise SealingError("words_refused", "The exchange of safety words was broken.")
        if kind == _COMMIT:
            self._commitment, self._expected = body, _REVEAL
            return _NONCE + self._nonce
        if kind == _NONCE:
            self.words = _words(self._key, self._nonce + body)
            return _REVEAL + self._nonce
        if _commitment(body) != self._commitment:
            raise SealingError("words_refused", "The exchange of safety words was broken.")
        self.words = _words(self._key, body + self._nonce)
        return None


def description_parts(kind: str, sdp: str, labels: Mapping[str, str]) -> list[str]:
    """What of a description is bound: all of its text, so that no two parsers can differ on what that was.

    `labels` are those of its streams, by id. Raises SealingError `description_refused` for one without a fingerprint.
    """
    if "\na=fingerprint:" not in sdp:
        raise SealingError("description_refused", "A description has no fingerprint to hold DTLS to.")
    # In the order of JavaScript, by UTF-16 code units.
    ordered = sorted(labels.items(), key=lambda item: item[0].encode("utf-16-be", "surrogatepass"))
    return [kind, sdp, *(text for item in ordered for text in item)]


def _commitment(nonce: bytes) -> bytes:
    return sha256(_prefixed(["sheetbend words 1"]) + nonce).digest()


def _words(key: bytes, nonces: bytes) -> tuple[int, ...]:
    bits = int.from_bytes(_hkdf(key, nonces, b"sheetbend words 1", 6), "big")
    return tuple(bits >> (48 - _BITS_A_WORD * place) & 63 for place in range(1, _WORDS + 1))


def _hkdf(key: bytes, salt: bytes, info: bytes, size: int) -> bytes:
    return HKDF(algorithm=SHA256(), length=size, salt=salt, info=info).derive(key)


def _prefixed(texts: Iterable[str]) -> bytes:
    """One string that can be cut in one way only."""
    return b"".join(len(part).to_bytes(4, "big") + part for part in map(_utf8, texts))


def _utf8(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")  # strangers' text may hold lone surrogates: it must differ, not fail


def _to_text(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def _from_text(text: str, size: int) -> bytes | None:
    """`size` bytes in the one spelling that base64url has for them (RFC 4648, section 3.5); else None."""
    try:
        data = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        return None
    return data if len(data) == size and _to_text(data) == text else None
