"""What the mutations of contacts refuse: one clear entry of userErrors, nothing half-done, nothing leaked."""

from __future__ import annotations

from typing import Any

import pytest

from .conftest import Graph, codes
from .contact_view_scene import OPEN, UPDATE, Calls

__all__: list[str] = []

pytestmark = pytest.mark.asyncio(loop_scope="module")

CARD = "4111 1111 1111 1111"
MEBI = "x" * (32 * 1024)


@pytest.fixture(name="calls")
def _calls(graph: Graph) -> Calls:
    return Calls(graph)


@pytest.mark.parametrize(
    ("given", "problems"),
    [
        ({"externalId": " "}, [("REQUIRED", "input.externalId")]),
        ({"externalId": "x" * 256}, [("INVALID", "input.externalId")]),
        ({"externalId": "a\x00b"}, [("INVALID", "input.externalId")]),
        ({"address": "1" * 321}, [("INVALID", "input.address")]),
        ({"address": "\ud800"}, [("INVALID", "input.address")]),
        ({"displayName": "x" * 201, "queue": "x" * 201}, [("INVALID", "input.displayName"), ("INVALID", "input.queue")]),
        ({"agentId": "x" * 256}, [("INVALID", "input.agentId")]),
        ({"channel": "CUSTOM"}, [("REQUIRED", "input.customChannel")]),
        ({"channel": "CUSTOM", "customChannel": " "}, [("REQUIRED", "input.customChannel")]),
        ({"attributes": [1]}, [("INVALID", "input.attributes")]),
        ({"attributes": "text"}, [("INVALID", "input.attributes")]),
        ({"attributes": {"": 1}}, [("INVALID", "input.attributes")]),
        ({"attributes": {"a": MEBI}}, [("INVALID", "input.attributes")]),
        ({"attributes": {"x" * 129: 1}}, [("INVALID", "input.attributes")]),
        ({"attributes": {"a": "\x00"}}, [("INVALID", "input.attributes")]),
        ({"attributes": {str(n): n for n in range(201)}}, [("INVALID", "input.attributes")]),
        ({"handoffContext": MEBI}, [("INVALID", "input.handoffContext")]),
        ({"attributes": {"note": CARD}}, [("SENSITIVE_DATA_REJECTED", "input.attributes")]),
        ({"handoffContext": {"said": [f"my card is {CARD}"]}}, [("SENSITIVE_DATA_REJECTED", "input.handoffContext")]),
        ({"searchKey": {"key": "phone", "values": []}}, [("INVALID", "input.searchKey.values")]),
        ({"searchKey": {"key": "phone", "values": ["+442079460001"] * 21}}, [("INVALID", "input.searchKey.values")]),
        ({"searchKey": {"key": "voice", "values": ["1"]}}, [("INVALID", "input.searchKey.key")]),
        ({"searchKey": {"key": "", "values": ["1"]}}, [("INVALID", "input.searchKey.key")]),
        ({"searchKey": {"key": "name", "values": ["a\x00"]}}, [("INVALID", "input.searchKey.values.0")]),
        ({"parentId": "con_" + "1" * 32}, [("NOT_FOUND", "input.parentId")]),
    ],
)
async def test_what_cannot_be_opened(calls: Calls, given: dict[str, Any], problems: list[tuple[str, str]]) -> None:
    """Each wrong value of a new contact is named by its field, and no contact is made."""
    before = await calls.graph.contents()
    refused = await calls.opened(**given)

    assert codes(refused) == problems
    assert (refused["contact"], refused["streamCursor"]) == (None, None)
    assert CARD not in str(refused)
    assert await calls.graph.contents() == before


@pytest.mark.parametrize(
    ("given", "problems"),
    [
        ({"agentId": "x" * 256}, [("INVALID", "input.agentId")]),
        ({"queue": "x" * 201}, [("INVALID", "input.queue")]),
        ({"summary": "x" * (16 * 1024 + 1)}, [("INVALID", "input.summary")]),
        ({"summary": f"card {CARD}"}, [("SENSITIVE_DATA_REJECTED", "input.summary")]),
        ({"attributes": [1]}, [("INVALID", "input.attributes")]),
        ({"attributes": {"a": CARD}}, [("SENSITIVE_DATA_REJECTED", "input.attributes")]),
        ({"attributes": {"a": "x" * (20 * 1024)}}, [("INVALID", "input.attributes")]),
        (
            {"wrapUp": {"topic": "x" * 201, "dispositionCode": "a\x00"}},
            [("INVALID", "input.wrapUp.topic"), ("INVALID", "input.wrapUp.dispositionCode")],
        ),
        ({"wrapUp": {"notes": CARD}}, [("SENSITIVE_DATA_REJECTED", "input.wrapUp")]),
        ({"state": "WRAP_UP"}, [("INVALID", "input.state")]),
        ({"state": "WRAP_UP", "summary": "kept?"}, [("INVALID", "input.state")]),
    ],
)
async def test_what_cannot_be_changed(calls: Calls, given: dict[str, Any], problems: list[tuple[str, str]]) -> None:
    """Each wrong change is named by its field, and nothing of the contact changes, not even what was right."""
    contact = await calls.rings(attributes={"b": "x" * (15 * 1024)})
    before = await calls.graph.contents()
    refused = await calls.updated(contact["id"], **given)

    assert codes(refused) == problems
    assert refused["contact"] is None
    assert await calls.graph.contents() == before


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        ([f"k{n}" for n in range(11)], ("LIMIT_EXCEEDED", "verifiedKeys")),
        (["email", " "], ("INVALID", "verifiedKeys.1")),
        (["x" * 65], ("INVALID", "verifiedKeys.0")),
        (["a\x00"], ("INVALID", "verifiedKeys.0")),
    ],
)
async def test_verified_keys_have_limits(calls: Calls, keys: list[str], problem: tuple[str, str]) -> None:
    """At most ten names of at most 64 characters; nothing is associated otherwise."""
    ana, contact = await calls.caller("Ana"), await calls.rings()
    before = await calls.graph.contents()

    assert codes(await calls.associated(contact["id"], ana, keys)) == [problem]
    assert await calls.graph.contents() == before
    whole = [f"{n}" * 64 for n in range(10)]
    assert (await calls.associated(contact["id"], ana, whole))["contact"]["association"]["verifiedKeys"] == whole


@pytest.mark.parametrize(("reason", "code"), [("x" * 1001, "INVALID"), ("a\x00", "INVALID"), (CARD, "SENSITIVE_DATA_REJECTED")])
async def test_a_reason_has_limits(calls: Calls, reason: str, code: str) -> None:
    """A reason that cannot be stored leaves the contact associated."""
    ana, contact = await calls.caller("Ana", "+442079460001"), await calls.rings(address="+442079460001")

    assert codes(await calls.unlinked(contact["id"], reason)) == [(code, "reason")]
    assert (await calls.seen(contact["id"]))["profile"]["id"] == ana


async def test_what_is_not_there(calls: Calls, graph: Graph) -> None:
    """Contacts and profiles that do not exist and those of another workspace are NOT_FOUND alike, in the same words."""
    ana, contact = await calls.caller("Ana"), (await calls.rings())["id"]
    theirs = (await calls.opened(graph.stranger))["contact"]["id"]
    before = await graph.contents()
    for unknown in ("con_" + "1" * 32, theirs):
        answers = [
            await calls.updated(unknown, state="CONNECTED"),
            await calls.associated(unknown, ana),
            await calls.unlinked(unknown),
        ]
        assert [codes(answer) for answer in answers] == [
            [("NOT_FOUND", "input.id")],
            [("NOT_FOUND", "contactId")],
            [("NOT_FOUND", "contactId")],
        ]
        assert {answer["userErrors"][0]["message"] for answer in answers} == {"There is no such contact."}
    for unknown in ("prf_" + "1" * 32, await graph.profile("Zoe", graph.stranger)):
        before = await graph.contents()
        assert codes(await calls.associated(contact, unknown)) == [("NOT_FOUND", "profileId")]
        assert await graph.contents() == before


@pytest.mark.parametrize(
    ("query", "variables"),
    [
        (OPEN, {"input": {"externalId": "x", "channel": "VOICE", "agentId": "ann", "parentId": "con_1"}}),
        (UPDATE, {"input": {"id": "prf_" + "1" * 32}}),
        ('mutation { associateContact(contactId: "con_1", profileId: "prf_1") { contact { id } } }', {}),
        ('mutation { unlinkContact(contactId: "note_1") { contact { id } } }', {}),
        ('{ contact(id: "1") { id } }', {}),
        ('{ contacts(filter: {profileId: "con_1"}) { nodes { id } } }', {}),
        ("query ($agents: [ID!]) { contacts(filter: {agentIds: $agents}) { nodes { id } } }", {"agents": ["a"] * 101}),
        ('{ profile(by: {contactId: "prf_1"}) { id } }', {}),
        ('{ profile(by: {contactId: "con_' + "1" * 32 + '", id: "x"}) { id } }', {}),
    ],
)
async def test_malformed_ids_are_bad_input(graph: Graph, query: str, variables: dict[str, Any]) -> None:
    """What is no id of its kind is refused before anything is looked up."""
    answer = await graph.run(query, variables, graph.supervisor)

    assert answer["errors"][0]["extensions"]["code"] in {"BAD_USER_INPUT", "GRAPHQL_VALIDATION_FAILED"}
