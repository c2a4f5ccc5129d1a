"""Companies of a profile: in by id or by name, out, and always exactly one main."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest

from gateway.model.ids import make_id, parse_id, uuid7

from .conftest import Graph, codes

__all__: list[str] = []

pytestmark = pytest.mark.asyncio(loop_scope="module")

SHOWN = "profile { version streamCursor companies { isMain company { id name } } mainCompany { id } } streamCursor userErrors { code message path }"
ADD = f"""mutation ($profile: ID!, $company: ID, $name: String, $main: Boolean! = false) {{
  addProfileToCompany(profileId: $profile, companyId: $company, companyName: $name, makeMain: $main) {{ {SHOWN} }} }}"""
REMOVE = f"mutation ($profile: ID!, $company: ID!) {{ removeProfileFromCompany(profileId: $profile, companyId: $company) {{ {SHOWN} }} }}"
MAIN = f"mutation ($profile: ID!, $company: ID!) {{ setMainCompany(profileId: $profile, companyId: $company) {{ {SHOWN} }} }}"


def names(payload: dict[str, Any]) -> list[str]:
    """Names of a profile's companies, the main one with a star."""
    return [one["company"]["name"] + "*" * one["isMain"] for one in payload["profile"]["companies"]]


async def add(graph: Graph, profile: str, **company: Any) -> dict[str, Any]:
    """The payload of addProfileToCompany."""
    payload: dict[str, Any] = await graph.data(ADD, {"profile": profile, **company})
    return payload


async def test_add_by_name_and_by_id(graph: Graph) -> None:
    """A company is made once per name, however it is written; the first is the main one, later ones only when asked."""
    ana, bob = await graph.profile(), await graph.profile("Bob")
    first = await add(graph, ana, name="Babbage & Co")
    second = await add(graph, ana, name="Analytical Engines")
    third = await add(graph, ana, name="Jacquard Looms", main=True)
    same = await add(graph, bob, name="  babbage  & CO ")
    by_id = await add(graph, bob, company=third["profile"]["mainCompany"]["id"])

    assert names(first) == ["Babbage & Co*"]
    assert names(second) == ["Babbage & Co*", "Analytical Engines"]
    assert names(third) == ["Jacquard Looms*", "Babbage & Co", "Analytical Engines"]
    assert names(same) == ["Babbage & Co*"]
    assert names(by_id) == ["Babbage & Co*", "Jacquard Looms"]
    assert await graph.count("company") == 3
    both = ["companies", "mainCompany"]
    assert [entry[:2] for entry in await graph.log(ana)][1:] == [(2, both), (3, ["companies"]), (4, both)]
    assert [entry[:2] for entry in await graph.log(bob)][1:] == [(2, both), (3, ["companies"])]
    assert [one["profile"]["version"] for one in (first, second, third)] == [2, 3, 4]
    assert all(one["streamCursor"] == one["profile"]["streamCursor"] for one in (first, second, third, same, by_id))


async def test_remove(graph: Graph) -> None:
    """When the main company goes, the one the profile has been in longest takes its place; the last one leaves none."""
    ana = await graph.profile()
    ids = {name: await graph.join(ana, name) for name in ("A", "B", "C")}
    first = await graph.data(REMOVE, {"profile": ana, "company": ids["A"]})
    second = await graph.data(REMOVE, {"profile": ana, "company": ids["C"]})
    third = await graph.data(REMOVE, {"profile": ana, "company": ids["B"]})
    again = await graph.data(REMOVE, {"profile": ana, "company": ids["B"]})

    assert (names(first), names(second), names(third)) == (["B*", "C"], ["B*"], [])
    assert third["profile"]["mainCompany"] is None
    assert codes(again) == [("NOT_FOUND", "companyId")]
    both = ["companies", "mainCompany"]
    assert [entry[:2] for entry in await graph.log(ana)][4:] == [(5, both), (6, ["companies"]), (7, both)]
    assert first["streamCursor"] == first["profile"]["streamCursor"]


async def test_set_main(graph: Graph) -> None:
    """Another of the profile's companies becomes the main one, and the one that was is not any more."""
    ana = await graph.profile()
    await graph.join(ana, "A")
    second = await graph.join(ana, "B")
    payload = await graph.data(MAIN, {"profile": ana, "company": second})

    assert names(payload) == ["B*", "A"]
    assert payload["profile"]["mainCompany"]["id"] == second
    assert payload["streamCursor"] == payload["profile"]["streamCursor"]
    assert (await graph.log(ana))[-1][:2] == (4, ["companies", "mainCompany"])


async def test_changes_of_nothing(graph: Graph) -> None:
    """Adding again, and making the main company main, succeed and write nothing."""
    ana = await graph.profile()
    company = await graph.join(ana, "Babbage & Co")
    before = await graph.contents()
    payloads = [
        await add(graph, ana, name="Babbage & Co"),
        await add(graph, ana, name="BABBAGE & CO", main=True),
        await add(graph, ana, company=company),
        await graph.data(MAIN, {"profile": ana, "company": company}),
    ]

    assert [names(one) for one in payloads] == [["Babbage & Co*"]] * 4
    assert all(one["streamCursor"] == one["profile"]["streamCursor"] for one in payloads)
    assert await graph.contents() == before


async def test_what_is_refused(graph: Graph) -> None:
    """Neither or both of id and name, a name that cannot be stored, profiles and companies that are not there: userErrors, no change."""
    ana, bob = await graph.profile(), await graph.profile("Bob")
    company, other = await graph.join(ana, "Babbage & Co"), await graph.join(bob, "Other")
    nobody, nothing = make_id("prf", uuid7()), make_id("com", uuid7())
    before = await graph.contents()
    refused: list[tuple[str, dict[str, Any], str, str]] = [
        (ADD, {"profile": ana}, "REQUIRED", "companyId"),
        (ADD, {"profile": ana, "name": "  "}, "REQUIRED", "companyId"),
        (ADD, {"profile": ana, "company": company, "name": "Both"}, "REQUIRED", "companyId"),
        (ADD, {"profile": ana, "name": "x" * 201}, "INVALID", "companyName"),
        (ADD, {"profile": ana, "name": "a\x00b"}, "INVALID", "companyName"),
        (ADD, {"profile": nobody, "name": "New"}, "NOT_FOUND", "profileId"),
        (ADD, {"profile": ana, "company": nothing}, "NOT_FOUND", "companyId"),
        (REMOVE, {"profile": nobody, "company": company}, "NOT_FOUND", "profileId"),
        (REMOVE, {"profile": ana, "company": nothing}, "NOT_FOUND", "companyId"),
        (REMOVE, {"profile": ana, "company": other}, "NOT_FOUND", "companyId"),
        (MAIN, {"profile": nobody, "company": company}, "NOT_FOUND", "profileId"),
        (MAIN, {"profile": ana, "company": nothing}, "NOT_FOUND", "companyId"),
        (MAIN, {"profile": ana, "company": other}, "NOT_FOUND", "companyId"),
    ]
    for query, variables, code, path in refused:
        payload = await graph.data(query, variables)
        assert (variables, codes(payload)) == (variables, [(code, path)])
        assert (payload["profile"], payload["streamCursor"]) == (None, None)

    assert await graph.contents() == before


async def test_scopes(graph: Graph) -> None:
    """All three need the right to change profiles."""
    ana = await graph.profile()
    company = await graph.join(ana, "Babbage & Co")
    for query, variables in ((ADD, {"name": "New"}), (REMOVE, {"company": company}), (MAIN, {"company": company})):
        error = await graph.error(query, {"profile": ana, **variables}, graph.partner)
        assert error["extensions"] == {"code": "FORBIDDEN", "scope": "profile:write"}


@pytest.mark.parametrize("seed", [1, 2])
async def test_a_random_walk_keeps_exactly_one_main(graph: Graph, seed: int) -> None:
    """Whatever is added, removed and promoted in whatever order, a profile with companies has exactly one main one; every change is one
    log entry, every no-change and refusal none.
    """
    chance = random.Random(seed)
    ana = await graph.profile()
    pool = [await graph.join(await graph.profile(f"P{n}"), f"Company {n}") for n in range(4)]
    inside: set[str] = set()
    main: str | None = None
    logged = 1
    for _ in range(30):
        company = chance.choice(pool)
        act = chance.choice(["add", "add main", "remove", "main"])
        if act.startswith("add"):
            payload = await add(graph, ana, company=company, main=act == "add main")
            changed = company not in inside or (act == "add main" and main != company)
            main = company if act == "add main" or not inside else main
            inside.add(company)
        else:
            payload = await graph.data(REMOVE if act == "remove" else MAIN, {"profile": ana, "company": company})
            assert (codes(payload) == []) is (company in inside)
            changed = company in inside and not (act == "main" and main == company)
            if act == "main" and company in inside:
                main = company
            inside -= {company} if act == "remove" else set()
        shown = await graph.data(
            "query ($id: ID!) { profile(by: {id: $id}) { companies { isMain company { id } } mainCompany { id } } }", {"id": ana}
        )
        mains = [one["company"]["id"] for one in shown["companies"] if one["isMain"]]
        if main not in inside:
            main = mains[0] if inside else None  # the oldest other: see test_remove
        logged += changed
        assert {one["company"]["id"] for one in shown["companies"]} == inside
        assert mains == ([main] if inside else [])
        assert shown["mainCompany"] == ({"id": main} if inside else None)
        assert len(await graph.log(ana)) == logged


async def test_a_crowd_keeps_exactly_one_main(graph: Graph) -> None:
    """Many agents who add, promote and remove at the same moment leave exactly one main company, and every success is one log entry."""
    ana = await graph.profile()
    pool = [await graph.join(ana, f"Company {n}") for n in range(3)]
    chance = random.Random(7)
    calls = [graph.run(query, {"profile": ana, "company": chance.choice(pool)}) for query in chance.choices((ADD, REMOVE, MAIN), k=24)]
    answers = await asyncio.gather(*calls)
    rows = await graph.runtime.database.fetch("SELECT is_main FROM membership WHERE profile_id = $1", parse_id(ana, "prf")[0])
    log = await graph.log(ana)
    codes_ = [error["extensions"]["code"] for answer in answers for error in answer.get("errors", ())]

    assert sum(row["is_main"] for row in rows) == (1 if rows else 0)
    assert set(codes_) <= {"OVERLOADED"}
    assert [entry[0] for entry in log] == list(range(1, len(log) + 1))
    cursors = {
        payload["streamCursor"]
        for answer in answers
        for payload in (answer.get("data") or {}).values()
        if payload and payload["streamCursor"]
    }
    assert len(log) - 4 <= len(cursors) <= len(log) - 3
