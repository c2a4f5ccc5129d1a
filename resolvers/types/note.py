"""Notes: what agents tell each other about a customer."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

import strawberry

from gateway.auth.policy import may_edit_note, readable_contact
from gateway.loaders.contacts import ContactLoaders
from gateway.model import contact as contacts
from gateway.model import note as model
from resolvers.batching import BatchInfo, Info, batched
from resolvers.types.node import Node, PageInfo
from resolvers.types.source import Actor, Source

__all__ = ["Note", "NoteConnection", "NoteEdge"]


@strawberry.type(description="A note on a profile, for colleagues only.")
class Note(Node):
    id: strawberry.ID = strawberry.field(description="The note's id.")
    version: int = strawberry.field(description="Counts its changes; give it back as expectedVersion.")
    body: str = strawberry.field(description="The text.")
    is_pinned: bool = strawberry.field(description="Whether it is kept in sight.")
    author: Actor = strawberry.field(description="Who wrote it.")
    created_at: datetime = strawberry.field(description="When it was written.")
    updated_at: datetime = strawberry.field(description="When it was last changed.")
    source: Source = strawberry.field(description="Where it is kept.")

    @batched(
        type=Annotated["Contact", strawberry.lazy("resolvers.types.contact")] | None,  # noqa: F821
        description="The contact during which it was written, if you may see it.",
    )
    async def contact(parents: Sequence[model.Note], info: BatchInfo) -> Sequence[object]:  # noqa: N805
        wanted = list(dict.fromkeys(note.contact_id for note in parents if note.contact_id is not None))
        found = dict(zip(wanted, await info.context.loaders.of(ContactLoaders).contact.load_many(wanted), strict=True)) if wanted else {}
        return [_readable(info, None if note.contact_id is None else found[note.contact_id]) for note in parents]

    @strawberry.field(description="Whether you may change or delete it.")
    def viewer_can_edit(self, info: Info) -> bool:
        value: model.Note = self  # type: ignore[assignment]
        is_own = value.source.key == info.context.services.registry.notes[0].source.key  # what another system keeps is changed there
        return is_own and may_edit_note(info.context.principal, value)


@strawberry.type(description="A note in a page.")
class NoteEdge:
    cursor: str = strawberry.field(description="Give it back as `after`.")
    node: Note = strawberry.field(description="The note.")


@strawberry.type(description="A page of notes, pinned ones first, newest first.")
class NoteConnection:
    edges: list[NoteEdge] = strawberry.field(description="The notes with their cursors.")
    nodes: list[Note] = strawberry.field(description="The notes.")
    page_info: PageInfo = strawberry.field(description="Where the page lies.")

    @batched(type=int | None, description="How many notes the profile has.")
    async def total_count(parents: Sequence[model.NotePage], info: BatchInfo) -> Sequence[object]:  # noqa: N805
        return await info.context.loaders.note_count.load_many([page.profile_id for page in parents])


def _readable(info: BatchInfo, contact: contacts.Contact | BaseException | None) -> object:
    if contact is None or isinstance(contact, BaseException):
        return contact
    return contact if readable_contact(info.context.principal, contact) else None
