"""The recent end of one stream, read once for all its readers in this process.

Owns what was read last, the sharing of reads, and what wakes a reader. Must not decide what a reader is told: it says where the stream stood with
every answer, and `live.feed` compares that with where its reader stands. Made by `live.hub`.
"""

from __future__ import annotations

import asyncio
from collections import deque

from gateway.live.changelog import Head, Stretch
from gateway.live.reads import Reads
from gateway.model.change import Entry, Position, StreamKey

__all__ = ["BATCH", "Alarm", "Tail"]

BATCH = 100
"""Most entries given to a reader at once; fewer say that there are no more."""
_RING = 256
"""Entries a tail keeps: a reader further behind reads the log itself."""


class Alarm:
    """What wakes one reader. Take it BEFORE reading and wait for it AFTER: what rings in between is not slept through, the other way round it is."""

    __slots__ = ("_rung", "_waiter")

    def __init__(self) -> None:
        self._rung = False
        self._waiter: asyncio.Future[None] | None = None

    @property
    def is_waited_for(self) -> bool:
        """Whether the reader sleeps."""
        return self._waiter is not None

    def ring(self) -> None:
        """Wake the reader, now or when it is about to sleep."""
        self._rung = True
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def take(self) -> bool:
        """Whether it has rung since it was taken last; it is silent from now on."""
        rung, self._rung = self._rung, False
        return rung

    async def wait(self) -> None:
        """Until it rings; at once when it has."""
        while not self._rung:
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None


class Tail:
    """The end of one stream. What it knows comes from reads that followed each other: none of them is older than the one before."""

    __slots__ = ("_answered", "_asked", "_entries", "_reads", "_scout", "_waiting", "alarms", "newest", "stream")

    def __init__(self, reads: Reads, stream: StreamKey) -> None:
        self.stream = stream
        self.alarms: set[Alarm] = set()
        """One per reader; the hub keeps a tail as long as there is one."""
        self.newest: Head | None = None
        """What the last read saw; None: nothing was read yet, or there was no such stream."""
        self._reads = reads
        self._entries: deque[Entry] = deque(maxlen=_RING)
        """Without a gap; the last one is the newest."""
        self._waiting: list[asyncio.Future[None]] | None = None
        """Who waits for the read that is under way; None: there is none."""
        self._scout: asyncio.Task[None] | None = None
        """Reads because of a ring, before anybody is woken."""
        self._asked = 0
        self._answered = 0
        """Every question up to this one was asked before the last read began."""

    def wake(self) -> None:
        """Something may have changed: look, and wake the readers who sleep if it did. They find what was read and need not wait for it once more."""
        self._asked += 1
        if self._scout is None:
            self._scout = asyncio.get_running_loop().create_task(self._look())

    def close(self) -> None:
        """Nobody listens any more: what is being looked at for them need not be."""
        if self._scout is not None:
            self._scout.cancel()

    def nudge(self) -> None:
        """Wake every reader although the log is as it was: something beside it changed, which readers look at whenever they wake."""
        for alarm in self.alarms:
            alarm.ring()

    def stands_at(self, position: Position) -> bool:
        """Whether the last read saw nothing but this place: only then may a reader there go to sleep."""
        return self.newest is not None and self.newest.position == position

    async def begin(self) -> Head | None:
        """Where the stream stands now, by a read that begins after this call; None when there is no such stream."""
        self._asked += 1
        await self._catch_up()
        return self.newest

    async def after(self, position: Position) -> Stretch | None:
        """Up to 100 entries behind a position; None when there is no such stream any more.

        Shared: at most one read per wake, however many readers ask, as long as they are among the last 256 entries.
        """
        await self._catch_up()
        if self.newest is not None and not self.newest.position.covers(position):  # a reader that reads for itself may know more than we do
            await self.begin()
        newest, kept, seq = self.newest, self._entries, position.seq
        if newest is None:
            return None
        if kept and kept[0].seq <= seq + 1:
            start = seq + 1 - kept[0].seq
            return Stretch(newest, [kept[index] for index in range(start, min(start + BATCH, len(kept)))])
        if seq >= newest.position.seq:
            return Stretch(newest, [])
        return await self._reads.read(self.stream, seq, BATCH)

    async def _look(self) -> None:
        try:
            while self._answered < self._asked:
                await self._catch_up()
        except Exception:  # noqa: BLE001, S110  # whatever it is, each reader finds it when it reads, and knows what to do about it
            pass
        finally:
            self._scout = None
            if self._answered < self._asked:
                self.nudge()

    async def _catch_up(self) -> None:
        """Answer what was asked until now, by one read for all who ask meanwhile."""
        wanted = self._asked
        while self._answered < wanted:
            if self._waiting is not None:
                waiter = asyncio.get_running_loop().create_future()
                self._waiting.append(waiter)
                await waiter
                continue
            self._waiting = []
            known = self.newest
            try:
                await self._read_on()
            finally:
                waiting, self._waiting = self._waiting, None
                for waiter in waiting:
                    if not waiter.done():
                        waiter.set_result(None)
            if known is not None and self.newest != known:
                self._rouse()

    def _rouse(self) -> None:
        """Wake who sleeps: a newcomer's question may see a change before any bell, and the poll would find no difference any more."""
        for alarm in self.alarms:
            if alarm.is_waited_for:
                alarm.ring()

    async def _read_on(self) -> None:
        asked, known = self._asked, self.newest
        found = await self._reads.read(self.stream, None if known is None else known.position.seq, _RING)
        if found is None or known is None:
            self._entries.clear()
            self.newest = None if found is None else found.head
        elif not found.head.position.covers(known.position):
            self._entries.clear()  # another history: what we keep is no part of it
            self.newest = found.head
        else:
            for entry in found.entries:
                if self._entries and entry.seq != self._entries[-1].seq + 1:
                    self._entries.clear()  # a hole: a reader before it reads for itself, and finds it
                self._entries.append(entry)
            if len(found.entries) == _RING:  # there may be more
                self.newest = Head(Position(found.head.position.epoch, found.entries[-1].seq), found.head.low)
                return
            self.newest = found.head
        self._answered = asked
