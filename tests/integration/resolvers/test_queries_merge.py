"""mergePreview: what the merge would do, said before it is done, and kept by the merge itself."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from gateway.commands import merge_preview

from .conftest import START, Graph
from .test_mutations_merge import merge, pair

__all__: list[str] = []

pytestmark = pytest.mark.asyncio(loop_scope="module")

CONFIG = """
[attributes.define.pin]
name = "PIN"
sensitivity = "SENSITIVE"
"""

PREVIEW = """query ($survivor: ID!, $ids: [ID!]!, $winners: [KeyValueInput!]) {
  mergePreview(survivorId: $survivor, mergeIds: $ids, fieldWinners: $winners) {
    survivor { id firstName lastName lifecycle displayName notes { totalCount } } warnings moves { category count top }
    fields { field winner { value lostBecause provenance { source { key } } } alternatives { value lostBecause } } } }"""


async def preview(graph: Graph, survivor: str, *ids: str, **winners: str) -> dict[str, Any]:
    """The preview of a merge; nothing is written by it."""
    before = await graph.contents()
    chosen = [{"key": key, "value": value} for key, value in winners.items()]
    shown: dict[str, Any] = await graph.data(PREVIEW, {"survivor": survivor, "ids": list(ids), "winners": chosen}, graph.supervisor)
    assert await graph.contents() == before
    return shown


def fields(shown: dict[str, Any]) -> dict[str, tuple[Any, list[Any]]]:
    """Field → the winner's value and the others'."""
    return {one["field"]: (one["winner"]["value"], [other["value"] for other in one["alternatives"]]) for one in shown["fields"]}


async def test_merge_preview_shows_what_the_merge_does(graph: Graph) -> None:
    """The survivor's fields, where the profiles differ and how much moves are what the merge then makes of them."""
    ana, anna = await pair(graph)
    shown = await preview(graph, ana, anna)

    assert (shown["survivor"]["id"], shown["survivor"]["firstName"], shown["survivor"]["notes"]["totalCount"]) == (ana, "Ana", 1)
    assert fields(shown) == {"firstName": ("Ana", ["Anna"]), "plan": ("gold", ["silver"])}
    assert {one["lostBecause"] for field in shown["fields"] for one in field["alternatives"]} == {"the survivor's value stays"}
    assert {one["winner"]["lostBecause"] for one in shown["fields"]} == {""}
    moves = {one["category"]: one["count"] for one in shown["moves"]}
    assert {key: moves[key] for key in ("Contact points", "Identifiers", "Traits", "Companies", "Notes", "Activities")} == {
        "Contact points": 2,
        "Identifiers": 1,
        "Traits": 2,
        "Companies": 2,
        "Notes": 1,
        "Activities": 2,
    }
    assert all(one["top"] == [] for one in shown["moves"])
    await merge(graph, ana, anna)
    after = await graph.data("query ($id: ID!) { profile(by: {id: $id}) { firstName lastName lifecycle displayName } }", {"id": ana})
    assert after == {key: shown["survivor"][key] for key in after}


async def test_merge_preview_with_chosen_winners(graph: Graph) -> None:
    """A chosen winner shows as the winner, of a field and of an attribute; gaps are filled and no difference."""
    ana, anna = await pair(graph)
    anne = await graph.profile("Anne")
    shown = await preview(graph, anne, ana, anna, firstName=anna, plan=anna)

    assert (shown["survivor"]["firstName"], shown["survivor"]["lastName"]) == ("Anna", "Silva")
    assert fields(shown) == {"firstName": ("Anna", ["Anne", "Ana"]), "plan": ("silver", ["gold"])}
    assert {one["lostBecause"] for field in shown["fields"] for one in field["alternatives"]} == {"another profile's value was chosen"}


async def test_merge_preview_warns(graph: Graph, monkeypatch: pytest.MonkeyPatch) -> None:
    """Different values of a strong identifier, open contacts and a long timeline are said before anybody merges."""
    ana = await graph.profile("Ana", identifiers=[{"type": "account_id", "value": "A-1"}])
    anna = await graph.profile("Anna", identifiers=[{"type": "account_id", "value": "A-2"}])
    opened = """mutation { openContact(input: {externalId: "c-1", channel: VOICE, direction: INBOUND}) { contact { id } userErrors { code } } }"""
    contact = (await graph.data(opened, principal=graph.widened(graph.supervisor, "contact:write")))["contact"]["id"]
    associate = "mutation ($c: ID!, $p: ID!) { associateContact(contactId: $c, profileId: $p) { userErrors { code } } }"
    assert (await graph.data(associate, {"c": contact, "p": anna}, graph.supervisor))["userErrors"] == []
    await graph.happened(anna, *({"at": START + timedelta(minutes=n)} for n in range(4)))
    monkeypatch.setattr(merge_preview, "LONG_TIMELINE", 3)
    warnings = (await preview(graph, ana, anna))["warnings"]

    assert warnings == [
        "The profiles have different values of account_id: they may be different people.",
        "Open contacts that will belong to the survivor: 1.",
        "The timelines are long (4 items): the merge takes its time, and others wait for it.",
    ]
    assert (await preview(graph, anna, ana))["warnings"] == warnings[:1]


async def test_merge_preview_discloses_nothing(graph: Graph) -> None:
    """A SENSITIVE attribute shows as a difference without its values."""
    ana, anna = [await graph.profile("Ana", attributes={"pin": pin}) for pin in ("1234", "9876")]
    shown = await preview(graph, ana, anna)

    assert fields(shown) == {"pin": (None, [None])}
