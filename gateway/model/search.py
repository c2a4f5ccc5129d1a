"""Searching for profiles: the keys there are, and what was found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from gateway.model.page import Connection
from gateway.model.profile import MatchedKey, Profile

__all__ = ["FoundEdge", "FoundProfiles", "Match"]


@dataclass(frozen=True, slots=True)
class Match:
    """Why a profile was found. `score`: 1 for an exact value, less for a name."""

    profile_id: UUID
    matched_on: tuple[MatchedKey, ...]
    score: float


@dataclass(frozen=True, slots=True)
class FoundEdge:
    """A found profile, why, and where it stands in the list."""

    node: Profile
    matched_on: tuple[MatchedKey, ...]
    score: float
    cursor: str


@dataclass(frozen=True, slots=True)
class FoundProfiles(Connection[Profile]):
    """A page of search results."""

    matches: tuple[Match, ...] = ()

    @property
    def edges(self) -> Any:
        """The profiles with their cursors and why they were found."""
        return [
            FoundEdge(node, match.matched_on, match.score, self.cursor_of(node))
            for node, match in zip(self.nodes, self.matches, strict=True)
        ]
