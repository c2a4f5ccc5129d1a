"""Layouts: what an administrator lets agents see, and, with a strict registry, of which attributes."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from .conftest import Graph, codes

__all__: list[str] = []

pytestmark = pytest.mark.asyncio(loop_scope="module")

CONFIG = """
[attributes]
strict = true

[attributes.define.tier]
name = "Loyalty tier"
"""

FIELDS = "id version name header sections { key title component attributes } externalActivityTypes timelineOrder"
LAYOUT = f"query ($name: String) {{ layout(name: $name) {{ {FIELDS} }} }}"
SAVE = f"""mutation ($input: LayoutInput!) {{ saveLayout(input: $input) {{ layout {{ {FIELDS} }} userErrors {{ __typename code message path
  ... on StaleVersionError {{ currentVersion current {{ id }} }} }} }} }}"""
UPDATE = "mutation ($input: UpdateProfileInput!) { updateProfile(input: $input) { profile { id } userErrors { code message path } } }"
PIN = (
    "mutation ($keys: [String!]!) { setVisibleAttributes(keys: $keys) { viewer { preferencesVersion } userErrors { code message path } } }"
)


def section(key: str = "facts", **more: Any) -> dict[str, Any]:
    """A section's input."""
    return {"key": key, "title": "Facts", "component": "attributes", "attributes": ["tier", "plan"], **more}


def layout(name: str = "default", **more: Any) -> dict[str, Any]:
    """A layout's input."""
    base = {"name": name, "header": ["displayName", "tier"], "sections": [section()]}
    return {**base, "externalActivityTypes": ["Order Completed"], "timelineOrder": "DESC", **more}


async def save(graph: Graph, principal: Any = None, **given: Any) -> dict[str, Any]:
    """The payload of saveLayout."""
    payload: dict[str, Any] = await graph.data(SAVE, {"input": layout(**given)}, principal or graph.admin)
    return payload


async def test_the_built_in_layout(graph: Graph) -> None:
    """Before anybody saves one, everybody has the layout of version 0: attributes, then companies, then notes."""
    found = await graph.data(LAYOUT)

    assert (found["id"], found["version"], found["name"], found["timelineOrder"]) == ("lay_default", 0, "default", "ASC")
    assert [one["component"] for one in found["sections"]] == ["attributes", "companies", "notes", "interests", "timeline"]
    assert found["externalActivityTypes"] == ["*"]
    assert await graph.data(f"{{ viewer {{ layout {{ {FIELDS} }} }} }}") == {"layout": found}


async def test_cap_046_an_administrator_chooses_what_agents_see(graph: Graph) -> None:
    """A saved layout is what every agent of the workspace gets from then on, and nobody of another one."""
    saved = await save(graph)
    expected = {key: value for key, value in layout().items() if key != "expectedVersion"}

    assert saved["userErrors"] == []
    assert saved["layout"] == {"id": "lay_default", "version": 1, **expected}
    assert await graph.data(LAYOUT) == saved["layout"]
    assert await graph.data("{ viewer { layout { version header } } }") == {"layout": {"version": 1, "header": ["displayName", "tier"]}}
    assert (await graph.data(LAYOUT, principal=graph.stranger))["version"] == 0
    assert await graph.data('{ node(id: "lay_default") { ... on Layout { version } } }') == {"version": 1}


async def test_named_layouts(graph: Graph) -> None:
    """A layout of another name stands beside the default one; a name nobody saved is an error that says so."""
    await save(graph, name="sales-desk", header=["displayName"])

    assert (await graph.data(LAYOUT, {"name": "sales-desk"}))["header"] == ["displayName"]
    assert (await graph.data(LAYOUT))["version"] == 0
    for name in ("nobodys", "", "a\x00b"):
        error = await graph.error(LAYOUT, {"name": name})
        assert (error["extensions"]["code"], error["extensions"]["argument"]) == ("BAD_USER_INPUT", "name")


async def test_only_administrators_save(graph: Graph) -> None:
    """Without the scope nothing is saved."""
    before = await graph.contents()
    for principal in (graph.agent, graph.supervisor, graph.partner):
        error = await graph.error(SAVE, {"input": layout()}, principal)
        assert (error["extensions"]["code"], error["extensions"]["scope"]) == ("FORBIDDEN", "admin")
    assert await graph.contents() == before


async def test_versions_of_a_layout(graph: Graph) -> None:
    """A save against an older version is refused with the layout as it is; the same again is no change."""
    assert codes(await save(graph, expectedVersion=1)) == [("STALE_VERSION", "input.expectedVersion")]
    assert codes(await save(graph, name="new", expectedVersion=3)) == [("STALE_VERSION", "input.expectedVersion")]
    first = await save(graph, expectedVersion=0)
    second = await save(graph, expectedVersion=1, header=["displayName"])
    stale = await save(graph, expectedVersion=1, header=[])
    same = await save(graph, expectedVersion=2, header=["displayName"])

    assert [one["layout"]["version"] for one in (first, second, same)] == [1, 2, 2]
    (error,) = stale["userErrors"]
    assert (error["__typename"], error["currentVersion"], error["current"]) == ("StaleVersionError", 2, {"id": "lay_default"})


async def test_two_administrators_at_once(graph: Graph) -> None:
    """Of several first saves against the built-in layout exactly one is made."""
    answers = await asyncio.gather(*(save(graph, expectedVersion=0, header=["displayName"][:n]) for n in (0, 1, 0, 1)))
    made = [one for one in answers if not one["userErrors"]]

    assert len(made) == 1
    assert {code for one in answers for code, _ in codes(one)} == {"STALE_VERSION"}
    assert await graph.data(LAYOUT) == made[0]["layout"]


async def test_cap_078_a_section_may_be_drawn_by_an_element_of_ones_own(graph: Graph) -> None:
    """A component is a name, or the https address of a custom element; any other address is refused."""
    own = "https://widgets.example.com/churn-meter.js?v=2"
    saved = await save(graph, sections=[section(component=own), section("other", component="churn-meter")])
    assert [one["component"] for one in saved["layout"]["sections"]] == [own, "churn-meter"]

    for bad in (
        "http://example.com/x.js",
        "javascript:alert(1)",
        "//example.com/x.js",
        "https://",
        "https://a b",
        "Attributes",
        "",
        "data:,x",
    ):
        assert codes(await save(graph, sections=[section(component=bad)])) == [("INVALID", "input.sections.0.component")]


WRONG: list[tuple[dict[str, Any], list[tuple[str, str]]]] = [
    ({"name": ""}, [("INVALID", "input.name")]),
    ({"name": "Sales Desk"}, [("INVALID", "input.name")]),
    ({"name": "x" * 65}, [("INVALID", "input.name")]),
    ({"header": ["displayName", "displayName"]}, [("INVALID", "input.header")]),
    ({"header": ["nothing"]}, [("INVALID", "input.header.0")]),
    ({"header": ["displayName"] * 21}, [("LIMIT_EXCEEDED", "input.header"), ("INVALID", "input.header")]),
    ({"sections": [section(), section()]}, [("INVALID", "input.sections.1.key")]),
    ({"sections": [section("a b")]}, [("INVALID", "input.sections.0.key")]),
    ({"sections": [section(title=" ")]}, [("REQUIRED", "input.sections.0.title")]),
    ({"sections": [section(title="x" * 201)]}, [("INVALID", "input.sections.0.title")]),
    ({"sections": [section(attributes=["tier", "nothing"])]}, [("INVALID", "input.sections.0.attributes.1")]),
    ({"sections": [section(attributes=["tier", "tier"])]}, [("INVALID", "input.sections.0.attributes")]),
    ({"sections": [section(f"s{n}", attributes=[]) for n in range(51)]}, [("LIMIT_EXCEEDED", "input.sections")]),
    ({"sections": [section(f"s{n}", attributes=["tier"] * 51) for n in range(4)]}, [("LIMIT_EXCEEDED", "input.sections")]),
    ({"externalActivityTypes": ["a", "a"]}, [("INVALID", "input.externalActivityTypes")]),
    ({"externalActivityTypes": [" "]}, [("REQUIRED", "input.externalActivityTypes.0")]),
    ({"externalActivityTypes": ["x" * 129]}, [("INVALID", "input.externalActivityTypes.0")]),
]


@pytest.mark.parametrize(("given", "expected"), WRONG)
async def test_layouts_that_cannot_be(graph: Graph, given: dict[str, Any], expected: list[tuple[str, str]]) -> None:
    """What is wrong is named at its place, and nothing is saved."""
    before = await graph.contents()
    payload = await save(graph, **given)

    assert codes(payload) == expected
    assert payload["layout"] is None
    assert await graph.contents() == before


async def test_a_strict_registry(graph: Graph) -> None:
    """Where only defined attributes are, another key can neither be written, nor pinned, nor fetched; what a source sends of it still shows."""
    ana = await graph.profile(attributes={"tier": "gold"})
    before = await graph.contents()

    refused = await graph.data(UPDATE, {"input": {"id": ana, "attributes": {"shoe_size": 42, "tier": "basic"}}})
    assert codes(refused) == [("INVALID", "input.attributes.shoe_size")]
    assert codes(await graph.data(PIN, {"keys": ["tier", "shoe_size"]})) == [("INVALID", "keys.1")]
    assert await graph.data('{ node(id: "atd_shoe_size") { id } }') is None
    assert await graph.contents() == before
    await graph.observed(ana, "crm", {"shoe_size": 42})
    query = 'query ($id: ID!) { profile(by: {id: $id}) { attributes(visibility: ALL, search: "shoe") { value } } }'
    assert await graph.data(query, {"id": ana}) == {"attributes": [{"value": 42}]}
