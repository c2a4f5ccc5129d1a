"""Interests: by strength, on the timeline, counted once; and the catalogue of topics they are about."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from gateway.storage.queries import SQL

from .conftest import START, Graph, codes
from .test_cap_insights import event, send, user

__all__: list[str] = []

pytestmark = pytest.mark.asyncio(loop_scope="module")

INTERESTS = """query ($id: ID!, $first: Int, $after: String, $category: String) { profile(by: {id: $id}) {
  interests(first: $first, after: $after, category: $category) {
    edges { cursor node { topic } }
    nodes { topic category score firstTriggeredAt lastTriggeredAt triggerCount source { key displayName } }
    pageInfo { hasNextPage hasPreviousPage endCursor } } } }"""
TOPICS = """query ($search: String, $category: String, $first: Int! = 20, $after: String) {
  interestTopics(search: $search, category: $category, first: $first, after: $after) {
    edges { cursor node { topic } } nodes { topic category } pageInfo { hasNextPage hasPreviousPage endCursor } } }"""
RECORD = """mutation ($activities: [ActivityInput!]!) { recordActivities(activities: $activities) {
  accepted duplicates userErrors { code message path } } }"""


async def interests(graph: Graph, profile: str, **page: Any) -> dict[str, Any]:
    """A page of a profile's interests."""
    shown = await graph.data(INTERESTS, {"id": profile, **page})
    found: dict[str, Any] = shown["interests"]
    return found


def shown(interest: str, by: str = "u-1", at: datetime = START, **more: Any) -> dict[str, Any]:
    """An interest event."""
    return event("track", "Interest Triggered", by=by, at=at, properties={"topic": interest, **more})


async def test_cap_058_interests_by_strength(graph: Graph) -> None:
    """Interests come by score, then topic and source, in pages that neither repeat nor leave out one; a category can be chosen."""
    await send(graph, *[shown(f"Topic {n}", score=n % 5 / 5, category="Odd" if n % 2 else "Even") for n in range(23)])
    await send(graph, shown("Topic 4", score=0.8), source="web-shop")
    ana = await user(graph)
    pages, after = [], None
    for _ in range(5):
        pages.append(await interests(graph, ana, first=5, after=after))
        after = pages[-1]["pageInfo"]["endCursor"]
    found = [one for page in pages for one in page["nodes"]]
    odd = await interests(graph, ana, first=100, category="Odd")
    two = await interests(graph, ana, first=2)

    order = [(-one["score"], one["topic"], one["source"]["key"]) for one in found]
    assert order == sorted(order)
    assert len(set(order)) == 24
    assert [(page["pageInfo"]["hasNextPage"], page["pageInfo"]["hasPreviousPage"]) for page in pages] == [
        (True, False),
        *[(True, True)] * 3,
        (False, True),
    ]
    assert [edge["node"]["topic"] for edge in two["edges"]] == [one["topic"] for one in found[:2]]
    assert {one["topic"] for one in odd["nodes"]} == {f"Topic {n}" for n in range(1, 23, 2)}
    assert (await interests(graph, ana, category="None"))["nodes"] == []
    assert (await interests(graph, ana))["pageInfo"]["hasNextPage"] is True  # twenty by default


async def test_cap_060_the_top_five_and_their_categories(graph: Graph) -> None:
    """The strongest five interests and the first names of each category of traits are there at a glance."""
    await send(
        graph,
        *[shown(f"Topic {n}", score=n / 10) for n in range(8)],
        event("identify", traits={"age": 41, "gender": "f", "title": "Dr", "address": {"city": "Porto"}}),
    )
    ana = await user(graph)
    query = "query ($id: ID!) { profile(by: {id: $id}) { interests(first: 5) { nodes { topic } } traitSummary { category count top } } }"
    glance = await graph.data(query, {"id": ana})

    assert [one["topic"] for one in glance["interests"]["nodes"]] == [f"Topic {n}" for n in (7, 6, 5, 4, 3)]
    assert glance["traitSummary"] == [{"category": "Demographics", "count": 4, "top": ["Address", "Age", "Gender"]}]


async def test_cap_064_twelve_thousand_topics_are_searched(graph: Graph) -> None:
    """A catalogue of 12 000 topics is searched by any part of a name in any case, page by page, through the trigram index."""
    database, workspace = graph.runtime.database, graph.agent.workspace_id
    topics = [f"{('Trail', 'Road', 'Track')[n % 3]} running {n:05}" for n in range(11_997)] + ["Bass 100%", "Bass_guitar", "Çay & Kahve"]
    await database.fetch(SQL["import_interest_topics"], workspace, topics, [f"Category {n % 40}" for n in range(12_000)])
    await database.execute("ANALYZE interest_topic")
    found: list[str] = []
    after = None
    while True:
        page = await graph.data(TOPICS, {"search": "IL RUNNING 117", "first": 30, "after": after})
        found += [one["topic"] for one in page["nodes"]]
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            break

    assert found == [f"Trail running {n:05}" for n in range(11_700, 11_800) if n % 3 == 0]
    for search, expected in (("100%", ["Bass 100%"]), ("s_g", ["Bass_guitar"]), ("çay", ["Çay & Kahve"]), ("% %", []), ("\\", [])):
        assert [one["topic"] for one in (await graph.data(TOPICS, {"search": search}))["nodes"]] == expected
    everything = await graph.data(TOPICS, {"search": " ", "category": "Category 7", "first": 100})
    assert (len(everything["nodes"]), everything["pageInfo"]["hasNextPage"]) == (100, True)
    plan = await database.fetch(
        f"EXPLAIN {SQL['interest_topics']}".replace("lower($2)", "lower('%g 11700%')"), workspace, "x", None, None, 21
    )
    assert "interest_topic_search" in "\n".join(row[0] for row in plan)


async def test_the_catalogue_is_the_workspaces_own(graph: Graph) -> None:
    """Another workspace's topics are not found, and a cursor of it opens nothing."""
    await send(graph, shown("Climbing", category="Sports"), shown("Yoga", category="Sports"))
    page = await graph.data(TOPICS, {"first": 1})

    assert [(one["topic"], one["category"]) for one in page["nodes"]] == [("Climbing", "Sports")]
    assert (await graph.data(TOPICS, principal=graph.stranger))["nodes"] == []
    error = await graph.error(TOPICS, {"after": page["pageInfo"]["endCursor"]}, graph.stranger)
    assert error["extensions"]["code"] == "CURSOR_INVALID"


@pytest.mark.parametrize(
    ("variables", "code", "argument"),
    [
        ({"search": "x" * 129}, "BAD_USER_INPUT", "search"),
        ({"search": "a\x00"}, "BAD_USER_INPUT", "search"),
        ({"category": "x" * 129}, "BAD_USER_INPUT", "category"),
        ({"first": 0}, "BAD_USER_INPUT", "first"),
        ({"first": 101}, "LIMIT_PAGE_SIZE", "first"),
        ({"after": "nonsense"}, "CURSOR_INVALID", None),
    ],
)
async def test_what_cannot_be_asked_of_the_catalogue(graph: Graph, variables: dict[str, Any], code: str, argument: str | None) -> None:
    """A size, a text or a cursor that cannot be one is a plain error, in the catalogue and in a person's interests."""
    extensions = (await graph.error(TOPICS, variables))["extensions"]
    ana = await graph.profile()
    own = None if "search" in variables else (await graph.error(INTERESTS, {"id": ana, **variables}))["extensions"]

    assert (extensions["code"], extensions.get("argument")) == (code, argument)
    assert own is None or (own["code"], own.get("argument")) == (code, argument)


async def test_the_catalogue_takes_the_right_to_read(graph: Graph) -> None:
    """Whoever may not read profiles has no catalogue either."""
    error = await graph.error(TOPICS, principal=graph.narrowed(graph.agent, "note:read"))

    assert error["extensions"] == {"code": "FORBIDDEN", "scope": "profile:read"}


async def test_cap_104_107_interests_stand_on_the_timeline_with_their_dates(graph: Graph) -> None:
    """Every trigger is an item of the timeline, at its moment and on its account; the interest it belongs to knows the first, the last and the
    number of them, whatever the order in which they arrived.
    """
    late, early = START + timedelta(hours=5), START - timedelta(hours=5)
    await send(graph, shown("Climbing", category="Sports", account="shop-uk"), shown("Climbing", at=late, category="Other words"))
    await send(graph, shown("Climbing", at=early), event("track", "Order Completed", at=early))
    ana = await user(graph)
    query = """query ($id: ID!) { profile(by: {id: $id}) { timeline(filter: {kinds: [INTEREST]}, first: 10) { nodes {
      __typename occurredAt account title origin source { key }
      ... on InterestTriggered { interest { topic category score firstTriggeredAt lastTriggeredAt triggerCount source { key } } } } } } }"""
    items = (await graph.data(query, {"id": ana}))["timeline"]["nodes"]
    (interest,) = (await interests(graph, ana))["nodes"]

    assert [(one["__typename"], one["occurredAt"], one["account"]) for one in items] == [
        ("InterestTriggered", "2026-01-01T07:00:00Z", None),
        ("InterestTriggered", "2026-01-01T12:00:00Z", "shop-uk"),
        ("InterestTriggered", "2026-01-01T17:00:00Z", None),
    ]
    assert (interest["firstTriggeredAt"], interest["lastTriggeredAt"]) == ("2026-01-01T07:00:00Z", "2026-01-01T17:00:00Z")
    assert (interest["topic"], interest["category"], interest["score"], interest["triggerCount"]) == ("Climbing", "Sports", 0.875, 3)
    del interest["source"]["displayName"]
    assert [one["interest"] for one in items] == [interest] * 3


async def test_an_interest_counts_once_per_message(graph: Graph) -> None:
    """The same message again, in the same batch or a later one, neither counts nor is logged again."""
    once = shown("Climbing", score=0.4)
    await send(graph, once, once)
    ana = await user(graph)
    before = await graph.contents()
    await send(graph, once)

    assert [(one["triggerCount"], one["score"]) for one in (await interests(graph, ana))["nodes"]] == [(1, 0.4)]
    assert await graph.contents() == before
    assert sum("interests" in entry[1] for entry in await graph.log(ana)) == 1


async def test_interests_through_record_activities(graph: Graph) -> None:
    """The mutation takes the same events in the same way; one that cannot be understood is refused alone, at its property."""
    ana = await graph.profile()
    made = [
        {"topic": " Climbing ", "score": 1},
        {},
        {"topic": "  "},
        {"topic": 5},
        {"topic": "x" * 129},
        {"topic": "Yoga", "score": 1.01},
        {"topic": "Yoga", "score": "high"},
        {"topic": "Yoga", "score": True},
        {"topic": "Yoga", "category": ["a"]},
    ]
    activities = [
        {"profile": {"id": ana}, "type": "Interest Triggered", "occurredAt": START.isoformat(), "messageId": f"i-{n}", "properties": one}
        for n, one in enumerate(made)
    ]
    payload = await graph.data(RECORD, {"activities": activities}, graph.partner)

    assert payload["accepted"] == 1
    assert codes(payload) == [
        ("REQUIRED", "activities.1.properties.topic"),
        ("REQUIRED", "activities.2.properties.topic"),
        ("INVALID", "activities.3.properties.topic"),
        ("INVALID", "activities.4.properties.topic"),
        *[("INVALID", f"activities.{n}.properties.score") for n in (5, 6, 7)],
        ("INVALID", "activities.8.properties.category"),
    ]
    (interest,) = (await interests(graph, ana))["nodes"]
    assert (interest["topic"], interest["category"], interest["score"], interest["source"]["key"]) == ("Climbing", "Other", 1.0, "native")
