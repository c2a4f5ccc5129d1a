"""The tables of an HTTP source, checked and compiled: per kind of data the question, and how its rows are read.

Owns what is checked of an operator's tables when the gateway starts, across one table and among them. Made by `rest.source_of`; asked by `rest`.
"""

from __future__ import annotations

import asyncio

from gateway.errors import ConfigurationError
from gateway.model.source import SourceKind
from gateway.sources.adapters.rest_exchange import Exchange
from gateway.sources.adapters.rest_options import Endpoint, Options, Selection, Window, WriteTrait
from gateway.sources.adapters.rest_plan import checked
from gateway.sources.adapters.rest_question import Question
from gateway.sources.adapters.rest_write import Writing
from gateway.sources.addresses import checked_headers, checked_template
from gateway.sources.expressions import Expression
from gateway.sources.mapping import Records, Traits, company_records, item_records, note_records, profile_records
from gateway.sources.remote import CompanyRecord, ItemRecord, NoteRecord, ProfileRecord

__all__ = ["Tables"]

_WINDOW = frozenset({"limit", "since", "until", "order"})


class Tables:
    """What an API can be asked. `kinds`, `writes`: what there are tables for; only those attributes are there.

    Raises:
        ConfigurationError: a table is wrong; the message begins with its name and the key.
    """

    profile: tuple[Question, Records[ProfileRecord], Selection | None]
    traits: tuple[Question, Traits, Selection | None]
    notes: tuple[Question, Records[NoteRecord], bool]
    items: tuple[Question, Records[ItemRecord], Window]
    item: tuple[Question, Records[ItemRecord], Expression | None] | None
    companies: tuple[Question, Records[CompanyRecord]]
    find: dict[str, tuple[Question, Expression]]
    write_trait: tuple[Writing, WriteTrait]
    add_note: tuple[Writing, Expression]

    def __init__(self, options: Options, exchange: Exchange, name: str) -> None:
        self._exchange = exchange
        self._places = asyncio.Semaphore(options.per_key_concurrency)
        checked("headers", checked_headers, options.headers)
        checked("check", checked_template, options.check)
        for header in options.headers:
            if header.lower() in {"authorization", "cookie"}:
                raise ConfigurationError(f"headers.{header}: a secret does not stand in the file; name where it is kept, under auth")
        kinds: set[SourceKind] = set()
        if (profile := options.profile) is not None:
            where = "profile"
            question = self._question(profile, where, selection=profile.selection)
            self.profile = question, profile_records(profile.record, f"{where}.record"), profile.selection
            kinds.add(SourceKind.PROFILE)
        if (traits := options.traits) is not None:
            where = "traits"
            question = self._question(traits, where, selection=traits.selection)
            mapped = Traits(traits.record, f"{where}.record", every=traits.every, observed_at=traits.observed_at)
            if "fields" in question.used and mapped.names is None and not (traits.selection and traits.selection.names):
                raise ConfigurationError(f"{where}.selection.names: {{fields}} needs the names of all there are; `every` does not say them")
            self.traits = question, mapped, traits.selection
            kinds.add(SourceKind.TRAITS)
        if (notes := options.notes) is not None:
            where = "notes"
            question = self._question(notes, where, frozenset({"limit"}))
            self.notes = question, note_records(notes.record, f"{where}.record"), notes.newest_first
            kinds.add(SourceKind.NOTES)
        if (companies := options.companies) is not None:
            where = "companies"
            self.companies = self._question(companies, where), company_records(companies.record, f"{where}.record")
            kinds.add(SourceKind.COMPANY)
        self._activity(options, kinds)
        self.find = {}
        for kind, find in options.find.items():
            where = f"find.{kind}"
            self.find[kind] = self._question(find, where, one="value"), Expression(find.person, f"{where}.person")
            kinds.add(SourceKind.IDENTITY)
        self.kinds = frozenset(kinds)
        self.writes = self._writes(options, name)

    def _activity(self, options: Options, kinds: set[SourceKind]) -> None:
        self.item = None
        if (items := options.items) is not None:
            where = "items"
            window = items.window
            if window.most < 1:
                raise ConfigurationError(f"{where}.window.most: is 1 or more")
            question = self._question(items, where, _WINDOW)
            if window.sorted == "as asked" and window.order is None and "order" not in question.used:
                raise ConfigurationError(f"{where}.window.sorted: nothing asks for an order; use {{order}} or window.order")
            self.items = question, item_records(items.record, f"{where}.record"), window
            kinds.add(SourceKind.ACTIVITY)
        if (item := options.item) is not None:
            where = "item"
            record = item.record or (options.items.record if options.items is not None else {})
            question = self._question(item, where, frozenset({"key"}), one="item")
            if item.person is None and "key" not in question.used:
                raise ConfigurationError(
                    f"{where}.person: is missing; it says whose item it is, so that nobody's is shown with somebody else"
                )
            person = None if item.person is None else Expression(item.person, f"{where}.person")
            self.item = question, item_records(record, f"{where}.record"), person

    def _writes(self, options: Options, name: str) -> frozenset[SourceKind]:
        writes: set[SourceKind] = set()
        if (write := options.write_trait) is not None:
            where = "write_trait"
            if options.traits is None:
                raise ConfigurationError(f"{where}: traits that are written have to be read: there is no table traits")
            writing = Writing(write, where, self._exchange, frozenset({"key", "trait", "value"}), name)
            self.write_trait = writing, write
            writes.add(SourceKind.TRAITS)
        if (note := options.add_note) is not None:
            where = "add_note"
            if options.notes is None:
                raise ConfigurationError(f"{where}: notes that are written have to be read: there is no table notes")
            writing = Writing(note, where, self._exchange, frozenset({"key", "body", "author"}), name)
            self.add_note = writing, Expression(note.row, f"{where}.row")
            writes.add(SourceKind.NOTES)
        return frozenset(writes)

    def _question(
        self,
        endpoint: Endpoint,
        where: str,
        slots: frozenset[str] = frozenset(),
        *,
        one: str = "key",
        selection: Selection | None = None,
    ) -> Question:
        question = Question(
            endpoint, where, self._exchange, self._places, one, slots | ({"fields"} if selection is not None else frozenset())
        )
        if selection is not None and (selection.param is None) is ("fields" not in question.used):
            raise ConfigurationError(f"{where}.selection: names travel in one place: selection.param, or {{fields}} in a template")
        return question
