"""Attributes an agent sets on a profile: checked against the registry, sealed where they are SENSITIVE, written as traits of the native source.

Owns the rules of such a write (who may write which key, what its value may be) and what the audit keeps of it: of a SENSITIVE value, nothing. Must
not touch identifiers, which are written as such. Called by `profiles`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

import asyncpg
import orjson

from gateway.commands.attribute_values import checked_value
from gateway.commands.denied import DENIED, denied
from gateway.commands.unit import Unit
from gateway.commands.validation import MAX_KEY, Problems, json_element, json_problem
from gateway.errors import BadUserInput, Problem, Rejected
from gateway.model.attribute import AttributeDefinition, AttributeType, Sensitivity
from gateway.model.audit import FieldChange
from gateway.model.configuration import Configuration
from gateway.model.trait import known_trait
from gateway.storage.database import columns
from gateway.vault import Vault, VaultError

__all__ = ["SENSITIVE", "canonical", "check_attributes", "key_problem", "sealed_place", "shown_as", "write_attributes"]

SENSITIVE: Final = "sensitive"
"""Mask of the audit's fields whose values are never kept."""

_MOST_TRAITS = 500
_NATIVE: Final = "native"
_MASKS: Final = {AttributeType.PHONE: "phone", AttributeType.EMAIL: "email"}


def sealed_place(key: str) -> str:
    """The vault's place of a SENSITIVE attribute."""
    return f"trait:{key}"


def shown_as(definition: AttributeDefinition) -> str | None:
    """The mask of an attribute's values in the audit (see `model.audit.FieldChange`)."""
    if definition.sensitivity is Sensitivity.SENSITIVE:
        return SENSITIVE
    return _MASKS.get(definition.type, "text") if definition.sensitivity is Sensitivity.PERSONAL else None


def key_problem(key: str) -> str | None:
    """Why a text cannot be an attribute's key."""
    if not key or len(key) > MAX_KEY:
        return f"An attribute's key has between 1 and {MAX_KEY} characters."
    return json_problem(key)


def check_attributes(
    problems: Problems, configuration: Configuration, attributes: Mapping[str, Any], region: str | None, through: Collection[str] = ()
) -> dict[str, Any]:
    """The values as they are stored, None for what is cleared; each problem at `input.attributes.<key>`.

    `through`: attributes that a source manages and takes from us.
    """
    checked: dict[str, Any] = {}
    for key, value in attributes.items():
        wrong = key_problem(key)
        if wrong:
            problems.add("INVALID", wrong, "attributes", *([key[:MAX_KEY]] if json_problem(key) is None else []))
            continue
        forbidden_key = denied(configuration, key)
        refused = forbidden_key or denied(configuration, value)
        if refused:
            problems.add(DENIED, refused, "attributes", *([key] if forbidden_key is None else []))
            continue
        try:
            checked[key] = _checked(configuration, key, value, region, is_taken=key in through)
        except _Refused as refusal:
            problems.add(refusal.code, refusal.message, "attributes", key)
        except BadUserInput as error:
            problems.add("INVALID", error.message, "attributes", key)
    return checked


async def write_attributes(unit: Unit, vault: Vault, profile_id: UUID, values: Mapping[str, Any]) -> list[FieldChange]:
    """Write what `check_attributes` let through; None takes the agent's value away, so that a source's shows again. What changed, by key.

    Raises:
        Rejected: the profile has too many attributes (LIMIT_EXCEEDED).
    """
    if not values:
        return []
    known = {row["key"]: row for row in await unit.fetch("traits_of_source", profile_id, _NATIVE, list(values))}
    changes: list[FieldChange] = []
    plain: list[tuple[Any, ...]] = []
    sealed: list[tuple[Any, ...]] = []
    cleared: list[str] = []
    now, actor = datetime.now(UTC), unit.principal.actor
    for key, value in values.items():
        definition = unit.configuration.definition(key)
        hidden = definition.sensitivity is Sensitivity.SENSITIVE
        row = known.get(key)
        if value is None:
            if row is None:
                continue
            cleared.append(key)
        else:
            if row is not None and row["actor_id"] and _content(unit, vault, row) == (hidden, canonical(value)):
                continue
            _, kind, category = known_trait(key)
            stored = vault.seal(unit.workspace, sealed_place(key), canonical(value).decode()) if hidden else json_element(value)
            into = sealed if hidden else plain
            said_by = actor.id, actor.display_name, actor.kind.value
            into.append((profile_id, key, _NATIVE, stored, kind.value, definition.group or category, now, *said_by))
        if hidden or (row is not None and row["sealed"] is not None):
            changes.append(FieldChange(f"attributes.{key}", None, None, SENSITIVE))
        else:
            changes.append(FieldChange(f"attributes.{key}", row and row["value"], value, shown_as(definition)))
    if cleared:
        await unit.fetch("delete_traits", profile_id, _NATIVE, cleared)
    if plain:
        await unit.fetch("upsert_traits", *columns(plain))
    if sealed:
        await unit.fetch("upsert_sealed_traits", *columns(sealed))
    if plain or sealed:
        count = await unit.fetchrow("count_traits", profile_id)
        if count is not None and count[0] > _MOST_TRAITS:
            raise Rejected(Problem("LIMIT_EXCEEDED", f"A profile has at most {_MOST_TRAITS} attributes.", ("input", "attributes")))
    return changes


class _Refused(Exception):
    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def _checked(configuration: Configuration, key: str, value: Any, region: str | None, *, is_taken: bool) -> Any:
    definition = configuration.by_key.get(key)
    if definition is None:
        if configuration.strict_attributes:
            raise _Refused("INVALID", "There is no attribute of this key; attributeDefinitions lists those there are.")
        wrong = json_problem({key: value})
        if wrong:
            raise _Refused("INVALID", wrong)
        return value
    if definition.is_identifier:
        raise _Refused("INVALID", f"{definition.name} identifies the profile: write it as an identifier.")
    if definition.managed_by is not None and not is_taken:
        raise _Refused("READ_ONLY", f"{definition.name} is kept by {definition.managed_by}; nobody else writes it.")
    if not definition.is_editable:
        raise _Refused("READ_ONLY", f"{definition.name} is not to be changed by hand.")
    return None if value is None else checked_value(definition, value, region)


def _content(unit: Unit, vault: Vault, row: asyncpg.Record) -> tuple[bool, bytes | None]:
    """Whether a row is sealed, and its value in canonical JSON; a value that does not open any more equals none."""
    if row["sealed"] is None:
        return False, canonical(row["value"])
    try:
        return True, vault.open(unit.workspace, sealed_place(row["key"]), row["sealed"]).encode()
    except VaultError:
        return True, None


def canonical(value: Any) -> bytes:
    """Equal for equal JSON; Python's == takes true for 1."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
