"""Values of live events, one class per GraphQL type.

Owns shapes only. Made by the modules beside it; `resolvers.schema` says which type each class is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from gateway.live.feed import GapReason
from gateway.model.activity import TimelineItem
from gateway.model.actor import Actor
from gateway.model.contact import Contact
from gateway.model.merge import MergeRecord
from gateway.model.profile import Profile
from gateway.model.source import Source

__all__ = [
    "ContactEvent",
    "ErasedEvent",
    "GapEvent",
    "GoAwayEvent",
    "ItemEvent",
    "LiveValue",
    "MergedEvent",
    "ProfileEvent",
    "ReadyEvent",
    "RemovedEvent",
    "SourceEvent",
    "ViewersEvent",
]


@dataclass(frozen=True, slots=True)
class LiveValue:
    """What every event has: its place in its stream."""

    cursor: str
    seq: int
    at: datetime


@dataclass(frozen=True, slots=True)
class ReadyEvent(LiveValue):
    """Value of `StreamReady`."""

    resumed: bool


@dataclass(frozen=True, slots=True)
class GapEvent(LiveValue):
    """Value of `StreamGap`."""

    reason: GapReason


@dataclass(frozen=True, slots=True)
class GoAwayEvent(LiveValue):
    """Value of `StreamGoAway`."""

    reason: str
    retry_after_ms: int


@dataclass(frozen=True, slots=True)
class ProfileEvent(LiveValue):
    """Value of `ProfileUpdated`."""

    profile: Profile
    changed_fields: list[str]
    actor: Actor | None


@dataclass(frozen=True, slots=True)
class MergedEvent(LiveValue):
    """Value of `ProfileMerged`."""

    merge: MergeRecord
    profile: Profile


@dataclass(frozen=True, slots=True)
class ErasedEvent(LiveValue):
    """Value of `ProfileErased`."""

    profile_id: str


@dataclass(frozen=True, slots=True)
class ViewersEvent(LiveValue):
    """Value of `ViewersChanged`."""

    viewers: Sequence[Actor]
    editing: Sequence[Actor]


@dataclass(frozen=True, slots=True)
class ItemEvent(LiveValue):
    """Value of `TimelineItemUpserted`."""

    item: TimelineItem
    is_new: bool


@dataclass(frozen=True, slots=True)
class RemovedEvent(LiveValue):
    """Value of `TimelineItemRemoved`."""

    item_id: str


@dataclass(frozen=True, slots=True)
class ContactEvent(LiveValue):
    """Value of `ContactChanged`."""

    contact: Contact


@dataclass(frozen=True, slots=True)
class SourceEvent(LiveValue):
    """Value of `SourceChanged`."""

    source: Source
