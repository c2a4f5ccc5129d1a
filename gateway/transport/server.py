"""uvicorn, tamed: how the gateway listens, how long it waits for whom, and how it ends.

Owns every setting of uvicorn and what is done differently from it: close codes, drain, the watch over the event loop. Must not know a route. Made by
`app`, once per process; of HTTP connections, `http_connection` owns their limits and timers, of WebSockets, `ws.wire` what they may cost.
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
from typing import TYPE_CHECKING, Any, Final

import structlog
import uvicorn
from starlette.types import ASGIApp
from websockets.frames import CloseCode
from websockets.server import ServerProtocol

from gateway.observe import LOOP_LAG
from gateway.settings import Settings
from gateway.transport.connections import Connections
from gateway.transport.http_connection import Connection, RequestLimits
from gateway.transport.listeners import ALIVE, READY, RETIRE, Post, base_url
from gateway.transport.ws.wire import Wire

if TYPE_CHECKING:
    from uvicorn._types import ASGISendEvent

__all__ = ["RequestLimits", "Server"]

log = structlog.get_logger()

_MAX_FRAME: Final = 64 * 1024
_FLUSH_SECONDS: Final = 1.0
"""What is written when everything ends has so long to be taken by the client's system."""
_TICK_SECONDS: Final = 0.1
_SWEEP_TICKS: Final = 5
_NOTICED_SECONDS: Final = 0.5
"""A loop that is late by this much is logged, and late clients get the time back."""


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
        self._watched: set[Connection] = set()
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

    def _request(self, **given: Any) -> Connection:
        return Connection(self, self._watched, **given)

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
                for one in self._watched:
                    one.due += lag  # what they sent in time may lie unread
            elif tick % _SWEEP_TICKS == 0:
                self._sweep(now)

    def _sweep(self, now: float) -> None:
        for connection in [one for one in self._watched if one.due <= now]:
            connection.late(now)
        if self._post is not None:
            with contextlib.suppress(OSError):
                self._post.line.send(ALIVE)


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
