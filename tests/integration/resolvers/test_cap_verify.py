"""Verify a caller without seeing what is on file: right, wrong, or no more answers."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import orjson
import pytest

from gateway.errors import Overloaded
from gateway.model.ids import parse_id
from gateway.vault import Vault

from .conftest import Graph, codes
from .contact_view_scene import Calls
from .mutations_verification_scene import PHONE, REGISTRY, REVEAL, VERIFY, ana, audit, verify
from .search_scene import SSN

__all__: list[str] = []

pytestmark = pytest.mark.asyncio(loop_scope="module")

CONFIG = REGISTRY


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


async def test_cap_015_a_right_answer_forgives_nothing(graph: Graph) -> None:
    """Time alone makes wrong answers forgotten: a known value asked for in between buys no further guess, whatever its key.

    What is not on file or malformed is no wrong answer.
    """
    profile = await ana(graph)
    asked = [("ssn", "1-1"), ("ssn", "2-2"), ("ssn", SSN), ("firstName", "Ana-María"), ("ssn", "3-3"), ("ssn", SSN)]
    assert [await verify(graph, profile, key, value) for key, value in asked] == [
        "NO_MATCH",
        "NO_MATCH",
        "MATCH",
        "MATCH",
        "NO_MATCH",
        "LOCKED",
    ]

    await graph.runtime.database.execute("UPDATE verification SET locked_until = NULL, at = at - interval '8 minutes'")
    assert [await verify(graph, profile, key, "7") for key in ("height", "weight", "age", "height")] == ["NOT_ON_FILE"] * 4
    for value in ("nine", "", "null"):
        assert codes(await graph.data(VERIFY, {"id": profile, "key": "phone", "value": value}))
    assert [await verify(graph, profile, "ssn", value) for value in ("1-1", "2-2", SSN)] == ["NO_MATCH", "NO_MATCH", "MATCH"]

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

        assert told["MATCH"] <= 1
        assert told["NO_MATCH"] <= 3
        assert told["LOCKED"] >= 16


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
    following = await calls.rings(address=PHONE, agentId="bob")
    assert await verify(graph, profile, "ssn", SSN, graph.colleague) == "MATCH"
    rows = await graph.runtime.database.fetch(
        "SELECT contact_id FROM change WHERE workspace_id = $1 AND action = 'VERIFIED' ORDER BY id", graph.agent.workspace_id
    )
    about = [row["contact_id"] and f"con_{row['contact_id'].hex}" for row in rows]
    assert about == [*[call["id"]] * 5, None, following["id"]]


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
