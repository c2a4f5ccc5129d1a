"""A made-up ERP in a database of its own: customers known by a number, orders, notes, and roles of every kind that may or may not be used."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import asyncpg
import msgspec

from gateway.model.source import Source, SourceKind
from gateway.sources.adapters.sql import ADAPTER, SqlSource
from gateway.sources.definition import Definition, Secret

__all__ = ["ITEMS", "ROLES", "TABLES", "Erp", "source"]

TABLES = """
CREATE TABLE customer (no bigint PRIMARY KEY, code char(8), mail text, tier text, balance numeric, since date, extra jsonb, seen timestamptz);
CREATE TABLE placed (customer bigint, no uuid, at timestamptz, total numeric, lines text[]);
CREATE INDEX ON placed (customer, at);
CREATE TABLE remark (customer bigint, no int, body text, at timestamp);
CREATE TABLE secret (word text);
CREATE SEQUENCE counter;
INSERT INTO customer VALUES
  (1, 'A1', 'ana@example.com', 'gold', 12.50, '2020-02-03', '{"a": [1, null]}', '2026-01-02 03:04:05+02'),
  (2, 'B2', 'bo@example.com', NULL, -3, NULL, NULL, 'infinity'),
  (3, 'C3', 'ana@example.com', 'tin', 'NaN', NULL, '7', NULL);
INSERT INTO placed
  SELECT c, ('00000000-0000-4000-8000-' || lpad((c * 1000 + n)::text, 12, '0'))::uuid, '2026-01-01 00:00+00'::timestamptz + n / 2 * interval '1 hour',
         n, ARRAY['pen', 'ink']
    FROM generate_series(1, 2) c, generate_series(0, 9) n;
INSERT INTO remark VALUES (1, 1, 'Pays late.', '2026-01-01 10:00'), (1, 2, 'Likes pens.', '2026-01-02 10:00');
INSERT INTO remark VALUES (2, 1, repeat('x', 5000), '2026-01-01');
CREATE FUNCTION scribble() RETURNS text LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN INSERT INTO secret VALUES ('got in'); RETURN 'x'; END $$;
"""

ROLES = """
CREATE ROLE {0}_reader LOGIN;
GRANT SELECT ON customer, placed, remark TO {0}_reader;
CREATE ROLE {0}_boss LOGIN SUPERUSER;
CREATE ROLE {0}_seer LOGIN BYPASSRLS;
CREATE ROLE {0}_copier LOGIN REPLICATION;
CREATE ROLE {0}_climber LOGIN NOINHERIT IN ROLE {0}_boss;
CREATE ROLE {0}_clerk LOGIN;
GRANT SELECT ON customer TO {0}_clerk;
GRANT UPDATE (tier) ON customer TO {0}_clerk;
CREATE ROLE {0}_heir LOGIN NOINHERIT IN ROLE {0}_clerk;
CREATE ROLE {0}_filer LOGIN IN ROLE pg_read_server_files;
"""

ITEMS = "SELECT customer AS key, no AS id, at AS occurred_at, 'Order Completed' AS type, jsonb_build_object('total', total) AS properties FROM placed"


@dataclasses.dataclass(frozen=True)
class Erp:
    """Where it is. `admin` may do everything."""

    admin: str
    name: str
    place: Path

    def secret(self, role: str = "reader") -> dict[str, str]:
        """The address for a role, in a file."""
        file = self.place / f"{role}.dsn"
        file.write_text(self.admin.replace("user=gateway", f"user={self.name}_{role}"))
        return {"file": str(file)}

    async def run(self, statement: str, *args: object) -> list[Any]:
        """A statement of the one who may do everything."""
        connection = await asyncpg.connect(self.admin, timeout=10)
        try:
            if args or statement.lstrip().upper().startswith("SELECT"):
                return list(await connection.fetch(statement, *args))
            await connection.execute(statement)
            return []
        finally:
            await connection.close()

    def source(self, role: str = "reader", **options: Any) -> SqlSource:
        """A source on it, not open yet."""
        return source(dsn=self.secret(role), **options)


def source(**options: Any) -> SqlSource:
    """A source of these options, as the file would give them."""
    decoded = msgspec.convert(options, ADAPTER.options)
    made = ADAPTER.make(Definition(Source("erp", "ERP", (SourceKind.TRAITS,)), "sql", "erp_no", options=decoded))
    assert isinstance(made, SqlSource)
    assert isinstance(decoded.dsn, Secret)
    return made
