"""Execute once, over the whole schema: what viewers of a class share is exactly what each of them would get alone."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from graphql import (
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLUnionType,
    get_named_type,
    is_leaf_type,
    is_required_argument,
)

from gateway.auth.policy import ROLE_SCOPES
from gateway.auth.principal import Principal, Role
from gateway.auth.session import Session
from gateway.engine.encoding import encode
from gateway.engine.request import Request
from gateway.loaders.contacts import ContactLoaders
from gateway.model.ids import parse_id
from resolvers.events.values import ContactEvent, ItemEvent, LiveValue, ProfileEvent
from resolvers.schema import build_schema

from .conftest import Graph

SCHEMA: GraphQLSchema = build_schema()
AT = datetime(2026, 1, 1, tzinfo=UTC)
DEPTH = 2
OF_THE_MOMENT = frozenset({"errorId", "latencyMs", "lastSuccessAt", "lagSeconds", "fetchedAt", "feedCursor", "asOf"})
ROLES = (Role.AGENT, Role.SUPERVISOR, Role.ADMIN, Role.PARTNER)
OPEN = """mutation { openContact(input: { externalId: "c-1", channel: VOICE, address: "+442079460958", agentId: "ann" }) {
  contact { id } userErrors { code message } } }"""

TIMELINE = """query($id: ID!) { profile(by: { id: $id }) {
  timeline(first: 50, filter: { kinds: [INTERACTION, EXTERNAL, NOTE, CHANGE] }) { nodes { __typename id } } } }"""


def selection(kind: Any, depth: int, alias: str = "") -> str:
    """Everything below a type that can be asked for without arguments."""
    if isinstance(kind, GraphQLUnionType | GraphQLInterfaceType):
        parts = (f"... on {one.name} {{ {selection(one, depth, one.name + '_')} }}" for one in SCHEMA.get_possible_types(kind))
        return "__typename " + " ".join(parts)
    assert isinstance(kind, GraphQLObjectType)
    return "__typename " + " ".join(part for _, part in parts_of(kind, depth, alias))


def parts_of(kind: GraphQLObjectType, depth: int, alias: str = "") -> Iterator[tuple[str, str]]:
    """Each field of a type with what is asked of it."""
    for name, field in kind.fields.items():
        if any(is_required_argument(argument) for argument in field.args.values()):
            continue
        shown = f"{alias}{name}: {name}" if alias else name
        inner = get_named_type(field.type)
        if is_leaf_type(inner):
            yield name, shown
        elif depth:
            yield name, f"{shown} {{ {selection(inner, depth - 1)} }}"


def asked(name: str) -> list[tuple[str, str]]:
    """Every field of a type as a subscription of its own."""
    kind = SCHEMA.get_type(name)
    assert isinstance(kind, GraphQLObjectType)
    return list(parts_of(kind, DEPTH))


def comparable(value: Any) -> Any:
    """Without what is another each time it is asked."""
    if isinstance(value, dict):
        return {key: comparable(one) for key, one in value.items() if key.rpartition("_")[2] not in OF_THE_MOMENT}
    return [comparable(one) for one in value] if isinstance(value, list) else value


async def events(graph: Graph) -> dict[str, list[tuple[str, LiveValue]]]:
    """Events about a profile that has something of everything: by root field, each with the field of the event and of what it is about."""
    profile = await graph.profile(
        "Ana",
        contactPoints=[{"channel": "VOICE", "value": "+442079460958"}, {"channel": "EMAIL", "value": "ana@example.com"}],
        identifiers=[{"type": "user_id", "value": "u-1"}],
    )
    (key,) = parse_id(profile, "prf")
    opened = await graph.data(OPEN)
    assert opened["userErrors"] == [], opened
    contact = parse_id(opened["contact"]["id"], "con")[0]
    for author in (graph.agent, graph.colleague):
        await graph.note(profile, f"Written by {author.subject}.", author)
    await graph.join(profile, "Acme", main=True)
    await graph.happened(profile, {"kind": "INTERACTION", "channel": "VOICE", "direction": "INBOUND"}, {"type": "Order Completed"})
    context = graph.runtime.context_for(graph.admin)
    value = await context.loaders.profile.load(key)
    page = await graph.data(TIMELINE, {"id": profile})
    found: dict[str, list[tuple[str, LiveValue]]] = {
        "profileEvents": [("ProfileUpdated", ProfileEvent("c", 1, AT, value, ("traits",), None))],
        "timelineEvents": [],
        "contactEvents": [],
    }
    for item in page["timeline"]["nodes"]:
        _, source, native = item["id"].split("_", 1)[1].split(".")
        loaded = await context.loaders.item.load((key, source, native))
        found["timelineEvents"].append((item["__typename"], ItemEvent("c", 1, AT, loaded, True)))
    found["contactEvents"].append(("Contact", ContactEvent("c", 1, AT, await context.loaders.of(ContactLoaders).contact.load(contact))))
    return found


def documents(root: str, kind: str) -> Iterator[str]:
    """Each field of what an event is about as a document."""
    for _, part in asked("Profile" if kind == "ProfileUpdated" else kind):
        match root:
            case "profileEvents":
                inner = f"... on ProfileUpdated {{ changedFields actor {{ id }} profile {{ {part} }} }}"
                yield f'subscription {{ profileEvents(profileId: "x") {{ {inner} }} }}'
            case "timelineEvents":
                inner = f"... on TimelineItemUpserted {{ item {{ ... on {kind} {{ {part} }} }} }}"
                yield f'subscription {{ timelineEvents(profileId: "x") {{ {inner} }} }}'
            case _:
                yield f"subscription {{ contactEvents {{ ... on ContactChanged {{ contact {{ {part} }} }} }} }}"


def crowd(graph: Graph, chance: random.Random) -> list[Principal]:
    """Pairs of one class each: a role with some scopes, the same without one of them, and another."""
    found: list[Principal] = []
    everything = sorted(ROLE_SCOPES[Role.ADMIN])
    drawn = [(chance.choice(ROLES), frozenset(chance.sample(everything, chance.randint(1, len(everything))))) for _ in range(2)]
    narrowed = drawn[0][0], drawn[0][1] - {chance.choice(sorted(drawn[0][1]))}
    for role, scopes in (*drawn, narrowed):
        found += [replace(graph.agent, subject=who, display_name=who.title(), role=role, scopes=scopes) for who in ("ann", "bob")]
    chance.shuffle(found)
    return found


@pytest.mark.asyncio(loop_scope="module")
async def test_shared_answers_are_what_each_would_get_alone(graph: Graph, monkeypatch: pytest.MonkeyPatch) -> None:
    """For every field that an event leads to, and viewers of random roles and scopes: what the group gives is what the viewer alone is given."""
    engine, chance = graph.runtime.engine, random.Random(20)
    monkeypatch.setattr(ContactEvent, "alike", lambda event: id(event.contact))  # which is told to one only, but could be to a group
    shared = compared = 0
    for root, about in (await events(graph)).items():
        seen: set[str] = set()
        for kind, event in about:
            if kind in seen and kind != "NoteItem":
                continue
            seen.add(kind)
            for document in documents(root, kind):
                prepared = engine._documents.prepare(Request(document), limited=False)
                assert prepared.errors is None, (document, prepared.errors)
                contexts = [graph.runtime.context_for(one) for one in crowd(graph, chance)]
                members = [engine._groups.join(prepared, context) for context in contexts]
                given = [await member.answer(event) for member in members]
                for context, answer in zip(contexts, given, strict=True):
                    alone = await engine._once(prepared, context.fork_for(prepared.wanted), event)
                    whose = context.principal.subject, context.principal.role, sorted(context.principal.scopes)
                    assert comparable(orjson.loads(encode(answer))) == comparable(orjson.loads(encode(alone))), (document, whose)
                    compared += 1
                shared += len(given) - len({id(answer) for answer in given})
                for member in members:
                    member.leave()
    assert compared > 300, "the schema was walked through"
    assert shared > compared / 8, "most answers of a pair are one"


@pytest.mark.asyncio(loop_scope="module")
async def test_a_teams_usual_screens_are_executed_once(graph: Graph, monkeypatch: pytest.MonkeyPatch) -> None:
    """Agents of one team with different subjects share the execution of a profile's event; a colleague without a scope has one of his own."""
    engine, profile, runs = graph.runtime.engine, await graph.profile(), [0]
    run = engine._groups.run

    async def counted(*given: Any) -> Any:
        runs[0] += type(given[2]) is ProfileEvent
        return await run(*given)

    monkeypatch.setattr(engine._groups, "run", counted)
    document = """subscription($id: ID!) { profileEvents(profileId: $id) { __typename ... on ProfileUpdated { seq cursor changedFields
      profile { displayName viewerCan { update } contactPoints { value } notes { nodes { body } } } } } }"""
    team = [replace(graph.agent, subject=f"agent-{number}") for number in range(5)]
    streams = [
        graph.stream(document, {"id": profile}, one)
        for one in [*team, graph.narrowed(graph.agent, "subscribe", "profile:read", "note:read")]
    ]
    for stream in streams:
        assert (await stream.next())["__typename"] == "StreamReady"
    await graph.note(profile, "For everybody.")
    answers = [await stream.next() for stream in streams]
    for stream in streams:
        await stream.close()
    assert all(answer == answers[0] for answer in answers[:5])
    assert [answers[0]["profile"]["notes"]["nodes"][0]["body"], answers[5]["profile"]["viewerCan"]] == ["For everybody.", {"update": False}]
    assert runs[0] == 2
    assert not engine._groups._groups


@pytest.mark.asyncio(loop_scope="module")
async def test_a_refreshed_session_leaves_its_group_at_once(graph: Graph) -> None:
    """A socket whose token was exchanged for a narrower one gets the next event as that shows it, while its group goes on as before."""
    profile = await graph.profile("Ana", contactPoints=[{"channel": "EMAIL", "value": "ana@example.com"}])
    document = """subscription($id: ID!) { profileEvents(profileId: $id) { __typename
      ... on ProfileUpdated { profile { contactPoints { value } } } } }"""
    prepared = graph.runtime.engine.prepare(Request(document, {"id": profile}))
    sessions = [Session(replace(graph.agent, subject=f"agent-{number}")) for number in range(3)]
    streams = [graph.runtime.engine.subscribe(prepared, graph.runtime.context_for(one.principal, one)) for one in sessions]
    for stream in streams:
        await anext(stream)
    seen = []
    for scopes in (None, ROLE_SCOPES[Role.AGENT] - {"profile:read:pii"}, frozenset({"profile:read"})):
        if scopes is not None:
            sessions[1].exchange(replace(sessions[1].principal, scopes=scopes))
        await graph.note(profile)
        answers = [orjson.loads(encode(await anext(stream)))["data"]["profileEvents"] for stream in streams]
        seen.append([one["profile"]["contactPoints"][0]["value"] if "profile" in one else one["__typename"] for one in answers])
    for stream in streams:
        await stream.aclose()
    clear, masked = "ana@example.com", "a•••@e•••.com"
    assert seen == [[clear] * 3, [clear, masked, clear], [clear, "StreamGap", clear]]
