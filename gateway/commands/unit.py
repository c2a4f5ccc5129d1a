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
from gateway.errors import BadUserInput, GatewayError, IdempotencyKeyReused, Overloaded
from gateway.live.changelog import append
from gateway.live.hub import Hub
from gateway.model.change import Change, ChangeKind, Position, StreamKey
from gateway.storage.database import Connection, Database
from gateway.storage.queries import SQL

__all__ = ["Idempotency", "Receipt", "Retry", "Unit", "Writer"]

_ATTEMPTS = 4
_LONGEST_KEY = 255
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

    __slots__ = ("changes", "connection", "principal")

    def __init__(self, connection: Connection, principal: Principal) -> None:
        self.connection = connection
        self.principal = principal
        self.changes: list[Change] = []

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

    def profile_changed(self, profile_id: UUID, *fields: str) -> None:
        """Log that these fields of `Profile` (by their GraphQL names) changed."""
        self.changes.append(Change(StreamKey(self.workspace, profile_id), ChangeKind.PROFILE, self.principal.subject, fields))

    def item_added(self, profile_id: UUID, item_id: UUID, source: str) -> None:
        """Log that a timeline item appeared."""
        stream = StreamKey(self.workspace, profile_id)
        self.changes.append(Change(stream, ChangeKind.ACTIVITY, self.principal.subject, (), item_id, source))


class Writer:
    """Runs units of work, one transaction each."""

    def __init__(self, database: Database, hub: Hub) -> None:
        self._database = database
        self._hub = hub

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
            unit = Unit(connection, principal)
            if idempotency is not None:
                kept = await _claim(unit, idempotency)
                if kept is not None:
                    return kept, ()
            receipt = await work(unit)
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
