"""The workspace feed on a real Postgres: nothing is ever inserted before a position that was given out, and what it cannot promise it says."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import asyncpg
import pytest

from gateway.errors import CursorInvalid
from gateway.live.changelog import append
from gateway.model.change import Change, ChangeKind, StreamKey, desk_stream, source_stream
from gateway.model.sealed import Sealer
from gateway.records.feed import FeedPage, FeedPosition, current_position, open_position, read_feed, seal_position
from gateway.storage.database import Database, connect

WORKSPACE = uuid4()
SECONDS = 20.0


class Writer:
    """A transaction that a test opens, writes in and ends when it likes."""

    def __init__(self, connection: asyncpg.Connection[asyncpg.Record]) -> None:
        self.connection = connection

    async def log(self, stream: UUID, *fields: str, kind: ChangeKind = ChangeKind.PROFILE, workspace: UUID = WORKSPACE) -> None:
        """Enter a change."""
        await append(self.connection, workspace, [Change(StreamKey(workspace, stream), kind, "ana", fields)])  # type: ignore[arg-type]


@asynccontextmanager
async def writing(database: Database) -> AsyncIterator[Writer]:
    """A transaction on a connection of its own."""
    connection = await connect(database.dsn)
    try:
        async with connection.transaction():
            yield Writer(connection)
    finally:
        await connection.close()


async def logged(
    database: Database, stream: UUID, *fields: str, kind: ChangeKind = ChangeKind.PROFILE, workspace: UUID = WORKSPACE
) -> None:
    """One committed change."""
    async with writing(database) as writer:
        await writer.log(stream, *fields, kind=kind, workspace=workspace)


def names(page: FeedPage) -> list[str]:
    """The fields of each change."""
    return [",".join(field.field for field in change.fields) for change in page.changes]


async def test_a_smaller_transaction_that_commits_later_is_not_missed(database: Database) -> None:
    """The feed stops before a transaction that still runs; what committed meanwhile comes behind it, and nothing is left out or doubled."""
    first, second, third = uuid4(), uuid4(), uuid4()
    await logged(database, first, "before")
    async with writing(database) as slow:
        await slow.log(second, "slow")
        await logged(database, third, "fast")
        page = await read_feed(database, WORKSPACE, None, 100)
        assert names(page) == ["before"]
        assert page.lag_seconds > 0
        assert names(await read_feed(database, WORKSPACE, page.position, 100)) == []
    rest = await read_feed(database, WORKSPACE, page.position, 100)
    assert names(rest) == ["slow", "fast"]
    assert rest.lag_seconds == 0
    assert names(await read_feed(database, WORKSPACE, rest.position, 100)) == []


async def test_no_hole_under_concurrent_writers(database: Database) -> None:
    """Ten writers with overlapping transactions, some rolled back, some on several streams; readers of any page size get every change once."""
    rng = random.Random(7)
    streams = [uuid4() for _ in range(5)]
    committed: set[str] = set()
    done = asyncio.Event()

    async def write(number: int) -> None:
        own = random.Random(number)
        for turn in range(12):
            name = f"w{number}-{turn}"
            chosen = sorted(own.sample(streams, own.randint(1, 3)))
            connection = await connect(database.dsn)
            transaction = connection.transaction()
            await transaction.start()
            await connection.execute("SELECT pg_current_xact_id()")  # takes its place in the order, then dawdles
            await asyncio.sleep(own.uniform(0, 0.03))
            for stream in chosen:
                await Writer(connection).log(stream, f"{name}-{stream.hex}")
            await asyncio.sleep(own.uniform(0, 0.02))
            if own.random() < 0.15:
                await transaction.rollback()
            else:
                await transaction.commit()
                committed.update(f"{name}-{stream.hex}" for stream in chosen)
            await connection.close()

    async def follow(size: int) -> list[str]:
        position: FeedPosition | None = None
        seen: list[str] = []
        while True:
            last = done.is_set()
            page = await read_feed(database, WORKSPACE, position, size)
            seen += names(page)
            position = page.position
            if last and not page.changes:
                return seen
            await asyncio.sleep(rng.uniform(0, 0.01))

    async with asyncio.timeout(SECONDS):
        readers = [asyncio.create_task(follow(size)) for size in (1, 7, 1000)]
        await asyncio.gather(*map(write, range(10)))
        done.set()
        for seen in await asyncio.gather(*readers):
            assert len(seen) == len(set(seen))
            assert set(seen) == committed


async def test_pages_join_without_a_seam(database: Database) -> None:
    """Pages of any size, read one behind the other, are the whole in the same order; each entry's own position serves as well."""
    streams = [uuid4() for _ in range(3)]
    for number in range(30):
        await logged(database, streams[number % 3], f"f{number}")
    whole = await read_feed(database, WORKSPACE, None, 100)
    assert names(whole) == [f"f{number}" for number in range(30)]
    for size in (1, 4, 29, 30):
        position, seen = None, []
        while True:
            page = await read_feed(database, WORKSPACE, position, size)
            seen += names(page)
            position = page.position
            if not page.has_more:
                break
        assert seen == names(whole)
    assert names(await read_feed(database, WORKSPACE, whole.positions[9], 100)) == names(whole)[10:]


async def test_only_profiles_of_the_workspace(database: Database) -> None:
    """Another workspace's changes, desks and sources are not in the feed; merges, erasures and items are."""
    profile = uuid4()
    await logged(database, profile, workspace=uuid4())
    await logged(database, desk_stream(WORKSPACE, "ana").stream_id, kind=ChangeKind.CONTACT)
    await logged(database, source_stream(WORKSPACE).stream_id, "OK", kind=ChangeKind.SOURCE)
    for kind in (ChangeKind.ACTIVITY, ChangeKind.REMOVED, ChangeKind.MERGED, ChangeKind.ERASED):
        await logged(database, profile, kind=kind)
    page = await read_feed(database, WORKSPACE, None, 100)
    assert [(change.action.value, [field.field for field in change.fields]) for change in page.changes] == [
        ("UPDATED", ["timeline"]),
        ("UPDATED", ["timeline"]),
        ("MERGED", []),
        ("ERASED", []),
    ]
    assert {change.profile_id for change in page.changes} == {profile}
    assert len({change.id for change in page.changes}) == 4


async def test_from_the_present_on(database: Database) -> None:
    """Behind the present position comes what could not be read when it was asked for, and nothing older."""
    stream = uuid4()
    await logged(database, stream, "old")
    async with writing(database) as slow:
        await slow.log(stream, "running")
        position, lag = await current_position(database, WORKSPACE)
        assert lag > 0
    await logged(database, stream, "new")
    assert names(await read_feed(database, WORKSPACE, position, 100)) == ["running", "new"]


async def test_a_position_older_than_the_log(database: Database) -> None:
    """When days of the log were dropped since, the reader is told instead of going on as if nothing had happened; an idle one is not."""
    position, _ = await current_position(database, WORKSPACE)
    await read_feed(database, WORKSPACE, position, 10)
    late = replace(position, at=datetime.now(UTC) - timedelta(days=9))
    with pytest.raises(CursorInvalid) as caught:
        await read_feed(database, WORKSPACE, late, 10)
    assert caught.value.extensions == {"reason": "CURSOR_EXPIRED"}
    idle = await read_feed(database, WORKSPACE, replace(position, at=datetime.now(UTC) - timedelta(hours=12)), 10)
    assert idle.position.at > datetime.now(UTC) - timedelta(minutes=5)  # asking keeps it fresh although nothing came
    unknown = replace(position, at=datetime(1970, 1, 1, tzinfo=UTC))
    assert (await read_feed(database, WORKSPACE, unknown, 10)).changes == []


async def test_a_position_of_another_database(database: Database) -> None:
    """After a restore or a failover transactions are numbered otherwise: a position from before is refused, as is one from the future."""
    position, _ = await current_position(database, WORKSPACE)
    for other in (replace(position, incarnation=b"r" * 16), replace(position, xid=2**40)):
        with pytest.raises(CursorInvalid) as caught:
            await read_feed(database, WORKSPACE, other, 10)
        assert caught.value.extensions == {"reason": "EPOCH_CHANGED"}


def test_cursors() -> None:
    """A cursor opens to its position, for its workspace; nothing else opens."""
    sealer = Sealer([b"k" * 32])
    position = FeedPosition(2**40, uuid4(), 2**50, datetime(2026, 11, 22, 1, 2, 3, 456789, UTC), b"i" * 16)
    text = seal_position(sealer, WORKSPACE, position)
    assert open_position(sealer, WORKSPACE, text) == position
    assert open_position(sealer, WORKSPACE, None) is None
    for workspace, wrong in ((uuid4(), text), (WORKSPACE, text[:-1]), (WORKSPACE, ""), (WORKSPACE, sealer.seal(b"other", b"x"))):
        with pytest.raises(CursorInvalid):
            open_position(sealer, workspace, wrong)
