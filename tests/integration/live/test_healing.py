"""Healing: what an open page missed while a source failed comes to it by its subscriptions, once, when the source answers again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from gateway.errors import SourceTimeout
from gateway.live.changelog import append
from gateway.live.healing import Healing
from gateway.live.sightings import Gap, Seen, enter
from gateway.live.tail import Alarm
from gateway.model.change import Change, ChangeKind, StreamKey
from gateway.model.ids import uuid7
from gateway.model.source import SourceKind, SourceState
from gateway.sources.misses import LISTENERS, Miss
from tests.integration.resolvers.conftest import Gateway, Graph, Stream, _gateway, _graph
from tests.systems import AWAY, PROFILE_EVENTS, SCREEN, TIMELINE_EVENTS, WELL, System

__all__ = ["Gateway", "_gateway", "_graph"]

pytestmark = pytest.mark.asyncio(loop_scope="module")

SOURCES_FILE = """
[sources.crm]
adapter = "memory"
kinds = ["PROFILE", "TRAITS", "ACTIVITY"]
keyed_by = "crm"
retries = 0
failures = 1000
pause = 0.1
longest_pause = 0.1
[sources.crm.memory]
"""
SHOP = {"traits": {"tier": "gold"}, "items": ("o1", "o2"), "first_name": "Anna"}


@pytest.fixture(autouse=True)
def _alone(graph: Graph) -> Iterator[None]:
    """The gateway's own healing hears of nothing: who asks, and when, is the test's."""
    assert graph.runtime.federated
    own = set(LISTENERS)
    LISTENERS.clear()
    yield
    LISTENERS.update(own)


@asynccontextmanager
async def watching(graph: Graph, profile: str) -> AsyncIterator[None]:
    """Somebody listens to the profile's stream here."""
    stream, alarm = StreamKey(*System.of(graph).ids(profile)), Alarm()
    tail = graph.runtime.services.hub.acquire(stream, alarm)
    try:
        yield
    finally:
        graph.runtime.services.hub.release(tail, alarm)


@asynccontextmanager
async def listening(graph: Graph, **times: float) -> AsyncIterator[Healing]:
    """Another process's healing, whose rounds the test makes."""
    healing = Healing(graph.runtime.database, graph.runtime.services.hub, graph.runtime.federated, **{"rest": 0.0, **times})
    LISTENERS.add(healing.noted)
    try:
        yield healing
    finally:
        LISTENERS.discard(healing.noted)


async def events(stream: Stream, count: int) -> list[dict[str, Any]]:
    """The next events."""
    return [await stream.next() for _ in range(count)]


async def until(is_so: Callable[[], bool]) -> None:
    """Wait for a condition."""
    async with asyncio.timeout(10):
        while not is_so():  # noqa: ASYNC110
            await asyncio.sleep(0.005)


async def test_cap_128_an_open_page_heals_by_subscription(graph: Graph) -> None:
    """Query while the CRM is away, subscribe behind it, and its traits and items arrive when it answers again, without another query."""
    crm = System.of(graph)
    _, profile = await crm.known(**SHOP)
    crm.faults(AWAY)
    page = (await graph.run(SCREEN, {"id": profile}))["data"]["profile"]
    state = graph.stream(PROFILE_EVENTS, {"id": profile, "after": page["streamCursor"]})
    items = graph.stream(TIMELINE_EVENTS, {"id": profile, "after": page["timeline"]["streamCursor"]})
    assert [one["__typename"] for one in (await state.next(), await items.next())] == ["StreamReady", "StreamReady"]
    healing = Healing(graph.runtime.database, graph.runtime.services.hub, graph.runtime.federated, interval=0.02)
    await healing.start()
    await graph.run(SCREEN, {"id": profile})  # this healing was not there when the page asked
    crm.faults(WELL)
    updated = await state.next()
    came = await events(items, 2)
    await healing.stop()
    await state.close()
    await items.close()

    assert page["traits"]["nodes"] == page["timeline"]["nodes"] == []
    assert {"traits", "timeline", "sources", "firstName"} <= set(updated["changedFields"])
    assert updated["profile"]["traits"]["nodes"] == [{"key": "tier", "value": "gold"}]
    assert {one["state"] for one in updated["profile"]["sources"]} == {"OK"}
    assert [(one["item"]["id"], one["isNew"]) for one in came] == [(crm.item(profile, "o1"), True), (crm.item(profile, "o2"), True)]


async def test_what_several_processes_missed_is_entered_once(graph: Graph) -> None:
    """Two processes whose pages missed the same both ask; the first one enters it."""
    crm = System.of(graph)
    _, profile = await crm.known(**SHOP)
    async with watching(graph, profile), listening(graph) as one, listening(graph) as other:
        crm.faults(AWAY)
        await graph.run(SCREEN, {"id": profile})
        crm.faults(WELL)
        healed = [await one.mend(), await other.mend()]

    assert healed == [1, 0]
    assert [(kind, key) for kind, _, key in await crm.entries(profile)] == [("PROFILE", None), ("ACTIVITY", "o1"), ("ACTIVITY", "o2")]


async def test_who_misses_it_again_is_healed_again(graph: Graph) -> None:
    """A source that comes and goes: what a page missed after it was healed is brought again, although nothing changed there."""
    crm = System.of(graph)
    _, profile = await crm.known(**SHOP)
    async with watching(graph, profile), listening(graph) as healing:
        for _ in range(2):
            crm.faults(AWAY)
            await graph.run(SCREEN, {"id": profile})
            crm.faults(WELL)
            assert await healing.mend() == 1

        assert len([one for one in await crm.entries(profile) if one[0] == "PROFILE"]) == 2


async def test_a_page_is_left_alone_for_a_while_after_it_was_healed(graph: Graph) -> None:
    """A source that flaps does not flood the stream: the same page is healed at most once in `rest` seconds."""
    crm = System.of(graph)
    _, profile = await crm.known(**SHOP)
    async with watching(graph, profile), listening(graph, rest=60.0) as healing:
        for _ in range(3):
            crm.faults(AWAY)
            await graph.run(SCREEN, {"id": profile})
            crm.faults(WELL)
            await healing.mend()

        assert len([one for one in await crm.entries(profile) if one[0] == "PROFILE"]) == 1


async def test_only_what_is_watched_here_is_asked_for(graph: Graph) -> None:
    """A page that nobody has open costs the source nothing; when somebody comes back to it, it is healed."""
    crm = System.of(graph)
    _, profile = await crm.known(**SHOP)
    async with listening(graph) as healing:
        crm.faults(AWAY)
        await graph.run(SCREEN, {"id": profile})
        crm.faults(WELL)
        crm.remote.asked.clear()
        unwatched = await healing.mend(), dict(crm.remote.asked)
        async with watching(graph, profile):
            watched = await healing.mend()

    assert unwatched == (0, {})
    assert watched == 1


async def test_only_what_was_missed_is_asked_for(graph: Graph) -> None:
    """A page that shows traits alone misses traits alone."""
    crm = System.of(graph)
    _, profile = await crm.known(**SHOP)
    async with watching(graph, profile), listening(graph) as healing:
        crm.faults(AWAY)
        await graph.run("query ($id: ID!) { profile(by: {id: $id}) { traits { nodes { key } } } }", {"id": profile})
        crm.faults(WELL)
        crm.remote.asked.clear()
        await healing.mend()

    assert crm.remote.asked == {"traits": 1}
    assert await crm.entries(profile) == [("PROFILE", ["traits", "sources"], None)]


async def test_a_source_that_still_fails_is_asked_less_and_less(graph: Graph) -> None:
    """After a question that failed the next waits; a call of anybody else that succeeds ends the wait at once."""
    crm = System.of(graph)
    _, profile = await crm.known(**SHOP)
    async with watching(graph, profile), listening(graph, interval=30.0) as healing:
        crm.faults(AWAY)
        await graph.run(SCREEN, {"id": profile})
        await healing.mend()
        crm.faults(WELL)
        crm.remote.asked.clear()
        waits = await healing.mend(), dict(crm.remote.asked)
        healing.observed("crm", SourceState.TIMEOUT, 2.0)
        healing.observed("crm", SourceState.OK, 0.1)
        healed = await healing.mend()

    assert waits == (0, {})
    assert healed == 1


async def test_an_item_that_could_not_be_shown_comes_later_and_holds_nobody_up(graph: Graph) -> None:
    """The stream goes on while the system that holds an item is away, and the item is brought when it is back, however old it is."""
    crm = System.of(graph)
    _, profile = await crm.known(items=[f"o{n}" for n in range(60)])
    items = graph.stream(TIMELINE_EVENTS, {"id": profile})
    await items.next()
    async with listening(graph) as healing:
        crm.faults(AWAY)
        workspace, profile_id = crm.ids(profile)
        stream = StreamKey(workspace, profile_id)
        async with graph.runtime.database.transaction() as connection:
            await append(connection, workspace, [Change(stream, ChangeKind.ACTIVITY, "crm", entity_source="crm", entity_key="o3")])
        graph.runtime.services.hub.ring([stream])
        note = await graph.note(profile)
        shown = await items.next()
        crm.faults(WELL)
        await healing.mend()
        came = await events(items, 51)
    await items.close()

    assert note.removeprefix("note_")[32:] in shown["item"]["id"]
    assert {crm.item(profile, "o3"), crm.item(profile, "o59"), crm.item(profile, "o10")} <= {one["item"]["id"] for one in came}


async def test_a_person_who_is_gone_leaves_nothing_behind(graph: Graph) -> None:
    """What a source says of somebody who is no living profile is neither kept nor entered."""
    stranger = uuid7()
    seen = Seen(asyncio.get_running_loop().time(), {stranger: {"traits": "x"}}, {stranger: frozenset({SourceKind.TRAITS})})
    gaps = {stranger: Gap(frozenset({SourceKind.TRAITS}), seen.asked)}

    assert await enter(graph.runtime.database, graph.runtime.services.hub, graph.agent.workspace_id, "crm", seen, gaps) == {}
    assert await graph.count("source_sighting") == 0
    assert await graph.count("stream_head") == 0


async def test_the_task_mends_by_itself(graph: Graph) -> None:
    """Nobody calls: the task asks until the source is back, and forgets what was had."""
    crm = System.of(graph)
    _, profile = await crm.known(**SHOP)
    healing = Healing(graph.runtime.database, graph.runtime.services.hub, graph.runtime.federated, interval=0.02, longest=0.05, rest=0.0)
    await healing.start()
    async with watching(graph, profile):
        crm.faults(AWAY)
        await graph.run(SCREEN, {"id": profile})
        asked = crm.remote.asked["traits"]
        await until(lambda: crm.remote.asked["traits"] >= asked + 3)
        crm.faults(WELL)
        await until(lambda: not len(healing))
    await healing.stop()

    assert [key for kind, _, key in await crm.entries(profile) if kind == "ACTIVITY"] == ["o1", "o2"]


async def test_misses_are_bounded(graph: Graph, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many pages miss something, so many are remembered; other sources' misses and kinds that no page shows are not."""
    monkeypatch.setattr("gateway.live.healing._MOST_KEPT", 3)
    async with listening(graph) as healing:
        for _ in range(5):
            healing.noted(Miss(graph.agent.workspace_id, uuid7(), "crm", SourceKind.TRAITS))
        healing.noted(Miss(graph.agent.workspace_id, uuid7(), "native", SourceKind.TRAITS))
        healing.noted(Miss(graph.agent.workspace_id, uuid7(), "crm", SourceKind.IDENTITY))

        assert len(healing) == 3


async def test_a_timeout_is_a_miss_too(graph: Graph) -> None:
    """Whatever kept the source from answering."""
    crm = System.of(graph)
    _, profile = await crm.known(**SHOP)
    async with watching(graph, profile), listening(graph) as healing:
        crm.faults(type(AWAY)(error_rate=1.0, error=SourceTimeout))
        await graph.run(SCREEN, {"id": profile})
        crm.faults(WELL)

        assert await healing.mend() == 1
