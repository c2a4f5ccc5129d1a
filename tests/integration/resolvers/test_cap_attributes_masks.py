"""What each viewer sees of attributes: by sensitivity and right, the same on every path, and nothing SENSITIVE kept in clear."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.model.ids import parse_id

from .conftest import TABLES, Graph

__all__: list[str] = []

pytestmark = pytest.mark.asyncio(loop_scope="module")

CONFIG = """
[attributes.define.open_word]
name = "Open word"
sensitivity = "PUBLIC"

[attributes.define.tier]
name = "Loyalty tier"

[attributes.define.fax]
name = "Fax"
type = "PHONE"
sensitivity = "PERSONAL"

[attributes.define.nickname]
name = "Nickname"
sensitivity = "PERSONAL"

[attributes.define.passphrase]
name = "Passphrase"
type = "JSON"
sensitivity = "SENSITIVE"

[attributes.define.contract_id]
name = "Contract"
identifier = true
"""

UPDATE = """mutation ($input: UpdateProfileInput!) { updateProfile(input: $input) {
  profile { id version attributes(visibility: ALL) { definition { key } value } } userErrors { code message path } } }"""
ATTRIBUTES = """query ($id: ID!, $visibility: AttributeVisibility! = MAIN, $search: String) { profile(by: {id: $id}) {
  attributes(visibility: $visibility, search: $search) {
    definition { key type } value displayValue mask provenance { source { key } actor { id } } } } }"""


async def update(graph: Graph, profile: str, attributes: Any, principal: Any = None, **more: Any) -> dict[str, Any]:
    """The payload of an update of attributes."""
    payload: dict[str, Any] = await graph.data(UPDATE, {"input": {"id": profile, "attributes": attributes, **more}}, principal)
    return payload


async def shown(graph: Graph, profile: str, principal: Any = None, **arguments: Any) -> dict[str, dict[str, Any]]:
    """Key → attribute, in the order answered."""
    found = await graph.data(ATTRIBUTES, {"id": profile, **arguments}, principal)
    return {one["definition"]["key"]: one for one in found["attributes"]}


CANARIES = {"open_word": "canary-public", "tier": "gold", "nickname": "canary-personal", "passphrase": "canary-sensitive"}
PATHS = {
    "attributes": "profile(by: {id: $id}) { attributes(visibility: ALL) { definition { key } value displayValue mask } }",
    "traits": "profile(by: {id: $id}) { traits { nodes { key value displayValue conflicts { value lostBecause } } } }",
    "node": """node(id: $id) { ... on Profile { traits { edges { node { value displayValue conflicts { value } } } }
      attributes(visibility: ALL) { value displayValue } } }""",
    "search": 'searchProfiles(text: "Ana") { nodes { traits { nodes { value displayValue } } attributes(visibility: ALL) { value displayValue } } }',
}
SEEN = {  # scopes beyond profile:read → what is seen in clear
    "with the right to personal data": (("profile:read:pii",), {"canary-public", "gold", "canary-personal"}),
    "without": ((), {"canary-public", "gold"}),
    "with the right to reveal": (("profile:read:pii", "pii:reveal", "admin"), {"canary-public", "gold", "canary-personal"}),
}


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("role", SEEN)
async def test_the_same_mask_on_every_path(graph: Graph, role: str, path: str) -> None:
    """Who sees what depends on the sensitivity and the viewer, never on the way there; also for values that sources say in clear."""
    ana = await graph.profile(attributes=CANARIES)
    await graph.observed(ana, "billing", {key: f"{value}-of-a-source" for key, value in CANARIES.items()})
    scopes, clear = SEEN[role]
    viewer = graph.narrowed(graph.partner, "profile:read", "profile:search", *scopes)
    query = f"query ($id: ID!) {{ {PATHS[path]} }}" if "$id" in PATHS[path] else f"{{ {PATHS[path]} }}"
    answer = str(await graph.run(query, {"id": ana} if "$id" in PATHS[path] else None, viewer))

    assert "errors" not in answer
    for value in CANARIES.values():
        assert (value in answer) == (value in clear), (value, answer)
    assert "•••••" in answer


async def test_the_states_of_masks(graph: Graph) -> None:
    """Masked values are null, with dots, or with an end of the long ones, to read; the mask says how much is seen."""
    ana = await graph.profile(
        attributes={**CANARIES, "fax": "+442079460958"}, identifiers=[{"type": "contract_id", "value": "C-1234567890"}]
    )
    full, masked = await shown(graph, ana, visibility="ALL"), await shown(graph, ana, graph.partner, visibility="ALL")

    def state(one: dict[str, Any]) -> tuple[Any, Any, Any]:
        return one["value"], one["displayValue"], one["mask"]

    assert state(full["passphrase"]) == (None, "•••••", "MASKED")
    assert state(masked["passphrase"]) == (None, "•••••", "HIDDEN")
    assert state(full["nickname"]) == ("canary-personal", "canary-personal", "CLEAR")
    assert state(masked["nickname"]) == (None, "•••••nal", "MASKED")
    assert state(masked["fax"]) == (None, "+44•••••958", "MASKED")
    assert state(masked["tier"]) == ("gold", "gold", "CLEAR")
    assert state(full["contract_id"]) == ("C-1234567890", "C-1234567890", "CLEAR")
    assert state(masked["contract_id"]) == (None, "•••••890", "MASKED")


async def test_live_events_wear_the_same_mask(graph: Graph) -> None:
    """What is pushed to a viewer is masked for that viewer."""
    ana = await graph.profile()
    viewer = graph.narrowed(graph.partner, "profile:read", "subscribe")
    stream = graph.stream(
        """subscription ($id: ID!) { profileEvents(profileId: $id) { ... on ProfileUpdated { profile {
          attributes(visibility: ALL) { value displayValue } traits { nodes { key value displayValue } } } } } }""",
        {"id": ana},
        viewer,
    )
    await stream.next()
    await update(graph, ana, CANARIES)
    pushed = str(await stream.next())
    await stream.close()

    assert "canary-public" in pushed
    assert "canary-personal" not in pushed
    assert "canary-sensitive" not in pushed


async def test_sensitive_values_are_nowhere_in_clear(graph: Graph) -> None:
    """Not in any table, also not the audit; the vault opens it at its place, and writing the same again is no change."""
    ana = await graph.profile(attributes={"passphrase": {"word": "canary-sensitive", "n": 1}})
    same = await update(graph, ana, {"passphrase": {"n": 1, "word": "canary-sensitive"}})
    assert same["profile"]["version"] == 1
    assert (await update(graph, ana, {"passphrase": {"word": "canary-other"}}))["profile"]["version"] == 2
    kept = ""
    for table in TABLES:
        kept += str(
            await graph.runtime.database.fetchval(
                f"SELECT string_agg(t::text, '|') FROM {table} t WHERE workspace_id = $1", graph.agent.workspace_id
            )
        )
    assert "canary" not in kept
    row = await graph.runtime.database.fetchrow(
        "SELECT value, sealed FROM trait WHERE profile_id = $1 AND key = 'passphrase'", parse_id(ana, "prf")[0]
    )
    assert row is not None
    vault = graph.runtime.services.commands.bound.vault
    assert row["value"] is None
    assert vault.open(graph.agent.workspace_id, "trait:passphrase", row["sealed"]) == '{"word":"canary-other"}'

    assert (await update(graph, ana, {"passphrase": None}))["userErrors"] == []
    assert (await shown(graph, ana))["passphrase"]["displayValue"] is None


async def test_streams_of_attributes(graph: Graph) -> None:
    """Whoever waits for changes of attributes hears of traits and identifiers, which they are made of."""
    ana = await graph.profile()
    query = (
        """subscription ($id: ID!) { profileEvents(profileId: $id, fields: ["attributes"]) { ... on ProfileUpdated { changedFields } } }"""
    )
    stream = graph.stream(query, {"id": ana})
    await stream.next()
    await update(graph, ana, {"tier": "gold"})
    assert await stream.next() == {"changedFields": ["traits"]}
    await graph.data(UPDATE, {"input": {"id": ana, "addIdentifiers": [{"type": "contract_id", "value": "C-7"}]}})
    assert await stream.next() == {"changedFields": ["identifiers"]}
    await stream.close()
