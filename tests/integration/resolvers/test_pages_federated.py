"""Lists whose parts lie in several systems: timelines, notes and companies, page by page."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gateway.errors import SourceTimeout
from gateway.model.source import SourceKind

from .conftest import START, Graph
from .reports_scene import System, behind

__all__: list[str] = []

pytestmark = pytest.mark.asyncio(loop_scope="module")

NOTES, ACTIVITY, COMPANY = SourceKind.NOTES, SourceKind.ACTIVITY, SourceKind.COMPANY
TIMELINE = """query ($id: ID!, $order: SortDirection! = ASC, $first: Int, $after: String, $last: Int, $before: String, $around: ID,
    $filter: TimelineFilter) { profile(by: {id: $id}) {
  timeline(order: $order, first: $first, after: $after, last: $last, before: $before, around: $around, filter: $filter) {
    nodes { id source { key } } sources { state source { key } } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } } }"""
PAGE = """query ($id: ID!, $first: Int!, $after: String) { profile(by: {id: $id}) { notes(first: $first, after: $after) {
  nodes { body isPinned source { key } } totalCount pageInfo { hasNextPage endCursor } } } }"""


async def page(graph: Graph, profile: str, **variables: Any) -> dict[str, Any]:
    """A page of a timeline, in whatever state the sources are."""
    answer = await graph.run(TIMELINE, {"id": profile, **variables})
    shown: dict[str, Any] = answer["data"]["profile"]["timeline"]
    return shown


def ids(shown: dict[str, Any]) -> list[str]:
    """The items of a page."""
    return [one["id"] for one in shown["nodes"]]


async def spread(graph: Graph, *, cut: int | None = 2) -> tuple[str, list[str], tuple[System, System]]:
    """A timeline of fifteen items over the gateway and two systems, one of which looks at `cut` of its items at a time; oldest first."""
    ana = await graph.profile("Ana")
    orders, web = System("orders", (ACTIVITY,), page=cut), System("web", (ACTIVITY,))
    native = await graph.happened(ana, *({"at": START + timedelta(minutes=3 * n)} for n in range(5)))
    made = {3 * n: one for n, one in enumerate(native)}
    made |= {3 * n + 1: orders.happened(ana, 3 * n + 1, f"o{n}") for n in range(5)}
    made |= {3 * n + 2: web.happened(ana, 3 * n + 2, f"w{n}") for n in range(5)}
    return ana, [made[minute] for minute in sorted(made)], (orders, web)


@pytest.mark.parametrize("order", ["ASC", "DESC"])
@pytest.mark.parametrize("size", [1, 3, 5, 50])
@pytest.mark.parametrize("backward", [False, True])
async def test_pages_of_sources_that_cut_them(graph: Graph, order: str, size: int, backward: bool) -> None:
    """Following the cursors of pages that end where a source looked no further shows every item once, in order, in both directions."""
    ana, line, systems = await spread(graph)
    over = behind(graph, *systems)
    seen: list[str] = []
    cursor: str | None = None
    for _ in range(40):
        where = {"last": size, "before": cursor} if backward else {"first": size, "after": cursor}
        shown = await page(over, ana, order=order, **where)
        info = shown["pageInfo"]
        seen = [*ids(shown), *seen] if backward else [*seen, *ids(shown)]
        cursor = info["startCursor"] if backward else info["endCursor"]
        if not (info["hasPreviousPage"] if backward else info["hasNextPage"]):
            break

    assert seen == (line if order == "ASC" else line[::-1])


async def test_a_page_of_nothing_goes_on(graph: Graph) -> None:
    """A source that found nothing as far as it looked makes an empty page that says where to go on, and what lies behind is found."""
    ana = await graph.profile("Ana")
    orders = System("orders", (ACTIVITY,), page=2)
    made = [orders.happened(ana, n, f"o{n}") for n in range(5)]
    over, late = behind(graph, orders), (START + timedelta(minutes=4)).isoformat()
    shown = await page(over, ana, filter={"from": late}, first=3)
    assert (ids(shown), shown["pageInfo"]["hasNextPage"], shown["pageInfo"]["endCursor"] is not None) == ([], True, True)
    for _ in range(2):
        shown = await page(over, ana, filter={"from": late}, first=3, after=shown["pageInfo"]["endCursor"])

    assert ids(shown) == [made[4]]
    assert not shown["pageInfo"]["hasNextPage"]


@pytest.mark.parametrize("order", ["ASC", "DESC"])
async def test_around_an_item_of_another_system(graph: Graph, order: str) -> None:
    """A page around an item ends on both sides where a source looked no further, says that it goes on there, and from there it does."""
    ana, line, systems = await spread(graph, cut=1)
    over = behind(graph, *systems)
    shown = await page(over, ana, around=line[7], first=9, order=order)
    info, display = shown["pageInfo"], line if order == "ASC" else line[::-1]

    assert ids(shown) == [one for one in display if one in line[4:11]]  # one order is looked at on either side of the one in the middle
    assert (info["hasNextPage"], info["hasPreviousPage"]) == (True, True)
    rest = await page(over, ana, order=order, first=1, after=info["endCursor"])
    before = await page(over, ana, order=order, last=1, before=info["startCursor"])
    assert ids(before) + ids(shown) + ids(rest) == [one for one in display if one in line[3:12]]


async def test_a_source_that_recovers_joins_the_next_page(graph: Graph) -> None:
    """While a source is away its items are missing and the page says so; the next page has those that lie behind it."""
    ana, line, (orders, web) = await spread(graph, cut=None)
    over = behind(graph, orders, web)
    orders.error = SourceTimeout("orders")
    first = await page(over, ana, first=4)
    orders.error = None
    second = await page(over, ana, first=50, after=first["pageInfo"]["endCursor"])
    native_and_web = [one for one in line if ".orders." not in one]

    assert ids(first) == native_and_web[:4]
    assert {one["source"]["key"]: one["state"] for one in first["sources"]} == {"native": "OK", "orders": "TIMEOUT", "web": "OK"}
    assert ids(second) == line[line.index(native_and_web[3]) + 1 :]
    assert {one["state"] for one in second["sources"]} == {"OK"}


@pytest.mark.parametrize("size", [1, 2, 7])
async def test_notes_of_several_systems(graph: Graph, size: int) -> None:
    """Notes of all sources stand in one list, pinned ones first, newest first, each once on pages of any size, and are counted together."""
    ana = await graph.profile("Ana")
    desk, crm = System("desk", (NOTES,)), System("crm", (NOTES,))
    await graph.note(ana, "now")
    await graph.note(ana, "now, pinned", isPinned=True)
    for n in range(3):
        desk.noted(ana, f"desk {n}", datetime(2025, 1 + n, 1, tzinfo=UTC), pinned=n == 1)
        crm.noted(ana, f"crm {n}", datetime(2025, 1 + n, 2, tzinfo=UTC))
    seen: list[dict[str, Any]] = []
    cursor, more = None, True
    while more:
        shown = (await behind(graph, desk, crm).data(PAGE, {"id": ana, "first": size, "after": cursor}))["notes"]
        assert shown["totalCount"] == 8
        seen += shown["nodes"]
        cursor, more = shown["pageInfo"]["endCursor"], shown["pageInfo"]["hasNextPage"]

    assert [one["body"] for one in seen] == ["now, pinned", "desk 1", "now", "crm 2", "desk 2", "crm 1", "crm 0", "desk 0"]
    assert {one["source"]["key"] for one in seen} == {"native", "desk", "crm"}


async def test_a_note_by_its_id(graph: Graph) -> None:
    """A note of another system is found by its id, and changed there alone; the gateway's own is not asked of others."""
    ana = await graph.profile("Ana")
    own = await graph.note(ana, "own")
    desk = System("desk", (NOTES,))
    desk.noted(ana, "theirs", START)
    over = behind(graph, desk)
    listed = await over.data("query ($id: ID!) { profile(by: {id: $id}) { notes { nodes { id body } } } }", {"id": ana})
    (theirs,) = [one["id"] for one in listed["notes"]["nodes"] if one["body"] == "theirs"]
    desk.calls.clear()
    node = "query ($id: ID!) { node(id: $id) { ... on Note { body viewerCanEdit } } }"

    assert await over.data(node, {"id": own}, graph.supervisor) == {"body": "own", "viewerCanEdit": True}
    assert desk.calls == []
    assert await over.data(node, {"id": theirs}, graph.supervisor) == {"body": "theirs", "viewerCanEdit": False}
    assert desk.asked == [("note", 1)]


async def test_companies_of_several_systems(graph: Graph) -> None:
    """The gateway's companies come first, and exactly one of all is main: its own main one, else the first that another system calls so."""
    ana, bob = await graph.profile("Ana"), await graph.profile("Bob")
    await graph.join(ana, "Own")
    registry = System("registry", (COMPANY,))
    for person in (ana, bob):
        registry.employs(person, "Theirs")
        registry.employs(person, "Their main", main=True)
    query = "query ($by: [ProfileRef!]!) { profiles(by: $by) { companies { isMain company { id name } } mainCompany { name } } }"
    shown = await behind(graph, registry).data(query, {"by": [{"id": ana}, {"id": bob}]})

    assert [[(one["company"]["name"], one["isMain"]) for one in person["companies"]] for person in shown] == [
        [("Own", True), ("Theirs", False), ("Their main", False)],
        [("Their main", True), ("Theirs", False)],
    ]
    assert [person["mainCompany"]["name"] for person in shown] == ["Own", "Their main"]
    assert registry.asked == [("companies", 2)]

    theirs = shown[1]["companies"][1]["company"]
    assert await behind(graph, registry).data("query ($id: ID!) { company(id: $id) { name } }", {"id": theirs["id"]}) == {"name": "Theirs"}
