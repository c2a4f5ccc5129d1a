"""What subscribers of one stream share: an entry's item, or the profile, is read once for all of them in a process."""

from __future__ import annotations

import asyncio

import pytest

from .conftest import Graph
from .events_scene import PROFILE, TIMELINE, opened, renamed
from .test_batching import statements

__all__: list[str] = []

pytestmark = pytest.mark.asyncio(loop_scope="module")

CROWD = 20


async def test_an_items_statements_do_not_grow_with_its_subscribers(graph: Graph, monkeypatch: pytest.MonkeyPatch) -> None:
    """Twenty subscribers of one timeline get a note by three statements: what it may be, which none of them asks for itself."""
    profile = await graph.profile()
    streams = [(await opened(graph, TIMELINE, id=profile, filter={"kinds": ["NOTE"]}))[0] for _ in range(CROWD)]
    with statements(monkeypatch) as seen:
        await graph.note(profile)
        events = await asyncio.gather(*(stream.next() for stream in streams))
    assert {event["item"]["__typename"] for event in events} == {"NoteItem"}
    assert {name: seen.count(name) for name in ("activities_by_id", "changes_by_id")} == {"activities_by_id": 1, "changes_by_id": 1}
    for stream in streams:
        await stream.close()


async def test_a_profile_is_read_once_for_its_subscribers(graph: Graph, monkeypatch: pytest.MonkeyPatch) -> None:
    """Twenty subscribers of one profile's state get a new name by one statement."""
    profile = await graph.profile("Before")
    streams = [(await opened(graph, PROFILE, id=profile))[0] for _ in range(CROWD)]
    await renamed(graph, profile, "Between")  # what the mutation itself reads is read now
    await asyncio.gather(*(stream.next() for stream in streams))
    with statements(monkeypatch) as seen:
        await renamed(graph, profile, "After")
        own = seen.count("profiles_by_id")
        events = await asyncio.gather(*(stream.next() for stream in streams))
    assert {event["updated"]["firstName"] for event in events} == {"After"}
    assert seen.count("profiles_by_id") <= own + 1
    for stream in streams:
        await stream.close()
