"""What agents write goes to the system that keeps it, first, and what they are told when that goes wrong."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from itertools import count
from typing import Any
from uuid import UUID

import pytest

from gateway.errors import OutcomeUnknown, Overloaded, Problem, Rejected
from gateway.model.ids import parse_id
from gateway.sources.memory import Faults

from .conftest import Graph, codes

__all__: list[str] = []

pytestmark = pytest.mark.asyncio(loop_scope="module")

CONFIG = """
[attributes.define.tier]
name = "Tier"
type = "SELECT"
options = ["gold", "tin"]
managed_by = "crm"

[attributes.define.ssn]
name = "SSN"
managed_by = "crm"
sensitivity = "SENSITIVE"

[attributes.define.limit]
name = "Limit"
managed_by = "crm"
editable = false

[attributes.define.level]
name = "Level"
managed_by = "billing"

[attributes.define.colour]
name = "Colour"
search_key = true
"""

SOURCES_FILE = """
[sources.crm]
name = "Our CRM"
adapter = "memory"
kinds = ["TRAITS", "NOTES"]
keyed_by = "crm_id"
priority = 120
fresh = 60
failures = 2
[sources.crm.memory]
writable = true

[sources.billing]
adapter = "memory"
kinds = ["TRAITS", "NOTES"]
keyed_by = "crm_id"
priority = 130
[sources.billing.memory]
writable = false
"""

UPDATE = """mutation ($input: UpdateProfileInput!) { updateProfile(input: $input) {
  profile { version firstName traits { nodes { key value provenance { source { key } } } } } streamCursor userErrors { code message path } } }"""
NOTE = """mutation ($input: NoteInput!) { addNote(input: $input) {
  note { body author { displayName } source { key } } profile { notes { nodes { body } } } userErrors { code message path } } }"""

_numbers = count(1)


@pytest.fixture(name="crm")
def _crm(graph: Graph) -> Iterator[Any]:
    """The CRM itself, without faults and with its circuit closed."""
    (found,) = (one for one in graph.runtime.federated if one.definition.key == "crm")
    found.remote.faults = Faults()
    yield found
    found.remote.faults = Faults()


async def person(graph: Graph, **more: Any) -> tuple[str, str]:
    """A profile that the CRM knows by a key; both."""
    key = f"C{next(_numbers)}"
    return await graph.profile(identifiers=[{"type": "crm_id", "value": key}], **more), key


async def update(graph: Graph, profile: str, **given: Any) -> Any:
    """The payload of a change."""
    return await graph.data(UPDATE, {"input": {"id": profile, **given}})


def shown(payload: Any) -> dict[str, Any]:
    """The traits of a payload's profile with their sources."""
    return {one["key"]: (one["value"], one["provenance"]["source"]["key"]) for one in payload["profile"]["traits"]["nodes"]}


async def changes(graph: Graph, profile: str) -> list[Any]:
    """What the audit says was changed, oldest first, without what the creation was."""
    rows = await graph.runtime.database.fetch(
        "SELECT fields FROM change WHERE profile_id = $1 AND action = 'UPDATED' ORDER BY id", parse_id(profile, "prf")[0]
    )
    return [(one["field"], one["before"], one["after"]) for row in rows for one in row["fields"]]


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    """Returns when it holds; fails when that takes too long."""
    async with asyncio.timeout(5):
        while True:
            if await holds():
                return
            await asyncio.sleep(0.005)


async def test_cap_127_an_attribute_is_written_where_it_is_kept(graph: Graph, crm: Any) -> None:
    """The system of record has it, log and audit say so, the answer shows it as that system's, and nothing of it is stored here."""
    profile, key = await person(graph)
    await graph.data(UPDATE, {"input": {"id": profile, "attributes": {"tier": "tin"}}})
    before = await graph.log(profile)
    payload = await update(graph, profile, attributes={"tier": "gold"})

    assert (codes(payload), shown(payload)) == ([], {"tier": ("gold", "crm")})
    (known,) = (await crm.remote.traits([key], None)).values()
    assert [(one.key, one.value) for one in known] == [("tier", "gold")]
    assert [fields for _, fields, _ in (await graph.log(profile))[len(before) :]] == [["traits"]]
    assert await changes(graph, profile) == [("attributes.tier", None, "tin"), ("attributes.tier", "tin", "gold")]
    assert await graph.count("trait") == 0
    payload = await update(graph, profile, attributes={"tier": None})
    assert shown(payload) == {}


async def test_what_the_gateway_had_itself_does_not_hide_it(graph: Graph, crm: Any) -> None:
    """An agent's value from before the attribute had a system of record goes when the first one is written through."""
    profile, _ = await person(graph)
    await graph.observed(profile, "native", {"tier": "old"})
    payload = await update(graph, profile, attributes={"tier": "gold", "colour": "red"}, firstName="Bea")

    assert (codes(payload), shown(payload)) == ([], {"tier": ("gold", "crm"), "colour": ("red", "native")})
    assert payload["profile"]["firstName"] == "Bea"
    assert await graph.count("trait") == 1


async def test_a_sensitive_value_is_in_no_row_of_ours(graph: Graph, crm: Any) -> None:
    """It goes through, and the audit keeps that it changed, never what it was or is."""
    profile, key = await person(graph)
    for value in ("123", "456"):
        assert codes(await update(graph, profile, attributes={"ssn": value})) == []

    assert [one.value for one in (await crm.remote.traits([key], None))[key]] == ["456"]
    assert await changes(graph, profile) == [("attributes.ssn", None, None)] * 2


async def test_only_what_can_be_written_is(graph: Graph, crm: Any) -> None:
    """Not editable, a system that takes no writes, no value of its type, no such version: refused, and no system is asked to write anything."""
    profile, _ = await person(graph)
    asked = crm.remote.asked.get("write_trait", 0)
    wrong = await update(graph, profile, attributes={"limit": 1, "level": "x", "tier": "lead"})
    stale = await update(graph, profile, attributes={"tier": "gold"}, expectedVersion=99)
    unknown = await update(graph, f"prf_{UUID(int=7).hex}", attributes={"tier": "gold"})
    definitions = {one["key"]: one["isEditable"] for one in await graph.data("{ attributeDefinitions { key isEditable } }")}
    creating = await graph.data(
        "mutation ($input: CreateProfileInput!) { createProfile(input: $input) { userErrors { code path } } }",
        {"input": {"firstName": "Al", "attributes": {"tier": "gold"}}},
    )

    assert sorted(codes(wrong)) == [
        ("INVALID", "input.attributes.tier"),
        ("READ_ONLY", "input.attributes.level"),
        ("READ_ONLY", "input.attributes.limit"),
    ]
    assert codes(stale) == [("STALE_VERSION", "input.expectedVersion")]
    assert codes(unknown)[0][0] in {"NOT_FOUND", "INVALID"}
    assert codes(creating) == [("READ_ONLY", "input.attributes.tier")]
    assert crm.remote.asked.get("write_trait", 0) == asked
    assert {key: definitions[key] for key in ("tier", "ssn", "limit", "level")} == {
        "tier": True,
        "ssn": True,
        "limit": False,
        "level": False,
    }


async def test_a_person_whom_the_system_does_not_know_cannot_be_written(graph: Graph, crm: Any) -> None:
    """A profile without its key there is told so at the attribute."""
    payload = await update(graph, await graph.profile(), attributes={"tier": "gold"})

    assert codes(payload) == [("NOT_FOUND", "input.attributes.tier")]
    assert "Our CRM does not know this person" in payload["userErrors"][0]["message"]


async def test_a_system_that_says_no_is_quoted_and_nothing_is_recorded(graph: Graph, crm: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its words reach the agent at the attribute; what was written before it is recorded, the rest of the change is not made."""
    profile, _ = await person(graph)
    write = crm.remote.write_trait

    async def fussy(key: str, trait: str, value: Any, idempotency_key: str) -> None:
        if trait == "ssn":
            raise Rejected(Problem("INVALID", "No such person at the tax office."))
        await write(key, trait, value, idempotency_key)

    monkeypatch.setattr(crm.remote, "write_trait", fussy)
    payload = await update(graph, profile, attributes={"tier": "gold", "ssn": "1"}, firstName="Zoe")

    assert [(one["code"], one["message"], one["path"][-1]) for one in payload["userErrors"]] == [
        ("INVALID", "No such person at the tax office.", "ssn")
    ]
    assert await changes(graph, profile) == [("attributes.tier", None, "gold")]
    assert (await graph.data("query ($id: ID!) { profile(by: {id: $id}) { firstName } }", {"id": profile}))["firstName"] == "Ana"


async def test_a_system_that_does_not_say_leaves_it_open(graph: Graph, crm: Any) -> None:
    """A write that was begun and failed is OUTCOME_UNKNOWN, recorded nowhere; with an open circuit it is SOURCE_UNAVAILABLE: nothing was sent."""
    profile, _ = await person(graph)
    crm.remote.faults = Faults(error_rate=1)
    seen = []
    for _ in range(3):
        answer = await graph.run(UPDATE, {"input": {"id": profile, "attributes": {"tier": "gold"}}})
        seen += [one["extensions"]["code"] for one in answer.get("errors", ())] or codes(answer["data"]["updateProfile"])
    crm.guard.__init__(crm.definition.key, crm.definition.policy)  # a circuit that has not been opened

    assert (seen[0], seen[-1]) == ("OUTCOME_UNKNOWN", ("SOURCE_UNAVAILABLE", "input.attributes.tier"))
    assert await changes(graph, profile) == []


async def test_a_change_that_was_made_and_not_recorded_is_called_unknown(graph: Graph, crm: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """When our own database fails behind the system's yes, nobody hears that nothing was changed; once more records it."""
    profile, key = await person(graph)
    writer = graph.runtime.services.commands.written_through._writer
    run, failed = writer.run, []

    async def flaky(principal: Any, work: Any, idempotency: Any = None) -> Any:
        if getattr(work, "func", None) is not None and not failed:
            failed.append(True)
            raise Overloaded("The database cannot be reached right now.")
        return await run(principal, work, idempotency)

    monkeypatch.setattr(writer, "run", flaky)
    error = await graph.error(UPDATE, {"input": {"id": profile, "attributes": {"tier": "gold"}}})
    assert error["extensions"]["code"] == OutcomeUnknown.code
    assert "was made in Our CRM" in error["message"]
    assert [one.value for one in (await crm.remote.traits([key], None))[key]] == ["gold"]
    assert await changes(graph, profile) == []
    assert shown(await update(graph, profile, attributes={"tier": "gold"})) == {"tier": ("gold", "crm")}
    assert await changes(graph, profile) == [("attributes.tier", "gold", "gold")]


async def test_cap_127_a_note_lives_where_notes_live(graph: Graph, crm: Any) -> None:
    """`addNote` goes to the writable system above the gateway's own, once per idempotency key; the answer and the profile show it."""
    profile, key = await person(graph)
    given = {"profileId": profile, "body": "Call back at nine.", "idempotencyKey": f"k{profile}"}
    asked = crm.remote.asked.get("add_note", 0)
    first, again = [await graph.data(NOTE, {"input": given}) for _ in range(2)]
    other = await graph.run(NOTE, {"input": {**given, "body": "Another."}})

    expected = {"body": "Call back at nine.", "author": {"displayName": "Ann"}, "source": {"key": "crm"}}
    assert (codes(first), first["note"], again["note"]) == ([], expected, expected)
    assert [one["body"] for one in first["profile"]["notes"]["nodes"]] == ["Call back at nine."]
    assert [one["extensions"]["code"] for one in other["errors"]] == ["IDEMPOTENCY_KEY_REUSED"]
    assert [one.body for one in (await crm.remote.notes([key], 9))[key]] == ["Call back at nine."]
    assert crm.remote.asked["add_note"] == asked + 1
    assert await graph.count("note") == 0
    assert (await graph.log(profile))[-1][1] == ["notes"]


async def test_who_asked_may_go_away(graph: Graph, crm: Any) -> None:
    """A write that was begun is finished and recorded, though nobody waits for the answer any more."""
    profile, key = await person(graph)
    crm.remote.faults = Faults(latency=0.1)
    asked = crm.remote.asked.get("write_trait", 0)
    task = asyncio.create_task(update(graph, profile, attributes={"tier": "gold"}))

    async def begun() -> bool:
        return bool(crm.remote.asked.get("write_trait", 0) > asked)

    async def recorded() -> bool:
        return bool(await changes(graph, profile))

    await until(begun)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await until(recorded)

    assert await changes(graph, profile) == [("attributes.tier", None, "gold")]
    assert [one.value for one in (await crm.remote.traits([key], None))[key]] == ["gold"]


async def test_a_note_that_cannot_go_there_goes_nowhere(graph: Graph, crm: Any) -> None:
    """Pinned, empty, about nobody, about a stranger: refused, and the system is not asked."""
    profile, _ = await person(graph)
    asked = crm.remote.asked.get("add_note", 0)
    wrong = [{"isPinned": True}, {"body": " "}, {"profileId": f"prf_{profile[4:][::-1]}"}, {"profileId": await graph.profile()}]
    answers = [await graph.run(NOTE, {"input": {"profileId": profile, "body": "Hi.", **one}}) for one in wrong]

    found = [codes(one["data"]["addNote"])[0] if one.get("data") else one["errors"][0]["extensions"]["code"] for one in answers]
    assert found[:2] == [("INVALID", "input.isPinned"), ("REQUIRED", "input.body")]
    assert found[2] in {("NOT_FOUND", "input.profileId"), "BAD_USER_INPUT"}
    assert found[3] == ("NOT_FOUND", "input.body")
    assert crm.remote.asked.get("add_note", 0) == asked
    assert await graph.count("note") == 0


async def test_a_workspace_without_the_system_writes_its_own_notes(graph: Graph, crm: Any) -> None:
    """Where the CRM does not serve a workspace, notes are the gateway's and its attributes READ_ONLY."""
    profile, _ = await person(graph)
    kept, crm.definition = crm.definition, replace(crm.definition, workspaces=frozenset({"elsewhere"}))
    try:
        note = await graph.data(NOTE, {"input": {"profileId": profile, "body": "Ours."}})
        payload = await update(graph, profile, attributes={"tier": "gold"})
    finally:
        crm.definition = kept

    assert note["note"]["source"]["key"] == "native"
    assert codes(payload) == [("READ_ONLY", "input.attributes.tier")]
