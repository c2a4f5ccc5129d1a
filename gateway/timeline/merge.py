"""Many sources' pages as one: a k-way merge in the total order `(occurred_at, source, id)`.

Owns the order of a merged page, where it must end because a source has vouched for no more, and whether anything follows it. Pure: values in,
values out. Called by resolvers with the pages that `loaders` brought.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from gateway.model.activity import Place, TimelineItem, place_of
from gateway.sources.contract import Cut

__all__ = ["Merged", "merge"]


@dataclass(frozen=True, slots=True)
class Merged:
    """Items in reading order; `more`: the list goes on behind them, or may.

    `end`: where the page ends when that is not its last item: every source has told all it has up to there, and one of them no more than that.
    It lies behind the page's last item and behind the place the reading began at, so whoever goes on from it comes to an end.
    """

    items: list[TimelineItem]
    more: bool
    end: Place | None = None


def merge(pages: Sequence[Sequence[TimelineItem] | Cut], limit: int, newest_first: bool) -> Merged:
    """The first `limit` items of all pages together, in reading order, up to the first place behind which a source may hold something back.

    `pages`: one per source, each in reading order (newest first or oldest first) and read with `limit + 1`, so that the last item kept is
    never later in that order than one a source still holds back. An item that several pages show is taken once.
    """
    if len(pages) == 1 and not isinstance(pages[0], Cut) and len({item.native_id for item in pages[0]}) == len(pages[0]):
        return Merged(list(pages[0][:limit]), more=len(pages[0]) > limit)  # in order already, and nothing stands there twice
    cuts = [page.place for page in pages if isinstance(page, Cut)]
    mark = None
    if cuts:
        mark = max(cuts, key=_order) if newest_first else min(cuts, key=_order)
    merged: list[TimelineItem] = []
    taken: set[tuple[str, str]] = set()
    for item in heapq.merge(*(page.items if isinstance(page, Cut) else page for page in pages), key=_key, reverse=newest_first):
        if mark is not None and (_key(item) < mark.key if newest_first else _key(item) > mark.key):
            break
        name = (item.source.key, item.native_id)
        if name in taken:
            continue
        if len(merged) == limit:
            return Merged(merged, more=True)
        taken.add(name)
        merged.append(item)
    return Merged(merged, mark is not None, mark)


def _order(place: Place) -> tuple[datetime, str, str]:
    return place.key


def _key(item: TimelineItem) -> tuple[datetime, str, str]:
    return place_of(item).key
