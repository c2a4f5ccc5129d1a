"""The timeline's capabilities: what it shows by default, what filters and searches find, and every way through it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gateway.commands.retention import months_before

from .conftest import START, Graph
from .contact_view_scene import Calls

__all__: list[str] = []

pytestmark = pytest.mark.asyncio(loop_scope="module")

CONFIG = """
[retention]
default = "P24M"
web = "P1M"
interest = "forever"
"""

TIMELINE = """query ($id: ID!, $filter: TimelineFilter, $order: SortDirection! = ASC, $first: Int, $after: String, $last: Int, $before: String,
  $around: ID) { profile(by: {id: $id}) {
  timeline(filter: $filter, order: $order, first: $first, after: $after, last: $last, before: $before, around: $around) {
    edges { cursor node { id } } nodes { __typename id title occurredAt account source { key } } retainedSince
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } } }"""
LAYOUT = """mutation ($input: LayoutInput!) { saveLayout(input: $input) { layout { externalActivityTypes } userErrors { code message path } } }"""
CALL_IN: dict[str, Any] = {"kind": "INTERACTION", "channel": "VOICE", "direction": "INBOUND"}
CALL_OUT = CALL_IN | {"direction": "OUTBOUND"}
CHAT_IN, CHAT_OUT = CALL_IN | {"channel": "CHAT"}, CALL_OUT | {"channel": "CHAT"}
VIEW = {"kind": "WEB", "type": "Page Viewed", "detail": {"title": "Prices"}}
INTEREST = {"kind": "INTEREST", "type": "Interest Triggered", "detail": {"topic": "Hiking", "category": "Sports", "score": 0.5}}
MESSAGE: dict[str, Any] = {
    "kind": "MESSAGE",
    "type": "Message Sent",
    "channel": "CHAT",
    "direction": "INBOUND",
    "detail": {"text": "Hello", "conversation": "c"},
}


async def page(graph: Graph, profile: str, principal: Any = None, **variables: Any) -> dict[str, Any]:
    """One page of a profile's timeline."""
    shown = await graph.data(TIMELINE, {"id": profile, **variables}, principal)
    found: dict[str, Any] = shown["timeline"]
    return found


async def ids(graph: Graph, profile: str, principal: Any = None, **variables: Any) -> list[str]:
    """The ids on a page."""
    return [node["id"] for node in (await page(graph, profile, principal, **variables))["nodes"]]


def act(note: str) -> str:
    """The id of a note's item on the timeline."""
    return f"act_{note[5:37]}.native.{note[37:]}"


@pytest.mark.parametrize(
    ("search", "found"),
    [
        ("refund", ["summary", "note"]),
        ("REFUND", ["summary", "note"]),
        ("100%", ["percent"]),
        ("a_b", ["underscore"]),
        ("order comp", ["percent", "underscore", "number"]),
        ("4711", ["number"]),
        ("billing", ["wrapup"]),
        ("zurück", ["message"]),
        ("firstname", ["change"]),
        ("  ", None),
        ("nothing of the kind", []),
    ],
)
async def test_cap_043_the_timeline_is_searched(graph: Graph, search: str, found: list[str] | None) -> None:
    """Search looks through summaries, wrap-ups, properties, messages, notes and names of changed fields, in any case, text as it is."""
    ana = await graph.profile()
    items: dict[str, dict[str, Any]] = {
        "summary": CALL_IN | {"detail": {"summary": "Wants a refund"}},
        "wrapup": CALL_IN | {"detail": {"wrapUp": {"topic": "Billing"}}},
        "percent": {"detail": {"note": "100% off"}},
        "underscore": {"detail": {"lines": [{"code": "a_b"}]}},
        "number": {"detail": {"order": 4711, "axb": True}},
        "message": MESSAGE | {"detail": {"text": "ZURÜCK bitte", "conversation": "c"}},
    }
    names = dict(zip(await graph.happened(ana, *items.values()), items, strict=True))
    names[act(await graph.note(ana, "Promised the refund"))] = "note"
    update = 'mutation ($id: ID!) { updateProfile(input: {id: $id, firstName: "Anna"}) { userErrors { code } } }'
    await graph.data(update, {"id": ana})
    shown = [names.get(one, "change") for one in await ids(graph, ana, filter={"preset": "ALL", "search": search})]

    if found is None:  # blanks ask for nothing in particular
        assert len(shown) == len(items) + 3
    elif search == "firstname":
        assert set(shown) == {"change"}  # that it was set, and that it was changed
    else:
        assert shown == found


@pytest.mark.parametrize("search", ["x" * 201, "a\x00b"])
async def test_cap_043_a_search_that_is_none(graph: Graph, search: str) -> None:
    """A text too long, or with a character that no text can hold, is BAD_USER_INPUT."""
    error = await graph.error(TIMELINE, {"id": await graph.profile(), "filter": {"search": search}})

    assert error["extensions"] == {"code": "BAD_USER_INPUT", "argument": "filter.search"}


async def test_cap_050_recent_web_activity(graph: Graph) -> None:
    """The last few page views, and nothing else, come with kinds WEB and last, still oldest first."""
    ana = await graph.profile()
    now = datetime.now(UTC)
    views = await graph.happened(ana, *(VIEW | {"at": now - timedelta(minutes=9 - n)} for n in range(5)))
    await graph.happened(ana, CALL_IN | {"at": now}, {"at": now})

    assert await ids(graph, ana, filter={"kinds": ["WEB"]}, last=3) == views[2:]


async def test_cap_092_what_the_history_shows_by_default(graph: Graph) -> None:
    """By default: inbound interactions, outbound calls, external events; no page views, outbound chats, messages, interests, notes, changes."""
    ana = await graph.profile()
    made = await graph.happened(ana, CALL_IN, CALL_OUT, CHAT_IN, CHAT_OUT, {}, VIEW, INTEREST, MESSAGE)
    note = await graph.note(ana)

    assert await ids(graph, ana) == [made[0], made[1], made[2], made[4]]
    everything = await ids(graph, ana, filter={"preset": "ALL"})
    assert set(everything) > {*made[:5], *made[6:], act(note)}  # the page view is older than page views are kept
    assert await ids(graph, ana, filter={"preset": "NONE"}) == []


async def test_cap_093_the_layout_chooses_external_types(graph: Graph) -> None:
    """An administrator's layout names the external types that the default history shows; a filter that names kinds or ALL shows every type."""
    ana = await graph.profile()
    order, signup, call = await graph.happened(ana, {}, {"type": "Signed Up"}, CALL_IN)
    given = {"name": "default", "header": [], "sections": [], "timelineOrder": "ASC", "externalActivityTypes": ["Signed Up"]}
    assert await ids(graph, ana) == [order, signup, call]
    saved = await graph.data(LAYOUT, {"input": given}, graph.admin)

    assert saved["userErrors"] == [], saved
    assert await ids(graph, ana) == [signup, call]
    assert await ids(graph, ana, filter={"types": ["Order Completed"]}) == []
    assert await ids(graph, ana, filter={"kinds": ["EXTERNAL"]}) == [order, signup]
    assert (await ids(graph, ana, filter={"preset": "ALL"}))[:3] == [order, signup, call]
    assert await ids(graph, await graph.profile(principal=graph.stranger), graph.stranger) == []

    await graph.data(LAYOUT, {"input": given | {"externalActivityTypes": [], "expectedVersion": 1}}, graph.admin)
    assert await ids(graph, ana) == [call]


async def test_cap_103_by_channel_and_account(graph: Graph) -> None:
    """The history of some channels, or of some accounts, wherever its items came from, and each item says which account it is of."""
    ana = await graph.profile()
    chat, call, order, other = await graph.happened(
        ana, CHAT_IN | {"account": "uk"}, CALL_IN, {"account": "uk", "source": "tracking"}, {"account": "us", "source": "billing"}
    )

    assert await ids(graph, ana, filter={"accounts": ["uk"]}) == [chat, order]
    assert await ids(graph, ana, filter={"accounts": ["uk", "us"]}) == [chat, order, other]
    assert await ids(graph, ana, filter={"channels": ["CHAT", "SMS"]}) == [chat]
    assert await ids(graph, ana, filter={"channels": ["VOICE"], "accounts": ["uk"]}) == []
    assert [node["account"] for node in (await page(graph, ana))["nodes"]] == ["uk", None, "uk", "us"]
    assert await ids(graph, ana, filter={"queues": ["none"]}) == []
    assert call in await ids(graph, ana)


async def test_cap_104_interests_on_the_timeline(graph: Graph) -> None:
    """Interests are items of the timeline, at the moment they were triggered."""
    ana = await graph.profile()
    (one,) = await graph.happened(ana, INTEREST)
    (node,) = (await page(graph, ana, filter={"kinds": ["INTEREST"]}))["nodes"]

    assert (node["__typename"], node["id"], node["title"]) == ("InterestTriggered", one, "Interested in Hiking")
    assert node["occurredAt"] == "2026-01-01T12:00:00Z"


async def test_cap_105_oldest_first(graph: Graph) -> None:
    """Oldest first is the default; the newest page, asked for with last, is oldest first too; DESC turns both round."""
    ana = await graph.profile()
    made = await graph.happened(ana, *[{}] * 6)

    assert await ids(graph, ana) == made
    assert await ids(graph, ana, last=2) == made[4:]
    assert await ids(graph, ana, order="DESC") == made[::-1]
    assert await ids(graph, ana, order="DESC", last=2) == made[1::-1]


async def test_cap_106_around_an_item(graph: Graph) -> None:
    """Half of a page around an item comes before it, half after, the item among them, and both ends say whether the list goes on."""
    ana = await graph.profile()
    made = await graph.happened(ana, *[{}] * 30)

    async def around(number: int, **more: Any) -> tuple[list[str], bool, bool]:
        found = await page(graph, ana, around=made[number], **more)
        info = found["pageInfo"]
        return [node["id"] for node in found["nodes"]], info["hasPreviousPage"], info["hasNextPage"]

    assert await around(15) == (made[5:25], True, True)
    assert await around(15, first=5) == (made[13:18], True, True)
    assert await around(15, first=5, order="DESC") == (made[17:12:-1], True, True)
    assert await around(0, first=5) == (made[0:3], False, True)
    assert await around(29, first=5) == (made[27:], True, False)
    assert await around(1, first=4) == (made[0:3], False, True)
    assert await around(15, first=1) == ([made[15]], True, True)
    assert (await around(15, first=5, filter={"kinds": ["WEB"]}))[0] == []
    walked = await page(graph, ana, around=made[15], first=5)
    assert (await ids(graph, ana, first=3, after=walked["pageInfo"]["endCursor"])) == made[18:21]
    assert (await ids(graph, ana, last=3, before=walked["pageInfo"]["startCursor"])) == made[10:13]


async def test_cap_106_around_a_contact(graph: Graph) -> None:
    """Around a live contact: what came before it; once it is closed, its interaction stands in the middle."""
    calls = Calls(graph)
    ana = await calls.caller(phone="+442079460777")
    made = await graph.happened(ana, *[{}] * 5)
    contact = await calls.rings(address="+442079460777")
    assert await ids(graph, ana, around=contact["id"], first=6) == made[2:]
    await calls.moves(contact["id"], "CONNECTED", "WRAP_UP", "CLOSED")
    (later,) = await graph.happened(ana, {"at": datetime.now(UTC)})
    shown = await page(graph, ana, around=contact["id"], first=4)

    assert [node["__typename"] for node in shown["nodes"]] == ["ExternalActivity"] * 2 + ["Interaction", "ExternalActivity"]
    assert [shown["nodes"][number]["id"] for number in (0, 1, 3)] == [*made[3:], later]


async def test_cap_106_around_nothing(graph: Graph) -> None:
    """What is not there, another workspace's, another agent's contact and a note one may not read are refused alike; so is a second cursor."""
    calls = Calls(graph)
    ana, foreign = await graph.profile(), await graph.profile(principal=graph.stranger)
    (made,) = await graph.happened(ana, {})
    (theirs,) = await graph.happened(foreign, {}, principal=graph.stranger)
    contact = await calls.rings()
    note = act(await graph.note(ana))
    reader = graph.narrowed(graph.agent, "profile:read", "history:read")
    asked = [
        (theirs, graph.agent),
        (made, graph.stranger),
        (contact["id"], graph.colleague),
        (made[:-1] + ("0" if made[-1] != "0" else "1"), graph.agent),
        (f"con_{'0' * 32}", graph.agent),
        (note, reader),
        (made.replace(".native.", ".tracking."), graph.agent),
    ]
    for around, principal in asked:
        own = foreign if principal is graph.stranger else ana
        error = await graph.error(TIMELINE, {"id": own, "around": around}, principal)
        assert (error["message"], error["extensions"]["argument"]) == ("around names nothing that you can see.", "around")
    for around in ("", "x", ana, "con_1", "act_1"):
        error = await graph.error(TIMELINE, {"id": ana, "around": around})
        assert error["extensions"] == {"code": "BAD_USER_INPUT", "argument": "around"}
    for more in ({"after": "x"}, {"before": "x"}, {"last": 3}):
        error = await graph.error(TIMELINE, {"id": ana, "around": made, **more})
        assert error["extensions"]["argument"] == "around"
    assert (await graph.error(TIMELINE, {"id": ana, "around": made, "first": 101}))["extensions"]["argument"] == "first"


async def test_cap_108_messages_both_ways(graph: Graph) -> None:
    """Messages to and from the customer are items, each with its direction, channel, account and text."""
    ana = await graph.profile()
    await graph.happened(
        ana,
        MESSAGE | {"account": "uk"},
        MESSAGE | {"direction": "OUTBOUND", "channel": "WHATSAPP", "account": "us", "detail": {"text": "Hi", "author": "Kim"}},
    )
    query = """query ($id: ID!) { profile(by: {id: $id}) { timeline(filter: {kinds: [MESSAGE]}) { nodes { title origin account
      ... on Message { channel direction text author } } } } }"""
    nodes = (await graph.data(query, {"id": ana}))["timeline"]["nodes"]
    sms = {"origin": "CONTACT_CENTRE"}

    assert nodes == [
        sms
        | {"title": "Inbound chat message", "account": "uk", "channel": "CHAT", "direction": "INBOUND", "text": "Hello", "author": None},
        sms
        | {
            "title": "Outbound WhatsApp message",
            "account": "us",
            "channel": "WHATSAPP",
            "direction": "OUTBOUND",
            "text": "Hi",
            "author": "Kim",
        },
    ]
    assert len(await ids(graph, ana, filter={"kinds": ["MESSAGE"], "directions": ["OUTBOUND"], "channels": ["WHATSAPP"]})) == 1


async def test_cap_109_one_list_of_every_source_and_kind(graph: Graph) -> None:
    """Activities of several sources, notes and changes are one list in one order, and one cursor walks through all of it."""
    ana = await graph.profile()
    now = datetime.now(UTC)
    moments = [now + timedelta(seconds=n - 5) for n in range(10)]
    await graph.happened(ana, *({"at": at, "source": ("native", "tracking", "billing")[n % 3]} for n, at in enumerate(moments)))
    for n in range(3):
        await graph.note(ana, str(n))
    whole = (await page(graph, ana, filter={"preset": "ALL"}, first=100))["nodes"]
    assert len(whole) == 14
    assert {node["__typename"] for node in whole} == {"ExternalActivity", "NoteItem", "ChangeItem"}
    assert sorted(whole, key=lambda node: node["occurredAt"]) == whole

    for order in ("ASC", "DESC"):
        walked: list[str] = []
        cursor = None
        while True:
            found = await page(graph, ana, filter={"preset": "ALL"}, first=3, after=cursor, order=order)
            walked += [node["id"] for node in found["nodes"]]
            cursor = found["pageInfo"]["endCursor"]
            if not found["pageInfo"]["hasNextPage"]:
                break
        expected = [node["id"] for node in whole]
        assert walked == (expected if order == "ASC" else expected[::-1])


async def test_cap_111_pages_are_capped(graph: Graph) -> None:
    """A page has at most a hundred items, however many there are; lists of conditions are bounded too."""
    ana = await graph.profile()
    for asked, code in (({"first": 101}, "LIMIT_PAGE_SIZE"), ({"last": 101}, "LIMIT_PAGE_SIZE"), ({"first": 0}, "BAD_USER_INPUT")):
        assert (await graph.error(TIMELINE, {"id": ana, **asked}))["extensions"]["code"] == code
    for name in ("types", "accounts", "agentIds", "queues"):
        for values in (["x"] * 101, ["a\x00"], ["\ud800"]):
            error = await graph.error(TIMELINE, {"id": ana, "filter": {name: values}})
            assert error["extensions"] == {"code": "BAD_USER_INPUT", "argument": f"filter.{name}"}


async def test_cap_121_what_is_kept_since_when(graph: Graph) -> None:
    """`retainedSince` is the longest retention of the kinds shown, null where one of them is kept for ever; what is older is not shown."""
    ana = await graph.profile()
    now = datetime.now(UTC)
    long, short = months_before(now, 24), months_before(now, 1)
    hour = timedelta(hours=2)
    kept, gone = await graph.happened(ana, {"at": long + hour}, {"at": long - hour})
    seen, faded = await graph.happened(ana, VIEW | {"at": short + hour}, VIEW | {"at": short - hour})
    (ancient,) = await graph.happened(ana, INTEREST | {"at": long - 500 * hour})
    default = await page(graph, ana)
    web = await page(graph, ana, filter={"kinds": ["WEB"]})

    assert [node["id"] for node in default["nodes"]] == [kept]
    assert abs(datetime.fromisoformat(default["retainedSince"]) - long) < hour
    assert [node["id"] for node in web["nodes"]] == [seen]
    assert abs(datetime.fromisoformat(web["retainedSince"]) - short) < hour
    assert (await page(graph, ana, filter={"kinds": ["INTEREST"]}))["retainedSince"] is None
    assert await ids(graph, ana, filter={"kinds": ["INTEREST", "WEB", "EXTERNAL"]}) == [ancient, kept, seen]
    assert (await page(graph, ana, filter={"preset": "NONE"}))["retainedSince"] is None
    assert {gone, faded}.isdisjoint(await ids(graph, ana, filter={"preset": "ALL"}))
    assert long < START  # the made-up history of the other tests is kept
