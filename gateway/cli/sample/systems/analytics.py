"""The simulated web analytics: visitors and the pages they saw, over GraphQL.

Owns its schema; one document answers for all visitors that are asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final

from graphql import build_schema, graphql_sync
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from gateway.cli.sample.systems.customers import Customer

__all__ = ["analytics"]

_SCHEMA: Final = """
type Query { visitors(ids: [String!]!): [Visitor!]!  version: String! }
type Visitor {
  id: String!
  sessions30Days: Int!
  favouriteCategory: String
  device: String
  pages(since: String, until: String, newestFirst: Boolean = true, first: Int = 50): [Page!]!
}
type Page { id: String! seenAt: String! path: String! title: String! }
"""


class _Visitor:
    """What the fields of one visitor resolve to."""

    def __init__(self, customer: Customer) -> None:
        self.id = customer.resident.user_id
        self.sessions30Days = customer.visits.sessions
        self.favouriteCategory = customer.visits.favourite
        self.device = customer.visits.device
        self._pages = customer.visits.pages

    def pages(self, _: Any, **asked: Any) -> list[Mapping[str, str]]:
        """Pages between two moments (both in), from one end."""
        low, high = (datetime.fromisoformat(asked[name]) if asked.get(name) else None for name in ("since", "until"))
        found = [page for page in self._pages if (low is None or page[1] >= low) and (high is None or page[1] <= high)]
        ordered = found[::-1] if asked["newestFirst"] else found
        return [{"id": id_, "seenAt": at.isoformat(), "path": path, "title": title} for id_, at, path, title in ordered[: asked["first"]]]


def analytics(customers: Iterable[Customer], token: str) -> Starlette:
    """The application: `POST /graphql` with a bearer token."""
    schema = build_schema(_SCHEMA)
    visitors = {customer.resident.user_id: _Visitor(customer) for customer in customers}

    class Root:
        version = "4.2"

        @staticmethod
        def visitors(_: Any, *, ids: list[str]) -> list[_Visitor]:
            return [visitors[one] for one in ids if one in visitors]

    async def answer(request: Request) -> JSONResponse:
        if request.headers.get("authorization") != f"Bearer {token}":
            return JSONResponse({"errors": [{"message": "unauthorized"}]}, 401)
        asked = await request.json()
        done = graphql_sync(schema, asked["query"], Root, variable_values=asked.get("variables"), operation_name=asked.get("operationName"))
        return JSONResponse(done.formatted)

    return Starlette(routes=[Route("/graphql", answer, methods=["POST"])])
