"""The server side of graphql-transport-ws as a state machine without I/O: frames, events and the time in, effects out.

Owns every rule of the protocol document and of the socket's limits: who may send what when, close codes, deadlines, pings, the message
rate and which ids are live. Must not touch a socket, a clock, a task or an engine: `connection` performs the effects and reports back.

    OPENED ──connection_init──▶ AUTHENTICATING ──authenticated()──▶ READY          any state ──Close──▶ CLOSED
    (4408 after init_timeout)   (4403 by auth_timeout)              (4403 at expiry, 1001 when idle or deaf, 1012 when old)

`now` is always seconds of one monotonic clock, never smaller than before. A closed protocol answers everything with no effects.
"""

from __future__ import annotations

import math
from enum import Enum
from typing import Any

from gateway.errors import BadRequest, GatewayError, RateLimited, SubscriptionLimit
from gateway.transport.ws.effects import Authenticate, Close, CloseCode, Effect, Leave, Operation, Send, Start, Stop
from gateway.transport.ws.limits import Limits
from gateway.transport.ws.messages import Complete, ConnectionInit, Ping, Pong, Subscribe, parse

__all__ = ["SUBPROTOCOL", "ServerProtocol", "State"]

SUBPROTOCOL = "graphql-transport-ws"

_LONGEST_REASON = 123
"""Bytes of UTF-8 that fit a close frame beside its code (RFC 6455, 5.5)."""

_OVERSLEPT = 1.0
"""Seconds: a pong deadline noticed later than this means that we were stopped, not the client."""


class State(Enum):
    """Where a socket stands; see the picture above."""

    OPENED = "opened"
    AUTHENTICATING = "authenticating"
    READY = "ready"
    CLOSED = "closed"


class ServerProtocol:
    """One socket's protocol state, from accept (`now`) to close."""

    __slots__ = (
        "_ends_at",
        "_expires_at",
        "_idle_since",
        "_leaves_at",
        "_leaving",
        "_limits",
        "_live",
        "_opened_at",
        "_ping_due",
        "_pong_due",
        "_refilled_at",
        "_serial",
        "_state",
        "_stopping",
        "_tokens",
    )

    def __init__(self, limits: Limits, now: float, max_age: float | None = None) -> None:
        """`max_age`: of this socket, drawn by who makes it; None: exactly that of the limits."""
        self._limits = limits
        self._state = State.OPENED
        self._opened_at = now
        self._live: dict[str, int] = {}
        self._stopping: set[int] = set()
        self._serial = 0
        self._tokens = float(limits.burst)
        self._refilled_at = now
        self._expires_at = self._ping_due = self._pong_due = self._idle_since = math.inf
        self._ends_at = now + (limits.max_age if max_age is None else max_age)
        self._leaves_at = self._ends_at - limits.farewell
        self._leaving = False

    @property
    def state(self) -> State:
        """Where the socket stands."""
        return self._state

    @property
    def closed(self) -> bool:
        """Whether it is over, for whatever reason."""
        return self._state is State.CLOSED

    @property
    def live(self) -> frozenset[str]:
        """The ids that are taken."""
        return frozenset(self._live)

    @property
    def deadline(self) -> float | None:
        """When `tick` has something to do next; None: never. It may move earlier with every call, so look again after each."""
        match self._state:
            case State.OPENED:
                return self._opened_at + self._limits.init_timeout
            case State.AUTHENTICATING:
                return self._opened_at + self._limits.auth_timeout
            case State.READY:
                return min(self._expires_at, self._ping_due, self._pong_due, self._idle_deadline, self._age_deadline)
            case State.CLOSED:
                return None

    # From the client

    def receive(self, frame: str | bytes, now: float) -> list[Effect]:
        """One whole WebSocket message; bytes: a binary one. Never raises for what a client sent."""
        if self.closed:
            return []
        self._pong_due = math.inf  # whoever sends is alive
        if self._too_big(frame):
            return self._close(CloseCode.MESSAGE_TOO_BIG, "Message too big")
        if isinstance(frame, bytes):
            return self._close(CloseCode.INVALID_MESSAGE, "Invalid message: binary")
        try:
            message = parse(frame)
        except BadRequest as error:
            return self._close(CloseCode.INVALID_MESSAGE, error.message)
        # Free of charge: the one init, and ending what a paid subscribe began. A screen may swap all its streams at once.
        paid = isinstance(message, ConnectionInit) or (isinstance(message, Complete) and message.id in self._live)
        if not paid and not self._spend(now):
            return self._close(CloseCode.POLICY_VIOLATION, "Rate limit exceeded")
        match message:
            case ConnectionInit():
                return self._initialise(message)
            case Ping(payload):
                return [Send({"type": "pong"} if payload is None else {"type": "pong", "payload": payload})]
            case Pong():
                return []
            case Subscribe():
                return self._subscribe(message)
            case Complete(operation_id):
                return self._stop(operation_id, now)

    def disconnected(self) -> None:
        """The socket is gone; nothing can be sent any more."""
        self._state = State.CLOSED
        self._live.clear()

    # From the server

    def authenticated(self, lifetime: float | None, now: float) -> list[Effect]:
        """The client is known; its credentials last `lifetime` seconds from now (None: for ever)."""
        if self._state is not State.AUTHENTICATING:
            return []
        self._state = State.READY
        self.credentials_last(lifetime, now)
        if now >= self._expires_at:
            return self._expire()
        self._ping_due = now + self._limits.ping_interval
        self._idle_since = now
        return [Send({"type": "connection_ack"})]

    def rejected(self) -> list[Effect]:
        """The client's credentials are not accepted."""
        return self._close(CloseCode.FORBIDDEN, "Forbidden")

    def refused(self, reason: str) -> list[Effect]:
        """The client is known and may not have one more socket now; the code is one that it retries."""
        return self._close(CloseCode.TRY_AGAIN_LATER, reason)

    def credentials_last(self, lifetime: float | None, now: float) -> None:
        """Correct when the credentials end: they do by the wall clock, which a paused machine's monotonic clock may fall behind."""
        self._expires_at = math.inf if lifetime is None else now + lifetime

    def next(self, operation: Operation, response: object, now: float) -> list[Effect]:
        """One response of an operation, which is not looked into; nothing is sent once its client is done with it or its credentials ended."""
        if not self._is_live(operation):
            return []
        if now >= self._expires_at:
            return self._expire()
        return [Send({"id": operation.id, "type": "next", "payload": response})]

    def complete(self, operation: Operation, now: float) -> list[Effect]:
        """The operation is over; its id is free again."""
        if not self._is_live(operation):
            return []
        self._release(operation.id, now)
        return [Send({"id": operation.id, "type": "complete"})]

    def fail(self, operation: Operation, errors: list[dict[str, Any]], now: float) -> list[Effect]:
        """The operation ended with these formatted errors; its id is free again, the socket and its other operations live on."""
        if not self._is_live(operation):
            return []
        self._release(operation.id, now)
        return [_error(operation.id, errors)]

    def ended(self, operation: Operation, now: float) -> None:
        """Nothing of the operation runs any more: its place is free."""
        self._stopping.discard(operation.serial)
        if self._is_live(operation):  # it died without a word
            self._release(operation.id, now)

    def close(self, code: int, reason: str) -> list[Effect]:
        """End the socket for a reason of the server's."""
        return self._close(code, reason)

    def tick(self, now: float) -> list[Effect]:
        """What is due by now; call it at `deadline`."""
        limits = self._limits
        if self._state is State.OPENED and now >= self._opened_at + limits.init_timeout:
            return self._close(CloseCode.INITIALISATION_TIMEOUT, "Connection initialisation timeout")
        if self._state is State.AUTHENTICATING and now >= self._opened_at + limits.auth_timeout:
            return self._close(CloseCode.FORBIDDEN, "Forbidden")
        if self._state is not State.READY:
            return []
        if now >= self._expires_at:
            return self._expire()
        if now >= self._age_deadline:
            if now >= self._ends_at or not self._live:
                return self._close(CloseCode.SERVICE_RESTART, "Maximum age")
            self._leaving = True
            return [Leave("MAX_AGE")]
        if now >= self._idle_deadline:
            return self._close(CloseCode.GOING_AWAY, "Idle")
        if now >= self._pong_due:
            if now < self._pong_due + _OVERSLEPT:
                return self._close(CloseCode.GOING_AWAY, "Ping timeout")
            self._pong_due = now + limits.pong_timeout  # its answer may lie unread in our own buffers
        if now >= self._ping_due:
            self._ping_due = now + limits.ping_interval
            self._pong_due = min(self._pong_due, now + limits.pong_timeout)
            return [Send({"type": "ping"})]
        return []

    # Inside

    @property
    def _idle_deadline(self) -> float:
        return math.inf if self._live else self._idle_since + self._limits.idle_timeout

    @property
    def _age_deadline(self) -> float:
        return self._ends_at if self._leaving and self._live else self._leaves_at

    def _too_big(self, frame: str | bytes) -> bool:
        most = self._limits.max_frame
        if len(frame) > most:
            return True
        if isinstance(frame, bytes) or frame.isascii() or 4 * len(frame) <= most:
            return False
        return len(frame.encode("utf-8", "surrogatepass")) > most

    def _spend(self, now: float) -> bool:
        """Take one message from the bucket, which may be overdrawn by one burst; False: it was overdrawn by more."""
        limits = self._limits
        refill = (now - self._refilled_at) * limits.messages_per_second
        self._tokens = min(float(limits.burst), self._tokens + refill) - 1.0
        self._refilled_at = now
        return self._tokens >= -limits.burst

    def _initialise(self, message: ConnectionInit) -> list[Effect]:
        if self._state is not State.OPENED:
            return self._close(CloseCode.TOO_MANY_INITIALISATION_REQUESTS, "Too many initialisation requests")
        if not message.legible:
            return self.rejected()
        self._state = State.AUTHENTICATING
        return [Authenticate(message.token)]

    def _subscribe(self, message: Subscribe) -> list[Effect]:
        if self._state is not State.READY:
            return self._close(CloseCode.UNAUTHORIZED, "Unauthorized")
        if message.id in self._live:
            return self._close(CloseCode.SUBSCRIBER_ALREADY_EXISTS, f"Subscriber for {message.id} already exists")
        if self._tokens < 0:
            wait = math.ceil(1000 * (1.0 - self._tokens) / self._limits.messages_per_second)
            return [_error(message.id, [_formatted(RateLimited(retryAfterMs=wait))])]
        most = self._limits.operations
        if len(self._live) >= most or len(self._live) + len(self._stopping) >= 2 * most:
            return [_error(message.id, [_formatted(SubscriptionLimit(limit=most))])]
        self._serial += 1
        self._live[message.id] = self._serial
        return [Start(Operation(message.id, self._serial), message.request)]

    def _stop(self, operation_id: str, now: float) -> list[Effect]:
        serial = self._live.get(operation_id)
        if serial is None:  # never there, or over on our side while the message was under way
            return []
        self._release(operation_id, now)
        self._stopping.add(serial)
        return [Stop(Operation(operation_id, serial))]

    def _is_live(self, operation: Operation) -> bool:
        return self._live.get(operation.id) == operation.serial

    def _release(self, operation_id: str, now: float) -> None:
        del self._live[operation_id]
        if not self._live:
            self._idle_since = now

    def _expire(self) -> list[Effect]:
        return self._close(CloseCode.FORBIDDEN, "token expired")

    def _close(self, code: int, reason: str) -> list[Effect]:
        if self.closed:
            return []
        self.disconnected()
        # Cut to what a close frame holds, at a character's border: the id of an operation may be part of the reason.
        return [Close(code, reason.encode()[:_LONGEST_REASON].decode(errors="ignore"))]


def _error(operation_id: str, errors: list[dict[str, Any]]) -> Send:
    return Send({"id": operation_id, "type": "error", "payload": errors})


def _formatted(error: GatewayError) -> dict[str, Any]:
    return {"message": error.message, "extensions": {"code": error.code, **error.extensions}}
