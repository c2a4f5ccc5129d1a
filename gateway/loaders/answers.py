"""Several sources' answers about one thing as one answer. Pure: values in, values out.

Owns how pages of notes, memberships, traits and look-ups of different sources are united, and the shape of what comes of it. Called by
`loaders.bundle` with one answer per source, the gateway's own first, then by priority.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from gateway.errors import SourceError
from gateway.model.activity import TimelineItem
from gateway.model.company import CompanyMembership
from gateway.model.note import Note
from gateway.model.source import SourceReport
from gateway.model.trait import Trait, TraitFact, merge_traits
from gateway.sources.contract import Cut, Stale

__all__ = [
    "TimelinePages",
    "TraitAnswer",
    "answered",
    "failure",
    "united_memberships",
    "united_notes",
    "united_owners",
    "united_traits",
]


@dataclass(frozen=True, slots=True)
class TraitAnswer:
    """A profile's merged traits, by key, and what each source said."""

    traits: Sequence[Trait]
    reports: Sequence[SourceReport]


@dataclass(frozen=True, slots=True)
class TimelinePages:
    """One page per source that answered, in reading order, and what each source said."""

    pages: Sequence[Sequence[TimelineItem] | Cut]
    reports: Sequence[SourceReport]


def answered(row: Iterable[Any]) -> list[Any]:
    """What was answered, also what is old; without the failures."""
    return [one.value if isinstance(one, Stale) else one for one in row if not isinstance(one, SourceError)]


def failure(row: Iterable[object]) -> SourceError | None:
    """Why nobody answered; None: somebody did."""
    errors = list(row)
    return errors[0] if errors and all(isinstance(one, SourceError) for one in errors) else None  # type: ignore[return-value]


def united_traits(row: Iterable[Any], now: datetime) -> list[Trait]:
    """One trait per key, what lost beside it."""
    facts: list[TraitFact] = [fact for answer in answered(row) for fact in answer]
    return merge_traits(facts, now)


def united_notes(row: Iterable[Any], limit: int) -> list[Note]:
    """The first notes of all pages together: pinned ones first, newest first (a note's id begins with its moment)."""
    notes = [note for page in answered(row) for note in page]
    return sorted(notes, key=lambda note: (note.is_pinned, note.note_id), reverse=True)[:limit]


def united_memberships(row: Iterable[Any]) -> list[CompanyMembership]:
    """The companies that every source knows of, each once, in the order of the sources; exactly one is main: the first that is called so, else the
    first of all, and it stands first.
    """
    found: dict[UUID, CompanyMembership] = {}
    for memberships in answered(row):
        for one in memberships:
            found.setdefault(one.company.company_id, one)
    members = list(found.values())
    main = next((one for one in members if one.is_main), next(iter(members), None))
    shown = [one if one.is_main is (one is main) else replace(one, is_main=one is main) for one in members]
    return sorted(shown, key=lambda one: not one.is_main)


def united_owners(row: Iterable[Any]) -> list[UUID]:
    """Whom any source knows by a value, ascending."""
    return sorted({owner for owners in answered(row) for owner in owners})
