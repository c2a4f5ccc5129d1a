"""The loaders of one operation: every way to ask the sources for something, each key asked once.

Owns which sources are asked for what, and the merge of their answers. Must not decide who may see an answer (resolvers ask `auth.policy`).
Made by `engine.context` for each operation and each live event; called by resolvers' batch functions.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol, TypeVar, cast
from uuid import UUID

from gateway.errors import SourceError
from gateway.loaders.batch import Loader
from gateway.model.activity import Interaction, Message, TimelineItem
from gateway.model.company import Company, CompanyMembership
from gateway.model.naming import NameHit
from gateway.model.note import Note
from gateway.model.profile import Profile
from gateway.model.source import Source, SourceKind, SourceReport, SourceState
from gateway.model.trait import Trait, TraitFact, merge_traits
from gateway.sources.contract import (
    ActivitySource,
    Contacts,
    ConversationKey,
    LookupKey,
    NoteWindow,
    Stale,
    TimelineWindow,
    TranscriptKey,
    TranscriptWindow,
)
from gateway.sources.guard import guarded, state_of
from gateway.sources.registry import Registry
from gateway.storage.database import Database

__all__ = ["Loaders", "OwnLoaders", "TimelinePages", "TraitAnswer"]


class OwnLoaders(Protocol):
    """The loaders of one noun that no source federates; one file per noun beside this one."""

    def __init__(self, database: Database, workspace: UUID) -> None:
        """Bound to a workspace, for one operation or one live event."""


L = TypeVar("L", bound=OwnLoaders)
K = TypeVar("K", bound=Hashable)
V = TypeVar("V")
R = TypeVar("R", bound=tuple[Any, ...])


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
        self._transcripts: dict[TranscriptWindow, Loader[tuple[str, TranscriptKey], Sequence[Message]]] = {}
        self.profile: Loader[UUID, Profile | None] = Loader(self._load_profiles)
        self.contacts: Loader[UUID, Contacts] = Loader(self._load_contacts)
        self.lookup: Loader[LookupKey, Sequence[UUID]] = Loader(self._load_lookups)
        self.traits: Loader[UUID, TraitAnswer] = Loader(self._load_traits)
        self.note: Loader[tuple[UUID, UUID], Note | None] = Loader(self._load_notes_by_id)
        self.note_count: Loader[UUID, int] = Loader(self._load_note_counts)
        self.item: Loader[tuple[UUID, str, str], TimelineItem | None] = Loader(self._load_items)
        self.conversation: Loader[tuple[str, ConversationKey], Interaction | None] = Loader(self._load_conversations)
        """By (source key, what a message names its interaction by)."""
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
                answers: Sequence[Sequence[Note] | Stale[Sequence[Note]] | SourceError] = await guarded(
                    source.source.key, SourceKind.NOTES, source.notes(self._workspace, ids, window), len(ids)
                )
                return [answer.value if isinstance(answer, Stale) else answer for answer in answers]

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

    def transcript(self, window: TranscriptWindow) -> Loader[tuple[str, TranscriptKey], Sequence[Message]]:
        """The loader of one page of messages per (source key, conversation)."""
        loader = self._transcripts.get(window)
        if loader is None:

            async def load(keys: Sequence[tuple[str, TranscriptKey]]) -> Sequence[Sequence[Message] | SourceError]:
                return await self._by_adapter(keys, lambda source, own: source.transcripts(self._workspace, own, window))

            loader = self._transcripts[window] = Loader(load)
        return loader

    async def owners_among(self, keys: Sequence[LookupKey], ids: Sequence[UUID]) -> list[Sequence[UUID]]:
        """Which of these profiles have each value.

        Raises:
            SourceError: the source does not answer.
        """
        source = self._registry.identity
        call = source.resolve_among(self._workspace, keys, ids)
        answers: list[Sequence[UUID]] = []
        for answer in await guarded(source.source.key, SourceKind.IDENTITY, call, len(keys)):
            if isinstance(answer, SourceError):
                raise answer
            answers.append(answer)
        return answers

    async def search_names(self, words: Sequence[str], after: str | None, limit: int) -> Sequence[NameHit]:
        """Profiles by the beginnings of words in their names, behind a place."""
        return await self._registry.identity.search_names(self._workspace, words, after, limit)

    async def similar_names(self, words: Sequence[str], limit: int) -> Sequence[NameHit]:
        """Profiles by words that are nearly in their names, the best first."""
        return await self._registry.identity.similar_names(self._workspace, words, limit)

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
        now = datetime.now(UTC)
        for row in zip(*answers, strict=True):
            facts: list[TraitFact] = [fact for answer in row if not isinstance(answer, SourceError) for fact in answer]
            failed = [answer for answer in row if isinstance(answer, SourceError)]
            reports = [_report(source, answer) for source, answer in zip(described, row, strict=True)]
            merged.append(failed[0] if len(failed) == len(row) else TraitAnswer(merge_traits(facts, now), reports))
        return merged

    async def survivor(self, profile_id: UUID) -> UUID | None:
        """Where a profile that was merged away came to; None for a living one and for none."""
        profile = await self.profile.load(profile_id)
        return None if profile is None or profile.profile_id == profile_id else profile.profile_id

    async def _following_merges(
        self, refs: Sequence[R], ask: Callable[[Sequence[R]], Awaitable[Sequence[V | SourceError | None]]]
    ) -> Sequence[V | SourceError | None]:
        """The answer for each reference, which begins with a profile's id: what is missing there is asked of the survivor, if there is one."""
        answers = list(await ask(refs))
        missing = [index for index, answer in enumerate(answers) if answer is None]
        owners = await asyncio.gather(*(self.survivor(refs[index][0]) for index in missing), return_exceptions=True)
        moved = {index: (owner, *refs[index][1:]) for index, owner in zip(missing, owners, strict=True) if isinstance(owner, UUID)}
        if moved:
            for index, answer in zip(moved, await ask(cast("Sequence[R]", list(moved.values()))), strict=True):
                answers[index] = answer
        return answers

    async def _load_notes_by_id(self, refs: Sequence[tuple[UUID, UUID]]) -> Sequence[Note | SourceError | None]:
        return await self._following_merges(refs, self._notes_by_id)

    async def _notes_by_id(self, refs: Sequence[tuple[UUID, UUID]]) -> Sequence[Note | SourceError | None]:
        source = self._registry.notes[0]
        return await guarded(source.source.key, SourceKind.NOTES, source.notes_by_id(self._workspace, refs), len(refs))

    async def _load_note_counts(self, ids: Sequence[UUID]) -> Sequence[int | SourceError]:
        source = self._registry.notes[0]
        return await guarded(source.source.key, SourceKind.NOTES, source.note_counts(self._workspace, ids), len(ids))

    async def _load_items(self, refs: Sequence[tuple[UUID, str, str]]) -> Sequence[TimelineItem | SourceError | None]:
        """References are (profile id, source key, native id): each adapter is asked once for what it holds."""
        return await self._following_merges(refs, self._items_by_id)

    async def _items_by_id(self, refs: Sequence[tuple[UUID, str, str]]) -> Sequence[TimelineItem | SourceError | None]:
        keys = [(source, (profile, native)) for profile, source, native in refs]
        return await self._by_adapter(keys, lambda source, own: source.activities_by_id(self._workspace, own))

    async def _load_conversations(self, keys: Sequence[tuple[str, ConversationKey]]) -> Sequence[Interaction | SourceError | None]:
        return await self._by_adapter(keys, lambda source, own: source.conversations(self._workspace, own))

    async def _by_adapter(
        self, keys: Sequence[tuple[str, K]], ask: Callable[[ActivitySource, Sequence[K]], Awaitable[Sequence[V | SourceError]]]
    ) -> list[V | SourceError]:
        """The answer for each (source key, key): each adapter is asked once for what it holds."""
        found: dict[tuple[str, K], V | SourceError] = {}
        adapters = {key[0]: self._registry.activity_source(key[0]) for key in keys}
        for source in {id(adapter): adapter for adapter in adapters.values()}.values():
            wanted = [key for key in keys if adapters[key[0]] is source]
            call = ask(source, [key for _, key in wanted])
            found.update(zip(wanted, await guarded(source.source.key, SourceKind.ACTIVITY, call, len(wanted)), strict=True))
        return [found[key] for key in keys]

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
