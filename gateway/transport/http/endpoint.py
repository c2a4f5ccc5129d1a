"""The ASGI endpoint of GraphQL over HTTP: one request in, one answer or one event stream out.

Owns the order of things (media type, guards, credentials, rate limit, body, document, execution), the time budget of an operation and its end when
nobody waits for it any more. Must not know the schema. `app` mounts one `GraphQLEndpoint` for all methods of its path.

A query whose client has gone is cancelled. A mutation is not: a page that is being closed sends its last one just so.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final, Protocol

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.auth.session import Session
from gateway.engine.documents import Prepared
from gateway.engine.encoding import Encoded
from gateway.engine.request import Request as Operation
from gateway.errors import BadRequest, MethodNotAllowed, NotAcceptable, OperationTimeout, Overloaded
from gateway.transport.connections import Connections
from gateway.transport.http.answers import HEADERS, Answer, answer, failure
from gateway.transport.http.events import EventStream, Timing, single
from gateway.transport.http.negotiation import EVENTS, JSON, RESPONSE, Accepted, negotiate
from gateway.transport.http.request import MAX_BODY, METHODS, Fields, guard, operation_in, read_operation
from gateway.transport.quick import BODY, KEPT, WHOLE
from gateway.transport.starting import Rest

__all__ = ["Engine", "GraphQLEndpoint", "Wiring"]

_BUDGET: Final = {"query": 5.0, "mutation": 10.0}
"""Seconds from the first field to the last."""
_NO_EXTENSIONS: Final[Mapping[str, Any]] = MappingProxyType({})
_KEPT_BODY: Final = 2_048
_UNWATCHED: Final = 0.02
"""Seconds after which somebody looks whether the client still waits: most answers are there before, and to look costs as much as a small one."""


class Engine(Protocol):
    """What runs operations."""

    def prepare(self, request: Operation, principal: Any = None) -> Prepared:
        """Parse and validate."""

    def execute(self, prepared: Prepared, context: Any) -> Coroutine[Any, Any, dict[str, Any]]:
        """The formatted response of a query or mutation."""

    def subscribe(self, prepared: Prepared, context: Any) -> AsyncGenerator[Encoded | dict[str, Any]]:
        """Formatted responses, one per event. Must be closed."""


class Seat(Protocol):
    """A place among the open connections."""

    def leave(self) -> None:
        """Give it back."""


class _Unlimited:
    def leave(self) -> None:
        """There are as many as one likes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wiring:
    """What the endpoint is given."""

    engine: Engine
    authenticate: Callable[[str | None], Awaitable[Any]]
    """From the Authorization header to the principal; raises `Unauthenticated`."""
    context_for: Callable[[Any, Session | None], Any]
    """From the principal, and the session of a stream, to a fresh context."""
    open_session: Callable[[Any, Callable[[str], None]], Session] = Session
    """From the principal, and a function that ends the stream, to its session."""
    admit: Callable[[Any], None] = lambda _: None
    """Counts an operation of a principal; raises `RateLimited` when there were too many."""
    spend: Callable[[Any, int], None] = lambda _, __: None
    """Counts what an operation of a principal will cost, before it runs; raises `RateLimited` when too much was spent."""
    take_seat: Callable[[Any], Seat] = lambda _: _Unlimited()
    """A place for a stream of this principal; raises `RateLimited` or `Overloaded` when there is none."""
    connections: Connections = field(default_factory=Connections)
    timing: Timing = field(default_factory=Timing)


class GraphQLEndpoint:
    """An ASGI application for one path."""

    def __init__(self, wiring: Wiring) -> None:
        self._wiring = wiring

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; nothing escapes as an exception."""
        if scope["method"] == "OPTIONS":  # one that is no preflight: those end before
            await Response(status_code=204, headers={**HEADERS, "allow": METHODS})(scope, receive, send)
            return
        extensions = scope.get("extensions") or _NO_EXTENSIONS
        kept = extensions.get(KEPT)
        asked = None if kept is None else kept.get(self)
        if asked is None:
            asked = _Asked(scope["headers"])
        try:
            reply = await self._reply(scope, receive, asked, extensions)
        except ClientDisconnect:
            return
        except Exception as error:  # noqa: BLE001  # the client gets an error id, the log the rest
            refusal = failure(error, asked.accepted.answer or JSON)
            if _may_be_unread(asked.headers):
                refusal.headers["connection"] = "close"  # or the server would read the rest of it, to throw it away
            reply = refusal
        if kept is not None:
            if asked.is_fine:
                kept[self] = asked
            whole = extensions.get(WHOLE)
            if whole is not None and reply.__class__ is Answer and whole(reply.status_code, reply.lines, reply.body):
                return
        await reply(scope, receive, send)

    async def _reply(self, scope: Scope, receive: Receive, asked: _Asked, extensions: Mapping[str, Any]) -> Any:
        """The ASGI application that answers."""
        wiring, accepted = self._wiring, asked.accepted
        if not asked.is_fine:
            guard(scope["method"], asked.headers)
            if accepted.answer is None and not accepted.events:
                raise NotAcceptable(f"Answers are {RESPONSE} or {JSON}, those of subscriptions {EVENTS}.")
        principal = await wiring.authenticate(asked.authorization)
        wiring.admit(principal)
        if asked.is_fine and scope["method"] == "POST" and BODY in extensions:
            operation = asked.operation(extensions[BODY])
        else:
            operation = await read_operation(Request(scope, receive), asked.headers)
            asked.is_fine = True
        prepared = wiring.engine.prepare(operation, principal)
        if prepared.errors is None:
            if prepared.operation_type == "subscription":
                wiring.spend(principal, prepared.cost)
                return self._stream(asked, prepared, principal)
            if prepared.operation_type == "mutation" and scope["method"] == "GET":
                raise MethodNotAllowed("A GET changes nothing; send mutations by POST.", "POST")
            wiring.spend(principal, prepared.cost)
        running = wiring.engine.execute(prepared, wiring.context_for(principal, None))
        try:
            rest: Rest[dict[str, Any]] = Rest(running, running.send(None))  # most of what takes no more than this has nobody to wait for
        except StopIteration as done:
            response = done.value
        else:
            response = await self._watched(rest, prepared, receive)
        return single(response) if accepted.answer is None else answer(response, accepted.answer)

    async def _watched(self, rest: Rest[dict[str, Any]], prepared: Prepared, receive: Receive) -> dict[str, Any]:
        """What is left of an operation, as long as it may take and its client waits."""
        watch = _Watch(_BUDGET[prepared.operation_type], receive if prepared.operation_type == "query" else None)
        try:
            return await rest
        except asyncio.CancelledError:
            watch.explain()
            raise
        finally:
            watch.end()

    def _stream(self, asked: _Asked, prepared: Prepared, principal: Any) -> ASGIApp:
        wiring = self._wiring
        if not asked.accepted.events:
            raise BadRequest(
                "A subscription is answered as an event stream to Accept: text/event-stream, or over WebSocket (graphql-transport-ws)."
            )
        if wiring.connections.closing:
            raise Overloaded("The gateway is shutting down; try again in a moment.")

        def events(session: Session, resumed: Prepared) -> AsyncGenerator[Encoded | dict[str, Any]]:
            return wiring.engine.subscribe(resumed, wiring.context_for(session.principal, session))

        def open_session(end: Callable[[str], None]) -> Session:
            return wiring.open_session(principal, end)

        after = asked.headers.get("last-event-id") or None
        seat = wiring.take_seat(principal)

        async def application(scope: Scope, receive: Receive, send: Send) -> None:
            try:
                await EventStream(prepared, after, events, open_session, wiring.connections, wiring.timing)(scope, receive, send)
            finally:
                seat.leave()

        return application


class _Asked:
    """What the head of a request says. `is_fine`: the guards have looked at all of it and let it pass."""

    __slots__ = ("_body", "_operation", "accepted", "authorization", "headers", "is_fine")

    def __init__(self, headers: Iterable[tuple[bytes, bytes]]) -> None:
        """`headers`: as the server gives them."""
        self.headers = Fields(headers)
        self.accepted: Accepted = negotiate(self.headers.getlist("accept"))
        self.authorization = self.headers.get("authorization")
        self.is_fine = False
        self._body: bytes | None = None
        self._operation: Operation | None = None

    def operation(self, body: bytes) -> Operation:
        """The operation in a body behind this head. One without variables that comes again, as from who polls, was read already."""
        if self._operation is not None and body == self._body:
            return self._operation
        found = operation_in(body)
        if not found.variables and found.extensions is None and len(body) <= _KEPT_BODY:
            self._body, self._operation = body, found
        return found


class _Watch:
    """Over the operation that the current task is about to run: ends it when its time is over or, where somebody can tell, its client has gone.

    What `asyncio.timeout` and a task beside it would do, begun after a moment: an answer that is there at once costs one timer.
    """

    __slots__ = ("_cancelling", "_ended", "_listener", "_receive", "_task", "_timer", "_until")

    def __init__(self, seconds: float, receive: Receive | None) -> None:
        """`receive`: tells when the client goes away; None: nobody wants to know."""
        loop = asyncio.get_running_loop()
        task = asyncio.current_task()
        assert task is not None, "operations run in tasks"
        self._task = task
        self._cancelling = task.cancelling()
        self._receive = receive
        self._until = loop.time() + seconds
        self._listener: asyncio.Task[None] | None = None
        self._ended: Exception | None = None
        self._timer: asyncio.TimerHandle = loop.call_later(min(_UNWATCHED, seconds), self._begin)

    def explain(self) -> None:
        """Called for a cancelled task.

        Raises:
            OperationTimeout, ClientDisconnect: it was this watch, and nobody else, who cancelled it.
        """
        ended, self._ended = self._ended, None
        if ended is not None and self._task.uncancel() <= self._cancelling:
            raise ended from None

    def end(self) -> None:
        """Watch no more."""
        self._timer.cancel()
        if self._listener is not None:
            self._listener.cancel()
        if self._ended is not None:  # it was done in the very moment
            self._ended = None
            self._task.uncancel()

    def _begin(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = loop.call_at(self._until, self._stop, OperationTimeout())
        if self._receive is not None:
            self._listener = loop.create_task(self._listen(self._receive))

    async def _listen(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self._timer.cancel()
        self._stop(ClientDisconnect())

    def _stop(self, ended: Exception) -> None:
        if self._ended is None:
            self._ended = ended
            self._task.cancel()


def _may_be_unread(headers: Fields) -> bool:
    announced = headers.get("content-length", "0") or ""
    return "transfer-encoding" in headers or not announced.isdecimal() or int(announced[:20]) > MAX_BODY
