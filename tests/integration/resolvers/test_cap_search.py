"""Search by any configured key, narrow down, and find by names; what a registry adds is searchable by itself."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from gateway.model.ids import parse_id

from .conftest import CREATE, Graph, codes
from .search_scene import REGISTRY, SEARCH, found, search

__all__: list[str] = []

pytestmark = pytest.mark.asyncio(loop_scope="module")

CONFIG = REGISTRY

PHONE = "+442079460958"
UPDATE = "mutation ($input: UpdateProfileInput!) { updateProfile(input: $input) { profile { id } userErrors { code path } } }"


def voice(number: str = PHONE) -> dict[str, str]:
    """A contact point."""
    return {"channel": "VOICE", "value": number}


async def update(graph: Graph, profile: str, **changes: Any) -> None:
    """Change a profile."""
    payload = await graph.data(UPDATE, {"input": {"id": profile, **changes}})
    assert payload["userErrors"] == [], payload


async def test_cap_034_every_key_of_the_drop_down_finds(graph: Graph) -> None:
    """Whatever searchKeys offers, a search by it finds who has the value."""
    ana = await graph.profile(
        "Ana",
        lastName="Lopez",
        contactPoints=[voice(), {"channel": "EMAIL", "value": "ana@example.com"}],
        identifiers=[{"type": "account_id", "value": "A-1"}, {"type": "user_id", "value": "u-1"}, {"type": "ssn", "value": "078-05-1120"}],
        attributes={"tier": "Gold", "badge": "B 7", "passphrase": "open sesame", "children": 2},
    )
    await graph.profile("Bob", attributes={"tier": "Silver", "children": 3})
    values = {"phone": PHONE, "name": "lopez", "email": "ANA@example.com", "account_id": "A-1", "user_id": "u-1", "ssn": "078-05-1120"}
    values |= {"tier": "gold", "badge": "b  7", "passphrase": "Open Sesame", "children": "2.0", "profile_id": ana}
    offered = [key["key"] for key in await graph.data("{ searchKeys { key } }")]

    assert sorted(offered) == sorted(values)
    for key in offered:
        assert await found(graph, (key, [values[key]])) == ["Ana Lopez"], key


async def test_cap_035_built_in_and_configured_keys(graph: Graph) -> None:
    """Phone, name and e-mail first, then the registry in its order, the profile's id last; names alone match by their beginnings."""
    offered = await graph.data("{ searchKeys { key displayName type sensitivity exactOnly priority } }")

    assert [key["key"] for key in offered] == [
        *("phone", "name", "email", "account_id", "user_id", "ssn", "tier", "badge", "passphrase", "children", "profile_id"),
    ]
    assert [key["priority"] for key in offered] == list(range(1, 12))
    assert [key["key"] for key in offered if not key["exactOnly"]] == ["name"]
    by_key = {key["key"]: key for key in offered}
    assert by_key["tier"] == {
        "key": "tier",
        "displayName": "Loyalty tier",
        "type": "SELECT",
        "sensitivity": "PUBLIC",
        "exactOnly": True,
        "priority": 7,
    }


async def test_cap_035_attributes_are_found_as_they_are_now(graph: Graph) -> None:
    """A changed value is found by the new one only, a cleared one by none; the same attribute of others is not touched."""
    ana, bob = [await graph.profile(name, attributes={"badge": "B-1", "tier": "Gold"}) for name in ("Ana", "Bob")]
    await update(graph, ana, attributes={"badge": "B-2"})

    assert await found(graph, ("badge", ["b-1"])) == ["Bob"]
    assert await found(graph, ("badge", ["B-2", "nobody"])) == ["Ana"]
    assert await found(graph, ("tier", ["GOLD"])) == ["Ana", "Bob"]

    await update(graph, ana, attributes={"badge": None})
    await update(graph, bob, attributes={"badge": None, "tier": None})

    assert await found(graph, ("badge", ["b-1", "b-2"])) == []
    assert await found(graph, ("tier", ["Gold"])) == ["Ana"]


async def test_cap_035_a_merge_takes_attributes_along(graph: Graph) -> None:
    """The survivor is found by what the merged profile had, and an undoing gives it back; an erased profile is found by nothing."""
    ana, bob = await graph.profile("Ana", attributes={"badge": "B-1"}), await graph.profile("Bob", attributes={"tier": "Gold"})
    merge = "mutation ($input: MergeProfilesInput!) { mergeProfiles(input: $input) { merge { id } userErrors { code } } }"
    unmerge = "mutation ($id: ID!) { unmergeProfiles(mergeId: $id) { userErrors { code } } }"
    merged = await graph.data(merge, {"input": {"survivorId": ana, "mergeIds": [bob]}}, graph.supervisor)

    assert await found(graph, ("tier", ["gold"])) == ["Ana"]
    assert await found(graph, ("name", ["bob"])) == []

    assert (await graph.data(unmerge, {"id": merged["merge"]["id"]}, graph.supervisor))["userErrors"] == []

    assert await found(graph, ("tier", ["gold"])) == ["Bob"]
    assert await found(graph, ("name", ["bob"])) == ["Bob"]


async def test_cap_017_more_keys_narrow_down(graph: Graph) -> None:
    """AND leaves who matches every key, however common a name is; OR finds who matches any; scores are the mean."""
    crowd = [await graph.profile("John", lastName=f"Smith {n}") for n in range(3)]
    john = await graph.profile("John", lastName="Smith", contactPoints=[voice()], attributes={"tier": "Gold"})
    await graph.profile("Mary", lastName="Jones", contactPoints=[voice()])

    both = await search(graph, ("name", ["smith"]), ("phone", [PHONE]))
    assert [node["id"] for node in both["nodes"]] == [john]
    assert both["edges"][0]["score"] == pytest.approx(0.95)
    assert both["edges"][0]["matchedOn"] == [{"key": "name", "displayValue": "smith"}, {"key": "phone", "displayValue": PHONE}]
    assert await found(graph, ("phone", [PHONE]), ("tier", ["gold"]), ("name", ["jon smith"])) == ["John Smith"]
    assert await found(graph, ("phone", [PHONE]), ("tier", ["silver"])) == []
    either = await search(graph, ("phone", [PHONE]), ("name", ["smith", "jones"]), operator="OR")
    assert {node["id"] for node in either["nodes"]} >= {john, *crowd}
    assert [edge["node"]["displayName"] for edge in either["edges"]][:2] == ["John Smith", "Mary Jones"]


async def test_a_value_of_thousands_narrows_too(graph: Graph) -> None:
    """A value that more profiles have than a look-up tells still counts when another key narrows it down."""
    john = await graph.profile("John", contactPoints=[voice()], attributes={"tier": "Gold"})
    await graph.runtime.database.execute(
        "INSERT INTO lookup (workspace_id, key, value, profile_id, exclusive)"
        " SELECT $1, 'attribute:tier', 'gold', md5(n::text)::uuid, false FROM generate_series(1, 6000) AS n",
        graph.agent.workspace_id,
    )
    # ids of the crowd that sort before and after John's
    assert await found(graph, ("tier", ["Gold"]), ("phone", [PHONE])) == ["John"]
    assert [node["id"] for node in (await search(graph, ("phone", [PHONE]), ("tier", ["Gold"])))["nodes"]] == [john]


async def test_cap_042_searching_needs_no_contact(graph: Graph) -> None:
    """An agent without any contact searches all the same."""
    await graph.profile("Ana", lastName="Lopez")

    assert await graph.data("{ viewer { contacts { id } } }") == {"contacts": []}
    assert await found(graph, text="lop") == ["Ana Lopez"]


async def test_cap_044_a_bot_looks_a_customer_up(graph: Graph) -> None:
    """A partner's key with the right to search reads the same answers, masked where it may not see personal data."""
    await graph.profile("Ana", contactPoints=[voice()], attributes={"tier": "Gold", "badge": "B-1-234-567"})
    bot = graph.widened(graph.partner, "profile:search")
    answer = await search(graph, ("phone", [PHONE]), ("badge", ["B-1-234-567"]), ("tier", ["Gold"]), principal=bot)

    assert [match["displayValue"] for match in answer["edges"][0]["matchedOn"]] == ["+44•••••958", "•••••567", "gold"]


async def test_cap_045_a_routing_engine_reads_context_in_one_question(graph: Graph) -> None:
    """A profile by an identifier with its traits is answered to a partner, who sees no contact values."""
    await graph.profile("Ana", identifiers=[{"type": "account_id", "value": "A-1"}], attributes={"tier": "Gold"})
    query = """{ profile(by: {identifier: {type: "account_id", value: "A-1"}}) { lifecycle traits(filter: {keys: ["tier"]}) { nodes { value } } } }"""

    assert await graph.data(query, None, graph.partner) == {"lifecycle": "PROSPECT", "traits": {"nodes": [{"value": "Gold"}]}}


async def test_cap_037_040_every_verb_has_a_right_of_its_own(graph: Graph) -> None:
    """Searching, creating and changing need one scope each, and none of them lends another."""
    profile = await graph.profile("Ana")
    asked = {
        "profile:search": (SEARCH, {"text": "ana"}),
        "profile:create": (CREATE, {"input": {"firstName": "Bob"}}),
        "profile:write": (UPDATE, {"input": {"id": profile, "firstName": "Anna"}}),
    }
    before = await graph.contents()
    for scope, (query, variables) in asked.items():
        others = graph.narrowed(graph.agent, *(graph.agent.scopes - {scope}))
        assert (await graph.error(query, variables, others))["extensions"] == {"code": "FORBIDDEN", "scope": scope}
    assert await graph.contents() == before
    for scope, (query, variables) in asked.items():
        assert "errors" not in await graph.run(query, variables, graph.narrowed(graph.agent, scope, "profile:read"))


async def test_cap_038_a_first_name_is_enough(graph: Graph) -> None:
    """Nothing but the first name is required, and it must be one."""
    made = await graph.data(CREATE, {"input": {"firstName": "Ana"}})
    refused = [codes(await graph.data(CREATE, {"input": {"firstName": name}})) for name in ("", "  ")]

    assert made["userErrors"] == []
    assert refused == [[("REQUIRED", "input.firstName")]] * 2
    assert await found(graph, text="ana") == ["Ana"]


async def test_cap_039_creating_twice_with_one_key_creates_once(graph: Graph) -> None:
    """A double click gives one profile and one answer; the same key with another person is refused, also where a SENSITIVE value differs."""

    def person(ssn: str, **more: Any) -> dict[str, Any]:
        identifiers = [{"type": "ssn", "value": ssn}]
        return {"input": {"firstName": "Ana", "identifiers": identifiers, "idempotencyKey": "form-1", **more}}

    answers = await asyncio.gather(*(graph.data(CREATE, person("078-05-1120")) for _ in range(5)))
    other = await graph.run(CREATE, person("078-05-1121"))

    assert len({answer["profile"]["id"] for answer in answers}) == 1
    assert other["errors"][0]["extensions"]["code"] == "IDEMPOTENCY_KEY_REUSED"
    assert await graph.count("profile") == 1


async def test_cap_035_names_as_in_a_telephone_book(graph: Graph) -> None:
    """Whole words before beginnings, then by the rest of the name; every word asked for is there; a renamed profile is found anew."""
    people = [("Ana", "Smithers"), ("Zoe", "Smith"), ("Adam", "Smith"), ("Smith", "Olson"), ("Bo", "Asmith")]
    ids = {f"{first} {last}": await graph.profile(first, lastName=last) for first, last in people}

    assert await found(graph, ("name", ["SMITH"])) == ["Adam Smith", "Smith Olson", "Zoe Smith", "Ana Smithers"]
    assert await found(graph, ("name", ["smi zo"])) == ["Zoe Smith"]
    scores = {edge["node"]["displayName"]: edge["score"] for edge in (await search(graph, ("name", ["smith"])))["edges"]}
    assert (scores["Zoe Smith"], scores["Ana Smithers"]) == (pytest.approx(0.9), pytest.approx(0.75))

    await update(graph, ids["Zoe Smith"], lastName="Taylor")

    assert await found(graph, ("name", ["zoe"])) == ["Zoe Taylor"]
    assert await found(graph, ("name", ["taylor"])) == ["Zoe Taylor"]
    assert "Zoe Taylor" not in await found(graph, ("name", ["smith"]))


@pytest.mark.parametrize("wrong", ["lopze", "Lopaz", "loppez", "lpez", "ana lopze", "Lopez Anna"])
async def test_cap_037_slips_of_the_pen_are_forgiven(graph: Graph, wrong: str) -> None:
    """Where nothing begins like what was typed, names spelt alike are offered, below any real match."""
    await graph.profile("Ana", lastName="Lopez")
    await graph.profile("Ana", lastName="Schmidt")
    for given in ({"text": wrong}, {"keys": [{"key": "name", "values": [wrong]}]}):
        answer = await graph.data(SEARCH, given)
        assert [edge["node"]["displayName"] for edge in answer["edges"]] == ["Ana Lopez"]
        assert 0 < answer["edges"][0]["score"] < 0.5


async def test_what_is_spelt_right_hides_what_is_spelt_alike(graph: Graph) -> None:
    """With one real match nothing similar is mixed in."""
    for last in ("Meyer", "Meier", "Mayer"):
        await graph.profile("Max", lastName=last)

    assert await found(graph, ("name", ["meier"])) == ["Max Meier"]
    assert sorted(await found(graph, ("name", ["meijer"]))) == ["Max Meier", "Max Meyer"] or await found(graph, ("name", ["meijer"])) == [
        "Max Meier"
    ]


@pytest.mark.parametrize(
    "given",
    [
        {"text": "Smith"},
        {"text": "Smiht"},
        {"keys": [{"key": "name", "values": ["jo smi"]}]},
        {"keys": [{"key": "name", "values": ["smith", "nobody"]}]},
        {"keys": [{"key": "tier", "values": ["Gold"]}]},
        {"keys": [{"key": "tier", "values": ["Gold"]}, {"key": "name", "values": ["smith"]}], "operator": "OR"},
    ],
    ids=["text", "similar", "words", "values", "attribute", "or"],
)
async def test_pages_show_everybody_once_and_only_a_whole_list_is_counted(graph: Graph, given: dict[str, Any]) -> None:
    """Pages of any size visit each profile once, though profiles come and go in between; a count is given when one page has all."""
    made = [await graph.profile("John", lastName=f"Smith Smithson {n}", attributes={"tier": "Gold"}) for n in range(7)]
    whole = await graph.data(SEARCH, {**given, "first": 100})
    seen: list[str] = []
    after = None
    while True:
        page = await graph.data(SEARCH, {**given, "first": 2, "after": after})
        seen += [node["id"] for node in page["nodes"]]
        assert (page["totalCount"], page["totalCountIsExact"]) == (None, False)
        if not page["pageInfo"]["hasNextPage"]:
            break
        after = page["pageInfo"]["endCursor"]
        await graph.profile("Aaron", lastName="Aardvark")

    assert sorted(seen) == sorted(made)
    assert [node["id"] for node in whole["nodes"]] == seen
    assert (whole["totalCount"], whole["totalCountIsExact"]) == (7, True)


async def test_names_leave_with_their_profiles(graph: Graph) -> None:
    """What is deleted or no longer living leaves neither its name nor words nobody else has; another workspace's names are not found."""
    ana = await graph.profile("Ana", lastName="Xylander")
    await graph.profile("Ana", principal=graph.stranger)
    database, workspace = graph.runtime.database, graph.agent.workspace_id

    async def kept(table: str, column: str) -> list[str]:
        return [row[0] for row in await database.fetch(f"SELECT {column} FROM {table} WHERE workspace_id = $1 ORDER BY 1", workspace)]

    assert await kept("name_entry", "entry") == ["ana xylander", "xylander ana"]
    assert await kept("name_word", "word") == ["ana", "xylander"]
    await graph.profile("Ana")
    await database.execute("UPDATE profile SET status = 'ERASED' WHERE id = $1", parse_id(ana, "prf")[0])
    assert await found(graph, ("name", ["xylander"])) == []
    assert await kept("name_entry", "entry") == ["ana"]
    assert await kept("name_word", "word") == ["ana"]
    await database.execute("DELETE FROM profile WHERE workspace_id = $1", workspace)
    assert await kept("name_entry", "entry") == await kept("name_word", "word") == []


@pytest.mark.parametrize(
    ("given", "argument"),
    [
        ({"keys": [{"key": "children", "values": ["many"]}]}, "keys.0"),
        ({"keys": [{"key": "badge", "values": [" "]}]}, "keys.0"),
        ({"keys": [{"key": "badge", "values": ["x" * 257]}]}, "keys.0"),
        ({"keys": [{"key": "ssn", "values": ["null"]}]}, "keys.0"),
        ({"keys": [{"key": "ssn", "values": ["1" * 300]}]}, "keys.0"),
        ({"keys": [{"key": "chat", "values": ["x"]}]}, "keys.0"),
        ({"keys": [{"key": "phone", "values": ["+442079460958"]}, {"key": "name", "values": ["a\u0000"]}]}, "keys.1.values"),
        ({"text": "a" * 201}, "text"),
    ],
)
async def test_what_no_search_can_be(graph: Graph, given: dict[str, Any], argument: str) -> None:
    """A value that cannot be one of its key is refused at its place, and not repeated."""
    error = await graph.error(SEARCH, given)

    assert error["extensions"]["code"] == "BAD_USER_INPUT"
    assert error["extensions"]["argument"] == argument
    assert "x" * 20 not in error["message"]
    assert "1111" not in error["message"]


async def test_cursors_belong_to_their_search_and_workspace(graph: Graph) -> None:
    """A changed cursor, and one of another workspace, is refused."""
    for n in range(3):
        await graph.profile(f"Ana {n}")
    cursor = (await graph.data(SEARCH, {"text": "ana", "first": 1}))["pageInfo"]["endCursor"]

    forged = cursor[:9] + ("A" if cursor[9] != "A" else "B") + cursor[10:]
    for principal, given in ((graph.stranger, cursor), (graph.agent, forged), (graph.agent, "x")):
        assert (await graph.error(SEARCH, {"text": "ana", "after": given}, principal))["extensions"]["code"] == "CURSOR_INVALID"
