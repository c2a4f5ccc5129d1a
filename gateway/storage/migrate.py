"""Migrations: numbered SQL files, applied once, in order, under a lock.

Owns the table `schema_migration` and the order `NNNN_pre_…` / `NNNN_post_…` (before / after the new code runs; procrastinate's naming).
Forward only: a file that was applied must never change (its checksum is kept). Called by `cli.migrate`, `app` in development, and tests.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from importlib.resources import files

import asyncpg

from gateway.errors import ConfigurationError
from gateway.storage.connections import connect
from gateway.storage.direct import require_direct

__all__ = ["Migration", "load", "migrate", "pending", "require_migrated"]

_FILE = re.compile(r"(\d{4})_(pre|post)_(\w+)\.sql")
_LOCK = 0x7067_6D69_6772
_GOODBYE = 2.0
"""Seconds a server may take to say goodbye; what was done was committed before."""
_TABLE = """CREATE TABLE IF NOT EXISTS schema_migration (
    number     integer PRIMARY KEY,
    name       text NOT NULL,
    checksum   bytea NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now())"""


@dataclass(frozen=True, slots=True)
class Migration:
    """One file: its number, its name and its statements."""

    number: int
    name: str
    sql: str

    @property
    def checksum(self) -> bytes:
        """SHA-256 of the statements."""
        return sha256(self.sql.encode()).digest()


def load() -> list[Migration]:
    """Every migration in the package, in order; a file with another name than `0001_pre_words.sql` is a mistake and refused."""
    found: list[Migration] = []
    for file in files("gateway.storage").joinpath("migrations").iterdir():
        match = _FILE.fullmatch(file.name)
        if match:
            found.append(Migration(int(match[1]), file.name.removesuffix(".sql"), file.read_text(encoding="utf-8")))
        elif file.name.endswith(".sql"):
            raise ConfigurationError(f"The migration {file.name} is not named like 0007_pre_add_epoch.sql.")
    found.sort(key=lambda migration: migration.number)
    if [migration.number for migration in found] != list(range(1, len(found) + 1)):
        raise ConfigurationError("The migrations are not numbered 1, 2, 3, … without a hole.")
    return found


async def pending(connection: asyncpg.Connection[asyncpg.Record]) -> list[Migration]:
    """What has not been applied yet.

    Raises:
        ConfigurationError: an applied migration was changed since. (A database newer than this code is none: old code runs on it while the
        new one is rolled out.)
    """
    if await connection.fetchval("SELECT to_regclass('schema_migration')") is None:
        return load()
    applied = {row["number"]: row for row in await connection.fetch("SELECT number, name, checksum FROM schema_migration")}
    for migration in load():
        row = applied.get(migration.number)
        if row is not None and row["checksum"] != migration.checksum:
            raise ConfigurationError(
                f"The migration {migration.name} was changed after it had been applied; restore the file and add a new one instead."
            )
    return [migration for migration in load() if migration.number not in applied]


async def migrate(
    dsn: str, progress: Callable[[Migration], None] = lambda _: None, *, lock_seconds: float = 3.0, attempts: int = 10
) -> list[Migration]:
    """Apply what is pending, each in its own transaction; a second process waits for the first. Returns what was applied.

    Gateways may serve meanwhile: a migration waits `lock_seconds` at most for what others have locked (whoever comes after it waits as long),
    gives way and tries again, `attempts` times. A process that dies in the middle leaves nothing of the one it was at.

    Raises:
        ConfigurationError: an applied migration was changed since, the URL leads through a pooler, or others never let go of a lock.
        asyncpg.PostgresError, OSError, TimeoutError: the server cannot be reached, or refuses; see `failures.server_errors`.
    """
    await require_direct(dsn)
    connection = await connect(dsn, server_settings={"statement_timeout": "0", "lock_timeout": "0"})
    try:
        with contextlib.suppress(asyncpg.PostgresError):  # not on every platform
            # if this process dies, Postgres notices in the middle of a long statement, undoes it and gives the lock back
            await connection.execute("SELECT set_config('client_connection_check_interval', '2000', false)")
        await connection.execute("SELECT pg_advisory_lock($1)", _LOCK)
        await connection.execute(_TABLE)
        applied = await pending(connection)
        for migration in applied:
            progress(migration)
            await _apply(connection, migration, lock_seconds, attempts)
        return applied
    finally:
        with contextlib.suppress(TimeoutError):
            await connection.close(timeout=_GOODBYE)


async def _apply(connection: asyncpg.Connection[asyncpg.Record], migration: Migration, lock_seconds: float, attempts: int) -> None:
    for attempt in range(1, attempts + 1):
        try:
            async with connection.transaction():
                await connection.execute("SELECT set_config('lock_timeout', $1, true)", str(int(lock_seconds * 1000)))
                await connection.execute(migration.sql)
                await connection.execute(
                    "INSERT INTO schema_migration (number, name, checksum) VALUES ($1, $2, $3)",
                    migration.number,
                    migration.name,
                    migration.checksum,
                )
        except (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError) as error:
            if attempt == attempts:
                raise ConfigurationError(
                    f"The migration {migration.name} gave way {attempts} times to others that hold a lock it needs (SELECT * FROM "
                    "pg_stat_activity WHERE xact_start < now() - interval '5 s' names them); nothing of it was applied: run it again."
                ) from error
            await asyncio.sleep(lock_seconds / 3)
        else:
            return


async def require_migrated(dsn: str) -> None:
    """Nothing when the database has every migration of this code.

    Raises:
        ConfigurationError: it lacks some; says which command applies them.
        asyncpg.PostgresError, OSError, TimeoutError: it cannot be reached, or refuses; see `failures.server_errors`.
    """
    connection = await connect(dsn)
    try:
        missing = await pending(connection)
    finally:
        with contextlib.suppress(TimeoutError):
            await connection.close(timeout=_GOODBYE)
    if missing:
        raise ConfigurationError(f"The database lacks {len(missing)} migration(s); run: profile-gateway migrate")
