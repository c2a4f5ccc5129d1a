"""What hangs on the timeline is read for all profiles together: the statements do not depend on how many there are."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from .conftest import START, Graph
from .contact_view_scene import Calls
from .test_batching import statements

__all__: list[str] = []

pytestmark = pytest.mark.asyncio(loop_scope="module")

CONFIG = """
[external_types."Order Completed"]
title = "Order {id}"
details = [ { label = "Items", path = "items[].name" } ]
"""
SCREEN = """query ($by: [ProfileRef!]!) { profiles(by: $by) {
  timeline(filter: {preset: ALL}, first: 50) { retainedSince nodes { __typename id title
    ... on Interaction { attributes notRecorded parent { id } transcript(first: 5) { nodes { text interaction { id } } pageInfo { hasNextPage } } }
    ... on Message { text interaction { id } } ... on ExternalActivity { details { label value } }
    ... on NoteItem { note { body contact { id } } } ... on ChangeItem { change { action fields { field } } } } }
  notes { nodes { contact { id } } }
  changes { nodes { action } feedCursor } } }"""


async def told(graph: Graph, contact: str, number: int) -> str:
    """A profile with something of everything on its timeline."""
    profile = await graph.profile(f"P{number}")
    chat = {"kind": "INTERACTION", "channel": "CHAT", "direction": "INBOUND"}
    message = {"kind": "MESSAGE", "type": "Message Sent", "channel": "CHAT", "direction": "INBOUND"}
    (parent,) = await graph.happened(profile, chat)
    name = parent.rpartition(".")[2]
    detail = {"conversation": f"c-{number}", "parent": name, "contact": UUID(int=number + 1).hex}
    await graph.happened(
        profile,
        {"detail": {"id": number, "items": [{"name": "Boots"}]}},
        *(message | {"detail": {"conversation": f"c-{number}", "text": str(n)}} for n in range(3)),
        message | {"detail": {"interaction": name, "text": "direct"}},
        chat | {"at": START + timedelta(seconds=1), "detail": detail},
    )
    await graph.note(profile, contactId=contact)
    return profile


async def test_one_and_thirty_profiles_take_the_same_statements(graph: Graph, monkeypatch: pytest.MonkeyPatch) -> None:
    """Transcripts, what messages and escalations belong to, details, notes with their contacts and changes: the same for one and for thirty."""
    contact = (await Calls(graph).rings())["id"]
    profiles = [await told(graph, contact, number) for number in range(30)]
    seen: list[list[str]] = []
    for asked in (profiles[:1], profiles):
        with statements(monkeypatch) as names:
            shown = await graph.data(SCREEN, {"by": [{"id": one} for one in asked]})
        seen.append(sorted(names))
        for profile in shown:
            by_type: dict[str, list[Any]] = {}
            for node in profile["timeline"]["nodes"]:
                by_type.setdefault(node["__typename"], []).append(node)
            parent, child = by_type["Interaction"]
            assert (parent["parent"], child["parent"]) == (None, {"id": parent["id"]})
            assert [one["text"] for one in child["transcript"]["nodes"]] == ["0", "1", "2"]
            assert [one["text"] for one in parent["transcript"]["nodes"]] == ["direct"]
            assert {one["interaction"]["id"] for one in by_type["Message"]} == {parent["id"], child["id"]}
            assert by_type["ExternalActivity"][0]["details"] == [{"label": "Items", "value": "Boots"}]
            assert by_type["NoteItem"][0]["note"]["contact"] == {"id": contact} == profile["notes"]["nodes"][0]["contact"]
            assert [one["change"]["action"] for one in by_type["ChangeItem"]] == [one["action"] for one in profile["changes"]["nodes"]]

    assert seen[0] == seen[1]
    assert len(seen[0]) == len(set(seen[0])) + seen[0].count("live_contacts_by_id") - 1 + seen[0].count("activities_by_id") - 1


async def test_around_is_two_reads(graph: Graph, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page around a moment of thirty profiles is read in two statements, behind the one that finds the moment."""
    profiles = [await graph.profile(f"P{number}") for number in range(30)]
    made = [await graph.happened(one, *[{}] * 5) for one in profiles]
    query = "query ($by: [ProfileRef!]!, $of: ID!) { profiles(by: $by) { timeline(around: $of, first: 3) { nodes { id } } } }"
    with statements(monkeypatch) as seen:
        shown = await graph.data(query, {"by": [{"id": one} for one in profiles], "of": made[0][2]})

    assert sorted(seen) == ["activities_by_id", "plain_activities_ascending", "plain_activities_descending", "profiles_by_id"]
    assert [node["id"] for node in shown[0]["timeline"]["nodes"]] == made[0][1:4]
    assert all(len(one["timeline"]["nodes"]) == 3 for one in shown)
