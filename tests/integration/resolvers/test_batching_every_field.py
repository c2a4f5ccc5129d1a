"""Each batched field of the schema, on its own: more parents never take more statements.

Driven by the schema: a type with batched fields that has no way to it in `WAYS` fails here, and so does a field that waits for something
without being a batch function.
"""

from __future__ import annotations

from inspect import iscoroutinefunction
from typing import Any

import pytest
from graphql import GraphQLObjectType, get_named_type, is_leaf_type

from resolvers.batching import BATCH
from resolvers.schema import build_schema

from .conftest import Graph
from .contact_view_scene import Calls
from .test_batching import statements
from .test_cap_insights import event, send, user

__all__: list[str] = []

pytestmark = pytest.mark.asyncio(loop_scope="module")

FEW, MANY = 2, 6
ROOTS = {"Query", "Mutation", "Subscription"}
SCHEMA = build_schema()
FIELDS = [
    (kind, name, field)
    for kind in SCHEMA.type_map.values()
    if isinstance(kind, GraphQLObjectType) and kind.name not in ROOTS
    for name, field in kind.fields.items()
]
BATCHED = sorted((kind.name, name) for kind, name, field in FIELDS if iscoroutinefunction(field.extensions.get(BATCH)))


def _item(kind: str) -> str:
    return f"timeline(filter: {{preset: ALL}}, first: 50) {{ nodes {{ ... on {kind} {{ __typename %s }} }} }}"


OF_PROFILES = "query ($by: [ProfileRef!]!) { profiles(by: $by) { %s } }"
WAYS = {
    "Profile": "__typename %s",
    "Company": "companies { company { __typename %s } }",
    "Contact": "contacts { nodes { __typename %s } }",
    "ChangeConnection": "changes { __typename %s }",
    "Change": "changes(first: 1) { nodes { __typename %s } }",
    "Interaction": _item("Interaction"),
    "InterestTriggered": _item("InterestTriggered"),
    "Message": _item("Message"),
    "MergeProposal": "mergeProposals { __typename %s }",
    "MergeRecord": None,  # asked for by their ids
    "Note": "notes { nodes { __typename %s } }",
    "NoteConnection": "notes { __typename %s }",
}
"""Type → how a screen of profiles comes to objects of it, at least one of each profile."""


def _selection(kind: str, name: str) -> str:
    """The field with the first plain field of what it gives."""
    field = SCHEMA.type_map[kind].fields[name]  # type: ignore[attr-defined]
    named = get_named_type(field.type)
    if is_leaf_type(named):
        return name
    inner = next((f"nodes {{ {_plain(named.fields['nodes'].type)} }}" for key in named.fields if key == "nodes"), _plain(named))
    return f"{name} {{ {inner} }}"


def _plain(type_: Any) -> str:
    fields = getattr(get_named_type(type_), "fields", {})
    plain = (key for key, field in fields.items() if is_leaf_type(get_named_type(field.type)) and BATCH not in field.extensions)
    return next(plain, "__typename")


async def _crowd(graph: Graph) -> tuple[list[str], list[str]]:
    """Profiles with something of everything, and merges."""
    calls = Calls(graph)
    merge = "mutation ($input: MergeProfilesInput!) { mergeProfiles(input: $input) { merge { id } } }"
    profiles, merges = [], []
    for n in range(MANY):
        await send(
            graph,
            event("identify", by=f"u{n}", traits={"email": f"p{n}@example.com", "plan": "gold"}),
            event("group", by=f"u{n}", groupId=f"g{n}", traits={"name": f"Company {n}"}),
            event("track", "Interest Triggered", by=f"u{n}", properties={"topic": f"Topic {n}"}),
        )
        profile = await user(graph, f"u{n}")
        await graph.profile("Twin", contactPoints=[{"channel": "EMAIL", "value": f"p{n}@example.com"}])
        contact = (await calls.rings(channel="CHAT", address=f"p{n}@example.com"))["id"]
        await calls.associated(contact, profile)
        await graph.note(profile, contactId=contact)
        chat: dict[str, Any] = {"kind": "INTERACTION", "channel": "CHAT", "direction": "INBOUND", "detail": {"conversation": f"c{n}"}}
        message = {"kind": "MESSAGE", "type": "Message Sent", "channel": "CHAT", "direction": "INBOUND"}
        (first,) = await graph.happened(profile, {**chat, "detail": {}})
        chat["detail"]["parent"] = first.rpartition(".")[2]
        await graph.happened(profile, chat, message | {"detail": {"conversation": f"c{n}", "text": "hello"}})
        survivor, merged = [await graph.profile(f"M{n}") for _ in range(2)]
        done = await graph.data(merge, {"input": {"survivorId": survivor, "mergeIds": [merged]}}, graph.supervisor)
        profiles.append(profile)
        merges.append(done["merge"]["id"])
    return profiles, merges


async def test_every_field_that_waits_is_batched() -> None:
    """No field below the roots awaits anything on its own."""
    alone = [(kind.name, name) for kind, name, field in FIELDS if BATCH not in field.extensions and iscoroutinefunction(field.resolve)]

    assert alone == []
    assert {kind for kind, _ in BATCHED} == set(WAYS)


async def test_more_parents_take_no_more_statements(graph: Graph, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of every batched field: a screen of six profiles takes at most the statements of a screen of two."""
    profiles, merges = await _crowd(graph)
    grown: dict[tuple[str, str], tuple[list[str], list[str]]] = {}
    for kind, name in BATCHED:
        way, asked = WAYS[kind], []
        for size in (FEW, MANY):
            if way is None:
                query = f"query ($ids: [ID!]!) {{ nodes(ids: $ids) {{ ... on {kind} {{ __typename {_selection(kind, name)} }} }} }}"
                variables: dict[str, Any] = {"ids": merges[:size]}
            else:
                query, variables = OF_PROFILES % (way % _selection(kind, name)), {"by": [{"id": one} for one in profiles[:size]]}
            with statements(monkeypatch) as seen:
                shown = await graph.data(query, variables, graph.admin)
            assert str(shown).count(f"'__typename': '{kind}'") >= size, (kind, name)
            asked.append(sorted(seen))
        if len(asked[1]) > len(asked[0]):
            grown[kind, name] = (asked[0], asked[1])

    assert grown == {}
