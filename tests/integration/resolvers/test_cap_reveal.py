"""Reveal a masked value for a purpose: nothing is shown that the audit does not have."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest

from gateway.commands.unit import Unit
from gateway.errors import Overloaded

from .conftest import Graph, codes
from .mutations_verification_scene import PHONE, REGISTRY, REVEAL, VERIFY, ana, audit, verify
from .search_scene import SSN, with_secrets

__all__: list[str] = []

pytestmark = pytest.mark.asyncio(loop_scope="module")

CONFIG = REGISTRY


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
    profile = await with_secrets(graph, b"o" * 32).profile("Ana", identifiers=[{"type": "ssn", "value": SSN}])
    lost = with_secrets(graph, b"n" * 32)

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
