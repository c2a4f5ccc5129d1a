"""A person's word on a purpose, as an agent takes it down.

Owns the checks of a consent and what the audit says of it. Called by resolvers' mutations through `Commands.consents`; `insights` writes the
consents that events bring.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from gateway.auth.policy import Action, require
from gateway.auth.principal import Principal
from gateway.commands.denied import refuse_denied
from gateway.commands.dependencies import Dependencies
from gateway.commands.standing import absent
from gateway.commands.unit import Receipt, Unit
from gateway.commands.validation import Problems, text_problem
from gateway.errors import Problem, Rejected
from gateway.model.audit import ChangeAction, FieldChange
from gateway.model.insight import Consent, ConsentStatus
from gateway.model.profile import Channel
from gateway.records.insights import MOST_CONSENTS, consent_of
from gateway.sources.native import profile_of
from gateway.storage.database import columns
from gateway.storage.queries import SQL

__all__ = ["LONGEST_PURPOSE", "ConsentCommands", "consent_change", "consent_row"]

LONGEST_PURPOSE: Final = 128


class ConsentCommands:
    """Changes of consents by agents."""

    def __init__(self, dependencies: Dependencies) -> None:
        self._writer = dependencies.writer
        self._native = dependencies.native

    async def set(
        self,
        principal: Principal,
        profile_id: UUID,
        purpose: str,
        channel: Channel | None,
        status: ConsentStatus,
        expires_at: datetime | None,
    ) -> Receipt:
        """Take down what the person said to a purpose, on one channel or on all. The same again changes nothing.

        Raises:
            Forbidden: without `profile:write`.
            Rejected: REQUIRED, INVALID or SENSITIVE_DATA_REJECTED (purpose, expiresAt), NOT_FOUND or MERGE_CONFLICT (profileId), or
                LIMIT_EXCEEDED beyond `MOST_CONSENTS` consents.
        """
        require(principal, Action.SET_CONSENT)
        purpose = _checked(purpose, expires_at)

        async def work(unit: Unit) -> Receipt:
            refuse_denied(unit.configuration, purpose, "purpose")
            row = await unit.fetchrow("lock_profile", profile_id)
            if row is None:
                raise await absent(unit, profile_id, "profileId")
            key = [profile_id], [purpose], [channel.value if channel is not None else ""]
            known = await unit.fetch("consents_by_key", *key)
            before = consent_of(known[0]) if known else None
            if before is not None and (before.status, before.expires_at) == (status, expires_at):
                return Receipt(profile_id, None, profile_of(row).position)
            if before is None and (await unit.fetch("count_consents", profile_id))[0][0] >= MOST_CONSENTS:
                raise Rejected(Problem("LIMIT_EXCEEDED", f"A profile has at most {MOST_CONSENTS} consents.", ("purpose",)))
            after = Consent(purpose, channel, status, datetime.now(UTC), expires_at, self._native.key, None)
            await unit.fetch("write_consents", *columns([consent_row(profile_id, after)]))
            await unit.connection.execute(SQL["touch_profile"], unit.workspace, profile_id)
            change_id = unit.record(profile_id, ChangeAction.UPDATED, consent_change(before, after))
            unit.profile_changed(profile_id, "consents", item_id=change_id)
            return Receipt(profile_id)

        return await self._writer.run(principal, work)


def consent_change(before: Consent | None, after: Consent) -> FieldChange:
    """What the audit says of a consent that changed."""
    return FieldChange(f"consents.{after.purpose}", None if before is None else _said(before), _said(after))


def consent_row(profile_id: UUID, consent: Consent) -> tuple[Any, ...]:
    """A row for `write_consents`."""
    return (
        *(profile_id, consent.purpose, consent.channel.value if consent.channel is not None else "", consent.status.value),
        *(consent.updated_at, consent.expires_at, consent.source_key, consent.evidence),
    )


def _said(consent: Consent) -> dict[str, Any]:
    return {
        "status": consent.status.value,
        "channel": consent.channel and consent.channel.value,
        "expiresAt": consent.expires_at and consent.expires_at.isoformat(),
    }


def _checked(purpose: str, expires_at: datetime | None) -> str:
    """The purpose without surrounding blanks; every problem at once."""
    problems = Problems()
    text = purpose.strip()
    wrong = text_problem(text, LONGEST_PURPOSE * 4)
    if wrong or len(text) > LONGEST_PURPOSE:
        problems.found.append(Problem("INVALID", wrong or f"A purpose has at most {LONGEST_PURPOSE} characters.", ("purpose",)))
    elif not text:
        problems.found.append(Problem("REQUIRED", "A consent needs its purpose, for example marketing.", ("purpose",)))
    if expires_at is not None and expires_at <= datetime.now(UTC):
        problems.found.append(Problem("INVALID", "A consent expires in the future, or not at all.", ("expiresAt",)))
    problems.refuse()
    return text
