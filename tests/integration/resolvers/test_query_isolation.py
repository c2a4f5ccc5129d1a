"""Workspaces: what belongs to another one answers exactly like what does not exist; and what a partner does not get to see."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

import orjson
import pytest

from gateway.auth.keys import KeyKind, KeyRing
from gateway.auth.principal import Principal
from gateway.model.ids import make_id, parse_id, uuid7

from .conftest import Graph

__all__: list[str] = []

pytestmark = pytest.mark.asyncio(loop_scope="module")


@dataclass(frozen=True)
class Owned:
    """Ids and values of one workspace."""

    profile: str
    point: str
    identifier: str
    note: str
    company: str
    call: str
    cursor: str
    name: str

    @property
    def email(self) -> str:
        """An e-mail address."""
        return f"{self.name}@example.com"

    @property
    def account(self) -> dict[str, str]:
        """An identifier."""
        return {"type": "account_id", "value": self.name}

    def unknown(self) -> Owned:
        """Equally made ids and values of nothing."""
        profile = uuid7()
        call = f"act_{profile.hex}.native.{self.call.rpartition('.')[2]}"
        point, identifier, note = (make_id(prefix, profile, uuid7()) for prefix in ("cpt", "idn", "note"))
        return Owned(make_id("prf", profile), point, identifier, note, make_id("com", uuid7()), call, self.cursor, "nobody")


async def owned(graph: Graph, principal: Principal, name: str) -> Owned:
    """Something of everything, seen and owned by this principal's workspace alone."""
    profile = await graph.profile(
        name,
        principal,
        contactPoints=[{"channel": "EMAIL", "value": f"{name}@example.com"}, {"channel": "VOICE", "value": "+442079460958"}],
        identifiers=[{"type": "account_id", "value": name}],
    )
    note = await graph.note(profile, f"secret of {name}", principal)
    company = await graph.join(profile, f"{name} company", principal=principal)
    call = {"kind": "INTERACTION", "channel": "VOICE", "direction": "INBOUND", "detail": {"summary": f"secret of {name}"}}
    (call_id,) = await graph.happened(profile, call, principal=principal)
    shown = await graph.data(
        "query ($id: ID!) { profile(by: {id: $id}) { contactPoints { id } identifiers { id } streamCursor } }", {"id": profile}, principal
    )
    ids = shown["contactPoints"][0]["id"], shown["identifiers"][0]["id"]
    return Owned(profile, *ids, note, company, call_id, shown["streamCursor"], name)


E = "userErrors { message code path }"

EVENT = {"type": "t", "occurredAt": "2026-01-01T00:00:00Z", "messageId": "m"}

OPERATIONS: list[tuple[str, list[Callable[[Owned], Any]]]] = [
    (
        "query ($v: ID!) { node(id: $v) { id __typename } }",
        [attrgetter(name) for name in ("profile", "point", "identifier", "note", "company", "call")],
    ),
    (
        "query ($v: [ID!]!) { nodes(ids: $v) { id } }",
        [lambda it: [it.profile, it.point, it.identifier, it.note, it.company, it.call]],
    ),
    ("query ($v: ID!) { company(id: $v) { id name } }", [lambda it: it.company]),
    (
        "query ($v: ProfileRef!) { profile(by: $v) { id firstName streamCursor } }",
        [lambda it: {"id": it.profile}, lambda it: {"email": it.email}, lambda it: {"identifier": it.account}],
    ),
    ("query ($v: [ProfileRef!]!) { profiles(by: $v) { id } }", [lambda it: [{"id": it.profile}, {"email": it.email}]]),
    (
        "query ($v: [SearchKeyInput!]!) { searchProfiles(keys: $v) { nodes { id } pageInfo { hasNextPage } } }",
        [
            lambda it: [{"key": "profile_id", "values": [it.profile]}],
            lambda it: [{"key": "name", "values": [it.name]}],
            lambda it: [{"key": "email", "values": [it.email]}],
            lambda it: [{"key": "account_id", "values": [it.name]}],
        ],
    ),
    ("query ($v: String!) { searchProfiles(text: $v) { nodes { id } } }", [lambda it: it.name, lambda it: it.email]),
    (f'mutation ($v: ID!) {{ addNote(input: {{profileId: $v, body: "x"}}) {{ note {{ id }} {E} }} }}', [lambda it: it.profile]),
    (
        f"mutation ($v: UpdateNoteInput!) {{ updateNote(input: $v) {{ note {{ id }} {E} }} }}",
        [lambda it: {"id": it.note, "body": "x"}, lambda it: {"id": it.note, "body": "y", "expectedVersion": 7}],
    ),
    (f"mutation ($v: ID!) {{ deleteNote(id: $v) {{ deletedId {E} }} }}", [lambda it: it.note]),
    (
        f"mutation ($v: UpdateProfileInput!) {{ updateProfile(input: $v) {{ profile {{ id }} {E} }} }}",
        [
            lambda it: {"id": it.profile, "firstName": "Eve"},
            lambda it: {"id": it.profile, "expectedVersion": 77},
            lambda it: {"id": it.profile, "removeContactPointIds": [it.point], "removeIdentifierIds": [it.identifier]},
            lambda it: {"id": it.profile, "upsertContactPoints": [{"id": it.point, "channel": "EMAIL", "value": "eve@example.com"}]},
        ],
    ),
    (
        f"mutation ($v: [ActivityInput!]!) {{ recordActivities(activities: $v) {{ accepted duplicates {E} }} }}",
        [lambda it: [{**EVENT, "profile": {"id": it.profile}}], lambda it: [{**EVENT, "profile": {"email": it.email}}]],
    ),
]
"""Documents with the one variable $v, and the values of $v made of what somebody owns."""

ON_COMPANY = [
    f"mutation ($p: ID!, $c: ID!) {{ {name}(profileId: $p, companyId: $c) {{ profile {{ id }} {E} }} }}"
    for name in ("addProfileToCompany", "setMainCompany", "removeProfileFromCompany")
]


async def test_79_another_workspace_is_like_nothing(graph: Graph) -> None:
    """Every query and mutation answers another workspace's ids and values byte for byte like unknown ones, and writes nothing there;
    what is the viewer's own is answered otherwise, so the comparison means something.
    """
    theirs, mine = await owned(graph, graph.stranger, "theirs"), await owned(graph, graph.admin, "mine")
    unknown = theirs.unknown()
    asked = [(query, tuple({"v": value(one)} for one in (theirs, unknown, mine))) for query, values in OPERATIONS for value in values]
    for query in ON_COMPANY:
        asked.append((query, tuple({"p": one.profile, "c": mine.company} for one in (theirs, unknown, mine))))
        asked.append((query, tuple({"p": mine.profile, "c": one.company} for one in (theirs, unknown, mine))))
        asked.append((query, tuple({"p": one.profile, "c": one.company} for one in (theirs, unknown, mine))))
    before = await graph.contents()
    answers = {}
    for index, (query, (foreign, nothing, _)) in enumerate(asked):
        answers[index] = orjson.dumps(await graph.run(query, nothing, graph.admin))
        assert (query, orjson.dumps(await graph.run(query, foreign, graph.admin))) == (query, answers[index])

    assert await graph.contents() == before
    first_uses = {query: index for index, (query, _) in reversed([*enumerate(asked)])}
    for query, index in sorted(first_uses.items(), key=lambda use: use[1]):
        assert orjson.dumps(await graph.run(query, asked[index][1][2], graph.admin)) != answers[index], query


async def test_79_subscriptions_to_another_workspace(graph: Graph) -> None:
    """A stream of another workspace's profile ends without an event, with a cursor of it or without, like one of nobody."""
    theirs = await owned(graph, graph.stranger, "theirs")
    for query in (
        "subscription ($id: ID!, $after: StreamCursor) { profileEvents(profileId: $id, after: $after) { __typename } }",
        "subscription ($id: ID!, $after: StreamCursor) { timelineEvents(profileId: $id, after: $after) { __typename } }",
    ):
        for one in (theirs, theirs.unknown()):
            for after in (None, theirs.cursor, "x"):
                assert await graph.stream(query, {"id": one.profile, "after": after}).rest() == []


async def test_79_cursors_of_another_workspace(graph: Graph) -> None:
    """A page cursor of another workspace is CURSOR_INVALID in every list."""
    theirs, mine = await owned(graph, graph.stranger, "theirs"), await owned(graph, graph.agent, "mine")
    await graph.observed(mine.profile, "tracking", {"a": 1})
    lists = "notes { pageInfo { endCursor } } timeline { pageInfo { endCursor } }"
    found = await graph.data(f"query ($id: ID!) {{ profile(by: {{id: $id}}) {{ {lists} }} }}", {"id": theirs.profile}, graph.stranger)
    search = await graph.data('{ searchProfiles(text: "theirs") { pageInfo { endCursor } } }', principal=graph.stranger)
    for name in ("notes", "timeline"):
        query = f"query ($id: ID!, $after: String) {{ profile(by: {{id: $id}}) {{ {name}(after: $after) {{ nodes {{ id }} }} }} }}"
        error = await graph.error(query, {"id": mine.profile, "after": found[name]["pageInfo"]["endCursor"]})
        assert error["extensions"]["code"] == "CURSOR_INVALID"
    error = await graph.error(
        'query ($after: String) { searchProfiles(text: "mine", after: $after) { nodes { id } } }',
        {"after": search["pageInfo"]["endCursor"]},
    )
    assert error["extensions"]["code"] == "CURSOR_INVALID"


async def test_79_the_same_values_in_two_workspaces(graph: Graph) -> None:
    """Equal e-mails, phones, account numbers, message ids and company names in two workspaces know nothing of each other."""
    theirs, mine = await owned(graph, graph.stranger, "same"), await owned(graph, graph.admin, "same")
    query = "query ($v: ProfileRef!) { profile(by: $v) { id mainCompany { id } } }"
    for reference in ({"email": "same@example.com"}, {"phone": "+442079460958"}, {"identifier": {"type": "account_id", "value": "same"}}):
        assert await graph.data(query, {"v": reference}, graph.admin) == {"id": mine.profile, "mainCompany": {"id": mine.company}}
        assert await graph.data(query, {"v": reference}, graph.stranger) == {"id": theirs.profile, "mainCompany": {"id": theirs.company}}
    record, values = OPERATIONS[-1]
    for principal, one in ((graph.admin, mine), (graph.stranger, theirs)):
        assert (await graph.data(record, {"v": values[0](one)}, principal))["accepted"] == 1


async def test_79_labels_of_another_workspace(graph: Graph) -> None:
    """The label that another workspace gave to a source of its own is not confirmed by asking for its node."""
    theirs = await owned(graph, graph.stranger, "theirs")
    await graph.happened(theirs.profile, {"source": "their-crm"}, principal=graph.stranger)
    await graph.data(
        "query ($id: ID!) { profile(by: {id: $id}) { timeline { nodes { source { id } } } } }", {"id": theirs.profile}, graph.stranger
    )
    query = "query ($id: ID!) { node(id: $id) { ... on Source { displayName } } }"

    assert await graph.run(query, {"id": "src_their-crm"}) == await graph.run(query, {"id": "src_no-crm"}) == {"data": {"node": None}}


async def test_own_labels(graph: Graph) -> None:
    """A source that one of the workspace's write keys names can be fetched by the id its data gives."""
    keys = KeyRing(graph.runtime.database, [b"p" * 32])
    await keys.create(graph.agent.workspace_key, KeyKind.WRITE, source="our-crm")
    ana = await graph.profile()
    await graph.happened(ana, {"source": "our-crm"})
    shown = await graph.data("query ($id: ID!) { profile(by: {id: $id}) { timeline { nodes { source { id } } } } }", {"id": ana})
    (item,) = shown["timeline"]["nodes"]
    query = "query ($id: ID!) { node(id: $id) { id } }"

    assert await graph.data(query, {"id": item["source"]["id"]}) == {"id": "src_our-crm"}
    assert await graph.data(query, {"id": item["source"]["id"]}, graph.stranger) is None


SCREEN = """query ($id: ID!) { profile(by: {id: $id}) { firstName contactPoints { value } identifiers { value } traits { nodes { value } }
  notes { nodes { body } } timeline { nodes { ... on Interaction { summary } } } companies { company { name } } } }"""


async def test_80_two_workspaces_at_once(graph: Graph) -> None:
    """Dozens of screens of two workspaces side by side, over the same connections: none holds a byte of the other."""
    theirs, mine = await owned(graph, graph.stranger, "theirs"), await owned(graph, graph.admin, "mine")
    asked = [(graph.stranger, theirs), (graph.admin, mine)] * 20
    answers = []
    for start in range(0, len(asked), 8):
        answers += await asyncio.gather(*(graph.run(SCREEN, {"id": one.profile}, who) for who, one in asked[start : start + 8]))

    for (_, one), answer in zip(asked, answers, strict=True):
        named = set(re.findall(rb"theirs|mine", orjson.dumps(answer)))
        assert ("errors" in answer, named) == (False, {one.name.encode()})


async def test_84_what_a_partner_sees(graph: Graph) -> None:
    """A partner gets no notes and no contact value in clear, on any path; what it may see comes whole."""
    mine = await owned(graph, graph.admin, "mine")
    answer = await graph.run(SCREEN, {"id": mine.profile}, graph.partner)
    profile = answer["data"]["profile"]
    parts = "... on ContactPoint { value phone email mask } ... on Identifier { value mask }"
    ids = {"v": [mine.note, mine.point, mine.identifier]}
    nodes = await graph.run(f"query ($v: [ID!]!) {{ nodes(ids: $v) {{ id {parts} }} }}", ids, graph.partner)

    assert (profile["firstName"], profile["notes"]) == ("mine", None)
    assert [error["extensions"] for error in answer["errors"]] == [{"code": "FORBIDDEN", "scope": "note:read"}]
    assert {point["value"] for point in profile["contactPoints"]} == {"m•••@e•••.com", "+44•••••958"}
    assert profile["identifiers"] == [{"value": "•••••"}]
    assert profile["timeline"]["nodes"] == [{"summary": "secret of mine"}]
    assert nodes["data"]["nodes"] == [
        None,
        {"id": mine.point, "value": "m•••@e•••.com", "phone": None, "email": None, "mask": "MASKED"},
        {"id": mine.identifier, "value": "•••••", "mask": "MASKED"},
    ]
    granted = await graph.data(SCREEN, {"id": mine.profile}, graph.widened(graph.partner, "profile:read:pii", "note:read"))
    assert {point["value"] for point in granted["contactPoints"]} == {"mine@example.com", "+442079460958"}
    assert granted["notes"]["nodes"] == [{"body": "secret of mine"}]


@pytest.mark.parametrize("path", ["fragment", "alias", "interface", "live"])
async def test_83_no_way_around(graph: Graph, path: str) -> None:
    """A fragment, an alias, an interface or a live event shows a partner no more than the plain field does."""
    mine = await owned(graph, graph.admin, "mine")
    (profile_id,) = parse_id(mine.profile, "prf")
    partner = graph.widened(graph.partner, "subscribe")
    shown = "contactPoints { value } notes { totalCount }"
    if path == "live":
        query = f"subscription ($id: ID!) {{ profileEvents(profileId: $id) {{ ... on ProfileUpdated {{ profile {{ {shown} }} }} }} }}"
        stream = graph.stream(query, {"id": mine.profile}, partner)
        await stream.next()
        await graph.note(mine.profile)
        answer = await stream.answer()
        await stream.close()
    else:
        query = {
            "fragment": f"query ($id: ID!) {{ profile(by: {{id: $id}}) {{ ...f }} }} fragment f on Profile {{ {shown} }}",
            "alias": "query ($id: ID!) { profile(by: {id: $id}) { value: contactPoints { id: value } body: notes { totalCount } } }",
            "interface": f"query ($id: ID!) {{ node(id: $id) {{ ... on Node {{ ... on Profile {{ {shown} }} }} }} }}",
        }[path]
        answer = await graph.run(query, {"id": mine.profile}, partner)
    text = orjson.dumps(answer).decode()

    assert "mine@" not in text
    assert "+442079460958" not in text
    assert [error["extensions"]["code"] for error in answer["errors"]] == ["FORBIDDEN"]
    assert profile_id.hex not in text
