"""One unit of work: a transaction, the changes it logs, and the bell after its commit.

Owns idempotency keys, the append of the change log as the last statement, and the retry of what Postgres gave up for another's sake. Must not
know what is written. Called by every command.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any
from uuid import UUID

import asyncpg
import orjson

from gateway.auth.principal import Principal
from gateway.commands.validation import json_element
from gateway.configuration import Configurations
from gateway.errors import BadUserInput, GatewayError, IdempotencyKeyReused, OutcomeUnknown, Overloaded, Rejected
from gateway.live.changelog import append
from gateway.live.hub import Hub
from gateway.model.audit import ChangeAction, FieldChange
from gateway.model.change import Change, ChangeKind, Position, StreamKey, desk_stream
from gateway.model.configuration import Configuration
from gateway.model.ids import uuid7
from gateway.storage.database import Connection, Database, columns
from gateway.storage.failures import lost
from gateway.storage.queries import SQL

__all__ = ["Idempotency", "Receipt", "Retry", "Unit", "Writer"]

_ATTEMPTS = 4
_PATIENCE = 3.0
"""Seconds after which no attempt is begun any more: a lock that did not come in two seconds is waited for once more, and not four times."""
_LONGEST_KEY = 255
_NATIVE = "native"
_OUTDONE = (
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
    asyncpg.UniqueViolationError,
    asyncpg.LockNotAvailableError,
    # a migration changed a table under a prepared statement; the driver has forgotten it by now
    asyncpg.InvalidCachedStatementError,
    asyncpg.OutdatedSchemaCacheError,
)
"""Others were faster: the transaction was undone, and has a chance in a moment."""
_CONFLICT_PAUSE = (0.005, 0.03)
_LOSS_PAUSE = (0.05, 0.15)
"""Seconds before the next attempt, at least and at most; longer with each."""


class Retry(Exception):  # not an error: a request to start over
    """Another transaction was faster; run the whole unit again and see what it wrote."""


@dataclass(frozen=True, slots=True)
class Idempotency:
    """A client's key for one change, and the input it belongs to."""

    key: str
    input: Any


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a command did: the profile, the entity (a note, a company), and where the profile's stream then stood."""

    profile_id: UUID | None = None
    entity_id: UUID | None = None
    position: Position | None = None
    counts: tuple[int, int] = (0, 0)
    """Accepted and duplicate items, for commands that take many."""


class Unit:
    """An open transaction and the changes it will log."""

    __slots__ = ("_records", "changes", "configuration", "connection", "principal")

    def __init__(self, connection: Connection, principal: Principal, configuration: Configuration) -> None:
        self.connection = connection
        self.principal = principal
        self.configuration = configuration
        """What the operator decided for the workspace."""
        self.changes: list[Change] = []
        self._records: list[tuple[Any, ...]] = []

    @property
    def workspace(self) -> UUID:
        """The principal's workspace: the only one a unit can touch."""
        return self.principal.workspace_id

    async def fetch(self, name: str, *args: object) -> list[asyncpg.Record]:
        """Rows of a named statement; its first parameter is the workspace."""
        return await self.connection.fetch(SQL[name], self.workspace, *args)

    async def fetchrow(self, name: str, *args: object) -> asyncpg.Record | None:
        """The first row of a named statement."""
        return await self.connection.fetchrow(SQL[name], self.workspace, *args)

    def profile_changed(self, profile_id: UUID, *fields: str, item_id: UUID | None = None, is_new: bool = True) -> None:
        """Log that these fields of `Profile` (by their GraphQL names) changed.

        `item_id`: the native timeline item (a note, an entry of the audit) that appeared or, with `is_new` false, changed in the same breath.
        """
        source = None if item_id is None else _NATIVE
        self.changes.append(Change(self._stream(profile_id), ChangeKind.PROFILE, self.principal.subject, fields, item_id, source, is_new))

    def item_added(self, profile_id: UUID, item_id: UUID, source: str, *, is_new: bool = True) -> None:
        """Log that a timeline item appeared, or changed."""
        self.changes.append(Change(self._stream(profile_id), ChangeKind.ACTIVITY, self.principal.subject, (), item_id, source, is_new))

    def item_removed(self, profile_id: UUID, item_id: UUID, source: str) -> None:
        """Log that a timeline item is gone."""
        self.changes.append(Change(self._stream(profile_id), ChangeKind.REMOVED, self.principal.subject, (), item_id, source))

    def logged(self, stream_id: UUID, kind: ChangeKind, entity_id: UUID | None = None, entity_source: str | None = None) -> None:
        """Log anything else on a stream of the workspace."""
        self.changes.append(Change(StreamKey(self.workspace, stream_id), kind, self.principal.subject, (), entity_id, entity_source))

    def contact_changed(self, contact_id: UUID, *agents: str | None) -> None:
        """Log on the desks of these agents (subjects; None is nobody) that a contact changed."""
        for agent in dict.fromkeys(agents):
            if agent is not None:
                self.logged(desk_stream(self.workspace, agent).stream_id, ChangeKind.CONTACT, contact_id)

    def record(
        self,
        profile_id: UUID,
        action: ChangeAction,
        *fields: FieldChange,
        reason: str | None = None,
        contact_id: UUID | None = None,
    ) -> UUID:
        """Write an entry of the audit with this transaction; its id, to be given to `profile_changed` or `item_added` so that it shows live."""
        change_id = uuid7()
        actor = self.principal.actor
        shown = [{"field": one.field, "before": one.before, "after": one.after, "as": one.shown_as} for one in fields]
        self._records.append(
            (profile_id, change_id, action.value, actor.id, actor.display_name, actor.kind.value, json_element(shown), reason, contact_id)
        )
        return change_id

    async def write_records(self) -> None:
        """Insert what `record` gathered. Called once, by the writer."""
        if self._records:
            await self.fetch("insert_change_records", *columns(self._records))

    def _stream(self, profile_id: UUID) -> StreamKey:
        return StreamKey(self.workspace, profile_id)


class Writer:
    """Runs units of work, one transaction each."""

    def __init__(self, database: Database, hub: Hub, configurations: Configurations | None = None) -> None:
        self._database = database
        self._hub = hub
        self._configurations = configurations or Configurations(Configuration())

    async def run(
        self, principal: Principal, work: Callable[[Unit], Awaitable[Receipt]], idempotency: Idempotency | None = None
    ) -> Receipt:
        """Run `work` in one transaction, append its changes last, commit, then ring.

        With an idempotency key the first run's receipt is kept in the same transaction; a repeat gets that receipt and changes nothing.

        What surely was not committed is begun anew (others were faster, or the connection was lost before the COMMIT), three times at most and not
        for long. What may have been committed is repeated with an idempotency key only: then it is found, or made.

        Raises:
            Rejected: what `work` refuses; nothing was changed.
            IdempotencyKeyReused: the key belongs to another input.
            BadUserInput: the key is empty or too long.
            SourceTimeout: a lock did not come; nothing was changed.
            Overloaded: other transactions won every time, or the database is away; nothing was changed.
            OutcomeUnknown: the connection was lost during the COMMIT; it may or may not have been changed.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + _PATIENCE
        unknown: OutcomeUnknown | None = None
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                receipt, rung = await self._attempt(principal, work, idempotency)
            except Exception as error:
                if isinstance(error, OutcomeUnknown):
                    unknown = error
                pause = _pause(error, repeatable=idempotency is not None)
                if pause is None or attempt == _ATTEMPTS or loop.time() >= until:
                    told = _told(error, unknown)
                    if told is error:
                        raise
                    raise told from error
            else:
                if rung:
                    self._hub.ring(rung)
                return receipt
            await asyncio.sleep(random.uniform(*pause) * attempt)  # noqa: S311  # jitter, not a secret
        raise AssertionError("the last attempt returns or raises")

    async def finished(self, principal: Principal, idempotency: Idempotency) -> Receipt | None:
        """What an earlier run with this key did; None: there was none. For who does something before the transaction that must not be done twice.

        Raises:
            IdempotencyKeyReused, BadUserInput: as `run`.
        """
        found: Receipt | None = None

        async def work(unit: Unit) -> Receipt:
            nonlocal found
            _check_key(idempotency)
            kept = await unit.fetchrow("idempotency_result", principal.subject, idempotency.key)
            if kept is not None:
                if kept["input_hash"] != _digest(idempotency):
                    raise IdempotencyKeyReused
                found = _receipt(kept["result"])
            return Receipt()

        await self.run(principal, work)
        return found

    async def _attempt(
        self, principal: Principal, work: Callable[[Unit], Awaitable[Receipt]], idempotency: Idempotency | None
    ) -> tuple[Receipt, Sequence[StreamKey]]:
        async with self._database.transaction() as connection:
            unit = Unit(connection, principal, self._configurations.of(principal.workspace_key))
            if idempotency is not None:
                kept = await _claim(unit, idempotency)
                if kept is not None:
                    return kept, ()
            receipt = await work(unit)
            await unit.write_records()
            positions = await append(connection, unit.workspace, unit.changes)
            if receipt.profile_id in positions:
                receipt = Receipt(receipt.profile_id, receipt.entity_id, positions[receipt.profile_id], receipt.counts)
            if idempotency is not None:
                await _keep(unit, idempotency, receipt)
        return receipt, [StreamKey(principal.workspace_id, stream) for stream in positions]


def _pause(error: Exception, *, repeatable: bool) -> tuple[float, float] | None:
    """Bounds of the pause before another attempt; None: another one would change nothing, or might change too much."""
    if isinstance(error, Retry) or _outdone(error):
        return _CONFLICT_PAUSE
    if isinstance(error, OutcomeUnknown):
        return _LOSS_PAUSE if repeatable else None
    return _LOSS_PAUSE if isinstance(error, Overloaded) and lost(error.__cause__) else None


def _told(error: Exception, unknown: OutcomeUnknown | None) -> Exception:
    """What the caller is told in the end: whoever might have changed something is never told that nothing was changed."""
    if unknown is not None and not isinstance(error, Rejected | BadUserInput):
        return unknown
    if isinstance(error, Retry) or (_outdone(error) and not isinstance(error.__cause__, asyncpg.LockNotAvailableError)):
        return Overloaded("Other changes to the same profile were faster every time; try again.")
    return error


def _outdone(error: BaseException | None) -> bool:
    """Whether it was the driver's word for that, or ours for the driver's."""
    return isinstance(error, _OUTDONE) or (isinstance(error, GatewayError) and isinstance(error.__cause__, _OUTDONE))


def _check_key(idempotency: Idempotency) -> None:
    if not 0 < len(idempotency.key) <= _LONGEST_KEY:
        raise BadUserInput(f"An idempotency key has between 1 and {_LONGEST_KEY} characters.", argument="input.idempotencyKey")


def _digest(idempotency: Idempotency) -> bytes:
    return sha256(orjson.dumps(idempotency.input, option=orjson.OPT_SORT_KEYS, default=str)).digest()


async def _claim(unit: Unit, idempotency: Idempotency) -> Receipt | None:
    _check_key(idempotency)
    digest = _digest(idempotency)
    key = unit.principal.subject, idempotency.key
    if await unit.fetchrow("claim_idempotency_key", *key, digest) is not None:
        return None
    kept = await unit.fetchrow("idempotency_result", *key)
    if kept is None:
        raise Retry  # it was rolled back, or expired, between the two statements
    if kept["input_hash"] != digest:
        raise IdempotencyKeyReused
    return _receipt(kept["result"])


async def _keep(unit: Unit, idempotency: Idempotency, receipt: Receipt) -> None:
    await unit.connection.execute(SQL["keep_idempotency_result"], unit.workspace, unit.principal.subject, idempotency.key, _record(receipt))


def _record(receipt: Receipt) -> dict[str, Any]:
    position = receipt.position
    return {
        "profile": receipt.profile_id and receipt.profile_id.hex,
        "entity": receipt.entity_id and receipt.entity_id.hex,
        "position": position and [position.epoch.hex, position.seq],
        "counts": receipt.counts,
    }


def _receipt(record: dict[str, Any]) -> Receipt:
    position = record["position"]
    return Receipt(
        UUID(hex=record["profile"]) if record["profile"] else None,
        UUID(hex=record["entity"]) if record["entity"] else None,
        Position(UUID(hex=position[0]), position[1]) if position else None,
        tuple(record["counts"]),
    )
