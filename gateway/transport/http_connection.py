"""One HTTP connection: what it may take before anybody looks at its request, and the quick way for a request like the one before.

Owns limits and timers of requests, and what is remembered of a connection. A request is watched from its first byte (a connection from its accept)
until its body is there, and a connection between two requests: each has one deadline, and one sweep of `server` every half second looks at all of
them, so that a request in time costs two assignments.

**Heads that were seen.** A client that keeps its connection sends the same head again and again, byte for byte, until its token changes. So from the
second request on a connection remembers the last few heads and what they were parsed to. A request that comes as a whole, with one of these heads and
as many bytes behind it as that says, is not parsed again: it goes to the application with what others found out about its head (see `quick`). Only
what can mean nothing else is remembered: HTTP/1.1, kept alive, CR LF at each line's end, a length or no body at all.
"""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass
from functools import lru_cache
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, Protocol

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from gateway.observe import REQUESTS_REFUSED
from gateway.transport.quick import BODY, KEPT, WHOLE

if TYPE_CHECKING:
    from uvicorn._types import ASGIReceiveEvent

__all__ = ["Connection", "RequestLimits"]

_LINGER_SECONDS: Final = 1.0
"""So long a refused client may go on sending before it is cut off: a reset would swallow the answer."""
_HEADS: Final = 4
"""That a connection remembers."""
_LONGEST_HEAD, _LONGEST_BODY = 4 * 1024, 32 * 1024
_TRIES: Final = 8
"""Heads that are remembered in a row without one of them coming again: behind a proxy each has an id of its own."""
_END: Final = b"\r\n\r\n"
_METHODS: Final = frozenset({"GET", "POST"})
_TELLING: Final = frozenset({b"expect", b"transfer-encoding", b"upgrade"})
"""Headers that say more of a request than how long it is."""
_BODILESS: Final = frozenset({204, 304})
_NO_SCOPE: Final[Any] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestLimits:
    """What a connection may take before anybody looks at its request; times in seconds."""

    header_seconds: float = 5.0
    """From accept, or from the first byte of a later request, to the end of the header."""
    body_seconds: float = 10.0
    """To the end of the body, the header included."""
    headers: int = 100
    header_bytes: int = 32 * 1024
    """Of request line and headers."""
    keep_alive_seconds: int = 30
    """Between two requests."""
    unacknowledged_seconds: float = 13.0
    """A client that acknowledges nothing of what was sent, or takes nothing of what waits for it, is dropped (TCP_USER_TIMEOUT; Linux).

    The kernel begins to count when its buffers are full: whoever stops reading is gone within 15 seconds.
    """


class _TooLarge(Exception):  # raised in a callback of the parser, to stop it
    """The header is over a limit."""


class House(Protocol):
    """What a connection asks of its server."""

    limits: RequestLimits

    @property
    def draining(self) -> bool:
        """Whether the end has begun."""


class _Head:
    """A head that was seen: the scope that came of it, and the bytes of the whole request. `kept`: see `quick`."""

    __slots__ = ("kept", "scope", "size")

    def __init__(self, scope: dict[str, Any], size: int) -> None:
        self.scope = scope
        self.size = size
        self.kept: dict[object, Any] = {}


class Connection(HttpToolsProtocol):
    """One HTTP connection, bounded."""

    def __init__(self, house: House, watched: set[Connection], **given: Any) -> None:
        super().__init__(**given)
        self._house = house
        self._limits = house.limits
        self._watched = watched
        self.due = math.inf
        self._begun = 0.0
        self._fed = self._size = 0
        self._in_header = True
        """Also between two requests."""
        self._in_body = self._refused = self._too_large = False
        self._is_idle = False
        """Everything was answered, and the deadline is that of the next request's first byte."""
        self._is_between = True
        """The parser has read nothing of the next request."""
        self._count = 0
        """Requests that the parser began to read."""
        self._heads: dict[bytes, _Head] = {}
        self._tries = _TRIES

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """The clock runs from here, also for who never says a word."""
        super().connection_made(transport)
        self._start()
        self._watched.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """No clock any more."""
        self._watched.discard(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Feed the parser, unless it was said already that nothing more is wanted."""
        if self._refused:
            return
        if self._is_between and self._heads:
            end = data.find(_END) + len(_END)
            head = self._heads.get(data[:end])
            if head is not None and head.size == len(data) and self.cycle.response_complete and not self._house.draining:
                self._again(head, data[end:])
                return
        if self._in_header:
            self._fed += len(data)
            if self._is_idle or self.due == math.inf:
                self._start()
        was_between, count = self._is_between, self._count
        super().data_received(data)
        if was_between and self._is_between and count and self._count == count + 1 and self._tries:
            self._remember(data)
        # The parser keeps an unfinished header to itself: what it was fed says how large that may be. It is exact once a header is complete.
        if self._in_header and self._fed > 2 * self._limits.header_bytes and not self._refused:
            self._too_large = True
            self.send_400_response("")

    def on_message_begin(self) -> None:
        """A request begins; perhaps in the same breath as the last one ended."""
        super().on_message_begin()
        self._is_between = False
        self._count += 1
        if self.due == math.inf:
            self._start()

    def on_url(self, url: bytes) -> None:
        """Part of the request line."""
        self._grow(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header, counted."""
        self._size += len(name) + len(value) + 4  # ": " and the line's end
        limits = self._limits
        if self._size > limits.header_bytes:
            self._too_large = True
            raise _TooLarge
        super().on_header(name, value)
        if len(self.headers) > limits.headers:
            self._too_large = True
            raise _TooLarge

    def on_headers_complete(self) -> None:
        """The body, if there is one, may come."""
        before = self.cycle
        super().on_headers_complete()
        self._in_header, self._in_body = False, True
        self._fed = self._size = 0
        self.due = self._begun + self._limits.body_seconds
        if self._house.draining and self.cycle is not None and self.cycle is not before:
            self.cycle.keep_alive = False

    def on_message_complete(self) -> None:
        """All of it is there; what follows is a request of its own."""
        super().on_message_complete()
        self._in_header, self._in_body, self._is_between = True, False, True
        self.due = math.inf
        if self.cycle is not None and self.cycle.response_complete:  # before all of it was there
            self._rest()

    def on_response_complete(self) -> None:
        """Go on with the next request, which may be there already; else wait for its first byte, but not for ever."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            cycle, app = self.pipeline.pop()
            self._start_asgi_task(cycle, app)
        elif self.due == math.inf:
            self._rest()

    def handle_websocket_upgrade(self) -> None:
        """From here on the timers of `ws.protocol` hold."""
        self._watched.discard(self)
        super().handle_websocket_upgrade()

    def late(self, now: float) -> None:
        """The deadline is over."""
        if self._is_idle:
            self.transport.close()
            return
        answering = self.cycle is not None and not self.cycle.response_complete
        if self._refused:
            self.transport.abort()
        elif answering and (self.flow.read_paused or self.pipeline or not self._in_body):
            self.due = now + 1  # it is us who take so long
        elif self._in_body and not answering:
            self.transport.close()  # was answered, without its body
        elif self._fed == 0 and not self._in_body:
            _refused(HTTPStatus.REQUEST_TIMEOUT)
            self.transport.close()  # never said a word: a browser that connected ahead of time would take 408 for an answer
        else:
            self._refuse(HTTPStatus.REQUEST_TIMEOUT)

    def send_400_response(self, msg: str) -> None:
        """What the parser does not take, for whatever reason."""
        self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE if self._too_large else HTTPStatus.BAD_REQUEST)

    def _again(self, head: _Head, body: bytes) -> None:
        """Answer a request whose head was seen before, and which is there as a whole."""
        self.due, self._is_idle = math.inf, False
        self._fed = 0
        self._tries = _TRIES
        state = head.scope["state"]
        scope: Any = {**head.scope, "headers": [*head.scope["headers"]], "state": state.copy()}
        self.cycle = exchange = _Exchange(self, scope, body)
        scope["extensions"] = {KEPT: head.kept, BODY: body, WHOLE: exchange.whole}
        exchange.task = self.loop.create_task(exchange.run_asgi(self.app))
        self.tasks.add(exchange.task)

    def _remember(self, data: bytes) -> None:
        """Keep the head of the request that was parsed from these bytes, if they can mean nothing else than they did, and nobody waits for more."""
        end = data.find(_END) + len(_END)
        head, headers, scope = data[:end], self.headers, self.scope
        names = [name for name, _ in headers]
        size = next((int(value) for name, value in headers if name == b"content-length"), 0)
        if (
            not _TELLING.isdisjoint(names)
            or names.count(b"content-length") > 1
            or scope["method"] not in _METHODS
            or scope["http_version"] != "1.1"
            or not self.cycle.keep_alive
            or end + size != len(data)
            or end > _LONGEST_HEAD
            or size > _LONGEST_BODY
            or not (head.count(b"\n") == head.count(b"\r") == head.count(b"\r\n") == len(headers) + 2)
        ):
            return
        self._tries -= 1
        if len(self._heads) >= _HEADS:
            del self._heads[next(iter(self._heads))]
        self._heads[head] = _Head({**scope, "headers": [*headers]}, len(data))

    def _rest(self) -> None:
        self._is_idle = True
        self.due = self.loop.time() + self._limits.keep_alive_seconds

    def _start(self) -> None:
        self._is_idle = False
        self._begun = self.loop.time()
        self.due = self._begun + self._limits.header_seconds

    def _grow(self, size: int) -> None:
        self._size += size
        if self._size > self._limits.header_bytes:
            self._too_large = True
            raise _TooLarge

    def _refuse(self, status: HTTPStatus) -> None:
        """Answer, and read what is still on its way into the void; then the sweep ends it."""
        _refused(status)
        self._refused = True
        self._is_idle = False
        self.due = self.loop.time() + _LINGER_SECONDS
        cycle = self.cycle
        if cycle is not None and not cycle.response_complete:
            another = self._in_header or cycle.response_started or bool(self.pipeline)
            cycle.disconnected = True
            cycle.message_event.set()
            self.pipeline.clear()
            if another:  # an answer in the middle of another's would be taken for part of it
                self.transport.close()
                return
        text = f"{status.value} {status.phrase}\n".encode()
        head = f"HTTP/1.1 {status.value} {status.phrase}\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: {len(text)}\r\n"
        self.transport.write(head.encode() + b"connection: close\r\n\r\n" + text)
        self.flow.resume_reading()
        if self.transport.can_write_eof():
            self.transport.write_eof()


class _Exchange(RequestResponseCycle):
    """A request that is there as a whole, and its answer. What uvicorn sets in each is a class's attribute here until it changes."""

    access_log = False
    body: bytes | bytearray  # type: ignore[assignment]
    chunked_encoding = None
    disconnected = False
    expected_content_length = 0
    keep_alive = True
    more_body = False
    response_complete = False
    response_started = False
    waiting_for_100_continue = False

    connection: Any
    task: asyncio.Task[None]

    def __init__(self, connection: Connection, scope: Any, body: bytes) -> None:
        self.connection = connection
        self.scope = scope
        self.body = body
        self.transport = connection.transport
        self.flow = connection.flow
        self.logger = connection.logger
        self.default_headers = connection.server_state.default_headers
        self._event: asyncio.Event | None = None
        self._is_read = False

    @property
    def message_event(self) -> asyncio.Event:  # type: ignore[override]
        """Set when there is something new to `receive`; made for who waits."""
        if self._event is None:
            self._event = asyncio.Event()
        return self._event

    def on_response(self) -> None:
        """It was answered."""
        self.body = b""
        self.scope = _NO_SCOPE  # it knows us, and would keep us until the collector comes
        self.connection.on_response_complete()

    async def run_asgi(self, app: Any) -> None:
        """Have the application answer, in a task of its own."""
        try:
            await super().run_asgi(app)
        finally:
            self.connection.tasks.discard(self.task)
            self.connection = None  # which knows us

    async def receive(self) -> ASGIReceiveEvent:
        """The body, then that there is nothing more."""
        if self._is_read or self.disconnected or self.response_complete:
            return await super().receive()
        self._is_read = True
        return {"type": "http.request", "body": bytes(self.body), "more_body": False}

    def whole(self, status: int, lines: bytes, body: bytes) -> bool:
        """See `quick`."""
        if self.response_started or self.disconnected or self.flow.write_paused or not self.keep_alive or status in _BODILESS:
            return False
        self.response_started = self.response_complete = True
        length = b"content-length: %d\r\n\r\n" % len(body)
        self.transport.write(b"".join([STATUS_LINE[status], _lines(tuple(self.default_headers)), lines, length, body]))
        if self._event is not None:
            self._event.set()
        self.on_response()
        return True


@lru_cache(4)
def _lines(headers: tuple[tuple[bytes, bytes], ...]) -> bytes:
    """Header lines; those of all answers change once a second."""
    return b"".join([b"%b: %b\r\n" % header for header in headers])


def _refused(status: HTTPStatus) -> None:
    REQUESTS_REFUSED.labels(status.value).inc()
