"""Systems elsewhere, as the gateway's loaders see them: small ones that count how they are asked, and fail as they are told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from gateway.errors import SourceError
from gateway.model.activity import ExternalActivity, Place, TimelineItem, TimelineKind, place_of
from gateway.model.actor import Actor, ActorKind
from gateway.model.company import Company, CompanyMembership
from gateway.model.ids import parse_id, uuid7
from gateway.model.note import Note
from gateway.model.source import Source, SourceKind
from gateway.model.trait import Provenance, TraitFact, TraitKind
from gateway.sources.contract import Cut, LookupKey, NoteWindow, Stale, TimelineWindow
from gateway.sources.registry import Registry

from .conftest import START, Graph

__all__ = ["AS_OF", "System", "behind", "uid"]

AS_OF = datetime(2026, 2, 3, tzinfo=UTC)
"""When a stale answer was true."""


def uid(profile: str) -> UUID:
    """The gateway's id of a profile."""
    return parse_id(profile, "prf")[0]


def behind(graph: Graph, *systems: Any) -> Graph:
    """The same gateway with these systems behind it."""
    services = graph.runtime.services
    registry = Registry.build(services.registry.profiles, systems, dict(services.registry.described))
    return replace(graph, runtime=replace(graph.runtime, services=replace(services, registry=registry)))


@dataclass
class System:
    """One system: what it knows by profile, how it fares, and in `calls` how often it was asked for how many keys, and what was wanted.

    `error`: what it fails with; `stale`: and then what it knew at `AS_OF` is answered; `gate`: where its calls wait for those of other systems;
    `page`: it looks at that many of its items at a time, and cuts its pages behind them.
    """

    key: str
    kinds: tuple[SourceKind, ...]
    priority: int = 60
    error: SourceError | None = None
    stale: bool = False
    gate: asyncio.Barrier | None = None
    page: int | None = None
    fields: dict[UUID, dict[str, Any]] = field(default_factory=dict)
    facts: dict[UUID, dict[str, Any]] = field(default_factory=dict)
    written: dict[UUID, list[Note]] = field(default_factory=dict)
    items: dict[UUID, list[TimelineItem]] = field(default_factory=dict)
    members: dict[UUID, list[CompanyMembership]] = field(default_factory=dict)
    people: dict[LookupKey, list[UUID]] = field(default_factory=dict)
    calls: list[tuple[str, int, Any]] = field(default_factory=list)

    @property
    def source(self) -> Source:
        """How it presents itself."""
        return Source(self.key, self.key.upper(), self.kinds, priority=self.priority)

    @property
    def asked(self) -> list[tuple[str, int]]:
        """What it was asked for, and for how many keys."""
        return [(name, count) for name, count, _ in self.calls]

    def knows(self, profile: str, **facts: Any) -> None:
        """Let it know facts of a profile."""
        self.facts.setdefault(uid(profile), {}).update(facts)

    def noted(self, profile: str, body: str, at: datetime, *, pinned: bool = False) -> None:
        """Let there be a note in it."""
        author = Actor("zoe", "Zoe", ActorKind.AGENT)
        note = Note(uid(profile), uuid7(at), 1, body, pinned, author, at, at, self.source)
        self.written.setdefault(uid(profile), []).append(note)

    def happened(self, profile: str, minute: int, name: str) -> str:
        """Let something have happened; the item's id."""
        at = START + timedelta(minutes=minute)
        item = ExternalActivity(uid(profile), name, at, self.source, TimelineKind.EXTERNAL, "Order Completed", None, {})
        self.items.setdefault(uid(profile), []).append(item)
        return item.id

    def employs(self, profile: str, name: str, *, main: bool = False) -> None:
        """Let the person belong to a company that only this system knows."""
        membership = CompanyMembership(Company(uuid7(START), 1, name, None), "member", main, None)
        self.members.setdefault(uid(profile), []).append(membership)

    # The contract

    async def profile_fields(self, workspace: UUID, ids: Sequence[UUID], wanted: frozenset[str] | None) -> Sequence[Any]:
        """Fields of profiles."""
        return await self._answer("fields", ids, wanted, self.fields.get)

    async def traits(self, workspace: UUID, ids: Sequence[UUID], keys: Sequence[str] | None) -> Sequence[Any]:
        """Facts."""

        def of(profile: UUID) -> list[TraitFact]:
            told = self.facts.get(profile, {}).items()
            return [
                TraitFact(key, value, TraitKind.COMPUTED, None, None, Provenance(self.source, START))
                for key, value in told
                if keys is None or key in keys
            ]

        return await self._answer("traits", ids, keys, of)

    async def notes(self, workspace: UUID, ids: Sequence[UUID], window: NoteWindow) -> Sequence[Any]:
        """A page of notes."""

        def of(profile: UUID) -> list[Note]:
            line = sorted(self.written.get(profile, ()), key=lambda note: (note.is_pinned, note.note_id), reverse=True)
            return [note for note in line if window.before is None or (note.is_pinned, note.note_id) < window.before][: window.limit]

        return await self._answer("notes", ids, window, of)

    async def note_counts(self, workspace: UUID, ids: Sequence[UUID]) -> Sequence[Any]:
        """How many there are."""
        return await self._answer("counts", ids, None, lambda profile: len(self.written.get(profile, ())))

    async def notes_by_id(self, workspace: UUID, refs: Sequence[tuple[UUID, UUID]]) -> Sequence[Any]:
        """Notes by their ids."""
        return await self._answer(
            "note", refs, None, lambda ref: next((one for one in self.written.get(ref[0], ()) if one.note_id == ref[1]), None)
        )

    async def activities(self, workspace: UUID, ids: Sequence[UUID], window: TimelineWindow) -> Sequence[Any]:
        """A page of items, cut where it looked no further."""

        def of(profile: UUID) -> Sequence[TimelineItem] | Cut:
            inside = [one for one in self.items.get(profile, ()) if window.lower.key < place_of(one).key < window.upper.key]
            line = sorted(inside, key=lambda one: place_of(one).key, reverse=window.newest_first)
            if self.page is None or len(line) <= self.page:
                return line[: window.limit]
            last = place_of(line[self.page - 1])
            beyond = Place(last.occurred_at, "", "") if window.newest_first else Place(last.occurred_at, "~", "~")
            return Cut([one for one in line[: self.page] if window.filter.matches(one)], beyond)

        return await self._answer("items", ids, window, of)

    async def activities_by_id(self, workspace: UUID, refs: Sequence[tuple[UUID, str]]) -> Sequence[Any]:
        """Items by their ids."""
        return await self._answer(
            "item", refs, None, lambda ref: next((one for one in self.items.get(ref[0], ()) if one.native_id == ref[1]), None)
        )

    async def memberships(self, workspace: UUID, ids: Sequence[UUID]) -> Sequence[Any]:
        """Companies."""
        return await self._answer("companies", ids, None, lambda profile: self.members.get(profile, []))

    async def companies(self, workspace: UUID, ids: Sequence[UUID]) -> Sequence[Any]:
        """Companies by their ids."""
        known = {one.company.company_id: one.company for members in self.members.values() for one in members}
        return await self._answer("company", ids, None, known.get)

    async def find(self, workspace: UUID, keys: Sequence[LookupKey]) -> Sequence[Any]:
        """Whom a value belongs to."""
        return await self._answer("find", keys, tuple(keys), lambda key: self.people.get(key, []))

    async def _answer(self, name: str, keys: Sequence[Hashable], wanted: Any, of: Callable[[Any], Any]) -> list[Any]:
        self.calls.append((name, len(keys), wanted))
        if self.gate is not None:
            await self.gate.wait()
        if self.error is not None and not self.stale:
            raise self.error
        answers: Mapping[Hashable, Any] = {key: of(key) for key in keys}
        return [Stale(answers[key], AS_OF, self.error) if self.stale and self.error is not None else answers[key] for key in keys]
