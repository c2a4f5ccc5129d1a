"""The viewer: who is asking, what the viewer chose, and what can be searched."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import strawberry

from gateway.loaders.layouts import LayoutLoaders
from gateway.model import attribute as attribute_model
from gateway.model import layout as layout_model
from resolvers.attributes import pinned, preference_of
from resolvers.batching import Info
from resolvers.types.attribute import AttributeDefinition
from resolvers.types.contact import Contact
from resolvers.types.enums import AttributeType, ContactState, Sensitivity
from resolvers.types.layout import Layout
from resolvers.types.scalars import StreamCursor
from resolvers.types.source import Actor
from resolvers.viewer import desk_contacts, desk_cursor

__all__ = ["RateLimit", "SearchKey", "Viewer"]


@strawberry.type(description="How many operations one subject may ask for, counted by the process that answers.")
class RateLimit:
    limit: int = strawberry.field(description="Operations that may come at once; 0: there is no limit.")
    remaining: int = strawberry.field(description="How many of them are left now.")
    cost: int = strawberry.field(description="What this operation cost.")
    reset_at: datetime = strawberry.field(description="When all of them will be there again.")


@strawberry.type(description="Who is asking.")
class Viewer:
    actor: Actor = strawberry.field(description="Yourself.")
    scopes: list[str] = strawberry.field(description="What your credentials allow, sorted.")

    @strawberry.field(description="What an administrator switched on for your workspace, sorted.")
    def features(self, info: Info) -> list[str]:
        return sorted(feature.value for feature in info.context.configuration.features)

    @strawberry.field(
        graphql_type=list[AttributeDefinition],
        description="Attributes you keep in sight, in your order; the registry's choice before you chose.",
    )
    async def visible_attributes(self, info: Info) -> list[attribute_model.AttributeDefinition]:
        return pinned(info.context.configuration, await preference_of(info.context))

    @strawberry.field(description="Counts your changes of visibleAttributes; 0 before the first. Give it back as expectedVersion.")
    async def preferences_version(self, info: Info) -> int:
        return (await preference_of(info.context)).version

    @strawberry.field(graphql_type=Layout, description="What your console shows of a profile.")
    async def layout(self, info: Info) -> layout_model.Layout:
        return await info.context.loaders.of(LayoutLoaders).layout.load(layout_model.DEFAULT_LAYOUT.name)

    @strawberry.field(
        graphql_type=list[Contact], description="Your contacts, newest first, at most 100: the open ones, or those in these states."
    )
    async def contacts(
        self,
        info: Info,
        states: Annotated[
            list[ContactState] | None, strawberry.argument(description="Only in these states; CLOSED shows past ones.")
        ] = None,
    ) -> Any:
        return await desk_contacts(info.context, states)

    @strawberry.field(
        graphql_type=StreamCursor,
        description="Where your desk's stream stood before your contacts were read: contactEvents(after:) misses nothing.",
    )
    async def stream_cursor(self, info: Info) -> Any:
        return await desk_cursor(info.context)

    @strawberry.field(
        graphql_type=RateLimit,
        description="How many operations you may still ask for.",
    )
    def rate_limit(self, info: Info) -> Any:
        return info.context.services.rates.standing(info.context.principal, info.context.cost)


@strawberry.type(description="A key that searchProfiles understands.")
class SearchKey:
    key: str = strawberry.field(description="The key.")
    display_name: str = strawberry.field(description="Its name for a person.")
    type: AttributeType = strawberry.field(description="What its values are.")
    sensitivity: Sensitivity = strawberry.field(description="How carefully its values are treated.")
    exact_only: bool = strawberry.field(description="Whether only the whole value matches.")
    priority: int = strawberry.field(description="Order in a list; lower comes first.")
