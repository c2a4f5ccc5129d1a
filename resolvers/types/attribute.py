"""Attributes: the registry's definitions, and one attribute of one profile."""

from __future__ import annotations

from typing import Annotated, Any

import strawberry

from gateway.model import attribute as model
from gateway.model.source import Source as SourceValue
from gateway.sources.registry import describer
from resolvers.batching import Info
from resolvers.types.enums import AttributeType, MaskState, Sensitivity
from resolvers.types.node import Node
from resolvers.types.scalars import JSON
from resolvers.types.source import Source
from resolvers.types.trait import Provenance

__all__ = ["AttributeDefinition", "ProfileAttribute"]

Locale = Annotated[str | None, strawberry.argument(description="Language, with or without a region: de, pt-BR.")]


def _is_editable(root: Any, info: Info) -> bool:
    """What a source manages is editable where that source takes what agents write."""
    value: model.AttributeDefinition = root
    if value.managed_by is None:
        return value.is_editable
    takes: bool = info.context.services.commands.written_through.takes(info.context.principal.workspace_key, value.managed_by)
    return value.is_editable and takes


@strawberry.type(description="An attribute of the workspace's registry: what it is called, what its values are, who writes it.")
class AttributeDefinition(Node):
    id: strawberry.ID = strawberry.field(description="The definition's id.")
    key: str = strawberry.field(description="Its name in the data.")
    type: AttributeType = strawberry.field(description="What its values are, and so which editor to open.")
    options: list[str] | None = strawberry.field(description="The values there are, of SELECT and MULTI_SELECT.")
    group: str | None = strawberry.field(description="The group it is shown in.")
    is_editable: bool = strawberry.field(
        resolver=_is_editable, description="Whether agents may change it; writing another one is READ_ONLY."
    )
    is_search_key: bool = strawberry.field(description="Whether profiles can be searched by it.")
    is_required: bool = strawberry.field(description="Whether missingAttributes names it while it is empty.")
    sensitivity: Sensitivity = strawberry.field(description="How carefully its values are treated.")
    is_visible_by_default: bool = strawberry.field(description="Whether agents who pinned nothing see it.")
    position: int = strawberry.field(description="Its place in a list; equal ones are in the order of their keys.")
    deprecation_reason: str | None = strawberry.field(description="Why not to use it any more.")

    @strawberry.field(description="Its name for a person.")
    def display_name(self, locale: Locale = None) -> str:
        value: model.AttributeDefinition = self  # type: ignore[assignment]
        return value.name_in(locale)

    @strawberry.field(graphql_type=Source | None, description="The source that alone writes it.")
    def managed_by(self, info: Info) -> SourceValue | None:
        value: model.AttributeDefinition = self  # type: ignore[assignment]
        if value.managed_by is None:
            return None
        source: SourceValue = describer(info.context.services.registry.seen_by(info.context.principal.workspace_key).described)(
            value.managed_by
        )
        return source


@strawberry.type(description="An attribute of a profile, also where there is no value yet.")
class ProfileAttribute:
    definition: AttributeDefinition = strawberry.field(description="What it is.")
    value: JSON | None = strawberry.field(description="The value; null where there is none, or where you may not see it whole.")
    display_value: str | None = strawberry.field(description="The value as a person reads it, masked where you may not see it; null: none.")
    mask: MaskState = strawberry.field(description="How much of the value you see.")
    provenance: Provenance | None = strawberry.field(description="Where the value came from.")
