"""Merges: which profiles became one, and pairs that may be the same person."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from gateway.model.actor import Actor
from gateway.model.ids import make_id

__all__ = ["MergeProposal", "MergeRecord"]


@dataclass(frozen=True, slots=True)
class MergeRecord:
    """One merge. `can_undo`: it was not undone, and the survivor is still a living profile."""

    merge_id: UUID
    survivor_id: UUID
    merged: tuple[UUID, ...]
    by: Actor
    at: datetime
    undone_at: datetime | None
    can_undo: bool
    reason: str | None = None

    @property
    def id(self) -> str:
        """The client's id."""
        return make_id("mrg", self.merge_id)

    @property
    def merged_ids(self) -> list[str]:
        """The clients' ids of the profiles that went into the survivor."""
        return [make_id("prf", one) for one in self.merged]


@dataclass(frozen=True, slots=True)
class MergeProposal:
    """Two profiles that may be one person, by which rule and how likely (0 to 1)."""

    proposal_id: UUID
    profile_ids: tuple[UUID, UUID]
    score: float
    rule: str
    created_at: datetime

    @property
    def id(self) -> str:
        """The client's id."""
        return make_id("mpr", self.proposal_id)
