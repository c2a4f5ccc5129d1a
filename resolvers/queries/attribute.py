"""Root query fields of attributes and layouts. Joined by `resolvers.query`."""

from __future__ import annotations

from typing import Annotated

import strawberry

from gateway.auth.policy import Action, require
from gateway.loaders.layouts import LayoutLoaders
from gateway.model import attribute as attribute_model
from gateway.model import layout as layout_model
from resolvers.attributes import definitions, definitions_called
from resolvers.batching import Info
from resolvers.types.attribute import AttributeDefinition
from resolvers.types.layout import Layout

__all__ = ["AttributeQueries"]

Search = Annotated[str | None, strawberry.argument(description="Only attributes whose key or label, in any language, contains this.")]
Name = Annotated[str | None, strawberry.argument(description="Which one; absent: the one everybody sees.")]


@strawberry.type
class AttributeQueries:
    @strawberry.field(graphql_type=list[AttributeDefinition], description="The registry of attributes, by position and key.")
    def attribute_definitions(self, info: Info, search: Search = None) -> list[attribute_model.AttributeDefinition]:
        require(info.context.principal, Action.READ_PROFILE)
        return definitions_called(definitions(info.context.configuration), search)

    @strawberry.field(graphql_type=Layout, description="What a console shows of a profile.")
    async def layout(self, info: Info, name: Name = None) -> layout_model.Layout:
        require(info.context.principal, Action.READ_PROFILE)
        wanted = layout_model.DEFAULT_LAYOUT.name if name is None else name
        return await info.context.loaders.of(LayoutLoaders).layout.load(wanted)
