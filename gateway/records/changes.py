"""Reading the history of changes: what was done to a profile, by whom, with the values before and after.

Owns the way from the audit's rows to values. Must not write an entry (`commands.unit` does) nor mask a value (resolvers do, by who is looking).
Called by `loaders.changes`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

from gateway.model.audit import ChangeRecord, change_of
from gateway.storage.database import Database
from gateway.storage.queries import SQL

__all__ = ["changes_by_id", "changes_by_profile"]

_HIGHEST = UUID(int=2**128 - 1)


async def changes_by_profile(
    database: Database, workspace: UUID, ids: Sequence[UUID], before: UUID | None, limit: int
) -> Mapping[UUID, Sequence[ChangeRecord]]:
    """Up to `limit` entries of each profile, newest first, below the entry `before` (None: from the newest)."""
    found: dict[UUID, list[ChangeRecord]] = {}
    for row in await database.fetch(SQL["changes_by_profile"], workspace, ids, before or _HIGHEST, limit):
        found.setdefault(row["profile_id"], []).append(change_of(dict(row)))
    return found


async def changes_by_id(database: Database, workspace: UUID, refs: Sequence[tuple[UUID, UUID]]) -> Mapping[tuple[UUID, UUID], ChangeRecord]:
    """The entries of these (profile id, entry id) that are there."""
    rows = await database.fetch(SQL["changes_by_id"], workspace, [ref[0] for ref in refs], [ref[1] for ref in refs])
    return {(row["profile_id"], row["id"]): change_of(dict(row)) for row in rows}
