"""The client's session: one connection after another, and when to stop."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sheetbend.core.client.effects import (
    Deliver,
    Disconnect,
    Effect,
    Ended,
    Greeted,
    Lost,
    NeedToken,
    Open,
    Transmit,
    Welcomed,
)
from sheetbend.core.client.reconnect_policy import FullJitter
from sheetbend.core.client.session import ACK_AFTER_MESSAGES, ACK_AFTER_S, ClientSession, Phase

WELCOME = {"type": "welcome", "userId": "u", "resumeToken": "t1", "limits": {"pingIntervalS": 15}}
SAID = {"type": "message", "roomId": "r", "data": 1}


def new(**options: Any) -> ClientSession:
    return ClientSession(client="test", random=lambda: 0.5, **options)


def ready(welcome: dict[str, Any] = WELCOME, **options: Any) -> ClientSession:
    session = new(**options)
    session.start(0)
    session.opened(0)
    session.received(welcome, 0)
    return session


def lost(code: int = 1006, **options: Any) -> ClientSession:
    session = ready(**options)
    session.closed(code, "", 1)
    return session


def sent(effects: list[Effect]) -> list[dict[str, Any]]:
    return [effect.message for effect in effects if isinstance(effect, Transmit)]


def test_the_first_connection_greets_and_lets_the_owner_join_behind() -> None:
    session = new(token="tok")
    assert session.start(0) == [Open()]
    assert session.opened(1) == [Transmit({"type": "hello", "client": "test", "token": "tok"}), Greeted()]
    assert session.send(SAID, 1) == [Transmit(SAID)]
    assert session.received(WELCOME, 2) == [Welcomed(WELCOME, None)]
    assert session.phase is Phase.READY


def test_a_first_connection_that_fails_is_not_tried_again() -> None:
    session = new()
    session.start(0)
    assert session.closed(1006, "refused", 1) == [Ended(1006, "refused", None)]
    assert session.next_deadline() is None


def test_an_error_before_welcome_is_told_at_the_end() -> None:
    session = new()
    session.start(0)
    session.opened(0)
    assert session.received({"type": "error", "code": "token_required"}, 0) == []
    assert session.closed(4001, "no", 0) == [Ended(4001, "no", "token_required")]


@pytest.mark.parametrize("code", [1001, 1005, 1006, 1011, 1012, 1013, 1014, 4500, 4501, 4502, 4503, 4999])
def test_it_comes_back_after_codes_that_say_so(code: int) -> None:
    session = ready()
    assert session.closed(code, "", 10) == [Lost()]
    assert session.next_deadline() == 10 + 0.5 * 0.25
    assert session.expire(20) == [Open()]


@pytest.mark.parametrize("code", [1000, 1002, 1003, 1007, 1009, 1010, 1015, 4000, 4001, 4002, 4003, 4499, 5000])
def test_it_stays_away_after_the_others(code: int) -> None:
    session = ready()
    assert session.closed(code, "why", 10) == [Ended(code, "why", None)]
    assert (session.phase, session.next_deadline()) == (Phase.CLOSED, None)
    assert session.send(SAID, 11) == []


def test_it_resumes_with_its_latest_token_and_count_and_sends_again_what_was_missed() -> None:
    session = ready()
    for number in range(4):
        session.send({**SAID, "data": number}, 0)
    for _ in range(3):
        assert session.received(SAID, 0) == [Deliver(SAID)]
    for uncounted in ("ack", "pong", "draining"):
        session.received({"type": uncounted, "received": 1, "withinS": 9}, 0)
    session.closed(1006, "", 1)
    assert session.send({**SAID, "data": "meanwhile"}, 1) == []
    session.expire(100)
    (hello,) = sent(session.opened(100))
    assert hello["resume"] == {"token": "t1", "received": 3}
    welcome = {**WELCOME, "resumeToken": "t2", "recovered": True, "received": 2}
    welcomed, ack, *again = session.received(welcome, 100)
    assert welcomed == Welcomed(welcome, True)
    assert ack == Transmit({"type": "ack", "received": 3}), "first of all, so that the server drops the old token"
    assert [message["data"] for message in sent(again)] == [2, 3, "meanwhile"]
    session.closed(1006, "", 101)
    session.expire(200)
    assert sent(session.opened(200))[0]["resume"]["token"] == "t2"


def test_a_session_that_could_not_be_recovered_begins_anew() -> None:
    session = lost()
    session.expire(100)
    session.opened(100)
    welcome = {**WELCOME, "userId": "other", "resumeToken": "t9", "recovered": False}
    assert session.received(welcome, 100) == [Welcomed(welcome, False)]
    session.received(SAID, 100)
    session.closed(1006, "", 101)
    session.expire(200)
    assert sent(session.opened(200))[0]["resume"] == {"token": "t9", "received": 1}


def test_a_server_that_wants_more_than_is_kept_gets_a_new_session() -> None:
    session = ready()
    for _ in range(5000):
        session.send(SAID, 0)
    session.closed(1006, "", 1)
    session.expire(100)
    session.opened(100)
    effects = session.received({**WELCOME, "recovered": True, "received": 0}, 100)
    assert effects == [Transmit({"type": "bye"}), Disconnect(), Lost(), Open()]
    assert "resume" not in sent(session.opened(101))[0]


def test_it_acknowledges_after_so_many_messages_and_so_long() -> None:
    session = ready()
    effects = [effect for _ in range(ACK_AFTER_MESSAGES) for effect in session.received(SAID, 1)]
    assert sent(effects) == [{"type": "ack", "received": ACK_AFTER_MESSAGES}]
    session.received(SAID, 2)
    assert session.next_deadline() == 2 + ACK_AFTER_S
    assert sent(session.expire(2 + ACK_AFTER_S)) == [{"type": "ack", "received": ACK_AFTER_MESSAGES + 1}]
    assert session.expire(2 + ACK_AFTER_S) == []


def test_a_quiet_server_is_asked_and_one_that_does_not_answer_is_dead() -> None:
    session = ready()
    assert sent(session.expire(15)) == [{"type": "ping"}]
    session.received({"type": "pong"}, 16)
    assert sent(session.expire(31)) == [{"type": "ping"}]
    assert session.expire(45.9) == []
    effects = session.expire(46)
    assert effects == [Disconnect(), Lost()]
    assert session.next_deadline() is not None


def test_a_timer_that_comes_hours_late_asks_first() -> None:
    """As after a sleep: dead is only who was asked and didn't answer."""
    session = ready()
    assert sent(session.expire(10_000)) == [{"type": "ping"}]
    session.heard(10_001)
    assert session.phase is Phase.READY
    assert session.expire(10_015) == []


def test_a_network_that_changed_is_tried_at_once() -> None:
    session = ready()
    assert sent(session.network_back(1)) == [{"type": "ping"}]
    assert session.expire(6) == [Disconnect(), Lost()]
    assert session.network_back(6.001) == [Open()]
    assert session.network_back(6.002) == [Disconnect(), Open()], "the connection that is being opened is stale too"


@pytest.mark.parametrize(("connecting_s", "timeout_s"), [(0.05, 1), (1.6, 1.6), (7, 2.5)])
def test_who_speaks_for_a_dead_connection_is_heard_after_as_long_as_connecting_took(
    connecting_s: float, timeout_s: float
) -> None:
    session = new()
    session.start(0)
    session.opened(connecting_s / 2)
    session.received(WELCOME, connecting_s)
    session.check(10)
    assert session.expire(10 + timeout_s - 0.01) == []
    session.check(10.5)
    assert session.expire(10 + timeout_s + 0.01) == [Disconnect(), Lost()], "asking again buys no time"


def test_a_draining_server_says_within_what_time() -> None:
    session = ready()
    session.received({"type": "draining", "withinS": 60}, 0)
    session.closed(4501, "", 10)
    assert session.next_deadline() == 10 + 30
    session.expire(40)
    session.closed(1006, "", 41)
    assert session.next_deadline() == 41 + 0.5 * 0.25, "only once"


@pytest.mark.parametrize(("left_s", "asks_at"), [(600, 570), (150, 120), (60, 48), (10, 8)])
def test_a_token_is_asked_for_in_time(left_s: float, asks_at: float) -> None:
    session = ready({**WELCOME, "expiresInS": left_s}, token="old", refreshes=True)
    for at in range(int(asks_at)):
        assert NeedToken() not in session.expire(at)
        session.heard(at)
    assert NeedToken() in session.expire(asks_at)
    assert sent(session.authorize("new", asks_at)) == [{"type": "token", "token": "new"}]


def test_a_token_that_ran_out_is_replaced_before_the_next_connection() -> None:
    session = ready(token="old", refreshes=True)
    assert session.closed(4002, "", 10) == [Lost(), NeedToken()]
    assert (session.next_deadline(), session.network_back(11)) == (None, [])
    assert session.authorize("new", 12) == [Open()]
    hello, greeted = session.opened(12)
    assert isinstance(hello, Transmit)
    assert (hello.message["token"], "resume" in hello.message, greeted) == ("new", False, Greeted())
    assert session.closed(4002, "", 13)[-1] == Ended(4002, "", None), "a fresh one that is refused too is the end"


def test_goodbye_is_said_and_is_the_end() -> None:
    session = ready()
    assert session.close(1) == [Transmit({"type": "bye"}), Disconnect()]
    assert session.close(2) == []
    assert session.closed(1006, "", 2) == []
    assert session.network_back(3) == []
    assert lost().close(2) == []


def test_a_token_that_comes_after_the_end_changes_nothing() -> None:
    session = ready(token="old", refreshes=True)
    session.closed(4002, "", 10)
    session.close(11)
    assert session.authorize("new", 12) == []
    assert session.phase is Phase.CLOSED


def test_a_connection_that_never_greets_back_times_out() -> None:
    session = lost()
    session.expire(5)
    session.opened(6)
    assert session.expire(14.9) == []
    assert session.expire(15) == [Disconnect()]
    assert session.phase is Phase.WAITING


def test_delays_double_up_to_a_bound_and_spread_over_the_whole_range() -> None:
    policy = FullJitter(base_s=1, max_s=5)
    assert [policy.next_delay_s(attempt, 1) for attempt in range(5)] == [1, 2, 4, 5, 5]
    assert policy.next_delay_s(10**6, 0.5) == 2.5
    assert policy.next_delay_s(3, 0) == 0


MESSAGES = [
    WELCOME,
    {**WELCOME, "recovered": True, "received": 0},
    {**WELCOME, "recovered": True, "received": 999},
    {**WELCOME, "recovered": False, "expiresInS": 40},
    SAID,
    {"type": "ack", "received": 0},
    {"type": "ack", "received": 999},
    {"type": "pong"},
    {"type": "draining", "withinS": 3},
    {"type": "authorized", "can": [], "expiresInS": 60},
    {"type": "error", "code": "token_expired"},
    {"type": "unheard-of"},
    {},
]
inputs = st.one_of(
    st.tuples(st.just("opened")),
    st.tuples(st.just("received"), st.sampled_from(MESSAGES)),
    st.tuples(st.just("heard")),
    st.tuples(st.just("closed"), st.sampled_from([1000, 1006, 4001, 4002, 4500]), st.just("")),
    st.tuples(st.just("send"), st.just(SAID)),
    st.tuples(st.just("authorize"), st.just("fresh")),
    st.tuples(st.just("network_back")),
    st.tuples(st.just("expire")),
    st.tuples(st.just("close")),
)


@settings(max_examples=300, deadline=None)
@given(st.booleans(), st.lists(st.tuples(inputs, st.sampled_from([0, 0.5, 6, 20])), max_size=40))
def test_every_input_has_an_answer_in_every_phase(refreshes: bool, steps: list[tuple[Any, float]]) -> None:
    """And never two connections at once, nothing sent without one, nothing after the end."""
    session = new(refreshes=refreshes, token="t")
    now, is_connected, is_over = 0.0, False, False
    first: list[tuple[Any, float]] = [(("start",), 0.0)]
    for (name, *arguments), passed in first + steps:
        now += passed
        if name == "closed" and not is_connected:
            continue  # there is nothing to be closed
        is_connected = is_connected and name != "closed"
        for effect in getattr(session, name)(*arguments, now) or ():
            assert not is_over
            match effect:
                case Open():
                    assert not is_connected
                    is_connected = True
                case Disconnect():
                    assert is_connected
                    is_connected = False
                case Transmit() | Deliver() | Welcomed():
                    assert is_connected
                case Ended():
                    assert not is_connected
                    is_over = True
        is_over = is_over or name == "close"
        assert (session.phase is Phase.CLOSED) is is_over
        assert is_connected is (session.phase in (Phase.CONNECTING, Phase.GREETING, Phase.READY))
        assert not is_over or session.next_deadline() is None
        is_stuck = session.phase is not Phase.CLOSED and session.next_deadline() is None
        assert not is_stuck or refreshes, "it waits for something that will come"
