"""The audit: who did what to a profile, with the values before and after.

Owns the shape of an entry. Values are stored as they were and masked when they are shown (`FieldChange.shown_as`). Called by
`commands.unit` (which writes entries), records and resolvers.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any
from uuid import UUID

from gateway.model.actor import Actor
from gateway.model.ids import make_id

__all__ = ["ChangeAction", "ChangeRecord", "FieldChange"]


class ChangeAction(Enum):
    """What was done."""

    CREATED = "CREATED"
    UPDATED = "UPDATED"
    MERGED = "MERGED"
    UNMERGED = "UNMERGED"
    ASSOCIATED = "ASSOCIATED"
    UNLINKED = "UNLINKED"
    NOTE_DELETED = "NOTE_DELETED"
    REVEALED = "REVEALED"
    VERIFIED = "VERIFIED"
    EXPORTED = "EXPORTED"
    EXPIRED = "EXPIRED"
    ERASED = "ERASED"


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One field before and after. `shown_as`: the mask of its values: a look-up key (`phone`, `email`), `text`, `sensitive`, or None for none."""

    field: str
    before: Any = None
    after: Any = None
    shown_as: str | None = None


@dataclass(frozen=True, slots=True)
class ChangeRecord:
    """One entry of the audit of a profile."""

    profile_id: UUID
    change_id: UUID
    at: datetime
    actor: Actor
    action: ChangeAction
    fields: tuple[FieldChange, ...]
    reason: str | None

    @property
    def id(self) -> str:
        """The client's id."""
        return make_id("chg", self.profile_id, self.change_id)
