"""People whom only a source knows: shown from a blank workspace, made once, in the source's name, and never when they were erased."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from gateway.commands.unit import Receipt, Unit
from gateway.sources.contract import LookupKey
from gateway.sources.memory import Faults

from .conftest import Graph, codes

__all__: list[str] = []

pytestmark = pytest.mark.asyncio(loop_scope="module")

CONFIG = """
[attributes.define.tax_no]
name = "Tax number"
identifier = true
sensitivity = "SENSITIVE"
"""

SOURCES_FILE = """
[sources.crm]
name = "Our CRM"
adapter = "memory"
kinds = ["IDENTITY", "PROFILE", "TRAITS"]
keyed_by = "crm_id"
unknown = "create"

[sources.crm.memory.people.42]
profile = { first_name = "Ida", last_name = "Elsewhere" }
traits = { tier = "gold" }
find = { email = ["ida@example.com", "shared@example.com"], phone = ["+14155550142"], tax_no = ["DE1"] }
[sources.crm.memory.people.43]
profile = { first_name = "Jon" }
find = { email = ["shared@example.com"] }
[sources.crm.memory.people.0]
find = { email = ["zero@example.com"] }

[sources.erp]
adapter = "memory"
kinds = ["IDENTITY", "TRAITS"]
keyed_by = "erp_no"
[sources.erp.memory.people.E1]
traits = { risk = 1 }
find = { email = ["only@example.com", "known@example.com"], phone = ["+14155550188"] }

[sources.shop]
adapter = "memory"
kinds = ["IDENTITY"]
keyed_by = "email"
unknown = "create"
[sources.shop.memory.people."Mia@Example.com"]
find = { shop_no = ["7"] }
"""

WHO = """query ($by: ProfileRef!) { profile(by: $by) {
  id firstName lastName traits { nodes { key value } } identifiers { type value } contactPoints { value } } }"""
SEARCH = """query ($keys: [SearchKeyInput!]) { searchProfiles(keys: $keys) { nodes { id firstName } } }"""
OPEN = """mutation ($input: OpenContactInput!) { openContact(input: $input) {
  contact { match profile { id firstName } candidates { profile { id } matchedOn { key } } } userErrors { code path } } }"""
BY_KEY = {"identifier": {"type": "crm_id", "value": "42"}}


@pytest.fixture(name="crm")
def _crm(graph: Graph) -> Iterator[Any]:
    """The CRM itself, without faults."""
    (found,) = (one for one in graph.runtime.federated if one.definition.key == "crm")
    found.remote.faults = Faults()
    yield found
    found.remote.faults = Faults()


async def rows(graph: Graph, sql: str) -> list[tuple[Any, ...]]:
    """Rows about the first workspace."""
    return [tuple(row) for row in await graph.runtime.database.fetch(sql, graph.agent.workspace_id)]


async def test_cap_127_the_crms_person_shows_from_a_blank_workspace(graph: Graph, crm: Any) -> None:
    """Asked for by the CRM's own key, a person whom nobody here knows is there, with what the CRM says, and is made in its name."""
    found = await graph.data(WHO, {"by": BY_KEY})

    assert (found["firstName"], found["lastName"]) == ("Ida", "Elsewhere")
    assert found["traits"]["nodes"] == [{"key": "tier", "value": "gold"}]
    assert [one["type"] for one in found["identifiers"]] == ["crm_id"]
    assert await rows(graph, "SELECT first_name, lifecycle FROM profile WHERE workspace_id = $1") == [(None, "PROSPECT")]
    assert await rows(graph, "SELECT type, raw, source FROM identifier WHERE workspace_id = $1") == [("crm_id", "42", "crm")]
    assert await rows(graph, "SELECT action, actor_id, actor_kind FROM change WHERE workspace_id = $1") == [("CREATED", "crm", "SOURCE")]
    assert [(fields, actor) for _, fields, actor in await graph.log(found["id"])] == [(["lifecycle", "identifiers"], "crm")]
    assert (await graph.data(WHO, {"by": BY_KEY}))["id"] == found["id"]
    assert await graph.data(WHO, {"by": {"identifier": {"type": "crm_id", "value": "none such"}}}) is None
    assert await graph.count("profile") == 1


@pytest.mark.parametrize("by", [{"email": "Ida@example.com"}, {"phone": "+1 415 555 0142"}])
async def test_a_value_that_only_the_source_has_finds_its_person(graph: Graph, crm: Any, by: dict[str, str]) -> None:
    """By e-mail or phone: the profile has the source's key, and the value stays where it is."""
    found = await graph.data(WHO, {"by": by})

    assert (found["firstName"], found["contactPoints"]) == ("Ida", [])
    assert (await graph.data(WHO, {"by": by}))["id"] == found["id"]


async def test_searching_by_keys_brings_them_in_too(graph: Graph, crm: Any) -> None:
    """Two people with one e-mail are two results, and a reference by it is ambiguous; several keys of one person make one."""
    found = await graph.data(SEARCH, {"keys": [{"key": "email", "values": ["shared@example.com", "ida@example.com"]}]})
    error = await graph.error(WHO, {"by": {"email": "shared@example.com"}})

    assert sorted(one["firstName"] for one in found["nodes"]) == ["Ida", "Jon"]
    assert error["extensions"]["code"] == "AMBIGUOUS_REFERENCE"
    assert await graph.count("profile") == 2


async def test_however_many_ask_there_is_one(graph: Graph, crm: Any) -> None:
    """Twenty at a time, by different values of the same person: one profile, one entry in the audit."""
    by = [BY_KEY, {"email": "ida@example.com"}, {"phone": "+14155550142"}, {"email": "ida@example.com"}] * 5
    found = await asyncio.gather(*(graph.data(WHO, {"by": one}) for one in by))

    assert len({one["id"] for one in found}) == 1
    assert [await graph.count(table) for table in ("profile", "identifier", "change", "lookup")] == [1, 1, 1, 1]


async def test_a_source_keyed_by_e_mail_gives_a_contact_point(graph: Graph, crm: Any) -> None:
    """Its key is how the person is reached, normalized like any other; asked twice at once there is one profile."""
    by = {"identifier": {"type": "shop_no", "value": "7"}}
    found = await asyncio.gather(*(graph.data(WHO, {"by": by}) for _ in range(4)))

    assert {(one["id"], one["contactPoints"][0]["value"].lower()) for one in found} == {(found[0]["id"], "mia@example.com")}
    assert (await graph.data(WHO, {"by": {"email": "mia@example.com"}}))["id"] == found[0]["id"]
    assert await graph.count("profile") == 1


async def test_nobody_is_made_where_the_operator_did_not_say_so(graph: Graph, crm: Any) -> None:
    """`unknown` is `ignore` by default; another workspace has its own people; a key that identifies nobody makes nobody."""
    assert await graph.data(WHO, {"by": {"email": "only@example.com"}}) is None
    assert await graph.data(WHO, {"by": {"email": "zero@example.com"}}) is None
    kept, crm.definition = crm.definition, replace(crm.definition, workspaces=frozenset({graph.stranger.workspace_key}))
    try:
        assert await graph.data(WHO, {"by": BY_KEY}) is None
    finally:
        crm.definition = kept
    assert await graph.data(WHO, {"by": {"identifier": {"type": "tax_no", "value": "DE1"}}}) is None
    nobody = graph.narrowed(graph.agent, "contact:read")
    await graph.run(WHO, {"by": BY_KEY}, nobody)

    assert await graph.count("profile") == 0


async def test_who_is_known_here_is_not_made_again(graph: Graph, crm: Any) -> None:
    """A value that somebody here has brings nobody in: whether they are the same person is for a person to say."""
    profile = await graph.profile(contactPoints=[{"channel": "EMAIL", "value": "ida@example.com"}])

    assert (await graph.data(WHO, {"by": {"email": "ida@example.com"}}))["id"] == profile
    assert await graph.count("profile") == 1


async def test_an_erased_person_is_not_brought_back(graph: Graph, crm: Any) -> None:
    """Neither by the key nor by any value that was erased, though the source still knows them."""
    tombstones = graph.runtime.services.commands.privacy.tombstones

    async def lay(unit: Unit) -> Receipt:
        await tombstones.lay(unit, [LookupKey("crm_id", "42"), LookupKey("email", "shared@example.com")])
        return Receipt()

    await graph.runtime.writer.run(graph.admin, lay)
    for by in (BY_KEY, {"email": "ida@example.com"}, {"email": "shared@example.com"}):
        assert await graph.data(WHO, {"by": by}) is None

    assert await graph.count("profile") == 0
    assert (await graph.data(WHO, {"by": {"identifier": {"type": "crm_id", "value": "43"}}}))["firstName"] == "Jon"


async def test_a_source_that_is_away_brings_nobody_in(graph: Graph, crm: Any) -> None:
    """Whoever looks finds nobody, as without it, and is told that the source did not answer; no profile is made."""
    crm.remote.faults = Faults(error_rate=1)
    answer = await graph.run(WHO, {"by": {"email": "ida@example.com"}})
    crm.guard.__init__(crm.definition.key, crm.definition.policy)  # a circuit that has not been opened

    assert answer["data"]["profile"] is None
    assert "crm" in {one["extensions"].get("source") for one in answer["errors"]}
    assert await graph.count("profile") == 0


async def test_a_contact_from_a_person_whom_only_the_source_knows(graph: Graph, crm: Any) -> None:
    """The caller's number finds the CRM's person: the contact is associated, and the screen shows who it is."""
    call = {"channel": "VOICE", "address": "+14155550142", "externalId": "c-1", "agentId": "ann", "direction": "INBOUND"}
    payload = await graph.data(OPEN, {"input": call})

    assert codes(payload) == []
    contact = payload["contact"]
    assert (contact["match"], contact["profile"]["firstName"]) == ("ONE", "Ida")
    assert contact["candidates"][0]["matchedOn"] == [{"key": "phone"}]
    again = await graph.data(OPEN, {"input": {**call, "externalId": "c-2"}})
    assert again["contact"]["profile"]["id"] == contact["profile"]["id"]
    assert await graph.count("profile") == 1


async def test_a_contact_is_matched_by_what_a_source_says_of_people_here(graph: Graph, crm: Any) -> None:
    """A source that creates nobody still says whose number it is; one that knows nobody leaves the match at NONE."""
    profile = await graph.profile(identifiers=[{"type": "erp_no", "value": "E1"}])
    call = {"channel": "VOICE", "address": "+14155550188", "externalId": "d-1", "agentId": "ann", "direction": "INBOUND"}
    known = await graph.data(OPEN, {"input": call})
    nobody = await graph.data(OPEN, {"input": {**call, "address": "+14155550199", "externalId": "d-2"}})

    assert (known["contact"]["match"], known["contact"]["profile"]["id"]) == ("ONE", profile)
    assert (nobody["contact"]["match"], nobody["contact"]["profile"]) == ("NONE", None)
