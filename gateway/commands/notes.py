"""Add, change and delete notes. Everyone reads them; the author, or a supervisor, changes them.

Called by resolvers' mutations through `Commands`.
"""

from __future__ import annotations

from uuid import UUID

from gateway.auth.policy import Action, may_edit_note, readable_contact, require
from gateway.auth.principal import Principal
from gateway.commands.denied import refuse_denied
from gateway.commands.profiles import stale
from gateway.commands.standing import absent
from gateway.commands.unit import Idempotency, Receipt, Unit, Writer
from gateway.commands.validation import Problems
from gateway.commands.written_through import WrittenThrough
from gateway.errors import Problem, Rejected
from gateway.model.audit import ChangeAction, FieldChange
from gateway.model.ids import uuid7
from gateway.model.note import MAX_NOTE_BYTES, Note
from gateway.model.source import Source
from gateway.records.contacts import contact_of
from gateway.sources.native import note_of, profile_of
from gateway.storage.queries import SQL

__all__ = ["add_note", "delete_note", "update_note"]


async def add_note(
    writer: Writer,
    principal: Principal,
    profile_id: UUID,
    body: str,
    *,
    is_pinned: bool,
    idempotency: Idempotency | None,
    contact_id: UUID | None = None,
    through: WrittenThrough | None = None,
) -> Receipt:
    """A new note on a profile; the receipt's entity is the note. `contact_id`: the contact during which it is written.

    `through`: where notes may live elsewhere; a note that does has no pin, and nothing keeps which contact it belongs to.

    Raises:
        Forbidden: without `note:write`.
        Rejected: NOT_FOUND (the profile, or a contact that the principal can see), REQUIRED, INVALID (16 KiB at most) or SENSITIVE_DATA_REJECTED.
            Of a system that keeps notes also SOURCE_UNAVAILABLE.
        OutcomeUnknown: that system did not say whether it added the note.
    """
    require(principal, Action.ADD_NOTE)
    text = _checked(body)
    actor = principal.actor

    async def look(unit: Unit) -> Receipt:
        refuse_denied(unit.configuration, text, "input", "body")
        if contact_id is not None:
            await _seen_contact(unit, contact_id)
        if await unit.fetchrow("lock_profile", profile_id) is None:
            raise await absent(unit, profile_id, "input", "profileId")
        return Receipt(profile_id)

    system = None if through is None else through.notes_system(principal.workspace_key)
    if through is not None and system is not None:
        if is_pinned:
            message = f"Notes are kept in {system.definition.source.display_name}, where none is pinned."
            raise Rejected(Problem("INVALID", message, ("input", "isPinned")))
        await writer.run(principal, look)
        return await through.add_note(principal, system, profile_id, text, idempotency)

    async def work(unit: Unit) -> Receipt:
        refuse_denied(unit.configuration, text, "input", "body")
        if contact_id is not None:
            await _seen_contact(unit, contact_id)
        note_id = uuid7()
        author = actor.id, actor.display_name, actor.kind.value
        if await unit.fetchrow("insert_note", profile_id, note_id, text, is_pinned, *author, contact_id) is None:
            raise await absent(unit, profile_id, "input", "profileId")
        unit.profile_changed(profile_id, "notes", item_id=note_id)
        return Receipt(profile_id, note_id)

    return await writer.run(principal, work, idempotency)


async def update_note(
    writer: Writer,
    principal: Principal,
    source: Source,
    ref: tuple[UUID, UUID],
    *,
    body: str | None,
    is_pinned: bool | None,
    expected_version: int | None,
) -> Receipt:
    """Change one's own note; None keeps, and what is the same already is no change.

    Raises:
        Rejected: NOT_FOUND, NOT_YOUR_NOTE, STALE_VERSION (with the note as it is), REQUIRED, INVALID or SENSITIVE_DATA_REJECTED.
    """
    require(principal, Action.ADD_NOTE)
    text = None if body is None else _checked(body)

    async def work(unit: Unit) -> Receipt:
        refuse_denied(unit.configuration, text, "input", "body")
        note = await _own_note(unit, ref, source, "input", "id")
        if expected_version is not None and note.version != expected_version:
            raise Rejected(stale(note, note.version))
        if text in {None, note.body} and is_pinned in {None, note.is_pinned}:
            profile = await unit.fetchrow("lock_profile", ref[0])
            return Receipt(*ref, None if profile is None else profile_of(profile).position)
        await unit.connection.execute(SQL["update_note"], unit.workspace, *ref, text, is_pinned)
        unit.profile_changed(ref[0], "notes", item_id=ref[1], is_new=False)
        return Receipt(*ref)

    return await writer.run(principal, work)


async def delete_note(writer: Writer, principal: Principal, source: Source, ref: tuple[UUID, UUID]) -> Receipt:
    """Remove one's own note; its text is gone for good, and the audit keeps only that there was one.

    Raises:
        Rejected: NOT_FOUND or NOT_YOUR_NOTE.
    """
    require(principal, Action.ADD_NOTE)

    async def work(unit: Unit) -> Receipt:
        note = await _own_note(unit, ref, source, "id")
        await unit.connection.execute(SQL["delete_note"], unit.workspace, *ref)
        change_id = unit.record(ref[0], ChangeAction.NOTE_DELETED, FieldChange("notes", note.id))  # that it was there, never what it said
        unit.profile_changed(ref[0], "notes", item_id=change_id)
        unit.item_removed(*ref, source.key)
        return Receipt(*ref)

    return await writer.run(principal, work)


async def _seen_contact(unit: Unit, contact_id: UUID) -> None:
    row = await unit.fetchrow("live_contacts_by_id", [contact_id])
    if row is None or not readable_contact(unit.principal, contact_of(row)):
        raise Rejected(Problem("NOT_FOUND", "There is no such contact.", ("input", "contactId")))


async def _own_note(unit: Unit, ref: tuple[UUID, UUID], source: Source, *path: str) -> Note:
    row = await unit.fetchrow("lock_note", *ref)
    if row is None:
        raise await absent(unit, ref[0], *path, what="note")
    note = note_of(row, source)
    if not may_edit_note(unit.principal, note):
        raise Rejected(Problem("NOT_YOUR_NOTE", f"Only {note.author.display_name} or a supervisor may change this note.", path))
    return note


def _checked(body: str) -> str:
    problems = Problems()
    text = problems.text(body, MAX_NOTE_BYTES, "body")
    if text is None and not problems.found:
        problems.add("REQUIRED", "A note needs a text.", "body")
    problems.refuse()
    assert text is not None
    return text
