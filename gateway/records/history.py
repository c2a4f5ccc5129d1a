"""The history of a workspace for a warehouse: what came to its timelines, in the order of the transactions that brought it.

Owns reading a page of references from the change log, and the items they mean as they are now. It ends where `feed` ends, so nothing is ever
inserted before a position that was given out, and a position of one is good for the other. Called by `transport.history`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from gateway.model.change import ChangeKind
from gateway.model.ids import uuid7_span
from gateway.records.feed import FeedPosition, incarnation_of, require_kept
from gateway.storage.database import Database
from gateway.storage.queries import SQL

__all__ = ["HistoryEntry", "HistoryPage", "read_history", "with_items"]

_CHUNK = 500
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SLACK = timedelta(minutes=1)
"""A transaction logs a change up to this long before the change can be read."""
_LAST_STREAM = UUID(int=2**128 - 1)
_LAST_SEQ = 2**63 - 1


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """That something came to a timeline, or went. `item_id` and `source` name the item, for kinds that have one."""

    kind: ChangeKind
    profile_id: UUID
    at: datetime
    item_id: UUID | None
    source: str | None


@dataclass(frozen=True, slots=True)
class HistoryPage:
    """Entries in order, and where the next page begins; an empty page moves on too."""

    entries: Sequence[HistoryEntry]
    position: FeedPosition
    has_more: bool


async def read_history(database: Database, workspace: UUID, after: FeedPosition | None, limit: int) -> HistoryPage:
    """Up to `limit` entries behind `after` (None: from the oldest that is kept).

    Raises:
        CursorInvalid: entries behind `after` may have been retired, or it is of another database.
    """
    start = after or FeedPosition(0, UUID(int=0), 0, _EPOCH, b"")
    rows = await database.fetch(SQL["read_history"], workspace, str(start.xid), start.stream_id, start.seq, limit + 1)
    standing = rows[0]
    require_kept(after, standing)
    incarnation = incarnation_of(standing)
    found = [row for row in rows if row["seq"] is not None]
    kept = [
        HistoryEntry(ChangeKind(row["kind"]), row["stream_id"], row["at"], row["entity_id"], row["entity_source"]) for row in found[:limit]
    ]
    if len(found) > limit:
        last = found[limit - 1]
        at = max(start.at, last["at"] - _SLACK)
        return HistoryPage(kept, FeedPosition(last["xid"], last["stream_id"], last["seq"], at, incarnation), True)
    behind = FeedPosition(max(standing["horizon"] - 1, start.xid), _LAST_STREAM, _LAST_SEQ, max(start.at, _reached(standing)), incarnation)
    return HistoryPage(kept, behind, False)


async def with_items(
    database: Database, workspace: UUID, entries: Sequence[HistoryEntry]
) -> AsyncIterator[tuple[HistoryEntry, Mapping[str, Any] | None]]:
    """Each entry with its item as it is now (a row of `activity`); None where it has none, or none any more."""
    for start in range(0, len(entries), _CHUNK):
        chunk = entries[start : start + _CHUNK]
        wanted = list(dict.fromkeys((one.profile_id, one.item_id) for one in chunk if one.kind is ChangeKind.ACTIVITY and one.item_id))
        spans = [uuid7_span(item_id) for _, item_id in wanted]
        rows = await database.fetch(
            SQL["history_items"],
            workspace,
            [profile_id for profile_id, _ in wanted],
            [item_id for _, item_id in wanted],
            [since for since, _ in spans],
            [until for _, until in spans],
        )
        items: dict[tuple[UUID, UUID | None], Mapping[str, Any]] = {(row["profile_id"], row["id"]): dict(row) for row in rows}
        for entry in chunk:
            yield entry, items.get((entry.profile_id, entry.item_id))


def _reached(standing: Any) -> datetime:
    """The moment up to which everything logged lies behind the end of what can be read; 1970 when that is not known."""
    if standing["horizon"] >= standing["next_xid"]:
        return standing["now"] - _SLACK  # type: ignore[no-any-return]
    since = standing["writing_since"]
    return _EPOCH if since is None else since - _SLACK
