"""Pages of items cut off by an API anywhere: read on from the last item, they give back the list."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import count

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.sources.adapters.rest_items import ItemSink, TooMuch, asked_window, is_sorted
from gateway.sources.adapters.rest_options import Window
from gateway.sources.mapping import item_records
from gateway.sources.remote import ItemPage, ItemWindow

__all__: list[str] = []

START = datetime(2026, 1, 1, tzinfo=UTC)
RECORDS = item_records({"id": "id", "occurred_at": "at", "type": "'Order'"}, "record")


def read(rows: list[dict[str, int]], window: ItemWindow, size: int, most: int) -> ItemPage | Exception:
    """The page that comes of an API with pages of `size` rows of which `most` are read."""
    sink = ItemSink(["1"], window, RECORDS, is_sorted=True)
    ends = (window.since or START - timedelta(1), window.until or START + timedelta(1))
    rows = [row for row in rows if ends[0].timestamp() <= row["at"] <= ends[1].timestamp()]
    rows.sort(key=lambda row: row["at"], reverse=window.newest_first)
    for page in range(most):
        for row in rows[page * size : (page + 1) * size]:
            sink.add("1", row)
        sink.is_complete = (page + 1) * size >= len(rows)
        if sink.is_complete or sink.is_enough():
            break
    return sink.page("1", "crm")


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(0, 8), max_size=25), st.integers(1, 6), st.integers(1, 9), st.integers(1, 5), st.booleans())
def test_windows_give_back_the_list(moments: list[int], limit: int, size: int, most: int, newest_first: bool) -> None:
    """Any items with equal moments, any page sizes, both directions: every item once and in order, or said to be too much."""
    rows = [{"id": number, "at": int(START.timestamp()) + moment} for number, moment in enumerate(moments, 10)]
    wanted = sorted(((row["at"], str(row["id"])) for row in rows), reverse=newest_first)
    seen: list[tuple[int, str]] = []
    edge: datetime | None = None
    for _ in count():
        at_edge = sum(edge is not None and at == edge.timestamp() for at, _ in seen)
        window = ItemWindow(limit + at_edge, newest_first, since=None if newest_first else edge, until=edge if newest_first else None)
        page = read(rows, window, size, most)
        if isinstance(page, Exception):
            assert isinstance(page, TooMuch)
            break
        new = [key for one in page.items if (key := (int(one.occurred_at.timestamp()), one.id)) not in seen]
        seen += new
        if page.is_complete:
            assert seen == wanted
            break
        if not new:  # nothing safe but what was seen: more of one moment than is read at once
            break
        edge = page.items[-1].occurred_at
    assert seen == wanted[: len(seen)]


def test_ends_are_widened_to_seconds() -> None:
    """APIs differ in whether an end is in and how fine their moments are; an open end is left out, or far away within a text."""
    window = ItemWindow(2, since=START + timedelta(microseconds=5), until=None)
    iso = asked_window(Window(since="from", until="to"), window, 1)
    epoch = asked_window(Window(since="from", times="epoch", limit="n", most=5), window, 3)

    assert iso[1] == [("from", "2025-12-31T23:59:59Z"), ("to", None)]
    assert iso[0]["open until"] == "9999-12-31T00:00:00Z"
    assert epoch[1] == [("from", int(START.timestamp()) - 1), ("n", 5)]
    assert asked_window(Window(), ItemWindow(1, since=datetime.min.replace(tzinfo=UTC), until=datetime.max.replace(tzinfo=UTC)), 1)[0].keys() == {
        "limit", "order", "open since", "open until",
    }  # fmt: skip


def test_which_order_helps() -> None:
    """Rows in the reading order, or in the order that is asked for."""
    newest, oldest = ItemWindow(1, newest_first=True), ItemWindow(1)

    assert [is_sorted(Window(sorted=how), newest) for how in ("ascending", "descending", "as asked", "not")] == [False, True, True, False]
    assert [is_sorted(Window(sorted=how), oldest) for how in ("ascending", "descending", "as asked", "not")] == [True, False, True, False]


def test_a_page_of_nothing_readable_is_not_empty() -> None:
    """Rows that are no items, and more of them: nobody knows what is there."""
    sink = ItemSink(["1"], ItemWindow(1), RECORDS, is_sorted=True)
    sink.add("1", {"id": None})
    sink.is_complete = False

    assert isinstance(sink.page("1", "crm"), TooMuch)
