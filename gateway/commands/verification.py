"""Verify a caller without seeing what is on file, and reveal a masked value with a purpose; both are in the audit.

Owns the lock-out: so many wrong answers per contact (or per agent where there is none) and no more are taken for a while, also when they come at
once. A right answer takes no wrong one back: asking for something known in between would buy guesses without end. A value is compared in
constant time, and shown only after the entry that says so is committed. It is in no log, message or audit entry.
Called by resolvers' mutations through `Commands.verification`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from gateway.auth.policy import Action, require
from gateway.auth.principal import Principal
from gateway.commands.association import may_choose
from gateway.commands.attributes import SENSITIVE
from gateway.commands.denied import refuse_denied
from gateway.commands.dependencies import Dependencies
from gateway.commands.unit import Receipt, Unit
from gateway.commands.validation import text_problem
from gateway.errors import BadUserInput, Problem, Rejected
from gateway.model.actor import ActorKind
from gateway.model.audit import ChangeAction, FieldChange
from gateway.model.trait import merge_traits
from gateway.model.verification import SLOTS, Revealed, VerifyResult, matches
from gateway.records.secrets import Filed, Files, Kept
from gateway.sources.native_rows import trait_of
from gateway.sources.registry import BUILT_IN, describer

__all__ = ["VerificationCommands"]

_LONGEST_KEY: Final = 128
_LONGEST_ANSWER: Final = 1024
_SHORTEST_PURPOSE, _LONGEST_PURPOSE = 3, 500
_PEOPLE: Final = frozenset({ActorKind.AGENT, ActorKind.SUPERVISOR})
_REASONS: Final = {
    VerifyResult.MATCH: "match",
    VerifyResult.NO_MATCH: "no match",
    VerifyResult.NOT_ON_FILE: "not on file",
    VerifyResult.LOCKED: "locked",
}
_NO_KEY: Final = "other"
"""In the audit instead of a key that means nothing: it may be anything, even the value itself."""


class VerificationCommands:
    """Bound to this process."""

    def __init__(self, dependencies: Dependencies) -> None:
        self._writer = dependencies.writer
        self._vault = dependencies.vault
        self._region = dependencies.region
        self._configurations = dependencies.configurations
        self._describe = describer({source.key: source for source in BUILT_IN})

    async def verify(self, principal: Principal, profile_id: UUID, key: str, answer: str) -> VerifyResult:
        """Whether the answer is what is on file under the key: an attribute's, an identifier's type, phone, email, a channel, or a name.

        Raises:
            Forbidden: without `contact:associate`.
            Rejected: REQUIRED or INVALID (key, value), NOT_FOUND (profileId). Such an answer does not count as a wrong one.
        """
        require(principal, Action.VERIFY)
        _check_texts(("key", key, _LONGEST_KEY), ("value", answer, _LONGEST_ANSWER))
        results: list[VerifyResult] = []

        async def work(unit: Unit) -> Receipt:
            living = await _visible(unit, profile_id)
            filed = await self._files(unit).under(living, key)
            try:
                given = filed.read(answer)
            except BadUserInput as error:
                raise Rejected(Problem("INVALID", error.message, ("value",))) from None
            contact = await _contact_about(unit, living)
            scope = f"agent:{principal.subject}" if contact is None else f"contact:{contact.hex}"
            settings = unit.configuration
            state = await unit.fetchrow("begin_verification", living, scope, settings.verify_lock_minutes)
            assert state is not None
            result = VerifyResult.LOCKED if state["is_locked"] else self._compared(unit, given, filed)
            if result is VerifyResult.NO_MATCH:
                misses = state["misses"] + 1
                lock = settings.verify_lock_minutes if misses >= settings.verify_misses else None
                await unit.fetch("settle_verification", living, scope, misses, lock)
            field = FieldChange(filed.name or _NO_KEY, None, None, SENSITIVE)
            change_id = unit.record(living, ChangeAction.VERIFIED, field, reason=_REASONS[result], contact_id=contact)
            unit.profile_changed(living, "changes", item_id=change_id)
            results.append(result)
            return Receipt(living)

        await self._writer.run(principal, work)
        return results[-1]

    async def reveal(self, principal: Principal, profile_id: UUID, key: str, purpose: str) -> Revealed:
        """The value under a key in clear, once the audit says who saw it and what for.

        Raises:
            Forbidden: without `pii:reveal`.
            Rejected: REQUIRED, INVALID or SENSITIVE_DATA_REJECTED (key, purpose), NOT_FOUND (profileId; or key: nothing is on file).
        """
        require(principal, Action.REVEAL_SENSITIVE)
        _check_texts(("key", key, _LONGEST_KEY), ("purpose", purpose, 4 * _LONGEST_PURPOSE))
        purpose = purpose.strip()
        if not _SHORTEST_PURPOSE <= len(purpose) <= _LONGEST_PURPOSE:
            message = f"Say in {_SHORTEST_PURPOSE} to {_LONGEST_PURPOSE} characters what the value is needed for."
            raise Rejected(Problem("INVALID", message, ("purpose",)))
        found: list[str] = []

        async def work(unit: Unit) -> Receipt:
            refuse_denied(unit.configuration, purpose, "purpose")
            living = await _visible(unit, profile_id)
            filed = await self._files(unit).under(living, key)
            kept = self._shown(filed.values)
            if kept is None:
                raise Rejected(Problem("NOT_FOUND", "Nothing is on file under this key.", ("key",)))
            if kept.shown.casefold() in purpose.casefold():
                raise Rejected(Problem("INVALID", "Do not write the value itself into the purpose.", ("purpose",)))
            contact = await _contact_about(unit, living)
            field = FieldChange(filed.name, None, None, SENSITIVE)
            change_id = unit.record(living, ChangeAction.REVEALED, field, reason=purpose, contact_id=contact)
            unit.profile_changed(living, "changes", item_id=change_id)
            found.append(kept.shown)
            return Receipt(living)

        await self._writer.run(principal, work)  # what is not in the audit is not shown
        seconds = self._configurations.of(principal.workspace_key).reveal_seconds
        return Revealed(found[-1], datetime.now(UTC) + timedelta(seconds=seconds))

    def _files(self, unit: Unit) -> Files:
        return Files(unit.fetch, self._vault, unit.configuration, unit.workspace, self._region)

    def _compared(self, unit: Unit, given: str, filed: Filed) -> VerifyResult:
        texts = [text for kept in filed.values for text in kept.compared][:SLOTS]

        def digest(text: str) -> str:
            return self._vault.blind(unit.workspace, "verify", text)

        digests = [digest(text) for text in (*texts, *[""] * (SLOTS - len(texts)))]  # as many for one value as for several
        right = matches(digest(given), digests[: len(texts)])
        if not texts:
            return VerifyResult.NOT_ON_FILE
        return VerifyResult.MATCH if right else VerifyResult.NO_MATCH

    def _shown(self, values: Sequence[Kept]) -> Kept | None:
        """The first value; of an attribute the one that a screen shows, masked."""
        rows = [kept for kept in values if kept.row is not None]
        if not rows:
            return values[0] if values else None
        facts = [trait_of(kept.row, self._describe(kept.row["source"])) for kept in rows if kept.row is not None]
        (winner,) = merge_traits(facts, datetime.now(UTC))
        return next(kept for kept in rows if kept.row is not None and kept.row["source"] == winner.provenance.source.key)


async def _visible(unit: Unit, profile_id: UUID) -> UUID:
    """The living profile behind an id, if the principal may see it."""
    row = await unit.fetchrow("living_profile", profile_id)
    if row is None or not await may_choose(unit, row["id"]):
        raise Rejected(Problem("NOT_FOUND", "There is no such profile.", ("profileId",)))
    living: UUID = row["id"]
    return living


async def _contact_about(unit: Unit, profile_id: UUID) -> UUID | None:
    if unit.principal.actor.kind not in _PEOPLE:
        return None
    row = await unit.fetchrow("contact_of_agent_about", unit.principal.subject, profile_id)
    return None if row is None else row["id"]


def _check_texts(*given: tuple[str, str, int]) -> None:
    problems = []
    for name, text, longest in given:
        wrong = text_problem(text, longest)
        if wrong is not None:
            problems.append(Problem("INVALID", wrong, (name,)))
        elif not text.strip():
            problems.append(Problem("REQUIRED", "This is needed.", (name,)))
    if problems:
        raise Rejected(*problems)
