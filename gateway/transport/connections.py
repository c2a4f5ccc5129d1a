"""The open connections of this process: WebSockets and event streams, from the first to the last moment.

Owns the register, and how all of them are ended. Must not know a protocol: each connection is told to `leave` (its streams say `StreamGoAway`
and end) and then to `close`. Entered by `ws.endpoint` and by event streams over HTTP; drained by `server` when the process is about to end.
"""

from __future__ import annotations

import asyncio
from typing import Protocol

from gateway.auth.session import Departure
from gateway.observe import SOCKETS

__all__ = ["Connections", "Served"]

_SERVICE_RESTART = 1012


class Served(Protocol):
    """One open connection."""

    async def run(self) -> None:
        """Serve it to its end; returns when every operation of it has ended."""

    def leave(self, departure: Departure) -> None:
        """Let its streams say goodbye; it stays open."""

    async def close(self, code: int, reason: str) -> None:
        """Begin to close it; `run` returns when that is done. The code is a WebSocket's."""


class Connections:
    """The open connections of this process."""

    def __init__(self) -> None:
        self._open: set[Served] = set()
        self._none_open = asyncio.Event()
        self._none_open.set()
        self._last_words: tuple[int, str] | None = None

    def __len__(self) -> int:
        return len(self._open)

    @property
    def closing(self) -> bool:
        """Whether `close_all` was called: new sockets are refused with 503."""
        return self._last_words is not None

    async def close_all(self, code: int = _SERVICE_RESTART, reason: str = "Service Restart") -> None:
        """Refuse new sockets, close the open ones, and return when their last operation has ended.

        A client that does not read holds this up for at most `Limits.send_timeout`.
        """
        self._last_words = (code, reason)
        for connection in tuple(self._open):
            await connection.close(code, reason)
        await self._none_open.wait()

    async def serve(self, connection: Served) -> None:
        """Run an accepted connection to its end, counted meanwhile."""
        self._open.add(connection)
        self._none_open.clear()
        SOCKETS.inc()
        try:
            if self._last_words is not None:  # the upgrade was under way when `close_all` was called
                await connection.close(*self._last_words)
            await connection.run()
        finally:
            SOCKETS.dec()
            self._open.discard(connection)
            if not self._open:
                self._none_open.set()
