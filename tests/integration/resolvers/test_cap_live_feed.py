"""Query.changes: every change of a workspace, for a copy elsewhere."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any

import pytest

from .conftest import Graph
from .events_scene import erased, merged, renamed

__all__: list[str] = []

pytestmark = pytest.mark.asyncio(loop_scope="module")

FEED = """query ($after: FeedCursor, $first: Int! = 100) { changes(after: $after, first: $first) {
  edges { cursor node { id } }
  nodes { id at action reason profileId actor { id kind displayName } fields { field before after } profile { id firstName } }
  pageInfo { hasNextPage hasPreviousPage endCursor } feedCursor lagSeconds } }"""


async def page(graph: Graph, after: str | None = None, first: int = 100, **options: Any) -> dict[str, Any]:
    """One page, as a partner reads it."""
    shown: dict[str, Any] = await graph.data(FEED, {"after": after, "first": first}, options.get("principal", graph.partner))
    return shown


async def test_cap_125_a_warehouse_copies_every_change(graph: Graph) -> None:
    """Created, changed, noted, happened, merged, erased: each is there once and in order, page by page, and then whatever comes next."""
    ana, ann = await graph.profile("Ana"), await graph.profile("Ann")
    await renamed(graph, ana, "Ada")
    await graph.note(ana)
    await graph.happened(ann, {})
    await merged(graph, ana, ann)
    whole = await page(graph)
    after, seen = None, []
    while True:
        part = await page(graph, after, 2)
        seen += part["nodes"]
        after = part["feedCursor"]
        assert part["pageInfo"]["hasNextPage"] == (len(part["nodes"]) == 2 and len(seen) < len(whole["nodes"]))
        if not part["pageInfo"]["hasNextPage"]:
            break
    await erased(graph, ana)
    rest = await page(graph, after)

    assert seen == whole["nodes"]
    assert whole["lagSeconds"] == 0
    assert [(node["action"], node["profileId"]) for node in seen][:2] == [("CREATED", ana), ("CREATED", ann)]
    assert [[field["field"] for field in node["fields"]] for node in seen if node["profileId"] == ann][1] == ["timeline"]
    assert [node["action"] for node in seen].count("MERGED") >= 2
    assert [(node["action"], node["profileId"]) for node in rest["nodes"]] == [("ERASED", ana)]
    assert (await page(graph, rest["feedCursor"]))["nodes"] == []
    assert len({node["id"] for node in (*seen, *rest["nodes"])}) == len(seen) + 1


async def test_what_the_audit_has_comes_with_its_values(graph: Graph) -> None:
    """A change that was audited has its actor and what was before and after, masked for whoever may not see it whole."""
    ana = await graph.profile("Ana")
    start = (await page(graph))["feedCursor"]
    await renamed(graph, ana, "Ada")
    point = {"channel": "EMAIL", "value": "ana@example.com"}
    change = "mutation ($input: UpdateProfileInput!) { updateProfile(input: $input) { userErrors { code } } }"
    await graph.data(change, {"input": {"id": ana, "upsertContactPoints": [point]}})
    named, mailed = (await page(graph, start))["nodes"]
    clear = (await page(graph, start, principal=graph.admin))["nodes"][1]

    assert (named["actor"], named["fields"]) == (
        {"id": "ann", "kind": "AGENT", "displayName": "Ann"},
        [{"field": "firstName", "before": "Ana", "after": "Ada"}],
    )
    assert "ana@example.com" not in str(mailed)
    assert "ana@example.com" in str(clear)
    assert named["profile"] == {"id": ana, "firstName": "Ada"}


async def test_what_the_audit_does_not_have(graph: Graph) -> None:
    """An item of a source is an update of the timeline, without values; its source is named."""
    ana = await graph.profile("Ana")
    start = (await page(graph))["feedCursor"]
    await graph.happened(ana, {})
    (node,) = (await page(graph, start))["nodes"]

    assert (node["action"], node["fields"], node["reason"]) == ("UPDATED", [{"field": "timeline", "before": None, "after": None}], None)
    assert node["actor"] == {"id": "ann", "kind": "AGENT", "displayName": "ann"}


async def test_edges_and_their_cursors(graph: Graph) -> None:
    """The cursor of an edge is a place to go on from, too; the last one is the page's end."""
    for name in ("Ana", "Bob", "Eve"):
        await graph.profile(name)
    whole = await page(graph)
    rest = await page(graph, whole["edges"][0]["cursor"])

    assert [edge["node"]["id"] for edge in whole["edges"]] == [node["id"] for node in whole["nodes"]]
    assert rest["nodes"] == whole["nodes"][1:]
    assert whole["pageInfo"]["endCursor"] == whole["edges"][-1]["cursor"] == whole["feedCursor"]
    assert (whole["pageInfo"]["hasPreviousPage"], rest["pageInfo"]["hasPreviousPage"]) == (False, True)


async def test_an_empty_feed_has_a_place_to_go_on_from(graph: Graph) -> None:
    """A workspace without any change answers an empty page with a cursor, behind which its first change comes."""
    empty = await page(graph)
    ana = await graph.profile("Ana")
    first = await page(graph, empty["feedCursor"])

    assert (empty["nodes"], empty["pageInfo"]["endCursor"]) == ([], None)
    assert [node["profileId"] for node in first["nodes"]] == [ana]


async def test_from_a_profiles_page_on(graph: Graph) -> None:
    """The cursor that a profile's own history of changes gives leads on in the feed from the present."""
    ana = await graph.profile("Ana")
    query = "query ($id: ID!) { profile(by: {id: $id}) { changes { feedCursor } } }"
    cursor = (await graph.data(query, {"id": ana}))["changes"]["feedCursor"]
    await renamed(graph, ana, "Ada")

    assert [node["action"] for node in (await page(graph, cursor))["nodes"]] == ["UPDATED"]


async def test_refusals(graph: Graph) -> None:
    """Without history:export, with a page of another size, or with a cursor of elsewhere it is an error."""
    await graph.profile("Ana")
    cursor = (await page(graph))["feedCursor"]
    forbidden = await graph.error(FEED)
    assert forbidden["extensions"] == {"code": "FORBIDDEN", "scope": "history:export"}
    assert (await graph.error(FEED, {"first": 1001}, graph.partner))["extensions"]["code"] == "LIMIT_PAGE_SIZE"
    for first in (0, -1):
        assert (await graph.error(FEED, {"first": first}, graph.partner))["extensions"] == {"code": "BAD_USER_INPUT", "argument": "first"}
    for wrong in ("", "x", cursor[:-1], cursor + "A"):
        assert (await graph.error(FEED, {"after": wrong}, graph.partner))["extensions"]["code"] == "CURSOR_INVALID"
    assert (await graph.error(FEED, {"after": cursor}, graph.stranger))["extensions"]["code"] == "CURSOR_INVALID"
    assert (await page(graph, first=1000))["nodes"]


async def test_another_workspaces_changes_are_not_there(graph: Graph) -> None:
    """Whoever copies one workspace sees nothing of another."""
    await graph.profile("Eve", graph.stranger)
    ana = await graph.profile("Ana")

    assert {node["profileId"] for node in (await page(graph))["nodes"]} == {ana}


async def test_a_page_costs_as_many_statements_whatever_its_size(graph: Graph, monkeypatch: pytest.MonkeyPatch) -> None:
    """Thirty changes of ten profiles take as many statements as one of one."""
    database = graph.runtime.database
    counted: list[str] = []
    fetch = database.fetch

    ours = ContextVar("ours", default=False)
    ours.set(True)

    async def noted(sql: str, *args: object, **options: Any) -> Any:
        if ours.get():  # and not of what looks after the gateway meanwhile
            counted.append(sql)
        return await fetch(sql, *args, **options)

    monkeypatch.setattr(database, "fetch", noted)
    for number in range(10):
        ana = await graph.profile(f"P{number}")
        await renamed(graph, ana, "Q")
        await graph.note(ana)
    costs = []
    for first in (1, 30):
        counted.clear()
        assert len((await page(graph, first=first))["nodes"]) == first
        costs.append(len(counted))

    assert costs[0] == costs[1]
