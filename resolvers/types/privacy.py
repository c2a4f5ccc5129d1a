"""Answers of privacy requests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import strawberry

from resolvers.payloads import InputProblem
from resolvers.types.node import UserError
from resolvers.types.scalars import URL

__all__ = ["JobPayload", "JobResult"]


@dataclass(frozen=True, slots=True)
class JobResult:
    """Value of `JobPayload`."""

    job_id: str | None
    download_url: str | None
    user_errors: Sequence[InputProblem]


@strawberry.type(description="Answer of a request about a person's data: the job that does it.")
class JobPayload:
    job_id: strawberry.ID | None = strawberry.field(description="The job; asking again while it is open gives the same.")
    download_url: URL | None = strawberry.field(
        description="EXPORT: where the file will be, relative to the gateway's address; 404 until it is there. Whoever has this address may "
        "read the file, for 24 hours."
    )
    user_errors: list[UserError] = strawberry.field(description="What was refused; empty when there is a job.")
