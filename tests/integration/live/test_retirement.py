"""Retiring the change log: readers know it before the rows go, nobody finds a hole, and writers do not wait."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import aclosing
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from gateway.errors import CursorInvalid
from gateway.live import changelog, retirement
from gateway.live.feed import Gap, GapReason, complete
from gateway.live.retirement import retire_changes
from gateway.model.change import Change, ChangeKind, Position, StreamKey
from gateway.observe import LIVE_HOLES
from gateway.records.feed import read_feed
from gateway.storage.database import Database, connect

from .conftest import Live

SECONDS = 10.0
OLD = 3
"""Days of the past that these tests have: the log keeps one."""


async def soon(event: Awaitable[Any]) -> Any:
    """The awaited value, or a failure instead of a test that hangs."""
    async with asyncio.timeout(SECONDS):
        return await event


def day(ago: int) -> date:
    """A day of the past, as Postgres dates it."""
    return (datetime.now(UTC) - timedelta(days=ago)).date()


@pytest.fixture(name="past", autouse=True)
async def _past(live: Live) -> None:
    """A log that has days of the past."""
    for ago in range(2, OLD + 1):
        name = f"change_log_{day(ago):%Y_%m_%d}"
        await live.database.execute(
            f"CREATE TABLE {name} PARTITION OF change_log FOR VALUES FROM ('{day(ago)} 00:00:00+00') TO ('{day(ago - 1)} 00:00:00+00')"
        )


async def enter(live: Live, stream: StreamKey, count: int, ago: int) -> None:
    """Items of a day of the past."""
    change = Change(stream, ChangeKind.ACTIVITY, "ana", entity_id=uuid4(), entity_source="native")
    async with live.database.transaction() as connection:
        await changelog.append(connection, stream.workspace_id, [change] * count)
        await connection.execute(
            "UPDATE change_log SET at = $1 WHERE stream_id = $2 AND at > now() - interval '1 hour'",
            datetime.now(UTC) - timedelta(days=ago),
            stream.stream_id,
        )


async def days(live: Live) -> list[date]:
    """The days that the log has, up to yesterday."""
    rows = await live.database.fetch(
        "SELECT to_date(substr(inhrelid::regclass::text, 12), 'YYYY_MM_DD') AS day FROM pg_inherits WHERE inhparent = 'change_log'::regclass"
    )
    return sorted(row["day"] for row in rows if row["day"] < day(0))


async def lows(live: Live, *streams: StreamKey) -> list[int]:
    """Up to where each stream was retired."""
    found = await changelog.heads(live.database, streams)
    return [found[stream].low for stream in streams]


def cursor(live: Live, stream: StreamKey, position: Position) -> str:
    """The position as a client holds it."""
    return live.hub.cursors.encode(stream, position)


async def stream_of(live: Live) -> tuple[StreamKey, Position]:
    """A stream with items of three days: 1 to 3, 4 and 5, 6; and where it stands."""
    stream = StreamKey(live.workspace, uuid4())
    for count, ago in ((3, 3), (2, 2), (1, 0)):
        await enter(live, stream, count, ago)
    (head,) = (await changelog.heads(live.database, [stream])).values()
    return stream, head.position


async def test_whole_days_that_are_over_go(live: Live) -> None:
    """With one day kept, the days before yesterday go, the oldest first; each stream knows up to where, and what is left is whole."""
    stream, head = await stream_of(live)
    quiet = await live.profile()

    assert await retire_changes(live.database, OLD) == 0
    assert await retire_changes(live.database, 2) == 1
    assert (await days(live), await lows(live, stream, quiet)) == ([day(2), day(1)], [3, 0])
    assert await retire_changes(live.database, 1) == 1
    assert (await days(live), await lows(live, stream, quiet)) == ([day(1)], [5, 0])
    assert await retire_changes(live.database, 1) == 0
    async with aclosing(complete(live.hub, stream, cursor(live, stream, Position(head.epoch, 5)))) as feed:
        assert (await soon(anext(feed))).resumed
        assert (await soon(anext(feed)))[0].seq == 6


@pytest.mark.parametrize("behind", [0, 2, 4])
async def test_fault_104_a_cursor_from_before_the_log_is_told(live: Live, behind: int) -> None:
    """Whoever comes back with a place that was retired gets a gap at the head, and goes on there."""
    stream, head = await stream_of(live)
    await retire_changes(live.database, 1)
    async with aclosing(complete(live.hub, stream, cursor(live, stream, Position(head.epoch, behind)))) as feed:
        gap = await soon(anext(feed))
        await live.add_item(stream)
        position, _ = await soon(anext(feed))

    assert isinstance(gap, Gap)
    assert (gap.reason, gap.position.seq, position.seq) == (GapReason.CURSOR_EXPIRED, 6, 7)


async def test_fault_104_a_connected_laggard_never_sees_a_hole(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rows that a connected reader has not read yet are retired under it: one gap that says so, no alarm, and then what is new."""
    stream, head = await stream_of(live)
    holes = LIVE_HOLES._value.get()
    async with aclosing(complete(live.hub, stream, cursor(live, stream, Position(head.epoch, 0)))) as feed:
        assert (await soon(anext(feed))).resumed  # it has not asked for more
        await retire_changes(live.database, 1)
        gap = await soon(anext(feed))
        await live.add_item(stream)
        position, _ = await soon(anext(feed))

    assert isinstance(gap, Gap)
    assert (gap.reason, position.seq) == (GapReason.CURSOR_EXPIRED, 7)
    assert LIVE_HOLES._value.get() == holes


async def test_fault_104_between_the_telling_and_the_dropping(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed after streams were told and before the day is gone: readers are told, the rows are there; the next run goes on."""
    stream, head = await stream_of(live)

    async def killed(*_: Any) -> bool:
        raise asyncio.CancelledError

    with monkeypatch.context() as patch:
        patch.setattr(retirement, "_drop", killed)
        with pytest.raises(asyncio.CancelledError):
            await retire_changes(live.database, 1)
    assert (await days(live), await lows(live, stream)) == ([day(3), day(2), day(1)], [3])
    async with aclosing(complete(live.hub, stream, cursor(live, stream, Position(head.epoch, 2)))) as feed:
        assert (await soon(anext(feed))).reason is GapReason.CURSOR_EXPIRED

    assert await retire_changes(live.database, 1) == 2
    assert (await days(live), await lows(live, stream)) == ([day(1)], [5])


async def test_fault_104_two_processes_at_once(live: Live, dsn: str) -> None:
    """Both retire the same days: one does, neither fails, and every stream is told."""
    streams = [(await stream_of(live))[0] for _ in range(7)]
    other = await Database.open(dsn)
    gone = await soon(asyncio.gather(retire_changes(live.database, 1, portion=2), retire_changes(other, 1, portion=2)))
    await other.close()
    gone.append(await retire_changes(live.database, 1))

    assert sum(gone) == 2
    assert (await days(live), set(await lows(live, *streams))) == ([day(1)], {5})


@pytest.mark.parametrize("wrote", [True, False], ids=["wrote", "holds its head only"])
async def test_a_stream_that_is_written_to_is_not_waited_for(live: Live, dsn: str, wrote: bool) -> None:
    """While a writer holds one head, the others are told and the day stays; when the writer is done, it goes."""
    (held, _), (free, _) = await stream_of(live), await stream_of(live)
    writer = await connect(dsn)
    transaction = writer.transaction()
    await transaction.start()
    if wrote:
        await changelog.append(writer, live.workspace, [Change(held, ChangeKind.ACTIVITY, "ana")])  # type: ignore[arg-type]
    else:
        await writer.execute("SELECT FROM stream_head WHERE stream_id = $1 FOR UPDATE", held.stream_id)

    assert await soon(retire_changes(live.database, 1, tries=2, pause=0.01)) == 0
    assert (await days(live), await lows(live, held, free)) == ([day(3), day(2), day(1)], [0, 3])

    await transaction.commit()
    await writer.close()
    assert await soon(retire_changes(live.database, 1)) == 2
    assert await lows(live, held, free) == [5, 5]


async def test_writers_do_not_wait_for_a_reader_of_the_whole_log(live: Live, dsn: str) -> None:
    """Somebody reads the log in a long transaction: the day cannot go, and who writes meanwhile waits for a moment only."""
    stream, _ = await stream_of(live)
    reader = await connect(dsn)
    transaction = reader.transaction()
    await transaction.start()
    await reader.execute("SELECT count(*) FROM change_log")
    retiring = asyncio.create_task(retire_changes(live.database, 1, tries=3, pause=0.05))
    slowest = 0.0
    while not retiring.done():
        began = asyncio.get_running_loop().time()
        await live.add_item(stream)
        slowest = max(slowest, asyncio.get_running_loop().time() - began)
    await transaction.rollback()
    await reader.close()

    assert (await retiring, slowest < 1.0) == (0, True)
    assert await soon(retire_changes(live.database, 1)) == 2


async def followed(live: Live) -> AsyncIterator[Any]:
    """The pages of the workspace's feed, one entry each."""
    position = None
    while True:
        page = await read_feed(live.database, live.workspace, position, 1)
        if not page.changes:
            return
        yield page
        position = page.position


async def test_fault_104_the_workspace_feed_is_told(live: Live) -> None:
    """A position among what was retired is refused; one behind it, and one that read to the end before, go on."""
    await stream_of(live)
    before = [page.position async for page in followed(live)]
    end = (await read_feed(live.database, live.workspace, before[-1], 10)).position
    await retire_changes(live.database, 1)
    for position in (*before[:-2], *(replace(one, at=datetime(1970, 1, 1, tzinfo=UTC)) for one in before[:-2])):  # its age may be unknown
        with pytest.raises(CursorInvalid) as caught:
            await read_feed(live.database, live.workspace, position, 10)
        assert caught.value.extensions == {"reason": "CURSOR_EXPIRED"}
    last, nothing = [await read_feed(live.database, live.workspace, position, 10) for position in (before[-1], end)]
    from_the_start = await read_feed(live.database, live.workspace, None, 10)

    assert len(before) == 6
    assert (last.changes, nothing.changes) == ([], [])
    assert len(from_the_start.changes) == 1


async def test_another_workspace_is_not_concerned(live: Live) -> None:
    """A feed whose workspace had no change in the retired days goes on, however old its position is."""
    elsewhere = uuid4()
    quiet = StreamKey(elsewhere, uuid4())
    await enter(live, quiet, 1, 0)
    page = await read_feed(live.database, elsewhere, None, 10)
    await stream_of(live)
    await retire_changes(live.database, 1)
    await enter(live, quiet, 1, 0)

    assert len((await read_feed(live.database, elsewhere, page.position, 10)).changes) == 1
