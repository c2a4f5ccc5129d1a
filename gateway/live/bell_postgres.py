"""The Postgres backend of the bell: one LISTEN connection, publishing through the pool.

Owns that connection. The package's own backend publishes and listens on one connection and fails as soon as two callers meet; this one cannot.
A lost connection is told as the message LOST, upon which `live.bus` builds a new backend. Called by `live.bus` alone.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import asyncpg
from broadcaster import BroadcastBackend, Event

from gateway.live.bus import CHANNEL, EVERYTHING, LOST
from gateway.storage.database import Database, connect

__all__ = ["PostgresBell"]

_QUEUE = 1000


class PostgresBell(BroadcastBackend):
    """LISTEN on its own connection; NOTIFY, one autocommit statement per message, from the delivery pool."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._connection: asyncpg.Connection[asyncpg.Record] | None = None
        self._heard: asyncio.Queue[Event] = asyncio.Queue(_QUEUE)

    async def connect(self) -> None:
        """Open the listening connection."""
        self._connection = await connect(self._database.dsn, server_settings={"application_name": "profile-gateway bell"})
        self._connection.add_termination_listener(self._terminated)

    async def disconnect(self) -> None:
        """Close it, without waiting for a server that does not answer."""
        if self._connection is not None:
            self._connection.remove_termination_listener(self._terminated)
            with contextlib.suppress(Exception):
                await self._connection.close(timeout=1)

    async def subscribe(self, group: str) -> None:
        """LISTEN on the channel; called once."""
        assert self._connection is not None
        await self._connection.add_listener(group, self._hear)

    async def unsubscribe(self, group: str) -> None:
        """Nothing: the connection is closed as a whole."""

    async def publish(self, channel: str, message: Any) -> None:
        """NOTIFY outside any business transaction: inside one it would serialise all commits (7 317 → 1 789 per second)."""
        await self._database.execute("SELECT pg_notify($1, $2)", channel, message, delivery=True)

    async def next_published(self) -> Event:
        """The next message."""
        return await self._heard.get()

    def _hear(self, _connection: object, _pid: int, channel: str, payload: object) -> None:
        if self._heard.qsize() >= _QUEUE - 2:
            return  # the reader is hopelessly behind: one EVERYTHING stands at the end of the queue for all that follows
        full = self._heard.qsize() == _QUEUE - 3
        self._heard.put_nowait(Event(channel, EVERYTHING if full else str(payload)))

    def _terminated(self, _connection: object) -> None:
        with contextlib.suppress(asyncio.QueueFull):
            self._heard.put_nowait(Event(CHANNEL, LOST))
