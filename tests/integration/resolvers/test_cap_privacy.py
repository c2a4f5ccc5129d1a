"""Privacy as the contract has it: requestPrivacyAction, what an erasure leaves, retention and exports, by the numbers of the capabilities."""

from __future__ import annotations

import asyncio
import csv
import io
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest

from gateway.commands.jobs import JobRunner
from gateway.commands.retention import months_before, remove_old
from gateway.model.change import ChangeKind
from gateway.model.ids import make_id, parse_id, uuid7

from .conftest import Graph, Http, codes

__all__: list[str] = []

pytestmark = pytest.mark.asyncio(loop_scope="module")

CONFIG = """
[retention]
interaction = "forever"
"""
ASK = """mutation ($id: ID!, $action: PrivacyAction!) {
  requestPrivacyAction(profileId: $id, action: $action) { jobId downloadUrl userErrors { code message path } } }"""
SHOWN = """query ($id: ID!) { profile(by: {id: $id}) {
  id status lifecycle firstName lastName birthDate avatarUrl locale timeZone contactPoints { value } identifiers { value }
  traits(first: 10) { nodes { key } } notes(first: 10) { totalCount nodes { body } }
  timeline(last: 50, filter: {kinds: [INTERACTION, MESSAGE, EXTERNAL, WEB, INTEREST, NOTE]}) { nodes { id } }
  companies { company { name } } } }"""
EVENTS = """subscription ($id: ID!) { profileEvents(profileId: $id) {
  __typename ... on StreamReady { seq } ... on ProfileErased { seq profileId } } }"""


async def ask(graph: Graph, profile: str, action: str, **options: Any) -> dict[str, Any]:
    """The payload of a request by the admin."""
    payload: dict[str, Any] = await graph.data(ASK, {"id": profile, "action": action}, options.get("principal", graph.admin))
    return payload


async def done(graph: Graph, profile: str, action: str) -> dict[str, Any]:
    """Ask, and step until that job has ended."""
    payload = await ask(graph, profile, action)
    assert payload["userErrors"] == [], payload
    await ended(graph, payload)
    return payload


async def ended(graph: Graph, payload: dict[str, Any]) -> None:
    """Step until the job has ended; the gateway's own runner does so too, and neither does a step twice."""
    runner = JobRunner(graph.runtime.database, graph.runtime.writer, graph.runtime.services.commands.privacy.plans)
    pause: float | None = 0
    while (await job(graph, payload))["finished_at"] is None:
        await asyncio.sleep(min(pause or 0, 0.1))
        pause = await runner.advance()


async def job(graph: Graph, payload: dict[str, Any]) -> dict[str, Any]:
    """A job's row."""
    row = await graph.runtime.database.fetchrow("SELECT * FROM privacy_job WHERE id = $1", parse_id(payload["jobId"], "job")[0])
    assert row is not None
    return dict(row)


async def everything(graph: Graph) -> str:
    """Every row of every table of the database, as text."""
    database = graph.runtime.database
    tables = await database.fetch("SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace")
    rows = [await database.fetch(f"SELECT t::text FROM {table['relname']} t") for table in tables]
    rows.append(await database.fetch("SELECT convert_from(data, 'UTF8') FROM privacy_file"))
    return "\n".join(row[0] for found in rows for row in found)


async def test_cap_088_erasing_removes_all_notes(graph: Graph) -> None:
    """ERASE takes every note of the person away, pinned ones too, and none of anybody else."""
    ana, bob = await graph.profile(), await graph.profile("Bob")
    for body in ("Prefers e-mail.", "Called twice."):
        await graph.note(ana, body, isPinned=True)
    await graph.note(bob, "Another person's note.")
    await done(graph, ana, "ERASE")

    assert (await graph.data(SHOWN, {"id": ana}))["notes"] == {"totalCount": 0, "nodes": []}
    assert await graph.count("note") == 1


async def test_an_erased_profile_shows_nothing(graph: Graph) -> None:
    """After ERASE the id still answers, with the status and nothing else; no search finds anything."""
    ana = await graph.profile(
        lastName="Canaria", contactPoints=[{"channel": "EMAIL", "value": "ana@example.com"}], identifiers=[{"type": "crm", "value": "C-1"}]
    )
    await graph.join(ana, "Acme", main=True)
    await graph.happened(ana, {"detail": {"total": 1}})
    await done(graph, ana, "ERASE")
    shown = await graph.data(SHOWN, {"id": ana})

    assert {key: value for key, value in shown.items() if value} == {
        "id": ana,
        "status": "ERASED",
        "lifecycle": "ANONYMOUS",
        "notes": {"totalCount": 0, "nodes": []},
        "traits": {"nodes": []},
        "timeline": {"nodes": []},
    }
    for by in ({"email": "ana@example.com"}, {"identifier": {"type": "crm", "value": "C-1"}}):
        assert await graph.data("query ($by: ProfileRef!) { profile(by: $by) { id } }", {"by": by}) is None


async def test_erasure_leaves_no_trace(graph: Graph) -> None:
    """Twenty planted values stand in the tables before ERASE, and none in any row of any table after it."""
    planted = [f"canary{number:02}" for number in range(20)]
    fresh = iter(planted)
    ana = await graph.profile(
        next(fresh),
        lastName=next(fresh),
        contactPoints=[
            {"channel": "EMAIL", "value": f"{next(fresh)}@example.com", "label": next(fresh)},
            {"channel": "CUSTOM", "customChannel": "pager", "value": next(fresh)},
        ],
        identifiers=[{"type": "crm", "value": next(fresh)}],
        attributes={"hobby": next(fresh)},
    )
    (profile_id,) = parse_id(ana, "prf")
    database, workspace = graph.runtime.database, graph.agent.workspace_id
    await graph.note(ana, next(fresh))
    deleted = next(fresh)
    gone = await graph.note(ana, deleted)
    await graph.data("mutation ($id: ID!) { deleteNote(id: $id) { deletedId } }", {"id": gone})
    rename = "mutation ($input: UpdateProfileInput!) { updateProfile(input: $input) { userErrors { code } } }"
    await graph.data(rename, {"input": {"id": ana, "lastName": next(fresh)}})
    talk = {"kind": "INTERACTION", "channel": "VOICE", "direction": "INBOUND"}
    await graph.happened(
        ana,
        {"detail": {"text": next(fresh)}, "account": next(fresh)},
        {**talk, "detail": {"summary": next(fresh), "wrapUp": {"notes": "x"}}},
    )
    contact, merge = uuid7(), uuid7()
    columns = "workspace_id, id, external_id, channel, address, normalized, display_name, direction, match, profile_id, attributes, opened_by, state"
    await database.execute(
        f"INSERT INTO contact ({columns}) VALUES ($1, $2, 'x-1', 'CHAT', $4, $4, $5, 'INBOUND', 'ONE', $3, $6, 'acme', 'CONNECTED')",
        *(workspace, contact, profile_id, next(fresh), next(fresh), {"plate": next(fresh)}),
    )
    await database.execute(
        "INSERT INTO contact_candidate VALUES ($1, $2, $3, 1, $4)", workspace, contact, profile_id, [{"key": "chat", "value": next(fresh)}]
    )
    await database.execute(
        "INSERT INTO consent (workspace_id, profile_id, purpose, status, source, evidence) VALUES ($1, $2, 'news', 'GRANTED', 'crm', $3)",
        *(workspace, profile_id, next(fresh)),
    )
    await database.execute(
        "INSERT INTO merge (workspace_id, id, survivor_id, merged_ids, actor_id, actor_name, actor_kind, reason) "
        "VALUES ($1, $2, $3, '{}', 'sue', 'Sue', 'SUPERVISOR', $4)",
        *(workspace, merge, profile_id, next(fresh)),
    )
    await database.execute(
        "INSERT INTO merge_journal (workspace_id, merge_id, profile_id, kind, kept) VALUES ($1, $2, $3, 'trait', $4)",
        *(workspace, merge, profile_id, [{"value": next(fresh)}]),
    )
    await done(graph, ana, "EXPORT")
    before = await everything(graph)
    assert next(fresh, None) is None
    assert [value for value in planted if value not in before] == [deleted]

    payload = await done(graph, ana, "ERASE")
    after = await everything(graph)

    assert [value for value in planted if value in after] == []
    certificate = (await job(graph, payload))["counts"]
    assert {table: certificate[table] for table in ("note", "activity", "contact", "identifier", "contact_point", "merge", "consent")} == {
        "note": 1,
        "activity": 2,
        "contact": 1,
        "identifier": 1,
        "contact_point": 2,
        "merge": 1,
        "consent": 1,
    }
    assert certificate["privacy_file"] > 0


async def test_subscribers_see_the_erasure(graph: Graph) -> None:
    """Whoever watches the profile gets ProfileErased, once, as the last event of the stream."""
    ana = await graph.profile()
    await graph.note(ana)
    watching = graph.stream(EVENTS, {"id": ana}, graph.colleague)
    assert (await watching.next())["__typename"] == "StreamReady"
    erasure = await ask(graph, ana, "ERASE")
    last = await watching.next()

    assert (last["__typename"], last["profileId"]) == ("ProfileErased", ana)
    assert await watching.rest() == []
    await ended(graph, erasure)
    kinds = "SELECT kind FROM change_log WHERE stream_id = $1 ORDER BY seq"
    assert [row["kind"] for row in await graph.runtime.database.fetch(kinds, parse_id(ana, "prf")[0])][-1] == ChangeKind.ERASED


async def test_refusals(graph: Graph) -> None:
    """Without the scope an error names it; an id of nothing and another workspace's get one and the same answer; nothing is written."""
    ana = await graph.profile()
    theirs = await graph.profile(principal=graph.stranger)
    before = await graph.contents()
    for principal in (graph.agent, graph.supervisor, graph.partner, graph.narrowed(graph.admin, "admin", "profile:write")):
        error = await graph.error(ASK, {"id": ana, "action": "ERASE"}, principal)
        assert (error["extensions"]["code"], error["extensions"]["scope"]) == ("FORBIDDEN", "privacy")
    for action in ("EXPORT", "ANONYMISE", "ERASE"):
        refused = [await ask(graph, one, action) for one in (theirs, make_id("prf", uuid7()))]
        assert refused[0] == refused[1]
        assert codes(refused[0]) == [("NOT_FOUND", "profileId")]
        assert (refused[0]["jobId"], refused[0]["downloadUrl"]) == (None, None)

    assert await graph.contents() == before


@pytest.mark.parametrize("wrong", ["", "ana", "prf_", "prf_zz", "note_" + "0" * 64, "prf_" + "0" * 31, "prf_" + "0" * 33, "\x00"])
async def test_ids_that_are_none(graph: Graph, wrong: str) -> None:
    """A text that is no profile's id is refused by name."""
    error = await graph.error(ASK, {"id": wrong, "action": "ERASE"}, graph.admin)

    assert error["extensions"]["code"] == "BAD_USER_INPUT"


@pytest.mark.parametrize("wrong", ["DELETE", "erase", "", None, 1])
async def test_actions_that_are_none(graph: Graph, wrong: Any) -> None:
    """Nothing but the three actions is let in."""
    answer = await graph.run(ASK, {"id": make_id("prf", uuid7()), "action": wrong}, graph.admin)

    assert answer.get("data") is None
    assert answer["errors"]


async def test_asking_again_gives_the_same_job(graph: Graph) -> None:
    """While a job is open its id is the answer; only EXPORT has an address, and each asking makes one that is good for a day."""
    ana = await graph.profile()
    open_ = uuid7()
    await graph.runtime.database.execute(
        "INSERT INTO privacy_job (workspace_id, id, profile_id, action, actor_id, actor_name, actor_kind, due_at) "
        "VALUES ($1, $2, $3, 'EXPORT', 'ada', 'Ada', 'SUPERVISOR', now() + interval '1 hour')",
        *(graph.agent.workspace_id, open_, parse_id(ana, "prf")[0]),
    )
    first, second, erasure = await ask(graph, ana, "EXPORT"), await ask(graph, ana, "EXPORT"), await ask(graph, ana, "ERASE")

    assert first["jobId"] == second["jobId"] == make_id("job", open_)
    assert first["downloadUrl"].startswith("/v1/exports/")
    assert (erasure["jobId"] == first["jobId"], erasure["downloadUrl"]) == (False, None)


async def test_an_export_is_fetched_from_its_address(graph: Graph, http: Http) -> None:
    """From asking to the file: 404 with NOT_READY or at once the file; afterwards NDJSON that holds the person."""
    ana = await graph.profile("Anastasia")
    payload = await done(graph, ana, "EXPORT")
    response = await http.client.get(payload["downloadUrl"])
    lines = [orjson.loads(line) for line in response.content.splitlines()]

    assert response.status_code == 200
    assert {line["record"] for line in lines} >= {"profile", "change"}
    assert lines[0]["firstName"] == "Anastasia"


async def test_an_erased_profile_takes_nothing(graph: Graph) -> None:
    """Every change to an erased profile is refused as if there were none, and leaves nothing."""
    ana = await graph.profile()
    await done(graph, ana, "ERASE")
    before = await graph.contents()
    note = "mutation ($input: NoteInput!) { addNote(input: $input) { userErrors { code message path } } }"
    change = "mutation ($input: UpdateProfileInput!) { updateProfile(input: $input) { userErrors { code message path } } }"
    join = """mutation ($id: ID!) { addProfileToCompany(profileId: $id, companyName: "Acme") { userErrors { code message path } } }"""
    consent = (
        """mutation ($id: ID!) { setConsent(profileId: $id, purpose: "news", status: GRANTED) { userErrors { code message path } } }"""
    )
    record = "mutation ($list: [ActivityInput!]!) { recordActivities(activities: $list) { accepted userErrors { code message path } } }"
    happened = {"profile": {"id": ana}, "type": "Order Completed", "occurredAt": "2026-01-01T12:00:00Z", "messageId": "m-1"}
    answers = [
        await graph.data(note, {"input": {"profileId": ana, "body": "Back?"}}),
        await graph.data(change, {"input": {"id": ana, "firstName": "Ana"}}),
        await graph.data(join, {"id": ana}),
        await graph.data(consent, {"id": ana}),
        await graph.data(record, {"list": [happened]}, graph.admin),
        *[await ask(graph, ana, action) for action in ("EXPORT", "ANONYMISE", "ERASE")],
    ]

    assert [[code for code, _ in codes(one)] for one in answers] == [["NOT_FOUND"]] * 8
    after = await graph.contents()
    assert {table for table in after if after[table] != before[table]} <= {"ingest_message"}


async def test_cap_121_two_years_by_default(graph: Graph) -> None:
    """With nothing configured for its kind, what happened more than 24 months ago goes with the upkeep; what is younger stays."""
    ana = await graph.profile()
    now = datetime.now(UTC)
    old, young = months_before(now, 24) - timedelta(days=1), months_before(now, 24) + timedelta(days=1)
    kept = (await graph.happened(ana, {"at": old}, {"at": young}))[1]
    await remove_old(graph.runtime.database, graph.runtime.services.configurations, now)

    assert (await graph.data(SHOWN, {"id": ana}))["timeline"]["nodes"] == [{"id": kept}]


async def test_cap_122_longer_where_configured(graph: Graph) -> None:
    """A kind that is kept for ever is there after the upkeep; the others went in their own time."""
    ana = await graph.profile()
    now = datetime.now(UTC)
    old = {"at": now - timedelta(days=5 * 366)}
    talk = {**old, "kind": "INTERACTION", "channel": "VOICE", "direction": "INBOUND"}
    kept, _ = await graph.happened(ana, talk, old)
    await remove_old(graph.runtime.database, graph.runtime.services.configurations, now)

    assert (await graph.data(SHOWN, {"id": ana}))["timeline"]["nodes"] == [{"id": kept}]


async def test_cap_124_history_as_a_table(graph: Graph, http: Http) -> None:
    """The history comes as CSV, with the flat columns."""
    ana = await graph.profile()
    (item,) = await graph.happened(ana, {"detail": {"total": 1}})
    response = await http.client.get("/v1/export?format=csv", headers={"authorization": f"Bearer {graph.token(graph.admin)}"})
    header, row = csv.reader(io.StringIO(response.text))

    assert dict(zip(header, row, strict=True))["id"] == item


async def test_cap_125_feed_for_a_warehouse(graph: Graph, http: Http) -> None:
    """A warehouse reads what came, keeps the cursor, and next time gets what came since: new items, and that somebody was erased."""
    headers = {"authorization": f"Bearer {graph.token(graph.admin)}"}
    ana = await graph.profile()
    (item,) = await graph.happened(ana, {"detail": {"total": 1}})
    first = [orjson.loads(line) for line in (await http.client.get("/v1/export", headers=headers)).content.splitlines()]
    await done(graph, ana, "ERASE")
    second = await http.client.get("/v1/export", params={"after": first[-1]["cursor"]}, headers=headers)
    lines = [orjson.loads(line) for line in second.content.splitlines()]

    assert [(line["op"], line["id"]) for line in first[:-1]] == [("upsert", item)]
    assert [(line["op"], line["profileId"]) for line in lines[:-1]] == [("erase", ana)]


async def test_cap_138_workspaces_are_isolated(graph: Graph, http: Http) -> None:
    """Erasing, exporting and reading the history in one workspace touches and shows nothing of the other, though the same person is in both."""
    reach = [{"channel": "EMAIL", "value": "same@example.com"}]
    ana, theirs = [await graph.profile(contactPoints=reach, principal=one) for one in (graph.agent, graph.stranger)]
    await graph.note(theirs, "Theirs.", principal=graph.stranger)
    await graph.happened(theirs, {"detail": {"total": 1}}, principal=graph.stranger)
    before = await of_stranger(graph)
    payload = await done(graph, ana, "EXPORT")
    file = (await http.client.get(payload["downloadUrl"])).text
    await done(graph, ana, "ERASE")
    history = await http.client.get("/v1/export", headers={"authorization": f"Bearer {graph.token(graph.admin)}"})
    (their_id,) = parse_id(theirs, "prf")

    assert await of_stranger(graph) == before
    assert their_id.hex not in file + history.text
    assert "Theirs." not in file
    found = await graph.data("query ($by: ProfileRef!) { profile(by: $by) { id } }", {"by": {"email": "same@example.com"}}, graph.stranger)
    assert found == {"id": theirs}


async def of_stranger(graph: Graph) -> list[list[str]]:
    """Every row of the other workspace."""
    tables = ("profile", "contact_point", "lookup", "note", "activity", "change", "change_log", "privacy_job", "privacy_file", "tombstone")
    return [
        [row[0] for row in await graph.runtime.database.fetch(f"SELECT t::text FROM {table} t WHERE workspace_id = $1 ORDER BY 1", one)]
        for table in tables
        for one in [graph.stranger.workspace_id]
    ]
