"""Create and update profiles: names, attributes, contact points, identifiers.

Owns the rules of the two commands. Called by resolvers' mutations through `Commands`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

import orjson

from gateway.auth.policy import Action, require
from gateway.auth.principal import Principal
from gateway.commands.reach import ContactPointChange, IdentifierChange, check_reach, remove_reach, write_reach
from gateway.commands.unit import Idempotency, Receipt, Unit, Writer
from gateway.commands.validation import Problems, json_element
from gateway.errors import Problem, Rejected
from gateway.model.ids import uuid7
from gateway.model.profile import ProfileLifecycle
from gateway.model.trait import known_trait
from gateway.sources.native import profile_of
from gateway.storage.database import columns
from gateway.storage.queries import SQL

__all__ = ["NewProfile", "ProfileChanges", "create_profile", "not_found", "stale", "update_profile"]

_LONGEST_NAME = 200
_MOST_TRAITS = 500
_NATIVE: Final = "native"


@dataclass(frozen=True, slots=True)
class NewProfile:
    """Input of `create_profile`; only `first_name` is required."""

    first_name: str
    last_name: str | None = None
    contact_points: Sequence[ContactPointChange] = ()
    identifiers: Sequence[IdentifierChange] = ()
    attributes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ProfileChanges:
    """Input of `update_profile`. `names` and `attributes` hold only what was given: absent keeps, None clears."""

    profile_id: UUID
    expected_version: int | None = None
    names: Mapping[str, str | None] = field(default_factory=dict)
    lifecycle: ProfileLifecycle | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict)
    upsert_contact_points: Sequence[ContactPointChange] = ()
    remove_contact_points: Sequence[UUID] = ()
    add_identifiers: Sequence[IdentifierChange] = ()
    remove_identifiers: Sequence[UUID] = ()


async def create_profile(
    writer: Writer, principal: Principal, new: NewProfile, region: str | None, idempotency: Idempotency | None
) -> Receipt:
    """A new profile.

    Raises:
        Forbidden: without `profile:create`.
        Rejected: invalid input, or an identifier that another profile has (TAKEN, with that profile's id).
    """
    require(principal, Action.CREATE_PROFILE)
    problems = Problems()
    first = problems.text(new.first_name, _LONGEST_NAME, "firstName")
    if first is None and not problems.found:
        problems.add("REQUIRED", "A profile needs a first name.", "firstName")
    last = problems.text(new.last_name, _LONGEST_NAME, "lastName")
    _check_attributes(problems, new.attributes)
    reach = check_reach(problems, new.contact_points, new.identifiers, region, "contactPoints", "identifiers")
    problems.refuse()
    edited = ",".join(name for name, value in (("first_name", first), ("last_name", last)) if value)

    async def work(unit: Unit) -> Receipt:
        profile_id = uuid7()
        await unit.fetch("insert_profiles", [profile_id], ["PROSPECT"], [first], [last], [edited])
        await write_reach(unit, profile_id, reach, _NATIVE)
        fields = ["firstName", "lastName", *reach.fields()]
        if await _write_attributes(unit, profile_id, new.attributes):
            fields.append("traits")
        unit.profile_changed(profile_id, *fields)
        return Receipt(profile_id)

    return await writer.run(principal, work, idempotency)


async def update_profile(writer: Writer, principal: Principal, changes: ProfileChanges, region: str | None) -> Receipt:
    """Change what was given and nothing else.

    Raises:
        Forbidden: without `profile:write`.
        Rejected: NOT_FOUND, STALE_VERSION (with the profile as it is), INVALID or TAKEN.
    """
    require(principal, Action.UPDATE_PROFILE)
    problems = Problems()
    names = {key: problems.text(value, _LONGEST_NAME, _camel(key)) for key, value in changes.names.items()}
    _check_attributes(problems, changes.attributes)
    reach = check_reach(problems, changes.upsert_contact_points, changes.add_identifiers, region, "upsertContactPoints", "addIdentifiers")
    problems.refuse()

    async def work(unit: Unit) -> Receipt:
        row = await unit.fetchrow("lock_profile", changes.profile_id)
        if row is None:
            raise Rejected(not_found("profile", "id"))
        profile = profile_of(row)
        if changes.expected_version is not None and profile.version != changes.expected_version:
            raise Rejected(stale(profile, profile.version))
        fields = [_camel(key) for key, value in names.items() if getattr(profile, key) != value]
        if changes.lifecycle is not None and profile.lifecycle is not changes.lifecycle:
            fields.append("lifecycle")
        fields += await remove_reach(unit, profile.profile_id, changes.remove_contact_points, changes.remove_identifiers)
        fields += await write_reach(unit, profile.profile_id, reach, _NATIVE)
        if await _write_attributes(unit, profile.profile_id, changes.attributes):
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
            unit.profile_changed(profile.profile_id, *dict.fromkeys(fields))
        return Receipt(profile.profile_id, position=profile.position)

    return await writer.run(principal, work)


def not_found(what: str, *path: str) -> Problem:
    """The one answer for what does not exist and for what belongs to somebody else."""
    return Problem("NOT_FOUND", f"There is no such {what}.", ("input", *path) if path else None)


def stale(current: object, version: int) -> Problem:
    """Somebody else changed it first; the entity as it is now comes along."""
    message = f"This was changed meanwhile (version {version} now); look at the current state and try again."
    return Problem("STALE_VERSION", message, ("input", "expectedVersion"), current=current, current_version=version)


def _check_attributes(problems: Problems, attributes: Mapping[str, Any]) -> None:
    for key, value in attributes.items():
        if not key or len(key) > 128:  # noqa: PLR2004  # as in validation.MAX_KEY
            problems.add("INVALID", "An attribute's key has between 1 and 128 characters.", "attributes", key[:128])
        else:
            problems.json({key: value}, "attributes", key)


async def _write_attributes(unit: Unit, profile_id: UUID, attributes: Mapping[str, Any]) -> bool:
    """Write what an agent set; null takes the agent's value away, so that a source's shows again. Whether anything changed."""
    if not attributes:
        return False
    rows_now = await unit.fetch("traits_by_profile", [profile_id], list(attributes))
    edited = {row["key"]: row["actor_id"] and _canonical(row["value"]) for row in rows_now if row["source"] == _NATIVE}
    given = {key: value for key, value in attributes.items() if value is not None and edited.get(key) != _canonical(value)}
    cleared = [key for key, value in attributes.items() if value is None and key in edited]
    if cleared:
        await unit.fetch("delete_traits", profile_id, _NATIVE, cleared)
    if given:
        now, actor = datetime.now(UTC), unit.principal.actor
        rows = [
            (profile_id, key, _NATIVE, json_element(value), kind.value, category, now, actor.id, actor.display_name, actor.kind.value)
            for key, value in given.items()
            for _, kind, category in (known_trait(key),)
        ]
        await unit.fetch("upsert_traits", *columns(rows))
        count = await unit.fetchrow("count_traits", profile_id)
        if count is not None and count[0] > _MOST_TRAITS:
            raise Rejected(Problem("LIMIT_EXCEEDED", f"A profile has at most {_MOST_TRAITS} attributes.", ("input", "attributes")))
    return bool(given or cleared)


def _canonical(value: Any) -> bytes:
    """Equal for equal JSON; Python's == takes true for 1."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(word.capitalize() for word in rest)
