"""The write side without a gateway around it: commands over a database of the test's own, and nobody who runs jobs unasked.

`office` makes people, asks for privacy jobs and steps them; tests decide when a job moves.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from gateway.auth.policy import ROLE_SCOPES, Action
from gateway.auth.principal import Principal, Role
from gateway.auth.workspaces import Workspaces
from gateway.commands.facade import Commands
from gateway.commands.jobs import JobRunner
from gateway.commands.profiles import NewProfile
from gateway.commands.reach import ContactPointChange, IdentifierChange
from gateway.commands.tracking import Event, Person, Taken, take_in
from gateway.commands.unit import Writer
from gateway.configuration import Configurations
from gateway.live.bus import Bus
from gateway.live.hub import Hub
from gateway.live.position import StreamCursors
from gateway.model.configuration import Configuration
from gateway.model.ids import uuid7
from gateway.model.privacy import PrivacyAction
from gateway.model.profile import Channel
from gateway.model.sealed import Sealer
from gateway.sources.contract import LookupKey
from gateway.sources.registry import BUILT_IN
from gateway.storage.database import Database, columns
from gateway.storage.queries import SQL
from gateway.vault import Vault

__all__ = ["SECRET", "START", "Office"]

SECRET = b"s" * 32
START = datetime(2026, 1, 1, 12, tzinfo=UTC)
"""When the made-up history begins."""

_numbers = count(1)


@dataclass(frozen=True)
class Office:
    """One workspace with an admin in it."""

    database: Database
    writer: Writer
    commands: Commands
    admin: Principal
    vault: Vault

    @property
    def workspace(self) -> UUID:
        """The workspace's id."""
        return self.admin.workspace_id

    def runner(self, change: Callable[[str, Any], Any] | None = None) -> JobRunner:
        """Somebody who does jobs; `change` may wrap each step, by its name."""
        plans: Mapping[PrivacyAction, Any] = self.commands.privacy.plans
        if change is not None:
            plans = {action: {name: change(name, step) for name, step in plan.items()} for action, plan in plans.items()}
        return JobRunner(self.database, self.writer, plans)

    async def person(self, name: str = "Ana", *, email: str | None = None, phone: str | None = None, key: str | None = None) -> UUID:
        """A profile an agent made."""
        points = [ContactPointChange(channel, value) for channel, value in ((Channel.EMAIL, email), (Channel.VOICE, phone)) if value]
        identifiers = [IdentifierChange("user_id", key)] if key else []
        made = await self.commands.create_profile(self.admin, NewProfile(name, "Example", points, identifiers), None)
        assert made.profile_id is not None
        return made.profile_id

    async def note(self, profile: UUID, body: str = "Called.") -> None:
        """A note of the admin."""
        await self.commands.add_note(self.admin, profile, body, False, None)

    async def happened(self, profile: UUID, *details: dict[str, Any], kind: str = "EXTERNAL", at: datetime = START) -> None:
        """Activities of one kind, a minute apart."""
        moments = [at + timedelta(minutes=index) for index in range(len(details))]
        talk = kind in {"INTERACTION", "MESSAGE"}
        what = kind, "Order Completed", "VOICE" if talk else None, "INBOUND" if talk else None, "A-7"
        rows = [(profile, moment, "native", uuid7(moment), *what, detail) for moment, detail in zip(moments, details, strict=True)]
        await self.database.fetch(SQL["insert_activities"], self.workspace, *columns(rows))

    async def ask(self, profile: UUID, action: PrivacyAction) -> UUID:
        """The job of a request."""
        receipt = await self.commands.privacy.request(self.admin, profile, action)
        assert receipt.entity_id is not None
        return receipt.entity_id

    async def done(self, profile: UUID, action: PrivacyAction) -> asyncpg.Record:
        """Ask, and do it; the job's row."""
        job_id = await self.ask(profile, action)
        await self.runner().finish()
        return await self.job(job_id)

    async def job(self, job_id: UUID) -> asyncpg.Record:
        """A job's row."""
        row = await self.database.fetchrow("SELECT * FROM privacy_job WHERE id = $1", job_id)
        assert row is not None
        return row

    async def due(self, job_id: UUID, seconds: float = 0) -> None:
        """Let a job be due so many seconds from now."""
        await self.database.execute("UPDATE privacy_job SET due_at = now() + $2 * interval '1 second' WHERE id = $1", job_id, seconds)

    async def identified(self, *keys: LookupKey, email: str | None = None, **options: Any) -> Taken:
        """What becomes of an `identify` with these identifiers and this address."""
        event = Event(f"m-{next(_numbers)}", START, keys, person=Person(columns={"first_name": "Ana"}, email=email))
        principal = replace(self.admin, scopes=frozenset({"ingest:write"}))
        tombstones = options.get("tombstones", self.commands.privacy.tombstones)
        return await take_in(self.writer, principal, "shop", [event], Action.INGEST, tombstones)

    async def count(self, table: str, **where: Any) -> int:
        """Rows of a table with these values."""
        conditions = [f"{column} = ${number}" for number, column in enumerate(where, 1)]
        clause = f" WHERE {' AND '.join(conditions)}" if conditions else ""
        counted: int = await self.database.fetchval(f"SELECT count(*) FROM {table}{clause}", *where.values())
        return counted

    async def row(self, profile: UUID) -> asyncpg.Record:
        """A profile's row."""
        row = await self.database.fetchrow("SELECT * FROM profile WHERE id = $1", profile)
        assert row is not None
        return row


@pytest.fixture(name="configuration")
def _configuration() -> Configuration:
    """What the operator decided; a module overrides this fixture."""
    return Configuration()


@pytest.fixture(name="office")
async def _office(database: Database, configuration: Configuration) -> AsyncIterator[Office]:
    """The workspace `demo` of a database of its own."""
    workspace = await Workspaces(database).ensure("demo", "Demo")
    hub = Hub(database, Bus(None), StreamCursors(Sealer([SECRET])), poll_interval=60)
    await hub.start()
    configurations, vault = Configurations(configuration), Vault([SECRET])
    writer = Writer(database, hub, configurations)
    commands = Commands(writer, BUILT_IN[0], "GB", configurations, vault)
    admin = Principal(workspace, "demo", "ada", "Ada", Role.ADMIN, ROLE_SCOPES[Role.ADMIN], None, None)
    yield Office(database, writer, commands, admin, vault)
    await hub.stop()
