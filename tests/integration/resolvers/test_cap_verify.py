"""Verify a caller without seeing what is on file, with a lock-out; reveal a masked value for a purpose."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest

from gateway.commands.unit import Unit
from gateway.errors import Overloaded
from gateway.model.ids import parse_id
from gateway.vault import Vault

from .conftest import Graph, codes
from .contact_view_scene import Calls
from .search_scene import SSN

__all__: list[str] = []

pytestmark = pytest.mark.asyncio(loop_scope="module")

CONFIG = """
[attributes.define.ssn]
name = "Social security number"
identifier = true
sensitivity = "SENSITIVE"

[attributes.define.passphrase]
name = "Passphrase"
sensitivity = "SENSITIVE"

[attributes.define.limit]
name = "Credit limit"
type = "MONEY"

[attributes.define.pets]
name = "Pets"
type = "MULTI_SELECT"
options = ["Cat", "Dog", "Emu"]

[verify]
misses = 3
lock_minutes = 7
reveal_seconds = 45
"""

PHONE = "+442079460958"
VERIFY = """mutation ($id: ID!, $key: String!, $value: String!) {
  verifyProfileAttribute(profileId: $id, key: $key, value: $value) { result userErrors { code path message } } }"""
REVEAL = """mutation ($id: ID!, $key: String!, $purpose: String!) {
  revealSensitive(profileId: $id, key: $key, purpose: $purpose) { value expiresAt userErrors { code path message } } }"""
AUDIT = "query ($id: ID!) { profile(by: {id: $id}) { changes(first: 50) { nodes { action actor { id } reason fields { field before after } } } } }"


async def verify(graph: Graph, profile: str, key: str, value: str, principal: Any = None) -> str:
    """What a verification comes to."""
    payload = await graph.data(VERIFY, {"id": profile, "key": key, "value": value}, principal)
    assert payload["userErrors"] == [], payload
    result: str = payload["result"]
    return result


async def ana(graph: Graph, **more: Any) -> str:
    """Somebody with values of every kind."""
    profile = await graph.profile(
        "Ana-María",
        lastName="López  Ruiz",
        contactPoints=[
            {"channel": "VOICE", "value": PHONE},
            {"channel": "SMS", "value": "+442079460111"},
            {"channel": "EMAIL", "value": "ana@example.com"},
            {"channel": "CUSTOM", "customChannel": "kiosk", "value": "K-7"},
        ],
        identifiers=[{"type": "ssn", "value": SSN}, {"type": "loyalty", "value": "L-1"}, {"type": "account_id", "value": "A-1"}],
        attributes={
            "passphrase": "Open Sesame",
            "limit": {"amount": 2500, "currency": "EUR"},
            "pets": ["Cat", "Dog"],
            "shoe": 44,
            "home": {"city": "X"},
        },
        **more,
    )
    database = graph.runtime.database
    await database.execute("UPDATE profile SET birth_date = '1985-02-17' WHERE id = $1", parse_id(profile, "prf")[0])
    return profile


async def audit(graph: Graph, profile: str, action: str) -> list[tuple[str, str, str]]:
    """Field, reason and actor of the entries of an action, oldest first."""
    entries = (await graph.data(AUDIT, {"id": profile}, graph.admin))["changes"]["nodes"]
    mine = [entry for entry in entries if entry["action"] == action]
    assert all(field["before"] in {None, "•••••"} and field["after"] in {None, "•••••"} for entry in mine for field in entry["fields"])
    return sorted((entry["fields"][0]["field"], entry["reason"], entry["actor"]["id"]) for entry in mine)


@pytest.mark.parametrize(
    ("key", "right", "wrong"),
    [
        ("ssn", f" {SSN} ", "078-05-1121"),
        ("phone", "+44 20 7946 0958", "+442079460959"),
        ("phone", "+442079460111", "+442079460112"),
        ("sms", "+442079460111", PHONE),
        ("VOICE", PHONE, "+442079460111"),
        ("email", "ANA@Example.com", "bob@example.com"),
        ("custom:kiosk", "k-7", "k-8"),
        ("account_id", "A-1", "a-1"),
        ("accountId", "A-1", "A-2"),
        ("loyalty", "L-1", "L-2"),
        ("passphrase", "open  sesame", "open says me"),
        ("limit", "2500.00", "2501"),
        ("pets", "dog", "emu"),
        ("shoe", "44", "45"),
        ("firstName", "ANA-MARÍA", "Ana"),
        ("last_name", "lópez ruiz", "lopez ruiz"),
        ("birthDate", "1985-02-17", "1985-02-18"),
    ],
)
async def test_cap_015_right_wrong_and_not_on_file(graph: Graph, key: str, right: str, wrong: str) -> None:
    """Each kind of key tells right from wrong as its values are compared, and says of somebody without one that there is none."""
    profile, bob = await ana(graph), await graph.profile("Bob")
    answers = [await verify(graph, profile, key, right), await verify(graph, profile, key, wrong)]

    assert answers == ["MATCH", "NO_MATCH"]
    if key != "firstName":
        assert await verify(graph, bob, key, right) == "NOT_ON_FILE"


async def test_cap_015_the_answer_and_the_audit_hold_no_value(graph: Graph) -> None:
    """The payload is a word; the audit has who, which key and what came of it, and of an unknown key not even its name."""
    profile = await ana(graph)
    answer = await graph.run(VERIFY, {"id": profile, "key": "ssn", "value": "078-05-1121"})
    for key, value in (("ssn", SSN), ("home", "X"), (SSN, SSN), ("height", "180")):
        await verify(graph, profile, key, value)

    assert answer == {"data": {"verifyProfileAttribute": {"result": "NO_MATCH", "userErrors": []}}}
    assert await audit(graph, profile, "VERIFIED") == [
        ("home", "not on file", "ann"),
        ("other", "not on file", "ann"),
        ("other", "not on file", "ann"),
        ("ssn", "match", "ann"),
        ("ssn", "no match", "ann"),
    ]


async def test_cap_015_three_wrong_answers_lock(graph: Graph) -> None:
    """The third wrong answer locks: from then on the right one is not told apart, under any key, until the lock has run out."""
    profile, bob = await ana(graph), await graph.profile("Bob", identifiers=[{"type": "ssn", "value": "999-88-7777"}])
    database = graph.runtime.database
    assert [await verify(graph, profile, "ssn", f"078-05-11{n}") for n in range(3)] == ["NO_MATCH"] * 3

    assert await verify(graph, profile, "ssn", SSN) == "LOCKED"
    assert await verify(graph, profile, "phone", PHONE) == "LOCKED"
    assert await verify(graph, profile, "height", "180") == "LOCKED"
    assert await verify(graph, bob, "ssn", "999-88-7777") == "MATCH"
    assert await verify(graph, profile, "ssn", SSN, graph.colleague) == "MATCH"
    minutes = await database.fetchval("SELECT round(extract(epoch FROM locked_until - at) / 60) FROM verification WHERE misses = 3")
    assert minutes == 7

    await database.execute("UPDATE verification SET locked_until = clock_timestamp(), at = at - interval '7 minutes' WHERE misses = 3")
    assert [await verify(graph, profile, "ssn", value) for value in ("1-1", "2-2", SSN)] == ["NO_MATCH", "NO_MATCH", "MATCH"]
    assert ("ssn", "locked", "ann") in await audit(graph, profile, "VERIFIED")


async def test_cap_015_a_right_answer_forgives(graph: Graph) -> None:
    """A match resets the count, and so does time; what is not on file or malformed is no wrong answer."""
    profile = await ana(graph)
    for _ in range(3):
        assert [await verify(graph, profile, "ssn", value) for value in ("1-1", "2-2", SSN)] == ["NO_MATCH", "NO_MATCH", "MATCH"]
    assert [await verify(graph, profile, key, "7") for key in ("height", "weight", "age", "height")] == ["NOT_ON_FILE"] * 4
    for value in ("nine", "", "null"):
        assert codes(await graph.data(VERIFY, {"id": profile, "key": "phone", "value": value}))
    assert [await verify(graph, profile, "ssn", value) for value in ("1-1", "2-2")] == ["NO_MATCH"] * 2

    await graph.runtime.database.execute("UPDATE verification SET at = at - interval '8 minutes'")
    assert [await verify(graph, profile, "ssn", value) for value in ("1-1", "2-2", SSN)] == ["NO_MATCH", "NO_MATCH", "MATCH"]


async def test_cap_015_guesses_at_once_get_three_answers(graph: Graph) -> None:
    """Twenty guesses sent together, the right one among them, are answered three times at most before the lock."""
    for right in (0, 10, 19):
        profile = await ana(graph) if right == 0 else await graph.profile("Ana", attributes={"passphrase": "Open Sesame"})
        guesses = [f"guess {n}" for n in range(20)]
        guesses[right] = "open sesame"

        async def guess(value: str, profile: str = profile) -> str:
            while True:
                answer = await graph.run(VERIFY, {"id": profile, "key": "passphrase", "value": value})
                if "errors" not in answer:
                    return str(answer["data"]["verifyProfileAttribute"]["result"])
                assert answer["errors"][0]["extensions"]["code"] == Overloaded.code, answer

        results = await asyncio.gather(*map(guess, guesses))
        told = Counter(results)
        first = results.index("MATCH") if "MATCH" in results else None

        assert told["MATCH"] <= 1
        assert told["NO_MATCH"] <= (3 if first is None else 5)  # a match in between forgives at most two
        assert told["LOCKED"] >= 14


async def test_cap_015_the_lock_is_the_contacts(graph: Graph) -> None:
    """On a call the wrong answers are the call's: whoever takes it over is locked too, and the next call of the same agent is not."""
    calls = Calls(graph)
    profile = await ana(graph)
    call = await calls.rings(address=PHONE)
    assert [await verify(graph, profile, "ssn", f"078-05-11{n}") for n in range(3)] == ["NO_MATCH"] * 3
    assert await verify(graph, profile, "ssn", SSN) == "LOCKED"

    await calls.updated(call["id"], agentId="bob")
    assert await verify(graph, profile, "ssn", SSN, graph.colleague) == "LOCKED"
    assert await verify(graph, profile, "ssn", SSN) == "MATCH"

    await calls.moves(call["id"], "CONNECTED", "CLOSED")
    await calls.rings(address=PHONE, agentId="bob")
    assert await verify(graph, profile, "ssn", SSN, graph.colleague) == "MATCH"
    contact = await graph.runtime.database.fetchval(
        "SELECT contact_id FROM change WHERE action = 'VERIFIED' AND contact_id IS NOT NULL LIMIT 1"
    )
    assert f"con_{contact.hex}" == call["id"]


async def test_cap_015_a_merged_profile_is_verified_as_its_survivor(graph: Graph) -> None:
    """The id of a profile that was merged away verifies what the survivor has, and shares its lock."""
    profile, bob = await ana(graph), await graph.profile("Bob")
    merge = "mutation ($input: MergeProfilesInput!) { mergeProfiles(input: $input) { userErrors { code } } }"
    await graph.data(merge, {"input": {"survivorId": profile, "mergeIds": [bob]}}, graph.supervisor)

    assert await verify(graph, bob, "ssn", SSN) == "MATCH"
    assert [await verify(graph, bob, "ssn", "1-1") for _ in range(3)] == ["NO_MATCH"] * 3
    assert await verify(graph, profile, "ssn", SSN) == "LOCKED"


async def test_as_much_is_computed_whatever_is_on_file(graph: Graph, monkeypatch: pytest.MonkeyPatch) -> None:
    """One value or several, right, wrong or none: as many hashes are made, so that time tells nothing."""
    profile = await ana(graph)
    made: list[str] = []
    blind = Vault.blind

    def counted(vault: Vault, workspace: Any, key: str, value: str) -> str:
        made.append(key)
        return blind(vault, workspace, key, value)

    monkeypatch.setattr(Vault, "blind", counted)
    counts = set()
    for key, value in (("ssn", SSN), ("ssn", "1-1"), ("phone", PHONE), ("phone", "+442079460959"), ("height", "180")):
        made.clear()
        await verify(graph, profile, key, value)
        counts.add(made.count("verify"))

    assert counts == {65}


@pytest.mark.parametrize(
    ("given", "refused"),
    [
        ({"key": ""}, [("REQUIRED", "key")]),
        ({"key": "k" * 129}, [("INVALID", "key")]),
        ({"value": " "}, [("REQUIRED", "value")]),
        ({"value": "v" * 1025}, [("INVALID", "value")]),
        ({"value": "\u0000"}, [("INVALID", "value")]),
        ({"key": "", "value": ""}, [("REQUIRED", "key"), ("REQUIRED", "value")]),
        ({"key": "phone", "value": "nine"}, [("INVALID", "value")]),
        ({"key": "email", "value": "nobody"}, [("INVALID", "value")]),
        ({"key": "birthDate", "value": "17.2.1985"}, [("INVALID", "value")]),
        ({"key": "birthDate", "value": "1985-02-30"}, [("INVALID", "value")]),
        ({"key": "ssn", "value": "[object Object]"}, [("INVALID", "value")]),
        ({"key": "limit", "value": "much"}, [("INVALID", "value")]),
    ],
)
async def test_no_question(graph: Graph, given: dict[str, str], refused: list[tuple[str, str]]) -> None:
    """What can be no key or no answer is refused, writes nothing and is not repeated."""
    profile = await ana(graph)
    before = await graph.contents()
    payload = await graph.data(VERIFY, {"id": profile, "key": "ssn", "value": SSN, **given})

    assert (payload["result"], codes(payload)) == (None, refused)
    assert await graph.contents() == before
    assert not any(given.get("value", "~").strip() in error["message"] for error in payload["userErrors"] if given.get("value", "").strip())


async def test_other_peoples_profiles_are_not_there(graph: Graph) -> None:
    """Another workspace's profile, one that there is not and an erased one get the same answer to both questions, and nothing is written."""
    profile = await ana(graph)
    gone = await graph.profile("Gone")
    await graph.runtime.database.execute("UPDATE profile SET status = 'ERASED' WHERE id = $1", parse_id(gone, "prf")[0])
    before = await graph.contents()
    answers = [
        await graph.data(query, {"id": one, "key": "ssn", "value": SSN, "purpose": "a reason"}, principal)
        for query in (VERIFY, REVEAL)
        for one, principal in ((profile, graph.stranger), (f"prf_{'0' * 32}", graph.admin), (gone, graph.admin))
    ]

    assert {orjson.dumps(answer["userErrors"]) for answer in answers} == {
        orjson.dumps([{"code": "NOT_FOUND", "path": ["profileId"], "message": "There is no such profile."}])
    }
    assert await graph.contents() == before


async def test_rights(graph: Graph) -> None:
    """Verifying takes contact:associate, revealing pii:reveal; who may not read profiles verifies the caller of an open contact only."""
    profile = await ana(graph)
    for query, scope in ((VERIFY, "contact:associate"), (REVEAL, "pii:reveal")):
        without = graph.narrowed(graph.admin, *(graph.admin.scopes - {scope}))
        error = await graph.error(query, {"id": profile, "key": "ssn", "value": SSN, "purpose": "a reason"}, without)
        assert error["extensions"] == {"code": "FORBIDDEN", "scope": scope}
    narrow = graph.narrowed(graph.agent, "contact:associate")
    variables = {"id": profile, "key": "ssn", "value": SSN}
    assert codes(await graph.data(VERIFY, variables, narrow)) == [("NOT_FOUND", "profileId")]

    await Calls(graph).rings(address=PHONE)

    assert (await graph.data(VERIFY, variables, narrow))["result"] == "MATCH"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("ssn", SSN),
        ("phone", PHONE),
        ("email", "ana@example.com"),
        ("custom:kiosk", "K-7"),
        ("account_id", "A-1"),
        ("passphrase", "Open Sesame"),
        ("limit", "2500 EUR"),
        ("birthDate", "1985-02-17"),
    ],
)
async def test_cap_140_a_value_is_revealed_for_a_purpose(graph: Graph, key: str, value: str) -> None:
    """The value as it was typed, for as long as the operator says; the audit has who, which and what for."""
    profile = await ana(graph)
    asked = datetime.now(UTC)
    shown = await graph.data(REVEAL, {"id": profile, "key": key, "purpose": " Customer asks for a copy "}, graph.supervisor)
    left = datetime.fromisoformat(shown["expiresAt"]) - asked

    assert (shown["value"], shown["userErrors"]) == (value, [])
    assert timedelta(seconds=44) < left < timedelta(seconds=60)
    assert await audit(graph, profile, "REVEALED") == [(key, "Customer asks for a copy", "sue")]


async def test_a_phone_reveals_its_primary_and_a_trait_its_winner(graph: Graph) -> None:
    """Of several values the one that a screen shows masked is the one that is shown."""
    profile = await graph.profile(
        "Ana", contactPoints=[{"channel": "VOICE", "value": "+442079460111"}, {"channel": "VOICE", "value": PHONE, "isPrimary": True}]
    )
    await graph.observed(profile, "crm", {"nickname": "Annie"}, at=datetime(2026, 1, 1, tzinfo=UTC))
    await graph.observed(profile, "web", {"nickname": "Anouk"}, at=datetime(2026, 1, 2, tzinfo=UTC))
    shown = await graph.data("query ($id: ID!) { profile(by: {id: $id}) { traits(first: 5) { nodes { value } } } }", {"id": profile})

    async def reveal(key: str) -> Any:
        return (await graph.data(REVEAL, {"id": profile, "key": key, "purpose": "call back"}, graph.supervisor))["value"]

    assert await reveal("phone") == PHONE
    assert await reveal("nickname") == shown["traits"]["nodes"][0]["value"]


@pytest.mark.parametrize(
    ("given", "refused"),
    [
        ({"purpose": ""}, ("REQUIRED", "purpose")),
        ({"purpose": " a "}, ("INVALID", "purpose")),
        ({"purpose": "p" * 501}, ("INVALID", "purpose")),
        ({"purpose": "\u0000why"}, ("INVALID", "purpose")),
        ({"purpose": "card 4111 1111 1111 1111"}, ("SENSITIVE_DATA_REJECTED", "purpose")),
        ({"purpose": f"to compare with {SSN}"}, ("INVALID", "purpose")),
        ({"key": "height"}, ("NOT_FOUND", "key")),
        ({"key": ""}, ("REQUIRED", "key")),
    ],
)
async def test_no_purpose_no_value(graph: Graph, given: dict[str, str], refused: tuple[str, str]) -> None:
    """Without a purpose that can be kept, or with nothing on file, there is no value and no entry."""
    profile = await ana(graph)
    before = await graph.contents()
    payload = await graph.data(REVEAL, {"id": profile, "key": "ssn", "purpose": "a reason", **given}, graph.supervisor)

    assert (payload["value"], payload["expiresAt"]) == (None, None)
    assert codes(payload) == [refused]
    assert SSN not in orjson.dumps(payload).decode()
    assert await graph.contents() == before


async def test_without_an_audit_there_is_no_value(graph: Graph, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the entry cannot be written, neither a value nor the outcome of a comparison leaves the gateway."""
    profile = await ana(graph)

    async def broken(unit: Unit) -> None:
        raise Overloaded("no room for the audit")

    monkeypatch.setattr(Unit, "write_records", broken)
    for query in (REVEAL, VERIFY):
        answer = await graph.run(query, {"id": profile, "key": "ssn", "value": SSN, "purpose": "a reason"}, graph.supervisor)
        assert answer["errors"][0]["extensions"]["code"] == Overloaded.code
        assert SSN not in orjson.dumps(answer).decode()
        assert "MATCH" not in orjson.dumps(answer).decode()


async def test_a_value_whose_secret_is_gone_is_not_on_file(graph: Graph) -> None:
    """Nothing opens without its secret: it can be neither compared nor revealed, and that is no internal error."""
    from .search_scene import with_secrets

    profile = await with_secrets(graph, b"o" * 32).profile("Ana", identifiers=[{"type": "ssn", "value": SSN}])
    lost = replace(with_secrets(graph, b"n" * 32))

    assert await verify(lost, profile, "ssn", SSN) == "NOT_ON_FILE"
    payload = await lost.data(REVEAL, {"id": profile, "key": "ssn", "purpose": "a reason"}, graph.supervisor)
    assert codes(payload) == [("NOT_FOUND", "key")]


async def test_it_shows_live(graph: Graph) -> None:
    """Whoever watches the profile sees at once that somebody verified or revealed."""
    profile = await ana(graph)
    stream = graph.stream(
        """subscription ($id: ID!) { timelineEvents(profileId: $id, filter: {kinds: [CHANGE]}) { __typename
             ... on TimelineItemUpserted { item { __typename ... on ChangeItem { change { action } } } } } }""",
        {"id": profile},
    )
    try:
        assert (await stream.next())["__typename"] == "StreamReady"
        await graph.data(REVEAL, {"id": profile, "key": "ssn", "purpose": "a reason"}, graph.supervisor)
        await verify(graph, profile, "ssn", SSN)
        assert [(await stream.next())["item"]["change"]["action"] for _ in range(2)] == ["REVEALED", "VERIFIED"]
    finally:
        await stream.close()
