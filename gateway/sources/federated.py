"""A system elsewhere as a source: the contract by gateway ids, over a `RemoteSource` that knows people by keys of its own.

Owns the translation both ways: from profiles to the keys they are known by there, and from records to values of the model. A profile without such a
key is answered with nothing, and nobody is asked about it. Must not know how the system is reached. Called by loaders through the registry, like any
source.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from gateway.errors import ConfigurationError, SourceError
from gateway.model.activity import Interaction, Message, TimelineItem
from gateway.model.company import Company, CompanyMembership
from gateway.model.note import Note
from gateway.model.source import Source
from gateway.model.trait import TraitFact
from gateway.sources.contract import (
    ConversationKey,
    Cut,
    LookupKey,
    NoteWindow,
    Stale,
    TimelineWindow,
    TranscriptKey,
    TranscriptWindow,
)
from gateway.sources.definition import Definition
from gateway.sources.federated_pages import Pages
from gateway.sources.federated_questions import Questions
from gateway.sources.federated_reading import Reading, combined
from gateway.sources.federated_records import Unusable, checked_id, company_of, fact_of, item_of, note_of
from gateway.sources.federated_timeline import first_window
from gateway.sources.federated_writing import Writing
from gateway.sources.guard import Guard
from gateway.sources.kept import Answer, Kept
from gateway.sources.keymap import KeyMap, check_key
from gateway.sources.remote import RemoteSource

__all__ = ["FederatedSource"]

_COMPANIES_REMEMBERED: Final = 10_000


class FederatedSource:
    """One configured source, `open` while it is used."""

    def __init__(self, definition: Definition, remote: RemoteSource, keys: KeyMap, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Raises ConfigurationError when people cannot be known by `definition.keyed_by`."""
        check_key(definition.keyed_by)
        self.definition = definition
        self.remote = remote
        self.guard = Guard(definition.key, definition.policy, clock=clock)
        self._keys = keys
        self._kept = Kept(definition.key, definition.policy, clock)
        self._reading = Reading(self.guard, self._kept)
        self._questions = Questions(remote)
        self._pages = Pages(definition.source, self.guard, self._reading, self._questions)
        self._writing = Writing(definition, remote, keys, self.guard)
        self._companies: OrderedDict[tuple[UUID, UUID], Company] = OrderedDict()

    @property
    def source(self) -> Source:
        """How the source presents itself, as its last call left it."""
        return self.definition.source.standing(self.guard.state, self.guard.last_success_at, self.guard.latency_ms)

    async def open(self) -> None:
        """Get ready to be asked.

        Raises:
            ConfigurationError: the system must not be used like this, or does not provide what it is to provide.
        """
        await self.remote.open()
        missing = sorted(kind.value for kind in set(self.definition.source.kinds) - self.remote.capabilities.kinds)
        if missing:
            await self.remote.close()
            raise ConfigurationError(f"sources.{self.definition.key}: as it is configured it provides no {', '.join(missing)}.")

    async def close(self) -> None:
        """End what is under way and let go of everything."""
        await self._kept.close()
        await self.remote.close()

    def forget(self, workspace: UUID, profile_id: UUID, before: datetime | None = None) -> None:
        """Drop what is kept of a person, if it was asked for before a moment (None: all); who asks now asks anew."""
        self._kept.forget(workspace, profile_id, before)
        self.remote.forget()

    def outdate(self, workspace: UUID, profile_id: UUID) -> None:
        """Who asks about a person now asks anew; what is kept may still stand in while the source fails."""
        self._kept.outdate(workspace, profile_id)
        self.remote.forget()

    async def profile_fields(
        self, workspace: UUID, ids: Sequence[UUID], wanted: frozenset[str] | None
    ) -> Sequence[Mapping[str, Any] | Stale[Mapping[str, Any]] | SourceError | None]:
        """See `contract.ProfileFieldSource`."""
        known_as = await self._known_as(workspace, ids)
        rows = await self._reading.rows(self._questions.fields(workspace, wanted), ids, known_as)
        told = [combined(row, lambda answers: _fields(answers, wanted)) for row in rows]
        return [None if isinstance(one, Mapping) and not one else one for one in told]

    async def traits(
        self, workspace: UUID, ids: Sequence[UUID], keys: Sequence[str] | None
    ) -> Sequence[Sequence[TraitFact] | Stale[Sequence[TraitFact]] | SourceError]:
        """See `contract.TraitSource`."""
        wanted = None if keys is None else frozenset(keys)
        known_as = await self._known_as(workspace, ids)
        rows = await self._reading.rows(self._questions.traits(workspace, wanted), ids, known_as)
        return [combined(row, lambda answers: self._facts(answers, wanted)) for row in rows]

    async def notes(
        self, workspace: UUID, ids: Sequence[UUID], window: NoteWindow
    ) -> Sequence[Sequence[Note] | Stale[Sequence[Note]] | SourceError]:
        """See `contract.NoteSource`; of the newest hundred that the system has."""

        def page(notes: Sequence[Note]) -> Sequence[Note]:
            places = [note for note in notes if window.before is None or (note.is_pinned, note.note_id) < window.before]
            return places[: window.limit]

        told = await self._notes(workspace, ids)
        return [
            one if isinstance(one, SourceError) else Stale(page(one.value), one.as_of, one.error) if isinstance(one, Stale) else page(one)
            for one in told
        ]

    async def note_counts(self, workspace: UUID, ids: Sequence[UUID]) -> Sequence[int | SourceError]:
        """See `contract.NoteSource`; counted to a hundred."""
        told = await self._notes(workspace, ids)
        return [one if isinstance(one, SourceError) else len(one.value if isinstance(one, Stale) else one) for one in told]

    async def notes_by_id(self, workspace: UUID, refs: Sequence[tuple[UUID, UUID]]) -> Sequence[Note | SourceError | None]:
        """See `contract.NoteSource`."""
        ids = list(dict.fromkeys(profile_id for profile_id, _ in refs))
        told = dict(zip(ids, await self._notes(workspace, ids), strict=True))
        return [
            one.error if isinstance(one, Stale) else one if isinstance(one, SourceError) else _note(one, note_id)
            for one, note_id in ((told[profile_id], note_id) for profile_id, note_id in refs)
        ]

    async def activities(
        self, workspace: UUID, ids: Sequence[UUID], window: TimelineWindow
    ) -> Sequence[Sequence[TimelineItem] | Cut | Stale[Sequence[TimelineItem] | Cut] | SourceError]:
        """See `contract.ActivitySource`."""
        first = first_window(window)
        if first is None:
            return [() for _ in ids]
        return await self._pages.read(workspace, ids, await self._known_as(workspace, ids), window, first)

    async def activities_by_id(self, workspace: UUID, refs: Sequence[tuple[UUID, str]]) -> Sequence[TimelineItem | SourceError | None]:
        """See `contract.ActivitySource`."""
        known_as = await self._known_as(workspace, [profile_id for profile_id, _ in refs])
        names = [[(key, item) for key in keys] if _is_id(item) else [] for keys, (_, item) in zip(known_as, refs, strict=True)]
        rows = await self._reading.rows(self._questions.item(workspace), [profile_id for profile_id, _ in refs], names)
        return [self._item(row, profile_id) for row, (profile_id, _) in zip(rows, refs, strict=True)]

    async def transcripts(
        self, workspace: UUID, keys: Sequence[TranscriptKey], window: TranscriptWindow
    ) -> Sequence[Sequence[Message] | SourceError]:
        """See `contract.ActivitySource`: systems elsewhere tell no messages."""
        self.guard.take_over()
        return [() for _ in keys]

    async def conversations(self, workspace: UUID, keys: Sequence[ConversationKey]) -> Sequence[Interaction | SourceError | None]:
        """See `contract.ActivitySource`: systems elsewhere tell no messages."""
        self.guard.take_over()
        return [None for _ in keys]

    async def memberships(
        self, workspace: UUID, ids: Sequence[UUID]
    ) -> Sequence[Sequence[CompanyMembership] | Stale[Sequence[CompanyMembership]] | SourceError]:
        """See `contract.MembershipSource`."""
        known_as = await self._known_as(workspace, ids)
        rows = await self._reading.rows(self._questions.companies(workspace), ids, known_as)
        return [combined(row, lambda answers: self._members(workspace, answers)) for row in rows]

    async def companies(self, workspace: UUID, ids: Sequence[UUID]) -> Sequence[Company | SourceError | None]:
        """The companies of these ids that `memberships` told of lately."""
        self.guard.take_over()
        return [self._companies.get((workspace, company_id)) for company_id in ids]

    async def find(self, workspace: UUID, keys: Sequence[LookupKey]) -> Sequence[Sequence[UUID] | Stale[Sequence[UUID]] | SourceError]:
        """See `contract.FindingSource`."""
        told, owners = await self._found(workspace, keys)
        rows = [[told[key]] for key in keys]
        return [combined(row, lambda answers: sorted({one for name in answers[0].value for one in owners[name]})) for row in rows]

    async def people(self, workspace: UUID, keys: Sequence[LookupKey]) -> Sequence[Mapping[str, Sequence[UUID]] | SourceError]:
        """The source's own keys of the people who have each value, with the profiles that have that key here: none of a stranger.

        What is old tells of nobody: it is the error that it is old for.
        """
        told, owners = await self._found(workspace, keys)
        answers = [told[key] for key in keys]
        return [one if isinstance(one, SourceError) else one.error or {name: owners[name] for name in one.value} for one in answers]

    async def write_trait(self, workspace: UUID, profile_id: UUID, trait: str, value: Any, idempotency_key: str) -> None:
        """Set one attribute of a person there (None: take it away).

        Raises:
            Rejected: the person is not known there, or the system does not take the value.
            SourceError: nothing was changed.
            OutcomeUnknown: it may have been.
        """
        try:
            await self._writing.write_trait(workspace, profile_id, trait, value, idempotency_key)
        finally:
            self.forget(workspace, profile_id)

    async def add_note(self, workspace: UUID, profile_id: UUID, body: str, author: str, idempotency_key: str) -> Note:
        """Add a note to a person there, and what it became. Raises as `write_trait`."""
        try:
            return await self._writing.add_note(workspace, profile_id, body, author, idempotency_key)
        finally:
            self.forget(workspace, profile_id)

    async def _known_as(self, workspace: UUID, ids: Sequence[UUID]) -> list[tuple[str, ...]]:
        self.guard.take_over()
        return await self._keys.keys_of(workspace, self.definition.keyed_by, ids)

    async def _found(
        self, workspace: UUID, keys: Sequence[LookupKey]
    ) -> tuple[dict[LookupKey, Answer | SourceError], dict[str, tuple[UUID, ...]]]:
        """What the system says of each value, and who has each of the keys it names."""
        self.guard.take_over()
        told = await self._reading.answers(self._questions.find(workspace), {key: frozenset() for key in keys})
        names = list(dict.fromkeys(name for one in told.values() if isinstance(one, Answer) for name in one.value))
        owners = await self._keys.all_owners_of(workspace, self.definition.keyed_by, names)
        return told, dict(zip(names, owners, strict=True))

    async def _notes(self, workspace: UUID, ids: Sequence[UUID]) -> list[Sequence[Note] | Stale[Sequence[Note]] | SourceError]:
        """All that is told of each profile's notes, pinned ones first, newest first."""
        known_as = await self._known_as(workspace, ids)
        rows = await self._reading.rows(self._questions.notes(workspace), ids, known_as)
        source = self.definition.source

        def notes_of(profile_id: UUID, answers: Sequence[Answer]) -> Sequence[Note]:
            notes = {note.note_id: note for one in answers for note in (note_of(record, source, profile_id) for record in one.value)}
            return sorted(notes.values(), key=lambda note: (note.is_pinned, note.note_id), reverse=True)

        return [
            combined(row, lambda answers, profile_id=profile_id: notes_of(profile_id, answers))  # type: ignore[misc]
            for profile_id, row in zip(ids, rows, strict=True)
        ]

    def _facts(self, answers: Sequence[Answer], wanted: frozenset[str] | None) -> Sequence[TraitFact]:
        """One fact per key, the latest that any of the records holds."""
        found: dict[str, TraitFact] = {}
        for one in answers:
            for record in one.value:
                fact = fact_of(record, self.definition.source, one.as_of)
                known = found.get(fact.key)
                if (wanted is None or fact.key in wanted) and (known is None or known.provenance.observed_at < fact.provenance.observed_at):
                    found[fact.key] = fact
        return list(found.values())

    def _members(self, workspace: UUID, answers: Sequence[Answer]) -> Sequence[CompanyMembership]:
        told = [company_of(record, self.definition.source, workspace) for one in answers for record in one.value]
        members = {member.company.company_id: member for member in reversed(told)}
        for company_id, member in members.items():
            self._companies[workspace, company_id] = member.company
            self._companies.move_to_end((workspace, company_id))
        while len(self._companies) > _COMPANIES_REMEMBERED:
            self._companies.popitem(last=False)
        return sorted(members.values(), key=_main_first)

    def _item(self, row: Sequence[Answer | SourceError], profile_id: UUID) -> TimelineItem | SourceError | None:
        """The first that any of the keys has; an old one is none, since nothing would tell that it is."""
        found = next((one.value for one in row if isinstance(one, Answer) and one.error is None and one.value is not None), None)
        if found is not None:
            return item_of(found, self.definition.source, profile_id)
        return next((one if isinstance(one, SourceError) else one.error for one in row if isinstance(one, SourceError) or one.error), None)


def _fields(answers: Sequence[Answer], wanted: frozenset[str] | None) -> Mapping[str, Any]:
    """Every field, as the first of the keys that knows it has it."""
    found: dict[str, Any] = {}
    for one in answers:
        for name, value in one.value.items():
            if wanted is None or name in wanted:
                found.setdefault(name, value)
    return found


def _note(notes: Sequence[Note], note_id: UUID) -> Note | None:
    return next((note for note in notes if note.note_id == note_id), None)


def _main_first(member: CompanyMembership) -> tuple[bool, bool, float, UUID]:
    return not member.is_main, member.since is None, 0.0 if member.since is None else member.since.timestamp(), member.company.company_id


def _is_id(text: str) -> bool:
    """Whether any record can have this id."""
    try:
        return bool(checked_id(text))
    except Unusable:
        return False
