"""The tables of a GraphQL source, checked and compiled: per kind of data the document, and how its rows are read.

Owns what is checked of an operator's tables when the gateway starts. Made and asked by `graphql`.
"""

from __future__ import annotations

from dataclasses import dataclass

from gateway.errors import ConfigurationError
from gateway.model.source import SourceKind
from gateway.sources.adapters.graphql_document import Document
from gateway.sources.adapters.graphql_options import Mutation, Options, WriteTrait
from gateway.sources.adapters.graphql_question import Endpoint, Question
from gateway.sources.adapters.rest_options import Window
from gateway.sources.expressions import Expression
from gateway.sources.mapping import Records, Traits, company_records, item_records, note_records, profile_records
from gateway.sources.remote import CompanyRecord, ItemRecord, NoteRecord, ProfileRecord

__all__ = ["Tables", "Writing"]

_FIELDS = frozenset({"fields"})
_WINDOW = frozenset({"limit", "since", "until", "order", "newestFirst"})


@dataclass(frozen=True, slots=True)
class Writing:
    """A mutation, checked."""

    where: str
    document: Document
    refusal: Expression | None


class Tables:
    """What an API can be asked. `kinds`, `writes`: what there are tables for; only those attributes are there.

    Raises:
        ConfigurationError: a table is wrong; the message begins with its name and the key.
    """

    profile: tuple[Question, Records[ProfileRecord]]
    traits: tuple[Question, Traits]
    notes: tuple[Question, Records[NoteRecord], bool]
    items: tuple[Question, Records[ItemRecord], Window]
    item: tuple[Question, Records[ItemRecord], Expression] | None
    companies: tuple[Question, Records[CompanyRecord]]
    find: dict[str, tuple[Question, Expression]]
    write_trait: tuple[Writing, WriteTrait]
    add_note: tuple[Writing, Expression]

    def __init__(self, options: Options, table: str, endpoint: Endpoint) -> None:
        kinds: set[SourceKind] = set()
        if (profile := options.profile) is not None:
            where = f"{table}.profile"
            self.profile = Question(profile, where, endpoint, _FIELDS), profile_records(profile.record, f"{where}.record")
            kinds.add(SourceKind.PROFILE)
        if (traits := options.traits) is not None:
            where = f"{table}.traits"
            read = Traits(traits.record, f"{where}.record", every=traits.every, observed_at=traits.observed_at)
            self.traits = Question(traits, where, endpoint, _FIELDS), read
            kinds.add(SourceKind.TRAITS)
        if (notes := options.notes) is not None:
            where = f"{table}.notes"
            question = Question(notes, where, endpoint, frozenset({"limit"}))
            self.notes = question, note_records(notes.record, f"{where}.record"), notes.newest_first
            kinds.add(SourceKind.NOTES)
        if (companies := options.companies) is not None:
            where = f"{table}.companies"
            self.companies = Question(companies, where, endpoint), company_records(companies.record, f"{where}.record")
            kinds.add(SourceKind.COMPANY)
        self._activity(options, table, endpoint, kinds)
        self.find = {}
        for kind, find in options.find.items():
            where = f"{table}.find.{kind}"
            self.find[kind] = Question(find, where, endpoint, by="values"), Expression(find.person, f"{where}.person")
            kinds.add(SourceKind.IDENTITY)
        self.kinds = frozenset(kinds)
        self.writes = self._writes(options, table)

    def _activity(self, options: Options, table: str, endpoint: Endpoint, kinds: set[SourceKind]) -> None:
        self.item = None
        if (items := options.items) is not None:
            where = f"{table}.items"
            if items.most < 1:
                raise ConfigurationError(f"{where}.most: is 1 or more")
            question = Question(items, where, endpoint, _WINDOW)
            if items.sorted == "as asked" and not question.document.declared & {"order", "newestFirst"}:
                raise ConfigurationError(f"{where}.sorted: the document asks for no order; declare $order or $newestFirst in it")
            window = Window(times=items.times, sorted=items.sorted, most=items.most, ascending=items.ascending, descending=items.descending)
            self.items = question, item_records(items.record, f"{where}.record"), window
            kinds.add(SourceKind.ACTIVITY)
        if (item := options.item) is not None:
            where = f"{table}.item"
            record = item.record or (options.items.record if options.items is not None else {})
            question = Question(item, where, endpoint, frozenset({"keys"}), by="ids")
            self.item = question, item_records(record, f"{where}.record"), Expression(item.person, f"{where}.person")

    def _writes(self, options: Options, table: str) -> frozenset[SourceKind]:
        writes: set[SourceKind] = set()
        if (write := options.write_trait) is not None:
            where = f"{table}.write_trait"
            if options.traits is None:
                raise ConfigurationError(f"{where}: traits that are written have to be read: there is no table {table}.traits")
            self.write_trait = _writing(write, where, frozenset({"trait", "value"})), write
            writes.add(SourceKind.TRAITS)
        if (note := options.add_note) is not None:
            where = f"{table}.add_note"
            if options.notes is None:
                raise ConfigurationError(f"{where}: notes that are written have to be read: there is no table {table}.notes")
            self.add_note = _writing(note, where, frozenset({"body", "author"})), Expression(note.row, f"{where}.row")
            writes.add(SourceKind.NOTES)
        return frozenset(writes)


def _writing(table: Mutation, where: str, known: frozenset[str]) -> Writing:
    known |= {"key", "idempotencyKey"}
    document = Document(table.document, where, known=known, needed="key", variables=table.variables, mutation=True)
    return Writing(where, document, None if table.refusal is None else Expression(table.refusal, f"{where}.refusal"))
