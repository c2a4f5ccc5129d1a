"""What a system elsewhere sends that cannot be used: it costs itself, never the rest of the answer, and nobody's gateway."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from gateway.errors import SourceError, SourceUnavailable
from gateway.model.activity import Direction, TimelineFilter, TimelineKind, TimelinePreset
from gateway.sources.contract import TimelineWindow
from gateway.sources.remote import ItemPage, ItemRecord, TraitRecord
from tests.unit.sources.federated_system import ANA, BEN, HERE, NOON, System, federated

__all__: list[str] = []

EVERYTHING = TimelineFilter(preset=TimelinePreset.ALL)
PLAN, TIER = TraitRecord("plan", "gold"), TraitRecord("tier", 3, NOON)
ORDER = ItemRecord("o-1", NOON, "Order Completed")


def dropped(reason: str) -> float:
    """Records of the source that were not used."""
    return REGISTRY.get_sample_value("gateway_source_records_dropped_total", {"source": "crm", "reason": reason}) or 0.0


def values(facts: Any) -> dict[str, Any]:
    """Facts as values by key."""
    return {fact.key: fact.value for fact in facts}


async def _first(answer: Any) -> Any:
    """The first element, raised if it is an error."""
    one = (await answer)[0]
    if isinstance(one, SourceError):
        raise one
    return one


NESTED: Any = "x"
for _ in range(20):
    NESTED = [NESTED]


@pytest.mark.parametrize(
    "wrong",
    [
        {"occurred_at": datetime(2026, 3, 29, 12)},  # noqa: DTZ001  # that is the point
        {"occurred_at": datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=9)))},
        {"occurred_at": datetime(9999, 12, 31, 23, tzinfo=UTC)},
        {"occurred_at": "2026-03-29"},
        {"id": ""},
        {"id": "x" * 201},
        {"id": "a\nb"},
        {"id": "a\0b"},
        {"id": "\ud800"},
        {"id": 7},
        {"type": ""},
        {"type": None},
        {"kind": TimelineKind.NOTE},
        {"kind": "EXTERNAL"},
        {"kind": TimelineKind.INTERACTION},
        {"kind": TimelineKind.INTERACTION, "channel": "VOICE", "direction": Direction.INBOUND},
        {"properties": {"x": "y" * 40_000}},
        {"properties": {"x": NESTED}},
        {"properties": {"x": float("nan")}},
        {"properties": {"x": 2**70}},
        {"properties": {"x": object()}},
        {"properties": {7: "x"}},
        {"properties": {"x": "\0"}},
        {"properties": [("x", 1)]},
        {"account": 7},
    ],
)
async def test_a_record_that_cannot_be_used_costs_only_itself(wrong: dict[str, Any]) -> None:
    """The others of the page are shown, and an alarm says of what there is too much or too little, never the value."""
    before = dropped("unusable")
    broken = replace(ORDER, **{"id": "o-2", **wrong})
    system = System({"items": {"a": [ORDER, broken]}}, pages=lambda records, _: ItemPage(records, is_complete=True))

    with capture_logs() as logs:
        told = await _first(federated(system).activities(HERE, [ANA], TimelineWindow(9, filter=EVERYTHING)))

    assert [item.native_id for item in told] == ["o-1"]
    assert dropped("unusable") == before + 1
    assert [(one["event"], one["count"]) for one in logs] == [("source.unusable_records", 1)]


@pytest.mark.parametrize(
    "wrong",
    [
        TraitRecord("", 1),
        TraitRecord("k" * 129, 1),
        TraitRecord("k", object()),
        TraitRecord("k", 1, datetime(2026, 1, 1)),  # noqa: DTZ001  # that is the point
        TraitRecord("k", 1, confidence=7.0),
        TraitRecord("k", 1, kind="PROFILE"),  # type: ignore[arg-type]
        {"key": "k", "value": 1},
        None,
    ],
)
async def test_a_fact_that_cannot_be_used_costs_only_itself(wrong: Any) -> None:
    """The others are shown."""
    before = dropped("unusable")
    source = federated(System({"traits": {"a": [wrong, PLAN]}}))

    assert values(await _first(source.traits(HERE, [ANA], None))) == {"plan": "gold"}
    assert dropped("unusable") == before + 1


async def test_a_fact_without_a_value_is_none() -> None:
    """A system that says null has nothing to say, which is no fault."""
    before = dropped("unusable")
    source = federated(System({"traits": {"a": [TraitRecord("plan", None)]}}))

    assert await _first(source.traits(HERE, [ANA], None)) == []
    assert dropped("unusable") == before


@pytest.mark.parametrize("said", [PLAN, {"plan": "gold"}, "gold", 7], ids=["a record", "an object", "a text", "a number"])
async def test_an_answer_of_another_shape_fails_its_key(said: Any) -> None:
    """It is an error of this profile alone."""
    ana, ben = await federated(System({"traits": {"a": said, "b": [TIER]}})).traits(HERE, [ANA, BEN], None)

    assert isinstance(ana, SourceUnavailable)
    assert values(ben) == {"tier": 3}
