"""Anything by its id: each type that is a Node, and what happens to ids of nothing, of another source, or of another make."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.model.ids import make_id, parse_id, uuid7

from .conftest import Graph

__all__: list[str] = []

pytestmark = pytest.mark.asyncio(loop_scope="module")

NODE = "query ($id: ID!) { node(id: $id) { __typename id } }"
OPEN = 'mutation { openContact(input: {externalId: "x", channel: CHAT, agentId: "ann"}) { contact { id } } }'
MERGE = "mutation ($input: MergeProfilesInput!) { mergeProfiles(input: $input) { merge { id } userErrors { message } } }"
NODES = "query ($ids: [ID!]!) { nodes(ids: $ids) { __typename id } }"


async def one_of_each(graph: Graph) -> dict[str, str]:
    """Type → id of something of that type."""
    ana = await graph.profile(
        contactPoints=[{"channel": "EMAIL", "value": "ana@example.com"}], identifiers=[{"type": "account_id", "value": "A-100"}]
    )
    call, _ = await graph.happened(ana, {"kind": "INTERACTION", "channel": "VOICE", "direction": "INBOUND"}, {})
    shown = await graph.data("query ($id: ID!) { profile(by: {id: $id}) { contactPoints { id } identifiers { id } } }", {"id": ana})
    ben, eva = await graph.profile("Ben"), await graph.profile("Eva", contactPoints=[{"channel": "EMAIL", "value": "ana@example.com"}])
    merged = await graph.data(MERGE, {"input": {"survivorId": eva, "mergeIds": [ben]}}, graph.supervisor)
    proposed = await graph.data("query ($id: ID!) { profile(by: {id: $id}) { mergeProposals { id } } }", {"id": eva})
    return {
        "Profile": ana,
        "MergeRecord": merged["merge"]["id"],
        "MergeProposal": proposed["mergeProposals"][0]["id"],
        "ContactPoint": shown["contactPoints"][0]["id"],
        "Identifier": shown["identifiers"][0]["id"],
        "Note": await graph.note(ana),
        "Company": await graph.join(ana, "Babbage & Co"),
        "Interaction": call,
        "Source": "src_native",
        "AttributeDefinition": "atd_plan",
        "Layout": "lay_default",
        "Contact": (await graph.data(OPEN))["contact"]["id"],
        "Change": (await graph.data("query ($id: ID!) { profile(by: {id: $id}) { changes { nodes { id } } } }", {"id": ana}))["changes"][
            "nodes"
        ][0]["id"],
    }


async def test_each_node_by_its_id(graph: Graph) -> None:
    """Everything that is a Node comes back by the id it gave, alone and among others, in the order asked."""
    ids = await one_of_each(graph)
    schema = await graph.data('{ __type(name: "Node") { possibleTypes { name } } }')

    assert {kind["name"] for kind in schema["possibleTypes"]} == set(ids)
    for kind, one in ids.items():
        assert await graph.data(NODE, {"id": one}) == {"__typename": kind, "id": one}
    asked = [make_id("prf", uuid7()), *reversed(ids.values())]
    found = await graph.data(NODES, {"ids": asked})
    assert found == [None, *({"__typename": kind, "id": one} for kind, one in reversed(ids.items()))]


async def test_well_formed_ids_of_nothing(graph: Graph) -> None:
    """An id that is well formed and names nothing is null without an error."""
    ids = await one_of_each(graph)
    (profile_id,) = parse_id(ids["Profile"], "prf")
    event = (await graph.happened(ids["Profile"], {"source": "tracking"}))[0]
    nothing = [
        make_id("prf", uuid7()),
        make_id("com", uuid7()),
        *(make_id(prefix, profile_id, uuid7()) for prefix in ("note", "cpt", "idn")),
        *(make_id(prefix, uuid7(), uuid7()) for prefix in ("note", "cpt", "idn")),
        f"act_{profile_id.hex}.native.{uuid7().hex}",
        f"act_{profile_id.hex}.native.no-uuid",
        ids["Interaction"].replace(".native.", ".tracking."),
        event,  # external activities are no Node
        "src_nobody",
        "src_",
        "lay_nobodys",
        "lay_",
        "atd_",
        "atd_" + "x" * 129,
    ]

    assert await graph.run(NODES, {"ids": nothing}) == {"data": {"nodes": [None] * len(nothing)}}


@pytest.mark.parametrize(
    "malformed", ["", "x", "prf", "prf_", "prf_1", "prf_" + "0" * 31 + "G", "prf_" + "0" * 64, "usr_" + "0" * 32, "act_1", "\x00", "🙂"]
)
async def test_malformed_ids(graph: Graph, malformed: str) -> None:
    """What is no id of this server is BAD_USER_INPUT, in a list at its own place."""
    error = await graph.error(NODE, {"id": malformed})
    answer = await graph.run(NODES, {"ids": ["src_native", malformed]})

    assert (error["path"], error["extensions"]) == (["node"], {"code": "BAD_USER_INPUT", "argument": "id"})
    assert answer["data"] == {"nodes": [{"__typename": "Source", "id": "src_native"}, None]}
    assert [error["path"] for error in answer["errors"]] == [["nodes", 1]]


async def test_an_id_of_another_type(graph: Graph) -> None:
    """The id of one type where another is wanted is BAD_USER_INPUT, however right it is."""
    ids = await one_of_each(graph)
    wrong: list[tuple[str, dict[str, Any]]] = [
        ("query ($id: ID!) { profile(by: {id: $id}) { id } }", {"id": ids["Note"]}),
        ("query ($id: ID!) { company(id: $id) { id } }", {"id": ids["Profile"]}),
        ("mutation ($id: ID!) { deleteNote(id: $id) { deletedId } }", {"id": ids["Profile"]}),
        ("mutation ($id: ID!) { setMainCompany(profileId: $id, companyId: $id) { profile { id } } }", {"id": ids["Company"]}),
    ]

    for query, variables in wrong:
        assert (await graph.error(query, variables))["extensions"]["code"] == "BAD_USER_INPUT"


async def test_a_node_needs_the_right_to_its_kind(graph: Graph) -> None:
    """Without the scope behind a type, its nodes are null like those that do not exist; an agent's own contacts take none."""
    ids = await one_of_each(graph)
    notes_only = graph.narrowed(graph.agent, "note:read")
    answer = await graph.run(NODES, {"ids": list(ids.values())}, notes_only)

    assert [node and node["__typename"] for node in answer["data"]["nodes"]] == [
        kind if kind in {"Note", "Contact"} else None for kind in ids
    ]
    assert "errors" not in answer


async def test_an_interaction_in_full(graph: Graph) -> None:
    """An interaction shows what the contact centre recorded of it."""
    ana = await graph.profile()
    detail = {
        "endedAt": "2026-01-01T12:03:20+00:00",
        "queue": "billing",
        "agent": {"id": "bob", "name": "Bob"},
        "outcome": "resolved",
        "summary": "Invoice explained.",
        "wrapUp": {"notes": "Friendly.", "topic": "invoice", "dispositionCode": "OK", "completedAt": "2026-01-01T12:04:00+00:00"},
        "sentiment": "POSITIVE",
        "attributes": {"language": "en"},
        "measures": {"holdSeconds": 12},
        "recordingUrl": "https://recordings.example.com/1",
    }
    (call,) = await graph.happened(
        ana, {"kind": "INTERACTION", "channel": "VOICE", "direction": "OUTBOUND", "account": "uk", "detail": detail}
    )
    shown = await graph.data(
        """query ($id: ID!) { node(id: $id) { ... on Interaction { id occurredAt origin title icon account channel direction startedAt endedAt
          durationSeconds queue agent { id displayName kind } outcome summary wrapUp { notes topic dispositionCode completedAt } sentiment
          attributes measures recordingUrl source { id } } } }""",
        {"id": call},
    )

    assert shown == {
        "id": call,
        "occurredAt": "2026-01-01T12:00:00Z",
        "origin": "CONTACT_CENTRE",
        "title": "Outbound call",
        "icon": "phone",
        "account": "uk",
        "channel": "VOICE",
        "direction": "OUTBOUND",
        "startedAt": "2026-01-01T12:00:00Z",
        "endedAt": "2026-01-01T12:03:20Z",
        "durationSeconds": 200,
        "queue": "billing",
        "agent": {"id": "bob", "displayName": "Bob", "kind": "AGENT"},
        "outcome": "resolved",
        "summary": "Invoice explained.",
        "wrapUp": {"notes": "Friendly.", "topic": "invoice", "dispositionCode": "OK", "completedAt": "2026-01-01T12:04:00Z"},
        "sentiment": "POSITIVE",
        "attributes": {"language": "en"},
        "measures": {"holdSeconds": 12},
        "recordingUrl": "https://recordings.example.com/1",
        "source": {"id": "src_native"},
    }
