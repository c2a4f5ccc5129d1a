"""Whether a profile can be written to: it is there and living. One that was merged away is read as its survivor and refuses every change.

Owns that refusal. `lock_profile`, `insert_note` and the like find living profiles only; whoever finds none asks here why. Called by every command
that names a profile.
"""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from gateway.commands.unit import Unit
from gateway.errors import Problem, Rejected
from gateway.model.ids import make_id

__all__ = ["absent", "survivors_of"]


async def absent(unit: Unit, profile_id: UUID, *path: str, what: str = "profile") -> Rejected:
    """Why there is no such profile to change, or none with such a note: MERGE_CONFLICT naming the survivor, or NOT_FOUND.

    `path` leads to the input field.
    """
    survivor = (await survivors_of(unit, [profile_id])).get(profile_id)
    if survivor is None:
        return Rejected(Problem("NOT_FOUND", f"There is no such {what}.", path or None))
    message = f"This profile was merged into {make_id('prf', survivor)}; make the change there."
    return Rejected(Problem("MERGE_CONFLICT", message, path or None))


async def survivors_of(unit: Unit, ids: Collection[UUID]) -> dict[UUID, UUID]:
    """For those of the profiles that were merged away: where they came to in the end."""
    return {row["asked"]: row["id"] for row in await unit.fetch("surviving_profiles", sorted(ids))} if ids else {}
