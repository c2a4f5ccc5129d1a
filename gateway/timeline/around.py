"""The page around a place of the timeline: half of it before, half after.

Owns how a page around is read (two windows) and put together. Pure: it knows neither a source nor what the place is of. Called by resolvers,
before and after `loaders` read the windows.
"""

from __future__ import annotations

from dataclasses import dataclass

from gateway.model.activity import Place, SortDirection, TimelineFilter, TimelineItem
from gateway.sources.contract import TimelineWindow
from gateway.timeline.merge import Merged

__all__ = ["Centred", "centred", "windows_around"]


@dataclass(frozen=True, slots=True)
class Centred:
    """A page in the order the client sees; `start` and `end`: where it begins and ends, if not with its first and last item."""

    items: list[TimelineItem]
    follow: bool
    precede: bool
    start: Place | None = None
    end: Place | None = None


def windows_around(place: Place, size: int, filter: TimelineFilter) -> tuple[TimelineWindow, TimelineWindow]:  # noqa: A002
    """What to read of each source: what is older than the place, from the newest, and what is newer, from the oldest.

    One item more than may be shown is read on each side, to know whether the list goes on there.
    """
    half = size // 2
    older = TimelineWindow(limit=half + 1, newest_first=True, upper=place, filter=filter)
    return older, TimelineWindow(limit=size - half + 1, newest_first=False, lower=place, filter=filter)


def centred(older: Merged, middle: TimelineItem | None, newer: Merged, size: int, order: SortDirection) -> Centred:
    """The page of both sides, as read through the two windows and merged; `middle`: the item at the place, when there is one to show."""
    before = size // 2
    after = size - before - (middle is not None)
    items = [*reversed(older.items[:before]), *(() if middle is None else (middle,)), *newer.items[:after]]
    precede, start = _beyond(older, before)
    follow, end = _beyond(newer, after)
    return Centred(items, follow, precede, start, end) if order is SortDirection.ASC else Centred(items[::-1], precede, follow, end, start)


def _beyond(side: Merged, shown: int) -> tuple[bool, Place | None]:
    """Whether anything lies, or may lie, beyond what is shown of a side, and where that ends when no item tells."""
    if len(side.items) > shown:
        return True, None
    return side.more, side.end
