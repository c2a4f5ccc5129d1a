"""Facts about graphql-transport-ws as the server speaks it: who may say what when, and what follows."""

from __future__ import annotations

import pytest

from gateway.engine.request import Request
from gateway.transport.ws.effects import Authenticate, Close, Operation, Send, Start, Stop
from gateway.transport.ws.limits import Limits
from gateway.transport.ws.protocol import ServerProtocol, State
from tests.unit.transport.ws.protocol_steps import ACK, INIT, codes, complete, ready, start, subscribe

__all__: list[str] = []


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

    def test_fault_060_one_socket_too_many(self) -> None:
        """A client that is known and has as many sockets as it may is closed with 1013, which it retries, and never acknowledged."""
        protocol = ServerProtocol(Limits(), 0)
        protocol.receive(INIT, 0)

        assert protocol.refused("Too many") == [Close(1013, "Too many")]
        assert protocol.authenticated(60, 0) == []

    def test_illegible_credentials(self) -> None:
        """Credentials that are no bearer token close with 4403 without asking anyone."""
        frame = '{"type":"connection_init","payload":{"Authorization":"Basic dTpw"}}'

        assert ServerProtocol(Limits(), 0).receive(frame, 0) == [Close(4403, "Forbidden")]

    def test_fault_052_init_in_time(self) -> None:
        """Init at 2.9 s is in time; without one the socket closes with 4408 at 3 s, not sooner."""
        late = ServerProtocol(Limits(), 100)
        assert late.deadline == 103
        assert late.tick(102.9) == []
        assert late.tick(103) == [Close(4408, "Connection initialisation timeout")]

        timely = ServerProtocol(Limits(), 100)
        assert timely.receive(INIT, 102.9) == [Authenticate(None)]
        assert timely.tick(103) == []

    def test_fault_053_hanging_authentication(self) -> None:
        """Authentication that hangs closes with 4403 5 s after accept, however late the init came."""
        protocol = ServerProtocol(Limits(), 0)
        protocol.receive(INIT, 2.9)

        assert protocol.deadline == 5
        assert protocol.tick(4.9) == []
        assert protocol.tick(5) == [Close(4403, "Forbidden")]
        assert protocol.authenticated(60, 5.1) == []

    def test_fault_054_double_init(self) -> None:
        """A second init closes with 4429, acknowledged or not."""
        pending = ServerProtocol(Limits(), 0)
        pending.receive(INIT, 0)

        assert pending.receive(INIT, 0) == [Close(4429, "Too many initialisation requests")]
        assert ready().receive(INIT, 0) == [Close(4429, "Too many initialisation requests")]

    def test_fault_055_subscribe_too_early(self) -> None:
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

    def test_fault_056_duplicate_id(self) -> None:
        """An id that is in use, were it only being prepared, closes with 4409."""
        protocol = ready()
        start(protocol)

        assert protocol.receive(subscribe(), 0) == [Close(4409, "Subscriber for 1 already exists")]

    def test_fault_056_reason_fits(self) -> None:
        """A close reason with a long id is cut to 123 bytes at a character's border."""
        protocol = ready()
        start(protocol, "é" * 256)
        [effect] = protocol.receive(subscribe("é" * 256), 0)

        assert isinstance(effect, Close)
        assert effect.reason == "Subscriber for " + "é" * 54

    def test_fault_056_reuse(self) -> None:
        """An id is free again after either side completed it or it failed."""
        protocol = ready()
        protocol.complete(start(protocol), 0)
        protocol.fail(start(protocol), [], 0)
        protocol.receive(complete(), 0)
        start(protocol)

        assert protocol.live == {"1"}

    def test_fault_063_client_completes(self) -> None:
        """After a client's complete the operation is stopped and nothing more is sent under its id."""
        protocol = ready()
        operation = start(protocol)

        assert protocol.receive(complete(), 0) == [Stop(operation)]
        assert protocol.next(operation, {}, 0) == protocol.complete(operation, 0) == protocol.fail(operation, [], 0) == []

    def test_fault_063_old_use_of_an_id(self) -> None:
        """What an old operation still has to say is not said under the new one of the same id."""
        protocol = ready()
        old = start(protocol)
        protocol.receive(complete(), 0)
        new = start(protocol)

        assert protocol.next(old, {}, 0) == protocol.fail(old, [], 0) == []
        protocol.ended(old, 0)
        assert len(protocol.next(new, {}, 0)) == 1

    def test_fault_063_unknown_id(self) -> None:
        """A complete for an id that is not live is ignored, also twice and before the acknowledgement."""
        protocol = ready()
        start(protocol)
        protocol.receive(complete(), 0)

        assert protocol.receive(complete(), 0) == protocol.receive(complete("never"), 0) == []
        assert ServerProtocol(Limits(), 0).receive(complete(), 0) == []

    def test_fault_060_operation_limit(self) -> None:
        """The 51st operation is answered with SUBSCRIPTION_LIMIT; the socket lives and a place that becomes free can be taken."""
        protocol = ready(burst=1000)
        operations = [start(protocol, str(number)) for number in range(50)]

        assert codes(protocol.receive(subscribe("one too many"), 0)) == ["SUBSCRIPTION_LIMIT"]
        assert not protocol.closed
        protocol.complete(operations[0], 0)
        start(protocol, "now")

    def test_fault_060_swapping_all(self) -> None:
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
    def test_fault_049_malformed(self, frame: str | bytes) -> None:
        """A frame that is no message, or is binary, closes with 4400."""
        [effect] = ready().receive(frame, 0)

        assert isinstance(effect, Close)
        assert effect.code == 4400
        assert 0 < len(effect.reason.encode()) <= 123

    @pytest.mark.parametrize("fill", ["x", "é", "€", "\U0001f600"])
    def test_fault_062_frame_size(self, fill: str) -> None:
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
