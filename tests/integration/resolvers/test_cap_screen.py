"""What a screen asks for in one request, and data that stays where it is: capabilities that join several parts."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from gateway.engine.request import Request
from gateway.model.activity import ExternalActivity, TimelineKind
from gateway.model.ids import parse_id
from gateway.model.source import DataParty, Source, SourceKind
from gateway.model.trait import Provenance, TraitFact, TraitKind
from gateway.sources.memory import Faults, MemoryData, MemorySource
from gateway.sources.registry import Registry

from .conftest import Graph, Http

__all__: list[str] = []

pytestmark = pytest.mark.asyncio(loop_scope="module")

ORDERS = Source("orders", "Order system", (SourceKind.TRAITS, SourceKind.ACTIVITY), DataParty.FIRST, priority=70)
FEDERATED = """query($id: ID!) { profile(by: {id: $id}) {
  traits { nodes { key value provenance { source { key party } } } } sources { source { key } state }
  timeline { nodes { title source { key } } sources { source { key } state } } } }"""


async def opened(graph: Graph, address: str, agent: str = "ann") -> str:
    """A call that is offered to an agent; the contact's id."""
    document = """mutation($input: OpenContactInput!) { openContact(input: $input) { contact { id } userErrors { message } } }"""
    given = {"externalId": f"x-{address}-{agent}", "channel": "VOICE", "address": address, "agentId": agent}
    return str((await graph.data(document, {"input": given}, graph.admin))["contact"]["id"])


async def federated(graph: Graph, source: MemorySource, profile: str, missing: tuple[str, ...] = ()) -> dict[str, Any]:
    """The screen of a profile where another system contributes; `missing`: the sources that `errors` names."""
    services = graph.runtime.services
    registry = Registry.build(services.registry.profiles, [source], dict(services.registry.described))
    context = replace(graph.runtime, services=replace(services, registry=registry)).context_for(graph.agent)
    prepared = graph.runtime.engine.prepare(Request(FEDERATED, {"id": profile}))
    answer = await graph.runtime.engine.execute(prepared, context)
    assert tuple(error["extensions"]["source"] for error in answer.get("errors", ())) == missing, answer
    shown: dict[str, Any] = answer["data"]["profile"]
    return shown


async def system_of_record(graph: Graph, profile: str) -> MemorySource:
    """An order system that knows one order and one fact of a profile."""
    (profile_id,) = parse_id(profile, "prf")
    at = datetime(2026, 5, 1, tzinfo=UTC)
    source = MemorySource(ORDERS, MemoryData())
    workspace = graph.agent.workspace_id
    order = ExternalActivity(profile_id, "so-7", at, ORDERS, TimelineKind.EXTERNAL, "Order Completed", None, {"total": 9})
    source.put_item(workspace, order)
    source.put_traits(workspace, profile_id, [TraitFact("orders_count", 3, TraitKind.COMPUTED, "Value", None, Provenance(ORDERS, at))])
    return source


async def test_cap_047_every_way_to_reach_a_person_is_shown(graph: Graph) -> None:
    """Many contact points per channel, one primary each, with labels and whether they were verified."""
    points = [
        {"channel": "VOICE", "value": "+442079460301", "label": "mobile"},
        {"channel": "VOICE", "value": "+442079460302", "label": "work"},
        {"channel": "EMAIL", "value": "ana@example.com"},
    ]
    profile = await graph.profile("Ana", contactPoints=points)
    document = "query($id: ID!) { profile(by: {id: $id}) { contactPoints { channel value label isPrimary isVerified } } }"
    shown = (await graph.data(document, {"id": profile}))["contactPoints"]

    assert {(one["channel"], one["value"], one["label"], one["isPrimary"]) for one in shown} == {
        ("VOICE", "+442079460301", "mobile", True),
        ("VOICE", "+442079460302", "work", False),
        ("EMAIL", "ana@example.com", None, True),
    }
    assert {one["isVerified"] for one in shown} == {False}


async def test_cap_057_066_the_contact_brings_its_profile_along(graph: Graph) -> None:
    """The details of the conversation and the contact's profile, with notes and history, come in one request."""
    profile = await graph.profile("Ana", contactPoints=[{"channel": "VOICE", "value": "+442079460303"}])
    await graph.note(profile, "Prefers mornings.")
    await graph.happened(profile, {"type": "Order Completed"})
    contact = await opened(graph, "+442079460303")
    document = """query($id: ID!) { contact(id: $id) { state channel address match
      profile { displayName notes { nodes { body } } timeline(last: 1) { nodes { title } } viewerCan { update } } } }"""

    assert await graph.data(document, {"id": contact}) == {
        "state": "OFFERED",
        "channel": "VOICE",
        "address": "+442079460303",
        "match": "ONE",
        "profile": {
            "displayName": "Ana",
            "notes": {"nodes": [{"body": "Prefers mornings."}]},
            "timeline": {"nodes": [{"title": "Order Completed"}]},
            "viewerCan": {"update": True},
        },
    }


async def test_cap_072_the_order_of_the_list_is_the_order_on_screen(graph: Graph) -> None:
    """Pinned attributes come in the order in which they were given; dragging one is saving the list in another order."""
    profile = await graph.profile("Ana", attributes={"plan": "gold", "title": "Buyer"})
    pin = "mutation($keys: [String!]!) { setVisibleAttributes(keys: $keys) { userErrors { message } } }"
    document = "query($id: ID!) { profile(by: {id: $id}) { attributes { definition { key } } } }"
    orders = []
    for keys in (["title", "plan"], ["plan", "title"]):
        await graph.data(pin, {"keys": keys})
        orders.append([one["definition"]["key"] for one in (await graph.data(document, {"id": profile}))["attributes"]])

    assert orders == [["title", "plan"], ["plan", "title"]]


async def test_cap_126_another_system_is_seen_through_the_same_fields(graph: Graph) -> None:
    """A system behind the source interface contributes traits and activities to the one schema, and each names where it came from."""
    profile = await graph.profile("Ana", attributes={"plan": "gold"})
    shown = await federated(graph, await system_of_record(graph, profile), profile)

    assert {(one["key"], one["provenance"]["source"]["key"]) for one in shown["traits"]["nodes"]} == {
        ("orders_count", "orders"),
        ("plan", "native"),
    }
    assert {(one["source"]["key"], one["state"]) for one in shown["sources"]} == {("native", "OK"), ("orders", "OK")}


async def test_cap_127_131_history_stays_in_its_own_store(graph: Graph) -> None:
    """An activity source is read through: its items stand in the timeline, and the gateway has stored nothing of them."""
    profile = await graph.profile("Ana")
    before = await graph.contents()
    shown = await federated(graph, await system_of_record(graph, profile), profile)

    assert [(one["title"], one["source"]["key"]) for one in shown["timeline"]["nodes"]] == [("Order Completed", "orders")]
    assert await graph.contents() == before


async def test_cap_139_a_system_that_fails_costs_its_own_part(graph: Graph) -> None:
    """The rest is answered, and the reports and `errors` say which source is missing."""
    profile = await graph.profile("Ana", attributes={"plan": "gold"})
    source = await system_of_record(graph, profile)
    source.faults = Faults(error_rate=1.0)
    shown = await federated(graph, source, profile, missing=("orders",))

    assert [one["key"] for one in shown["traits"]["nodes"]] == ["plan"]
    assert {(one["source"]["key"], one["state"]) for one in shown["timeline"]["sources"]} == {("native", "OK"), ("orders", "ERROR")}


async def test_cap_137_developers_can_look_inside(http: Http) -> None:
    """In development the schema can be asked for itself, and every answer carries a request id to be found in the log."""
    answer = await http.ask("{ __schema { queryType { name } } }")

    assert answer.json()["data"] == {"__schema": {"queryType": {"name": "Query"}}}
    assert answer.headers["x-request-id"]
