"""Companies: what they are known for, who belongs to them, and always exactly one main company of whoever has any."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from gateway.model.ids import make_id, parse_id, uuid7

from .conftest import START, Graph, codes
from .test_batching import statements
from .test_cap_insights import event, send, user

__all__: list[str] = []

pytestmark = pytest.mark.asyncio(loop_scope="module")

CONFIG = """
[links]
company = "https://crm.example.com/companies/{id}"
"""

SHOWN = "companies { isMain role since company { id name } } mainCompany { name }"
OF = f"query ($id: ID!) {{ profile(by: {{id: $id}}) {{ {SHOWN} }} }}"
ADD = f"""mutation ($profile: ID!, $company: ID, $name: String, $main: Boolean! = false) {{
  addProfileToCompany(profileId: $profile, companyId: $company, companyName: $name, makeMain: $main) {{
    profile {{ {SHOWN} }} userErrors {{ code path }} }} }}"""
REMOVE = f"""mutation ($profile: ID!, $company: ID!) {{ removeProfileFromCompany(profileId: $profile, companyId: $company) {{
  profile {{ {SHOWN} }} userErrors {{ code path }} }} }}"""
MAIN = f"""mutation ($profile: ID!, $company: ID!) {{ setMainCompany(profileId: $profile, companyId: $company) {{
  profile {{ {SHOWN} }} userErrors {{ code path }} }} }}"""
PAGE = """query ($id: ID!, $filter: TraitFilter, $first: Int, $after: String) { company(id: $id) { id name domain url
  traits(filter: $filter) { nodes { key displayName kind value provenance { source { key } } conflicts { value } } pageInfo { hasNextPage } }
  members(first: $first, after: $after) {
    edges { cursor score matchedOn { key } node { id } } nodes { id displayName contactPoints { value mask } }
    pageInfo { hasNextPage hasPreviousPage endCursor } sources { state } } } }"""
COMPANIES = """query ($by: [ProfileRef!]!) { profiles(by: $by) { companies { company {
  members(first: 3) { nodes { id } } traits { nodes { key } } url } } interests { nodes { topic source { key } } }
  consents { purpose source { key } } segments { key displayName } } }"""


def names(profile: dict[str, Any]) -> list[str]:
    """Names of a profile's companies, the main one with a star."""
    return [one["company"]["name"] + "*" * one["isMain"] for one in profile["companies"]]


async def test_cap_079_a_profile_has_any_number_of_companies(graph: Graph) -> None:
    """A profile has none, one or many companies, the main one first, each with when it began."""
    ana = await graph.profile()
    none = await graph.data(OF, {"id": ana})
    for n in range(12):
        await graph.join(ana, f"Company {n:02}")
    many = await graph.data(OF, {"id": ana})

    assert (none["companies"], none["mainCompany"]) == ([], None)
    assert names(many) == ["Company 00*", *(f"Company {n:02}" for n in range(1, 12))]
    assert all(one["since"] for one in many["companies"])


async def test_cap_080_add_remove_and_change_the_main_one(graph: Graph) -> None:
    """An agent adds a company by name or id, takes one away, and says which is the main one."""
    ana = await graph.profile()
    first = await graph.join(ana, "Babbage & Co")
    added = await graph.data(ADD, {"profile": ana, "name": "Analytical Engines"})
    second = added["profile"]["companies"][1]["company"]["id"]
    changed = await graph.data(MAIN, {"profile": ana, "company": second})
    removed = await graph.data(REMOVE, {"profile": ana, "company": first})

    assert [names(one["profile"]) for one in (added, changed, removed)] == [
        ["Babbage & Co*", "Analytical Engines"],
        ["Analytical Engines*", "Babbage & Co"],
        ["Analytical Engines*"],
    ]


async def test_cap_081_a_company_has_a_page(graph: Graph) -> None:
    """A company shows what is known of it with its source, who belongs to it, and a link to where more is."""
    sent = {"name": "Babbage & Co", "website": "https://www.babbage.example/shop", "industry": "Engines", "employees": 42}
    await send(graph, event("group", groupId="acc-1", traits=sent), event("group", by="u-2", groupId="acc-1"))
    ana, bob = await user(graph), await user(graph, "u-2")
    company = (await graph.data(OF, {"id": ana}))["companies"][0]["company"]["id"]
    page = await graph.data(PAGE, {"id": company})
    narrowed = await graph.data(PAGE, {"id": company, "filter": {"search": "INDUS"}})
    by_hand = await graph.data(PAGE, {"id": await graph.join(ana, "Named by hand")})

    assert (page["name"], page["domain"], page["url"]) == (
        "Babbage & Co",
        "babbage.example",
        f"https://crm.example.com/companies/{company}",
    )
    found = {one["key"]: one for one in page["traits"]["nodes"]}
    assert {key: one["value"] for key, one in found.items()} == sent
    assert {(one["kind"], one["provenance"]["source"]["key"], len(one["conflicts"])) for one in found.values()} == {
        ("PROFILE", "tracking", 0)
    }
    assert found["industry"]["displayName"] == "Industry"
    assert [one["key"] for one in narrowed["traits"]["nodes"]] == ["industry"]
    assert [one["id"] for one in page["members"]["nodes"]] == sorted([ana, bob])
    assert [(one["score"], one["matchedOn"]) for one in page["members"]["edges"]] == [(None, [])] * 2
    assert page["members"]["sources"] == [{"state": "OK"}]
    assert (by_hand["traits"]["nodes"], by_hand["domain"], len(by_hand["members"]["nodes"])) == ([], None, 1)


async def test_members_page_by_page(graph: Graph) -> None:
    """Members come in pages that neither repeat nor leave out one; merged and erased profiles are no members, and masks hold as everywhere."""
    mail = [{"channel": "EMAIL", "value": "somebody@example.com"}]
    people = [await graph.profile(f"P{n}", contactPoints=mail) for n in range(7)]
    company = {await graph.join(one, "Babbage & Co") for one in people}.pop()
    await graph.runtime.database.execute("UPDATE profile SET status = 'MERGED' WHERE id = $1", parse_id(people[3], "prf")[0])
    found, after, flags = [], None, []
    for _ in range(3):
        members = (await graph.data(PAGE, {"id": company, "first": 2, "after": after}, graph.partner))["members"]
        found += members["nodes"]
        after = members["pageInfo"]["endCursor"]
        flags.append((members["pageInfo"]["hasPreviousPage"], members["pageInfo"]["hasNextPage"]))

    assert [one["id"] for one in found] == sorted(people[:3] + people[4:])
    assert flags == [(False, True), (True, True), (True, False)]
    assert {(point["value"], point["mask"]) for one in found for point in one["contactPoints"]} == {("s•••@e•••.com", "MASKED")}


async def test_what_cannot_be_asked_of_a_company(graph: Graph) -> None:
    """Another workspace's company is not there, its cursor opens nothing, and a size or cursor that cannot be one is a plain error."""
    company = await graph.join(await graph.profile(), "Babbage & Co")
    await graph.join(await graph.profile("Bob"), "Babbage & Co")
    theirs = await graph.join(await graph.profile(principal=graph.stranger), "Babbage & Co", principal=graph.stranger)
    cursor = (await graph.data(PAGE, {"id": company, "first": 1}))["members"]["pageInfo"]["endCursor"]

    assert await graph.data(PAGE, {"id": company}, graph.stranger) is None
    assert await graph.data(PAGE, {"id": make_id("com", uuid7())}) is None
    for variables, principal, code in (
        ({"first": 0}, graph.agent, "BAD_USER_INPUT"),
        ({"first": 101}, graph.agent, "LIMIT_PAGE_SIZE"),
        ({"after": "x"}, graph.agent, "CURSOR_INVALID"),
        ({"id": theirs, "after": cursor}, graph.stranger, "CURSOR_INVALID"),
    ):
        error = await graph.error(PAGE, {"id": company, **variables}, principal)
        assert error["extensions"]["code"] == code
    error = await graph.error(PAGE, {"id": company}, graph.narrowed(graph.agent, "note:read"))
    assert error["extensions"] == {"code": "FORBIDDEN", "scope": "profile:read"}


async def test_cap_082_083_exactly_one_company_is_the_main_one(graph: Graph) -> None:
    """The first company is the main one, and marked; when it goes the one the person has been in longest takes its place."""
    ana = await graph.profile()
    ids = [await graph.join(ana, name) for name in ("A", "B", "C")]
    before = await graph.data(OF, {"id": ana})
    await graph.data(MAIN, {"profile": ana, "company": ids[2]})
    removed = await graph.data(REMOVE, {"profile": ana, "company": ids[2]})

    assert (names(before), before["mainCompany"]) == (["A*", "B", "C"], {"name": "A"})
    assert (names(removed["profile"]), removed["profile"]["mainCompany"]) == (["A*", "B"], {"name": "A"})


@pytest.mark.parametrize("promoted", [False, True], ids=["added", "promoted"])
async def test_cap_083_two_agents_at_once(graph: Graph, promoted: bool) -> None:
    """Two agents who give somebody without a company one each at the same moment leave exactly one main company, and both memberships."""
    for n in range(8):
        ana = await graph.profile(f"P{n}")
        calls = [
            graph.data(ADD, {"profile": ana, "name": name, "main": promoted}, principal)
            for name, principal in (("A", graph.agent), ("B", graph.colleague))
        ]
        payloads = await asyncio.gather(*calls)
        after = await graph.data(OF, {"id": ana})

        assert [codes(payload) for payload in payloads] == [[], []]
        assert sorted(name.rstrip("*") for name in names(after)) == ["A", "B"]
        assert [one["isMain"] for one in after["companies"]] == [True, False]


async def test_cap_083_the_main_one_goes_while_another_is_promoted(graph: Graph) -> None:
    """Whoever is faster, removing the main company and promoting another leaves exactly one main company among those that are left."""
    for n in range(8):
        ana = await graph.profile(f"P{n}")
        ids = [await graph.join(ana, name) for name in ("A", "B", "C")]
        removed, promoted = await asyncio.gather(
            graph.data(REMOVE, {"profile": ana, "company": ids[0]}), graph.data(MAIN, {"profile": ana, "company": ids[2]}, graph.colleague)
        )
        after = await graph.data(OF, {"id": ana})

        assert (codes(removed), codes(promoted)) == ([], [])
        assert names(after) == ["C*", "B"]


async def test_a_screen_of_companies_and_insights_is_batched(graph: Graph, monkeypatch: pytest.MonkeyPatch) -> None:
    """Members, traits, interests, consents and segments take as many statements for thirty profiles as for one."""
    crowd = [f"c-{n}" for n in range(30)]
    for n, one in enumerate(crowd):
        await send(
            graph,
            event("group", by=one, groupId=f"acc-{n % 7}", traits={"name": f"Company {n % 7}", "plan": "gold"}),
            event("track", "Interest Triggered", by=one, properties={"topic": "Climbing"}, at=START),
            event("track", "Consent Updated", by=one, properties={"purpose": "marketing", "status": "GRANTED"}),
            event("track", "Audience Entered", by=one, properties={"audience_key": "vip"}),
        )
    profiles = [await user(graph, one) for one in crowd]
    counts = []
    for chosen in (profiles[:1], profiles):
        with statements(monkeypatch) as seen:
            shown = await graph.data(COMPANIES, {"by": [{"id": one} for one in chosen]})
        for one in shown:
            (company,) = one["companies"]
            assert len(company["company"]["members"]["nodes"]) == 3
            assert [trait["key"] for trait in company["company"]["traits"]["nodes"]] == ["name", "plan"]
            assert (len(one["interests"]["nodes"]), len(one["consents"]), len(one["segments"])) == (1, 1, 1)
        counts.append(sorted(seen))

    assert set(counts[0]) == set(counts[1])
    # of one profile the other members of its company are read apart; of thirty they are all among those that were asked for
    assert [len(one) - len(set(one)) for one in counts] == [1, 0]
