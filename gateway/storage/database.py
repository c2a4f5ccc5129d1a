"""Postgres: two pools, statements and transactions, and an end to every wait.

Owns who gets a connection, for how long, and what is asked again when one is lost: what only reads, twice at most; a transaction never (its caller
knows whether it may run twice). Prepared statements are kept (2.0–2.8× faster); a connection carries no session state that a request could change
and therefore needs no reset (164 µs per acquire). Must not know a table. Called by sources, live and commands.

A cancelled or timed-out statement is asked to end, and after half a second its connection is given up: asyncpg waits for the server's word, and a
server that is frozen has none.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, TypeVar

import asyncpg

from gateway.errors import GatewayError, OutcomeUnknown, Overloaded, SourceUnavailable
from gateway.storage.connections import SESSION, Connector, StatelessConnection, connect
from gateway.storage.failures import UNREACHABLE, lost, our_errors, server_errors
from gateway.storage.queries import SQL

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

    Connection = PoolConnectionProxy[asyncpg.Record]
    Pool = asyncpg.Pool[asyncpg.Record]
else:
    Connection = Pool = Any

__all__ = ["DELIVERING", "Connection", "Database", "Limits", "Standing", "columns", "connect", "our_errors"]

DELIVERING: Final[ContextVar[bool]] = ContextVar("delivering", default=False)
"""Set where live events are rendered: what they read goes over the delivery's connections while slow requests hold all the others."""

_MINIMUM_VERSION: Final = 15
_RETRIES: Final = 2
_PAUSE: Final = (0.05, 0.15)
"""Seconds before a statement is asked again, at least and at most; the second time twice as long."""
_WRITES: Final = re.compile(
    r"\b(insert|update|delete|truncate|merge\s+into|notify|pg_notify|set_config|nextval|advisory|call|"
    r"ensure_\w+|retire_\w+|forget_\w+)\b|pg_(try_)?advisory",
    re.IGNORECASE,
)
"""Words of a statement that may change something; a comment with one of them costs a retry and nothing else."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds. With a frozen server a request ends after `statement + farewell`; a slow statement ends there too, before Postgres's own 5."""

    acquire: float = 1.0
    """Waiting for a connection of the pool, or for a new one."""
    statement: float = 4.0
    """Waiting for an answer."""
    farewell: float = 0.5
    """Waiting for the server's word that a cancelled statement ended, or that a transaction was rolled back."""
    close: float = 2.0
    """Waiting at the end for connections that are still busy."""


@dataclass(frozen=True, slots=True)
class Standing:
    """Whether the server takes changes, and its settings that make a crash lose what was committed."""

    is_writable: bool
    risks: tuple[str, ...]


class Database:
    """The pools of one process: `requests` for queries and commands, `delivery` kept apart so that slow requests never delay live events."""

    def __init__(self, dsn: str, requests: Pool, delivery: Pool, limits: Limits) -> None:
        self.dsn = dsn
        self._requests = requests
        self._delivery = delivery
        self._limits = limits

    @classmethod
    async def open(cls, dsn: str, *, size: int = 10, delivery_size: int = 4, limits: Limits | None = None) -> Database:
        """Connect both pools, with two connections each; the others come when they are needed, and go after five idle minutes.

        Raises:
            ConfigurationError: the server turns us away.
            Overloaded: it cannot be reached, or has no room.
            SourceUnavailable: it is older than Postgres 15.
        """
        limits = limits or Limits()
        pools: list[Pool] = []
        try:
            with server_errors():
                for count in (size, delivery_size):
                    pools.append(await _pool(dsn, count, limits))  # noqa: PERF401  # those already open are closed if the next fails
                async with pools[0].acquire(timeout=limits.acquire) as connection:
                    version = connection.get_server_version().major
        except BaseException:
            for pool in pools:
                pool.terminate()
            raise
        database = cls(dsn, pools[0], pools[1], limits)
        if version < _MINIMUM_VERSION:
            await database.close()
            raise SourceUnavailable("native", f"Postgres {_MINIMUM_VERSION} or newer is needed; the server is {version}.")
        return database

    async def close(self) -> None:
        """Close both pools; connections still busy after two seconds are cut."""
        await asyncio.gather(*(self._close(pool) for pool in (self._requests, self._delivery)))

    async def fetch(self, sql: str, *args: object, delivery: bool = False) -> list[asyncpg.Record]:
        """All rows of one statement."""
        return await self._ask(sql, lambda connection: connection.fetch(sql, *args), delivery)

    async def fetchrow(self, sql: str, *args: object, delivery: bool = False) -> asyncpg.Record | None:
        """The first row of one statement."""
        return await self._ask(sql, lambda connection: connection.fetchrow(sql, *args), delivery)

    async def fetchval(self, sql: str, *args: object, delivery: bool = False) -> Any:
        """The first column of the first row."""
        row = await self.fetchrow(sql, *args, delivery=delivery)
        return None if row is None else row[0]

    async def execute(self, sql: str, *args: object, delivery: bool = False) -> str:
        """The command tag of one statement."""
        return await self._ask(sql, lambda connection: connection.execute(sql, *args), delivery)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """One READ COMMITTED transaction: committed when the block ends, rolled back when it raises.

        Raises:
            OutcomeUnknown: the connection was lost during the COMMIT. Whatever else is raised, nothing was changed.
        """
        with our_errors():
            async with self._lease(delivery=False) as connection:
                try:
                    await connection.execute("BEGIN")
                    yield connection
                except BaseException:
                    await self._roll_back(connection)
                    raise
                await _commit(connection)

    async def incarnation(self) -> tuple[int, int]:
        """System identifier and timeline of the cluster: the pair changes on failover and on restore, and a position from before is void."""
        row = await self.fetchrow(SQL["server_incarnation"], delivery=True)
        assert row is not None
        return row[0], row[1]

    async def standing(self) -> Standing:
        """How the server stands right now, asked over the connections that slow requests cannot take.

        Raises:
            GatewayError: it does not answer.
        """
        row = await self.fetchrow(SQL["server_standing"], delivery=True)
        assert row is not None
        return Standing(row["writable"], tuple(row["risks"]))

    async def _ask(self, sql: str, call: Callable[[Connection], Awaitable[T]], delivery: bool) -> T:
        """The call's answer; asked again when the connection was lost under a statement that only reads."""
        retries = _RETRIES if _only_reads(sql) else 0
        for attempt in range(retries + 1):
            try:
                with our_errors():
                    return await self._answer(call, delivery)
            except Overloaded as error:
                if attempt == retries or not lost(error.__cause__):
                    raise
            await asyncio.sleep(random.uniform(*_PAUSE) * (attempt + 1))  # noqa: S311  # jitter, not a secret
        raise AssertionError("unreachable")

    async def _answer(self, call: Callable[[Connection], Awaitable[T]], delivery: bool) -> T:
        """The call's answer over a connection that is at hand: nothing is waited for, so neither taking it nor giving it back takes a deadline
        and a task, which are half of what a short statement costs. Where none is at hand, or the call fails, as everywhere else.
        """
        pool = self._pool_for(delivery)
        if not _is_at_hand(pool):
            async with self._lease(delivery) as connection:
                return await call(connection)
        connection = await self._taken(pool, None)
        try:
            answer = await call(connection)
        except BaseException as error:
            await self._given_back(pool, connection, error)
            raise
        lent: Any = connection
        if lent._con is not None:  # noqa: SLF001  # one that was lost meanwhile has given itself back
            with contextlib.suppress(Exception):
                await lent._holder.release(self._limits.farewell)  # noqa: SLF001  # `Pool.release` without its task
        return answer

    def _pool_for(self, delivery: bool) -> Pool:
        return self._delivery if delivery or (DELIVERING.get() and _is_exhausted(self._requests)) else self._requests

    @asynccontextmanager
    async def _lease(self, delivery: bool) -> AsyncIterator[Connection]:
        """A connection of a pool. Giving it back takes `farewell` at most and hides no error of the block, a cancellation least of all."""
        pool = self._pool_for(delivery)
        connection = await self._taken(pool, self._limits.acquire)
        failed: BaseException | None = None
        try:
            yield connection
        except BaseException as error:
            failed = error
            raise
        finally:
            await self._given_back(pool, connection, failed)

    async def _taken(self, pool: Pool, seconds: float | None) -> Connection:
        try:
            return await pool.acquire(timeout=seconds)
        except TimeoutError as error:
            raise Overloaded("All connections to the database are busy; try again in a moment.") from error
        except (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError) as error:
            raise Overloaded(UNREACHABLE) from error  # whatever the reason: the log has it, see `Connector`

    async def _given_back(self, pool: Pool, connection: Connection, failed: BaseException | None) -> None:
        if isinstance(failed, asyncpg.InternalClientError):
            _cut(connection)  # the driver has lost its place in the protocol
        with contextlib.suppress(Exception):  # it did not answer and was cut; what the block raised says so
            await pool.release(connection, timeout=self._limits.farewell)

    async def _roll_back(self, connection: Connection) -> None:
        """End a transaction that failed; a server that does not answer to that either learns it from the end of the connection."""
        try:
            if not connection.is_closed():
                await connection.execute("ROLLBACK", timeout=self._limits.farewell)
        except Exception:  # noqa: BLE001  # the error that led here is the one to tell
            _cut(connection)
        except BaseException:
            _cut(connection)
            raise

    async def _close(self, pool: Pool) -> None:
        try:
            async with asyncio.timeout(self._limits.close):
                await pool.close()
        except Exception:  # noqa: BLE001  # the time is over, or a connection broke while it was closed
            pool.terminate()


async def _pool(dsn: str, size: int, limits: Limits) -> Pool:
    connector: Any = Connector()
    pool: Pool = await asyncpg.create_pool(
        dsn,
        init_size=min(2, size),
        min_size=0,
        max_size=size,
        command_timeout=limits.statement,
        connect=connector,
        connection_class=StatelessConnection,
        server_settings=SESSION,
        max_inactive_connection_lifetime=300,
    )
    return pool


async def _commit(connection: Connection) -> None:
    if connection.is_closed():
        raise Overloaded(UNREACHABLE) from asyncpg.ConnectionDoesNotExistError("the connection was lost before the COMMIT")
    try:
        done = await connection.execute("COMMIT")
    except asyncpg.PostgresError as error:
        if not lost(error):
            raise  # a constraint that is checked at the end, say: the server rolled it back
        raise OutcomeUnknown from error
    except (asyncpg.InterfaceError, OSError) as error:  # a timeout is an OSError too
        raise OutcomeUnknown from error
    if done != "COMMIT":  # an error inside was caught and passed over: Postgres then answers ROLLBACK and calls it a success
        raise GatewayError("The transaction had failed before its end; nothing was changed.")


def _is_exhausted(pool: Pool) -> bool:
    return pool.get_idle_size() == 0 and pool.get_size() == pool.get_max_size()


def _is_at_hand(pool: Pool) -> bool:
    """Whether the connection that a pool would give next is there, so that nothing is waited for."""
    waiting: Any = pool._queue._queue  # type: ignore[attr-defined]  # noqa: SLF001  # asyncpg tells how many are idle, not whether the next one is connected
    return bool(waiting) and waiting[-1].is_connected()


def _cut(connection: Connection) -> None:
    with contextlib.suppress(Exception):  # it may have been cut already
        connection.terminate()


@lru_cache(maxsize=1024)
def _only_reads(sql: str) -> bool:
    return _WRITES.search(sql) is None


def columns(rows: Sequence[Sequence[Any]]) -> list[list[Any]]:
    """Rows as columns, for `unnest($1::…[], $2::…[])`: one statement however many rows."""
    return [list(column) for column in zip(*rows, strict=True)]
