"""Notes: what agents tell each other about a customer."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from gateway.model.actor import Actor
from gateway.model.ids import make_id
from gateway.model.page import Connection
from gateway.model.source import Source

__all__ = ["MAX_NOTE_BYTES", "Note", "NotePage"]

MAX_NOTE_BYTES = 16 * 1024
"""UTF-8 bytes of a note's body at most."""


@dataclass(frozen=True, slots=True)
class Note:
    """One note; only its author (or a supervisor) may change it. `contact_id`: the contact during which it was written."""

    profile_id: UUID
    note_id: UUID
    version: int
    body: str
    is_pinned: bool
    author: Actor
    created_at: datetime
    updated_at: datetime
    source: Source
    contact_id: UUID | None = None

    @property
    def id(self) -> str:
        """The client's id."""
        return make_id("note", self.profile_id, self.note_id)


_NOBODY: Final = UUID(int=0)


@dataclass(frozen=True, slots=True)
class NotePage(Connection[Note]):
    """A page of one profile's notes, which knows the profile so that they can be counted when asked."""

    profile_id: UUID = _NOBODY
