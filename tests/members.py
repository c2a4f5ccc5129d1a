"""A GraphQL API of a club for tests: a real server with members, their orders, notes and companies, and the tables that describe it to the gateway.

Members are whom one asks for, but for keys that begin with `unknown`; `sick` and `broken` fail. What it says of `TIERS`, `NOTES` and `INTRUDERS` may
be changed; `renewed` undoes that. Used by the tests of the `graphql` adapter.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import strawberry
from strawberry.asgi import GraphQL

from gateway.errors import SourceError
from gateway.model.source import Source
from gateway.sources.adapters.graphql import ADAPTER, GraphQLSource
from gateway.sources.definition import Definition, GuardPolicy
from tests.upstreams import WELL, Upstream

__all__ = [
    "FEWER",
    "FLAT",
    "INTRUDERS",
    "NOON",
    "ORDERS",
    "SECRET",
    "TABLES",
    "WRITTEN",
    "found_of",
    "members",
    "orders_of",
    "renewed",
    "source",
]


NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
SECRET = "the-database-of-acme-says-no"
ORDERS = 7
"""Of each member but these; the third and fourth at the same moment."""
FEWER = {"four": 4, "one": 1}


@strawberry.type
class Order:
    """Something that happened."""

    id: str
    at: datetime
    title: str


@strawberry.type
class PageInfo:
    """As in Relay."""

    has_next_page: bool
    end_cursor: str | None


@strawberry.type
class Orders:
    """A page."""

    nodes: list[Order]
    page_info: PageInfo


@strawberry.type
class Text:
    """A note."""

    id: str
    body: str
    written_at: datetime


@strawberry.type
class Club:
    """A company."""

    id: int
    name: str


@strawberry.type
class Member:
    """A person."""

    id: strawberry.ID

    @strawberry.field
    def name(self) -> str:
        """Fails for one, and cannot be null."""
        if self.id == "broken":
            raise RuntimeError(SECRET)
        return f"Name {self.id}"

    @strawberry.field
    def tier(self) -> str | None:
        """Fails for one, and may be null."""
        if self.id == "sick":
            raise RuntimeError(SECRET)
        return None if self.id == "plain" else TIERS.get(self.id, "gold")

    @strawberry.field
    def points(self) -> int:
        """A number."""
        return len(self.id)

    @strawberry.field
    def orders(
        self, first: int, after: str | None = None, since: datetime | None = None, until: datetime | None = None, order: str = "DESC"
    ) -> Orders:
        """Three at most at once."""
        found = [one for one in orders_of(self.id) if (since is None or one.at >= since) and (until is None or one.at <= until)]
        found.sort(key=lambda one: (one.at, one.id), reverse=order == "DESC")
        return page_of(found, min(first, 3), after)

    @strawberry.field
    def notes(self, first: int) -> list[Text]:
        """The newest first."""
        old = [Text(id=f"{self.id}-{number}", body=f"Note {number}", written_at=NOON - timedelta(days=number)) for number in range(4)]
        return [*(note for note in NOTES.values() if note.id.startswith(f"{self.id}-")), *old][:first]

    @strawberry.field
    def clubs(self) -> list[Club]:
        """Two."""
        return [Club(id=1, name="Acme"), Club(id=2, name="Globex")]


INTRUDERS = {"stranger"}
"""Whom the API answers about although nobody asked."""
TIERS: dict[str, str] = {}
WRITTEN: list[tuple[str, str, str, str]] = []
NOTES: dict[str, Text] = {}
"""By idempotency key."""


def orders_of(key: str) -> list[Order]:
    """Two of them at one moment."""
    return [
        Order(id=f"{key}-{number}", at=NOON + timedelta(hours=number - (number >= 3)), title=f"Order {number}")
        for number in range(FEWER.get(key, ORDERS))
    ]


def page_of(found: list[Order], first: int, after: str | None) -> Orders:
    """From behind a cursor."""
    start = int(after) if after is not None else 0
    end = start + first
    return Orders(nodes=found[start:end], page_info=PageInfo(has_next_page=end < len(found), end_cursor=str(end)))


@strawberry.type
class Refusal:
    """Why not."""

    message: str


@strawberry.type
class SetTier:
    """What became of a change."""

    errors: list[Refusal]


@strawberry.type
class Query:
    """What can be asked."""

    @strawberry.field
    def members(self, ids: list[strawberry.ID]) -> list[Member | None]:
        """In another order, and with one whom nobody asked for."""
        return [
            *(Member(id=strawberry.ID(key)) for key in INTRUDERS),
            *(Member(id=key) for key in reversed(ids) if not key.startswith("unknown")),
        ]

    @strawberry.field
    def numbered(self, ids: list[int]) -> list[Member]:
        """By number."""
        return [Member(id=strawberry.ID(str(key))) for key in ids]

    @strawberry.field
    def events(self, ids: list[strawberry.ID], first: int, after: str | None = None) -> Orders:
        """Those of all of them, the newest first."""
        found = sorted(
            (one for key in ids if not key.startswith("unknown") for one in orders_of(key)), key=lambda one: (one.at, one.id), reverse=True
        )
        return page_of(found, min(first, 5), after)

    @strawberry.field
    def orders(self, ids: list[str]) -> list[Order]:
        """Single ones."""
        return [one for key in sorted({text.partition("-")[0] for text in ids}) for one in orders_of(key) if one.id in ids]

    @strawberry.field
    def by_email(self, emails: list[str]) -> list[Member]:
        """Who has them."""
        return [Member(id=strawberry.ID(email.partition("@")[0])) for email in emails if email.endswith("@example.com")]


@strawberry.type
class Mutation:
    """What can be changed."""

    @strawberry.mutation
    def set_tier(self, id: strawberry.ID, name: str, tier: str | None, once: str) -> SetTier:  # noqa: A002  # the API's word
        """One attribute."""
        if tier == "platinum":
            return SetTier(errors=[Refusal(message="There is no\nplatinum.")])
        if tier == "crash":
            raise RuntimeError(SECRET)
        WRITTEN.append((id, name, str(tier), once))
        TIERS[id] = str(tier)
        return SetTier(errors=[])

    @strawberry.mutation
    def note(self, id: strawberry.ID, body: str, author: str, once: str) -> Text:  # noqa: A002  # the API's word
        """A note."""
        return NOTES.setdefault(once, Text(id=f"{id}-{once}", body=f"{body} ({author})", written_at=NOON + timedelta(hours=1)))


TABLES: dict[str, Any] = {
    "auth": {"header": {"name": "X-Api-Key", "value": {"env": "MEMBERS_KEY"}}},
    "allow_private": True,
    "profile": {
        "document": "query ($keys: [ID!]!) { members(ids: $keys) { id name } }",
        "rows": "members",
        "key": "id",
        "record": {"first_name": "name"},
    },
    "traits": {
        "document": """
            query ($keys: [ID!]!, $with_tier: Boolean!, $with_points: Boolean!) {
              members(ids: $keys) { id tier @include(if: $with_tier) points @include(if: $with_points) }
            }""",
        "rows": "members",
        "key": "id",
        "record": {"tier": "tier", "points": "points"},
    },
    "notes": {
        "document": "query ($keys: [ID!]!, $limit: Int!) { members(ids: $keys) { id notes(first: $limit) { id body writtenAt } } }",
        "rows": "members",
        "key": "id",
        "records": "notes",
        "newest_first": True,
        "record": {"id": "id", "body": "body", "created_at": "writtenAt"},
    },
    "items": {
        "document": """
            query ($keys: [ID!]!, $limit: Int!, $since: DateTime, $until: DateTime, $order: String!, $after: String) {
              members(ids: $keys) {
                id
                orders(first: $limit, since: $since, until: $until, order: $order, after: $after) {
                  nodes { id at title } pageInfo { hasNextPage endCursor }
                }
              }
            }""",
        "rows": "members",
        "key": "id",
        "records": "orders.nodes",
        "cursor": "orders.pageInfo.endCursor",
        "more": "orders.pageInfo.hasNextPage",
        "sorted": "as asked",
        "record": {"id": "id", "occurred_at": "at", "type": "title"},
    },
    "item": {
        "document": "query ($ids: [String!]!) { orders(ids: $ids) { id at title } }",
        "rows": "orders",
        "key": "id",
        "person": "split('-', id)[0]",
    },
    "companies": {
        "document": "query ($keys: [ID!]!) { members(ids: $keys) { id clubs { id name } } }",
        "rows": "members",
        "key": "id",
        "records": "clubs",
        "record": {"id": "id", "name": "name"},
    },
    "find": {
        "email": {
            "document": "query ($values: [String!]!) { byEmail(emails: $values) { id } }",
            "rows": "byEmail",
            "key": "join('', [id, '@example.com'])",
            "person": "id",
        }
    },
    "write_trait": {
        "document": "mutation ($key: ID!, $trait: String!, $value: String, $idempotencyKey: String!) "
        "{ setTier(id: $key, name: $trait, tier: $value, once: $idempotencyKey) { errors { message } } }",
        "names": {"tier": "level"},
        "only": ["tier"],
        "refusal": "setTier.errors[].message",
    },
    "add_note": {
        "document": "mutation ($key: ID!, $body: String!, $author: String!, $idempotencyKey: String!) "
        "{ note(id: $key, body: $body, author: $author, once: $idempotencyKey) { id body writtenAt } }",
        "row": "note",
    },
}


FLAT: dict[str, Any] = {
    **TABLES["items"],
    "document": "query ($keys: [ID!]!, $limit: Int!, $after: String) "
    "{ events(ids: $keys, first: $limit, after: $after) { nodes { id at title } pageInfo { hasNextPage endCursor } } }",
    "rows": "events.nodes",
    "key": "split('-', id)[0]",
    "cursor": "events.pageInfo.endCursor",
    "more": "events.pageInfo.hasNextPage",
    "sorted": "descending",
}
del FLAT["records"]


def source(url: str, deadline: float = 2.0, **tables: Any) -> GraphQLSource:
    """What these tables make, for an API there."""
    options = msgspec.convert({**TABLES, "url": f"{url}/graphql", **tables}, ADAPTER.options)
    definition = Definition(Source("club", "The Club", ()), "graphql", "member_id", policy=GuardPolicy(deadline=deadline), options=options)
    made = ADAPTER.make(definition)
    assert isinstance(made, GraphQLSource)
    return made


@contextmanager
def members(port: int = 0) -> Iterator[Upstream]:
    """The API, running on this port (0: any)."""
    with Upstream(GraphQL(strawberry.Schema(Query, Mutation)), port=port) as server:
        yield server


def renewed(server: Upstream) -> Upstream:
    """The same, well, as it was at the start, and nothing asked yet."""
    server.fault = WELL
    server.forget()
    INTRUDERS.add("stranger")
    for made in (TIERS, NOTES, WRITTEN):
        made.clear()
    return server


def found_of(answer: Any) -> Any:
    """The answer, which is no error."""
    assert not isinstance(answer, SourceError), answer
    return answer
