"""Ids of rows and ids of clients."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import RFC_4122, UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import BadUserInput
from gateway.model.ids import PREFIXES, make_id, parse_id, uuid7, uuid7_span

__all__: list[str] = []

NOON = datetime(2026, 3, 29, 12, 0, 0, 123_456, tzinfo=UTC)
HEX = "0199000000007000800000000000000a"

moments = st.datetimes(datetime(1970, 1, 1), datetime(9998, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001  # hypothesis adds the zone


@given(at=moments)
def test_a_uuid7_is_one(at: datetime) -> None:
    """Version 7, the RFC's variant, and the millisecond of the moment in front."""
    value = uuid7(at)

    assert (value.version, value.variant) == (7, RFC_4122)
    assert value.int >> 80 == (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)


@given(at=moments)
def test_the_span_holds_the_moment(at: datetime) -> None:
    """The span of a UUIDv7 is one millisecond long and holds the moment it was made for."""
    since, until = uuid7_span(uuid7(at))

    assert since <= at < until
    assert until - since == timedelta(milliseconds=1)


@given(value=st.uuids())
def test_every_uuid_has_a_span(value: UUID) -> None:
    """A UUID a client made up, of any version and any time, has a span and raises nothing."""
    since, until = uuid7_span(value)

    assert since < until


def test_uuid7s_sort_by_time() -> None:
    """UUIDv7s of later milliseconds sort behind those of earlier ones, as integers, as bytes and as text."""
    made = [uuid7(NOON + timedelta(milliseconds=number)) for number in range(50)]

    assert made == sorted(made)
    assert [value.hex for value in made] == sorted(value.hex for value in made)


def test_uuid7s_of_one_moment_differ() -> None:
    """Two processes that make an id for one moment make two: the last 22 bits are random, whatever their clocks say."""
    tails = {uuid7(datetime(2026, 3, 29, 12, tzinfo=UTC)).int & (1 << 22) - 1 for _ in range(200)}

    assert len(tails) > 190


def test_now_is_the_default() -> None:
    """Without a moment it is the present one."""
    before = datetime.now(UTC)
    since, until = uuid7_span(uuid7())

    assert before - timedelta(milliseconds=1) < since
    assert until <= datetime.now(UTC) + timedelta(milliseconds=1)


@pytest.mark.parametrize(("prefix", "count"), [(prefix, count) for prefix, (_, count) in PREFIXES.items()])
@given(data=st.data())
def test_client_ids_round_trip(data: st.DataObject, prefix: str, count: int) -> None:
    """What `make_id` writes, `parse_id` reads."""
    parts = tuple(data.draw(st.lists(st.uuids(), min_size=count, max_size=count)))

    assert parse_id(make_id(prefix, *parts), prefix) == parts


@pytest.mark.parametrize(
    "text",
    [
        "",
        "prf",
        "prf_",
        f"prf_{HEX[:-1]}",
        f"prf_{HEX}0",
        f"prf_{HEX}{HEX}",
        f"prf-{HEX}",
        f"note_{HEX}{HEX}",
        f"PRF_{HEX}",
        f"prf_{HEX.upper()}",
        f" prf_{HEX}",
        f"prf_{HEX}\n",
        f"prf_{UUID(HEX)}",
        f"prf_{{{HEX[:30]}}}",
        f"prf_0x{HEX[:30]}",
        f"prf_{HEX[:15]}_{HEX[:16]}",
        f"prf_+{HEX[:31]}",
        f"prf_{HEX[:31]}g",
        f"prf_{HEX[:31]}٣",
        f"prf_{HEX[:31]}\x00",
        f"prf_{HEX[:31]}\ud800",
        "' OR 1=1 --",
        "1" * 1_000_000,
    ],
)
def test_a_malformed_id_is_bad_input(text: str) -> None:
    """Any text but the one canonical form of a profile's id is BAD_USER_INPUT and names the argument, not the text."""
    with pytest.raises(BadUserInput) as caught:
        parse_id(text, "prf", argument="profileId")

    assert caught.value.extensions == {"argument": "profileId"}
    assert caught.value.message.startswith("profileId is not the id of a Profile;")


@pytest.mark.parametrize("other", sorted(PREFIXES.keys() - {"note"}))
def test_an_id_of_another_type_is_bad_input(other: str) -> None:
    """A genuine id of another type is refused where a note's is wanted, even with as many parts."""
    text = make_id(other, *[UUID(HEX)] * PREFIXES[other][1])

    with pytest.raises(BadUserInput, match="is not the id of a Note"):
        parse_id(text, "note")


def test_ids_of_one_moment_are_in_the_order_of_their_making() -> None:
    """Things of one millisecond are told apart by when they arrived, even when the clock stands still or goes back."""
    at = datetime(2026, 3, 29, 12, tzinfo=UTC)
    made = [uuid7(at) for _ in range(5000)]

    assert made == sorted(set(made))
