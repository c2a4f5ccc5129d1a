"""A made-up history for the contract of sources: one item of every sort at every one of a few moments."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import cycle, product
from typing import Any
from uuid import UUID

from gateway.model.activity import (
    ChangeItem,
    Direction,
    ExternalActivity,
    Interaction,
    InterestTriggered,
    Message,
    NoteItem,
    TimelineFilter,
    TimelineItem,
    TimelineKind,
    TimelinePreset,
)
from gateway.model.actor import Actor, ActorKind
from gateway.model.audit import ChangeAction, ChangeRecord, FieldChange
from gateway.model.change import Position
from gateway.model.ids import uuid7
from gateway.model.note import Note
from gateway.model.profile import Channel, Profile, ProfileLifecycle, ProfileStatus
from gateway.sources.contract import (
    ActivitySource,
)
from gateway.sources.memory import MemoryData, MemorySource
from gateway.sources.registry import BUILT_IN

__all__ = [
    "AGENTS",
    "ALL",
    "ANA",
    "BEN",
    "COUNT",
    "ELSEWHERE",
    "HERE",
    "MOMENTS",
    "NATIVE",
    "NOON",
    "TRACKING",
    "Load",
    "change",
    "conversation",
    "external",
    "history",
    "message",
    "note",
    "profile",
    "put",
]

HERE, ELSEWHERE = UUID(int=1), UUID(int=2)
NATIVE, TRACKING = BUILT_IN
NOON = datetime(2026, 3, 29, 12, 0, 0, 123_456, tzinfo=UTC)
ANA, BEN = uuid7(NOON), uuid7(NOON)
MOMENTS = [NOON - timedelta(days=40), NOON, NOON + timedelta.resolution, NOON + timedelta(days=40)]
ALL = TimelineFilter(TimelinePreset.ALL)

AGENTS = (Actor("a-7", "Agent Seven", ActorKind.AGENT), Actor("a-8", "Agent Über", ActorKind.AGENT))

Load = Callable[[MemoryData], Awaitable[ActivitySource]]


def profile(key: UUID) -> Profile:
    """A profile of which nothing is known."""
    empty = (None,) * 8
    return Profile(key, 1, ProfileStatus.ACTIVE, ProfileLifecycle.CUSTOMER, *empty, NOON, NOON, Position(uuid7(), 0))


def external(key: UUID, at: datetime, kind: TimelineKind = TimelineKind.EXTERNAL, **fields: Any) -> ExternalActivity:
    """Something that happened outside the contact centre."""
    values: dict[str, Any] = {"source": TRACKING, "type": "order", "account": None, "properties": {"total": 1.5}} | fields
    return ExternalActivity(profile_id=key, native_id=uuid7(at).hex, occurred_at=at, kind=kind, **values)


def message(key: UUID, at: datetime, direction: Direction, **fields: Any) -> Message:
    """A message of a conversation."""
    values: dict[str, Any] = {"account": None, "channel": Channel.CHAT, "text": "Hi"} | fields
    return Message(profile_id=key, native_id=uuid7(at).hex, occurred_at=at, source=TRACKING, direction=direction, **values)


def conversation(key: UUID, at: datetime, channel: Channel, direction: Direction, **fields: Any) -> Interaction:
    """A conversation with the contact centre of which little is known."""
    names = "account ended_at queue agent outcome summary wrap_up sentiment attributes measures recording_url"
    values: dict[str, Any] = dict.fromkeys(names.split()) | fields
    return Interaction(
        profile_id=key, native_id=uuid7(at).hex, occurred_at=at, source=NATIVE, channel=channel, direction=direction, **values
    )


def note(key: UUID, at: datetime, body: str, author: Actor, *, is_pinned: bool = False) -> NoteItem:
    """A note on the timeline."""
    return NoteItem(Note(key, uuid7(at), 1, body, is_pinned, author, at, at, NATIVE))


def change(key: UUID, at: datetime, actor: Actor, *fields: FieldChange, reason: str | None = None) -> ChangeItem:
    """An entry of the audit on the timeline."""
    return ChangeItem(ChangeRecord(key, uuid7(at), at, actor, ChangeAction.UPDATED, fields, reason), NATIVE)


def history() -> Iterator[TimelineItem]:
    """One item of every sort at every one of a few moments, so that many share one."""
    accounts = cycle([None, "eu", "us"])
    agents, queues = cycle([None, *AGENTS]), cycle([None, "sales", "100%"])
    tags, said = cycle([None, {"tier": "gold"}, {"tier": "gold", "lang": "de"}]), cycle([None, "Über 100%", "a_b\\c"])
    for at, channel, direction in product(MOMENTS, (Channel.VOICE, Channel.CHAT), Direction):
        told = {"agent": next(agents), "queue": next(queues), "attributes": next(tags), "summary": next(said)}
        yield conversation(ANA, at, channel, direction, account=next(accounts), **told)
    properties = cycle([{"total": 1.5}, {"lines": [{"name": "ÜBERMUT", "n": 7}], "gift": True}])
    for at, kind, type_, source in product(MOMENTS, (TimelineKind.EXTERNAL, TimelineKind.WEB), ("order", "page"), BUILT_IN):
        yield external(ANA, at, kind, type=type_, source=source, account=next(accounts), properties=next(properties))
    for at, direction in product(MOMENTS, Direction):
        yield message(ANA, at, direction, text=next(said), account=next(accounts))
    for at, actor in zip(MOMENTS, cycle(AGENTS)):
        yield InterestTriggered(ANA, uuid7(at).hex, at, TRACKING, "eu", "Übergang", "Travel", 0.5)
        yield note(ANA, at, "said über alles", actor, is_pinned=actor is AGENTS[0])
        yield change(ANA, at, actor, FieldChange("firstName", "Über", None), FieldChange("100%", 1, 2), reason="a_b")


COUNT = 16 + 32 + 8 + 4 + 4 + 4
"""Items of `history`."""


def put(memory: MemorySource, item: TimelineItem) -> None:
    """Know the item; a note's is there with the note."""
    if isinstance(item, NoteItem):
        memory.put_note(HERE, item.note)
    else:
        memory.put_item(HERE, item)
