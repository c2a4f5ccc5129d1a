"""Retention: what is over goes, by the month or row by row, and nothing else does."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from gateway.auth.workspaces import Workspaces
from gateway.commands.retention import months_before, remove_old
from gateway.configuration import Configurations
from gateway.model.activity import TimelineKind
from gateway.model.configuration import Configuration, Retention
from gateway.storage.database import connect

from .conftest import Office

__all__: list[str] = []

NOW = datetime.now(UTC)


def kept(default: int | None = 24, **kinds: int | None) -> Configurations:
    """Periods in months; None is for ever."""
    periods = MappingProxyType({**Retention().kinds, **{TimelineKind[name.upper()]: months for name, months in kinds.items()}})
    return Configurations(Configuration(retention=Retention(default, periods)))


async def partitions(office: Office) -> list[str]:
    """The months of activities there are."""
    rows = await office.database.fetch(
        "SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = 'activity'::regclass ORDER BY 1"
    )
    return [row["relname"] for row in rows if row["relname"] != "activity_past"]


async def aged(office: Office, profile: UUID, *months: int, kind: str = "EXTERNAL") -> None:
    """One activity a day older than each of these numbers of months."""
    for age in months:
        await office.happened(profile, {"age": age}, kind=kind, at=months_before(NOW, age) - timedelta(days=1))


async def ages(office: Office) -> list[tuple[str, int]]:
    """Kind and age of each activity that is left."""
    rows = await office.database.fetch("SELECT kind, (detail->>'age')::int AS age FROM activity ORDER BY 1, 2")
    return [(row["kind"], row["age"]) for row in rows]


async def test_two_years_by_default(office: Office) -> None:
    """With nothing configured, activities older than 24 months go, and whole months of them with their tables; notes and the audit stay."""
    ana = await office.person()
    await office.note(ana)
    await aged(office, ana, 1, 23, 24, 30, 40, 100)
    before = await partitions(office)
    removed = await remove_old(office.database, kept(), NOW)
    after = await partitions(office)

    assert await ages(office) == [("EXTERNAL", 1), ("EXTERNAL", 23)]
    assert after == before[-len(after) :]
    assert removed["activity_months"] == len(before) - len(after) == 11 + (months_before(NOW, 24).day >= 1)
    assert await office.count("note") == 1


async def test_no_moment_is_without_a_partition(office: Office) -> None:
    """After months were dropped, an event from then is still taken in (and goes with the next upkeep); partitions can still be made."""
    ana = await office.person()
    await remove_old(office.database, kept(), NOW)
    await aged(office, ana, 24, 30, 35, 36, 37, 100)
    await office.database.execute("SELECT ensure_partitions()")
    assert len(await ages(office)) == 6
    await remove_old(office.database, kept(), NOW)

    assert await ages(office) == []


async def test_for_ever(office: Office) -> None:
    """One workspace that keeps one kind for ever keeps every month there; the others' rows go one by one."""
    other = await Workspaces(office.database).ensure("other", "Other")
    configurations = Configurations(Configuration(), {"other": Configuration(retention=Retention(None))})
    ana = await office.person()
    await aged(office, ana, 1, 30, 100)
    await office.database.execute(
        "INSERT INTO activity SELECT $1, (a).profile_id, (a).occurred_at, (a).source, (a).id, (a).kind, (a).type, "
        "NULL, NULL, NULL, (a).detail FROM activity a",
        other,
    )
    before = await partitions(office)
    removed = await remove_old(office.database, configurations, NOW)

    assert removed == {"activity": 2}
    assert await partitions(office) == before
    assert await office.count("activity", workspace_id=other) == 3
    assert await office.count("activity", workspace_id=office.workspace) == 1


async def test_by_kind(office: Office) -> None:
    """Each kind has its own period; a transcript is never kept longer than its conversation."""
    ana = await office.person()
    for kind in ("EXTERNAL", "INTERACTION", "MESSAGE", "WEB"):
        await aged(office, ana, 2, 7, 13, kind=kind)
    await remove_old(office.database, kept(12, web=1, interaction=6, message=None, external=None), NOW)

    assert await ages(office) == [("EXTERNAL", 2), ("EXTERNAL", 7), ("EXTERNAL", 13), ("INTERACTION", 2), ("MESSAGE", 2)]


async def test_notes_and_changes(office: Office) -> None:
    """Where they have a period, notes are deleted, and of the audit the values: its entries stay, with the names of the fields."""
    ana = await office.person()
    await office.note(ana, "Old.")
    await office.database.execute("UPDATE note SET created_at = $1", months_before(NOW, 7))
    await office.note(ana, "New.")
    entries = await office.count("change")
    removed = await remove_old(office.database, kept(note=6, change=1), NOW + timedelta(days=40))

    assert [row["body"] for row in await office.database.fetch("SELECT body FROM note")] == ["New."]
    rows = await office.database.fetch("SELECT fields, reason FROM change")
    assert len(rows) == entries
    assert {(one["before"], one["after"]) for row in rows for one in row["fields"]} == {(None, None)}
    assert {one["field"] for row in rows for one in row["fields"]} >= {"firstName"}
    assert removed["change"] == entries
    assert "change" not in await remove_old(office.database, kept(change=1), NOW + timedelta(days=40))


async def test_what_the_gateway_remembers_for_itself(office: Office) -> None:
    """Idempotency keys go after a day, message ids after 30, files and presence when they say; in portions, however many there are."""
    database = office.database
    for table, columns, age in (
        (
            "idempotency",
            "(workspace_id, actor, key, input_hash, at) SELECT $1, 'ann', n::text, '', now() - $2::interval",
            timedelta(days=1),
        ),
        (
            "ingest_message",
            "(workspace_id, source, message_id, received_at) SELECT $1, 'shop', n::text, now() - $2::interval",
            timedelta(days=30),
        ),
    ):
        for count, older in ((12_000, timedelta(hours=1)), (3, -timedelta(hours=1))):
            await database.execute(
                f"INSERT INTO {table} {columns.replace('n::text', 'n::text || $4::text')} FROM generate_series(1, $3::int) n",
                *(office.workspace, age + older, count, str(count)),
            )
    for ends in (-1, 1):
        await database.execute(
            "INSERT INTO privacy_file VALUES ($1, gen_random_uuid(), 1, '', now() + $2::interval)", office.workspace, timedelta(hours=ends)
        )
    removed = await remove_old(database, kept(), datetime.now(UTC))

    assert {table: removed[table] for table in ("idempotency", "ingest_message", "privacy_file")} == {
        "idempotency": 12_000,
        "ingest_message": 12_000,
        "privacy_file": 1,
    }
    assert [await office.count(table) for table in ("idempotency", "ingest_message", "privacy_file")] == [3, 3, 1]


async def test_one_process_at_a_time(office: Office, dsn: str) -> None:
    """Who finds another at it does nothing, and says so by counting nothing."""
    ana = await office.person()
    await aged(office, ana, 30)
    other: asyncpg.Connection[Any] = await connect(dsn)
    async with other.transaction():
        await other.execute("SELECT pg_advisory_xact_lock(hashtext('profile-gateway upkeep'))")
        assert await remove_old(office.database, kept(), NOW) == {}
        assert len(await ages(office)) == 1
    await other.close()

    assert (await remove_old(office.database, kept(), NOW))["activity_months"] > 0


async def test_traffic_is_never_blocked(office: Office, dsn: str) -> None:
    """While a transaction uses the timeline, months are not dropped; readers wait for half a second at most, and the rows go all the same."""
    ana = await office.person()
    await aged(office, ana, 30)
    other: asyncpg.Connection[Any] = await connect(dsn)
    async with other.transaction():
        await other.fetch("SELECT FROM activity LIMIT 1")
        upkeep = asyncio.create_task(remove_old(office.database, kept(), NOW))
        await asyncio.wait_for(office.count("activity"), 2.0)
        removed = await upkeep
    await other.close()

    assert removed == {"activity": 1}
    assert (await remove_old(office.database, kept(), NOW))["activity_months"] > 0


@pytest.mark.parametrize(
    ("now", "months", "expected"),
    [
        ("2026-03-31T10:00:00+00:00", 1, "2026-02-28T10:00:00+00:00"),
        ("2024-02-29T10:00:00+00:00", 12, "2023-02-28T10:00:00+00:00"),
        ("2026-01-15T10:00:00+00:00", 1, "2025-12-15T10:00:00+00:00"),
        ("2026-12-15T10:00:00+00:00", 24, "2024-12-15T10:00:00+00:00"),
        ("2026-07-15T10:00:00+00:00", 100_000, "0001-03-15T10:00:00+00:00"),
    ],
)
def test_months_are_calendar_months(now: str, months: int, expected: str) -> None:
    """The same moment of an earlier month; its last day where it is too short; never before the year 1."""
    assert months_before(datetime.fromisoformat(now), months) == datetime.fromisoformat(expected)
