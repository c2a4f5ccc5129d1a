"""The memory source: every kind of data in plain dicts, and the faults of a real source on demand.

Owns the reference behaviour of the contract (one contract suite holds it and `native` to the same answers) and fault injection. Must not
touch a network, a disk or another source's data. Called like any adapter: by loaders through the registry, in tests and in the demo.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from random import Random
from typing import TypeVar
from uuid import UUID

from gateway.errors import SourceError, SourceTimeout, SourceUnavailable
from gateway.identity import lookup_key
from gateway.model.activity import Interaction, Message, NoteItem, TimelineItem, place_of
from gateway.model.company import Company, CompanyMembership
from gateway.model.naming import NameHit, Place, entries, is_first, score, spellings, whole, words_of
from gateway.model.note import Note
from gateway.model.profile import Profile, ProfileStatus
from gateway.model.source import Source, SourceState
from gateway.model.trait import TraitFact
from gateway.sources.contract import (
    MOST_OWNERS,
    Contacts,
    ConversationKey,
    LookupKey,
    NoteWindow,
    TimelineWindow,
    TranscriptKey,
    TranscriptWindow,
)

__all__ = ["Faults", "MemoryData", "MemorySource"]

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

_NEVER = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Faults:
    """What goes wrong, from the moment it is set on a source; several may hold at once, and a call under way keeps those it began with.

    `latency`: seconds each call takes. `error_rate`: share of calls (0..1) that fail, chosen by `random`. `hang`: calls end only by being
    cancelled. `flap`: (seconds up, seconds down), in turns by `clock`, up first. `failing_keys`: profiles, notes and companies whose
    elements are errors while the rest of the call is answered. `error`: what a failure is.
    """

    latency: float = 0.0
    error_rate: float = 0.0
    hang: bool = False
    flap: tuple[float, float] | None = None
    failing_keys: AbstractSet[UUID] = frozenset()
    error: type[SourceError] = SourceUnavailable
    random: Random = field(default_factory=lambda: Random(0))  # noqa: S311  # repeatable on purpose
    clock: Callable[[], float] = time.monotonic

    async def befall(self, source: str, since: float) -> None:
        """Let happen to one call what goes wrong with it; `since`: when these faults were set, by `clock`."""
        if self.flap is not None and (self.clock() - since) % sum(self.flap) >= self.flap[0]:
            raise self.error(source)
        if self.hang:
            await asyncio.get_running_loop().create_future()
        if self.latency:
            await asyncio.sleep(self.latency)
        if self.random.random() < self.error_rate:
            raise self.error(source)


@dataclass(slots=True)
class _Workspace:
    """One workspace's data. Timeline items go by (source key, native id), traits by (key, source key): a row's key in the native tables."""

    profiles: dict[UUID, Profile] = field(default_factory=dict)
    contacts: dict[UUID, Contacts] = field(default_factory=dict)
    lookups: dict[LookupKey, set[UUID]] = field(default_factory=dict)
    traits: dict[UUID, dict[tuple[str, str], TraitFact]] = field(default_factory=dict)
    notes: dict[UUID, dict[UUID, Note]] = field(default_factory=dict)
    items: dict[UUID, dict[tuple[str, str], TimelineItem]] = field(default_factory=dict)
    companies: dict[UUID, Company] = field(default_factory=dict)
    memberships: dict[UUID, dict[UUID, CompanyMembership]] = field(default_factory=dict)


_EMPTY = _Workspace()


class MemoryData:
    """What memory sources know, by workspace; sources that are given the same one know the same."""

    __slots__ = ("_workspaces",)

    def __init__(self) -> None:
        self._workspaces: dict[UUID, _Workspace] = {}

    def of(self, workspace: UUID) -> _Workspace:
        """A workspace's data to read; empty when there is none."""
        return self._workspaces.get(workspace, _EMPTY)

    def to(self, workspace: UUID) -> _Workspace:
        """A workspace's data to write."""
        return self._workspaces.setdefault(workspace, _Workspace())


class MemorySource:
    """Answers from `data` as the contract says, hampered by `faults`, settable at any time. A value put replaces its predecessor."""

    def __init__(self, source: Source, data: MemoryData | None = None) -> None:
        self._source = source
        self._data = MemoryData() if data is None else data
        self._state = source.state
        self._latency_ms: float | None = None
        self._last_success_at: datetime | None = None
        self.faults = Faults()

    @property
    def source(self) -> Source:
        """The source as its last call left it: ERROR when that failed, TIMEOUT when it was cancelled for taking too long."""
        return self._source.standing(self._state, self._last_success_at, self._latency_ms)

    @property
    def faults(self) -> Faults:
        """What goes wrong at present."""
        return self._faults

    @faults.setter
    def faults(self, faults: Faults) -> None:
        self._faults = faults
        self._faulty_since = faults.clock()

    def put_profile(self, workspace: UUID, profile: Profile) -> None:
        """Know a profile."""
        self._data.to(workspace).profiles[profile.profile_id] = profile

    def put_contacts(self, workspace: UUID, profile_id: UUID, contacts: Contacts) -> None:
        """Know all contact points and identifiers of a profile, and find it by them."""
        data = self._data.to(workspace)
        for key in _lookups(data.contacts.get(profile_id, Contacts())):
            data.lookups[key].discard(profile_id)
        points = sorted(contacts.points, key=lambda point: (not point.is_primary, point.point_id))
        identifiers = sorted(contacts.identifiers, key=lambda identifier: identifier.identifier_id)
        data.contacts[profile_id] = Contacts(tuple(points), tuple(identifiers))
        for key in _lookups(contacts):
            data.lookups.setdefault(key, set()).add(profile_id)

    def put_traits(self, workspace: UUID, profile_id: UUID, facts: Iterable[TraitFact]) -> None:
        """Know facts of a profile; those of other keys stay."""
        known = self._data.to(workspace).traits.setdefault(profile_id, {})
        known.update({(fact.key, fact.provenance.source.key): fact for fact in facts})

    def put_note(self, workspace: UUID, note: Note) -> None:
        """Know a note."""
        self._data.to(workspace).notes.setdefault(note.profile_id, {})[note.note_id] = note

    def put_item(self, workspace: UUID, item: TimelineItem) -> None:
        """Know a timeline item."""
        self._data.to(workspace).items.setdefault(item.profile_id, {})[item.source.key, item.native_id] = item

    def put_company(self, workspace: UUID, company: Company) -> None:
        """Know a company; its members see it at once."""
        self._data.to(workspace).companies[company.company_id] = company

    def put_membership(self, workspace: UUID, profile_id: UUID, membership: CompanyMembership) -> None:
        """Know that a profile belongs to a company, and the company."""
        self.put_company(workspace, membership.company)
        self._data.to(workspace).memberships.setdefault(profile_id, {})[membership.company.company_id] = membership

    async def profiles(self, workspace: UUID, ids: Sequence[UUID]) -> Sequence[Profile | SourceError | None]:
        """See `contract.ProfileSource`."""
        return await self._answer(workspace, ids, lambda data, key: data.profiles.get(key))

    async def has_label(self, workspace: UUID, key: str) -> bool:
        """See `contract.ProfileSource`: nobody issues write keys here."""
        return False

    async def resolve(self, workspace: UUID, keys: Sequence[LookupKey]) -> Sequence[Sequence[UUID] | SourceError]:
        """See `contract.IdentitySource`."""
        return await self._answer(workspace, keys, lambda data, key: sorted(data.lookups.get(key, ()))[:MOST_OWNERS])

    async def resolve_among(
        self, workspace: UUID, keys: Sequence[LookupKey], ids: Sequence[UUID]
    ) -> Sequence[Sequence[UUID] | SourceError]:
        """See `contract.IdentitySource`."""
        wanted = {*ids}
        return await self._answer(workspace, keys, lambda data, key: sorted(wanted.intersection(data.lookups.get(key, ()))))

    async def search_names(self, workspace: UUID, words: Sequence[str], after: str | None, limit: int) -> Sequence[NameHit]:
        """See `contract.IdentitySource`."""
        await self._endure()
        asked = words_of(" ".join(words))
        if not asked:
            return []
        place = None if after is None else Place.read(after)
        book = self._entries(workspace)
        leader = (
            min(range(len(asked)), key=lambda n: sum(entry.startswith(asked[n]) for entry, _ in book)) if place is None else place.leader
        )
        found = [
            NameHit(key, score(asked, entry), Place(leader, entry, key).text())
            for entry, key in book
            if entry.startswith(asked[leader])
            and is_first(entry, asked[leader])
            and all(f" {word}" in f" {entry}" for word in asked)
            and (place is None or (entry, key) > (place.entry, place.profile_id))
        ]
        return found[:limit]

    async def similar_names(self, workspace: UUID, words: Sequence[str], limit: int) -> Sequence[NameHit]:
        """See `contract.IdentitySource`."""
        await self._endure()
        asked = words_of(" ".join(words))
        book = self._entries(workspace)
        known = sorted({entry.partition(" ")[0] for entry, _ in book})
        found: dict[UUID, NameHit] = {}
        for beginning, worth in spellings(asked, [known for _ in asked]):
            low, high = whole(beginning)
            for entry, key in book:
                if low <= entry < high:
                    found.setdefault(key, NameHit(key, worth, ""))
        return sorted(found.values(), key=lambda hit: (-hit.score, hit.profile_id))[:limit]

    def _entries(self, workspace: UUID) -> list[tuple[str, UUID]]:
        living = [(key, one) for key, one in self._data.of(workspace).profiles.items() if one.status is ProfileStatus.ACTIVE]
        return sorted((entry, key) for key, one in living for entry in entries(words_of(f"{one.first_name or ''} {one.last_name or ''}")))

    async def contacts(self, workspace: UUID, ids: Sequence[UUID]) -> Sequence[Contacts | SourceError]:
        """See `contract.IdentitySource`."""
        return await self._answer(workspace, ids, lambda data, key: data.contacts.get(key, Contacts()))

    async def traits(self, workspace: UUID, ids: Sequence[UUID], keys: Sequence[str] | None) -> Sequence[Sequence[TraitFact] | SourceError]:
        """See `contract.TraitSource`."""

        def facts(data: _Workspace, profile_id: UUID) -> Sequence[TraitFact]:
            return [fact for fact in data.traits.get(profile_id, {}).values() if keys is None or fact.key in keys]

        return await self._answer(workspace, ids, facts)

    async def notes(self, workspace: UUID, ids: Sequence[UUID], window: NoteWindow) -> Sequence[Sequence[Note] | SourceError]:
        """See `contract.NoteSource`."""

        def page(data: _Workspace, profile_id: UUID) -> Sequence[Note]:
            notes = data.notes.get(profile_id, {})
            places = sorted(((note.is_pinned, key) for key, note in notes.items()), reverse=True)
            return [notes[place[1]] for place in places if window.before is None or place < window.before][: window.limit]

        return await self._answer(workspace, ids, page)

    async def note_counts(self, workspace: UUID, ids: Sequence[UUID]) -> Sequence[int | SourceError]:
        """See `contract.NoteSource`."""
        return await self._answer(workspace, ids, lambda data, key: len(data.notes.get(key, ())))

    async def notes_by_id(self, workspace: UUID, refs: Sequence[tuple[UUID, UUID]]) -> Sequence[Note | SourceError | None]:
        """See `contract.NoteSource`."""
        return await self._answer(workspace, refs, lambda data, ref: data.notes.get(ref[0], {}).get(ref[1]))

    async def activities(
        self, workspace: UUID, ids: Sequence[UUID], window: TimelineWindow
    ) -> Sequence[Sequence[TimelineItem] | SourceError]:
        """See `contract.ActivitySource`."""
        lower, upper = window.lower.key, window.upper.key

        def page(data: _Workspace, profile_id: UUID) -> Sequence[TimelineItem]:
            inside = [item for item in _items(data, profile_id) if lower < _place(item) < upper and window.filter.matches(item)]
            return sorted(inside, key=_place, reverse=window.newest_first)[: window.limit]

        return await self._answer(workspace, ids, page)

    async def activities_by_id(self, workspace: UUID, refs: Sequence[tuple[UUID, str]]) -> Sequence[TimelineItem | SourceError | None]:
        """See `contract.ActivitySource`."""

        def item(data: _Workspace, ref: tuple[UUID, str]) -> TimelineItem | None:
            return next((item for item in _items(data, ref[0]) if item.native_id == ref[1]), None)

        return await self._answer(workspace, refs, item)

    async def transcripts(
        self, workspace: UUID, keys: Sequence[TranscriptKey], window: TranscriptWindow
    ) -> Sequence[Sequence[Message] | SourceError]:
        """See `contract.ActivitySource`."""

        def page(data: _Workspace, key: TranscriptKey) -> Sequence[Message]:
            messages = (item for item in _items(data, key.profile_id) if isinstance(item, Message) and _place(item) > window.after.key)
            names = {key.interaction, key.conversation} - {None}
            told = [
                item for item in messages if (item.conversation or item.interaction) in names and key.since <= item.occurred_at <= key.until
            ]
            return sorted(told, key=_place)[: window.limit]

        return await self._answer(workspace, keys, page)

    async def conversations(self, workspace: UUID, keys: Sequence[ConversationKey]) -> Sequence[Interaction | SourceError | None]:
        """See `contract.ActivitySource`."""

        def nearest(data: _Workspace, key: ConversationKey) -> Interaction | None:
            items = (
                item for item in _items(data, key.profile_id) if isinstance(item, Interaction) and item.conversation == key.conversation
            )
            begun = [item for item in items if key.since <= item.occurred_at <= key.until]
            return min(begun, key=lambda item: (item.occurred_at > key.at, abs(item.occurred_at - key.at), *_place(item)[1:]), default=None)

        return await self._answer(workspace, keys, nearest)

    async def companies(self, workspace: UUID, ids: Sequence[UUID]) -> Sequence[Company | SourceError | None]:
        """See `contract.CompanySource`."""
        return await self._answer(workspace, ids, lambda data, key: data.companies.get(key))

    async def memberships(self, workspace: UUID, ids: Sequence[UUID]) -> Sequence[Sequence[CompanyMembership] | SourceError]:
        """See `contract.CompanySource`."""

        def members(data: _Workspace, profile_id: UUID) -> Sequence[CompanyMembership]:
            members = data.memberships.get(profile_id, {}).values()
            return [replace(member, company=data.companies[member.company.company_id]) for member in sorted(members, key=_main_first)]

        return await self._answer(workspace, ids, members)

    async def _answer(self, workspace: UUID, keys: Sequence[K], answer: Callable[[_Workspace, K], V]) -> list[V | SourceError]:
        """The answer for each key, or an error where the key, or one of its parts, is a failing one."""
        faults = await self._endure()
        data = self._data.of(workspace)
        return [
            answer(data, key)
            if faults.failing_keys.isdisjoint(key if isinstance(key, tuple) else (key,))
            else faults.error(self._source.key)
            for key in keys
        ]

    async def _endure(self) -> Faults:
        """Whatever befalls the call as a whole, by the faults set at its beginning."""
        started = time.perf_counter()
        faults = self._faults
        try:
            await faults.befall(self._source.key, self._faulty_since)
        except SourceError as error:
            self._state = SourceState.TIMEOUT if isinstance(error, SourceTimeout) else SourceState.ERROR
            raise
        except asyncio.CancelledError:
            self._state = SourceState.TIMEOUT
            raise
        self._state = SourceState.OK
        self._latency_ms = (time.perf_counter() - started) * 1000
        self._last_success_at = datetime.now(UTC)
        return faults


def _lookups(contacts: Contacts) -> Iterator[LookupKey]:
    for point in contacts.points:
        yield LookupKey(lookup_key(point.channel, point.custom_channel), point.normalized)
    for identifier in contacts.identifiers:
        yield LookupKey(identifier.type, identifier.normalized)


def _items(data: _Workspace, profile_id: UUID) -> Iterator[TimelineItem]:
    """Everything on a profile's timeline: what was put there, and the notes."""
    yield from data.items.get(profile_id, {}).values()
    yield from map(NoteItem, data.notes.get(profile_id, {}).values())


def _place(item: TimelineItem) -> tuple[datetime, str, str]:
    return place_of(item).key


def _main_first(member: CompanyMembership) -> tuple[bool, datetime, UUID]:
    return not member.is_main, member.since or _NEVER, member.company.company_id
