"""Tails: what several readers share, and what none of them may be told: entries of another history, a gap that is none, or nothing at all."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, aclosing
from typing import Any

import pytest

from gateway.live import hub as hub_module
from gateway.live.feed import Gap, GapReason, Ready, Still, complete, conflated
from gateway.live.reads import Reads
from gateway.live.tail import Alarm, Tail
from gateway.model.change import Position, StreamKey

from .conftest import Live

SECONDS = 5.0

RESTORE = "UPDATE stream_head SET epoch = gen_random_uuid(), head = 3 WHERE stream_id = $1"
FORGET = "DELETE FROM change_log WHERE stream_id = $1 AND seq > 3"


async def soon(event: Awaitable[Any]) -> Any:
    """The awaited value, or a failure instead of a test that hangs."""
    async with asyncio.timeout(SECONDS):
        return await event


async def asleep(live: Live, stream: StreamKey, readers: int) -> None:
    """Until so many readers of a stream wait for something to happen."""
    async with asyncio.timeout(SECONDS):
        while sum(alarm.is_waited_for for alarm in live.hub._tails[stream].alarms) < readers:  # noqa: ASYNC110  # nobody announces it
            await asyncio.sleep(0.002)


async def quietly(live: Live, stream: StreamKey, count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Add items whose bells are all lost."""
    with monkeypatch.context() as patch:
        patch.setattr(live.hub, "ring", lambda _: None)
        await live.add_item(*[stream] * count)


async def silent(live: Live, monkeypatch: pytest.MonkeyPatch) -> StreamKey:
    """A new profile whose own ring does not come late, because it never comes."""
    with monkeypatch.context() as patch:
        patch.setattr(live.hub, "ring", lambda _: None)
        return await live.profile()


async def test_an_alarm_that_rang_before_the_wait_is_not_slept_through() -> None:
    """A ring stays until it is taken; once taken, only the next one wakes."""
    alarm = Alarm()
    alarm.ring()
    await soon(alarm.wait())
    assert (alarm.take(), alarm.take()) == (True, False)
    waiting = asyncio.ensure_future(alarm.wait())
    await asyncio.sleep(0)
    assert alarm.is_waited_for
    alarm.ring()
    alarm.ring()
    await soon(waiting)
    assert not alarm.is_waited_for


async def test_a_late_answer_of_the_poll_is_no_gap(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    """The poll asks, then a change is read by its bell, then the poll's older answer comes: the reader is told the change and nothing else."""
    stream = await live.profile()
    asked, answer = asyncio.Event(), asyncio.Event()
    heads = hub_module.heads

    async def slowly(*given: Any) -> Any:
        found = await heads(*given)
        asked.set()
        await answer.wait()
        return found

    async with aclosing(complete(live.hub, stream, None)) as feed:
        await soon(anext(feed))
        monkeypatch.setattr(hub_module, "heads", slowly)
        poll = asyncio.ensure_future(live.hub._poll_once())
        await soon(asked.wait())
        items = [await live.add_item(stream)]
        received = [(await soon(anext(feed)))[1].entity_id]
        answer.set()
        await soon(poll)
        items += [await live.add_item(stream)]
        received += [(await soon(anext(feed)))[1].entity_id]

    assert received == items


async def test_who_comes_after_a_restore_gets_nothing_from_before_it(live: Live) -> None:
    """A tail that still holds entries of the old history, above the new head: a new reader stands at the new head, the old one is told."""
    stream = await live.profile()
    async with aclosing(complete(live.hub, stream, None)) as old, aclosing(complete(live.hub, stream, None)) as new:
        await soon(anext(old))
        for _ in range(9):
            await live.add_item(stream)
            await soon(anext(old))
        await live.database.execute(RESTORE, stream.stream_id)
        await live.database.execute(FORGET, stream.stream_id)
        ready = await soon(anext(new))
        item = await live.add_item(stream)
        first = await soon(anext(new))
        gap = await soon(anext(old))

    assert isinstance(ready, Ready)
    assert ready.position.seq == 3
    assert (first[0].seq, first[1].entity_id) == (4, item)
    assert isinstance(gap, Gap)
    assert (gap.reason, gap.position.epoch) == (GapReason.EPOCH_CHANGED, ready.position.epoch)


async def test_a_head_that_goes_back_in_the_same_history(live: Live) -> None:
    """A copy of the database's files put back keeps its name: the head that is smaller than what was read says so."""
    stream = await live.profile()
    async with aclosing(complete(live.hub, stream, None)) as feed:
        await soon(anext(feed))
        for _ in range(5):
            await live.add_item(stream)
            await soon(anext(feed))
        await live.database.execute("UPDATE stream_head SET head = 3 WHERE stream_id = $1", stream.stream_id)
        await live.database.execute(FORGET, stream.stream_id)
        await live.hub._poll_once()
        gap = await soon(anext(feed))
        item = await live.add_item(stream)
        position, entry = await soon(anext(feed))

    assert (gap.reason, gap.position.seq) == (GapReason.AHEAD, 3)
    assert (position.seq, entry.entity_id) == (4, item)


async def test_a_stream_that_a_restore_does_not_know(live: Live) -> None:
    """A profile that was made after the moment the database was restored to: its reader is told, and the stream ends."""
    stream = await live.profile()
    async with aclosing(complete(live.hub, stream, None)) as feed:
        ready = await soon(anext(feed))
        await live.database.execute("DELETE FROM stream_head WHERE stream_id = $1", stream.stream_id)
        await live.hub._poll_once()
        gap = await soon(anext(feed))
        with pytest.raises(StopAsyncIteration):
            await soon(anext(feed))

    assert (gap.reason, gap.position) == (GapReason.EPOCH_CHANGED, ready.position)


@pytest.mark.parametrize("missed", [256, 257, 612])
async def test_a_reader_further_behind_than_what_is_kept(live: Live, monkeypatch: pytest.MonkeyPatch, missed: int) -> None:
    """One reader is at the end, another comes from far behind and reads for itself: both get everything, in order, once."""
    stream = await live.profile()
    async with AsyncExitStack() as stack:
        ahead = await stack.enter_async_context(aclosing(complete(live.hub, stream, None)))
        start = (await soon(anext(ahead))).position
        await quietly(live, stream, missed - 1, monkeypatch)
        await live.add_item(stream)
        first = [(await soon(anext(ahead)))[0].seq for _ in range(missed)]
        behind = await stack.enter_async_context(aclosing(complete(live.hub, stream, live.hub.cursors.encode(stream, start))))
        assert (await soon(anext(behind))).resumed
        second = [(await soon(anext(behind)))[0].seq for _ in range(missed)]
        await live.add_item(stream)
        last = [(await soon(anext(feed)))[0].seq for feed in (ahead, behind)]

    assert first == second == list(range(2, missed + 2))
    assert last == [missed + 2] * 2


async def test_a_reader_that_knows_more_than_its_tail_is_not_ahead_of_the_log(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody read for itself past what the tail has seen: the tail looks again before it says where the stream stands."""
    stream = await live.profile()
    tail = Tail(Reads(live.database), stream)
    head = await tail.begin()
    assert head is not None
    await quietly(live, stream, 3, monkeypatch)
    found = await tail.after(Position(head.position.epoch, 3))

    assert found is not None
    assert (found.head.position.seq, [entry.seq for entry in found.entries]) == (4, [4])


async def test_readers_share_a_read_also_when_its_reader_leaves(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    """What reads for all is cancelled in the middle: another reads instead, and nobody misses anything or waits for ever."""
    stream = await live.profile()
    read, reading = Reads.read, asyncio.Event()
    readers: list[Any] = []

    async def stuck(*given: Any) -> Any:
        readers.append(asyncio.current_task())
        reading.set()
        await asyncio.Event().wait()

    async with AsyncExitStack() as stack:
        feeds = [await stack.enter_async_context(aclosing(complete(live.hub, stream, None))) for _ in range(5)]
        for feed in feeds:
            await soon(anext(feed))
        pulls = [asyncio.ensure_future(anext(feed)) for feed in feeds]
        await asleep(live, stream, 5)
        monkeypatch.setattr(Reads, "read", stuck)
        item = await live.add_item(stream)
        await soon(reading.wait())
        monkeypatch.setattr(Reads, "read", read)
        (gone,) = readers
        gone.cancel()
        await asyncio.wait({gone}, timeout=SECONDS)
        received = [(await soon(pull))[1].entity_id for pull in pulls if pull is not gone]
        last = await live.add_item(stream)
        after = [(await soon(anext(feed)))[1].entity_id for feed, pull in zip(feeds, pulls, strict=True) if pull is not gone]

    assert (received, after) == ([item] * len(received), [last] * len(received))
    assert len(received) >= 4
    assert live.hub._tails == {}


async def test_a_tail_given_back_during_a_read_harms_nobody(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    """The only reader leaves while it reads; whoever comes next has a tail of its own."""
    stream = await live.profile()
    read, reading, go_on = Reads.read, asyncio.Event(), asyncio.Event()

    async def slowly(*given: Any) -> Any:
        reading.set()
        await go_on.wait()
        return await read(*given)

    first = complete(live.hub, stream, None)
    with monkeypatch.context() as patch:
        patch.setattr(Reads, "read", slowly)
        pull = asyncio.ensure_future(anext(first))
        await soon(reading.wait())
        pull.cancel()
        await asyncio.wait({pull})
        await first.aclose()
        assert live.hub._tails == {}
    async with aclosing(complete(live.hub, stream, None)) as second:
        await soon(anext(second))
        item = await live.add_item(stream)
        assert (await soon(anext(second)))[1].entity_id == item


@pytest.mark.parametrize("reading", [complete, conflated], ids=["complete", "conflated"])
async def test_what_rings_beside_the_log_is_always_answered(
    live: Live, monkeypatch: pytest.MonkeyPatch, reading: Callable[..., Any]
) -> None:
    """An alarm that rings at any moment, also before the first read or together with a change, gets a step behind it."""
    stream = await silent(live, monkeypatch)
    alarm = Alarm()
    async with aclosing(reading(live.hub, stream, None, alarm)) as feed:
        assert isinstance(await soon(anext(feed)), Ready)
        alarm.ring()  # before the first read
        assert isinstance(await soon(anext(feed)), Still)
        waiting = asyncio.ensure_future(anext(feed))
        await asleep(live, stream, 1)
        alarm.ring()  # while it sleeps
        assert isinstance(await soon(waiting), Still)
        await quietly(live, stream, 1, monkeypatch)
        live.hub._tails[stream].wake()
        alarm.ring()  # with a change that a state does not show
        step = await soon(anext(feed))
        position = step.position if isinstance(step, Still) else step[0]
        assert position.seq == 2


async def test_ring_everything_costs_one_statement(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the bell was lost, one statement says which streams changed meanwhile, and only their logs are read."""
    streams = [await silent(live, monkeypatch) for _ in range(20)]
    asked: list[str] = []
    fetch = live.database.fetch

    async def noting(sql: str, *given: Any, **more: Any) -> Any:
        asked.append("heads" if "unnest" in sql else "log")
        return await fetch(sql, *given, **more)

    async with AsyncExitStack() as stack:
        feeds = [await stack.enter_async_context(aclosing(complete(live.hub, stream, None))) for stream in streams]
        for feed in feeds:
            await soon(anext(feed))
        pulls = [asyncio.ensure_future(anext(feed)) for feed in feeds]
        for stream in streams:
            await asleep(live, stream, 1)
        await quietly(live, streams[7], 1, monkeypatch)
        monkeypatch.setattr(live.database, "fetch", noting)
        live.hub._rung(None)
        assert (await soon(pulls[7]))[0].seq == 2
        for pull in pulls:
            pull.cancel()
        await asyncio.wait(pulls)

    assert asked == ["heads", "log"]
