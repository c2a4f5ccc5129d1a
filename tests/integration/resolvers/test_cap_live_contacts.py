"""contactEvents: the screen pop of an agent's desk."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from gateway.model.change import desk_stream

from .conftest import Graph, Stream
from .contact_view_scene import Calls
from .events_scene import CONTACTS, PROFILE, opened

__all__: list[str] = []

pytestmark = pytest.mark.asyncio(loop_scope="module")

CONFIG = '[workspaces.without]\nfeatures = ["presence"]'
PHONE = "+442079460001"


@pytest.fixture(name="calls")
def _calls(graph: Graph) -> Calls:
    return Calls(graph)


async def popped(stream: Stream) -> dict[str, Any]:
    """The contact of the next event."""
    event = await stream.next()
    assert event["__typename"] == "ContactChanged", event
    contact: dict[str, Any] = event["contact"]
    return contact


async def until(stream: Stream, **wanted: Any) -> dict[str, Any]:
    """The first contact shown that is so; what comes before it is passed over."""
    while True:
        contact = await popped(stream)
        if all(contact[key] == value for key, value in wanted.items()):
            return contact


async def test_cap_006_the_contact_is_there_before_it_is_accepted(calls: Calls) -> None:
    """At OFFERED the desk shows the contact with its candidates, readable by the agent; then every step of the work."""
    ana = await calls.caller("Ana", PHONE)
    stream, _ = await opened(calls.graph, CONTACTS)
    contact = (await calls.rings(address=PHONE))["id"]
    offered = await until(stream, match="ONE")
    assert (offered["id"], offered["state"], offered["profile"]) == (contact, "OFFERED", {"id": ana, "firstName": "Ana"})
    assert [candidate["profile"]["id"] for candidate in offered["candidates"]] == [ana]
    for state in ("CONNECTED", "WRAP_UP", "CLOSED"):
        await calls.moves(contact, state)
        assert (await until(stream, state=state))["id"] == contact
    await stream.close()


async def test_cap_010_the_pop_comes_before_accept(calls: Calls) -> None:
    """An agent with nothing but an open subscription gets the profile of who is calling while the contact still waits for an answer."""
    ana = await calls.caller("Ana", PHONE)
    stream, ready = await opened(calls.graph, CONTACTS)
    await calls.opened(address=PHONE)
    contact = await until(stream, match="ONE")
    await stream.close()

    assert (ready["__typename"], ready["seq"], ready["resumed"]) == ("StreamReady", 0, False)
    assert (contact["state"], contact["profile"]["id"]) == ("OFFERED", ana)


async def test_cap_011_searching_is_told_and_then_what_was_found(calls: Calls) -> None:
    """The desk's log tells of the contact before and after the look-up, so a screen can show that it is being looked up."""
    await calls.caller("Ana", PHONE)
    await calls.caller("Bob", PHONE)
    stream, _ = await opened(calls.graph, CONTACTS)
    found = await calls.rings(address=PHONE)
    unknown = await calls.rings(address="+442079460099")
    assert (await until(stream, id=found["id"], match="MULTIPLE"))["profile"] is None
    assert (await until(stream, id=unknown["id"], match="NONE"))["candidates"] == []
    await stream.close()
    entries = [contact for _, contact in await calls.desk()]
    assert (entries.count(found["id"]), entries.count(unknown["id"])) == (2, 2)


async def test_cap_019_what_a_bot_gathered_pops_with_the_contact(calls: Calls) -> None:
    """A contact of any channel brings what was gathered before it, and the profile that fits."""
    ana = await calls.caller("Ana", PHONE)
    stream, _ = await opened(calls.graph, CONTACTS)
    await calls.opened(channel="SMS", address=PHONE, handoffContext={"intent": "refund", "order": "A-17"})
    contact = await until(stream, match="ONE")
    await stream.close()

    assert (contact["handoffContext"], contact["profile"]["id"]) == ({"intent": "refund", "order": "A-17"}, ana)


async def test_cap_020_each_step_of_a_task_pops(calls: Calls) -> None:
    """Created, accepted, associated, unlinked, ended: each is an event of the desk with the contact as it is then, none is left out."""
    ana, bob = await calls.caller("Ana"), await calls.caller("Bob")
    stream, _ = await opened(calls.graph, CONTACTS)
    contact = (await calls.rings(address=PHONE))["id"]
    await until(stream, match="NONE")
    await calls.moves(contact, "CONNECTED")
    assert (await until(stream, state="CONNECTED"))["profile"] is None
    for profile, name in ((ana, "Ana"), (bob, "Bob")):
        assert (await calls.associated(contact, profile))["userErrors"] == []
        assert (await popped(stream))["profile"] == {"id": profile, "firstName": name}
    await calls.unlinked(contact)
    unlinked = await popped(stream)
    assert (unlinked["profile"], unlinked["match"]) == (None, "SUPPRESSED")
    await calls.moves(contact, "CLOSED")
    assert (await until(stream, state="CLOSED"))["id"] == contact
    await stream.close()


async def test_cap_134_a_screen_follows_the_active_task(calls: Calls) -> None:
    """From the pop alone a screen has what it needs to follow the profile: its id, and a stream of its own."""
    ana = await calls.caller("Ana", PHONE)
    desk, _ = await opened(calls.graph, CONTACTS)
    await calls.opened(address=PHONE)
    profile = (await until(desk, match="ONE"))["profile"]["id"]
    state, ready = await opened(calls.graph, PROFILE, id=profile)
    await desk.close()
    await state.close()

    assert (profile, ready["__typename"]) == (ana, "StreamReady")


async def test_a_desk_without_any_contact_is_ready(graph: Graph) -> None:
    """The first subscription of an agent who never had a contact stands, and its cursor is good."""
    stream, ready = await opened(graph, CONTACTS)
    await stream.close()
    stream, again = await opened(graph, CONTACTS, after=ready["cursor"])
    await stream.close()

    assert [(event["__typename"], event["seq"], event["resumed"]) for event in (ready, again)] == [
        ("StreamReady", 0, False),
        ("StreamReady", 0, True),
    ]


async def test_query_then_subscribe_has_no_hole(calls: Calls) -> None:
    """What happens between `viewer { streamCursor contacts }` and the subscription is delivered."""
    shown = await calls.graph.data("{ viewer { streamCursor contacts { id } } }")
    contact = (await calls.rings(address=PHONE))["id"]
    stream, ready = await opened(calls.graph, CONTACTS, after=shown["streamCursor"])
    first = await popped(stream)
    await stream.close()

    assert (shown["contacts"], ready["resumed"], first["id"]) == ([], True, contact)


async def test_nothing_is_conflated(calls: Calls) -> None:
    """A client that was away gets an event for each change of each contact, in order."""
    stream, ready = await opened(calls.graph, CONTACTS)
    await stream.close()
    for _ in range(3):
        contact = (await calls.rings(address=PHONE))["id"]
        await calls.moves(contact, "CONNECTED", "CLOSED")
    stream, _ = await opened(calls.graph, CONTACTS, after=ready["cursor"])
    entries = await calls.desk()
    events = [await stream.next() for _ in entries]
    await stream.close()

    assert [(event["seq"], event["contact"]["id"]) for event in events] == entries
    assert len(entries) >= 9


async def test_only_these_states(calls: Calls) -> None:
    """With `states`, contacts in other states are not shown, whichever change of theirs it was."""
    stream, _ = await opened(calls.graph, CONTACTS, states=["CLOSED"])
    first, second = (await calls.rings())["id"], (await calls.rings())["id"]
    await calls.moves(second, "CONNECTED", "CLOSED")
    shown = [await popped(stream)]
    await calls.moves(first, "CLOSED")
    while shown[-1]["id"] != first:
        shown.append(await popped(stream))
    await stream.close()

    assert {contact["state"] for contact in shown} == {"CLOSED"}
    assert [contact["id"] for contact in shown if contact["id"] != second] == [first]


async def test_a_contact_that_is_handed_over_leaves_one_desk_and_pops_on_the_other(calls: Calls) -> None:
    """Both agents are told, each on their own desk, whose it is now."""
    mine, _ = await opened(calls.graph, CONTACTS)
    theirs, _ = await opened(calls.graph, CONTACTS, calls.graph.colleague)
    contact = (await calls.rings(address=PHONE))["id"]
    await until(mine, match="NONE")
    await calls.updated(contact, agentId="bob")
    left, came = await popped(mine), await popped(theirs)
    await mine.close()
    await theirs.close()

    assert (left["id"], left["agent"]["id"]) == (came["id"], came["agent"]["id"]) == (contact, "bob")


async def test_another_agents_desk_takes_the_right_to_all_contacts(calls: Calls) -> None:
    """A supervisor watches anybody's desk; an agent only the own, by name or without one."""
    graph = calls.graph
    watching, _ = await opened(graph, CONTACTS, graph.supervisor, agent="ann")
    own, _ = await opened(graph, CONTACTS, agent="ann")
    contact = (await calls.rings())["id"]
    assert (await popped(watching))["id"] == (await popped(own))["id"] == contact
    await watching.close()
    await own.close()
    (refused,) = await graph.stream(CONTACTS, {"agent": "ann"}, graph.colleague).rest()
    (blind,) = await graph.stream(CONTACTS, {}, graph.narrowed(graph.agent, "subscribe", "profile:read")).rest()
    (deaf,) = await graph.stream(CONTACTS, {}, graph.narrowed(graph.agent, "contact:associate")).rest()

    assert refused["errors"][0]["extensions"] == {"code": "FORBIDDEN", "scope": "contact:read:all"}
    assert blind["errors"][0]["extensions"] == {"code": "FORBIDDEN", "scope": "contact:associate"}
    assert deaf["errors"][0]["extensions"] == {"code": "FORBIDDEN", "scope": "subscribe"}


async def test_a_namesake_of_another_workspace_has_another_desk(calls: Calls) -> None:
    """An agent of the same name elsewhere sees nothing of it, and a cursor of one desk opens no other."""
    graph = calls.graph
    elsewhere, _ = await opened(graph, CONTACTS, graph.stranger)
    stream, ready = await opened(graph, CONTACTS)
    await calls.rings()
    await popped(stream)
    await stream.close()
    own = Calls(replace(graph, partner=replace(graph.partner, workspace_id=graph.stranger.workspace_id)))
    payload = await own.opened()
    assert (await popped(elsewhere))["id"] == payload["contact"]["id"]
    await elsewhere.close()
    for who in (graph.colleague, graph.stranger):
        (answer,) = await graph.stream(CONTACTS, {"after": ready["cursor"]}, who).rest()
        assert answer["errors"][0]["extensions"] == {"code": "CURSOR_INVALID"}


async def test_where_contacts_are_switched_off(graph: Graph) -> None:
    """A workspace without the feature has no desks."""
    (answer,) = await graph.stream(CONTACTS, {}, replace(graph.agent, workspace_key="without")).rest()

    assert answer["errors"][0]["extensions"]["code"] == "FORBIDDEN"


async def test_unsubscribing_frees_the_desk(graph: Graph) -> None:
    """A closed subscription leaves no tail behind; the stream itself stays."""
    stream, _ = await opened(graph, CONTACTS)
    assert set(graph.runtime.services.hub._tails) == {desk_stream(graph.agent.workspace_id, "ann")}
    await stream.close()

    assert graph.runtime.services.hub._tails == {}
