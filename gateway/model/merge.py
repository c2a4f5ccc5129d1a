"""Merges: which profiles became one, pairs that may be the same person, and which value wins where they differ.

Owns the shapes and the rules (pure). A *chosen* winner is what a person decided for one field; without one the survivor's value wins if it has
any, else the first merged profile's that has. Called by records, commands and resolvers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final
from uuid import UUID

from gateway.model.actor import Actor
from gateway.model.ids import make_id
from gateway.model.profile import Profile, ProfileLifecycle
from gateway.model.trait import CategoryCount, TraitCandidate, TraitFact

__all__ = [
    "FIELDS",
    "MOST_PROFILES",
    "MergeField",
    "MergePreview",
    "MergeProposal",
    "MergeRecord",
    "divided_facts",
    "merged_columns",
    "returned_columns",
    "winner_of",
]

MOST_PROFILES: Final = 25
"""Profiles of one merge, the survivor among them."""

FIELDS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "firstName": "first_name",
        "middleName": "middle_name",
        "lastName": "last_name",
        "lifecycle": "lifecycle",
        "avatarUrl": "avatar_url",
        "locale": "locale",
        "timeZone": "time_zone",
        "birthDate": "birth_date",
        "customerSince": "customer_since",
    }
)
"""Fields of `Profile` that profiles may differ in → columns."""

Columns = Mapping[str, Any]
"""A profile's row, by column; dates and moments in ISO 8601."""

_EDITED: Final = "edited_fields"


@dataclass(frozen=True, slots=True)
class MergeRecord:
    """One merge. `can_undo`: it was not undone, the survivor is a living profile, and no later merge into it stands."""

    merge_id: UUID
    survivor_id: UUID
    merged: tuple[UUID, ...]
    by: Actor
    at: datetime
    undone_at: datetime | None
    can_undo: bool
    reason: str | None = None

    @property
    def id(self) -> str:
        """The client's id."""
        return make_id("mrg", self.merge_id)

    @property
    def merged_ids(self) -> list[str]:
        """The clients' ids of the profiles that went into the survivor."""
        return [make_id("prf", one) for one in self.merged]


@dataclass(frozen=True, slots=True)
class MergeProposal:
    """Two profiles that may be one person, by which rule and how likely (0 to 1)."""

    proposal_id: UUID
    profile_ids: tuple[UUID, UUID]
    score: float
    rule: str
    created_at: datetime

    @property
    def id(self) -> str:
        """The client's id."""
        return make_id("mpr", self.proposal_id)


@dataclass(frozen=True, slots=True)
class MergeField:
    """One field in which profiles differ: a field of `Profile`, or a trait by its key."""

    field: str
    winner: TraitCandidate
    alternatives: tuple[TraitCandidate, ...]


@dataclass(frozen=True, slots=True)
class MergePreview:
    """What a merge would do. `moves`: how many things of each kind the merged profiles have."""

    survivor: Profile
    fields: tuple[MergeField, ...]
    moves: tuple[CategoryCount, ...]
    warnings: tuple[str, ...]


def winner_of(column: str, rows: Sequence[Columns], chosen: Mapping[str, int]) -> int:
    """Whose value of a column wins: an index into `rows`, the survivor first."""
    if column in chosen:
        return chosen[column]
    return next((index for index, row in enumerate(rows) if _says_something(column, row[column])), 0)


def merged_columns(rows: Sequence[Columns], chosen: Mapping[str, int]) -> dict[str, Any]:
    """The survivor's row after the merge: every column of `FIELDS`, and which of them agents set by hand (a choice counts as that)."""
    merged: dict[str, Any] = {}
    edited = list(rows[0][_EDITED])
    for column in FIELDS.values():
        index = winner_of(column, rows, chosen)
        merged[column] = rows[index][column]
        if (column in chosen or column in rows[index][_EDITED]) and column not in edited:
            edited.append(column)
    return {**merged, _EDITED: edited}


def returned_columns(now: Columns, before: Columns, after: Columns) -> dict[str, Any]:
    """The survivor's row after an undoing: what the merge gave and nobody changed since is as `before`; everything else is as it is `now`."""
    returned = {column: before[column] if now[column] == after[column] else now[column] for column in FIELDS.values()}
    given = {column for column in after[_EDITED] if column not in before[_EDITED] and now.get(column) == after.get(column)}
    return {**returned, _EDITED: [column for column in now[_EDITED] if column not in given]}


def divided_facts(facts: Sequence[Iterable[TraitFact]], chosen: Mapping[str, int]) -> tuple[list[TraitFact], list[tuple[int, TraitFact]]]:
    """Facts of each profile (the survivor first) as a merge divides them: those the survivor has then, and those put aside, with whose they were.

    Of a key with a chosen winner only the winner's stay; of a key and source that several have, the first profile's.
    """
    kept: dict[tuple[str, str], TraitFact] = {}
    aside: list[tuple[int, TraitFact]] = []
    for index, own in enumerate(facts):
        for fact in own:
            place = fact.key, fact.provenance.source.key
            if chosen.get(fact.key, index) == index and place not in kept:
                kept[place] = fact
            else:
                aside.append((index, fact))
    return list(kept.values()), aside


def _says_something(column: str, value: Any) -> bool:
    """Nobody is anonymous once anything else is known of them."""
    return value is not None and not (column == "lifecycle" and value == ProfileLifecycle.ANONYMOUS.value)
