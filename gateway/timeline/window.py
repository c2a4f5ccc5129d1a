"""From a page request to a window of the timeline, and from what was read there back to the page.

Owns the meaning of `first/after/last/before` in both orders (Relay's cursor connections specification). Pure: it knows neither a source
nor a cursor's text. Called by resolvers, before and after `loaders` read the window.
"""

from __future__ import annotations

from collections.abc import Sequence

from gateway.model.activity import Place, SortDirection, TimelineFilter, TimelineItem
from gateway.model.page import PageArgs
from gateway.sources.contract import FIRST_PLACE, LAST_PLACE, TimelineWindow

__all__ = ["arrange", "page_flags", "window_of"]


def window_of(page: PageArgs, order: SortDirection, after: Place | None, before: Place | None, filter: TimelineFilter) -> TimelineWindow:  # noqa: A002
    """What to read of each source: strictly between `after` and `before` (the page's opened cursors), from the end the page begins at.

    `order` is the order the client sees: descending, what comes `after` a place is older than it. One item more than the page holds is
    read, to know whether the list goes on.
    """
    descending = order is SortDirection.DESC
    older, newer = (before, after) if descending else (after, before)
    return TimelineWindow(
        limit=page.limit + 1,
        newest_first=descending is not page.backward,
        lower=older or FIRST_PLACE,
        upper=newer or LAST_PLACE,
        filter=filter,
    )


def arrange(items: Sequence[TimelineItem], page: PageArgs) -> list[TimelineItem]:
    """Merged items, which are in reading order, in the order the client sees: a page counted from the end was read from the end."""
    return list(reversed(items)) if page.backward else list(items)


def page_flags(page: PageArgs, more: bool) -> tuple[bool, bool]:
    """Relay's `hasNextPage` and `hasPreviousPage`.

    `more`, what `merge` said, is exact at the end that was read towards; at the other, a given cursor tells that something lies before it.
    """
    if page.backward:
        return page.before is not None, more
    return more, page.after is not None
