"""Timeline cursors."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import CursorInvalid
from gateway.model.activity import ExternalActivity, Place, TimelineKind, place_of
from gateway.model.sealed import Sealer
from gateway.model.source import Source, SourceKind
from gateway.sources.contract import FIRST_PLACE, LAST_PLACE
from gateway.timeline.cursor import decode, encode, encoding

__all__: list[str] = []

HERE = UUID("01990000-0000-7000-8000-00000000000a")
ELSEWHERE = UUID("01990000-0000-7000-8000-00000000000b")
SEALER = Sealer([b"one secret of thirty-two bytes...."])
PLACE = Place(datetime(2026, 3, 29, 0, 59, 59, 999_999, tzinfo=UTC), "tracking", "0199000000007000800000000000000a")

places = st.builds(
    Place,
    st.datetimes(timezones=st.just(UTC)),
    st.from_regex(r"[a-z][a-z0-9-]{0,31}", fullmatch=True),
    st.text(st.characters(codec="utf-8"), max_size=200),
)


@given(place=places)
def test_a_place_survives_the_journey(place: Place) -> None:
    """Any moment a datetime can hold, to the microsecond, any source and any id come back as they were."""
    assert decode(SEALER, HERE, encode(SEALER, HERE, place)) == place


@pytest.mark.parametrize("place", [FIRST_PLACE, LAST_PLACE, Place(datetime(1969, 12, 31, 23, tzinfo=UTC), "native", "a\x00b")])
def test_odd_places_survive_too(place: Place) -> None:
    """The ends of the order, a moment before 1970 and an id with a NUL come back as they were."""
    assert decode(SEALER, HERE, encode(SEALER, HERE, place)) == place


def test_time_zones_do_not_matter() -> None:
    """One moment told in two time zones is one place and one cursor."""
    abroad = Place(PLACE.occurred_at.astimezone(timezone(timedelta(hours=5, minutes=45))), PLACE.source, PLACE.id)

    assert encode(SEALER, HERE, abroad) == encode(SEALER, HERE, PLACE)


def test_a_cursor_belongs_to_its_workspace() -> None:
    """A cursor made for one workspace is invalid in another."""
    with pytest.raises(CursorInvalid):
        decode(SEALER, ELSEWHERE, encode(SEALER, HERE, PLACE))


@pytest.mark.parametrize("text", ["", "x", "AQ", "first", "🙂", "act_00", "A" * 10_000])
def test_what_is_no_cursor_is_refused(text: str) -> None:
    """Text that this server never gave out is CURSOR_INVALID, whatever it looks like."""
    with pytest.raises(CursorInvalid):
        decode(SEALER, HERE, text)


@pytest.mark.parametrize("purpose", [b"note", b"stream", b"search"])
def test_a_cursor_of_another_list_is_refused(purpose: bytes) -> None:
    """What was sealed for another list of the same workspace is not a timeline cursor."""
    with pytest.raises(CursorInvalid):
        decode(SEALER, HERE, SEALER.seal(purpose + HERE.bytes, b"\x00" * 8 + b"native\x00a"))


@pytest.mark.parametrize(
    "payload", [b"", b"\x00" * 7, b"\x00" * 8, b"\x00" * 8 + b"native", b"\x7f" * 8 + b"native\x00a", b"\x00" * 9 + b"\xff"]
)
def test_a_payload_of_another_make_is_refused(payload: bytes) -> None:
    """A genuine seal over a payload that holds no place (of an older or newer release) is CURSOR_INVALID, not a crash."""
    with pytest.raises(CursorInvalid):
        decode(SEALER, HERE, SEALER.seal(b"timeline" + HERE.bytes, payload))


@pytest.mark.parametrize(
    ("place", "text"),
    [
        (
            Place(datetime(2026, 3, 29, 12, 0, 0, 5, tzinfo=UTC), "native", "01990000000070008000000000000001"),
            "AfOzAAZOKHk9kAVuYXRpdmUAMDE5OTAwMDAwMDAwNzAwMDgwMDAwMDAwMDAwMDAwMDEEMDNZvfMeLNY",
        ),
        (FIRST_PLACE, "AfOz_yNAAQDUQAAA1jHSwY23oQkN"),
        (LAST_PLACE, "AfOzA4RD-K6cAAB-AH6_w6UMjyoiT-k"),
    ],
    ids=["an item", "the first", "the last"],
)
def test_a_cursor_reads_as_it_always_did(place: Place, text: str) -> None:
    """Cursors that clients keep stay good: the text of a place is that of the first release."""
    sealer = Sealer([b"a secret of thirty-two bytes, say"])

    assert encode(sealer, HERE, place) == text
    assert decode(sealer, HERE, text) == place


@given(place=places)
def test_the_cursors_of_a_page_are_those_of_its_items(place: Place) -> None:
    """What a page makes of an item is the cursor of the item's place."""
    source = Source(place.source, "A source", (SourceKind.ACTIVITY,))
    item = ExternalActivity(ELSEWHERE, place.id, place.occurred_at, source, TimelineKind.EXTERNAL, "order", None, {})

    assert encoding(SEALER, HERE)(item) == encode(SEALER, HERE, place_of(item))
