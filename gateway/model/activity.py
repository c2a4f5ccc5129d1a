"""The timeline: what happened between a customer and the company, in one total order.

Owns the order `(occurred_at, source, id)` and the meaning of a timeline filter (pure; the native source says the same in SQL and the contract
suite holds both to it). The shapes of items are `gateway.model.item`'s and are had from here. Called by sources, timeline, live and resolvers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any

from gateway.model.folding import folded, texts_of
from gateway.model.item import (
    ORIGIN_OF,
    ActivityOrigin,
    ChangeItem,
    Direction,
    ExternalActivity,
    Interaction,
    InterestTriggered,
    Message,
    NoteItem,
    Sentiment,
    TimelineItem,
    TimelineKind,
    WrapUp,
    item_id,
    parse_item_id,
)
from gateway.model.page import Connection, PageInfo
from gateway.model.profile import Channel

__all__ = [
    "ActivityOrigin",
    "ChangeItem",
    "Direction",
    "ExternalActivity",
    "Interaction",
    "InterestTriggered",
    "Message",
    "MessagePage",
    "NoteItem",
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
class TimelinePage(Connection[TimelineItem]):
    """A page of one profile's timeline.

    `stream_cursor_of()`: the position of the profile's stream before it was read. `retained_since`: what is older was not kept; None: for ever.
    `start` and `end`: cursors of where the page begins and ends when that is not its first or last item.
    """

    stream_cursor_of: Callable[[], str] = str
    retained_since: datetime | None = None
    start: str | None = None
    end: str | None = None

    @property
    def stream_cursor(self) -> str:
        """That position, as text."""
        return self.stream_cursor_of()

    @property
    def page_info(self) -> PageInfo:
        """Where the page lies: one that ends early says where to go on, though it may be empty."""
        nodes, cursor_of = self.nodes, self.cursor_of
        start = self.start or (cursor_of(nodes[0]) if nodes else None)
        return PageInfo(self.has_next_page, self.has_previous_page, start, self.end or (cursor_of(nodes[-1]) if nodes else None))


@dataclass(frozen=True, slots=True)
class MessagePage(Connection[Message]):
    """A page of one interaction's messages, oldest first."""


def place_of(item: TimelineItem) -> Place:
    """Where an item stands in the total order."""
    return Place(item.occurred_at, item.source.key, item.native_id)


_SPOKEN = frozenset({TimelineKind.INTERACTION, TimelineKind.MESSAGE})
"""Kinds that have a channel and a direction."""
_HELD = frozenset({TimelineKind.INTERACTION})
"""Kinds that have a queue and attributes."""
_DONE_BY = frozenset({TimelineKind.INTERACTION, TimelineKind.NOTE, TimelineKind.CHANGE})
"""Kinds of which an agent is known: who took it, wrote it, did it."""
_OWN = frozenset({TimelineKind.NOTE, TimelineKind.CHANGE})
"""Kinds that have neither a type nor an account."""
_KINDS = tuple(TimelineKind)
_USUAL = frozenset({TimelineKind.INTERACTION, TimelineKind.EXTERNAL})


@dataclass(frozen=True, slots=True)
class TimelineFilter:
    """Which items to show. Every given condition must hold; within a list any one suffices, but of `attributes` all.

    DEFAULT: every inbound interaction, outbound calls, and external activities of `external_types` (None: of all), but no page views,
    messages, interests, notes or changes. ALL: everything. NONE: nothing. Naming `kinds` replaces what a preset would choose.
    `search`: text that the item must contain, in any case. `hidden`: kinds that the viewer may not see. `retained`: per kind the moment
    before which nothing is kept; a pinned note is.
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
    agent_ids: tuple[str, ...] | None = None
    queues: tuple[str, ...] | None = None
    attributes: tuple[tuple[str, str], ...] = ()
    search: str | None = None
    external_types: tuple[str, ...] | None = None
    hidden: tuple[TimelineKind, ...] = ()
    retained: tuple[tuple[TimelineKind, datetime], ...] = ()

    @property
    def is_usual(self) -> bool:
        """Whether DEFAULT chooses: kinds were not named."""
        return self.preset is TimelinePreset.DEFAULT and self.kinds is None

    def shows_kind(self, kind: TimelineKind) -> bool:
        """Whether any item of the kind could be shown at all: cheap, and without the item."""
        if kind in self.hidden or (self.kinds is not None and kind not in self.kinds):
            return False
        if self.kinds is None and self.preset is not TimelinePreset.ALL and (self.preset is TimelinePreset.NONE or kind not in _USUAL):
            return False
        return (
            (self.origins is None or ORIGIN_OF[kind] in self.origins)
            and ((self.channels is None and self.directions is None) or kind in _SPOKEN)
            and ((self.queues is None and not self.attributes) or kind in _HELD)
            and (self.agent_ids is None or kind in _DONE_BY)
            and ((self.types is None and self.accounts is None) or kind not in _OWN)
        )

    @property
    def shown_kinds(self) -> tuple[TimelineKind, ...]:
        """Every kind of which something could be shown."""
        return tuple(filter(self.shows_kind, _KINDS))

    def retained_since(self, kind: TimelineKind) -> datetime | None:
        """The moment before which nothing of the kind is kept; None: for ever."""
        return next((moment for known, moment in self.retained if known is kind), None)

    def matches(self, item: TimelineItem) -> bool:
        """Whether the item is shown."""
        return (
            self.shows_kind(item.kind)
            and self._in_preset(item)
            and self._in_time(item)
            and (self.types is None or item.type in self.types)
            and (self.accounts is None or item.account in self.accounts)
            and self._of_conversation(item)
            and (self.agent_ids is None or _agent_of(item) in self.agent_ids)
            and (self.search is None or _contains(item, self.search))
        )

    def _in_preset(self, item: TimelineItem) -> bool:
        if not self.is_usual:
            return True
        if isinstance(item, Interaction):
            return item.direction is Direction.INBOUND or item.channel is Channel.VOICE
        return self.external_types is None or item.type in self.external_types

    def _in_time(self, item: TimelineItem) -> bool:
        at, kept = item.occurred_at, self.retained_since(item.kind)
        return (
            (self.since is None or at >= self.since)
            and (self.until is None or at < self.until)
            and (kept is None or at >= kept or (isinstance(item, NoteItem) and item.note.is_pinned))
        )

    def _of_conversation(self, item: TimelineItem) -> bool:
        if isinstance(item, Interaction | Message):
            if self.channels is not None and item.channel not in self.channels:
                return False
            if self.directions is not None and item.direction not in self.directions:
                return False
        if isinstance(item, Interaction):
            known = item.attributes or {}
            return (self.queues is None or item.queue in self.queues) and all(known.get(key) == value for key, value in self.attributes)
        return True


def _agent_of(item: TimelineItem) -> str | None:
    if isinstance(item, Interaction):
        return item.agent.id if item.agent is not None else None
    if isinstance(item, NoteItem):
        return item.note.author.id
    return item.change.actor.id if isinstance(item, ChangeItem) else None


def _contains(item: TimelineItem, text: str) -> bool:
    wanted = folded(text)
    return any(wanted in folded(one) for one in texts_of(list(_searched(item))))


def _searched(item: TimelineItem) -> Iterator[Any]:
    """What a search looks through: what is said, never whose values changed to what, so that a search tells nothing that is masked."""
    match item:
        case NoteItem():
            yield item.note.body
        case ChangeItem():
            yield from ([one.field for one in item.change.fields], item.change.reason)
        case Interaction():
            yield from (item.type, item.summary, item.outcome, item.queue, item.agent and item.agent.display_name, item.attributes)
            if item.wrap_up is not None:
                yield from (item.wrap_up.notes, item.wrap_up.topic, item.wrap_up.disposition_code)
        case Message():
            yield from (item.type, item.text, item.author)
        case InterestTriggered():
            yield from (item.type, item.topic, item.category)
        case _:
            yield from (item.type, item.properties)
