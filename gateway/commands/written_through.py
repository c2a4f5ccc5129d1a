"""What agents write belongs to a system of record elsewhere: written there first, recorded here then.

Owns which attributes and notes go where, the order of the two writes, and what an agent is told when the first or the second fails. Must not know how
a system is reached. Called by `profiles`, `notes` and resolvers.

The order, which leaves nothing half-written on our side:

1. A look in a transaction of its own: the profile is there, the version is the expected one. Whoever is refused here has changed nothing.
2. The write to the system, under an idempotency key, outside of any transaction: no connection and no lock of ours waits for a foreign system.
   It says no: a userError with its words. It was not reached: SOURCE_UNAVAILABLE, nothing was changed. It did not say: OUTCOME_UNKNOWN.
3. What is kept of the person's answers is forgotten, and one transaction records the change: log and audit. If that fails, the change is made and
   not recorded, which is OUTCOME_UNKNOWN too: to repeat it is harmless, with the same idempotency key for a note, and by its nature for a value.

Several values are written one after the other, each by itself: what a system took is recorded whatever becomes of the next.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Coroutine, Mapping, Sequence
from functools import partial
from hashlib import sha256
from typing import Any, Final
from uuid import UUID, uuid4

import structlog

from gateway.auth.principal import Principal
from gateway.commands.attribute_index import reindexed
from gateway.commands.attributes import SENSITIVE, shown_as
from gateway.commands.dependencies import Dependencies
from gateway.commands.unit import Idempotency, Receipt, Unit
from gateway.errors import GatewayError, OutcomeUnknown, Problem, Rejected, SourceError
from gateway.model.attribute import AttributeDefinition, Sensitivity
from gateway.model.audit import ChangeAction, FieldChange
from gateway.model.configuration import Configuration
from gateway.model.note import Note
from gateway.model.source import SourceKind
from gateway.sources.federated import FederatedSource

__all__ = ["WrittenThrough"]

_NOT_REACHED: Final = "{} cannot be reached right now; nothing was changed there. Try again in a moment."
_NOT_RECORDED: Final = "The change was made in {}, and could not be recorded here; make it once more, which changes nothing there."

log = structlog.get_logger()


class WrittenThrough:
    """The systems of record of this process, as commands write to them."""

    def __init__(self, bound: Dependencies) -> None:
        """Notes go to a system that has a higher priority than `bound.native`."""
        self._writer = bound.writer
        self._native = bound.native
        self._systems = bound.systems
        self._vault = bound.vault
        self._tasks: set[asyncio.Task[Receipt]] = set()

    def takes(self, workspace_key: str, source: str) -> bool:
        """Whether attributes that this source manages can be written to it."""
        return self._system(workspace_key, source) is not None

    def among(self, configuration: Configuration, workspace_key: str, keys: Collection[str]) -> frozenset[str]:
        """Those of the attributes that are written to a system of record."""
        managed = {key: definition.managed_by for key in keys if (definition := configuration.by_key.get(key)) is not None}
        return frozenset(key for key, source in managed.items() if source is not None and self.takes(workspace_key, source))

    def notes_system(self, workspace_key: str) -> FederatedSource | None:
        """Where new notes go, if not into the gateway's own: the writable system of the highest priority above it."""
        able = [
            one
            for one in self._systems
            if _writes(one, SourceKind.NOTES, workspace_key) and one.definition.source.priority > self._native.priority
        ]
        return min(able, key=lambda one: (-one.definition.source.priority, one.definition.key), default=None)

    async def write_attributes(
        self, principal: Principal, configuration: Configuration, profile_id: UUID, values: Mapping[str, Any]
    ) -> Receipt:
        """Write checked values, None for what is taken away, each to the system that manages it; the profile is there.

        Raises:
            Rejected: a system said no to one (at its path), or was not reached (SOURCE_UNAVAILABLE); those before it are written and recorded.
            OutcomeUnknown: one may have been written; those before it are, and are recorded.
        """
        return await self._to_the_end(self._write_attributes(principal, configuration, profile_id, values))

    async def _write_attributes(
        self, principal: Principal, configuration: Configuration, profile_id: UUID, values: Mapping[str, Any]
    ) -> Receipt:
        receipt = Receipt(profile_id)
        for key, value in values.items():
            definition = configuration.definition(key)
            system = self._system(principal.workspace_key, definition.managed_by or "")
            if system is None:
                raise Rejected(Problem("READ_ONLY", f"{definition.name} cannot be written any more.", ("input", "attributes", key)))
            before = await _value(system, principal.workspace_id, profile_id, key)
            try:
                await system.write_trait(principal.workspace_id, profile_id, key, value, uuid4().hex)
            except (Rejected, SourceError) as error:
                raise _refused(error, system, ("input", "attributes", key)) from error
            change = _change(definition, before, value)
            receipt = await self._recorded(principal, system, partial(self._log_value, profile_id, key, change))
        return receipt

    async def add_note(
        self, principal: Principal, system: FederatedSource, profile_id: UUID, body: str, idempotency: Idempotency | None
    ) -> Receipt:
        """Add a checked note there; the profile is there. The receipt's entity is the note. A repeat with the same key adds none.

        Raises:
            Rejected: the system said no, or was not reached (SOURCE_UNAVAILABLE); nothing was changed.
            OutcomeUnknown: it may have been added.
        """
        return await self._to_the_end(self._add_note(principal, system, profile_id, body, idempotency))

    async def _add_note(
        self, principal: Principal, system: FederatedSource, profile_id: UUID, body: str, idempotency: Idempotency | None
    ) -> Receipt:
        kept = None if idempotency is None else await self._writer.finished(principal, idempotency)
        if kept is not None:
            return kept
        key = uuid4().hex
        if idempotency is not None:
            key = sha256(f"{principal.workspace_id}\n{principal.subject}\n{idempotency.key}".encode()).hexdigest()
        try:
            note: Note = await system.add_note(principal.workspace_id, profile_id, body, principal.display_name, key)
        except (Rejected, SourceError) as error:
            raise _refused(error, system, ("input", "body")) from error

        async def work(unit: Unit) -> Receipt:
            unit.profile_changed(profile_id, "notes")
            return Receipt(profile_id, note.note_id)

        return await self._recorded(principal, system, work, idempotency)

    def _system(self, workspace_key: str, source: str) -> FederatedSource | None:
        return next((one for one in self._systems if one.definition.key == source and _writes(one, SourceKind.TRAITS, workspace_key)), None)

    async def _log_value(self, profile_id: UUID, key: str, change: FieldChange, unit: Unit) -> Receipt:
        """Log and audit; what the gateway itself still had under the key goes, or it would hide what the system says."""
        await unit.fetch("lock_profile", profile_id)
        async with reindexed(unit, self._vault, [profile_id], [key]):
            await unit.fetch("delete_traits", profile_id, self._native.key, [key])
        change_id = unit.record(profile_id, ChangeAction.UPDATED, change)
        unit.profile_changed(profile_id, "traits", item_id=change_id)
        return Receipt(profile_id)

    async def _recorded(self, principal: Principal, system: FederatedSource, work: Any, idempotency: Idempotency | None = None) -> Receipt:
        """Log what was done elsewhere."""
        try:
            return await self._writer.run(principal, work, idempotency)
        except GatewayError as error:
            log.error("written_through.not_recorded", source=system.definition.key, error=type(error).__name__)  # noqa: TRY400
            raise OutcomeUnknown(_NOT_RECORDED.format(system.definition.source.display_name)) from error

    async def _to_the_end(self, writing: Coroutine[Any, Any, Receipt]) -> Receipt:
        """What was begun elsewhere is finished and recorded, also when whoever asked goes away meanwhile. The guard's deadline ends it."""
        task = asyncio.create_task(writing, name="written-through")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            task.add_done_callback(_heard)
            raise


def _writes(system: FederatedSource, kind: SourceKind, workspace_key: str) -> bool:
    definition = system.definition
    return (
        kind in definition.source.kinds
        and definition.source.writable
        and kind in system.remote.capabilities.writes
        and (definition.workspaces is None or workspace_key in definition.workspaces)
    )


def _refused(error: Rejected | SourceError, system: FederatedSource, path: tuple[str, ...]) -> Rejected:
    if isinstance(error, SourceError):
        return Rejected(Problem("SOURCE_UNAVAILABLE", _NOT_REACHED.format(system.definition.source.display_name), path))
    return Rejected(*(Problem(one.code, one.message, path) for one in error.problems))


async def _value(system: FederatedSource, workspace: UUID, profile_id: UUID, key: str) -> Any:
    """What the system says now, for the audit; None also where it does not say."""
    system.forget(workspace, profile_id)
    try:
        (answer,) = await system.traits(workspace, [profile_id], [key])
    except SourceError:
        return None
    return next((fact.value for fact in answer if fact.key == key), None) if isinstance(answer, Sequence) else None


def _change(definition: AttributeDefinition, before: Any, after: Any) -> FieldChange:
    name = f"attributes.{definition.key}"
    if definition.sensitivity is Sensitivity.SENSITIVE:
        return FieldChange(name, None, None, SENSITIVE)
    return FieldChange(name, before, after, shown_as(definition))


def _heard(task: asyncio.Task[Receipt]) -> None:
    """Nobody waits for it any more; an error of it is one for the log."""
    if not task.cancelled() and task.exception() is not None:
        log.warning("written_through.failed_unheard", error=type(task.exception()).__name__)
