"""A system elsewhere for tests: what it knows by its own keys, how it misbehaves, and what it was asked."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from gateway.errors import SourceError
from gateway.model.source import Source, SourceKind
from gateway.sources.contract import LookupKey
from gateway.sources.definition import Definition, GuardPolicy
from gateway.sources.federated import FederatedSource
from gateway.sources.keymap import KeyMap
from gateway.sources.remote import Capabilities, ItemPage, ItemRecord, ItemWindow, NoteRecord, RemoteAdapter

__all__ = ["ANA", "BEN", "CRM", "ELSEWHERE", "HERE", "NOON", "Keys", "System", "federated"]

HERE, ELSEWHERE = UUID(int=1), UUID(int=2)
ANA, BEN = UUID(int=10), UUID(int=11)
NOON = datetime(2026, 3, 29, 12, tzinfo=UTC)
CRM = Source("crm", "CRM", tuple(SourceKind), priority=60)


class Keys(KeyMap):
    """The key map, from a dict: the real one is proved against Postgres."""

    def __init__(self, known: Mapping[UUID, Sequence[str]]) -> None:
        self._known = {key: tuple(names) for key, names in known.items()}

    async def keys_of(self, workspace: UUID, keyed_by: str, ids: Sequence[UUID]) -> list[tuple[str, ...]]:
        """See `KeyMap`."""
        assert keyed_by == "crm_id"
        return [self._known.get(one, ()) if workspace == HERE else () for one in ids]

    async def all_owners_of(self, workspace: UUID, keyed_by: str, keys: Sequence[str]) -> list[tuple[UUID, ...]]:
        """See `KeyMap`."""
        return [tuple(sorted(owner for owner, names in self._known.items() if key in names and workspace == HERE)) for key in keys]


@dataclass
class System(RemoteAdapter):
    """`known`: per kind of question the answer for each key. `alter` changes an answer on its way; while `gate` is shut it answers nobody.

    `fails`: the error that a call with this many keys, or any (None: none), ends with. `page`: items it tells at once; `pages`: how it pages instead.
    """

    known: dict[str, dict[Any, Any]] = field(default_factory=dict)
    alter: Callable[[dict[Any, Any]], Any] = dict
    fails: Callable[[Sequence[Any]], Exception | None] = lambda _: None
    page: int = 1000
    pages: Callable[[Sequence[ItemRecord], ItemWindow], ItemPage] | None = None
    asked: list[tuple[str, tuple[Any, ...]]] = field(default_factory=list)
    windows: list[ItemWindow] = field(default_factory=list)
    written: list[tuple[Any, ...]] = field(default_factory=list)
    kinds: frozenset[SourceKind] = frozenset(SourceKind)
    under_way: int = 0

    def __post_init__(self) -> None:
        self.gate = asyncio.Event()
        self.gate.set()
        self.capabilities = Capabilities(self.kinds, frozenset({SourceKind.TRAITS, SourceKind.NOTES}))

    async def _answer(self, question: str, keys: Sequence[Any], of: Callable[[Any], Any] = lambda one: one) -> Any:
        self.asked.append((question, tuple(keys)))
        self.under_way += 1
        try:
            await self.gate.wait()
        finally:
            self.under_way -= 1
        error = self.fails(keys)
        if error is not None:
            raise error
        known = self.known.get(question, {})
        return self.alter({key: known[key] if isinstance(known[key], SourceError) else of(known[key]) for key in keys if key in known})

    async def profiles(self, keys: Sequence[str], fields: frozenset[str] | None) -> Any:
        return await self._answer("profiles", keys)

    async def traits(self, keys: Sequence[str], wanted: frozenset[str] | None) -> Any:
        return await self._answer("traits", keys)

    async def notes(self, keys: Sequence[str], limit: int) -> Any:
        return await self._answer("notes", keys)

    async def items(self, keys: Sequence[str], window: ItemWindow) -> Any:
        self.windows.append(window)
        return await self._answer("items", keys, lambda records: (self.pages or self._page)(records, window))

    async def items_by_id(self, refs: Sequence[tuple[str, str]]) -> Any:
        return await self._answer("items_by_id", refs)

    async def companies(self, keys: Sequence[str]) -> Any:
        return await self._answer("companies", keys)

    async def find(self, lookups: Sequence[LookupKey]) -> Any:
        return await self._answer("find", lookups)

    async def write_trait(self, key: str, trait: str, value: Any, idempotency_key: str) -> None:
        await self._answer("write_trait", (key,))
        self.written.append((key, trait, value, idempotency_key))

    async def add_note(self, key: str, body: str, author: str, idempotency_key: str) -> NoteRecord:
        await self._answer("add_note", (key,))
        self.written.append((key, body, author, idempotency_key))
        return NoteRecord("n-9", body, NOON, author_name=author)

    def _page(self, records: Sequence[ItemRecord], window: ItemWindow) -> ItemPage:
        """As the SPI says, and within one moment in an order of its own."""
        inside = [
            one
            for one in records
            if (window.since is None or one.occurred_at >= window.since)
            and (window.until is None or one.occurred_at <= window.until)
            and (window.kinds is None or one.kind in window.kinds)
        ]
        inside.sort(key=lambda one: (one.occurred_at, one.id[::-1]), reverse=window.newest_first)
        told = inside[: min(window.limit, self.page)]
        return ItemPage(told, is_complete=len(told) == len(inside))


def federated(
    system: System, known: Mapping[UUID, Sequence[str]] | None = None, *, clock: Callable[[], float] = time.monotonic, **policy: Any
) -> FederatedSource:
    """The system as a source, by whose keys Ana is `a` and Ben is `b`, or as told; without retries, unless told otherwise."""
    settings = GuardPolicy(**{"retries": 0, **policy})
    definition = Definition(CRM, "scripted", "crm_id", policy=settings)
    return FederatedSource(definition, system, Keys({ANA: ("a",), BEN: ("b",)} if known is None else known), clock=clock)
