"""Rows of other systems become records, or are left out; nothing that an upstream answers raises."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.errors import ConfigurationError
from gateway.model.activity import Direction, TimelineKind
from gateway.model.profile import Channel
from gateway.model.trait import TraitKind
from gateway.sources.conversions import LONGEST_BODY, UNREADABLE, to_body, to_date, to_id, to_json, to_number, to_time, to_truth
from gateway.sources.mapping import (
    Reading,
    TraitReading,
    Traits,
    company_records,
    item_records,
    note_records,
    profile_records,
)

__all__: list[str] = []

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(exclude_categories=()), max_size=12),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["id", "at", "a", "b", "type", "x y"]) | st.text(max_size=3), inner, max_size=5)
    ),
    max_leaves=20,
)
ITEM = {"id": "id", "occurred_at": "at", "type": "type || 'Thing'"}
MOMENT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def test_an_item_is_read_whole() -> None:
    """Every field of an item finds its value, in the type of the record."""
    read = item_records(
        {
            **ITEM,
            "kind": "'INTERACTION'",
            "channel": Reading(value="via", map={"web": "CHAT"}, default="CUSTOM"),
            "direction": "dir",
            "ended_at": "end",
            "queue": "group",
            "agent_id": "agent",
            "properties": "{status: status, none: nothing}",
        },
        "record",
    )
    row = {
        "id": 35436,
        "at": 1767323045,
        "type": "Ticket",
        "via": "web",
        "dir": "inbound",
        "end": "2026-01-02T04:04:05.000+0100",
        "group": 7,
    }
    record = read(row | {"agent": "a1", "status": "open"})

    assert record is not None
    assert (record.id, record.occurred_at, record.kind, record.channel) == ("35436", MOMENT, TimelineKind.INTERACTION, Channel.CHAT)
    assert (record.direction, record.ended_at, record.queue, record.agent_id) == (Direction.INBOUND, MOMENT.replace(hour=3), "7", "a1")
    assert record.properties == {"status": "open"}
    assert read(row | {"via": "carrier pigeon"}).channel is Channel.CUSTOM  # type: ignore[union-attr]


def test_a_row_without_what_it_takes_is_dropped_and_counted() -> None:
    """A row without an id or a moment is no item; the others of its batch are read."""
    read = item_records(ITEM, "record")
    rows: list[Any] = [{"id": 1, "at": "yesterday"}, {"at": 0}, None, [], {"id": 2, "at": 0}, {"id": "x" * 201, "at": 0}]

    assert [record.id for row in rows if (record := read(row))] == ["2"]
    assert read.taken() == (5, 0)
    assert read.taken() == (0, 0)


def test_an_optional_value_that_cannot_be_read_is_left_out_and_counted() -> None:
    """A wrong avatar does not cost the person."""
    read = profile_records({"first_name": "first", "birth_date": "born", "avatar_url": "pic"}, "record")

    assert read({"first": " Ana ", "born": "1990-02-30", "pic": {"url": 1}}).values == {"first_name": "Ana"}  # type: ignore[union-attr]
    assert read.taken() == (0, 2)
    assert read({"first": "", "born": "1990-02-28T23:00:00Z"}).values == {"birth_date": date(1990, 2, 28)}  # type: ignore[union-attr]


def test_traits_are_named_or_all_of_an_object() -> None:
    """Named traits are read as their type says, the others as they are; a null is no trait."""
    read = Traits(
        {"spend": TraitReading(value="total", type="number", kind=TraitKind.COMPUTED, confidence="sure", observed_at="then")},
        "record",
        every="facts",
        observed_at="at",
    )
    row = {
        "total": "12.50",
        "sure": 0.5,
        "then": 0,
        "at": "2026-01-02T03:04:05",
        "facts": {"tier": "gold", "spend": 1, "gone": None, "bad": 1e999},
    }
    spend, tier = read(row)

    assert (spend.key, spend.value, spend.kind, spend.confidence) == ("spend", 12.5, TraitKind.COMPUTED, 0.5)
    assert spend.observed_at == datetime(1970, 1, 1, tzinfo=UTC)
    assert (tier.key, tier.value, tier.observed_at) == ("tier", "gold", MOMENT)
    assert [one.key for one in read(row, frozenset({"tier"}))] == ["tier"]
    assert read.taken() == (0, 1)


@pytest.mark.parametrize(
    ("value", "moment"),
    [
        ("2026-01-02T03:04:05Z", MOMENT),
        ("2026-01-02T04:04:05+01:00", MOMENT),
        ("2026-01-02 03:04:05", MOMENT),
        (1767323045, MOMENT),
        (1767323045000, MOMENT),
        (1767323045000000, MOMENT),
        ("1767323045.0", MOMENT),
        (" 2026-01-02T03:04:05.000+0000 ", MOMENT),
        *[(wrong, UNREADABLE) for wrong in ("", "soon", None, True, [], {}, float("nan"), float("inf"), 10**400)],
        *[(wrong, UNREADABLE) for wrong in ("9" * 5000, "1e999999", "0001-01-01T00:00:00+14:00")],
    ],
)  # fmt: skip
def test_moments_are_aware_whatever_they_are_written_as(value: Any, moment: Any) -> None:
    """ISO 8601 with any zone or none, and seconds, milliseconds or microseconds since 1970; what is no moment is unreadable."""
    assert to_time(value) == moment


def test_other_values_are_read_strictly() -> None:
    """Numbers, truth, ids, days and texts: what is another thing is not guessed."""
    assert [to_number(one) for one in ("12.50", " 7 ", 1.0, True, "x", "1e400")] == [12.5, 7, 1, UNREADABLE, UNREADABLE, UNREADABLE]
    assert [to_truth(one) for one in (True, "No", 1, 0, 2, None)] == [True, False, True, False, UNREADABLE, UNREADABLE]
    assert [to_id(one) for one in (7, 7.0, " a ", "", "a\nb", 1.5, True, None)] == ["7", "7", "a", *[UNREADABLE] * 5]
    assert [to_date(one) for one in ("2026-01-02T23:00:00-05:00", 0, "never")] == [date(2026, 1, 2), date(1970, 1, 1), UNREADABLE]
    assert len(to_body("x" * LONGEST_BODY * 2)) == LONGEST_BODY
    assert to_json({"a": [1, {"b": "\ud800"}]}) is UNREADABLE
    assert to_json(2**63) is UNREADABLE


READERS = (
    item_records({**ITEM, "kind": "a", "properties": "@", "ended_at": "a", "summary": "sum([a, b])"}, "r"),
    item_records({**ITEM, "channel": Reading(value="b", map={"x": "CHAT"}), "direction": "a.b", "queue": "max(a)"}, "r"),
    note_records({"id": "id", "body": "join(' ', [a, b])", "created_at": "at", "is_pinned": "b", "author_id": "sort_by(a, &id)[0]"}, "r"),
    profile_records({"first_name": "split(' ', a)[0]", "birth_date": "b", "customer_since": "at", "locale": "lower(type)"}, "r"),
    profile_records({"time_zone": "&a", "avatar_url": "split('', a)[0]", "last_name": "to_string(@)"}, "r"),
    company_records({"id": "id", "name": "a || b", "since": "at", "is_main": "id > at", "domain": "contains(a, b) && 'x'"}, "r"),
    Traits({"a": "a", "n": TraitReading(value="b", type="number", confidence="a", observed_at="at")}, "r", every="@", observed_at="at"),
    Traits({"d": TraitReading(value="b", type="date"), "t": TraitReading(value="a", type="time"), "x": "to_number(a)"}, "r", every="a"),
)


@settings(max_examples=150, deadline=None)
@given(JSON)
def test_mapping_never_raises(row: Any) -> None:
    """Whatever JSON value a row is, also with half surrogates, NaN and endless numbers, each reader answers a record or none."""
    for read in READERS:
        read(row)


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({**ITEM, "summary": "a["}, "record.summary: 'a[' is not a JMESPath expression: wrong at column 3"),
        ({**ITEM, "summary": ""}, "record.summary: '' is not a JMESPath expression"),
        ({**ITEM, "summary": "lowr(a)"}, "record.summary: 'lowr(a)' calls lowr(), which is no function of JMESPath"),
        ({**ITEM, "summary": "lower(a, b)"}, "record.summary: 'lower(a, b)' calls lower() with 2 arguments; it takes 1"),
        ({**ITEM, "summary": "a" * 3000}, "record.summary: an expression has at most 2000 characters"),
        ({**ITEM, "sumary": "a"}, "record.sumary: there is no such field; there are account, agent_id"),
        ({"id": "id", "type": "a"}, "record.occurred_at: is missing"),
        ({**ITEM, "channel": Reading(value="a", map={"x": "PIGEON"})}, "record.channel: 'PIGEON' is no value that this field takes"),
        ({**ITEM, "kind": Reading(value="a", default="NOTE")}, "record.kind: 'NOTE' is no value that this field takes"),
    ],
)  # fmt: skip
def test_a_wrong_table_is_refused_at_start(table: dict[str, Any], words: str) -> None:
    """An error names the field, the expression and what is wrong with it."""
    with pytest.raises(ConfigurationError) as error:
        item_records(table, "record")

    assert error.value.message.startswith(words)
