"""Companies and who belongs to them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from gateway.model.ids import make_id

__all__ = ["Company", "CompanyMembership"]


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
