"""The viewer: who is asking, and what can be searched."""

from __future__ import annotations

import strawberry

from resolvers.types.enums import AttributeType, Sensitivity
from resolvers.types.source import Actor

__all__ = ["SearchKey", "Viewer"]


@strawberry.type(description="Who is asking.")
class Viewer:
    actor: Actor = strawberry.field(description="Yourself.")
    scopes: list[str] = strawberry.field(description="What your credentials allow, sorted.")


@strawberry.type(description="A key that searchProfiles understands.")
class SearchKey:
    key: str = strawberry.field(description="The key.")
    display_name: str = strawberry.field(description="Its name for a person.")
    type: AttributeType = strawberry.field(description="What its values are.")
    sensitivity: Sensitivity = strawberry.field(description="How carefully its values are treated.")
    exact_only: bool = strawberry.field(description="Whether only the whole value matches.")
    priority: int = strawberry.field(description="Order in a list; lower comes first.")
