"""Orders from a CSV file as a source: what a customer bought, on the timeline, and what it adds up to, as traits.

Everything an adapter needs: the shape of its own table (`Options`), a source (`Orders`) that answers by the keys of its own system, and the `ADAPTER`
that the entry point names. The gateway does the rest: which profile has which key, deadlines, retries, caches, merging and rights.
"""

from __future__ import annotations

import asyncio
import csv
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path

import msgspec

from gateway.errors import ConfigurationError, SourceError, SourceUnavailable
from gateway.model.source import SourceKind
from gateway.sources.definition import Adapter, Definition
from gateway.sources.remote import Capabilities, ItemPage, ItemRecord, ItemWindow, RemoteAdapter, TraitRecord

__all__ = ["ADAPTER", "Options", "Orders"]

COLUMNS = ("customer", "order", "placed_at", "total")


class Options(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """`[sources.<key>.csv]`."""

    file: str
    """A CSV file with the columns customer, order, placed_at (with a time zone) and total; it may be replaced at any time."""


class Orders(RemoteAdapter):
    """Answers from the file. It is read again when it was replaced, in a thread: an adapter never holds up the loop."""

    capabilities = Capabilities(frozenset({SourceKind.TRAITS, SourceKind.ACTIVITY}))

    def __init__(self, key: str, file: Path) -> None:
        self._key = key
        self._file = file
        self._stamp: tuple[int, int] | None = None
        self._orders: dict[str, list[ItemRecord]] = {}

    async def check(self) -> str:
        """What `profile-gateway doctor` shows."""
        orders = await self._read()
        return f"{sum(map(len, orders.values()))} orders of {len(orders)} customers"

    async def traits(self, keys: Sequence[str], wanted: frozenset[str] | None) -> Mapping[str, Sequence[TraitRecord] | SourceError]:
        """How many orders a customer made, and for how much. Only whom the file knows is in the answer."""
        known = await self._read()
        return {key: [one for one in _sums(known[key]) if wanted is None or one.key in wanted] for key in keys if key in known}

    async def items(self, keys: Sequence[str], window: ItemWindow) -> Mapping[str, ItemPage | SourceError]:
        """A page of each customer's orders: both ends of the window belong to it, and it says whether there are more."""
        known = await self._read()
        return {key: _page(known[key], window) for key in keys if key in known}

    async def items_by_id(self, refs: Sequence[tuple[str, str]]) -> Mapping[tuple[str, str], ItemRecord | SourceError]:
        """Single orders; another customer's order is not found under this one's key."""
        known = await self._read()
        return {(key, one.id): one for key, order in refs for one in known.get(key, ()) if one.id == order}

    async def _read(self) -> dict[str, list[ItemRecord]]:
        try:
            about = self._file.stat()
            stamp = about.st_mtime_ns, about.st_size
            if stamp != self._stamp:
                self._orders, self._stamp = await asyncio.to_thread(_orders_in, self._file), stamp
        except (OSError, ValueError, KeyError, InvalidOperation) as error:
            raise SourceUnavailable(self._key) from error  # its words go to the log and to doctor, never to a client
        return self._orders


def _orders_in(file: Path) -> dict[str, list[ItemRecord]]:
    found: dict[str, list[ItemRecord]] = {}
    with file.open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            customer, order, placed_at, total = (row[name] for name in COLUMNS)
            moment = datetime.fromisoformat(placed_at)
            if moment.tzinfo is None:
                raise ValueError("placed_at has no time zone")
            item = ItemRecord(order, moment, "Order Completed", properties={"order_id": order, "total": str(Decimal(total))})
            found.setdefault(customer, []).append(item)
    return {customer: sorted(items, key=lambda item: (item.occurred_at, item.id)) for customer, items in found.items()}


def _sums(orders: Sequence[ItemRecord]) -> list[TraitRecord]:
    spent = sum(Decimal(one.properties["total"]) for one in orders)
    return [TraitRecord("order_count", len(orders)), TraitRecord("total_spent", float(spent))]


def _page(orders: Sequence[ItemRecord], window: ItemWindow) -> ItemPage:
    inside = [
        one
        for one in orders
        if (window.since is None or one.occurred_at >= window.since)
        and (window.until is None or one.occurred_at <= window.until)
        and (window.kinds is None or one.kind in window.kinds)
    ]
    ordered = inside[::-1] if window.newest_first else inside
    return ItemPage(ordered[: window.limit], is_complete=len(ordered) <= window.limit)


def _make(definition: Definition) -> Orders:
    """Called at start: refuse what cannot be right, with the key that is wrong in front, and touch nothing yet."""
    options: Options = definition.options
    if not options.file.endswith(".csv"):
        raise ConfigurationError("file: is a path that ends in .csv")
    return Orders(definition.key, Path(options.file))


ADAPTER = Adapter(options=Options, make=_make)
