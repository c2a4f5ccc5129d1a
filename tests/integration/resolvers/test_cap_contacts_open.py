"""openContact: a contact arrives, its person is looked up by the channel's rule, and its agent's desk shows it before anybody accepts."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.commands import contacts as commands
from gateway.errors import Overloaded

from .conftest import Graph, codes
from .contact_view_scene import Calls

__all__: list[str] = []

pytestmark = pytest.mark.asyncio(loop_scope="module")

PHONE = "+442079460001"
DESK = "{ viewer { streamCursor contacts { id match state association { automatic } candidates { score } profile { id } } } }"


@pytest.fixture(name="calls")
def _calls(graph: Graph) -> Calls:
    return Calls(graph)


@pytest.mark.parametrize("channel", ["VOICE", "SMS", "WHATSAPP", "EMAIL", "CHAT", "MESSENGER", "INSTAGRAM", "X", "VIDEO", "WEB", "CUSTOM"])
async def test_cap_003_a_contact_arrives_on_any_channel(calls: Calls, channel: str) -> None:
    """Every channel has contacts, and a contact keeps what its routing system said of it."""
    custom = "kiosk" if channel == "CUSTOM" else None
    contact = await calls.rings(channel=channel, customChannel=custom, queue="Orders", direction="OUTBOUND", attributes={"language": "en"})

    assert (contact["channel"], contact["customChannel"], contact["queue"]) == (channel, custom, "Orders")
    assert (contact["direction"], contact["attributes"], contact["state"]) == ("OUTBOUND", {"language": "en"}, "OFFERED")
    assert contact["agent"] == {"id": "ann", "displayName": "ann", "kind": "AGENT"}


async def test_cap_004_opening_looks_the_customer_up(calls: Calls) -> None:
    """A known number finds its profile at once, exactly, and says by what."""
    ana = await calls.caller("Ana", PHONE)
    await calls.caller("Bob", "+442079460002")
    contact = await calls.rings(address="+44 20 7946 0001")

    assert contact["match"] == "ONE"
    assert contact["candidates"] == [
        {"score": 1, "matchedOn": [{"key": "phone", "displayValue": PHONE}], "profile": {"id": ana, "displayName": "Ana"}}
    ]


async def test_cap_005_the_matched_profile_is_attached(calls: Calls) -> None:
    """One exact match becomes the association, by the gateway itself; the profile's stream and audit know it, its version does not."""
    ana = await calls.caller("Ana", PHONE)
    contact = await calls.rings(address=PHONE)
    shown = await calls.graph.data("query ($id: ID!) { profile(by: {id: $id}) { version contacts { nodes { id } } } }", {"id": ana})

    assert contact["profile"] == {"id": ana, "displayName": "Ana"}
    assert contact["association"] | {"at": None} == {
        "automatic": True,
        "verifiedKeys": [],
        "supersededAt": None,
        "at": None,
        "by": {"id": "system", "kind": "SYSTEM"},
        "profile": {"id": ana},
    }
    assert await calls.audit(ana) == [("ASSOCIATED", "system", None)]
    assert await calls.changed(ana) == 1
    assert shown == {"version": 1, "contacts": {"nodes": [{"id": contact["id"]}]}}


async def test_cap_006_the_offered_contact_is_on_the_desk(calls: Calls) -> None:
    """At OFFERED, before anybody accepts, the agent's desk has the contact with its profile, and the desk's stream has told of it."""
    ana = await calls.caller("Ana", PHONE)
    before = await calls.graph.data("{ viewer { streamCursor contacts { id } } }")
    contact = await calls.rings(address=PHONE)
    after = await calls.graph.data(DESK)

    assert before["contacts"] == []
    assert after["contacts"] == [
        {
            "id": contact["id"],
            "match": "ONE",
            "state": "OFFERED",
            "association": {"automatic": True},
            "candidates": [{"score": 1}],
            "profile": {"id": ana},
        }
    ]
    assert after["streamCursor"] != before["streamCursor"]
    assert {shown for _, shown in await calls.desk()} == {contact["id"]}


@pytest.mark.parametrize(
    ("channel", "address", "key"),
    [
        ("VOICE", PHONE, "phone"),
        ("SMS", PHONE, "phone"),
        ("WHATSAPP", PHONE, "phone"),
        ("VIDEO", PHONE, "phone"),
        ("EMAIL", "Ana@Example.com", "email"),
        ("CHAT", "ana@example.com", "email"),
        ("CHAT", PHONE, "phone"),
        ("WEB", "ana@example.com", "email"),
        ("MESSENGER", "ana.silva", "messenger"),
    ],
)
async def test_cap_007_each_channel_has_its_match_key(calls: Calls, channel: str, address: str, key: str) -> None:
    """Calls are matched by phone, chats by e-mail first and then by phone, other channels by their own address."""
    points = [{"channel": "EMAIL", "value": "ana@example.com"}, {"channel": "MESSENGER", "value": "ana.silva"}]
    ana = await calls.caller("Ana", PHONE, contactPoints=points)
    contact = await calls.rings(channel=channel, address=address)

    assert (contact["match"], contact["profile"]["id"]) == ("ONE", ana)
    assert [one["key"] for one in contact["candidates"][0]["matchedOn"]] == [key]


async def test_cap_009_the_caller_may_choose_the_search(calls: Calls) -> None:
    """A searchKey replaces the channel's rule: the account number decides, not the phone it was dialled from."""
    await calls.caller("Ana", PHONE)
    bob = await calls.caller("Bob", identifiers=[{"type": "account_id", "value": "A-7"}])
    contact = await calls.rings(address=PHONE, searchKey={"key": "accountId", "values": ["A-7", "A-8"]})

    assert (contact["match"], contact["profile"]["id"]) == ("ONE", bob)
    assert contact["candidates"][0]["matchedOn"] == [{"key": "account_id", "displayValue": "A-7"}]


async def test_cap_009_a_profile_id_may_be_the_search(calls: Calls) -> None:
    """The profile that a form or a bot knows already is a search key too; what is no id matches nobody."""
    ana = await calls.caller("Ana")
    known = await calls.rings(searchKey={"key": "profile_id", "values": [ana]})
    unknown = await calls.rings(searchKey={"key": "profile_id", "values": ["prf_1", "prf_" + "0" * 32]})

    assert (known["match"], known["profile"]["id"]) == ("ONE", ana)
    assert (unknown["match"], unknown["candidates"]) == ("NONE", [])


async def test_cap_009_a_name_only_suggests(calls: Calls) -> None:
    """Somebody found by name is a candidate of less than 1 and never the association by itself."""
    ana = await calls.caller("Ana", lastName="Silva")
    contact = await calls.rings(searchKey={"key": "name", "values": ["sil an"]})

    assert (contact["match"], contact["association"]) == ("ONE", None)
    assert [(one["profile"]["id"], one["score"]) for one in contact["candidates"]] == [(ana, 0.5)]


async def test_cap_010_the_pop_says_so_before_acceptance(calls: Calls) -> None:
    """The desk's stream tells of the contact twice while it is OFFERED: as it arrives, and when its person is found."""
    await calls.caller("Ana", PHONE)
    contact = await calls.rings(address=PHONE)

    assert (contact["state"], contact["acceptedAt"]) == ("OFFERED", None)
    assert await calls.desk() == [(1, contact["id"]), (2, contact["id"])]


async def test_cap_011_searching_is_a_state_of_its_own(calls: Calls, monkeypatch: pytest.MonkeyPatch) -> None:
    """The contact is there and SEARCHING before the look-up; one that a crash cut short is finished by the next word about the contact."""
    ana = await calls.caller("Ana", PHONE)
    given = {"externalId": "cut-short", "address": PHONE}

    async def crash(*_: Any) -> None:
        raise Overloaded

    with monkeypatch.context() as patch:
        patch.setattr(commands, "search", crash)
        failed = await calls.graph.run(
            "mutation ($input: OpenContactInput!) { openContact(input: $input) { contact { id } } }",
            {"input": {**given, "channel": "VOICE", "agentId": "ann"}},
            calls.router,
        )
        (waiting,) = (await calls.graph.data("{ viewer { contacts { id match candidates { score } } } }"))["contacts"]
    again = await calls.rings(**given)

    assert failed["errors"][0]["extensions"]["code"] == "OVERLOADED"
    assert waiting == {"id": again["id"], "match": "SEARCHING", "candidates": []}
    assert (again["match"], again["profile"]["id"]) == ("ONE", ana)


async def test_cap_011_an_update_finishes_the_search_too(calls: Calls, monkeypatch: pytest.MonkeyPatch) -> None:
    """An update of a contact whose search was cut short finds its person first."""
    ana = await calls.caller("Ana", PHONE)

    async def crash(*_: Any) -> None:
        raise Overloaded

    with monkeypatch.context() as patch:
        patch.setattr(commands, "search", crash)
        await calls.graph.run(
            "mutation ($input: OpenContactInput!) { openContact(input: $input) { contact { id } } }",
            {"input": {"externalId": "cut", "channel": "VOICE", "agentId": "ann", "address": PHONE}},
            calls.router,
        )
    (waiting,) = (await calls.graph.data("{ viewer { contacts { id } } }"))["contacts"]
    done = await calls.updated(waiting["id"], state="CONNECTED")
    contact = await calls.seen(waiting["id"])

    assert done["userErrors"] == []
    assert (contact["state"], contact["match"], contact["profile"]["id"]) == ("CONNECTED", "ONE", ana)


async def test_cap_012_a_chat_is_matched_by_its_email(calls: Calls) -> None:
    """The candidate says that its e-mail address was what matched."""
    ana = await calls.caller("Ana", contactPoints=[{"channel": "EMAIL", "value": "ana@example.com"}])
    contact = await calls.rings(channel="CHAT", address="ANA@example.com")

    assert contact["candidates"][0]["matchedOn"] == [{"key": "email", "displayValue": "ana@example.com"}]
    assert contact["profile"]["id"] == ana


async def test_cap_014_several_candidates_are_never_associated(calls: Calls) -> None:
    """Two people share the number: both are shown, none is chosen."""
    twins = {await calls.caller(name, PHONE) for name in ("Kim", "Lee")}
    contact = await calls.rings(address=PHONE)

    assert (contact["match"], contact["association"], contact["profile"]) == ("MULTIPLE", None, None)
    assert {one["profile"]["id"] for one in contact["candidates"]} == twins


async def test_cap_014_candidates_have_an_end(calls: Calls) -> None:
    """A number that sixty people have shows fifty of them."""
    for n in range(60):
        await calls.caller(f"P{n}", PHONE)
    contact = await calls.rings(address=PHONE)

    assert (contact["match"], len(contact["candidates"])) == ("MULTIPLE", 50)


@pytest.mark.parametrize(
    "address",
    [None, "anonymous", "", "Restricted", "+266696687", "+7378742833", "12", "sip:anonymous@anonymous.invalid", "+44 20 7946 0999"],
)
async def test_cap_018_nobody_is_found(calls: Calls, address: str | None) -> None:
    """An unknown, withheld or unreadable number matches nobody: NONE, and no error."""
    await calls.caller("Ana", PHONE)
    contact = await calls.rings(address=address)

    assert (contact["match"], contact["candidates"], contact["association"], contact["profile"]) == ("NONE", [], None, None)


async def test_cap_019_what_was_gathered_comes_along(calls: Calls) -> None:
    """The hand-off context reaches the agent as it was given, whatever JSON it is."""
    for context in ({"intent": "refund", "turns": [{"bot": "Hello"}, {"user": "Hi"}]}, ["a", 1], "text", 7, False):
        assert (await calls.rings(handoffContext=context))["handoffContext"] == context


async def test_cap_020_events_of_the_routing_system_pop_the_screen(calls: Calls) -> None:
    """Created, reserved for another agent, ended: each is one call, and every desk concerned is told."""
    contact = await calls.rings(agentId=None, queue="Orders")
    assert (await calls.updated(contact["id"], agentId="ann"))["userErrors"] == []
    assert (await calls.updated(contact["id"], agentId="bob"))["userErrors"] == []
    await calls.moves(contact["id"], "CLOSED")

    assert [shown for _, shown in await calls.desk("ann")] == [contact["id"]] * 2
    assert [shown for _, shown in await calls.desk("bob")] == [contact["id"]] * 2


async def test_cap_021_an_agent_has_several_live_contacts(calls: Calls) -> None:
    """viewer.contacts shows the open ones newest first, or those in the states asked for; closed ones only on demand, others' never."""
    first, second, third = [(await calls.rings(channel=channel))["id"] for channel in ("VOICE", "CHAT", "SMS")]
    await calls.rings(agentId="bob")
    await calls.moves(second, "CONNECTED")
    await calls.moves(third, "CLOSED")
    query = "query ($states: [ContactState!]) { viewer { contacts(states: $states) { id } } }"

    async def shown(states: list[str] | None) -> list[str]:
        return [one["id"] for one in (await calls.graph.data(query, {"states": states}))["contacts"]]

    assert await shown(None) == [second, first]
    assert await shown(["CONNECTED", "WRAP_UP"]) == [second]
    assert await shown(["CLOSED", "OFFERED"]) == [third, first]
    assert await shown([]) == []


async def test_cap_023_a_bot_hands_over(calls: Calls) -> None:
    """The human's contact names the bot's as its parent, and carries its context and its person."""
    ana = await calls.caller("Ana", PHONE)
    bot = await calls.rings(channel="CHAT", address=PHONE, agentId="bot-1")
    human = await calls.rings(channel="CHAT", address="visitor", parentId=bot["id"], handoffContext={"asked": "refund"})

    assert (human["parent"], human["handoffContext"]) == ({"id": bot["id"]}, {"asked": "refund"})
    assert human["profile"]["id"] == ana


async def test_cap_024_an_escalation_inherits_the_person(calls: Calls) -> None:
    """A chat that becomes a call stays with its person, as an automatic association that an agent can still correct."""
    ana, bob = await calls.caller("Ana"), await calls.caller("Bob", PHONE)
    chat = await calls.rings(channel="CHAT")
    await calls.associated(chat["id"], ana, ["email"])
    call = await calls.rings(address=PHONE, parentId=chat["id"])
    corrected = await calls.associated(call["id"], bob)

    assert (call["profile"]["id"], call["association"]["automatic"], call["association"]["by"]["kind"]) == (ana, True, "SYSTEM")
    assert (call["match"], call["candidates"][0]["profile"]["id"]) == ("ONE", bob)
    assert corrected["contact"]["profile"]["id"] == bob


async def test_cap_024_an_unlinked_parent_bequeaths_nothing(calls: Calls) -> None:
    """What an agent detached is not attached again by an escalation."""
    await calls.caller("Ana", PHONE)
    chat = await calls.rings(channel="CHAT", address=PHONE)
    await calls.unlinked(chat["id"])
    call = await calls.rings(parentId=chat["id"])

    assert (call["parent"], call["profile"], call["match"]) == ({"id": chat["id"]}, None, "NONE")


async def test_cap_024_whom_an_agent_chose_after_unlinking_is_inherited(calls: Calls) -> None:
    """An agent unlinked the wrong person and chose the right one: the escalation is from the right one."""
    await calls.caller("Ana", PHONE)
    bob = await calls.caller("Bob")
    chat = await calls.rings(channel="CHAT", address=PHONE)
    await calls.unlinked(chat["id"])
    await calls.associated(chat["id"], bob)
    call = await calls.rings(parentId=chat["id"])

    assert (call["profile"]["id"], call["association"]["automatic"]) == (bob, True)


async def test_the_same_contact_twice(calls: Calls) -> None:
    """Opened again by its external id, a contact answers as it is: nothing of it changes, and nothing is logged."""
    ana = await calls.caller("Ana", PHONE)
    first = await calls.opened(externalId="x-1", address=PHONE, queue="Orders")
    before = await calls.graph.contents()
    again = await calls.opened(externalId="x-1", address="+442079460002", queue="Returns", agentId="bob", attributes={"a": 1})

    assert again == first
    assert await calls.graph.contents() == before
    assert (await calls.seen(first["contact"]["id"]))["profile"]["id"] == ana


async def test_two_workspaces_may_have_the_same_external_id(calls: Calls, graph: Graph) -> None:
    """An external id is its workspace's own."""
    ours = await calls.opened(externalId="x-1")
    theirs = await calls.opened(graph.stranger, externalId="x-1")

    assert ours["contact"]["id"] != theirs["contact"]["id"]


async def test_opened_at_the_same_time(calls: Calls) -> None:
    """Two events of one contact that arrive together make one contact and one association."""
    import asyncio

    ana = await calls.caller("Ana", PHONE)
    answers = await asyncio.gather(*(calls.opened(externalId="x-1", address=PHONE) for _ in range(5)))
    (contact,) = {answer["contact"]["id"] for answer in answers}
    shown = await calls.seen(contact)

    assert [answer["userErrors"] for answer in answers] == [[]] * 5
    assert [one["profile"]["id"] for one in shown["associationHistory"]] == [ana]


async def test_an_unknown_parent(calls: Calls, graph: Graph) -> None:
    """A parent that is not there, or another workspace's, or another agent's, is NOT_FOUND alike; no contact is made."""
    theirs = (await calls.opened(graph.stranger))["contact"]["id"]
    others = (await calls.opened(agentId="bob"))["contact"]["id"]
    before = await graph.contents()

    for parent, who in (("con_" + "1" * 32, calls.router), (theirs, calls.router), (others, graph.agent)):
        assert codes(await calls.opened(who, parentId=parent)) == [("NOT_FOUND", "input.parentId")]
    assert await graph.contents() == before
