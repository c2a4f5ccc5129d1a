"""What can stand on a timeline: conversations, messages, what happened elsewhere, interests, notes and changes.

Owns the shape of each kind of item, its title and icon, and the ids of items. Must not know a filter, a page or a source's tables. Taken over
by `gateway.model.activity`, from which everybody else imports.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from types import MappingProxyType
from typing import Any, ClassVar, Final
from uuid import UUID

from gateway.errors import BadUserInput
from gateway.model.actor import Actor
from gateway.model.audit import ChangeAction, ChangeRecord
from gateway.model.note import Note
from gateway.model.profile import Channel
from gateway.model.source import Source

__all__ = [
    "ORIGIN_OF",
    "ActivityOrigin",
    "ChangeItem",
    "Direction",
    "ExternalActivity",
    "Interaction",
    "InterestTriggered",
    "Message",
    "NoteItem",
    "Sentiment",
    "TimelineItem",
    "TimelineKind",
    "WrapUp",
    "item_id",
    "parse_item_id",
]


class ActivityOrigin(Enum):
    """Where something happened."""

    CONTACT_CENTRE = "CONTACT_CENTRE"
    EXTERNAL = "EXTERNAL"


class TimelineKind(Enum):
    """What sort of item it is."""

    __hash__ = object.__hash__  # see `profile.Channel`
    INTERACTION = "INTERACTION"
    MESSAGE = "MESSAGE"
    EXTERNAL = "EXTERNAL"
    WEB = "WEB"
    INTEREST = "INTEREST"
    NOTE = "NOTE"
    CHANGE = "CHANGE"


class Direction(Enum):
    """Who reached out."""

    __hash__ = object.__hash__  # see `profile.Channel`
    INBOUND = "INBOUND"
    OUTBOUND = "OUTBOUND"


class Sentiment(Enum):
    """How the customer felt."""

    POSITIVE = "POSITIVE"
    NEUTRAL = "NEUTRAL"
    NEGATIVE = "NEGATIVE"


ORIGIN_OF: Final = MappingProxyType(
    {
        TimelineKind.INTERACTION: ActivityOrigin.CONTACT_CENTRE,
        TimelineKind.MESSAGE: ActivityOrigin.CONTACT_CENTRE,
        TimelineKind.NOTE: ActivityOrigin.CONTACT_CENTRE,
        TimelineKind.CHANGE: ActivityOrigin.CONTACT_CENTRE,
        TimelineKind.EXTERNAL: ActivityOrigin.EXTERNAL,
        TimelineKind.WEB: ActivityOrigin.EXTERNAL,
        TimelineKind.INTEREST: ActivityOrigin.EXTERNAL,
    }
)
"""Notes and changes are the contact centre's own doing; interests come from what a person does elsewhere."""


@dataclass(frozen=True, slots=True)
class WrapUp:
    """What the agent recorded after the conversation."""

    notes: str | None
    topic: str | None
    disposition_code: str | None
    completed_at: datetime | None


@dataclass(frozen=True, slots=True)
class _Item:
    """What every item has: whose it is, its place in the total order (`occurred_at`, the source's key, `native_id`) and its source."""

    profile_id: UUID
    native_id: str
    occurred_at: datetime
    source: Source

    @property
    def id(self) -> str:
        """The client's id."""
        return f"act_{self.profile_id.hex}.{self.source.key}.{self.native_id}"


@dataclass(frozen=True, slots=True)
class ExternalActivity(_Item):
    """Something that happened outside the contact centre: an order, a registration, a page view (`kind` WEB)."""

    origin: ClassVar[ActivityOrigin] = ActivityOrigin.EXTERNAL

    kind: TimelineKind
    type: str
    account: str | None
    properties: dict[str, Any]

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
_TITLES: Final = {
    (direction, channel): f"{direction.value.capitalize()} {_NOUNS.get(channel) or f'{channel.value.lower()} conversation'}"
    for direction in Direction
    for channel in Channel
}
_MESSAGES: Final = {
    Channel.SMS: "SMS",
    Channel.EMAIL: "e-mail",
    Channel.CHAT: "chat message",
    Channel.WHATSAPP: "WhatsApp message",
    Channel.MESSENGER: "Messenger message",
    Channel.INSTAGRAM: "Instagram message",
    Channel.X: "X message",
}
_DEEDS: Final = {
    ChangeAction.CREATED: "Profile created",
    ChangeAction.UPDATED: "Profile changed",
    ChangeAction.MERGED: "Profiles merged",
    ChangeAction.UNMERGED: "Merge undone",
    ChangeAction.ASSOCIATED: "Contact associated",
    ChangeAction.UNLINKED: "Contact unlinked",
    ChangeAction.NOTE_DELETED: "Note deleted",
    ChangeAction.REVEALED: "Value revealed",
    ChangeAction.VERIFIED: "Identity checked",
    ChangeAction.EXPORTED: "Data exported",
    ChangeAction.EXPIRED: "Data expired",
    ChangeAction.ERASED: "Data erased",
}


@dataclass(frozen=True, slots=True)
class Interaction(_Item):
    """One conversation between the customer and the contact centre.

    `conversation`: what its messages name it by, where that is not its own id. `parent`: the hex of the interaction that it was escalated from.
    `contact`: the hex of the contact that became it. `not_recorded`: fields of which its source says that it could not
    know them. `custom_channel`: the name of a CUSTOM channel.
    """

    kind: ClassVar[TimelineKind] = TimelineKind.INTERACTION
    origin: ClassVar[ActivityOrigin] = ActivityOrigin.CONTACT_CENTRE

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
    conversation: str | None = None
    parent: str | None = None
    contact: str | None = None
    not_recorded: tuple[str, ...] = ()
    custom_channel: str | None = None

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
        return _TITLES[self.direction, self.channel]

    @property
    def icon(self) -> str:
        """The channel's icon."""
        return _ICONS.get(self.channel, "chat")


@dataclass(frozen=True, slots=True)
class Message(_Item):
    """One message of a conversation. `text` is None where only the fact was recorded; `author` names who wrote it.

    `conversation`: what the interaction it belongs to is known by: the sender's own id of it. `interaction`: or the hex of its id.
    """

    kind: ClassVar[TimelineKind] = TimelineKind.MESSAGE
    origin: ClassVar[ActivityOrigin] = ActivityOrigin.CONTACT_CENTRE

    account: str | None
    channel: Channel
    direction: Direction
    text: str | None
    conversation: str | None = None
    interaction: str | None = None
    author: str | None = None
    type: str = "message"

    @property
    def title(self) -> str:
        """One line for a list; never the text itself."""
        return f"{self.direction.value.capitalize()} {_MESSAGES.get(self.channel, 'message')}"

    @property
    def icon(self) -> str:
        """The channel's icon."""
        return _ICONS.get(self.channel, "chat")


@dataclass(frozen=True, slots=True)
class InterestTriggered(_Item):
    """The person showed an interest in a topic; `score` 0 to 1, as its source gave it at that moment, if it did."""

    kind: ClassVar[TimelineKind] = TimelineKind.INTEREST
    origin: ClassVar[ActivityOrigin] = ActivityOrigin.EXTERNAL

    account: str | None
    topic: str
    category: str
    score: float | None
    type: str = "interest"

    @property
    def title(self) -> str:
        """One line for a list."""
        return f"Interested in {self.topic}"

    @property
    def icon(self) -> str:
        """A heart."""
        return "heart"


@dataclass(frozen=True, slots=True)
class NoteItem:
    """A note, at the moment it was written."""

    kind: ClassVar[TimelineKind] = TimelineKind.NOTE
    origin: ClassVar[ActivityOrigin] = ActivityOrigin.CONTACT_CENTRE
    account: ClassVar[None] = None
    type: ClassVar[None] = None
    icon: ClassVar[str] = "note"

    note: Note

    @property
    def profile_id(self) -> UUID:
        """Whose it is."""
        return self.note.profile_id

    @property
    def native_id(self) -> str:
        """The note's own id."""
        return self.note.note_id.hex

    @property
    def occurred_at(self) -> datetime:
        """When it was written."""
        return self.note.created_at

    @property
    def source(self) -> Source:
        """Where it is kept."""
        return self.note.source

    @property
    def id(self) -> str:
        """The client's id of the item (the note has its own)."""
        return f"act_{self.profile_id.hex}.{self.source.key}.{self.native_id}"

    @property
    def title(self) -> str:
        """One line for a list."""
        return f"Note by {self.note.author.display_name}"


@dataclass(frozen=True, slots=True)
class ChangeItem:
    """An entry of the audit, at the moment of the change."""

    kind: ClassVar[TimelineKind] = TimelineKind.CHANGE
    origin: ClassVar[ActivityOrigin] = ActivityOrigin.CONTACT_CENTRE
    account: ClassVar[None] = None
    type: ClassVar[None] = None
    icon: ClassVar[str] = "history"

    change: ChangeRecord
    source: Source

    @property
    def profile_id(self) -> UUID:
        """Whose it is."""
        return self.change.profile_id

    @property
    def native_id(self) -> str:
        """The entry's own id."""
        return self.change.change_id.hex

    @property
    def occurred_at(self) -> datetime:
        """When it was done."""
        return self.change.at

    @property
    def id(self) -> str:
        """The client's id of the item (the entry has its own)."""
        return f"act_{self.profile_id.hex}.{self.source.key}.{self.native_id}"

    @property
    def title(self) -> str:
        """One line for a list."""
        return f"{_DEEDS[self.change.action]} by {self.change.actor.display_name}"


TimelineItem = ExternalActivity | Interaction | Message | InterestTriggered | NoteItem | ChangeItem


_ITEM_ID: Final = re.compile(r"act_([0-9a-f]{32})\.([a-z][a-z0-9-]{0,31})\.(.{1,200})", re.ASCII)


def item_id(profile_id: UUID, source: str, native_id: str) -> str:
    """The client's id of a timeline item."""
    return f"act_{profile_id.hex}.{source}.{native_id}"


def parse_item_id(text: str) -> tuple[UUID, str, str]:
    """Profile, source key and the source's own id in a timeline item's id; BadUserInput when it is none."""
    match = _ITEM_ID.fullmatch(text)
    if match is None:
        raise BadUserInput("id is not the id of a timeline item; ids are opaque, pass them on as they were given.", argument="id")
    return UUID(hex=match[1]), match[2], match[3]
