"""One suite, every source: `load` puts the same data into each implementation of the contract and gives back the source that serves it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from typing import Any
from uuid import UUID

import pytest

from gateway.identity import lookup_key
from gateway.model.activity import ChangeItem, Interaction, InterestTriggered, Message, NoteItem, TimelineItem
from gateway.model.actor import Actor
from gateway.model.company import CompanyMembership
from gateway.model.note import Note
from gateway.model.profile import Profile
from gateway.model.trait import TraitFact
from gateway.sources.contract import Contacts
from gateway.sources.memory import MemoryData, MemorySource
from gateway.sources.native import NativeSource
from gateway.sources.registry import BUILT_IN, describer
from gateway.storage.database import Database

__all__: list[str] = []

Row = tuple[str, dict[str, Any]]
"""A table, and the values of one row by column."""


@pytest.fixture(name="load", params=["memory", "native"])
def _load(request: pytest.FixtureRequest) -> Callable[[MemoryData], Awaitable[object]]:
    """A function from data to the source under test: the memory source itself, or the native one over tables that hold the same."""
    if request.param == "memory":

        async def keep(data: MemoryData) -> MemorySource:
            return MemorySource(BUILT_IN[0], data)

        return keep

    database: Database = request.getfixturevalue("database")

    async def write(data: MemoryData) -> NativeSource:
        tables: dict[str, list[dict[str, Any]]] = {}
        for workspace in data._workspaces:
            for table, row in _rows(data, workspace):
                tables.setdefault(table, []).append({"workspace_id": workspace, **row})
        async with database.transaction() as connection:
            for table, rows in tables.items():
                await connection.copy_records_to_table(table, records=[tuple(row.values()) for row in rows], columns=list(rows[0]))
        return NativeSource(database, BUILT_IN[0].key, describer({source.key: source for source in BUILT_IN}))

    return write


def _rows(data: MemoryData, workspace: UUID) -> Iterator[Row]:
    known = data.of(workspace)
    for profile in known.profiles.values():
        yield from _profile(profile)
    for profile_id, contacts in known.contacts.items():
        yield from _contacts(profile_id, contacts)
    for profile_id, facts in known.traits.items():
        yield from (_trait(profile_id, fact) for fact in facts.values())
    for notes in known.notes.values():
        yield from map(_note, notes.values())
    for company in known.companies.values():
        named = {"natural_key": f"name:{company.company_id}", "name": company.name, "domain": company.domain}
        yield "company", {"id": company.company_id, "version": company.version, **named}
    for profile_id, members in known.memberships.items():
        yield from (_member(profile_id, member) for member in members.values())
    for items in known.items.values():
        yield from map(_item, items.values())


def _profile(profile: Profile) -> Iterator[Row]:
    same = ("first_name", "middle_name", "last_name", "avatar_url", "locale", "time_zone", "birth_date", "customer_since")
    row = {name: getattr(profile, name) for name in ("version", *same, "created_at", "updated_at")}
    yield "profile", {"id": profile.profile_id, "status": profile.status.value, "lifecycle": profile.lifecycle.value, **row}
    yield "stream_head", {"stream_id": profile.profile_id, "epoch": profile.position.epoch, "head": profile.position.seq}


def _contacts(profile_id: UUID, contacts: Contacts) -> Iterator[Row]:
    lookups: dict[tuple[str, str], bool] = {}
    for point in contacts.points:
        assert point.source is not None
        row = {name: getattr(point, name) for name in ("custom_channel", "raw", "normalized", "label", "is_primary", "is_verified")}
        whose = {"profile_id": profile_id, "id": point.point_id}
        yield "contact_point", {**whose, "channel": point.channel.value, "source": point.source.key, **row}
        lookups[lookup_key(point.channel, point.custom_channel), point.normalized] = False
    for one in contacts.identifiers:
        assert one.source is not None
        row = {name: getattr(one, name) for name in ("type", "raw", "normalized", "is_verified", "added_at")}
        yield "identifier", {"profile_id": profile_id, "id": one.identifier_id, "source": one.source.key, **row}
        lookups[one.type, one.normalized] = True
    for (key, value), exclusive in lookups.items():
        yield "lookup", {"key": key, "value": value, "profile_id": profile_id, "exclusive": exclusive}


def _trait(profile_id: UUID, fact: TraitFact) -> Row:
    where = fact.provenance
    said = {"key": fact.key, "value": fact.value, "kind": fact.kind.value, "category": fact.category, "confidence": fact.confidence}
    known = {name: getattr(where, name) for name in ("computed_from", "model", "observed_at", "expires_at")}
    return "trait", {"profile_id": profile_id, "source": where.source.key, **said, **known, **_person("actor", where.actor)}


def _note(note: Note) -> Row:
    row = {name: getattr(note, name) for name in ("version", "body", "is_pinned", "created_at", "updated_at", "contact_id")}
    return "note", {"profile_id": note.profile_id, "id": note.note_id, **row, **_person("author", note.author)}


def _person(role: str, who: Actor | None) -> dict[str, str | None]:
    values = (who.id, who.display_name, who.kind.value) if who else (None, None, None)
    return dict(zip((f"{role}_id", f"{role}_name", f"{role}_kind"), values, strict=True))


def _member(profile_id: UUID, member: CompanyMembership) -> Row:
    place = {"role": member.role, "is_main": member.is_main, "since": member.since}
    return "membership", {"profile_id": profile_id, "company_id": member.company.company_id, **place}


def _item(item: TimelineItem) -> Row:
    assert not isinstance(item, NoteItem), "put the note; its item is there by itself"
    if isinstance(item, ChangeItem):
        return _change(item)
    row: dict[str, Any] = {name: getattr(item, name) for name in ("profile_id", "occurred_at", "type", "account")}
    row |= {"id": UUID(hex=item.native_id), "source": item.source.key, "kind": item.kind.value, "channel": None, "direction": None}
    if isinstance(item, Interaction | Message):
        row |= {"channel": item.channel.value, "direction": item.direction.value}
    return "activity", {**row, "detail": _detail(item)}


def _change(item: ChangeItem) -> Row:
    entry = item.change
    fields = [{"field": one.field, "before": one.before, "after": one.after, "as": one.shown_as} for one in entry.fields]
    row = {"profile_id": entry.profile_id, "id": entry.change_id, "at": entry.at, "action": entry.action.value, "fields": fields}
    return "change", {**row, "reason": entry.reason, **_person("actor", entry.actor)}


def _detail(item: Any) -> dict[str, Any]:
    if isinstance(item, Message):
        return {name: getattr(item, name) for name in ("text", "conversation", "interaction", "author")}
    if isinstance(item, InterestTriggered):
        return {name: getattr(item, name) for name in ("topic", "category", "score")}
    if not isinstance(item, Interaction):
        properties: dict[str, Any] = item.properties
        return properties
    done = item.wrap_up
    return {
        "endedAt": item.ended_at,
        "queue": item.queue,
        "agent": item.agent and {"id": item.agent.id, "name": item.agent.display_name},
        "outcome": item.outcome,
        "summary": item.summary,
        "wrapUp": done
        and {"notes": done.notes, "topic": done.topic, "dispositionCode": done.disposition_code, "completedAt": done.completed_at},
        "sentiment": item.sentiment and item.sentiment.value,
        "attributes": item.attributes,
        "measures": item.measures,
        "recordingUrl": item.recording_url,
        "conversation": item.conversation,
        "parent": item.parent,
        "contact": item.contact,
        "notRecorded": item.not_recorded,
        "customChannel": item.custom_channel,
    }
