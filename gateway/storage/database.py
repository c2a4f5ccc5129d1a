"""Postgres: two pools, transactions, and the one seam where a driver's error becomes ours.

Owns connections and their hygiene: prepared statements are kept (2.0–2.8× faster), a connection carries no session state and therefore needs
no reset (164 µs per acquire), every wait has an end. Must not know a table. Called by sources, live and commands.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any

import asyncpg
import orjson

from gateway.errors import BadUserInput, Overloaded, SourceTimeout, SourceUnavailable

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

    Connection = PoolConnectionProxy[asyncpg.Record]
else:
    Connection = Any

__all__ = ["Connection", "Database", "columns", "connect", "our_errors"]

_SESSION = {
    "application_name": "profile-gateway",
    "timezone": "UTC",
    "jit": "off",
    "statement_timeout": "5000",
    "lock_timeout": "2000",
    "idle_in_transaction_session_timeout": "10000",
    "default_transaction_isolation": "read committed",
}
"""A stuck client must never hold a stream's head row: every wait inside Postgres ends by itself (milliseconds)."""

_LOST = re.compile(r"connection|pool|closed|terminated", re.IGNORECASE)
"""In the words of asyncpg's InterfaceError: the connection went away. It has the same class for a wrong number of arguments."""

_MINIMUM_VERSION = 150000
_COMMAND_TIMEOUT = 10.0
_ACQUIRE_TIMEOUT = 1.0


class _StatelessConnection(asyncpg.Connection):  # generic in the stubs only, so without a parameter
    """A connection that leaves no session state behind, so that giving it back costs no round trip.

    Settings are transaction-local, LISTEN has its own connection, advisory locks are of the transaction kind. asyncpg still rolls back a
    transaction left open.
    """

    def get_reset_query(self) -> str:
        return ""


async def _prepare_connection(connection: Any) -> None:
    # jsonb travels in the binary format (a version byte, then the text) so that orjson sees the bytes without a detour through str
    await connection.set_type_codec(
        "jsonb",
        schema="pg_catalog",
        format="binary",
        encoder=lambda value: b"\x01" + orjson.dumps(value),
        decoder=lambda data: orjson.loads(memoryview(data)[1:]),
    )


async def connect(dsn: str, **options: Any) -> asyncpg.Connection[asyncpg.Record]:
    """One connection outside the pools, with the same session settings: for migrations, LISTEN and bulk loads."""
    connection: asyncpg.Connection[asyncpg.Record] = await asyncpg.connect(
        dsn, timeout=5, server_settings={**_SESSION, **options.pop("server_settings", {})}, **options
    )
    await _prepare_connection(connection)
    return connection


@contextmanager
def our_errors() -> Iterator[None]:
    """Turn what the driver raises into the gateway's errors; the original stays in `__cause__`.

    Raises:
        BadUserInput: a value Postgres cannot store (NUL, lone surrogate, out of range).
        SourceTimeout: a statement or a lock took too long.
        Overloaded: no connection could be had, or the server is going down or coming up.
        SourceUnavailable: anything else the server refuses to do.
    """
    try:
        yield
    except (asyncpg.DataError, UnicodeEncodeError, OverflowError) as error:
        raise BadUserInput("A value has characters or a size that cannot be stored.") from error
    except (asyncpg.QueryCanceledError, asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError) as error:
        raise SourceTimeout("native", "The database took too long; nothing was changed.") from error
    except TimeoutError as error:
        raise Overloaded from error
    except (
        asyncpg.CannotConnectNowError,
        asyncpg.TooManyConnectionsError,
        asyncpg.ConnectionDoesNotExistError,
        asyncpg.AdminShutdownError,
        asyncpg.CrashShutdownError,
        asyncpg.InterfaceError,
        OSError,
    ) as error:
        if isinstance(error, asyncpg.InterfaceError):
            if "invalid input" in str(error):
                raise BadUserInput("A value has characters or a size that cannot be stored.") from error
            if not _LOST.search(str(error)):
                raise  # we misused the driver: a bug, and no retry mends it
        raise Overloaded("The database cannot be reached right now; try again in a moment.") from error
    except (asyncpg.ReadOnlySQLTransactionError, asyncpg.DiskFullError, asyncpg.InsufficientResourcesError) as error:
        raise SourceUnavailable("native", "The database accepts no changes right now.") from error


class Database:
    """The pools of one process: `requests` for queries and commands, `delivery` kept apart so that slow requests never delay live events."""

    def __init__(self, dsn: str, requests: asyncpg.Pool[asyncpg.Record], delivery: asyncpg.Pool[asyncpg.Record]) -> None:
        self.dsn = dsn
        self._requests = requests
        self._delivery = delivery

    @classmethod
    async def open(cls, dsn: str, *, size: int = 10, delivery_size: int = 4) -> Database:
        """Connect both pools.

        Raises:
            Overloaded: the server cannot be reached.
            SourceUnavailable: it is older than Postgres 15.
        """
        with our_errors():
            pools = [
                await asyncpg.create_pool(
                    dsn,
                    min_size=min(2, count),
                    max_size=count,
                    command_timeout=_COMMAND_TIMEOUT,
                    timeout=5,
                    init=_prepare_connection,
                    connection_class=_StatelessConnection,
                    server_settings=_SESSION,
                    max_inactive_connection_lifetime=300,
                )
                for count in (size, delivery_size)
            ]
        database = cls(dsn, *pools)
        version = int(await database.fetchval("SELECT current_setting('server_version_num')"))
        if version < _MINIMUM_VERSION:
            await database.close()
            raise SourceUnavailable("native", f"Postgres 15 or newer is needed; the server is {version // 10000}.")
        return database

    async def close(self) -> None:
        """Close both pools; connections still busy after two seconds are cut."""
        for pool in (self._requests, self._delivery):
            try:
                async with asyncio.timeout(2):
                    await pool.close()
            except TimeoutError:
                pool.terminate()

    async def fetch(self, sql: str, *args: object, delivery: bool = False) -> list[asyncpg.Record]:
        """All rows of one statement."""
        with our_errors():
            async with self._pool(delivery).acquire(timeout=_ACQUIRE_TIMEOUT) as connection:
                return await connection.fetch(sql, *args)

    async def fetchrow(self, sql: str, *args: object, delivery: bool = False) -> asyncpg.Record | None:
        """The first row of one statement."""
        with our_errors():
            async with self._pool(delivery).acquire(timeout=_ACQUIRE_TIMEOUT) as connection:
                return await connection.fetchrow(sql, *args)

    async def fetchval(self, sql: str, *args: object, delivery: bool = False) -> Any:
        """The first column of the first row."""
        row = await self.fetchrow(sql, *args, delivery=delivery)
        return None if row is None else row[0]

    async def execute(self, sql: str, *args: object, delivery: bool = False) -> str:
        """The command tag of one statement."""
        with our_errors():
            async with self._pool(delivery).acquire(timeout=_ACQUIRE_TIMEOUT) as connection:
                return await connection.execute(sql, *args)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """One READ COMMITTED transaction: committed when the block ends, rolled back when it raises."""
        with our_errors():
            async with self._requests.acquire(timeout=_ACQUIRE_TIMEOUT) as connection, connection.transaction():
                yield connection

    async def incarnation(self) -> tuple[int, int]:
        """System identifier and timeline of the cluster: the pair changes on failover and on restore, and a position from before is void."""
        row = await self.fetchrow(
            "SELECT system_identifier, (SELECT timeline_id FROM pg_control_checkpoint()) FROM pg_control_system()", delivery=True
        )
        assert row is not None
        return row[0], row[1]

    def _pool(self, delivery: bool) -> asyncpg.Pool[asyncpg.Record]:
        return self._delivery if delivery else self._requests


def columns(rows: Sequence[Sequence[Any]]) -> list[list[Any]]:
    """Rows as columns, for `unnest($1::…[], $2::…[])`: one statement however many rows."""
    return [list(column) for column in zip(*rows, strict=True)]
