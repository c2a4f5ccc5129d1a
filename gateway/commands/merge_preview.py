"""What a merge would do, before anybody does it: the survivor's fields, what differs, what moves, and what speaks against it.

Owns the answer of `mergePreview`; the rules are `model.merge`'s and the refusals those of `merging`. Changes nothing. Called by resolvers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any, Final
from uuid import UUID

from gateway.auth.policy import Action, require
from gateway.auth.principal import Principal
from gateway.commands.attributes import canonical
from gateway.commands.dependencies import Dependencies
from gateway.commands.merging import MergeRequest, Plan, checked_request, planned
from gateway.commands.unit import Receipt, Unit
from gateway.model.merge import FIELDS, MergeField, MergePreview, divided_facts, merged_columns, winner_of
from gateway.model.profile import Profile, ProfileLifecycle
from gateway.model.source import Source
from gateway.model.trait import CategoryCount, Provenance, TraitCandidate, TraitFact, merge_traits
from gateway.sources.contract import TraitSource
from gateway.sources.native import profile_of

__all__ = ["LONG_TIMELINE", "preview_merge"]

LONG_TIMELINE: Final = 10_000
"""Items of a timeline beyond which a preview warns that the merge takes its time."""
_OPEN: Final = "Open contacts"


async def preview_merge(dependencies: Dependencies, principal: Principal, request: MergeRequest, traits: TraitSource) -> MergePreview:
    """What `MergeCommands.merge` would make of the same request. `traits`: the source of what the gateway itself keeps.

    Raises:
        Forbidden: without `profile:merge` and `profile:read`.
        Rejected: as the merge itself would be.
    """
    require(principal, Action.MERGE_PROFILES)
    require(principal, Action.READ_PROFILE)
    configuration = dependencies.configurations.of(principal.workspace_key)
    checked_request(configuration, request)
    read: list[MergePreview] = []

    async def work(unit: Unit) -> Receipt:
        plan = await planned(unit, request, "merge_columns")
        (row,) = await unit.fetch("profiles_by_id", [request.survivor_id])
        counts = {one["kind"]: one["count"] for one in await unit.fetch("merge_counts", list(request.merge_ids))}
        strong = await unit.fetch("differing_identifiers", request.profiles, list(configuration.identity.strong_types))
        fields = tuple(_column_fields(plan, dependencies.native))
        survivor = _as_merged(profile_of(row), merged_columns(plan.rows, plan.columns))
        moves = tuple(CategoryCount(kind, count, ()) for kind, count in counts.items() if count and kind != _OPEN)
        read[:] = [MergePreview(survivor, fields, moves, tuple(_warnings([one["type"] for one in strong], counts)))]
        return Receipt()

    await dependencies.writer.run(principal, work)
    (preview,) = read
    facts = await traits.traits(principal.workspace_id, request.profiles, None)
    of_traits = _trait_fields(facts, request, [one for one in facts if isinstance(one, BaseException)])
    return replace(preview, fields=(*preview.fields, *of_traits))


def _column_fields(plan: Plan, native: Source) -> Iterator[MergeField]:
    for field, column in FIELDS.items():
        winner = winner_of(column, plan.rows, plan.columns)
        value = plan.rows[winner][column]
        reason = _reason(winner, chosen=column in plan.columns)
        others: dict[Any, TraitCandidate] = {}
        for row in plan.rows:
            if row[column] not in (None, value):
                others.setdefault(row[column], TraitCandidate(row[column], _seen(row, native), reason))
        if others:
            yield MergeField(field, TraitCandidate(value, _seen(plan.rows[winner], native), ""), tuple(others.values()))


def _trait_fields(answers: Sequence[Any], request: MergeRequest, failed: Sequence[BaseException]) -> Iterator[MergeField]:
    if failed:
        raise failed[0]
    facts: Sequence[Sequence[TraitFact]] = answers
    chosen = {key: index for key, index in _indexes(request).items() if key not in FIELDS}
    kept, aside = divided_facts(facts, chosen)
    owners: dict[str, set[int]] = {}
    for index, own in enumerate(facts):
        for fact in own:
            owners.setdefault(fact.key, set()).add(index)
    for trait in merge_traits(kept, datetime.now(UTC)):
        if len(owners[trait.key]) < 2:  # noqa: PLR2004  # what only one profile has does not differ
            continue
        reason = _reason(chosen.get(trait.key, 0), chosen=trait.key in chosen)
        others = list(trait.conflicts)
        for _, fact in aside:
            if fact.key == trait.key and (fact.sealed or trait.sealed or canonical(fact.value) != canonical(trait.value)):
                others.append(TraitCandidate(fact.value, fact.provenance, reason, fact.sealed))
        if others:
            yield MergeField(trait.key, TraitCandidate(trait.value, trait.provenance, "", trait.sealed), tuple(others))


def _indexes(request: MergeRequest) -> dict[str, int]:
    profiles = request.profiles
    return {key: profiles.index(UUID(hex=value.removeprefix("prf_"))) for key, value in request.field_winners}


def _reason(winner: int, *, chosen: bool) -> str:
    if chosen:
        return "another profile's value was chosen"
    return "another profile's value fills the gap" if winner else "the survivor's value stays"


def _seen(row: dict[str, Any], native: Source) -> Provenance:
    return Provenance(native, datetime.fromisoformat(row["updated_at"]))


def _as_merged(survivor: Profile, columns: dict[str, Any]) -> Profile:
    born, since = columns["birth_date"], columns["customer_since"]
    return replace(
        survivor,
        lifecycle=ProfileLifecycle(columns["lifecycle"]),
        first_name=columns["first_name"],
        middle_name=columns["middle_name"],
        last_name=columns["last_name"],
        avatar_url=columns["avatar_url"],
        locale=columns["locale"],
        time_zone=columns["time_zone"],
        birth_date=born and date.fromisoformat(born),
        customer_since=since and datetime.fromisoformat(since),
    )


def _warnings(strong: Sequence[str], counts: dict[str, int]) -> Iterator[str]:
    for kind in strong:
        yield f"The profiles have different values of {kind}: they may be different people."
    if counts[_OPEN]:
        yield f"Open contacts that will belong to the survivor: {counts[_OPEN]}."
    if counts["Activities"] > LONG_TIMELINE:
        yield f"The timelines are long ({counts['Activities']} items): the merge takes its time, and others wait for it."
