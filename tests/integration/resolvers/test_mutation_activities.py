"""recordActivities: each activity once per message id, on the profile its reference names; one bad activity costs only itself."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gateway.model.ids import make_id, uuid7

from .conftest import Graph, codes

__all__: list[str] = []

pytestmark = pytest.mark.asyncio(loop_scope="module")

RECORD = """mutation ($activities: [ActivityInput!]!) { recordActivities(activities: $activities) {
  accepted duplicates userErrors { code message path } } }"""
TIMELINE = """query ($id: ID!) { profile(by: {id: $id}) { timeline { nodes {
  occurredAt title account source { key } ... on ExternalActivity { type properties } } } } }"""
AT = "2026-02-01T10:00:00Z"


def activity(profile: dict[str, Any] | str, message: str = "m-1", **more: Any) -> dict[str, Any]:
    """An ActivityInput; a profile given as text is its id."""
    reference = {"id": profile} if isinstance(profile, str) else profile
    return {"profile": reference, "type": "Order Completed", "occurredAt": AT, "messageId": message, **more}


async def record(graph: Graph, *activities: dict[str, Any], principal: Any = None) -> dict[str, Any]:
    """The payload, asked for by an admin unless somebody else is named."""
    payload: dict[str, Any] = await graph.data(RECORD, {"activities": activities}, principal or graph.admin)
    return payload


async def items(graph: Graph, profile: str) -> list[dict[str, Any]]:
    """A profile's timeline."""
    shown = await graph.data(TIMELINE, {"id": profile})
    found: list[dict[str, Any]] = shown["timeline"]["nodes"]
    return found


async def test_by_each_reference(graph: Graph) -> None:
    """Activities land on the profile that their id, phone, e-mail or identifier names, each as one entry of that profile's log."""
    ana = await graph.profile(
        contactPoints=[{"channel": "EMAIL", "value": "ana@example.com"}, {"channel": "VOICE", "value": "+442079460958"}],
        identifiers=[{"type": "account_id", "value": "A-100"}],
    )
    bob = await graph.profile("Bob")
    payload = await record(
        graph,
        activity(ana, "m-1", account="uk", properties={"total": 12.5}),
        activity({"email": "ANA@example.com"}, "m-2", occurredAt="2026-02-01T12:30:00+01:00"),
        activity({"phone": "+44 20 7946 0958"}, "m-3", type=" Signed Up "),
        activity({"identifier": {"type": "accountId", "value": "A-100"}}, "m-4", properties=None),
        activity(bob, "m-5"),
    )

    assert payload == {"accepted": 5, "duplicates": 0, "userErrors": []}
    assert [item["title"] for item in await items(graph, ana)].count("Order Completed") == 3
    first, *_, last = await items(graph, ana)
    assert (first["account"], first["properties"], first["source"], first["occurredAt"]) == ("uk", {"total": 12.5}, {"key": "native"}, AT)
    assert (last["occurredAt"], last["properties"]) == ("2026-02-01T11:30:00Z", {})
    assert len(await items(graph, bob)) == 1
    assert [entry[0] for entry in await graph.log(ana)] == [1, 2, 3, 4, 5]
    assert [entry[0] for entry in await graph.log(bob)] == [1, 2]


async def test_once_per_message(graph: Graph) -> None:
    """A message id that was recorded counts as a duplicate, in the same call and in a later one, and changes nothing."""
    ana = await graph.profile()
    first = await record(graph, activity(ana, "m-1"), activity(ana, "m-1", type="Other"), activity(ana, "m-2"))
    before = await graph.contents()
    again = await record(graph, activity(ana, "m-2"), activity(ana, "m-1"))

    assert (first, again) == (
        {"accepted": 2, "duplicates": 1, "userErrors": []},
        {"accepted": 0, "duplicates": 2, "userErrors": []},
    )
    assert [item["type"] for item in await items(graph, ana)] == ["Order Completed", "Order Completed"]
    assert await graph.contents() == before


async def test_one_bad_activity_costs_only_itself(graph: Graph) -> None:
    """Every activity that cannot be taken is one entry with its place; the others are recorded."""
    ana = await graph.profile(contactPoints=[{"channel": "VOICE", "value": "+442079460958"}])
    await graph.profile("Bob", contactPoints=[{"channel": "VOICE", "value": "+442079460958"}])
    soon, late = datetime.now(UTC) + timedelta(hours=23), datetime.now(UTC) + timedelta(hours=25)
    payload = await record(
        graph,
        activity(ana, "good-1"),
        activity(make_id("prf", uuid7()), "x"),
        activity({"email": "nobody@example.com"}, "x"),
        activity({"email": "no address"}, "x"),
        activity("prf_1", "x"),
        activity({"phone": "+442079460958"}, "x"),
        activity(ana, "x", type=" "),
        activity(ana, "x", type="t" * 129),
        activity(ana, ""),
        activity(ana, "m" * 256),
        activity(ana, "x", account="a\x00"),
        activity(ana, "x", occurredAt="1969-12-31T23:59:59Z"),
        activity(ana, "x", occurredAt=late.isoformat()),
        activity(ana, "x", properties=[1]),
        activity(ana, "x", properties="text"),
        activity(ana, "x", properties={"a": "x" * 32_768}),
        activity(ana, "x", properties={"a\x00": 1}),
        activity(ana, "good-2", occurredAt=soon.isoformat()),
        activity(ana, "good-3", occurredAt="1970-01-01T00:00:00Z"),
    )

    assert codes(payload) == [
        ("NOT_FOUND", "activities.1.profile"),
        ("NOT_FOUND", "activities.2.profile"),
        ("INVALID", "activities.3.profile"),
        ("INVALID", "activities.4.profile"),
        ("INVALID", "activities.5.profile"),
        ("REQUIRED", "activities.6.type"),
        ("INVALID", "activities.7.type"),
        ("REQUIRED", "activities.8.messageId"),
        ("INVALID", "activities.9.messageId"),
        ("INVALID", "activities.10.account"),
        ("INVALID", "activities.11.occurredAt"),
        ("INVALID", "activities.12.occurredAt"),
        ("INVALID", "activities.13.properties"),
        ("INVALID", "activities.14.properties"),
        ("INVALID", "activities.15.properties"),
        ("INVALID", "activities.16.properties"),
    ]
    assert (payload["accepted"], payload["duplicates"]) == (3, 0)
    assert len(await items(graph, ana)) == 2  # what happened in 1970 is recorded, but older than the workspace keeps
    assert await graph.count("activity") == 3
    assert await graph.count("ingest_message") == 3


async def test_at_most_a_thousand(graph: Graph) -> None:
    """A thousand activities are recorded in one call; one more is refused as a whole."""
    ana = await graph.profile()
    many = [activity(ana, f"m-{n}") for n in range(1001)]
    refused = await record(graph, *many)
    taken = await record(graph, *many[:1000])

    assert (refused["accepted"], codes(refused)) == (0, [("LIMIT_EXCEEDED", "activities")])
    assert (taken["accepted"], codes(taken)) == (1000, [])
    assert [entry[0] for entry in await graph.log(ana)] == list(range(1, 1002))


async def test_none(graph: Graph) -> None:
    """An empty list is recorded at once."""
    before = await graph.contents()

    assert await record(graph) == {"accepted": 0, "duplicates": 0, "userErrors": []}
    assert await graph.contents() == before


@pytest.mark.parametrize("reference", [{"phone": "+442079460958"}, {"email": "nobody"}, {"email": "nobody@example.com"}])
async def test_scope_before_anything_else(graph: Graph, reference: dict[str, Any]) -> None:
    """Without activity:write the answer is the same whether a reference is ambiguous, malformed or unknown, or there are too many."""
    for name in ("Ana", "Bob"):
        await graph.profile(name, contactPoints=[{"channel": "VOICE", "value": "+442079460958"}])
    for many in (1, 1001):
        error = await graph.error(RECORD, {"activities": [activity(reference)] * many})
        assert error["extensions"] == {"code": "FORBIDDEN", "scope": "activity:write"}


async def test_a_partner_records(graph: Graph) -> None:
    """A partner may record activities by default; they count as the partner's change."""
    ana = await graph.profile()
    payload = await record(graph, activity(ana), principal=graph.partner)

    assert payload["accepted"] == 1
    assert (await graph.log(ana))[-1] == (2, [], "acme")


async def test_on_a_profile_made_in_the_same_document(graph: Graph) -> None:
    """An activity finds the profile that an earlier field of the same document made, though it was looked for in vain before."""
    answer = await graph.data(
        """mutation ($activities: [ActivityInput!]!) {
          a: recordActivities(activities: $activities) { accepted userErrors { code } }
          b: createProfile(input: {firstName: "Ana", contactPoints: [{channel: EMAIL, value: "ana@example.com"}]}) { userErrors { code } }
          c: recordActivities(activities: $activities) { accepted userErrors { code } } }""",
        {"activities": [activity({"email": "ana@example.com"})]},
        graph.admin,
    )

    assert (answer["a"], answer["c"]) == ({"accepted": 0, "userErrors": [{"code": "NOT_FOUND"}]}, {"accepted": 1, "userErrors": []})
