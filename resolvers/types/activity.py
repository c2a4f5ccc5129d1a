"""The timeline: what happened between a customer and the company."""

from __future__ import annotations

from datetime import datetime

import strawberry

from resolvers.types.enums import ActivityOrigin, Channel, Direction, Sentiment
from resolvers.types.node import Node, PageInfo
from resolvers.types.scalars import JSON, URL, StreamCursor
from resolvers.types.source import Actor, Source, SourceReport

__all__ = ["ExternalActivity", "Interaction", "TimelineConnection", "TimelineEdge", "TimelineItem", "WrapUp"]

_ID = "The item's id."
_OCCURRED = "When it happened."
_ORIGIN = "Whether it happened in the contact centre or elsewhere."
_TITLE = "One line for a list."
_ICON = "Name of the icon: star for external activities, globe for page views, the channel's for conversations."
_SOURCE = "Where it came from."
_ACCOUNT = "Which of your accounts or properties it happened on."


@strawberry.interface(
    description="Something on the timeline. Total order is (occurredAt, source, id), so one keyset cursor spans every source."
)
class TimelineItem:
    id: strawberry.ID = strawberry.field(description=_ID)
    occurred_at: datetime = strawberry.field(description=_OCCURRED)
    origin: ActivityOrigin = strawberry.field(description=_ORIGIN)
    title: str = strawberry.field(description=_TITLE)
    icon: str = strawberry.field(description=_ICON)
    source: Source = strawberry.field(description=_SOURCE)
    account: str | None = strawberry.field(description=_ACCOUNT)


@strawberry.type(description="What the agent recorded after the conversation.")
class WrapUp:
    notes: str | None = strawberry.field(description="The agent's words.")
    topic: str | None = strawberry.field(description="What it was about.")
    disposition_code: str | None = strawberry.field(description="How it ended, as a code.")
    completed_at: datetime | None = strawberry.field(description="When the wrap-up was done.")


@strawberry.type(description="A conversation between the customer and the contact centre.")
class Interaction(TimelineItem, Node):
    id: strawberry.ID = strawberry.field(description=_ID)
    occurred_at: datetime = strawberry.field(description=_OCCURRED)
    origin: ActivityOrigin = strawberry.field(description=_ORIGIN)
    title: str = strawberry.field(description=_TITLE)
    icon: str = strawberry.field(description=_ICON)
    source: Source = strawberry.field(description=_SOURCE)
    account: str | None = strawberry.field(description=_ACCOUNT)
    channel: Channel = strawberry.field(description="How they talked.")
    direction: Direction = strawberry.field(description="Who reached out.")
    started_at: datetime = strawberry.field(description="When it began.")
    ended_at: datetime | None = strawberry.field(description="When it ended.")
    duration_seconds: int | None = strawberry.field(description="Length of a call; null for anything else.")
    queue: str | None = strawberry.field(description="The queue it came through.")
    agent: Actor | None = strawberry.field(description="The agent who took it.")
    outcome: str | None = strawberry.field(description="What came of it.")
    summary: str | None = strawberry.field(description="What was said, in short.")
    wrap_up: WrapUp | None = strawberry.field(description="What the agent recorded afterwards.")
    sentiment: Sentiment | None = strawberry.field(description="How the customer felt.")
    attributes: JSON | None = strawberry.field(description="Text attributes attached to it.")
    measures: JSON | None = strawberry.field(description="Numbers attached to it.")
    recording_url: URL | None = strawberry.field(description="Where the recording can be heard.")


@strawberry.type(description="Something that happened outside the contact centre: an order, a registration, a page view.")
class ExternalActivity(TimelineItem):
    id: strawberry.ID = strawberry.field(description=_ID)
    occurred_at: datetime = strawberry.field(description=_OCCURRED)
    origin: ActivityOrigin = strawberry.field(description=_ORIGIN)
    title: str = strawberry.field(description=_TITLE)
    icon: str = strawberry.field(description=_ICON)
    source: Source = strawberry.field(description=_SOURCE)
    account: str | None = strawberry.field(description=_ACCOUNT)
    type: str = strawberry.field(description="The event's name, e.g. Order Completed.")
    properties: JSON = strawberry.field(description="What the sender said about it.")


@strawberry.type(description="A timeline item in a page.")
class TimelineEdge:
    cursor: str = strawberry.field(description="Give it back as `after` or `before`.")
    node: TimelineItem = strawberry.field(description="The item.")


@strawberry.type(description="A page of the timeline.")
class TimelineConnection:
    edges: list[TimelineEdge] = strawberry.field(description="The items with their cursors.")
    nodes: list[TimelineItem] = strawberry.field(description="The items.")
    page_info: PageInfo = strawberry.field(description="Where the page lies.")
    sources: list[SourceReport] = strawberry.field(description="Non-OK entries mean this page may have holes.")
    stream_cursor: StreamCursor = strawberry.field(
        description="Where the profile's stream stood before the page was read: subscribe after it."
    )
