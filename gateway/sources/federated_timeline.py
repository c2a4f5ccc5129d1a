"""A window of a timeline, read from a system that knows moments and pages and nothing of places.

Owns what is asked of it (moments with both ends in, more than is shown), and what its pages are worth: within one moment a system may tell items in
any order, so only moments that are over are vouched for, and what could not be reached is a `Cut`. No I/O: a walk says what to ask next. Called by
`federated`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from gateway.model.activity import Place, TimelineFilter, TimelineItem, TimelineKind, place_of
from gateway.model.source import Source
from gateway.sources.contract import FIRST_PLACE, LAST_PLACE, Cut, TimelineWindow
from gateway.sources.federated_records import item_of
from gateway.sources.remote import ItemPage, ItemWindow

__all__ = ["MAX_CALLS", "Walk", "first_window", "united"]

MAX_CALLS: Final = 5
"""Calls for one window of one key."""

_SLACK: Final = 10
"""More than are shown, for those of the first moment that lie before the window."""
_SELECTIVE: Final = 100
"""At least so many are asked for when most may not be shown."""
_MOST: Final = 1000
_TICK: Final = timedelta(microseconds=1)
_KINDS: Final = frozenset({TimelineKind.EXTERNAL, TimelineKind.WEB, TimelineKind.INTERACTION})

_Key = tuple[datetime, str, str]


def first_window(window: TimelineWindow) -> ItemWindow | None:
    """What to ask first; None: a system elsewhere can have nothing of it."""
    wanted = window.filter
    kinds = frozenset(filter(wanted.shows_kind, _KINDS))
    if not kinds or window.lower.key >= window.upper.key:
        return None
    since, until = _since(window, kinds), _until(window)
    if since is not None and until is not None and since > until:
        return None
    limit = window.limit + _SLACK
    return ItemWindow(
        limit=max(limit, _SELECTIVE) if _is_selective(wanted) else limit,
        newest_first=window.newest_first,
        since=since,
        until=until,
        kinds=None if kinds == _KINDS else kinds,
    )


class Walk:
    """Through one key's pages, from the end the window is read from. `next`: what to ask, None at the end; the answer goes to `took`."""

    def __init__(self, source: Source, profile_id: UUID, window: TimelineWindow, first: ItemWindow) -> None:
        self._source = source
        self._profile_id = profile_id
        self._window = window
        self._newest_first = window.newest_first
        self._seen: dict[str, TimelineItem] = {}
        self._begin = window.upper if self._newest_first else window.lower
        self._edge: datetime | None = None
        self._edge_is_told = False
        self._is_complete = False
        self._calls = 0
        self.is_stuck = False
        """The system keeps items of one moment back, whatever it is asked."""
        self.next: ItemWindow | None = first

    def took(self, page: ItemPage) -> None:
        """The system's answer to `next`."""
        asked = self.next
        assert asked is not None
        self._calls += 1
        items = [item_of(record, self._source, self._profile_id) for record in page.items]
        inside = [item for item in items if _is_in(asked, item.occurred_at)]
        news = [item for item in inside if item.native_id not in self._seen]
        self._seen.update({item.native_id: item for item in news})
        if page.is_complete or not inside:
            self.next, self._is_complete = None, True
            return
        moments = [item.occurred_at for item in inside]
        edge = min(moments) if self._newest_first else max(moments)
        goes_on = self._edge is None or self._is_behind(edge, self._edge)
        self._edge = edge if goes_on else self._edge
        if not goes_on and not news:
            self.is_stuck = self._edge_is_told = True
        if self._edge_is_told or self._calls >= MAX_CALLS or len(self._told()) >= self._window.limit:
            self.next = None
            if not self._is_past_begin():
                self.is_stuck = self._edge_is_told = True
            return
        limit = min(asked.limit * 2, _MOST)
        moved = replace(asked, until=edge + _TICK) if self._newest_first else replace(asked, since=edge)
        self.next = replace(moved if goes_on else asked, limit=limit)

    @property
    def can_end_here(self) -> bool:
        """Whether what was told so far is a page: who reads on behind it does not come here again."""
        return self._is_complete or (self._edge is not None and self._is_past_begin())

    @property
    def page(self) -> Sequence[TimelineItem] | Cut:
        """What was told, in reading order."""
        told = self._told()
        if self._is_complete or len(told) >= self._window.limit:
            return told[: self._window.limit]
        assert self._edge is not None
        return Cut(told, self._cut_at())

    def _told(self) -> list[TimelineItem]:
        """What of the window is certain, in reading order."""
        lower, upper = self._window.lower.key, self._window.upper.key
        matches = self._window.filter.matches
        inside = [
            item for item in self._seen.values() if self._is_certain(item.occurred_at) and lower < _key(item) < upper and matches(item)
        ]
        return sorted(inside, key=_key, reverse=self._newest_first)

    def _is_certain(self, moment: datetime) -> bool:
        if self._is_complete or self._edge is None:
            return True
        return self._is_behind(self._edge, moment) or (self._edge_is_told and moment == self._edge)

    def _is_behind(self, one: datetime, other: datetime) -> bool:
        """Whether one moment is read later than the other."""
        return one < other if self._newest_first else one > other

    def _cut_at(self) -> Place:
        assert self._edge is not None
        after = self._edge_is_told is not self._newest_first
        return Place(self._edge, "~", "~") if after else Place(self._edge, "", "")

    def _is_past_begin(self) -> bool:
        cut = self._cut_at().key
        return cut < self._begin.key if self._newest_first else cut > self._begin.key


def united(pages: Iterable[Sequence[TimelineItem] | Cut], window: TimelineWindow) -> Sequence[TimelineItem] | Cut:
    """The pages of several keys of one profile as one."""
    told = list(pages)
    if len(told) == 1:
        return told[0]
    cuts = [page.place for page in told if isinstance(page, Cut)]
    place = (max if window.newest_first else min)(cuts, key=_place_key) if cuts else None
    found: dict[str, TimelineItem] = {}
    for page in told:
        for item in page.items if isinstance(page, Cut) else page:
            if place is None or (_key(item) >= place.key if window.newest_first else _key(item) <= place.key):
                found.setdefault(item.native_id, item)
    items = sorted(found.values(), key=_key, reverse=window.newest_first)
    return items[: window.limit] if place is None or len(items) >= window.limit else Cut(items, place)


def _since(window: TimelineWindow, kinds: frozenset[TimelineKind]) -> datetime | None:
    bounds = [window.filter.since] if window.filter.since is not None else []
    if window.lower.occurred_at > FIRST_PLACE.occurred_at:
        bounds.append(window.lower.occurred_at + (_TICK if window.lower.source == LAST_PLACE.source else timedelta()))
    kept = [window.filter.retained_since(kind) for kind in kinds]
    if kept and None not in kept:
        bounds.append(min(moment for moment in kept if moment is not None))
    return _utc(max(bounds)) if bounds else None


def _until(window: TimelineWindow) -> datetime | None:
    """One tick later than the window's end: the system may know moments to the nanosecond, of which the gateway knows the beginning."""
    bounds = [window.filter.until] if window.filter.until is not None else []
    if window.upper.occurred_at < LAST_PLACE.occurred_at:
        bounds.append(window.upper.occurred_at + (-_TICK if window.upper.source == FIRST_PLACE.source else _TICK))
    return _utc(min(bounds)) if bounds else None


def _utc(moment: datetime) -> datetime | None:
    """The moment as systems are told it; None at the ends of time, beyond which a zone may place it."""
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        return None


def _is_selective(wanted: TimelineFilter) -> bool:
    """Whether anything but kind and time decides, which the system is not told."""
    lists = (wanted.types, wanted.accounts, wanted.agent_ids, wanted.queues, wanted.channels, wanted.directions, wanted.search)
    hides_types = wanted.is_usual and wanted.external_types is not None
    return hides_types or bool(wanted.attributes) or any(one is not None for one in lists)


def _is_in(asked: ItemWindow, moment: datetime) -> bool:
    return (asked.since is None or moment >= asked.since) and (asked.until is None or moment <= asked.until)


def _key(item: TimelineItem) -> _Key:
    return place_of(item).key


def _place_key(place: Place) -> _Key:
    return place.key
