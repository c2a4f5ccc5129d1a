"""What the driver raises, in the gateway's words: for clients (`our_errors`) and for whoever starts a process (`server_errors`).

Owns the two seams at which an error of asyncpg becomes ours, and which of them mean that the connection was lost. Must not hold a value or a
password: the original stays in `__cause__`. Used by `storage.database`, by commands of the command line and by whoever uses `connect` directly.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import asyncpg

from gateway.errors import BadUserInput, ConfigurationError, GatewayError, Overloaded, SourceTimeout, SourceUnavailable

__all__ = ["DIRECT", "STANDBY", "UNREACHABLE", "lost", "our_errors", "server_errors"]

UNREACHABLE: Final = "The database cannot be reached right now; try again in a moment."
DIRECT: Final = (
    "GATEWAY_DATABASE_URL leads through a pooler that does not keep a session together (PgBouncer, least of all in transaction mode): LISTEN, "
    "prepared statements and session settings do not work there. Give the server's own address: the gateway pools by itself."
)
STANDBY: Final = (
    "GATEWAY_DATABASE_URL leads to a standby, which takes no changes: give the primary's address, or those of all (host1,host2)."
)

_NOBODY: Final = "The database cannot be reached{}; check GATEWAY_DATABASE_URL and that the server runs."
_LOST_WORDS: Final = re.compile(r"connection|pool|closed|terminated", re.IGNORECASE)
"""In the words of asyncpg's InterfaceError: the connection went away. It has the same class for a wrong number of arguments."""
_LAST_WORDS: Final = "cannot switch to state"
"""What asyncpg says when it is used between the server's last message to an idle connection (it is shut down, say) and the connection's end."""
_UNSTORABLE: Final = "A value has characters or a size that cannot be stored."
_NO_CHANGES: Final = "The database accepts no changes right now; try again later."
_TOOK_TOO_LONG: Final = frozenset({"40P01", "55P03", "57014"})
"""Deadlock, lock timeout, statement timeout: the statement was undone."""
_REFUSES_CHANGES: Final = frozenset({"25006", "53100"})
"""Read-only, disk full."""
_NOT_THERE: Final = frozenset({"08", "28", "3D", "57"})
"""Classes of errors that speak of the connection: lost, refused, no such database, going down or coming up."""
_OUT_OF_ORDER: Final = frozenset({"53", "58"})
"""Out of memory or connections; files it cannot read or write."""
_NOT_FOR_SESSIONS: Final = (asyncpg.ProtocolViolationError, asyncpg.InvalidSQLStatementNameError, asyncpg.DuplicatePreparedStatementError)
"""What a pooler answers to session settings, and one in transaction mode to prepared statements."""


@contextmanager
def our_errors() -> Iterator[None]:
    """Turn what the driver raises into the gateway's errors; the original stays in `__cause__`.

    Raises:
        BadUserInput: a value Postgres cannot store (NUL, lone surrogate, out of range).
        SourceTimeout: a statement or a lock took too long, or nobody answered.
        Overloaded: no connection could be had, it was lost, or the server is going down or coming up.
        SourceUnavailable: the server accepts no changes, or lacks what it needs.
    """
    try:
        yield
    except (asyncpg.DataError, UnicodeEncodeError, OverflowError) as error:
        raise BadUserInput(_UNSTORABLE) from error
    except TimeoutError as error:
        raise SourceTimeout("native", "The database did not answer in time.") from error
    except OSError as error:
        raise Overloaded(UNREACHABLE) from error
    except asyncpg.InterfaceError as error:
        if "invalid input" in str(error):
            raise BadUserInput(_UNSTORABLE) from error
        if not lost(error):
            raise  # we misused the driver: a bug, and no retry mends it
        raise Overloaded(UNREACHABLE) from error
    except asyncpg.InternalClientError as error:
        if not lost(error):
            raise
        raise Overloaded(UNREACHABLE) from error
    except asyncpg.PostgresError as error:
        ours = _from_server(error)
        if ours is None:
            raise
        raise ours from error


def lost(error: BaseException | None) -> bool:
    """Whether this says that the connection is gone or was never there, in a way that a new one may mend at once. No timeout does."""
    if isinstance(error, asyncpg.InterfaceError):
        return bool(_LOST_WORDS.search(str(error)))
    if isinstance(error, asyncpg.InternalClientError):
        return _LAST_WORDS in str(error)
    if isinstance(error, asyncpg.PostgresError):
        state = error.sqlstate or ""
        return state[:2] in {"08", "57"} and state not in _TOOK_TOO_LONG
    return isinstance(error, OSError) and not isinstance(error, TimeoutError)


def _from_server(error: asyncpg.PostgresError) -> GatewayError | None:
    state = error.sqlstate or ""
    if state in _TOOK_TOO_LONG:
        return SourceTimeout("native", "The database took too long; nothing was changed.")
    if state in _REFUSES_CHANGES:
        return SourceUnavailable("native", _NO_CHANGES)
    if state[:2] in _NOT_THERE or state == "25P03":
        return Overloaded(UNREACHABLE)
    if state[:2] in _OUT_OF_ORDER:
        return SourceUnavailable("native", "The database lacks what it needs right now; try again later.")
    return None


@contextmanager
def server_errors() -> Iterator[None]:
    """Turn what can be wrong with a URL, or with the server behind it, into one sentence for the operator, without the password that is in it.

    Raises:
        ConfigurationError: it is not a URL, or the server turns us away.
        Overloaded: nobody answers there, or it has no room now.
    """
    try:
        yield
    except asyncpg.TooManyConnectionsError as error:
        raise Overloaded(
            "Postgres has no connection left. One process of the gateway needs GATEWAY_POOL_SIZE + GATEWAY_DELIVERY_POOL_SIZE + 1: "
            "raise max_connections (or the limit of the role or the database), or make the pools smaller."
        ) from error
    except asyncpg.CannotConnectNowError as error:
        raise Overloaded("Postgres is starting, stopping or recovering; try again when it is done.") from error
    except _NOT_FOR_SESSIONS as error:
        raise ConfigurationError(DIRECT) from error
    except asyncpg.PostgresError as error:
        if lost(error):
            raise Overloaded(_NOBODY.format("")) from error
        raise ConfigurationError(f"Postgres refuses GATEWAY_DATABASE_URL: {error.message or type(error).__name__}.") from error
    except asyncpg.InternalClientError as error:
        if type(error).__name__ != "TargetServerAttributeNotMatched":
            raise
        raise ConfigurationError(STANDBY) from error
    except (asyncpg.InterfaceError, ValueError) as error:
        raise ConfigurationError("GATEWAY_DATABASE_URL is not like postgresql://user:password@host:5432/database.") from error
    except (OSError, TimeoutError) as error:
        reason = f" ({error.strerror})" if isinstance(error, OSError) and error.strerror else ""
        raise Overloaded(_NOBODY.format(reason)) from error
