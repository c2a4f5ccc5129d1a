"""Statements an operator wrote, made into what is asked: each embedded as a subquery, its columns checked, its keys' type found.

Owns the SQL around an operator's SELECT. Embedding is also what keeps it to one SELECT: Postgres refuses everything else there. Must not run
anything but PREPARE. Called by `sql_connections` with the first connection there is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final
from uuid import UUID

import asyncpg

from gateway.errors import ConfigurationError
from gateway.sources.adapters.sql_options import COLUMNS, Columns, SqlOptions

__all__ = ["ITEMS_BY_ID", "ITEMS_OLDEST_FIRST", "Keys", "Statement", "prepared"]

ITEMS_OLDEST_FIRST: Final = "items oldest first"
ITEMS_BY_ID: Final = "items by id"

_ARRAYS: Final = MappingProxyType(
    {
        **{name: f"{name}[]" for name in ("text", "varchar", "bpchar", "int2", "int4", "int8", "uuid")},
        "unknown": "text[]",  # a literal
    }
)
"""Types by which a person can be known; of any other the statement makes text."""
_OTHERS: Final = MappingProxyType({"traits": "$2::text[]", "notes": "$2::bigint", "items": "$2::timestamptz, $3::timestamptz, $4::bigint"})
"""The types of what a statement may use besides the keys, so that it need not say them."""
_USES_OTHERS: Final = re.compile(r"\$[2-9]")
_ITS_FAULT: Final = frozenset({"0A", "22", "26", "42"})
"""Classes of errors that no better hour mends: not supported, data, names, syntax and rights."""


@dataclass(frozen=True, slots=True)
class Keys:
    """Texts as values of a column: of whole numbers and UUIDs only those that are written as the column would."""

    type: str

    def encoded(self, texts: Sequence[str]) -> dict[Any, str]:
        """Each value with the text it stands for; what cannot be one is left out, since nobody has it."""
        found = {}
        for text in dict.fromkeys(texts):
            value = _ENCODERS.get(self.type, _text)(text)
            if value is not None:
                found[value] = text
        return found


def _text(text: str) -> str | None:
    return None if "\x00" in text else text


def _whole(bits: int) -> Callable[[str], int | None]:
    def encode(text: str) -> int | None:
        if not re.fullmatch(r"0|-?[1-9][0-9]{0,18}", text):
            return None  # 007 is no number but a text that looks like one
        number = int(text)
        return number if -(2 ** (bits - 1)) <= number < 2 ** (bits - 1) else None

    return encode


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


_ENCODERS: Final[Mapping[str, Callable[[str], Any]]] = MappingProxyType(
    {"int2": _whole(16), "int4": _whole(32), "int8": _whole(64), "uuid": _uuid}
)


@dataclass(frozen=True, slots=True)
class Statement:
    """What is asked: SQL that answers rows of (key, record as JSON text; NULL: it is too long), and how keys and ids are written for it."""

    sql: str
    keys: Keys
    ids: Keys
    columns: frozenset[str]


async def prepared(connection: asyncpg.Connection, options: SqlOptions) -> dict[str, Statement]:
    """Every statement of the options, by its name (`find.email`), known to the server.

    Raises:
        ConfigurationError: one cannot be asked; names it and says why.
    """
    found: dict[str, Statement] = {}
    for name in COLUMNS:
        if name == "find":
            for what, text in options.find.items():
                found[f"find.{what}"] = await _prepared(connection, f"find.{what}", text, options)
        elif (text := getattr(options, name)) is not None:
            found[name] = await _prepared(connection, name, text, options)
            if name == "items":
                found[ITEMS_OLDEST_FIRST] = await _prepared(connection, name, text, options, oldest_first=True)
                found[ITEMS_BY_ID] = await _prepared(connection, name, text, options, by_id=True)
    return found


async def _prepared(
    connection: asyncpg.Connection, name: str, text: str, options: SqlOptions, *, oldest_first: bool = False, by_id: bool = False
) -> Statement:
    kind = name.partition(".")[0]
    types = await _columns(connection, name, kind, text)
    key = "value" if kind == "find" else "key"
    keys, ids = Keys(_written(name, key, types[key])), Keys(types.get("id", "text") if types.get("id") in _ARRAYS else "text")
    if kind == "find":
        _written(name, "key", types["key"])
    sql = _asked(kind, text, keys, ids, types, options, oldest_first=oldest_first, by_id=by_id)
    asked = await _prepare(connection, name, sql)
    await _explain(connection, name, sql, len(asked.get_parameters()))
    return Statement(sql, keys, ids, frozenset(types))


async def _columns(connection: asyncpg.Connection, name: str, kind: str, text: str) -> dict[str, str]:
    """The columns of an operator's statement and their types."""
    described = await _prepare(connection, name, f"SELECT q.* FROM {_given(kind, text)}({text}\n) AS q")
    names = [one.name for one in described.get_attributes()]
    expected: Columns = COLUMNS[kind]
    known = {"key", *expected.required, *expected.optional}
    missing = [one for one in ("key", *expected.required) if one not in names]
    unknown = [] if expected.are_open else [one for one in names if one not in known]
    twice = sorted({one for one in names if names.count(one) > 1})
    for wrong, what in ((missing, "lacks"), (unknown, "has a column nobody knows:"), (twice, "has twice")):
        if wrong:
            raise ConfigurationError(f"{name}: the statement {what} {', '.join(wrong)}; {expected.told}")
    if len(names) == 1:
        raise ConfigurationError(f"{name}: the statement tells nothing but the key; {expected.told}")
    return {one.name: one.type.name for one in described.get_attributes()}


def _given(kind: str, text: str) -> str:
    """What comes before a statement that uses parameters besides the keys: there they have their types already."""
    return f"(SELECT {_OTHERS[kind]}) AS given, " if kind in _OTHERS and _USES_OTHERS.search(text) else ""


def _written(name: str, column: str, type_: str) -> str:
    if type_ not in _ARRAYS:
        raise ConfigurationError(
            f"{name}: the column {column} is of the type {type_}, by which nobody is looked up: make text of it ({column}::text)"
        )
    return type_


async def _prepare(connection: asyncpg.Connection, name: str, sql: str) -> Any:
    with _told(name):
        return await connection.prepare(sql)


async def _explain(connection: asyncpg.Connection, name: str, sql: str, parameters: int) -> None:
    """Plan it, which PREPARE does not: that is where Postgres looks whether the role may read what is in it."""
    with _told(name):
        await connection.fetch(f"EXPLAIN {sql}", [], *[None] * (parameters - 1))


@contextmanager
def _told(name: str) -> Iterator[None]:
    try:
        yield
    except asyncpg.PostgresError as error:
        if (error.sqlstate or "")[:2] in _ITS_FAULT:
            raise ConfigurationError(f"{name}: Postgres does not take this as one SELECT: {error.message}") from error
        raise


def _asked(
    kind: str, text: str, keys: Keys, ids: Keys, types: Mapping[str, str], options: SqlOptions, *, oldest_first: bool, by_id: bool
) -> str:
    """The statement that is run. Rows of items and notes are chosen for each person by itself, so that nobody's many hide another's few."""
    asked, most = _ARRAYS[keys.type], options.max_rows + 1
    record = f"CASE WHEN octet_length(r.text) <= {options.max_bytes} THEN r.text END AS record"
    rows = f"{_given(kind, text)}({text}\n) AS q CROSS JOIN LATERAL (SELECT row_to_json(q)::text AS text OFFSET 0) AS r"
    if kind == "find":
        return f"SELECT q.key::text AS key, q.value::text AS value FROM ({text}\n) AS q WHERE q.value = any($1::{asked}) LIMIT {most}"
    if kind not in {"items", "notes"}:
        wanted = " AND ($2::text[] IS NULL OR q.trait = any($2))" if kind == "traits" else ""
        return f"SELECT q.key::text AS key, {record} FROM {rows} WHERE q.key = any($1::{asked}){wanted} LIMIT {most}"
    at = "created_at" if kind == "notes" else "occurred_at"
    order = "ASC" if oldest_first else "DESC"
    ends = f'ORDER BY q.{at} {order}, q.id::text COLLATE "C" {order} LIMIT ${2 if kind == "notes" else 4}::bigint'
    who, where = f"unnest($1::{asked}) AS k (key)", "q.key = k.key"
    if kind == "items":
        # in this form an index on the moment serves whether or not an end is given
        where += f" AND q.{at} >= coalesce($2::timestamptz, '-infinity') AND q.{at} <= coalesce($3::timestamptz, 'infinity')"
        if "kind" in types:
            where += " AND ($5::text[] IS NULL OR upper(q.kind::text) = any($5))"
        else:
            where += " AND ($5::text[] IS NULL OR 'EXTERNAL' = any($5))"
    if by_id:
        who = f"unnest($1::{asked}, $6::{_ARRAYS[ids.type]}) AS k (key, id)"
        where += " AND q.id = k.id" if types["id"] in _ARRAYS else " AND q.id::text = k.id"
    return f"SELECT k.key::text AS key, i.record FROM {who} CROSS JOIN LATERAL (SELECT {record} FROM {rows} WHERE {where} {ends}) AS i LIMIT {most}"
