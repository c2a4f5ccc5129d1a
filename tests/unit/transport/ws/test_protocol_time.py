"""Facts about time and rates in graphql-transport-ws: floods, pings, idleness, expiry, age. Time is a number here."""

from __future__ import annotations

from gateway.transport.ws.effects import Close, Leave, Send
from gateway.transport.ws.limits import Limits
from gateway.transport.ws.protocol import ServerProtocol
from tests.unit.transport.ws.protocol_steps import INIT, codes, complete, ready, start, subscribe

__all__: list[str] = []


class TestRate:
    """The token bucket."""

    def test_fault_061_burst_then_refusal(self) -> None:
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

    def test_fault_061_flood(self) -> None:
        """Whoever overdraws by another 50 is closed with 1008: the 101st message at once, of whatever kind."""
        for frame in ('{"type":"ping"}', '{"type":"pong"}', complete("unknown"), subscribe()):
            protocol = ready()
            closes = []
            for _ in range(101):
                protocol.receive(complete("1"), 0) if frame == subscribe() else None
                closes += [effect for effect in protocol.receive(frame, 0) if isinstance(effect, Close)]
            assert closes == [Close(1008, "Rate limit exceeded")], frame
            assert protocol.closed

    def test_fault_061_silence_saves_no_more_than_a_burst(self) -> None:
        """After an hour of silence a flood is closed as soon as ever."""
        protocol = ready()
        answers = [protocol.receive('{"type":"ping"}', 3600) for _ in range(101)]

        assert answers[-1] == [Close(1008, "Rate limit exceeded")]

    def test_fault_061_steady(self) -> None:
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

    def test_fault_067_deaf_client(self) -> None:
        """A client that sends nothing for 20 s after a ping is closed with 1001; any message counts as a sign of life."""
        deaf, alive = ready(), ready()
        for protocol in (deaf, alive):
            start(protocol)
            protocol.tick(20)
        alive.receive(complete("unknown"), 30)

        assert deaf.tick(40) == [Close(1001, "Ping timeout")]
        assert alive.tick(40) == [Send({"type": "ping"})]

    def test_fault_151_overslept(self) -> None:
        """When the server itself slept through the deadline, the client gets another chance to have its pong read."""
        protocol = ready()
        start(protocol)
        protocol.tick(20)

        assert protocol.tick(70) == [Send({"type": "ping"})]
        assert protocol.tick(90) == [Close(1001, "Ping timeout")]

    def test_idle(self) -> None:
        """60 s without an operation close with 1001, counted from the acknowledgement or the end of the last operation."""
        protocol = ready(ping_interval=1e4)
        assert protocol.deadline == 60
        operation = start(protocol, now=59)
        assert protocol.deadline == 1e4
        protocol.complete(operation, 100)

        assert protocol.tick(159.9) == []
        assert protocol.tick(160) == [Close(1001, "Idle")]

    def test_ping_is_no_operation(self) -> None:
        """Pings of either side do not put the idle end off; a message of the client does not either."""
        protocol = ready()
        for now in (10, 20, 30, 40, 50, 59):
            protocol.tick(now)
            protocol.receive('{"type":"ping"}', now)

        assert protocol.tick(59.9) == []
        assert protocol.tick(60) == [Close(1001, "Idle")]

    def test_pong_at_the_last_moment(self) -> None:
        """A message just before the pong's deadline keeps the socket; at the deadline it is too late."""
        for answered, closes in ((39.9, False), (40, True)):
            protocol = ready()
            start(protocol)
            assert protocol.tick(20) == [Send({"type": "ping"})]
            if not closes:
                protocol.receive('{"type":"pong"}', answered)
            assert (Close(1001, "Ping timeout") in protocol.tick(40)) == closes

    def test_maximum_age(self) -> None:
        """Five seconds before a socket is 12 hours old its streams are told once; at 12 hours it closes with 1012."""
        protocol = ready(ping_interval=1e6)
        start(protocol)

        assert protocol.deadline == 12 * 3600 - 5
        assert protocol.tick(12 * 3600 - 5.1) == []
        assert protocol.tick(12 * 3600 - 5) == [Leave("MAX_AGE")]
        assert protocol.deadline == 12 * 3600
        assert protocol.tick(12 * 3600 - 0.1) == []
        assert protocol.tick(12 * 3600) == [Close(1012, "Maximum age")]

    def test_maximum_age_when_all_have_left(self) -> None:
        """When the last stream has said goodbye nobody waits for the rest of the five seconds; without any, not at all."""
        busy, idle = ready(ping_interval=1e6, max_age=100), ready(ping_interval=1e6, max_age=100, idle_timeout=1e6)
        operations = [start(busy, "1"), start(busy, "2")]
        assert busy.tick(95) == [Leave("MAX_AGE")]
        busy.complete(operations[0], 96)
        assert busy.deadline == 100
        busy.complete(operations[1], 96)

        assert busy.deadline == 95
        assert busy.tick(96) == [Close(1012, "Maximum age")]
        assert idle.tick(94.9) == []
        assert idle.tick(95) == [Close(1012, "Maximum age")]

    def test_maximum_age_of_one_socket(self) -> None:
        """Who makes a socket may draw its age, so that those that came together do not go together."""
        protocol = ServerProtocol(Limits(max_age=100), 1000, 90)
        protocol.receive(INIT, 1000)
        protocol.authenticated(None, 1000)
        start(protocol, now=1000)
        protocol.tick(1000 + 85)

        assert protocol.tick(1000 + 90) == [Close(1012, "Maximum age")]

    def test_expiry_goes_before_age(self) -> None:
        """Credentials that end are the reason that is told, whatever else is due: a client answers it with a fresh token."""
        protocol = ready(lifetime=100, max_age=100)

        assert protocol.tick(100) == [Close(4403, "token expired")]

    def test_expiry(self) -> None:
        """When the credentials end the socket closes with 4403, which the reference client answers with a fresh token."""
        protocol = ready(lifetime=10)

        assert protocol.deadline == 10
        assert protocol.tick(9.9) == []
        assert protocol.tick(10) == [Close(4403, "token expired")]

    def test_fault_151_expired_before_an_event(self) -> None:
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
