"""Many sources' pages as one: a k-way merge in the total order `(occurred_at, source, id)`.

Owns the order of a merged page and whether anything follows it. Pure: values in, values out. Called by resolvers with the pages that
`loaders` brought.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from datetime import datetime

from gateway.model.activity import TimelineItem, place_of

__all__ = ["merge"]


def merge(pages: Sequence[Sequence[TimelineItem]], limit: int, newest_first: bool) -> tuple[list[TimelineItem], bool]:
    """The first `limit` items of all pages together, in reading order, and whether the list goes on behind them.

    `pages`: one per source, each in reading order (newest first or oldest first) and read with `limit + 1`, so that the last item kept is
    never later in that order than one a source still holds back. An item that several pages show is taken once.
    """
    merged: list[TimelineItem] = []
    taken: set[tuple[str, str]] = set()
    for item in heapq.merge(*pages, key=_key, reverse=newest_first):
        name = (item.source.key, item.native_id)
        if name in taken:
            continue
        if len(merged) == limit:
            return merged, True
        taken.add(name)
        merged.append(item)
    return merged, False


def _key(item: TimelineItem) -> tuple[datetime, str, str]:
    return place_of(item).key
