"""Companies and who belongs to them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from gateway.model.ids import make_id
from gateway.model.page import Connection
from gateway.model.profile import MatchedKey, Profile

__all__ = ["Company", "CompanyMembership", "MemberEdge", "MemberPage"]


@dataclass(frozen=True, slots=True)
class Company:
    """A company that profiles may belong to."""

    company_id: UUID
    version: int
    name: str
    domain: str | None

    @property
    def id(self) -> str:
        """The client's id."""
        return make_id("com", self.company_id)


@dataclass(frozen=True, slots=True)
class CompanyMembership:
    """A profile's place in a company; exactly one of a profile's memberships is main."""

    company: Company
    role: str | None
    is_main: bool
    since: datetime | None


@dataclass(frozen=True, slots=True)
class MemberEdge:
    """A member of a company in a list of profiles; nothing was searched for, so nothing matched."""

    node: Profile
    cursor: str
    matched_on: tuple[MatchedKey, ...] = ()
    score: float | None = None


@dataclass(frozen=True, slots=True)
class MemberPage(Connection[Profile]):
    """A page of a company's members. They are not counted: `total_count` is None."""

    total_count_is_exact: bool = False

    @property
    def edges(self) -> Any:
        """The members with their cursors."""
        return [MemberEdge(node, self.cursor_of(node)) for node in self.nodes]
