"""The hub: one tail per stream that somebody here listens to.

Owns the tails, the fan-out of a ring to them and the poll underneath. A tail reads the log once per wake for all its readers and keeps the
last entries; there is no queue per reader and nothing to overflow: readers pull (`live.feed`). Called by `app` (life) and `live.feed`.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Callable, Iterable

import structlog

from gateway.errors import GatewayError
from gateway.live.bus import Bus, ring_key
from gateway.live.changelog import Head, heads, read
from gateway.live.position import StreamCursors
from gateway.model.change import Entry, StreamKey
from gateway.observe import BELL_HEALTHY, STREAMS
from gateway.storage.database import Database

__all__ = ["Hub", "Tail"]

_RING = 256
"""Entries a tail keeps: a reader further behind reads the log itself."""
_BATCH = 100

log = structlog.get_logger()


class Tail:
    """The recent end of one stream, shared by every local reader of it."""

    __slots__ = ("_database", "_entries", "_lock", "_read_at_wake", "_wakes", "bell", "generation", "newest", "readers", "stream")

    def __init__(self, database: Database, stream: StreamKey) -> None:
        self.stream = stream
        self.readers = 0
        self.bell = asyncio.Event()
        """Set once at the next wake, then replaced. Take it BEFORE reading, wait for it AFTER: the other order loses wake-ups."""
        self.newest: Head | None = None
        """The head this tail has read up to; None until the first reader asked."""
        self.generation = 0
        """Counts breaks of continuity (the database was restored or failed over): a reader that sees it change must say so."""
        self._database = database
        self._entries: deque[Entry] = deque(maxlen=_RING)
        self._lock = asyncio.Lock()
        self._wakes = 0
        self._read_at_wake = -1

    def wake(self) -> None:
        """Something may have changed: let every reader look."""
        self._wakes += 1
        self.nudge()

    def nudge(self) -> None:
        """Ring the bell although the log is as it was: something beside it changed, which readers look at whenever they wake."""
        self.bell.set()
        self.bell = asyncio.Event()

    async def begin(self) -> Head | None:
        """Where the stream stands now, asked of the database; None when there is no such stream."""
        head = (await heads(self._database, [self.stream])).get(self.stream)
        if head is not None and self.newest is None:
            self.newest = head
        return head

    async def after(self, seq: int) -> list[Entry]:
        """Up to 100 entries behind `seq`, in order. Shared: at most one read of the log per wake, however many readers ask."""
        wanted = self._wakes
        if self._read_at_wake < wanted:
            async with self._lock:
                if self._read_at_wake < wanted:
                    await self._extend()
        kept = self._entries
        if kept and kept[0].seq <= seq + 1:
            start = seq + 1 - kept[0].seq
            return [kept[index] for index in range(start, min(start + _BATCH, len(kept)))]
        if self.newest is not None and seq >= self.newest.position.seq:
            return []
        return await read(self._database, self.stream, seq, _BATCH)

    async def _extend(self) -> None:
        assert self.newest is not None
        started = self._wakes
        while True:
            entries = await read(self._database, self.stream, self.newest.position.seq, _RING)
            for entry in entries:
                if self._entries and entry.seq != self._entries[-1].seq + 1:
                    self._entries.clear()  # a hole: readers compare numbers themselves and stop before it
                self._entries.append(entry)
            if entries:
                self.newest = Head(type(self.newest.position)(self.newest.position.epoch, entries[-1].seq), self.newest.low)
            if len(entries) < _RING:
                break
        self._read_at_wake = started

    def observe(self, head: Head) -> None:
        """The poll saw this head: wake when it is news; break continuity when history is not ours any more."""
        known = self.newest
        if known is None:
            return
        if head.position.epoch != known.position.epoch or head.position.seq < known.position.seq:
            self.restart(head)
        elif head.position.seq > known.position.seq:
            self.wake()

    def restart(self, head: Head) -> None:
        """Begin again at this head."""
        self.newest = head
        self.generation += 1
        self._entries.clear()
        self.wake()


class Hub:
    """All tails of this process."""

    def __init__(self, database: Database, bus: Bus, cursors: StreamCursors, poll_interval: float) -> None:
        self._database = database
        self._bus = bus
        self.cursors = cursors
        self._poll_interval = poll_interval
        self._tails: dict[StreamKey, Tail] = {}
        self._by_ring_key: dict[str, set[Tail]] = {}
        self._listeners: dict[str, list[Callable[[], None]]] = {}
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

    def acquire(self, stream: StreamKey) -> Tail:
        """The tail of a stream, made if need be; give it back with `release`."""
        tail = self._tails.get(stream)
        if tail is None:
            tail = self._tails[stream] = Tail(self._database, stream)
            self._by_ring_key.setdefault(ring_key(stream), set()).add(tail)
            STREAMS.set(len(self._tails))
        tail.readers += 1
        return tail

    def release(self, tail: Tail) -> None:
        """Give a tail back; the last reader takes it down."""
        tail.readers -= 1
        if tail.readers == 0:
            del self._tails[tail.stream]
            key = ring_key(tail.stream)
            self._by_ring_key[key].discard(tail)
            if not self._by_ring_key[key]:
                del self._by_ring_key[key]
            STREAMS.set(len(self._tails))

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
        if keys is None:
            for tail in list(self._tails.values()):
                tail.wake()
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
            await asyncio.sleep(self._poll_interval * random.uniform(0.8, 1.2))  # noqa: S311  # jitter, not a secret
            BELL_HEALTHY.set(self._bus.healthy)
            try:
                await self._poll_once(after_failure=failed)
                failed = False
            except GatewayError as error:
                if not failed:
                    log.warning("hub.poll_failed", code=error.code)
                failed = True

    async def _poll_once(self, *, after_failure: bool) -> None:
        if after_failure:  # the server may be another one now: cursors from before must be recognised
            incarnation = await self._database.incarnation()
            changed, self.cursors.incarnation = incarnation != self.cursors.incarnation, incarnation
        else:
            changed = False
        watched = list(self._tails)
        if not watched:
            return
        found = await heads(self._database, watched)
        for stream, head in found.items():
            tail = self._tails.get(stream)
            if tail is None:
                continue
            if changed:
                tail.restart(head)
            else:
                tail.observe(head)


def _call(callbacks: Iterable[Callable[[], None]]) -> None:
    for callback in tuple(callbacks):
        callback()
