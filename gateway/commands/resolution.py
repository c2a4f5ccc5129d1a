"""Which profile each event of a batch belongs to.

Owns the identity rules of ingest: exact values only; a known id decides; an anonymous visitor may become a known person once; an e-mail or
phone finds a profile only if exactly one has it and nobody else's user id is on it. Two known people are never joined here.
Called by `tracking`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final
from uuid import UUID

from gateway.commands.unit import Unit
from gateway.model.ids import uuid7
from gateway.sources.contract import LookupKey

__all__ = ["ANONYMOUS_ID", "USER_ID", "Bindings", "resolve_profiles"]

USER_ID: Final = "user_id"
ANONYMOUS_ID: Final = "anonymous_id"


@dataclass(slots=True)
class Bindings:
    """`owners`: the profile of each event, in order; `claims`: identifiers to bind; `created`: profiles that do not exist yet.

    `became_known`: existing profiles that get their first user id.
    """

    owners: list[UUID] = field(default_factory=list)
    claims: dict[LookupKey, UUID] = field(default_factory=dict)
    created: set[UUID] = field(default_factory=set)
    became_known: set[UUID] = field(default_factory=set)


async def resolve_profiles(
    unit: Unit,
    keys: Sequence[tuple[Sequence[LookupKey], Sequence[LookupKey]]],
    named: Sequence[UUID | None],
    older: Mapping[LookupKey, Sequence[LookupKey]] = MappingProxyType({}),
) -> Bindings:
    """Find or invent the profile of each event; nothing is written.

    `keys`: per event its identifiers, strongest first, and the contact values that may only find; `named`: the profile where it was given;
    `older`: under what else an identifier may have been kept (a SENSITIVE one, hashed under an earlier secret).
    """
    wanted = list(dict.fromkeys(one for identifiers, hints in keys for key in (*identifiers, *hints) for one in (key, *older.get(key, ()))))
    found: dict[LookupKey, list[UUID]] = {key: [] for key in wanted}
    if wanted:
        for row in await unit.fetch("first_owners_by_lookup", [key.key for key in wanted], [key.value for key in wanted]):
            found[wanted[row["n"] - 1]] = row["owners"]
    for key, before in older.items():
        found[key] = found[key] or next((found[one] for one in before if found[one]), [])
    owner = {key: profiles[0] for key, profiles in found.items() if len(profiles) == 1}
    taken = await _with_user_id(unit, {profile for profiles in found.values() for profile in profiles})
    bindings = Bindings()
    for (identifiers, hints), given in zip(keys, named, strict=True):
        profile = given or _find(identifiers, hints, owner, taken)
        if profile is None:
            profile = uuid7()
            bindings.created.add(profile)
        for key in identifiers:
            if key not in owner:
                owner[key] = bindings.claims[key] = profile
                if key.key == USER_ID:
                    if profile not in taken and profile not in bindings.created:
                        bindings.became_known.add(profile)
                    taken.add(profile)
        for key in hints:
            if not found[key]:  # nobody had it: a later event of this batch may find this person by it
                owner.setdefault(key, profile)
        bindings.owners.append(profile)
    return bindings


def _find(identifiers: Sequence[LookupKey], hints: Sequence[LookupKey], owner: dict[LookupKey, UUID], taken: set[UUID]) -> UUID | None:
    unknown_user = False
    for key in identifiers:
        profile = owner.get(key)
        if profile is not None and not (unknown_user and profile in taken):
            return profile
        unknown_user = unknown_user or key.key == USER_ID  # from here on only somebody without a user id can be this person
    for key in hints:
        profile = owner.get(key)
        if profile is not None and profile not in taken:
            return profile
    return None


async def _with_user_id(unit: Unit, profiles: set[UUID]) -> set[UUID]:
    """Which of the profiles have a user id already."""
    if not profiles:
        return set()
    return {row["profile_id"] for row in await unit.fetch("profiles_with_identifier", sorted(profiles), USER_ID)}
