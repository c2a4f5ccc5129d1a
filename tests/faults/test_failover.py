"""Failover that loses the tail of the log: the numbers are given out again, and every reader must be told.

A standby that lags is promoted while a reader has already been shown what only the old primary had. The proxy then leads to the new primary, as a
virtual address would. `docs/checker.md` has the failover that loses nothing.
"""

from __future__ import annotations

import asyncio
import shutil
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import pytest

from gateway.auth.policy import ROLE_SCOPES
from gateway.auth.principal import Principal, Role
from gateway.commands.unit import Receipt, Unit, Writer
from gateway.errors import GatewayError
from gateway.live.bus import Bus
from gateway.live.changelog import heads
from gateway.live.feed import Gap, GapReason, Ready, complete
from gateway.live.hub import Hub
from gateway.live.position import StreamCursors
from gateway.model.change import StreamKey
from gateway.model.ids import uuid7
from gateway.model.sealed import Sealer
from gateway.storage.database import Database
from gateway.storage.migrate import migrate
from tests.proxy import Proxy
from tests.servers import PostgresServer, place_for_servers

__all__: list[str] = []

_FOLLOWS = "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming' AND replay_lsn >= pg_current_wal_insert_lsn()"

SECONDS = 15.0
"""Deadline of every wait."""


@dataclass
class Pair:
    """A primary and its standby, and a gateway's live part behind a proxy."""

    primary: PostgresServer
    standby: PostgresServer
    proxy: Proxy
    database: Database
    hub: Hub
    writer: Writer
    principal: Principal

    async def profile(self) -> StreamKey:
        """A new profile."""
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

    async def fail_over(self) -> None:
        """The primary dies, the standby takes over as it is, and the address leads there."""
        await asyncio.to_thread(self.primary.stop, signal.SIGQUIT)
        self.standby.thaw()
        await asyncio.to_thread(self.standby.promote)
        self.proxy.target = self.standby.port
        self.proxy.cut()


@pytest.fixture(name="servers")
def _servers() -> Iterator[tuple[PostgresServer, PostgresServer]]:
    """A migrated primary and a standby that follows it."""
    places = [place_for_servers(), place_for_servers()]
    primary = PostgresServer(places[0])
    try:
        primary.make()
        with primary.running():
            asyncio.run(migrate(primary.dsn()))
            standby = primary.standby(places[1])
            with standby.running():
                yield primary, standby
    finally:
        for place in places:
            shutil.rmtree(place, ignore_errors=True)


@asynccontextmanager
async def pair(servers: tuple[PostgresServer, PostgresServer]) -> AsyncIterator[Pair]:
    """The two servers, and a hub on the first."""
    async with Proxy.before(servers[0].port) as proxy:
        database = await Database.open(servers[0].dsn(port=proxy.port))
        hub = Hub(database, Bus(), StreamCursors(Sealer([b"k" * 32])), poll_interval=0.2)
        await hub.start()
        principal = Principal(uuid4(), "demo", "agent-1", "Ana", Role.AGENT, ROLE_SCOPES[Role.AGENT], None, None)
        try:
            yield Pair(*servers, proxy, database, hub, Writer(database, hub), principal)
        finally:
            await hub.stop()
            await database.close()


async def soon(event: Any, wanted: Callable[[Any], bool] = lambda _: True) -> Any:
    """The first event of a feed that is wanted."""
    async with asyncio.timeout(SECONDS):
        while True:
            found = await anext(event)
            if wanted(found):
                return found


@pytest.mark.slow
async def test_fault_105_a_failover_is_told_to_who_reads_and_to_who_comes_back(servers: tuple[PostgresServer, PostgresServer]) -> None:
    """A standby without the last three items is promoted: a connected reader gets a gap, and a cursor from before is not continued."""
    async with pair(servers) as it:
        stream = await it.profile()
        async with aclosing(complete(it.hub, stream, None)) as feed:
            assert isinstance(await soon(feed), Ready)
            await it.item(stream)
            at, _ = await soon(feed)
            await asyncio.to_thread(_caught_up, it)
            it.standby.freeze()
            lost = [await it.item(stream) for _ in range(3)]
            shown = [(await soon(feed))[1].entity_id for _ in lost]
            cursor = it.hub.cursors.encode(stream, at)

            await it.fail_over()
            gap = await soon(feed, lambda event: isinstance(event, Gap))
            reused = await it.item(stream)
            position, entry = await soon(feed)

        assert shown == lost
        assert gap.reason is GapReason.EPOCH_CHANGED
        assert (entry.entity_id, position.seq) == (reused, gap.position.seq + 1)
        async with aclosing(complete(it.hub, stream, cursor)) as feed:
            again = await soon(feed)
        assert isinstance(again, Gap)
        assert again.reason is GapReason.EPOCH_CHANGED


@pytest.mark.slow
async def test_fault_105_a_promotion_changes_every_position_at_once(servers: tuple[PostgresServer, PostgresServer]) -> None:
    """A position belongs to the timeline being written, not to the one of the last checkpoint, which may be minutes old."""
    async with pair(servers) as it:
        stream = await it.profile()
        await it.database.execute("CREATE TABLE filler AS SELECT n, repeat('x', 500) FROM generate_series(1, 20000) n")
        await asyncio.to_thread(_caught_up, it)
        before, cluster = (await heads(it.database, [stream]))[stream].position, await it.database.incarnation()
        await it.fail_over()
        after, promoted = (await heads(it.database, [stream]))[stream].position, await it.database.incarnation()

    assert after.seq == before.seq
    assert after.epoch != before.epoch
    assert promoted == (cluster[0], cluster[1] + 1)


def _caught_up(it: Pair) -> None:
    """Return when the standby has everything."""

    async def wait() -> None:
        database = await Database.open(it.primary.dsn(), size=1, delivery_size=1)
        try:
            async with asyncio.timeout(SECONDS):
                for _ in range(10_000):
                    if await database.fetchval(_FOLLOWS):
                        return
                    await asyncio.sleep(0.02)
        finally:
            await database.close()

    asyncio.run(wait())
