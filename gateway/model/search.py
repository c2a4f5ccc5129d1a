"""Searching for profiles: the keys there are, and what was found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from gateway.model.attribute import AttributeType, Sensitivity
from gateway.model.configuration import Configuration
from gateway.model.page import Connection
from gateway.model.profile import MatchedKey, Profile

__all__ = ["NAME", "PROFILE_ID", "FoundEdge", "FoundProfiles", "Match", "SearchKey", "search_keys"]

NAME: Final = "name"
PROFILE_ID: Final = "profile_id"


@dataclass(frozen=True, slots=True)
class SearchKey:
    """A key that can be searched. `exact_only`: no beginnings and no similar values; `priority`: its place in a list, from 1."""

    key: str
    display_name: str
    type: AttributeType
    sensitivity: Sensitivity
    exact_only: bool
    priority: int


_FIRST: Final = (
    ("phone", "Phone", AttributeType.PHONE, Sensitivity.PERSONAL),
    (NAME, "Name", AttributeType.TEXT, Sensitivity.PERSONAL),
    ("email", "E-mail", AttributeType.EMAIL, Sensitivity.PERSONAL),
)
_LAST: Final = (PROFILE_ID, "Profile id", AttributeType.TEXT, Sensitivity.INTERNAL)


def search_keys(configuration: Configuration) -> list[SearchKey]:
    """In the order of a drop-down: how people reach us and are called, every identifier and search key of the registry, the profile's own id."""
    taken = {key for key, *_ in (*_FIRST, _LAST)}
    defined = [
        (one.key, one.name, one.type, one.sensitivity)
        for one in configuration.attributes
        if (one.is_search_key or one.is_identifier) and one.key not in taken
    ]
    return [SearchKey(*known, known[0] != NAME, place) for place, known in enumerate((*_FIRST, *defined, _LAST), 1)]


@dataclass(frozen=True, slots=True)
class Match:
    """Why a profile was found. `score`: 1 for an exact value, less for a name; `place`: where it stands among names, where that is its order."""

    profile_id: UUID
    matched_on: tuple[MatchedKey, ...]
    score: float
    place: str | None = None


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
    def total_count_is_exact(self) -> bool:
        """Whether there is a count at all: an inexact one is not given."""
        return self.total_count is not None

    @property
    def edges(self) -> Any:
        """The profiles with their cursors and why they were found."""
        return [
            FoundEdge(node, match.matched_on, match.score, self.cursor_of(node))
            for node, match in zip(self.nodes, self.matches, strict=True)
        ]
