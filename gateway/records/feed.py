"""The workspace feed: every change of every profile, in the order of transactions, for whoever copies the workspace elsewhere.

Owns reading a page of it, what its cursor holds, and how far it lags. It ends at the oldest transaction that still writes: whatever commits later
stands later in its order, so that nothing is ever inserted before a position that was given out. Must not be used for agents' screens: one long
transaction anywhere in the database holds it back. Called by `resolvers.queries.feed` and by exports.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import Any
from uuid import UUID, uuid5

from gateway.errors import CursorInvalid
from gateway.model.actor import Actor, ActorKind
from gateway.model.audit import ChangeAction, ChangeRecord, FieldChange
from gateway.model.change import ChangeKind
from gateway.model.sealed import Sealer
from gateway.storage.database import Database
from gateway.storage.queries import SQL

__all__ = ["FeedPage", "FeedPosition", "current_position", "open_position", "read_feed", "seal_position"]

_PAYLOAD = struct.Struct(">16sQ16sQq")
_LAST_STREAM = UUID(int=2**128 - 1)
_LAST_SEQ = 2**63 - 1
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_SLACK = timedelta(minutes=1)
"""A transaction logs a change up to this long before the change can be read."""


@dataclass(frozen=True, slots=True)
class FeedPosition:
    """A place in the feed: behind this transaction, stream and number. `at`: everything logged before this moment lies behind us; 1970 when
    that is not known.
    """

    xid: int
    stream_id: UUID
    seq: int
    at: datetime


@dataclass(frozen=True, slots=True)
class FeedPage:
    """Changes in order with the position behind each, and where the next page begins (also behind an empty page).

    `lag_seconds`: the age of the oldest writing transaction that still runs, 0 where none does: what commits beyond it waits for its end.
    """

    changes: Sequence[ChangeRecord]
    positions: Sequence[FeedPosition]
    position: FeedPosition
    has_more: bool
    lag_seconds: float


START = FeedPosition(0, UUID(int=0), 0, _EPOCH)


async def read_feed(
    database: Database, workspace: UUID, after: FeedPosition | None, limit: int, actor_of: Callable[[str], Actor] | None = None
) -> FeedPage:
    """Up to `limit` changes behind `after` (None: from the oldest that is kept). `actor_of` says who an id is when the audit does not.

    Raises:
        CursorInvalid: changes behind `after` may have been retired: copy everything anew.
    """
    start = after or START
    rows = await database.fetch(SQL["read_feed"], workspace, str(start.xid), start.stream_id, start.seq, limit + 1)
    standing = rows[0]
    if after is not None and after.at > _EPOCH and standing["oldest"] is not None and after.at + _SLACK < standing["oldest"]:
        raise CursorInvalid("The cursor is older than what is kept of the log: copy everything anew.", reason="CURSOR_EXPIRED")
    found = [row for row in rows if row["seq"] is not None]
    kept = found[:limit]
    positions = [FeedPosition(row["xid"], row["stream_id"], row["seq"], row["at"]) for row in kept]
    reached = max(start.at, _reached(standing) or start.at)
    end = positions[-1] if positions else FeedPosition(start.xid, start.stream_id, start.seq, reached)
    return FeedPage([_change(row, actor_of or _somebody) for row in kept], positions, end, len(found) > limit, _lag(standing))


async def current_position(database: Database, workspace: UUID) -> tuple[FeedPosition, float]:
    """Where the feed ends now, and its lag in seconds: whoever reads behind it gets all that was not readable yet, and nothing else."""
    (standing,) = await database.fetch(SQL["read_feed"], workspace, "0", UUID(int=0), 0, 0)
    return FeedPosition(standing["horizon"] - 1, _LAST_STREAM, _LAST_SEQ, _reached(standing) or _EPOCH), _lag(standing)


def seal_position(sealer: Sealer, workspace: UUID, incarnation: tuple[int, int], position: FeedPosition) -> str:
    """The position as a client's `FeedCursor`; `incarnation`: of the database, see `Database.incarnation`."""
    at = (position.at - _EPOCH) // _MICROSECOND
    payload = _PAYLOAD.pack(_blend(incarnation), position.xid, position.stream_id.bytes, position.seq, at)
    return sealer.seal(_purpose(workspace), payload)


def open_position(sealer: Sealer, workspace: UUID, incarnation: tuple[int, int], text: str | None) -> FeedPosition | None:
    """The position in a client's cursor; None for None.

    Raises:
        CursorInvalid: forged, damaged, of another workspace, or from before the database was restored or failed over.
    """
    if text is None:
        return None
    try:
        incarnated, xid, stream, seq, at = _PAYLOAD.unpack(sealer.open(_purpose(workspace), text))
    except struct.error:
        raise CursorInvalid from None
    if incarnated != _blend(incarnation):
        raise CursorInvalid(
            "The cursor is from before the database was restored or failed over: copy everything anew.", reason="EPOCH_CHANGED"
        )
    return FeedPosition(xid, UUID(bytes=stream), seq, _EPOCH + at * _MICROSECOND)


def _purpose(workspace: UUID) -> bytes:
    return b"feed" + workspace.bytes


def _blend(incarnation: tuple[int, int]) -> bytes:
    system, timeline = incarnation
    return blake2b(system.to_bytes(8, signed=True) + timeline.to_bytes(8), digest_size=16).digest()


def _lag(standing: Any) -> float:
    since = standing["writing_since"]
    return 0.0 if since is None else float(max(0.0, (standing["now"] - since).total_seconds()))


def _reached(standing: Any) -> datetime | None:
    """The moment up to which everything logged can be read: what waits was logged after its oldest obstacle began. None: unknown."""
    since = standing["writing_since"]
    if since is None and standing["horizon"] < standing["next_xid"]:
        return None  # somebody holds it up whom our role may not see
    return (standing["now"] if since is None else since) - _SLACK  # type: ignore[no-any-return]


def _change(row: Any, actor_of: Callable[[str], Actor]) -> ChangeRecord:
    if row["change_id"] is not None:
        fields = tuple(FieldChange(one["field"], one.get("before"), one.get("after"), one.get("as")) for one in row["change_fields"])
        actor = Actor(row["actor_id"], row["actor_name"], ActorKind(row["actor_kind"]))
        return ChangeRecord(row["stream_id"], row["change_id"], row["change_at"], actor, ChangeAction(row["action"]), fields, row["reason"])
    kind = ChangeKind(row["kind"])
    names = row["fields"] if kind is ChangeKind.PROFILE else _FIELDS.get(kind, ())
    return ChangeRecord(
        row["stream_id"],
        uuid5(row["stream_id"], str(row["seq"])),
        row["at"],
        actor_of(row["actor"]),
        _ACTIONS.get(kind, ChangeAction.UPDATED),
        tuple(FieldChange(name) for name in names),
        None,
    )


_ACTIONS = {ChangeKind.MERGED: ChangeAction.MERGED, ChangeKind.ERASED: ChangeAction.ERASED}
_FIELDS = {ChangeKind.ACTIVITY: ("timeline",), ChangeKind.REMOVED: ("timeline",)}


def _somebody(actor_id: str) -> Actor:
    return Actor(actor_id, actor_id, ActorKind.AGENT)
