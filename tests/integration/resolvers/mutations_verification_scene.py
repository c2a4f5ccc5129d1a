"""Somebody with values of every kind, and how a desk verifies and reveals them."""

from __future__ import annotations

from typing import Any

from gateway.model.ids import parse_id

from .conftest import Graph
from .search_scene import SSN

__all__ = ["PHONE", "REGISTRY", "REVEAL", "VERIFY", "ana", "audit", "verify"]

REGISTRY = """
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
