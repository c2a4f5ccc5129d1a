"""What companies are known for, and who belongs to them, as the gateway keeps it.

Reads only; memberships as a profile sees them come through the sources. Called by `loaders.companies`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from gateway.storage.database import Database
from gateway.storage.queries import SQL

__all__ = ["CompanyFacts", "MemberWindow", "members_by_company", "traits_by_company"]

_LOWEST = UUID(int=0)
_GROUP = "group:"


@dataclass(frozen=True, slots=True)
class CompanyFacts:
    """What is said of a company. `sent`: by events of a system that keys the company itself; else agents named it."""

    traits: Mapping[str, Any]
    sent: bool
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class MemberWindow:
    """Up to `limit` members of a company by id, above `after` (None: from the lowest)."""

    limit: int
    after: UUID | None = None


async def traits_by_company(database: Database, workspace: UUID, ids: Sequence[UUID]) -> list[CompanyFacts | BaseException | None]:
    """What is said of each company; None where there is none of the id."""
    rows = await database.fetch(SQL["company_traits"], workspace, list(ids))
    found = {row["id"]: CompanyFacts(row["traits"], row["natural_key"].startswith(_GROUP), row["updated_at"]) for row in rows}
    return [found.get(key) for key in ids]


async def members_by_company(
    database: Database, workspace: UUID, ids: Sequence[UUID], window: MemberWindow
) -> list[Sequence[UUID] | BaseException]:
    """A page of the ids of each company's active members, ascending."""
    found: dict[UUID, list[UUID]] = {}
    for row in await database.fetch(SQL["members_by_company"], workspace, list(ids), window.after or _LOWEST, window.limit):
        found.setdefault(row["company_id"], []).append(row["profile_id"])
    return [found.get(key, []) for key in ids]
