"""Members of both dialects in one room: each sees the other's events in its own words."""

from __future__ import annotations

from itertools import combinations

from tests.support.clients import Client, lesson, native, room_of, settled
from tests.support.in_process import asynchronous
from tests.support.process import ServerProcess


@asynchronous
async def test_each_hears_of_the_other_in_its_own_dialect(server: ServerProcess, room_id: str) -> None:
    async with (
        room_of(server.websocket_url, room_id, "ln") as (old, new),
        await native(server.websocket_url) as newcomer,
    ):
        roster = await newcomer.join(room_id, name="N")
        joined = {"type": "user-joined", "userId": newcomer.user_id, "roomId": room_id}
        assert [member["userId"] for member in roster["members"]] == [old.user_id, new.user_id]
        assert roster["members"][0] == {"userId": old.user_id, "name": "", "attributes": {}, "polite": True}
        assert await old.receive() == joined
        assert (await new.receive("user-joined"))["member"]["name"] == "N"
        await newcomer.send("update", roomId=room_id, name="M")
        await newcomer.send("message", roomId=room_id, data=1)
        await newcomer.send("leave", roomId=room_id)
        seen = await settled(newcomer, old, new)
        assert seen[1] == [{**joined, "type": "user-left"}]
        assert [message["type"] for message in seen[2]] == ["user-updated", "message", "user-left"]


@asynchronous
async def test_lesson_signalling_to_a_native_member_says_its_room(server: ServerProcess, room_id: str) -> None:
    async with room_of(server.websocket_url, room_id, "ln") as (old, new):
        expected = {"type": "offer", "roomId": room_id, "sender": old.user_id, "sdp": {"type": "offer", "sdp": ""}}
        sdp = expected["sdp"]
        await old.send("offer", sdp=sdp)
        await old.send("offer", sdp=sdp, target=new.user_id)
        await old.send("offer", sdp=sdp, roomId=room_id)
        await old.send("offer", sdp=sdp, roomId=room_id, target=new.user_id)
        assert await settled(old, new) == [[], [expected] * 4]


@asynchronous
async def test_native_signalling_reaches_a_lesson_member(server: ServerProcess, room_id: str) -> None:
    async with room_of(server.websocket_url, room_id, "lnl") as (old, new, other):
        await new.send("answer", roomId=room_id, target=old.user_id, sdp="v=0", ref="r")
        await new.send("ice-candidate", roomId=room_id, target=old.user_id, candidate=None)
        addressed = {"sender": new.user_id, "target": old.user_id, "roomId": room_id}
        assert await settled(new, old, other) == [
            [],
            [{"type": "answer", "sdp": "v=0", **addressed}, {"type": "ice-candidate", "candidate": None, **addressed}],
            [],
        ]


@asynchronous
async def test_a_message_may_name_a_lesson_member_who_does_not_get_it(server: ServerProcess, room_id: str) -> None:
    async with room_of(server.websocket_url, room_id, "ln") as (old, new):
        await new.send("message", roomId=room_id, data=1, to=[old.user_id])
        seen_by_new, seen_by_old = await settled(new, old)
        assert [message["type"] for message in seen_by_new] == ["message"]
        assert seen_by_old == []


@asynchronous
async def test_in_every_pair_exactly_one_is_polite(server: ServerProcess, room_id: str) -> None:
    polite: dict[tuple[str, str], bool] = {}
    members: list[tuple[str, Client]] = []
    for letter in "nlnnlnl":
        client = await (lesson(server.websocket_url) if letter == "l" else native(server.websocket_url))
        await client.send("join", roomId=room_id)
        arrival = await client.unread()
        if letter == "n":
            polite |= {(client.user_id, other["userId"]): other["polite"] for other in arrival[0]["members"]}
        for kind, member in members:
            (joined,) = await member.unread()
            if kind == "n":
                client.user_id = joined["member"]["userId"]
                polite[member.user_id, client.user_id] = joined["member"]["polite"]
        members.append((letter, client))
    for (first_kind, first), (second_kind, second) in combinations(members, 2):
        # A lesson member, who was told nothing, is never the polite one.
        towards_second = polite.get((first.user_id, second.user_id), False)
        towards_first = polite.get((second.user_id, first.user_id), False)
        if "n" in (first_kind, second_kind):
            assert towards_first != towards_second
        if first_kind == second_kind == "n":
            assert towards_first
    for _, member in members:
        await member.connection.close()


@asynchronous
async def test_who_leaves_and_comes_back_is_the_later_one(server: ServerProcess, room_id: str) -> None:
    async with room_of(server.websocket_url, room_id, "nn") as (alice, bob):
        await alice.send("leave", roomId=room_id)
        await alice.receive("user-left")
        roster = await alice.join(room_id)
        assert [member["polite"] for member in roster["members"]] == [True]
        await bob.receive("user-left")
        await bob.receive("user-updated")  # it moderates now
        assert (await bob.receive("user-joined"))["member"]["polite"] is False
