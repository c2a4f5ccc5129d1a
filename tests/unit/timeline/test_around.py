"""The page around a place: half before, half after."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from gateway.model.activity import ExternalActivity, Place, SortDirection, TimelineFilter, TimelineItem, TimelineKind, place_of
from gateway.model.source import Source
from gateway.timeline.around import Centred, centred, windows_around
from gateway.timeline.merge import Merged

__all__: list[str] = []

NOON = datetime(2026, 3, 29, 12, tzinfo=UTC)
SHOP = Source("shop", "Shop", ())


def event(number: int) -> TimelineItem:
    """An event, so many seconds after noon."""
    at = NOON + timedelta(seconds=number)
    return ExternalActivity(UUID(int=1), str(number), at, SHOP, TimelineKind.EXTERNAL, "x", None, {})


@given(
    count=st.integers(0, 30),
    middle=st.integers(0, 29),
    size=st.integers(1, 12),
    order=st.sampled_from(SortDirection),
    there=st.booleans(),
)
def test_a_page_around_a_place(count: int, middle: int, size: int, order: SortDirection, there: bool) -> None:
    """At most `size` items next to each other, the one at the place among them, as many before as `size // 2`; the ends say whether more is there."""
    items = [event(number) for number in range(count)]
    place = place_of(event(middle))
    older, newer = windows_around(place, size, TimelineFilter())
    before = [item for item in reversed(items) if place_of(item).key < older.upper.key][: older.limit]
    after = [item for item in items if place_of(item).key > newer.lower.key][: newer.limit]
    held = items[middle] if middle < count and there else None
    shown = centred(Merged(before, len(before) > older.limit), held, Merged(after, len(after) > newer.limit), size, order)
    page, follow, precede = shown.items, shown.follow, shown.precede

    line = [item for item in items if item is held or place_of(item).key != place.key]
    if order is SortDirection.DESC:
        line.reverse()
    assert len(page) <= size
    assert (held in page) is (held is not None) or held is None
    start = line.index(page[0]) if page else 0
    assert page == line[start : start + len(page)]
    assert sum(place_of(item).key < place.key for item in page) == min(size // 2, sum(place_of(item).key < place.key for item in items))
    if page:
        assert precede is (start > 0)
        assert follow is (start + len(page) < len(line))


def test_what_is_read() -> None:
    """The older side is read from the place backwards, the newer from it forwards, one more than can be shown of each."""
    place, chosen = Place(NOON, "shop", "1"), TimelineFilter()
    older, newer = windows_around(place, 5, chosen)

    assert (older.upper, older.newest_first, older.limit, older.filter) == (place, True, 3, chosen)
    assert (newer.lower, newer.newest_first, newer.limit) == (place, False, 4)


def test_a_side_that_a_source_cut() -> None:
    """Where a side ends because a source has vouched for no more, the page says that there may be more, and where to go on, in both orders."""
    one, two, cut = event(1), event(3), Place(NOON, "shop", "")
    older, newer = Merged([one], more=True, end=cut), Merged([two], more=False)

    assert centred(older, None, newer, 4, SortDirection.ASC) == Centred([one, two], follow=False, precede=True, start=cut)
    assert centred(older, None, newer, 4, SortDirection.DESC) == Centred([two, one], follow=True, precede=False, end=cut)
    assert centred(newer, None, older, 4, SortDirection.ASC) == Centred([two, one], follow=True, precede=False, end=cut)
    assert centred(older, None, newer, 1, SortDirection.ASC) == Centred([two], follow=False, precede=True)
