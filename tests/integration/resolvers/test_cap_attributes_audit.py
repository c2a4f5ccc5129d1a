"""The audit of changes to profiles: every command leaves one entry with what was before and after, and no SENSITIVE value."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.model.ids import parse_id

from .conftest import Graph

__all__: list[str] = []

pytestmark = pytest.mark.asyncio(loop_scope="module")

CONFIG = """
[attributes.define.nickname]
name = "Nickname"
sensitivity = "PERSONAL"

[attributes.define.fax]
name = "Fax"
type = "PHONE"
sensitivity = "PERSONAL"

[attributes.define.passphrase]
name = "Passphrase"
sensitivity = "SENSITIVE"

[attributes.define.contract_id]
name = "Contract"
identifier = true
"""

UPDATE = "mutation ($input: UpdateProfileInput!) { updateProfile(input: $input) { profile { version } userErrors { code message path } } }"
LEAVE = (
    "mutation ($profile: ID!, $company: ID!) { removeProfileFromCompany(profileId: $profile, companyId: $company) { userErrors { code } } }"
)
MAIN = "mutation ($profile: ID!, $company: ID!) { setMainCompany(profileId: $profile, companyId: $company) { userErrors { code } } }"


async def entries(graph: Graph, profile: str) -> list[tuple[str, str, set[tuple[str, Any, Any, str | None]]]]:
    """Action, actor and fields (name, before, after, mask) of each entry of a profile, oldest first."""
    rows = await graph.runtime.database.fetch(
        "SELECT action, actor_id, fields FROM change WHERE profile_id = $1 ORDER BY id", parse_id(profile, "prf")[0]
    )
    return [
        (row["action"], row["actor_id"], {(one["field"], str(one["before"]), str(one["after"]), one["as"]) for one in row["fields"]})
        for row in rows
    ]


async def update(graph: Graph, profile: str, principal: Any = None, **changes: Any) -> None:
    """Change a profile."""
    payload = await graph.data(UPDATE, {"input": {"id": profile, **changes}}, principal)
    assert payload["userErrors"] == []


async def test_a_creation_is_one_entry(graph: Graph) -> None:
    """The entry says everything the profile was made with."""
    ana = await graph.profile(
        lastName="Lovelace",
        contactPoints=[{"channel": "VOICE", "value": "+44 20 7946 0958"}, {"channel": "EMAIL", "value": "ANA@example.com"}],
        identifiers=[{"type": "contract_id", "value": "C-1"}],
        attributes={"plan": "pro", "nickname": "Annie", "fax": "+442079460000", "passphrase": "open sesame", "nothing": None},
    )
    ((action, actor, fields),) = await entries(graph, ana)

    assert (action, actor) == ("CREATED", "ann")
    assert fields == {
        ("firstName", "None", "Ana", None),
        ("lastName", "None", "Lovelace", None),
        ("lifecycle", "None", "PROSPECT", None),
        ("contactPoints", "None", "+442079460958", "phone"),
        ("contactPoints", "None", "ana@example.com", "email"),
        ("identifiers.contract_id", "None", "C-1", "text"),
        ("attributes.plan", "None", "pro", None),
        ("attributes.nickname", "None", "Annie", "text"),
        ("attributes.fax", "None", "+442079460000", "phone"),
        ("attributes.passphrase", "None", "None", "sensitive"),
    }


async def test_an_update_says_before_and_after(graph: Graph) -> None:
    """Each update is one entry by whoever made it, with exactly what changed."""
    ana = await graph.profile(lastName="Lovelace", attributes={"plan": "pro", "passphrase": "one"})
    await update(graph, ana, firstName="Ada", lastName="Lovelace", lifecycle="CUSTOMER", attributes={"plan": "basic", "passphrase": "two"})
    await update(graph, ana, graph.supervisor, lastName=None, attributes={"plan": None, "passphrase": None})

    _, first, second = await entries(graph, ana)
    assert first == (
        "UPDATED",
        "ann",
        {
            ("firstName", "Ana", "Ada", None),
            ("lifecycle", "PROSPECT", "CUSTOMER", None),
            ("attributes.plan", "pro", "basic", None),
            ("attributes.passphrase", "None", "None", "sensitive"),
        },
    )
    assert second == (
        "UPDATED",
        "sue",
        {
            ("lastName", "Lovelace", "None", None),
            ("attributes.plan", "basic", "None", None),
            ("attributes.passphrase", "None", "None", "sensitive"),
        },
    )


async def test_ways_to_reach_come_and_go(graph: Graph) -> None:
    """Contact points and identifiers: added, changed, relabelled, promoted and removed."""
    ana = await graph.profile(contactPoints=[{"channel": "VOICE", "value": "+442079460958"}])
    query = "query ($id: ID!) { profile(by: {id: $id}) { contactPoints { id value } identifiers { id } } }"
    await update(
        graph,
        ana,
        upsertContactPoints=[{"channel": "VOICE", "value": "+442079460000", "isPrimary": True}],
        addIdentifiers=[{"type": "contract_id", "value": "C-2"}],
    )
    found = await graph.data(query, {"id": ana})
    first, second = (one["id"] for one in sorted(found["contactPoints"], key=lambda one: str(one["value"])))
    await update(graph, ana, upsertContactPoints=[{"id": first, "channel": "VOICE", "value": "+442079460000", "label": "work"}])
    await update(graph, ana, upsertContactPoints=[{"id": first, "channel": "VOICE", "value": "+442079461111", "label": "work"}])
    await update(graph, ana, removeContactPointIds=[first], removeIdentifierIds=[found["identifiers"][0]["id"]])
    assert second

    assert [fields for _, _, fields in await entries(graph, ana)][1:] == [
        {
            ("contactPoints", "None", "+442079460000", "phone"),
            ("identifiers.contract_id", "None", "C-2", "text"),
        },
        {("contactPoints.label", "None", "work", None)},
        {("contactPoints", "+442079460000", "+442079461111", "phone")},
        {
            ("contactPoints", "+442079461111", "None", "phone"),
            ("contactPoints.isPrimary", "None", "+442079460958", "phone"),
            ("identifiers.contract_id", "C-2", "None", "text"),
        },
    ]


async def test_companies_come_and_go(graph: Graph) -> None:
    """The entry names the companies, and which of them became the main one."""
    ana = await graph.profile()
    first = await graph.join(ana, "Babbage & Co")
    second = await graph.join(ana, "Jacquard Looms")
    await graph.data(MAIN, {"profile": ana, "company": second})
    await graph.data(LEAVE, {"profile": ana, "company": second})
    await graph.data(LEAVE, {"profile": ana, "company": first})

    found = await entries(graph, ana)
    assert {(action, actor) for action, actor, _ in found[1:]} == {("UPDATED", "ann")}
    assert [fields for _, _, fields in found][1:] == [
        {("companies", "None", "Babbage & Co", None), ("mainCompany", "None", "Babbage & Co", None)},
        {("companies", "None", "Jacquard Looms", None)},
        {("mainCompany", "Babbage & Co", "Jacquard Looms", None)},
        {("companies", "Jacquard Looms", "None", None), ("mainCompany", "Jacquard Looms", "Babbage & Co", None)},
        {("companies", "Babbage & Co", "None", None), ("mainCompany", "Babbage & Co", "None", None)},
    ]


async def test_what_changes_nothing_leaves_no_entry(graph: Graph) -> None:
    """An update to what is there already, and a refused one, write nothing at all."""
    ana = await graph.profile(
        attributes={"plan": "pro", "passphrase": "one"}, contactPoints=[{"channel": "EMAIL", "value": "a@example.com"}]
    )
    await graph.join(ana, "Babbage & Co")
    before = await graph.contents()
    await update(graph, ana, attributes={"plan": "pro", "passphrase": "one", "absent": None}, firstName="Ana")
    await update(graph, ana, upsertContactPoints=[{"channel": "EMAIL", "value": "A@example.com"}])
    await graph.join(ana, "Babbage & Co")
    refused = await graph.data(UPDATE, {"input": {"id": ana, "firstName": "Ada", "attributes": {"contract_id": "C"}}})

    assert refused["userErrors"]
    assert await graph.contents() == before


async def test_each_entry_stands_in_the_log_of_its_change(graph: Graph) -> None:
    """The log's entry names the audit's, so that it appears on open timelines."""
    ana = await graph.profile()
    await update(graph, ana, firstName="Ada")
    await graph.join(ana, "Babbage & Co")
    profile_id = parse_id(ana, "prf")[0]
    changes = await graph.runtime.database.fetch("SELECT id FROM change WHERE profile_id = $1 ORDER BY id", profile_id)
    log = await graph.runtime.database.fetch(
        "SELECT entity_id, entity_source FROM change_log WHERE stream_id = $1 ORDER BY seq", profile_id
    )

    assert [(row["entity_id"], row["entity_source"]) for row in log] == [(row["id"], "native") for row in changes]
    assert len(changes) == 3
