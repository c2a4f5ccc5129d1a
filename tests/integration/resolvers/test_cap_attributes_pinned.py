"""What agents keep in sight: each their own list, in their own order, saved whole."""

from __future__ import annotations

from typing import Any

import pytest

from .conftest import Graph, codes
from .test_batching import statements

__all__: list[str] = []

pytestmark = pytest.mark.asyncio(loop_scope="module")

CONFIG = """
[attributes]
builtin = false

[attributes.define.tier]
name = "Loyalty tier"
position = 1

[attributes.define.plan]
name = "Plan"
position = 3

[attributes.define.fax]
name = "Fax"
position = 2

[attributes.define.hidden]
name = "Hidden"
visible = false

[attributes.define.contract_id]
name = "Contract"
identifier = true
required = true
position = 4
"""

ATTRIBUTES = """query ($id: ID!, $visibility: AttributeVisibility! = MAIN, $search: String) { profile(by: {id: $id}) {
  attributes(visibility: $visibility, search: $search) {
    definition { key type } value displayValue mask provenance { source { key } actor { id } } } } }"""
PIN = """mutation ($keys: [String!]!, $version: Int) { setVisibleAttributes(keys: $keys, expectedVersion: $version) {
  viewer { preferencesVersion visibleAttributes { key } }
  userErrors { code message path ... on StaleVersionError { currentVersion current { id } } } } }"""
VIEWER = "{ viewer { preferencesVersion visibleAttributes { key } } }"
BACKGROUND = {"revocations_since"}
"""What the gateway asks for its own sake at any moment."""
DEFAULTS = ["tier", "fax", "plan", "contract_id"]


async def shown(graph: Graph, profile: str, principal: Any = None, **arguments: Any) -> dict[str, dict[str, Any]]:
    """Key → attribute, in the order answered."""
    found = await graph.data(ATTRIBUTES, {"id": profile, **arguments}, principal)
    return {one["definition"]["key"]: one for one in found["attributes"]}


async def test_cap_065_a_quick_view_is_one_query(graph: Graph, monkeypatch: pytest.MonkeyPatch) -> None:
    """Name, company, channels and pinned attributes of one or of thirty profiles take the same few statements."""
    query = """query QuickView($by: [ProfileRef!]!) { profiles(by: $by) { displayName url mainCompany { name } contactPoints { channel value }
      attributes { definition { key displayName managedBy { key } } value displayValue mask } missingAttributes { key } } }"""
    await graph.data(PIN, {"keys": ["plan", "contract_id", "tier"]})
    profiles = []
    for n in range(30):
        identifiers = [{"type": "contract_id", "value": f"Q-{n}"}]
        profiles.append(await graph.profile(f"P{n}", attributes={"plan": "pro"}, identifiers=identifiers))
        await graph.join(profiles[-1], "Babbage & Co")
    with statements(monkeypatch) as one:
        found = await graph.data(query, {"by": [{"id": profiles[0]}]})
    with statements(monkeypatch) as many:
        await graph.data(query, {"by": [{"id": profile} for profile in profiles]})

    assert (found[0]["displayName"], found[0]["mainCompany"]) == ("P0", {"name": "Babbage & Co"})
    assert [(one["definition"]["key"], one["value"]) for one in found[0]["attributes"]] == [
        ("plan", "pro"),
        ("contract_id", "Q-0"),
        ("tier", None),
    ]
    assert [name for name in sorted(one) if name not in BACKGROUND] == [name for name in sorted(many) if name not in BACKGROUND]
    assert [name for name in sorted(one) if name not in BACKGROUND] == [
        "contacts_by_profile",
        "memberships_by_profile",
        "preferences_by_subject",
        "profiles_by_id",
        "traits_by_profile",
    ]


async def test_cap_070_show_less_is_what_was_pinned(graph: Graph) -> None:
    """Whoever never chose sees what the registry shows by default; whoever chose sees exactly that, also a key nobody defined."""
    ana = await graph.profile(attributes={"shoe_size": 42, "plan": "pro"})
    assert list(await shown(graph, ana)) == DEFAULTS

    await graph.data(PIN, {"keys": ["shoe_size", "plan", "tier"]})
    assert [(key, one["value"]) for key, one in (await shown(graph, ana)).items()] == [("shoe_size", 42), ("plan", "pro"), ("tier", None)]
    assert list(await shown(graph, ana, graph.colleague)) == DEFAULTS

    await graph.data(PIN, {"keys": []})
    assert await shown(graph, ana) == {}


async def test_cap_071_and_072_each_agent_pins_attributes_in_an_order(graph: Graph) -> None:
    """The list is the agent's own and keeps its order; a new order is a new version, the same list is none."""
    assert (await graph.data(VIEWER))["preferencesVersion"] == 0
    first = await graph.data(PIN, {"keys": ["tier", "plan", "fax"]})
    moved = await graph.data(PIN, {"keys": ["fax", "tier", "plan"]})
    same = await graph.data(PIN, {"keys": ["fax", "tier", "plan"], "version": 2})

    assert first == {
        "viewer": {"preferencesVersion": 1, "visibleAttributes": [{"key": "tier"}, {"key": "plan"}, {"key": "fax"}]},
        "userErrors": [],
    }
    assert [one["key"] for one in moved["viewer"]["visibleAttributes"]] == ["fax", "tier", "plan"]
    assert (moved["viewer"]["preferencesVersion"], same["viewer"]["preferencesVersion"]) == (2, 2)
    assert (await graph.data(VIEWER, principal=graph.colleague))["preferencesVersion"] == 0
    assert (await graph.data(VIEWER, principal=graph.stranger))["preferencesVersion"] == 0  # of the same name, elsewhere


async def test_cap_073_one_save_replaces_the_whole_list_or_nothing(graph: Graph) -> None:
    """A save against an older version is refused whole and says which version there is."""
    await graph.data(PIN, {"keys": ["tier"], "version": 0})
    before = await graph.contents()
    for version in (0, 2, -1):
        stale = await graph.data(PIN, {"keys": ["plan"], "version": version})
        (error,) = stale["userErrors"]
        assert (error["code"], error["path"], error["currentVersion"], error["current"]) == ("STALE_VERSION", ["expectedVersion"], 1, None)
        assert stale["viewer"] is None
    assert await graph.contents() == before
    assert (await graph.data(PIN, {"keys": ["plan"], "version": 1}))["viewer"]["preferencesVersion"] == 2


async def test_keys_that_cannot_be_pinned(graph: Graph) -> None:
    """A list with a key twice, an impossible key or more than a hundred is refused whole."""
    before = await graph.contents()

    assert codes(await graph.data(PIN, {"keys": ["tier", "plan", "tier"]})) == [("INVALID", "keys.2")]
    assert codes(await graph.data(PIN, {"keys": ["", "x" * 129, "a\x00b"]})) == [("INVALID", f"keys.{n}") for n in range(3)]
    assert codes(await graph.data(PIN, {"keys": [f"k{n}" for n in range(101)]})) == [("LIMIT_EXCEEDED", "keys")]
    assert (await graph.error(PIN, {"keys": []}, graph.narrowed(graph.agent, "note:read")))["extensions"]["code"] == "FORBIDDEN"
    assert await graph.contents() == before
