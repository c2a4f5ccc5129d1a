"""Interests, consents and segments: what is known of a person beyond attributes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import cast

import strawberry

from gateway.engine.context import OperationContext
from gateway.loaders.insights import InsightLoaders
from gateway.model import insight as model
from gateway.model import item
from gateway.model import source as sources
from gateway.sources.registry import describer
from resolvers.batching import BatchInfo, Info, batched
from resolvers.types.activity import TimelineItem
from resolvers.types.enums import ActivityOrigin, Channel, ConsentStatus
from resolvers.types.node import PageInfo
from resolvers.types.source import Source

__all__ = [
    "Consent",
    "Interest",
    "InterestConnection",
    "InterestEdge",
    "InterestTopic",
    "InterestTopicConnection",
    "InterestTopicEdge",
    "InterestTriggered",
    "Segment",
    "described",
]


@strawberry.type(description="A topic the person has shown an interest in.")
class Interest:
    topic: str = strawberry.field(description="The topic.")
    category: str = strawberry.field(description="The topic's category; Other where it has none.")
    score: float = strawberry.field(description="How strong it is, 0 to 1: as the source said last, else 1 - 0.5^triggerCount.")
    first_triggered_at: datetime = strawberry.field(description="When the person first showed it.")
    last_triggered_at: datetime = strawberry.field(description="When the person last showed it.")
    trigger_count: int = strawberry.field(description="How often the person showed it.")

    @strawberry.field(graphql_type=Source, description="Who noticed.")
    def source(self, info: Info) -> sources.Source:
        return described(info.context, cast("model.Interest", self).source_key)


@strawberry.type(description="An interest in a page.")
class InterestEdge:
    cursor: str = strawberry.field(description="Give it back as `after`.")
    node: Interest = strawberry.field(description="The interest.")


@strawberry.type(description="A page of interests, the strongest first.")
class InterestConnection:
    edges: list[InterestEdge] = strawberry.field(description="The interests with their cursors.")
    nodes: list[Interest] = strawberry.field(description="The interests.")
    page_info: PageInfo = strawberry.field(description="Where the page lies.")


@strawberry.type(description="The person showed an interest in a topic.")
class InterestTriggered(TimelineItem):
    id: strawberry.ID = strawberry.field(description="The item's id.")
    occurred_at: datetime = strawberry.field(description="When the person showed it.")
    origin: ActivityOrigin = strawberry.field(description="Whether it happened in the contact centre or elsewhere.")
    title: str = strawberry.field(description="One line for a list.")
    icon: str = strawberry.field(description="Name of the icon: heart.")
    source: Source = strawberry.field(description="Who noticed.")
    account: str | None = strawberry.field(description="Which of your accounts or properties it happened on.")

    @batched(type=Interest, description="The interest as it is now, with all its triggers.")
    async def interest(parents: Sequence[item.InterestTriggered], info: BatchInfo) -> Sequence[object]:  # noqa: N805
        keys = [(one.profile_id, one.topic, one.source.key) for one in parents]
        known = await info.context.loaders.of(InsightLoaders).interest.load_many(keys)
        return [_this_trigger(one) if interest is None else interest for one, interest in zip(parents, known, strict=True)]


@strawberry.type(description="A topic of the catalogue.")
class InterestTopic:
    topic: str = strawberry.field(description="The topic.")
    category: str = strawberry.field(description="The category it belongs to; Other where it has none.")


@strawberry.type(description="A topic in a page.")
class InterestTopicEdge:
    cursor: str = strawberry.field(description="Give it back as `after`.")
    node: InterestTopic = strawberry.field(description="The topic.")


@strawberry.type(description="A page of topics, by name.")
class InterestTopicConnection:
    edges: list[InterestTopicEdge] = strawberry.field(description="The topics with their cursors.")
    nodes: list[InterestTopic] = strawberry.field(description="The topics.")
    page_info: PageInfo = strawberry.field(description="Where the page lies.")


@strawberry.type(description="What the person said to a purpose, on one channel or on all.")
class Consent:
    purpose: str = strawberry.field(description="What it is about, e.g. marketing.")
    channel: Channel | None = strawberry.field(description="The channel it is about; null for all.")
    status: ConsentStatus = strawberry.field(description="Yes or no, as of now: a consent that ran out shows as UNKNOWN, a refusal stays.")
    updated_at: datetime | None = strawberry.field(description="When the person said so.")
    expires_at: datetime | None = strawberry.field(description="When it runs out.")
    evidence: str | None = strawberry.field(description="Where the person's word is kept.")

    @strawberry.field(graphql_type=Source | None, description="Who took it down.")
    def source(self, info: Info) -> sources.Source:
        return described(info.context, cast("model.Consent", self).source_key)


@strawberry.type(description="An audience the person is in.")
class Segment:
    key: str = strawberry.field(description="Its name in the system that made it.")
    entered_at: datetime | None = strawberry.field(description="Since when the person is in it.")

    @strawberry.field(description="Its name for a person: the operator's, else the sender's.")
    def display_name(self, info: Info) -> str:
        return cast("model.Segment", self).label(info.context.configuration.segments)


def _this_trigger(one: item.InterestTriggered) -> model.Interest:
    """An interest of which nothing is kept but this trigger: another system's timeline told of it."""
    state = model.triggered(None, one.occurred_at, one.score)
    return model.Interest(
        one.profile_id, one.topic, one.category, state.score, one.occurred_at, one.occurred_at, state.trigger_count, one.source.key
    )


def described(context: OperationContext, key: str) -> sources.Source:
    """The source of a key that a row has."""
    source: sources.Source = describer(context.services.registry.seen_by(context.principal.workspace_key).described)(key)
    return source
