"""How an operator's templates show external activities, and why a field of an interaction is empty."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from gateway.model.activity import Direction, ExternalActivity, Interaction, TimelineKind
from gateway.model.configuration import DetailTemplate, ExternalType
from gateway.model.display import MOST_CHARACTERS, RECORDED, Detail, details_of, icon_of, not_recorded, title_of, value_at
from gateway.model.profile import Channel
from gateway.model.source import Source

__all__: list[str] = []

NOON = datetime(2026, 3, 29, 12, tzinfo=UTC)
SHOP = Source("shop", "Shop", ())


def event(kind: TimelineKind = TimelineKind.EXTERNAL, **properties: Any) -> ExternalActivity:
    """An order."""
    return ExternalActivity(UUID(int=1), "a", NOON, SHOP, kind, "Order", None, properties)


def call(**fields: Any) -> Interaction:
    """A call of which little is known."""
    values: dict[str, Any] = {name: fields.get(name) for name in RECORDED.values()}
    return Interaction(
        UUID(int=1), "a", NOON, SHOP, None, Channel.VOICE, Direction.INBOUND, **values, not_recorded=fields.get("not_recorded", ())
    )


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("id", "7"),
        ("customer.name", "Ana"),
        ("customer.nobody", None),
        ("customer.name.first", None),
        ("lines[].name", "Boots, Laces"),
        ("lines[].tags[]", "new, red, blue"),
        ("lines[].tags", "new, red, blue"),
        ("lines.name", None),
        ("id[]", None),
        ("grid[][]", "1, 2, 3"),
        ("lines[]", '{"name": "Boots", "tags": ["new", "red"]}, {"name": "Laces", "tags": ["blue"]}, {"sku": 1}'),
        ("paid", "true"),
        ("total", "99.5"),
        ("nothing", None),
        ("empty", None),
        ("blank", None),
        ("", None),
        ("..", None),
        ("[]", None),
        ("a.b", None),
    ],
)
def test_paths(path: str, text: str | None) -> None:
    """A dotted path leads through objects, `[]` over lists, whose texts are joined; what is not there is None."""
    lines = [{"name": "Boots", "tags": ["new", "red"]}, {"name": "Laces", "tags": ["blue"]}, {"sku": 1}]
    properties = {"id": 7, "customer": {"name": "Ana"}, "lines": lines, "grid": [[1, 2], [3]], "paid": True, "total": 99.5}

    assert value_at({**properties, "nothing": None, "empty": [], "blank": "", "a.b": 1}, path) == text


def test_a_long_value_is_cut() -> None:
    """A detail is one line: a longer value ends in an ellipsis."""
    shown = value_at({"text": "x" * 5000}, "text")

    assert shown is not None
    assert (len(shown), shown[-2:]) == (MOST_CHARACTERS, "x…")


@pytest.mark.parametrize(
    ("template", "properties", "title"),
    [
        ("Order {id}", {"id": 7}, "Order 7"),
        ("Order {id} of {customer.name}", {"id": 7, "customer": {"name": "Ana"}}, "Order 7 of Ana"),
        ("Order {id} of {customer.name}", {"id": 7}, "Order"),
        ("Order {id}", {"id": None}, "Order"),
        ("Order {id}", {"id": "{id} {0} %s {__class__}"}, "Order {id} {0} %s {__class__}"),
        ("{__class__}", {}, "Order"),
        ("Order {", {"id": 7}, "Order {"),
        (None, {"id": 7}, "Order"),
    ],
)
def test_titles(template: str | None, properties: dict[str, Any], title: str) -> None:
    """A template is filled in when everything it names is there, once and as text; else the type is the title."""
    assert title_of(event(**properties), {"Order": ExternalType(template)}) == title
    assert title_of(event(**properties), {}) == "Order"


def test_icons_and_details() -> None:
    """The operator's icon counts, else a star or a globe; details come in the operator's order, empty ones as None."""
    types = {"Order": ExternalType(icon="cart", details=(DetailTemplate("No", "id"), DetailTemplate("Gone", "x")))}

    assert (icon_of(event(), types), icon_of(event(), {}), icon_of(event(TimelineKind.WEB), {})) == ("cart", "star", "globe")
    assert details_of(event(id=7), types) == [Detail("No", "7"), Detail("Gone", None)]
    assert details_of(event(id=7), {"Other": types["Order"]}) == []


def test_why_a_field_is_empty() -> None:
    """A field that is null is named when it is recorded only since later, or when the source says so; one that has a value never is."""
    later, earlier = (NOON + timedelta(hours=1)).isoformat(), NOON.isoformat()

    assert not_recorded(call(), {"summary": later, "agent": earlier, "nonsense": later}) == ["summary"]
    assert not_recorded(call(summary="x"), {"summary": later}) == []
    assert not_recorded(call(not_recorded=("queue", "channel")), {}) == ["queue"]
    assert not_recorded(call(not_recorded=("summary",)), {"summary": later}) == ["summary"]
    assert not_recorded(call(), {"summary": "2026-03-29T12:00:01"}) == ["summary"]  # without a zone it is UTC
