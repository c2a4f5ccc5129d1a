"""The timeline: what happened between a customer and the company, in one total order.

Owns the item shapes, their order `(occurred_at, source, id)` and the meaning of a timeline filter (pure; the native source says the same in
SQL and the contract suite holds both to it). Called by sources, timeline, live and resolvers.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any, Final
from uuid import UUID

from gateway.errors import BadUserInput
from gateway.model.actor import Actor
from gateway.model.page import Connection
from gateway.model.profile import Channel
from gateway.model.source import Source

__all__ = [
    "ActivityOrigin",
    "Direction",
    "ExternalActivity",
    "Interaction",
    "Place",
    "Sentiment",
    "SortDirection",
    "TimelineFilter",
    "TimelineItem",
    "TimelineKind",
    "TimelinePage",
    "TimelinePreset",
    "WrapUp",
    "item_id",
    "parse_item_id",
    "place_of",
]


class ActivityOrigin(Enum):
    """Where something happened."""

    CONTACT_CENTRE = "CONTACT_CENTRE"
    EXTERNAL = "EXTERNAL"


class TimelineKind(Enum):
    """What sort of item it is."""

    INTERACTION = "INTERACTION"
    MESSAGE = "MESSAGE"
    EXTERNAL = "EXTERNAL"
    WEB = "WEB"
    INTEREST = "INTEREST"
    NOTE = "NOTE"
    CHANGE = "CHANGE"


class Direction(Enum):
    """Who reached out."""

    INBOUND = "INBOUND"
    OUTBOUND = "OUTBOUND"


class Sentiment(Enum):
    """How the customer felt."""

    POSITIVE = "POSITIVE"
    NEUTRAL = "NEUTRAL"
    NEGATIVE = "NEGATIVE"


class SortDirection(Enum):
    """Oldest first or newest first."""

    ASC = "ASC"
    DESC = "DESC"


class TimelinePreset(Enum):
    """What a filter starts from."""

    DEFAULT = "DEFAULT"
    ALL = "ALL"
    NONE = "NONE"


@dataclass(frozen=True, slots=True)
class Place:
    """An item's place in the total order; comparing two compares the tuples."""

    occurred_at: datetime
    source: str
    id: str

    @property
    def key(self) -> tuple[datetime, str, str]:
        """The sort key."""
        return self.occurred_at, self.source, self.id


@dataclass(frozen=True, slots=True)
class WrapUp:
    """What the agent recorded after the conversation."""

    notes: str | None
    topic: str | None
    disposition_code: str | None
    completed_at: datetime | None


@dataclass(frozen=True, slots=True)
class ExternalActivity:
    """Something that happened outside the contact centre: an order, a registration, a page view (`kind` WEB)."""

    profile_id: UUID
    native_id: str
    occurred_at: datetime
    source: Source
    kind: TimelineKind
    type: str
    account: str | None
    properties: dict[str, Any]

    @property
    def id(self) -> str:
        """The client's id."""
        return item_id(self.profile_id, self.source.key, self.native_id)

    @property
    def origin(self) -> ActivityOrigin:
        """Always EXTERNAL."""
        return ActivityOrigin.EXTERNAL

    @property
    def title(self) -> str:
        """One line for a list."""
        if self.kind is TimelineKind.WEB:
            page = self.properties.get("title") or self.properties.get("path") or self.properties.get("url")
            return f"Viewed {page}" if page else self.type
        return self.type

    @property
    def icon(self) -> str:
        """A star marks what came from outside; page views have a globe."""
        return "globe" if self.kind is TimelineKind.WEB else "star"


_ICONS: Final = {
    Channel.VOICE: "phone",
    Channel.SMS: "message",
    Channel.WHATSAPP: "message",
    Channel.EMAIL: "mail",
    Channel.CHAT: "chat",
    Channel.VIDEO: "video",
}


_NOUNS: Final = {
    Channel.VOICE: "call",
    Channel.VIDEO: "video call",
    Channel.SMS: "SMS conversation",
    Channel.WHATSAPP: "WhatsApp conversation",
    Channel.EMAIL: "e-mail",
    Channel.MESSENGER: "Messenger conversation",
    Channel.INSTAGRAM: "Instagram conversation",
    Channel.X: "X conversation",
    Channel.WEB: "web form",
    Channel.CUSTOM: "conversation",
}


@dataclass(frozen=True, slots=True)
class Interaction:
    """One conversation between the customer and the contact centre."""

    profile_id: UUID
    native_id: str
    occurred_at: datetime
    source: Source
    account: str | None
    channel: Channel
    direction: Direction
    ended_at: datetime | None
    queue: str | None
    agent: Actor | None
    outcome: str | None
    summary: str | None
    wrap_up: WrapUp | None
    sentiment: Sentiment | None
    attributes: dict[str, Any] | None
    measures: dict[str, Any] | None
    recording_url: str | None
    type: str = "interaction"

    @property
    def id(self) -> str:
        """The client's id."""
        return item_id(self.profile_id, self.source.key, self.native_id)

    @property
    def kind(self) -> TimelineKind:
        """Always INTERACTION."""
        return TimelineKind.INTERACTION

    @property
    def origin(self) -> ActivityOrigin:
        """Always CONTACT_CENTRE."""
        return ActivityOrigin.CONTACT_CENTRE

    @property
    def started_at(self) -> datetime:
        """When it began: its place on the timeline."""
        return self.occurred_at

    @property
    def duration_seconds(self) -> int | None:
        """Length of a call in whole seconds; null for anything that is not a call, or while it lasts."""
        if self.ended_at is None or self.channel not in (Channel.VOICE, Channel.VIDEO):
            return None
        return int((self.ended_at - self.occurred_at).total_seconds())

    @property
    def title(self) -> str:
        """One line for a list."""
        return f"{self.direction.value.capitalize()} {_NOUNS.get(self.channel) or f'{self.channel.value.lower()} conversation'}"

    @property
    def icon(self) -> str:
        """The channel's icon."""
        return _ICONS.get(self.channel, "chat")


TimelineItem = ExternalActivity | Interaction


@dataclass(frozen=True, slots=True)
class TimelinePage(Connection[TimelineItem]):
    """A page of one profile's timeline, with the position of the profile's stream before it was read."""

    stream_cursor: str = ""


def place_of(item: TimelineItem) -> Place:
    """Where an item stands in the total order."""
    return Place(item.occurred_at, item.source.key, item.native_id)


@dataclass(frozen=True, slots=True)
class TimelineFilter:
    """Which items to show. Every given condition must hold; within a list any one suffices.

    DEFAULT: every inbound interaction, outbound calls, and external activities, but not page views. ALL: everything. NONE: nothing but what
    `kinds` names.
    """

    preset: TimelinePreset = TimelinePreset.DEFAULT
    kinds: tuple[TimelineKind, ...] | None = None
    channels: tuple[Channel, ...] | None = None
    directions: tuple[Direction, ...] | None = None
    origins: tuple[ActivityOrigin, ...] | None = None
    types: tuple[str, ...] | None = None
    accounts: tuple[str, ...] | None = None
    since: datetime | None = None
    until: datetime | None = None

    def matches(self, item: TimelineItem) -> bool:
        """Whether the item is shown."""
        interaction = item if isinstance(item, Interaction) else None
        return (
            self._in_preset(item, interaction)
            and (self.kinds is None or item.kind in self.kinds)
            and (self.channels is None or (interaction is not None and interaction.channel in self.channels))
            and (self.directions is None or (interaction is not None and interaction.direction in self.directions))
            and (self.origins is None or item.origin in self.origins)
            and (self.types is None or item.type in self.types)
            and (self.accounts is None or item.account in self.accounts)
            and (self.since is None or item.occurred_at >= self.since)
            and (self.until is None or item.occurred_at < self.until)
        )

    def _in_preset(self, item: TimelineItem, interaction: Interaction | None) -> bool:
        if self.preset is TimelinePreset.ALL:
            return True
        if self.kinds is not None:
            return True  # naming the kinds replaces what a preset would choose
        if self.preset is TimelinePreset.NONE:
            return False
        if interaction is not None:
            return interaction.direction is Direction.INBOUND or interaction.channel is Channel.VOICE
        return item.kind is TimelineKind.EXTERNAL


_ITEM_ID = re.compile(r"act_([0-9a-f]{32})\.([a-z][a-z0-9-]{0,31})\.(.{1,200})", re.ASCII)


def item_id(profile_id: UUID, source: str, native_id: str) -> str:
    """The client's id of a timeline item."""
    return f"act_{profile_id.hex}.{source}.{native_id}"


def parse_item_id(text: str) -> tuple[UUID, str, str]:
    """Profile, source key and the source's own id in a timeline item's id; BadUserInput when it is none."""
    match = _ITEM_ID.fullmatch(text)
    if match is None:
        raise BadUserInput("id is not the id of a timeline item; ids are opaque, pass them on as they were given.", argument="id")
    return UUID(hex=match[1]), match[2], match[3]
