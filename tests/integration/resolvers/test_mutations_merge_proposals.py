"""Proposals: which pairs the identity rules find, that each is made once, and that dismissing ends it."""

from __future__ import annotations

import asyncio
from itertools import count
from typing import Any

import pytest

from gateway.commands.tracking import Event, Person, take_in
from gateway.model.ids import make_id, parse_id
from gateway.sources.contract import LookupKey

from .conftest import START, Graph, codes
from .test_batching import statements
from .test_mutations_merge import merge, unmerge
from .test_mutations_merge_ingest import sender

__all__: list[str] = []

pytestmark = pytest.mark.asyncio(loop_scope="module")

CONFIG = """
[identity]
rules = ["email", "phone_and_name", "alias"]
most_per_value = 3
blocked_values = ["Desk@example.com"]
"""

PROPOSALS = "query ($id: ID!) { profile(by: {id: $id}) { mergeProposals { id score rule createdAt profiles { id } } } }"
DISMISS = """mutation ($id: ID!, $reason: String) { dismissMergeProposal(id: $id, reason: $reason) {
  deletedId profile { id mergeProposals { id } } userErrors { code message path } streamCursor } }"""
_numbers = count(1)


def email(address: str) -> dict[str, Any]:
    """The input of a profile with this e-mail."""
    return {"contactPoints": [{"channel": "EMAIL", "value": address}]}


def phone(number: str, channel: str = "VOICE") -> dict[str, Any]:
    """The input of a profile with this number."""
    return {"contactPoints": [{"channel": channel, "value": number}]}


async def proposed(graph: Graph, profile: str) -> list[tuple[str, float, list[str]]]:
    """Rule, score and the other profile of each proposal of a profile."""
    shown = (await graph.data(PROPOSALS, {"id": profile}))["mergeProposals"]
    return [(one["rule"], one["score"], [other["id"] for other in one["profiles"] if other["id"] != profile]) for one in shown]


async def identify(graph: Graph, user: str, **person: Any) -> None:
    """What a website says of a user."""
    event = Event(f"i{next(_numbers)}", START, (LookupKey("user_id", user),), person=Person(**person))
    await take_in(graph.runtime.writer, sender(graph), "site", [event])


async def user(graph: Graph, value: str) -> str:
    """The profile of a user id."""
    query = 'query ($v: String!) { profile(by: {identifier: {type: "user_id", value: $v}}) { id } }'
    found: str = (await graph.data(query, {"v": value}))["id"]
    return found


async def test_merge_is_proposed_for_one_email(graph: Graph) -> None:
    """Two profiles with one e-mail are proposed, on both screens, when the second comes to be."""
    ana = await graph.profile("Ana", **email("ana@example.com"))
    anna = await graph.profile("Anna", **email("ANA@example.com"))

    assert await proposed(graph, ana) == [("email", 0.8, [anna])]
    assert await proposed(graph, anna) == [("email", 0.8, [ana])]


async def test_merge_is_proposed_when_a_value_is_added(graph: Graph) -> None:
    """A phone added later proposes those who share it, on any phone channel, and have the same last name; others of the family are others."""
    ana = await graph.profile("Ana", lastName="Silva", **phone("+442079460958"))
    anna, bob = await graph.profile("Anna", lastName=" SILVA"), await graph.profile("Bob", lastName="Sousa")
    update = "mutation ($input: UpdateProfileInput!) { updateProfile(input: $input) { userErrors { code } } }"
    for one in (anna, bob):
        change = [{"channel": "WHATSAPP", "value": "+442079460958"}]
        await graph.data(update, {"input": {"id": one, "upsertContactPoints": change}})

    assert await proposed(graph, ana) == [("phone_and_name", 0.8, [anna])]
    assert await proposed(graph, bob) == []


async def test_merge_is_proposed_by_events(graph: Graph) -> None:
    """An identify that brings a known e-mail to another user is a proposal, half as likely since their user ids differ, made once."""
    await identify(graph, "u1", email="u@example.com")
    await identify(graph, "u2", email="u@example.com")
    await identify(graph, "u2", email="u@example.com")
    one, two = await user(graph, "u1"), await user(graph, "u2")

    assert await proposed(graph, one) == [("email", 0.4, [two])]
    assert await graph.count("merge_proposal") == 1


async def test_merge_is_proposed_by_an_alias(graph: Graph) -> None:
    """An alias between two known people proposes them and joins nothing; one that names a new id proposes nobody."""
    for name in ("old", "new"):
        await identify(graph, name, columns={"first_name": name})
    keys = LookupKey("user_id", "new"), LookupKey("anonymous_id", "old")
    event = Event("alias", START, keys, linked=(*keys, LookupKey("user_id", "old")))
    fresh = Event("fresh", START, (LookupKey("user_id", "x"), LookupKey("anonymous_id", "y")), linked=(LookupKey("user_id", "y"),))
    await take_in(graph.runtime.writer, sender(graph), "site", [event, fresh])
    old, new = await user(graph, "old"), await user(graph, "new")

    assert old != new
    assert await proposed(graph, old) == [("alias", 0.45, [new])]
    assert await graph.count("merge_proposal") == 1


async def test_merge_is_not_proposed_for_common_values(graph: Graph) -> None:
    """A value that more than the configured number of profiles share, or that is blocked, says nothing."""
    crowd = [await graph.profile(f"P{n}", **email("office@example.com")) for n in range(4)]
    desk = [await graph.profile(f"D{n}", **email("desk@example.com")) for n in range(2)]

    assert await proposed(graph, crowd[3]) == []
    assert len(await proposed(graph, crowd[0])) == 2
    assert [await proposed(graph, one) for one in desk] == [[], []]


async def test_merge_is_proposed_within_a_workspace(graph: Graph) -> None:
    """The same e-mail in another workspace is another person's."""
    ana = await graph.profile("Ana", **email("ana@example.com"))
    await graph.profile("Ana", principal=graph.stranger, **email("ana@example.com"))

    assert await proposed(graph, ana) == []


async def test_merge_proposal_is_dismissed_for_good(graph: Graph) -> None:
    """Dismissing takes a proposal off both screens and the pair never comes back; a second time there is none."""
    ana, anna = [await graph.profile(name, **email("ana@example.com")) for name in ("Ana", "Anna")]
    (proposal,) = (await graph.data(PROPOSALS, {"id": ana}))["mergeProposals"]
    node = "query ($id: ID!) { node(id: $id) { __typename ... on MergeProposal { rule } } }"
    assert await graph.data(node, {"id": proposal["id"]}) == {"__typename": "MergeProposal", "rule": "email"}
    assert codes(await graph.data(DISMISS, {"id": proposal["id"]}, graph.stranger)) == [("NOT_FOUND", "id")]
    assert codes(await graph.data(DISMISS, {"id": proposal["id"], "reason": "x" * 1001}, graph.supervisor)) == [("INVALID", "reason")]
    payload = await graph.data(DISMISS, {"id": proposal["id"], "reason": "twins"}, graph.supervisor)

    assert (payload["deletedId"], payload["userErrors"], payload["profile"]["mergeProposals"]) == (proposal["id"], [], [])
    assert [await proposed(graph, one) for one in (ana, anna)] == [[], []]
    assert [(await graph.log(one))[-1][1] for one in (ana, anna)] == [["mergeProposals"]] * 2
    assert await graph.data(node, {"id": proposal["id"]}) is None
    assert codes(await graph.data(DISMISS, {"id": proposal["id"]}, graph.supervisor)) == [("NOT_FOUND", "id")]
    update = "mutation ($input: UpdateProfileInput!) { updateProfile(input: $input) { userErrors { code } } }"
    for address in ("both@example.com",):
        for one in (ana, anna):
            await graph.data(update, {"input": {"id": one, "upsertContactPoints": [{"channel": "EMAIL", "value": address}]}})
    assert await proposed(graph, ana) == []


async def test_merge_proposals_follow_a_merge(graph: Graph) -> None:
    """Merging a proposed pair ends its proposal, one with a third profile passes to the survivor, and the undoing brings both back."""
    ana, anna, anne = [await graph.profile(name, **email("ana@example.com")) for name in ("Ana", "Anna", "Anne")]
    before = [await proposed(graph, one) for one in (ana, anna, anne)]
    made = await merge(graph, anna, anne)
    during = [await proposed(graph, one) for one in (ana, anna)]
    await unmerge(graph, made["id"])

    assert during == [[("email", 0.8, [anna])], [("email", 0.8, [ana])]]
    assert [sorted(await proposed(graph, one)) for one in (ana, anna, anne)] == [sorted(one) for one in before]


async def test_merge_proposals_show_live(graph: Graph) -> None:
    """An open screen hears of a new proposal at once."""
    ana = await graph.profile("Ana", **email("ana@example.com"))
    query = """subscription ($id: ID!) { profileEvents(profileId: $id) {
      __typename ... on ProfileUpdated { changedFields profile { mergeProposals { rule } } } } }"""
    stream = graph.stream(query, {"id": ana})
    assert (await stream.next())["__typename"] == "StreamReady"
    await graph.profile("Anna", **email("ana@example.com"))
    event = await stream.next()
    await stream.close()

    assert event["changedFields"] == ["mergeProposals"]
    assert event["profile"]["mergeProposals"] == [{"rule": "email"}]


async def test_merge_proposals_made_at_the_same_time(graph: Graph) -> None:
    """Several profiles with one e-mail that come to be at once make one proposal per pair, and none of the transactions fails."""
    made = await asyncio.gather(*(graph.profile(f"P{n}", **email("ana@example.com")) for n in range(3)))
    pairs = {
        tuple(sorted(parse_id(one, "prf")[0].hex for one in (own, other))) for own in made for _, _, (other,) in await proposed(graph, own)
    }

    assert len(pairs) == await graph.count("merge_proposal")


async def test_merge_proposals_and_redirects_are_batched(graph: Graph, monkeypatch: pytest.MonkeyPatch) -> None:
    """Proposals of many profiles take one statement and their profiles one more, and so do many ids that were merged away."""
    pairs = [[await graph.profile(f"P{n}", **email(f"p{n}@example.com")) for _ in range(2)] for n in range(8)]
    query = "query ($by: [ProfileRef!]!) { profiles(by: $by) { id redirectedFrom mergeProposals { profiles { id } } } }"

    async def counted(ids: list[str]) -> tuple[list[str], list[Any]]:
        with statements(monkeypatch) as seen:
            shown = await graph.data(query, {"by": [{"id": one} for one in ids]})
        return sorted(seen), shown

    one, _ = await counted([pairs[0][0]])
    many, shown = await counted([one for one, _ in pairs])
    assert one == many == ["profiles_by_id", "profiles_by_id", "proposals_by_profile"]
    assert [{other["id"] for other in profile["mergeProposals"][0]["profiles"]} for profile in shown] == [set(pair) for pair in pairs]
    for survivor, merged in pairs:
        await merge(graph, survivor, merged)
    one, _ = await counted([pairs[0][1]])
    many, shown = await counted([merged for _, merged in pairs])
    assert one == many == ["profiles_by_id", "proposals_by_profile", "surviving_profiles"]
    assert [(profile["id"], profile["redirectedFrom"]) for profile in shown] == [tuple(pair) for pair in pairs]
    assert make_id("prf", parse_id(pairs[0][0], "prf")[0]) == shown[0]["id"]
