"""One profile that everybody watches and that never rests."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from contextlib import aclosing
from typing import Any

import pytest

from gateway.live import tail as tail_module
from gateway.live.feed import Update, complete, conflated
from gateway.live.reads import Reads
from gateway.model.change import Position, StreamKey

from .conftest import Live


async def soon(event: Awaitable[Any], seconds: float = 5) -> Any:
    """The awaited value, or a failure instead of a test that hangs."""
    async with asyncio.timeout(seconds):
        return await event


def cursor(live: Live, stream: StreamKey, position: Position) -> str:
    """The position as a client holds it."""
    return live.hub.cursors.encode(stream, position)


@pytest.mark.slow
async def test_fault_100_one_hot_profile(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    """250 changes as fast as they commit, 100 timelines and 900 states of one profile: every timeline gets all of them in order, every state ends at
    the last with far fewer events, and the log is read no oftener than it changed.
    """
    stream, changes, reads, read = await live.profile(), 250, 0, Reads.read

    async def counted(*given: Any) -> Any:
        nonlocal reads
        reads += 1
        return await read(*given)

    async def timeline(ready: asyncio.Event) -> list[int]:
        seqs: list[int] = []
        async with aclosing(complete(live.hub, stream, None)) as feed:
            async for step in feed:
                ready.set()
                if isinstance(step, tuple):
                    seqs.append(step[0].seq)
                if seqs and seqs[-1] == changes + 1:
                    return seqs
        return seqs

    async def state(ready: asyncio.Event) -> list[int]:
        seqs: list[int] = []
        async with aclosing(conflated(live.hub, stream, None)) as feed:
            async for step in feed:
                ready.set()
                if isinstance(step, Update):
                    seqs.append(step.position.seq)
                if seqs and seqs[-1] == changes + 1:
                    return seqs
        return seqs

    readies = [asyncio.Event() for _ in range(1000)]
    tasks = [asyncio.create_task((timeline if number < 100 else state)(ready)) for number, ready in enumerate(readies)]
    await soon(asyncio.gather(*(ready.wait() for ready in readies)), 20)
    monkeypatch.setattr(Reads, "read", counted)
    for _ in range(changes):
        await live.touch(stream, "notes")
    seen = await soon(asyncio.gather(*tasks), 30)

    assert seen[:100] == [list(range(2, changes + 2))] * 100
    assert all(seqs == sorted(set(seqs)) for seqs in seen[100:])
    assert reads <= changes
    assert max(map(len, seen[100:])) <= reads + changes // tail_module.BATCH + 1  # what was read at once comes in portions
