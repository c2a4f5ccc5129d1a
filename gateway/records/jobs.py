"""Privacy jobs as they stand in the database, and the parts of the files they made.

Owns reading them. Must not do a step: `commands.jobs` does. Called by commands and `transport.export`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any
from uuid import UUID

from gateway.model.actor import Actor, ActorKind
from gateway.model.privacy import Job, JobState, PrivacyAction
from gateway.storage.database import Database
from gateway.storage.queries import SQL

__all__ = ["file_data", "file_parts", "job_by_id", "job_of", "next_job"]


def job_of(row: Any) -> Job:
    """A row of `next_privacy_job`, `take_privacy_job` or `privacy_job_by_id` as a job."""
    return Job(
        row["workspace_id"],
        row["workspace_key"],
        row["id"],
        row["profile_id"],
        PrivacyAction(row["action"]),
        JobState(row["state"]),
        row["step"],
        row["place"],
        row["counts"],
        Actor(row["actor_id"], row["actor_name"], ActorKind(row["actor_kind"])),
        row["requested_at"],
        row["finished_at"],
        row["attempts"],
    )


async def next_job(database: Database) -> tuple[Job | None, float | None]:
    """The oldest open job that is due and nobody's at the moment (of one profile only its oldest), and the seconds until one is due.

    0 seconds without a job: others have those that are due. None: no job is open.
    """
    async with database.transaction() as connection:
        row = await connection.fetchrow(SQL["next_privacy_job"])
        if row is not None:
            return job_of(row), 0.0
        return None, await connection.fetchval(SQL["seconds_to_next_privacy_job"])


async def job_by_id(database: Database, workspace: UUID, job_id: UUID) -> Job | None:
    """A job of the workspace."""
    row = await database.fetchrow(SQL["privacy_job_by_id"], workspace, job_id)
    return None if row is None else job_of(row)


async def file_parts(database: Database, workspace: UUID, job_id: UUID) -> Sequence[tuple[int, int]]:
    """(number, bytes) of each part of a job's file that has not expired, in order."""
    return [(row["part"], row["size"]) for row in await database.fetch(SQL["privacy_file_parts"], workspace, job_id)]


async def file_data(database: Database, workspace: UUID, job_id: UUID, parts: Sequence[int]) -> AsyncIterator[bytes]:
    """The parts' bytes one after the other; ends early when one is gone meanwhile."""
    for part in parts:
        data: bytes | None = await database.fetchval(SQL["privacy_file_part"], workspace, job_id, part)
        if data is None:
            return
        yield data
