"""Retention: what is older than the operator keeps it goes.

Owns what counts as old, per workspace and kind, and the order: whole months of activities are dropped where nobody keeps them any longer, the
rest goes row by row in portions. One process at a time does it; who finds another at it has nothing to do. Must not touch the change log.
Called hourly by `app`, and by tests.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Final

from gateway.configuration import Configurations
from gateway.errors import SourceTimeout
from gateway.model.activity import TimelineKind
from gateway.model.configuration import Retention
from gateway.observe import RETENTION_ROWS
from gateway.storage.database import Connection, Database
from gateway.storage.queries import SQL

__all__ = ["ACTIVITY_KINDS", "PORTION", "kept_months", "months_before", "remove_old"]

PORTION: Final = 5000
"""Rows of one transaction."""
ACTIVITY_KINDS: Final = (TimelineKind.INTERACTION, TimelineKind.MESSAGE, TimelineKind.EXTERNAL, TimelineKind.WEB, TimelineKind.INTEREST)
"""Kinds of timeline items that are rows of `activity`."""
_PATIENCE: Final = 60.0
_WHOLE_TABLES: Final = {
    "idempotency": ("expire_idempotency", timedelta(days=1)),
    "ingest_message": ("expire_messages", timedelta(days=30)),
    "privacy_file": ("expire_files", timedelta()),
    "presence": ("expire_presence", timedelta()),
    "arrival": ("expire_arrivals", timedelta(days=3)),
    "arrival_mark": ("expire_marks", timedelta(days=3)),
    "arrival_waiting": ("expire_waiting", timedelta(days=3)),
    "source_sighting": ("expire_sightings", timedelta(days=3)),
}


async def remove_old(database: Database, configurations: Configurations, now: datetime) -> Mapping[str, int]:
    """Remove what is old at `now` (aware); rows per table, and whole months under `activity_months`. Empty when another process is at it."""
    counts: Counter[str] = Counter()
    async with database.transaction() as connection:
        rows = await connection.fetch(SQL["all_workspaces"])
    workspaces = [(row["workspace_id"], configurations.of(row["key"]).retention) for row in rows]
    counts["activity_months"] = await _drop_months(database, [retention for _, retention in workspaces], now)
    for workspace, retention in workspaces:
        kinds: dict[int, list[str]] = {}
        for kind in ACTIVITY_KINDS:
            months = kept_months(retention, kind)
            if months is not None:
                kinds.setdefault(months, []).append(kind.value)
        for months, names in kinds.items():
            counts["activity"] += await _portions(database, "expire_activities", workspace, names, months_before(now, months))
        for table, statement, kind in (("note", "expire_notes", TimelineKind.NOTE), ("change", "expire_changes", TimelineKind.CHANGE)):
            months = retention.months(kind)
            if months is not None:
                counts[table] += await _portions(database, statement, workspace, months_before(now, months))
    for table, (statement, age) in _WHOLE_TABLES.items():
        counts[table] += await _portions(database, statement, now - age)
    for table, count in counts.items():
        RETENTION_ROWS.labels(table).inc(count)
    return {table: count for table, count in counts.items() if count}


def kept_months(retention: Retention, kind: TimelineKind) -> int | None:
    """How long items of a kind are kept (None: for ever): a transcript never longer than the conversation it belongs to."""
    months = retention.months(kind)
    if kind is not TimelineKind.MESSAGE:
        return months
    return min((one for one in (months, retention.months(TimelineKind.INTERACTION)) if one is not None), default=None)


def months_before(now: datetime, months: int) -> datetime:
    """The same moment some months earlier; where that month is too short, its last day."""
    year, month = divmod(now.year * 12 + now.month - 1 - months, 12)
    for day in range(now.day, now.day - 4, -1):
        try:
            return now.replace(year=max(year, 1), month=month + 1, day=day)
        except ValueError:
            continue
    raise AssertionError("every month has 28 days")


def _longest(retentions: Iterable[Retention]) -> int | None:
    """After how many months no workspace keeps an activity of any kind; None: some keep them for ever."""
    kept = [kept_months(retention, kind) for retention in retentions for kind in ACTIVITY_KINDS]
    return max((one for one in kept if one is not None), default=None) if None not in kept else None


async def _drop_months(database: Database, retentions: Iterable[Retention], now: datetime) -> int:
    longest = _longest(retentions)
    if longest is None:
        return 0
    try:
        async with database.transaction() as connection:
            if not await _ours(connection):
                return 0
            months: int = await connection.fetchval(SQL["retire_activities"], months_before(now, longest), timeout=_PATIENCE)
            return months
    except SourceTimeout:
        return 0  # somebody reads or writes all the time: an hour later is early enough


async def _portions(database: Database, statement: str, *args: object) -> int:
    """Portion by portion, each a transaction of its own; rows in all."""
    total = 0
    while True:
        async with database.transaction() as connection:
            if not await _ours(connection):
                return total
            gone: int = await connection.fetchval(SQL[statement], *args, PORTION, timeout=_PATIENCE)
        total += gone
        if gone < PORTION:
            return total


async def _ours(connection: Connection) -> bool:
    """Whether this transaction is the one that may; also gives it the time a look through a large table takes."""
    await connection.execute(SQL["take_time"])
    ours: bool = await connection.fetchval(SQL["upkeep_turn"])
    if ours:
        await connection.execute(SQL["allow_redaction"])
    return ours
