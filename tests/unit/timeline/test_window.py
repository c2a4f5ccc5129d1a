"""Windows of the timeline, from page requests in either order."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.model.activity import ExternalActivity, Place, SortDirection, TimelineFilter, TimelineItem, TimelineKind, place_of
from gateway.model.page import PageArgs
from gateway.model.source import Source, SourceKind
from gateway.sources.contract import FIRST_PLACE, LAST_PLACE, TimelineWindow
from gateway.timeline.merge import merge
from gateway.timeline.window import arrange, page_flags, window_of

__all__: list[str] = []

ANA = UUID("01990000-0000-7000-8000-000000000001")
NOON = datetime(2026, 3, 29, 12, tzinfo=UTC)
NATIVE = Source("native", "Profile Gateway", tuple(SourceKind))
HISTORY: list[TimelineItem] = [
    ExternalActivity(ANA, f"{number:02}", NOON + timedelta(minutes=number // 3), NATIVE, TimelineKind.EXTERNAL, "order", None, {})
    for number in range(10)
]
OLDER, NEWER = place_of(HISTORY[2]), place_of(HISTORY[7])
EVERYTHING = TimelineFilter()


@pytest.mark.parametrize(
    ("order", "backward", "after", "before", "newest_first", "lower", "upper"),
    [
        (SortDirection.ASC, False, OLDER, NEWER, False, OLDER, NEWER),
        (SortDirection.ASC, True, OLDER, NEWER, True, OLDER, NEWER),
        (SortDirection.DESC, False, NEWER, OLDER, True, OLDER, NEWER),
        (SortDirection.DESC, True, NEWER, OLDER, False, OLDER, NEWER),
        (SortDirection.ASC, False, OLDER, None, False, OLDER, LAST_PLACE),
        (SortDirection.DESC, False, NEWER, None, True, FIRST_PLACE, NEWER),
        (SortDirection.ASC, True, None, None, True, FIRST_PLACE, LAST_PLACE),
        (SortDirection.DESC, True, None, OLDER, False, OLDER, LAST_PLACE),
    ],
)
def test_a_request_becomes_a_window(
    order: SortDirection, backward: bool, after: Place | None, before: Place | None, newest_first: bool, lower: Place, upper: Place
) -> None:
    """Ascending, `after` is the older bound and `first` reads from there; descending and `last` each turn that round; one more is read."""
    page = PageArgs(3, backward=backward)

    assert window_of(page, order, after, before, EVERYTHING) == TimelineWindow(4, newest_first, lower, upper, EVERYTHING)


def test_the_filter_goes_along() -> None:
    """The window asks for exactly the items the client asked for."""
    chosen = TimelineFilter(kinds=(TimelineKind.WEB,))

    assert window_of(PageArgs(1), SortDirection.ASC, None, None, chosen).filter is chosen


def show(page: PageArgs, order: SortDirection, after: Place | None, before: Place | None) -> tuple[list[TimelineItem], bool, bool]:
    """A page of HISTORY as a client would see it, with `hasNextPage` and `hasPreviousPage`."""
    window = window_of(page, order, after, before, EVERYTHING)
    inside = [item for item in HISTORY if window.lower.key < place_of(item).key < window.upper.key]
    found = merge([(inside[::-1] if window.newest_first else inside)[: window.limit]], page.limit, window.newest_first)
    return (arrange(found.items, page), *page_flags(page, found.more))


@given(size=st.integers(1, 12), order=st.sampled_from(SortDirection), backward=st.booleans())
def test_a_client_walks_the_whole_list(size: int, order: SortDirection, backward: bool) -> None:
    """Following end cursors with `first`, or start cursors with `last`, shows every item once, each page and the whole in display order."""
    shown: list[TimelineItem] = []
    cursor: Place | None = None
    goes_on = True
    while goes_on:
        page = PageArgs(
            size, backward=backward, before="…" if backward and cursor else None, after="…" if cursor and not backward else None
        )
        if backward:
            items, _, goes_on = show(page, order, None, cursor)
            shown = items + shown
            cursor = place_of(items[0])
        else:
            items, goes_on, _ = show(page, order, cursor, None)
            shown += items
            cursor = place_of(items[-1])

    assert shown == (HISTORY if order is SortDirection.ASC else HISTORY[::-1])


@pytest.mark.parametrize("order", SortDirection)
def test_between_two_cursors_lies_what_was_between(order: SortDirection) -> None:
    """`after` and `before` together leave exactly the items between, in either order, from either end."""
    between = HISTORY[3:7] if order is SortDirection.ASC else HISTORY[6:2:-1]
    after, before = (OLDER, NEWER) if order is SortDirection.ASC else (NEWER, OLDER)

    assert show(PageArgs(9, "…", "…"), order, after, before)[0] == between
    assert show(PageArgs(9, "…", "…", backward=True), order, after, before)[0] == between
    assert show(PageArgs(2, "…", "…"), order, after, before)[0] == between[:2]
    assert show(PageArgs(2, "…", "…", backward=True), order, after, before)[0] == between[-2:]
    assert show(PageArgs(9, "…", "…"), order, before, after)[0] == []


@pytest.mark.parametrize(
    ("page", "more", "flags"),
    [
        (PageArgs(2), True, (True, False)),
        (PageArgs(2), False, (False, False)),
        (PageArgs(2, after="…"), False, (False, True)),
        (PageArgs(2, before="…"), False, (False, False)),
        (PageArgs(2, backward=True), True, (False, True)),
        (PageArgs(2, backward=True), False, (False, False)),
        (PageArgs(2, before="…", backward=True), False, (True, False)),
        (PageArgs(2, after="…", backward=True), False, (False, False)),
    ],
)
def test_flags_follow_relay(page: PageArgs, more: bool, flags: tuple[bool, bool]) -> None:
    """(hasNextPage, hasPreviousPage): the end read towards is exact, at the other a cursor given there tells."""
    assert page_flags(page, more) == flags
