"""The ASGI endpoint of GraphQL over HTTP: one request in, one answer or one event stream out.

Owns the order of things (media type, guards, credentials, rate limit, body, document, execution), the time budget of an operation and its end when
nobody waits for it any more. Must not know the schema. `app` mounts one `GraphQLEndpoint` for all methods of its path.

A query whose client has gone is cancelled. A mutation is not: a page that is being closed sends its last one just so.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass, field
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
from gateway.transport.http.answers import HEADERS, answer, failure
from gateway.transport.http.events import EventStream, Timing, single
from gateway.transport.http.negotiation import EVENTS, JSON, RESPONSE, Accepted, negotiate
from gateway.transport.http.request import MAX_BODY, METHODS, Fields, guard, read_operation

__all__ = ["Engine", "GraphQLEndpoint", "Wiring"]

_BUDGET: Final = {"query": 5.0, "mutation": 10.0}
"""Seconds from the first field to the last."""
_UNWATCHED: Final = 0.02
"""Seconds after which somebody looks whether the client still waits: most answers are there before, and to look costs as much as a small one."""


class Engine(Protocol):
    """What runs operations."""

    def prepare(self, request: Operation, principal: Any = None) -> Prepared:
        """Parse and validate."""

    async def execute(self, prepared: Prepared, context: Any) -> dict[str, Any]:
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
        headers = Fields(scope["headers"])
        accepted = negotiate(headers.getlist("accept"))
        try:
            reply = await self._reply(Request(scope, receive), headers, accepted)
        except ClientDisconnect:
            return
        except Exception as error:  # noqa: BLE001  # the client gets an error id, the log the rest
            refusal = failure(error, accepted.answer or JSON)
            if _may_be_unread(headers):
                refusal.headers["connection"] = "close"  # or the server would read the rest of it, to throw it away
            reply = refusal
        await reply(scope, receive, send)

    async def _reply(self, request: Request, headers: Fields, accepted: Accepted) -> ASGIApp:
        wiring = self._wiring
        guard(request.method, headers)
        if accepted.answer is None and not accepted.events:
            raise NotAcceptable(f"Answers are {RESPONSE} or {JSON}, those of subscriptions {EVENTS}.")
        principal = await wiring.authenticate(headers.get("authorization"))
        wiring.admit(principal)
        operation = await read_operation(request, headers)
        prepared = wiring.engine.prepare(operation, principal)
        if prepared.errors is None:
            if prepared.operation_type == "subscription":
                wiring.spend(principal, prepared.cost)
                return self._stream(request, accepted, prepared, principal)
            if prepared.operation_type == "mutation" and request.method == "GET":
                raise MethodNotAllowed("A GET changes nothing; send mutations by POST.", "POST")
            wiring.spend(principal, prepared.cost)
        response = await self._execute(request, prepared, principal)
        return single(response) if accepted.answer is None else answer(response, accepted.answer)

    async def _execute(self, request: Request, prepared: Prepared, principal: Any) -> dict[str, Any]:
        wiring = self._wiring
        context = wiring.context_for(principal, None)
        if prepared.errors is not None:
            return await wiring.engine.execute(prepared, context)
        watch = _Watch(_BUDGET[prepared.operation_type], request.receive if prepared.operation_type == "query" else None)
        try:
            return await wiring.engine.execute(prepared, context)
        except asyncio.CancelledError:
            watch.explain()
            raise
        finally:
            watch.end()

    def _stream(self, request: Request, accepted: Accepted, prepared: Prepared, principal: Any) -> ASGIApp:
        wiring = self._wiring
        if not accepted.events:
            raise BadRequest(
                "A subscription is answered as an event stream to Accept: text/event-stream, or over WebSocket (graphql-transport-ws)."
            )
        if wiring.connections.closing:
            raise Overloaded("The gateway is shutting down; try again in a moment.")

        def events(session: Session, resumed: Prepared) -> AsyncGenerator[Encoded | dict[str, Any]]:
            return wiring.engine.subscribe(resumed, wiring.context_for(session.principal, session))

        def open_session(end: Callable[[str], None]) -> Session:
            return wiring.open_session(principal, end)

        after = request.headers.get("last-event-id") or None
        seat = wiring.take_seat(principal)

        async def application(scope: Scope, receive: Receive, send: Send) -> None:
            try:
                await EventStream(prepared, after, events, open_session, wiring.connections, wiring.timing)(scope, receive, send)
            finally:
                seat.leave()

        return application


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
