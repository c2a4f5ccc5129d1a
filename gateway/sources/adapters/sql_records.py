"""From rows of somebody else's Postgres to records: each row is one JSON object, as the server wrote it.

Owns which column becomes which field, and what is no value of it: a row without what it must have is left out and counted. Pure. Called by `sql`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

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
    to_share,
    to_text,
    to_time,
    to_truth,
)
from gateway.sources.remote import PROFILE_FIELDS, CompanyRecord, ItemRecord, NoteRecord, ProfileRecord, TraitRecord

__all__ = ["Row", "company_of", "item_of", "note_of", "profile_of", "row_of", "trait_of", "traits_of"]

Row = Mapping[str, Any]
_DATES: Final = frozenset({"birth_date"})
_TIMES: Final = frozenset({"customer_since"})

T = TypeVar("T")


def row_of(text: str) -> Row:
    """A row; whole numbers keep all their digits."""
    row: dict[str, Any] = json.loads(text)
    return row


def profile_of(row: Row, wanted: frozenset[str] | None) -> ProfileRecord:
    """The wanted fields of a profile; what cannot be read is not known."""
    values = {
        name: _or_none(to_date if name in _DATES else to_time if name in _TIMES else to_text, row[name])
        for name in (PROFILE_FIELDS if wanted is None else PROFILE_FIELDS & wanted)
        if row.get(name) is not None
    }
    return ProfileRecord({name: value for name, value in values.items() if value is not None})


def trait_of(row: Row) -> TraitRecord | None:
    """A fact; None where its key or value cannot be read, or there is no value."""
    key, value = to_text(row["trait"]), to_json(row["value"])
    if not isinstance(key, str) or value is UNREADABLE or value is None:
        return None
    return TraitRecord(
        key,
        value,
        _or_none(to_time, row.get("observed_at")),
        _or_none(lambda kind: to_enum(TraitKind, kind), row.get("kind")),
        _or_none(to_text, row.get("category")),
        _or_none(to_share, row.get("confidence")),
    )


def traits_of(row: Row, wanted: frozenset[str] | None) -> list[TraitRecord]:
    """The facts of a row that holds one per column."""
    at = _or_none(to_time, row.get("observed_at"))
    values = {name: to_json(value) for name, value in row.items() if name not in {"key", "observed_at"} and value is not None}
    return [
        TraitRecord(name, value, at) for name, value in values.items() if value is not UNREADABLE and (wanted is None or name in wanted)
    ]


def note_of(row: Row) -> NoteRecord | None:
    """A note; None where its id, text or moment cannot be read."""
    note, body, at = to_id(row["id"]), to_body(row["body"]), to_time(row["created_at"])
    if UNREADABLE in (note, body, at) or body is None:
        return None
    pinned = _or_none(to_truth, row.get("is_pinned"))
    return NoteRecord(
        note,
        body,
        at,
        _or_none(to_time, row.get("updated_at")),
        _or_none(to_id, row.get("author_id")),
        _or_none(to_text, row.get("author_name")),
        is_pinned=bool(pinned),
    )


def item_of(row: Row) -> ItemRecord | None:
    """Something that happened; None where its id, moment or type cannot be read, or it is of no kind that a source may tell of."""
    item, at, type_ = to_id(row["id"]), to_time(row["occurred_at"]), to_text(row["type"])
    kind = TimelineKind.EXTERNAL if row.get("kind") is None else to_enum(TimelineKind, row["kind"])
    if UNREADABLE in (item, at, type_, kind) or not type_ or kind not in _KINDS:
        return None
    properties = to_json(row.get("properties") or {})
    return ItemRecord(
        item,
        at,
        type_,
        kind,
        _or_none(to_text, row.get("account")),
        properties if isinstance(properties, dict) else {},
        _or_none(lambda value: to_enum(Channel, value), row.get("channel")),
        _or_none(lambda value: to_enum(Direction, value), row.get("direction")),
        _or_none(to_time, row.get("ended_at")),
        _or_none(to_text, row.get("queue")),
        _or_none(to_id, row.get("agent_id")),
        _or_none(to_text, row.get("agent_name")),
        _or_none(to_body, row.get("summary")),
    )


_KINDS: Final = frozenset({TimelineKind.EXTERNAL, TimelineKind.WEB, TimelineKind.INTERACTION})


def company_of(row: Row) -> CompanyRecord | None:
    """A company; None where its id or name cannot be read."""
    company, name = to_id(row["id"]), to_text(row["name"])
    if UNREADABLE in (company, name) or not name:
        return None
    main = _or_none(to_truth, row.get("is_main"))
    domain, role = (_or_none(to_text, row.get(part)) for part in ("domain", "role"))
    return CompanyRecord(company, name, domain, role, is_main=bool(main), since=_or_none(to_time, row.get("since")))


def _or_none(read: Callable[[Any], Any], value: Any) -> Any:
    """What may be missing is missing when it cannot be read."""
    found = None if value is None else read(value)
    return None if found is UNREADABLE else found
