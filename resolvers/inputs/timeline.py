"""What a client asks of lists: filters of traits and of the timeline."""

from __future__ import annotations

from datetime import datetime
from typing import TypeVar

import strawberry

from gateway.model import activity as model
from resolvers.types.enums import ActivityOrigin, Channel, Direction, TimelineKind, TimelinePreset, TraitKind

__all__ = ["TimelineFilter", "TraitFilter", "timeline_filter"]


@strawberry.input(description="Which traits to show; every given condition must hold.")
class TraitFilter:
    keys: list[str] | None = strawberry.field(default=None, description="Only these keys.")
    kinds: list[TraitKind] | None = strawberry.field(default=None, description="Only these kinds.")
    categories: list[str] | None = strawberry.field(default=None, description="Only these categories.")
    sources: list[strawberry.ID] | None = strawberry.field(default=None, description="Only traits from these sources.")
    search: str | None = strawberry.field(default=None, description="Only traits whose key or name contains this.")


@strawberry.input(description="Which timeline items to show; every given condition must hold, within a list any one suffices.")
class TimelineFilter:
    preset: TimelinePreset | None = strawberry.field(
        default=TimelinePreset.DEFAULT,
        description="DEFAULT = every inbound interaction + outbound voice + external types the layout includes; `kinds` replaces it.",
    )
    kinds: list[TimelineKind] | None = strawberry.field(default=None, description="Only these kinds.")
    channels: list[Channel] | None = strawberry.field(default=None, description="Only interactions on these channels.")
    directions: list[Direction] | None = strawberry.field(default=None, description="Only interactions in these directions.")
    origins: list[ActivityOrigin] | None = strawberry.field(default=None, description="Only items of these origins.")
    types: list[str] | None = strawberry.field(default=None, description="Only events of these names.")
    accounts: list[str] | None = strawberry.field(default=None, description="Only items on these accounts.")
    from_: datetime | None = strawberry.field(default=None, name="from", description="Only items at or after this moment.")
    to: datetime | None = strawberry.field(default=None, description="Only items before this moment.")


def timeline_filter(given: TimelineFilter | None) -> model.TimelineFilter:
    """The filter the sources understand."""
    if given is None:
        return model.TimelineFilter()
    return model.TimelineFilter(
        given.preset or TimelinePreset.DEFAULT,
        _tuple(given.kinds),
        _tuple(given.channels),
        _tuple(given.directions),
        _tuple(given.origins),
        _tuple(given.types),
        _tuple(given.accounts),
        given.from_,
        given.to,
    )


T = TypeVar("T")


def _tuple(values: list[T] | None) -> tuple[T, ...] | None:
    return None if values is None else tuple(values)
