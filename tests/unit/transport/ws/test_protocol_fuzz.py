"""Any sequence of frames and reports leaves the protocol in a legal state and its effects in a legal order."""

from __future__ import annotations

import json

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, multiple, rule

from gateway.transport.ws.effects import Authenticate, Close, Effect, Leave, Operation, Send, Start, Stop
from gateway.transport.ws.limits import Limits
from gateway.transport.ws.protocol import ServerProtocol, State

__all__: list[str] = []

IDS = st.sampled_from(["1", "2", "3", "é" * 256])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
MESSAGE_TYPES = ["connection_init", "connection_ack", "ping", "pong", "subscribe", "next", "error", "complete", "x"]
ANYTHING = st.one_of(
    st.text(max_size=40),
    st.binary(max_size=40),
    JSON.map(json.dumps),
    st.fixed_dictionaries({"type": st.sampled_from(MESSAGE_TYPES)}, optional={"id": IDS | JSON, "payload": JSON}).map(json.dumps),
)
LIMITS = Limits(operations=3, messages_per_second=2, burst=6, max_frame=2_000, max_age=200, farewell=30)


class Socket(RuleBasedStateMachine):
    """A client that says anything at any time, and a server whose operations end in any way at any time."""

    operations = Bundle("operations")

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.protocol = ServerProtocol(LIMITS, self.now)
        self.closes = 0
        self.acknowledged = False
        self.authenticating = False
        self.left = False
        self.live: dict[str, Operation] = {}
        self.running: set[Operation] = set()

    def see(self, effects: list[Effect]) -> list[Operation]:
        """Check and note the effects; the operations that they start."""
        started = []
        for effect in effects:
            assert self.closes == 0, "nothing follows a close"
            match effect:
                case Close(code, reason):
                    assert code in {1001, 1008, 1009, 1012, 1013, 4400, 4401, 4403, 4408, 4409, 4429}
                    assert len(reason.encode()) <= 123
                    self.closes += 1
                    self.live.clear()
                case Authenticate():
                    assert not self.authenticating
                    self.authenticating = True
                case Start(operation):
                    assert self.acknowledged
                    assert operation.id not in self.live
                    assert operation not in self.running
                    self.live[operation.id] = operation
                    self.running.add(operation)
                    started.append(operation)
                case Leave():
                    assert self.acknowledged
                    assert not self.left
                    self.left = True
                case Stop(operation):
                    assert self.live.pop(operation.id) == operation
                case Send(message):
                    json.dumps(message)
                    self.acknowledged |= message["type"] == "connection_ack"
                    if message["type"] in {"next", "complete"}:
                        assert message["id"] in self.live
        return started

    @rule(target=operations, frame=ANYTHING)
    def anything(self, frame: str | bytes) -> object:
        """The client sends whatever it likes."""
        return multiple(*self.see(self.protocol.receive(frame, self.now)))

    @rule(token=st.none() | st.text(max_size=9))
    def initialise(self, token: str | None) -> None:
        """The client initialises the connection."""
        self.see(self.protocol.receive(json.dumps({"type": "connection_init", "payload": {"Authorization": token}}), self.now))

    @rule(lifetime=st.none() | st.floats(-1, 100))
    def authenticate(self, lifetime: float | None) -> None:
        """Authentication succeeds."""
        self.see(self.protocol.authenticated(lifetime, self.now))

    @rule()
    def refuse(self) -> None:
        """The client is known and may not come in."""
        if self.protocol.state is State.AUTHENTICATING:
            self.see(self.protocol.refused("Too many"))

    @rule(target=operations, operation_id=IDS)
    def subscribe(self, operation_id: str) -> object:
        """The client subscribes."""
        frame = json.dumps({"id": operation_id, "type": "subscribe", "payload": {"query": "{a}"}})
        return multiple(*self.see(self.protocol.receive(frame, self.now)))

    @rule(operation_id=IDS)
    def complete(self, operation_id: str) -> None:
        """The client completes."""
        self.see(self.protocol.receive(json.dumps({"id": operation_id, "type": "complete"}), self.now))

    @rule(operation=operations)
    def respond(self, operation: Operation) -> None:
        """An operation has a response, live or not."""
        live = self.live.get(operation.id) == operation
        effects = self.protocol.next(operation, {"data": None}, self.now)
        assert bool(effects) == live
        self.see(effects)

    @rule(operation=operations, failed=st.booleans())
    def finish(self, operation: Operation, failed: bool) -> None:
        """An operation finishes or fails, live or not."""
        live = self.live.get(operation.id) == operation
        effects = self.protocol.fail(operation, [], self.now) if failed else self.protocol.complete(operation, self.now)
        assert bool(effects) == live
        self.see(effects)
        if live:
            del self.live[operation.id]

    @rule(operation=consumes(operations))
    def end(self, operation: Operation) -> None:
        """An operation's task is over."""
        self.protocol.ended(operation, self.now)
        self.running.discard(operation)
        if self.live.get(operation.id) == operation:
            del self.live[operation.id]

    @rule(seconds=st.floats(0, 30))
    def wait(self, seconds: float) -> None:
        """Time passes, and the timer does what is due."""
        self.now += seconds
        self.see(self.protocol.tick(self.now))

    @invariant()
    def legal(self) -> None:
        """Ids, limits, state and deadline agree with what was said."""
        assert self.protocol.live == self.live.keys()
        assert len(self.running) <= 2 * LIMITS.operations
        assert len(self.live) <= LIMITS.operations
        assert self.protocol.closed == (self.closes == 1)
        assert (self.protocol.deadline is None) == self.protocol.closed
        assert self.acknowledged or self.protocol.state is not State.READY


TestSocket = Socket.TestCase
TestSocket.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
