"""Facts about graphql-transport-ws as the server speaks it: who may say what when, and what follows. Time is a number here."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.engine.request import Request
from gateway.transport.ws.effects import Authenticate, Close, Effect, Operation, Send, Start, Stop
from gateway.transport.ws.limits import Limits
from gateway.transport.ws.protocol import ServerProtocol, State

__all__: list[str] = []

ACK = [Send({"type": "connection_ack"})]
INIT = '{"type":"connection_init"}'


def subscribe(operation_id: str = "1") -> str:
    """A subscribe frame."""
    return json.dumps({"id": operation_id, "type": "subscribe", "payload": {"query": "{a}"}})


def complete(operation_id: str = "1") -> str:
    """A complete frame."""
    return json.dumps({"id": operation_id, "type": "complete"})


def ready(lifetime: float | None = None, **limits: Any) -> ServerProtocol:
    """A protocol that was accepted, initialised and acknowledged at 0."""
    protocol = ServerProtocol(Limits(**limits), 0)
    protocol.receive(INIT, 0)
    assert protocol.authenticated(lifetime, 0) == ACK
    return protocol


def start(protocol: ServerProtocol, operation_id: str = "1", now: float = 0) -> Operation:
    """Subscribe; the operation that starts."""
    [effect] = protocol.receive(subscribe(operation_id), now)
    assert isinstance(effect, Start)
    return effect.operation


def codes(effects: list[Effect]) -> list[str]:
    """The error codes of the `error` messages among the effects."""
    return [
        error["extensions"]["code"]
        for effect in effects
        if isinstance(effect, Send) and effect.message["type"] == "error"
        for error in effect.message["payload"]
    ]


class TestConnectionInit:
    """From accept to the acknowledgement."""

    def test_acknowledged(self) -> None:
        """An init asks for authentication with its token; success is acknowledged."""
        protocol = ServerProtocol(Limits(), 0)
        frame = '{"type":"connection_init","payload":{"authorization":"Bearer t"}}'

        assert protocol.receive(frame, 1) == [Authenticate("t")]
        assert protocol.authenticated(60, 2) == ACK
        assert protocol.state is State.READY

    def test_null_payload(self) -> None:
        """A null payload is no payload: whether that will do is for authentication to say."""
        assert ServerProtocol(Limits(), 0).receive('{"type":"connection_init","payload":null}', 0) == [Authenticate(None)]

    def test_rejected(self) -> None:
        """Bad credentials close with 4403."""
        protocol = ServerProtocol(Limits(), 0)
        protocol.receive(INIT, 0)

        assert protocol.rejected() == [Close(4403, "Forbidden")]

    def test_illegible_credentials(self) -> None:
        """Credentials that are no bearer token close with 4403 without asking anyone."""
        frame = '{"type":"connection_init","payload":{"Authorization":"Basic dTpw"}}'

        assert ServerProtocol(Limits(), 0).receive(frame, 0) == [Close(4403, "Forbidden")]

    def test_52_init_in_time(self) -> None:
        """Init at 2.9 s is in time; without one the socket closes with 4408 at 3 s, not sooner."""
        late = ServerProtocol(Limits(), 100)
        assert late.deadline == 103
        assert late.tick(102.9) == []
        assert late.tick(103) == [Close(4408, "Connection initialisation timeout")]

        timely = ServerProtocol(Limits(), 100)
        assert timely.receive(INIT, 102.9) == [Authenticate(None)]
        assert timely.tick(103) == []

    def test_53_hanging_authentication(self) -> None:
        """Authentication that hangs closes with 4403 5 s after accept, however late the init came."""
        protocol = ServerProtocol(Limits(), 0)
        protocol.receive(INIT, 2.9)

        assert protocol.deadline == 5
        assert protocol.tick(4.9) == []
        assert protocol.tick(5) == [Close(4403, "Forbidden")]
        assert protocol.authenticated(60, 5.1) == []

    def test_54_double_init(self) -> None:
        """A second init closes with 4429, acknowledged or not."""
        pending = ServerProtocol(Limits(), 0)
        pending.receive(INIT, 0)

        assert pending.receive(INIT, 0) == [Close(4429, "Too many initialisation requests")]
        assert ready().receive(INIT, 0) == [Close(4429, "Too many initialisation requests")]

    def test_55_subscribe_too_early(self) -> None:
        """A subscribe before init, or between init and acknowledgement, closes with 4401."""
        opened = ServerProtocol(Limits(), 0)
        pending = ServerProtocol(Limits(), 0)
        pending.receive(INIT, 0)

        assert opened.receive(subscribe(), 0) == [Close(4401, "Unauthorized")]
        assert pending.receive(subscribe(), 0) == [Close(4401, "Unauthorized")]
        assert pending.authenticated(60, 0) == []


class TestOperations:
    """Ids and what happens under them."""

    def test_lifecycle(self) -> None:
        """An operation starts with its request, sends its responses and completes."""
        protocol = ready()
        [effect] = protocol.receive(subscribe("a"), 0)
        operation = Operation("a", 1)

        assert effect == Start(operation, Request("{a}"))
        assert protocol.next(operation, {"data": 1}, 0) == [Send({"id": "a", "type": "next", "payload": {"data": 1}})]
        assert protocol.complete(operation, 0) == [Send({"id": "a", "type": "complete"})]
        assert protocol.live == frozenset()

    def test_error_ends_one(self) -> None:
        """`error` ends its operation only; nothing follows it, and the others go on."""
        protocol = ready()
        bad, good = start(protocol, "bad"), start(protocol, "good")

        assert protocol.fail(bad, [{"message": "no"}], 0) == [Send({"id": "bad", "type": "error", "payload": [{"message": "no"}]})]
        assert protocol.next(bad, {}, 0) == protocol.complete(bad, 0) == protocol.fail(bad, [], 0) == []
        assert len(protocol.next(good, {}, 0)) == 1

    def test_56_duplicate_id(self) -> None:
        """An id that is in use, were it only being prepared, closes with 4409."""
        protocol = ready()
        start(protocol)

        assert protocol.receive(subscribe(), 0) == [Close(4409, "Subscriber for 1 already exists")]

    def test_56_reason_fits(self) -> None:
        """A close reason with a long id is cut to 123 bytes at a character's border."""
        protocol = ready()
        start(protocol, "é" * 256)
        [effect] = protocol.receive(subscribe("é" * 256), 0)

        assert isinstance(effect, Close)
        assert effect.reason == "Subscriber for " + "é" * 54

    def test_56_reuse(self) -> None:
        """An id is free again after either side completed it or it failed."""
        protocol = ready()
        protocol.complete(start(protocol), 0)
        protocol.fail(start(protocol), [], 0)
        protocol.receive(complete(), 0)
        start(protocol)

        assert protocol.live == {"1"}

    def test_63_client_completes(self) -> None:
        """After a client's complete the operation is stopped and nothing more is sent under its id."""
        protocol = ready()
        operation = start(protocol)

        assert protocol.receive(complete(), 0) == [Stop(operation)]
        assert protocol.next(operation, {}, 0) == protocol.complete(operation, 0) == protocol.fail(operation, [], 0) == []

    def test_63_old_use_of_an_id(self) -> None:
        """What an old operation still has to say is not said under the new one of the same id."""
        protocol = ready()
        old = start(protocol)
        protocol.receive(complete(), 0)
        new = start(protocol)

        assert protocol.next(old, {}, 0) == protocol.fail(old, [], 0) == []
        protocol.ended(old, 0)
        assert len(protocol.next(new, {}, 0)) == 1

    def test_63_unknown_id(self) -> None:
        """A complete for an id that is not live is ignored, also twice and before the acknowledgement."""
        protocol = ready()
        start(protocol)
        protocol.receive(complete(), 0)

        assert protocol.receive(complete(), 0) == protocol.receive(complete("never"), 0) == []
        assert ServerProtocol(Limits(), 0).receive(complete(), 0) == []

    def test_60_operation_limit(self) -> None:
        """The 51st operation is answered with SUBSCRIPTION_LIMIT; the socket lives and a place that becomes free can be taken."""
        protocol = ready(burst=1000)
        operations = [start(protocol, str(number)) for number in range(50)]

        assert codes(protocol.receive(subscribe("one too many"), 0)) == ["SUBSCRIPTION_LIMIT"]
        assert not protocol.closed
        protocol.complete(operations[0], 0)
        start(protocol, "now")

    def test_60_swapping_all(self) -> None:
        """50 streams may be completed and replaced at once; what is still ending then counts, so churn is bounded."""
        protocol = ready()
        old = [start(protocol, str(number)) for number in range(50)]
        for number in range(50):
            protocol.receive(complete(str(number)), 5)
        for number in range(50):
            start(protocol, str(number), 5)
        for number in range(50):
            protocol.receive(complete(str(number)), 10)

        assert codes(protocol.receive(subscribe("third round"), 10)) == ["SUBSCRIPTION_LIMIT"]
        protocol.ended(old[0], 10)
        start(protocol, "third round", 10)

    def test_died_without_a_word(self) -> None:
        """An operation that ended without completing frees its id."""
        protocol = ready()
        protocol.ended(start(protocol), 0)

        assert protocol.live == frozenset()


class TestFrames:
    """What arrives that is not an operation."""

    def test_ping(self) -> None:
        """A ping is answered by a pong with its payload, before and after the acknowledgement; a pong by nothing."""
        for protocol in (ServerProtocol(Limits(), 0), ready()):
            assert protocol.receive('{"type":"ping"}', 0) == [Send({"type": "pong"})]
            assert protocol.receive('{"type":"ping","payload":{"a":[1]}}', 0) == [Send({"type": "pong", "payload": {"a": [1]}})]
            assert protocol.receive('{"type":"pong"}', 0) == []

    @pytest.mark.parametrize("frame", ["[]", "nonsense", "", '{"type":"start"}', b'{"type":"ping"}', b"", "[" * 60_000])
    def test_49_malformed(self, frame: str | bytes) -> None:
        """A frame that is no message, or is binary, closes with 4400."""
        [effect] = ready().receive(frame, 0)

        assert isinstance(effect, Close)
        assert effect.code == 4400
        assert 0 < len(effect.reason.encode()) <= 123

    @pytest.mark.parametrize("fill", ["x", "é", "€", "\U0001f600"])
    def test_62_frame_size(self, fill: str) -> None:
        """65 536 bytes of UTF-8 pass, one more closes with 1009, whatever the characters."""
        head, tail = '{"type":"ping","payload":{"a":"', '"}}'
        count, rest = divmod(65_536 - len(head + tail), len(fill.encode()))
        exact = head + fill * count + "x" * rest + tail

        assert len(exact.encode()) == 65_536
        assert len(ready().receive(exact, 0)) == 1
        assert ready().receive(exact + " ", 0) == [Close(1009, "Message too big")]
        assert ready().receive(exact.encode() + b" ", 0) == [Close(1009, "Message too big")]

    def test_closed_is_silent(self) -> None:
        """A protocol that is closed says nothing any more and has no deadline."""
        protocol = ready()
        operation = start(protocol)
        assert len(protocol.close(1012, "Service Restart")) == 1

        assert protocol.receive(INIT, 0) == protocol.receive("", 0) == protocol.next(operation, {}, 0) == protocol.tick(1e9) == []
        assert protocol.close(1012, "again") == protocol.rejected() == []
        assert protocol.deadline is None


class TestRate:
    """The token bucket."""

    def test_61_burst_then_refusal(self) -> None:
        """50 messages may come at once; a subscribe beyond is answered RATE_LIMITED with the time to wait, and passes after it."""
        protocol = ready(operations=1000)
        for number in range(50):
            start(protocol, str(number))
        [refusal] = protocol.receive(subscribe("x"), 0)

        assert codes([refusal]) == ["RATE_LIMITED"]
        assert isinstance(refusal, Send)
        assert refusal.message["payload"][0]["extensions"]["retryAfterMs"] == 100
        assert codes(protocol.receive(subscribe("x"), 0.05)) == ["RATE_LIMITED"]
        start(protocol, "x", 0.2)

    def test_61_flood(self) -> None:
        """Whoever overdraws by another 50 is closed with 1008: the 101st message at once, of whatever kind."""
        for frame in ('{"type":"ping"}', '{"type":"pong"}', complete("unknown"), subscribe()):
            protocol = ready()
            closes = []
            for _ in range(101):
                protocol.receive(complete("1"), 0) if frame == subscribe() else None
                closes += [effect for effect in protocol.receive(frame, 0) if isinstance(effect, Close)]
            assert closes == [Close(1008, "Rate limit exceeded")], frame
            assert protocol.closed

    def test_61_silence_saves_no_more_than_a_burst(self) -> None:
        """After an hour of silence a flood is closed as soon as ever."""
        protocol = ready()
        answers = [protocol.receive('{"type":"ping"}', 3600) for _ in range(101)]

        assert answers[-1] == [Close(1008, "Rate limit exceeded")]

    def test_61_steady(self) -> None:
        """20 messages a second may go on for ever."""
        protocol = ready()
        for number in range(2_000):
            assert len(protocol.receive('{"type":"ping"}', number / 20)) == 1


class TestTime:
    """Pings, idleness, expiry."""

    def test_ping_every_20_seconds(self) -> None:
        """A client that answers is pinged every 20 s for as long as it has an operation."""
        protocol = ready()
        start(protocol)
        for turn in range(1, 100):
            assert protocol.deadline == 20 * turn
            assert protocol.tick(20 * turn - 0.1) == []
            assert protocol.tick(20 * turn) == [Send({"type": "ping"})]
            protocol.receive('{"type":"pong"}', 20 * turn + 19)

    def test_67_deaf_client(self) -> None:
        """A client that sends nothing for 20 s after a ping is closed with 1001; any message counts as a sign of life."""
        deaf, alive = ready(), ready()
        for protocol in (deaf, alive):
            start(protocol)
            protocol.tick(20)
        alive.receive(complete("unknown"), 30)

        assert deaf.tick(40) == [Close(1001, "Ping timeout")]
        assert alive.tick(40) == [Send({"type": "ping"})]

    def test_151_overslept(self) -> None:
        """When the server itself slept through the deadline, the client gets another chance to have its pong read."""
        protocol = ready()
        start(protocol)
        protocol.tick(20)

        assert protocol.tick(70) == [Send({"type": "ping"})]
        assert protocol.tick(90) == [Close(1001, "Ping timeout")]

    def test_idle(self) -> None:
        """60 s without an operation close with 1001, counted from the acknowledgement or the end of the last operation."""
        protocol = ready(ping_interval=1e6)
        assert protocol.deadline == 60
        operation = start(protocol, now=59)
        assert protocol.deadline == 1e6
        protocol.complete(operation, 100)

        assert protocol.tick(159.9) == []
        assert protocol.tick(160) == [Close(1001, "Idle")]

    def test_expiry(self) -> None:
        """When the credentials end the socket closes with 4403, which the reference client answers with a fresh token."""
        protocol = ready(lifetime=10)

        assert protocol.deadline == 10
        assert protocol.tick(9.9) == []
        assert protocol.tick(10) == [Close(4403, "token expired")]

    def test_151_expired_before_an_event(self) -> None:
        """No event is sent after the expiry, even when it comes before the timer: the close comes instead."""
        protocol = ready(lifetime=10)
        operation = start(protocol)

        assert protocol.next(operation, {"data": 1}, 10) == [Close(4403, "token expired")]

    def test_expired_at_once(self) -> None:
        """Credentials that ended while they were checked are not acknowledged."""
        protocol = ServerProtocol(Limits(), 0)
        protocol.receive(INIT, 0)

        assert protocol.authenticated(0, 1) == [Close(4403, "token expired")]

    def test_corrected_expiry(self) -> None:
        """The expiry follows the wall clock when it is told that it moved."""
        protocol = ready(lifetime=10)
        protocol.credentials_last(3, 5)

        assert protocol.deadline == 8
