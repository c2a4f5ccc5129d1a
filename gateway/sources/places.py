"""The places of one source: how many calls it is asked at once, and how many wait for one of those to end.

Owns the bulkhead: a slow source fills its own places, and what finds no room to wait fails at once. Must not know what is called. Called by `guard`.
"""

from __future__ import annotations

import asyncio

from gateway.errors import SourceTimeout, SourceUnavailable
from gateway.observe import SOURCE_WAITING
from gateway.sources.definition import GuardPolicy

__all__ = ["Places", "SourceOverloaded"]


class SourceOverloaded(SourceUnavailable):
    """The source is overloaded: too many calls wait for it. Try again in a moment."""


class Places:
    """`policy.concurrency` of them, and `policy.queue` who wait."""

    def __init__(self, key: str, policy: GuardPolicy) -> None:
        self._key = key
        self._queue = policy.queue
        self._free = asyncio.Semaphore(policy.concurrency)
        self._waiting = 0
        SOURCE_WAITING.labels(key).set(0)

    async def take(self, seconds: float) -> None:
        """Take a place, within so many seconds; to be given back with `release`.

        Raises:
            SourceOverloaded: there is no room to wait.
            SourceTimeout: none became free in time.
        """
        if not self._free.locked():
            await self._free.acquire()
            return
        if self._waiting >= self._queue:
            raise SourceOverloaded(self._key)
        self._waiting += 1
        SOURCE_WAITING.labels(self._key).inc()
        try:
            async with asyncio.timeout(max(0.0, seconds)):
                await self._free.acquire()
        except TimeoutError:
            raise SourceTimeout(self._key) from None
        finally:
            self._waiting -= 1
            SOURCE_WAITING.labels(self._key).dec()

    def release(self) -> None:
        """Give a place back."""
        self._free.release()
