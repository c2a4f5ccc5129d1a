"""Another GraphQL API, described by documents: one for each kind of data, each asked once for all people of a call.

Owns the source that is made of these tables (`graphql_options`): which answer of `graphql_question` becomes which record. Errors of the API fail the
people they concern and nobody else; their words go nowhere. Keeps nothing between calls.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeVar

import structlog

from gateway.errors import ConfigurationError, Problem, Rejected, SourceError, SourceUnavailable
from gateway.model.source import SourceKind
from gateway.sources.adapters.graphql_options import Options
from gateway.sources.adapters.graphql_question import Endpoint
from gateway.sources.adapters.graphql_tables import Tables, Writing
from gateway.sources.adapters.rest_items import ItemSink, NoteSink, asked_window, is_sorted, too_much
from gateway.sources.adapters.rest_plan import checked
from gateway.sources.adapters.rest_question import Sink
from gateway.sources.adapters.rest_upstream import Api, credentials_of
from gateway.sources.contract import MOST_OWNERS, LookupKey
from gateway.sources.conversions import UNREADABLE, to_id, to_text
from gateway.sources.definition import Adapter, Definition
from gateway.sources.mapping import Records
from gateway.sources.mapping import Traits as TraitRecords
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

__all__ = ["ADAPTER", "GraphQLSource"]

_LONGEST_MESSAGE: Final = 200

T = TypeVar("T")
log = structlog.get_logger()


class GraphQLSource(RemoteAdapter):
    """One API. Made by `ADAPTER`."""

    def __init__(self, tables: Tables, endpoint: Endpoint, name: str) -> None:
        self._tables = tables
        self._endpoint = endpoint
        self._source = endpoint.source
        self._name = name
        self.capabilities = Capabilities(tables.kinds, tables.writes)

    async def close(self) -> None:
        """See `RemoteSource`."""
        await self._endpoint.close()

    async def check(self) -> str:
        """See `RemoteSource`."""
        started = time.perf_counter()
        value = await self._endpoint.post({"query": "{ __typename }"})
        if not isinstance(value, Mapping) or not isinstance(value.get("data"), Mapping):
            raise SourceUnavailable(self._source, "The source answered without data.")
        return f"GraphQL in {round((time.perf_counter() - started) * 1000)} ms"

    async def profiles(self, keys: Sequence[str], fields: frozenset[str] | None) -> Mapping[str, ProfileRecord | SourceError]:
        """See `RemoteSource`."""
        question, records = self._tables.profile
        if fields is not None and not fields & records.names:
            return {}
        answer = await question.ask(keys, {}, fields)
        found: dict[str, ProfileRecord | SourceError] = {}
        for key, row in answer.rows:
            record = records(row)
            if record is not None and key not in found:
                found[key] = ProfileRecord({name: value for name, value in record.values.items() if fields is None or name in fields})
        self._count("profile", records)
        return found | self._lost(answer.lost(keys))

    async def traits(self, keys: Sequence[str], wanted: frozenset[str] | None) -> Mapping[str, Sequence[TraitRecord] | SourceError]:
        """See `RemoteSource`."""
        question, records = self._tables.traits
        if wanted is not None and records.names is not None and not wanted & records.names:
            return {}
        answer = await question.ask(keys, {}, wanted)
        found: dict[str, dict[str, TraitRecord]] = {}
        for key, row in answer.rows:
            known = found.setdefault(key, {})
            for trait in records(row, wanted):
                known.setdefault(trait.key, trait)
        self._count("traits", records)
        return {key: [*known.values()] for key, known in found.items()} | self._lost(answer.lost(keys))

    async def notes(self, keys: Sequence[str], limit: int) -> Mapping[str, Sequence[NoteRecord] | SourceError]:
        """See `RemoteSource`."""
        question, records, newest_first = self._tables.notes
        sinks, failed = await question.gather(keys, {"limit": limit}, lambda names: NoteSink(names, limit, records, is_sorted=newest_first))
        self._count("notes", records)
        return {key: sink.newest(key, self._source) for key, sink in sinks.items()} | failed

    async def items(self, keys: Sequence[str], window: ItemWindow) -> Mapping[str, ItemPage | SourceError]:
        """See `RemoteSource`."""
        question, records, table = self._tables.items
        values, _, _ = asked_window(table, window, 1 if question.is_per_person else len(keys))
        in_order = is_sorted(table, window)
        sinks, failed = await question.gather(
            keys,
            {"since": None, "until": None, "newestFirst": window.newest_first, **values},
            lambda names: ItemSink(names, window, records, is_sorted=in_order),
        )
        self._count("items", records)
        return {key: self._page(sink, key) for key, sink in sinks.items()} | failed

    def _page(self, sink: ItemSink, key: str) -> ItemPage | SourceError:
        page = sink.page(key, self._source)
        is_nothing = isinstance(page, ItemPage) and not page.items and not page.is_complete
        return too_much(self._source) if is_nothing else page

    async def items_by_id(self, refs: Sequence[tuple[str, str]]) -> Mapping[tuple[str, str], ItemRecord | SourceError]:
        """See `RemoteSource`."""
        if self._tables.item is None:
            return await super().items_by_id(refs)
        question, records, person = self._tables.item
        ids = list(dict.fromkeys(item for _, item in refs))
        answer = await question.ask(ids, {"keys": list(dict.fromkeys(key for key, _ in refs))})
        by_id = {
            (to_id(person(row)), item): record for item, row in answer.rows if (record := records(row)) is not None and record.id == item
        }
        self._count("item", records)
        lost = answer.lost(ids)
        return {ref: by_id[ref] for ref in refs if ref in by_id} | {ref: self._failure() for ref in refs if ref[1] in lost}

    async def companies(self, keys: Sequence[str]) -> Mapping[str, Sequence[CompanyRecord] | SourceError]:
        """See `RemoteSource`."""
        question, records = self._tables.companies
        sinks, failed = await question.gather(keys, {}, Sink)
        found: dict[str, Sequence[CompanyRecord] | SourceError] = {}
        for key, sink in sinks.items():
            read = {one.id: one for row in sink.rows.get(key, ()) if (one := records(row)) is not None}
            found[key] = [*read.values()] if sink.is_complete else too_much(self._source)
        self._count("companies", records)
        return found | failed

    async def find(self, lookups: Sequence[LookupKey]) -> Mapping[LookupKey, Sequence[str] | SourceError]:
        """See `RemoteSource`."""
        kinds = [kind for kind in dict.fromkeys(one.key for one in lookups) if kind in self._tables.find]
        found = await asyncio.gather(*(self._find(kind, [one.value for one in lookups if one.key == kind]) for kind in kinds))
        return {LookupKey(kind, value): keys for kind, owners in zip(kinds, found, strict=True) for value, keys in owners.items()}

    async def _find(self, kind: str, values: Sequence[str]) -> Mapping[str, Sequence[str] | SourceError]:
        question, person = self._tables.find[kind]
        try:
            answer = await question.ask(values, {})
        except SourceError as error:
            return dict.fromkeys(values, error)
        owners: dict[str, set[str]] = {}
        for value, row in answer.rows:
            key = to_id(person(row))
            if value in values and key is not UNREADABLE:  # a row with another value is no exact match
                owners.setdefault(value, set()).add(key)
        return {value: sorted(keys)[:MOST_OWNERS] for value, keys in owners.items()} | self._lost(answer.lost(values))

    async def write_trait(self, key: str, trait: str, value: Any, idempotency_key: str) -> None:
        """See `RemoteSource`."""
        writing, table = self._tables.write_trait
        if table.only is not None and trait not in table.only:
            raise Rejected(Problem("READ_ONLY", f"{self._name} does not let this be written from here."))
        await self._write(writing, {"key": key, "trait": table.names.get(trait, trait), "value": value, "idempotencyKey": idempotency_key})

    async def add_note(self, key: str, body: str, author: str, idempotency_key: str) -> NoteRecord:
        """See `RemoteSource`."""
        writing, row = self._tables.add_note
        _, records, _ = self._tables.notes
        data = await self._write(writing, {"key": key, "body": body, "author": author, "idempotencyKey": idempotency_key})
        note = records(row(data))
        if note is None:
            raise SourceUnavailable(self._source, "The source took the note and did not say what became of it.")
        return note

    async def _write(self, writing: Writing, values: Mapping[str, Any]) -> Any:
        """The data of an answer that holds no error and no refusal."""
        if not writing.document.writable("key", [values["key"]]):
            raise Rejected(Problem("NOT_FOUND", f"{self._name} does not know this person."))
        answer = await self._endpoint.post(writing.document.body(values))
        data = answer.get("data") if isinstance(answer, Mapping) else None
        refused = None if writing.refusal is None else writing.refusal(data)
        if refused not in (None, "", []):
            text = to_text(refused[0] if isinstance(refused, list) else refused)
            raise Rejected(Problem("INVALID", self._said(text)))
        if not isinstance(data, Mapping) or answer.get("errors"):
            log.warning("source.refused", source=self._source, table=writing.where, reason="a mutation with errors")
            raise SourceUnavailable(self._source, "The source answered the change with an error.")
        return data

    def _said(self, text: Any) -> str:
        """A message of the system's, in one line, shown as its own."""
        if not isinstance(text, str):
            return f"{self._name} did not take it."
        line = " ".join("".join(one if one.isprintable() else " " for one in text).split())
        return f"{self._name}: {line if len(line) <= _LONGEST_MESSAGE else line[: _LONGEST_MESSAGE - 1] + '…'}"

    def _failure(self) -> SourceError:
        return SourceUnavailable(self._source, "The source answered with an error for this person.")

    def _lost(self, keys: frozenset[str]) -> dict[str, SourceError]:
        return {key: self._failure() for key in keys}

    def _count(self, table: str, records: Records[Any] | TraitRecords) -> None:
        """Say what could not be read since it was last said."""
        dropped, unreadable = records.taken()
        if dropped or unreadable:
            log.warning("source.unreadable", source=self._source, table=table, rows_dropped=dropped, values_left_out=unreadable)


def _make(definition: Definition) -> GraphQLSource:
    options: Options = definition.options
    key, deadline = definition.key, definition.policy.deadline
    private, ca_file = options.allow_private, options.ca_file
    if not 1024 <= options.max_bytes <= 64 * 1024 * 1024:  # noqa: PLR2004
        raise ConfigurationError("graphql.max_bytes: is from 1024 to 67108864")
    credentials = credentials_of(options.auth, "graphql.auth", key, allow_private=private, ca_file=ca_file, deadline=deadline)
    for header in options.headers:
        if header.lower() in {"authorization", "cookie"}:
            raise ConfigurationError(f"graphql.headers.{header}: a secret does not stand in the file; name where it is kept, under auth")
    api = checked(
        "graphql.url",
        lambda url: Api(
            url,
            source=key,
            headers=options.headers,
            allow_private=private,
            deadline=deadline,
            verify=ca_file,
            max_bytes=options.max_bytes,
        ),
        options.url,
    )
    endpoint = Endpoint(api, credentials)
    tables = Tables(options, "graphql", endpoint)
    for kind in definition.source.kinds:
        if kind not in tables.kinds:
            raise ConfigurationError(f"graphql: kinds names {kind.value}, but there is no table graphql.{_TABLES[kind]}")
    return GraphQLSource(tables, endpoint, definition.source.display_name)


_TABLES: Final = {
    SourceKind.PROFILE: "profile",
    SourceKind.TRAITS: "traits",
    SourceKind.NOTES: "notes",
    SourceKind.ACTIVITY: "items",
    SourceKind.COMPANY: "companies",
    SourceKind.IDENTITY: "find",
}

ADAPTER: Final = Adapter(options=Options, make=_make)
