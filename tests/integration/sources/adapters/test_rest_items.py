"""Windows of items over HTTP: what is asked of the API, and when a page is said to be complete."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gateway.errors import SourceUnavailable
from gateway.model.activity import TimelineKind
from gateway.sources.remote import ItemPage, ItemRecord, ItemWindow, NoteRecord
from tests.integration.sources.adapters.conftest import Make
from tests.upstreams import Upstream, UpstreamRequest, answering

__all__: list[str] = []

START = datetime(2026, 1, 1, tzinfo=UTC)
ROWS = [{"id": f"{number:02}", "person": "1", "at": (START + timedelta(hours=number)).isoformat()} for number in range(20)]
ROWS += [{"id": f"t{number}", "person": "2", "at": START.isoformat()} for number in range(3)]
RECORD = 'record = { id = "id", occurred_at = "at", type = "kind || \'Order\'", kind = "kind" }'
ASKED = f"""
[items]
path = "/items/{{key}}"
rows = "rows"
page = {{ next = "token", token_param = "token" }}
window = {{ since = "from", until = "to", limit = "limit", order = "order", sorted = "as asked" }}
{RECORD}
"""
NEWEST = f"""
[items]
path = "/items/{{key}}"
rows = "rows"
page = {{ next = "token", token_param = "token", most = 2 }}
window = {{ sorted = "descending" }}
{RECORD}
"""
WHOLE = f'[items]\npath = "/all"\nkeys_param = "ids"\nrows = "rows"\nkey = "person"\n{RECORD}\n'


def answer(request: UpstreamRequest) -> Any:
    """Items of one person in pages, or of several at once without an order."""
    if request.path == "/all":
        ids = request.query["ids"].split(",")
        return {"rows": [row for row in reversed(ROWS) if row["person"] in ids][:50]}
    query = request.query
    limit, start = int(query.get("limit", "5")), int(query.get("token", "0"))
    rows = [row for row in ROWS if row["person"] == request.path.rpartition("/")[2]]
    rows = [row for row in rows if query.get("from", "") <= row["at"] and ("to" not in query or row["at"] < query["to"])]
    rows = sorted(rows, key=lambda row: row["at"], reverse=query.get("order", "desc") == "desc")
    return {"rows": rows[start : start + limit], "token": str(start + limit) if start + limit < len(rows) else None}


@pytest.fixture(scope="module")
def server() -> Iterator[Upstream]:
    """Twenty items of one person, three of one moment of another."""
    with Upstream(answering(answer)) as upstream:
        yield upstream


@pytest.fixture
def upstream(server: Upstream) -> Upstream:
    """Nothing counted yet."""
    server.forget()
    return server


def ids(page: Any) -> list[str]:
    """Of the items of a page."""
    assert isinstance(page, ItemPage)
    return [one.id for one in page.items]


async def test_a_window_is_asked_for_as_the_api_takes_it(make: Make, upstream: Upstream) -> None:
    """Ends, order and limit travel; one request suffices for a page in either direction."""
    source = make(upstream.url, ASKED)
    newest = (await source.items(["1"], ItemWindow(3, newest_first=True)))["1"]
    window = ItemWindow(3, since=START + timedelta(hours=4), until=START + timedelta(hours=12))
    oldest = (await source.items(["1"], window))["1"]

    assert ids(newest) == ["19", "18", "17"]
    assert ids(oldest) == ["04", "05", "06"]
    assert not newest.is_complete  # type: ignore[union-attr]
    assert [dict(request.query) for request in upstream.seen] == [
        {"order": "desc", "limit": "4"},
        {"from": "2026-01-01T03:59:59Z", "to": "2026-01-01T12:00:02Z", "order": "asc", "limit": "4"},
    ]


async def test_both_ends_are_in_and_the_end_is_told(make: Make, upstream: Upstream) -> None:
    """Items of the moment at either end are answered, and a page that reaches the end says that it is complete."""
    window = ItemWindow(10, since=START + timedelta(hours=2), until=START + timedelta(hours=4))
    page = (await make(upstream.url, ASKED).items(["1"], window))["1"]

    assert (ids(page), page.is_complete) == (["02", "03", "04"], True)  # type: ignore[union-attr]


async def test_pages_of_any_size_are_one_list(make: Make, upstream: Upstream) -> None:
    """Reading window after window from the last item on gives every item once."""
    source = make(upstream.url, ASKED)
    seen: list[str] = []
    since: datetime | None = None
    for _ in range(20):
        page = (await source.items(["1"], ItemWindow(4, since=since)))["1"]
        assert isinstance(page, ItemPage)
        seen += [one for one in ids(page) if one not in seen]
        since = page.items[-1].occurred_at
        if page.is_complete:
            break

    assert seen == [row["id"] for row in ROWS if row["person"] == "1"]


async def test_items_of_one_moment_are_not_torn(make: Make, upstream: Upstream) -> None:
    """A page that the API cut off within a moment is read on, so that none of the moment is passed over."""
    page = (await make(upstream.url, ASKED).items(["2"], ItemWindow(1)))["2"]

    assert ids(page) == ["t0"]
    assert not page.is_complete  # type: ignore[union-attr]
    assert upstream.count() == 2


async def test_an_order_that_does_not_help_is_said(make: Make, upstream: Upstream) -> None:
    """Newest first only, two pages at most: what lies further back cannot be read, and is no empty page."""
    source = make(upstream.url, NEWEST)
    newest = (await source.items(["1"], ItemWindow(7, newest_first=True)))["1"]
    recent = (await source.items(["1"], ItemWindow(7, newest_first=True, since=START + timedelta(hours=15))))["1"]
    oldest = (await source.items(["1"], ItemWindow(7)))["1"]

    assert ids(newest) == ["19", "18", "17", "16", "15", "14", "13"]
    assert (ids(recent), recent.is_complete) == (["19", "18", "17", "16", "15"], True)  # type: ignore[union-attr]
    assert isinstance(oldest, SourceUnavailable)


async def test_what_the_api_cannot_do_is_done_here(make: Make, upstream: Upstream) -> None:
    """Everything of several people in no order: filtered, sorted and cut here."""
    window = ItemWindow(2, since=START + timedelta(hours=17), kinds=frozenset({TimelineKind.EXTERNAL}))
    found = await make(upstream.url, WHOLE).items(["1", "2", "3"], window)

    assert (ids(found["1"]), found["1"].is_complete) == (["17", "18"], False)  # type: ignore[union-attr]
    assert found["2"] == ItemPage([], is_complete=True)
    assert "3" not in found
    assert upstream.count() == 1


async def test_an_api_that_says_sorted_and_is_not_is_not_believed(make: Make, upstream: Upstream) -> None:
    """Rows that come in another order than was said are no ground for a page that ends early."""
    wrong = ASKED.replace('order = "order"', 'order = "order", ascending = "desc", most = 4')
    wrong = wrong.replace('_param = "token"', '_param = "token", most = 2')
    page = (await make(upstream.url, wrong).items(["1"], ItemWindow(3)))["1"]

    assert isinstance(page, SourceUnavailable)


async def test_fault_130_single_items_belong_to_who_is_asked_about(make: Make, upstream: Upstream) -> None:
    """By a request for the item, or by looking through the newest; an item of somebody else is not there."""
    refs = [("1", "03"), ("2", "03"), ("2", "t1")]
    scanned = await make(upstream.url, WHOLE).items_by_id(refs)
    one = WHOLE + '[item]\npath = "/all"\nparams = { ids = "1,2", item = "{item}" }\nrows = "rows"\nkey = "id"\nperson = "person"\n'
    many = WHOLE + '[item]\npath = "/all"\nparams = { ids = "1,2" }\nkeys_param = "items"\nrows = "rows"\nkey = "id"\nperson = "person"\n'

    assert set(scanned) == {("1", "03"), ("2", "t1")}
    assert scanned == await make(upstream.url, one).items_by_id(refs)
    assert scanned == await make(upstream.url, many).items_by_id(refs)
    assert isinstance(scanned["1", "03"], ItemRecord)


async def test_the_newest_notes_come_first(make: Make, upstream: Upstream) -> None:
    """Notes are sorted and cut here; what may not be the newest is not called so."""
    toml = """
    [notes]
    path = "/items/{key}"
    rows = "rows"
    page = { next = "token", token_param = "token", most = 2 }
    record = { id = "id", body = "id", created_at = "at" }
    """
    unsorted = await make(upstream.url, toml).notes(["1", "2"], 3)
    upstream.forget()
    newest = await make(upstream.url, toml + "newest_first = true").notes(["1"], 3)

    assert isinstance(unsorted["1"], SourceUnavailable)
    assert [note.id for note in unsorted["2"]] == ["t2", "t1", "t0"]  # type: ignore[union-attr]
    assert [note.id for note in newest["1"] if isinstance(note, NoteRecord)] == ["19", "18", "17"]  # type: ignore[union-attr]
    assert upstream.count() == 1
