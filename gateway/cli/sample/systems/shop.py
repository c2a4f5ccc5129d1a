"""The simulated shop: orders in a schema of their own in the demo's Postgres, read by a role that may read two views and nothing else.

Owns making and filling the schema (`shop.sql` beside this file), and the weather in it, by which somebody makes it slow or broken. Must not touch
the gateway's own tables. Called by `simulation`.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from random import Random
from secrets import token_urlsafe
from typing import Final
from urllib.parse import parse_qsl, urlencode, urlsplit

import asyncpg

from gateway.cli.sample.systems.behaviour import Behaviour
from gateway.cli.sample.systems.customers import Customer
from gateway.cli.sample.vocabulary import PRODUCTS

__all__ = ["Shop"]

READER: Final = "demo_shop_reader"
_FOR_EVER: Final = 3600.0
_COLUMNS: Final = ("order_id", "customer", "placed_at", "status", "total", "product", "quantity")


class Shop:
    """Orders in the database behind `dsn`, whose user may create roles and schemas."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._next = 900_000

    async def open(self, customers: Iterable[Customer]) -> str:
        """Make it afresh and fill it; the DSN of the reader.

        Raises:
            asyncpg.PostgresError: this user may not.
        """
        password = token_urlsafe(24)
        rows = [
            (order.id, customer.resident.user_id, order.placed_at, order.status, order.total, order.product, order.quantity)
            for customer in customers
            for order in customer.orders
        ]
        connection = await asyncpg.connect(self._dsn)
        try:
            async with connection.transaction():
                await connection.execute(Path(__file__).with_suffix(".sql").read_text(encoding="utf-8"))
                await connection.execute(await connection.fetchval(f"SELECT format('ALTER ROLE {READER} PASSWORD %L', $1::text)", password))
                await connection.copy_records_to_table("placed_order", schema_name="demo_shop", records=rows, columns=_COLUMNS)
        finally:
            await connection.close()
        return _as_reader(self._dsn, password)

    async def behave(self, present: Behaviour) -> None:
        """From now on be as slow and as broken as this."""
        latency = _FOR_EVER if present.hang else sum(present.latency) / 2
        errors = 1.0 if present.off else present.errors
        connection = await asyncpg.connect(self._dsn)
        try:
            await connection.execute("UPDATE demo_shop.weather SET latency = $1, errors = $2", latency, errors)
        finally:
            await connection.close()

    async def sell(self, customer: str, rng: Random) -> str:
        """Somebody orders something; the order's number."""
        product, _, price = rng.choice(PRODUCTS)
        self._next += 1
        connection = await asyncpg.connect(self._dsn)
        try:
            number: str = await connection.fetchval(
                "INSERT INTO demo_shop.placed_order VALUES ($1, $2, now(), 'paid', $3, $4, 1) RETURNING order_id",
                *(f"SO-{self._next}", customer, price, product),
            )
        finally:
            await connection.close()
        return number


def _as_reader(dsn: str, password: str) -> str:
    """The same database for the reader."""
    parts = urlsplit(dsn)
    query = {name: value for name, value in parse_qsl(parts.query) if name not in {"user", "password"}}
    query |= {"user": READER, "password": password}
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}?{urlencode(query)}"
