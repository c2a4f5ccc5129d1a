"""The named SQL, against a real Postgres."""

from __future__ import annotations

import re

import asyncpg

from gateway.storage.database import Database, _only_reads, connect
from gateway.storage.queries import ALONE, SQL

__all__: list[str] = []


async def test_every_statement_prepares(dsn: str) -> None:
    """Postgres parses and plans every named statement on the migrated schema, with every parameter's type known."""
    wrong: dict[str, str] = {}
    connection = await connect(dsn)
    for name, sql in [*SQL.items(), *ALONE.items()]:
        try:
            statement = await connection.prepare(sql)
        except asyncpg.PostgresError as error:
            wrong[name] = str(error)
            continue
        numbers = {int(number) for number in re.findall(r"\$(\d+)", sql)}
        if numbers != set(range(1, len(statement.get_parameters()) + 1)):
            wrong[name] = f"uses the parameters {sorted(numbers)}"
    await connection.close()

    assert wrong == {}
    assert len(SQL) > 40


def test_no_statement_reads_past_its_workspace() -> None:
    """Every statement names the workspace, except those that find or make one, or look after tables as a whole."""
    free = {name for name, sql in SQL.items() if "workspace_id" not in sql}

    upkeep = {
        "ensure_partitions",
        "retire_activities",
        "retire_changes",
        "change_days_before",
        "change_log_turn",
        "expire_idempotency",
        "expire_messages",
        "expire_files",
        "expire_presence",
        "expire_arrivals",
        "expire_marks",
        "expire_waiting",
        "expire_sightings",
    }
    process = {
        "sighting_moment",
        "upkeep_turn",
        "take_time",
        "allow_redaction",
        "gateway_transactions",
        "seconds_to_next_privacy_job",
        "feed_held_up",
    }
    server = {"server_incarnation", "server_remember", "server_standing", "server_session"}
    elsewhere = {"role_elsewhere", "writable_elsewhere"}
    assert free <= {"workspace_by_key", "ensure_workspace"} | upkeep | process | server | elsewhere


async def test_what_is_asked_again_only_reads(dsn: str) -> None:
    """A statement that is repeated when its connection is lost changes nothing: no word of a change, and no function of ours that may make one."""
    connection = await connect(dsn)
    rows = await connection.fetch("SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND provolatile = 'v'")
    volatile = re.compile(rf"\b({'|'.join(row['proname'] for row in rows)})\(")
    reads = {name for name, sql in SQL.items() if _only_reads(sql)}
    await connection.close()

    assert {name for name in reads if volatile.search(SQL[name])} == set()
    assert {"profiles_by_id", "read_changes", "stream_heads", "server_standing"} <= reads
    assert not {"insert_profiles", "append_changes", "view_profile", "ensure_partitions", "upkeep_turn"} & reads


async def test_sessions_remember_the_incarnation(dsn: str) -> None:
    """A session of either pool remembers what the function `incarnation` reads anew; one outside the pools remembers nothing."""
    told = "SELECT decode(nullif(current_setting('gateway.incarnation', true), ''), 'hex') = incarnation()"
    database = await Database.open(dsn, size=2, delivery_size=1)
    remembered = [await database.fetchval(told, delivery=delivery) for delivery in (False, True)]
    await database.close()
    connection = await connect(dsn)
    outside = await connection.fetchval(told)
    await connection.close()

    assert (remembered, outside) == ([True, True], None)
