"""The operator's match rules: other keys, contact attributes, SENSITIVE keys, no automatic association."""

from __future__ import annotations

import pytest

from gateway.model.ids import parse_id
from gateway.storage.queries import SQL

from .conftest import Graph
from .contact_view_scene import Calls

__all__: list[str] = []

pytestmark = pytest.mark.asyncio(loop_scope="module")

SSN = "078-05-1120"
CONFIG = """
[autopopulate.keys]
CHAT = ["attribute:account_id", "attribute:ssn", "email", "name"]
WEB = []
[attributes.define.ssn]
name = "Social security number"
identifier = true
sensitivity = "SENSITIVE"
"""


@pytest.fixture(name="calls")
def _calls(graph: Graph) -> Calls:
    return Calls(graph)


async def with_ssn(calls: Calls) -> str:
    """A customer who is found by a social security number, as one is kept: by its hash alone."""
    ana = await calls.caller("Ana")
    runtime, workspace = calls.graph.runtime, calls.graph.agent.workspace_id
    hashed = runtime.services.commands.bound.vault.blind(workspace, "ssn", SSN)
    await runtime.database.fetch(SQL["claim_lookups"], workspace, ["ssn"], [hashed], [parse_id(ana, "prf")[0]], [True])
    return ana


async def test_cap_013_any_contact_attribute_may_match(calls: Calls) -> None:
    """An account number among the contact's attributes finds the person, before the e-mail address is asked."""
    ana = await calls.caller("Ana", identifiers=[{"type": "account_id", "value": "4711"}])
    await calls.caller("Bob", contactPoints=[{"channel": "EMAIL", "value": "bob@example.com"}])
    for value in ("4711", 4711):
        contact = await calls.rings(channel="CHAT", address="bob@example.com", attributes={"account_id": value})

        assert (contact["match"], contact["profile"]["id"]) == ("ONE", ana)
        assert contact["candidates"][0]["matchedOn"] == [{"key": "account_id", "displayValue": "4711"}]


async def test_cap_013_a_weaker_key_is_tried_when_a_stronger_finds_nobody(calls: Calls) -> None:
    """Unknown account number, known e-mail: the e-mail decides; unknown both: the name suggests."""
    bob = await calls.caller("Bob", contactPoints=[{"channel": "EMAIL", "value": "bob@example.com"}])
    mailed = await calls.rings(channel="CHAT", address="bob@example.com", attributes={"account_id": "unknown-1"}, displayName="Zoe")
    named = await calls.rings(channel="CHAT", address="else@example.com", displayName="Bo")

    assert (mailed["profile"]["id"], mailed["candidates"][0]["matchedOn"][0]["key"]) == (bob, "email")
    assert (named["match"], named["association"], named["candidates"][0]["score"]) == ("ONE", None, 0.5)


@pytest.mark.parametrize("value", [None, True, 1.5, ["4711"], {"a": 1}, "", "null", "x" * 300])
async def test_cap_013_an_attribute_that_is_no_key_matches_nobody(calls: Calls, value: object) -> None:
    """What cannot be an account number is passed over without an error."""
    await calls.caller("Ana", identifiers=[{"type": "account_id", "value": "4711"}])
    contact = await calls.rings(channel="CHAT", attributes={"account_id": value})

    assert (contact["match"], contact["candidates"]) == ("NONE", [])


async def test_cap_013_an_attribute_that_comes_later_matches(calls: Calls) -> None:
    """While nobody was found, a new attribute is looked up; once somebody is associated, it is not."""
    ana = await calls.caller("Ana", identifiers=[{"type": "account_id", "value": "4711"}])
    bob = await calls.caller("Bob", identifiers=[{"type": "account_id", "value": "4712"}])
    contact = await calls.rings(channel="CHAT")
    before = len(await calls.desk())
    found = await calls.updated(contact["id"], attributes={"account_id": "4711"})
    shown = await calls.seen(contact["id"])
    await calls.updated(contact["id"], attributes={"account_id": "4712"})

    assert contact["match"] == "NONE"
    assert found["contact"]["match"] == "ONE"
    assert (shown["profile"]["id"], shown["association"]["automatic"]) == (ana, True)
    assert len(await calls.desk()) == before + 3  # the attribute, the match, the other attribute
    assert (await calls.seen(contact["id"]))["profile"]["id"] == ana != bob


async def test_cap_009_a_channel_may_have_no_rule(calls: Calls) -> None:
    """An empty list of keys looks nobody up, whatever is known."""
    await calls.caller("Ana", contactPoints=[{"channel": "EMAIL", "value": "ana@example.com"}])
    contact = await calls.rings(channel="WEB", address="ana@example.com")

    assert contact["match"] == "NONE"


async def test_cap_036_a_sensitive_key_finds_without_being_kept(calls: Calls, graph: Graph) -> None:
    """A social security number finds its person, as an attribute and as searchKey, and is in no row and no answer."""
    ana = await with_ssn(calls)
    by_attribute = await calls.rings(channel="CHAT", attributes={"ssn": SSN, "topic": "tax"})
    by_search = await calls.rings(searchKey={"key": "ssn", "values": [SSN]})
    rows = await graph.runtime.database.fetch(
        "SELECT c::text AS row FROM contact c UNION ALL SELECT k::text FROM contact_candidate k UNION ALL SELECT to_jsonb(x)::text FROM change x"
    )

    for contact in (by_attribute, by_search):
        assert (contact["match"], contact["profile"]["id"]) == ("ONE", ana)
        assert contact["candidates"][0]["matchedOn"] == [{"key": "ssn", "displayValue": "•••••"}]
    assert by_attribute["attributes"] == {"ssn": "•••••", "topic": "tax"}
    assert len(rows) > 3
    assert not any("1120" in row["row"] for row in rows)
    assert (await calls.rings(channel="CHAT", attributes={"ssn": "078-05-1121"}))["match"] == "NONE"


async def test_cap_036_a_sensitive_attribute_leaves_no_trace_on_the_timeline(calls: Calls, graph: Graph) -> None:
    """The interaction of a contact has its other attributes and nothing of a SENSITIVE one."""
    ana = await with_ssn(calls)
    contact = await calls.rings(channel="CHAT", attributes={"ssn": SSN, "topic": "tax"})
    await calls.moves(contact["id"], "CONNECTED", "CLOSED")
    detail = await graph.runtime.database.fetchval("SELECT detail FROM activity WHERE profile_id = $1", parse_id(ana, "prf")[0])

    assert detail["attributes"] == {"topic": "tax"}


async def test_a_merged_profile_is_not_matched(calls: Calls, graph: Graph) -> None:
    """Only living profiles are found, and whoever names a merged one associates the survivor."""
    ana, bob = await calls.caller("Ana", "+442079460001"), await calls.caller("Bob")
    await graph.runtime.database.execute(
        "UPDATE profile SET status = 'MERGED', merged_into = $2 WHERE id = $1", parse_id(ana, "prf")[0], parse_id(bob, "prf")[0]
    )
    contact = await calls.rings(address="+442079460001")
    done = await calls.associated(contact["id"], ana)

    assert contact["match"] == "NONE"
    assert done["contact"]["profile"]["id"] == bob


async def test_unknown_profiles_are_not_associated(calls: Calls, graph: Graph) -> None:
    """A profile that is not there, another workspace's, or erased is NOT_FOUND alike."""
    gone = await calls.caller("Ana")
    await graph.runtime.database.execute("UPDATE profile SET status = 'ERASED' WHERE id = $1", parse_id(gone, "prf")[0])
    theirs = await graph.profile("Zoe", graph.stranger)
    contact = await calls.rings()
    for profile in ("prf_" + "1" * 32, theirs, gone):
        refused = await calls.associated(contact["id"], profile)
        assert [(error["code"], error["path"]) for error in refused["userErrors"]] == [("NOT_FOUND", ["profileId"])]
