"""Changes: one entry of a stream's log, and positions in it.

A *stream* is the gapless log of one profile. An entry names what changed and never holds a value: it is rendered when it is delivered,
under the receiver's present rights.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from uuid import UUID

__all__ = ["Change", "ChangeKind", "Entry", "Position", "StreamKey"]


class ChangeKind(IntEnum):
    """What an entry is about. The numbers are stored: never reuse one."""

    PROFILE = 1
    """The profile's own fields, contact points, identifiers, traits, companies or notes: state that `profileEvents` shows."""
    ACTIVITY = 2
    """A timeline item appeared or changed."""


@dataclass(frozen=True, slots=True)
class StreamKey:
    """A stream of one workspace; its id is the profile's id."""

    workspace_id: UUID
    stream_id: UUID


@dataclass(frozen=True, slots=True)
class Position:
    """A place in one stream: `seq` counts its changes from 1; `epoch` names the unbroken history in which that count is true."""

    epoch: UUID
    seq: int


@dataclass(frozen=True, slots=True)
class Change:
    """One entry to append. `fields`: GraphQL names on `Profile`; `entity_id`: the timeline item (its UUIDv7 tells the time it happened)."""

    stream: StreamKey
    kind: ChangeKind
    actor_id: str
    fields: tuple[str, ...] = ()
    entity_id: UUID | None = None
    entity_source: str | None = None
    is_new: bool = True


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
