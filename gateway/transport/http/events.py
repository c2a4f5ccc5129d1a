"""Server-Sent Events: one subscription as one response (the distinct connections mode of the graphql-sse protocol).

Owns an event stream from its first byte to the end of its last task: framing, ids, heartbeats, and all the ways in which it ends. Must not decide
who may open one. Made by `endpoint`, one per subscription; entered in `Connections`, so that a drain ends it.

An event that shows the `cursor` of its live event carries it as `id:`, so that a client which comes back with `Last-Event-ID`, as browsers do by
themselves, resumes behind it. How the response ends says whether to come back: after `complete` it is over, or the credentials are (an error says
so first); without one the server goes away, and the client returns.

Back-pressure: the next event is pulled when the last one was taken by the transport; nothing is queued here.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from gateway.auth.session import Departure, Session
from gateway.engine.documents import Prepared
from gateway.engine.encoding import Encoded, encode
from gateway.engine.masking import present_failure
from gateway.engine.resume import resumed
from gateway.errors import Unauthenticated
from gateway.transport.connections import Connections
from gateway.transport.http.answers import HEADERS
from gateway.transport.http.negotiation import EVENTS
from gateway.transport.starting import begun

__all__ = ["COMPLETE", "HEARTBEAT", "EventStream", "Timing", "next_event", "single"]

HEARTBEAT: Final = b":\n\n"
"""A comment: readers pass over it, proxies see that the response is alive."""
COMPLETE: Final = b"event: complete\ndata:\n\n"
"""With an empty `data` field, without which an `EventSource` would not tell its listeners."""

_HEADERS: Final = {**HEADERS, "content-type": f"{EVENTS}; charset=utf-8", "x-accel-buffering": "no"}
"""The last one is for nginx, which else keeps events back until it has a page of them."""
_EXPIRED: Final = "TOKEN_EXPIRED"

Events = Callable[[Session, Prepared], AsyncGenerator[Encoded | dict[str, Any]]]
OpenSession = Callable[[Callable[[str], None]], Session]


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Times in seconds."""

    heartbeat: float = 12.0
    """From comment to comment; proxies give up on a silent response after 30 to 60."""
    send_timeout: float = 10.0
    """For one event to be taken by the transport; a client that reads nothing for this long is dropped."""


def next_event(response: Encoded | dict[str, Any], cursor: str | None = None) -> bytes:
    """One response as a `next` event; one that shows a cursor has it as its id. The encoder writes no line breaks, so its data is one line."""
    if isinstance(response, Encoded):
        cursor = response.cursor
    place = b"" if cursor is None else b"id: %b\n" % cursor.encode()
    return b"%bevent: next\ndata: %b\n\n" % (place, encode(response))


def single(response: dict[str, Any]) -> Response:
    """The answer to a query or a mutation, for a client that takes nothing but events."""
    return Response(next_event(response) + COMPLETE, 200, _HEADERS)


class EventStream:
    """One response, as an ASGI application that is called once."""

    def __init__(
        self, prepared: Prepared, after: str | None, events: Events, open_session: OpenSession, connections: Connections, timing: Timing
    ) -> None:
        """`after`: the cursor to resume behind, None: as the document has it; `events`: makes the stream of responses; `open_session`: opens the
        session of a stream that the given function ends.
        """
        self._prepared = prepared
        self._after = after
        self._events = events
        self._open_session = open_session
        self._connections = connections
        self._timing = timing
        self._session: Session | None = None
        self._turn = asyncio.Lock()
        self._over = asyncio.Event()
        self._last: bytes | None = None
        self._gone = False
        self._unwinding = False
        self._send: Send

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve it, counted with the other open connections."""
        self._receive = receive
        self._send = send
        await self._connections.serve(self)

    async def run(self) -> None:
        """Serve it to its end; returns when the subscription has ended."""
        session = self._session = self._open_session(self._revoked)
        watch, pull = asyncio.create_task(self._watch()), None
        try:
            await self._transmit({"type": "http.response.start", "status": 200, "headers": Headers(_HEADERS).raw})
            await self._write(HEARTBEAT)
            pull = asyncio.create_task(self._pull(session))
            pull.add_done_callback(lambda _: self._over.set())
            await self._beat(session)
        finally:
            await self._stopped(watch, pull)
            session.closed()
        last = self._last_words(session) if self._last is None else self._last
        if await self._write(last):
            await self._transmit({"type": "http.response.body", "body": b"", "more_body": False})

    def leave(self, departure: Departure) -> None:
        """Let the stream say goodbye."""
        if self._session is not None:
            self._session.leave(departure)

    async def close(self, code: int, reason: str) -> None:
        """Begin to end the response without a `complete`: the client shall come back. A response has no close codes."""
        departure = None if self._session is None else self._session.departure
        self._end(_come_back(departure or Departure(reason)))

    # The ways in which it ends

    def _end(self, last: bytes) -> None:
        """Begin to end it with these bytes; the first reason counts."""
        if self._last is None:
            self._last = last
        self._over.set()

    def _revoked(self, reason: str) -> None:
        self._end(_refusal(Unauthenticated(f"{reason}.")) + COMPLETE)

    def _lose(self) -> None:
        """Nobody reads any more."""
        self._gone = True
        self._over.set()

    def _last_words(self, session: Session) -> bytes:
        """The end of a stream that ended by itself; one that was told to leave has said so, and its client shall come back."""
        departure = session.departure
        if departure is None or departure.reason == _EXPIRED:
            return COMPLETE
        return _come_back(departure)

    # Its tasks

    async def _beat(self, session: Session) -> None:
        """Until it is over: a comment now and then, and an eye on the clock of the credentials."""
        while not self._over.is_set():
            expires_at = session.principal.expires_at
            lifetime = self._timing.heartbeat if expires_at is None else (expires_at - datetime.now(UTC)).total_seconds()
            try:
                async with asyncio.timeout(min(self._timing.heartbeat, lifetime)):
                    await self._over.wait()
            except TimeoutError:
                if session.principal.expired(datetime.now(UTC)):
                    self._end(_refusal(Unauthenticated("The token has expired; subscribe again with a new one.")) + COMPLETE)
                elif not self._turn.locked():
                    await self._write(HEARTBEAT)

    async def _watch(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._lose()

    async def _pull(self, session: Session) -> None:
        try:
            prepared = self._prepared if self._after is None else resumed(self._prepared, self._after)
            responses = self._events(session, prepared)
            try:
                async for response in responses:
                    if self._over.is_set() or not await self._write(next_event(response)):
                        return
                    if not isinstance(response, Encoded) and "data" not in response:
                        return
                    del response
                    await asyncio.sleep(0)  # a stream that always has its next event must not keep the others from their turn
            finally:
                self._unwinding = True
                await responses.aclose()
        except Exception as error:  # noqa: BLE001  # a stream that breaks says so and ends
            await self._write(_refusal(error))

    async def _stopped(self, watch: asyncio.Task[None], pull: asyncio.Task[None] | None) -> None:
        """End the tasks and wait for it, whatever it takes; a subscription that is closing already is left to it."""
        watch.cancel()
        if pull is not None and not self._unwinding:
            pull.cancel()
        while remaining := [task for task in (watch, pull) if task is not None and not task.done()]:
            await asyncio.wait(remaining)

    # The response

    async def _write(self, body: bytes) -> bool:
        return await self._transmit({"type": "http.response.body", "body": body, "more_body": True})

    async def _transmit(self, message: Message) -> bool:
        """Send one message; False: nobody takes it, also after the time for it."""
        async with self._turn:
            if self._gone:
                return False
            try:
                if (rest := begun(self._send(message))) is not None:
                    async with asyncio.timeout(self._timing.send_timeout):
                        await rest
            except OSError:  # the time is over, or a server that raises when the client has gone
                self._lose()
        return not self._gone


def _come_back(departure: Departure) -> bytes:
    return b"retry: %d\n\n" % departure.retry_after_ms if departure.retry_after_ms else b""


def _refusal(error: Exception) -> bytes:
    return next_event({"errors": [present_failure(error)]})
