"""A hub on a real database, a few profiles to watch, and a writer."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from uuid import UUID, uuid4

import pytest

from gateway.auth.policy import ROLE_SCOPES
from gateway.auth.principal import Principal, Role
from gateway.commands.unit import Receipt, Unit, Writer
from gateway.live.bus import Bus
from gateway.live.hub import Hub
from gateway.live.position import StreamCursors
from gateway.model.change import StreamKey
from gateway.model.ids import uuid7
from gateway.model.sealed import Sealer
from gateway.storage.database import Database

__all__ = ["Live"]


@dataclass
class Live:
    """What a live test works with."""

    database: Database
    hub: Hub
    writer: Writer
    principal: Principal

    @property
    def workspace(self) -> UUID:
        """The one workspace."""
        return self.principal.workspace_id

    async def profile(self) -> StreamKey:
        """A new profile; its stream stands at 1."""
        profile_id = uuid7()

        async def work(unit: Unit) -> Receipt:
            await unit.fetch("insert_profiles", [profile_id], ["PROSPECT"], ["Ana"], [None], [""])
            unit.profile_changed(profile_id, "firstName")
            return Receipt(profile_id)

        await self.writer.run(self.principal, work)
        return StreamKey(self.workspace, profile_id)

    async def add_item(self, *streams: StreamKey) -> UUID:
        """Log one item in each of the streams, in one transaction; the item's id."""
        item_id = uuid4()

        async def work(unit: Unit) -> Receipt:
            for stream in streams:
                unit.item_added(stream.stream_id, item_id, "native")
            return Receipt(streams[0].stream_id)

        await self.writer.run(self.principal, work)
        return item_id

    async def touch(self, stream: StreamKey, *fields: str) -> None:
        """Log a change of the profile's fields."""

        async def work(unit: Unit) -> Receipt:
            unit.profile_changed(stream.stream_id, *fields)
            return Receipt(stream.stream_id)

        await self.writer.run(self.principal, work)


@pytest.fixture(name="live")
async def _live(dsn: str) -> AsyncIterator[Live]:
    """A hub in one process, with a poll so slow that only the bell can be why something arrives."""
    database = await Database.open(dsn, size=12)
    principal = Principal(uuid4(), "demo", "agent-1", "Ana", Role.AGENT, ROLE_SCOPES[Role.AGENT], None, None)
    hub = Hub(database, Bus(None), StreamCursors(Sealer([b"k" * 32])), poll_interval=30)
    await hub.start()
    yield Live(database, hub, Writer(database, hub), principal)
    await hub.stop()
    await database.close()
