"""Searching for profiles: keys alone and combined, free text, pages, and what a partner sees of the values that matched."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.model.ids import make_id, uuid7

from .conftest import Graph

__all__: list[str] = []

pytestmark = pytest.mark.asyncio(loop_scope="module")

SEARCH = """query ($keys: [SearchKeyInput!], $operator: BooleanOperator! = AND, $text: String, $first: Int! = 20, $after: String) {
  searchProfiles(keys: $keys, operator: $operator, text: $text, first: $first, after: $after) {
    edges { cursor score matchedOn { key displayValue } node { id displayName } }
    nodes { id } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } sources { state source { key } } } }"""


async def names(graph: Graph, *keys: tuple[str, list[str]], principal: Any = None, **more: Any) -> list[str]:
    """Display names of what a search by keys found, sorted."""
    variables = {"keys": [{"key": key, "values": values} for key, values in keys], **more}
    found = await graph.data(SEARCH, variables, principal)
    return sorted(edge["node"]["displayName"] for edge in found["edges"])


async def people(graph: Graph) -> dict[str, str]:
    """Three people, two of whom share a phone and one a name with another; name → id."""

    def phone(number: str) -> dict[str, str]:
        return {"channel": "VOICE", "value": number}

    def email(address: str) -> dict[str, str]:
        return {"channel": "EMAIL", "value": address}

    return {
        "Ana": await graph.profile(
            "Ana",
            lastName="Lovelace",
            contactPoints=[phone("+442079460958"), email("ana@example.com")],
            identifiers=[{"type": "account_id", "value": "A-100"}, {"type": "user_id", "value": "u-1"}],
        ),
        "Bob": await graph.profile("Bob", lastName="Lovelace", contactPoints=[phone("+442079460958")]),
        "Cai": await graph.profile("Cai", lastName="O'Neil_%", identifiers=[{"type": "loyalty_card", "value": "77"}]),
    }


async def test_each_key(graph: Graph) -> None:
    """Every key that is offered finds by its values, and so does an identifier type that is not; values of one key are alternatives."""
    ids = await people(graph)

    assert await names(graph, ("phone", ["+44 20 7946 0958"])) == ["Ana Lovelace", "Bob Lovelace"]
    assert await names(graph, ("email", ["ANA@example.com"])) == ["Ana Lovelace"]
    assert await names(graph, ("name", ["lovel"])) == ["Ana Lovelace", "Bob Lovelace"]
    assert await names(graph, ("name", ["love AN"])) == ["Ana Lovelace"]
    assert await names(graph, ("name", ["velace"])) == []
    assert await names(graph, ("account_id", ["A-100", "A-200"])) == ["Ana Lovelace"]
    assert await names(graph, ("user_id", ["u-1"])) == ["Ana Lovelace"]
    assert await names(graph, ("profile_id", [ids["Bob"], ids["Cai"]])) == ["Bob Lovelace", "Cai O'Neil_%"]
    assert await names(graph, ("loyaltyCard", ["77"])) == ["Cai O'Neil_%"]
    assert await names(graph, ("loyalty_card", ["78"])) == []

    offered = await graph.data("{ searchKeys { key displayName type sensitivity exactOnly priority } }")
    assert [key["key"] for key in offered] == ["phone", "name", "email", "account_id", "user_id", "profile_id"]
    assert [key["priority"] for key in offered] == sorted(key["priority"] for key in offered)
    assert [key["key"] for key in offered if not key["exactOnly"]] == ["name"]


async def test_wildcards_are_letters(graph: Graph) -> None:
    """Percent signs, underscores and quotes in a name are themselves."""
    await people(graph)

    assert await names(graph, ("name", ["o'neil_%"])) == ["Cai O'Neil_%"]
    for pattern in ("%", "_a_", "o'_eil___", "' OR 1=1 --", "\\"):
        assert await names(graph, ("name", [pattern])) == []


async def test_and_or(graph: Graph) -> None:
    """AND finds who matches every key, OR who matches any; the score is the mean over the keys, a whole name counting 0.9."""
    await people(graph)
    phone, email, name = ("phone", ["+442079460958"]), ("email", ["ana@example.com"]), ("name", ["cai"])

    assert await names(graph, phone, email) == ["Ana Lovelace"]
    assert await names(graph, phone, email, name) == []
    assert await names(graph, email, name, operator="OR") == ["Ana Lovelace", "Cai O'Neil_%"]

    keys = [{"key": key, "values": values} for key, values in (phone, email, name)]
    found = await graph.data(SEARCH, {"keys": keys, "operator": "OR"})
    scores = {edge["node"]["displayName"]: edge["score"] for edge in found["edges"]}
    assert scores == {"Ana Lovelace": pytest.approx(2 / 3), "Bob Lovelace": pytest.approx(1 / 3), "Cai O'Neil_%": pytest.approx(0.9 / 3)}
    matched = {edge["node"]["displayName"]: [match["key"] for match in edge["matchedOn"]] for edge in found["edges"]}
    assert matched == {"Ana Lovelace": ["phone", "email"], "Bob Lovelace": ["phone"], "Cai O'Neil_%": ["name"]}
    assert found["sources"] == [{"state": "OK", "source": {"key": "native"}}]


async def test_free_text(graph: Graph) -> None:
    """Free text is a phone, an e-mail, an account number, a user id or a name, whichever it can be."""
    await people(graph)

    async def found(text: str) -> list[str]:
        answer = await graph.data(SEARCH, {"text": text})
        return sorted(edge["node"]["displayName"] for edge in answer["edges"])

    assert await found("+44 20 7946 0958") == ["Ana Lovelace", "Bob Lovelace"]
    assert await found(" Ana@Example.com ") == ["Ana Lovelace"]
    assert await found("A-100") == ["Ana Lovelace"]
    assert await found("u-1") == ["Ana Lovelace"]
    assert await found("love") == ["Ana Lovelace", "Bob Lovelace"]
    assert await found("77") == []
    assert await found("   ") == []
    assert await found("") == []


@pytest.mark.parametrize(
    "search",
    [
        {"keys": [{"key": "name", "values": ["page"]}]},
        {"text": "page"},
        {"keys": [{"key": "phone", "values": ["+442079460958"]}]},
        {"keys": [{"key": "name", "values": ["page"]}, {"key": "phone", "values": ["+442079460958"]}], "operator": "AND"},
        {"keys": [{"key": "name", "values": ["page"]}, {"key": "phone", "values": ["+442079460958"]}], "operator": "OR"},
    ],
    ids=["name", "text", "phone", "and", "or"],
)
async def test_pages_walk_the_whole_list_once(graph: Graph, search: dict[str, Any]) -> None:
    """Going on behind each page's end visits every profile exactly once, however the search is made."""
    made = {await graph.profile(f"Page {n}", contactPoints=[{"channel": "VOICE", "value": "+442079460958"}]) for n in range(7)}
    seen: list[str] = []
    after = None
    for _ in range(3):
        page = await graph.data(SEARCH, {**search, "first": 3, "after": after})
        seen += [node["id"] for node in page["nodes"]]
        assert page["pageInfo"]["hasPreviousPage"] is (after is not None)
        assert page["pageInfo"]["hasNextPage"] is (len(seen) < len(made))
        assert page["pageInfo"]["startCursor"] == page["edges"][0]["cursor"]
        assert page["pageInfo"]["endCursor"] == page["edges"][-1]["cursor"]
        after = page["pageInfo"]["endCursor"]

    assert seen == sorted(made)
    assert (await graph.data(SEARCH, {**search, "first": 3, "after": after}))["nodes"] == []


async def test_ids_of_nobody_take_no_place_on_a_page(graph: Graph) -> None:
    """Profile ids that nobody has, among those searched for, do not end the pages early."""
    nobody = [make_id("prf", uuid7()) for _ in range(3)]
    made = [await graph.profile(f"P{n}") for n in range(3)]
    search = {"keys": [{"key": "profile_id", "values": [*nobody, *made]}], "first": 2}
    page = await graph.data(SEARCH, search)
    rest = await graph.data(SEARCH, {**search, "after": page["pageInfo"]["endCursor"]})

    assert page["pageInfo"]["hasNextPage"] is True
    assert sorted(node["id"] for node in page["nodes"] + rest["nodes"]) == sorted(made)


async def test_a_partner_sees_masked_matches(graph: Graph) -> None:
    """Who may search and not see contact values gets the matched value masked, and the contact point too."""
    await people(graph)
    partner = graph.widened(graph.partner, "profile:search")
    keys = [{"key": "phone", "values": ["+442079460958"]}, {"key": "email", "values": ["ana@example.com"]}]
    found = await graph.data(SEARCH, {"keys": keys}, partner)
    shown = [match["displayValue"] for match in found["edges"][0]["matchedOn"]]
    query = "query ($keys: [SearchKeyInput!]) { searchProfiles(keys: $keys) { nodes { contactPoints { value mask phone email } } } }"
    points = (await graph.data(query, {"keys": keys}, partner))["nodes"][0]["contactPoints"]

    assert shown == ["+44•••••958", "a•••@e•••.com"]
    assert points == [
        {"value": "+44•••••958", "mask": "MASKED", "phone": None, "email": None},
        {"value": "a•••@e•••.com", "mask": "MASKED", "phone": None, "email": None},
    ]


@pytest.mark.parametrize("missing", ["profile:search", "profile:read"])
async def test_searching_needs_both_scopes(graph: Graph, missing: str) -> None:
    """Without the right to search, or without the right to read what is found, there is nothing to see."""
    principal = graph.narrowed(graph.agent, *(graph.agent.scopes - {missing}))
    error = await graph.error(SEARCH, {"text": "ana"}, principal)

    assert error["extensions"] == {"code": "FORBIDDEN", "scope": missing}


@pytest.mark.parametrize(
    ("search", "argument"),
    [
        ({}, "keys"),
        ({"keys": []}, "keys"),
        ({"keys": [{"key": "name", "values": ["a"]}], "text": "a"}, "keys"),
        ({"keys": [{"key": "name", "values": ["a"]}] * 6}, "keys"),
        ({"keys": [{"key": "name", "values": []}]}, "keys.0.values"),
        ({"keys": [{"key": "name", "values": ["a"] * 21}]}, "keys.0.values"),
        ({"keys": [{"key": "name", "values": ["a"]}, {"key": "name", "values": [" "]}]}, "keys.1.values"),
        ({"keys": [{"key": "name", "values": ["a" * 201]}]}, "keys.0.values"),
        ({"keys": [{"key": "phone", "values": ["nine"]}]}, "keys.0"),
        ({"keys": [{"key": "email", "values": ["nobody"]}]}, "keys.0"),
        ({"keys": [{"key": "account_id", "values": ["null"]}]}, "keys.0"),
        ({"keys": [{"key": "no key!", "values": ["1"]}]}, "keys.0"),
        ({"keys": [{"key": "profile_id", "values": ["1"]}]}, "keys.0.values"),
        ({"text": "a" * 201}, "text"),
        ({"text": "a\x00b"}, "text"),
        ({"text": "a", "first": 0}, "first"),
    ],
)
async def test_searches_that_cannot_be(graph: Graph, search: dict[str, Any], argument: str) -> None:
    """Neither keys nor text, both, more than five keys, or a value that is none of its key: BAD_USER_INPUT that names the argument."""
    error = await graph.error(SEARCH, search)

    assert (error["path"], error["extensions"]) == (["searchProfiles"], {"code": "BAD_USER_INPUT", "argument": argument})


async def test_five_keys_of_twenty_values(graph: Graph) -> None:
    """Five keys of twenty values each are a search like any other."""
    await people(graph)
    values = [f"A-{n}" for n in range(81, 101)]

    assert await names(graph, *[("account_id", values)] * 5) == ["Ana Lovelace"]
