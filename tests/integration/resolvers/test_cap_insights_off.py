"""A workspace without insights: events are history and nothing more, and what a person said to a purpose still counts."""

from __future__ import annotations

import pytest

from .conftest import Graph
from .test_cap_insights import event, send, user

__all__: list[str] = []

pytestmark = pytest.mark.asyncio(loop_scope="module")

CONFIG = 'features = ["contacts", "merge", "presence", "privacy"]'

SHOWN = """query ($id: ID!) { profile(by: {id: $id}) { interests { nodes { topic } pageInfo { hasNextPage } } segments { key } consents { status }
  timeline(filter: {preset: ALL}, first: 10) { nodes { __typename title
    ... on InterestTriggered { interest { topic score triggerCount } } } } } }"""


async def test_cap_001_without_insights_events_are_only_history(graph: Graph) -> None:
    """Interests and audiences are items of the timeline and nothing else; consents are kept whatever is switched off."""
    await send(
        graph,
        event("track", "Interest Triggered", properties={"topic": "Climbing"}),
        event("track", "Audience Entered", properties={"audience_key": "vip"}),
        event("track", "Consent Updated", properties={"purpose": "marketing", "status": "DENIED"}),
    )
    shown = await graph.data(SHOWN, {"id": await user(graph)})

    assert (shown["interests"], shown["segments"]) == ({"nodes": [], "pageInfo": {"hasNextPage": False}}, [])
    assert shown["consents"] == [{"status": "DENIED"}]
    items = {one["title"]: one for one in shown["timeline"]["nodes"]}
    assert items["Interested in Climbing"]["interest"] == {"topic": "Climbing", "score": 0.5, "triggerCount": 1}
    assert await graph.data("{ interestTopics { nodes { topic } } }") == {"nodes": []}
