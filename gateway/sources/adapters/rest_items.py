"""Windows of items and pages of notes: what is asked of an API, and what may be said of its answer.

Owns the rule when a page is complete. An API that gives rows in reading order may be cut off anywhere: what lies at the moment of the last row is
then left out, because more of that moment may follow. One that gives them in another order has to give all of them. Pure; called by `rest`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from gateway.errors import SourceError, SourceUnavailable
from gateway.sources.adapters.rest_options import Window
from gateway.sources.adapters.rest_question import Sink
from gateway.sources.mapping import Records
from gateway.sources.remote import ItemPage, ItemRecord, ItemWindow, NoteRecord

__all__ = ["ItemSink", "NoteSink", "TooMuch", "asked_window", "is_sorted", "too_much"]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_YEAR: Final = 9998
_OPEN: Final = {
    "iso": ("1970-01-01T00:00:00Z", "9999-12-31T00:00:00Z"),
    "epoch": (0, 253402214400),
    "epoch_ms": (0, 253402214400000),
}


class TooMuch(SourceUnavailable):
    """The source has more than can be read at once, in an order that does not help: asking again changes nothing."""

    retryable = False


def too_much(source: str) -> SourceUnavailable:
    """What is said then."""
    return TooMuch(source, "The source has more than can be read at once.")


def is_sorted(table: Window, window: ItemWindow) -> bool:
    """Whether rows come in the order in which they are to be read."""
    return table.sorted in {"as asked", "descending" if window.newest_first else "ascending"}


def asked_window(
    table: Window, window: ItemWindow, people: int, *, wide: bool = False
) -> tuple[dict[str, Any], list[tuple[str, Any]], int]:
    """(values of the templates' names, further parameters, rows of a page) for a window of so many people; `wide`: as many rows as can be had.

    Moments are widened to whole seconds and one more: APIs differ in whether an end is in; what is outside is left out here.
    """
    rows = table.most if wide else min(table.most, (window.limit + 1) * people)
    values: dict[str, Any] = {"limit": rows, "order": table.descending if window.newest_first else table.ascending}
    values["open since"], values["open until"] = _OPEN[table.times]
    if window.since is not None and window.since > _EPOCH + timedelta(seconds=2):
        values["since"] = _written(window.since.astimezone(UTC).replace(microsecond=0) - timedelta(seconds=1), table.times)
    if window.until is not None and window.until.year <= _LAST_YEAR:
        values["until"] = _written(window.until.astimezone(UTC).replace(microsecond=0) + timedelta(seconds=2), table.times)
    names = (("since", table.since), ("until", table.until), ("order", table.order), ("limit", table.limit))
    return values, [(name, values.get(value)) for value, name in names if name is not None], rows


def _written(moment: datetime, times: str) -> str | int:
    if times == "iso":
        return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
    return int(moment.timestamp()) * (1000 if times == "epoch_ms" else 1)


class ItemSink(Sink):
    """Items of people as they come; `is_sorted`: in reading order."""

    def __init__(self, names: Sequence[str], window: ItemWindow, records: Records[ItemRecord], *, is_sorted: bool) -> None:
        super().__init__(names)
        self._window = window
        self._records = records
        self._is_sorted = is_sorted
        self._edge: datetime | None = None
        self.heard: set[str] = set()
        """Of whom there was any row, also people who were not asked for."""
        self._items: defaultdict[str, dict[str, ItemRecord]] = defaultdict(dict)

    def add(self, name: str, row: Any) -> None:
        """See `Sink`."""
        self.heard.add(name)
        item = self._records(row)
        if item is None:
            return
        if self._edge is not None and self._is_before(item.occurred_at, self._edge):
            self._is_sorted = False  # it said it would be
        self._edge = item.occurred_at
        window = self._window
        if (
            (window.since is None or item.occurred_at >= window.since)
            and (window.until is None or item.occurred_at <= window.until)
            and (window.kinds is None or item.kind in window.kinds)
        ):
            self._items[name][item.id] = item  # an id twice: pages shifted while they were read

    def is_enough(self) -> bool:
        """See `Sink`."""
        return self._is_sorted and (
            self._is_past_window()
            or all(sum(self._is_safe(item) for item in self._items[name].values()) >= self._window.limit for name in self.names)
        )

    def page(self, name: str, source: str) -> ItemPage | SourceError:
        """The page of a person, or that it cannot be said."""
        items = [*self._items[name].values()]
        is_complete = self.is_complete or (self._is_sorted and self._is_past_window())
        if not is_complete:
            items = [item for item in items if self._is_safe(item)]
            if not items or not self._is_sorted:
                return too_much(source)
        items.sort(key=lambda item: (item.occurred_at, item.id), reverse=self._window.newest_first)
        limit = self._window.limit
        return ItemPage(items[:limit], is_complete=is_complete and len(items) <= limit)

    def _is_before(self, one: datetime, other: datetime) -> bool:
        return one > other if self._window.newest_first else one < other

    def _is_past_window(self) -> bool:
        """Whether rows have come from behind the window's end."""
        end = self._window.since if self._window.newest_first else self._window.until
        return end is not None and self._edge is not None and self._is_before(end, self._edge)

    def _is_safe(self, item: ItemRecord) -> bool:
        """Whether all of the item's moment was seen."""
        return self._edge is not None and self._is_before(item.occurred_at, self._edge)


class NoteSink(Sink):
    """Notes of people as they come; `is_sorted`: newest first."""

    def __init__(self, names: Sequence[str], limit: int, records: Records[NoteRecord], *, is_sorted: bool) -> None:
        super().__init__(names)
        self._limit = limit
        self._records = records
        self._is_sorted = is_sorted
        self.notes: defaultdict[str, dict[str, NoteRecord]] = defaultdict(dict)

    def add(self, name: str, row: Any) -> None:
        """See `Sink`."""
        note = self._records(row)
        if note is not None:
            self.notes[name][note.id] = note

    def is_enough(self) -> bool:
        """See `Sink`."""
        return self._is_sorted and all(len(self.notes[name]) >= self._limit for name in self.names)

    def newest(self, name: str, source: str) -> Sequence[NoteRecord] | SourceError:
        """The newest notes of a person, or that it cannot be said."""
        notes = sorted(self.notes[name].values(), key=lambda note: (note.created_at, note.id), reverse=True)
        if self.is_complete or (self._is_sorted and len(notes) >= self._limit):
            return notes[: self._limit]
        return too_much(source)
