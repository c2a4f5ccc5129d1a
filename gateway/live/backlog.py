"""How long the workspace feed has been held up, and the alarm when that is too long.

Owns the measure of one process and what is logged. The feed ends at the oldest transaction that still writes, anywhere on the server: one that
was forgotten, or prepared and never ended, stops it for every workspace, and nobody's screen shows that. Must not end anybody's transaction. Run
by `app`.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Final

import structlog

from gateway.errors import GatewayError
from gateway.observe import FEED_HELD_UP
from gateway.storage.database import Database
from gateway.storage.queries import SQL

__all__ = ["FeedWatch"]

_SAY_AGAIN: Final = 600.0
"""Seconds between two log lines while it lasts."""

log = structlog.get_logger()


class FeedWatch:
    """Looks now and then."""

    def __init__(self, database: Database, *, interval: float = 10.0, alarm: float = 30.0) -> None:
        """Seconds: between two looks, and after how many to raise the alarm."""
        self._database = database
        self._interval = interval
        self._alarm = alarm
        self._oldest: int | None = None
        self._seen_at = 0.0
        self._said_at: float | None = None

    async def run(self) -> None:
        """Watch until cancelled."""
        while True:
            with contextlib.suppress(GatewayError):  # whether the database is there is said elsewhere
                await self.look()
            await asyncio.sleep(self._interval)

    async def look(self) -> float:
        """Seconds for which the oldest writing transaction has been running; 0 when there is none, or nothing behind it that could wait."""
        row = await self._database.fetchrow(SQL["feed_held_up"], delivery=True)
        assert row is not None
        now = asyncio.get_running_loop().time()
        if row["xid"] != self._oldest:
            self._oldest, self._seen_at = row["xid"], now
        # What other roles do is not shown to ours without pg_read_all_stats; that the oldest is the same as before, we see ourselves.
        seconds = 0.0 if row["xid"] is None else max(row["seconds"] or 0.0, now - self._seen_at)
        FEED_HELD_UP.set(seconds)
        if seconds <= self._alarm:
            if self._said_at is not None:
                self._said_at = None
                log.info("feed.goes_on")
        elif self._said_at is None or now - self._said_at >= _SAY_AGAIN:
            self._said_at = now
            log.warning("feed.held_up", seconds=round(seconds), transaction=row["xid"], prepared=row["is_prepared"])
        return seconds
