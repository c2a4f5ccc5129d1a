"""Streams on a Postgres of their own, which is killed, lags, fails over, and keeps what somebody prepared and forgot."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from collections.abc import AsyncIterator, Awaitable, Iterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from structlog.testing import capture_logs

from gateway.auth.policy import ROLE_SCOPES
from gateway.auth.principal import Principal, Role
from gateway.commands.unit import Receipt, Unit, Writer
from gateway.errors import GatewayError
from gateway.live import changelog
from gateway.live.backlog import FeedWatch
from gateway.live.bus import Bus
from gateway.live.feed import Gap, GapReason, Ready, complete
from gateway.live.hub import Hub
from gateway.live.position import StreamCursors
from gateway.model.change import Change, ChangeKind, StreamKey
from gateway.model.ids import uuid7
from gateway.model.sealed import Sealer
from gateway.records.feed import read_feed
from gateway.storage.database import Database
from gateway.storage.migrate import migrate
from tests.proxy import Proxy
from tests.servers import PostgresServer, place_for_servers

__all__: list[str] = []

SECONDS = 15.0
"""Deadline of every wait."""


@dataclass
class Replica:
    """The live part of one process."""

    database: Database
    hub: Hub
    writer: Writer
    principal: Principal

    async def profile(self) -> StreamKey:
        """A new profile; its stream stands at 1."""
        key = uuid7()

        async def work(unit: Unit) -> Receipt:
            await unit.fetch("insert_profiles", [key], ["PROSPECT"], ["Ana"], [None], [""])
            unit.profile_changed(key, "firstName")
            return Receipt(key)

        await self.writer.run(self.principal, work)
        return StreamKey(self.principal.workspace_id, key)

    async def item(self, stream: StreamKey) -> UUID:
        """One more item in the log, tried until the database takes it."""
        item = uuid4()

        async def work(unit: Unit) -> Receipt:
            unit.item_added(stream.stream_id, item, "native")
            return Receipt(stream.stream_id)

        async with asyncio.timeout(SECONDS):
            while True:
                try:
                    await self.writer.run(self.principal, work)
                    return item
                except GatewayError:
                    await asyncio.sleep(0.05)


WORKSPACE = uuid4()


@asynccontextmanager
async def replica(dsn: str) -> AsyncIterator[Replica]:
    """A process on this database, with a quick poll and no bell that others hear."""
    database = await Database.open(dsn, size=4, delivery_size=2)
    hub = Hub(database, Bus(None), StreamCursors(Sealer([b"k" * 32])), poll_interval=0.1)
    await hub.start()
    principal = Principal(WORKSPACE, "demo", "agent-1", "Ana", Role.AGENT, ROLE_SCOPES[Role.AGENT], None, None)
    try:
        yield Replica(database, hub, Writer(database, hub), principal)
    finally:
        await hub.stop()
        await database.close()


@pytest.fixture(name="server", scope="module")
def _server() -> Iterator[PostgresServer]:
    """A migrated server that lets transactions be prepared, with a log of replication."""
    place = place_for_servers()
    server = PostgresServer(place, max_prepared_transactions="2", wal_level="replica")
    try:
        server.make()
        with server.running():
            asyncio.run(migrate(server.dsn()))
            yield server
    finally:
        shutil.rmtree(place, ignore_errors=True)


@pytest.fixture(name="standby")
def _standby(server: PostgresServer) -> Iterator[PostgresServer]:
    """A standby of it that follows."""
    place = place_for_servers()
    standby = server.standby(place, max_prepared_transactions="2")
    try:
        with standby.running():
            yield standby
    finally:
        shutil.rmtree(place, ignore_errors=True)


async def soon(event: Awaitable[Any]) -> Any:
    """The awaited value, or a failure instead of a test that hangs."""
    async with asyncio.timeout(SECONDS):
        return await event


async def test_fault_092_a_backend_killed_before_the_commit(server: PostgresServer) -> None:
    """The process that served a writer is killed after it took its number: nothing of it is delivered, and no number is missing."""
    async with replica(server.dsn()) as it:
        stream = await it.profile()
        async with aclosing(complete(it.hub, stream, None)) as feed:
            await soon(anext(feed))
            writer = await asyncpg.connect(server.dsn())
            await writer.execute("BEGIN")
            lost = Change(stream, ChangeKind.ACTIVITY, "ana", entity_id=uuid4(), entity_source="native")
            taken = await changelog.append(writer, WORKSPACE, [lost])  # type: ignore[arg-type]
            os.kill(writer.get_server_pid(), signal.SIGKILL)  # all sessions end, and the server recovers
            item = await it.item(stream)
            position, entry = await soon(anext(feed))
            writer.terminate()

    assert taken[stream.stream_id].seq == position.seq == 2
    assert entry.entity_id == item


async def test_fault_108_a_forgotten_prepared_transaction(server: PostgresServer) -> None:
    """Prepared and never ended: streams deliver, the feed waits and says so, the alarm names it; rolled back, all is there."""
    async with replica(server.dsn()) as it:
        stream = await it.profile()
        start = (await read_feed(it.database, WORKSPACE, None, 1000)).position
        forgetful = await asyncpg.connect(server.dsn())
        await forgetful.execute("BEGIN")
        await forgetful.execute("SELECT pg_current_xact_id()")
        await forgetful.execute("PREPARE TRANSACTION 'forgotten'")
        await forgetful.close()
        watch = FeedWatch(it.database, alarm=0.1)
        try:
            async with aclosing(complete(it.hub, stream, None)) as feed:
                await soon(anext(feed))
                item = await it.item(stream)
                assert (await soon(anext(feed)))[1].entity_id == item
            with capture_logs() as said:
                async with asyncio.timeout(SECONDS):
                    while await watch.look() <= 0.1:  # noqa: ASYNC110  # nobody announces it
                        await asyncio.sleep(0.02)
            page = await read_feed(it.database, WORKSPACE, start, 1000)
        finally:
            other = await asyncpg.connect(server.dsn())
            await other.execute("ROLLBACK PREPARED 'forgotten'")
            await other.close()
        rest = await read_feed(it.database, WORKSPACE, start, 1000)
        assert await watch.look() == 0

    assert page.changes == []
    assert page.lag_seconds > 0.1
    assert [(line["event"], line["prepared"]) for line in said] == [("feed.held_up", True)]
    assert len(rest.changes) == 1


async def test_fault_099_105_a_standby_that_lags_and_then_takes_over(server: PostgresServer, standby: PostgresServer) -> None:
    """While it lags, no replica reads from it, and a client that moves between replicas is never told that it is ahead. Promoted without the last
    changes, it gives their numbers out again: who reads through it and who comes back are told, at whatever place they stand.
    """
    async with AsyncExitStack() as stack:
        proxy = await stack.enter_async_context(Proxy.before(server.port))
        both = f"postgresql://gateway@127.0.0.1:{standby.port},127.0.0.1:{proxy.port}/postgres?sslmode=disable"
        first = await stack.enter_async_context(replica(server.dsn(port=proxy.port)))
        second = await stack.enter_async_context(replica(both))
        stream = await first.profile()
        await _caught_up(server)
        await _deaf(standby)
        places = await _moving(stream, [first, second])

        feed = await stack.enter_async_context(aclosing(complete(second.hub, stream, places[-1])))
        assert isinstance(await soon(anext(feed)), Ready)
        standby.promote()
        proxy.target = standby.port  # the old primary lives on, and nobody finds it any more
        proxy.cut()
        reused = [await first.item(stream) for _ in range(12)]
        gap = await soon(anext(feed))
        answers = []
        for cursor in places:
            async with aclosing(complete(first.hub, stream, cursor)) as again:
                answers.append(await soon(anext(again)))
        (head,) = (await changelog.heads(first.database, [stream])).values()

    assert isinstance(gap, Gap)
    assert gap.reason is GapReason.EPOCH_CHANGED
    assert {answer.reason for answer in answers} == {GapReason.EPOCH_CHANGED}
    assert head.position.seq == len(reused) + 1 > len(places)  # numbers that were given out before mean others now


async def _moving(stream: StreamKey, replicas: list[Replica]) -> list[str]:
    """Ten items, each read at another replica with the cursor of the last; the cursors."""
    (head,) = (await changelog.heads(replicas[0].database, [stream])).values()
    places = [replicas[0].hub.cursors.encode(stream, head.position)]
    for turn in range(10):
        item = await replicas[turn % 2].item(stream)
        async with aclosing(complete(replicas[(turn + 1) % 2].hub, stream, places[-1])) as feed:
            ready = await soon(anext(feed))
            assert isinstance(ready, Ready), ready
            position, entry = await soon(anext(feed))
            assert entry.entity_id == item
            places.append(replicas[0].hub.cursors.encode(stream, position))
    return places


async def _caught_up(primary: PostgresServer) -> None:
    """Return when the standby has everything."""
    connection = await asyncpg.connect(primary.dsn())
    try:
        async with asyncio.timeout(SECONDS):
            while not await connection.fetchval(  # noqa: ASYNC110  # nobody announces it
                "SELECT count(*) FROM pg_stat_replication WHERE replay_lsn >= pg_current_wal_insert_lsn()"
            ):
                await asyncio.sleep(0.02)
    finally:
        await connection.close()


async def _deaf(standby: PostgresServer) -> None:
    """Let the standby receive nothing more."""
    connection = await asyncpg.connect(standby.dsn())
    try:
        await connection.execute("ALTER SYSTEM SET primary_conninfo = ''")
        await connection.execute("SELECT pg_reload_conf()")
        async with asyncio.timeout(SECONDS):
            while await connection.fetchval("SELECT count(*) FROM pg_stat_wal_receiver"):  # noqa: ASYNC110
                await asyncio.sleep(0.02)
    finally:
        await connection.close()
