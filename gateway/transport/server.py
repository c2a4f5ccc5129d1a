"""uvicorn, tamed: how the gateway listens, how long it waits for whom, and how it ends.

Owns every setting of uvicorn and what is done differently from it: limits and timers of requests, close codes, drain, the watch over the event
loop. Must not know a route. Made by `app`, once per process; of WebSockets, `ws.wire` owns what they may cost.

A request is watched from its first byte (a connection from its accept) until its body is there: each connection has one deadline, and one sweep
every half second looks at all of them, so that a request in time costs two assignments.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import math
import signal
import socket
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

import structlog
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from websockets.frames import CloseCode
from websockets.server import ServerProtocol

from gateway.observe import LOOP_LAG, REQUESTS_REFUSED
from gateway.settings import Settings
from gateway.transport.connections import Connections
from gateway.transport.listeners import ALIVE, READY, RETIRE, Post, base_url
from gateway.transport.ws.wire import Wire

if TYPE_CHECKING:
    from uvicorn._types import ASGISendEvent

__all__ = ["RequestLimits", "Server"]

log = structlog.get_logger()

_MAX_FRAME: Final = 64 * 1024
_FLUSH_SECONDS: Final = 1.0
"""What is written when everything ends has so long to be taken by the client's system."""
_LINGER_SECONDS: Final = 1.0
"""So long a refused client may go on sending before it is cut off: a reset would swallow the answer."""
_TICK_SECONDS: Final = 0.1
_SWEEP_TICKS: Final = 5
_NOTICED_SECONDS: Final = 0.5
"""A loop that is late by this much is logged, and late clients get the time back."""


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


class Server(uvicorn.Server):
    """uvicorn, telling when it listens, and ending by returning instead of by raising its signal again: what was opened is closed after it."""

    def __init__(
        self,
        app: ASGIApp,
        connections: Connections,
        settings: Settings,
        announce: Callable[[str], None],
        *,
        post: Post | None = None,
        limits: RequestLimits | None = None,
    ) -> None:
        """`announce`: called with the base URL once requests are answered; `post`: where a worker stands."""
        self.limits = limits if limits is not None else RequestLimits()
        self._announce = announce
        self._connections = connections
        self._post = post
        # In development nobody wants to wait for Ctrl-C.
        self._drain_seconds = 0.0 if settings.dev and "drain_seconds" not in settings.model_fields_set else settings.drain_seconds
        self._draining: asyncio.Task[None] | None = None
        self._watcher: asyncio.Task[None] | None = None
        self._watched: set[_Request] = set()
        super().__init__(
            uvicorn.Config(
                app,
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                http=self._request,  # type: ignore[arg-type]  # called, never looked at
                ws=_Socket,
                ws_max_size=_MAX_FRAME,
                ws_ping_interval=None,  # the protocol's own pings close a deaf client with 1001, which it retries
                ws_per_message_deflate=False,
                timeout_keep_alive=self.limits.keep_alive_seconds,
                timeout_graceful_shutdown=math.ceil(settings.shutdown_seconds),
            )
        )
        logging.getLogger("uvicorn.error").setLevel(logging.ERROR)  # it warns of each malformed request; REQUESTS_REFUSED counts them

    @property
    def draining(self) -> bool:
        """Whether the end has begun: answers say `Connection: close`."""
        return self.should_exit

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, then say so. `sockets` are bound (see `listeners`)."""
        assert sockets, "bind them first"
        timeout = getattr(socket, "TCP_USER_TIMEOUT", None)
        if timeout is not None:
            for one in sockets:  # whatever is accepted inherits it
                one.setsockopt(socket.IPPROTO_TCP, timeout, int(self.limits.unacknowledged_seconds * 1000))
        try:
            await super().startup(sockets)
        except OSError as error:
            log.error("listen.failed", error=error.strerror)  # noqa: TRY400  # the operator's, not a bug
            self.should_exit = True
            return
        self._watcher = asyncio.create_task(self._watch(), name="loop-watch")
        if self._post is not None:
            self._post.line.setblocking(False)
            asyncio.get_running_loop().add_reader(self._post.line, self._hear, self._post.line)
            self._post.line.send(READY)
        self._announce(base_url(sockets))

    async def on_tick(self, counter: int) -> bool:
        """Ten times a second: whether to end. Not before everybody was told; requests are answered until then."""
        if not await super().on_tick(counter):
            return False
        if self._draining is None:
            log.info("draining", connections=len(self._connections), seconds=self._drain_seconds)
            self._draining = asyncio.create_task(self._connections.drain(self._drain_seconds), name="drain")
        return self._draining.done() or self.force_exit

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen no more, give what still runs its time to end, and end."""
        try:
            await super().shutdown(sockets)
        finally:
            if self._post is not None:
                asyncio.get_running_loop().remove_reader(self._post.line)
            if self._watcher is not None:
                self._watcher.cancel()

    def handle_exit(self, sig: int, frame: Any = None) -> None:
        """A first signal begins the end, a second hurries the drain, a third does not wait for requests either."""
        if self._connections.hurried:
            self.force_exit = True
        elif self.should_exit:
            self._connections.hurry()
        self.should_exit = True

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """SIGTERM and SIGINT are `handle_exit`'s."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self.handle_exit, number)
        try:
            yield
        finally:
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.remove_signal_handler(number)

    def _hear(self, line: socket.socket) -> None:
        try:
            said = line.recv(64)
        except BlockingIOError:
            return
        except OSError:
            said = b""
        asyncio.get_running_loop().remove_reader(line)
        if said != RETIRE:  # the supervisor is gone, and nobody will start another worker
            log.warning("worker.alone")
        for server in self.servers:  # others listen on these sockets: whoever is waiting there is theirs
            server.close()
        self.handle_exit(signal.SIGTERM)

    def _request(self, **given: Any) -> _Request:
        return _Request(self, self._watched, **given)

    async def _watch(self) -> None:
        """See how late one comes to each tick, and sweep at every fifth."""
        loop = asyncio.get_running_loop()
        for tick in itertools.count():
            due = loop.time() + _TICK_SECONDS
            await asyncio.sleep(_TICK_SECONDS)
            now = loop.time()
            lag = max(0.0, now - due)
            LOOP_LAG.observe(lag)
            if lag > _NOTICED_SECONDS:
                log.warning("loop.blocked", seconds=round(lag, 3))
                for request in self._watched:
                    request.due += lag  # what they sent in time may lie unread
            elif tick % _SWEEP_TICKS == 0:
                self._sweep(now)

    def _sweep(self, now: float) -> None:
        for request in [one for one in self._watched if one.due <= now]:
            request.late(now)
        if self._post is not None:
            with contextlib.suppress(OSError):
                self._post.line.send(ALIVE)


class _TooLarge(Exception):  # raised in a callback of the parser, to stop it
    """The header is over a limit."""


class _Request(HttpToolsProtocol):
    """One HTTP connection, bounded."""

    def __init__(self, server: Server, watched: set[_Request], **given: Any) -> None:
        super().__init__(**given)
        self._house = server
        self._limits = server.limits
        self._watched = watched
        self.due = math.inf
        self._begun = 0.0
        self._fed = self._size = 0
        self._in_header = True
        """Also between two requests."""
        self._in_body = self._refused = self._too_large = False

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
        if self._in_header:
            self._fed += len(data)
            if self.due == math.inf:
                self._start()
        super().data_received(data)
        # The parser keeps an unfinished header to itself: what it was fed says how large that may be. It is exact once a header is complete.
        if self._in_header and self._fed > 2 * self._limits.header_bytes and not self._refused:
            self._too_large = True
            self.send_400_response("")

    def on_message_begin(self) -> None:
        """A request begins; perhaps in the same breath as the last one ended."""
        super().on_message_begin()
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
        self._in_header, self._in_body = True, False
        self.due = math.inf

    def handle_websocket_upgrade(self) -> None:
        """From here on the timers of `ws.protocol` hold."""
        self._watched.discard(self)
        super().handle_websocket_upgrade()

    def late(self, now: float) -> None:
        """The deadline is over."""
        answering = self.cycle is not None and not self.cycle.response_complete
        if self._refused:
            self.transport.abort()
        elif answering and (self.flow.read_paused or self.pipeline or not self._in_body):
            self.due = now + 1  # it is us who take so long
        elif self._in_body and not answering:
            self.transport.close()  # was answered, without its body
        elif self._fed == 0 and not self._in_body:
            self._count(HTTPStatus.REQUEST_TIMEOUT)
            self.transport.close()  # never said a word: a browser that connected ahead of time would take 408 for an answer
        else:
            self._refuse(HTTPStatus.REQUEST_TIMEOUT)

    def send_400_response(self, msg: str) -> None:
        """What the parser does not take, for whatever reason."""
        self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE if self._too_large else HTTPStatus.BAD_REQUEST)

    def _start(self) -> None:
        self._begun = self.loop.time()
        self.due = self._begun + self._limits.header_seconds

    def _grow(self, size: int) -> None:
        self._size += size
        if self._size > self._limits.header_bytes:
            self._too_large = True
            raise _TooLarge

    def _refuse(self, status: HTTPStatus) -> None:
        """Answer, and read what is still on its way into the void; then the sweep ends it."""
        self._count(status)
        self._refused = True
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

    def _count(self, status: HTTPStatus) -> None:
        REQUESTS_REFUSED.labels(status.value).inc()


class _Socket(Wire):
    """One WebSocket, ending well."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.conn = _Conversation(max_size=self.config.ws_max_size, logger=self.logger)

    def data_received(self, data: bytes) -> None:
        """Parse; a handshake that the parser itself refuses is answered (uvicorn would leave it open, and silent)."""
        super().data_received(data)
        if self.conn.handshake_exc is not None and not self.handshake_initiated and not self.transport.is_closing():
            self.transport.write(b"".join(self.conn.data_to_send()))
            self.transport.close()

    def send(self, message: ASGISendEvent) -> Coroutine[Any, Any, None]:
        """Send. Not a coroutine of its own: every event of every stream passes here."""
        return self._deny(message) if message["type"] == "websocket.http.response.body" else super().send(message)

    async def _deny(self, message: ASGISendEvent) -> None:
        """Refuse the upgrade; uvicorn would take that for a handshake that was forgotten, and log each."""
        await super().send(message)
        self.handshake_complete |= self.close_sent

    def shutdown(self) -> None:
        """The process ends: say 1012, and do not wait for who does not read it."""
        super().shutdown()
        self.loop.call_later(_FLUSH_SECONDS, self.transport.abort)


class _Conversation(ServerProtocol):
    """websockets' protocol, which never says 1011: clients take that for the end, and whatever went wrong here may work in a moment."""

    def fail(self, code: CloseCode | int, reason: str = "") -> None:
        """Fail the connection."""
        super().fail(CloseCode.GOING_AWAY if code == CloseCode.INTERNAL_ERROR else code, reason)
