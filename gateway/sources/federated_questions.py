"""What is asked of a system elsewhere: for each kind of data the call, the topic its answers are kept under, and what an answer must be.

Must not ask itself, nor make values of the model. Called by `federated`; asked by `federated_reading`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from gateway.errors import SourceError
from gateway.model.source import SourceKind
from gateway.sources.contract import LookupKey
from gateway.sources.federated_reading import Drops, Question, usable
from gateway.sources.federated_records import (
    Unusable,
    checked_company,
    checked_item,
    checked_key,
    checked_note,
    checked_profile,
    checked_trait,
)
from gateway.sources.kept import Topic
from gateway.sources.remote import CompanyRecord, ItemPage, ItemRecord, ItemWindow, NoteRecord, RemoteSource, TraitRecord

__all__ = ["MAX_NOTES", "Questions"]

MAX_NOTES: Final = 100
"""Notes of a person that are asked for: the newest."""

_NOBODY: Final = ItemPage((), is_complete=True)


class Questions:
    """To one system."""

    def __init__(self, remote: RemoteSource) -> None:
        self._remote = remote

    def fields(self, workspace: UUID, wanted: frozenset[str] | None) -> Question:
        """Fields of profiles. An answer: values by name."""

        def check(_key: Any, said: Any, _drops: Drops) -> Mapping[str, Any]:
            return checked_profile(said)

        all_of_it = Topic(workspace, "fields")
        topic = Topic(workspace, "fields", wanted)
        return Question(SourceKind.PROFILE, topic, lambda keys: self._remote.profiles(keys, wanted), check, {}, all_of_it)

    def traits(self, workspace: UUID, wanted: frozenset[str] | None) -> Question:
        """Facts. An answer: their records."""
        all_of_it = Topic(workspace, "traits")
        topic = Topic(workspace, "traits", wanted)
        check = usable(checked_trait, _trait_name)
        return Question(SourceKind.TRAITS, topic, lambda keys: self._remote.traits(keys, wanted), check, (), all_of_it)

    def notes(self, workspace: UUID) -> Question:
        """Notes, the same ones whatever part of them is shown. An answer: their records."""
        check = usable(checked_note, _note_name)
        return Question(SourceKind.NOTES, Topic(workspace, "notes"), lambda keys: self._remote.notes(keys, MAX_NOTES), check)

    def items(self, workspace: UUID, window: ItemWindow) -> Question:
        """What happened. An answer: a page."""
        check_all = usable(checked_item, _item_name)

        def check(key: Any, said: Any, drops: Drops) -> ItemPage:
            if not isinstance(said, ItemPage):
                raise Unusable(type(said).__name__)
            return ItemPage(check_all(key, said.items, drops), bool(said.is_complete))

        topic = Topic(workspace, "items", window)
        return Question(SourceKind.ACTIVITY, topic, lambda keys: self._remote.items(keys, window), check, _NOBODY)

    def item(self, workspace: UUID) -> Question:
        """What happened, by (person's key, item's id). An answer: its record, or None."""

        def check(key: Any, said: Any, drops: Drops) -> ItemRecord | None:
            try:
                record = checked_item(said)
                if record.id != key[1]:
                    raise Unusable("id")  # noqa: TRY301  # another one than was asked for
            except Unusable as error:
                drops.add(str(error))
                return None
            return record

        return Question(SourceKind.ACTIVITY, Topic(workspace, "item"), self._remote.items_by_id, check, None)

    def companies(self, workspace: UUID) -> Question:
        """Companies. An answer: their records."""
        check = usable(checked_company, _company_name)
        return Question(SourceKind.COMPANY, Topic(workspace, "companies"), self._remote.companies, check)

    def find(self, workspace: UUID) -> Question:
        """Whom the system knows by values. An answer: its keys of them."""

        async def ask(keys: Sequence[LookupKey]) -> Mapping[LookupKey, Sequence[str] | SourceError]:
            return await self._remote.find(keys)

        return Question(SourceKind.IDENTITY, Topic(workspace, "find"), ask, usable(checked_key, str))


def _trait_name(record: TraitRecord) -> tuple[str, object]:
    return record.key, record.observed_at  # of two that differ in age the later one is taken


def _note_name(record: NoteRecord) -> str:
    return record.id


def _item_name(record: ItemRecord) -> str:
    return record.id


def _company_name(record: CompanyRecord) -> str:
    return record.id
