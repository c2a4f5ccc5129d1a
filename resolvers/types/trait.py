"""Traits: facts about a person, where they came from, and what lost."""

from __future__ import annotations

from datetime import datetime

import strawberry

from resolvers.types.enums import TraitKind
from resolvers.types.node import PageInfo
from resolvers.types.scalars import JSON
from resolvers.types.source import Actor, Source

__all__ = ["CategoryCount", "Provenance", "Trait", "TraitCandidate", "TraitConnection", "TraitEdge"]


@strawberry.type(description="Where a value came from.")
class Provenance:
    source: Source = strawberry.field(description="The source that said so.")
    observed_at: datetime = strawberry.field(description="When it was observed.")
    computed_from: str | None = strawberry.field(description="What a computed value was calculated from.")
    model: str | None = strawberry.field(description="The model behind a predicted value.")
    expires_at: datetime | None = strawberry.field(description="When it stops being valid.")
    actor: Actor | None = strawberry.field(description="Who set it by hand.")


@strawberry.type(description="A value that lost against the one shown.")
class TraitCandidate:
    value: JSON | None = strawberry.field(description="The value.")
    provenance: Provenance = strawberry.field(description="Where it came from.")
    lost_because: str = strawberry.field(description="Which rule decided.")


@strawberry.type(description="A fact about the person, after the merge of all sources.")
class Trait:
    key: str = strawberry.field(description="Its name in the data.")
    display_name: str = strawberry.field(description="Its name for a person.")
    kind: TraitKind = strawberry.field(description="What sort of fact it is.")
    category: str | None = strawberry.field(description="The group it is shown in.")
    value: JSON | None = strawberry.field(description="The value.")
    display_value: str | None = strawberry.field(description="The value as a person reads it.")
    confidence: float | None = strawberry.field(description="How sure a model is, 0 to 1.")
    provenance: Provenance = strawberry.field(description="Where it came from.")
    conflicts: list[TraitCandidate] = strawberry.field(description="Values that lost, and which rule decided.")


@strawberry.type(description="A trait in a page.")
class TraitEdge:
    cursor: str = strawberry.field(description="Give it back as `after`.")
    node: Trait = strawberry.field(description="The trait.")


@strawberry.type(description="A page of traits, by key.")
class TraitConnection:
    edges: list[TraitEdge] = strawberry.field(description="The traits with their cursors.")
    nodes: list[Trait] = strawberry.field(description="The traits.")
    page_info: PageInfo = strawberry.field(description="Where the page lies.")


@strawberry.type(description="How many traits a category has.")
class CategoryCount:
    category: str = strawberry.field(description="The category; Other for traits without one.")
    count: int = strawberry.field(description="How many there are.")
    top: list[str] = strawberry.field(description="Names of the first few.")
