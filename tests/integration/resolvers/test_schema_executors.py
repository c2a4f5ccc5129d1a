"""The product's own screens by either executor: the same conversation in two workspaces, and every answer of it the same.

The compiled executor has a plan for every operation here, at first sight. What differs between two conversations (ids, moments, cursors) is named by
its first appearance before they are compared, so that what must be equal inside of one conversation must be so in the other.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import pytest

from gateway.engine.executor import Engine
from gateway.engine.plan.execution import Plans
from gateway.engine.plan.tree import Reason
from resolvers.schema import attributes_for, build_schema

from .conftest import Graph

__all__: list[str] = []

pytestmark = pytest.mark.asyncio(loop_scope="module")

ITEM = """fragment Item on TimelineItem { __typename id occurredAt title icon origin source { key }
  ... on Interaction { channel direction agent { displayName } summary wrapUp { notes } transcript { nodes { text } } parent { id } }
  ... on NoteItem { note { body viewerCanEdit author { displayName } } } ... on ChangeItem { change { action fields { field before after } } }
  ... on Message { text } ... on ExternalActivity { properties } }"""
SCREEN = (
    """query Screen($id: ID!, $full: Boolean! = true, $brief: Boolean! = false) { viewer { actor { displayName } scopes preferencesVersion }
  profile(by: {id: $id}) { __typename id displayName firstName lifecycle status version viewerCan { update }
    contactPoints { id channel value label isPrimary } identifiers @skip(if: $brief) { type value }
    traits { nodes { key value provenance { source { key } } } }
    attributes { definition { key displayName } displayValue mask } missingAttributes { key }
    companies { isMain role company { name } } mainCompany { name }
    notes(first: 5) { edges { cursor node { ...Note } } totalCount pageInfo { hasNextPage } }
    timeline(first: 10) @include(if: $full) { nodes { ...Item } sources { source { key } state } pageInfo { hasNextPage endCursor } }
    contacts { nodes { id state channel agent { displayName } } } consents { purpose status } segments { key }
    changes { nodes { action fields { field before after } actor { displayName } } } sources { source { key } state } streamCursor } }
fragment Note on Note { id body isPinned version viewerCanEdit author { displayName } createdAt contact { id } }
"""
    + ITEM
)
CREATE = """mutation Create($input: CreateProfileInput!) { createProfile(input: $input) {
  profile { id displayName contactPoints { channel value } version }
  userErrors { __typename code message path ... on StaleVersionError { currentVersion } } } }"""
UPDATE = """mutation Update($input: UpdateProfileInput!) { updateProfile(input: $input) {
  profile { id displayName lifecycle version attributes { definition { key } value } } userErrors { __typename code message path } } }"""
NOTE = "mutation Note($input: NoteInput!) { addNote(input: $input) { note { id body author { displayName } } userErrors { code message path } } }"
TWO = """mutation Two($id: ID!) { first: addNote(input: {profileId: $id, body: "one"}) { note { body } userErrors { code } }
  second: addProfileToCompany(profileId: $id, companyName: "Acme", makeMain: true) { profile { mainCompany { name } version } userErrors { code } }
  third: addNote(input: {profileId: "prf_00", body: "nowhere"}) { note { body } userErrors { code path } }
  fourth: addNote(input: {profileId: $id, body: "two"}) { note { body } userErrors { code } } }"""
OPEN = """mutation Open($input: OpenContactInput!) { openContact(input: $input) { contact { id state match address agent { displayName }
  candidates { profile { displayName } score } profile { displayName notes { nodes { body } } } } userErrors { code message path } } }"""
ACCEPT = """mutation Accept($id: ID!) { updateContact(input: {id: $id, state: CONNECTED}) {
  contact { state version acceptedAt } userErrors { code message } } }"""
EVENTS = """subscription Events($id: ID!) { profileEvents(profileId: $id) { __typename ... on LiveEvent { cursor seq }
  ... on ProfileUpdated { changedFields
    profile { displayName version notes(first: 1) { nodes { body viewerCanEdit } } } actor { displayName } } } }"""
ITEMS = (
    "subscription Items($id: ID!) { timelineEvents(profileId: $id, filter: {preset: ALL}) { __typename "
    "... on TimelineItemUpserted { isNew item { ...Item } } } } " + ITEM
)

_IDS = re.compile(r"\b[a-z]{3}_[0-9a-f]{32}(?:\.\w+)*|[A-Za-z0-9_-]{20,}={0,2}(?=\")|\d{4}-\d\d-\d\dT[0-9:.]+(?:Z|\+00:00)")
"""Ids, cursors and moments."""


def named(answers: list[Any]) -> str:
    """The answers as text, each id, cursor and moment named by where it first appears; the order of keys as it was."""
    seen: dict[str, str] = {}
    return _IDS.sub(lambda found: seen.setdefault(found[0], f"<{len(seen)}>"), json.dumps(answers, indent=1))


def with_engine(graph: Graph, plans: Plans | None) -> Graph:
    """The same gateway with an engine of its own."""
    return replace(graph, runtime=replace(graph.runtime, engine=Engine(build_schema(), introspection=True, plans=plans)))


def elsewhere(graph: Graph) -> Graph:
    """The same people in the second workspace."""
    where = {"workspace_id": graph.stranger.workspace_id, "workspace_key": graph.stranger.workspace_key}
    people = {name: replace(getattr(graph, name), **where) for name in ("agent", "colleague", "supervisor", "admin", "partner")}
    return replace(graph, **people)


def refused(reason: Reason) -> None:
    """Everything here has a plan, but mutations of several fields in a row."""
    assert reason is Reason.SERIES, f"There is no plan: {reason}."


def compiled() -> Plans:
    """Plans that are made at first sight."""
    return Plans(attributes_for=attributes_for, at_once=True, on_reference=refused)


class Conversation:
    """What somebody asks, and every answer."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.answers: list[Any] = []

    async def ask(self, text: str, principal: str = "agent", **variables: Any) -> Any:
        """Ask, and keep the answer whatever it is."""
        answer = await self.graph.run(text, variables, getattr(self.graph, principal))
        assert "GRAPHQL_VALIDATION_FAILED" not in json.dumps(answer), answer
        self.answers.append(answer)
        return answer.get("data")

    async def hold(self) -> None:
        """About thirty operations of an agent's day."""
        ask = self.ask
        points = [{"channel": "VOICE", "value": "+442079460301", "label": "mobile"}, {"channel": "EMAIL", "value": "ana@example.com"}]
        ana = (await ask(CREATE, input={"firstName": "Ana", "lastName": "Lima", "contactPoints": points, "attributes": {"plan": "gold"}}))[
            "createProfile"
        ]["profile"]["id"]
        bob = (await ask(CREATE, input={"firstName": "Bob"}))["createProfile"]["profile"]["id"]
        await ask(CREATE, input={"firstName": ""})
        await ask(CREATE, input={"firstName": "Eve", "contactPoints": [{"channel": "EMAIL", "value": "not an address"}]})
        stream = self.graph.stream(EVENTS, {"id": ana})
        items = self.graph.stream(ITEMS, {"id": ana})
        self.answers += [await stream.answer(), await items.answer()]
        await ask(NOTE, input={"profileId": ana, "body": "Prefers mornings.", "isPinned": True})
        self.answers += [await stream.answer(), await items.answer()]
        await ask(NOTE, principal="colleague", input={"profileId": ana, "body": "Called back."})
        self.answers += [await stream.answer(), await items.answer()]
        await stream.close()
        await items.close()
        await ask(NOTE, input={"profileId": ana, "body": ""})
        await ask(UPDATE, input={"id": ana, "lifecycle": "CUSTOMER", "attributes": {"title": "Buyer"}})
        await ask(UPDATE, input={"id": ana, "expectedVersion": 1, "firstName": "Anna"})
        await ask(UPDATE, principal="partner", input={"id": ana, "firstName": "Anna"})
        await ask(TWO, id=bob)
        call = {"externalId": "x-1", "channel": "VOICE", "address": "+442079460301", "agentId": "ann"}
        contact = (await ask(OPEN, principal="admin", input=call))["openContact"]["contact"]["id"]
        await ask(ACCEPT, id=contact)
        await self.graph.happened(
            ana, {"type": "Order Completed", "detail": {"total": 9}}, {"kind": "INTERACTION", "channel": "CHAT", "direction": "INBOUND"}
        )
        for principal in ("agent", "colleague", "supervisor", "admin", "partner"):
            await ask(SCREEN, principal=principal, id=ana)
        await ask(SCREEN, id=bob, full=False)
        await ask(SCREEN, id=ana, full=False, brief=True)
        await ask(SCREEN, id="prf_" + "0" * 32)
        await ask(SCREEN, id="no id")
        await ask(
            "query ($ids: [ID!]!) { nodes(ids: $ids) { __typename id "
            "... on Profile { displayName notes { nodes { body } } } ... on Contact { state } } }",
            ids=[ana, contact, "prf_" + "1" * 32, bob, ana],
        )
        await ask(
            "query ($by: [ProfileRef!]!) { profiles(by: $by) { displayName timeline(last: 2) { nodes { title } } } }",
            by=[{"id": bob}, {"email": "ana@example.com"}, {"id": "prf_" + "2" * 32}],
        )
        await ask('{ profile(by: {phone: "no phone"}) { id } }')
        await ask(
            "query ($id: ID!) { profile(by: {id: $id}) { timeline(first: 1000) { nodes { id } } notes(first: -1) { totalCount } displayName } }",
            id=ana,
        )
        await ask(
            '{ searchProfiles(text: "Lima") { edges { cursor node { displayName contactPoints { value } } } pageInfo { hasNextPage } }'
            " searchKeys { key } }"
        )
        await ask(
            "{ sources { key displayName } attributeDefinitions { key displayName } layout { name header } interestTopics { nodes { topic } } }"
        )
        await ask(
            "query ($id: ID!) { contact(id: $id) { state profile { displayName } viewerCan { associate } "
            "associationHistory { profile { displayName } } } }",
            id=contact,
        )
        await ask("{ contacts { nodes { id } } }")
        await ask("{ contacts { nodes { state address } } }", principal="supervisor")


async def test_a_conversation_is_the_same_by_either_executor(graph: Graph) -> None:
    """Queries, mutations and events of every role, what is refused and what is not there: answer by answer, key by key."""
    ours, theirs = Conversation(with_engine(graph, compiled())), Conversation(elsewhere(with_engine(graph, None)))
    await ours.hold()
    await theirs.hold()

    assert len(ours.answers) > 35
    for own, expected in zip(named(ours.answers).split("\n {"), named(theirs.answers).split("\n {"), strict=True):
        assert own == expected


async def test_the_screen_of_one_person_is_the_same_by_either_executor(graph: Graph) -> None:
    """Asked of the very same data, nothing at all differs: not an id, not a cursor."""
    conversation = Conversation(graph)
    await conversation.hold()
    profile = conversation.answers[0]["data"]["createProfile"]["profile"]["id"]
    first, second = with_engine(graph, compiled()), with_engine(graph, None)
    for principal in (graph.agent, graph.supervisor, graph.partner):
        own, expected = [json.dumps(await one.run(SCREEN, {"id": profile}, principal)) for one in (first, second)]
        assert own == expected
