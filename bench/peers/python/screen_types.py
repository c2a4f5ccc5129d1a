"""`screen/schema.graphql` as Strawberry types, as fast as Strawberry allows: plain attributes wherever something is there already, and
resolvers without `info` and without waiting for the three relationships.

`person` makes an object of one of `screen.data`'s people. Moments are the strings that they are on the wire, for all peers. Must not know
where people come from: a root field takes them from `lookup`, which each peer sets.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from enum import Enum
from typing import Annotated, Any, NewType

import strawberry
from strawberry.extensions import ParserCache, ValidationCache
from strawberry.schema.config import StrawberryConfig

__all__ = ["Query", "make_schema", "person"]

Date = NewType("Date", str)
DateTime = NewType("DateTime", str)
JSON = NewType("JSON", object)
StreamCursor = NewType("StreamCursor", str)
URL = NewType("URL", str)


def _same(value: Any) -> Any:
    return value


SCALARS: dict[object, Any] = {
    kind: strawberry.scalar(name=kind.__name__, serialize=_same, parse_value=_same) for kind in (Date, DateTime, JSON, StreamCursor, URL)
}

ActorKind = strawberry.enum(Enum("ActorKind", {name: name for name in ("AGENT", "SUPERVISOR", "SYSTEM", "SOURCE", "PARTNER")}))
Channel = strawberry.enum(Enum("Channel", {name: name for name in ("VOICE", "SMS", "WHATSAPP", "EMAIL", "CHAT")}))
ProfileLifecycle = strawberry.enum(Enum("ProfileLifecycle", {name: name for name in ("ANONYMOUS", "PROSPECT", "CUSTOMER", "FORMER")}))
ProfileStatus = strawberry.enum(Enum("ProfileStatus", {name: name for name in ("ACTIVE", "MERGED", "ERASED")}))
SortDirection = strawberry.enum(Enum("SortDirection", {name: name for name in ("ASC", "DESC")}))
TimelineKind = strawberry.enum(
    Enum("TimelineKind", {name: name for name in ("INTERACTION", "MESSAGE", "EXTERNAL", "WEB", "INTEREST", "NOTE", "CHANGE")})
)
TraitKind = strawberry.enum(
    Enum("TraitKind", {name: name for name in ("PROFILE", "DEMOGRAPHIC", "PREFERENCE", "COMPUTED", "PREDICTIVE", "BEHAVIOURAL")})
)


@strawberry.input
class ProfileRef:
    id: strawberry.ID


@strawberry.input
class TimelineFilter:
    kinds: list[TimelineKind] | None = None  # type: ignore[valid-type]


@strawberry.type
class Actor:
    id: strawberry.ID
    display_name: str
    kind: ActorKind  # type: ignore[valid-type]


@strawberry.type
class Viewer:
    actor: Actor


@strawberry.type
class ProfilePermissions:
    update: bool
    merge: bool


@strawberry.type
class PageInfo:
    has_next_page: bool
    has_previous_page: bool
    start_cursor: str | None
    end_cursor: str | None


@strawberry.type
class Trait:
    key: str
    display_name: str
    kind: TraitKind  # type: ignore[valid-type]
    category: str | None
    value: JSON | None
    display_value: str | None


@strawberry.type
class TraitConnection:
    nodes: list[Trait]


@strawberry.type
class Note:
    id: strawberry.ID
    body: str
    is_pinned: bool
    author: Actor
    created_at: DateTime


@strawberry.type
class NoteConnection:
    nodes: list[Note]


@strawberry.interface
class TimelineItem:
    id: strawberry.ID
    occurred_at: DateTime
    title: str
    icon: str


@strawberry.type
class ExternalActivity(TimelineItem):
    type: str


@strawberry.type
class Interaction(TimelineItem):
    channel: Channel  # type: ignore[valid-type]


@strawberry.type
class TimelineEdge:
    cursor: str
    node: TimelineItem


@strawberry.type
class TimelineConnection:
    edges: list[TimelineEdge]
    page_info: PageInfo


@strawberry.type
class Profile:
    id: strawberry.ID
    version: int
    status: ProfileStatus  # type: ignore[valid-type]
    redirected_from: strawberry.ID | None
    lifecycle: ProfileLifecycle  # type: ignore[valid-type]
    first_name: str | None
    middle_name: str | None
    last_name: str | None
    display_name: str
    avatar_url: URL | None
    locale: str | None
    time_zone: str | None
    birth_date: Date | None
    customer_since: DateTime | None
    created_at: DateTime
    updated_at: DateTime
    url: URL | None
    stream_cursor: StreamCursor
    viewer_can: ProfilePermissions
    loaded: strawberry.Private[Any]
    """Its pages, or what loads them."""

    @strawberry.field
    def traits(self, first: int | None = 50) -> TraitConnection:
        return self.loaded.traits(self, first)  # type: ignore[no-any-return]

    @strawberry.field
    def notes(self, first: int | None = 20) -> NoteConnection | None:
        return self.loaded.notes(self, first)  # type: ignore[no-any-return]

    @strawberry.field
    def timeline(
        self,
        filter: TimelineFilter | None = None,  # noqa: A002  # the schema's word
        order: SortDirection = SortDirection.ASC,  # type: ignore[valid-type, attr-defined]
        first: int | None = None,
    ) -> TimelineConnection:
        return self.loaded.timeline(self, first)  # type: ignore[no-any-return]


@strawberry.type
class ProfileUpdated:
    seq: int
    profile: Profile


ProfileEvent = Annotated[ProfileUpdated, strawberry.union("ProfileEvent")]
_ACTOR = Actor(id=strawberry.ID("agent-1"), display_name="Agent 1", kind=ActorKind.AGENT)  # type: ignore[attr-defined]
_VIEWER = Viewer(actor=_ACTOR)


@strawberry.type
class Query:
    """The root; `lookup`: from an id to the person."""

    lookup = staticmethod(lambda _: None)

    @strawberry.field
    def profile(self, by: ProfileRef) -> Profile | None:
        return Query.lookup(by.id)

    @strawberry.field
    def viewer(self) -> Viewer:
        return _VIEWER


class Ready:
    """The pages of somebody who is in memory."""

    __slots__ = ("_notes", "_timeline", "_traits")

    def __init__(self, one: dict[str, Any]) -> None:
        authors: dict[str, Actor] = {}
        self._traits = TraitConnection(nodes=[trait(node) for node in one["traits"]["nodes"]])
        self._notes = NoteConnection(nodes=[note(node, authors) for node in one["notes"]["nodes"]])
        page = one["timeline"]["pageInfo"]
        self._timeline = TimelineConnection(
            edges=[TimelineEdge(cursor=edge["cursor"], node=item(edge["node"])) for edge in one["timeline"]["edges"]],
            page_info=PageInfo(
                has_next_page=page["hasNextPage"],
                has_previous_page=page["hasPreviousPage"],
                start_cursor=page["startCursor"],
                end_cursor=page["endCursor"],
            ),
        )

    def traits(self, _profile: Profile, _first: int | None) -> TraitConnection:
        return self._traits

    def notes(self, _profile: Profile, _first: int | None) -> NoteConnection:
        return self._notes

    def timeline(self, _profile: Profile, _first: int | None) -> TimelineConnection:
        return self._timeline


def trait(one: dict[str, Any]) -> Trait:
    """A trait of its JSON."""
    return Trait(
        key=one["key"],
        display_name=one["displayName"],
        kind=TraitKind[one["kind"]],  # type: ignore[index]
        category=one["category"],
        value=one["value"],
        display_value=one["displayValue"],
    )


def note(one: dict[str, Any], authors: dict[str, Actor]) -> Note:
    """A note of its JSON; authors are the same object where they are the same person."""
    by = one["author"]
    author = authors.get(by["id"])
    if author is None:
        author = authors[by["id"]] = Actor(id=by["id"], display_name=by["displayName"], kind=ActorKind[by["kind"]])  # type: ignore[index]
    return Note(id=one["id"], body=one["body"], is_pinned=one["isPinned"], author=author, created_at=one["createdAt"])


def item(one: dict[str, Any]) -> TimelineItem:
    """A timeline item of its JSON."""
    usual = {"id": one["id"], "occurred_at": one["occurredAt"], "title": one["title"], "icon": one["icon"]}
    if one["__typename"] == "Interaction":
        return Interaction(**usual, channel=Channel[one["channel"]])  # type: ignore[index]
    return ExternalActivity(**usual, type=one["type"])


def person(one: dict[str, Any]) -> Profile:
    """One of the people, with everything."""
    return Profile(
        id=one["id"],
        version=one["version"],
        status=ProfileStatus[one["status"]],  # type: ignore[index]
        redirected_from=one["redirectedFrom"],
        lifecycle=ProfileLifecycle[one["lifecycle"]],  # type: ignore[index]
        first_name=one["firstName"],
        middle_name=one["middleName"],
        last_name=one["lastName"],
        display_name=one["displayName"],
        avatar_url=one["avatarUrl"],
        locale=one["locale"],
        time_zone=one["timeZone"],
        birth_date=one["birthDate"],
        customer_since=one["customerSince"],
        created_at=one["createdAt"],
        updated_at=one["updatedAt"],
        url=one["url"],
        stream_cursor=one["streamCursor"],
        viewer_can=ProfilePermissions(**one["viewerCan"]),
        loaded=Ready(one),
    )


def make_schema(subscribe: Callable[[str], AsyncGenerator[Any]] | None = None, *, query: type = Query) -> strawberry.Schema:
    """The schema with Strawberry's caches. `subscribe`: the events of a profile."""
    subscription = None
    if subscribe is not None:

        @strawberry.type
        class Subscription:
            @strawberry.subscription(graphql_type=ProfileEvent)
            async def profile_events(self, profile_id: strawberry.ID) -> AsyncGenerator[Any]:
                async for event in subscribe(profile_id):
                    yield event

        subscription = Subscription
    return strawberry.Schema(
        query,
        subscription=subscription,
        types=[ExternalActivity, Interaction],
        extensions=[ParserCache(maxsize=1000), ValidationCache(maxsize=1000)],
        config=StrawberryConfig(scalar_map=SCALARS),
    )
