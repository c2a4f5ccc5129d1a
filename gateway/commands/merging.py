"""Merge profiles, take a merge back, preview it, and dismiss proposals.

Owns who may be merged and with what result. A merge is one transaction that moves the rows of the merged profiles to the survivor and keeps a
journal (see `merge_journal` for the rule of its undoing); it waits for everybody who holds one of the profiles, and makes everybody wait who
comes later. Merges into one survivor are undone in reverse order. Called by resolvers as `commands.merging`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from gateway.auth.policy import Action, require
from gateway.auth.principal import Principal
from gateway.commands.attribute_index import reindexed
from gateway.commands.dependencies import Dependencies
from gateway.commands.merge_journal import Moved, allow_moving, move_rows, take_rows_back
from gateway.commands.unit import Receipt, Unit
from gateway.commands.validation import Problems
from gateway.errors import BadUserInput, Problem, Rejected
from gateway.model.audit import ChangeAction, FieldChange
from gateway.model.change import ChangeKind
from gateway.model.configuration import Configuration, Feature
from gateway.model.ids import make_id, parse_id, uuid7
from gateway.model.merge import FIELDS, MOST_PROFILES, merged_columns, returned_columns
from gateway.model.profile import ProfileStatus
from gateway.storage.queries import SQL
from gateway.vault import Vault

__all__ = ["MergeCommands", "MergeRequest", "Plan", "checked_request", "planned"]

_MOST_WINNERS: Final = 100
_LONGEST_REASON: Final = 1000
_LONGEST_KEY: Final = 128
_COLUMNS: Final = {column: name for name, column in FIELDS.items()}


@dataclass(frozen=True, slots=True)
class MergeRequest:
    """Input of a merge. `field_winners`: (field of `Profile` or trait key, client's id of the profile whose value wins)."""

    survivor_id: UUID
    merge_ids: Sequence[UUID]
    field_winners: Sequence[tuple[str, str]] = ()
    reason: str | None = None

    @property
    def profiles(self) -> list[UUID]:
        """All of them, the survivor first."""
        return [self.survivor_id, *self.merge_ids]


@dataclass(frozen=True, slots=True)
class Plan:
    """A merge that can be made. `rows`: each profile's columns, the survivor's first; `columns` and `traits`: what was chosen, by index."""

    rows: Sequence[dict[str, Any]]
    columns: dict[str, int]
    traits: dict[str, int]


class MergeCommands:
    """Bound to this process."""

    def __init__(self, dependencies: Dependencies) -> None:
        self._writer = dependencies.writer
        self._configurations = dependencies.configurations
        self._vault = dependencies.vault

    async def merge(self, principal: Principal, request: MergeRequest) -> Receipt:
        """Make one profile of several; the receipt's entity is the merge.

        Raises:
            Forbidden: without `profile:merge`.
            Rejected: FORBIDDEN (the feature is off), REQUIRED, INVALID, LIMIT_EXCEEDED, NOT_FOUND, or MERGE_CONFLICT: a profile is named twice, is
                no living one any more, or is being erased.
        """
        require(principal, Action.MERGE_PROFILES)
        reason = checked_request(self._configurations.of(principal.workspace_key), request)

        async def work(unit: Unit) -> Receipt:
            await allow_moving(unit)
            plan = await planned(unit, request, "lock_for_merge")
            async with reindexed(unit, self._vault, request.profiles):
                return await _merge(unit, request, plan, reason)

        return await self._writer.run(principal, work)

    async def unmerge(self, principal: Principal, merge_id: UUID) -> Receipt:
        """Take a merge back; the receipt's entity is the merge.

        Raises:
            Forbidden: without `profile:merge`.
            Rejected: FORBIDDEN, NOT_FOUND, or MERGE_CONFLICT: it was undone already, the survivor was merged or erased since or is being erased,
                or a later merge into the same survivor still stands.
        """
        require(principal, Action.MERGE_PROFILES)
        _check_feature(self._configurations.of(principal.workspace_key))

        async def work(unit: Unit) -> Receipt:
            await allow_moving(unit)
            return await _unmerge(unit, self._vault, merge_id)

        return await self._writer.run(principal, work)

    async def dismiss(self, principal: Principal, proposal_id: UUID, reason: str | None) -> Receipt:
        """Say that two profiles are two people; the pair is never proposed again.

        Raises:
            Forbidden: without `profile:merge`.
            Rejected: FORBIDDEN, INVALID, or NOT_FOUND, also for one that was dismissed or merged already.
        """
        require(principal, Action.MERGE_PROFILES)
        problems = Problems()
        _check_feature(self._configurations.of(principal.workspace_key))
        text = problems.text(reason, _LONGEST_REASON, "reason")
        if problems.found:
            raise Rejected(Problem("INVALID", problems.found[0].message, ("reason",)))

        async def work(unit: Unit) -> Receipt:
            row = await unit.fetchrow("dismiss_proposal", proposal_id, principal.subject, text)
            if row is None:
                raise Rejected(Problem("NOT_FOUND", "There is no such open proposal.", ("id",)))
            for profile_id in (row["first_id"], row["second_id"]):
                unit.profile_changed(profile_id, "mergeProposals")
            return Receipt(row["first_id"], proposal_id)

        return await self._writer.run(principal, work)


def checked_request(configuration: Configuration, request: MergeRequest) -> str | None:
    """The reason as it is kept, once everything is right that can be told from the input alone.

    Raises:
        Rejected: see `MergeCommands.merge`.
    """
    _check_feature(configuration)
    problems = Problems()
    profiles = request.profiles
    if not request.merge_ids:
        problems.add("REQUIRED", "Name at least one profile to merge into the survivor.", "mergeIds")
    if len(profiles) > MOST_PROFILES:
        problems.add("LIMIT_EXCEEDED", f"At most {MOST_PROFILES} profiles at once, the survivor among them.", "mergeIds")
    elif request.survivor_id in request.merge_ids:
        problems.add("MERGE_CONFLICT", "A profile cannot be merged into itself.", "mergeIds", request.merge_ids.index(request.survivor_id))
    elif len(set(profiles)) < len(profiles):
        problems.add("MERGE_CONFLICT", "A profile is named twice.", "mergeIds")
    if len(request.field_winners) > _MOST_WINNERS:
        problems.add("LIMIT_EXCEEDED", f"At most {_MOST_WINNERS} fields at once.", "fieldWinners")
    else:
        _check_winners(problems, request)
    reason = problems.text(request.reason, _LONGEST_REASON, "reason")
    problems.refuse()
    return reason


async def planned(unit: Unit, request: MergeRequest, statement: str) -> Plan:
    """What the merge would be, from profiles as `statement` reads them.

    Raises:
        Rejected: NOT_FOUND, MERGE_CONFLICT, or INVALID for a chosen field that there is not.
    """
    profiles = request.profiles
    rows = {row["id"]: row for row in await unit.fetch(statement, profiles)}
    problems = Problems()
    for place, profile_id in zip((("survivorId",), *(("mergeIds", str(n)) for n in range(len(profiles) - 1))), profiles, strict=True):
        row = rows.get(profile_id)
        if row is None:
            problems.add("NOT_FOUND", "There is no such profile.", *place)
        elif row["status"] == ProfileStatus.MERGED.value:
            problems.add("MERGE_CONFLICT", f"This profile was merged into {make_id('prf', row['merged_into'])} already.", *place)
        elif row["status"] != ProfileStatus.ACTIVE.value:
            problems.add("MERGE_CONFLICT", "This profile was erased.", *place)
    problems.refuse()
    if await unit.fetch("profiles_in_privacy", profiles):
        raise Rejected(Problem("MERGE_CONFLICT", "One of the profiles is being erased or made anonymous.", ("input", "mergeIds")))
    winners = {key: profiles.index(parse_id(value, "prf")[0]) for key, value in request.field_winners}
    traits = {key: index for key, index in winners.items() if key not in FIELDS}
    if traits:
        owned = {(row["profile_id"], row["key"]) for row in await unit.fetch("trait_keys_of", profiles, list(traits))}
        for place_of_winner, (key, _) in enumerate(request.field_winners):
            if key in traits and (profiles[traits[key]], key) not in owned:
                problems.add("INVALID", f"The chosen profile has no {key}.", "fieldWinners", place_of_winner, "key")
        problems.refuse()
    columns = {FIELDS[key]: index for key, index in winners.items() if key in FIELDS}
    return Plan([rows[profile_id]["columns"] for profile_id in profiles], columns, traits)


async def _merge(unit: Unit, request: MergeRequest, plan: Plan, reason: str | None) -> Receipt:
    merge_id, actor = uuid7(), unit.principal.actor
    survivor, merged, profiles = request.survivor_id, list(request.merge_ids), request.profiles
    who = actor.id, actor.display_name, actor.kind.value
    await unit.fetch("insert_merge", merge_id, survivor, merged, *who, reason)
    before, after = plan.rows[0], merged_columns(plan.rows, plan.columns)
    await unit.fetch("journal_columns", survivor, merge_id, [{"before": {key: before[key] for key in after}, "after": after}])
    moved = await move_rows(unit, merge_id, profiles, {key: profiles[index] for key, index in plan.traits.items()})
    await unit.connection.execute(SQL["write_merged_columns"], unit.workspace, survivor, after)
    await unit.connection.execute(SQL["mark_merged"], unit.workspace, profiles)
    changes = [FieldChange(_COLUMNS[key], before[key], after[key]) for key in _COLUMNS if before[key] != after[key]]
    names = FieldChange("mergedProfiles", None, [make_id("prf", one) for one in merged])
    change_id = unit.record(survivor, ChangeAction.MERGED, *changes, names, reason=reason)
    for stream in (*merged, survivor):
        unit.logged(stream, ChangeKind.MERGED, merge_id)
    unit.profile_changed(survivor, *dict.fromkeys([*(change.field for change in changes), *moved.fields, "changes"]), item_id=change_id)
    _log_neighbours(unit, moved)
    return Receipt(survivor, merge_id)


async def _unmerge(unit: Unit, vault: Vault, merge_id: UUID) -> Receipt:
    known = await unit.fetch("merges_by_id", [merge_id])
    if not known:
        raise Rejected(Problem("NOT_FOUND", "There is no such merge.", ("mergeId",)))
    survivor, merged = known[0]["survivor_id"], list(known[0]["merged_ids"])
    rows = {row["id"]: row for row in await unit.fetch("lock_for_merge", [survivor, *merged])}
    merge = await unit.fetchrow("lock_merge", merge_id)
    if merge is None:
        raise Rejected(Problem("NOT_FOUND", "There is no such merge.", ("mergeId",)))  # erased since
    _check_undoing(merge, rows, survivor, merged)
    if await unit.fetch("profiles_in_privacy", [survivor, *merged]):
        raise Rejected(Problem("MERGE_CONFLICT", "One of the profiles is being erased or made anonymous.", ("mergeId",)))
    row = await unit.fetchrow("journaled_columns", survivor, merge_id)
    assert row is not None
    journal, now = row["kept"][0], rows[survivor]["columns"]
    after = returned_columns(now, journal["before"], journal["after"])
    async with reindexed(unit, vault, [survivor, *merged]):
        moved = await take_rows_back(unit, merge_id, survivor, merged)
    await unit.connection.execute(SQL["write_merged_columns"], unit.workspace, survivor, after)
    await unit.connection.execute(SQL["mark_unmerged"], unit.workspace, merged)
    await unit.connection.execute(SQL["mark_undone"], unit.workspace, merge_id)
    changes = [FieldChange(_COLUMNS[key], now[key], after[key]) for key in _COLUMNS if now[key] != after[key]]
    names = FieldChange("mergedProfiles", [make_id("prf", one) for one in merged], None)
    everything = dict.fromkeys([*FIELDS, *moved.fields, "status"])
    for profile_id in (survivor, *merged):
        change_id = unit.record(profile_id, ChangeAction.UNMERGED, *(changes if profile_id == survivor else ()), names)
        unit.profile_changed(profile_id, *everything, item_id=change_id)
    _log_neighbours(unit, moved)
    return Receipt(survivor, merge_id)


def _check_undoing(merge: Any, rows: dict[UUID, Any], survivor: UUID, merged: Sequence[UUID]) -> None:
    path = ("mergeId",)
    if merge["undone_at"] is not None:
        raise Rejected(Problem("MERGE_CONFLICT", "This merge was undone already.", path))
    if rows[survivor]["status"] == ProfileStatus.MERGED.value:
        into = make_id("prf", rows[survivor]["merged_into"])
        raise Rejected(Problem("MERGE_CONFLICT", f"The survivor was merged into {into} since; undo that merge first.", path))
    if merge["later"] is not None:
        message = f"A later merge into the same profile still stands; undo {make_id('mrg', merge['later'])} first."
        raise Rejected(Problem("MERGE_CONFLICT", message, path))
    as_left = rows[survivor]["status"] == ProfileStatus.ACTIVE.value and all(
        rows[one]["status"] == ProfileStatus.MERGED.value and rows[one]["merged_into"] == survivor for one in merged
    )
    if not as_left:
        raise Rejected(Problem("MERGE_CONFLICT", "One of the profiles was erased since.", path))


def _log_neighbours(unit: Unit, moved: Moved) -> None:
    for contact_id, agent in moved.contacts:
        unit.contact_changed(contact_id, agent)
    for other in moved.others:
        unit.profile_changed(other, "mergeProposals")


def _check_winners(problems: Problems, request: MergeRequest) -> None:
    seen: set[str] = set()
    for index, (key, value) in enumerate(request.field_winners):
        if problems.text(key, _LONGEST_KEY, "fieldWinners", index, "key") is None:
            if not key.strip():
                problems.add("REQUIRED", "Name a field of Profile or an attribute.", "fieldWinners", index, "key")
            continue
        if key in seen:
            problems.add("INVALID", "This field is named twice.", "fieldWinners", index, "key")
        seen.add(key)
        try:
            (winner,) = parse_id(value, "prf", "value")
        except BadUserInput as error:
            problems.add("INVALID", error.message, "fieldWinners", index, "value")
        else:
            if winner not in request.profiles:
                problems.add("INVALID", "The winner is one of the profiles of the merge.", "fieldWinners", index, "value")


def _check_feature(configuration: Configuration) -> None:
    if Feature.MERGE not in configuration.features:
        raise Rejected(Problem("FORBIDDEN", "Merging profiles is switched off in this workspace."))
