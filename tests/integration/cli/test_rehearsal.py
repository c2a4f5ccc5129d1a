"""The demo's contact centre: its past has everything a newcomer may ask for, and contacts go from OFFERED to CLOSED on one desk."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import connect

from gateway.auth.development import DevelopmentKeys
from gateway.auth.principal import Role
from gateway.cli.caller import Caller
from gateway.cli.rehearsal import Rehearsal
from gateway.cli.sample.residents import KNOWN_EMAIL

from .test_demo import DEADLINE, demo, welcome

__all__: list[str] = []

CUSTOMER = """query($email: EmailAddress!) { profile(by: {email: $email}) { id
  interests(first: 3) { nodes { topic score firstTriggeredAt } } segments { displayName } consents { purpose channel status }
  identifiers(types: ["ssn"]) { value mask } mergeProposals { rule profiles { displayName } }
  timeline(filter: {kinds: [INTERACTION], channels: [CHAT]}, last: 5) {
    nodes { ... on Interaction { summary transcript { nodes { text direction } } } } } } }"""
SCENES = 6
DESK = """subscription { contactEvents { ... on ContactChanged { contact { id state match candidates { score } profile { id }
  association { automatic } associationHistory { supersededAt } } } } }"""


async def contacts(url: str, token: str) -> list[dict[str, Any]]:
    """What the desk is told until each kind of contact has closed."""
    seen: list[dict[str, Any]] = []
    async with connect(url, subprotocols=["graphql-transport-ws"], proxy=None) as socket:  # type: ignore[list-item]
        await socket.send(json.dumps({"type": "connection_init", "payload": {"authorization": f"Bearer {token}"}}))
        assert json.loads(await socket.recv())["type"] == "connection_ack"
        await socket.send(json.dumps({"type": "subscribe", "id": "1", "payload": {"query": DESK}}))
        async for message in socket:
            event = json.loads(message).get("payload", {}).get("data", {}).get("contactEvents", {})
            if "contact" in event:
                seen.append(event["contact"])
            if len({one["id"] for one in seen if one["state"] == "CLOSED"}) == SCENES:
                return seen
    raise AssertionError("the socket ended")


@pytest.mark.timeout(2 * DEADLINE)
async def test_the_centre_has_a_past_and_a_present(tmp_path: Path) -> None:
    """The known customer has interests, an audience, consents, a transcript, a hidden number and a possible double; then contacts come."""
    async with asyncio.timeout(DEADLINE), demo(tmp_path, "--no-ticker") as process:
        labelled, _ = await welcome(process)
        keys = DevelopmentKeys.open(tmp_path / "data").signer()
        tokens = {"routing": keys.sign("demo", "routing", Role.ADMIN), "agent": labelled["agent"]}
        url = labelled["GraphQL"].removesuffix("/graphql")
        rehearsal = Rehearsal(url, labelled["write key"], tokens, step=0.05)
        await asyncio.to_thread(rehearsal.tell_the_past)
        customer = await asyncio.to_thread(Caller(url).ask, labelled["agent"], CUSTOMER, email=KNOWN_EMAIL)
        rehearsal.start()
        try:
            seen = await contacts(labelled["WebSocket"], labelled["agent"])
        finally:
            await asyncio.to_thread(rehearsal.stop)
        process.terminate()
        await process.wait()

    assert len(customer["interests"]["nodes"]) == 3
    assert "VIP customers" in [segment["displayName"] for segment in customer["segments"]]
    assert {(one["channel"], one["status"]) for one in customer["consents"]} == {("EMAIL", "GRANTED"), ("VOICE", "DENIED")}
    assert [one["mask"] for one in customer["identifiers"]] == ["MASKED"]
    assert {one["rule"] for one in customer["mergeProposals"]} == {"phone_and_name"}
    assert any(len(one["transcript"]["nodes"]) == 5 for one in customer["timeline"]["nodes"])
    assert {"OFFERED", "CONNECTED", "WRAP_UP", "CLOSED"} == {one["state"] for one in seen}
    closed = list({one["id"]: one for one in seen if one["state"] == "CLOSED"}.values())
    assert [one["match"] for one in closed] == ["ONE", "MULTIPLE", "MULTIPLE", "NONE", "ONE", "SUPPRESSED"]
    assert [one["profile"] is not None for one in closed] == [True, True, True, False, True, False]
    assert [len(one["associationHistory"]) for one in closed][:3] == [1, 1, 2]  # corrected in wrap-up: the other one of the family
    assert labelled["admin"]
