"""The timeline: every item once in one total order, both ways and from both ends, and what each filter lets through."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from .conftest import START, Graph

__all__: list[str] = []

pytestmark = pytest.mark.asyncio(loop_scope="module")

TIMELINE = """query ($id: ID!, $filter: TimelineFilter, $order: SortDirection! = ASC, $first: Int, $after: String, $last: Int, $before: String) {
  profile(by: {id: $id}) { timeline(filter: $filter, order: $order, first: $first, after: $after, last: $last, before: $before) {
    edges { cursor node { id } } nodes { id title icon } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } } }"""


async def page(graph: Graph, profile: str, **variables: Any) -> dict[str, Any]:
    """One page of a profile's timeline."""
    shown = await graph.data(TIMELINE, {"id": profile, **variables})
    found: dict[str, Any] = shown["timeline"]
    return found


async def ids(graph: Graph, profile: str, **variables: Any) -> list[str]:
    """The ids on a page."""
    return [node["id"] for node in (await page(graph, profile, **variables))["nodes"]]


async def history(graph: Graph) -> tuple[str, list[str]]:
    """A profile with eleven items, several of them at the same moment, and their ids in the total order (occurredAt, source, id)."""
    ana, bob = await graph.profile(), await graph.profile("Bob")
    moments = [START + timedelta(minutes=n // 3, microseconds=n % 2) for n in range(11)]
    items = [{"at": at, "source": ("native", "tracking", "billing")[n % 3]} for n, at in enumerate(moments)]
    made = await graph.happened(ana, *items)
    await graph.happened(bob, *items)
    order = sorted(range(11), key=lambda n: (moments[n], items[n]["source"], made[n].rpartition(".")[2]))
    return ana, [made[n] for n in order]


@pytest.mark.parametrize("order", ["ASC", "DESC"])
@pytest.mark.parametrize("backward", [False, True], ids=["forward", "backward"])
async def test_every_walk_visits_each_item_once(graph: Graph, order: str, backward: bool) -> None:
    """From the start or from the end, in either order and with any page size, a walk visits every item exactly once, in order."""
    ana, made = await history(graph)
    for size in (1, 4, 11, 100):
        assert await walk(graph, ana, size, order, backward=backward) == (made if order == "ASC" else made[::-1])


async def walk(graph: Graph, profile: str, size: int, order: str, *, backward: bool) -> list[str]:
    """The ids of a whole timeline, in the order shown, read page by page; the page infos are checked on the way."""
    seen: list[str] = []
    cursor = None
    while True:
        asked = {"last": size, "before": cursor} if backward else {"first": size, "after": cursor}
        found = await page(graph, profile, order=order, **asked)
        info, nodes = found["pageInfo"], [node["id"] for node in found["nodes"]]
        assert len(nodes) <= size
        assert (info["startCursor"], info["endCursor"]) == (found["edges"][0]["cursor"], found["edges"][-1]["cursor"])
        assert (info["hasNextPage"] if backward else info["hasPreviousPage"]) is (cursor is not None)
        seen = nodes + seen if backward else seen + nodes
        if not (info["hasPreviousPage"] if backward else info["hasNextPage"]):
            return seen
        cursor = info["startCursor"] if backward else info["endCursor"]


async def test_between_two_cursors(graph: Graph) -> None:
    """Both cursors together cut out what lies strictly between them; an item added later joins its place."""
    ana, made = await history(graph)
    whole = await page(graph, ana)
    cursors = {edge["node"]["id"]: edge["cursor"] for edge in whole["edges"]}

    assert await ids(graph, ana, after=cursors[made[2]], before=cursors[made[6]]) == made[3:6]
    assert await ids(graph, ana, after=cursors[made[6]], before=cursors[made[2]]) == []
    assert await ids(graph, ana, order="DESC", after=cursors[made[6]], before=cursors[made[2]]) == made[5:2:-1]
    assert await ids(graph, ana, last=2, after=cursors[made[2]], before=cursors[made[6]]) == made[4:6]

    (late,) = await graph.happened(ana, {"at": START + timedelta(seconds=90)})
    assert await ids(graph, ana, after=cursors[made[2]], before=cursors[made[6]]) == [*made[3:6], late]


async def test_a_cursor_means_a_place_in_any_timeline(graph: Graph) -> None:
    """A timeline cursor is a place in time: under another filter, or for another profile of the workspace, it means the same place."""
    ana, made = await history(graph)
    bob = await graph.profile("Bob")
    (later,) = await graph.happened(bob, {"at": START + timedelta(hours=1)})
    end = (await page(graph, ana))["pageInfo"]["endCursor"]

    assert await ids(graph, ana, after=end) == []
    assert await ids(graph, bob, after=end) == [later]
    assert await ids(graph, ana, before=end, filter={"preset": "ALL"}) == made[:-1]


async def test_first_and_last_exclude_each_other(graph: Graph) -> None:
    """Asking from both ends at once is BAD_USER_INPUT; asking from neither gives the first twenty."""
    ana = await graph.profile()
    made = await graph.happened(ana, *[{}] * 21)
    error = await graph.error(TIMELINE, {"id": ana, "first": 1, "last": 1})

    assert (error["path"], error["extensions"]) == (["profile", "timeline"], {"code": "BAD_USER_INPUT", "argument": "last"})
    assert await ids(graph, ana) == made[:20]
    assert await ids(graph, ana, last=1) == made[-1:]


KINDS: dict[str, dict[str, Any]] = {
    "inbound call": {"kind": "INTERACTION", "channel": "VOICE", "direction": "INBOUND"},
    "outbound call": {"kind": "INTERACTION", "channel": "VOICE", "direction": "OUTBOUND"},
    "inbound chat": {"kind": "INTERACTION", "channel": "CHAT", "direction": "INBOUND", "account": "uk"},
    "outbound mail": {"kind": "INTERACTION", "channel": "EMAIL", "direction": "OUTBOUND"},
    "order": {"type": "Order Completed", "account": "uk"},
    "signup": {"type": "Signed Up"},
    "page": {"kind": "WEB", "type": "Page Viewed", "detail": {"title": "Prices"}},
}


FILTERS: list[tuple[dict[str, Any] | None, str]] = [
    (None, "inbound call, outbound call, inbound chat, order, signup"),
    ({}, "inbound call, outbound call, inbound chat, order, signup"),
    ({"preset": None}, "inbound call, outbound call, inbound chat, order, signup"),
    ({"preset": "ALL"}, "inbound call, outbound call, inbound chat, outbound mail, order, signup, page, creation"),
    ({"preset": "NONE"}, ""),
    ({"preset": "NONE", "kinds": ["WEB"]}, "page"),
    ({"kinds": ["INTERACTION"]}, "inbound call, outbound call, inbound chat, outbound mail"),
    ({"kinds": []}, ""),
    ({"kinds": ["EXTERNAL", "WEB"]}, "order, signup, page"),
    ({"channels": ["VOICE", "EMAIL"]}, "inbound call, outbound call"),
    ({"preset": "ALL", "channels": ["VOICE", "EMAIL"]}, "inbound call, outbound call, outbound mail"),
    ({"directions": ["OUTBOUND"]}, "outbound call"),
    ({"origins": ["EXTERNAL"]}, "order, signup"),
    ({"preset": "ALL", "origins": ["EXTERNAL"]}, "order, signup, page"),
    ({"origins": ["CONTACT_CENTRE"], "kinds": ["EXTERNAL"]}, ""),
    ({"types": ["Order Completed", "Page Viewed"]}, "order"),
    ({"accounts": ["uk"]}, "inbound chat, order"),
    ({"accounts": ["uk"], "kinds": ["EXTERNAL"]}, "order"),
    ({"from": "2026-01-01T12:01:00Z", "to": "2026-01-01T13:04:00+01:00"}, "outbound call, inbound chat"),
    ({"from": "2026-01-01T12:05:00Z", "preset": "ALL"}, "signup, page, creation"),
    ({"kinds": ["CHANGE"]}, "creation"),
    ({"kinds": ["CHANGE"], "origins": ["EXTERNAL"]}, ""),
    ({"to": "2026-01-01T12:00:00Z"}, ""),
]


@pytest.mark.parametrize("order", ["ASC", "DESC"])
async def test_filter(graph: Graph, order: str) -> None:
    """Each condition of a filter, alone and together, lets through exactly what it says, in both orders."""
    ana = await graph.profile()
    names = dict(zip(await graph.happened(ana, *KINDS.values()), KINDS, strict=True))
    for chosen, expected in FILTERS:
        shown = [names.get(one, "creation") for one in await ids(graph, ana, filter=chosen, order=order)]
        assert (str(chosen), ", ".join(shown if order == "ASC" else shown[::-1])) == (str(chosen), expected)


async def test_titles_and_icons(graph: Graph) -> None:
    """Every kind of item has a line for a list and an icon: a star for what happened elsewhere, a globe for page views."""
    ana = await graph.profile()
    await graph.happened(ana, *KINDS.values())
    shown = await page(graph, ana, filter={"preset": "ALL"})

    assert [(node["title"], node["icon"]) for node in shown["nodes"]] == [
        ("Inbound call", "phone"),
        ("Outbound call", "phone"),
        ("Inbound chat conversation", "chat"),
        ("Outbound e-mail", "mail"),
        ("Order Completed", "star"),
        ("Signed Up", "star"),
        ("Viewed Prices", "globe"),
        ("Profile created by Ann", "history"),
    ]


async def test_external_activity_in_full(graph: Graph) -> None:
    """An activity shows what its sender said about it."""
    ana = await graph.profile()
    (one,) = await graph.happened(ana, {"source": "tracking", "account": "uk", "detail": {"total": 12.5, "items": [{"sku": "a"}]}})
    shown = await graph.data(
        """query ($id: ID!) { profile(by: {id: $id}) { timeline { nodes { __typename id occurredAt origin account source { key }
          ... on ExternalActivity { type properties } ... on Interaction { channel } } } } }""",
        {"id": ana},
    )

    assert shown["timeline"]["nodes"] == [
        {
            "__typename": "ExternalActivity",
            "id": one,
            "occurredAt": "2026-01-01T12:00:00Z",
            "origin": "EXTERNAL",
            "account": "uk",
            "source": {"key": "tracking"},
            "type": "Order Completed",
            "properties": {"total": 12.5, "items": [{"sku": "a"}]},
        }
    ]
