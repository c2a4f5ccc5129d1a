"""The loaders of one operation: every way to ask the sources for something, each key asked once.

Owns which sources are asked for what, and the merge of their answers. Must not decide who may see an answer (resolvers ask `auth.policy`).
Made by `engine.context` for each operation and each live event; called by resolvers' batch functions.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, Protocol, TypeVar, cast
from uuid import UUID

from gateway.errors import SourceError
from gateway.loaders.answers import (
    TimelinePages,
    TraitAnswer,
    answered,
    failure,
    united_memberships,
    united_notes,
    united_owners,
    united_traits,
)
from gateway.loaders.batch import Loader
from gateway.loaders.ledger import SEARCH, Ledger, in_our_words, report_of
from gateway.loaders.wanted import EVERYTHING, Wanted
from gateway.model.activity import Interaction, Message, TimelineItem
from gateway.model.company import Company, CompanyMembership
from gateway.model.naming import NameHit
from gateway.model.note import Note
from gateway.model.precedence import Overlay, overlay_of
from gateway.model.profile import Profile
from gateway.model.source import Source, SourceKind, SourceReport
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
from gateway.sources.guard import guarded
from gateway.sources.misses import missed_among
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
S = TypeVar("S", bound="Described")


class Described(Protocol):
    """Any source."""

    @property
    def source(self) -> Source:
        """How it presents itself."""


class Loaders:
    """Bound to one workspace; lives for one operation or one live event."""

    def __init__(
        self,
        registry: Registry,
        workspace: UUID,
        database: Database | None = None,
        wanted: Wanted = EVERYTHING,
        ledger: Ledger | None = None,
    ) -> None:
        """`database`: for the loaders of the gateway's own records; None where only sources are asked. `wanted`: all that is shown of profiles;
        `traits` and `overlay` answer no more than that. `ledger`: where it is entered how the sources did.
        """
        self._registry = registry
        self._workspace = workspace
        self._database = database
        self._wanted = wanted
        self._ledger = Ledger() if ledger is None else ledger
        self.overlays = bool(registry.fields)
        """Whether any source may know fields of a profile; else nobody needs to ask `overlay`."""
        self._own: dict[type[Any], Any] = {}
        self._notes: dict[NoteWindow, Loader[UUID, Sequence[Note]]] = {}
        self._timelines: dict[TimelineWindow, Loader[UUID, TimelinePages]] = {}
        self._transcripts: dict[TranscriptWindow, Loader[tuple[str, TranscriptKey], Sequence[Message]]] = {}
        self.profile: Loader[UUID, Profile | None] = Loader(self._load_profiles)
        self.overlay: Loader[UUID, Overlay] = Loader(self._load_overlays)
        self.contacts: Loader[UUID, Contacts] = Loader(self._load_contacts)
        self.lookup: Loader[LookupKey, Sequence[UUID]] = Loader(self._load_lookups)
        self.traits: Loader[UUID, TraitAnswer] = Loader(self._load_traits)
        self.note: Loader[tuple[UUID, UUID], Note | None] = Loader(self._load_notes_by_id)
        self.note_count: Loader[UUID, int | None] = Loader(self._load_note_counts)
        self.item: Loader[tuple[UUID, str, str], TimelineItem | None] = Loader(self._load_items)
        self.conversation: Loader[tuple[str, ConversationKey], Interaction | None] = Loader(self._load_conversations)
        """By (source key, what a message names its interaction by)."""
        self.memberships: Loader[UUID, Sequence[CompanyMembership]] = Loader(self._load_memberships)
        self.company: Loader[UUID, Company | None] = Loader(self._load_companies)

    def close(self) -> None:
        """The operation is over: let go of all that was loaded. Loaders know whom they load for, so that otherwise everything a screen has read would
        wait for the collector, which then has a hundred screens to go through while nobody is answered.
        """
        holders = [self, *self._own.values()]
        if any(loader.is_asking for holder in holders for loader in _loaders_of(holder)):
            return  # who went away may have left something behind, which ends by itself
        for holder in holders:
            vars(holder).clear()

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
                rows, _ = await self._ask_all(
                    SourceKind.NOTES, self._registry.notes, ids, lambda source: source.notes(self._workspace, ids, window)
                )
                return [failure(row) or united_notes(row, window.limit) for row in rows]

            loader = self._notes[window] = Loader(load)
        return loader

    def timeline(self, window: TimelineWindow) -> Loader[UUID, TimelinePages]:
        """The loader of one page of every activity source per profile."""
        loader = self._timelines.get(window)
        if loader is None:

            async def load(ids: Sequence[UUID]) -> Sequence[TimelinePages | SourceError]:
                rows, reports = await self._ask_all(
                    SourceKind.ACTIVITY,
                    self._registry.activities,
                    ids,
                    lambda source: source.activities(self._workspace, ids, window),
                    entered=False,
                )
                return [failure(row) or TimelinePages(answered(row), told) for row, told in zip(rows, reports, strict=True)]

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

    async def _ask_all(
        self,
        kind: SourceKind,
        sources: Sequence[S],
        about: Sequence[Hashable],
        ask: Callable[[S], Awaitable[Sequence[Any]]],
        *,
        entered: bool = True,
    ) -> tuple[list[tuple[Any, ...]], list[list[SourceReport]]]:
        """Every source's answer about each thing, all of them asked at once, and what that says of each source.

        `entered`: what it says is about the thing; else only failures are kept, and whoever asked tells the rest.
        """
        if len(sources) == 1:  # as everywhere where nothing is federated
            return await self._ask_one(kind, sources[0], about, ask, entered)
        answers = await asyncio.gather(*(guarded(source.source.key, kind, _begun(ask, source), len(about)) for source in sources))
        described = [source.source for source in sources]
        for source, answer in zip(described, answers, strict=True):
            missed_among(self._workspace, source.key, kind, about, answer)
        rows = list(zip(*answers, strict=True)) if sources else [() for _ in about]
        reports = [[report_of(source, answer) for source, answer in zip(described, row, strict=True)] for row in rows]
        for key, told in zip(about, reports, strict=True):
            self._ledger.enter(told, key if entered and self._wanted.reports else None)
        return rows, reports

    async def _ask_one(
        self, kind: SourceKind, source: S, about: Sequence[Hashable], ask: Callable[[S], Awaitable[Sequence[Any]]], entered: bool
    ) -> tuple[list[tuple[Any, ...]], list[list[SourceReport]]]:
        """`_ask_all` where there is one source: nothing runs beside it."""
        answer = await guarded(source.source.key, kind, _begun(ask, source), len(about))
        described = source.source
        fine = [report_of(described, None)]
        is_entered = entered and self._wanted.reports
        if not is_entered and not any(isinstance(one, SourceError | Stale) for one in answer):
            return [(one,) for one in answer], [fine] * len(answer)
        missed_among(self._workspace, described.key, kind, about, answer)
        reports = [[report_of(described, one)] if isinstance(one, SourceError | Stale) else fine for one in answer]
        for key, told in zip(about, reports, strict=True):
            self._ledger.enter(told, key if is_entered else None)
        return [(one,) for one in answer], reports

    async def _load_profiles(self, ids: Sequence[UUID]) -> Sequence[Profile | SourceError | None]:
        source = self._registry.profiles
        return await guarded(source.source.key, SourceKind.PROFILE, source.profiles(self._workspace, ids), len(ids))

    async def _load_overlays(self, ids: Sequence[UUID]) -> Sequence[Overlay]:
        sources, own = self._registry.fields, self._registry.profiles.source
        wanted = self._wanted.fields or None
        rows, _ = await self._ask_all(SourceKind.PROFILE, sources, ids, lambda source: source.profile_fields(self._workspace, ids, wanted))
        described = [source.source for source in sources]
        return [
            overlay_of(
                own, [(source, said[0]) for source, answer in zip(described, row, strict=True) if (said := answered([answer])) and said[0]]
            )
            for row in rows
        ]

    async def _load_contacts(self, ids: Sequence[UUID]) -> Sequence[Contacts | SourceError]:
        source = self._registry.identity
        return await guarded(source.source.key, SourceKind.IDENTITY, source.contacts(self._workspace, ids), len(ids))

    async def _load_lookups(self, keys: Sequence[LookupKey]) -> Sequence[Sequence[UUID] | SourceError]:
        """The gateway's own answer decides whether there is one; others add to it."""
        source = self._registry.identity
        own = guarded(source.source.key, SourceKind.IDENTITY, source.resolve(self._workspace, keys), len(keys))
        finders = self._registry.finders
        if not finders:
            return await own
        asked = self._ask_all(SourceKind.IDENTITY, finders, keys, lambda finder: finder.find(self._workspace, keys), entered=False)
        known, (rows, reports) = await asyncio.gather(own, asked)
        for told in reports:
            self._ledger.enter(told, SEARCH)
        return [one if isinstance(one, SourceError) else united_owners((one, *row)) for one, row in zip(known, rows, strict=True)]

    async def _load_traits(self, ids: Sequence[UUID]) -> Sequence[TraitAnswer | SourceError]:
        keys = None if not self._wanted.traits else sorted(self._wanted.traits)
        rows, reports = await self._ask_all(
            SourceKind.TRAITS, self._registry.traits, ids, lambda source: source.traits(self._workspace, ids, keys)
        )
        now = datetime.now(UTC)
        return [failure(row) or TraitAnswer(united_traits(row, now), told) for row, told in zip(rows, reports, strict=True)]

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
        found: Sequence[Note | SourceError | None] = await self._own_first(
            SourceKind.NOTES, self._registry.notes, refs, lambda source, wanted: source.notes_by_id(self._workspace, wanted)
        )
        return found

    async def _load_note_counts(self, ids: Sequence[UUID]) -> Sequence[int | SourceError | None]:
        """How many there are in all; None when somebody who may have some did not say."""
        rows, _ = await self._ask_all(SourceKind.NOTES, self._registry.notes, ids, lambda source: source.note_counts(self._workspace, ids))
        return [failure(row) or (sum(said) if len(said := answered(row)) == len(row) else None) for row in rows]

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
        adapters = {key[0]: self._registry.activity_source(key[0]) for key in keys}
        asked = {id(adapter): [key for key in keys if adapters[key[0]] is adapter] for adapter in adapters.values()}

        async def of(source: ActivitySource) -> Sequence[V | SourceError]:
            return await ask(source, [key for _, key in asked[id(source)]])

        sources = {id(adapter): adapter for adapter in adapters.values()}
        answers = await asyncio.gather(
            *(guarded(source.source.key, SourceKind.ACTIVITY, of(source), len(asked[number])) for number, source in sources.items())
        )
        found: dict[tuple[str, K], V | SourceError] = {}
        own = self._registry.activities[0]
        for wanted, source, answer in zip(asked.values(), sources.values(), answers, strict=True):
            told = (
                answer if source is own else [in_our_words(source.source, one) if isinstance(one, SourceError) else one for one in answer]
            )
            found.update(zip(wanted, told, strict=True))
        return [found[key] for key in keys]

    async def _load_memberships(self, ids: Sequence[UUID]) -> Sequence[Sequence[CompanyMembership] | SourceError]:
        rows, _ = await self._ask_all(
            SourceKind.COMPANY, self._registry.members, ids, lambda source: source.memberships(self._workspace, ids)
        )
        return [failure(row) or united_memberships(row) for row in rows]

    async def _load_companies(self, ids: Sequence[UUID]) -> Sequence[Company | SourceError | None]:
        found: Sequence[Company | SourceError | None] = await self._own_first(
            SourceKind.COMPANY, self._registry.members, ids, lambda source, wanted: source.companies(self._workspace, wanted)
        )
        return found

    async def _own_first(
        self, kind: SourceKind, sources: Sequence[S], keys: Sequence[K], ask: Callable[[S, Sequence[K]], Awaitable[Sequence[Any]]]
    ) -> list[Any]:
        """What there is under each key: the gateway's own is looked at first, and only what is not there is asked of others."""
        own, *others = sources
        found = list(await guarded(own.source.key, kind, ask(own, keys), len(keys)))
        missing = [index for index, one in enumerate(found) if one is None] if others else []
        if missing:
            wanted = [keys[index] for index in missing]
            rows, _ = await self._ask_all(kind, others, wanted, lambda source: ask(source, wanted), entered=False)
            described = [source.source for source in others]
            for index, row in zip(missing, rows, strict=True):
                failed = (in_our_words(source, one) for source, one in zip(described, row, strict=True) if isinstance(one, SourceError))
                found[index] = next((one for one in answered(row) if one is not None), None) or next(failed, None)
        return found


def _loaders_of(holder: object) -> Iterator[Loader[Any, Any]]:
    for held in vars(holder).values():
        if held.__class__ is Loader:
            yield held
        elif held.__class__ is dict:
            yield from (one for one in held.values() if one.__class__ is Loader)


async def _begun(ask: Callable[[S], Awaitable[Sequence[Any]]], source: S) -> Sequence[Any]:
    """The call, begun under the guard: a source that lacks what it says it provides is a source that fails."""
    return await ask(source)
