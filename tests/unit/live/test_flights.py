"""Shared reads: one for all who are served by it, and nobody is told what is older than what they were told before."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from gateway.live.flights import Flights

__all__: list[str] = []


class Reads:
    """Reads that end when they are told to, each with its number."""

    def __init__(self) -> None:
        self.open: list[asyncio.Future[int]] = []

    def __call__(self) -> Coroutine[Any, Any, int]:
        """A read."""
        return self._read()

    async def _read(self) -> int:
        self.open.append(asyncio.get_running_loop().create_future())
        return await self.open[-1]

    def end(self, number: int) -> None:
        """Answer this read with its number."""
        self.open[number].set_result(number)


async def settled() -> None:
    """Let every task go on until it waits."""
    for _ in range(10):
        await asyncio.sleep(0)


def asking(flights: Flights, call: Callable[[], Coroutine[Any, Any, int]], seq: int = 1, since: float = 0.0) -> asyncio.Task[int]:
    """A reader of one key."""
    return asyncio.create_task(flights.share("key", seq, since, call))


async def test_many_readers_cost_one_read() -> None:
    """Who asks while it is under way, and who asks soon after, gets the same answer."""
    flights, reads = Flights(), Reads()
    readers = [asking(flights, reads) for _ in range(20)]
    await settled()
    reads.end(0)
    assert await asyncio.gather(*readers) == [0] * 20
    assert await flights.share("key", 1, 0.0, reads) == 0
    assert len(reads.open) == 1


async def test_a_later_entry_is_read_anew_and_an_earlier_one_is_served_by_it() -> None:
    """A read for an entry serves readers of that entry and of those before it, never of those behind it."""
    flights, reads = Flights(), Reads()
    first = asking(flights, reads, seq=5)
    await settled()
    reads.end(0)
    await first
    second = asking(flights, reads, seq=7)
    await settled()
    reads.end(1)
    assert await second == 1
    assert await flights.share("key", 5, 0.0, reads) == 1


async def test_of_two_reads_of_one_thing_the_second_begins_when_the_first_is_over() -> None:
    """Side by side the second might see less than the first, and a reader of both would go backwards."""
    flights, reads = Flights(), Reads()
    readers = [asking(flights, reads, seq=5), asking(flights, reads, seq=7)]
    await settled()
    assert len(reads.open) == 1
    reads.end(0)
    await settled()
    reads.end(1)
    assert await asyncio.gather(*readers) == [0, 1]


async def test_who_came_after_a_read_began_is_not_served_by_it() -> None:
    """Who reconnects may have seen elsewhere what that read did not."""
    flights, reads = Flights(), Reads()
    first = asking(flights, reads)
    await settled()
    reads.end(0)
    await first
    late = asking(flights, reads, since=asyncio.get_running_loop().time() + 60)
    await settled()
    reads.end(1)
    assert await late == 1


async def test_a_read_goes_on_when_the_one_who_began_it_gives_up() -> None:
    """A socket that closes takes nothing from the others."""
    flights, reads = Flights(), Reads()
    first, second = asking(flights, reads), asking(flights, reads)
    await settled()
    first.cancel()
    await settled()
    reads.end(0)
    assert await second == 0


async def test_a_failure_is_everybodys_and_is_not_kept() -> None:
    """All who wait hear of it; who comes then reads again, also when an entry of later waits behind it."""
    flights, reads = Flights(), Reads()
    readers = [asking(flights, reads), asking(flights, reads), asking(flights, reads, seq=2)]
    await settled()
    reads.open[0].set_exception(ConnectionError("away"))
    for reader in readers[:2]:
        with pytest.raises(ConnectionError):
            await reader
    await settled()
    reads.end(1)
    assert await readers[2] == 1
    again = Flights()
    failing = asking(again, reads)
    await settled()
    reads.open[2].set_exception(ConnectionError("away"))
    with pytest.raises(ConnectionError):
        await failing
    await settled()
    assert len(again) == 0


async def test_nothing_is_kept_for_long() -> None:
    """An answer is forgotten when its time is over."""
    flights, reads = Flights(life=0.0), Reads()
    reader = asking(flights, reads)
    await settled()
    reads.end(0)
    await reader
    async with asyncio.timeout(5):
        while len(flights):  # noqa: ASYNC110  # nobody announces it
            await asyncio.sleep(0.001)
