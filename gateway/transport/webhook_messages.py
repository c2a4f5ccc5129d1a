"""What a webhook's body says: a person's key, and what changed of them.

Owns the gateway's own shape of such a body and the reading of others' by the operator's expressions. Must not find the person, or do anything about
them. Called by `transport.webhooks` with a body whose signature is good.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from gateway.commands.arrivals import CHANGED, News
from gateway.errors import BadRequest, BadUserInput
from gateway.sources.conversions import UNREADABLE, to_id, to_time
from gateway.sources.expressions import Expression

__all__ = ["MOST_ITEMS", "Told", "read_message"]

MOST_ITEMS: Final = 100
"""Items that one message may name."""
_LONGEST_ID: Final = 200
_LARGEST: Final = 2**63 - 1


class _Data(msgspec.Struct, rename="camel"):
    key: str
    workspace: str | None = None
    changed: list[str] = []
    items: list[str] = []
    removed: list[str] = []
    version: int | None = None
    at: Any = None


class _Event(msgspec.Struct):
    data: _Data
    type: str = ""


@dataclass(frozen=True, slots=True)
class Told:
    """A message as it was understood. `id`: by which it counts once, where the body says so itself."""

    key: str
    news: News
    workspace: str | None = None
    id: str | None = None


def read_message(body: Any, expressions: Mapping[str, Expression]) -> Told:
    """The message in a decoded body; `expressions`: by the names of `WebhookPolicy.mapping`, none for our own shape.

    Raises:
        BadRequest: it is none.
        BadUserInput: it says something that cannot be.
    """
    told = _mapped(body, expressions) if expressions else _own(body)
    if any(not _is_item(item) for item in (*told.news.items, *told.news.removed)):
        raise BadUserInput(f"An item's id has between 1 and {_LONGEST_ID} characters, all on one line.", argument="items")
    if len(told.news.items) + len(told.news.removed) > MOST_ITEMS:
        raise BadUserInput(f"A message names {MOST_ITEMS} items at most; send several.", argument="items")
    return told


def _own(body: Any) -> Told:
    """A message of our own shape."""
    try:
        data = msgspec.convert(body, _Event).data
    except msgspec.ValidationError:
        raise BadRequest("The body is {type, data: {key, workspace, changed, items, removed, version, at}}; key is required.") from None
    unknown = [one for one in data.changed if one not in CHANGED]
    if unknown:
        raise BadUserInput(f"changed names some of {', '.join(CHANGED)}.", argument="data.changed")
    at = None if data.at is None else to_time(data.at)
    if at is UNREADABLE or (data.version is not None and not 0 <= data.version <= _LARGEST):
        raise BadUserInput("version is a whole number, at a time with its zone.", argument="data")
    return _told(data.key, tuple(data.changed), tuple(data.items), tuple(data.removed), data.version, at, workspace=data.workspace)


def _mapped(body: Any, expressions: Mapping[str, Expression]) -> Told:
    """A message of the system's own shape, read by the operator's expressions; what cannot be read but is not needed is left out."""

    def found(name: str) -> Any:
        expression = expressions.get(name)
        return None if expression is None else expression(body)

    key = to_id(found("key"))
    if key is UNREADABLE or key is None:
        raise BadUserInput("The body does not say whom it is about: mapping.key finds nothing there.", argument="key")
    version = found("version")
    if isinstance(version, str) and version.isdecimal() and len(version) < len(str(_LARGEST)):
        version = int(version)
    if isinstance(version, bool) or not isinstance(version, int) or not 0 <= version <= _LARGEST:
        version = None
    moment = found("at")
    at = None if moment is None else to_time(moment)
    changed = tuple(one for one in _texts(found("changed")) if one in CHANGED)
    told, workspace = to_id(found("id")), found("workspace")
    return _told(
        key,
        changed,
        _texts(found("item")),
        _texts(found("removed")),
        version,
        None if at is UNREADABLE else at,
        workspace=workspace if isinstance(workspace, str) else None,
        id_=told if isinstance(told, str) else None,
    )


def _told(
    key: str,
    changed: tuple[str, ...],
    items: tuple[str, ...],
    removed: tuple[str, ...],
    version: int | None,
    at: datetime | None,
    *,
    workspace: str | None,
    id_: str | None = None,
) -> Told:
    """Who says only that something changed means everything but the timeline's items, which have names."""
    if not (changed or items or removed):
        changed = tuple(CHANGED)
    if at is not None and at.tzinfo is None:
        at = at.replace(tzinfo=UTC)
    return Told(
        key, News(tuple(dict.fromkeys(changed)), tuple(dict.fromkeys(items)), tuple(dict.fromkeys(removed)), version, at), workspace, id_
    )


def _texts(value: Any) -> tuple[str, ...]:
    """A text, or a list of texts (numbers are written)."""
    read = [to_id(one) for one in (value if isinstance(value, list) else [value])]
    return tuple(one for one in read if isinstance(one, str))


def _is_item(text: str) -> bool:
    return 0 < len(text) <= _LONGEST_ID and text.isprintable()
