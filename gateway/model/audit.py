"""The audit: who did what to a profile, with the values before and after.

Owns the shape of an entry, and how it is read from its columns. Values are stored as they were and masked when they are shown
(`FieldChange.shown_as`). Called by `commands.unit` (which writes entries), records, sources and resolvers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any
from uuid import UUID

from gateway.model.actor import Actor, ActorKind
from gateway.model.ids import make_id
from gateway.model.page import Connection

__all__ = ["ChangeAction", "ChangePage", "ChangeRecord", "FieldChange", "change_of"]


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


@dataclass(frozen=True, slots=True)
class ChangePage(Connection[ChangeRecord]):
    """A page of the history of changes.

    `feed_cursor`: where to go on in the workspace-wide feed, sealed; None: from the present on, which is asked for only when it is wanted.
    `lag_seconds`: how far the page may trail the present.
    """

    feed_cursor: str | None = None
    lag_seconds: float = 0.0


def change_of(row: Mapping[str, Any]) -> ChangeRecord:
    """An entry from its columns (`profile_id, id, at, action, actor_id, actor_name, actor_kind, fields, reason`)."""
    return ChangeRecord(
        row["profile_id"],
        row["id"],
        row["at"],
        Actor(row["actor_id"], row["actor_name"], ActorKind(row["actor_kind"])),
        ChangeAction(row["action"]),
        tuple(FieldChange(one["field"], one.get("before"), one.get("after"), one.get("as")) for one in row["fields"]),
        row["reason"],
    )
