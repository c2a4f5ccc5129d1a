"""Retiring the change log: days that are older than the operator keeps them go, and every reader behind them knows it before they do.

Owns the order in which that happens. First each stream that has entries of the day is told (`stream_head.low`) and so is the workspace's feed, in
small transactions that wait for nobody; then the day's partition is dropped whole. Ended at any moment, or run by two processes at once, it is right,
and done again it goes on. Nobody who writes waits for longer than a fifth of a second. Called hourly by `app`, and by tests.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date
from typing import Final
from uuid import UUID

import structlog

from gateway.errors import SourceTimeout
from gateway.observe import RETENTION_ROWS
from gateway.storage.database import Connection, Database
from gateway.storage.queries import SQL

__all__ = ["retire_changes"]

_PORTION: Final = 200
"""Streams of one transaction."""
_TRIES: Final = 10
"""How often to try again to lower streams that somebody is writing to, and to have the log to ourselves."""
_PAUSE: Final = 1.0
_PATIENCE: Final = 60.0
_FIRST: Final = UUID(int=0)

log = structlog.get_logger()


async def retire_changes(database: Database, days: int, *, portion: int = _PORTION, tries: int = _TRIES, pause: float = _PAUSE) -> int:
    """Retire what is older than whole `days`, by the clock of the database, which also dated it; the days that are gone.

    Less than all of them when another process is at it, or when somebody writes or reads all the time: an hour later is early enough.
    """
    gone = 0
    for row in await database.fetch(SQL["change_days_before"], days, delivery=True):
        for turn in range(tries):
            if turn:
                await asyncio.sleep(pause)
            try:
                if not await _lower(database, row["day"], portion):
                    continue
                dropped = await _drop(database, row["day"])
            except _NotOurTurn:
                return gone
            except SourceTimeout:
                continue  # the log could not be had
            gone += dropped
            RETENTION_ROWS.labels("change_log_days").inc(dropped)
            break
        else:
            log.warning("change_log.not_retired", day=row["day"].isoformat())
            break  # a later day must not go before an earlier one
    return gone


class _NotOurTurn(Exception):
    """Another process is at it."""


async def _lower(database: Database, day: date, portion: int) -> bool:
    """Tell every stream and feed with entries of this day; whether all of them know it now."""
    workspace = stream = _FIRST
    complete = True
    while True:
        async with _turn(database) as connection:
            await connection.execute(SQL["take_time"])
            row = await connection.fetchrow(SQL["lower_streams"], day, workspace, stream, portion, timeout=_PATIENCE)
        assert row is not None
        complete = complete and row["passed_over"] == 0
        if row["seen"] < portion:
            return complete
        workspace, stream = row["workspace_id"], row["stream_id"]


async def _drop(database: Database, day: date) -> bool:
    """Drop the day; False when it was gone.

    Raises:
        SourceTimeout: somebody reads or writes the log.
    """
    async with _turn(database) as connection:
        dropped: bool = await connection.fetchval(SQL["retire_changes"], day)
    return dropped


@asynccontextmanager
async def _turn(database: Database) -> AsyncIterator[Connection]:
    """A transaction during which no other process retires anything."""
    async with database.transaction() as connection:
        if not await connection.fetchval(SQL["change_log_turn"]):
            raise _NotOurTurn
        yield connection
