"""The merge of many sources' pages."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from gateway.model.activity import ExternalActivity, Place, TimelineItem, TimelineKind, place_of
from gateway.model.source import Source, SourceKind
from gateway.sources.contract import Cut
from gateway.timeline.merge import Merged, merge

__all__: list[str] = []

ANA = UUID("01990000-0000-7000-8000-000000000001")
NOON = datetime(2026, 3, 29, 12, tzinfo=UTC)
SOURCES = [Source(key, key, (SourceKind.ACTIVITY,)) for key in ("native", "orders", "web")]
FIRST, LAST = Place(NOON - timedelta(days=1), "", ""), Place(NOON + timedelta(days=1), "", "")


def item(minute: int, source: int, native_id: str) -> ExternalActivity:
    """Something that happened a few minutes after noon."""
    return ExternalActivity(ANA, native_id, NOON + timedelta(minutes=minute), SOURCES[source], TimelineKind.EXTERNAL, "order", None, {})


histories = st.lists(
    st.tuples(st.integers(0, 4), st.integers(0, 2), st.sampled_from("abcdefgh")), max_size=30, unique_by=lambda named: named[1:]
).map(lambda named: sorted((item(*one) for one in named), key=lambda one: place_of(one).key))
"""A whole timeline, oldest first: few moments, so that many items share one."""
splits = st.lists(st.integers(0, 3), min_size=30, max_size=30)
"""Which of four sources holds each item: not the one it names, and so any split there is."""


def read(source: Sequence[TimelineItem], after: Place | None, limit: int, *, newest_first: bool) -> list[TimelineItem]:
    """What a source answers: up to `limit` of its items behind `after`, in reading order."""
    ordered = list(reversed(source)) if newest_first else list(source)
    if after is not None:
        ordered = [one for one in ordered if (place_of(one).key < after.key if newest_first else place_of(one).key > after.key)]
    return ordered[:limit]


def spread(history: Sequence[TimelineItem], split: Sequence[int]) -> list[list[TimelineItem]]:
    """The timeline over four sources."""
    return [[one for one, holder in zip(history, split, strict=False) if holder == number] for number in range(4)]


@given(history=histories, split=splits, size=st.integers(1, 7), newest_first=st.booleans())
def test_page_by_page_gives_the_whole_list(history: list[TimelineItem], split: list[int], size: int, newest_first: bool) -> None:
    """However a timeline is spread over sources, its pages of any size put together are the timeline, in either direction."""
    seen: list[TimelineItem] = []
    more = True
    while more:
        after = place_of(seen[-1]) if seen else None
        page = merge([read(source, after, size + 1, newest_first=newest_first) for source in spread(history, split)], size, newest_first)
        more = page.more
        assert len(page.items) == size or not more
        assert page.end is None
        seen += page.items

    assert seen == (history[::-1] if newest_first else history)


@given(history=histories, split=splits, size=st.integers(1, 7), newest_first=st.booleans(), data=st.data())
def test_sources_that_cut_their_pages_lose_nothing(
    history: list[TimelineItem], split: list[int], size: int, newest_first: bool, data: st.DataObject
) -> None:
    """Sources may end their pages anywhere: a page shows nothing behind a place that one of them has not vouched for, and says where it goes on."""
    places = sorted({place_of(one).key for one in history} | {(NOON + timedelta(minutes=n), "b", "") for n in range(-1, 6)})
    if newest_first:
        places.reverse()
    seen: list[TimelineItem] = []
    after, more = (LAST if newest_first else FIRST), True
    while more:
        pages: list[Sequence[TimelineItem] | Cut] = []
        ahead = [key for key in places if (key < after.key if newest_first else key > after.key)]
        for source in spread(history, split):
            whole = read(source, after, size + 1, newest_first=newest_first)
            at = data.draw(st.sampled_from([None, *ahead]))
            if at is None:
                pages.append(whole)
            else:
                told = [one for one in whole if (place_of(one).key >= at if newest_first else place_of(one).key <= at)]
                cut = len(told) <= size  # a full page says no less than it shows
                pages.append(Cut(told, Place(*at)) if cut else told)
        page = merge(pages, size, newest_first)
        marks = [one.place.key for one in pages if isinstance(one, Cut)]
        assert all(place_of(one).key >= max(marks) if newest_first else place_of(one).key <= min(marks) for one in page.items if marks)
        seen += page.items
        more = page.more
        if more:
            behind = page.end or place_of(page.items[-1])
            assert behind.key < after.key if newest_first else behind.key > after.key
            after = behind

    assert seen == (history[::-1] if newest_first else history)


@given(history=histories, split=splits, size=st.integers(1, 7), newest_first=st.booleans(), away=st.integers(0, 3), back=st.integers(0, 5))
def test_a_source_that_recovers_joins_the_next_page(
    history: list[TimelineItem], split: list[int], size: int, newest_first: bool, away: int, back: int
) -> None:
    """Of a source that fails for some pages, what lies behind the last of those is shown; the others' items are all shown, once and in order."""
    seen: list[TimelineItem] = []
    reached: Place | None = None
    number, more = 0, True
    while more:
        after = place_of(seen[-1]) if seen else None
        if number == back:
            reached = after
        sources = [source for index, source in enumerate(spread(history, split)) if index != away or number >= back]
        page = merge([read(source, after, size + 1, newest_first=newest_first) for source in sources], size, newest_first)
        seen, more, number = [*seen, *page.items], page.more, number + 1

    line = history[::-1] if newest_first else history
    late = {id(one) for one in spread(history, split)[away]}
    if number <= back:
        assert seen == [one for one in line if id(one) not in late]
    else:
        behind = {id(one) for one in read(history, reached, 30, newest_first=newest_first)}
        assert seen == [one for one in line if id(one) not in late or id(one) in behind]


def test_a_shared_moment_is_ordered_by_source_and_id() -> None:
    """Items of one moment stand in the order of their source's key, then of their id."""
    first, second, third = item(0, 0, "b"), item(0, 1, "a"), item(0, 1, "b")

    assert merge([[second, third], [first]], 3, newest_first=False) == Merged([first, second, third], more=False)
    assert merge([[third, second], [first]], 3, newest_first=True) == Merged([third, second, first], more=False)


def test_an_item_of_two_pages_is_taken_once() -> None:
    """An item that two adapters show, equal or moved in time, appears once: where it is read first."""
    one, moved, other = item(0, 1, "a"), item(2, 1, "a"), item(1, 0, "b")

    assert merge([[one, other], [one]], 5, newest_first=False) == Merged([one, other], more=False)
    assert merge([[other, moved], [one]], 5, newest_first=False) == Merged([one, other], more=False)


def test_a_repetition_behind_the_page_is_not_more() -> None:
    """Whether the list goes on is told by items not shown yet, not by repetitions of the last one."""
    one, other = item(0, 0, "a"), item(1, 0, "b")

    assert merge([[one, other], [one, other]], 2, newest_first=False) == Merged([one, other], more=False)
    assert merge([[one, other], [one]], 1, newest_first=False) == Merged([one], more=True)


def test_the_same_id_of_two_sources_is_two_items() -> None:
    """Ids are the sources' own: equal ones of different sources name different items."""
    mine, theirs = item(0, 0, "a"), item(0, 1, "a")

    assert merge([[mine], [theirs]], 5, newest_first=False) == Merged([mine, theirs], more=False)


def test_no_pages_are_an_empty_page() -> None:
    """Nothing merged is nothing, and nothing follows."""
    assert merge([], 3, newest_first=True) == Merged([], more=False)
    assert merge([[], []], 3, newest_first=False) == Merged([], more=False)


def test_a_cut_of_nothing_still_goes_on() -> None:
    """A source that found nothing as far as it looked ends the page there: the others' later items wait for the next one."""
    early, late, mark = item(0, 0, "a"), item(3, 0, "b"), Place(NOON + timedelta(minutes=1), "", "")

    assert merge([[early, late], Cut([], mark)], 5, newest_first=False) == Merged([early], more=True, end=mark)
    assert merge([[late], Cut([], mark)], 5, newest_first=False) == Merged([], more=True, end=mark)
    assert merge([[late, early], Cut([], mark)], 5, newest_first=True) == Merged([late], more=True, end=mark)


def test_the_nearest_cut_counts() -> None:
    """Of several cuts the one the reading meets first ends the page; a page that is full before it ends with its last item."""
    items = [item(n, 0, str(n)) for n in range(4)]
    near, far = Place(NOON + timedelta(minutes=2), "native", "2"), Place(NOON + timedelta(minutes=3), "native", "3")

    assert merge([Cut(items, far), Cut([], near)], 5, newest_first=False) == Merged(items[:3], more=True, end=near)
    assert merge([Cut(items, far), Cut([], near)], 2, newest_first=False) == Merged(items[:2], more=True)
    assert merge([Cut(items[:1:-1], near), Cut([], far)], 5, newest_first=True) == Merged(items[3:], more=True, end=far)


@given(history=histories, twice=st.booleans(), size=st.integers(1, 7), newest_first=st.booleans())
def test_the_only_page_is_shown_as_if_it_were_one_of_two(history: list[TimelineItem], twice: bool, size: int, newest_first: bool) -> None:
    """What one source says comes out the same beside a source that has nothing, also where it names an item twice."""
    page = sorted(history + history[:1], key=lambda one: place_of(one).key) if twice else history
    page = page[::-1] if newest_first else page

    assert merge([page], size, newest_first) == merge([page, []], size, newest_first)
