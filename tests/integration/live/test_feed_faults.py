"""Faults of delivery in numbers: the order of commits, lost writers, every cursor there is, other processes, and clocks."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable
from contextlib import AsyncExitStack, aclosing
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from gateway.commands.unit import Receipt, Unit
from gateway.live import changelog
from gateway.live import feed as feed_module
from gateway.live.bus import Bus
from gateway.live.feed import GapReason, Ready, complete
from gateway.live.hub import Hub
from gateway.model.change import Change, ChangeKind, Position, StreamKey
from gateway.storage.database import Database, connect

from .conftest import Live


async def soon(event: Awaitable[Any], seconds: float = 5) -> Any:
    """The awaited value, or a failure instead of a test that hangs."""
    async with asyncio.timeout(seconds):
        return await event


def cursor(live: Live, stream: StreamKey, position: Position) -> str:
    """The position as a client holds it."""
    return live.hub.cursors.encode(stream, position)


@pytest.mark.parametrize(
    ("place", "answer", "seqs"),
    [
        ("head", "resumed", [7]),
        ("head - 1", "resumed", [6, 7]),
        ("low", "resumed", [3, 4, 5, 6, 7]),
        ("low - 1", "CURSOR_EXPIRED", [7]),
        ("zero", "CURSOR_EXPIRED", [7]),
        ("head + 1", "AHEAD", [7]),
        ("head, another epoch", "EPOCH_CHANGED", [7]),
        ("zero, another epoch", "EPOCH_CHANGED", [7]),
    ],
)
async def test_fault_097_resuming_at_every_place(live: Live, place: str, answer: str, seqs: list[int]) -> None:
    """A stream from 3 to 6: what is behind the cursor comes once and in order, or the client is told; then what is new comes."""
    stream = await live.profile()
    await live.add_item(*[stream] * 5)
    await live.database.execute("UPDATE stream_head SET low = 2")
    await live.database.execute("DELETE FROM change_log WHERE seq <= 2")
    (head,) = (await changelog.heads(live.database, [stream])).values()
    seq = {"head": 6, "low": 2, "zero": 0}[place.split(maxsplit=1)[0].rstrip(",")] + (place.count("+ 1") - place.count("- 1"))
    epoch = uuid4() if "another" in place else head.position.epoch
    async with aclosing(complete(live.hub, stream, cursor(live, stream, Position(epoch, seq)))) as feed:
        first = await soon(anext(feed))
        await live.add_item(stream)
        received = [(await soon(anext(feed)))[0].seq for _ in seqs]

    assert ("resumed" if isinstance(first, Ready) and first.resumed else first.reason.value) == answer
    assert first.position == Position(head.position.epoch, seq if answer == "resumed" else 6)
    assert received == seqs


@pytest.mark.parametrize("missed", [1000, 1001])
async def test_fault_097_resuming_far_behind(live: Live, missed: int) -> None:
    """A thousand changes are replayed; of one more the client is told instead."""
    stream = await live.profile()
    (head,) = (await changelog.heads(live.database, [stream])).values()
    await live.add_item(*[stream] * missed)
    async with aclosing(complete(live.hub, stream, cursor(live, stream, head.position))) as feed:
        first = await soon(anext(feed))
        if missed == 1000:
            assert [(await soon(anext(feed)))[0].seq for _ in range(missed)] == list(range(2, 1002))

    assert isinstance(first, Ready) if missed == 1000 else first.reason is GapReason.TOO_FAR


async def test_a_connected_reader_that_lags_too_far_is_told_and_goes_on(live: Live) -> None:
    """More changes behind than a reader may be: a gap, then what is new; nothing is kept for it meanwhile."""
    stream = await live.profile()
    async with aclosing(complete(live.hub, stream, None, most_behind=20)) as feed:
        await soon(anext(feed))
        await live.add_item(*[stream] * 20)
        assert (await soon(anext(feed)))[0].seq == 2
        await live.add_item(*[stream] * 25)  # it does not ask meanwhile, and has 20 in hand
        steps = [await soon(anext(feed)) for _ in range(20)]
        item = await live.add_item(stream)
        last = await soon(anext(feed))

    assert [step[0].seq for step in steps[:-1]] == list(range(3, 22))
    assert (steps[-1].reason, steps[-1].position.seq) == (GapReason.TOO_FAR, 46)
    assert (last[0].seq, last[1].entity_id) == (47, item)


async def test_fault_091_who_began_first_and_commits_last_comes_last(live: Live) -> None:
    """Two transactions commit in the reverse order of their beginnings and ids: both are delivered, once, in the order of their commits."""
    stream = await live.profile()
    began, go_on = asyncio.Event(), asyncio.Event()
    items: list[UUID] = []

    async def slow(unit: Unit) -> Receipt:
        await unit.connection.execute("SELECT pg_current_xact_id()")  # takes the smaller number
        items.append(uuid4())
        unit.item_added(stream.stream_id, items[-1], "native")
        began.set()
        await go_on.wait()
        return Receipt(stream.stream_id)

    async with aclosing(complete(live.hub, stream, None)) as feed:
        await soon(anext(feed))
        first = asyncio.ensure_future(live.writer.run(live.principal, slow))
        await soon(began.wait())
        second = await live.add_item(stream)
        received = [await soon(anext(feed))]
        go_on.set()
        await soon(first)
        received.append(await soon(anext(feed)))

    assert [(position.seq, entry.entity_id) for position, entry in received] == [(2, second), (3, items[0])]


@pytest.mark.parametrize("how", ["it rolls back", "its connection ends"])
async def test_fault_092_of_a_writer_that_does_not_commit_nothing_is_left(live: Live, how: str) -> None:
    """Its entry was written and its number taken: nothing is delivered, and the next change gets that number."""
    stream = await live.profile()
    async with aclosing(complete(live.hub, stream, None)) as feed:
        await soon(anext(feed))
        waiting = asyncio.ensure_future(anext(feed))
        connection = await connect(live.database.dsn)
        await connection.execute("BEGIN")
        change = Change(stream, ChangeKind.ACTIVITY, "ana", entity_id=uuid4(), entity_source="native")
        taken = await changelog.append(connection, stream.workspace_id, [change])  # type: ignore[arg-type]
        if how == "it rolls back":
            await connection.execute("ROLLBACK")
        connection.terminate()
        item = await live.add_item(stream)
        position, entry = await soon(waiting)

    assert taken[stream.stream_id] == position
    assert entry.entity_id == item


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_fault_098_103_moving_between_processes_and_crashing_loses_nothing(live: Live, dsn: str, seed: int) -> None:
    """A reader goes from process to process with its cursor while changes come; now and then it crashes before it has kept the last ones, and knows
    them by their numbers when they come again.
    """
    rng = random.Random(seed)
    async with AsyncExitStack() as stack:
        hubs = [live.hub]
        for _ in range(2):  # with a poll of their own and no bell that reaches them
            database = await Database.open(dsn, size=2, delivery_size=2)
            stack.push_async_callback(database.close)
            hubs.append(Hub(database, Bus(None), live.hub.cursors, poll_interval=0.05))
            await hubs[-1].start()
            stack.push_async_callback(hubs[-1].stop)
        stream = await live.profile()
        (head,) = (await changelog.heads(live.database, [stream])).values()
        kept = cursor(live, stream, head.position)
        seen: dict[int, UUID] = {}
        again = 0

        async def write() -> list[UUID]:
            items = []
            for _ in range(120):
                items.append(await live.add_item(stream))
                await asyncio.sleep(rng.uniform(0, 0.005))
            return items

        writing = asyncio.create_task(write())
        while len(seen) < 120:
            crashes, handled = rng.random() < 0.5, kept
            async with aclosing(complete(rng.choice(hubs), stream, kept)) as feed:
                ready = await soon(anext(feed))
                assert isinstance(ready, Ready), ready
                before = ready.position.seq
                for _ in range(min(rng.randint(1, 12), 121 - before)):
                    position, entry = await soon(anext(feed))
                    assert position.seq == before + 1
                    before = position.seq
                    again += position.seq in seen
                    assert seen.setdefault(position.seq, entry.entity_id) == entry.entity_id
                    handled = cursor(live, stream, position)
            if not crashes:
                kept = handled
        items = await writing

    assert [seen[seq] for seq in range(2, 122)] == items
    assert again > 0


async def test_fault_106_clocks_that_jump_change_neither_order_nor_count(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock of the database jumps an hour ahead and two back, that of the gateway two days: every change comes once, in order,
    also to who resumes.
    """
    stream = await live.profile()

    class Elsewhen(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:  # type: ignore[override]
            return datetime.now(tz) - timedelta(days=2)

    async with aclosing(complete(live.hub, stream, None)) as feed:
        start = await soon(anext(feed))
        items = [await live.add_item(stream)]
        for jump in ("1 hour", "-1 hour", "-23 hours", "23 hours"):
            await live.database.execute(f"ALTER TABLE change_log ALTER at SET DEFAULT clock_timestamp() + interval '{jump}'")
            for name in await live.database.fetch(
                "SELECT inhrelid::regclass::text AS part FROM pg_inherits WHERE inhparent = 'change_log'::regclass"
            ):
                await live.database.execute(f"ALTER TABLE {name['part']} ALTER at SET DEFAULT clock_timestamp() + interval '{jump}'")
            monkeypatch.setattr(feed_module, "datetime", Elsewhen)
            items += [await live.add_item(stream) for _ in range(3)]
        seen = [await soon(anext(feed)) for _ in items]
    async with aclosing(complete(live.hub, stream, cursor(live, stream, start.position))) as feed:
        assert (await soon(anext(feed))).resumed
        resumed = [await soon(anext(feed)) for _ in items]

    assert [entry.entity_id for _, entry in seen] == items
    assert [position.seq for position, _ in seen] == list(range(2, len(items) + 2))
    assert resumed == seen
    assert len({entry.at.date() for _, entry in seen}) > 1  # in several partitions, and not in order there
