"""Prints: what a source was seen to hold of a person, as hashes, and what a difference between two of them means for open pages.

Owns the hashes and the comparison; pure. A print holds no value: traits, notes and companies are one hash each, fields and items one each by name
and by id. Called by `live.sightings`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import Any, Final

import orjson

from gateway.model.activity import TimelineItem
from gateway.model.company import CompanyMembership
from gateway.model.note import Note
from gateway.model.source import Source, SourceKind
from gateway.model.trait import TraitFact
from gateway.sources.contract import Cut

__all__ = ["NOTHING", "SHOWN_AS", "WINDOW", "News", "Prints", "difference", "prints_of"]

WINDOW: Final = 50
"""The most recent items of a person that are looked at."""

Prints = dict[str, Any]
"""By the name of a kind, in plain JSON."""

SHOWN_AS: Final[Mapping[SourceKind, tuple[str, ...]]] = {
    SourceKind.PROFILE: (
        *("firstName", "middleName", "lastName", "avatarUrl"),
        *("locale", "timeZone", "birthDate", "customerSince"),
    ),
    SourceKind.TRAITS: ("traits",),
    SourceKind.NOTES: ("notes",),
    SourceKind.COMPANY: ("companies", "mainCompany"),
    SourceKind.ACTIVITY: ("timeline",),
}
"""The fields of `Profile` that show what a source says of each kind."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_OPTIONS: Final = orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS


@dataclass(frozen=True, slots=True)
class News:
    """What is to be entered: fields of `Profile` that changed, items that appeared (true) or changed (false), newest first, and items that went."""

    fields: tuple[str, ...] = ()
    items: tuple[tuple[str, bool], ...] = ()
    removed: tuple[str, ...] = ()

    @property
    def is_none(self) -> bool:
        """Whether there is nothing to enter."""
        return not (self.fields or self.items or self.removed)


NOTHING: Final = News()


def prints_of(kind: SourceKind, answer: Any) -> Prints:
    """The prints of one answer of a source for one person, as the contract has it (neither an error nor an old one)."""
    if kind is SourceKind.PROFILE:
        known: Mapping[str, Any] = answer or {}
        return {"profile": {_camel(name): _hash(value) for name, value in known.items() if value is not None}}
    if kind is SourceKind.TRAITS:
        facts: Sequence[TraitFact] = answer
        return {"traits": _hash(sorted((fact.key, _hash(fact.value)) for fact in facts))}
    if kind is SourceKind.NOTES:
        notes: Sequence[Note] = answer
        return {"notes": _hash(sorted((note.note_id.hex, _hash([note.body, note.is_pinned])) for note in notes))}
    if kind is SourceKind.COMPANY:
        members: Sequence[CompanyMembership] = answer
        return {
            "companies": _hash(sorted((one.company.company_id.hex, _hash([one.company.name, one.role, one.is_main])) for one in members))
        }
    items: Sequence[TimelineItem] = answer.items if isinstance(answer, Cut) else answer
    newest = sorted(items, key=lambda item: (item.occurred_at, item.native_id), reverse=True)[:WINDOW]
    return {
        "items": {item.native_id: [(item.occurred_at - _EPOCH) // _MICROSECOND, _hash(_shown(item))] for item in newest},
        "is_whole": not isinstance(answer, Cut) and len(items) < WINDOW,
    }


def difference(old: Prints, new: Prints) -> News:
    """What changed between two looks; of what was not looked at before, or now, nothing is said."""
    changed: list[str] = []
    if "profile" in old and "profile" in new:
        before, after = old["profile"], new["profile"]
        changed += sorted(name for name in {*before, *after} if before.get(name) != after.get(name))
    for name, kind in (("traits", SourceKind.TRAITS), ("notes", SourceKind.NOTES), ("companies", SourceKind.COMPANY)):
        if name in old and name in new and old[name] != new[name]:
            changed += SHOWN_AS[kind]
    items, removed = _moved(old, new) if "items" in old and "items" in new else ((), ())
    return News(tuple(changed), items, removed)


def _moved(old: Prints, new: Prints) -> tuple[tuple[tuple[str, bool], ...], tuple[str, ...]]:
    """Items that came, changed and went. What merely moved into the window, or out of it at its old end, did none of that."""
    before: Mapping[str, Sequence[Any]] = old["items"]
    after: Mapping[str, Sequence[Any]] = new["items"]
    old_end, new_end = _end(before, old["is_whole"]), _end(after, new["is_whole"])
    items = [
        (key, key not in before)
        for key, (at, print_) in after.items()
        if (at >= old_end if key not in before else before[key][1] != print_)
    ]
    removed = [key for key, (at, _) in before.items() if key not in after and at > new_end]
    return tuple(items), tuple(removed)


def _end(items: Mapping[str, Sequence[Any]], is_whole: bool) -> float:
    """The moment (microseconds since 1970) back to which the window is known to reach."""
    return float("-inf") if is_whole or not items else min(at for at, _ in items.values())


def _shown(item: TimelineItem) -> dict[str, Any]:
    """What of an item a screen shows; how its source stands is none of it."""
    return {one.name: value for one in fields(item) if not isinstance(value := getattr(item, one.name), Source)}


def _hash(value: Any) -> str:
    return blake2b(orjson.dumps(value, default=_plain, option=_OPTIONS), digest_size=8).hexdigest()


def _plain(value: Any) -> Any:
    if isinstance(value, Iterable) or is_dataclass(value):
        return repr(value)
    return str(value)


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(part.capitalize() for part in rest)
