"""The bell between processes: "something changed in these streams, look for yourselves".

Owns the one broadcaster channel, coalescing, the heartbeat and the rebuild after silence. A ring is best effort and carries no content: a lost
one costs the poll interval, never data. This and `bell_postgres` are the only files that touch the package `broadcaster` (unmaintained, exact
pin; its traps are avoided by subscribing once per process to one fixed channel). Called by commands (ring) and `live.hub` (listen).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable, Iterable
from hashlib import blake2b

import structlog
from broadcaster import Broadcast, BroadcastBackend

from gateway.model.change import StreamKey
from gateway.observe import BELL_REBUILDS, BELL_RINGS

__all__ = ["CHANNEL", "EVERYTHING", "LOST", "Bus", "ring_key"]

CHANNEL = "profile_gateway"
EVERYTHING = "!"
"""A message that means: the bell may have been deaf, look at every stream."""
LOST = "?"
"""A message a backend puts into its own stream when it lost its connection: the bus builds a new one at once instead of after the silence."""
_HEARTBEAT = "*"
_MOST_KEYS = 100
"""Keys of one message: 1.7 kB, far below the 7 999 bytes of a NOTIFY."""

log = structlog.get_logger()


def ring_key(stream: StreamKey) -> str:
    """A stream's name on the bus: a hash, so that the bus never carries an id. A collision costs one needless read."""
    return blake2b(stream.workspace_id.bytes + stream.stream_id.bytes, digest_size=8).hexdigest()


class Bus:
    """Rings other processes and hears them ring. Start it once; it heals itself until it is stopped."""

    def __init__(
        self,
        backend: Callable[[], BroadcastBackend] | None,
        *,
        coalesce: float = 0.005,
        heartbeat: float = 5.0,
        silence: float = 10.0,
    ) -> None:
        """`backend` makes one (None: in-process). Rings are gathered for `coalesce` seconds; after `silence` seconds without our own
        heartbeat the connection is built anew.
        """
        self._backend = backend
        self._coalesce = coalesce
        self._heartbeat = heartbeat
        self._silence = silence
        self._pending: set[str] = set()
        self._due = asyncio.Event()
        self._own = os.urandom(6).hex()
        self._heard_at = 0.0
        self._broadcast: Broadcast | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._on_ring: Callable[[Iterable[str] | None], None] = lambda _: None
        self._listening = asyncio.Event()

    @property
    def healthy(self) -> bool:
        """Whether our own heartbeat came back lately; when not, polling alone delivers."""
        return self._heard_at > 0 and asyncio.get_running_loop().time() - self._heard_at < self._silence

    async def start(self, on_ring: Callable[[Iterable[str] | None], None], *, wait: float = 2.0) -> None:
        """Listen; `on_ring` gets the keys that were rung, or None for "all of them". Waits up to `wait` seconds for the first heartbeat,
        then goes on without: a gateway whose bell is dead still polls.
        """
        self._on_ring = on_ring
        self._tasks = [
            asyncio.create_task(work, name=name) for name, work in (("bus-listen", self._listen()), ("bus-ring", self._publish()))
        ]
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait):
                await self._listening.wait()

    async def stop(self) -> None:
        """Stop listening and ringing."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._disconnect()

    def ring(self, streams: Iterable[StreamKey]) -> None:
        """Ring for these streams, soon; never blocks and never fails."""
        self._pending.update(map(ring_key, streams))
        self._due.set()

    async def _publish(self) -> None:
        loop = asyncio.get_running_loop()
        next_beat = loop.time()
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, next_beat - loop.time())):
                    await self._due.wait()
            if self._due.is_set():
                await asyncio.sleep(self._coalesce)  # a batch of changes rings once
            self._due.clear()
            messages = []
            if loop.time() >= next_beat:
                next_beat = loop.time() + self._heartbeat
                messages.append(_HEARTBEAT + self._own)
            while self._pending:
                messages.append(",".join(self._pending.pop() for _ in range(min(_MOST_KEYS, len(self._pending)))))
            for message in messages:
                await self._send(message)

    async def _send(self, message: str) -> None:
        if self._broadcast is None:
            return
        try:
            await self._broadcast.publish(CHANNEL, message)
            BELL_RINGS.inc()
        except Exception as error:  # noqa: BLE001  # whatever a backend raises: the poll delivers
            log.warning("bell.ring_failed", error=type(error).__name__)

    async def _listen(self) -> None:
        delay = 0.1
        while True:
            try:
                await self._hear_until_silent()
                delay = 0.1
            except Exception as error:  # noqa: BLE001  # a backend may fail in any way; it is built anew
                log.warning("bell.lost", error=type(error).__name__, retry_in=delay)
            BELL_REBUILDS.inc()
            await self._disconnect()
            await asyncio.sleep(delay)
            delay = min(delay * 2, 5.0)

    async def _hear_until_silent(self) -> None:
        self._broadcast = Broadcast(backend=self._backend()) if self._backend else Broadcast("memory://")
        await self._broadcast.connect()
        async with self._broadcast.subscribe(CHANNEL) as events:
            self._on_ring(None)  # whatever was rung before we could hear
            await self._send(_HEARTBEAT + self._own)
            while True:
                async with asyncio.timeout(self._silence):  # not even our own heartbeat: the connection is deaf
                    event = await events.get()
                self._hear(event.message)

    def _hear(self, message: str) -> None:
        if message.startswith(_HEARTBEAT):
            if message[1:] == self._own:
                self._heard_at = asyncio.get_running_loop().time()
                self._listening.set()
        elif message == LOST:
            raise ConnectionError("the bell's connection was lost")
        elif message == EVERYTHING:
            self._on_ring(None)
        else:
            self._on_ring(message.split(","))

    async def _disconnect(self) -> None:
        broadcast, self._broadcast = self._broadcast, None
        if broadcast is not None:
            with contextlib.suppress(Exception):
                await broadcast.disconnect()
