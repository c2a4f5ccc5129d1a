"""The hub: one tail per stream that somebody here listens to.

Owns the tails, the fan-out of a ring to them and the poll underneath. There is no queue per reader and nothing to overflow: readers pull
(`live.feed`). Called by `app` (life) and `live.feed`.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Callable, Iterable

import structlog

from gateway.errors import GatewayError
from gateway.live.bus import Bus, ring_key
from gateway.live.changelog import heads
from gateway.live.position import StreamCursors
from gateway.live.reads import Reads
from gateway.live.tail import Alarm, Tail
from gateway.model.change import StreamKey
from gateway.observe import STREAMS
from gateway.storage.database import Database

__all__ = ["Hub"]

_AGAIN = 1.0
"""Most seconds until a poll that failed is tried again."""

log = structlog.get_logger()


class Hub:
    """All tails of this process."""

    def __init__(self, database: Database, bus: Bus, cursors: StreamCursors, poll_interval: float) -> None:
        self._database = database
        self._reads = Reads(database)
        self._bus = bus
        self.cursors = cursors
        self._poll_interval = poll_interval
        self._tails: dict[StreamKey, Tail] = {}
        self._by_ring_key: dict[str, set[Tail]] = {}
        self._listeners: dict[str, list[Callable[[], None]]] = {}
        self._due = asyncio.Event()
        self._poller: asyncio.Task[None] | None = None

    @property
    def bell_is_healthy(self) -> bool:
        """Whether the bell rings; when not, the poll alone delivers."""
        return self._bus.healthy

    async def start(self) -> None:
        """Listen to the bell and begin to poll."""
        await self._bus.start(self._rung)
        self._poller = asyncio.create_task(self._poll(), name="hub-poll")

    async def stop(self) -> None:
        """Stop both; readers still waiting stay asleep and are cancelled by their owners."""
        if self._poller is not None:
            self._poller.cancel()
            await asyncio.gather(self._poller, return_exceptions=True)
        await self._bus.stop()

    def acquire(self, stream: StreamKey, alarm: Alarm) -> Tail:
        """The tail of a stream, made if need be, which rings this alarm from now on; give it back with `release`."""
        tail = self._tails.get(stream)
        if tail is None:
            tail = self._tails[stream] = Tail(self._reads, stream)
            self._by_ring_key.setdefault(ring_key(stream), set()).add(tail)
            STREAMS.set(len(self._tails))
        tail.alarms.add(alarm)
        return tail

    def release(self, tail: Tail, alarm: Alarm) -> None:
        """Give a tail back; the last reader takes it down."""
        tail.alarms.discard(alarm)
        if not tail.alarms:
            tail.close()
            del self._tails[tail.stream]
            key = ring_key(tail.stream)
            self._by_ring_key[key].discard(tail)
            if not self._by_ring_key[key]:
                del self._by_ring_key[key]
            STREAMS.set(len(self._tails))

    def watched(self) -> tuple[StreamKey, ...]:
        """The streams that somebody here listens to now: profiles', desks' and sources'."""
        return tuple(self._tails)

    def is_watched(self, stream: StreamKey) -> bool:
        """Whether somebody here listens to this one."""
        return stream in self._tails

    def listen(self, name: StreamKey, callback: Callable[[], None]) -> Callable[[], None]:
        """Call this whenever the name is rung, or may have been; the function given back ends that. A name needs no log behind it."""
        key = ring_key(name)
        self._listeners.setdefault(key, []).append(callback)

        def leave() -> None:
            callbacks = self._listeners[key]
            callbacks.remove(callback)
            if not callbacks:
                del self._listeners[key]

        return leave

    def nudge(self, stream: StreamKey) -> None:
        """Let the readers of this stream here look beside the log; see `Tail.nudge`."""
        tail = self._tails.get(stream)
        if tail is not None:
            tail.nudge()

    def ring(self, streams: Iterable[StreamKey]) -> None:
        """Tell every process, this one included, that these streams changed. Call it after the commit."""
        self._bus.ring(streams)

    def _rung(self, keys: Iterable[str] | None) -> None:
        if keys is None:  # any may have changed: one statement says which of them did
            self._due.set()
            for callbacks in list(self._listeners.values()):
                _call(callbacks)
            return
        for key in keys:
            for tail in self._by_ring_key.get(key, ()):
                tail.wake()
            _call(self._listeners.get(key, ()))

    async def _poll(self) -> None:
        failed = False
        while True:
            interval = min(self._poll_interval, _AGAIN) if failed else self._poll_interval
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(interval * random.uniform(0.8, 1.2)):  # noqa: S311  # jitter, not a secret
                    await self._due.wait()
            self._due.clear()
            try:
                await self._poll_once()
                failed = False
            except GatewayError as error:
                if not failed:
                    log.warning("hub.poll_failed", code=error.code)
                failed = True

    async def _poll_once(self) -> None:
        """Wake the tails that stand otherwise than their streams. Nothing is concluded here: our answer may be older than what a tail has read
        meanwhile, so each looks for itself. A failover, which makes every epoch another one, and a stream that is gone show the same way.
        """
        watched = [tail for tail in self._tails.values() if tail.newest is not None]
        if not watched:
            return
        found = await heads(self._database, [tail.stream for tail in watched])
        for tail in watched:
            head = found.get(tail.stream)
            if tail.newest is not None and (head is None or head.position != tail.newest.position):
                tail.wake()


def _call(callbacks: Iterable[Callable[[], None]]) -> None:
    for callback in tuple(callbacks):
        callback()
