"""The page around a place of the timeline: half of it before, half after.

Owns how a page around is read (two windows) and put together. Pure: it knows neither a source nor what the place is of. Called by resolvers,
before and after `loaders` read the windows.
"""

from __future__ import annotations

from collections.abc import Sequence

from gateway.model.activity import Place, SortDirection, TimelineFilter, TimelineItem
from gateway.sources.contract import TimelineWindow

__all__ = ["centred", "windows_around"]


def windows_around(place: Place, size: int, filter: TimelineFilter) -> tuple[TimelineWindow, TimelineWindow]:  # noqa: A002
    """What to read of each source: what is older than the place, from the newest, and what is newer, from the oldest.

    One item more than may be shown is read on each side, to know whether the list goes on there.
    """
    half = size // 2
    older = TimelineWindow(limit=half + 1, newest_first=True, upper=place, filter=filter)
    return older, TimelineWindow(limit=size - half + 1, newest_first=False, lower=place, filter=filter)


def centred(
    older: Sequence[TimelineItem], middle: TimelineItem | None, newer: Sequence[TimelineItem], size: int, order: SortDirection
) -> tuple[list[TimelineItem], bool, bool]:
    """The page in the order the client sees, and whether items follow and precede it.

    `older` and `newer`: as read through the two windows and merged; `middle`: the item at the place, when there is one to show.
    """
    before = size // 2
    after = size - before - (middle is not None)
    items = [*reversed(older[:before]), *(() if middle is None else (middle,)), *newer[:after]]
    precede, follow = len(older) > before, len(newer) > after
    return (items, follow, precede) if order is SortDirection.ASC else (items[::-1], precede, follow)
