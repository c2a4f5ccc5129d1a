"""What a client asks of lists: filters of traits and of the timeline."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import datetime
from typing import Final, TypeVar

import strawberry
from strawberry.utils.str_converters import to_camel_case

from gateway.commands.validation import text_problem
from gateway.errors import BadUserInput
from gateway.model import activity as model
from gateway.model.building import builder
from resolvers.types.enums import ActivityOrigin, Channel, Direction, TimelineKind, TimelinePreset, TraitKind

__all__ = ["LONGEST_SEARCH", "MOST_VALUES", "KeyValueInput", "TimelineFilter", "TraitFilter", "timeline_filter"]

MOST_VALUES: Final = 100
"""Values of one condition."""
LONGEST_SEARCH: Final = 200
"""Characters of a text to search for."""


@strawberry.input(description="Which traits to show; every given condition must hold.")
class TraitFilter:
    keys: list[str] | None = strawberry.field(default=None, description="Only these keys.")
    kinds: list[TraitKind] | None = strawberry.field(default=None, description="Only these kinds.")
    categories: list[str] | None = strawberry.field(default=None, description="Only these categories.")
    sources: list[strawberry.ID] | None = strawberry.field(default=None, description="Only traits from these sources.")
    search: str | None = strawberry.field(default=None, description="Only traits whose key or name contains this.")


@strawberry.input(description="A key and its value.")
class KeyValueInput:
    key: str = strawberry.field(description="The key.")
    value: str = strawberry.field(description="The value, exactly.")


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
    agent_ids: list[strawberry.ID] | None = strawberry.field(
        default=None, description="Only what these agents did: interactions they took, notes they wrote, changes they made."
    )
    queues: list[str] | None = strawberry.field(default=None, description="Only interactions that came through these queues.")
    from_: datetime | None = strawberry.field(default=None, name="from", description="Only items at or after this moment.")
    to: datetime | None = strawberry.field(default=None, description="Only items before this moment.")
    search: str | None = strawberry.field(
        default=None,
        description="Only items whose text contains this, in any case: names and properties of events, summaries, wrap-ups, messages, notes, "
        "names of changed fields.",
    )
    attributes: list[KeyValueInput] | None = strawberry.field(
        default=None, description="Only interactions with all of these attributes, each with exactly this value."
    )


_filter = builder(model.TimelineFilter)


def timeline_filter(
    given: TimelineFilter | None,
    hidden: tuple[model.TimelineKind, ...] = (),
    retained: tuple[tuple[model.TimelineKind, datetime], ...] = (),
) -> model.TimelineFilter:
    """What the client asked for, with what the viewer (`hidden`) and the workspace (`retained`) decide; see `resolvers.timeline`.

    Raises:
        BadUserInput: a list is too long or holds what no text can be, an attribute is named twice, or the text to search for is none.
    """
    if given is None:
        return model.TimelineFilter(hidden=hidden, retained=retained)
    for name in ("types", "accounts", "agent_ids", "queues"):
        values = getattr(given, name)
        if not values:
            continue
        if len(values) > MOST_VALUES or not all(map(_storable, values)):
            message = f"At most {MOST_VALUES} values in one condition, none with a NUL character or half of a surrogate pair."
            raise BadUserInput(message, argument=f"filter.{to_camel_case(name)}")
    return _filter(
        given.preset or TimelinePreset.DEFAULT,
        _tuple(given.kinds),
        _tuple(given.channels),
        _tuple(given.directions),
        _tuple(given.origins),
        _tuple(given.types),
        _tuple(given.accounts),
        given.from_,
        given.to,
        None if given.agent_ids is None else tuple(map(str, given.agent_ids)),
        _tuple(given.queues),
        _attributes(given.attributes or ()),
        _search(given.search),
        hidden=hidden,
        retained=retained,
    )


def _attributes(given: Sequence[KeyValueInput]) -> tuple[tuple[str, str], ...]:
    if len({one.key for one in given}) < len(given) or len(given) > MOST_VALUES:
        raise BadUserInput(f"At most {MOST_VALUES} attributes, each named once: it has one value.", argument="filter.attributes")
    if not all(_storable(text) for one in given for text in (one.key, one.value)):
        raise BadUserInput("No attribute contains a NUL character or half of a surrogate pair.", argument="filter.attributes")
    return tuple((one.key, one.value) for one in given)


def _search(text: str | None) -> str | None:
    wanted = text.strip() if text is not None else ""
    if len(wanted) > LONGEST_SEARCH or not _storable(wanted):
        raise BadUserInput(f"A text to search for has between 1 and {LONGEST_SEARCH} characters.", argument="filter.search")
    return wanted or None


def _storable(text: str) -> bool:
    """Whether a stored text could contain this one: no NUL, no half of a surrogate pair."""
    return text_problem(text, sys.maxsize) is None


T = TypeVar("T")


def _tuple(values: list[T] | None) -> tuple[T, ...] | None:
    return None if values is None else tuple(values)
