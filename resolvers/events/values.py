"""Values of live events, one class per GraphQL type.

Owns shapes only, and which of them say the same to several subscribers (`alike`): what the log tells does, what the session or the moment tells does
not. Made by the modules beside it; `resolvers.schema` says which type each class is.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
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

    def alike(self) -> Hashable | None:
        """Equal for events that say the same, while they exist: it may hold the identity of what they refer to. None: it is told to one only."""
        return None


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
    changed_fields: tuple[str, ...]
    actor: Actor | None

    def alike(self) -> Hashable | None:
        """The same read of the profile, the same changes, and nobody's own."""
        return ProfileEvent, self.cursor, self.at, id(self.profile), self.changed_fields, self.actor


@dataclass(frozen=True, slots=True)
class MergedEvent(LiveValue):
    """Value of `ProfileMerged`."""

    merge: MergeRecord
    profile: Profile


@dataclass(frozen=True, slots=True)
class ErasedEvent(LiveValue):
    """Value of `ProfileErased`."""

    profile_id: str

    def alike(self) -> Hashable | None:
        """The same place."""
        return ErasedEvent, self.cursor, self.at, self.profile_id


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

    def alike(self) -> Hashable | None:
        """The same read of the item."""
        return ItemEvent, self.cursor, self.at, id(self.item), self.is_new


@dataclass(frozen=True, slots=True)
class RemovedEvent(LiveValue):
    """Value of `TimelineItemRemoved`."""

    item_id: str

    def alike(self) -> Hashable | None:
        """The same item, at the same place."""
        return RemovedEvent, self.cursor, self.at, self.item_id


@dataclass(frozen=True, slots=True)
class ContactEvent(LiveValue):
    """Value of `ContactChanged`."""

    contact: Contact


@dataclass(frozen=True, slots=True)
class SourceEvent(LiveValue):
    """Value of `SourceChanged`."""

    source: Source
