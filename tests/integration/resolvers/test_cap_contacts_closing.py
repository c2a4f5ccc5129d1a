"""updateContact: the states of a contact, what is known of it by and by, and the interaction that its end writes."""

from __future__ import annotations

from datetime import datetime
from itertools import product
from typing import Any

import pytest

from gateway.model.contact import MOVES, ContactState
from gateway.model.ids import parse_id

from .conftest import Graph, codes
from .contact_view_scene import Calls

__all__: list[str] = []

pytestmark = pytest.mark.asyncio(loop_scope="module")

PHONE = "+442079460001"
HISTORY = """query ($id: ID!) { profile(by: {id: $id}) { timeline(filter: {preset: ALL, kinds: [INTERACTION]}) { nodes { __typename id title icon
  ... on Interaction { channel direction startedAt endedAt durationSeconds queue agent { id displayName kind } outcome summary
    wrapUp { notes topic dispositionCode completedAt } sentiment attributes measures } } } } }"""
WAYS = {
    "OFFERED": (),
    "CONNECTED": ("CONNECTED",),
    "WRAP_UP": ("CONNECTED", "WRAP_UP"),
    "CLOSED": ("CONNECTED", "WRAP_UP", "CLOSED"),
}


@pytest.fixture(name="calls")
def _calls(graph: Graph) -> Calls:
    return Calls(graph)


async def history(graph: Graph, profile: str) -> list[dict[str, Any]]:
    """The interactions of a profile."""
    shown = await graph.data(HISTORY, {"id": profile})
    items: list[dict[str, Any]] = shown["timeline"]["nodes"]
    return items


@pytest.mark.parametrize(("was", "then"), list(product(WAYS, WAYS)))
async def test_cap_006_the_states_of_a_contact(calls: Calls, was: str, then: str) -> None:
    """Each move that the table allows is made, staying is none, and every other is INVALID and names both states; a closed contact is closed."""
    contact = await calls.rings()
    await calls.moves(contact["id"], *WAYS[was])
    before = await calls.graph.contents()
    done = await calls.updated(contact["id"], state=then)

    if was == "CLOSED":
        assert codes(done) == [("CONTACT_CLOSED", "input.id")]
    elif was == then:
        assert done["userErrors"] == []
        assert await calls.graph.contents() == before
    elif ContactState(then) in MOVES[ContactState(was)]:
        assert done["userErrors"] == []
        assert (await calls.seen(contact["id"]))["state"] == then
    else:
        assert codes(done) == [("INVALID", "input.state")]
        assert was in done["userErrors"][0]["message"]
        assert then in done["userErrors"][0]["message"]
        assert await calls.graph.contents() == before


async def test_cap_020_acceptance_and_end_have_their_moments(calls: Calls) -> None:
    """The moments of a contact follow each other: offered, accepted, and each change counts the version."""
    contact = await calls.rings()
    await calls.moves(contact["id"], "CONNECTED")
    shown = await calls.seen(contact["id"])

    assert contact["acceptedAt"] is None
    assert datetime.fromisoformat(shown["offeredAt"]) <= datetime.fromisoformat(shown["acceptedAt"])
    assert shown["version"] == contact["version"] + 1


async def test_cap_029_closing_writes_the_interaction(calls: Calls) -> None:
    """The conversation is on the timeline of the person it was with: who, through which queue, how long, what about, and how it ended."""
    ana = await calls.caller("Ana", PHONE)
    contact = await calls.rings(
        calls.graph.agent, address=PHONE, queue="Orders", attributes={"reason": "delivery", "waited": 12.5, "vip": True, "items": [1]}
    )
    await calls.moves(contact["id"], "CONNECTED", summary="Asked where the order is.")
    await calls.moves(contact["id"], "WRAP_UP", attributes={"language": "en", "waited": 13})
    await calls.moves(
        contact["id"],
        "CLOSED",
        wrapUp={"notes": "Told her: tomorrow.", "topic": "Delivery", "dispositionCode": "ANSWERED", "sentiment": "POSITIVE"},
    )
    (item,) = await history(calls.graph, ana)
    closed = await calls.seen(contact["id"])

    assert (item["__typename"], item["title"], item["icon"]) == ("Interaction", "Inbound call", "phone")
    assert (item["channel"], item["direction"], item["queue"]) == ("VOICE", "INBOUND", "Orders")
    assert item["agent"] == {"id": "ann", "displayName": "Ann", "kind": "AGENT"}
    assert (item["summary"], item["sentiment"], item["outcome"]) == ("Asked where the order is.", "POSITIVE", "ANSWERED")
    assert {key: item["wrapUp"][key] for key in ("notes", "topic", "dispositionCode")} == {
        "notes": "Told her: tomorrow.",
        "topic": "Delivery",
        "dispositionCode": "ANSWERED",
    }
    assert (item["attributes"], item["measures"]) == ({"reason": "delivery", "language": "en"}, {"waited": 13})
    assert item["startedAt"] == closed["acceptedAt"]
    assert item["endedAt"] <= item["wrapUp"]["completedAt"]
    assert item["durationSeconds"] == 0
    assert closed["state"] == "CLOSED"


async def test_cap_029_the_screen_of_the_profile_is_told(calls: Calls) -> None:
    """The end of a contact is one new item and one change of its contacts on the profile's stream."""
    ana = await calls.caller("Ana", PHONE)
    contact = await calls.rings(address=PHONE)
    changed = await calls.changed(ana)
    await calls.moves(contact["id"], "CLOSED")
    (profile_id,) = parse_id(ana, "prf")
    kinds = await calls.graph.runtime.database.fetch(
        "SELECT kind, entity_source FROM change_log WHERE stream_id = $1 ORDER BY seq DESC LIMIT 2", profile_id
    )

    assert await calls.changed(ana) == changed + 1
    assert sorted((row["kind"], row["entity_source"]) for row in kinds) == [(1, None), (2, "native")]
    assert (await history(calls.graph, ana))[0]["outcome"] == "missed"


async def test_cap_029_nobodys_contact_leaves_nothing(calls: Calls) -> None:
    """A contact that was never associated, or was unlinked, closes without an item on anybody's timeline."""
    ana = await calls.caller("Ana", PHONE)
    for contact in (await calls.rings(address="anonymous"), await calls.rings(address=PHONE)):
        await calls.unlinked(contact["id"])
        await calls.moves(contact["id"], "CONNECTED", "CLOSED")

    assert await history(calls.graph, ana) == []
    assert await calls.graph.count("activity") == 0


async def test_cap_024_the_interaction_names_the_one_before(calls: Calls) -> None:
    """A call that a chat became tells of the chat's interaction, if that was over first."""
    ana = await calls.caller("Ana", PHONE)
    chat = await calls.rings(channel="CHAT", address=PHONE)
    call = await calls.rings(address=PHONE, parentId=chat["id"])
    await calls.moves(chat["id"], "CLOSED")
    await calls.moves(call["id"], "CONNECTED", "CLOSED")
    rows = await calls.graph.runtime.database.fetch(
        "SELECT id, channel, detail FROM activity WHERE profile_id = $1 ORDER BY occurred_at", parse_id(ana, "prf")[0]
    )
    by_channel = {row["channel"]: row for row in rows}

    assert by_channel["VOICE"]["detail"]["parent"] == by_channel["CHAT"]["id"].hex
    assert "parent" not in by_channel["CHAT"]["detail"]
    assert by_channel["VOICE"]["detail"]["contact"] == parse_id(call["id"], "con")[0].hex


@pytest.mark.parametrize(
    ("attributes", "most"),
    [({f"m{n}": n for n in range(6)}, "5 measures"), ({f"a{n}": "x" for n in range(8)}, "7 attributes")],
)
async def test_cap_029_an_interaction_has_its_limits(calls: Calls, attributes: dict[str, Any], most: str) -> None:
    """Too many numbers or texts are LIMIT_EXCEEDED and nothing is closed; with fewer the same call closes."""
    await calls.caller("Ana", PHONE)
    contact = await calls.rings(address=PHONE, attributes=attributes)
    before = await calls.graph.contents()
    refused = await calls.updated(contact["id"], state="CLOSED", summary="x")

    assert codes(refused) == [("LIMIT_EXCEEDED", "input.attributes")]
    assert most in refused["userErrors"][0]["message"]
    assert await calls.graph.contents() == before

    done = await calls.updated(contact["id"], state="CLOSED", attributes={next(iter(attributes)): None})
    assert (done["userErrors"], done["contact"]["state"] if done["contact"] else None) == ([], "CLOSED")


async def test_attributes_merge_key_by_key(calls: Calls) -> None:
    """A given attribute replaces its own value, null removes it, and the others are kept."""
    contact = await calls.rings(attributes={"a": 1, "b": {"x": 1}, "c": "c"})
    done = await calls.updated(contact["id"], attributes={"a": 2, "b": None, "d": [1]})

    assert done["contact"]["attributes"] == {"a": 2, "c": "c", "d": [1]}
    assert (await calls.updated(contact["id"], attributes={"a": None, "c": None, "d": None}))["contact"]["attributes"] is None


async def test_what_is_absent_is_kept_and_null_clears(calls: Calls) -> None:
    """Queue, agent and summary stay unless they are given; an explicit null takes them away."""
    contact = await calls.rings(queue="Orders")
    kept = await calls.updated(contact["id"], state="CONNECTED")
    cleared = await calls.updated(contact["id"], queue=None, agentId=None, summary=None, wrapUp=None)

    assert (kept["contact"]["queue"], kept["contact"]["agent"]["id"]) == ("Orders", "ann")
    assert (cleared["contact"]["queue"], cleared["contact"]["agent"]) == (None, None)
    assert (cleared["streamCursor"], kept["streamCursor"] is not None) == (None, True)


async def test_cap_020_a_transfer_shows_on_both_desks(calls: Calls) -> None:
    """A contact handed over leaves one desk and appears on the other; the cursor answered is that of the new agent's desk."""
    contact = await calls.rings(calls.graph.agent)
    done = await calls.updated(contact["id"], agentId="bob")
    shown = await calls.graph.data("{ viewer { streamCursor contacts { id } } }", principal=calls.graph.colleague)
    mine = await calls.graph.data("{ viewer { contacts { id } } }")

    assert shown == {"streamCursor": done["streamCursor"], "contacts": [{"id": contact["id"]}]}
    assert mine["contacts"] == []
    assert (await calls.desk("ann"))[-1][1] == (await calls.desk("bob"))[-1][1] == contact["id"]


async def test_an_update_without_a_change(calls: Calls) -> None:
    """What says nothing new is no change: no version, no entry, the same cursor."""
    contact = await calls.rings(queue="Orders", attributes={"a": 1})
    first = await calls.updated(contact["id"], state="CONNECTED", summary="x", wrapUp={"topic": "t"})
    before = await calls.graph.contents()
    again = await calls.updated(contact["id"], state="CONNECTED", summary="x", wrapUp={"topic": "t"}, attributes={"a": 1}, queue="Orders")

    assert again == first
    assert await calls.graph.contents() == before


async def test_the_wrap_up_grows(calls: Calls) -> None:
    """Parts of a wrap-up given one after the other make one wrap-up; null clears a part."""
    ana = await calls.caller("Ana", PHONE)
    contact = await calls.rings(address=PHONE)
    await calls.moves(contact["id"], "CONNECTED", "WRAP_UP", wrapUp={"topic": "Delivery", "notes": "wrong"})
    await calls.moves(contact["id"], "CLOSED", wrapUp={"notes": None, "dispositionCode": "DONE"})
    (item,) = await history(calls.graph, ana)

    assert {key: item["wrapUp"][key] for key in ("notes", "topic", "dispositionCode")} == {
        "notes": None,
        "topic": "Delivery",
        "dispositionCode": "DONE",
    }
