"""Sources and actors: where a value came from, and who acted."""

from __future__ import annotations

from datetime import datetime

import strawberry

from resolvers.types.enums import ActorKind, DataParty, SourceKind, SourceState
from resolvers.types.node import Node

__all__ = ["Actor", "Source", "SourceReport"]


@strawberry.type(description="A system that customer data comes from.")
class Source(Node):
    id: strawberry.ID = strawberry.field(description="The source's id.")
    key: str = strawberry.field(description="Its short name in configuration and metrics.")
    display_name: str = strawberry.field(description="Its name for a person.")
    kinds: list[SourceKind] = strawberry.field(description="What it provides.")
    party: DataParty = strawberry.field(description="Whose data it is.")
    priority: int = strawberry.field(description="The higher one wins when values differ.")
    state: SourceState = strawberry.field(description="How it stood at its last answer.")
    last_success_at: datetime | None = strawberry.field(description="When it last answered.")
    latency_ms: float | None = strawberry.field(description="Milliseconds its last answer took.")
    writable: bool = strawberry.field(description="Whether changes can be written to it.")


@strawberry.type(description="What one source contributed to an answer.")
class SourceReport:
    source: Source = strawberry.field(description="The source.")
    state: SourceState = strawberry.field(description="OK, or why its part may be missing.")
    as_of: datetime | None = strawberry.field(description="When its part was true.")
    message: str | None = strawberry.field(description="For a person: what went wrong.")


@strawberry.type(description="Who did something.")
class Actor:
    id: strawberry.ID = strawberry.field(description="The subject of the credential, or the key of the source.")
    display_name: str = strawberry.field(description="The name to show.")
    kind: ActorKind = strawberry.field(description="What kind of party it is.")
