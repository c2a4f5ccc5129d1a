"""`profile-gateway seed`: many made-up profiles, for load and for a look at a full database.

Owns the run: who may be added, COPY in portions while the next one is being made, and what is told meanwhile. The people are
`sample.crowd`. Each portion is one transaction, so a run that is interrupted leaves whole profiles, and `--append` goes on behind the
last.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final
from uuid import UUID

import typer

from gateway.errors import ConfigurationError, GatewayError

if TYPE_CHECKING:
    from gateway.cli.sample.crowd import Portion
    from gateway.storage.database import Database

__all__ = ["Seeding", "seed", "seeded_so_far"]

_AT_ONCE: Final = 100
"""Profiles of one transaction."""
_WRITERS: Final = 2
"""Portions on their way: while Postgres stores one, the next is made."""
_LINES: Final = 10
"""Progress lines where no terminal is."""

_SEEDED: Final = r"""
SELECT count(*), coalesce(max(substr(value, 6)::bigint), 0) FROM lookup
 WHERE workspace_id = $1 AND key = 'user_id' AND value ~ '^seed-[0-9]{1,12}$'"""
_ANALYZE: Final = "ANALYZE profile, stream_head, contact_point, identifier, lookup, trait, note, membership, activity"
_BULK: Final = {"statement_timeout": "0", "lock_timeout": "0", "idle_in_transaction_session_timeout": "60000"}


def seed(
    *,
    profiles: Annotated[int, typer.Option(min=1, max=10_000_000, help="How many profiles.")] = 1000,
    workspace: Annotated[str, typer.Option(help="Key of the workspace; made if there is none.")] = "demo",
    data_dir: Annotated[Path | None, typer.Option(help="Data directory of the gateway.", show_default=".gateway")] = None,
    traits: Annotated[int, typer.Option(min=0, max=500, help="Traits of each profile.")] = 40,
    notes: Annotated[int, typer.Option(min=0, max=1000, help="Notes of each profile.")] = 10,
    activities: Annotated[int, typer.Option(min=0, max=10_000, help="Timeline items of each profile.")] = 100,
    number: Annotated[int, typer.Option("--seed", help="The same number makes the same people.")] = 1,
    append: Annotated[bool, typer.Option("--append", help="Add to the profiles of an earlier run.")] = False,
) -> None:
    """Fill a workspace with made-up profiles."""
    from gateway.cli.runtime import open_database, read_settings
    from gateway.cli.sample.crowd import Portion

    settings = read_settings(data_dir=data_dir)

    async def run() -> None:
        from gateway.auth.workspaces import Workspaces

        async with open_database(settings, data_dir_given=data_dir is not None) as (database, _):
            workspace_id = await Workspaces(database).ensure(workspace, workspace)
            known, last = await seeded_so_far(database, workspace_id)
            if known and not append:
                raise ConfigurationError(
                    f"The workspace {workspace} has {known} seeded profiles already; add more with --append, or choose another --workspace."
                )
            seeding = Seeding(database, workspace_id, number, Portion(traits, notes, activities))
            began = time.monotonic()
            with _progress(profiles) as advance:
                rows = await seeding.run(range(last + 1, last + 1 + profiles), advance)
            typer.echo(f"Seeded {profiles} profiles ({rows} rows) into {workspace} in {time.monotonic() - began:.1f} s.")

    asyncio.run(run())


async def seeded_so_far(database: Database, workspace: UUID) -> tuple[int, int]:
    """How many profiles of a workspace came from here, and the highest of their numbers (0 when there are none)."""
    row = await database.fetchrow(_SEEDED, workspace)
    assert row is not None
    return row[0], row[1]


class Seeding:
    """One run. `until`: the end of everybody's history, by default midnight in UTC; equal arguments make equal rows."""

    def __init__(self, database: Database, workspace: UUID, seed: int, portion: Portion, until: datetime | None = None) -> None:
        self._database = database
        self._workspace = workspace
        self._seed = seed
        self._portion = portion
        self._until = until or datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)

    async def run(self, numbers: range, advance: Callable[[int], None] = lambda _: None) -> int:
        """Store the people of these numbers; the number of rows, companies apart. `advance` is told of profiles as they are stored.

        Raises:
            GatewayError: another run is filling the workspace, or the database went away; portions that were stored stay.
        """
        import asyncpg

        from gateway.cli.sample.crowd import Crowd
        from gateway.storage.database import connect, our_errors
        from gateway.storage.queries import SQL

        await self._database.execute(SQL["ensure_partitions"])
        crowd = Crowd(self._seed, self._until, self._portion, await self._companies())
        chunks = (numbers[start : start + _AT_ONCE] for start in range(0, len(numbers), _AT_ONCE))
        written = 0

        async def write() -> None:
            nonlocal written
            connection = await connect(self._database.dsn, server_settings=_BULK)
            try:
                for chunk in chunks:  # each chunk goes to whichever writer is free
                    rows = crowd.make(self._workspace, chunk)
                    with our_errors():
                        await rows.copy_to(connection)
                    written += rows.count
                    advance(len(chunk))
            except asyncpg.UniqueViolationError as error:
                raise GatewayError("Another seed fills this workspace right now; go on with --append when it is done.") from error
            finally:
                await connection.close()

        try:
            async with asyncio.TaskGroup() as writers:
                for _ in range(_WRITERS):
                    writers.create_task(write())
        except BaseExceptionGroup as group:
            raise group.exceptions[0] from None
        await self._analyze()
        return written

    async def _analyze(self) -> None:
        """Tell the planner what the tables have become: until autovacuum does, it would plan for empty ones."""
        from gateway.storage.database import connect

        connection = await connect(self._database.dsn, server_settings=_BULK)
        try:
            await connection.execute(_ANALYZE)
        finally:
            await connection.close()

    async def _companies(self) -> list[UUID]:
        from gateway.cli.sample.crowd import company_rows
        from gateway.storage.database import columns
        from gateway.storage.queries import SQL

        rows = company_rows(self._seed, self._until)
        stored = await self._database.fetch(SQL["upsert_companies"], self._workspace, *columns(rows))
        ids = {row["natural_key"]: row["id"] for row in stored}
        return [ids[row[1]] for row in rows]


@contextmanager
def _progress(total: int) -> Iterator[Callable[[int], None]]:
    """A bar on a terminal, a few lines elsewhere; both on standard error."""
    if sys.stderr.isatty():
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        bar = Progress(
            TextColumn("Seeding"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("profiles"),
            TimeRemainingColumn(),
            console=Console(stderr=True),
        )
        with bar:
            task = bar.add_task("", total=total)
            yield lambda count: bar.advance(task, count)
        return
    done = shown = 0

    def advance(count: int) -> None:
        nonlocal done, shown
        done += count
        if done * _LINES // total > shown:
            shown = done * _LINES // total
            typer.echo(f"Seeded {done} of {total} profiles.", err=True)

    yield advance
