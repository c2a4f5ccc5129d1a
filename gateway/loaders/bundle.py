"""The loaders of one operation: every way to ask the sources for something, each key asked once.

Owns which sources are asked for what, and the merge of their answers. Must not decide who may see an answer (resolvers ask `auth.policy`).
Made by `engine.context` for each operation and each live event; called by resolvers' batch functions.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar, cast
from uuid import UUID

from gateway.errors import SourceError
from gateway.loaders.batch import Loader
from gateway.model.activity import TimelineItem
from gateway.model.company import Company, CompanyMembership
from gateway.model.note import Note
from gateway.model.profile import Profile
from gateway.model.source import Source, SourceKind, SourceReport, SourceState
from gateway.model.trait import Trait, TraitFact, merge_traits
from gateway.sources.contract import Contacts, LookupKey, NoteWindow, TimelineWindow
from gateway.sources.guard import guarded, state_of
from gateway.sources.registry import Registry
from gateway.storage.database import Database

__all__ = ["Loaders", "OwnLoaders", "TimelinePages", "TraitAnswer"]


class OwnLoaders(Protocol):
    """The loaders of one noun that no source federates; one file per noun beside this one."""

    def __init__(self, database: Database, workspace: UUID) -> None:
        """Bound to a workspace, for one operation or one live event."""


L = TypeVar("L", bound=OwnLoaders)


@dataclass(frozen=True, slots=True)
class TraitAnswer:
    """A profile's merged traits, by key, and what each source said."""

    traits: Sequence[Trait]
    reports: Sequence[SourceReport]


@dataclass(frozen=True, slots=True)
class TimelinePages:
    """One page per source that answered, in reading order, and what each source said."""

    pages: Sequence[Sequence[TimelineItem]]
    reports: Sequence[SourceReport]


class Loaders:
    """Bound to one workspace; lives for one operation or one live event."""

    def __init__(self, registry: Registry, workspace: UUID, database: Database | None = None) -> None:
        """`database`: for the loaders of the gateway's own records; None where only sources are asked."""
        self._registry = registry
        self._workspace = workspace
        self._database = database
        self._own: dict[type[Any], Any] = {}
        self._notes: dict[NoteWindow, Loader[UUID, Sequence[Note]]] = {}
        self._timelines: dict[TimelineWindow, Loader[UUID, TimelinePages]] = {}
        self.profile: Loader[UUID, Profile | None] = Loader(self._load_profiles)
        self.contacts: Loader[UUID, Contacts] = Loader(self._load_contacts)
        self.lookup: Loader[LookupKey, Sequence[UUID]] = Loader(self._load_lookups)
        self.traits: Loader[UUID, TraitAnswer] = Loader(self._load_traits)
        self.note: Loader[tuple[UUID, UUID], Note | None] = Loader(self._load_notes_by_id)
        self.note_count: Loader[UUID, int] = Loader(self._load_note_counts)
        self.item: Loader[tuple[UUID, str, str], TimelineItem | None] = Loader(self._load_items)
        self.memberships: Loader[UUID, Sequence[CompanyMembership]] = Loader(self._load_memberships)
        self.company: Loader[UUID, Company | None] = Loader(self._load_companies)

    def of(self, kind: type[L]) -> L:
        """The loaders of one noun of the gateway's own records (contacts, merges, …), made when they are first asked for."""
        found = self._own.get(kind)
        if found is None:
            assert self._database is not None
            found = self._own[kind] = kind(self._database, self._workspace)
        return cast("L", found)

    def notes(self, window: NoteWindow) -> Loader[UUID, Sequence[Note]]:
        """The loader of one page of notes per profile."""
        loader = self._notes.get(window)
        if loader is None:

            async def load(ids: Sequence[UUID]) -> Sequence[Sequence[Note] | SourceError]:
                source = self._registry.notes[0]
                return await guarded(source.source.key, SourceKind.NOTES, source.notes(self._workspace, ids, window), len(ids))

            loader = self._notes[window] = Loader(load)
        return loader

    def timeline(self, window: TimelineWindow) -> Loader[UUID, TimelinePages]:
        """The loader of one page of every activity source per profile."""
        loader = self._timelines.get(window)
        if loader is None:

            async def load(ids: Sequence[UUID]) -> Sequence[TimelinePages | SourceError]:
                sources = self._registry.activities
                answers = await asyncio.gather(
                    *(
                        guarded(source.source.key, SourceKind.ACTIVITY, source.activities(self._workspace, ids, window), len(ids))
                        for source in sources
                    )
                )
                described = [source.source for source in sources]
                pages: list[TimelinePages | SourceError] = []
                for row in zip(*answers, strict=True):
                    answered = [page for page in row if not isinstance(page, SourceError)]
                    failed = [page for page in row if isinstance(page, SourceError)]
                    reports = [_report(source, answer) for source, answer in zip(described, row, strict=True)]
                    pages.append(TimelinePages(answered, reports) if answered else failed[0])
                return pages

            loader = self._timelines[window] = Loader(load)
        return loader

    async def search_names(self, words: Sequence[str], after: UUID | None, limit: int) -> Sequence[UUID]:
        """Ids of profiles by the beginnings of words in their names."""
        return await self._registry.identity.search_names(self._workspace, words, after, limit)

    async def _load_profiles(self, ids: Sequence[UUID]) -> Sequence[Profile | SourceError | None]:
        source = self._registry.profiles
        return await guarded(source.source.key, SourceKind.PROFILE, source.profiles(self._workspace, ids), len(ids))

    async def _load_contacts(self, ids: Sequence[UUID]) -> Sequence[Contacts | SourceError]:
        source = self._registry.identity
        return await guarded(source.source.key, SourceKind.IDENTITY, source.contacts(self._workspace, ids), len(ids))

    async def _load_lookups(self, keys: Sequence[LookupKey]) -> Sequence[Sequence[UUID] | SourceError]:
        source = self._registry.identity
        return await guarded(source.source.key, SourceKind.IDENTITY, source.resolve(self._workspace, keys), len(keys))

    async def _load_traits(self, ids: Sequence[UUID]) -> Sequence[TraitAnswer | SourceError]:
        sources = self._registry.traits
        answers = await asyncio.gather(
            *(guarded(source.source.key, SourceKind.TRAITS, source.traits(self._workspace, ids, None), len(ids)) for source in sources)
        )
        described = [source.source for source in sources]
        merged: list[TraitAnswer | SourceError] = []
        for row in zip(*answers, strict=True):
            facts: list[TraitFact] = [fact for answer in row if not isinstance(answer, SourceError) for fact in answer]
            failed = [answer for answer in row if isinstance(answer, SourceError)]
            reports = [_report(source, answer) for source, answer in zip(described, row, strict=True)]
            merged.append(failed[0] if len(failed) == len(row) else TraitAnswer(merge_traits(facts), reports))
        return merged

    async def _load_notes_by_id(self, refs: Sequence[tuple[UUID, UUID]]) -> Sequence[Note | SourceError | None]:
        source = self._registry.notes[0]
        return await guarded(source.source.key, SourceKind.NOTES, source.notes_by_id(self._workspace, refs), len(refs))

    async def _load_note_counts(self, ids: Sequence[UUID]) -> Sequence[int | SourceError]:
        source = self._registry.notes[0]
        return await guarded(source.source.key, SourceKind.NOTES, source.note_counts(self._workspace, ids), len(ids))

    async def _load_items(self, refs: Sequence[tuple[UUID, str, str]]) -> Sequence[TimelineItem | SourceError | None]:
        """Keys are (profile id, source key, native id): each adapter is asked once for what it holds."""
        found: dict[tuple[UUID, str, str], TimelineItem | SourceError | None] = {}
        by_adapter: dict[int, list[tuple[UUID, str, str]]] = {}
        for ref in refs:
            by_adapter.setdefault(id(self._registry.activity_source(ref[1])), []).append(ref)
        for wanted in by_adapter.values():
            source = self._registry.activity_source(wanted[0][1])
            call = source.activities_by_id(self._workspace, [(profile, native) for profile, _, native in wanted])
            found.update(zip(wanted, await guarded(source.source.key, SourceKind.ACTIVITY, call, len(wanted)), strict=True))
        return [found[ref] for ref in refs]

    async def _load_memberships(self, ids: Sequence[UUID]) -> Sequence[Sequence[CompanyMembership] | SourceError]:
        source = self._registry.companies
        return await guarded(source.source.key, SourceKind.COMPANY, source.memberships(self._workspace, ids), len(ids))

    async def _load_companies(self, ids: Sequence[UUID]) -> Sequence[Company | SourceError | None]:
        source = self._registry.companies
        return await guarded(source.source.key, SourceKind.COMPANY, source.companies(self._workspace, ids), len(ids))


def _report(source: Source, answer: object) -> SourceReport:
    if isinstance(answer, SourceError):
        return SourceReport(source, state_of(answer), source.last_success_at, answer.message)
    return SourceReport(source, SourceState.OK, source.last_success_at)
