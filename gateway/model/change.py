"""Changes: one entry of a stream's log, and positions in it.

A *stream* is the gapless log of one profile, of one agent's desk, or of a workspace's sources. An entry names what changed and never holds a
value: it is rendered when it is delivered, under the receiver's present rights.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from uuid import UUID, uuid5

__all__ = ["REVOCATIONS", "Change", "ChangeKind", "Entry", "Position", "StreamKey", "desk_stream", "presence_stream", "source_stream"]


class ChangeKind(IntEnum):
    """What an entry is about. The numbers are stored: never reuse one."""

    PROFILE = 1
    """The profile's own fields, contact points, identifiers, traits, companies or notes: state that `profileEvents` shows."""
    ACTIVITY = 2
    """A timeline item appeared or changed."""
    REMOVED = 3
    """A timeline item is gone; `entity_id` (or `entity_key`) was its own id."""
    MERGED = 4
    """The profile was merged away, or others into it; `entity_id` is the merge."""
    ERASED = 5
    """The person was erased: the last entry of the stream."""
    CONTACT = 6
    """On a desk's stream: a contact of the agent changed; `entity_id` is the contact."""
    SOURCE = 7
    """On the workspace's stream of sources: `entity_source` changed its state, to the one that `fields` names (that is nobody's data)."""


@dataclass(frozen=True, slots=True)
class StreamKey:
    """A stream of one workspace; its id is the profile's id, or what `desk_stream` or `source_stream` makes."""

    workspace_id: UUID
    stream_id: UUID


def desk_stream(workspace_id: UUID, subject: str) -> StreamKey:
    """The stream of an agent's desk: what contacts the agent has."""
    return StreamKey(workspace_id, uuid5(workspace_id, f"desk:{subject}"))


def source_stream(workspace_id: UUID) -> StreamKey:
    """The stream of a workspace's sources: how they stand."""
    return StreamKey(workspace_id, uuid5(workspace_id, "sources"))


def presence_stream(stream: StreamKey) -> StreamKey:
    """What is rung when somebody comes to look at a profile, or leaves: a name for the bell, without a log."""
    return StreamKey(stream.workspace_id, uuid5(stream.stream_id, "presence"))


REVOCATIONS = StreamKey(UUID(int=0), uuid5(UUID(int=0), "revocations"))
"""What is rung when credentials were revoked: one name for all workspaces."""


@dataclass(frozen=True, slots=True)
class Position:
    """A place in one stream: `seq` counts its changes from 1; `epoch` names the unbroken history in which that count is true, of this stream in
    this incarnation of the database.
    """

    epoch: UUID
    seq: int

    def covers(self, other: Position) -> bool:
        """Whether the other place lies here or before, in the same history."""
        return self.epoch == other.epoch and self.seq >= other.seq


@dataclass(frozen=True, slots=True)
class Change:
    """One entry to append. `fields`: GraphQL names on `Profile`; `entity_id`: the timeline item that appeared or changed with it, also on a
    PROFILE entry (a note, an entry of the audit); of other kinds as `ChangeKind` says. `entity_key`: the same of an item that a system elsewhere
    holds, by the id it has there. `entity_source` without either: whose news it is.
    """

    stream: StreamKey
    kind: ChangeKind
    actor_id: str
    fields: tuple[str, ...] = ()
    entity_id: UUID | None = None
    entity_source: str | None = None
    is_new: bool = True
    entity_key: str | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry as read from the log, in the order of `seq`."""

    seq: int
    kind: ChangeKind
    at: datetime
    actor_id: str
    fields: tuple[str, ...]
    entity_id: UUID | None
    entity_source: str | None
    is_new: bool
    entity_key: str | None = None
