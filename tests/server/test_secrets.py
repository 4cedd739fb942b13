"""Secrets stay secret: nothing that a client says in confidence stands in a log, an error or a close reason."""

from __future__ import annotations

import contextlib
import json
import secrets
import time
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed

from tests.support.clients import Client, lesson, native
from tests.support.frames import TEXT, RawWebSocket, frame, upgrade_request
from tests.support.in_process import asynchronous
from tests.support.process import ServerProcess
from tests.support.tokens import CLAIMS, SECRET, encoded, forged, hs256


def canary() -> str:
    """A word that is nowhere else. Letters and digits, so that every encoding leaves it whole."""
    return f"canary{secrets.token_hex(12)}"


class Sentinel:
    """What a server and its clients said, to be searched."""

    def __init__(self) -> None:
        self.canaries: dict[str, str] = {}
        self.heard: list[str] = []

    def word(self, where: str) -> str:
        return self.canaries.setdefault(where, canary())

    def assert_silent(self, text: str, what: str) -> None:
        for where, word in self.canaries.items():
            assert word not in text, f"the canary in {where} is in {what}"
            assert word.upper() not in text.upper(), where

    async def listen(self, client: Client) -> None:
        """Read to the end, keeping errors and the close reason."""
        try:
            while True:
                message = await client.next_message()
                if message["type"] == "error":
                    self.heard.append(json.dumps(message))
        except ConnectionClosed as closed:
            if closed.rcvd is not None:
                self.heard.append(closed.rcvd.reason)


def token(sub: str, **claims: Any) -> str:
    return forged(payload={**CLAIMS, "sub": sub, "room": "*", "exp": time.time() + 3600, **claims})


@asynchronous
async def test_secrets_are_in_no_log_error_or_close_reason() -> None:
    sentinel = Sentinel()
    word = sentinel.word
    arguments = ["--log-level", "debug", "--auth", "token"]
    with ServerProcess(arguments, environment={"SHEETBEND_TOKEN_SECRET": SECRET}) as server:
        ada = await native(server.websocket_url, token=token("ada"))
        bob = await native(server.websocket_url, token=token("bob"))
        sentinel.canaries |= {"ada's resume token": ada.resume_token.partition(".")[2], "the secret": SECRET}
        await ada.join("demo", attributes={"a": word("attributes")})
        await bob.join("demo")
        await ada.receive("user-joined")
        peer = {"roomId": "demo", "target": bob.user_id}
        await ada.send("offer", sdp={"type": "offer", "sdp": word("sdp")}, **peer)
        await ada.send("answer", sdp=word("an answer"), **peer)
        await ada.send("ice-candidate", candidate={"candidate": word("a candidate")}, **peer)
        await ada.send("message", roomId="demo", data=word("data"), id="i", ref="r")
        await ada.send("message", roomId="demo", data=word("private data"), to=[bob.user_id])
        for broken in refused_messages(word, bob.user_id):
            await ada.send_text(broken)
        await ada.send("token", token=word("a token that is none"))
        await ada.send("token", token=f"{forged().rsplit('.', 1)[0]}.{encoded(word('a signature').encode())}")
        await ada.lose_connection()
        await ada.resume(server.websocket_url, token=token("ada", can=[]))
        sentinel.canaries["ada's second resume token"] = ada.resume_token.partition(".")[2]
        await ada.send("message", roomId="demo", data=word("data without the right"))
        await ada.send("bye")
        await sentinel.listen(ada)
        for hello in bad_hellos(word, ada):
            stranger = await native(server.websocket_url, hello=False)
            with contextlib.suppress(ConnectionClosed):
                await stranger.send("hello", **hello)
                await stranger.send("hello", token=token("last"))  # where the first was not read at all
                await stranger.send("bye")
            await sentinel.listen(stranger)
        beginner = await lesson(server.websocket_url)
        await sentinel.listen(beginner)
        await bob.send("bye")
        await sentinel.listen(bob)
        strange_handshakes(server.port, word)
        assert server.stop() == 0
        log = server.announcement + server.errors
        assert len(sentinel.heard) > 15
        assert log.count("refused") > 15, "the log is at debug level"
        sentinel.assert_silent(log, "the log")
        sentinel.assert_silent("\n".join(sentinel.heard), "an error or a close reason")
        assert "Traceback" not in log


def refused_messages(word: Any, target: str) -> list[str]:
    """Each is refused, by one check after another."""
    signalling = {"roomId": "demo", "target": target}
    return [
        f'{{"type":"offer","sdp":"{word("invalid JSON")}',
        f'{{"type":"offer","sdp":{{"{word("a key")}":1,"{word("a key")}":2}}}}',
        f'{{"type":"offer","sdp":{"[" * 300}"{word("deep down")}"{"]" * 300}}}',
        json.dumps({"type": "offer", "sdp": word("sdp without target")}),
        json.dumps({"type": "offer", "sdp": word("sdp for nobody"), **signalling, "target": "0" * 32}),
        json.dumps({"type": "message", "roomId": "nowhere", "data": word("data for nowhere")}),
        json.dumps({"type": "message", "roomId": "demo", "data": word("data of a bad ref"), "ref": "\n"}),
        json.dumps({"type": "message", "roomId": "demo", "data": word("big data") + "x" * 70_000}),
        json.dumps({"type": "update", "roomId": "demo", "attributes": [word("attributes that are none")]}),
        json.dumps({"type": "token", "token": [word("a token in a list")]}),
        json.dumps({"type": "token", "token": word("a long token") + "x" * 9000}),
        json.dumps({"type": "hello", "token": word("a token too late")}),
        json.dumps({"type": word("a type")}),
    ]


def bad_hellos(word: Any, ada: Client) -> list[dict[str, Any]]:
    claims = {**CLAIMS, "room": "*", "exp": time.time() + 3600}
    wrong_header = {"alg": "HS256", "kid": word("a kid"), "crit": [word("crit")]}
    return [
        {"token": word("a first token")},
        {"token": word("a token of 9000") + "x" * 9000},
        {"token": forged({"alg": word("an alg")}, claims)},
        {"token": forged(wrong_header, claims)},
        {"token": forged(payload={**claims, "sub": [word("a sub")]})},
        {"token": forged(payload={**claims, "room": {word("a room"): 1}})},
        {"token": forged(payload={**claims, "can": [word("a right")]})},
        {"token": forged(payload={**claims, "exp": 5, "secret": word("an expired claim")})},
        {"token": forged(payload=claims, sign=hs256("x" * 64)), "client": word("a client's name")},
        {"token": token("ada"), "resume": {"token": f"{ada.user_id}.{word('a guess')}", "received": 0}},
        {"token": token("eve"), "resume": {"token": word("a resume token"), "received": 0}},
        {"resume": {"token": word("a resume token without a token"), "received": 0}},
        {"resume": {"token": word("a long resume token") + "x" * 200, "received": 0}},
        {"resume": word("a resume that is none")},
    ]


def strange_handshakes(port: int, word: Any) -> None:
    """What stands in a URL or a header may be a secret of somebody who knows no better."""
    for request in (
        upgrade_request(extra=f"Authorization: Bearer {word('a header')}\r\n"),
        upgrade_request(extra=f"Cookie: session={word('a cookie')}\r\n"),
        upgrade_request().replace(b"/ws", f"/ws?token={word('a URL')}".encode()),
        f"GET /{word('a path')} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode(),
        f"{word('no HTTP')}\r\n\r\n".encode(),
    ):
        with RawWebSocket(port) as raw:
            raw.send(request)
            raw.socket.recv(4096)


@pytest.mark.parametrize("level", ["debug", "info"])
def test_messages_before_hello_and_broken_frames_are_not_logged(level: str) -> None:
    sentinel = Sentinel()
    with ServerProcess(["--log-level", level]) as server:
        for payload, fields in (
            (sentinel.word("text before hello").encode(), {}),
            (sentinel.word("text that is not UTF-8").encode() + b"\xff", {}),
            (sentinel.word("a reserved bit").encode(), {"reserved": 4}),
            (sentinel.word("no mask").encode(), {"masked": False}),
        ):
            with RawWebSocket(server.port) as raw:
                raw.send(upgrade_request(subprotocol="sheetbend.v1"), frame(TEXT, payload, **fields))
                raw.read_head()
                opcode, answer = raw.read_frame()
                sentinel.assert_silent(answer.decode("utf-8", "replace"), f"the answer {opcode}")
        assert server.stop() == 0
        sentinel.assert_silent(server.errors, "the log")
