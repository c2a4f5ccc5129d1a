"""The timeline: what happened between a customer and the company."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

import strawberry

from gateway.engine.context import OperationContext
from gateway.model import activity as model
from gateway.model import display
from gateway.model.page import PageArgs
from resolvers.batching import BatchInfo, Info, batched
from resolvers.contact_view import shown_attributes
from resolvers.conversations import escalated_from, interactions_of, transcripts
from resolvers.direct import COLUMN
from resolvers.types.change import Change
from resolvers.types.enums import ActivityOrigin, Channel, Direction, Sentiment
from resolvers.types.node import Node, PageInfo
from resolvers.types.note import Note
from resolvers.types.scalars import JSON, URL, StreamCursor
from resolvers.types.source import Actor, Source, SourceReport

__all__ = [
    "ChangeItem",
    "Detail",
    "ExternalActivity",
    "Interaction",
    "Message",
    "MessageConnection",
    "MessageEdge",
    "NoteItem",
    "TimelineConnection",
    "TimelineEdge",
    "TimelineItem",
    "WrapUp",
]

_ID = "The item's id."
_OCCURRED = "When it happened."
_ORIGIN = "Whether it happened in the contact centre or elsewhere."
_TITLE = "One line for a list."
_ICON = (
    "Name of the icon: star for external activities, globe for page views, the channel's for conversations; for some types the operator's."
)
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
    custom_channel: str | None = strawberry.field(description="The name of a CUSTOM channel.")
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
    measures: JSON | None = strawberry.field(description="Numbers attached to it.")
    recording_url: URL | None = strawberry.field(description="Where the recording can be heard.")

    @strawberry.field(graphql_type=JSON | None, description="Text attributes attached to it; values that identify a person are masked.")
    def attributes(self, info: Info) -> Any:
        return shown_attributes(self, info.context)  # type: ignore[arg-type]

    @strawberry.field(description="Fields that are null because the interaction predates the feature that records them.")
    def not_recorded(self, info: Info) -> list[str]:
        return display.not_recorded(self, info.context.configuration.recorded_since)  # type: ignore[arg-type]

    @batched(
        type=Annotated["MessageConnection", strawberry.lazy("resolvers.types.activity")] | None,
        description="What was written, oldest first.",
    )
    async def transcript(
        parents: Sequence[model.Interaction],  # noqa: N805
        info: BatchInfo,
        first: Annotated[int | None, strawberry.argument(description="How many from the start, 1 to 100.")] = 50,
        after: Annotated[str | None, strawberry.argument(description="Cursor to go on behind.")] = None,
    ) -> Sequence[object]:
        return await transcripts(info.context, parents, PageArgs.check(first, after, default=50))

    @batched(
        type=Annotated["Interaction", strawberry.lazy("resolvers.types.activity")] | None,
        description="The interaction that it was escalated from.",
    )
    async def parent(parents: Sequence[model.Interaction], info: BatchInfo) -> Sequence[object]:  # noqa: N805
        return await escalated_from(info.context, parents)


@strawberry.type(description="One message of a conversation.")
class Message(TimelineItem):
    id: strawberry.ID = strawberry.field(description=_ID)
    occurred_at: datetime = strawberry.field(description=_OCCURRED)
    origin: ActivityOrigin = strawberry.field(description=_ORIGIN)
    title: str = strawberry.field(description=_TITLE)
    icon: str = strawberry.field(description=_ICON)
    source: Source = strawberry.field(description=_SOURCE)
    account: str | None = strawberry.field(description=_ACCOUNT)
    channel: Channel = strawberry.field(description="How it was sent.")
    direction: Direction = strawberry.field(description="Who wrote: the customer, or the company.")
    text: str | None = strawberry.field(description="What was written; null where only the fact was recorded.")
    author: str | None = strawberry.field(description="The name of who wrote it, where it was told.")

    @batched(type=Interaction | None, description="The conversation it belongs to, once that is on the timeline.")
    async def interaction(parents: Sequence[model.Message], info: BatchInfo) -> Sequence[object]:  # noqa: N805
        return await interactions_of(info.context, parents)


@strawberry.type(description="A message in a page.")
class MessageEdge:
    cursor: str = strawberry.field(description="Give it back as `after`.")
    node: Message = strawberry.field(description="The message.")


@strawberry.type(description="A page of messages, oldest first.")
class MessageConnection:
    edges: list[MessageEdge] = strawberry.field(description="The messages with their cursors.")
    nodes: list[Message] = strawberry.field(description="The messages.")
    page_info: PageInfo = strawberry.field(description="Where the page lies.")


@strawberry.type(description="A labelled value.")
class Detail:
    label: str = strawberry.field(description="What it is.")
    value: str | None = strawberry.field(description="The value as text; null where the activity has none.")


def _titles(items: Sequence[model.ExternalActivity], context: OperationContext) -> list[str]:
    types = context.configuration.external_types
    return [display.title_of(item, types) for item in items] if types else [item.title for item in items]


def _icons(items: Sequence[model.ExternalActivity], context: OperationContext) -> list[str]:
    types = context.configuration.external_types
    return [display.icon_of(item, types) for item in items] if types else [item.icon for item in items]


@strawberry.type(description="Something that happened outside the contact centre: an order, a registration, a page view.")
class ExternalActivity(TimelineItem):
    id: strawberry.ID = strawberry.field(description=_ID)
    occurred_at: datetime = strawberry.field(description=_OCCURRED)
    origin: ActivityOrigin = strawberry.field(description=_ORIGIN)
    source: Source = strawberry.field(description=_SOURCE)
    account: str | None = strawberry.field(description=_ACCOUNT)
    type: str = strawberry.field(description="The event's name, e.g. Order Completed.")
    properties: JSON = strawberry.field(description="What the sender said about it.")

    @strawberry.field(description=_TITLE, metadata={COLUMN: _titles})  # type: ignore[misc]  # a value in the interface, a method here: to GraphQL it is the same
    def title(self, info: Info) -> str:
        return display.title_of(self, info.context.configuration.external_types)  # type: ignore[arg-type]

    @strawberry.field(description=_ICON, metadata={COLUMN: _icons})  # type: ignore[misc]
    def icon(self, info: Info) -> str:
        return display.icon_of(self, info.context.configuration.external_types)  # type: ignore[arg-type]

    @strawberry.field(graphql_type=list[Detail], description="What an administrator shows of activities of this type.")
    def details(self, info: Info) -> list[display.Detail]:
        return display.details_of(self, info.context.configuration.external_types)  # type: ignore[arg-type]


@strawberry.type(description="A note, where it was written.")
class NoteItem(TimelineItem):
    id: strawberry.ID = strawberry.field(description=_ID)
    occurred_at: datetime = strawberry.field(description=_OCCURRED)
    origin: ActivityOrigin = strawberry.field(description=_ORIGIN)
    title: str = strawberry.field(description=_TITLE)
    icon: str = strawberry.field(description=_ICON)
    source: Source = strawberry.field(description=_SOURCE)
    account: str | None = strawberry.field(description=_ACCOUNT)
    note: Note = strawberry.field(description="The note.")


@strawberry.type(description="A change of the profile, where it was made.")
class ChangeItem(TimelineItem):
    id: strawberry.ID = strawberry.field(description=_ID)
    occurred_at: datetime = strawberry.field(description=_OCCURRED)
    origin: ActivityOrigin = strawberry.field(description=_ORIGIN)
    title: str = strawberry.field(description=_TITLE)
    icon: str = strawberry.field(description=_ICON)
    source: Source = strawberry.field(description=_SOURCE)
    account: str | None = strawberry.field(description=_ACCOUNT)
    change: Change = strawberry.field(description="The change.")


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
    retained_since: datetime | None = strawberry.field(
        description="What is older was not kept; null when some of what is shown is kept for ever."
    )
    stream_cursor: StreamCursor = strawberry.field(
        description="Where the profile's stream stood before the page was read: subscribe after it."
    )
