"""Live events: what a subscription delivers."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import strawberry

from resolvers.types.activity import TimelineItem
from resolvers.types.contact import Contact
from resolvers.types.enums import GapReason
from resolvers.types.merge import MergeRecord
from resolvers.types.profile import Profile
from resolvers.types.scalars import StreamCursor
from resolvers.types.source import Actor, Source

__all__ = [
    "ContactChanged",
    "ContactEvent",
    "LiveEvent",
    "ProfileErased",
    "ProfileEvent",
    "ProfileMerged",
    "ProfileUpdated",
    "SourceChanged",
    "SourceEvent",
    "StreamGap",
    "StreamGoAway",
    "StreamReady",
    "TimelineEvent",
    "TimelineItemRemoved",
    "TimelineItemUpserted",
    "ViewersChanged",
]

_CURSOR = "Give it back as `after` to resume behind this event."
_SEQ = "Position in the stream's gapless log, strictly increasing."
_AT = "When the change was logged, or the event made."


@strawberry.interface(
    description="Every live event carries seq (its position in the stream's gapless log, strictly increasing) and cursor (give it back as "
    "`after` to resume)."
)
class LiveEvent:
    cursor: StreamCursor = strawberry.field(description=_CURSOR)
    seq: int = strawberry.field(description=_SEQ)
    at: datetime = strawberry.field(description=_AT)


@strawberry.type(
    description="First event of every stream: from here on nothing is missed. Query first, then subscribe after its streamCursor."
)
class StreamReady(LiveEvent):
    cursor: StreamCursor = strawberry.field(description=_CURSOR)
    seq: int = strawberry.field(description=_SEQ)
    at: datetime = strawberry.field(description=_AT)
    resumed: bool = strawberry.field(description="Whether the stream goes on behind the cursor you gave.")


@strawberry.type(
    description="Continuity cannot be proven (the cursor is older than the log, from before a restore, or too far behind): refetch, then go "
    "on from this cursor."
)
class StreamGap(LiveEvent):
    cursor: StreamCursor = strawberry.field(description=_CURSOR)
    seq: int = strawberry.field(description=_SEQ)
    at: datetime = strawberry.field(description=_AT)
    reason: GapReason = strawberry.field(description="Why.")


@strawberry.type(description="The server is about to end this stream: go on with fresh credentials, or elsewhere, behind this cursor.")
class StreamGoAway(LiveEvent):
    cursor: StreamCursor = strawberry.field(description=_CURSOR)
    seq: int = strawberry.field(description=_SEQ)
    at: datetime = strawberry.field(description=_AT)
    reason: str = strawberry.field(description="Why, as a word: TOKEN_EXPIRED, DRAINING, MAX_AGE or REVOKED.")
    retry_after_ms: int = strawberry.field(description="How long to wait before coming back, in milliseconds.")


@strawberry.type(description="The profile, its contact points, traits, companies or notes changed. Bursts are shown as one event.")
class ProfileUpdated(LiveEvent):
    cursor: StreamCursor = strawberry.field(description=_CURSOR)
    seq: int = strawberry.field(description=_SEQ)
    at: datetime = strawberry.field(description=_AT)
    profile: Profile = strawberry.field(description="The profile as it is now.")
    changed_fields: list[str] = strawberry.field(description="Fields of Profile that changed since the event before.")
    actor: Actor | None = strawberry.field(description="Who made the last of the changes, where that is known.")


@strawberry.type(description="A timeline item appeared or changed.")
class TimelineItemUpserted(LiveEvent):
    cursor: StreamCursor = strawberry.field(description=_CURSOR)
    seq: int = strawberry.field(description=_SEQ)
    at: datetime = strawberry.field(description=_AT)
    item: TimelineItem = strawberry.field(description="The item.")
    is_new: bool = strawberry.field(description="Whether it appeared; else it changed.")


@strawberry.type(description="A timeline item is gone: deleted, or taken back. It is named whatever the filter.")
class TimelineItemRemoved(LiveEvent):
    cursor: StreamCursor = strawberry.field(description=_CURSOR)
    seq: int = strawberry.field(description=_SEQ)
    at: datetime = strawberry.field(description=_AT)
    item_id: strawberry.ID = strawberry.field(description="The id the item had.")


@strawberry.type(description="The profile was merged into another, then its stream ends; or others into it, then its stream goes on.")
class ProfileMerged(LiveEvent):
    cursor: StreamCursor = strawberry.field(description=_CURSOR)
    seq: int = strawberry.field(description=_SEQ)
    at: datetime = strawberry.field(description=_AT)
    merge: MergeRecord = strawberry.field(description="The merge.")
    profile: Profile = strawberry.field(description="The profile that they are now.")


@strawberry.type(description="The person was erased: nothing of the profile is left, and the stream ends.")
class ProfileErased(LiveEvent):
    cursor: StreamCursor = strawberry.field(description=_CURSOR)
    seq: int = strawberry.field(description=_SEQ)
    at: datetime = strawberry.field(description=_AT)
    profile_id: strawberry.ID = strawberry.field(description="The id the profile had.")


@strawberry.type(
    description="Who has the profile open now, told when that changes. It is not in the log: its cursor and seq are those of the event before, "
    "and resuming does not repeat it."
)
class ViewersChanged(LiveEvent):
    cursor: StreamCursor = strawberry.field(description=_CURSOR)
    seq: int = strawberry.field(description=_SEQ)
    at: datetime = strawberry.field(description=_AT)
    viewers: list[Actor] = strawberry.field(description="Everybody who is here, yourself included, each once, by name.")
    editing: list[Actor] = strawberry.field(description="Those of them who are editing.")


@strawberry.type(description="A contact of the desk appeared or changed: its state, its match, its association.")
class ContactChanged(LiveEvent):
    cursor: StreamCursor = strawberry.field(description=_CURSOR)
    seq: int = strawberry.field(description=_SEQ)
    at: datetime = strawberry.field(description=_AT)
    contact: Contact = strawberry.field(description="The contact as it is now.")


@strawberry.type(description="A source's state changed.")
class SourceChanged(LiveEvent):
    cursor: StreamCursor = strawberry.field(description=_CURSOR)
    seq: int = strawberry.field(description=_SEQ)
    at: datetime = strawberry.field(description=_AT)
    source: Source = strawberry.field(description="The source, in its new state.")


ProfileEvent = Annotated[
    StreamReady | StreamGap | StreamGoAway | ProfileUpdated | ProfileMerged | ProfileErased | ViewersChanged,
    strawberry.union("ProfileEvent", description="What profileEvents delivers."),
]
TimelineEvent = Annotated[
    StreamReady | StreamGap | StreamGoAway | TimelineItemUpserted | TimelineItemRemoved | ProfileMerged,
    strawberry.union("TimelineEvent", description="What timelineEvents delivers."),
]
ContactEvent = Annotated[
    StreamReady | StreamGap | StreamGoAway | ContactChanged,
    strawberry.union("ContactEvent", description="What contactEvents delivers."),
]
SourceEvent = Annotated[
    StreamReady | StreamGap | StreamGoAway | SourceChanged,
    strawberry.union("SourceEvent", description="What sourceEvents delivers."),
]
