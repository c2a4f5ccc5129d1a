"""What a system elsewhere tells of itself becomes entries in the streams of the people it is about.

Owns what one message does: taken in once, for the right people, only what is newest, in one transaction with the row that says it was taken in.
A message never carries a value into the gateway: it says what changed, and whoever looks asks the source. Who is unknown waits, or is created, as the
operator says. Must not check signatures: that is `transport.webhooks`, which calls it; `app` runs `settle`.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Any, Final
from uuid import UUID

import structlog

from gateway.auth.principal import Principal, Role
from gateway.commands.adoption import Adoption
from gateway.commands.dependencies import Dependencies
from gateway.commands.standing import survivors_of
from gateway.commands.tombstones import Tombstones
from gateway.commands.unit import Receipt, Retry, Unit
from gateway.errors import GatewayError
from gateway.live.prints import SHOWN_AS
from gateway.model.change import Change, ChangeKind, StreamKey
from gateway.model.ids import parse_id
from gateway.model.profile import ProfileStatus
from gateway.model.source import SourceKind
from gateway.observe import SOURCE_EVENTS
from gateway.records.keys import SearchedKeys
from gateway.sources.contract import LookupKey
from gateway.sources.definition import Definition
from gateway.storage.database import Database, columns
from gateway.storage.queries import SQL

__all__ = ["CHANGED", "Arrivals", "News", "Outcome", "Taken"]

CHANGED: Final[Mapping[str, SourceKind]] = {
    "profile": SourceKind.PROFILE,
    "traits": SourceKind.TRAITS,
    "notes": SourceKind.NOTES,
    "companies": SourceKind.COMPANY,
    "timeline": SourceKind.ACTIVITY,
}
"""What a message may say changed."""

_PROFILE_ID: Final = "profile_id"
_MOST_OWNERS: Final = 50
"""Profiles with one e-mail or phone that hear of a message about it."""
_MOST_WAITING: Final = 10_000
_PORTION: Final = 100
_EARLY: Final = timedelta(minutes=5)
"""How far ahead another system's clock may be; what claims to be newer than that is as new as now."""

log = structlog.get_logger()


class Outcome(Enum):
    """What became of a message."""

    ENTERED = "entered"
    CREATED = "created"
    DUPLICATE = "duplicate"
    OUTDATED = "outdated"
    WAITING = "waiting"
    IGNORED = "ignored"


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of a message, and how many entries it made."""

    outcome: Outcome
    entries: int = 0


@dataclass(frozen=True, slots=True)
class News:
    """What changed of a person: `changed` by names of `CHANGED`, items that appeared or changed, and items that went, by the source's own ids.

    `version` or `at` (aware) say how new that is; without either every message counts.
    """

    changed: tuple[str, ...] = ()
    items: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    version: int | None = None
    at: datetime | None = None


class Arrivals:
    """Takes in what sources tell, for every workspace."""

    def __init__(
        self,
        database: Database,
        bound: Dependencies,
        tombstones: Tombstones,
        adoption: Adoption,
        definitions: Sequence[Definition] = (),
        *,
        most_waiting: int = _MOST_WAITING,
    ) -> None:
        """`definitions`: the sources that may tell; `most_waiting`: messages about strangers that are kept for each of them and workspace."""
        self._database = database
        self._bound = bound
        self._tombstones = tombstones
        self._adoption = adoption
        self._definitions = {one.key: one for one in definitions}
        self._most_waiting = most_waiting

    def principal(self, definition: Definition, workspace: UUID, workspace_key: str) -> Principal:
        """The source itself, acting in a workspace."""
        source = definition.source
        return Principal(workspace, workspace_key, source.key, source.display_name, Role.SERVICE, frozenset(), None, source.key)

    async def take_in(self, definition: Definition, principal: Principal, message_id: str, key: str, news: News) -> Taken:
        """Take a message in, once for each (workspace, source, message id). `key`: the person's, as the source knows them.

        Raises:
            BadUserInput: there can be no such key.
            GatewayError: the database is away or busy; nothing was taken in, and the message may be sent again.
        """
        ways = self._ways(definition, principal, key)
        taken = Taken(Outcome.DUPLICATE)

        async def work(unit: Unit) -> Receipt:
            nonlocal taken
            if await unit.fetchrow("claim_arrival", definition.key, message_id) is None:
                taken = Taken(Outcome.DUPLICATE)
                return Receipt()
            owners = await self._owners(unit, ways)
            if owners:
                taken = await _entered(unit, definition.key, owners, news)
            else:
                taken = await self._about_a_stranger(unit, definition, ways, key, message_id, news)
            return Receipt()

        await self._bound.writer.run(principal, work)
        SOURCE_EVENTS.labels(definition.key, taken.outcome.value).inc()
        return taken

    def _ways(self, definition: Definition, principal: Principal, key: str) -> Sequence[tuple[str, str]]:
        """Every (key, value) under which the person may be found, the present one first."""
        if definition.keyed_by == _PROFILE_ID:
            return [(_PROFILE_ID, parse_id(key, "prf", "key")[0].hex)]
        bound = self._bound
        configuration = bound.configurations.of(principal.workspace_key)
        keys = SearchedKeys(configuration, principal.workspace_id, bound.region, bound.vault)
        return keys.of_text(definition.keyed_by, key)

    async def _owners(self, unit: Unit, ways: Sequence[tuple[str, str]]) -> list[UUID]:
        """The living profiles that the key belongs to, held until the transaction ends."""
        if ways[0][0] == _PROFILE_ID:
            named = UUID(hex=ways[0][1])
            found = [(await survivors_of(unit, [named])).get(named, named)]
        else:
            rows = await unit.fetch("profile_ids_by_lookup", *columns(ways))
            found = sorted({row["profile_id"] for row in rows})[:_MOST_OWNERS]
        if not found:
            return []
        held = await unit.fetch("hold_profiles", found)
        if any(row["status"] == ProfileStatus.MERGED.value for row in held):
            raise Retry  # merged since it was found: the survivor has it by now
        return [row["id"] for row in held if row["status"] == ProfileStatus.ACTIVE.value]

    async def _about_a_stranger(
        self, unit: Unit, definition: Definition, ways: Sequence[tuple[str, str]], key: str, message_id: str, news: News
    ) -> Taken:
        kind, value = ways[0]
        if kind == _PROFILE_ID or await self._tombstones.among(unit, [LookupKey(*way) for way in ways]):
            return Taken(Outcome.IGNORED)  # there is no such profile, or the person was erased: nothing is kept
        if definition.webhook is not None and definition.webhook.unknown == "create":
            await unit.fetch("lock_values", [" ".join(way) for way in ways])
            if owners := await self._owners(unit, ways):
                return await _entered(unit, definition.key, owners, news)
            profile_id = await self._adoption.create(unit, definition, ways[0], key)
            await _entered(unit, definition.key, [profile_id], news)
            return Taken(Outcome.CREATED, len(unit.changes))
        kept = await unit.fetchrow("keep_waiting", kind, value, definition.key, message_id, _written(news), self._most_waiting)
        if kept is None:
            log.warning("source.too_many_waiting", source=definition.key, most=self._most_waiting)
            return Taken(Outcome.IGNORED)
        return Taken(Outcome.WAITING)

    async def settle(self) -> int:
        """Enter what waited for somebody who is known by now; how many messages that were.

        Raises:
            GatewayError: the database is away or busy.
        """
        rows = await self._database.fetch(SQL["arrivals_awaited"], _PORTION)
        total = 0
        for row in rows:
            definition = self._definitions.get(row["source"])
            if definition is not None:
                principal = self.principal(definition, row["workspace_id"], row["workspace_key"])
                total += await self._settle(definition.key, principal)
        return total

    async def _settle(self, source: str, principal: Principal) -> int:
        count = 0

        async def work(unit: Unit) -> Receipt:
            nonlocal count
            rows = await unit.fetch("take_waiting", source, _PORTION)
            count = len(rows)
            for row in rows:
                owners = await self._owners(unit, [(row["key"], row["value"])])
                if owners:
                    await _entered(unit, source, owners, _read(row["news"]))
            return Receipt()

        await self._bound.writer.run(principal, work)
        return count

    async def run(self, interval: float = 5.0) -> None:
        """Settle until cancelled, every few seconds; at once over where no source tells anything."""
        while any(one.webhook is not None for one in self._definitions.values()):
            await asyncio.sleep(interval * random.uniform(0.8, 1.2))  # noqa: S311  # jitter, not a secret
            try:
                await self.settle()
            except GatewayError as error:
                log.warning("arrivals.not_settled", code=error.code)


async def _entered(unit: Unit, source: str, owners: Sequence[UUID], news: News) -> Taken:
    """Enter what of the news is newest into the stream of each owner."""
    named = {**{f"item:{key}": key for key in news.removed}, **{f"item:{key}": key for key in news.items}}
    parts = [*news.changed, *named]
    fresh = {(owner, part): True for owner in owners for part in parts}
    if news.version is not None or news.at is not None:
        at = None if news.at is None else min(news.at, datetime.now(UTC) + _EARLY)
        rows = await unit.fetch("raise_marks", source, *columns(list(fresh)), news.version, at) if fresh else []
        fresh = {(row["profile_id"], row["part"]): row["is_new"] for row in rows}
    made: list[Change] = []
    for owner in owners:
        stream = StreamKey(unit.workspace, owner)
        fields = [name for part in news.changed if (owner, part) in fresh for name in SHOWN_AS[CHANGED[part]]]
        if fields:
            made.append(Change(stream, ChangeKind.PROFILE, source, tuple(dict.fromkeys(fields)), entity_source=source))
        for part, key in named.items():
            if (owner, part) in fresh:
                kind = ChangeKind.ACTIVITY if key in news.items else ChangeKind.REMOVED
                made.append(Change(stream, kind, source, entity_source=source, is_new=fresh[owner, part], entity_key=key))
    unit.changes += made
    return Taken(Outcome.ENTERED if made else Outcome.OUTDATED, len(made))


def _written(news: News) -> dict[str, Any]:
    return {
        "changed": list(news.changed),
        "items": list(news.items),
        "removed": list(news.removed),
        "version": news.version,
        "at": None if news.at is None else news.at.isoformat(),
    }


def _read(record: Mapping[str, Any]) -> News:
    at = None if record["at"] is None else datetime.fromisoformat(record["at"])
    return News(tuple(record["changed"]), tuple(record["items"]), tuple(record["removed"]), record["version"], at)
