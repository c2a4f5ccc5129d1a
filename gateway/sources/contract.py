"""The contract between the gateway and a source of customer data: batch-first, one result or one error per key.

Owns the Protocols, their keys and windows. Must not say how a source works. Implemented by `native`, `memory` and later adapters; called by
`loaders`; one contract suite (`tests/contract`) holds every implementation to it:

* A method takes a list of keys and returns a list of the same length in the same order.
* An element is the answer, or a `SourceError` that concerns this key alone; a raised exception fails every key of the call.
* A key the source does not know is answered with None or an empty list, never with an error.
* A source that keeps answers may answer `Stale`, from before it stopped answering; a page of items that ends before its window does is a `Cut`.
* The workspace is the first wall: no answer ever carries another workspace's data.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Generic, Protocol, TypeVar
from uuid import UUID

from gateway.errors import SourceError
from gateway.model.activity import Interaction, Message, Place, TimelineFilter, TimelineItem
from gateway.model.company import Company, CompanyMembership
from gateway.model.naming import NameHit
from gateway.model.note import Note
from gateway.model.profile import ContactPoint, Identifier, Profile
from gateway.model.source import Source
from gateway.model.trait import TraitFact

__all__ = [
    "FIRST_PLACE",
    "LAST_PLACE",
    "MOST_OWNERS",
    "ActivitySource",
    "CompanySource",
    "Contacts",
    "ConversationKey",
    "Cut",
    "FindingSource",
    "IdentitySource",
    "LookupKey",
    "MembershipSource",
    "NoteSource",
    "NoteWindow",
    "ProfileFieldSource",
    "ProfileSource",
    "Stale",
    "TimelineWindow",
    "TraitSource",
    "TranscriptKey",
    "TranscriptWindow",
]

FIRST_PLACE: Final = Place(datetime(1, 1, 1, tzinfo=UTC), "", "")
"""Before every item."""
LAST_PLACE: Final = Place(datetime(9999, 12, 31, tzinfo=UTC), "~", "~")
"""After every item (`~` sorts behind every source key and every native id)."""


MOST_OWNERS: Final = 5000
"""Profiles with one value that are told; the others are found by another key as well."""


T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Stale(Generic[T_co]):
    """An answer from before: it was true at `as_of`, and `error` is why there is no newer one."""

    value: T_co
    as_of: datetime
    error: SourceError


@dataclass(frozen=True, slots=True)
class Cut:
    """Items in reading order up to `place`, behind which the source may hold more than it could be asked for."""

    items: Sequence[TimelineItem]
    place: Place


@dataclass(frozen=True, slots=True)
class LookupKey:
    """A normalized value to find profiles by: `key` is an identifier type, `phone`, `email` or a channel in lower case."""

    key: str
    value: str


@dataclass(frozen=True, slots=True)
class Contacts:
    """How to reach a profile and what identifies it."""

    points: tuple[ContactPoint, ...] = ()
    identifiers: tuple[Identifier, ...] = ()


@dataclass(frozen=True, slots=True)
class NoteWindow:
    """Up to `limit` notes, pinned ones first, newest first, behind the place `before`: whether pinned, and the note's id (None: all)."""

    limit: int
    before: tuple[bool, UUID] | None = None


@dataclass(frozen=True, slots=True)
class TimelineWindow:
    """Up to `limit` items strictly between two places, read from the older or the newer end, in that reading order."""

    limit: int
    newest_first: bool = False
    lower: Place = FIRST_PLACE
    upper: Place = LAST_PLACE
    filter: TimelineFilter = TimelineFilter()


@dataclass(frozen=True, slots=True)
class TranscriptKey:
    """Whose messages: those that name the interaction by its native id, or the conversation as its source does, in a span (both ends in)."""

    profile_id: UUID
    interaction: str
    conversation: str | None
    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class TranscriptWindow:
    """Up to `limit` messages of each conversation, oldest first, behind a place."""

    limit: int
    after: Place = FIRST_PLACE


@dataclass(frozen=True, slots=True)
class ConversationKey:
    """The interaction that a conversation's message of the moment `at` belongs to, among those that began in a span (both ends in)."""

    profile_id: UUID
    conversation: str
    at: datetime
    since: datetime
    until: datetime


class _Described(Protocol):
    @property
    def source(self) -> Source:
        """How the source presents itself, with its present state."""


class ProfileSource(_Described, Protocol):
    """Knows profiles."""

    async def profiles(self, workspace: UUID, ids: Sequence[UUID]) -> Sequence[Profile | SourceError | None]:
        """The profile of each id."""

    async def has_label(self, workspace: UUID, key: str) -> bool:
        """Whether the workspace itself named a source like this (a write key's label)."""


class ProfileFieldSource(_Described, Protocol):
    """Knows fields of profiles that are the gateway's own."""

    async def profile_fields(
        self, workspace: UUID, ids: Sequence[UUID], wanted: frozenset[str] | None
    ) -> Sequence[Mapping[str, Any] | Stale[Mapping[str, Any]] | SourceError | None]:
        """The source's values of `remote.PROFILE_FIELDS` for each profile, without those it does not know; `wanted`: the only ones (None: all)."""


class IdentitySource(_Described, Protocol):
    """Knows who is meant by a value."""

    async def resolve(self, workspace: UUID, keys: Sequence[LookupKey]) -> Sequence[Sequence[UUID] | SourceError]:
        """The ids of the profiles that have each value, ascending, up to `MOST_OWNERS`; exact matches only."""

    async def resolve_among(
        self, workspace: UUID, keys: Sequence[LookupKey], ids: Sequence[UUID]
    ) -> Sequence[Sequence[UUID] | SourceError]:
        """Which of these profiles have each value, ascending."""

    async def search_names(self, workspace: UUID, words: Sequence[str], after: str | None, limit: int) -> Sequence[NameHit]:
        """Active profiles with words in first or last name that begin with each of these, in any case; no word has a blank in it.

        Each once, in the order of a telephone book by one of the words; `after` is the place of the last one shown.
        """

    async def similar_names(self, workspace: UUID, words: Sequence[str], limit: int) -> Sequence[NameHit]:
        """Active profiles whose names have words spelt nearly like these, the best first: what to offer when nothing begins like them."""

    async def contacts(self, workspace: UUID, ids: Sequence[UUID]) -> Sequence[Contacts | SourceError]:
        """Contact points (primary first) and identifiers of each profile."""


class FindingSource(_Described, Protocol):
    """Knows whom a value belongs to, besides the gateway itself."""

    async def find(self, workspace: UUID, keys: Sequence[LookupKey]) -> Sequence[Sequence[UUID] | Stale[Sequence[UUID]] | SourceError]:
        """The ids of the profiles that have each value, exactly; empty for a kind of value it cannot look for."""


class TraitSource(_Described, Protocol):
    """Knows facts about profiles."""

    async def traits(
        self, workspace: UUID, ids: Sequence[UUID], keys: Sequence[str] | None
    ) -> Sequence[Sequence[TraitFact] | Stale[Sequence[TraitFact]] | SourceError]:
        """What the source says of each profile; `keys` names the only traits that are wanted (None: all)."""


class NoteSource(_Described, Protocol):
    """Knows notes."""

    async def notes(
        self, workspace: UUID, ids: Sequence[UUID], window: NoteWindow
    ) -> Sequence[Sequence[Note] | Stale[Sequence[Note]] | SourceError]:
        """One page of each profile's notes, pinned ones first, newest first."""

    async def note_counts(self, workspace: UUID, ids: Sequence[UUID]) -> Sequence[int | SourceError]:
        """How many notes each profile has."""

    async def notes_by_id(self, workspace: UUID, refs: Sequence[tuple[UUID, UUID]]) -> Sequence[Note | SourceError | None]:
        """The note of each (profile id, note id)."""


class ActivitySource(_Described, Protocol):
    """Knows what happened."""

    async def activities(
        self, workspace: UUID, ids: Sequence[UUID], window: TimelineWindow
    ) -> Sequence[Sequence[TimelineItem] | Cut | Stale[Sequence[TimelineItem] | Cut] | SourceError]:
        """One window of each profile's items, in reading order."""

    async def activities_by_id(self, workspace: UUID, refs: Sequence[tuple[UUID, str]]) -> Sequence[TimelineItem | SourceError | None]:
        """The item of each (profile id, native id)."""

    async def transcripts(
        self, workspace: UUID, keys: Sequence[TranscriptKey], window: TranscriptWindow
    ) -> Sequence[Sequence[Message] | SourceError]:
        """One page of each conversation's messages, oldest first."""

    async def conversations(self, workspace: UUID, keys: Sequence[ConversationKey]) -> Sequence[Interaction | SourceError | None]:
        """The interaction of each conversation: the last that had begun at the moment, else the nearest to begin after it."""


class CompanySource(_Described, Protocol):
    """Knows companies and who belongs to them."""

    async def companies(self, workspace: UUID, ids: Sequence[UUID]) -> Sequence[Company | SourceError | None]:
        """The company of each id."""

    async def memberships(self, workspace: UUID, ids: Sequence[UUID]) -> Sequence[Sequence[CompanyMembership] | SourceError]:
        """Each profile's companies, the main one first, then by `since`."""


class MembershipSource(_Described, Protocol):
    """Knows companies and who belongs to which, besides the gateway itself."""

    async def companies(self, workspace: UUID, ids: Sequence[UUID]) -> Sequence[Company | SourceError | None]:
        """The company of each id, as far as memberships told of it."""

    async def memberships(
        self, workspace: UUID, ids: Sequence[UUID]
    ) -> Sequence[Sequence[CompanyMembership] | Stale[Sequence[CompanyMembership]] | SourceError]:
        """Each profile's companies, the main one first, then by `since`."""
