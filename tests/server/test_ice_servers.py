"""What sessions are told of STUN and TURN, and when they are told anew."""

from __future__ import annotations

from sheetbend.core.limits import Limits
from sheetbend.server.ice_servers import IceServers
from sheetbend.server.turn.credentials import turn_credentials

SECRET = "e5a1cd0f3a8d4f6a9d0b7c2e1f4a6b8c"
STUN, TURN = "stun:{host}:8080", "turn:{host}:3478?transport=udp"
TIME_S = 1_767_225_600.0
LIMITS = Limits(turn_credentials_s=300, turn_refresh_s=60)


def ice_servers() -> IceServers:
    return IceServers([STUN], SECRET, limits=LIMITS, time_s=lambda: TIME_S)


def test_without_servers_there_is_nothing_to_tell() -> None:
    assert IceServers().for_session("ada", 0) == []


def test_without_turn_there_is_stun_and_nothing_to_renew() -> None:
    servers = ice_servers()
    assert servers.for_session("ada", 0) == [{"urls": [STUN]}]
    assert servers.due(1e9, ["ada"]) == []


def test_turn_comes_with_credentials_of_the_session() -> None:
    servers = ice_servers()
    servers.offer_turn([TURN])
    username, credential = turn_credentials(SECRET, "ada", TIME_S + 300)
    turn = {"urls": [TURN], "username": username, "credential": credential}
    assert servers.for_session("ada", 0) == [{"urls": [STUN]}, turn]


def test_everybody_is_told_when_turn_comes_changes_or_goes_and_only_then() -> None:
    servers = ice_servers()
    everybody = ["ada", "bob"]
    for urls in ([TURN], [TURN, "turn:other"], []):
        servers.offer_turn(urls)
        assert servers.due(0, everybody) == everybody
        for user_id in everybody:
            servers.for_session(user_id, 0)
        servers.offer_turn(list(urls))
        assert servers.due(0, everybody) == []


def test_credentials_are_renewed_in_time_and_once() -> None:
    servers = ice_servers()
    servers.offer_turn([TURN])
    assert servers.due(0, []) == []
    servers.for_session("ada", 0)
    servers.for_session("bob", 100)
    servers.for_session("ada", 150)  # it has resumed, and was told then
    assert servers.due(339, []) == []
    assert servers.due(340, []) == ["bob"]
    assert servers.due(389, []) == []
    assert servers.due(390, []) == ["ada"]
    assert servers.due(1e9, []) == []


def test_many_are_told_a_part_at_a_time_and_all_before_the_end() -> None:
    servers = ice_servers()
    servers.offer_turn([TURN])
    servers.due(0, [])
    everybody = {str(number) for number in range(20_000)}
    for user_id in everybody:
        servers.for_session(user_id, 0)
    told: set[str] = set()
    for second in range(240, 300):
        part = servers.due(second, everybody)
        assert len(part) <= 500
        told |= set(part)
        for user_id in part:
            servers.for_session(user_id, second)
    assert told == everybody
