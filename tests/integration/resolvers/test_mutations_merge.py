"""mergeProfiles and unmergeProfiles from a client's side: everything goes to the survivor, and comes back."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.model.ids import parse_id

from .conftest import Graph, codes

__all__: list[str] = []

pytestmark = pytest.mark.asyncio(loop_scope="module")

MERGE = """mutation ($input: MergeProfilesInput!) { mergeProfiles(input: $input) {
  merge { id survivor { id } mergedIds by { id kind } at undoneAt canUndo } userErrors { code message path } streamCursor } }"""
UNMERGE = """mutation ($id: ID!) { unmergeProfiles(mergeId: $id) {
  merge { id undoneAt canUndo survivor { id } } userErrors { code message path } streamCursor } }"""
SCREEN = """query ($id: ID!) { profile(by: {id: $id}) {
  id redirectedFrom status lifecycle firstName middleName lastName displayName
  contactPoints { value channel isPrimary label } identifiers { type value }
  traits(first: 100) { nodes { key value provenance { source { key } } conflicts { value } } }
  notes(first: 100) { totalCount nodes { body isPinned author { id } } }
  companies { company { name } isMain } mainCompany { name }
  consents { purpose channel status } interests(first: 100) { nodes { topic score triggerCount } } segments { key }
  timeline(filter: {preset: ALL, kinds: [INTERACTION, EXTERNAL, WEB]}, first: 100) { nodes { title occurredAt } }
} }"""


async def merge(graph: Graph, survivor: str, *merged: str, **more: Any) -> dict[str, Any]:
    """The merge that was made."""
    payload = await graph.data(MERGE, {"input": {"survivorId": survivor, "mergeIds": list(merged), **more}}, graph.supervisor)
    assert payload["userErrors"] == [], payload
    made: dict[str, Any] = payload["merge"]
    return made


async def unmerge(graph: Graph, merge_id: str) -> dict[str, Any]:
    """The merge that was taken back."""
    payload = await graph.data(UNMERGE, {"id": merge_id}, graph.supervisor)
    assert payload["userErrors"] == [], payload
    undone: dict[str, Any] = payload["merge"]
    return undone


async def screen(graph: Graph, profile: str) -> dict[str, Any]:
    """Everything a supervisor sees of a profile."""
    shown: dict[str, Any] = await graph.data(SCREEN, {"id": profile}, graph.supervisor)
    return shown


async def pair(graph: Graph) -> tuple[str, str]:
    """Two profiles of one person, which share a phone, an attribute's key and a company."""
    ana = await graph.profile(
        "Ana",
        lastName="Silva",
        contactPoints=[{"channel": "VOICE", "value": "+442079460958", "label": "home"}, {"channel": "EMAIL", "value": "ana@example.com"}],
        identifiers=[{"type": "account_id", "value": "A-1"}],
        attributes={"plan": "gold", "title": "Dr"},
    )
    anna = await graph.profile(
        "Anna",
        lastName="Silva",
        contactPoints=[{"channel": "VOICE", "value": "+442079460958", "label": "work"}, {"channel": "EMAIL", "value": "anna@example.com"}],
        identifiers=[{"type": "customer_no", "value": "C-7"}],
        attributes={"plan": "silver", "website": "https://example.com"},
    )
    await graph.note(ana, "Prefers mornings.")
    await graph.note(anna, "Speaks Portuguese.", isPinned=True)
    await graph.join(ana, "Acme")
    await graph.join(anna, "Acme")
    await graph.join(anna, "Globex", main=True)
    await graph.happened(ana, {"type": "Order Completed"})
    await graph.happened(anna, {"type": "Order Refunded"}, {"kind": "INTERACTION", "channel": "VOICE", "direction": "INBOUND"})
    return ana, anna


async def test_merge_joins_everything(graph: Graph) -> None:
    """The survivor has its own values, and from the other what it lacked: notes, timeline, addresses, identifiers, companies."""
    ana, anna = await pair(graph)
    made = await merge(graph, ana, anna, reason="same person")
    shown = await screen(graph, ana)

    assert made["survivor"]["id"] == ana
    assert (made["mergedIds"], made["undoneAt"], made["canUndo"], made["by"]["id"]) == ([anna], None, True, "sue")
    assert (shown["firstName"], shown["lastName"]) == ("Ana", "Silva")
    assert {(one["value"], one["isPrimary"], one["label"]) for one in shown["contactPoints"]} == {
        ("+442079460958", True, "home"),
        ("ana@example.com", True, None),
        ("anna@example.com", False, None),
    }
    assert {(one["type"], one["value"]) for one in shown["identifiers"]} == {("account_id", "A-1"), ("customer_no", "C-7")}
    assert {one["key"]: one["value"] for one in shown["traits"]["nodes"]} == {
        "plan": "gold",
        "title": "Dr",
        "website": "https://example.com",
    }
    assert {note["body"] for note in shown["notes"]["nodes"]} == {"Prefers mornings.", "Speaks Portuguese."}
    assert {one["company"]["name"]: one["isMain"] for one in shown["companies"]} == {"Acme": True, "Globex": False}
    assert len(shown["timeline"]["nodes"]) == 3


async def test_unmerge_is_the_way_back(graph: Graph) -> None:
    """After the merge is taken back both profiles look exactly as they did before it."""
    ana, anna = await pair(graph)
    before = [await screen(graph, one) for one in (ana, anna)]
    made = await merge(graph, ana, anna)
    undone = await unmerge(graph, made["id"])

    assert undone["undoneAt"] is not None
    assert not undone["canUndo"]
    assert [await screen(graph, one) for one in (ana, anna)] == before


async def test_merge_with_chosen_winners(graph: Graph) -> None:
    """A chosen winner decides a field or an attribute; gaps of the survivor are filled from the others in order."""
    ana = await graph.profile("Ana", attributes={"plan": "gold", "title": "Dr"})
    await graph.observed(ana, "tracking", {"plan": "free"})
    anna = await graph.profile("Anna", lastName="Silva", attributes={"plan": "silver", "title": "Prof"})
    anne = await graph.profile("Anne", lastName="Souza")
    before = [await screen(graph, one) for one in (ana, anna, anne)]
    winners = [{"key": "firstName", "value": anne}, {"key": "plan", "value": anna}]
    made = await merge(graph, ana, anna, anne, fieldWinners=winners)
    shown = await screen(graph, ana)

    assert (shown["firstName"], shown["lastName"]) == ("Anne", "Silva")
    assert {one["key"]: (one["value"], one["conflicts"]) for one in shown["traits"]["nodes"]} == {
        "plan": ("silver", []),
        "title": ("Dr", []),
    }

    await unmerge(graph, made["id"])
    assert [await screen(graph, one) for one in (ana, anna, anne)] == before


async def test_merge_ids_go_on_working(graph: Graph) -> None:
    """Whatever named the merged profile finds the survivor, also over a chain of merges: profile, profiles, node, notes, items, values."""
    ana, anna = await pair(graph)
    one = await graph.profile("A.")
    ids = """query ($id: ID!) { profile(by: {id: $id}) { notes { nodes { id } } contactPoints(channel: EMAIL) { id } identifiers { id }
      timeline(filter: {kinds: [INTERACTION]}, first: 1) { nodes { id } } } }"""
    old = await graph.data(ids, {"id": anna})
    parts = [old["notes"]["nodes"][0]["id"], old["contactPoints"][0]["id"], old["identifiers"][0]["id"], old["timeline"]["nodes"][0]["id"]]
    await merge(graph, one, anna)
    await merge(graph, ana, one)
    query = """query ($a: ID!, $b: ID!, $parts: [ID!]!) { profile(by: {id: $b}) { id redirectedFrom status }
      profiles(by: [{id: $b}, {id: $a}]) { id redirectedFrom } node(id: $b) { id } nodes(ids: $parts) { __typename id }
      byEmail: profile(by: {email: "anna@example.com"}) { id redirectedFrom }
      byKey: profile(by: {identifier: {type: "customer_no", value: "C-7"}}) { id } }"""
    shown = await graph.data(query, {"a": ana, "b": anna, "parts": parts})

    assert shown["profile"] == {"id": ana, "redirectedFrom": anna, "status": "ACTIVE"}
    assert shown["profiles"] == [{"id": ana, "redirectedFrom": anna}, {"id": ana, "redirectedFrom": None}]
    assert shown["node"] == {"id": ana}
    assert [node["__typename"] for node in shown["nodes"]] == ["Note", "ContactPoint", "Identifier", "Interaction"]
    assert all(parse_id(ana, "prf")[0].hex in node["id"] for node in shown["nodes"])
    assert shown["byEmail"] == {"id": ana, "redirectedFrom": None}
    assert shown["byKey"] == {"id": ana}


async def test_merge_refuses_writes_to_the_old_id(graph: Graph) -> None:
    """A change of the merged profile is refused with a word on where it went; activities, which may name it for years, go to the survivor."""
    ana, anna = await pair(graph)
    note = (await graph.data("query ($id: ID!) { profile(by: {id: $id}) { notes { nodes { id } } } }", {"id": anna}))["notes"]["nodes"][0][
        "id"
    ]
    await merge(graph, ana, anna)
    update = "mutation ($input: UpdateProfileInput!) { updateProfile(input: $input) { userErrors { code message path } } }"
    refused = await graph.data(update, {"input": {"id": anna, "firstName": "X"}})
    add = "mutation ($input: NoteInput!) { addNote(input: $input) { userErrors { code message path } } }"
    change = "mutation ($input: UpdateNoteInput!) { updateNote(input: $input) { userErrors { code path } } }"
    join = 'mutation ($id: ID!) { addProfileToCompany(profileId: $id, companyName: "X") { userErrors { code path } } }'
    record = """mutation ($id: ID!) { recordActivities(activities: [{profile: {id: $id}, type: "Late Order", messageId: "m1",
      occurredAt: "2026-01-02T00:00:00Z"}]) { accepted userErrors { code } } }"""

    assert codes(refused) == [("MERGE_CONFLICT", "input.id")]
    assert ana in refused["userErrors"][0]["message"]
    assert codes(await graph.data(add, {"input": {"profileId": anna, "body": "x"}})) == [("MERGE_CONFLICT", "input.profileId")]
    assert codes(await graph.data(change, {"input": {"id": note, "body": "x"}})) == [("MERGE_CONFLICT", "input.id")]
    assert codes(await graph.data(join, {"id": anna})) == [("MERGE_CONFLICT", "profileId")]
    assert (await graph.data(record, {"id": anna}, graph.admin))["accepted"] == 1
    assert "Late Order" in {item["title"] for item in (await screen(graph, ana))["timeline"]["nodes"]}


async def test_unmerge_keeps_what_came_later(graph: Graph) -> None:
    """What was there goes back as it is now, what came later stays with the survivor, what was deleted stays deleted."""
    ana, anna = await pair(graph)
    made = await merge(graph, ana, anna, fieldWinners=[{"key": "firstName", "value": anna}])
    notes = {
        note["body"]: note["id"]
        for note in (await graph.data("query ($id: ID!) { profile(by: {id: $id}) { notes { nodes { id body } } } }", {"id": ana}))["notes"][
            "nodes"
        ]
    }
    await graph.note(ana, "Written since.")
    await graph.run(
        'mutation ($id: ID!) { updateNote(input: {id: $id, body: "Speaks French."}) { userErrors { code } } }',
        {"id": notes["Speaks Portuguese."]},
        graph.supervisor,
    )
    await graph.run(
        "mutation ($id: ID!) { deleteNote(id: $id) { userErrors { code } } }", {"id": notes["Prefers mornings."]}, graph.supervisor
    )
    update = "mutation ($input: UpdateProfileInput!) { updateProfile(input: $input) { userErrors { code } } }"
    changes = {"lastName": "Sousa", "attributes": {"website": "https://later.example", "title": "Prof"}}
    await graph.run(update, {"input": {"id": ana, **changes}})
    await unmerge(graph, made["id"])
    here, there = [await screen(graph, one) for one in (ana, anna)]

    assert (here["firstName"], here["lastName"], there["firstName"], there["lastName"]) == ("Ana", "Sousa", "Anna", "Silva")
    assert [note["body"] for note in here["notes"]["nodes"]] == ["Written since."]
    assert [note["body"] for note in there["notes"]["nodes"]] == ["Speaks French."]
    assert {one["key"]: one["value"] for one in here["traits"]["nodes"]} == {"plan": "gold", "title": "Prof"}
    assert {one["key"]: one["value"] for one in there["traits"]["nodes"]} == {"plan": "silver", "website": "https://later.example"}


async def test_unmerge_of_values_that_changed_hands(graph: Graph) -> None:
    """A number that was changed goes back changed and is found so; one the survivor lost comes back where it was kept; one that somebody else
    took meanwhile stays theirs.
    """
    ana, anna = await pair(graph)
    made = await merge(graph, ana, anna)
    read = "query ($id: ID!) { profile(by: {id: $id}) { contactPoints { id value } identifiers { id value } } }"
    shown = await graph.data(read, {"id": ana})
    points = {one["value"]: one["id"] for one in shown["contactPoints"]}
    numbers = {one["value"]: one["id"] for one in shown["identifiers"]}
    change = {
        "id": ana,
        "upsertContactPoints": [{"id": points["anna@example.com"], "channel": "EMAIL", "value": "new@example.com"}],
        "removeContactPointIds": [points["+442079460958"]],
        "removeIdentifierIds": [numbers["C-7"]],
    }
    await graph.run("mutation ($input: UpdateProfileInput!) { updateProfile(input: $input) { userErrors { code } } }", {"input": change})
    eve = await graph.profile("Eve", identifiers=[{"type": "customer_no", "value": "C-7"}])
    await unmerge(graph, made["id"])
    find = """{ a: profile(by: {email: "new@example.com"}) { id } b: profile(by: {email: "anna@example.com"}) { id }
      c: profile(by: {phone: "+442079460958"}) { id } d: profile(by: {identifier: {type: "customer_no", value: "C-7"}}) { id }
      e: profile(by: {email: "ana@example.com"}) { id } }"""

    assert await graph.data(find) == {"a": {"id": anna}, "b": None, "c": {"id": anna}, "d": {"id": eve}, "e": {"id": ana}}
    assert [one["value"] for one in (await screen(graph, ana))["contactPoints"]] == ["ana@example.com"]
    assert {one["value"] for one in (await screen(graph, anna))["contactPoints"]} == {"new@example.com", "+442079460958"}


async def test_merge_keeps_the_last_word_on_consent(graph: Graph) -> None:
    """Of two words on one purpose the person's later one counts, whoever survives, and both come back."""
    ana, anna = await graph.profile("Ana"), await graph.profile("Anna")
    consent = """mutation ($id: ID!, $status: ConsentStatus!) { setConsent(profileId: $id, purpose: "marketing", status: $status) {
      userErrors { code } } }"""
    await graph.data(consent, {"id": ana, "status": "GRANTED"})
    await graph.data(consent, {"id": anna, "status": "REVOKED"})
    before = [await screen(graph, one) for one in (ana, anna)]
    made = await merge(graph, ana, anna)
    during = await screen(graph, ana)
    await unmerge(graph, made["id"])

    assert [one["status"] for one in during["consents"]] == ["REVOKED"]
    assert [await screen(graph, one) for one in (ana, anna)] == before


async def test_merge_tells_both_streams(graph: Graph) -> None:
    """Both streams carry the merge, the survivor's also what changed; after the undoing both are told to look again."""
    ana, anna = await pair(graph)
    made = await merge(graph, ana, anna, fieldWinners=[{"key": "firstName", "value": anna}])
    kinds = "SELECT kind, entity_id, fields FROM change_log WHERE stream_id = $1 ORDER BY seq DESC LIMIT 2"
    rows = {name: await graph.runtime.database.fetch(kinds, parse_id(one, "prf")[0]) for name, one in (("ana", ana), ("anna", anna))}
    (merge_id,) = parse_id(made["id"], "mrg")

    assert (rows["anna"][0]["kind"], rows["anna"][0]["entity_id"]) == (4, merge_id)
    assert [row["kind"] for row in rows["ana"]] == [1, 4]
    assert rows["ana"][1]["entity_id"] == merge_id
    assert {"firstName", "contactPoints", "notes", "timeline", "companies", "traits", "identifiers"} <= set(rows["ana"][0]["fields"])
    await unmerge(graph, made["id"])
    for one in (ana, anna):
        (last, *_) = await graph.runtime.database.fetch(kinds, parse_id(one, "prf")[0])
        assert (last["kind"], {"status", "firstName", "notes", "timeline"} <= set(last["fields"])) == (1, True)


async def test_merge_stands_in_the_audit(graph: Graph) -> None:
    """Who merged what and why stands on the survivor, with what changed of it; the entries of the merged profile come along and go back."""
    ana, anna = await pair(graph)
    made = await merge(graph, ana, anna, reason="same person", fieldWinners=[{"key": "firstName", "value": anna}])
    audit = "SELECT action, fields, reason, actor_id FROM change WHERE profile_id = $1 ORDER BY id"
    here = await graph.runtime.database.fetch(audit, parse_id(ana, "prf")[0])
    entry = here[-1]

    assert await graph.runtime.database.fetch(audit, parse_id(anna, "prf")[0]) == []
    assert (entry["action"], entry["reason"], entry["actor_id"]) == ("MERGED", "same person", "sue")
    assert [(one["field"], one["before"], one["after"]) for one in entry["fields"]] == [
        ("firstName", "Ana", "Anna"),
        ("mergedProfiles", None, [anna]),
    ]
    await unmerge(graph, made["id"])
    actions = [[row["action"] for row in await graph.runtime.database.fetch(audit, parse_id(one, "prf")[0])] for one in (ana, anna)]
    assert all(own.count("CREATED") == 1 and own[-1] == "UNMERGED" for own in actions)
    assert [own.count("MERGED") for own in actions] == [1, 0]


async def test_merge_record_is_a_node(graph: Graph) -> None:
    """A merge is found by its id, by colleagues only."""
    ana, anna = await graph.profile("Ana"), await graph.profile("Anna")
    made = await merge(graph, ana, anna)
    query = "query ($id: ID!) { node(id: $id) { __typename id ... on MergeRecord { mergedIds survivor { id } } } }"

    assert await graph.data(query, {"id": made["id"]}) == {
        "__typename": "MergeRecord",
        "id": made["id"],
        "mergedIds": [anna],
        "survivor": {"id": ana},
    }
    assert await graph.data(query, {"id": made["id"]}, graph.stranger) is None
