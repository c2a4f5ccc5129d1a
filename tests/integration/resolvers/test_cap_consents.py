"""Consents: what a person said to a purpose, by whom it was taken down, until when it holds, and what the audit keeps of it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gateway.model.ids import make_id, parse_id, uuid7

from .conftest import START, Graph, codes
from .test_cap_insights import event, send, user

__all__: list[str] = []

pytestmark = pytest.mark.asyncio(loop_scope="module")

CONSENTS = "consents { purpose channel status updatedAt expiresAt evidence source { key } }"
SET = f"""mutation ($profile: ID!, $purpose: String!, $status: ConsentStatus!, $channel: Channel, $until: DateTime) {{
  setConsent(profileId: $profile, purpose: $purpose, channel: $channel, status: $status, expiresAt: $until) {{
    profile {{ version streamCursor {CONSENTS} }} streamCursor userErrors {{ code path message }} }} }}"""
OF = f"query ($id: ID!) {{ profile(by: {{id: $id}}) {{ {CONSENTS} }} }}"
RECORD = """mutation ($activities: [ActivityInput!]!) { recordActivities(activities: $activities) {
  accepted userErrors { code path } } }"""
FUTURE = "2100-01-01T00:00:00Z"


async def said(graph: Graph, profile: str, status: str = "GRANTED", purpose: str = "marketing", principal: Any = None, **more: Any) -> Any:
    """The payload of setConsent."""
    return await graph.data(SET, {"profile": profile, "purpose": purpose, "status": status, **more}, principal)


async def consents(graph: Graph, profile: str) -> list[tuple[str, str | None, str]]:
    """Purpose, channel and status of each consent."""
    shown = await graph.data(OF, {"id": profile})
    return [(one["purpose"], one["channel"], one["status"]) for one in shown["consents"]]


async def audit(graph: Graph, profile: str) -> list[tuple[str, str, Any, Any]]:
    """Actor, field, before and after of each consent in the audit, oldest first."""
    rows = await graph.runtime.database.fetch(
        "SELECT actor_id, fields FROM change WHERE profile_id = $1 ORDER BY id", parse_id(profile, "prf")[0]
    )
    entries = [(row["actor_id"], field) for row in rows for field in row["fields"]]
    return [(actor, one["field"], one["before"], one["after"]) for actor, one in entries if one["field"].startswith("consents.")]


async def test_cap_049_an_agent_takes_down_a_consent(graph: Graph) -> None:
    """A purpose has one word for every channel and one per channel; each change is one entry of the log and of the audit."""
    ana = await graph.profile()
    first = await said(graph, ana)
    await said(graph, ana, "DENIED", channel="VOICE")
    last = await said(graph, ana, "REVOKED", until=FUTURE)
    both = last["profile"]["consents"]

    assert [(one["purpose"], one["channel"], one["status"]) for one in both] == [
        ("marketing", None, "REVOKED"),
        ("marketing", "VOICE", "DENIED"),
    ]
    assert (both[0]["expiresAt"], both[0]["evidence"], both[0]["source"]) == (FUTURE, None, {"key": "native"})
    assert both[0]["updatedAt"] > both[1]["updatedAt"]
    assert (first["profile"]["version"], last["profile"]["version"]) == (2, 4)
    assert last["streamCursor"] == last["profile"]["streamCursor"]
    assert [entry[1] for entry in await graph.log(ana)][1:] == [["consents"]] * 3
    yes = {"status": "GRANTED", "channel": None, "expiresAt": None}
    assert await audit(graph, ana) == [
        ("ann", "consents.marketing", None, yes),
        ("ann", "consents.marketing", None, {**yes, "status": "DENIED", "channel": "VOICE"}),
        ("ann", "consents.marketing", yes, {**yes, "status": "REVOKED", "expiresAt": "2100-01-01T00:00:00+00:00"}),
    ]


async def test_the_same_again_changes_nothing(graph: Graph) -> None:
    """A consent that is there already, with the same expiry, is answered and not written again."""
    ana = await graph.profile()
    await said(graph, ana, purpose=" marketing ", until=FUTURE)
    before = await graph.contents()
    again = await said(graph, ana, until="2100-01-01T02:00:00+02:00")

    assert codes(again) == []
    assert again["streamCursor"] == again["profile"]["streamCursor"]
    assert await graph.contents() == before


async def test_a_consent_that_ran_out_is_none(graph: Graph) -> None:
    """An expired yes shows as UNKNOWN with its date, an expired no stays one; a new yes counts again."""
    ana = await graph.profile()
    for purpose, status in (("marketing", "GRANTED"), ("recording", "DENIED")):
        await said(graph, ana, status, purpose, until=FUTURE)
    await graph.runtime.database.execute(
        "UPDATE consent SET expires_at = $2 WHERE profile_id = $1", parse_id(ana, "prf")[0], datetime.now(UTC) - timedelta(seconds=1)
    )
    ran_out = await consents(graph, ana)
    await said(graph, ana)

    assert ran_out == [("marketing", None, "UNKNOWN"), ("recording", None, "DENIED")]
    assert (await consents(graph, ana))[0] == ("marketing", None, "GRANTED")


async def test_a_subscriber_hears_of_it(graph: Graph) -> None:
    """A consent that changes is an update of the field `consents`, with the consents as they are then."""
    ana = await graph.profile()
    stream = graph.stream(
        'subscription ($id: ID!) { profileEvents(profileId: $id, fields: ["consents"]) { __typename ... on ProfileUpdated { '
        f"changedFields profile {{ {CONSENTS} }} }} }} }}",
        {"id": ana},
    )
    await stream.next()
    await graph.note(ana)
    await said(graph, ana)
    told = await stream.next()
    await stream.close()

    assert "consents" in told["changedFields"]
    assert [one["status"] for one in told["profile"]["consents"]] == ["GRANTED"]


@pytest.mark.parametrize(
    ("given", "code", "path"),
    [
        ({"purpose": ""}, "REQUIRED", "purpose"),
        ({"purpose": "  "}, "REQUIRED", "purpose"),
        ({"purpose": "x" * 129}, "INVALID", "purpose"),
        ({"purpose": "a\x00b"}, "INVALID", "purpose"),
        ({"purpose": "4111 1111 1111 1111"}, "SENSITIVE_DATA_REJECTED", "purpose"),
        ({"until": "2020-01-01T00:00:00Z"}, "INVALID", "expiresAt"),
        ({"profile": make_id("prf", uuid7())}, "NOT_FOUND", "profileId"),
    ],
)
async def test_what_is_refused(graph: Graph, given: dict[str, Any], code: str, path: str) -> None:
    """What cannot be a consent is one entry of userErrors at its argument, and nothing is written."""
    ana = await graph.profile()
    before = await graph.contents()
    payload = await graph.data(SET, {"profile": ana, "purpose": "marketing", "status": "GRANTED", **given})

    assert (codes(payload), payload["profile"], payload["streamCursor"]) == ([(code, path)], None, None)
    assert await graph.contents() == before


async def test_the_longest_purpose_and_two_faults_at_once(graph: Graph) -> None:
    """128 characters of any script are a purpose; everything that is wrong is said at once."""
    ana = await graph.profile()
    longest = await said(graph, ana, purpose="ü" * 128)
    both = await said(graph, ana, purpose=" ", until="2020-01-01T00:00:00Z")

    assert codes(longest) == []
    assert codes(both) == [("REQUIRED", "purpose"), ("INVALID", "expiresAt")]


async def test_another_workspaces_profile_is_not_there(graph: Graph) -> None:
    """A profile of another workspace is answered exactly like one that does not exist, and stays as it is."""
    theirs = await graph.profile(principal=graph.stranger)
    before = await graph.contents()
    payloads = [await said(graph, one) for one in (theirs, make_id("prf", uuid7()))]

    assert payloads[0] == payloads[1]
    assert await graph.contents() == before


async def test_a_profile_that_was_merged_away_takes_none(graph: Graph) -> None:
    """A consent of somebody who is another profile by now is refused, with the profile it belongs to."""
    ana, bob = await graph.profile(), await graph.profile("Bob")
    keys = [parse_id(one, "prf")[0] for one in (ana, bob)]
    await graph.runtime.database.execute("UPDATE profile SET status = 'MERGED', merged_into = $2 WHERE id = $1", *keys)
    before = await graph.contents()
    payload = await said(graph, ana)

    assert codes(payload) == [("MERGE_CONFLICT", "profileId")]
    assert bob in payload["userErrors"][0]["message"]
    assert await graph.contents() == before


async def test_it_takes_the_right_to_change_profiles(graph: Graph) -> None:
    """Without profile:write nothing is said, not even whether there is such a profile."""
    for profile in (await graph.profile(), make_id("prf", uuid7())):
        error = await graph.error(SET, {"profile": profile, "purpose": " ", "status": "GRANTED"}, graph.partner)
        assert error["extensions"] == {"code": "FORBIDDEN", "scope": "profile:write"}


async def test_a_profile_has_so_many_consents(graph: Graph) -> None:
    """Five hundred consents are the limit; those that are there can still be changed."""
    ana = await graph.profile()
    await graph.runtime.database.execute(
        """INSERT INTO consent (workspace_id, profile_id, purpose, status, source)
           SELECT $1, $2, 'purpose ' || n, 'DENIED', 'native' FROM generate_series(1, 500) n""",
        graph.agent.workspace_id,
        parse_id(ana, "prf")[0],
    )

    assert codes(await said(graph, ana)) == [("LIMIT_EXCEEDED", "purpose")]
    assert codes(await said(graph, ana, purpose="purpose 7")) == []


async def test_two_agents_at_once(graph: Graph) -> None:
    """Of two words at the same moment one stands, both are in the audit in that order, and every change is one log entry."""
    ana = await graph.profile()
    words = ["GRANTED", "DENIED"] * 5
    payloads = await asyncio.gather(
        *(said(graph, ana, word, principal=(graph.agent, graph.colleague)[n % 2]) for n, word in enumerate(words))
    )
    entries = await audit(graph, ana)

    assert [codes(payload) for payload in payloads] == [[]] * 10
    assert [one[2] for one in entries] == [None, *(one[3] for one in entries[:-1])]
    assert await consents(graph, ana) == [("marketing", None, entries[-1][3]["status"])]
    assert len(await graph.log(ana)) == len(entries) + 1


async def test_the_newer_word_of_a_sender_counts(graph: Graph) -> None:
    """Events change a consent in the order in which they happened, whenever they arrive; traits never do."""

    def word(status: str, at: datetime, **more: Any) -> dict[str, Any]:
        return event("track", "Consent Updated", at=at, properties={"purpose": "marketing", "channel": "email", "status": status, **more})

    await send(graph, event("identify", traits={"marketing": True, "consents": {"marketing": "GRANTED"}}))
    ana = await user(graph)
    before = await consents(graph, ana)
    evidence = {"evidence": "https://shop.example.com/consents/4711", "expiresAt": "2099-01-01T00:00:00Z"}
    await send(graph, word("denied", START), word("GRANTED", START + timedelta(hours=2), **evidence))
    await send(graph, word("REVOKED", START + timedelta(hours=1)))
    shown = (await graph.data(OF, {"id": ana}))["consents"]
    logged = len(await graph.log(ana))
    await send(graph, word("GRANTED", START + timedelta(hours=3), **evidence))  # once more: newer, and nothing else
    await send(graph, word("DENIED", START + timedelta(hours=2, minutes=30)))
    changed = [(one[0], one[2] and one[2]["status"], one[3]["status"]) for one in await audit(graph, ana)]

    assert before == []
    assert [(one["channel"], one["status"], one["evidence"], one["expiresAt"], one["source"]["key"]) for one in shown] == [
        ("EMAIL", "GRANTED", evidence["evidence"], evidence["expiresAt"], "tracking")
    ]
    assert shown[0]["updatedAt"] == "2026-01-01T14:00:00Z"
    assert await consents(graph, ana) == [("marketing", "EMAIL", "GRANTED")]
    assert changed == [("tracking", None, "GRANTED")]
    assert [one[1] for one in (await graph.log(ana))[logged:] if one[1]] == [["consents"]]


async def test_an_event_that_says_no_consent(graph: Graph) -> None:
    """An event without a purpose or a status, or with words nobody knows, is refused alone; it takes the right to change profiles."""
    ana = await graph.profile()
    good = {"purpose": "marketing", "status": "GRANTED"}
    made: list[dict[str, Any]] = [
        good,
        {"status": "GRANTED"},
        {"purpose": "marketing"},
        {**good, "status": "MAYBE"},
        {**good, "channel": "PIGEON"},
        {**good, "expiresAt": "soon"},
        {**good, "evidence": "x" * 2049},
        {**good, "purpose": 5},
    ]
    activities = [
        {"profile": {"id": ana}, "type": "Consent Updated", "occurredAt": START.isoformat(), "messageId": f"c-{n}", "properties": one}
        for n, one in enumerate(made)
    ]
    by_partner = await graph.data(RECORD, {"activities": activities[:1]}, graph.partner)
    nothing = await consents(graph, ana)
    payload = await graph.data(RECORD, {"activities": activities}, graph.admin)

    assert (codes(by_partner), by_partner["accepted"], nothing) == ([("FORBIDDEN", "activities.0.type")], 0, [])
    assert payload["accepted"] == 1
    assert codes(payload) == [
        ("REQUIRED", "activities.1.properties.purpose"),
        ("REQUIRED", "activities.2.properties.status"),
        ("INVALID", "activities.3.properties.status"),
        ("INVALID", "activities.4.properties.channel"),
        ("INVALID", "activities.5.properties.expiresAt"),
        ("INVALID", "activities.6.properties.evidence"),
        ("INVALID", "activities.7.properties.purpose"),
    ]
    assert await consents(graph, ana) == [("marketing", None, "GRANTED")]
