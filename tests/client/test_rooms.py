"""What programs find in a room, say in it and may do there, on a real server."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from sheetbend.client import (
    AccessChanged,
    ClientError,
    ClientLimits,
    ErrorOccurred,
    KnockEnded,
    KnockReceived,
    Member,
    MemberJoined,
    MemberLeft,
    MemberUpdated,
    MessageReceived,
    MuteRequested,
    Room,
    RoomClosed,
    RoomMessageReceived,
    SelfChanged,
    StateChanged,
    connect,
)
from sheetbend.core.client.reconnect_policy import FullJitter
from sheetbend.core.limits import Limits
from sheetbend.errors import ConfigurationError
from sheetbend.server.token_claims import LEEWAY_S
from tests.client.people import TIMEOUT_S, companions, entered, every, meet, next_of, unread
from tests.support.clients import native
from tests.support.forwarder import Forwarder
from tests.support.in_process import RunningServer, asynchronous, serving
from tests.support.tokens import CLAIMS, SECRET, forged


def token(sub: str, **claims: Any) -> str:
    return forged(payload={**CLAIMS, "sub": sub, "room": "*", "exp": time.time() + 3600, **claims})


@asynccontextmanager
async def asking_for_tokens(**limits: Any) -> AsyncIterator[RunningServer]:
    async with serving(Limits(**limits), auth="token", token_secrets=(SECRET,)) as server:
        yield server


async def refusal(*requests: Any) -> list[str]:
    """The codes that these raise."""
    codes = []
    for request in requests:
        with pytest.raises(ClientError) as refused:
            await request
        codes.append(refused.value.code)
    return codes


# Entering.


@asynchronous
async def test_members_found_on_arrival_wait_as_events_until_they_are_read() -> None:
    async with serving(Limits()) as server, entered(server.websocket_url, "Ada", "Bob", "Cyn") as rooms:
        joined = await every(rooms[2], MemberJoined, 2)
        assert [event.member.name for event in joined] == ["Ada", "Bob"]
        assert [member.name for member in rooms[2].members.values()] == ["Ada", "Bob"]
        assert (await meet(rooms[0])).name == "Bob"
        assert (await meet(rooms[0])).name == "Cyn"
        assert rooms[0].me.name == "Ada"
        assert rooms[0].me.user_id != rooms[1].me.user_id


@asynchronous
async def test_a_link_as_the_app_shows_it_leads_into_the_room_and_holds_its_secret() -> None:
    async with serving(Limits()) as server:
        link = f"http://127.0.0.1:{server.port}/r/de%20mo#s3cret"
        async with (
            connect(link, engine=None) as ada,
            entered(server.websocket_url, "Bob", room="de mo", secret="s3cret") as [bob],
        ):
            to_ada, _ = await companions(bob, ada)
            assert ada.id == "de mo"
            assert to_ada.sealing == "secret"
            await to_ada.send("hello")


@asynchronous
async def test_a_room_can_be_awaited_and_left() -> None:
    async with serving(Limits()) as server:
        room = await connect(server.websocket_url, room="demo", engine=None)
        await room.leave()
        await room.leave()
        assert room.state == "closed"
        *_, state, closed = await unread(room)
        assert state == StateChanged("closed")
        assert isinstance(closed, RoomClosed)
        assert (closed.reason.code, closed.reason.error) == (1000, None)
        assert await refusal(room.send(1), room.update(name="x"), room.publish()) == ["closed"] * 3


@asynchronous
async def test_what_can_not_be_is_refused_at_once() -> None:
    async with serving(Limits()) as server:
        url = server.websocket_url

        async def enter(url: str = url, **options: Any) -> None:
            async with connect(url, **{"engine": None, **options}):
                pass

        assert await refusal(
            enter(),
            enter(room="demo", secret=""),
            enter(room="demo", name="\ud800"),
            enter(room="demo", attributes={"a": {1, 2}, "b": object()}),
            enter("ftp://example.org/r/demo"),
            enter("nonsense nonsense"),
            enter(room=""),
            enter(room="x" * 129),
            enter(room="demo", name="x" * 65),
            enter(room="demo", attributes={"a": "x" * 5000}),
        ) == ["invalid_argument"] * 6 + ["invalid_room_id"] * 2 + ["invalid_name", "invalid_attributes"]
    assert await refusal(enter(room="demo")) == ["connection_failed"]
    assert (
        await refusal(*(enter(f"http://{host}/r/demo") for host in ("a..b", ".x", "x" * 64 + ".org")))
        == ["connection_failed"] * 3
    )


@asynchronous
async def test_a_certificate_that_nobody_vouches_for_is_refused_unless_the_program_trusts_it() -> None:
    trusting = ssl.create_default_context()
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    async with serving(Limits(), tls_auto=True) as server:
        url = f"https://127.0.0.1:{server.port}/r/demo"
        with pytest.raises(ClientError, match="certificate") as refused:
            await connect(url, engine=None)
        assert refused.value.code == "connection_failed"
        async with connect(url, engine=None, tls=trusting) as ada, connect(url, engine=None, tls=trusting) as bob:
            to_bob, _ = await companions(ada, bob)
            await to_bob.send("x" * 200_000)
            assert len((await next_of(bob, MessageReceived)).data) == 200_000


@asynchronous
async def test_a_full_room_is_said() -> None:
    async with serving(Limits(members_per_room_max=1)) as server, entered(server.websocket_url, "Ada"):
        with pytest.raises(ClientError) as refused:
            await connect(server.websocket_url, room="demo", engine=None)
        assert (refused.value.code, refused.value.retryable) == ("room_full", True)


@asynchronous
async def test_one_task_at_a_time_reads_the_events() -> None:
    async with serving(Limits()) as server, entered(server.websocket_url, "Ada") as [ada]:
        reading = asyncio.create_task(anext(ada))
        await asyncio.sleep(0)
        with pytest.raises(RuntimeError):
            await anext(ada)
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        await ada.send("x")
        assert isinstance(await anext(ada), RoomMessageReceived)


@pytest.mark.parametrize("limits", [ClientLimits(events_max=50), ClientLimits(events_bytes_max=20_000)])
def test_a_room_whose_events_nobody_reads_ends_and_says_so(limits: ClientLimits) -> None:
    @asynchronous
    async def run() -> None:
        async with serving(Limits()) as server, entered(server.websocket_url, "Ada", limits=limits) as [ada]:
            async with entered(server.websocket_url, "Bob") as [bob]:
                for number in range(100):
                    await bob.send([number, "x" * 100])
                await next_of(bob, MemberLeft)
            *before, closed = await unread(ada)
            assert len(before) < 60
            assert isinstance(closed, RoomClosed)
            assert closed.reason.error is not None
            assert closed.reason.error.code == "events_unread"
            numbers = [event.message.data[0] for event in before if isinstance(event, RoomMessageReceived)]
            assert numbers == list(range(len(numbers))), "what came before the end came whole and in order"

    run()


# What is said.


@asynchronous
async def test_room_messages_come_to_all_in_one_order_and_later_as_history() -> None:
    async with serving(Limits()) as server, entered(server.websocket_url, "Ada", "Bob") as [ada, bob]:
        places = await asyncio.gather(*(room.send({"n": n}) for n in range(100) for room in (ada, bob)))
        heard = [[event.message for event in await every(room, RoomMessageReceived, 200)] for room in (ada, bob)]
        assert [message.data for message in heard[0]] == [message.data for message in heard[1]]
        assert sorted(place.offset for place in places) == [message.place.offset for message in heard[0]]
        assert sum(message.is_own for message in heard[0]) == 100
        mine = [message for message in heard[0] if not message.is_own]
        assert {message.sender for message in mine} == set(ada.members.values())
        assert abs(mine[0].time - time.time()) < 60
        async with entered(server.websocket_url, "Cyn") as [cyn]:
            assert [message.data for message in cyn.history.messages] == [message.data for message in heard[0]]
            assert cyn.history.complete
            assert {message.sender.name for message in cyn.history.messages} == {"Ada", "Bob"}
            assert not [event for event in await _some(cyn) if isinstance(event, RoomMessageReceived)]


async def _some(room: Room) -> list[object]:
    """The events so far."""
    events: list[object] = []
    await room.send("now")
    while not isinstance(event := await anext(room), RoomMessageReceived):
        events.append(event)
    assert event.message.data == "now"
    return events


@asynchronous
async def test_a_room_message_to_some_comes_to_them_alone() -> None:
    async with serving(Limits()) as server, entered(server.websocket_url, "Ada", "Bob", "Cyn") as [ada, bob, cyn]:
        to_bob = await meet(ada)
        await meet(ada)
        await ada.send("for Bob", to=[to_bob])
        await ada.send("for all")
        heard = (await next_of(bob, RoomMessageReceived)).message
        assert (heard.data, heard.to) == ("for Bob", (bob.me,))
        assert (await next_of(cyn, RoomMessageReceived)).message.data == "for all"
        assert await refusal(ada.send("x", to=[])) == ["invalid_argument"]
        await bob.leave()
        await next_of(ada, MemberLeft)
        assert await refusal(ada.send("x", to=[to_bob])) == ["target_not_found"]


@asynchronous
async def test_what_json_can_not_hold_is_refused_here_and_costs_nothing() -> None:
    nested: Any = []
    for _ in range(250):
        nested = [nested]
    async with serving(Limits()) as server, entered(server.websocket_url, "Ada") as [ada]:
        codes = await refusal(
            ada.send(object()),
            ada.send("\udc00"),
            ada.send({1, object()}),
            ada.send("x" * 65_536),
            ada.send(nested),
            ada.publish(label="\ud800"),
            ada.update(attributes={"x": object()}),
            ada.update(name="x" * 70),
        )
        assert codes == [
            *["invalid_argument"] * 3,
            "message_too_big",
            "nesting_too_deep",
            *["invalid_argument"] * 2,
            "invalid_name",
        ]
        await ada.send('[{"]' * 1000)
        assert ada.state == "connected"


@asynchronous
async def test_what_was_given_to_send_may_change_while_it_waits_for_the_server() -> None:
    async with serving(Limits()) as server:
        with Forwarder(server.port) as between:
            url = between.url.replace("http", "ws") + "ws"
            async with entered(url, "Ada", reconnect=FullJitter(base_s=0.01, max_s=0.05)) as [ada]:
                data = {"a": [1]}
                with between.cut():
                    await next_of(ada, StateChanged)
                    sending = asyncio.create_task(ada.send(data))
                    await asyncio.sleep(0)
                    data["a"].append(2)
                await asyncio.wait_for(sending, TIMEOUT_S)
                assert (await next_of(ada, RoomMessageReceived)).message.data == {"a": [1]}


@asynchronous
async def test_a_cancelled_send_takes_nothing_back_and_holds_nothing_up() -> None:
    async with serving(Limits()) as server, entered(server.websocket_url, "Ada") as [ada]:
        sending = asyncio.create_task(ada.send(1))
        await asyncio.sleep(0)
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        await ada.send(2)
        assert [event.message.data for event in await every(ada, RoomMessageReceived, 2)] == [1, 2]


# Who one is, and who may do what.


@asynchronous
async def test_names_and_attributes_change_for_all() -> None:
    async with (
        serving(Limits()) as server,
        entered(server.websocket_url, "Ada", "Bob", attributes={"hand": "down", "x": 1}) as [ada, bob],
    ):
        seen = await meet(ada)
        assert seen.attributes == {"hand": "down", "x": 1}
        await bob.update(name="Bert", attributes={"hand": "up", "x": None})
        assert (await next_of(ada, MemberUpdated)).member is seen
        assert (seen.name, seen.attributes) == ("Bert", {"hand": "up"})
        assert (await next_of(bob, SelfChanged)).me is bob.me
        assert (bob.me.name, bob.me.attributes) == ("Bert", {"hand": "up"})


@asynchronous
async def test_a_moderator_has_somebody_muted_asked_and_put_out() -> None:
    async with serving(Limits()) as server, entered(server.websocket_url, "Ada", "Bob") as [ada, bob]:
        to_bob, to_ada = await companions(ada, bob)
        await ada.mute(to_bob, messages=True)
        assert (await next_of(bob, SelfChanged)).me.muted
        assert await refusal(bob.send("x")) == ["muted"]
        await ada.mute(to_bob, media=["audio"])
        asked = await next_of(bob, MuteRequested)
        assert (asked.media, asked.moderator) == (("audio",), to_ada)
        assert await refusal(bob.mute(to_ada, messages=True), ada.mute(to_bob)) == ["not_allowed", "invalid_argument"]
        await ada.remove(to_bob)
        closed = await next_of(bob, RoomClosed)
        assert closed.reason.error is not None
        assert closed.reason.error.code == "removed"
        left = await next_of(ada, MemberLeft)
        assert (left.member, left.reason) == (to_bob, "removed")
        assert await refusal(to_bob.send("x"), ada.remove(to_bob)) == ["member_gone", "target_not_found"]


@asynchronous
async def test_who_knocks_is_let_in_or_sent_away() -> None:
    async with serving(Limits()) as server, entered(server.websocket_url, "Ada") as [ada]:
        await ada.set_access("lobby")
        assert (await next_of(ada, AccessChanged)).access == ada.access == "lobby"
        is_waiting = asyncio.Event()
        entering = [
            asyncio.ensure_future(_enter(server, name=name, on_waiting=is_waiting.set)) for name in ("Bob", "Cyn")
        ]
        knocks = {event.member.name: event.member for event in await every(ada, KnockReceived, 2)}
        await is_waiting.wait()
        assert ada.lobby == {member.user_id: member for member in knocks.values()}
        await ada.admit(knocks["Bob"].user_id)
        bob = await entering[0]
        assert (await next_of(ada, KnockEnded)).member == knocks["Bob"]
        assert bob.access == "lobby"
        await ada.reject(knocks["Cyn"].user_id)
        assert await refusal(entering[1], ada.admit(knocks["Cyn"].user_id)) == ["not_admitted", "not_waiting"]
        assert not ada.lobby
        await ada.set_access("locked")
        assert await refusal(_enter(server, name="Dan")) == ["room_locked"]
        await bob.leave()


async def _enter(server: RunningServer, **options: Any) -> Room:
    return await connect(server.websocket_url, room="demo", engine=None, **options)


@asynchronous
async def test_to_give_up_waiting_in_the_lobby_leaves_it() -> None:
    async with serving(Limits()) as server, entered(server.websocket_url, "Ada") as [ada]:
        await ada.set_access("lobby")
        entering = asyncio.ensure_future(_enter(server))
        knock = await next_of(ada, KnockReceived)
        entering.cancel()
        await asyncio.gather(entering, return_exceptions=True)
        assert (await next_of(ada, KnockEnded)).member == knock.member


# Tokens.


@asynchronous
async def test_a_token_says_who_one_is_and_what_one_may() -> None:
    async with asking_for_tokens() as server:
        async with entered(
            server.websocket_url, "Ada", token=lambda: token("ada", name="Queen", can=["subscribe"])
        ) as [ada]:
            assert (ada.me.subject, ada.me.name, ada.me.can) == ("ada", "Queen", frozenset({"subscribe"}))
            assert await refusal(ada.send("x"), ada.publish()) == ["not_allowed"] * 2
        assert await refusal(_enter(server), _enter(server, token="x")) == ["token_required", "invalid_token"]


@asynchronous
async def test_a_function_is_asked_for_tokens_again_and_the_room_lives_on() -> None:
    asked = 0
    third = asyncio.Event()

    async def get() -> str:
        nonlocal asked
        asked += 1
        if asked == 3:
            third.set()
        return token("ada", exp=time.time() - LEEWAY_S + 1)

    async with asking_for_tokens() as server:
        async with entered(server.websocket_url, "Ada", token=get) as [ada]:
            await asyncio.wait_for(third.wait(), TIMEOUT_S)
            await ada.send("still here")
            assert ada.state == "connected"
        async with entered(server.websocket_url, "Bob", token=token("bob", exp=time.time() - LEEWAY_S + 1)) as [bob]:
            closed = await next_of(bob, RoomClosed)
            assert closed.reason.error is not None
            assert closed.reason.error.code == "token_expired"


@asynchronous
async def test_a_function_that_has_no_token_is_said_with_its_cause() -> None:
    cause = RuntimeError("no network")

    def get() -> str:
        raise cause

    async with asking_for_tokens() as server:
        for function, expected in ((get, cause), (lambda: None, None)):
            with pytest.raises(ClientError) as failed:
                await connect(server.websocket_url, room="demo", engine=None, token=function)  # type: ignore[arg-type]
            assert failed.value.code == "token_unavailable"
            assert failed.value.__cause__ is expected


# The other end.


@asynchronous
async def test_a_member_without_keys_can_be_seen_but_not_sent_to() -> None:
    async with serving(Limits()) as server, entered(server.websocket_url, "Ada") as [ada]:
        async with await native(server.websocket_url) as client:
            await client.join("demo", name="Plain")
            plain = await meet(ada)
            assert isinstance(plain, Member)
            assert (plain.name, plain.sealing, plain.path, plain.connection) == ("Plain", None, None, None)
            assert await refusal(plain.send("x")) == ["sealing_unavailable"]
            with pytest.raises(ClientError):
                plain.stream()
            await client.send("message", roomId="demo", data="x")
            assert (await next_of(ada, RoomMessageReceived)).message.sender is plain
            await client.send("leave", roomId="demo")
        await next_of(ada, MemberLeft)
        await ada.leave()
        assert not [event for event in await unread(ada) if isinstance(event, ErrorOccurred)]


def test_an_engine_that_is_not_there_is_said_with_what_brings_it() -> None:
    @asynchronous
    async def run() -> None:
        async with serving(Limits()) as server:
            with pytest.raises(Exception, match="wrtc or aiortc") as missing:
                await connect(server.websocket_url, room="demo", engine="reactor")  # type: ignore[arg-type]
            assert not isinstance(missing.value, ConfigurationError)
            assert getattr(missing.value, "code", None) == "engine_missing"

    run()
