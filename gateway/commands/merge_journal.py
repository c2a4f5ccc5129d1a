"""The rows of a merge: how they go to the survivor, and how the journal takes each of them back.

Owns the order of the tables and the rule of an undoing: **what was there goes back as it is now, what came later stays with the survivor.** So a
row the merge moved goes back with every change made since, and one deleted meanwhile stays deleted; a row that could not move (the survivor had
the same value) was kept whole and comes back as it was; a row written since stays. Look-ups are no records of their own: they follow the contact
points and identifiers. Everything happens in the caller's transaction, whose profiles are locked. Called by `merging`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final
from uuid import UUID

import asyncpg

from gateway.commands.unit import Unit
from gateway.identity import lookup_key
from gateway.model.profile import Channel
from gateway.storage.database import columns
from gateway.storage.queries import SQL

__all__ = ["Moved", "allow_moving", "move_rows", "take_rows_back"]

_SECONDS: Final = 30.0
"""Of one statement: a long timeline moves in one. The driver's own patience is shorter by default."""

_FIELDS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "contact_point": ("contactPoints",),
        "identifier": ("identifiers",),
        "trait": ("traits",),
        "note": ("notes",),
        "membership": ("companies", "mainCompany"),
        "activity": ("timeline",),
        "consent": ("consents",),
        "segment_membership": ("segments",),
        "interest": ("interests",),
        "contact": ("contacts",),
        "change": ("changes",),
        "merge_proposal": ("mergeProposals",),
    }
)
"""Kind of a journal's entry → fields of `Profile` that show such rows."""

_BEFORE_TRAITS: Final = ("note_primary", "keep_contact_points", "move_contact_points", "move_identifiers")
_AFTER_TRAITS: Final = (
    *("move_traits", "move_notes", "keep_memberships", "move_memberships", "move_activities"),
    *("keep_consents", "move_consents", "keep_segments", "move_segments", "keep_interests", "move_interests"),
    *("move_contacts", "move_associations", "keep_candidates", "move_candidates", "settle_matches"),
    *("keep_verifications", "move_verifications", "take_proposals", "move_proposals", "move_changes"),
)
_RETURNING: Final = (
    *("contact_points", "identifiers", "traits", "notes", "memberships", "activities", "consents", "segments", "interests", "contacts"),
    *("associations", "candidates", "verifications", "changes"),
)
_RESTORING: Final = (
    *("contact_points", "primaries", "traits", "memberships", "mains", "consents", "segments", "interests", "candidates", "verifications"),
    "proposals",
)
"""In this order: what was primary can be so again only when all rows are there."""


@dataclass(frozen=True, slots=True)
class Moved:
    """What rows moving touched: fields of `Profile`, (contact, its agent where it is open), and other profiles whose proposals changed."""

    fields: tuple[str, ...]
    contacts: Sequence[tuple[UUID, str | None]]
    others: Sequence[UUID]


async def allow_moving(unit: Unit) -> None:
    """Let this transaction's statements take their time, and entries of the audit change the profile they stand under."""
    await unit.connection.fetch(SQL["take_time"])
    await unit.connection.fetch(SQL["allow_redaction"])


async def move_rows(unit: Unit, merge_id: UUID, profiles: Sequence[UUID], chosen: Mapping[str, UUID]) -> Moved:
    """Give the survivor (the first of `profiles`) every row of the others. `chosen`: trait key → the profile whose values win."""
    found: dict[str, list[asyncpg.Record]] = {}

    async def run(name: str, *more: object) -> None:
        found[name] = await unit.connection.fetch(SQL[name], unit.workspace, list(profiles), merge_id, *more, timeout=_SECONDS)

    merged = profiles[1:]
    values = await _values(unit, merged)
    for name in _BEFORE_TRAITS:
        await run(name)
    taken = {(row["key"], row["value"]): row["exclusive"] for row in await _take(unit, merged, values)}
    if taken:
        await unit.fetch("claim_lookups", *columns([(*key, profiles[0], exclusive) for key, exclusive in sorted(taken.items())]))
    await run("keep_traits", list(chosen), list(chosen.values()))
    for name in _AFTER_TRAITS:
        await run(name)
    kinds = {row["kind"] for name in found for row in found[name] if "kind" in row}
    fields = dict.fromkeys(field for kind, names in _FIELDS.items() if kind in kinds for field in names)
    contacts = {row["id"]: row["agent_id"] for name in ("move_contacts", "settle_matches") for row in found[name]}
    return Moved(tuple(fields), list(contacts.items()), [row["other"] for row in found["move_proposals"]])


async def take_rows_back(unit: Unit, merge_id: UUID, survivor: UUID, merged: Sequence[UUID]) -> Moved:
    """Give the merged profiles their rows back, by the journal, and forget the journal."""
    found: dict[str, list[asyncpg.Record]] = {}
    everyone = [survivor, *merged]
    values = await _values(unit, [survivor])
    for name in _RETURNING:
        statement = SQL[f"return_{name}"]
        found[name] = await unit.connection.fetch(statement, unit.workspace, merge_id, survivor, timeout=_SECONDS)
    for name in _RESTORING:
        found[f"restored {name}"] = await unit.fetch(f"restore_{name}", merge_id)
    found["matches"] = await unit.fetch("unsettle_matches", merge_id)
    for profile_id in everyone:
        await unit.connection.execute(SQL["promote_contact_points"], unit.workspace, profile_id)
    await unit.fetch("promote_memberships", everyone)
    await _divide_lookups(unit, survivor, merged, values)
    await unit.fetch("forget_journal", merge_id)
    contacts = {row["id"]: row["agent_id"] for name in ("contacts", "matches") for row in found[name]}
    others = {one for row in found["restored proposals"] for one in (row["first_id"], row["second_id"])} - set(everyone)
    return Moved(tuple(dict.fromkeys(field for names in _FIELDS.values() for field in names)), list(contacts.items()), sorted(others))


async def _values(unit: Unit, profiles: Sequence[UUID]) -> dict[tuple[UUID, str, str], bool]:
    """(profile, look-up key, value) → whether it identifies."""
    found: dict[tuple[UUID, str, str], bool] = {}
    for row in await unit.fetch("contacts_by_profile", list(profiles)):
        identifies = row["kind"] == "I"
        key = row["type"] if identifies else lookup_key(Channel(row["type"]), row["custom_channel"])
        found[row["profile_id"], key, row["normalized"]] = identifies
    return found


async def _take(unit: Unit, profiles: Sequence[UUID], values: Mapping[tuple[UUID, str, str], bool]) -> Sequence[asyncpg.Record]:
    pairs = sorted({(key, value) for _, key, value in values})
    return await unit.fetch("take_lookups", list(profiles), *columns(pairs)) if pairs else ()


async def _divide_lookups(unit: Unit, survivor: UUID, merged: Sequence[UUID], before: Mapping[tuple[UUID, str, str], bool]) -> None:
    """Let everybody be found by what they have again: `before` is what the survivor was found by."""
    now = await _values(unit, [survivor, *merged])
    left = {place: identifies for place, identifies in before.items() if place not in now}
    await _take(unit, [survivor], left)
    back = sorted((key, value, profile_id, identifies) for (profile_id, key, value), identifies in now.items() if profile_id != survivor)
    if back:
        await unit.fetch("claim_lookups", *columns(back))
