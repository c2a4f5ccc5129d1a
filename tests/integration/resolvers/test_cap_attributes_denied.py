"""Card numbers, and what an operator forbids, enter nowhere: not by mutations, not by the tracking API."""

from __future__ import annotations

from typing import Any

import pytest
import pytest_asyncio

from gateway.auth.development import DevelopmentKeys
from gateway.auth.keys import KeyKind, KeyRing
from gateway.model.ids import parse_id

from .conftest import TABLES, Gateway, Graph, Http, codes

__all__: list[str] = []

pytestmark = pytest.mark.asyncio(loop_scope="module")

CONFIG = """
[attributes.define.passphrase]
name = "Passphrase"
sensitivity = "SENSITIVE"

[attributes.define.credit_limit]
name = "Credit limit"
type = "NUMBER"
managed_by = "billing"

[deny]
patterns = ["(?i)diagnosis"]
"""

CARD = "4111 1111 1111 1111"
REFUSED = "SENSITIVE_DATA_REJECTED"
ERRORS = "userErrors { code message path }"
CREATE = f"mutation ($input: CreateProfileInput!) {{ createProfile(input: $input) {{ {ERRORS} }} }}"
UPDATE = f"mutation ($input: UpdateProfileInput!) {{ updateProfile(input: $input) {{ {ERRORS} }} }}"
ADD_NOTE = f"mutation ($input: NoteInput!) {{ addNote(input: $input) {{ {ERRORS} }} }}"
UPDATE_NOTE = f"mutation ($input: UpdateNoteInput!) {{ updateNote(input: $input) {{ {ERRORS} }} }}"
RECORD = f"mutation ($activities: [ActivityInput!]!) {{ recordActivities(activities: $activities) {{ accepted {ERRORS} }} }}"

INPUTS: list[tuple[dict[str, Any], str]] = [
    ({"firstName": CARD}, "firstName"),
    ({"lastName": f"Lovelace {CARD}"}, "lastName"),
    ({"attributes": {"memo": f"card {CARD}"}}, "attributes.memo"),
    ({"attributes": {"memo": {"a": [4111111111111111]}}}, "attributes.memo"),
    ({"attributes": {"passphrase": "4111111111111111"}}, "attributes.passphrase"),
    ({"attributes": {"4111111111111111": "card"}}, "attributes"),
    ({"attributes": {"memo": "Diagnosis: flu"}}, "attributes.memo"),
]


@pytest.mark.parametrize(("given", "place"), INPUTS)
async def test_cap_141_profiles_take_no_card_numbers(graph: Graph, given: dict[str, Any], place: str) -> None:
    """A name or an attribute that holds one is refused at its place without repeating it, and nothing is written."""
    ana = await graph.profile()
    before = await graph.contents()
    payloads = [
        await graph.data(CREATE, {"input": {"firstName": "Bo", **given}}),
        await graph.data(UPDATE, {"input": {"id": ana, **given}}),
    ]

    for payload in payloads:
        assert codes(payload) == [(REFUSED, f"input.{place}")]
        assert "1111" not in payload["userErrors"][0]["message"]
    assert await graph.contents() == before


async def test_cap_141_nor_do_contact_points_and_identifiers(graph: Graph) -> None:
    """A label, an address that is no phone or e-mail, and an identifier are looked at as well."""
    points = [{"channel": "CHAT", "value": CARD}, {"channel": "EMAIL", "value": "ana@example.com", "label": CARD}]
    identifiers = [{"type": "account_id", "value": "4111111111111111"}]
    created = await graph.data(CREATE, {"input": {"firstName": "Bo", "contactPoints": points, "identifiers": identifiers}})

    assert sorted(codes(created)) == [
        (REFUSED, "input.contactPoints.0.value"),
        (REFUSED, "input.contactPoints.1.label"),
        (REFUSED, "input.identifiers.0.value"),
    ]


async def test_cap_142_notes_take_no_card_numbers(graph: Graph) -> None:
    """Neither a new note nor a changed one; a refused key of idempotency can be used again."""
    ana = await graph.profile()
    note = await graph.note(ana)
    before = await graph.contents()
    added = await graph.data(ADD_NOTE, {"input": {"profileId": ana, "body": f"Pays with {CARD}", "idempotencyKey": "k"}})
    changed = await graph.data(UPDATE_NOTE, {"input": {"id": note, "body": "4111-1111-1111-1111"}})

    assert codes(added) == codes(changed) == [(REFUSED, "input.body")]
    assert await graph.contents() == before
    assert await graph.note(ana, "Pays by card ending 1111", idempotencyKey="k")


async def test_cap_142_activities_take_no_card_numbers(graph: Graph) -> None:
    """An activity that holds one is refused for itself; the others are recorded."""
    ana = await graph.profile()
    base = {"profile": {"id": ana}, "occurredAt": "2026-01-01T00:00:00Z"}
    activities = [
        {**base, "type": "Order Completed", "messageId": "1", "properties": {"payment": {"card": CARD}}},
        {**base, "type": "Order Completed", "messageId": "2", "properties": {"order": "4111111111111112"}},
        {**base, "type": CARD, "messageId": "3"},
        {**base, "type": "Order Completed", "messageId": "4", "account": "4111111111111111"},
    ]
    payload = await graph.data(RECORD, {"activities": activities}, graph.admin)

    assert payload["accepted"] == 1
    assert codes(payload) == [(REFUSED, "activities.0.properties"), (REFUSED, "activities.2.type"), (REFUSED, "activities.3.account")]
    assert "1111" not in str(payload)


@pytest_asyncio.fixture(name="key", loop_scope="module")
async def _key(graph: Graph, gateway: Gateway) -> str:
    """A write key of the source `shop`."""
    secret = DevelopmentKeys.open(gateway.settings.data_dir).secret
    return await KeyRing(graph.runtime.database, [secret]).create(graph.agent.workspace_key, KeyKind.WRITE, source="shop")


async def post(http: Http, key: str, *events: dict[str, Any]) -> dict[str, Any]:
    """The tracking API's answer to a batch."""
    response = await http.client.post("/v1/batch", json={"batch": list(events)}, auth=(key, ""))
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


async def test_cap_142_the_tracking_api_takes_no_card_numbers(http: Http, key: str) -> None:
    """An event that holds one is refused with the code and the field; the rest of its batch is taken."""
    events = [
        {"type": "identify", "messageId": "a", "userId": "u-1", "traits": {"memo": CARD}},
        {"type": "identify", "messageId": "b", "userId": "u-1", "traits": {"firstName": "Ana", "phone": "+14155550100", "memo": "none"}},
        {"type": "track", "messageId": "c", "userId": "u-1", "event": "Paid", "properties": {"cards": [{"n": 4111111111111111}]}},
        {"type": "track", "messageId": "d", "userId": "u-1", "event": "Paid", "properties": {"why": "DIAGNOSIS"}},
        {"type": "group", "messageId": "e", "userId": "u-1", "groupId": "g-1", "traits": {"name": CARD}},
        {"type": "track", "messageId": "f", "userId": "u-1", "event": "Paid", "properties": {"order": "1234567890123456"}},
        {"type": "track", "messageId": "g", "userId": "4111111111111111", "event": "Paid"},
    ]
    answer = await post(http, key, *events)

    assert answer["accepted"] == 2
    assert [(one["messageId"], one["code"], one["message"].partition(":")[0]) for one in answer["rejected"]] == [
        ("a", REFUSED, "traits"),
        ("c", REFUSED, "properties"),
        ("d", REFUSED, "properties"),
        ("e", REFUSED, "traits"),
        ("g", REFUSED, "userId"),
    ]
    assert "1111" not in str([one["message"] for one in answer["rejected"]])


async def test_sensitive_traits_of_sources_are_sealed(graph: Graph, http: Http, key: str) -> None:
    """A SENSITIVE trait that a source sends is kept sealed and shown as dots; of a company it is left out with a warning."""
    answer = await post(
        http,
        key,
        {"type": "identify", "messageId": "a", "userId": "u-2", "traits": {"passphrase": "canary-word", "plan": "pro"}},
        {"type": "group", "messageId": "b", "userId": "u-2", "groupId": "g-2", "traits": {"passphrase": "canary-word", "name": "Looms"}},
    )
    query = 'query { profile(by: {identifier: {type: "user_id", value: "u-2"}}) { id traits { nodes { key value displayValue } } } }'
    found = await graph.data(query)
    (profile_id,) = parse_id(found["id"], "prf")
    row = await graph.runtime.database.fetchrow("SELECT sealed FROM trait WHERE profile_id = $1 AND key = 'passphrase'", profile_id)

    assert (answer["accepted"], answer["rejected"]) == (2, [])
    assert [one["messageId"] for one in answer["warnings"]] == ["b"]
    assert {one["key"]: (one["value"], one["displayValue"]) for one in found["traits"]["nodes"]} == {
        "passphrase": (None, "•••••"),
        "plan": ("pro", "pro"),
    }
    assert row is not None
    vault = graph.runtime.services.commands.bound.vault
    assert vault.open(graph.agent.workspace_id, "trait:passphrase", row["sealed"]) == '"canary-word"'
    for table in TABLES:
        text = await graph.runtime.database.fetchval(
            f"SELECT string_agg(t::text, '|') FROM {table} t WHERE workspace_id = $1", graph.agent.workspace_id
        )
        assert "canary" not in str(text), table


async def test_managed_traits_come_from_their_source_alone(graph: Graph, http: Http, key: str) -> None:
    """What one source alone writes is left out, with a warning, when another sends it."""
    answer = await post(http, key, {"type": "identify", "messageId": "a", "userId": "u-3", "traits": {"credit_limit": 1, "plan": "pro"}})
    query = 'query { profile(by: {identifier: {type: "user_id", value: "u-3"}}) { traits { nodes { key } } } }'

    assert (answer["accepted"], [one["messageId"] for one in answer["warnings"]]) == (1, ["a"])
    assert await graph.data(query) == {"traits": {"nodes": [{"key": "plan"}]}}
