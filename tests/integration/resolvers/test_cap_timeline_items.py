"""What a timeline item tells: conversations and what their agents recorded, transcripts, and the details of external activities."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gateway.model.ids import parse_id

from .conftest import START, Graph
from .contact_view_scene import Calls

__all__: list[str] = []

pytestmark = pytest.mark.asyncio(loop_scope="module")

CONFIG = """
[interaction.recorded_since]
summary = "2026-01-02T00:00:00Z"
agent = "2025-01-01T00:00:00Z"

[external_types."Order Completed"]
title = "Order {order.id}"
icon = "cart"
details = [
  { label = "Items", path = "products[].name" },
  { label = "Total", path = "total" },
  { label = "Voucher", path = "voucher.code" },
]
"""
RECORD = """mutation ($activities: [ActivityInput!]!) { recordActivities(activities: $activities) { accepted duplicates
  userErrors { code message path } } }"""
CALL = {"kind": "INTERACTION", "channel": "VOICE", "direction": "INBOUND"}
CHAT = CALL | {"channel": "CHAT"}
TOLD = {
    "agent": {"id": "ann", "name": "Ann"},
    "queue": "Orders",
    "endedAt": (START + timedelta(seconds=95)).isoformat(),
    "summary": "Wants to return shoes",
    "wrapUp": {"notes": "Label sent", "topic": "Returns", "dispositionCode": "R1", "completedAt": START.isoformat()},
    "sentiment": "NEGATIVE",
    "attributes": {"tier": "gold", "lang": "de"},
    "measures": {"hold": 12.5},
    "recordingUrl": "https://example.com/r/1",
}


async def items(graph: Graph, profile: str, fields: str, principal: Any = None, **chosen: Any) -> list[dict[str, Any]]:
    """These fields of each item of a timeline."""
    query = f"query ($id: ID!, $filter: TimelineFilter) {{ profile(by: {{id: $id}}) {{ timeline(filter: $filter) {{ nodes {{ {fields} }} }} }} }}"
    shown = await graph.data(query, {"id": profile, "filter": chosen or None}, principal)
    found: list[dict[str, Any]] = shown["timeline"]["nodes"]
    return found


def message(minutes: float, text: str | None = "Hello", **given: Any) -> dict[str, Any]:
    """A message of the conversation `c-1`, so many minutes after the start."""
    detail = {"text": text, "conversation": given.pop("conversation", "c-1")} | given.pop("detail", {})
    kept = {key: value for key, value in detail.items() if value is not None}
    return {
        "kind": "MESSAGE",
        "type": "Message Sent",
        "channel": "CHAT",
        "direction": "INBOUND",
        "at": START + timedelta(minutes=minutes),
        **given,
        "detail": kept,
    }


async def test_cap_094_orders_and_registrations(graph: Graph) -> None:
    """A partner records that an order was placed or somebody registered; each is an item with its own time, and a repeat is none."""
    ana = await graph.profile()
    given = [
        {"profile": {"id": ana}, "type": type_, "occurredAt": f"2026-02-0{n}T10:00:00Z", "messageId": f"m{n}", "properties": {"n": n}}
        for n, type_ in enumerate(("Signed Up", "Order Placed"), 1)
    ]
    first = await graph.data(RECORD, {"activities": given}, graph.partner)
    again = await graph.data(RECORD, {"activities": given}, graph.partner)
    shown = await items(graph, ana, "__typename occurredAt ... on ExternalActivity { type properties }")

    assert (first["accepted"], again["accepted"], again["duplicates"]) == (2, 0, 2)
    assert [(one["type"], one["occurredAt"], one["properties"]) for one in shown] == [
        ("Signed Up", "2026-02-01T10:00:00Z", {"n": 1}),
        ("Order Placed", "2026-02-02T10:00:00Z", {"n": 2}),
    ]


async def test_cap_095_wrap_up(graph: Graph) -> None:
    """What the agent recorded after the conversation is there, whole."""
    ana = await graph.profile()
    await graph.happened(ana, CALL | {"at": START, "detail": TOLD})
    (shown,) = await items(graph, ana, "... on Interaction { wrapUp { notes topic dispositionCode completedAt } outcome }")

    assert shown["wrapUp"] == {"notes": "Label sent", "topic": "Returns", "dispositionCode": "R1", "completedAt": "2026-01-01T12:00:00Z"}


@pytest.mark.parametrize(
    ("days", "detail", "missing"),
    [
        (-400, {}, ["agent", "summary"]),
        (0, {}, ["summary"]),
        (0, {"summary": "There is one all the same"}, []),
        (2, {}, []),
        (2, {"notRecorded": ["queue", "recordingUrl", "nonsense", 5]}, ["queue", "recordingUrl"]),
        (2, {"notRecorded": ["queue"], "queue": "Orders"}, []),
        (2, {"notRecorded": "queue"}, []),
    ],
)
async def test_cap_096_why_a_field_is_empty(graph: Graph, days: int, detail: dict[str, Any], missing: list[str]) -> None:
    """A field that is null because the conversation is older than what records it is named, and so is one its source could not know."""
    ana = await graph.profile()
    await graph.happened(ana, CALL | {"at": START + timedelta(days=days), "detail": detail})
    (shown,) = await items(graph, ana, "... on Interaction { notRecorded }")

    assert shown["notRecorded"] == missing


async def test_cap_097_call_summaries(graph: Graph) -> None:
    """A summary is shown where there is one; where it is null, notRecorded tells an old call from one that has none."""
    ana = await graph.profile()
    await graph.happened(ana, CALL | {"at": START}, CALL | {"at": START + timedelta(days=2)}, CALL | {"at": START, "detail": TOLD})
    shown = await items(graph, ana, "... on Interaction { summary notRecorded }")
    told = sorted((one["summary"] or "", one["notRecorded"]) for one in shown)

    assert told == [("", []), ("", ["summary"]), ("Wants to return shoes", [])]


async def test_cap_098_agent_queue_start_and_duration(graph: Graph) -> None:
    """Agent, queue, start and, for calls only, the length in seconds."""
    ana = await graph.profile()
    await graph.happened(ana, CALL | {"at": START, "detail": TOLD}, CHAT | {"at": START + timedelta(days=1), "detail": TOLD})
    call, chat = await items(graph, ana, "... on Interaction { agent { id displayName } queue startedAt durationSeconds }")

    assert call == {
        "agent": {"id": "ann", "displayName": "Ann"},
        "queue": "Orders",
        "startedAt": "2026-01-01T12:00:00Z",
        "durationSeconds": 95,
    }
    assert chat["durationSeconds"] is None
    assert await items(graph, ana, "id", agentIds=["bob"]) == []
    assert len(await items(graph, ana, "id", agentIds=["ann"], queues=["Orders", "Sales"])) == 2


async def test_cap_100_configured_details(graph: Graph) -> None:
    """Activities of a configured type show the details that an administrator chose, in that order; what is missing is null."""
    ana = await graph.profile()
    products = [{"name": "Boots"}, {"sku": 1}, {"name": "Laces"}]
    await graph.happened(
        ana,
        {"detail": {"order": {"id": 4711}, "products": products, "total": 99.5}},
        {"detail": {"products": "none", "voucher": {"code": None}}},
        {"type": "Signed Up", "detail": {"total": 1}},
    )
    known, bare, other = await items(graph, ana, "title icon ... on ExternalActivity { details { label value } }")

    assert (known["title"], known["icon"]) == ("Order 4711", "cart")
    assert [(one["label"], one["value"]) for one in known["details"]] == [("Items", "Boots, Laces"), ("Total", "99.5"), ("Voucher", None)]
    assert (bare["title"], [one["value"] for one in bare["details"]]) == ("Order Completed", [None, None, None])
    assert (other["title"], other["icon"], other["details"]) == ("Signed Up", "star", [])


async def test_cap_101_a_star_for_what_came_from_outside(graph: Graph) -> None:
    """What happened elsewhere has origin EXTERNAL and a star; conversations have their channel's icon."""
    ana = await graph.profile()
    await graph.happened(ana, {"type": "Signed Up"}, CALL)

    assert await items(graph, ana, "origin icon") == [
        {"origin": "EXTERNAL", "icon": "star"},
        {"origin": "CONTACT_CENTRE", "icon": "phone"},
    ]


async def test_cap_110_messages_without_a_body(graph: Graph) -> None:
    """Of a message whose text was not recorded the fact is there, and the text is null."""
    ana = await graph.profile()
    await graph.happened(ana, message(0, None))
    (shown,) = await items(graph, ana, "__typename title ... on Message { text }", kinds=["MESSAGE"])

    assert shown == {"__typename": "Message", "title": "Inbound chat message", "text": None}


TRANSCRIPT = """__typename id ... on Interaction { transcript(first: %d, after: $after) { edges { cursor node { id } }
  nodes { text direction author interaction { id } } pageInfo { hasNextPage hasPreviousPage endCursor } } }"""


async def transcript(graph: Graph, interaction: str, first: int = 50, after: str | None = None, principal: Any = None) -> dict[str, Any]:
    """A page of an interaction's transcript."""
    query = f"query ($id: ID!, $after: String) {{ node(id: $id) {{ {TRANSCRIPT % first} }} }}"
    node = await graph.data(query, {"id": interaction, "after": after}, principal)
    found: dict[str, Any] = node["transcript"]
    return found


async def test_cap_112_transcripts(graph: Graph) -> None:
    """A conversation's messages come with it, oldest first, page by page, and each message knows its conversation."""
    ana, bob = await graph.profile(), await graph.profile("Bob")
    ended = {"endedAt": (START + timedelta(minutes=9)).isoformat()}
    (chat,) = await graph.happened(ana, CHAT | {"at": START, "detail": {"conversation": "c-1", **ended}})
    await graph.happened(ana, *(message(n, str(n), direction=("INBOUND", "OUTBOUND")[n % 2]) for n in range(5)))
    await graph.happened(ana, message(1, "of another", conversation="c-2"), message(0, "long after", at=START + timedelta(days=90)))
    await graph.happened(bob, message(1, "another's"))
    whole = await transcript(graph, chat)
    start = await transcript(graph, chat, 2)
    rest = await transcript(graph, chat, 3, start["pageInfo"]["endCursor"])

    assert [one["text"] for one in whole["nodes"]] == list("01234")
    assert [one["direction"] for one in whole["nodes"][:2]] == ["INBOUND", "OUTBOUND"]
    assert {one["interaction"]["id"] for one in whole["nodes"]} == {chat}
    assert [one["text"] for one in start["nodes"] + rest["nodes"]] == list("01234")
    assert (start["pageInfo"]["hasNextPage"], rest["pageInfo"]["hasNextPage"], rest["pageInfo"]["hasPreviousPage"]) == (True, False, True)
    (silent,) = await graph.happened(ana, CALL)
    assert (await transcript(graph, silent))["nodes"] == []


async def test_cap_112_messages_that_name_their_interaction(graph: Graph) -> None:
    """A message may name its interaction by the id of that; one whose conversation is not on the timeline yet has none."""
    ana = await graph.profile()
    (chat,) = await graph.happened(ana, CHAT | {"at": START})
    await graph.happened(ana, message(1, conversation=None, detail={"interaction": chat.rpartition(".")[2], "author": "Kim"}), message(2))
    shown = await items(graph, ana, "... on Message { author interaction { id } }", kinds=["MESSAGE"])

    assert shown == [{"author": "Kim", "interaction": {"id": chat}}, {"author": None, "interaction": None}]
    assert [one["author"] for one in (await transcript(graph, chat))["nodes"]] == ["Kim"]


async def test_cap_113_sentiment(graph: Graph) -> None:
    """A conversation shows how the customer felt, as its source said."""
    ana = await graph.profile()
    await graph.happened(ana, CALL | {"detail": TOLD}, CALL)

    assert [one["sentiment"] for one in await items(graph, ana, "... on Interaction { sentiment }")] == ["NEGATIVE", None]


async def test_cap_114_recordings_are_links(graph: Graph) -> None:
    """A recording is a link to where it is kept, and whoever keeps it decides who may hear it."""
    ana = await graph.profile()
    await graph.happened(ana, CALL | {"detail": TOLD})

    assert await items(graph, ana, "... on Interaction { recordingUrl }") == [{"recordingUrl": "https://example.com/r/1"}]


async def test_cap_115_a_closed_contact_is_logged(graph: Graph) -> None:
    """Closing a contact writes its interaction, which finds the messages sent under the contact's external id, and what it was escalated from."""
    calls = Calls(graph)
    ana = await calls.caller(phone="+442079460123")
    chat = await calls.rings(channel="SMS", address="+442079460123", externalId="conv-9")
    call = await calls.rings(address="+442079460123", parentId=chat["id"])
    await graph.happened(ana, message(0, "Help", conversation="conv-9", at=datetime.now(UTC)))
    for contact in (call, chat):  # the escalated one ends first
        await calls.moves(contact["id"], "CONNECTED", "WRAP_UP", "CLOSED", summary=f"About {contact['channel']}")
    fields = "... on Interaction { id channel summary agent { id } parent { id summary } transcript { nodes { text } } }"
    first, second = await items(graph, ana, fields, kinds=["INTERACTION"])
    by_channel = {one["channel"]: one for one in (first, second)}

    assert [one["text"] for one in by_channel["SMS"]["transcript"]["nodes"]] == ["Help"]
    assert (by_channel["SMS"]["parent"], by_channel["SMS"]["agent"]) == (None, {"id": "ann"})
    assert by_channel["VOICE"]["parent"] == {"id": by_channel["SMS"]["id"], "summary": "About SMS"}


async def test_cap_116_custom_attributes(graph: Graph) -> None:
    """Interactions are found by their attributes: every pair must hold, values exactly."""
    ana = await graph.profile()
    gold, german = await graph.happened(
        ana, CALL | {"detail": {"attributes": {"tier": "gold"}}}, CALL | {"detail": {"attributes": {"tier": "gold", "lang": "de"}}}
    )
    await graph.happened(ana, CALL, {"detail": {"attributes": {"tier": "gold"}}})

    async def found(*pairs: tuple[str, str]) -> list[str]:
        return [one["id"] for one in await items(graph, ana, "id", attributes=[{"key": key, "value": value} for key, value in pairs])]

    assert await found(("tier", "gold")) == [gold, german]
    assert await found(("tier", "gold"), ("lang", "de")) == [german]
    assert await found(("tier", "Gold")) == []
    assert await found(("tier", "gold"), ("no", "such")) == []


@pytest.mark.parametrize(
    "pairs", [[("a", "b"), ("a", "c")], [("a", "\x00")], [("\ud800", "b")], [(str(n), "x") for n in range(101)]], ids=range(4)
)
async def test_cap_116_attributes_that_cannot_be(graph: Graph, pairs: list[tuple[str, str]]) -> None:
    """The same attribute twice, characters that no text can hold, and too many of them are BAD_USER_INPUT."""
    query = "query ($id: ID!, $of: [KeyValueInput!]) { profile(by: {id: $id}) { timeline(filter: {attributes: $of}) { nodes { id } } } }"
    of = [{"key": key, "value": value} for key, value in pairs]
    error = await graph.error(query, {"id": await graph.profile(), "of": of})

    assert error["extensions"] == {"code": "BAD_USER_INPUT", "argument": "filter.attributes"}


async def test_cap_117_measures_and_attributes(graph: Graph) -> None:
    """A closed contact leaves its numbers as measures and its texts as attributes; more than an interaction may have are refused."""
    calls = Calls(graph)
    ana = await calls.caller(phone="+442079460124")
    contact = await calls.rings(address="+442079460124", attributes={"hold": 12.5, "tier": "gold"})
    await calls.moves(contact["id"], "CONNECTED", "WRAP_UP", "CLOSED")
    (shown,) = await items(graph, ana, "... on Interaction { measures attributes }", kinds=["INTERACTION"])
    over = await calls.rings(address="+442079460124", attributes={f"m{n}": n for n in range(6)})
    refused = await calls.updated(over["id"], state="CLOSED")

    assert shown == {"measures": {"hold": 12.5}, "attributes": {"tier": "gold"}}
    assert [error["code"] for error in refused["userErrors"]] == ["LIMIT_EXCEEDED"]


async def test_cap_117_attributes_that_identify_are_masked(graph: Graph) -> None:
    """A value that reaches the person is masked among an interaction's attributes for whoever may not see contact values."""
    ana = await graph.profile()
    await graph.happened(ana, CALL | {"detail": {"attributes": {"phone": "+442079460958", "tier": "gold"}}})
    (clear,) = await items(graph, ana, "... on Interaction { attributes }")
    (masked,) = await items(graph, ana, "... on Interaction { attributes }", graph.partner)

    assert clear["attributes"] == {"phone": "+442079460958", "tier": "gold"}
    assert masked["attributes"] == {"phone": "+44•••••958", "tier": "gold"}


async def test_cap_118_survey_results(graph: Graph) -> None:
    """A survey's result is an activity like any other."""
    ana = await graph.profile()
    given = {"profile": {"id": ana}, "type": "survey", "occurredAt": "2026-02-01T10:00:00Z", "messageId": "s1", "properties": {"nps": 9}}
    await graph.data(RECORD, {"activities": [given]}, graph.partner)

    assert await items(graph, ana, "... on ExternalActivity { type properties }", types=["survey"]) == [
        {"type": "survey", "properties": {"nps": 9}}
    ]


async def test_cap_119_any_system_is_a_source(graph: Graph) -> None:
    """Whatever system records an activity is named as its source, and a type nobody defined is shown."""
    ana = await graph.profile()
    await graph.happened(ana, {"source": "fridge-iot", "type": "Door Left Open", "detail": {"minutes": 9}})
    (shown,) = await items(graph, ana, "title source { key displayName } ... on ExternalActivity { properties }")

    assert shown == {"title": "Door Left Open", "source": {"key": "fridge-iot", "displayName": "Fridge iot"}, "properties": {"minutes": 9}}


async def test_cap_120_a_channel_of_ones_own(graph: Graph) -> None:
    """A conversation on a channel of one's own is in the history, with the name of the channel."""
    calls = Calls(graph)
    ana = await calls.caller()
    contact = await calls.rings(channel="CUSTOM", customChannel="kiosk")
    await calls.associated(contact["id"], ana)
    await calls.moves(contact["id"], "CONNECTED", "WRAP_UP", "CLOSED")
    shown = await items(graph, ana, "icon ... on Interaction { channel customChannel }", channels=["CUSTOM"])

    assert shown == [{"icon": "chat", "channel": "CUSTOM", "customChannel": "kiosk"}]
    assert parse_id(ana, "prf")
