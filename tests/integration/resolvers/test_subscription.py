"""Subscriptions through the engine: what is pushed, in which order, from where, and when a stream ends."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gateway.auth.principal import Principal
from gateway.model.change import Position, StreamKey
from gateway.model.ids import make_id, parse_id, uuid7

from .conftest import Graph, Stream

__all__: list[str] = []

pytestmark = pytest.mark.asyncio(loop_scope="module")

LIVE = "... on LiveEvent { cursor seq at } ... on StreamReady { resumed } ... on StreamGap { gap: reason } "
LIVE += "... on StreamGoAway { reason retryAfterMs }"
PROFILE = f"""subscription ($id: ID!, $fields: [String!], $after: StreamCursor) {{
  profileEvents(profileId: $id, fields: $fields, after: $after) {{ __typename {LIVE}
    ... on ProfileUpdated {{ changedFields actor {{ id }} profile {{ id firstName version streamCursor
      contactPoints {{ value }} notes {{ totalCount nodes {{ body }} }} traits {{ nodes {{ key value }} }} }} }} }} }}"""
TIMELINE = f"""subscription ($id: ID!, $filter: TimelineFilter, $after: StreamCursor) {{
  timelineEvents(profileId: $id, filter: $filter, after: $after) {{ __typename {LIVE}
    ... on TimelineItemUpserted {{ isNew item {{ __typename id title source {{ key }} }} }} }} }}"""
BOTH = pytest.mark.parametrize("query", [PROFILE, TIMELINE], ids=["profileEvents", "timelineEvents"])


async def rename(graph: Graph, profile: str, name: str, principal: Principal | None = None) -> str:
    """Change a first name; the cursor that the mutation answers."""
    query = "mutation ($id: ID!, $name: String) { updateProfile(input: {id: $id, firstName: $name}) { streamCursor } }"
    payload = await graph.data(query, {"id": profile, "name": name}, principal)
    return str(payload["streamCursor"])


async def cursor_of(graph: Graph, profile: str) -> str:
    """Where a profile's stream stands, as a query says."""
    shown = await graph.data("query ($id: ID!) { profile(by: {id: $id}) { streamCursor } }", {"id": profile})
    return str(shown["streamCursor"])


async def opened(
    graph: Graph, query: str, profile: str, principal: Principal | None = None, **variables: Any
) -> tuple[Stream, dict[str, Any]]:
    """A subscription and its first event."""
    stream = graph.stream(query, {"id": profile, **variables}, principal)
    return stream, await stream.next()


@BOTH
async def test_ready_comes_first(graph: Graph, query: str) -> None:
    """The first event of a stream says where it stands: the position that a query gives too."""
    ana = await graph.profile()
    stream, ready = await opened(graph, query, ana)
    await stream.close()

    assert (ready["__typename"], ready["seq"], ready["resumed"]) == ("StreamReady", 1, False)
    assert ready["cursor"] == await cursor_of(graph, ana)


async def test_profile_events(graph: Graph) -> None:
    """A change arrives as the profile after it, with the fields that changed, its position, and who made it when it was oneself."""
    ana = await graph.profile()
    stream, _ = await opened(graph, PROFILE, ana)
    cursor = await rename(graph, ana, "Ada")
    own = await stream.next()
    await rename(graph, ana, "Eve", graph.colleague)
    other = await stream.next()
    await stream.close()

    assert (own["__typename"], own["seq"], own["cursor"], own["changedFields"]) == ("ProfileUpdated", 2, cursor, ["firstName"])
    assert (own["profile"]["firstName"], own["profile"]["version"], own["actor"]) == ("Ada", 2, {"id": "ann"})
    assert own["profile"]["streamCursor"] == cursor
    assert (other["seq"], other["profile"]["firstName"], other["actor"]) == (3, "Eve", None)


async def test_each_event_shows_the_state_of_its_moment(graph: Graph) -> None:
    """Loaders are fresh for each event, in every part of the graph: the second event shows the second state."""
    ana = await graph.profile()
    stream, _ = await opened(graph, PROFILE, ana)
    seen = []
    for n in range(3):
        await graph.note(ana, f"note {n}")
        seen.append((await stream.next())["profile"]["notes"])
    change = """mutation ($input: UpdateProfileInput!) { updateProfile(input: $input) { userErrors { code } } }"""
    for n in range(2):
        point = {"channel": "EMAIL", "value": f"a{n}@example.com"}
        await graph.data(change, {"input": {"id": ana, "attributes": {"n": n}, "upsertContactPoints": [point]}})
        profile = (await stream.next())["profile"]
        assert [trait["value"] for trait in profile["traits"]["nodes"]] == [n]
        assert len(profile["contactPoints"]) == n + 1
    await stream.close()

    assert [(notes["totalCount"], notes["nodes"][0]["body"]) for notes in seen] == [(1, "note 0"), (2, "note 1"), (3, "note 2")]


async def test_fields(graph: Graph) -> None:
    """With `fields`, only changes of one of them arrive; the positions of the others are passed over."""
    ana = await graph.profile()
    stream, _ = await opened(graph, PROFILE, ana, fields=["notes", "mainCompany"])
    await rename(graph, ana, "Ada")
    await graph.note(ana)
    note = await stream.next()
    await graph.happened(ana, {})
    await graph.join(ana, "First")
    company = await stream.next()
    await graph.join(ana, "Second")
    await rename(graph, ana, "Eve")
    await graph.note(ana)
    last = await stream.next()
    await stream.close()

    assert [(event["seq"], "notes" in event["changedFields"]) for event in (note, company, last)] == [(3, True), (5, False), (8, True)]
    assert "mainCompany" in company["changedFields"]


async def test_a_misspelt_field_is_refused(graph: Graph) -> None:
    """A name that is no field of Profile would never fire, so it is an error instead of silence."""
    ana = await graph.profile()
    (answer,) = await graph.stream(PROFILE, {"id": ana, "fields": ["notes", "frstName"]}).rest()

    assert answer["errors"][0]["extensions"] == {"code": "BAD_USER_INPUT", "argument": "fields"}


async def test_timeline_events(graph: Graph) -> None:
    """Every item arrives, one by one and in the order of the commits, whatever the moment it happened; other changes do not."""
    ana = await graph.profile()
    stream, _ = await opened(graph, TIMELINE, ana)
    late, early = datetime(2026, 3, 1, tzinfo=UTC), datetime(2025, 3, 1, tzinfo=UTC)
    made = await graph.happened(ana, {"at": late}, {"at": early, "source": "tracking"})
    await graph.note(ana)
    made += await graph.happened(ana, {"kind": "INTERACTION", "channel": "VOICE", "direction": "INBOUND"})
    events = [await stream.next() for _ in made]
    await stream.close()

    assert [event["item"]["id"] for event in events] == made
    assert [(event["__typename"], event["seq"], event["isNew"]) for event in events] == [
        ("TimelineItemUpserted", 2, True),
        ("TimelineItemUpserted", 3, True),
        ("TimelineItemUpserted", 5, True),
    ]
    assert [event["item"]["__typename"] for event in events] == ["ExternalActivity", "ExternalActivity", "Interaction"]
    assert len({event["cursor"] for event in events}) == 3


async def test_timeline_filter(graph: Graph) -> None:
    """Without a filter page views stay out; with one exactly what it names comes through."""
    ana = await graph.profile()
    default, _ = await opened(graph, TIMELINE, ana)
    views, _ = await opened(graph, TIMELINE, ana, filter={"kinds": ["WEB"], "accounts": ["uk"]})
    view = {"kind": "WEB", "type": "Page Viewed", "account": "uk"}
    chat = {"kind": "INTERACTION", "channel": "CHAT", "direction": "OUTBOUND"}
    made = await graph.happened(ana, view, {**view, "account": "de"}, chat, {}, view)
    order, viewed = await default.next(), [await views.next(), await views.next()]
    await default.close()
    await views.close()

    assert order["item"]["id"] == made[3]
    assert [event["item"]["id"] for event in viewed] == [made[0], made[4]]


@pytest.mark.parametrize("missed", [0, 1, 7, 130])
async def test_resuming_delivers_exactly_what_was_missed(graph: Graph, missed: int) -> None:
    """A client that comes back with its last cursor gets every item behind it, once and in order, and then what comes next."""
    ana = await graph.profile()
    stream, _ = await opened(graph, TIMELINE, ana)
    first = await graph.happened(ana, {})
    last = (await stream.next())["cursor"]
    await stream.close()
    made = await graph.happened(ana, *[{}] * missed) if missed else []
    stream, ready = await opened(graph, TIMELINE, ana, after=last)
    received = [(await stream.next())["item"]["id"] for _ in made]
    (live,) = await graph.happened(ana, {})
    event = await stream.next()
    await stream.close()

    assert (ready["__typename"], ready["resumed"], ready["cursor"]) == ("StreamReady", True, last)
    assert received == made
    assert (event["item"]["id"], event["seq"]) == (live, 3 + missed)
    assert first[0] not in received


async def test_resuming_a_state_stream(graph: Graph) -> None:
    """Many changes missed are shown as the state they led to: their fields together, the position of the last."""
    ana = await graph.profile()
    start = await cursor_of(graph, ana)
    await rename(graph, ana, "Ada")
    await graph.note(ana)
    end = await rename(graph, ana, "Eve")
    stream, ready = await opened(graph, PROFILE, ana, after=start)
    event = await stream.next()
    await stream.close()

    assert (ready["resumed"], ready["seq"]) == (True, 1)
    assert (event["seq"], event["cursor"], sorted(event["changedFields"])) == (4, end, ["firstName", "notes"])
    assert event["profile"]["firstName"] == "Eve"


@BOTH
async def test_fault_096_query_then_subscribe_has_no_hole(graph: Graph, query: str) -> None:
    """What is committed between the query and the subscription is delivered, because the query said where the stream stood."""
    ana = await graph.profile()
    shown = await graph.data(
        "query ($id: ID!) { profile(by: {id: $id}) { firstName timeline { nodes { id } streamCursor } } }", {"id": ana}
    )
    await rename(graph, ana, "Ada")
    (item,) = await graph.happened(ana, {})
    stream, ready = await opened(graph, query, ana, after=shown["timeline"]["streamCursor"])
    event = await stream.next()
    await stream.close()

    assert (ready["__typename"], ready["resumed"]) == ("StreamReady", True)
    assert event.get("item", {"id": item})["id"] == item
    assert event.get("profile", {"firstName": "Ada"})["firstName"] == "Ada"


@BOTH
async def test_cursors_that_are_not_of_this_stream(graph: Graph, query: str) -> None:
    """A cursor of another profile or another list, a forged and a damaged one are CURSOR_INVALID, and the stream ends."""
    ana, bob = await graph.profile(), await graph.profile("Bob")
    await graph.happened(ana, {})
    own, foreign = await cursor_of(graph, ana), await cursor_of(graph, bob)
    shown = await graph.data("query ($id: ID!) { profile(by: {id: $id}) { timeline { pageInfo { endCursor } } } }", {"id": ana})
    wrong = [foreign, shown["timeline"]["pageInfo"]["endCursor"], "", "x", own[:-1], own + "A", own[:-4] + "AAAA", "🙂", "\x00"]
    for cursor in wrong:
        (answer,) = await graph.stream(query, {"id": ana, "after": cursor}).rest()
        (error,) = answer["errors"]
        assert (cursor, error["extensions"]) == (cursor, {"code": "CURSOR_INVALID"})


@BOTH
@pytest.mark.parametrize(("epoch", "step", "reason"), [("own", 1, "AHEAD"), ("other", 0, "EPOCH_CHANGED")])
async def test_a_gap_is_told(graph: Graph, query: str, epoch: str, step: int, reason: str) -> None:
    """A cursor ahead of the log, or from another history, is answered by a gap at the present head, and the stream goes on from there."""
    ana = await graph.profile()
    (profile_id,) = parse_id(ana, "prf")
    row = await graph.runtime.database.fetchrow(
        "SELECT incarnated(epoch, incarnation()) AS epoch, head FROM stream_head WHERE stream_id = $1", profile_id
    )
    assert row is not None
    position = Position(row["epoch"] if epoch == "own" else uuid7(), row["head"] + step)
    after = graph.runtime.services.hub.cursors.encode(StreamKey(graph.agent.workspace_id, profile_id), position)
    stream, gap = await opened(graph, query, ana, after=after)
    await rename(graph, ana, "Ada")
    await graph.happened(ana, {})
    event = await stream.next()
    await stream.close()

    assert (gap["__typename"], gap["gap"], gap["seq"]) == ("StreamGap", reason, 1)
    assert event["seq"] in {2, 3}


@BOTH
async def test_nobodys_stream_ends_without_an_event(graph: Graph, query: str) -> None:
    """A stream of a profile that is not there ends at once."""
    assert await graph.stream(query, {"id": make_id("prf", uuid7())}).rest() == []


@BOTH
async def test_refusals(graph: Graph, query: str) -> None:
    """A malformed id and missing scopes are one error without data, and the end."""
    ana = await graph.profile()
    (malformed,) = await graph.stream(query, {"id": "note_1"}).rest()
    (forbidden,) = await graph.stream(query, {"id": ana}, graph.partner).rest()
    (blind,) = await graph.stream(query, {"id": ana}, graph.narrowed(graph.agent, "subscribe")).rest()

    assert malformed["errors"][0]["extensions"] == {"code": "BAD_USER_INPUT", "argument": "profileId"}
    assert forbidden["errors"][0]["extensions"] == {"code": "FORBIDDEN", "scope": "subscribe"}
    assert blind["errors"][0]["extensions"]["scope"] in {"profile:read", "history:read"}
    assert not any("data" in answer for answer in (malformed, forbidden, blind))


@BOTH
async def test_an_expired_credential_ends_the_stream(graph: Graph, query: str) -> None:
    """When the credential has ended, the next change is not shown: the stream says so and ends, and resuming with the cursor it gave
    delivers that change.
    """
    ana = await graph.profile()
    end = datetime.now(UTC) + timedelta(seconds=0.3)
    expiring = replace(graph.agent, expires_at=end)
    stream, ready = await opened(graph, query, ana, expiring)
    assert ready["__typename"] == "StreamReady"
    await asyncio.sleep((end - datetime.now(UTC)).total_seconds() + 0.01)
    await rename(graph, ana, "Ada")
    (item,) = await graph.happened(ana, {})
    gone = await stream.next()
    assert (gone["__typename"], gone["reason"], gone["cursor"]) == ("StreamGoAway", "TOKEN_EXPIRED", ready["cursor"])
    assert await stream.rest() == []
    again, _ = await opened(graph, query, ana, after=gone["cursor"])
    event = await again.next()
    await again.close()

    assert event.get("item", {"id": item})["id"] == item
    assert event.get("profile", {"firstName": "Ada"})["firstName"] == "Ada"


@BOTH
async def test_an_expired_credential_opens_nothing(graph: Graph, query: str) -> None:
    """With a credential that has ended already, the stream goes away at once."""
    ana = await graph.profile()
    expired = replace(graph.agent, expires_at=datetime.now(UTC) - timedelta(seconds=1))
    answers = await graph.stream(query, {"id": ana}, expired).rest()

    assert [next(iter(answer["data"].values()))["__typename"] for answer in answers] == ["StreamGoAway"]


@BOTH
async def test_unsubscribing_frees_the_stream(graph: Graph, query: str) -> None:
    """A closed subscription leaves no tail behind, whether it was waiting or had just delivered."""
    ana = await graph.profile()
    hub = graph.runtime.services.hub
    first, _ = await opened(graph, query, ana)
    second, _ = await opened(graph, query, ana)
    assert len(hub._tails) == 1
    await rename(graph, ana, "Ada")
    await graph.happened(ana, {})
    await first.next()
    await first.close()
    await second.close()

    assert hub._tails == {}
