"""From a row of another system's JSON to a record of the SPI: which JMESPath expression fills which field, and as what it is read.

Owns the tables an operator writes under `record`. Expressions come from the operator and are checked when the gateway starts; values come from
upstream and are never trusted: a row that lacks a required field is dropped and counted, an optional field that cannot be read is left out and
counted, and nothing is raised for a batch. Called by the adapters; what it reads values with is `conversions`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Generic, Literal, TypeVar

import msgspec

from gateway.errors import ConfigurationError
from gateway.model.activity import Direction, TimelineKind
from gateway.model.profile import Channel
from gateway.model.trait import TraitKind
from gateway.sources.conversions import (
    UNREADABLE,
    to_body,
    to_date,
    to_enum,
    to_id,
    to_json,
    to_number,
    to_share,
    to_text,
    to_time,
    to_truth,
)
from gateway.sources.expressions import Expression
from gateway.sources.remote import PROFILE_FIELDS, CompanyRecord, ItemRecord, NoteRecord, ProfileRecord, TraitRecord

__all__ = [
    "Reading",
    "RecordTable",
    "Records",
    "TraitReading",
    "Traits",
    "company_records",
    "item_records",
    "note_records",
    "profile_records",
]

R = TypeVar("R")
ITEM_KINDS: Final = frozenset({TimelineKind.EXTERNAL, TimelineKind.WEB, TimelineKind.INTERACTION})


class Reading(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """How one field is read; in TOML an expression alone, or a table when it takes more."""

    value: str
    """JMESPath over the row."""
    map: dict[str, str] = {}
    """The system's words → ours, for fields that take few values: `{ web = "CHAT", email = "EMAIL" }`."""
    default: str | int | float | bool | None = None
    """What is taken when the expression finds nothing, or a word that `map` does not know."""


class TraitReading(Reading, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """How one trait is read."""

    type: Literal["json", "text", "number", "boolean", "time", "date"] = "json"
    """What it becomes; `json`: as it is."""
    observed_at: str | None = None
    """JMESPath to when it was observed; without it, the endpoint's."""
    kind: TraitKind | None = None
    category: str | None = None
    confidence: str | None = None
    """JMESPath to a number from 0 to 1."""


RecordTable = dict[str, str | Reading]
"""`[….record]`: field → expression or table."""

_TRAIT_TYPES: Final[Mapping[str, Callable[[Any], Any]]] = {
    "json": to_json,
    "text": to_body,
    "number": to_number,
    "boolean": to_truth,
    "time": lambda value: moment.isoformat() if (moment := to_time(value)) is not UNREADABLE else moment,
    "date": lambda value: day.isoformat() if (day := to_date(value)) is not UNREADABLE else day,
}


@dataclass(frozen=True, slots=True)
class _Field:
    """A field of a record: how its value is read, and whether the record is nothing without it."""

    read: Callable[[Any], Any]
    is_required: bool = False


def _to_item_kind(value: Any) -> Any:
    kind = to_enum(TimelineKind, value)
    return kind if kind in ITEM_KINDS else UNREADABLE


def _to_properties(value: Any) -> Any:
    """An object without its nulls: what is not known is not said."""
    read = to_json(value)
    return {key: one for key, one in read.items() if one is not None} if isinstance(read, dict) else UNREADABLE


_PROFILE: Final = {name: _Field(to_text) for name in PROFILE_FIELDS} | {"birth_date": _Field(to_date), "customer_since": _Field(to_time)}
_NOTE: Final = {
    "id": _Field(to_id, is_required=True),
    "body": _Field(to_body, is_required=True),
    "created_at": _Field(to_time, is_required=True),
    "updated_at": _Field(to_time),
    "author_id": _Field(to_id),
    "author_name": _Field(to_text),
    "is_pinned": _Field(to_truth),
}
_ITEM: Final = {
    "id": _Field(to_id, is_required=True),
    "occurred_at": _Field(to_time, is_required=True),
    "type": _Field(to_text, is_required=True),
    "kind": _Field(_to_item_kind),
    "account": _Field(to_text),
    "properties": _Field(_to_properties),
    "channel": _Field(partial(to_enum, Channel)),
    "direction": _Field(partial(to_enum, Direction)),
    "ended_at": _Field(to_time),
    "queue": _Field(to_text),
    "agent_id": _Field(to_id),
    "agent_name": _Field(to_text),
    "summary": _Field(to_body),
}
_COMPANY: Final = {
    "id": _Field(to_id, is_required=True),
    "name": _Field(to_text, is_required=True),
    "domain": _Field(to_text),
    "role": _Field(to_text),
    "is_main": _Field(to_truth),
    "since": _Field(to_time),
}


class _Read:
    """One reading, compiled."""

    __slots__ = ("_default", "_find", "_map", "_read")

    def __init__(self, reading: str | Reading, read: Callable[[Any], Any], where: str) -> None:
        plain = Reading(value=reading) if isinstance(reading, str) else reading
        self._find = Expression(plain.value, f"{where}.value" if isinstance(reading, Reading) else where)
        self._read = read
        self._map = {word: read(ours) for word, ours in plain.map.items()}
        self._default = None if plain.default is None else read(plain.default)
        for word, ours in (*self._map.items(), ("default", self._default)):
            if ours is UNREADABLE:
                said = plain.map.get(word, plain.default)
                raise ConfigurationError(f"{where}: {said!r} is no value that this field takes")

    def __call__(self, row: Any) -> Any:
        """The value, None when there is none, or `UNREADABLE`."""
        found = self._find(row)
        if found is None or found == "":
            return self._default
        if self._map:
            word = to_text(found)
            if word in self._map:
                return self._map[word]
            if self._default is not None:
                return self._default
        return self._read(found)


class Records(Generic[R]):
    """Rows → records. `dropped`, `unreadable`: rows without a required field, and optional fields left out."""

    def __init__(
        self, make: Callable[[dict[str, Any]], R], fields: Mapping[str, _Field], table: Mapping[str, str | Reading], where: str
    ) -> None:
        self.dropped = 0
        self.unreadable = 0
        self.names = frozenset(table)
        self._make = make
        for name in table:
            if name not in fields:
                raise ConfigurationError(f"{where}.{name}: there is no such field; there are {', '.join(sorted(fields))}")
        for name, one in fields.items():
            if one.is_required and name not in table:
                raise ConfigurationError(f"{where}.{name}: is missing; it says where in a row the {name} stands")
        self._reads = [(name, fields[name].is_required, _Read(table[name], fields[name].read, f"{where}.{name}")) for name in table]

    def taken(self) -> tuple[int, int]:
        """(dropped, unreadable) since it was last asked."""
        counts = self.dropped, self.unreadable
        self.dropped = self.unreadable = 0
        return counts

    def __call__(self, row: Any) -> R | None:
        """The record, or None: the row has not what it takes."""
        values: dict[str, Any] = {}
        for name, is_required, read in self._reads:
            value = read(row)
            if value is UNREADABLE:
                value = None
                self.unreadable += not is_required
            if value is not None:
                values[name] = value
            elif is_required:
                self.dropped += 1
                return None
        return self._make(values)


def profile_records(table: Mapping[str, str | Reading], where: str) -> Records[ProfileRecord]:
    """Rows → people. Raises `ConfigurationError` that begins with `where`, as the others do."""
    return Records(ProfileRecord, _PROFILE, table, where)


def note_records(table: Mapping[str, str | Reading], where: str) -> Records[NoteRecord]:
    """Rows → notes."""
    return Records(lambda values: NoteRecord(**values), _NOTE, table, where)


def item_records(table: Mapping[str, str | Reading], where: str) -> Records[ItemRecord]:
    """Rows → items of a timeline."""
    return Records(lambda values: ItemRecord(**values), _ITEM, table, where)


def company_records(table: Mapping[str, str | Reading], where: str) -> Records[CompanyRecord]:
    """Rows → companies."""
    return Records(lambda values: CompanyRecord(**values), _COMPANY, table, where)


class Traits:
    """A row → traits: those that `table` names, and every entry of the object at `every`. `dropped`: rows that are none; `unreadable`: values."""

    def __init__(
        self, table: Mapping[str, str | TraitReading], where: str, *, every: str | None = None, observed_at: str | None = None
    ) -> None:
        self.dropped = 0
        self.unreadable = 0
        self.names = frozenset(table) if every is None else None
        """The only keys there can be (None: any)."""
        if not table and every is None:
            raise ConfigurationError(f"{where}: names no trait; map some, or name the object that holds them all by `every`")
        self._every = None if every is None else Expression(every, f"{where}: every")
        self._observed = None if observed_at is None else Expression(observed_at, f"{where}: observed_at")
        self._reads: dict[str, tuple[_Read, TraitReading | None, Expression | None, Expression | None]] = {}
        for key, one in table.items():
            here = f"{where}.{key}"
            if to_id(key) is UNREADABLE:
                raise ConfigurationError(f"{here}: is no key of a trait")
            more = one if isinstance(one, TraitReading) else None
            observed = None if more is None or more.observed_at is None else Expression(more.observed_at, f"{here}.observed_at")
            confidence = None if more is None or more.confidence is None else Expression(more.confidence, f"{here}.confidence")
            self._reads[key] = (_Read(one, _TRAIT_TYPES[more.type if more else "json"], here), more, observed, confidence)

    def taken(self) -> tuple[int, int]:
        """(dropped, unreadable) since it was last asked."""
        counts = self.dropped, self.unreadable
        self.dropped = self.unreadable = 0
        return counts

    def __call__(self, row: Any, wanted: frozenset[str] | None = None) -> list[TraitRecord]:
        """The traits of a row, each key once; `wanted`: the only ones. A null is no trait."""
        return [record for record in self._all(row, wanted) if record is not None]

    def _all(self, row: Any, wanted: frozenset[str] | None) -> Iterator[TraitRecord | None]:
        seen = None if self._observed is None else _optional(to_time(self._observed(row)))
        for key, (read, more, observed, confidence) in self._reads.items():
            if wanted is None or key in wanted:
                at = seen if observed is None else _optional(to_time(observed(row)))
                sure = None if confidence is None else _optional(to_share(confidence(row)))
                yield self._record(
                    key, read(row), TraitRecord(key, None, at, more.kind if more else None, more.category if more else None, sure)
                )
        found = None if self._every is None else self._every(row)
        if isinstance(found, Mapping):
            for key, value in found.items():
                if key not in self._reads and (wanted is None or key in wanted) and to_id(key) == key:
                    yield self._record(key, to_json(value), TraitRecord(key, None, seen))
        elif found is not None:
            self.dropped += 1

    def _record(self, key: str, value: Any, shape: TraitRecord) -> TraitRecord | None:
        if value is UNREADABLE:
            self.unreadable += 1
            return None
        return None if value is None else TraitRecord(key, value, shape.observed_at, shape.kind, shape.category, shape.confidence)


def _optional(value: Any) -> Any:
    return None if value is UNREADABLE else value
