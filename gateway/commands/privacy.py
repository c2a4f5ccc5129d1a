"""Ask for a person's data to be exported, anonymised or erased.

Owns the request: one open job per profile and action, done in the order of asking. Must not do it: `jobs` runs the steps of `erasure` and
`export`. Called by resolvers' mutations through `Commands`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from uuid import UUID

from gateway.auth.policy import Action, require
from gateway.auth.principal import Principal
from gateway.commands.dependencies import Dependencies
from gateway.commands.erasure import Eraser
from gateway.commands.export import Exporter
from gateway.commands.steps import Plan
from gateway.commands.tombstones import Tombstones
from gateway.commands.unit import Receipt, Retry, Unit
from gateway.errors import Problem, Rejected
from gateway.model.configuration import Feature
from gateway.model.ids import uuid7
from gateway.model.privacy import JobState, PrivacyAction
from gateway.model.profile import ProfileStatus

__all__ = ["PrivacyCommands"]


class PrivacyCommands:
    """The command, and what belongs to it in this process: the plans of the jobs, the tombstones, and the bell for the runner."""

    def __init__(self, dependencies: Dependencies) -> None:
        self._writer = dependencies.writer
        self.tombstones = Tombstones(dependencies.vault)
        self.plans: Mapping[PrivacyAction, Plan] = {
            **Eraser(dependencies.vault, self.tombstones).plans,
            PrivacyAction.EXPORT: Exporter(dependencies.vault).plan,
        }
        self.asked = asyncio.Event()
        """Set when a job was asked for; the runner clears it."""

    async def request(self, principal: Principal, profile_id: UUID, action: PrivacyAction) -> Receipt:
        """A job for the person behind the profile; the receipt's entity is the job. While one is open, asking again gives the same.

        Raises:
            Forbidden: without `privacy`.
            Rejected: NOT_FOUND (erased profiles are not found either), or FORBIDDEN where the workspace has the feature off.
        """
        require(principal, Action.REQUEST_PRIVACY)

        async def work(unit: Unit) -> Receipt:
            if Feature.PRIVACY not in unit.configuration.features:
                raise Rejected(Problem("FORBIDDEN", "Privacy requests are switched off for this workspace."))
            person = await unit.fetchrow("person_behind", profile_id)
            if person is None:
                raise _nobody()
            asked = person["id"], action.value
            last = await unit.fetchrow("last_privacy_job", *asked)
            state = JobState(last["state"]) if last is not None else None
            if last is not None and state in {JobState.QUEUED, JobState.RUNNING}:
                return Receipt(entity_id=last["id"])
            if person["status"] != ProfileStatus.ACTIVE.value and (action is not PrivacyAction.ERASE or state is not JobState.FAILED):
                raise _nobody()  # somebody whose erasure was given up half-way is found by whoever asks for it again
            actor = unit.principal.actor
            row = await unit.fetchrow("insert_privacy_job", uuid7(), *asked, unit.principal.subject, actor.display_name, actor.kind.value)
            if row is None:
                raise Retry  # somebody else asked just now
            return Receipt(entity_id=row["id"])

        receipt = await self._writer.run(principal, work)
        self.asked.set()
        return receipt


def _nobody() -> Rejected:
    return Rejected(Problem("NOT_FOUND", "There is no such profile.", ("profileId",)))
