"""SENSITIVE identifiers: found by the whole value, shown to nobody, and nowhere in the database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
import structlog

from gateway.auth.principal import Principal, Role
from gateway.commands.tombstones import Tombstones
from gateway.commands.tracking import Event, take_in
from gateway.transport.segment.event import Arrival, read_event
from gateway.transport.segment.screening import Screen
from gateway.vault import Vault

from .conftest import CREATE, Graph, Http
from .search_scene import REGISTRY, SEARCH, SSN, found, search, traces, with_secrets
from .test_cap_privacy import done

__all__: list[str] = []

pytestmark = pytest.mark.asyncio(loop_scope="module")

CONFIG = REGISTRY

UPDATE = """mutation ($input: UpdateProfileInput!) { updateProfile(input: $input) {
  profile { identifiers { id type } } userErrors { code path message ... on DuplicateIdentifierError { existing { id } } } } }"""
SHOWN = """query ($id: ID!) { profile(by: {id: $id}) {
  identifiers { id type value mask } attributes(visibility: ALL, search: "ssn") { value displayValue mask }
  changes(first: 20) { nodes { reason fields { field before after } } } } }"""
BY_SSN = 'query ($value: String!) { profile(by: {identifier: {type: "ssn", value: $value}}) { id } }'


def ssn(value: str = SSN) -> dict[str, str]:
    """An identifier."""
    return {"type": "ssn", "value": value}


async def sent(graph: Graph, *bodies: dict[str, Any]) -> list[Any]:
    """Take in events as the tracking API does: read, screened, resolved. Problems of those that were refused."""
    services, workspace = graph.runtime.services, (graph.agent.workspace_id, graph.agent.workspace_key)
    assert services.vault is not None
    site = Principal(*workspace, "site", "Site", Role.SERVICE, frozenset({"ingest:write"}), datetime.now(UTC) + timedelta(hours=1), "site")
    screen = Screen(services.configurations.of(workspace[1]), services.vault, workspace[0], "site")
    events: list[Event] = []
    problems = []
    for number, body in enumerate(bodies):
        item = orjson.dumps({"type": "identify", "messageId": f"m-{number}-{datetime.now(UTC).timestamp()}", **body})
        reading = read_event(item, None, Arrival(datetime.now(UTC)))
        assert reading.event is not None, reading.problem
        kept = screen.check(reading.event, problems.append)
        if isinstance(kept, Event):
            events.append(kept)
        else:
            problems.append(kept.code)
    tombstones = Tombstones(services.vault, clock=lambda: 0.0)
    await take_in(graph.runtime.writer, site, "site", events, tombstones=tombstones, vault=services.vault)
    return problems


def external(value: str = SSN) -> dict[str, Any]:
    """What a sender's context says of other systems' keys."""
    return {"context": {"externalIds": [{"type": "ssn", "id": value, "collection": "users"}]}}


async def test_cap_036_a_new_identifier_is_a_search_key_by_itself(graph: Graph) -> None:
    """An SSN that is defined as an identifier is offered for search, exact only; whoever has it is found by the whole value alone."""
    await graph.profile("Ana", identifiers=[ssn()])
    await graph.profile("Bob", identifiers=[ssn("078-05-1121")])
    offered = {key["key"]: key for key in await graph.data("{ searchKeys { key displayName type sensitivity exactOnly } }")}

    name, rest = "Social security number", {"type": "TEXT", "sensitivity": "SENSITIVE", "exactOnly": True}
    assert offered["ssn"] == {"key": "ssn", "displayName": name, **rest}
    assert await found(graph, ("ssn", [f" {SSN} "])) == ["Ana"]
    assert await found(graph, ("ssn", [SSN, "078-05-1121"])) == ["Ana", "Bob"]
    assert await found(graph, text=SSN) == ["Ana"]
    for part in ("078-05", "1120", SSN[:-1], "%", "0" + SSN):
        assert await found(graph, ("ssn", [part])) == []
        assert await found(graph, text=part) == []


async def test_cap_036_nobody_sees_a_sensitive_value(graph: Graph) -> None:
    """With every right there is, search hits, identifiers, attributes, nodes and the history show a mask."""
    ana = await graph.profile("Ana", identifiers=[ssn()])
    answer = await search(graph, ("ssn", [SSN]), principal=graph.admin)
    shown = await graph.data(SHOWN, {"id": ana}, graph.admin)
    node = await graph.data(
        "query ($id: ID!) { node(id: $id) { ... on Identifier { value mask } } }", {"id": shown["identifiers"][0]["id"]}, graph.admin
    )

    assert answer["edges"][0]["matchedOn"] == [{"key": "ssn", "displayValue": "•••••120"}]
    assert answer["nodes"][0]["identifiers"] == [{"type": "ssn", "value": "•••••120", "mask": "MASKED"}]
    assert shown["attributes"] == [{"value": None, "displayValue": "•••••120", "mask": "MASKED"}]
    assert node == {"value": "•••••120", "mask": "MASKED"}
    assert SSN not in orjson.dumps([answer, shown, node]).decode()
    assert {"field": "identifiers.ssn", "before": None, "after": None} in [
        {**field, "before": None, "after": None} for entry in shown["changes"]["nodes"] for field in entry["fields"]
    ]


async def test_cap_036_a_short_value_shows_nothing_at_all(graph: Graph) -> None:
    """Of fewer than ten characters not even the last are shown."""
    await graph.profile("Ana", identifiers=[ssn("078051120")])
    answer = await search(graph, ("ssn", ["078051120"]))

    assert answer["nodes"][0]["identifiers"][0]["value"] == "•••••"
    assert answer["edges"][0]["matchedOn"][0]["displayValue"] == "•••••"


async def test_cap_140_sensitive_values_are_in_no_table(graph: Graph) -> None:
    """After writing, changing, taking in, searching, verifying, revealing and being refused, no row of any table and no log line has it."""
    passphrase = "correct horse battery staple"
    with structlog.testing.capture_logs() as logs:
        ana = await graph.profile("Ana", identifiers=[ssn()], attributes={"passphrase": passphrase}, idempotencyKey="form-7")
        bob = await graph.profile("Bob")
        await sent(graph, {"userId": "u-9", **external("999-88-7777")}, {"userId": "u-10", "traits": {"passphrase": passphrase}})
        refused = await graph.data(UPDATE, {"input": {"id": bob, "addIdentifiers": [ssn()]}})
        await found(graph, ("ssn", [SSN]), ("passphrase", [passphrase]))
        verify = "mutation ($id: ID!, $k: String!, $v: String!) { verifyProfileAttribute(profileId: $id, key: $k, value: $v) { result } }"
        for key, value in (("ssn", SSN), ("ssn", "111-22-3333"), ("passphrase", passphrase), (SSN, SSN)):
            await graph.data(verify, {"id": ana, "k": key, "v": value})
        reveal = 'mutation ($id: ID!, $k: String!) { revealSensitive(profileId: $id, key: $k, purpose: "Tax office asked") { value } }'
        revealed = [await graph.data(reveal, {"id": ana, "k": key}, graph.supervisor) for key in ("ssn", "passphrase")]
        wrong = await graph.run(SEARCH, {"keys": [{"key": "ssn", "values": [SSN + "\u0007"]}]})

    assert revealed == [{"value": SSN}, {"value": passphrase}]
    assert refused["userErrors"][0]["code"] == "TAKEN"
    assert SSN not in orjson.dumps([refused, wrong]).decode()
    for text in (SSN, SSN.replace("-", ""), "05-1120", "999-88-7777", "111-22-3333", passphrase, "correct horse"):
        assert await traces(graph, text) == [], text
        assert text not in str(logs)
    assert await traces(graph, "Ana") != []  # the look itself sees


async def test_cap_036_a_value_belongs_to_one_profile(graph: Graph) -> None:
    """A second profile with the same SSN is refused and names the first; the same on the first changes nothing; removed, it is free."""
    ana, bob = await graph.profile("Ana", identifiers=[ssn()]), await graph.profile("Bob")
    refused = await graph.data(UPDATE, {"input": {"id": bob, "addIdentifiers": [{"type": "account_id", "value": "A"}, ssn(f" {SSN}")]}})
    same = await graph.data(UPDATE, {"input": {"id": ana, "addIdentifiers": [ssn(), ssn()]}})
    new = await graph.data(CREATE, {"input": {"firstName": "Cy", "identifiers": [ssn()]}})

    assert [(error["code"], error["path"], error["existing"]) for error in refused["userErrors"]] == [
        ("TAKEN", ["input", "addIdentifiers", "1", "value"], {"id": ana})
    ]
    assert same["userErrors"] == []
    assert len(same["profile"]["identifiers"]) == 1
    assert [error["code"] for error in new["userErrors"]] == ["TAKEN"]
    assert await found(graph, ("account_id", ["A"])) == []

    await graph.data(UPDATE, {"input": {"id": ana, "removeIdentifierIds": [same["profile"]["identifiers"][0]["id"]]}})
    taken = await graph.data(UPDATE, {"input": {"id": bob, "addIdentifiers": [ssn()]}})

    assert taken["userErrors"] == []
    assert await found(graph, ("ssn", [SSN])) == ["Bob"]


async def test_cap_036_the_same_number_of_another_kind_or_workspace_is_another(graph: Graph) -> None:
    """An account number with the same digits, and an SSN of another workspace, are found apart."""
    await graph.profile("Ana", identifiers=[ssn()])
    await graph.profile("Bob", identifiers=[{"type": "account_id", "value": SSN}])
    await graph.profile("Eve", graph.stranger, identifiers=[ssn()])

    assert await found(graph, ("ssn", [SSN])) == ["Ana"]
    assert await found(graph, ("account_id", [SSN])) == ["Bob"]
    assert await found(graph, ("ssn", [SSN]), principal=graph.stranger) == ["Eve"]


async def test_cap_036_references_find_by_the_value(graph: Graph) -> None:
    """`by: {identifier}` finds by an SSN, alone and among many."""
    ana = await graph.profile("Ana", identifiers=[ssn()])
    many = await graph.data(
        "query ($by: [ProfileRef!]!) { profiles(by: $by) { id } }",
        {"by": [{"identifier": ssn()}, {"identifier": ssn("078-05-1121")}, {"id": ana}]},
    )

    assert await graph.data(BY_SSN, {"value": SSN}) == {"id": ana}
    assert await graph.data(BY_SSN, {"value": "078-05-1121"}) is None
    assert many == [{"id": ana}, None, {"id": ana}]


async def test_cap_140_secrets_can_be_rotated(graph: Graph) -> None:
    """Values of an earlier secret are still found, taken and revealed under a newer one; new values are written under the newer alone."""
    old, new = b"o" * 32, b"n" * 32
    before, after = with_secrets(graph, old), with_secrets(graph, new, old)
    ana = await before.profile("Ana", identifiers=[ssn()], attributes={"passphrase": "open sesame"})
    reveal = 'mutation ($id: ID!) { revealSensitive(profileId: $id, key: "ssn", purpose: "rotation") { value } }'

    assert await found(after, ("ssn", [SSN]), ("passphrase", ["open sesame"])) == ["Ana"]
    assert await after.data(BY_SSN, {"value": SSN}) == {"id": ana}
    assert await after.data(reveal, {"id": ana}, graph.supervisor) == {"value": SSN}
    taken = await after.data(CREATE, {"input": {"firstName": "Bob", "identifiers": [ssn()]}})
    again = await after.data(UPDATE, {"input": {"id": ana, "addIdentifiers": [ssn()]}})
    assert [error["code"] for error in taken["userErrors"]] == ["TAKEN"]
    assert len(again["profile"]["identifiers"]) == 1

    await after.profile("Cy", identifiers=[ssn("078-05-1121")])
    kept = await graph.runtime.database.fetch("SELECT value FROM lookup WHERE workspace_id = $1 AND key = 'ssn'", graph.agent.workspace_id)
    blinds = {Vault([secret]).blind(graph.agent.workspace_id, "ssn", value) for secret, value in ((old, SSN), (new, "078-05-1121"))}
    assert {row["value"] for row in kept} == blinds
    assert await found(with_secrets(graph, new), ("ssn", [SSN])) == []


async def test_cap_036_events_find_their_person_by_it(graph: Graph) -> None:
    """An SSN in an event's externalIds finds who has it and is kept sealed; an event of somebody new makes a person who is found by it."""
    await graph.profile("Ana", identifiers=[ssn()])
    await sent(graph, {"anonymousId": "a-1", "traits": {"lastName": "Lopez"}, **external()})
    await sent(graph, {"userId": "u-2", "traits": {"firstName": "Cy"}, **external("999-88-7777")})
    cy = (await search(graph, ("ssn", ["999-88-7777"])))["nodes"][0]
    reveal = 'mutation ($id: ID!) { revealSensitive(profileId: $id, key: "ssn", purpose: "check") { value } }'

    assert await found(graph, ("ssn", [SSN])) == ["Ana Lopez"]
    assert cy["displayName"] == "Cy"
    assert {"type": "ssn", "value": "•••••777", "mask": "MASKED"} in cy["identifiers"]
    assert await graph.data(reveal, {"id": cy["id"]}, graph.supervisor) == {"value": "999-88-7777"}
    assert await traces(graph, "88-7777") == []


async def test_events_find_by_an_earlier_secret(graph: Graph) -> None:
    """An event after a rotation still finds the person whose SSN was hashed under the secret before."""
    old, new = b"o" * 32, b"n" * 32
    await with_secrets(graph, old).profile("Ana", identifiers=[ssn()])
    await sent(with_secrets(graph, new, old), {"userId": "u-1", "traits": {"lastName": "Lopez"}, **external()})

    assert await graph.count("profile") == 1
    assert await found(with_secrets(graph, new, old), ("ssn", [SSN])) == ["Ana Lopez"]


async def test_without_a_vault_nothing_sensitive_is_taken_in(graph: Graph) -> None:
    """Where values cannot be sealed, an event loses its SSN with a warning; one with nothing else is refused."""
    item = {"type": "identify", "messageId": "m", "userId": "u-1", **external()}
    alone = {"type": "track", "messageId": "m", "event": "x", **external()}
    screen = Screen(graph.runtime.services.configurations.of(graph.agent.workspace_key), None, graph.agent.workspace_id, "site")
    warnings: list[str] = []

    def kept(body: dict[str, Any]) -> Any:
        event = read_event(orjson.dumps(body), None, Arrival(datetime.now(UTC))).event
        assert event is not None
        return screen.check(event, warnings.append)

    assert [key.key for key in kept(item).keys] == ["user_id"]
    assert kept(alone).code == "REQUIRED"
    assert warnings[0] == "ssn: sensitive identifiers are not taken here. They are left out."


async def test_an_event_does_not_bring_back_who_was_erased(graph: Graph) -> None:
    """After an erasure the SSN is found by nobody, and an event with it makes no new person."""
    ana = await graph.profile("Ana", identifiers=[ssn()], attributes={"badge": "B-1"})
    await done(graph, ana, "ERASE")
    before = await graph.count("profile")
    await sent(graph, {"anonymousId": "late", **external()})

    assert await graph.count("profile") == before
    assert await found(graph, ("ssn", [SSN])) == []
    assert await found(graph, ("badge", ["B-1"])) == []
    assert await graph.count("name_entry") == 0
    assert await graph.count("lookup") == 0


async def test_over_http_too(http: Http) -> None:
    """A refusal in a response carries no value."""
    answer = await http.ask(
        "query ($k: [SearchKeyInput!]) { searchProfiles(keys: $k) { nodes { id } } }", {"k": [{"key": "ssn!", "values": [SSN]}]}
    )

    assert answer.json()["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"
    assert SSN not in answer.text
