"""Inputs of notes and activities."""

from __future__ import annotations

from datetime import datetime

import strawberry

from resolvers.inputs.profile import ProfileRef
from resolvers.types.scalars import JSON

__all__ = ["ActivityInput", "NoteInput", "UpdateNoteInput"]


@strawberry.input(description="A new note.")
class NoteInput:
    profile_id: strawberry.ID = strawberry.field(description="The profile it is about.")
    body: str = strawberry.field(description="The text, at most 16 KiB.")
    is_pinned: bool | None = strawberry.field(default=None, description="Keep it in sight.")
    contact_id: strawberry.ID | None = strawberry.field(default=None, description="The contact during which it is written.")
    idempotency_key: str | None = strawberry.field(default=None, description="The same key gives the same answer and one note.")


@strawberry.input(description="Changes to a note; what is absent is kept.")
class UpdateNoteInput:
    id: strawberry.ID = strawberry.field(description="The note.")
    expected_version: int | None = strawberry.field(default=None, description="Refuse when the note has another version by now.")
    body: str | None = strawberry.field(default=None, description="The text, at most 16 KiB.")
    is_pinned: bool | None = strawberry.field(default=None, description="Keep it in sight.")


@strawberry.input(description="Something that happened.")
class ActivityInput:
    profile: ProfileRef = strawberry.field(description="To whom.")
    type: str = strawberry.field(description="The event's name, e.g. Order Completed.")
    occurred_at: datetime = strawberry.field(description="When it happened.")
    message_id: str = strawberry.field(description="Sent again, it is recorded once.")
    account: str | None = strawberry.field(default=None, description="Which of your accounts or properties it happened on.")
    properties: JSON | None = strawberry.field(default=None, description="What is to be known about it, as an object.")
