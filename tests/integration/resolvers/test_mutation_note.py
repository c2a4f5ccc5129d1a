"""addNote, updateNote and deleteNote: everybody reads notes, their author or a supervisor changes them."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.auth.principal import Principal
from gateway.model.ids import make_id, parse_id, uuid7

from .conftest import Graph, codes

__all__: list[str] = []

pytestmark = pytest.mark.asyncio(loop_scope="module")

SHOWN = "note { id version body isPinned author { id displayName kind } viewerCanEdit createdAt updatedAt source { key } } "
SHOWN += "profile { id streamCursor } streamCursor "
SHOWN += "userErrors { __typename code message path ... on StaleVersionError { currentVersion current { id ... on Note { body } } } }"
ADD = f"mutation ($input: NoteInput!) {{ addNote(input: $input) {{ {SHOWN} }} }}"
UPDATE = f"mutation ($input: UpdateNoteInput!) {{ updateNote(input: $input) {{ {SHOWN} }} }}"
DELETE = """mutation ($id: ID!) { deleteNote(id: $id) {
  deletedId profile { id streamCursor notes { totalCount } } streamCursor userErrors { code message path } } }"""
LIMIT = 16 * 1024


async def update(graph: Graph, note: str, principal: Principal | None = None, **changes: Any) -> dict[str, Any]:
    """The payload of an update."""
    payload: dict[str, Any] = await graph.data(UPDATE, {"input": {"id": note, **changes}}, principal)
    return payload


async def test_add(graph: Graph) -> None:
    """A new note is its author's, at version 1; it is one entry in the profile's log and the payload's cursor is the profile's."""
    ana = await graph.profile()
    payload = await graph.data(ADD, {"input": {"profileId": ana, "body": " Prefers e-mail. ", "isPinned": True}})
    note = payload["note"]

    assert payload["userErrors"] == []
    assert (note["body"], note["isPinned"], note["version"], note["viewerCanEdit"]) == ("Prefers e-mail.", True, 1, True)
    assert note["author"] == {"id": "ann", "displayName": "Ann", "kind": "AGENT"}
    assert note["createdAt"] == note["updatedAt"]
    assert payload["profile"]["id"] == ana
    assert payload["streamCursor"] == payload["profile"]["streamCursor"]
    assert (await graph.log(ana))[1:] == [(2, ["notes"], "ann")]


async def test_update_keeps_what_is_absent(graph: Graph) -> None:
    """An update changes what it names; absent and null keep, and each change counts one version and one log entry."""
    ana = await graph.profile()
    note = await graph.note(ana, "one", isPinned=True)
    body = await update(graph, note, body="two")
    pin = await update(graph, note, isPinned=False, body=None)

    assert (body["note"]["body"], body["note"]["isPinned"], body["note"]["version"]) == ("two", True, 2)
    assert (pin["note"]["body"], pin["note"]["isPinned"], pin["note"]["version"]) == ("two", False, 3)
    assert pin["note"]["updatedAt"] > pin["note"]["createdAt"]
    assert [entry[:2] for entry in await graph.log(ana)][1:] == [(seq, ["notes"]) for seq in (2, 3, 4)]
    assert pin["streamCursor"] == pin["profile"]["streamCursor"]


async def test_updates_that_change_nothing(graph: Graph) -> None:
    """An update to what is there already succeeds and writes nothing."""
    ana = await graph.profile()
    note = await graph.note(ana, "one")
    before = await graph.contents()
    for changes in ({}, {"body": "one"}, {"body": " one "}, {"isPinned": False}, {"body": None, "isPinned": None}):
        payload = await update(graph, note, **changes)
        assert (payload["userErrors"], payload["note"]["version"], payload["note"]["body"]) == ([], 1, "one")
        assert payload["streamCursor"] == payload["profile"]["streamCursor"]

    assert await graph.contents() == before


async def test_delete(graph: Graph) -> None:
    """A deleted note is gone for everybody, from the list and from the database, and cannot be deleted again."""
    ana = await graph.profile()
    note = await graph.note(ana, "to be forgotten")
    payload = await graph.data(DELETE, {"id": note})
    again = await graph.data(DELETE, {"id": note})

    assert (payload["deletedId"], payload["userErrors"], payload["profile"]["notes"]["totalCount"]) == (note, [], 0)
    assert payload["streamCursor"] == payload["profile"]["streamCursor"]
    assert await graph.data("query ($id: ID!) { node(id: $id) { id } }", {"id": note}) is None
    assert await graph.count("note") == 0
    assert (again["deletedId"], codes(again)) == (None, [("NOT_FOUND", "id")])
    assert [entry[:2] for entry in await graph.log(ana)][1:] == [(2, ["notes"]), (3, ["notes"]), (4, [])]


async def test_only_the_author_or_a_supervisor(graph: Graph) -> None:
    """A colleague may neither change nor delete the note and is told so beforehand; a supervisor and an admin may."""
    ana = await graph.profile()
    note = await graph.note(ana, "mine")
    before = await graph.contents()
    query = "query ($id: ID!) { node(id: $id) { ... on Note { viewerCanEdit } } }"
    can = [await graph.data(query, {"id": note}, one) for one in (graph.agent, graph.colleague, graph.supervisor, graph.admin)]
    changed = await update(graph, note, graph.colleague, body="yours")
    deleted = await graph.data(DELETE, {"id": note}, graph.colleague)

    assert [one["viewerCanEdit"] for one in can] == [True, False, True, True]
    assert codes(changed) == [("NOT_YOUR_NOTE", "input.id")]
    assert codes(deleted) == [("NOT_YOUR_NOTE", "id")]
    assert (changed["note"], changed["profile"], changed["streamCursor"], deleted["deletedId"]) == (None, None, None, None)
    assert await graph.contents() == before

    supervised = await update(graph, note, graph.supervisor, body="corrected")
    assert (supervised["note"]["body"], supervised["note"]["author"]["id"]) == ("corrected", "ann")
    assert (await graph.log(ana))[-1] == (3, ["notes"], "sue")
    assert (await graph.data(DELETE, {"id": note}, graph.admin))["deletedId"] == note


async def test_expected_version(graph: Graph) -> None:
    """An update with a version that is not current is refused with the note as it is."""
    ana = await graph.profile()
    note = await graph.note(ana, "one")
    await update(graph, note, body="two", expectedVersion=1)
    stale = await update(graph, note, body="three", expectedVersion=1)
    (error,) = stale["userErrors"]

    assert (error["__typename"], error["code"], error["path"]) == ("StaleVersionError", "STALE_VERSION", ["input", "expectedVersion"])
    assert (error["currentVersion"], error["current"]) == (2, {"id": note, "body": "two"})
    assert stale["note"] is None
    assert (await update(graph, note, body="three", expectedVersion=2))["note"]["version"] == 3


@pytest.mark.parametrize("letter", ["x", "é", "🙂"])
async def test_length_in_bytes(graph: Graph, letter: str) -> None:
    """A note of exactly 16 KiB is stored as it is; one byte more is INVALID, in a new note and in an update."""
    ana = await graph.profile()
    longest = letter * (LIMIT // len(letter.encode()))
    assert len(longest.encode()) == LIMIT
    note = await graph.note(ana, longest)
    before = await graph.contents()
    added = await graph.data(ADD, {"input": {"profileId": ana, "body": longest + "x"}})
    changed = await update(graph, note, body="x" + longest)

    assert (await graph.data("query ($id: ID!) { node(id: $id) { ... on Note { body } } }", {"id": note}))["body"] == longest
    assert codes(added) == codes(changed) == [("INVALID", "input.body")]
    assert await graph.contents() == before


async def test_what_is_refused(graph: Graph) -> None:
    """Empty texts are REQUIRED, NUL and half a surrogate pair INVALID, a profile that is not there NOT_FOUND; nothing is written."""
    ana = await graph.profile()
    note = await graph.note(ana)
    nobody, nothing = make_id("prf", uuid7()), make_id("note", parse_id(ana, "prf")[0], uuid7())
    before = await graph.contents()
    for body, code in (("", "REQUIRED"), (" \n\t", "REQUIRED"), ("a\x00b", "INVALID"), ("\ud800", "INVALID"), ("x" * 2**20, "INVALID")):
        added = await graph.data(ADD, {"input": {"profileId": ana, "body": body}})
        changed = await update(graph, note, body=body)
        assert codes(added) == codes(changed) == [(code, "input.body")]

    assert codes(await graph.data(ADD, {"input": {"profileId": nobody, "body": "x"}})) == [("NOT_FOUND", "input.profileId")]
    assert codes(await update(graph, nothing, body="x")) == [("NOT_FOUND", "input.id")]
    assert codes(await graph.data(DELETE, {"id": nothing})) == [("NOT_FOUND", "id")]
    assert await graph.contents() == before


async def test_odd_text_is_text(graph: Graph) -> None:
    """Direction overrides, joiners, combining marks and markup are stored as they are."""
    ana = await graph.profile()
    body = "\u202eabc\u200d\ufeffe\u0301 <script>alert(1)</script> '; DROP TABLE note; -- {{7*7}} 𝄞"
    note = await graph.note(ana, body)

    assert (await graph.data("query ($id: ID!) { node(id: $id) { ... on Note { body } } }", {"id": note}))["body"] == body


async def test_scopes(graph: Graph) -> None:
    """Writing needs note:write; without note:read the note is written and not shown."""
    ana = await graph.profile()
    note = await graph.note(ana)
    for query, variables in ((ADD, {"input": {"profileId": ana, "body": "x"}}), (UPDATE, {"input": {"id": note}}), (DELETE, {"id": note})):
        error = await graph.error(query, variables, graph.partner)
        assert error["extensions"] == {"code": "FORBIDDEN", "scope": "note:write"}
    blind = graph.narrowed(graph.agent, "note:write")
    added = await graph.data(ADD, {"input": {"profileId": ana, "body": "x"}}, blind)
    await update(graph, note, body="two")
    stale = await update(graph, note, blind, body="three", expectedVersion=1)

    assert (added["note"], added["profile"], added["userErrors"]) == (None, None, [])
    assert stale["userErrors"][0]["current"] is None
    assert len(await graph.log(ana)) == 4
