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
from gateway.errors import BadUserInput, GatewayError, IdempotencyKeyReused, Overloaded
from gateway.live.changelog import append
from gateway.live.hub import Hub
from gateway.model.audit import ChangeAction, FieldChange
from gateway.model.change import Change, ChangeKind, Position, StreamKey, desk_stream
from gateway.model.configuration import Configuration
from gateway.model.ids import uuid7
from gateway.storage.database import Connection, Database, columns
from gateway.storage.queries import SQL

__all__ = ["Idempotency", "Receipt", "Retry", "Unit", "Writer"]

_ATTEMPTS = 4
_LONGEST_KEY = 255
_NATIVE = "native"
_RETRIED = (asyncpg.DeadlockDetectedError, asyncpg.SerializationError, asyncpg.UniqueViolationError)


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

        Raises:
            Rejected: what `work` refuses; nothing was changed.
            IdempotencyKeyReused: the key belongs to another input.
            BadUserInput: the key is empty or too long.
            Overloaded: other transactions won every time.
        """
        for attempt in range(_ATTEMPTS):
            try:
                receipt, rung = await self._attempt(principal, work, idempotency)
            except Retry:
                pass
            except GatewayError as error:
                if not isinstance(error.__cause__, _RETRIED):
                    raise
            except _RETRIED:
                pass
            else:
                if rung:
                    self._hub.ring(rung)
                return receipt
            await asyncio.sleep(random.uniform(0.005, 0.03) * (attempt + 1))  # noqa: S311  # jitter, not a secret
        raise Overloaded("Other changes to the same profile were faster every time; try again.")

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


async def _claim(unit: Unit, idempotency: Idempotency) -> Receipt | None:
    if not 0 < len(idempotency.key) <= _LONGEST_KEY:
        raise BadUserInput(f"An idempotency key has between 1 and {_LONGEST_KEY} characters.", argument="input.idempotencyKey")
    digest = sha256(orjson.dumps(idempotency.input, option=orjson.OPT_SORT_KEYS, default=str)).digest()
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
