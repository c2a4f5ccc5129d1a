"""A system elsewhere that is none: people written into the configuration, or into a JSON file, and the faults of a real one on demand.

Owns the reference behaviour of `gateway.sources.remote`: what it answers is what the contract suite of `gateway.sources.testing` asks of every
adapter. Must not touch a network. Configured as `[sources.<key>.memory]`; for trying things out, and for tests.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar

import msgspec

from gateway.errors import BadUserInput, ConfigurationError, SourceError
from gateway.identity import normalize
from gateway.model.activity import TimelineKind
from gateway.model.source import SourceKind
from gateway.sources.contract import LookupKey
from gateway.sources.definition import Adapter, Definition
from gateway.sources.memory import Faults
from gateway.sources.remote import (
    Capabilities,
    CompanyRecord,
    ItemPage,
    ItemRecord,
    ItemWindow,
    NoteRecord,
    ProfileRecord,
    RemoteAdapter,
    TraitRecord,
)

__all__ = ["ADAPTER", "MemoryRemote", "Options", "Person"]

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

Moment = Annotated[datetime, msgspec.Meta(tz=True)]
_KINDS: Final = frozenset({TimelineKind.EXTERNAL, TimelineKind.WEB, TimelineKind.INTERACTION})


class _Table(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """A table of the file: a key that nobody knows is an error."""


class Fields(_Table, frozen=True, kw_only=True):
    """PROFILE: what is known of the person's own fields."""

    first_name: str | None = None
    middle_name: str | None = None
    last_name: str | None = None
    avatar_url: str | None = None
    locale: str | None = None
    time_zone: str | None = None
    birth_date: date | None = None
    customer_since: Moment | None = None


class NoteEntry(_Table, frozen=True, kw_only=True):
    """NOTES: one of them."""

    id: str
    body: str
    created_at: Moment
    author: str | None = None
    pinned: bool = False


class ItemEntry(_Table, frozen=True, kw_only=True):
    """ACTIVITY: one thing that happened; `kind`: EXTERNAL, WEB or INTERACTION."""

    id: str
    occurred_at: Moment
    type: str
    kind: TimelineKind = TimelineKind.EXTERNAL
    account: str | None = None
    properties: dict[str, Any] = {}
    summary: str | None = None


class CompanyEntry(_Table, frozen=True, kw_only=True):
    """COMPANY: one that the person belongs to."""

    id: str
    name: str
    domain: str | None = None
    role: str | None = None
    main: bool = False


class Person(_Table, frozen=True, kw_only=True):
    """`[sources.<key>.memory.people.<external key>]`: `traits` by key, `find` the values by which the person is found, by kind."""

    profile: Fields = Fields()
    traits: dict[str, Any] = {}
    observed_at: Moment | None = None
    """When the traits were true. None: now."""
    notes: list[NoteEntry] = []
    items: list[ItemEntry] = []
    companies: list[CompanyEntry] = []
    find: dict[str, list[str]] = {}


class Options(_Table, frozen=True, kw_only=True):
    """`[sources.<key>.memory]`."""

    people: dict[str, Person] = {}
    file: str | None = None
    """A JSON file with more people: an object by external key, each as in `people`."""
    writable: bool = False
    """Whether traits and notes can be written; what is written lasts until the gateway ends."""
    latency: float = 0.0
    """Seconds that each call takes."""
    error_rate: float = 0.0
    """Share of the calls that fail, 0 to 1."""
    hang: bool = False
    """Calls never end."""
    flap: tuple[float, float] | None = None
    """Seconds of being there and seconds of being away, in turns."""


class _Known:
    """What is known of one person, as records."""

    def __init__(self, person: Person) -> None:
        values = {name: value for name in Fields.__struct_fields__ if (value := getattr(person.profile, name)) is not None}
        self.profile = ProfileRecord(values)
        self.traits = {key: TraitRecord(key, _plain(value), person.observed_at) for key, value in person.traits.items()}
        self.notes = [NoteRecord(one.id, one.body, one.created_at, author_name=one.author, is_pinned=one.pinned) for one in person.notes]
        self.items = sorted(
            (
                ItemRecord(one.id, one.occurred_at, one.type, one.kind, one.account, _plain(one.properties), summary=one.summary)
                for one in person.items
            ),
            key=_place,
        )
        self.companies = [CompanyRecord(one.id, one.name, one.domain, one.role, one.main) for one in person.companies]


class MemoryRemote(RemoteAdapter):
    """Answers from people given to it, hampered by `faults`, settable at any time. It counts its calls: `asked`, by name of the method."""

    def __init__(self, key: str, people: Mapping[str, Person], *, writable: bool = False, faults: Faults | None = None) -> None:
        self._key = key
        self._people = {name: _Known(person) for name, person in people.items()}
        self._owners: dict[LookupKey, list[str]] = {}
        for name, person in people.items():
            for kind, values in person.find.items():
                for value in values:
                    self._owners.setdefault(LookupKey(kind, _normal(name, kind, value)), []).append(name)
        self._findable = frozenset(kind for person in people.values() for kind in person.find)
        self._written: set[str] = set()
        self._added: dict[str, NoteRecord] = {}
        writes = frozenset({SourceKind.TRAITS, SourceKind.NOTES}) if writable else frozenset[SourceKind]()
        self.capabilities = Capabilities(frozenset(SourceKind), writes)
        self.asked: dict[str, int] = {}
        self.faults = Faults() if faults is None else faults

    @property
    def faults(self) -> Faults:
        """What goes wrong at present."""
        return self._faults

    @faults.setter
    def faults(self, faults: Faults) -> None:
        self._faults = faults
        self._faulty_since = faults.clock()

    async def check(self) -> str:
        """See `RemoteSource`."""
        await self._endure("check")
        return f"{len(self._people)} {'person' if len(self._people) == 1 else 'people'} in memory"

    async def profiles(self, keys: Sequence[str], fields: frozenset[str] | None) -> Mapping[str, ProfileRecord | SourceError]:
        """See `RemoteSource`."""
        await self._endure("profiles")
        return self._answer(
            keys,
            lambda known: ProfileRecord({name: one for name, one in known.profile.values.items() if fields is None or name in fields}),
        )

    async def traits(self, keys: Sequence[str], wanted: frozenset[str] | None) -> Mapping[str, Sequence[TraitRecord] | SourceError]:
        """See `RemoteSource`."""
        await self._endure("traits")
        return self._answer(keys, lambda known: [one for one in known.traits.values() if wanted is None or one.key in wanted])

    async def notes(self, keys: Sequence[str], limit: int) -> Mapping[str, Sequence[NoteRecord] | SourceError]:
        """See `RemoteSource`."""
        await self._endure("notes")
        return self._answer(keys, lambda known: sorted(known.notes, key=lambda one: (one.created_at, one.id), reverse=True)[:limit])

    async def items(self, keys: Sequence[str], window: ItemWindow) -> Mapping[str, ItemPage | SourceError]:
        """See `RemoteSource`."""
        await self._endure("items")

        def page(known: _Known) -> ItemPage:
            inside = [
                one
                for one in known.items
                if (window.since is None or one.occurred_at >= window.since)
                and (window.until is None or one.occurred_at <= window.until)
                and (window.kinds is None or one.kind in window.kinds)
            ]
            ordered = inside[::-1] if window.newest_first else inside
            return ItemPage(ordered[: window.limit], is_complete=len(inside) <= window.limit)

        return self._answer(keys, page)

    async def items_by_id(self, refs: Sequence[tuple[str, str]]) -> Mapping[tuple[str, str], ItemRecord | SourceError]:
        """See `RemoteSource`."""
        await self._endure("items_by_id")
        return {(key, one.id): one for key, wanted in refs if key in self._people for one in self._people[key].items if one.id == wanted}

    async def companies(self, keys: Sequence[str]) -> Mapping[str, Sequence[CompanyRecord] | SourceError]:
        """See `RemoteSource`."""
        await self._endure("companies")
        return self._answer(keys, lambda known: known.companies)

    async def find(self, lookups: Sequence[LookupKey]) -> Mapping[LookupKey, Sequence[str] | SourceError]:
        """See `RemoteSource`."""
        await self._endure("find")
        return {one: self._owners.get(one, ()) for one in lookups if one.key in self._findable}

    async def write_trait(self, key: str, trait: str, value: Any, idempotency_key: str) -> None:
        """See `RemoteSource`."""
        await self._endure("write_trait")
        if idempotency_key in self._written:
            return
        self._written.add(idempotency_key)
        known = self._people.setdefault(key, _Known(Person()))
        if value is None:
            known.traits.pop(trait, None)
        else:
            known.traits[trait] = TraitRecord(trait, value, datetime.now(UTC))

    async def add_note(self, key: str, body: str, author: str, idempotency_key: str) -> NoteRecord:
        """See `RemoteSource`."""
        await self._endure("add_note")
        if idempotency_key not in self._added:
            known = self._people.setdefault(key, _Known(Person()))
            note = NoteRecord(f"n{len(known.notes) + 1}", body, datetime.now(UTC), author_name=author)
            known.notes.append(note)
            self._added[idempotency_key] = note
        return self._added[idempotency_key]

    def _answer(self, keys: Sequence[str], answer: Callable[[_Known], V]) -> dict[str, V]:
        return {key: answer(self._people[key]) for key in keys if key in self._people}

    async def _endure(self, call: str) -> None:
        self.asked[call] = self.asked.get(call, 0) + 1
        await self._faults.befall(self._key, self._faulty_since)


def _make(definition: Definition) -> MemoryRemote:
    options: Options = definition.options
    if not 0 <= options.error_rate <= 1:
        raise ConfigurationError("error_rate: is between 0 and 1")
    if not 0 <= options.latency <= 3600:  # noqa: PLR2004
        raise ConfigurationError("latency: is between 0 and 3600 seconds")
    if options.flap is not None and not (min(options.flap) >= 0 and 0 < sum(options.flap) < float("inf")):
        raise ConfigurationError("flap: is [seconds of being there, seconds of being away]")
    people = {**_read(options.file), **options.people}
    for key, person in people.items():
        ids = [one.id for one in person.items]
        if len({*ids}) < len(ids) or any(one.kind not in _KINDS for one in person.items):
            raise ConfigurationError(f"people.{key}.items: each has an id of its own, and a kind of {', '.join(k.value for k in _KINDS)}")
    faults = Faults(latency=options.latency, error_rate=options.error_rate, hang=options.hang, flap=options.flap, clock=time.monotonic)
    return MemoryRemote(definition.key, people, writable=options.writable, faults=faults)


def _read(file: str | None) -> dict[str, Person]:
    if file is None:
        return {}
    try:
        return msgspec.json.decode(Path(file).read_bytes(), type=dict[str, Person])
    except OSError as error:
        raise ConfigurationError(f"file: {file} cannot be read ({error.strerror})") from error
    except msgspec.DecodeError as error:
        raise ConfigurationError(f"file: {file} has no people in it: {error}") from error


def _normal(person: str, kind: str, value: str) -> str:
    try:
        return normalize(kind, value)
    except BadUserInput as error:
        raise ConfigurationError(f"people.{person}.find.{kind}: {error.message}") from error


def _plain(value: Any) -> Any:
    """A value as JSON has it: TOML knows dates."""
    return msgspec.to_builtins(value)


def _place(item: ItemRecord) -> tuple[datetime, str]:
    return item.occurred_at, item.id


ADAPTER: Final = Adapter(options=Options, make=_make)
"""`adapter = "memory"`."""
