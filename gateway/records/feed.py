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

__all__ = ["FeedPage", "FeedPosition", "current_position", "incarnation_of", "open_position", "read_feed", "require_kept", "seal_position"]

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
    that is not known. `incarnation`: of the database in which transactions are numbered so.
    """

    xid: int
    stream_id: UUID
    seq: int
    at: datetime
    incarnation: bytes


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


async def read_feed(
    database: Database, workspace: UUID, after: FeedPosition | None, limit: int, actor_of: Callable[[str], Actor] | None = None
) -> FeedPage:
    """Up to `limit` changes behind `after` (None: from the oldest that is kept). `actor_of` says who an id is when the audit does not.

    Raises:
        CursorInvalid: changes behind `after` may have been retired, or it is of another database: copy everything anew.
    """
    xid, stream, seq = (0, UUID(int=0), 0) if after is None else (after.xid, after.stream_id, after.seq)
    rows = await database.fetch(SQL["read_feed"], workspace, str(xid), stream, seq, limit + 1)
    standing = rows[0]
    require_kept(after, standing)
    found = [row for row in rows if row["seq"] is not None]
    kept = found[:limit]
    incarnation = incarnation_of(standing)
    positions = [FeedPosition(row["xid"], row["stream_id"], row["seq"], row["at"], incarnation) for row in kept]
    end = positions[-1] if positions else _end(standing, after)
    return FeedPage([_change(row, actor_of or _somebody) for row in kept], positions, end, len(found) > limit, _lag(standing))


async def current_position(database: Database, workspace: UUID) -> tuple[FeedPosition, float]:
    """Where the feed ends now, and its lag in seconds: whoever reads behind it gets all that was not readable yet, and nothing else."""
    (standing,) = await database.fetch(SQL["read_feed"], workspace, "0", UUID(int=0), 0, 0)
    return _end(standing, None), _lag(standing)


def require_kept(after: FeedPosition | None, standing: Any) -> None:
    """Nothing when everything behind a position is still there. `standing`: a row of `read_feed` or `read_history`, read with what lies behind it,
    on the same connection.

    Raises:
        CursorInvalid: it is not, or the database was restored or failed over.
    """
    if after is None:
        return
    if after.incarnation != incarnation_of(standing) or after.xid >= standing["next_xid"]:  # a copy of files put back has its old name
        raise CursorInvalid(
            "The cursor is from before the database was restored or failed over: copy everything anew.", reason="EPOCH_CHANGED"
        )
    retired, oldest = standing["retired"], standing["oldest"]
    in_retired = retired is not None and (after.xid < retired or (after.xid == retired and after.seq != _LAST_SEQ))
    if in_retired or (after.at > _EPOCH and oldest is not None and after.at + _SLACK < oldest):
        raise CursorInvalid("The cursor is older than what is kept of the log: copy everything anew.", reason="CURSOR_EXPIRED")


def incarnation_of(standing: Any) -> bytes:
    """Which database such a row was read from."""
    return blake2b(standing["incarnation"], digest_size=16).digest()


def seal_position(sealer: Sealer, workspace: UUID, position: FeedPosition) -> str:
    """The position as a client's `FeedCursor`."""
    at = (position.at - _EPOCH) // _MICROSECOND
    payload = _PAYLOAD.pack(position.incarnation, position.xid, position.stream_id.bytes, position.seq, at)
    return sealer.seal(_purpose(workspace), payload)


def open_position(sealer: Sealer, workspace: UUID, text: str | None) -> FeedPosition | None:
    """The position in a client's cursor; None for None. Whether it can still be read behind is known when that is done.

    Raises:
        CursorInvalid: forged, damaged, or of another workspace.
    """
    if text is None:
        return None
    try:
        incarnation, xid, stream, seq, at = _PAYLOAD.unpack(sealer.open(_purpose(workspace), text))
    except struct.error:
        raise CursorInvalid from None
    return FeedPosition(xid, UUID(bytes=stream), seq, _EPOCH + at * _MICROSECOND, incarnation)


def _purpose(workspace: UUID) -> bytes:
    return b"feed" + workspace.bytes


def _end(standing: Any, after: FeedPosition | None) -> FeedPosition:
    """Behind everything that can be read, and never before where the reader was."""
    xid, at = (0, _EPOCH) if after is None else (after.xid, after.at)
    return FeedPosition(
        max(standing["horizon"] - 1, xid), _LAST_STREAM, _LAST_SEQ, max(at, _reached(standing) or at), incarnation_of(standing)
    )


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
