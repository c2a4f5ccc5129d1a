"""`seed` in a real Postgres, read back the way the gateway reads."""

from __future__ import annotations

import asyncio
import os
import pty
import subprocess
import sys
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from typer.testing import CliRunner

from gateway.auth.workspaces import Workspaces
from gateway.cli import app
from gateway.cli.sample.crowd import Portion, user_id
from gateway.cli.seed import Seeding, seeded_so_far
from gateway.errors import GatewayError
from gateway.live.changelog import heads, read
from gateway.model.activity import Interaction, TimelineFilter, TimelinePreset
from gateway.model.change import ChangeKind, StreamKey
from gateway.model.ids import uuid7
from gateway.model.profile import Profile
from gateway.sources.contract import Contacts, LookupKey, NoteWindow, TimelineWindow
from gateway.sources.native import NativeSource
from gateway.sources.registry import BUILT_IN, describer
from gateway.storage.database import Database

__all__: list[str] = []

UNTIL = datetime(2026, 3, 1, tzinfo=UTC)
EVERYTHING = TimelineWindow(1000, filter=TimelineFilter(TimelinePreset.ALL))


async def seeded(database: Database, key: str, profiles: int, portion: Portion | None = None) -> UUID:
    """A workspace of this key with so many people of seed 1."""
    workspace = await Workspaces(database).ensure(key, key)
    await Seeding(database, workspace, 1, portion or Portion(), UNTIL).run(range(1, profiles + 1))
    return workspace


async def test_what_is_seeded_is_what_the_gateway_reads(database: Database) -> None:
    """Fifty profiles come back whole: found by their id, with traits, notes, timeline (the notes on it too), companies and contacts."""
    workspace = await seeded(database, "shop", 50)
    source = NativeSource(database, "native", describer({one.key: one for one in BUILT_IN}))
    found = await source.resolve(workspace, [LookupKey("user_id", user_id(number)) for number in range(1, 51)])
    ids = [one[0] for one in found if not isinstance(one, GatewayError)]
    profiles = await source.profiles(workspace, ids)
    traits = await source.traits(workspace, ids, None)
    notes = await source.notes(workspace, ids, NoteWindow(100))
    items = await source.activities(workspace, ids, EVERYTHING)
    members = await source.memberships(workspace, ids)
    contacts = await source.contacts(workspace, ids)

    assert len(set(ids)) == 50
    assert all(isinstance(profile, Profile) and profile.position.seq == 1 for profile in profiles)
    assert [{len(one) for one in answer} for answer in (traits, notes, items, members)] == [{40}, {10}, {110}, {3}]  # type: ignore[arg-type]
    assert all(isinstance(one, Contacts) and len(one.points) >= 2 and len(one.identifiers) == 2 for one in contacts)
    assert any(isinstance(item, Interaction) and item.wrap_up and item.agent and item.ended_at for item in items[0])  # type: ignore[union-attr]


async def test_streams_of_seeded_profiles_stand_at_one(database: Database) -> None:
    """Each profile's stream has one entry, so that a subscriber can start behind it."""
    workspace = await seeded(database, "shop", 3, Portion(1, 0, 0))
    streams = [StreamKey(workspace, row[0]) for row in await database.fetch("SELECT id FROM profile WHERE workspace_id = $1", workspace)]
    standing = await heads(database, streams)
    stretches = [await read(database, stream, 0, 10) for stream in streams]

    assert [standing[stream].position.seq for stream in streams] == [1, 1, 1]
    assert [[(entry.seq, entry.kind) for entry in found.entries] for found in stretches if found] == [[(1, ChangeKind.PROFILE)]] * 3


@pytest.mark.parametrize("table", ["profile", "contact_point", "identifier", "lookup", "trait", "note", "membership", "activity"])
async def test_a_seed_writes_the_same_rows_again(database: Database, table: str) -> None:
    """Two workspaces filled with the same seed differ in nothing but the workspace and the moment of writing."""
    of: list[list[Any]] = []
    for key in ("one", "two"):
        workspace = await seeded(database, key, 5, Portion(10, 2, 20))
        columns = "to_jsonb(t) - 'workspace_id' - 'received_at'"
        of.append(
            sorted(str(row[0]) for row in await database.fetch(f"SELECT {columns} FROM {table} t WHERE workspace_id = $1", workspace))
        )

    assert of[0] == of[1]
    assert of[0]


async def test_a_portion_that_fails_leaves_nothing(database: Database) -> None:
    """When a row in the middle of a portion cannot be stored, none of it is: no profile is ever half there."""
    workspace = await Workspaces(database).ensure("shop", "Shop")
    await database.execute("INSERT INTO lookup VALUES ($1, 'user_id', $2, $3, true)", workspace, user_id(3), uuid7())

    with pytest.raises(GatewayError):
        await Seeding(database, workspace, 1, Portion(1, 1, 1), UNTIL).run(range(1, 6))
    for table in ("profile", "stream_head", "change_log", "contact_point", "identifier", "trait", "activity"):
        assert await database.fetchval(f"SELECT count(*) FROM {table}") == 0


async def test_two_runs_at_once_do_not_mix(database: Database) -> None:
    """Of two runs that make the same people one ends with a clear refusal; every profile that is there is whole."""
    workspace = await Workspaces(database).ensure("shop", "Shop")
    runs = [Seeding(database, workspace, 1, Portion(5, 1, 5), UNTIL).run(range(1, 201)) for _ in range(2)]
    answers = await asyncio.gather(*runs, return_exceptions=True)
    counts = await database.fetchrow(
        "SELECT (SELECT count(*) FROM profile), (SELECT count(*) FROM trait), (SELECT count(*) FROM activity), (SELECT count(*) FROM stream_head)"
    )

    assert any(isinstance(answer, GatewayError) and "--append" in answer.message for answer in answers)
    assert counts is not None
    assert tuple(counts) == (counts[0], counts[0] * 5, counts[0] * 5, counts[0])


def test_a_second_run_asks_first(dsn: str) -> None:
    """A workspace that was seeded is refused politely; with `--append` the numbers go on, and lines instead of a bar tell of it."""
    arguments = ["seed", "--profiles", "20", "--traits", "2", "--notes", "1", "--activities", "3", "--workspace", "shop"]
    runner, environment = CliRunner(), {"GATEWAY_DATABASE_URL": dsn}
    first = runner.invoke(app, arguments, env=environment)
    second = runner.invoke(app, arguments, env=environment)
    third = runner.invoke(app, [*arguments, "--append"], env=environment)

    async def standing() -> tuple[int, int]:
        database = await Database.open(dsn)
        try:
            return await seeded_so_far(database, await Workspaces(database).by_key("shop"))
        finally:
            await database.close()

    assert first.exit_code == 0
    assert "20 profiles" in first.stdout
    assert "Seeded 20 of 20 profiles." in first.stderr
    assert second.exit_code == 2
    assert "20 seeded profiles" in second.stderr
    assert "--append" in second.stderr
    assert third.exit_code == 0
    assert asyncio.run(standing()) == (40, 40)


def test_a_bar_on_a_terminal(dsn: str) -> None:
    """Where standard error is a terminal, a bar moves there and the summary stays alone on standard output."""
    screen, terminal = pty.openpty()
    environment = {**os.environ, "GATEWAY_DATABASE_URL": dsn, "PYTHONPATH": os.pathsep.join(sys.path), "TERM": "xterm", "COLUMNS": "100"}
    done = subprocess.run(
        [sys.executable, "-m", "gateway.cli", "seed", "--profiles", "7", "--activities", "1"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=terminal,
        timeout=50,
        check=True,
    )
    os.close(terminal)
    shown = os.read(screen, 1 << 16).decode()
    os.close(screen)

    assert "7/7" in shown
    assert "Seeded 7 of 7" not in shown
    assert done.stdout.decode().startswith("Seeded 7 profiles (")
