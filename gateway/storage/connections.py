"""Connections to Postgres: what each session is told, how its socket notices a dead peer, and how often a refused one is asked for again.

Owns the session settings, the codec of jsonb and the socket's options. Must not know a pool's size or a table. Used by `storage.database` for its
pools, and through `connect` by what needs a connection of its own: migrations, LISTEN, bulk loads.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
from typing import TYPE_CHECKING, Any, Final

import asyncpg
import orjson
import structlog
from asyncpg.connect_utils import SessionAttribute

from gateway.errors import Overloaded
from gateway.storage.failures import UNREACHABLE
from gateway.storage.queries import SQL

if TYPE_CHECKING:
    Plain = asyncpg.Connection[asyncpg.Record]
else:
    Plain = asyncpg.Connection

__all__ = ["SESSION", "Connector", "StatelessConnection", "connect"]

SESSION: Final = {
    "application_name": "profile-gateway",
    "timezone": "UTC",
    "jit": "off",
    "statement_timeout": "5000",
    "lock_timeout": "2000",
    "idle_in_transaction_session_timeout": "10000",
    "default_transaction_isolation": "read committed",
    # the server notices within half a minute, and not after two hours, that a gateway is gone whose machine said no goodbye
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
}
"""A stuck client must never hold a stream's head row: every wait inside Postgres ends by itself (milliseconds)."""

_SOCKET: Final = (("TCP_KEEPIDLE", 4), ("TCP_KEEPINTVL", 2), ("TCP_KEEPCNT", 2), ("TCP_USER_TIMEOUT", 8000))
"""A server whose packets vanish is given up after 8 seconds, whether we wait for an answer or are idle. (Linux; elsewhere as far as it is known.)"""
_CONNECT_SECONDS: Final = 5.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 1.0
_SAY_AGAIN: Final = 60.0
"""Seconds between two log lines of the same cause."""

log = structlog.get_logger()


class StatelessConnection(asyncpg.Connection):  # generic in the stubs only, so without a parameter
    """A connection that leaves no session state behind, so that giving it back costs no round trip.

    Settings are transaction-local, LISTEN has its own connection, advisory locks are of the transaction kind. The one thing a session remembers is
    which incarnation of the server it is connected to, and that is true of all its transactions.
    """

    def get_reset_query(self) -> str:
        return ""


class Connector:
    """Makes the connections of one pool. After a failure the next attempts wait a little, longer each time, and fail meanwhile.

    A server that has no room (53300) or comes up is not asked a hundred times a second, and whoever wants a connection learns at once.
    """

    def __init__(self) -> None:
        self._pause = 0.0
        self._not_before = 0.0
        self._said: dict[str, float] = {}

    async def __call__(self, dsn: str, **options: Any) -> Plain:
        """A connection, ready for use.

        Raises:
            Overloaded: the last attempt failed a moment ago.
        """
        loop = asyncio.get_running_loop()
        if loop.time() < self._not_before:
            raise Overloaded(UNREACHABLE)
        try:
            connection = await _open(dsn, remember=True, **options)
        except Exception as error:
            self._pause = min(max(self._pause * 2, _FIRST_PAUSE), _LONGEST_PAUSE)
            self._not_before = loop.time() + self._pause * random.uniform(0.5, 1)  # noqa: S311  # jitter, not a secret
            self._say(type(error).__name__, loop.time())
            raise
        if self._said:
            log.info("database.back")
            self._said.clear()
        self._pause = self._not_before = 0.0
        return connection

    def _say(self, error: str, now: float) -> None:
        if now - self._said.get(error, -_SAY_AGAIN) >= _SAY_AGAIN:
            self._said[error] = now
            log.warning("database.unreachable", error=error)


async def connect(dsn: str, **options: Any) -> Plain:
    """One connection outside the pools, with the same session settings: for migrations, LISTEN and bulk loads.

    `codecs=False` leaves jsonb as text, and asks the server nothing; other options are asyncpg's.
    """
    settings = {**SESSION, **options.pop("server_settings", {})}
    return await _open(dsn, server_settings=settings, **options)


async def _open(dsn: str, *, codecs: bool = True, remember: bool = False, **options: Any) -> Plain:
    """Connect to the primary, and to nobody else: behind a failover the address of a standby may be in the URL too.

    `remember`: the session remembers the server's incarnation, which cannot change under a session that began on a primary.
    """
    connection: Plain = await asyncpg.connect(dsn, timeout=_CONNECT_SECONDS, target_session_attrs=SessionAttribute.primary, **options)
    try:
        _watch(connection)
        if codecs:
            # jsonb travels in the binary format (a version byte, then the text) so that orjson sees the bytes without a detour through str
            await connection.set_type_codec(
                "jsonb",
                schema="pg_catalog",
                format="binary",
                encoder=lambda value: b"\x01" + orjson.dumps(value),
                decoder=lambda data: orjson.loads(data[1:]),
            )
        if remember:
            await connection.execute(SQL["server_remember"])
    except BaseException:
        connection.terminate()  # at once: whoever waits for it has given up, or will not get it
        raise
    return connection


def _watch(connection: Plain) -> None:
    """Let the kernel notice a peer that is gone. asyncpg has settings for the server's side of the connection only."""
    found = connection._transport.get_extra_info("socket")  # type: ignore[attr-defined]  # noqa: SLF001  # its one way to the socket
    if found is None or found.family == socket.AF_UNIX:
        return
    with contextlib.suppress(OSError):
        found.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in _SOCKET:
            if hasattr(socket, name):
                found.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
