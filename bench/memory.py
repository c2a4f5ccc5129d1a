"""The people of `bench.screen.data` as a source in memory: what the gateway is given where a measurement is to be without a database.

The contract's reference, `MemorySource`, filters and sorts at each call, as a system elsewhere would on its own machine. Here pages that
are asked for as the screen asks are ready, so that what is measured is the gateway. Called by `bench.serve`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

from bench.screen.data import screen
from gateway.errors import SourceError
from gateway.model.activity import Direction, ExternalActivity, Interaction, TimelineItem, TimelineKind
from gateway.model.actor import Actor, ActorKind
from gateway.model.change import Position
from gateway.model.note import Note
from gateway.model.profile import Channel, Profile, ProfileLifecycle, ProfileStatus
from gateway.model.source import Source, SourceKind
from gateway.model.trait import Provenance, TraitFact, TraitKind
from gateway.sources.contract import FIRST_PLACE, LAST_PLACE, NoteWindow, TimelineWindow
from gateway.sources.memory import MemorySource
from gateway.sources.native import NativeSource
from gateway.sources.registry import BUILT_IN
from gateway.storage.database import Database

__all__ = ["ReadySource", "people_source", "twin"]

_NATIVE, _TRACKING = BUILT_IN
_EPOCH = UUID(int=7)


class ReadySource(MemorySource):
    """Keeps each profile's pages as the screen asks for them; whatever else is asked goes the reference's way."""

    def __init__(self) -> None:
        super().__init__(_NATIVE)
        self._known: dict[UUID, Profile] = {}
        self._facts: dict[UUID, list[TraitFact]] = {}
        self._notes: dict[UUID, list[Note]] = {}
        self._items: dict[UUID, list[TimelineItem]] = {}

    def add(self, workspace: UUID, one: dict[str, Any]) -> None:
        """Know one of the people."""
        profile = _profile(one)
        key = profile.profile_id
        facts = [_fact(trait, profile.created_at) for trait in one["traits"]["nodes"]]
        notes = [_note(key, note) for note in one["notes"]["nodes"]]
        items = [_item(key, edge["node"]) for edge in one["timeline"]["edges"]]
        self.put_profile(workspace, profile)
        self.put_traits(workspace, key, facts)
        for note in notes:
            self.put_note(workspace, note)
        for item in items:
            self.put_item(workspace, item)
        self._known[key], self._facts[key], self._notes[key], self._items[key] = profile, facts, notes, items

    @property
    def source(self) -> Source:
        """As it is described, always: the native source keeps how it stands as well."""
        return _NATIVE

    async def profiles(self, workspace: UUID, ids: Sequence[UUID]) -> Sequence[Profile | SourceError | None]:
        """See `contract.ProfileSource`."""
        return [self._known.get(key) for key in ids]

    async def traits(
        self, workspace: UUID, ids: Sequence[UUID], keys: Sequence[str] | None = None
    ) -> Sequence[Sequence[TraitFact] | SourceError]:
        """See `contract.TraitSource`."""
        if keys is not None:
            return await super().traits(workspace, ids, keys)
        return [self._facts.get(key, []) for key in ids]

    async def notes(self, workspace: UUID, ids: Sequence[UUID], window: NoteWindow) -> Sequence[Sequence[Note] | SourceError]:
        """See `contract.NoteSource`."""
        if window.before is not None:
            return await super().notes(workspace, ids, window)
        return [self._notes.get(key, [])[: window.limit] for key in ids]

    async def activities(
        self, workspace: UUID, ids: Sequence[UUID], window: TimelineWindow
    ) -> Sequence[Sequence[TimelineItem] | SourceError]:
        """See `contract.ActivitySource`."""
        shown = window.filter.shown_kinds
        whole = window.lower == FIRST_PLACE and window.upper == LAST_PLACE and window.newest_first
        if not whole or TimelineKind.NOTE in shown or not {TimelineKind.EXTERNAL, TimelineKind.INTERACTION} <= {*shown}:
            return await super().activities(workspace, ids, window)
        return [self._items.get(key, [])[: window.limit] for key in ids]


def people_source(workspace: UUID, count: int) -> ReadySource:
    """A source that knows so many people of `bench.screen.data` in a workspace."""
    source = ReadySource()
    for number in range(count):
        source.add(workspace, screen(number))
    return source


def twin(database: Database, key: str) -> NativeSource:
    """Another source that has all items of the native tables as its own: what merging costs, without a system elsewhere."""
    source = Source(key, key, (SourceKind.ACTIVITY,), priority=10)
    return NativeSource(database, key, lambda _: source)


def _profile(one: dict[str, Any]) -> Profile:
    return Profile(
        profile_id=UUID(one["id"].removeprefix("prf_")),
        version=one["version"],
        status=ProfileStatus(one["status"]),
        lifecycle=ProfileLifecycle(one["lifecycle"]),
        first_name=one["firstName"],
        middle_name=one["middleName"],
        last_name=one["lastName"],
        avatar_url=one["avatarUrl"],
        locale=one["locale"],
        time_zone=one["timeZone"],
        birth_date=date.fromisoformat(one["birthDate"]),
        customer_since=datetime.fromisoformat(one["customerSince"]),
        created_at=datetime.fromisoformat(one["createdAt"]),
        updated_at=datetime.fromisoformat(one["updatedAt"]),
        position=Position(_EPOCH, one["version"]),
    )


def _fact(trait: dict[str, Any], at: datetime) -> TraitFact:
    return TraitFact(trait["key"], trait["value"], TraitKind(trait["kind"]), trait["category"], None, Provenance(_TRACKING, at))


def _note(profile: UUID, note: dict[str, Any]) -> Note:
    at = datetime.fromisoformat(note["createdAt"])
    author = Actor(note["author"]["id"], note["author"]["displayName"], ActorKind.AGENT)
    return Note(profile, UUID(note["id"][-32:]), 1, note["body"], note["isPinned"], author, at, at, _NATIVE)


def _item(profile: UUID, item: dict[str, Any]) -> TimelineItem:
    native, at = item["id"].rpartition(".")[2], datetime.fromisoformat(item["occurredAt"])
    if item["__typename"] == "ExternalActivity":
        return ExternalActivity(profile, native, at, _TRACKING, TimelineKind.EXTERNAL, item["type"], None, {})
    empty = dict.fromkeys(
        ("ended_at", "queue", "agent", "outcome", "summary", "wrap_up", "sentiment", "attributes", "measures", "recording_url")
    )
    return Interaction(
        profile,
        native,
        at,
        _NATIVE,
        account=None,
        channel=Channel(item["channel"]),
        direction=Direction.INBOUND,
        **empty,  # type: ignore[arg-type]
    )
