"""Companies and who belongs to them."""

from __future__ import annotations

from datetime import datetime

import strawberry

from resolvers.types.node import Node

__all__ = ["Company", "CompanyMembership"]


@strawberry.type(description="A company that profiles belong to.")
class Company(Node):
    id: strawberry.ID = strawberry.field(description="The company's id.")
    version: int = strawberry.field(description="Counts its changes.")
    name: str = strawberry.field(description="Its name.")
    domain: str | None = strawberry.field(description="Its internet domain.")


@strawberry.type(description="A profile's place in a company.")
class CompanyMembership:
    company: Company = strawberry.field(description="The company.")
    role: str | None = strawberry.field(description="The person's role there.")
    is_main: bool = strawberry.field(description="Whether it is the profile's main company; exactly one is.")
    since: datetime | None = strawberry.field(description="Since when.")
