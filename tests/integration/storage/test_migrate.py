"""Migrations: applied once and in order, whoever comes; and the partitions they make."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from gateway.errors import ConfigurationError
from gateway.storage.database import Database, connect
from gateway.storage.embedded import EmbeddedPostgres
from gateway.storage.migrate import Migration, load, migrate, pending
from gateway.storage.queries import SQL

__all__: list[str] = []

NEXT = len(load()) + 1


@pytest.fixture(name="blank")
async def _blank(postgres: EmbeddedPostgres) -> AsyncIterator[str]:
    """The address of a database in which nothing was ever done."""
    server = await asyncpg.connect(postgres.dsn, timeout=10)
    await server.execute("CREATE DATABASE blank")
    yield postgres.dsn.replace(":///gateway?", ":///blank?")
    await server.execute("DROP DATABASE blank WITH (FORCE)")
    await server.close()


async def test_each_is_applied_once_in_order(blank: str) -> None:
    """The first run applies every migration in order and tells of each, the second finds nothing to do."""
    told: list[Migration] = []

    assert await migrate(blank, told.append) == told == load()
    assert await migrate(blank, told.append) == []
    assert told == load()


async def test_pending_tells_without_doing(blank: str) -> None:
    """What is pending can be asked before anything was applied, and asking applies nothing."""
    connection = await connect(blank)

    assert await pending(connection) == load()
    assert await connection.fetchval("SELECT to_regclass('profile')") is None
    await migrate(blank)
    assert await pending(connection) == []
    await connection.close()


async def test_two_at_once_are_one(blank: str) -> None:
    """Two processes that migrate at the same time do not disturb each other: one does the work, the other finds it done."""
    done = await asyncio.gather(migrate(blank), migrate(blank))

    assert sorted(done, key=len) == [[], load()]


async def test_a_changed_file_is_refused(dsn: str) -> None:
    """A migration whose file was changed after it had been applied stops everything and says what to do."""
    connection = await connect(dsn)
    await connection.execute("UPDATE schema_migration SET checksum = 'other' WHERE number = 1")

    with pytest.raises(ConfigurationError, match=f"{load()[0].name} was changed after it had been applied; restore"):
        await migrate(dsn)
    with pytest.raises(ConfigurationError):
        await pending(connection)
    await connection.close()


@pytest.mark.parametrize("flaw", ["SELECT 1 / 0", f"ALTER TABLE schema_migration ADD CHECK (number < {NEXT})"])
async def test_a_failed_migration_leaves_no_half(blank: str, monkeypatch: pytest.MonkeyPatch, flaw: str) -> None:
    """A migration that fails, or cannot be recorded, is rolled back whole; what came before stays, and mended it is applied by the next run."""
    files = load()
    monkeypatch.setattr("gateway.storage.migrate.load", lambda: [*files, Migration(NEXT, "bad", f"CREATE TABLE half (); {flaw}")])
    with pytest.raises(asyncpg.PostgresError):
        await migrate(blank)
    connection = await connect(blank)
    seen = await connection.fetchrow("SELECT to_regclass('half'), to_regclass('profile')::text, max(number) FROM schema_migration")
    mended = Migration(NEXT, "bad", "CREATE TABLE half ()")
    monkeypatch.setattr("gateway.storage.migrate.load", lambda: [*files, mended])

    assert seen is not None
    assert tuple(seen) == (None, "profile", NEXT - 1)
    assert await migrate(blank) == [mended]
    await connection.close()


@pytest.mark.parametrize(
    ("names", "complaint"),
    [
        (["0001_pre_one.sql", "0003_post_three.sql"], "without a hole"),
        (["0002_pre_two.sql"], "without a hole"),
        (["0001_pre_one.sql", "0001_post_one.sql"], "without a hole"),
        (["0001_pre_one.sql", "2_pre_two.sql"], "2_pre_two.sql is not named like"),
        (["0001_pre_one.sql", "0002_during_two.sql"], "0002_during_two.sql is not named like"),
    ],
)
def test_misnamed_files_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, names: list[str], complaint: str) -> None:
    """A migration with a number missing, twice or unreadable is refused before anything is applied."""
    (tmp_path / "migrations").mkdir()
    for name in names:
        (tmp_path / "migrations" / name).write_text("SELECT 1")
    monkeypatch.setattr("gateway.storage.migrate.files", lambda package: tmp_path)

    with pytest.raises(ConfigurationError, match=complaint):
        load()


async def test_partitions_are_made_once(database: Database) -> None:
    """Right after the migrations nothing is missing; a month later one month and nine days are, once."""
    later = datetime.now(UTC) + timedelta(days=31)

    assert await database.fetchval("SELECT ensure_partitions()") == 0
    assert await database.fetchval("SELECT ensure_partitions($1)", later) >= 10
    assert await database.fetchval("SELECT ensure_partitions($1)", later) == 0
    assert await database.fetchval("SELECT ensure_partitions()") == 0


async def test_partitions_are_made_by_one_of_two(database: Database) -> None:
    """Two processes that look after the partitions at the same moment make each of them once."""
    later = datetime.now(UTC) + timedelta(days=100)

    made = await asyncio.gather(*(database.fetchval("SELECT ensure_partitions($1)", later) for _ in range(4)))

    assert sorted(made)[:3] == [0, 0, 0]
    assert max(made) >= 10


ADD = """INSERT INTO activity (workspace_id, profile_id, occurred_at, source, id, kind, type, detail)
         VALUES (gen_random_uuid(), gen_random_uuid(), $1, 'native', gen_random_uuid(), 'EXTERNAL', 'order', '{}')
         RETURNING tableoid::regclass::text"""
MONTH = "activity_%Y_%m"


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Pacific/Niue"])
async def test_months_begin_in_utc(dsn: str, zone: str) -> None:
    """A month's partition begins and ends in UTC, also when the session that makes it lives elsewhere."""
    begin = (datetime.now(UTC) + timedelta(days=200)).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    before = begin - timedelta.resolution
    connection = await connect(dsn, server_settings={"timezone": zone})
    await connection.execute("SELECT ensure_partitions($1)", begin)

    assert await connection.fetchval(ADD, begin) == begin.strftime(MONTH)
    assert await connection.fetchval(ADD, before) == before.strftime(MONTH)
    await connection.close()


async def test_an_activity_has_a_partition(database: Database) -> None:
    """Any past moment has a partition, a month of the last three years its own, and three months ahead are ready."""
    now = datetime.now(UTC)

    assert await database.fetchval(ADD, datetime(1, 1, 1, tzinfo=UTC)) == "activity_past"
    assert await database.fetchval(ADD, now - timedelta(days=38 * 31)) == "activity_past"
    for days in (-35 * 30, -365, -1, 0, 1, 88):
        assert await database.fetchval(ADD, now + timedelta(days=days)) == (now + timedelta(days=days)).strftime(MONTH)


NIL = "'00000000-0000-0000-0000-000000000000'"
PROFILES = f"""INSERT INTO profile (workspace_id, id)
               SELECT {NIL}, lpad(to_hex(profile), 32, '0')::uuid FROM generate_series(1, 20) profile"""
HISTORY = f"""INSERT INTO activity (workspace_id, profile_id, occurred_at, source, id, kind, type, detail)
              SELECT {NIL}, p.id, now() - n * interval '2 days', 'native', gen_random_uuid(), 'EXTERNAL', 'order', '{{}}'
                FROM profile p, generate_series(0, 400) n"""
USUAL = "ARRAY['INTERACTION', 'EXTERNAL'], null, null, null, null, null, null, null, null, null, '{}', '{}'"
BOUNDS = {
    "activities_ascending": ("now() - interval '1 year'", "'9999-12-31'"),
    "activities_descending": ("'0001-01-01'", "now() - interval '1 year'"),
}


@pytest.mark.parametrize("name", BOUNDS)
@pytest.mark.parametrize("mode", ["force_custom_plan", "force_generic_plan"])
async def test_a_page_reads_its_partitions_in_order(dsn: str, name: str, mode: str) -> None:
    """A page walks the months from its end of the list and stops when it is full: nothing is sorted but the page, no month read in vain."""
    connection = await connect(dsn)
    for statement in (PROFILES, HISTORY, "ANALYZE", f"SET plan_cache_mode = {mode}", f"PREPARE page AS {SQL[name]}"):
        await connection.execute(statement)
    low, high = BOUNDS[name]
    bounds = f"{low}, '', {NIL}, {high}, '~', 'ffffffff-ffff-ffff-ffff-ffffffffffff'"
    arguments = f"{NIL}, ARRAY['00000000-0000-0000-0000-000000000007']::uuid[], {bounds}, 21, true, {USUAL}"

    plan = json.loads(await connection.fetchval(f"EXPLAIN (ANALYZE, FORMAT JSON) EXECUTE page ({arguments})"))[0]["Plan"]
    await connection.close()
    (page,) = [node for node in _nodes(plan) if node["Node Type"] == "Limit"]
    (append,) = page["Plans"]
    months = [month for month in append["Plans"] if month["Actual Loops"]]

    assert append["Node Type"] == "Append"
    assert not [node for node in _nodes(page) if "Sort" in node["Node Type"] or "Seq" in node["Node Type"]]
    assert page["Actual Rows"] == 21
    assert 2 <= len(months) <= 4


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", ()):
        yield from _nodes(child)
