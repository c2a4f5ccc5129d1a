"""One read for all who need the same thing at the same moment: the twenty subscribers of a timeline load an event's item once.

Owns the reads that are under way, and their answers for half a second. Must not be asked what depends on who asks: the answer is everybody's, and
rights and masks come after it. One for each process, among the services; called by resolvers' subscriptions. What a reader is told never goes
backwards, as it would not if each read for itself: docs/decisions/0008-shared-reads.md has the argument.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Hashable
from typing import Any, TypeVar, cast

__all__ = ["Flights"]

T = TypeVar("T")


class _Flight:
    """One read. `seq`: the entry it was made for, which was committed before it began at `begun` (seconds of the loop's clock)."""

    __slots__ = ("begun", "seq", "task", "waiting")

    def __init__(self, seq: int, begun: float, task: asyncio.Task[Any]) -> None:
        self.seq = seq
        self.begun = begun
        self.task = task
        self.waiting: list[asyncio.Future[None]] = []


class Flights:
    """Reads that are shared by key; of each key only the newest one is kept, and the next begins when it is over."""

    __slots__ = ("_kept", "_life")

    def __init__(self, life: float = 0.5) -> None:
        """`life`: seconds an answer is given to those who come later."""
        self._life = life
        self._kept: dict[Hashable, _Flight] = {}

    def __len__(self) -> int:
        """How many reads and answers are kept."""
        return len(self._kept)

    async def share(self, key: Hashable, seq: int, since: float, call: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """What `key` is, at least as new as the entry `seq` of its log: read by this call, or by another one that serves.

        Another one's serves when it was made for this entry or a later one, and began when this reader was already here (`since`, in seconds of the
        loop's clock). It goes on for the others when one of them gives up, and fails for all who wait for it; who comes then reads again.
        """
        kept = self._kept.get(key)
        if kept is None or kept.seq < seq or kept.begun < since:
            loop = asyncio.get_running_loop()
            task = loop.create_task(_after(None if kept is None else kept.task, call))
            kept = self._kept[key] = _Flight(seq, loop.time(), task)
            flight = kept
            task.add_done_callback(lambda _: self._landed(key, flight))
        if not kept.task.done():
            await _over(kept)
        return cast("T", kept.task.result())

    def _landed(self, key: Hashable, flight: _Flight) -> None:
        for waiter in flight.waiting:
            if not waiter.done():
                waiter.set_result(None)
        flight.waiting.clear()
        if flight.task.cancelled() or flight.task.exception() is not None:
            self._forget(key, flight)
        else:
            asyncio.get_running_loop().call_later(self._life, self._forget, key, flight)

    def _forget(self, key: Hashable, flight: _Flight) -> None:
        if self._kept.get(key) is flight:
            del self._kept[key]


async def _over(flight: _Flight) -> None:
    """Until the read is over. Not `shield`, which costs each reader a future with callbacks of the task's own."""
    waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    flight.waiting.append(waiter)
    await waiter


async def _after(earlier: asyncio.Task[Any] | None, call: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """The call, once the earlier one is over: of two reads side by side the second may see less."""
    if earlier is not None and not earlier.done():
        with contextlib.suppress(Exception):  # its own readers hear of it
            await asyncio.shield(earlier)
    return await call()
