"""Create and update profiles: names, attributes, contact points, identifiers.

Owns the rules of the two commands and their entries in the audit. Called by resolvers' mutations through `Commands`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final
from uuid import UUID

from gateway.auth.policy import Action, require
from gateway.auth.principal import Principal
from gateway.commands.association import associate_created
from gateway.commands.attribute_index import reindexed
from gateway.commands.attributes import check_attributes, write_attributes
from gateway.commands.denied import DENIED, denied
from gateway.commands.dependencies import Dependencies
from gateway.commands.differences import reach_differences
from gateway.commands.proposals import propose
from gateway.commands.reach import ContactPointChange, IdentifierChange, check_reach, remove_reach, write_reach
from gateway.commands.standing import absent
from gateway.commands.tombstones import lift
from gateway.commands.unit import Idempotency, Receipt, Unit
from gateway.commands.validation import Problems
from gateway.commands.written_through import WrittenThrough
from gateway.errors import BadUserInput, Problem, Rejected
from gateway.identity import EMAIL, PHONE, lookup_key, normalize_type
from gateway.model.audit import ChangeAction, FieldChange
from gateway.model.configuration import Configuration
from gateway.model.ids import uuid7
from gateway.model.profile import Profile, ProfileLifecycle
from gateway.sources.native import profile_of
from gateway.storage.queries import SQL

__all__ = ["NewProfile", "ProfileChanges", "create_profile", "fingerprint", "stale", "update_profile"]

_LONGEST_NAME = 200
_NATIVE: Final = "native"
_NEW: Final = ProfileLifecycle.PROSPECT


@dataclass(frozen=True, slots=True)
class NewProfile:
    """Input of `create_profile`; only `first_name` is required. `contact_id`: the live contact that the new profile is from."""

    first_name: str
    last_name: str | None = None
    contact_points: Sequence[ContactPointChange] = ()
    identifiers: Sequence[IdentifierChange] = ()
    attributes: Mapping[str, Any] = field(default_factory=dict)
    contact_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class ProfileChanges:
    """Input of `update_profile`. `names` and `attributes` hold only what was given: absent keeps, None clears.

    `clears_lifecycle`: the client asked to take the lifecycle away, which cannot be.
    """

    profile_id: UUID
    expected_version: int | None = None
    names: Mapping[str, str | None] = field(default_factory=dict)
    lifecycle: ProfileLifecycle | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict)
    upsert_contact_points: Sequence[ContactPointChange] = ()
    remove_contact_points: Sequence[UUID] = ()
    add_identifiers: Sequence[IdentifierChange] = ()
    remove_identifiers: Sequence[UUID] = ()
    clears_lifecycle: bool = False


async def create_profile(dependencies: Dependencies, principal: Principal, new: NewProfile, idempotency: Idempotency | None) -> Receipt:
    """A new profile.

    Raises:
        Forbidden: without `profile:create`.
        Rejected: INVALID, REQUIRED, READ_ONLY, SENSITIVE_DATA_REJECTED, or an identifier that another profile has (TAKEN, with its id).
    """
    require(principal, Action.CREATE_PROFILE)
    configuration, region = dependencies.configurations.of(principal.workspace_key), dependencies.region
    problems = Problems()
    first = problems.text(new.first_name, _LONGEST_NAME, "firstName")
    if first is None and not problems.found:
        problems.add("REQUIRED", "A profile needs a first name.", "firstName")
    last = problems.text(new.last_name, _LONGEST_NAME, "lastName")
    _check_denied(problems, configuration, {"firstName": first, "lastName": last})
    _check_denied_reach(problems, configuration, new.contact_points, new.identifiers, "contactPoints", "identifiers")
    attributes = check_attributes(problems, configuration, new.attributes, region)
    reach = check_reach(problems, new.contact_points, new.identifiers, region, "contactPoints", "identifiers")
    problems.refuse()
    edited = ",".join(name for name, value in (("first_name", first), ("last_name", last)) if value)

    async def work(unit: Unit) -> Receipt:
        profile_id = uuid7()
        await unit.fetch("insert_profiles", [profile_id], [_NEW.value], [first], [last], [edited])
        await write_reach(unit, profile_id, reach, _NATIVE, dependencies.vault)
        await lift(unit, dependencies.vault, reach)
        fields = ["firstName", "lastName", *reach.fields()]
        changed = [FieldChange(name, None, value) for name, value in (("firstName", first), ("lastName", last)) if value]
        changed.append(FieldChange("lifecycle", None, _NEW.value))
        if reach.points or reach.identifiers:
            changed += reach_differences(unit.configuration, (), await unit.fetch("contacts_by_profile", [profile_id]))
        async with reindexed(unit, dependencies.vault, [profile_id], attributes):
            written = await write_attributes(unit, dependencies.vault, profile_id, attributes)
        if written:
            fields.append("traits")
        change_id = unit.record(profile_id, ChangeAction.CREATED, *changed, *written)
        unit.profile_changed(profile_id, *fields, item_id=change_id)
        if reach.points:
            await propose(unit, [profile_id])
        if new.contact_id is not None:
            await associate_created(unit, new.contact_id, profile_id)
        return Receipt(profile_id)

    return await dependencies.writer.run(principal, work, idempotency)


def fingerprint(dependencies: Dependencies, principal: Principal, new: NewProfile) -> NewProfile:
    """The input as an idempotency key is kept with: a plain hash of a SENSITIVE value could be guessed, so the vault's stands for it."""
    sensitive = dependencies.configurations.of(principal.workspace_key).sensitive

    def hashed(key: str, value: Any) -> str:
        return dependencies.vault.blind(principal.workspace_id, f"input:{key}", json.dumps(value, sort_keys=True))

    identifiers = []
    for one in new.identifiers:
        try:
            guarded = normalize_type(one.type) in sensitive
        except BadUserInput:
            guarded = False  # it will be refused
        identifiers.append(replace(one, value=hashed("identifier", one.value)) if guarded else one)
    attributes = {key: hashed(key, value) if key in sensitive else value for key, value in new.attributes.items()}
    return replace(new, identifiers=identifiers, attributes=attributes)


async def update_profile(
    dependencies: Dependencies, principal: Principal, changes: ProfileChanges, through: WrittenThrough | None = None
) -> Receipt:
    """Change what was given and nothing else. `through`: the systems of record that some attributes are written to, before anything else is.

    Raises:
        Forbidden: without `profile:write`.
        Rejected: NOT_FOUND, MERGE_CONFLICT (it was merged away), STALE_VERSION (with the profile as it is), INVALID, READ_ONLY,
            SENSITIVE_DATA_REJECTED or TAKEN. Of a system of record also SOURCE_UNAVAILABLE.
        OutcomeUnknown: a system of record did not say whether it made its change.
    """
    require(principal, Action.UPDATE_PROFILE)
    configuration, region = dependencies.configurations.of(principal.workspace_key), dependencies.region
    problems = Problems()
    names = {key: problems.text(value, _LONGEST_NAME, _camel(key)) for key, value in changes.names.items()}
    if changes.clears_lifecycle:
        problems.add("INVALID", "A profile always has a lifecycle: leave the field out to keep it.", "lifecycle")
    _check_denied(problems, configuration, {_camel(key): value for key, value in names.items()})
    given = changes.upsert_contact_points, changes.add_identifiers
    _check_denied_reach(problems, configuration, *given, "upsertContactPoints", "addIdentifiers")
    elsewhere = frozenset() if through is None else through.among(configuration, principal.workspace_key, changes.attributes)
    checked = check_attributes(problems, configuration, changes.attributes, region, elsewhere)
    attributes = {key: value for key, value in checked.items() if key not in elsewhere}
    reach = check_reach(problems, *given, region, "upsertContactPoints", "addIdentifiers")
    problems.refuse()
    touches_reach = bool(reach.points or reach.identifiers or changes.remove_contact_points or changes.remove_identifiers)

    async def current(unit: Unit) -> Profile:
        row = await unit.fetchrow("lock_profile", changes.profile_id)
        if row is None:
            raise await absent(unit, changes.profile_id, "input", "id")
        profile = profile_of(row)
        if changes.expected_version is not None and profile.version != changes.expected_version:
            raise Rejected(stale(profile, profile.version))
        return profile

    async def look(unit: Unit) -> Receipt:
        return Receipt((await current(unit)).profile_id)

    async def work(unit: Unit) -> Receipt:
        profile = await current(unit)
        changed = [FieldChange(_camel(key), getattr(profile, key), value) for key, value in names.items() if getattr(profile, key) != value]
        if changes.lifecycle is not None and profile.lifecycle is not changes.lifecycle:
            changed.append(FieldChange("lifecycle", profile.lifecycle.value, changes.lifecycle.value))
        fields = [change.field for change in changed]
        before = await unit.fetch("contacts_by_profile", [profile.profile_id]) if touches_reach else ()
        fields += await remove_reach(unit, profile.profile_id, changes.remove_contact_points, changes.remove_identifiers)
        fields += await write_reach(unit, profile.profile_id, reach, _NATIVE, dependencies.vault)
        await lift(unit, dependencies.vault, reach)
        async with reindexed(unit, dependencies.vault, [profile.profile_id], attributes):
            written = await write_attributes(unit, dependencies.vault, profile.profile_id, attributes)
        if written:
            fields.append("traits")
        if fields:
            await unit.connection.execute(
                SQL["update_profile"],
                unit.workspace,
                profile.profile_id,
                *("first_name" in names, names.get("first_name"), "last_name" in names, names.get("last_name")),
                changes.lifecycle.value if changes.lifecycle else None,
                list(names),
            )
            if touches_reach:
                after = await unit.fetch("contacts_by_profile", [profile.profile_id])
                changed += reach_differences(unit.configuration, before, after)
            change_id = unit.record(profile.profile_id, ChangeAction.UPDATED, *changed, *written)
            unit.profile_changed(profile.profile_id, *dict.fromkeys(fields), item_id=change_id)
            if reach.points and "contactPoints" in fields:
                await propose(unit, [profile.profile_id])
        return Receipt(profile.profile_id, position=profile.position)

    if through is not None and elsewhere:
        await dependencies.writer.run(principal, look)
        managed = {key: value for key, value in checked.items() if key in elsewhere}
        written = await through.write_attributes(principal, configuration, changes.profile_id, managed)
        if not (changes.names or changes.lifecycle or attributes or touches_reach):
            return written
    return await dependencies.writer.run(principal, work)


def stale(current: object, version: int) -> Problem:
    """Somebody else changed it first; the entity as it is now comes along."""
    message = f"This was changed meanwhile (version {version} now); look at the current state and try again."
    return Problem("STALE_VERSION", message, ("input", "expectedVersion"), current=current, current_version=version)


def _check_denied(problems: Problems, configuration: Configuration, texts: Mapping[str, str | None]) -> None:
    for name, text in texts.items():
        refused = denied(configuration, text)
        if refused:
            problems.add(DENIED, refused, name)


def _check_denied_reach(
    problems: Problems,
    configuration: Configuration,
    points: Sequence[ContactPointChange],
    identifiers: Sequence[IdentifierChange],
    points_path: str,
    identifiers_path: str,
) -> None:
    """A phone number or an e-mail is one or is refused as none; what goes everywhere else must not be a card."""
    found: list[tuple[str, int, str, str | None]] = [(points_path, index, "label", point.label) for index, point in enumerate(points)]
    found += [
        (points_path, index, "value", point.value)
        for index, point in enumerate(points)
        if lookup_key(point.channel, point.custom_channel) not in {PHONE, EMAIL}
    ]
    found += [(identifiers_path, index, "value", one.value) for index, one in enumerate(identifiers)]
    for name, index, part, text in found:
        refused = denied(configuration, text)
        if refused:
            problems.add(DENIED, refused, name, index, part)


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(word.capitalize() for word in rest)
