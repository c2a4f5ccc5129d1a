"""Identifiers: claimed for one profile each, written as they are found.

Owns what of a SENSITIVE identifier is kept: its hash to find it, its text sealed, and a mask to show. Its value is in no other row, log or message.
Called by `reach` and `tracking`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from gateway.auth.policy import mask_text
from gateway.commands.unit import Retry, Unit
from gateway.errors import Problem, Rejected
from gateway.model.ids import uuid7
from gateway.records.keys import SearchedKeys
from gateway.storage.database import columns
from gateway.vault import Vault

__all__ = ["Secret", "sealed_identifier", "write_identifiers"]

_INPUT: Final = "input"


@dataclass(frozen=True, slots=True)
class Secret:
    """A SENSITIVE identifier ready to be kept: its id (to which the sealed text is bound), what is shown, and the sealed text."""

    identifier_id: UUID
    shown: str
    sealed: bytes


def sealed_identifier(vault: Vault, workspace: UUID, raw: str) -> Secret:
    """A SENSITIVE identifier as it is kept."""
    identifier_id = uuid7()
    return Secret(identifier_id, mask_text(raw.strip()), vault.seal(workspace, f"identifier:{identifier_id.hex}", raw.strip()))


async def write_identifiers(
    unit: Unit, vault: Vault | None, profile_id: UUID, given: Sequence[tuple[str, str, str]], path: str, source: str
) -> bool:
    """Claim and write (type, raw, normalized value), as many as are not this profile's already; whether there were any.

    Raises:
        Rejected: TAKEN, another profile has one; `path` is the list they were given in.
    """
    keys = SearchedKeys(unit.configuration, unit.workspace, None, vault)
    kept = {(kind, normalized): keys.of_identifier(kind, normalized) for kind, _, normalized in given}
    if not all(kept.values()):
        raise RuntimeError("a SENSITIVE identifier needs the vault")  # never kept in clear instead
    present = {ways[0]: asked for asked, ways in kept.items()}
    owned = await _owned_under_older_secrets(unit, kept)
    wanted = [(*way, profile_id, True) for way, asked in present.items() if asked not in owned]
    claimed = {(row["key"], row["value"]) for row in await unit.fetch("claim_lookups", *columns(wanted))} if wanted else set()
    missed = [way for way, asked in present.items() if asked not in owned and way not in claimed]
    owners = dict(owned)
    if missed:
        found = {row["n"] - 1: row["profile_id"] for row in await unit.fetch("profile_ids_by_lookup", *columns(missed))}
        for index, way in enumerate(missed):
            if index not in found:
                raise Retry  # its holder has just let it go
            owners[present[way]] = found[index]
    problems = []
    for (kind, normalized), owner in owners.items():
        if owner != profile_id:
            place = next(n for n, (a, _, b) in enumerate(given) if (a, b) == (kind, normalized))
            problems.append(Problem("TAKEN", f"Another profile has this {kind}.", (_INPUT, path, str(place), "value"), existing=owner))
    if problems:
        raise Rejected(*problems)
    rows = []
    for kind, raw, normalized in given:
        way = kept[kind, normalized][0]
        if way in claimed:
            claimed.discard(way)
            rows.append((profile_id, *_row(unit, vault, kind, raw, way[1]), source))
    if rows:
        await unit.fetch("insert_identifiers", *columns([(*row[:-2], row[-1], row[-2]) for row in rows]))
    return bool(rows)


def _row(unit: Unit, vault: Vault | None, kind: str, raw: str, value: str) -> tuple[UUID, str, str, str, bytes | None]:
    if kind not in unit.configuration.sensitive:
        return uuid7(), kind, raw.strip(), value, None
    assert vault is not None
    secret = sealed_identifier(vault, unit.workspace, raw)
    return secret.identifier_id, kind, secret.shown, value, secret.sealed


async def _owned_under_older_secrets(unit: Unit, kept: Mapping[tuple[str, str], Sequence[tuple[str, str]]]) -> dict[tuple[str, str], UUID]:
    """Whose the SENSITIVE values are that were hashed under a secret before the present one."""
    older = [(way, asked) for asked, ways in kept.items() for way in ways[1:]]
    if not older:
        return {}
    rows = await unit.fetch("profile_ids_by_lookup", *columns([way for way, _ in older]))
    return {older[row["n"] - 1][1]: row["profile_id"] for row in rows}
