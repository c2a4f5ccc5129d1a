"""The SPI of a system elsewhere: what an adapter is asked and what it answers, in that system's own terms.

Owns the protocol `RemoteSource` and its records. Must not know the gateway's ids, workspaces or GraphQL: an adapter sees the keys by which its own
system knows people, and plain records. Implemented by `gateway.sources.adapters` and by third parties (entry points of the group
`profile_gateway.sources`, held to `gateway.sources.testing`); called by `gateway.sources.federated` alone, behind its guard.

* Every method takes a batch of at most 100 keys and answers a mapping by key: never by position. A key the system does not know is left out.
* A value may be a `SourceError`, which concerns that key alone; a raised exception fails all keys of the call.
* Nothing is kept between calls, unless the adapter says so: caching, deadlines, retries and limits are the guard's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Final, Protocol

from gateway.errors import SourceError
from gateway.model.activity import Direction, TimelineKind
from gateway.model.profile import Channel
from gateway.model.source import SourceKind
from gateway.model.trait import TraitKind
from gateway.sources.contract import LookupKey

__all__ = [
    "PROFILE_FIELDS",
    "Capabilities",
    "CompanyRecord",
    "ItemPage",
    "ItemRecord",
    "ItemWindow",
    "NoteRecord",
    "ProfileRecord",
    "RemoteAdapter",
    "RemoteSource",
    "TraitRecord",
]

PROFILE_FIELDS = frozenset({"first_name", "middle_name", "last_name", "avatar_url", "locale", "time_zone", "birth_date", "customer_since"})
"""Fields of a profile that a source may know."""
_SCANNED: Final = 200
"""Newest items of each person among which a single one is looked for."""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a system provides, and which kinds of it can be written: TRAITS (one attribute of a person) and NOTES (a new note)."""

    kinds: frozenset[SourceKind]
    writes: frozenset[SourceKind] = frozenset()


@dataclass(frozen=True, slots=True)
class ProfileRecord:
    """A person as the system knows them: `values` by names of `PROFILE_FIELDS`; what it does not know is left out or None."""

    values: Mapping[str, str | date | datetime | None]


@dataclass(frozen=True, slots=True)
class TraitRecord:
    """One fact. `observed_at` None: as of the answer. `kind` and `category` None: as the gateway knows the key."""

    key: str
    value: Any
    observed_at: datetime | None = None
    kind: TraitKind | None = None
    category: str | None = None
    confidence: float | None = None


@dataclass(frozen=True, slots=True)
class NoteRecord:
    """A note kept there; `id` is the system's own."""

    id: str
    body: str
    created_at: datetime
    updated_at: datetime | None = None
    author_id: str | None = None
    author_name: str | None = None
    is_pinned: bool = False


@dataclass(frozen=True, slots=True)
class ItemRecord:
    """Something that happened. `id`: the system's own, at most 200 characters, unique for the person; `type`: as in "Order Completed".

    `kind`: EXTERNAL, WEB or INTERACTION; what follows `properties` is of interactions alone.
    """

    id: str
    occurred_at: datetime
    type: str
    kind: TimelineKind = TimelineKind.EXTERNAL
    account: str | None = None
    properties: Mapping[str, Any] = field(default_factory=dict)
    channel: Channel | None = None
    direction: Direction | None = None
    ended_at: datetime | None = None
    queue: str | None = None
    agent_id: str | None = None
    agent_name: str | None = None
    summary: str | None = None


@dataclass(frozen=True, slots=True)
class ItemWindow:
    """Up to `limit` items of each person between two moments (both in, None: open), from the older or the newer end, in that reading order.

    Items of the moment at an end may be left out by who asked: an adapter answers all of them. `kinds`: the only ones that are wanted.
    """

    limit: int
    newest_first: bool = False
    since: datetime | None = None
    until: datetime | None = None
    kinds: frozenset[TimelineKind] | None = None


@dataclass(frozen=True, slots=True)
class ItemPage:
    """Items in reading order. `is_complete`: there is nothing more in the window behind the last one."""

    items: Sequence[ItemRecord]
    is_complete: bool


@dataclass(frozen=True, slots=True)
class CompanyRecord:
    """A company that a person belongs to; `id` is the system's own."""

    id: str
    name: str
    domain: str | None = None
    role: str | None = None
    is_main: bool = False
    since: datetime | None = None


class RemoteSource(Protocol):
    """One system elsewhere. Only what `capabilities` declares is called."""

    @property
    def capabilities(self) -> Capabilities:
        """What it provides; fixed once it is open."""

    async def open(self) -> None:
        """Get ready to be asked. Must not fail because the system is away.

        Raises:
            ConfigurationError: it must not be used like this (a database superuser, say).
        """

    async def close(self) -> None:
        """Let go of everything."""

    def forget(self) -> None:
        """Somebody changed there: what is kept between calls, if anything is, must not be told any more."""

    async def check(self) -> str:
        """Ask it the cheapest thing there is; what it is, for a person ("PostgreSQL 16.2", "HTTP 200 in 31 ms").

        Raises:
            SourceError: it does not answer.
        """

    async def profiles(self, keys: Sequence[str], fields: frozenset[str] | None) -> Mapping[str, ProfileRecord | SourceError]:
        """What it knows of each person; `fields`: the only ones of `PROFILE_FIELDS` that are wanted (None: all)."""

    async def traits(self, keys: Sequence[str], wanted: frozenset[str] | None) -> Mapping[str, Sequence[TraitRecord] | SourceError]:
        """Facts about each person; `wanted`: the only keys (None: all)."""

    async def notes(self, keys: Sequence[str], limit: int) -> Mapping[str, Sequence[NoteRecord] | SourceError]:
        """The newest notes of each person, newest first, `limit` at most."""

    async def items(self, keys: Sequence[str], window: ItemWindow) -> Mapping[str, ItemPage | SourceError]:
        """What happened to each person."""

    async def items_by_id(self, refs: Sequence[tuple[str, str]]) -> Mapping[tuple[str, str], ItemRecord | SourceError]:
        """The item of each (person's key, item's id)."""

    async def companies(self, keys: Sequence[str]) -> Mapping[str, Sequence[CompanyRecord] | SourceError]:
        """The companies of each person."""

    async def find(self, lookups: Sequence[LookupKey]) -> Mapping[LookupKey, Sequence[str] | SourceError]:
        """The keys of the people who have each value, exactly; a kind of value it cannot look for is left out."""

    async def write_trait(self, key: str, trait: str, value: Any, idempotency_key: str) -> None:
        """Set one attribute of a person (None: take it away); the same idempotency key twice is one write.

        Raises:
            Rejected: the system does not take the value; the message is for the agent.
            SourceError: it may or may not have happened.
        """

    async def add_note(self, key: str, body: str, author: str, idempotency_key: str) -> NoteRecord:
        """Add a note to a person, and what it became. Raises as `write_trait`."""


class RemoteAdapter:
    """A base that provides nothing: an adapter overrides what it declares in `capabilities`."""

    capabilities = Capabilities(frozenset())

    async def open(self) -> None:
        """See `RemoteSource`."""

    async def close(self) -> None:
        """See `RemoteSource`."""

    def forget(self) -> None:
        """See `RemoteSource`."""

    async def check(self) -> str:
        """See `RemoteSource`."""
        return "not checked"

    async def profiles(self, keys: Sequence[str], fields: frozenset[str] | None) -> Mapping[str, ProfileRecord | SourceError]:
        """See `RemoteSource`."""
        raise NotImplementedError

    async def traits(self, keys: Sequence[str], wanted: frozenset[str] | None) -> Mapping[str, Sequence[TraitRecord] | SourceError]:
        """See `RemoteSource`."""
        raise NotImplementedError

    async def notes(self, keys: Sequence[str], limit: int) -> Mapping[str, Sequence[NoteRecord] | SourceError]:
        """See `RemoteSource`."""
        raise NotImplementedError

    async def items(self, keys: Sequence[str], window: ItemWindow) -> Mapping[str, ItemPage | SourceError]:
        """See `RemoteSource`."""
        raise NotImplementedError

    async def items_by_id(self, refs: Sequence[tuple[str, str]]) -> Mapping[tuple[str, str], ItemRecord | SourceError]:
        """See `RemoteSource`; looked for among the newest of each person, where the system has no better way."""
        pages = await self.items(list(dict.fromkeys(key for key, _ in refs)), ItemWindow(_SCANNED, newest_first=True))
        found: dict[tuple[str, str], ItemRecord | SourceError] = {}
        for key, item in refs:
            page = pages.get(key)
            if isinstance(page, SourceError):
                found[key, item] = page
            elif page is not None:
                found.update(((key, item), one) for one in page.items if one.id == item)
        return found

    async def companies(self, keys: Sequence[str]) -> Mapping[str, Sequence[CompanyRecord] | SourceError]:
        """See `RemoteSource`."""
        raise NotImplementedError

    async def find(self, lookups: Sequence[LookupKey]) -> Mapping[LookupKey, Sequence[str] | SourceError]:
        """See `RemoteSource`."""
        raise NotImplementedError

    async def write_trait(self, key: str, trait: str, value: Any, idempotency_key: str) -> None:
        """See `RemoteSource`."""
        raise NotImplementedError

    async def add_note(self, key: str, body: str, author: str, idempotency_key: str) -> NoteRecord:
        """See `RemoteSource`."""
        raise NotImplementedError
