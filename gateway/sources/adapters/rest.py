"""Any HTTP API that answers JSON, described by tables: which request for which kind of data, and where in an answer what stands.

Owns the source that is made of these tables (`rest_options`), and puts together what the modules `rest_*` do: `rest_question` asks, `mapping` reads,
`rest_items` says what may be said of a part. Keeps answers for moments only, and forgets them on `forget`. Presets (`segment`) make their tables
and use `source_of`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import structlog

from gateway.errors import ConfigurationError, Problem, Rejected, SourceError, SourceUnavailable
from gateway.sources.adapters.rest_exchange import Exchange
from gateway.sources.adapters.rest_items import ItemSink, NoteSink, TooMuch, asked_window, is_sorted, too_much
from gateway.sources.adapters.rest_options import Options, Selection
from gateway.sources.adapters.rest_plan import Asked, Keys, checked, fields_of
from gateway.sources.adapters.rest_question import Question, Sink, raise_if_all_failed
from gateway.sources.adapters.rest_tables import Tables
from gateway.sources.adapters.rest_upstream import Api, credentials_of
from gateway.sources.addresses import checked_base_url, checked_headers
from gateway.sources.contract import MOST_OWNERS, LookupKey
from gateway.sources.conversions import UNREADABLE, to_id
from gateway.sources.definition import Adapter, Definition
from gateway.sources.http import Refused
from gateway.sources.mapping import Records, Traits
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

__all__ = ["ADAPTER", "RestSource", "source_of"]


_LONGEST_PAUSE = 60.0
"""Seconds that the source is left alone at most when it asks for a pause; then it may say so again."""

R = TypeVar("R")
log = structlog.get_logger()


class RestSource(RemoteAdapter):
    """One API. Made by `source_of`."""

    def __init__(self, options: Options, tables: Tables, exchange: Exchange, name: str) -> None:
        self._options = options
        self._tables = tables
        self._exchange = exchange
        self._source = exchange.source
        self._name = name
        self.capabilities = Capabilities(tables.kinds, tables.writes)

    async def close(self) -> None:
        """See `RemoteSource`."""
        await self._exchange.close()

    def forget(self, keys: Sequence[str] | None = None) -> None:
        """Take nothing about these people from memory any more: something changed (None: about anybody)."""
        for key in [None] if keys is None else keys:
            self._exchange.forget(key)

    async def check(self) -> str:
        """See `RemoteSource`."""
        started = time.perf_counter()
        try:
            status = (await self._exchange.write(Asked("GET", self._options.check))).status
        except Refused as error:
            if error.status in {401, 403}:
                raise SourceUnavailable(self._source, f"The source does not take the credentials (HTTP {error.status}).") from None
            if error.status >= 400:  # noqa: PLR2004  # a redirect (to a page where people sign in) is an answer too
                raise
            status = error.status
        return f"HTTP {status} in {round((time.perf_counter() - started) * 1000)} ms"

    async def profiles(self, keys: Sequence[str], fields: frozenset[str] | None) -> Mapping[str, ProfileRecord | SourceError]:
        """See `RemoteSource`."""
        question, records, selection = self._tables.profile
        if fields is not None and not fields & records.names:
            return {}
        answers = await self._ask(question, keys, "PROFILE", *_selected(selection, fields, records.names))
        read = self._read(answers, lambda rows: _of_rows(rows, records))
        self._count("profile", records)
        return {
            key: one
            if isinstance(one, SourceError)
            else ProfileRecord({field: value for field, value in one.values.items() if fields is None or field in fields})
            for key, one in read.items()
            if one is not None
        }

    async def traits(self, keys: Sequence[str], wanted: frozenset[str] | None) -> Mapping[str, Sequence[TraitRecord] | SourceError]:
        """See `RemoteSource`."""
        question, records, selection = self._tables.traits
        if wanted is not None and records.names is not None and not wanted & records.names:
            return {}
        answers = await self._ask(question, keys, "TRAITS", *_selected(selection, wanted, records.names))
        read = self._read(answers, lambda rows: [*{trait.key: trait for row in reversed(rows) for trait in records(row, wanted)}.values()])
        self._count("traits", records)
        return read

    async def companies(self, keys: Sequence[str]) -> Mapping[str, Sequence[CompanyRecord] | SourceError]:
        """See `RemoteSource`."""
        question, records = self._tables.companies
        answers = await self._ask(question, keys, "COMPANY")
        read = self._read(answers, lambda rows: [*{one.id: one for row in rows if (one := records(row)) is not None}.values()])
        self._count("companies", records)
        return read

    async def notes(self, keys: Sequence[str], limit: int) -> Mapping[str, Sequence[NoteRecord] | SourceError]:
        """See `RemoteSource`."""
        question, records, newest_first = self._tables.notes
        rows = limit if question.asks_one else limit * len(keys)
        size = rows if question.uses("limit") else None
        answers = await question.ask(
            keys, "NOTES", lambda names: NoteSink(names, limit, records, is_sorted=newest_first), {"limit": rows}, most=size
        )
        found: dict[str, Sequence[NoteRecord] | SourceError] = {}
        for names, sink in answers:
            if isinstance(sink, SourceError):
                found |= dict.fromkeys(names, sink)
            else:
                known = {*names, *sink.notes} if question.asks_one and not sink.is_absent else sink.notes if sink.is_complete else names
                found |= {name: sink.newest(name, self._source) for name in [*known]}
        self._count("notes", records)
        return found

    async def items(self, keys: Sequence[str], window: ItemWindow) -> Mapping[str, ItemPage | SourceError]:
        """See `RemoteSource`."""
        found = await self._items(keys, window, wide=False)
        question, _, table = self._tables.items
        short = [key for key, page in found.items() if isinstance(page, TooMuch)]
        if short and window.limit + 1 < table.most and (table.limit is not None or question.uses("limit")):
            found |= await self._items(short, window, wide=True)  # more of one moment than the few rows that were asked for
        return found

    async def _items(self, keys: Sequence[str], window: ItemWindow, *, wide: bool) -> dict[str, ItemPage | SourceError]:
        question, records, table = self._tables.items
        values, more, rows = asked_window(table, window, 1 if question.asks_one else len(keys), wide=wide)
        size = rows if table.limit is not None or question.uses("limit") else None
        sorted_so = is_sorted(table, window)
        answers = await question.ask(
            keys,
            "ACTIVITY",
            lambda names: ItemSink(names, window, records, is_sorted=sorted_so),
            values,
            more,
            size=size if table.limit_means == "page" else None,
            most=size if table.limit_means == "all" else None,
        )
        found: dict[str, ItemPage | SourceError] = {}
        for names, sink in answers:
            if isinstance(sink, SourceError):
                found |= dict.fromkeys(names, sink)
                continue
            known = {*names, *sink.heard} if question.asks_one and not sink.is_absent else sink.heard if sink.is_complete else {*names}
            found |= {name: sink.page(name, self._source) for name in known}
        self._count("items", records)
        return found

    async def items_by_id(self, refs: Sequence[tuple[str, str]]) -> Mapping[tuple[str, str], ItemRecord | SourceError]:
        """See `RemoteSource`."""
        if self._tables.item is None:
            return await super().items_by_id(refs)
        question, records, person = self._tables.item
        found: dict[tuple[str, str], ItemRecord | SourceError] = {}
        if question.asks_one:
            sinks = await asyncio.gather(*(question.about([item], "ACTIVITY", Sink([item]), {"key": key}) for key, item in refs))
            raise_if_all_failed(sinks)
            answers = [([ref], sink) for ref, sink in zip(refs, sinks, strict=True)]
        else:
            asked = await question.ask([item for _, item in refs], "ACTIVITY", Sink, {})
            answers = [([ref for ref in refs if ref[1] in names], sink) for names, sink in asked]
        for group, sink in answers:
            for key, item in group:
                if isinstance(sink, SourceError):
                    found[key, item] = sink
                    continue
                for row in sink.rows.get(item, ()):
                    record = records(row)
                    if record is not None and record.id == item and (person is None or to_id(person(row)) == key):
                        found[key, item] = record
        self._count("item", records)
        return found

    async def find(self, lookups: Sequence[LookupKey]) -> Mapping[LookupKey, Sequence[str] | SourceError]:
        """See `RemoteSource`."""
        kinds = [kind for kind in dict.fromkeys(one.key for one in lookups) if kind in self._tables.find]
        found = await asyncio.gather(*(self._find(kind, [one.value for one in lookups if one.key == kind]) for kind in kinds))
        raise_if_all_failed([one for owners in found for one in owners.values()])
        return {LookupKey(kind, value): keys for kind, owners in zip(kinds, found, strict=True) for value, keys in owners.items()}

    async def _find(self, kind: str, values: Sequence[str]) -> Mapping[str, Sequence[str] | SourceError]:
        question, person = self._tables.find[kind]

        def owners(rows: Sequence[Any]) -> Sequence[str]:
            keys = (to_id(person(row)) for row in rows)
            return sorted({key for key in keys if key is not UNREADABLE})[:MOST_OWNERS]

        try:
            read = self._read(await self._ask(question, values, "IDENTITY"), owners)
        except SourceError as error:
            return dict.fromkeys(values, error)
        return {value: read[value] for value in values if value in read}  # a row with another value is no exact match

    async def write_trait(self, key: str, trait: str, value: Any, idempotency_key: str) -> None:
        """See `RemoteSource`."""
        writing, table = self._tables.write_trait
        if table.only is not None and trait not in table.only:
            raise Rejected(Problem("READ_ONLY", f"{self._name} does not let this be written from here."))
        await writing.send({"key": key, "trait": table.names.get(trait, trait), "value": value}, idempotency_key)

    async def add_note(self, key: str, body: str, author: str, idempotency_key: str) -> NoteRecord:
        """See `RemoteSource`."""
        writing, row = self._tables.add_note
        _, records, _ = self._tables.notes
        note = records(row(await writing.send({"key": key, "body": body, "author": author}, idempotency_key)))
        if note is None:
            raise SourceUnavailable(self._source, "The source took the note and did not say what became of it.")
        return note

    async def _ask(
        self,
        question: Question,
        names: Sequence[str],
        kind: str,
        values: Mapping[str, Any] | None = None,
        more: Sequence[tuple[str, Any]] = (),
    ) -> list[tuple[Sequence[str], Sink | SourceError]]:
        return await question.ask(names, kind, Sink, values or {}, more)

    def _read(
        self, answers: Sequence[tuple[Sequence[str], Sink | SourceError]], read: Callable[[Sequence[Any]], R]
    ) -> dict[str, R | SourceError]:
        """By name what is read of its rows; all rows of a name have to be there."""
        found: dict[str, R | SourceError] = {}
        for names, sink in answers:
            if isinstance(sink, SourceError):
                found |= dict.fromkeys(names, sink)
            elif not sink.is_complete:
                found |= dict.fromkeys(names, too_much(self._source))
            else:
                found |= {name: read(rows) for name, rows in sink.rows.items()}
        return found

    def _count(self, table: str, records: Records[Any] | Traits) -> None:
        """Say what could not be read since it was last said."""
        dropped, unreadable = records.taken()
        if dropped or unreadable:
            log.warning("source.unreadable", source=self._source, table=table, rows_dropped=dropped, values_left_out=unreadable)


def _of_rows(rows: Sequence[Any], records: Records[ProfileRecord]) -> ProfileRecord | None:
    """One person of one row, or of several (pages of facts): the first that knows a field says it."""
    read = [record for row in rows if (record := records(row)) is not None]
    return ProfileRecord({name: value for record in reversed(read) for name, value in record.values.items()}) if read else None


def _selected(
    selection: Selection | None, wanted: frozenset[str] | None, known: frozenset[str] | None
) -> tuple[dict[str, Any], list[tuple[str, Any]]]:
    """(values, parameters) that carry the names of what is wanted."""
    if selection is None:
        return {}, []
    names = fields_of(selection, wanted, known)
    if names is None:
        return {}, []
    fields = Keys(names, selection.join)
    return {"fields": fields}, [] if selection.param is None or wanted is None else [(selection.param, fields)]


def source_of(definition: Definition, options: Options) -> RestSource:
    """The source that these options describe.

    Raises:
        ConfigurationError: they do not describe one; the message begins with the key that is wrong ("profile.path: …").
    """
    policy, key = definition.policy, definition.key
    for name, value, least, most in (
        ("share", options.share, 0, 60),
        ("most_fresh", options.most_fresh, 0, 3600),
        ("kept", options.kept, 0, 10_000),
        ("per_key_concurrency", options.per_key_concurrency, 1, 64),
    ):
        if not least <= value <= most:
            raise ConfigurationError(f"{name}: is from {least} to {most}")
    checked("base_url", lambda url: checked_base_url(url, allow_private=options.allow_private), options.base_url)
    checked("headers", checked_headers, options.headers)
    credentials = credentials_of(
        options.auth, "auth", key, allow_private=options.allow_private, ca_file=options.ca_file, deadline=policy.deadline
    )
    api = checked(
        "ca_file",
        lambda file: Api(
            options.base_url,
            source=key,
            headers=options.headers,
            allow_private=options.allow_private,
            deadline=policy.deadline,
            verify=file,
        ),
        options.ca_file,
    )
    exchange = Exchange(
        api, credentials, share=options.share, most_fresh=options.most_fresh, kept=options.kept, longest_pause=_LONGEST_PAUSE
    )
    tables = Tables(options, exchange, definition.source.display_name)
    return RestSource(options, tables, exchange, definition.source.display_name)


def _make(definition: Definition) -> RestSource:
    return source_of(definition, definition.options)


ADAPTER = Adapter(options=Options, make=_make)
