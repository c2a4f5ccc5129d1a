"""Contact points and identifiers: normalise, claim, write.

Owns the way of a phone, an e-mail or a key from what was typed to the rows that make it findable. Called by `profiles`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from gateway.commands.identifiers import write_identifiers
from gateway.commands.unit import Unit
from gateway.commands.validation import Problems
from gateway.errors import Problem, Rejected
from gateway.identity import lookup_key, normalize, normalize_identifier, normalize_type
from gateway.model.ids import uuid7
from gateway.model.profile import Channel
from gateway.storage.database import columns
from gateway.storage.queries import SQL
from gateway.vault import Vault

__all__ = ["ContactPointChange", "IdentifierChange", "Reach", "check_reach", "remove_reach", "write_reach"]

_LONGEST_VALUE = 320
_LONGEST_LABEL = 100
_MOST = 50


@dataclass(frozen=True, slots=True)
class ContactPointChange:
    """A contact point to add, or (with `point_id`) to change."""

    channel: Channel
    value: str
    custom_channel: str | None = None
    label: str | None = None
    is_primary: bool | None = None
    point_id: UUID | None = None
    keeps_label: bool = False
    """For a change: `label` was not given."""


@dataclass(frozen=True, slots=True)
class IdentifierChange:
    """An identifier to add."""

    type: str
    value: str


@dataclass(frozen=True, slots=True)
class Reach:
    """Checked and normalised: (change, normalized value) and (type, raw, normalized value)."""

    points: Sequence[tuple[ContactPointChange, str]]
    identifiers: Sequence[tuple[str, str, str]]
    identifiers_path: str = "identifiers"

    def fields(self) -> list[str]:
        """The names on `Profile` that this touches."""
        return [name for name, given in (("contactPoints", self.points), ("identifiers", self.identifiers)) if given]


def check_reach(
    problems: Problems,
    points: Sequence[ContactPointChange],
    identifiers: Sequence[IdentifierChange],
    region: str | None,
    points_path: str,
    identifiers_path: str,
) -> Reach:
    """Normalise everything, noting each problem at its own path."""
    for name, given in ((points_path, points), (identifiers_path, identifiers)):
        if len(given) > _MOST:
            problems.add("LIMIT_EXCEEDED", f"At most {_MOST} at once.", name)
    checked_points = []
    for index, point in enumerate(points[:_MOST]):
        path = (points_path, index)
        if point.channel is Channel.CUSTOM and not (point.custom_channel or "").strip():
            problems.add("REQUIRED", "A CUSTOM contact point names its customChannel.", *path, "customChannel")
        problems.text(point.label, _LONGEST_LABEL, *path, "label")
        problems.text(point.custom_channel, _LONGEST_LABEL, *path, "customChannel")
        if problems.text(point.value, _LONGEST_VALUE, *path, "value") is None:
            if not point.value.strip():
                problems.add("REQUIRED", "A contact point needs a value.", *path, "value")
            continue
        key = lookup_key(point.channel, point.custom_channel)
        checked_points.append((point, problems.attempt(normalize, key, point.value, region, path=(*path, "value"))))
    checked_identifiers = []
    for index, identifier in enumerate(identifiers[:_MOST]):
        kind = problems.attempt(normalize_type, identifier.type, path=(identifiers_path, index, "type"))
        value = problems.attempt(normalize_identifier, identifier.value, path=(identifiers_path, index, "value"))
        checked_identifiers.append((kind, identifier.value, value))
    return Reach(checked_points, checked_identifiers, identifiers_path)


async def write_reach(unit: Unit, profile_id: UUID, reach: Reach, source: str, vault: Vault | None = None) -> list[str]:
    """Write what `check_reach` let through; the names on `Profile` that changed. SENSITIVE identifiers need the vault.

    Raises:
        Rejected: an identifier belongs to another profile (TAKEN), or a contact point to change is not this profile's (NOT_FOUND).
    """
    changed: list[str] = []
    if reach.identifiers and await write_identifiers(unit, vault, profile_id, reach.identifiers, reach.identifiers_path, source):
        changed.append("identifiers")
    old = [(point, normalized) for point, normalized in reach.points if point.point_id is not None]
    new = [(point, normalized) for point, normalized in reach.points if point.point_id is None]
    touched = [await _change_point(unit, profile_id, point, normalized) for point, normalized in old]
    if new:
        touched.append(await _add_points(unit, profile_id, new, source))
    if any(touched):
        changed.append("contactPoints")
    return changed


async def remove_reach(unit: Unit, profile_id: UUID, points: Sequence[UUID], identifiers: Sequence[UUID]) -> list[str]:
    """Take contact points and identifiers away; those that are not there are no error. A channel that lost its primary gets another."""
    changed: list[str] = []
    if points:
        rows = await unit.fetch("delete_contact_points", profile_id, list(points))
        if rows:
            changed.append("contactPoints")
            await unit.connection.execute(SQL["promote_contact_points"], unit.workspace, profile_id)
            await _release(
                unit, profile_id, {(lookup_key(Channel(row["channel"]), row["custom_channel"]), row["normalized"]) for row in rows}
            )
    if identifiers:
        rows = await unit.fetch("delete_identifiers", profile_id, list(identifiers))
        if rows:
            changed.append("identifiers")
            await _release(unit, profile_id, {(row["type"], row["normalized"]) for row in rows})
    return changed


async def _release(unit: Unit, profile_id: UUID, gone: set[tuple[str, str]]) -> None:
    """Stop finding the profile by these values, except by one that another contact point still has: a number kept as SMS is found by phone."""
    kept = await unit.fetch("contacts_by_profile", [profile_id])
    still = {(lookup_key(Channel(row["type"]), row["custom_channel"]), row["normalized"]) for row in kept if row["kind"] == "C"}
    if gone - still:
        await unit.connection.execute(SQL["release_lookups"], unit.workspace, profile_id, *columns(sorted(gone - still)))


async def _add_points(unit: Unit, profile_id: UUID, points: Sequence[tuple[ContactPointChange, str]], source: str) -> bool:
    """Add points; one that is there already keeps what it has and takes a label or the primary place. Whether anything changed."""
    ids = sorted(uuid7() for _ in points)  # in the order given, though made in one millisecond: the first of a channel is its primary
    rows = [
        (profile_id, point_id, point.channel.value, point.custom_channel, point.value.strip(), normalized, point.label, source)
        for point_id, (point, normalized) in zip(ids, points, strict=True)
    ]
    inserted = {row["id"] for row in await unit.fetch("upsert_contact_points", *columns(rows))}
    lookups = [(lookup_key(point.channel, point.custom_channel), normalized, profile_id, False) for point, normalized in points]
    await unit.fetch("claim_lookups", *columns(lookups))
    known = await unit.fetch("contacts_by_profile", [profile_id]) if len(inserted) < len(rows) else []
    there = {(one["type"], one["custom_channel"] or "", one["normalized"]): one for one in known if one["kind"] == "C"}
    changed = bool(inserted)
    for (point, normalized), row in zip(points, rows, strict=True):
        if row[1] not in inserted:
            same = there[point.channel.value, point.custom_channel or "", normalized]
            changed |= await _change_point(unit, profile_id, replace(point, point_id=same["id"], value=same["raw"]), normalized)
        elif point.is_primary:
            await _make_primary(unit, profile_id, row[1], point.channel.value, point.custom_channel)
    return changed


async def _change_point(unit: Unit, profile_id: UUID, point: ContactPointChange, normalized: str) -> bool:
    """Change one point; whether that changed anything."""
    row = await unit.fetchrow("contact_point_by_id", profile_id, point.point_id)
    if row is None or row["channel"] != point.channel.value:
        raise Rejected(Problem("NOT_FOUND", "There is no such contact point on this channel.", ("input", "upsertContactPoints")))
    promoted = point.is_primary and not row["is_primary"]
    written = point.value.strip(), normalized, row["label"] if point.keeps_label else point.label
    if written == (row["raw"], row["normalized"], row["label"]) and not promoted:
        return False
    await unit.connection.execute(SQL["update_contact_point"], unit.workspace, profile_id, point.point_id, *written)
    key = lookup_key(point.channel, row["custom_channel"])
    if row["normalized"] != normalized:
        await _release(unit, profile_id, {(key, row["normalized"])})
        await unit.fetch("claim_lookups", [key], [normalized], [profile_id], [False])
    if promoted:
        await _make_primary(unit, profile_id, point.point_id, point.channel.value, row["custom_channel"])
    return True


async def _make_primary(unit: Unit, profile_id: UUID, point_id: UUID | None, channel: str, custom: str | None) -> None:
    await unit.connection.execute(SQL["unset_primary_contact_point"], unit.workspace, profile_id, channel, custom, point_id)
    await unit.connection.execute(SQL["set_primary_contact_point"], unit.workspace, profile_id, point_id)
