"""The connections to somebody else's Postgres: a few, read-only, of a role that may do no harm, and ended when whoever asked has gone.

Owns the pool, the examination of the role, the transaction around every read, and what its failures are called. Must not know what is asked.
Called by `sql`.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

import asyncpg
import structlog

from gateway.errors import ConfigurationError, SourceError, SourceTimeout, SourceUnavailable
from gateway.sources.adapters.sql_options import SqlOptions
from gateway.sources.adapters.sql_statements import Statement, prepared
from gateway.storage.connections import StatelessConnection
from gateway.storage.queries import SQL

if TYPE_CHECKING:
    Pool = asyncpg.Pool[asyncpg.Record]
else:
    Pool = Any

__all__ = ["Elsewhere"]

_CONNECT_SECONDS: Final = 2.0
_ACQUIRE_SECONDS: Final = 1.0
_FAREWELL_SECONDS: Final = 0.5
"""For the server's word that a cancelled statement ended."""
_PIECE: Final = 250
"""Rows fetched at a time, so that no more than these are held beyond what is allowed."""
_MOST_BYTES: Final = 8 * 1024 * 1024
"""Of one answer, as of one over HTTP."""
_CANCELLED: Final = frozenset({"57014", "55P03"})
"""A statement or a lock took too long there."""

log = structlog.get_logger()


class Elsewhere:
    """One database elsewhere. Nothing is connected until somebody asks, and what a connection finds wrong is found by the next one anew."""

    def __init__(self, key: str, options: SqlOptions) -> None:
        """`key`: of the source, for logs and errors."""
        self._key = key
        self._options = options
        self._pool: Pool | None = None
        self._statements: dict[str, Statement] | None = None

    async def open(self) -> None:
        """Connect once, if it is there.

        Raises:
            ConfigurationError: the role may do more than read, or a statement cannot be asked.
        """
        milliseconds = str(max(1, round(self._options.statement_timeout * 1000)))
        connect: Any = self._connect
        self._pool = await asyncpg.create_pool(
            "postgresql://",  # each connection gets the address anew: a password may be replaced while we run
            min_size=0,
            max_size=self._options.pool,
            connect=connect,
            connection_class=StatelessConnection,
            max_inactive_connection_lifetime=300,
            server_settings={
                "application_name": f"profile-gateway/{self._key}",
                "default_transaction_read_only": "on",
                "statement_timeout": milliseconds,
                "lock_timeout": milliseconds,
                "idle_in_transaction_session_timeout": "10000",
                "timezone": "UTC",
                "jit": "off",
            },
        )
        try:
            async with asyncio.timeout(_CONNECT_SECONDS), self._lease():
                pass
        except (SourceError, TimeoutError) as error:
            if isinstance(error.__cause__, ConfigurationError):
                raise error.__cause__ from error
            log.warning("sql.away", source=self._key, error=type(error.__cause__ or error).__name__)

    async def close(self) -> None:
        """Cut every connection: a read that still runs has nobody to answer to."""
        if self._pool is not None:
            self._pool.terminate()

    async def version(self) -> str:
        """Of the server.

        Raises:
            SourceError: it does not answer.
        """
        async with self._read() as connection:
            return str(await connection.fetchval("SHOW server_version"))

    async def statement(self, name: str) -> Statement:
        """A statement as the server takes it; connects when nobody has yet.

        Raises:
            SourceError: it cannot be had now.
        """
        if self._statements is None:
            async with self._lease():
                pass
        assert self._statements is not None
        return self._statements[name]

    async def rows(self, sql: str, *args: object) -> list[tuple[str, str | None]]:
        """All rows of a statement, each a pair of texts, in a transaction that cannot write.

        Raises:
            SourceTimeout: the server ended it.
            SourceUnavailable: it failed, or answers more than is allowed.
        """
        found: list[tuple[str, str | None]] = []
        size = 0
        async with self._read() as connection:
            statement = await connection.prepare(sql)
            cursor = await statement.cursor(*args)
            while piece := await cursor.fetch(_PIECE):
                for key, record in piece:
                    size += len(key) + len(record or "")
                    found.append((key, record))
                if len(found) > self._options.max_rows or size > _MOST_BYTES:
                    log.error("sql.too_much", source=self._key, rows=len(found), bytes=size)
                    raise SourceUnavailable(self._key)
                if len(piece) < _PIECE:
                    break
        return found

    @asynccontextmanager
    async def _read(self) -> AsyncIterator[Any]:
        async with self._lease() as connection:
            transaction = connection.transaction(readonly=True)
            try:
                await transaction.start()
                yield connection
            finally:
                # also when the caller was cancelled: asyncpg has asked the server to end the statement, and this waits for its word
                await self._ended(connection, transaction)

    async def _ended(self, connection: Any, transaction: Any) -> None:
        try:
            async with asyncio.timeout(_FAREWELL_SECONDS):
                if not connection.is_closed():
                    await transaction.rollback()
        except Exception:  # noqa: BLE001  # what the block raised is the one to tell
            _cut(connection)
        except BaseException:
            _cut(connection)
            raise

    @asynccontextmanager
    async def _lease(self) -> AsyncIterator[Any]:
        """A connection of the pool; everything that goes wrong meanwhile in the words of a source."""
        assert self._pool is not None, "it is not open"
        try:
            connection = await self._pool.acquire(timeout=_ACQUIRE_SECONDS)
        except TimeoutError as error:
            raise SourceUnavailable(self._key) from error
        except ConfigurationError as error:
            log.error("sql.refused", source=self._key, reason=error.message)  # noqa: TRY400  # the sentence says it all
            raise SourceUnavailable(self._key) from error
        except Exception as error:
            raise SourceUnavailable(self._key) from error
        try:
            yield connection
        except SourceError:
            raise
        except asyncpg.PostgresError as error:
            state = error.sqlstate or ""
            log.warning("sql.failed", source=self._key, state=state)
            raise (SourceTimeout if state in _CANCELLED else SourceUnavailable)(self._key) from error
        except (asyncpg.InterfaceError, asyncpg.InternalClientError, OSError) as error:
            _cut(connection)
            raise (SourceTimeout if isinstance(error, TimeoutError) else SourceUnavailable)(self._key) from error
        finally:
            with contextlib.suppress(Exception):
                await self._pool.release(connection, timeout=_FAREWELL_SECONDS)

    async def _connect(self, *_: Any, **options: Any) -> Any:
        """A connection whose role was examined; the first one has the statements prepared as well."""
        try:
            connection = await asyncpg.connect(self._options.dsn.reveal(), timeout=_CONNECT_SECONDS, **options)
        except (asyncpg.ClientConfigurationError, ValueError) as error:
            raise ConfigurationError("dsn: is not like postgresql://user:password@host:5432/database?sslmode=verify-full") from error
        try:
            await self._examine(connection)
            if self._statements is None:
                self._statements = await prepared(connection, self._options)
        except BaseException:
            connection.terminate()
            raise
        return connection

    async def _examine(self, connection: Any) -> None:
        """Refuse a role that may do more than read.

        Raises:
            ConfigurationError: it may; says what, and what to do.
        """
        role = await connection.fetchrow(SQL["role_elsewhere"])
        if role["powers"]:
            powers: Sequence[str] = role["powers"]
            raise ConfigurationError(
                f"dsn: the role {role['name']} is too powerful ({', '.join(powers)}): make one for the gateway that may only read "
                "(CREATE ROLE … LOGIN; GRANT SELECT …)"
            )
        if self._statements is None:
            writable = [row[0] for row in await connection.fetch(SQL["writable_elsewhere"])]
            if writable:
                raise ConfigurationError(
                    f"dsn: the role {role['name']} may write to {', '.join(writable)}: make one for the gateway that may only read, or REVOKE"
                )


def _cut(connection: Any) -> None:
    with contextlib.suppress(Exception):  # it may have been cut already
        connection.terminate()
