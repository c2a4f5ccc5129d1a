"""The runner of privacy jobs: one task per process that takes the oldest open job and does its next step.

Owns the way of a job from QUEUED to DONE or FAILED. A step, its counts and its place are one transaction, and the lock on the job's row is the
lease: whoever dies in the middle leaves nothing half-done and holds nothing. Must not know what a step does. Started by `app`.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from typing import Final
from uuid import UUID

import structlog

from gateway.auth.principal import Principal, Role
from gateway.commands.steps import Plan
from gateway.commands.unit import Receipt, Unit, Writer
from gateway.model.actor import ActorKind
from gateway.model.privacy import Job, JobState, PrivacyAction
from gateway.observe import PRIVACY_JOBS
from gateway.records.jobs import job_of, next_job
from gateway.storage.database import Database
from gateway.storage.queries import SQL

__all__ = ["MOST_ATTEMPTS", "JobRunner"]

MOST_ATTEMPTS: Final = 10
"""Failures in a row after which a job is given up."""
_POLL: Final = 5.0
_SOONEST: Final = 0.1
_ROLES: Final = {
    ActorKind.AGENT: Role.AGENT,
    ActorKind.SUPERVISOR: Role.ADMIN,
    ActorKind.PARTNER: Role.PARTNER,
    ActorKind.SOURCE: Role.SERVICE,
}

log = structlog.get_logger()


class JobRunner:
    """Runs what `plans` say. `asked` is set when a job was requested in this process."""

    def __init__(
        self,
        database: Database,
        writer: Writer,
        plans: Mapping[PrivacyAction, Plan],
        asked: asyncio.Event | None = None,
    ) -> None:
        self._database = database
        self._writer = writer
        self._plans = plans
        self._asked = asked or asyncio.Event()

    async def run(self) -> None:
        """Do steps for ever; sleep while nothing is due."""
        while True:
            pause: float | None = _POLL
            try:
                while (pause := await self.advance()) == 0:
                    pass
            except Exception as error:  # noqa: BLE001  # the runner outlives whatever it was
                log.warning("privacy.poll_failed", error=type(error).__name__)
            try:
                async with asyncio.timeout(_POLL if pause is None else min(_POLL, pause)):
                    await self._asked.wait()
            except TimeoutError:
                continue
            self._asked.clear()

    async def finish(self) -> None:
        """Do steps until no job is open."""
        while True:
            pause = await self.advance()
            if pause is None:
                return
            await asyncio.sleep(pause)

    async def advance(self) -> float | None:
        """One step of the oldest job that is due; the seconds until it is worth asking again (0 after a step, None while no job is open)."""
        job, due = await next_job(self._database)
        if job is None:
            return None if due is None else max(due, _SOONEST)
        try:
            return 0 if await self._step(job) else _SOONEST
        except Exception as error:  # noqa: BLE001  # counted, and tried again
            await self._failed(job, error)
            return 0

    async def _step(self, found: Job) -> bool:
        moved: list[JobState] = []

        async def work(unit: Unit) -> Receipt:
            moved.clear()
            row = await unit.fetchrow("take_privacy_job", found.job_id)
            if row is None:
                return Receipt()
            job = job_of(row)
            names = list(self._plans[job.action])
            name = names[0 if job.step is None else names.index(job.step) + 1]
            done = await self._plans[job.action][name](unit, job)
            counts = dict(Counter(job.counts) + Counter(done.counts))
            finished = done.place is None
            state = JobState.RUNNING
            if done.problem is not None:
                state = JobState.FAILED
            elif finished and name == names[-1]:
                state = JobState.DONE
            await unit.connection.execute(
                SQL["advance_privacy_job"],
                unit.workspace,
                job.job_id,
                state.value,
                name if finished else job.step,
                done.place,
                counts,
                done.problem,
                done.pause,
            )
            moved.append(state)
            return Receipt()

        await self._writer.run(_principal(found), work)
        for state in moved:
            if state is not JobState.RUNNING:
                PRIVACY_JOBS.labels(found.action.value, state.value).inc()
        return bool(moved)

    async def _failed(self, job: Job, error: Exception) -> None:
        """Write down that, not what, went wrong: an error's text may hold values."""
        log.warning("privacy.step_failed", job=str(job.job_id), action=job.action.value, step=job.step, error=type(error).__name__)
        state = await self._database.fetchval(
            SQL["privacy_step_failed"], job.workspace_id, job.job_id, type(error).__name__, MOST_ATTEMPTS, delivery=True
        )
        if state == JobState.FAILED.value:
            log.error("privacy.job_failed", job=str(job.job_id), action=job.action.value, step=job.step)
            PRIVACY_JOBS.labels(job.action.value, state).inc()


def _principal(job: Job) -> Principal:
    """Whoever asked for the job, without any right: to log and to audit under their name."""
    workspace: tuple[UUID, str] = job.workspace_id, job.workspace_key
    role = _ROLES.get(job.actor.kind, Role.ADMIN)
    return Principal(*workspace, job.actor.id, job.actor.display_name, role, frozenset(), None, None)
