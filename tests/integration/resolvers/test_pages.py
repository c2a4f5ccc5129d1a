"""Lists of a profile page by page: traits by key, notes newest first; and what a trait says of itself."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from .conftest import START, Graph

__all__: list[str] = []

pytestmark = pytest.mark.asyncio(loop_scope="module")

TRAITS = """query ($id: ID!, $filter: TraitFilter, $first: Int, $after: String) { profile(by: {id: $id}) {
  traits(filter: $filter, first: $first, after: $after) {
    edges { cursor node { key } } nodes { key } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } } }"""
NOTES = """query ($id: ID!, $first: Int, $after: String) { profile(by: {id: $id}) {
  notes(first: $first, after: $after) {
    edges { cursor node { id } } nodes { id body } totalCount pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } } }"""


async def walk(graph: Graph, query: str, variables: dict[str, Any], size: int, field: str) -> list[Any]:
    """Every node of a list, page by page from its start; the page infos are checked on the way."""
    seen: list[Any] = []
    after = None
    while True:
        page = (await graph.data(query, {**variables, "first": size, "after": after}))[field]
        info = page["pageInfo"]
        assert len(page["nodes"]) <= size
        assert info["hasPreviousPage"] is (after is not None)
        assert info["startCursor"] == (page["edges"][0]["cursor"] if page["edges"] else None)
        assert info["endCursor"] == (page["edges"][-1]["cursor"] if page["edges"] else None)
        seen += page["nodes"]
        if not info["hasNextPage"]:
            return seen
        after = info["endCursor"]


async def keys(graph: Graph, profile: str, **filter_: Any) -> list[str]:
    """The keys of the traits that a filter lets through."""
    shown = await graph.data(TRAITS, {"id": profile, "filter": filter_ or None})
    return [trait["key"] for trait in shown["traits"]["nodes"]]


@pytest.mark.parametrize("size", [1, 4, 7, 100])
async def test_traits_page_by_page(graph: Graph, size: int) -> None:
    """Any page size visits every trait exactly once, by key."""
    ana = await graph.profile(attributes={f"trait_{n}": n for n in range(7)})
    seen = await walk(graph, TRAITS, {"id": ana}, size, "traits")

    assert [trait["key"] for trait in seen] == [f"trait_{n}" for n in range(7)]


@pytest.mark.parametrize("size", [1, 4, 9])
async def test_notes_page_by_page(graph: Graph, size: int) -> None:
    """Any page size visits every note exactly once, newest first, and the count is of all of them."""
    ana = await graph.profile()
    bob = await graph.profile("Bob")
    made = [await graph.note(ana, f"note {n}") for n in range(9)]
    await graph.note(bob, "about somebody else")
    seen = await walk(graph, NOTES, {"id": ana}, size, "notes")

    assert sorted(note["id"] for note in seen) == sorted(made)
    assert [note["id"] for note in seen] == sorted(made, reverse=True)
    assert (await graph.data(NOTES, {"id": ana, "first": 1}))["notes"]["totalCount"] == 9


async def test_pages_of_empty_lists(graph: Graph) -> None:
    """A list without items is one empty page without cursors."""
    ana = await graph.profile()
    shown = await graph.data(
        """query ($id: ID!) { profile(by: {id: $id}) {
          traits { nodes { key } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } }
          notes { nodes { id } totalCount pageInfo { hasNextPage hasPreviousPage startCursor endCursor } }
          timeline { nodes { id } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } }
          traitSummary { category } companies { isMain } mainCompany { id } } }""",
        {"id": ana},
    )
    empty = {"nodes": [], "pageInfo": {"hasNextPage": False, "hasPreviousPage": False, "startCursor": None, "endCursor": None}}

    assert shown == {
        "traits": empty,
        "notes": {**empty, "totalCount": 0},
        "timeline": empty,
        "traitSummary": [],
        "companies": [],
        "mainCompany": None,
    }


async def test_trait_filter(graph: Graph) -> None:
    """Every condition of a filter must hold; search looks in keys and names whatever their case."""
    ana = await graph.profile(attributes={"plan": "pro", "language": "en", "age": 36, "favouriteColour": "red"})
    await graph.observed(ana, "tracking", {"nps": 9})

    assert await keys(graph, ana) == ["age", "favouriteColour", "language", "nps", "plan"]
    assert await keys(graph, ana, keys=["plan", "nps", "none"]) == ["nps", "plan"]
    assert await keys(graph, ana, kinds=["DEMOGRAPHIC", "PREFERENCE"]) == ["age", "language"]
    assert await keys(graph, ana, categories=["Subscription", "Other"]) == ["favouriteColour", "plan"]
    assert await keys(graph, ana, sources=["src_tracking"]) == ["nps"]
    assert await keys(graph, ana, search="LAN") == ["language", "plan"]
    assert await keys(graph, ana, search="favourite colour") == ["favouriteColour"]
    assert await keys(graph, ana, kinds=["DEMOGRAPHIC"], search="plan") == []
    assert await keys(graph, ana, keys=[]) == []


async def test_trait_in_full(graph: Graph) -> None:
    """A trait shows its value as data and as words, its kind, and who set it and when."""
    ana = await graph.profile(attributes={"age": 36, "tags": ["vip", True], "size": {"shoe": 39.5}})
    await graph.observed(ana, "tracking", {"nps": 9})
    shown = await graph.data(
        """query ($id: ID!) { profile(by: {id: $id}) { traits { nodes {
          key displayName kind category value displayValue confidence
          provenance { source { key } observedAt computedFrom model expiresAt actor { id kind } } conflicts { value } } } } }""",
        {"id": ana},
    )
    found = {trait["key"]: trait for trait in shown["traits"]["nodes"]}

    assert {key: (trait["value"], trait["displayValue"]) for key, trait in found.items()} == {
        "age": (36, "36"),
        "nps": (9, "9"),
        "size": ({"shoe": 39.5}, "shoe: 39.5"),
        "tags": (["vip", True], "vip, yes"),
    }
    assert (found["age"]["displayName"], found["age"]["kind"], found["age"]["category"]) == ("Age", "DEMOGRAPHIC", "Demographics")
    assert found["age"]["provenance"]["actor"] == {"id": "ann", "kind": "AGENT"}
    assert found["nps"]["provenance"] == {
        "source": {"key": "tracking"},
        "observedAt": "2026-01-01T12:00:00Z",
        "computedFrom": None,
        "model": None,
        "expiresAt": None,
        "actor": None,
    }


async def test_conflicting_traits(graph: Graph) -> None:
    """Of several sources' values one is shown and the losers stay visible with the rule that decided; taking the agent's value away
    brings the best source's back.
    """
    ana = await graph.profile(attributes={"plan": "pro"})
    await graph.observed(ana, "tracking", {"plan": "basic", "seats": 1})
    await graph.observed(ana, "billing", {"seats": 2}, at=START + timedelta(days=1))
    query = """query ($id: ID!) { profile(by: {id: $id}) { traits { nodes {
      key value provenance { source { key displayName } } conflicts { value lostBecause provenance { source { key } } } } } } }"""

    async def shown() -> dict[str, Any]:
        found = await graph.data(query, {"id": ana})
        return {trait["key"]: trait for trait in found["traits"]["nodes"]}

    first = await shown()
    assert first["plan"]["value"] == "pro"
    assert first["plan"]["conflicts"] == [
        {"value": "basic", "lostBecause": "an agent set the value explicitly", "provenance": {"source": {"key": "tracking"}}}
    ]
    assert (first["seats"]["value"], first["seats"]["provenance"]["source"]) == (2, {"key": "billing", "displayName": "Billing"})
    assert first["seats"]["conflicts"] == [
        {"value": 1, "lostBecause": "a later observation won", "provenance": {"source": {"key": "tracking"}}}
    ]

    clear = "mutation ($id: ID!) { updateProfile(input: {id: $id, attributes: {plan: null}}) { userErrors { code } } }"
    assert (await graph.data(clear, {"id": ana}))["userErrors"] == []
    second = await shown()
    assert (second["plan"]["value"], second["plan"]["conflicts"]) == ("basic", [])


async def test_trait_summary(graph: Graph) -> None:
    """The summary counts traits by category, largest first, and names the first few; what has no category is Other."""
    ana = await graph.profile(attributes={"age": 36, "gender": "f", "title": "Countess", "birthday": "1815-12-10", "plan": "pro", "x": 1})
    shown = await graph.data("query ($id: ID!) { profile(by: {id: $id}) { traitSummary { category count top } } }", {"id": ana})

    assert shown["traitSummary"] == [
        {"category": "Demographics", "count": 4, "top": ["Age", "Birthday", "Gender"]},
        {"category": "Other", "count": 1, "top": ["X"]},
        {"category": "Subscription", "count": 1, "top": ["Plan"]},
    ]


@pytest.mark.parametrize("field", ["traits", "notes", "timeline"])
async def test_page_sizes(graph: Graph, field: str) -> None:
    """A page has between 1 and 100 items; a smaller size is BAD_USER_INPUT at its path, a larger one is over a limit before anything is read."""
    ana = await graph.profile()
    query = f"query ($id: ID!, $first: Int) {{ profile(by: {{id: $id}}) {{ displayName {field}(first: $first) {{ nodes {{ __typename }} }} }} }}"
    for size in (1, 100, None):
        assert (await graph.data(query, {"id": ana, "first": size}))[field] == {"nodes": []}
    for size in (0, -1, -(2**31)):
        error = await graph.error(query, {"id": ana, "first": size})
        assert (error["path"], error["extensions"]) == (["profile", field], {"code": "BAD_USER_INPUT", "argument": "first"})
    for large in (101, 2**31 - 1, 2**31):
        error = await graph.error(query, {"id": ana, "first": large})
        assert error["extensions"] == {
            "code": "LIMIT_PAGE_SIZE",
            "limit": 100,
            "found": large if large < 1000 else 1_000_000_000,
            "argument": "first",
        }
    for wrong in (1.5, "1", True):
        error = await graph.error(query, {"id": ana, "first": wrong})
        assert error["extensions"] == {"code": "BAD_USER_INPUT", "argument": "first"}


async def test_cursors_of_another_list(graph: Graph) -> None:
    """A cursor works in the list it came from and is CURSOR_INVALID anywhere else, and so is one that was changed."""
    ana = await graph.profile(attributes={"age": 36})
    await graph.note(ana)
    await graph.happened(ana, {})
    query = "query ($id: ID!) { profile(by: {id: $id}) { streamCursor %s } }"
    shown = await graph.data(query % " ".join(f"{name} {{ pageInfo {{ endCursor }} }}" for name in LISTS), {"id": ana})
    cursors = {name: shown[name]["pageInfo"]["endCursor"] for name in LISTS}
    found = await graph.data('{ searchProfiles(text: "ana") { pageInfo { endCursor } } }')
    cursors["search"] = found["pageInfo"]["endCursor"]
    cursors["stream"] = shown["streamCursor"]

    for name in LISTS:
        page = f"query ($id: ID!, $after: String) {{ profile(by: {{id: $id}}) {{ {name}(after: $after) {{ nodes {{ __typename }} }} }} }}"
        assert (await graph.data(page, {"id": ana, "after": cursors[name]}))[name] == {"nodes": []}
        own = cursors[name]
        foreign = [cursor for other, cursor in cursors.items() if other != name]
        for cursor in [*foreign, "", "x", own[:-1], own + "A", own + "=", "B" + own[1:], own[:-2] + "🙂", "A" * 5000]:
            error = await graph.error(page, {"id": ana, "after": cursor})
            assert (error["path"], error["extensions"]["code"]) == (["profile", name], "CURSOR_INVALID")


LISTS = ("traits", "notes", "timeline")
