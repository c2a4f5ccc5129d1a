"""Merges and merge proposals as they are kept: reads by id and by profile.

Owns the way from rows to values. Must not change a row (commands do). Called by `loaders.merges`.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import asyncpg

from gateway.model.actor import Actor, ActorKind
from gateway.model.merge import MergeProposal, MergeRecord
from gateway.storage.database import Database
from gateway.storage.queries import SQL

__all__ = ["merge_of", "merges_by_id", "proposal_of", "proposals_by_id", "proposals_by_profile"]


def merge_of(row: asyncpg.Record) -> MergeRecord:
    """A row of `merges_by_id` as a merge."""
    actor = Actor(row["actor_id"], row["actor_name"], ActorKind(row["actor_kind"]))
    return MergeRecord(
        row["id"], row["survivor_id"], tuple(row["merged_ids"]), actor, row["at"], row["undone_at"], row["can_undo"], row["reason"]
    )


def proposal_of(row: asyncpg.Record) -> MergeProposal:
    """A row of `merge_proposal` as a proposal."""
    return MergeProposal(row["id"], (row["first_id"], row["second_id"]), row["score"], row["rule"], row["created_at"])


async def merges_by_id(database: Database, workspace: UUID, ids: Sequence[UUID]) -> dict[UUID, MergeRecord]:
    """The merges there are among these ids."""
    return {row["id"]: merge_of(row) for row in await database.fetch(SQL["merges_by_id"], workspace, ids)}


async def proposals_by_id(database: Database, workspace: UUID, ids: Sequence[UUID]) -> dict[UUID, MergeProposal]:
    """The open proposals between living profiles there are among these ids."""
    return {row["id"]: proposal_of(row) for row in await database.fetch(SQL["proposals_by_id"], workspace, ids)}


async def proposals_by_profile(database: Database, workspace: UUID, ids: Sequence[UUID]) -> dict[UUID, list[MergeProposal]]:
    """The open proposals of each profile that has some, the likeliest first."""
    found: dict[UUID, list[MergeProposal]] = {}
    for row in await database.fetch(SQL["proposals_by_profile"], workspace, ids):
        found.setdefault(row["profile_id"], []).append(proposal_of(row))
    return found
