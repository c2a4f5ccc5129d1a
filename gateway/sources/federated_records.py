"""Records of a system elsewhere: what they must be to be used, and what they become.

Owns both: a record that is not what the SPI says (a naive moment, an id that no item id can carry, a value that is not JSON or too large) is
`Unusable`, and one that is becomes a value of the model with this source as its provenance. Pure. Called by `federated`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, date, datetime
from math import isfinite
from typing import Any, Final
from uuid import UUID, uuid5

import orjson

from gateway.identity import MAX_IDENTIFIER
from gateway.model.activity import Direction, ExternalActivity, Interaction, TimelineKind
from gateway.model.actor import Actor, ActorKind
from gateway.model.company import Company, CompanyMembership
from gateway.model.note import MAX_NOTE_BYTES, Note
from gateway.model.profile import Channel
from gateway.model.source import Source
from gateway.model.trait import Provenance, TraitFact, TraitKind, known_trait
from gateway.sources.contract import FIRST_PLACE, LAST_PLACE
from gateway.sources.remote import PROFILE_FIELDS, CompanyRecord, ItemRecord, NoteRecord, ProfileRecord, TraitRecord

__all__ = [
    "MAX_ID",
    "Unusable",
    "checked_company",
    "checked_id",
    "checked_item",
    "checked_key",
    "checked_note",
    "checked_profile",
    "checked_trait",
    "company_of",
    "fact_of",
    "item_of",
    "note_of",
]

MAX_ID: Final = 200
"""Characters of a record's id at most: more do not fit into an item's id."""
_MAX_KEY: Final = 128
_MAX_TEXT: Final = 1000
_MAX_LONG_TEXT: Final = 16 * 1024
_MAX_JSON_BYTES: Final = 32 * 1024
_MAX_DEPTH: Final = 16
_KINDS: Final = frozenset({TimelineKind.EXTERNAL, TimelineKind.WEB, TimelineKind.INTERACTION})
_COMPANIES: Final = UUID("9c8d3f0e-5a58-5d0b-9a3c-2f6a1f6f5b7e")
"""The namespace of companies that a source told of."""


class Unusable(ValueError):
    """A record cannot be used; the text says what of it, and none of its values."""


def checked_trait(record: TraitRecord) -> TraitRecord | None:
    """The fact; None: it says that there is none."""
    _is(record, TraitRecord)
    _text(record.key, "key", _MAX_KEY)
    _optional(record.category, "category", _MAX_TEXT)
    if record.kind is not None:
        _is(record.kind, TraitKind)
    confidence = record.confidence
    if confidence is not None and (isinstance(confidence, bool) or not isinstance(confidence, int | float) or not 0 <= confidence <= 1):
        raise Unusable("confidence")
    if record.observed_at is not None:
        _moment(record.observed_at, "observed_at")
    _json(record.value, "value")
    return None if record.value is None else record


def checked_note(record: NoteRecord) -> NoteRecord:
    """The note."""
    _is(record, NoteRecord)
    checked_id(record.id)
    _string(record.body, "body", MAX_NOTE_BYTES)
    _moment(record.created_at, "created_at")
    if record.updated_at is not None:
        _moment(record.updated_at, "updated_at")
    _optional(record.author_id, "author_id", _MAX_TEXT)
    _optional(record.author_name, "author_name", _MAX_TEXT)
    return record


def checked_item(record: ItemRecord) -> ItemRecord:
    """What happened."""
    _is(record, ItemRecord)
    checked_id(record.id)
    _moment(record.occurred_at, "occurred_at")
    _text(record.type, "type", MAX_ID)
    _optional(record.account, "account", _MAX_TEXT)
    if record.kind not in _KINDS:
        raise Unusable("kind")
    if not isinstance(record.properties, dict):
        raise Unusable("properties")
    _json(record.properties, "properties")
    if record.kind is TimelineKind.INTERACTION:
        _is(record.channel, Channel)
        _is(record.direction, Direction)
        if record.ended_at is not None:
            _moment(record.ended_at, "ended_at")
        for name in ("queue", "agent_id", "agent_name"):
            _optional(getattr(record, name), name, _MAX_TEXT)
        _optional(record.summary, "summary", _MAX_LONG_TEXT)
    return record


def checked_company(record: CompanyRecord) -> CompanyRecord:
    """A company and the person's place in it."""
    _is(record, CompanyRecord)
    checked_id(record.id)
    _text(record.name, "name", _MAX_TEXT)
    _optional(record.domain, "domain", _MAX_TEXT)
    _optional(record.role, "role", _MAX_TEXT)
    if record.since is not None:
        _moment(record.since, "since")
    return record


def checked_profile(record: ProfileRecord) -> Mapping[str, Any]:
    """The fields that are known, without those that are not what they must be: one wrong date costs no name.

    Raises:
        Unusable: none of them is.
    """
    _is(record, ProfileRecord)
    known: dict[str, Any] = {}
    wrong: Unusable | None = None
    for name, value in record.values.items():
        try:
            if value is not None and name in PROFILE_FIELDS:
                known[name] = _field(name, value)
        except Unusable as error:
            wrong = error
    if wrong is not None and not known:
        raise wrong
    return known


def checked_id(value: object) -> str:
    """A record's own id: one that a client can be given as part of an item's id."""
    text = _text(value, "id", MAX_ID * 4)
    if len(text) > MAX_ID:
        raise Unusable("id")
    return text


def checked_key(value: object) -> str:
    """A key by which a person is known."""
    return _text(value, "key", MAX_IDENTIFIER * 4)


def fact_of(record: TraitRecord, source: Source, as_of: datetime) -> TraitFact:
    """A fact as the source said it at a moment."""
    _, kind, category = known_trait(record.key)
    observed_at = as_of if record.observed_at is None else record.observed_at.astimezone(UTC)
    confidence = None if record.confidence is None else float(record.confidence)
    provenance = Provenance(source, observed_at)
    return TraitFact(record.key, record.value, record.kind or kind, record.category or category, confidence, provenance)


def note_of(record: NoteRecord, source: Source, profile_id: UUID) -> Note:
    """A note of a profile. Its id is always the same for the same note, and begins with its moment: notes of all sources are in that order."""
    created_at = record.created_at.astimezone(UTC)
    millis = max(0, int(created_at.timestamp() * 1000)) & 0xFFFF_FFFF_FFFF
    tail = int.from_bytes(hashlib.sha256(f"{source.key}\0{record.id}".encode()).digest()[:10], "big")
    note_id = UUID(int=millis << 80 | 0x7 << 76 | (tail >> 62 & 0xFFF) << 64 | 0b10 << 62 | tail & (1 << 62) - 1)
    updated_at = created_at if record.updated_at is None else record.updated_at.astimezone(UTC)
    known = record.author_id or record.author_name
    author = Actor(record.author_id or source.key, record.author_name or record.author_id or source.display_name, ActorKind.SOURCE)
    if known:
        author = Actor(author.id, author.display_name, ActorKind.AGENT)
    return Note(profile_id, note_id, 1, record.body, bool(record.is_pinned), author, created_at, updated_at, source)


def item_of(record: ItemRecord, source: Source, profile_id: UUID) -> ExternalActivity | Interaction:
    """An item of a profile's timeline; its native id is the record's."""
    at = record.occurred_at.astimezone(UTC)
    if record.kind is not TimelineKind.INTERACTION:
        return ExternalActivity(profile_id, record.id, at, source, record.kind, record.type, record.account, dict(record.properties))
    assert record.channel is not None
    assert record.direction is not None
    named = record.agent_id or record.agent_name
    return Interaction(
        profile_id,
        record.id,
        at,
        source,
        account=record.account,
        channel=record.channel,
        direction=record.direction,
        ended_at=None if record.ended_at is None else record.ended_at.astimezone(UTC),
        queue=record.queue,
        agent=None if not named else Actor(record.agent_id or named, record.agent_name or named, ActorKind.AGENT),
        outcome=None,
        summary=record.summary,
        wrap_up=None,
        sentiment=None,
        attributes=dict(record.properties) or None,
        measures=None,
        recording_url=None,
        type=record.type,
    )


def company_of(record: CompanyRecord, source: Source, workspace: UUID) -> CompanyMembership:
    """A company, by an id that is always the same in this workspace, and the person's place in it."""
    company_id = uuid5(_COMPANIES, f"{workspace.hex}\0{source.key}\0{record.id}")
    since = None if record.since is None else record.since.astimezone(UTC)
    return CompanyMembership(Company(company_id, 1, record.name, record.domain), record.role, bool(record.is_main), since)


def _field(name: str, value: object) -> object:
    if name == "birth_date":
        if isinstance(value, datetime) or not isinstance(value, date):
            raise Unusable(name)
        return value
    if name == "customer_since":
        return _moment(value, name).astimezone(UTC)
    return _text(value, name, _MAX_TEXT)


def _is(value: object, wanted: type) -> None:
    if not isinstance(value, wanted):
        raise Unusable(wanted.__name__)


def _moment(value: object, name: str) -> datetime:
    """An aware moment within what a timeline can hold."""
    if not isinstance(value, datetime) or value.utcoffset() is None:
        raise Unusable(name)
    try:
        moment = value.astimezone(UTC)
    except (OverflowError, ValueError):
        raise Unusable(name) from None
    if not FIRST_PLACE.occurred_at < moment < LAST_PLACE.occurred_at:
        raise Unusable(name)
    return moment


def _optional(value: object, name: str, longest: int) -> None:
    if value is not None:
        _string(value, name, longest)


def _text(value: object, name: str, longest: int) -> str:
    """A line of text, at least one character of it."""
    text = _string(value, name, longest)
    if not text or any(ord(character) < ord(" ") or character in "\x7f\x85\u2028\u2029" for character in text):
        raise Unusable(name)
    return text


def _string(value: object, name: str, longest: int) -> str:
    """Text without NUL and halves of surrogate pairs, of `longest` bytes at most."""
    if not isinstance(value, str) or len(value) > longest or "\x00" in value:
        raise Unusable(name)
    try:
        size = len(value.encode())
    except UnicodeEncodeError:
        raise Unusable(name) from None
    if size > longest:
        raise Unusable(name)
    return value


def _json(value: object, name: str) -> None:
    """JSON, as large as the gateway itself would store it."""
    _json_shape(value, name, 1)
    try:
        encoded = orjson.dumps(value)
    except (TypeError, ValueError):  # a number out of range, half of a surrogate pair
        raise Unusable(name) from None
    if len(encoded) > _MAX_JSON_BYTES:
        raise Unusable(name)


def _json_shape(value: object, name: str, depth: int) -> None:
    if depth > _MAX_DEPTH:
        raise Unusable(name)
    if value is None or isinstance(value, bool | int):
        return
    if isinstance(value, str):
        if "\x00" in value:
            raise Unusable(name)
    elif isinstance(value, float):
        if not isfinite(value):
            raise Unusable(name)
    elif isinstance(value, dict):
        if not all(isinstance(key, str) and "\x00" not in key for key in value):
            raise Unusable(name)
        for one in value.values():
            _json_shape(one, name, depth + 1)
    elif isinstance(value, list):
        for one in value:
            _json_shape(one, name, depth + 1)
    else:
        raise Unusable(name)
