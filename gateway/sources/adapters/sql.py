"""Your Postgres elsewhere as a source: one SELECT for each kind of data, asked for many people at once, and never a write.

Owns which statement answers which question, and that rows find their people by key. Connections are `sql_connections`'s, SQL is `sql_statements`'s.
Exports `ADAPTER` for `gateway.sources.catalogue`; called by `federated` behind its guard.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, TypeVar

import structlog

from gateway.errors import SourceError, SourceUnavailable
from gateway.model.source import SourceKind
from gateway.sources.adapters.sql_connections import Elsewhere
from gateway.sources.adapters.sql_options import SqlOptions, check_options
from gateway.sources.adapters.sql_records import (
    Row,
    company_of,
    item_of,
    note_of,
    profile_of,
    row_of,
    trait_of,
    traits_of,
)
from gateway.sources.adapters.sql_statements import ITEMS_BY_ID, ITEMS_OLDEST_FIRST, Statement
from gateway.sources.contract import LookupKey
from gateway.sources.definition import Adapter, Definition
from gateway.sources.remote import (
    Capabilities,
    CompanyRecord,
    ItemPage,
    ItemRecord,
    ItemWindow,
    NoteRecord,
    ProfileRecord,
    RemoteAdapter,
    TraitRecord,
)

__all__ = ["ADAPTER", "SqlSource"]

_KINDS: Final = (
    ("profiles", SourceKind.PROFILE),
    ("traits", SourceKind.TRAITS),
    ("traits_in_columns", SourceKind.TRAITS),
    ("notes", SourceKind.NOTES),
    ("items", SourceKind.ACTIVITY),
    ("companies", SourceKind.COMPANY),
)

T = TypeVar("T")
log = structlog.get_logger()


class SqlSource(RemoteAdapter):
    """A database; it is read, and nothing is ever written to it."""

    def __init__(self, key: str, options: SqlOptions) -> None:
        """Connects to nothing yet.

        Raises:
            ConfigurationError: the options cannot be used.
        """
        check_options(options)
        kinds = {kind for name, kind in _KINDS if getattr(options, name) is not None}
        self.capabilities = Capabilities(frozenset(kinds | ({SourceKind.IDENTITY} if options.find else set())))
        self._key = key
        self._options = options
        self._elsewhere = Elsewhere(key, options)

    async def open(self) -> None:
        """See `RemoteSource`. Examines the role and prepares the statements when the server is there; else its first connection does."""
        await self._elsewhere.open()

    async def close(self) -> None:
        """See `RemoteSource`."""
        await self._elsewhere.close()

    async def check(self) -> str:
        """See `RemoteSource`."""
        return f"PostgreSQL {await self._elsewhere.version()}"

    async def profiles(self, keys: Sequence[str], fields: frozenset[str] | None) -> Mapping[str, ProfileRecord | SourceError]:
        """See `RemoteSource`. Of several rows for one person the first counts."""
        found = await self._asked("profiles", keys)
        return {key: rows if isinstance(rows, SourceError) else profile_of(rows[0], fields) for key, rows in found.items()}

    async def traits(self, keys: Sequence[str], wanted: frozenset[str] | None) -> Mapping[str, Sequence[TraitRecord] | SourceError]:
        """See `RemoteSource`."""
        if self._options.traits is None:
            found = await self._asked("traits_in_columns", keys)
            return {key: rows if isinstance(rows, SourceError) else traits_of(rows[0], wanted) for key, rows in found.items()}
        found = await self._asked("traits", keys, None if wanted is None else sorted(wanted))
        return self._read(found, trait_of)

    async def notes(self, keys: Sequence[str], limit: int) -> Mapping[str, Sequence[NoteRecord] | SourceError]:
        """See `RemoteSource`."""
        found = self._read(await self._asked("notes", keys, limit), note_of)
        return {key: one if isinstance(one, SourceError) else _in_order(one, _noted, newest_first=True) for key, one in found.items()}

    async def items(self, keys: Sequence[str], window: ItemWindow) -> Mapping[str, ItemPage | SourceError]:
        """See `RemoteSource`."""
        name = "items" if window.newest_first else ITEMS_OLDEST_FIRST
        kinds = None if window.kinds is None else sorted(kind.value for kind in window.kinds)
        found = await self._asked(name, keys, window.since, window.until, window.limit, kinds)
        pages: dict[str, ItemPage | SourceError] = {}
        full = {key for key, rows in found.items() if not isinstance(rows, SourceError) and len(rows) >= window.limit}
        for key, items in self._read(found, item_of).items():
            if isinstance(items, SourceError):
                pages[key] = items
            elif not items and key in full:
                pages[key] = SourceUnavailable(self._key)  # a page on which nothing can be read leads nowhere
            else:
                pages[key] = ItemPage(_in_order(items, _happened, newest_first=window.newest_first), key not in full)
        return pages

    async def items_by_id(self, refs: Sequence[tuple[str, str]]) -> Mapping[tuple[str, str], ItemRecord | SourceError]:
        """See `RemoteSource`."""
        statement = await self._elsewhere.statement(ITEMS_BY_ID)
        people = {text: value for value, text in statement.keys.encoded([key for key, _ in refs]).items()}
        ids = {text: value for value, text in statement.ids.encoded([item for _, item in refs]).items()}
        wanted = [(people[key], ids[item]) for key, item in refs if key in people and item in ids]
        if not wanted:
            return {}
        given = [key for key, _ in wanted], None, None, None, None, [item for _, item in wanted]
        found = self._by_key(await self._elsewhere.rows(statement.sql, *given), _texts(statement, people))
        answers: dict[tuple[str, str], ItemRecord | SourceError] = {}
        for key, items in self._read(found, item_of).items():
            if isinstance(items, SourceError):
                answers.update({ref: items for ref in refs if ref[0] == key})
            else:
                answers.update({(key, item.id): item for item in items})
        return answers

    async def companies(self, keys: Sequence[str]) -> Mapping[str, Sequence[CompanyRecord] | SourceError]:
        """See `RemoteSource`."""
        return self._read(await self._asked("companies", keys), company_of)

    async def find(self, lookups: Sequence[LookupKey]) -> Mapping[LookupKey, Sequence[str] | SourceError]:
        """See `RemoteSource`. One statement for each kind of value; one that fails leaves the others their answers."""
        found: dict[LookupKey, Sequence[str] | SourceError] = {}
        for what in dict.fromkeys(one.key for one in lookups if one.key in self._options.find):
            values = [one.value for one in lookups if one.key == what]
            try:
                people = await self._people(f"find.{what}", values)
            except SourceError as error:
                found.update({LookupKey(what, value): error for value in values})
            else:
                found.update({LookupKey(what, value): sorted(people[value]) for value in values})
        return found

    async def _people(self, name: str, values: Sequence[str]) -> Mapping[str, set[str]]:
        statement = await self._elsewhere.statement(name)
        encoded = statement.keys.encoded(values)
        people: dict[str, set[str]] = {value: set() for value in values}
        if encoded:
            texts = _texts(statement, {text: value for value, text in encoded.items()})
            for person, value in await self._elsewhere.rows(statement.sql, list(encoded)):
                if person is not None and value in texts:
                    people[texts[value]].add(person)
        return people

    async def _asked(self, name: str, keys: Sequence[str], *args: object) -> dict[str, list[Row] | SourceError]:
        """The rows of each person that has any."""
        statement = await self._elsewhere.statement(name)
        encoded = statement.keys.encoded(keys)
        if not encoded:
            return {}
        rows = await self._elsewhere.rows(statement.sql, list(encoded), *args)
        return self._by_key(rows, _texts(statement, {text: value for value, text in encoded.items()}))

    def _by_key(self, rows: Iterable[tuple[str, str | None]], texts: Mapping[str, str]) -> dict[str, list[Row] | SourceError]:
        found: dict[str, list[Row] | SourceError] = {}
        for written, record in rows:
            key = texts.get(written)
            if key is None:
                continue  # nobody who was asked for
            known = found.setdefault(key, [])
            if isinstance(known, SourceError):
                continue
            if record is None:
                log.error("sql.row_too_long", source=self._key, most=self._options.max_bytes)
                found[key] = SourceUnavailable(self._key)
            else:
                known.append(row_of(record))
        return found

    def _read(self, found: Mapping[str, list[Row] | SourceError], read: Callable[[Row], T | None]) -> dict[str, list[T] | SourceError]:
        answers: dict[str, list[T] | SourceError] = {}
        lost = 0
        for key, rows in found.items():
            if isinstance(rows, SourceError):
                answers[key] = rows
                continue
            records = [read(row) for row in rows]
            lost += records.count(None)
            answers[key] = [one for one in records if one is not None]
        if lost:
            log.warning("sql.unreadable_rows", source=self._key, rows=lost)
        return answers


def _texts(statement: Statement, values: Mapping[str, Any]) -> dict[str, str]:
    """From a key as the server writes it to the key that was asked for."""
    return {str(value).rstrip(" ") if statement.keys.type == "bpchar" else str(value): text for text, value in values.items()}


def _noted(note: NoteRecord) -> Any:
    return note.created_at, note.id


def _happened(item: ItemRecord) -> Any:
    return item.occurred_at, item.id


def _in_order(records: Sequence[T], at: Callable[[T], Any], *, newest_first: bool) -> list[T]:
    return sorted(records, key=at, reverse=newest_first)


def _make(definition: Definition) -> SqlSource:
    return SqlSource(definition.key, definition.options)


ADAPTER = Adapter(options=SqlOptions, make=_make)
