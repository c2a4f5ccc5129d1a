"""Whose contacts one sees and touches, what an open contact lets one read, and what is masked on the way."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from gateway.auth.principal import Principal

from .conftest import Graph, codes
from .contact_view_scene import ASSOCIATE, OPEN, UNLINK, UPDATE, Calls

__all__: list[str] = []

pytestmark = pytest.mark.asyncio(loop_scope="module")

PHONE = "+442079460001"
PROFILE = "query ($by: ProfileRef!) { profile(by: $by) { id displayName contactPoints { value mask } } }"
LIST = """query ($filter: ContactFilter, $first: Int! = 20, $after: String) { contacts(filter: $filter, first: $first, after: $after) {
  nodes { id } edges { cursor node { id } } pageInfo { hasNextPage hasPreviousPage endCursor } } }"""
OF_PROFILE = """query ($id: ID!, $open: Boolean, $first: Int, $after: String) { profile(by: {id: $id}) {
  contacts(open: $open, first: $first, after: $after) { nodes { id } pageInfo { hasNextPage endCursor } } } }"""


@pytest.fixture(name="calls")
def _calls(graph: Graph) -> Calls:
    return Calls(graph)


def newcomer(graph: Graph) -> Principal:
    """An agent who may associate contacts but may not read profiles."""
    return graph.narrowed(graph.agent, "contact:associate", "contact:write")


async def test_cap_006_an_offered_contact_grants_its_candidates(calls: Calls, graph: Graph) -> None:
    """An agent who may not read profiles reads the candidates of an own open contact: by id, by the contact, as a node, and in the contact."""
    ana, bob = await calls.caller("Ana", PHONE), await calls.caller("Bob", PHONE)
    cid = await calls.caller("Cid")
    contact = await calls.rings(address=PHONE)
    who = newcomer(graph)
    shown = await calls.seen(contact["id"], who)
    nodes = await graph.data("query ($ids: [ID!]!) { nodes(ids: $ids) { id } }", {"ids": [ana, cid, contact["id"]]}, who)
    several = await graph.run("query ($by: [ProfileRef!]!) { profiles(by: $by) { id } }", {"by": [{"id": ana}, {"id": cid}]}, who)

    assert {one["profile"]["id"] for one in shown["candidates"]} == {ana, bob}
    assert (await graph.data(PROFILE, {"by": {"id": bob}}, who))["displayName"] == "Bob"
    assert nodes == [{"id": ana}, None, {"id": contact["id"]}]
    assert several["data"]["profiles"] == [{"id": ana}, None]
    assert [error["extensions"]["code"] for error in several["errors"]] == ["FORBIDDEN"]
    assert (await graph.error(PROFILE, {"by": {"id": cid}}, who))["extensions"]["code"] == "FORBIDDEN"


async def test_cap_006_the_grant_ends_with_the_contact(calls: Calls, graph: Graph) -> None:
    """Closed or handed over, the contact grants nothing any more; then its profile, candidates and history are not shown either."""
    ana = await calls.caller("Ana", PHONE)
    who = newcomer(graph)
    for end in ({"state": "CLOSED"}, {"agentId": "bob"}):
        contact = await calls.rings(address=PHONE)
        assert (await graph.data(PROFILE, {"by": {"contactId": contact["id"]}}, who))["id"] == ana
        await calls.updated(contact["id"], **end)
        error = await graph.error(PROFILE, {"by": {"id": ana}}, who)
        shown = await calls.seen(contact["id"], who)

        assert (error["extensions"]["code"], error["extensions"]["scope"]) == ("FORBIDDEN", "profile:read")
        if "state" in end:
            assert (shown["profile"], shown["association"], shown["candidates"], shown["associationHistory"]) == (None, None, [], [])
        else:
            assert shown is None


async def test_cap_006_the_grant_is_the_agents_own(calls: Calls, graph: Graph) -> None:
    """Another agent's contact grants nothing, and neither does an own one without the right to associate; a phone number names nobody."""
    await calls.caller("Ana", PHONE)
    contact = await calls.rings(address=PHONE, agentId="bob")
    mine = await calls.rings(address=PHONE)
    forbidden = [
        ({"contactId": contact["id"]}, newcomer(graph)),
        ({"phone": PHONE}, newcomer(graph)),
        ({"contactId": mine["id"]}, graph.narrowed(graph.agent, "contact:write")),
    ]
    for by, who in forbidden:
        assert (await graph.error(PROFILE, {"by": by}, who))["extensions"]["code"] == "FORBIDDEN"


async def test_cap_006_a_choice_needs_the_right_to_see_it(calls: Calls, graph: Graph) -> None:
    """Without the right to read profiles an agent associates a candidate, and not whomever it can name: that would be a way to read anybody."""
    ana, bob = await calls.caller("Ana", PHONE), await calls.caller("Bob", PHONE)
    cid = await calls.caller("Cid")
    contact = await calls.rings(address=PHONE)
    before = await graph.contents()
    refused = await calls.associated(contact["id"], cid, principal=newcomer(graph))

    assert codes(refused) == [("NOT_FOUND", "profileId")]
    assert await graph.contents() == before
    assert (await calls.associated(contact["id"], ana, principal=newcomer(graph)))["contact"]["profile"]["id"] == ana
    assert (await calls.associated(contact["id"], bob, principal=newcomer(graph)))["contact"]["profile"]["id"] == bob


async def test_cap_002_a_contact_names_its_profile(calls: Calls, graph: Graph) -> None:
    """ProfileRef.contactId: the association, else the only candidate, else nobody; others' contacts name nobody."""
    ana, bob = await calls.caller("Ana", PHONE), await calls.caller("Bob")
    known = (await calls.rings(address=PHONE))["id"]
    suggested = (await calls.rings(searchKey={"key": "name", "values": ["bob"]}))["id"]
    nobody = (await calls.rings(address="anonymous"))["id"]
    await calls.caller("Cid", PHONE)
    several = (await calls.rings(address=PHONE))["id"]
    others = (await calls.rings(address=PHONE, agentId="bob"))["id"]
    refs = [{"contactId": one} for one in (known, suggested, nobody, several, others, "con_" + "1" * 32)]
    shown = await graph.data("query ($by: [ProfileRef!]!) { profiles(by: $by) { id } }", {"by": refs})

    assert [one and one["id"] for one in shown] == [ana, bob, None, None, None, None]
    assert [await graph.data(PROFILE, {"by": ref}) is not None for ref in refs] == [True, True, False, False, False, False]


async def test_agents_see_only_their_contacts(calls: Calls, graph: Graph) -> None:
    """A contact is there for its agent, for supervisors and for the routing system; to others it is null on every path."""
    ana = await calls.caller("Ana", PHONE)
    contact = (await calls.rings(address=PHONE))["id"]
    for who, sees in (
        (graph.agent, True),
        (graph.supervisor, True),
        (graph.admin, True),
        (calls.router, True),
        (graph.colleague, False),
        (graph.partner, False),
        (replace(graph.partner, subject="ann"), False),
        (graph.stranger, False),
    ):
        assert (await calls.seen(contact, who) is not None) is sees
        node = await graph.data("query ($id: ID!) { node(id: $id) { id } }", {"id": contact}, who)
        assert (node is not None) is sees
    for who, found in ((graph.agent, 1), (graph.supervisor, 1), (graph.colleague, 0)):
        shown = await graph.data(OF_PROFILE, {"id": ana}, who)
        assert len(shown["contacts"]["nodes"]) == found


async def test_cap_024_a_parent_is_shown_to_its_own(calls: Calls, graph: Graph) -> None:
    """Whoever gets an escalated contact does not see the one before it, unless it is their own or they oversee contacts."""
    chat = (await calls.rings(channel="CHAT", agentId="bob"))["id"]
    call = (await calls.rings(parentId=chat))["id"]

    assert (await calls.seen(call, graph.agent))["parent"] is None
    assert (await calls.seen(call, graph.supervisor))["parent"] == {"id": chat}


async def test_agents_touch_only_their_contacts(calls: Calls, graph: Graph) -> None:
    """Another agent's contact is NOT_FOUND for every mutation; a supervisor and the routing system may, a partner without the right may not."""
    ana = await calls.caller("Ana", PHONE)
    contact = (await calls.rings(address=PHONE))["id"]
    before = await graph.contents()
    for who in (graph.colleague, graph.stranger):
        assert codes(await calls.updated(contact, who, state="CONNECTED")) == [("NOT_FOUND", "input.id")]
        assert codes(await calls.updated(contact, who, agentId="bob")) == [("NOT_FOUND", "input.id")]
        assert codes(await calls.unlinked(contact, principal=who)) == [("NOT_FOUND", "contactId")]
        assert codes(await calls.associated(contact, ana, principal=who)) == [("NOT_FOUND", "contactId")]
    assert await graph.contents() == before
    assert (await calls.associated(contact, ana, ["email"], graph.supervisor))["userErrors"] == []
    assert (await calls.updated(contact, graph.supervisor, state="CONNECTED"))["userErrors"] == []


async def test_an_agent_opens_own_contacts_only(calls: Calls, graph: Graph) -> None:
    """An agent's desktop opens contacts for itself; for others, for nobody, or over another agent's contact it is FORBIDDEN."""
    await calls.opened(externalId="bobs", agentId="bob")
    before = await graph.contents()

    assert codes(await calls.opened(graph.agent, agentId="bob")) == [("FORBIDDEN", "input.agentId")]
    assert codes(await calls.opened(graph.agent, agentId=None)) == [("FORBIDDEN", "input.agentId")]
    assert codes(await calls.opened(graph.agent, externalId="bobs")) == [("FORBIDDEN", "input.externalId")]
    assert await graph.contents() == before
    assert (await calls.opened(graph.agent))["contact"]["agent"]["displayName"] == "Ann"


async def test_an_agent_takes_what_waits(calls: Calls, graph: Graph) -> None:
    """A contact without an agent may be taken by one, for itself; handing an own one over is allowed, and then it is out of sight."""
    contact = (await calls.rings(agentId=None))["id"]

    assert codes(await calls.updated(contact, graph.agent, state="CONNECTED")) == [("NOT_FOUND", "input.id")]
    assert codes(await calls.updated(contact, graph.agent, agentId="bob")) == [("NOT_FOUND", "input.id")]
    taken = await calls.updated(contact, graph.agent, agentId="ann", state="CONNECTED")
    given = await calls.updated(contact, graph.agent, agentId="bob")

    assert (taken["userErrors"], taken["contact"]["agent"]["displayName"]) == ([], "Ann")
    assert (given["userErrors"], given["contact"]) == ([], None)
    assert (await calls.seen(contact, graph.colleague))["agent"]["id"] == "bob"


@pytest.mark.parametrize(
    ("query", "variables", "scope"),
    [
        (OPEN, {"input": {"externalId": "x", "channel": "VOICE", "agentId": "ann"}}, "contact:write"),
        (UPDATE, {"input": {"id": "{contact}", "state": "CONNECTED"}}, "contact:write"),
        (ASSOCIATE, {"contact": "{contact}", "profile": "{profile}"}, "contact:associate"),
        (UNLINK, {"contact": "{contact}"}, "contact:associate"),
        (LIST, {}, "contact:read:all"),
    ],
)
async def test_a_missing_scope_is_forbidden(calls: Calls, graph: Graph, query: str, variables: dict[str, Any], scope: str) -> None:
    """Without its scope each operation is FORBIDDEN and says which one is missing; nothing is changed."""
    profile, contact = await calls.caller("Ana"), (await calls.rings())["id"]
    filled = _filled(variables, contact=contact, profile=profile)
    before = await graph.contents()
    error = await graph.error(query, filled, replace(graph.admin, subject="ann", scopes=graph.admin.scopes - {scope}))

    assert (error["extensions"]["code"], error["extensions"]["scope"]) == ("FORBIDDEN", scope)
    assert await graph.contents() == before


def _filled(value: Any, **names: str) -> Any:
    if isinstance(value, dict):
        return {key: _filled(one, **names) for key, one in value.items()}
    return value.format(**names) if isinstance(value, str) else value


async def test_cap_040_the_contact_says_what_one_may(calls: Calls, graph: Graph) -> None:
    """The field viewerCan shows the two rights; a closed contact cannot be associated by anybody."""
    contact = (await calls.rings())["id"]
    expected = [
        (graph.agent, True, True),
        (graph.supervisor, True, True),
        (graph.narrowed(graph.agent, "contact:write"), False, False),
        (graph.narrowed(graph.agent, "contact:associate"), True, False),
        (calls.router, False, False),
    ]
    for who, associate, create in expected:
        assert (await calls.seen(contact, who))["viewerCan"] == {"associate": associate, "createProfile": create}
    await calls.moves(contact, "CLOSED")
    assert (await calls.seen(contact, graph.agent))["viewerCan"] == {"associate": False, "createProfile": True}


async def test_values_are_masked(calls: Calls, graph: Graph) -> None:
    """Without profile:read:pii the address, the matched value and identifying attributes are masked; without profile:read the address is hidden."""
    await calls.caller("Ana", PHONE)
    contact = (await calls.rings(address=PHONE, attributes={"email": "ana@example.com", "account_id": "A-100", "topic": "refund"}))["id"]
    odd = (await calls.rings(address="sip:somebody@example.com"))["id"]
    masked = graph.narrowed(graph.agent, "profile:read", "contact:associate")
    shown = await calls.seen(contact, masked)
    hidden = await calls.seen(contact, newcomer(graph))
    clear = await calls.seen(contact)

    assert (shown["address"], clear["address"], hidden["address"]) == ("+44•••••001", PHONE, None)
    assert [one["matchedOn"] for one in shown["candidates"]] == [[{"key": "phone", "displayValue": "+44•••••001"}]]
    assert [one["matchedOn"] for one in hidden["candidates"]] == [[{"key": "phone", "displayValue": "+44•••••001"}]]
    assert shown["attributes"] == {"email": "a•••@e•••.com", "account_id": "•••••", "topic": "refund"}
    assert clear["attributes"] == {"email": "ana@example.com", "account_id": "A-100", "topic": "refund"}
    assert (await calls.seen(odd, masked))["address"] == "•••••com"


async def test_cap_136_a_supervisor_filters_the_contacts(calls: Calls, graph: Graph) -> None:
    """The list has every agent's, newest first, by agent, queue, channel, state, profile and time; another workspace's never."""
    ana = await calls.caller("Ana", PHONE)
    call = await calls.rings(address=PHONE, queue="Orders")
    chat = await calls.rings(channel="CHAT", agentId="bob", queue="Returns")
    idle = await calls.rings(channel="EMAIL", agentId=None)
    await calls.moves(idle["id"], "CLOSED")
    await calls.opened(graph.stranger)
    names = {call["id"]: "call", chat["id"]: "chat", idle["id"]: "idle"}

    async def found(**chosen: Any) -> list[str]:
        shown = await graph.data(LIST, {"filter": chosen}, graph.supervisor)
        return [names[one["id"]] for one in shown["nodes"]]

    assert await found() == ["idle", "chat", "call"]
    assert await found(agentIds=["ann", "nobody"]) == ["call"]
    assert await found(agentIds=[]) == []
    assert await found(queues=["Orders", "Returns"]) == ["chat", "call"]
    assert await found(channels=["CHAT", "EMAIL"]) == ["idle", "chat"]
    assert await found(states=["CLOSED"]) == ["idle"]
    assert await found(profileId=ana) == ["call"]
    assert await found(to=chat["offeredAt"]) == ["call"]
    assert await found(**{"from": chat["offeredAt"]}) == ["idle", "chat"]
    assert await found(**{"from": call["offeredAt"], "to": idle["offeredAt"], "agentIds": ["bob"]}) == ["chat"]
    assert await found(**{"from": "0001-01-01T00:00:00Z", "to": "9999-12-31T00:00:00Z"}) == ["idle", "chat", "call"]


async def test_cap_136_contacts_come_in_pages(calls: Calls, graph: Graph) -> None:
    """Pages by cursor show every contact once, in both lists; a cursor of another list, or a size out of range, is refused."""
    ana = await calls.caller("Ana", PHONE)
    made = [(await calls.rings(address=PHONE))["id"] for _ in range(5)][::-1]
    for query, field, variables in ((LIST, None, {}), (OF_PROFILE, "contacts", {"id": ana})):
        seen: list[str] = []
        after = None
        while True:
            shown = await graph.data(query, {**variables, "first": 2, "after": after}, graph.supervisor)
            page = shown[field] if field else shown
            seen += [one["id"] for one in page["nodes"]]
            after = page["pageInfo"]["endCursor"]
            if not page["pageInfo"]["hasNextPage"]:
                break
        assert seen == made
        for wrong in ({"first": 0}, {"first": 101}, {"after": "x"}):
            answer = await graph.run(query, {**variables, **wrong}, graph.supervisor)
            assert answer["errors"][0]["extensions"]["code"] in {"BAD_USER_INPUT", "CURSOR_INVALID", "LIMIT_PAGE_SIZE"}


async def test_cap_043_contacts_of_a_profile(calls: Calls, graph: Graph) -> None:
    """Profile.contacts shows open and closed ones, or only either; corrected ones belong to the profile they were corrected to."""
    ana, bob = await calls.caller("Ana", PHONE), await calls.caller("Bob")
    over, live, moved = [(await calls.rings(address=PHONE))["id"] for _ in range(3)]
    await calls.moves(over, "CLOSED")
    await calls.associated(moved, bob)

    async def shown(profile: str, is_open: bool | None) -> list[str]:
        page = (await graph.data(OF_PROFILE, {"id": profile, "open": is_open}))["contacts"]
        return [one["id"] for one in page["nodes"]]

    assert (await shown(ana, None), await shown(ana, True), await shown(ana, False)) == ([live, over], [live], [over])
    assert await shown(bob, None) == [moved]
