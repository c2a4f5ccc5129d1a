"""uvicorn, tamed: how the gateway listens, and how it ends.

Owns every setting of uvicorn and everything that is done differently from it. Must not know a route. Made by `app`, once per process.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import uvicorn
from starlette.types import ASGIApp

from gateway.settings import Settings
from gateway.transport.connections import Connections

__all__ = ["Server"]

_MAX_FRAME = 64 * 1024


class Server(uvicorn.Server):
    """uvicorn, telling when it listens, and ending by returning instead of by raising its signal again: what was opened is closed after it."""

    def __init__(self, app: ASGIApp, connections: Connections, settings: Settings, announce: Callable[[str], None]) -> None:
        """`announce`: called with the base URL once requests are answered."""
        config = uvicorn.Config(
            app,
            host=settings.host,
            port=settings.port,
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            ws="websockets-sansio",
            ws_max_size=_MAX_FRAME,
            ws_ping_interval=None,  # the protocol's own pings close a deaf client with 1001, which it retries; uvicorn's would say 1011
            ws_per_message_deflate=False,
            timeout_keep_alive=30,
            timeout_graceful_shutdown=int(settings.shutdown_seconds),
        )
        super().__init__(config)
        self._announce = announce
        self._connections = connections

    async def startup(self, sockets: object = None) -> None:
        """Listen, then say so."""
        try:
            await super().startup()
        except SystemExit:  # the port is taken; uvicorn has logged why
            self.should_exit = True
            return
        if self.started:
            host, port = self.servers[0].sockets[0].getsockname()[:2]
            self._announce(f"http://{f'[{host}]' if ':' in host else host}:{port}")

    async def shutdown(self, sockets: object = None) -> None:
        """Say goodbye to every socket (1012: come back), then end as uvicorn does."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self.config.timeout_graceful_shutdown):
                await self._connections.close_all()
        await super().shutdown()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """SIGTERM and SIGINT begin the end; a second one hurries it."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self.handle_exit, number, None)
        try:
            yield
        finally:
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.remove_signal_handler(number)
