"""The agent's screen over systems elsewhere: how often they are asked, for what, and whose value is shown."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any

import pytest
from graphql import GraphQLObjectType, get_named_type, is_leaf_type

from gateway.loaders.wanted import NEEDS, Needs
from gateway.model.source import Source, SourceKind
from gateway.sources.contract import LookupKey
from gateway.sources.definition import Definition
from gateway.sources.federated import FederatedSource
from gateway.sources.keymap import KeyMap
from gateway.sources.remote import (
    Capabilities,
    CompanyRecord,
    ItemPage,
    ItemRecord,
    ItemWindow,
    NoteRecord,
    ProfileRecord,
    RemoteAdapter,
    TraitRecord,
)
from resolvers.schema import build_schema

from .conftest import START, Graph
from .contact_view_scene import Calls
from .events_scene import renamed
from .reports_scene import System, behind, uid
from .test_batching import AGENT_SCREEN

__all__: list[str] = []

pytestmark = pytest.mark.asyncio(loop_scope="module")

FIELDS, TRAITS, NOTES = SourceKind.PROFILE, SourceKind.TRAITS, SourceKind.NOTES
ACTIVITY, COMPANY, IDENTITY = SourceKind.ACTIVITY, SourceKind.COMPANY, SourceKind.IDENTITY
NAME = "firstName middleName lastName displayName birthDate customerSince locale"


def five() -> list[System]:
    """A system for each part of the screen."""
    return [
        System("crm", (FIELDS,)),
        System("billing", (TRAITS,)),
        System("desk", (NOTES,)),
        System("orders", (ACTIVITY,)),
        System("registry", (COMPANY,)),
    ]


async def screen(graph: Graph, profiles: list[str]) -> Any:
    """The agent's screen of these profiles, without an error."""
    return await graph.data(AGENT_SCREEN, {"by": [{"id": one} for one in profiles]})


@pytest.mark.parametrize("size", [1, 50])
async def test_cap_126_each_system_is_asked_once_and_all_at_once(graph: Graph, size: int) -> None:
    """The agent's screen over five systems takes five calls, for one profile and for fifty, and all of them are under way at the same time."""
    profiles = [await graph.profile(f"P{n}") for n in range(size)]
    systems = five()
    gate = asyncio.Barrier(len(systems))  # nobody answers before everybody was asked
    for system in systems:
        system.gate = gate
        for profile in profiles:
            system.fields[uid(profile)] = {"last_name": "Roe"}
            system.knows(profile, plan="gold")
            system.noted(profile, "VIP", datetime(2026, 1, 1, tzinfo=UTC))
            system.happened(profile, 1, "so-1")
            system.employs(profile, "Acme", main=True)
    shown = await screen(behind(graph, *systems), profiles)

    assert [system.asked for system in systems] == [
        [("fields", size)],
        [("traits", size)],
        [("notes", size)],
        [("items", size)],
        [("companies", size)],
    ]
    for n, one in enumerate(shown):
        assert one["displayName"] == f"P{n} Roe"
        assert [edge["node"]["key"] for edge in one["traits"]["edges"]] == ["plan"]
        assert [note["body"] for note in one["notes"]["nodes"]] == ["VIP"]
        assert [edge["node"]["source"]["key"] for edge in one["timeline"]["edges"]] == ["orders"]
        assert one["mainCompany"]["name"] == "Acme"


class Remote(RemoteAdapter):
    """A system that provides one kind of thing, and counts how it is asked."""

    def __init__(self, kind: SourceKind, gate: asyncio.Barrier) -> None:
        self.capabilities = Capabilities(frozenset({kind}))
        self.calls: list[int] = []
        self._gate = gate

    async def _answer(self, keys: Sequence[Any], answer: Any) -> dict[Any, Any]:
        self.calls.append(len(keys))
        await self._gate.wait()
        return dict.fromkeys(keys, answer)

    async def profiles(self, keys: Sequence[str], fields: frozenset[str] | None) -> Any:
        return await self._answer(keys, ProfileRecord({"last_name": "Roe"}))

    async def traits(self, keys: Sequence[str], wanted: frozenset[str] | None) -> Any:
        return await self._answer(keys, [TraitRecord("plan", "gold")])

    async def notes(self, keys: Sequence[str], limit: int) -> Any:
        return await self._answer(keys, [NoteRecord("n-1", "VIP", START)])

    async def items(self, keys: Sequence[str], window: ItemWindow) -> Any:
        return await self._answer(keys, ItemPage([ItemRecord("so-1", START, "Order Completed")], is_complete=True))

    async def companies(self, keys: Sequence[str]) -> Any:
        return await self._answer(keys, [CompanyRecord("c-1", "Acme", is_main=True)])


@pytest.mark.parametrize("size", [1, 50])
async def test_cap_126_through_whole_sources_it_is_the_same(graph: Graph, size: int) -> None:
    """Also behind their guards, with people known by keys of their own, five systems take five calls, all under way at the same time."""
    numbers = [{"identifiers": [{"type": "account_id", "value": f"A-{n}"}]} for n in range(size)]
    profiles = [await graph.profile(f"P{n}", **more) for n, more in enumerate(numbers)]
    gate, keys = asyncio.Barrier(5), KeyMap(graph.runtime.database)
    remotes = [Remote(kind, gate) for kind in (FIELDS, TRAITS, NOTES, ACTIVITY, COMPANY)]
    systems = []
    for remote in remotes:
        (kind,) = remote.capabilities.kinds
        source = Source(kind.value.lower(), kind.value, (kind,), priority=60)
        systems.append(FederatedSource(Definition(source, "memory", "account_id"), remote, keys))
    over = behind(graph, *systems)
    shown = await screen(over, profiles)
    for system in systems:
        await system.close()

    assert [remote.calls for remote in remotes] == [[size]] * 5
    for n, one in enumerate(shown):
        assert (one["displayName"], one["mainCompany"]["name"]) == (f"P{n} Roe", "Acme")
        assert [edge["node"]["value"] for edge in one["traits"]["edges"]] == ["gold"]
        assert [note["body"] for note in one["notes"]["nodes"]] == ["VIP"]
        assert len(one["timeline"]["edges"]) == 1


async def test_fields_by_precedence(graph: Graph) -> None:
    """Each field shows the value of the highest priority that has one: over the gateway's own or under it."""
    ana = await graph.profile("Ana")
    await graph.runtime.database.execute("UPDATE profile SET locale = 'en-GB' WHERE id = $1", uid(ana))
    over, under, last = System("crm", (FIELDS,), 120), System("web", (FIELDS,), 60), System("old", (FIELDS,), 10)
    over.fields[uid(ana)] = {"first_name": "Anna", "birth_date": date(1990, 1, 2), "locale": None}
    under.fields[uid(ana)] = {"first_name": "Annie", "last_name": "Roe", "locale": "fr-FR"}
    last.fields[uid(ana)] = {"last_name": "Doe", "middle_name": "B", "customer_since": datetime(2020, 1, 1, tzinfo=UTC)}
    query = f"query ($id: ID!) {{ profile(by: {{id: $id}}) {{ {NAME} }} }}"

    assert await behind(graph, under, last, over).data(query, {"id": ana}) == {
        "firstName": "Anna",
        "middleName": "B",
        "lastName": "Roe",
        "displayName": "Anna B Roe",
        "birthDate": "1990-01-02",
        "customerSince": "2020-01-01T00:00:00Z",
        "locale": "en-GB",
    }
    assert (await behind(graph, System("crm", (FIELDS,), 120)).data(query, {"id": ana}))["displayName"] == "Ana"


async def test_wherever_a_profile_is_shown_it_is_the_same(graph: Graph) -> None:
    """A search, a node, a company's members, a contact's candidates, a payload and a live event show the overlaid fields, each by one call."""
    phone = "+442079460123"
    ana = await graph.profile("Ana", contactPoints=[{"channel": "VOICE", "value": phone}])
    company = await graph.join(ana, "Acme")
    contact = (await Calls(graph).rings(address=phone))["id"]
    crm = System("crm", (FIELDS,))
    crm.fields[uid(ana)] = {"last_name": "Roe"}
    over = behind(graph, crm)
    queries = {
        '{ searchProfiles(text: "ana") { nodes { displayName } edges { node { lastName } } } }': {},
        "query ($id: ID!) { node(id: $id) { ... on Profile { displayName lastName } } }": {"id": ana},
        "query ($id: ID!) { company(id: $id) { members { nodes { displayName } edges { node { lastName } } } } }": {"id": company},
        "query ($id: ID!) { contact(id: $id) { candidates { profile { displayName } } profile { lastName } } }": {"id": contact},
        'mutation ($id: ID!) { updateProfile(input: {id: $id, firstName: "Ana"}) { profile { displayName lastName } } }': {"id": ana},
    }
    for query, variables in queries.items():
        before = len(crm.calls)
        shown = str(await over.data(query, variables, graph.supervisor))
        assert "'Ana Roe'" in shown, query
        assert "'lastName': 'Roe'" in shown, query
        assert crm.asked[before:] == [("fields", 1)], query
    live = "subscription ($id: ID!) { profileEvents(profileId: $id) { __typename ... on ProfileUpdated { profile { displayName } } } }"
    stream = over.stream(live, {"id": ana})
    assert (await stream.next())["__typename"] == "StreamReady"
    await renamed(graph, ana, "Anna")
    event = await stream.next()
    await stream.close()

    assert event["profile"]["displayName"] == "Anna Roe"


async def test_only_what_is_shown_travels(graph: Graph) -> None:
    """Fields and trait keys that the document shows anywhere are passed on, and nothing is asked for that it does not show."""
    ana = await graph.profile("Ana", attributes={"plan": "gold", "nps": 9})
    crm = System("crm", (FIELDS, TRAITS))
    crm.knows(ana, plan="silver", age=41, nps=1)
    over = behind(graph, crm)
    query = """query ($id: ID!, $keys: [String!], $name: Boolean!) { profile(by: {id: $id}) { id
      a: traits(filter: {keys: $keys}) { nodes { key conflicts { value } } } b: traits(filter: {keys: ["nps"]}) { nodes { key } }
      ...n @include(if: $name) } } fragment n on Profile { name: firstName locale }"""
    shown = await over.data(query, {"id": ana, "keys": ["plan"], "name": True})

    assert crm.calls == [("fields", 1, frozenset({"first_name", "locale"})), ("traits", 1, ["nps", "plan"])] or crm.calls == [
        ("traits", 1, ["nps", "plan"]),
        ("fields", 1, frozenset({"first_name", "locale"})),
    ]
    assert shown["a"]["nodes"] == [{"key": "plan", "conflicts": [{"value": "silver"}]}]
    assert shown["b"]["nodes"] == [{"key": "nps"}]
    crm.calls.clear()
    await over.data(query, {"id": ana, "keys": None, "name": False})
    assert crm.calls == [("traits", 1, None)]
    crm.calls.clear()
    await over.data("query ($id: ID!) { profile(by: {id: $id}) { id version createdAt contactPoints { id } } }", {"id": ana})
    assert crm.calls == []


async def test_every_field_says_what_it_takes(graph: Graph) -> None:
    """Whatever field of a profile is shown alone, sources are asked for traits and fields only if it declares that it takes them, else it might get
    fewer than there are.
    """
    ana = await graph.profile("Ana")
    crm = System("crm", (FIELDS, TRAITS))
    over = behind(graph, crm)
    profile = build_schema().type_map["Profile"]
    assert isinstance(profile, GraphQLObjectType)
    asked: dict[str, set[str]] = {}
    for name, shown in profile.fields.items():
        crm.calls.clear()
        below = "" if is_leaf_type(get_named_type(shown.type)) else "{ __typename }"
        answer = await over.run(f"query ($id: ID!) {{ profile(by: {{id: $id}}) {{ {name} {below} }} }}", {"id": ana}, graph.admin)
        assert "errors" not in answer, answer
        asked[name] = {kind for kind, _ in crm.asked}
        needs = shown.extensions.get(NEEDS, Needs())
        if not needs.reports:
            assert asked[name] <= ({"traits"} if needs.traits else set()) | ({"fields"} if needs.fields else set()), name

    assert {name for name, kinds in asked.items() if "traits" in kinds} >= {"traits", "traitSummary", "attributes", "sources"}


async def test_who_was_erased_is_asked_about_no_more(graph: Graph) -> None:
    """Fields of a profile that is not the living one are not asked of anybody."""
    ana = await graph.profile("Ana")
    crm = System("crm", (FIELDS,), 120)
    crm.fields[uid(ana)] = {"first_name": "Anna"}
    await graph.runtime.database.execute("UPDATE profile SET status = 'ERASED' WHERE id = $1", uid(ana))
    shown = await behind(graph, crm).data("query ($id: ID!) { profile(by: {id: $id}) { status firstName } }", {"id": ana})

    assert (shown["status"], shown["firstName"], crm.calls) == ("ERASED", "Ana", [])


async def test_people_are_found_by_what_other_systems_know(graph: Graph) -> None:
    """A value that only another system knows finds the profile; whom several know by it is found once."""
    ana, bob = await graph.profile("Ana"), await graph.profile("Bob", identifiers=[{"type": "account_id", "value": "A-1"}])
    crm, shop = System("crm", (IDENTITY,)), System("shop", (IDENTITY,))
    crm.people = {LookupKey("order_id", "so-7"): [uid(ana)], LookupKey("account_id", "A-1"): [uid(bob)]}
    shop.people = {LookupKey("order_id", "so-7"): [uid(ana)]}
    over = behind(graph, crm, shop)
    by = "query ($by: ProfileRef!) { profile(by: $by) { id } }"
    search = """query ($key: String!, $value: String!) { searchProfiles(keys: [{key: $key, values: [$value]}]) {
      nodes { id } sources { state source { key } } } }"""

    assert await over.data(by, {"by": {"identifier": {"type": "order_id", "value": "so-7"}}}) == {"id": ana}
    assert await over.data(by, {"by": {"identifier": {"type": "order_id", "value": "so-8"}}}) is None
    for key, value, found in (("order_id", "so-7", ana), ("account_id", "A-1", bob)):
        shown = await over.data(search, {"key": key, "value": value})
        assert [one["id"] for one in shown["nodes"]] == [found]
        assert [one["source"]["key"] for one in shown["sources"]] == ["native", "crm", "shop"]
    assert crm.asked == shop.asked == [("find", 1)] * 4
