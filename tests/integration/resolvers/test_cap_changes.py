"""The history of changes: who did what, with the values before and after as far as the viewer may see them, and never anything taken back."""

from __future__ import annotations

from typing import Any

import asyncpg
import pytest

from gateway.commands.unit import Receipt, Unit
from gateway.model.audit import ChangeAction, FieldChange
from gateway.model.ids import make_id, parse_id

from .conftest import Graph

__all__: list[str] = []

pytestmark = pytest.mark.asyncio(loop_scope="module")

CHANGES = """query ($id: ID!, $first: Int = 20, $after: String) { profile(by: {id: $id}) { changes(first: $first, after: $after) {
  edges { cursor node { id } } nodes { id at action reason actor { id displayName kind } fields { field before after } }
  pageInfo { hasNextPage hasPreviousPage endCursor } lagSeconds } } }"""


async def changes(graph: Graph, profile: str, principal: Any = None, **asked: Any) -> dict[str, Any]:
    """A page of a profile's history of changes."""
    shown = await graph.data(CHANGES, {"id": profile, **asked}, principal)
    found: dict[str, Any] = shown["changes"]
    return found


async def recorded(graph: Graph, profile: str, *fields: FieldChange, reason: str | None = None) -> str:
    """The id of a new entry of the audit, logged as a command would."""
    made: list[Any] = []

    async def work(unit: Unit) -> Receipt:
        (profile_id,) = parse_id(profile, "prf")
        made.append(unit.record(profile_id, ChangeAction.UPDATED, *fields, reason=reason))
        unit.profile_changed(profile_id, "traits", item_id=made[-1])
        return Receipt(profile_id)

    await graph.runtime.writer.run(graph.agent, work)
    return make_id("chg", *parse_id(profile, "prf"), made[-1])


async def test_newest_first_page_by_page(graph: Graph) -> None:
    """Every change is there once, newest first, each with its actor and its values before and after; pages go on behind each other."""
    ana, bob = await graph.profile(), await graph.profile("Bob")
    made = [await recorded(graph, ana, FieldChange("plan", n, n + 1), reason=f"turn {n}") for n in range(5)]
    await recorded(graph, bob, FieldChange("plan", "theirs", None))
    whole = await changes(graph, ana)
    walked: list[str] = []
    cursor = None
    while True:
        page = await changes(graph, ana, first=2, after=cursor)
        assert page["pageInfo"]["hasPreviousPage"] is (cursor is not None)
        walked += [edge["node"]["id"] for edge in page["edges"]]
        cursor = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            break

    assert [one["id"] for one in whole["nodes"]][:5] == made[::-1]
    assert walked == [one["id"] for one in whole["nodes"]]
    assert whole["nodes"][0]["actor"] == {"id": "ann", "displayName": "Ann", "kind": "AGENT"}
    assert (whole["nodes"][0]["fields"], whole["nodes"][0]["reason"]) == ([{"field": "plan", "before": 4, "after": 5}], "turn 4")
    assert whole["nodes"][-1]["action"] == "CREATED"
    assert whole["lagSeconds"] == 0


async def test_values_are_masked(graph: Graph) -> None:
    """Whoever may not see contact values sees them masked in the history too; what is SENSITIVE is shown to nobody."""
    ana = await graph.profile()
    one = await recorded(
        graph,
        ana,
        FieldChange("phone", "+442079460958", None, "phone"),
        FieldChange("email", ["ana@example.com", 5], {"x": 1}, "email"),
        FieldChange("account_id", None, "A-1000-2000", "text"),
        FieldChange("ssn", "078-05-1120", "219-09-9999", "sensitive"),
        FieldChange("plan", "gold", "free"),
    )

    async def seen(principal: Any) -> list[tuple[Any, Any]]:
        (entry,) = [node for node in (await changes(graph, ana, principal))["nodes"] if node["id"] == one]
        return [(field["before"], field["after"]) for field in entry["fields"]]

    assert await seen(graph.agent) == [
        ("+442079460958", None),
        (["ana@example.com", 5], {"x": 1}),
        (None, "A-1000-2000"),
        (None, None),
        ("gold", "free"),
    ]
    assert await seen(graph.partner) == [
        ("+44•••••958", None),
        (["a•••@e•••.com", None], None),
        (None, "•••••000"),
        (None, None),
        ("gold", "free"),
    ]
    for principal in (graph.agent, graph.admin):
        assert "078-05" not in str(await changes(graph, ana, principal))


async def test_on_the_timeline_by_id_and_live_alike(graph: Graph) -> None:
    """An entry is an item of the timeline, a node and a live event, masked on each path; it is no item by default."""
    ana = await graph.profile()
    watch = graph.stream(
        """subscription ($id: ID!) { timelineEvents(profileId: $id, filter: {kinds: [CHANGE]}) { __typename
        ... on TimelineItemUpserted { item { __typename id ... on ChangeItem { change { id fields { before } } } } } } }""",
        {"id": ana},
        graph.widened(graph.partner, "subscribe"),
    )
    assert (await watch.next())["__typename"] == "StreamReady"
    one = await recorded(graph, ana, FieldChange("phone", "+442079460958", None, "phone"))
    live = (await watch.next())["item"]
    await watch.close()
    query = """query ($id: ID!, $kinds: [TimelineKind!]) { profile(by: {id: $id}) { timeline(filter: {kinds: $kinds}, last: 1) { nodes { id title icon
      ... on ChangeItem { change { id fields { before } } } } } } }"""
    (item,) = (await graph.data(query, {"id": ana, "kinds": ["CHANGE"]}, graph.partner))["timeline"]["nodes"]
    node = await graph.data("query ($id: ID!) { node(id: $id) { id ... on Change { fields { before } } } }", {"id": one}, graph.partner)

    assert live["change"] == item["change"] == node == {"id": one, "fields": [{"before": "+44•••••958"}]}
    assert (live["id"], item["title"], item["icon"]) == (item["id"], "Profile changed by Ann", "history")
    assert (await graph.data(query, {"id": ana}))["timeline"]["nodes"] == []


async def test_without_the_right(graph: Graph) -> None:
    """Without history:read there is no history of changes, neither as a list nor by id."""
    ana = await graph.profile()
    one = await recorded(graph, ana)
    blind = graph.narrowed(graph.agent, "profile:read", "note:read")
    error = await graph.error(CHANGES, {"id": ana}, blind)

    assert error["extensions"] == {"code": "FORBIDDEN", "scope": "history:read"}
    assert await graph.data("query ($id: ID!) { node(id: $id) { id } }", {"id": one}, blind) is None


async def test_another_workspaces(graph: Graph) -> None:
    """Another workspace's entries are not there, by id or by cursor; a cursor of another list is none."""
    ana, theirs = await graph.profile(), await graph.profile(principal=graph.stranger)
    one = await recorded(graph, ana)
    cursor = (await changes(graph, ana))["edges"][0]["cursor"]

    assert await graph.data("query ($id: ID!) { node(id: $id) { id } }", {"id": one}, graph.stranger) is None
    for after in (cursor, "x"):
        assert (await graph.error(CHANGES, {"id": theirs, "after": after}, graph.stranger))["extensions"]["code"] == "CURSOR_INVALID"
    assert (await graph.error(CHANGES, {"id": ana, "first": 101}))["extensions"]["argument"] == "first"


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE change SET reason = 'other'",
        "UPDATE change SET fields = '[]'",
        "UPDATE change SET action = 'CREATED'",
        "DELETE FROM change",
        "TRUNCATE change",
        "TRUNCATE change CASCADE",
        "SET LOCAL gateway.redacting = 'on'; DELETE FROM change",
        "SET LOCAL gateway.redacting = 'on'; TRUNCATE change",
        "SET LOCAL gateway.redacting = 'on'; UPDATE change SET actor_id = 'somebody'",
        "SET LOCAL gateway.redacting = 'on'; UPDATE change SET at = now() - interval '1 year'",
    ],
)
async def test_the_audit_is_append_only(graph: Graph, statement: str) -> None:
    """The database itself refuses to change, delete or empty the audit; a redaction takes values out, never who did what and when."""
    ana = await graph.profile()
    await recorded(graph, ana, FieldChange("plan", "gold", "free"))
    before = await graph.contents()
    database = graph.runtime.database
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with database.transaction() as connection:
            await connection.execute(statement)

    assert await graph.contents() == before


async def test_the_feed_goes_on_behind_the_page(graph: Graph) -> None:
    """`feedCursor` is a place in the workspace's feed: it is asked for once for all profiles, and what happens later comes behind it."""
    profiles = [await graph.profile(f"P{n}") for n in range(3)]
    query = "query ($by: [ProfileRef!]!) { profiles(by: $by) { changes { feedCursor lagSeconds } } }"
    shown = await graph.data(query, {"by": [{"id": one} for one in profiles]})
    cursors = {one["changes"]["feedCursor"] for one in shown}
    feed = "query ($after: FeedCursor) { changes(after: $after) { nodes { id } } }"
    (cursor,) = cursors
    reader = graph.widened(graph.admin, "history:export")
    assert await graph.data(feed, {"after": cursor}, reader) == {"nodes": []}
    one = await recorded(graph, profiles[0])

    assert one in {node["id"] for node in (await graph.data(feed, {"after": cursor}, reader))["nodes"]}
