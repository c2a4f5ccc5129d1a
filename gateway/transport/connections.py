"""The open connections of this process: WebSockets and event streams, from the first to the last moment.

Owns the register, and how all of them are ended. Must not know a protocol: each connection is told to `leave` (its streams say `StreamGoAway`
and end) and then to `close`. Entered by `ws.endpoint` and by event streams over HTTP; drained by `server` when the process is about to end.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import random
from typing import Final, Protocol

from gateway.auth.session import Departure
from gateway.observe import SOCKETS

__all__ = ["Connections", "Served"]

_SERVICE_RESTART: Final = 1012
_SLICE_SECONDS: Final = 0.1
_PARTING_SECONDS: Final = 0.5
"""From `leave` to `close`: what a stream still says is on its way by then."""

_LATEST_RETURN_MS: Final = 1000


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
        self._hurried = asyncio.Event()

    def __len__(self) -> int:
        return len(self._open)

    @property
    def closing(self) -> bool:
        """Whether `drain` or `close_all` was called: new sockets are refused with 503."""
        return self._last_words is not None

    async def drain(self, seconds: float, code: int = _SERVICE_RESTART, reason: str = "Service Restart") -> None:
        """Refuse new sockets from now on, and end the open ones in random order, spread evenly over `seconds`; return when each was told.

        Each is first told to leave, with a random time to come back after (ms), and half a second later closed: nobody waits for those who do
        not read. Returns early when none is left.
        """
        self._last_words = (code, reason)
        waiting = random.sample(tuple(self._open), len(self._open))
        total, loop = len(waiting), asyncio.get_running_loop()
        begun, parting = loop.time(), set[asyncio.Task[None]]()
        while waiting and self._open:
            passed = loop.time() - begun + _SLICE_SECONDS
            kept = 0 if self._hurried.is_set() or seconds <= passed else math.floor(total * (1 - passed / seconds))
            while len(waiting) > kept:
                connection = waiting.pop()
                if connection in self._open:
                    parting.add(asyncio.create_task(self._part(connection)))
            if waiting:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_SLICE_SECONDS):
                        await self._hurried.wait()
        if parting:
            await asyncio.wait(parting)

    @property
    def hurried(self) -> bool:
        """Whether `hurry` was called."""
        return self._hurried.is_set()

    def hurry(self) -> None:
        """End at once whoever `drain` would still have let be."""
        self._hurried.set()

    async def close_all(self, code: int = _SERVICE_RESTART, reason: str = "Service Restart") -> None:
        """Refuse new sockets, close the open ones, and return when their last operation has ended.

        A client that does not read holds this up for at most `Limits.send_timeout`.
        """
        self._last_words = (code, reason)
        for connection in tuple(self._open):
            await connection.close(code, reason)
        await self._none_open.wait()

    async def _part(self, connection: Served) -> None:
        assert self._last_words is not None
        connection.leave(Departure("DRAINING", retry_after_ms=random.randint(0, _LATEST_RETURN_MS)))  # noqa: S311  # no secret
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_PARTING_SECONDS):
                await self._hurried.wait()
        await connection.close(*self._last_words)

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
