"""Proposals: pairs of profiles that may be one person, by the workspace's identity rules.

Owns when a pair is proposed. Nothing is ever merged by itself: a proposal is a hint to a person, made once per pair and never again after it was
dismissed. A value that many profiles share, or that the operator blocked, says nothing; two profiles that differ on a strong identifier are half
as likely. Set-based: one statement however many profiles. Called by `profiles` and `tracking` when a contact value was added.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final
from uuid import UUID

from gateway.commands.unit import Unit
from gateway.model.configuration import Feature
from gateway.storage.database import columns

__all__ = ["propose", "propose_linked"]

_ALIAS: Final = "alias"
_ALIAS_SCORE: Final = 0.9


async def propose(unit: Unit, profiles: Collection[UUID]) -> None:
    """Propose what these profiles, which have new contact values, share with others."""
    rules = unit.configuration.identity
    by_value = [rule for rule in rules.rules if rule != _ALIAS]
    if not profiles or not by_value or Feature.MERGE not in unit.configuration.features:
        return
    blocked = [value.strip().lower() for value in rules.blocked_values]
    made = await unit.fetch(
        "propose_by_contact_values", sorted(profiles), by_value, rules.most_per_value, blocked, list(rules.strong_types)
    )
    _log(unit, made)


async def propose_linked(unit: Unit, pairs: Collection[tuple[UUID, UUID]]) -> None:
    """Propose pairs that a sender said are one person (Segment's `alias`)."""
    rules = unit.configuration.identity
    if not pairs or _ALIAS not in rules.rules or Feature.MERGE not in unit.configuration.features:
        return
    _log(unit, await unit.fetch("propose_pairs", *columns(sorted(pairs)), _ALIAS, _ALIAS_SCORE, list(rules.strong_types)))


def _log(unit: Unit, made: Collection[Any]) -> None:
    for profile_id in sorted({one for row in made for one in (row["first_id"], row["second_id"])}):
        unit.profile_changed(profile_id, "mergeProposals")
