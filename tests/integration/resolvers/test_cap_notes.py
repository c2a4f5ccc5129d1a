"""Notes: written for colleagues, pinned, their author's own, gone when they are deleted, and never told to whoever may not read them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from .conftest import NOTE, Graph, codes
from .contact_view_scene import Calls

__all__: list[str] = []

pytestmark = pytest.mark.asyncio(loop_scope="module")

UPDATE = """mutation ($input: UpdateNoteInput!) { updateNote(input: $input) { note { id version body isPinned } profile { id }
  userErrors { __typename code message path } streamCursor } }"""
DELETE = """mutation ($id: ID!) { deleteNote(id: $id) { deletedId profile { id } userErrors { code message path } streamCursor } }"""
WATCH = """subscription ($id: ID!, $filter: TimelineFilter, $after: StreamCursor) {
  timelineEvents(profileId: $id, filter: $filter, after: $after) { __typename
    ... on TimelineItemUpserted { isNew item { __typename id ... on NoteItem { note { id body } } ... on ChangeItem { change { action } } } }
    ... on TimelineItemRemoved { itemId } } }"""
LIST = """query ($id: ID!, $first: Int, $after: String) { profile(by: {id: $id}) { streamCursor notes(first: $first, after: $after) {
  nodes { body isPinned } pageInfo { hasNextPage endCursor } totalCount } } }"""
SECRET = "The customer's mother is ill"


def act(note: str) -> str:
    """The id of a note's item on the timeline."""
    return f"act_{note[5:37]}.native.{note[37:]}"


async def history(graph: Graph, profile: str, principal: Any = None, **chosen: Any) -> list[dict[str, Any]]:
    """Items of a timeline with what notes and changes say."""
    query = """query ($id: ID!, $filter: TimelineFilter) { profile(by: {id: $id}) { timeline(filter: $filter) { nodes { __typename id title
      occurredAt ... on NoteItem { note { id body author { id } } } ... on ChangeItem { change { action fields { field before after } } } } } } }"""
    shown = await graph.data(query, {"id": profile, "filter": chosen}, principal)
    found: list[dict[str, Any]] = shown["timeline"]["nodes"]
    return found


async def test_cap_084_notes_are_the_profiles(graph: Graph) -> None:
    """A note written during one contact is shown whenever the profile is opened, with the contact for whoever may see that."""
    calls = Calls(graph)
    ana = await calls.caller(phone="+442079460200")
    contact = await calls.rings(address="+442079460200")
    note = await graph.note(ana, "Speaks Welsh", contactId=contact["id"])
    await calls.moves(contact["id"], "CONNECTED", "WRAP_UP", "CLOSED")
    query = "query ($id: ID!) { profile(by: {id: $id}) { notes { nodes { id contact { id state } } } } }"

    async def seen(principal: Any) -> Any:
        return (await graph.data(query, {"id": ana}, principal))["notes"]["nodes"]

    assert await seen(graph.agent) == [{"id": note, "contact": {"id": contact["id"], "state": "CLOSED"}}]
    assert await seen(graph.supervisor) == [{"id": note, "contact": {"id": contact["id"], "state": "CLOSED"}}]
    assert await seen(graph.colleague) == [{"id": note, "contact": None}]
    assert (await graph.data("query ($id: ID!) { node(id: $id) { ... on Note { contact { id } } } }", {"id": await graph.note(ana)})) == {
        "contact": None
    }


async def test_cap_085_notes_never_reach_others(graph: Graph) -> None:
    """Without note:read there is no note on any path: list, timeline, search, by id, live, nor in what an update or a refusal answers."""
    ana = await graph.profile()
    note = await graph.note(ana, SECRET)
    start = (await graph.data(LIST, {"id": ana}))["streamCursor"]
    reader = graph.narrowed(graph.partner, *graph.partner.scopes, "subscribe", "note:write")
    watch = graph.stream(WATCH, {"id": ana, "filter": {"preset": "ALL"}, "after": start}, reader)
    assert (await watch.next())["__typename"] == "StreamReady"
    another = await graph.note(ana, SECRET)
    await graph.happened(ana, {"kind": "WEB"})

    assert (await watch.next())["item"]["__typename"] == "ExternalActivity"
    await watch.close()
    assert (await graph.run(LIST, {"id": ana}, reader))["data"]["profile"]["notes"] is None
    for chosen in ({"preset": "ALL"}, {"kinds": ["NOTE"]}, {"preset": "ALL", "search": "mother"}, {"agentIds": ["ann"], "kinds": ["NOTE"]}):
        assert "NoteItem" not in {item["__typename"] for item in await history(graph, ana, reader, **chosen)}
    assert await history(graph, ana, reader, kinds=["NOTE", "CHANGE"], search="mother") == []
    for one in (note, another):
        assert await graph.data("query ($id: ID!) { node(id: $id) { id } }", {"id": one}, reader) is None
    refused = await graph.run(UPDATE, {"input": {"id": note, "expectedVersion": 9, "body": "x"}}, reader)
    made = await graph.run(NOTE, {"input": {"profileId": ana, "body": "From outside"}}, reader)
    for answer in (refused, made):
        assert SECRET not in str(answer)
    assert made["data"]["addNote"]["note"] is None
    assert [one["note"]["body"] for one in await history(graph, ana, kinds=["NOTE"])] == [SECRET, SECRET, "From outside"]


async def test_cap_086_important_notes_come_first(graph: Graph) -> None:
    """Pinned notes stand first, newest first among themselves, page by page, and every note is found by its text."""
    ana = await graph.profile()
    for number in range(6):
        await graph.note(ana, f"note {number}", isPinned=number in (1, 3))
    listed: list[str] = []
    cursor = None
    while True:
        notes = (await graph.data(LIST, {"id": ana, "first": 2, "after": cursor}))["notes"]
        listed += [note["body"] for note in notes["nodes"]]
        cursor = notes["pageInfo"]["endCursor"]
        if not notes["pageInfo"]["hasNextPage"]:
            break

    assert listed == ["note 3", "note 1", "note 5", "note 4", "note 2", "note 0"]
    assert notes["totalCount"] == 6
    assert [one["note"]["body"] for one in await history(graph, ana, preset="ALL", search="NOTE 4")] == ["note 4"]


async def test_cap_086_a_cursor_of_another_list(graph: Graph) -> None:
    """A cursor of another list, of another workspace or made up is none of a list of notes."""
    ana, foreign = await graph.profile(), await graph.profile(principal=graph.stranger)
    await graph.note(ana)
    cursor = (await graph.data(LIST, {"id": ana}))["notes"]["pageInfo"]["endCursor"]
    changes = "query ($id: ID!) { profile(by: {id: $id}) { changes { pageInfo { endCursor } } } }"
    other = (await graph.data(changes, {"id": ana}))["changes"]["pageInfo"]["endCursor"]

    for after, profile, principal in ((other, ana, graph.agent), ("x", ana, graph.agent), (cursor, foreign, graph.stranger)):
        error = await graph.error(LIST, {"id": profile, "after": after}, principal)
        assert error["extensions"]["code"] == "CURSOR_INVALID"


async def test_cap_087_colleagues_see_a_note_at_once(graph: Graph) -> None:
    """A colleague's open timeline shows the note as it is written, changed and deleted; the deletion is an entry without the text."""
    ana = await graph.profile()
    watch = graph.stream(WATCH, {"id": ana, "filter": {"preset": "ALL"}}, graph.colleague)
    assert (await watch.next())["__typename"] == "StreamReady"
    note = await graph.note(ana, SECRET)
    written = await watch.next()
    await graph.data(UPDATE, {"input": {"id": note, "isPinned": True}})
    changed = await watch.next()
    await graph.data(DELETE, {"id": note}, graph.supervisor)
    deleted, removed = await watch.next(), await watch.next()
    await watch.close()

    assert (written["isNew"], written["item"]) == (True, {"__typename": "NoteItem", "id": act(note), "note": {"id": note, "body": SECRET}})
    assert changed["isNew"] is False
    assert changed["item"]["id"] == act(note)
    assert (deleted["isNew"], deleted["item"]["change"]) == (True, {"action": "NOTE_DELETED"})
    assert removed == {"__typename": "TimelineItemRemoved", "itemId": act(note)}


async def test_cap_088_deleted_is_gone(graph: Graph) -> None:
    """A deleted note's text is nowhere in the database; the history tells that there was one, who deleted it, and nothing it said."""
    ana = await graph.profile()
    note = await graph.note(ana, SECRET)
    await graph.data(DELETE, {"id": note}, graph.supervisor)
    database = graph.runtime.database
    tables = ("note", "change", "change_log", "activity", "idempotency")
    for table in tables:
        found = f"SELECT count(*) FROM {table} t WHERE workspace_id = $1 AND t::text LIKE '%mother%'"
        assert await database.fetchval(found, graph.agent.workspace_id) == 0
    (shown,) = [item for item in await history(graph, ana, kinds=["NOTE", "CHANGE"]) if item["title"].startswith("Note")]

    assert shown["title"] == "Note deleted by Sue"
    assert shown["change"] == {"action": "NOTE_DELETED", "fields": [{"field": "notes", "before": note, "after": None}]}


async def test_cap_089_notes_come_after_companies(graph: Graph) -> None:
    """The layout that nobody changed shows attributes, then companies, then notes."""
    layout = await graph.data("{ layout { sections { key component } } }")

    assert [section["component"] for section in layout["sections"]][:3] == ["attributes", "companies", "notes"]


@pytest.mark.parametrize(
    ("body", "code"),
    [("x" * 16384, None), ("é" * 8193, "INVALID"), ("  \n ", "REQUIRED"), ("a\x00b", "INVALID"), ("**Markdown** <b>", None)],
    ids=["longest", "too long", "blank", "nul", "markup"],
)
async def test_cap_090_free_text(graph: Graph, body: str, code: str | None) -> None:
    """A note is any text up to 16 KiB, kept as it was written; what is none is refused and nothing is written."""
    ana = await graph.profile()
    before = await graph.contents()
    payload = await graph.data(NOTE, {"input": {"profileId": ana, "body": body}})

    assert codes(payload) == ([] if code is None else [(code, "input.body")])
    if code is None:
        assert [one["note"]["body"] for one in await history(graph, ana, kinds=["NOTE"])] == [body]
    else:
        assert await graph.contents() == before


async def test_cap_091_own_notes_only(graph: Graph) -> None:
    """Only the author, or a supervisor, changes or deletes a note; everybody else is told NOT_YOUR_NOTE, and the text is not repeated."""
    ana = await graph.profile()
    note = await graph.note(ana, SECRET)
    before = await graph.contents()
    changed = await graph.data(UPDATE, {"input": {"id": note, "body": "mine now"}}, graph.colleague)
    deleted = await graph.data(DELETE, {"id": note}, graph.colleague)

    assert (codes(changed), codes(deleted)) == ([("NOT_YOUR_NOTE", "input.id")], [("NOT_YOUR_NOTE", "id")])
    assert SECRET not in str((changed, deleted))
    assert await graph.contents() == before
    assert (await graph.data(UPDATE, {"input": {"id": note, "body": "corrected"}}, graph.supervisor))["note"]["body"] == "corrected"


async def test_a_contact_that_cannot_be(graph: Graph) -> None:
    """A contact of nobody, of another workspace or of another agent is NOT_FOUND alike, and nothing is written."""
    calls = Calls(graph)
    ana = await graph.profile()
    contact = await calls.rings()
    foreign = Calls(graph)
    before = await graph.contents()

    for name, principal in ((contact["id"], graph.colleague), (f"con_{'0' * 32}", graph.agent)):
        payload = await graph.data(NOTE, {"input": {"profileId": ana, "body": "x", "contactId": name}}, principal)
        assert codes(payload) == [("NOT_FOUND", "input.contactId")]
        assert payload["userErrors"][0]["message"] == "There is no such contact."
    theirs = await graph.profile(principal=graph.stranger)
    between = await graph.contents()
    payload = await graph.data(NOTE, {"input": {"profileId": theirs, "body": "x", "contactId": contact["id"]}}, graph.stranger)
    assert codes(payload) == [("NOT_FOUND", "input.contactId")]
    assert await graph.contents() == between != before
    error = await graph.error(NOTE, {"input": {"profileId": ana, "body": "x", "contactId": ana}})
    assert error["extensions"] == {"code": "BAD_USER_INPUT", "argument": "input.contactId"}
    assert foreign.graph is graph


@pytest.mark.parametrize("mutation", ["add", "update", "delete"])
async def test_without_the_right(graph: Graph, mutation: str) -> None:
    """Without note:write nothing is written, and the error names the scope."""
    ana = await graph.profile()
    note = await graph.note(ana)
    before = await graph.contents()
    asked = {"add": (NOTE, {"input": {"profileId": ana, "body": "x"}}), "update": (UPDATE, {"input": {"id": note, "body": "x"}})}
    query, variables = asked.get(mutation, (DELETE, {"id": note}))
    error = await graph.error(query, variables, graph.narrowed(graph.agent, "profile:read", "note:read"))

    assert error["extensions"] == {"code": "FORBIDDEN", "scope": "note:write"}
    assert await graph.contents() == before


@pytest.mark.parametrize("mutation", ["add", "update", "delete"])
async def test_another_workspaces(graph: Graph, mutation: str) -> None:
    """Another workspace's profile or note answers like one that does not exist."""
    ana = await graph.profile()
    note = await graph.note(ana)
    before = await graph.contents()
    asked = {"add": (NOTE, {"input": {"profileId": ana, "body": "x"}}), "update": (UPDATE, {"input": {"id": note, "body": "x"}})}
    query, variables = asked.get(mutation, (DELETE, {"id": note}))
    payload = await graph.data(query, variables, graph.stranger)

    assert [code for code, _ in codes(payload)] == ["NOT_FOUND"]
    assert await graph.contents() == before


async def test_a_stale_version(graph: Graph) -> None:
    """Who knows an older version is refused and shown the note as it is, if it may read notes."""
    ana = await graph.profile()
    note = await graph.note(ana, SECRET)
    await graph.data(UPDATE, {"input": {"id": note, "isPinned": True}})
    before = await graph.contents()
    payload = await graph.data(UPDATE, {"input": {"id": note, "body": "x", "expectedVersion": 1}})

    assert codes(payload) == [("STALE_VERSION", "input.expectedVersion")]
    assert await graph.contents() == before


async def test_the_same_key_with_another_contact(graph: Graph) -> None:
    """An idempotency key belongs to the whole input, the contact among it."""
    calls = Calls(graph)
    ana = await graph.profile()
    contact = await calls.rings()
    given = {"profileId": ana, "body": "x", "idempotencyKey": "k-1"}
    first = await graph.data(NOTE, {"input": given})
    again = await graph.data(NOTE, {"input": given})
    error = await graph.error(NOTE, {"input": {**given, "contactId": contact["id"]}})

    assert first["note"]["id"] == again["note"]["id"]
    assert error["extensions"]["code"] == "IDEMPOTENCY_KEY_REUSED"
    assert await graph.count("note") == 1


async def test_edited_while_deleted(graph: Graph) -> None:
    """Of an edit and a deletion at the same moment each happens whole or not at all: the note is gone, and a late edit is NOT_FOUND."""
    ana = await graph.profile()
    for turn in range(8):
        note = await graph.note(ana, f"note {turn}")
        edit, delete = graph.data(UPDATE, {"input": {"id": note, "body": "edited"}}), graph.data(DELETE, {"id": note}, graph.supervisor)
        edited, deleted = await asyncio.gather(edit, delete) if turn % 2 else (await asyncio.gather(delete, edit))[::-1]
        assert (deleted["deletedId"], deleted["userErrors"]) == (note, [])
        assert codes(edited) in ([], [("NOT_FOUND", "input.id")])
        assert await graph.data("query ($id: ID!) { node(id: $id) { id } }", {"id": note}) is None
    assert await graph.count("note") == 0
    deletions = [item for item in await history(graph, ana, kinds=["CHANGE"]) if item["change"]["action"] == "NOTE_DELETED"]
    assert len(deletions) == 8


async def test_two_editors(graph: Graph) -> None:
    """Of two edits that know the same version one is made; the other is told the version has moved on."""
    ana = await graph.profile()
    note = await graph.note(ana, "as it was")
    edits = [graph.data(UPDATE, {"input": {"id": note, "body": f"by {who}", "expectedVersion": 1}}) for who in "ab"]
    answers = await asyncio.gather(*edits)

    assert sorted(codes(answer) for answer in answers) == [[], [("STALE_VERSION", "input.expectedVersion")]]
    (shown,) = await history(graph, ana, kinds=["NOTE"])
    (winner,) = [answer["note"] for answer in answers if answer["note"]]
    assert (shown["note"]["body"], winner["version"]) == (winner["body"], 2)
