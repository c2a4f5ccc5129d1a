"""Whether a URL leads to a server itself: asked once, before anything is migrated or opened.

Owns the proof that every transaction of a session is served by the same process of Postgres and that the session's settings arrive there. A pooler
that hands out connections per transaction passes every single statement and breaks what the gateway is built on: LISTEN, prepared statements, the
migrations' lock, timeouts. Called by `storage.migrate` and `app`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import asyncpg

from gateway.errors import ConfigurationError
from gateway.storage.connections import SESSION, connect
from gateway.storage.failures import DIRECT
from gateway.storage.queries import SQL

if TYPE_CHECKING:
    Plain = asyncpg.Connection[asyncpg.Record]
else:
    Plain = Any

__all__ = ["require_direct"]

_TIMEOUTS: Final = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout")


async def require_direct(dsn: str, *, patience: float = 5.0) -> None:
    """Nothing when the gateway's sessions are Postgres's own. `patience`: seconds each question may take.

    Two sessions: while the second is in a transaction, the first does others. Behind a pooler per transaction the second is given the process that
    served the first a moment ago, or the first is given another one, or none.

    Raises:
        ConfigurationError: a pooler is in between that gives each transaction another connection, or that drops the session's settings.
        asyncpg.PostgresError, OSError, TimeoutError: the server cannot be asked; see `failures.server_errors`.
    """
    ours = other = None
    try:
        ours = await connect(dsn, codecs=False, statement_cache_size=0, command_timeout=patience)
        first = await _session(ours)
        other = await connect(dsn, codecs=False, statement_cache_size=0, command_timeout=patience)
        async with other.transaction():
            beside = await other.fetchrow(SQL["server_session"])
            again = [await _session(ours) for _ in range(2)]
    except (asyncpg.ProtocolViolationError, asyncpg.InvalidSQLStatementNameError, asyncpg.DuplicatePreparedStatementError) as error:
        raise ConfigurationError(DIRECT) from error
    except TimeoutError as error:
        if other is None:
            raise
        raise ConfigurationError(DIRECT) from error  # it has one connection, and we hold it
    finally:
        for connection in (ours, other):
            if connection is not None:
                connection.terminate()
    pids = {row["pid"] for row in (first, *again)}
    if len(pids) > 1 or beside is None or beside["pid"] in pids:
        raise ConfigurationError(DIRECT)
    dropped = [name for name in _TIMEOUTS if _milliseconds(first[name]) != SESSION[name]]
    if dropped:
        raise ConfigurationError(
            f"Between the gateway and Postgres something drops the settings of its sessions ({', '.join(dropped)}): give the server's own "
            "address as GATEWAY_DATABASE_URL, or let the pooler pass them on."
        )


async def _session(connection: Plain) -> asyncpg.Record:
    async with connection.transaction():  # or a pooler would part the preparation of the statement from its execution
        row = await connection.fetchrow(SQL["server_session"])
    assert row is not None
    return row


def _milliseconds(shown: str) -> str:
    """`5s` as Postgres shows it, in the unit of `SESSION`."""
    number = shown.removesuffix("ms") if shown.endswith("ms") else f"{shown.removesuffix('s')}000"
    return number if number.isdecimal() else shown
