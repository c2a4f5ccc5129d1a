"""The merge of many sources' pages."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from gateway.model.activity import ExternalActivity, TimelineItem, TimelineKind, place_of
from gateway.model.source import Source, SourceKind
from gateway.timeline.merge import merge

__all__: list[str] = []

ANA = UUID("01990000-0000-7000-8000-000000000001")
NOON = datetime(2026, 3, 29, 12, tzinfo=UTC)
SOURCES = [Source(key, key, (SourceKind.ACTIVITY,)) for key in ("native", "orders", "web")]


def item(minute: int, source: int, native_id: str) -> ExternalActivity:
    """Something that happened a few minutes after noon."""
    return ExternalActivity(ANA, native_id, NOON + timedelta(minutes=minute), SOURCES[source], TimelineKind.EXTERNAL, "order", None, {})


histories = st.lists(
    st.tuples(st.integers(0, 4), st.integers(0, 2), st.sampled_from("abcdefgh")), max_size=30, unique_by=lambda named: named[1:]
).map(lambda named: sorted((item(*one) for one in named), key=lambda one: place_of(one).key))
"""A whole timeline, oldest first: few moments, so that many items share one."""


def read(source: Sequence[TimelineItem], after: TimelineItem | None, limit: int, *, newest_first: bool) -> list[TimelineItem]:
    """What a source answers: up to `limit` of its items behind `after`, in reading order."""
    ordered = list(reversed(source)) if newest_first else list(source)
    if after is not None:
        place = place_of(after).key
        ordered = [one for one in ordered if (place_of(one).key < place if newest_first else place_of(one).key > place)]
    return ordered[:limit]


@given(history=histories, split=st.lists(st.integers(0, 3), min_size=30, max_size=30), size=st.integers(1, 7), newest_first=st.booleans())
def test_page_by_page_gives_the_whole_list(history: list[TimelineItem], split: list[int], size: int, newest_first: bool) -> None:
    """However a timeline is spread over sources, its pages of any size put together are the timeline, in either direction."""
    sources = [[one for one, holder in zip(history, split, strict=False) if holder == number] for number in range(4)]
    seen: list[TimelineItem] = []
    more = True
    while more:
        pages = [read(source, seen[-1] if seen else None, size + 1, newest_first=newest_first) for source in sources]
        page, more = merge(pages, size, newest_first)
        assert len(page) == size or not more
        seen += page

    assert seen == (history[::-1] if newest_first else history)


def test_a_shared_moment_is_ordered_by_source_and_id() -> None:
    """Items of one moment stand in the order of their source's key, then of their id."""
    first, second, third = item(0, 0, "b"), item(0, 1, "a"), item(0, 1, "b")

    assert merge([[second, third], [first]], 3, newest_first=False) == ([first, second, third], False)
    assert merge([[third, second], [first]], 3, newest_first=True) == ([third, second, first], False)


def test_an_item_of_two_pages_is_taken_once() -> None:
    """An item that two adapters show, equal or moved in time, appears once: where it is read first."""
    one, moved, other = item(0, 1, "a"), item(2, 1, "a"), item(1, 0, "b")

    assert merge([[one, other], [one]], 5, newest_first=False) == ([one, other], False)
    assert merge([[other, moved], [one]], 5, newest_first=False) == ([one, other], False)


def test_a_repetition_behind_the_page_is_not_more() -> None:
    """Whether the list goes on is told by items not shown yet, not by repetitions of the last one."""
    one, other = item(0, 0, "a"), item(1, 0, "b")

    assert merge([[one, other], [one, other]], 2, newest_first=False) == ([one, other], False)
    assert merge([[one, other], [one]], 1, newest_first=False) == ([one], True)


def test_the_same_id_of_two_sources_is_two_items() -> None:
    """Ids are the sources' own: equal ones of different sources name different items."""
    mine, theirs = item(0, 0, "a"), item(0, 1, "a")

    assert merge([[mine], [theirs]], 5, newest_first=False) == ([mine, theirs], False)


def test_no_pages_are_an_empty_page() -> None:
    """Nothing merged is nothing, and nothing follows."""
    assert merge([], 3, newest_first=True) == ([], False)
    assert merge([[], []], 3, newest_first=False) == ([], False)
