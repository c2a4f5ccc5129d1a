"""Privacy jobs: what is asked for a person's data, and how far the answer is.

Owns the shape of a job. A job is done in steps, one transaction each; what it has done so far stands in the job itself, so that whoever takes
it up goes on there. Called by records, commands and resolvers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any
from uuid import UUID

from gateway.model.actor import Actor
from gateway.model.ids import make_id

__all__ = ["Job", "JobState", "PrivacyAction"]


class PrivacyAction(Enum):
    """What is asked for a person's data."""

    EXPORT = "EXPORT"
    ANONYMISE = "ANONYMISE"
    ERASE = "ERASE"


class JobState(Enum):
    """How far a job is; QUEUED and RUNNING are open."""

    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    DONE = "DONE"
    FAILED = "FAILED"


@dataclass(frozen=True, slots=True)
class Job:
    """One job. `step`: the last step that is done (None: none yet); `place`: how far the step after it has come.

    `counts`: rows per table so far, at the end the certificate of what was done; `attempts`: failures in a row.
    """

    workspace_id: UUID
    workspace_key: str
    job_id: UUID
    profile_id: UUID
    action: PrivacyAction
    state: JobState
    step: str | None
    place: Any
    counts: Mapping[str, int]
    actor: Actor
    requested_at: datetime
    finished_at: datetime | None
    attempts: int

    @property
    def id(self) -> str:
        """The client's id."""
        return make_id("job", self.job_id)
