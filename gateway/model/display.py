"""How a timeline item is shown where the operator decides it: titles, icons and details of external activities, and why a field is empty.

Owns paths through an activity's properties (`products[].name`) and title templates (`Order {order_id}`). Pure. Called by resolvers.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final

from gateway.model.configuration import ExternalType
from gateway.model.folding import texts_of
from gateway.model.item import ExternalActivity, Interaction

__all__ = ["MOST_CHARACTERS", "RECORDED", "Detail", "details_of", "icon_of", "not_recorded", "title_of", "value_at"]

MOST_CHARACTERS: Final = 1000
"""A detail is one line of a screen: a longer one is cut, and ends in an ellipsis."""
_NAME: Final = re.compile(r"\{([^{}]+)\}")

RECORDED: Final[Mapping[str, str]] = {
    "endedAt": "ended_at",
    "queue": "queue",
    "agent": "agent",
    "outcome": "outcome",
    "summary": "summary",
    "wrapUp": "wrap_up",
    "sentiment": "sentiment",
    "attributes": "attributes",
    "measures": "measures",
    "recordingUrl": "recording_url",
}
"""Fields of `Interaction` that may be null for want of a record → the value's attribute."""


@dataclass(frozen=True, slots=True)
class Detail:
    """A labelled value; None where the activity has none."""

    label: str
    value: str | None


def title_of(item: ExternalActivity, types: Mapping[str, ExternalType]) -> str:
    """The line for a list: the operator's template when the activity has all that it names, else the activity's own."""
    shown = types.get(item.type)
    if shown is None or shown.title is None:
        return item.title
    named = {path: value_at(item.properties, path) for path in _NAME.findall(shown.title)}
    if None in named.values():
        return item.title
    return _cut(_NAME.sub(lambda match: named[match[1]] or "", shown.title))


def icon_of(item: ExternalActivity, types: Mapping[str, ExternalType]) -> str:
    """The operator's icon for the type, else a star for what came from outside and a globe for page views."""
    shown = types.get(item.type)
    return shown.icon if shown is not None and shown.icon else item.icon


def details_of(item: ExternalActivity, types: Mapping[str, ExternalType]) -> list[Detail]:
    """What the operator shows of activities of this type, in that order."""
    shown = types.get(item.type)
    return [] if shown is None else [Detail(one.label, value_at(item.properties, one.path)) for one in shown.details]


def value_at(properties: Mapping[str, Any], path: str) -> str | None:
    """What stands at a dotted path, as text; `[]` goes over a list, whose texts are joined with commas. None where there is nothing."""
    found = [text for value in _values(properties, path.split(".")) if (text := _text(value)) is not None]
    return _cut(", ".join(found)) if found else None


def not_recorded(item: Interaction, recorded_since: Mapping[str, str]) -> list[str]:
    """Fields that are null because the conversation is older than what records them, or because its source could not know them."""
    since = [name for name, moment in recorded_since.items() if name in RECORDED and item.occurred_at < _moment(moment)]
    names = dict.fromkeys([*since, *item.not_recorded])
    return [name for name in RECORDED if name in names and getattr(item, RECORDED[name]) is None]


def _values(value: Any, steps: list[str]) -> Iterator[Any]:
    if not steps:
        yield value
        return
    name, lists = steps[0], 0
    while name.endswith("[]"):
        name, lists = name[:-2], lists + 1
    if not name and not lists:
        return
    if name:
        if not isinstance(value, Mapping) or name not in value:
            return
        value = value[name]
    for one in _spread(value, lists):
        yield from _values(one, steps[1:])


def _spread(value: Any, lists: int) -> Iterator[Any]:
    if lists == 0:
        yield value
    elif isinstance(value, list):
        for one in value:
            yield from _spread(one, lists - 1)


def _text(value: Any) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, list):
        return ", ".join(text for one in value if (text := _text(one)) is not None) or None
    return next(texts_of(value), None) or None


def _cut(text: str) -> str:
    return text if len(text) <= MOST_CHARACTERS else f"{text[: MOST_CHARACTERS - 1]}…"


@lru_cache(maxsize=64)
def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
