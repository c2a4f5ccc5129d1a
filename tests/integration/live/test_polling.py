"""Polling: what a source that tells nothing changes of a watched profile is seen, and entered once over all processes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from gateway.auth.workspaces import Workspaces
from gateway.live.polling import Polling
from gateway.live.sightings import Seen, enter, look
from gateway.live.tail import Alarm
from gateway.model.change import StreamKey, source_stream
from gateway.model.source import SourceKind
from gateway.storage.queries import SQL
from tests.integration.resolvers.conftest import Gateway, Graph, _gateway, _graph
from tests.systems import AWAY, PROFILE_EVENTS, TIMELINE_EVENTS, WELL, System

__all__ = ["Gateway", "_gateway", "_graph"]

pytestmark = pytest.mark.asyncio(loop_scope="module")

SOURCES_FILE = """
[sources.crm]
adapter = "memory"
kinds = ["PROFILE", "TRAITS", "ACTIVITY"]
keyed_by = "crm"
poll = 3600
retries = 0
failures = 1000
fresh = 60
stale = 600
[sources.crm.memory]
"""
KINDS = frozenset({SourceKind.TRAITS, SourceKind.ACTIVITY})


@asynccontextmanager
async def watching(graph: Graph, *profiles: str) -> AsyncIterator[None]:
    """Somebody listens to the streams of these profiles here, and to that of the sources."""
    hub, alarm = graph.runtime.services.hub, Alarm()
    streams = [StreamKey(*System.of(graph).ids(one)) for one in profiles] + [source_stream(graph.agent.workspace_id)]
    tails = [hub.acquire(stream, alarm) for stream in streams]
    try:
        yield
    finally:
        for tail in tails:
            hub.release(tail, alarm)


def polling(graph: Graph, crm: System, interval: float = 0.0) -> tuple[Polling, System]:
    """One process's polling of the CRM; `interval`: which of its rounds share the questions of others."""
    source = crm.source
    source.definition = replace(source.definition, poll=interval)
    return Polling(graph.runtime.database, graph.runtime.services.hub, [source], Workspaces(graph.runtime.database)), crm


async def test_a_change_at_the_source_reaches_the_screen(graph: Graph) -> None:
    """The first look remembers; what then changes, comes and goes there is delivered, in the order in which it happened."""
    crm = System.of(graph)
    name, profile = await crm.known(traits={"tier": "gold"}, items=("o1", "o2"), first_name="Anna")
    poll, _ = polling(graph, crm)
    state = graph.stream(PROFILE_EVENTS, {"id": profile})
    items = graph.stream(TIMELINE_EVENTS, {"id": profile})
    await state.next()
    await items.next()
    first = await poll.round(crm.source)
    crm.person(name, traits={"tier": "platinum"}, items=("o1", "x", "o3", "o4"), first_name="Anne")
    second = await poll.round(crm.source)
    updated = await state.next()
    came = [await items.next() for _ in range(4)]
    await state.close()
    await items.close()

    assert (first, second) == (0, 1)
    assert updated["changedFields"] == ["firstName", "traits"]
    assert updated["profile"]["traits"]["nodes"] == [{"key": "tier", "value": "platinum"}]
    assert updated["profile"]["firstName"] == "Ana"  # the agent's word counts more
    assert [(one["item"]["id"], one["isNew"]) for one in came[:3]] == [(crm.item(profile, key), True) for key in ("x", "o3", "o4")]
    assert came[3]["itemId"] == crm.item(profile, "o2")


async def test_an_unchanged_person_makes_no_entry(graph: Graph) -> None:
    """However often it is looked."""
    crm = System.of(graph)
    _, profile = await crm.known(traits={"tier": "gold"}, items=("o1",))
    poll, _ = polling(graph, crm)
    async with watching(graph, profile):
        for _ in range(3):
            await poll.round(crm.source)

    assert await crm.entries(profile) == []


async def test_only_watched_profiles_are_asked_about_and_all_at_once(graph: Graph) -> None:
    """Three pages are open here: one question for each kind; nobody's page open: none."""
    crm = System.of(graph)
    profiles = [(await crm.known(traits={"tier": "gold"}))[1] for _ in range(5)]
    poll, _ = polling(graph, crm)
    async with watching(graph):
        await poll.round(crm.source)
    unasked = dict(crm.remote.asked)
    async with watching(graph, *profiles[:3]):
        await poll.round(crm.source)

    assert unasked == {}
    assert crm.remote.asked == {"profiles": 1, "traits": 1, "items": 1}
    assert await graph.count("source_sighting") == 3


async def test_two_processes_ask_once_and_enter_once(graph: Graph) -> None:
    """Whoever asks second within the interval leaves it; asked at the same moment, the first enters what is new."""
    crm = System.of(graph)
    name, profile = await crm.known(traits={"tier": "gold"})
    (one, _), (other, _) = polling(graph, crm, 60.0), polling(graph, crm, 60.0)
    async with watching(graph, profile):
        await one.round(crm.source)
        crm.remote.asked.clear()
        await other.round(crm.source)
        shared = dict(crm.remote.asked)
        crm.person(name, traits={"tier": "platinum"})
        ((first, _), (second, _)) = polling(graph, crm), polling(graph, crm)
        news = await asyncio.gather(first.round(crm.source), second.round(crm.source))

    assert shared == {}
    assert sorted(news) == [0, 1]
    assert await crm.entries(profile) == [("PROFILE", ["traits"], None)]


async def test_an_answer_to_an_earlier_question_changes_nothing(graph: Graph) -> None:
    """A process that asked before and comes later neither turns back what is known nor enters it."""
    crm = System.of(graph)
    name, profile = await crm.known(traits={"tier": "gold"})
    workspace, profile_id = crm.ids(profile)

    async def entered(seen: Seen) -> int:
        return len(await enter(graph.runtime.database, graph.runtime.services.hub, workspace, "crm", seen))

    early = await look(crm.source, workspace, [profile_id], KINDS)
    crm.person(name, traits={"tier": "platinum"})
    late = await look(crm.source, workspace, [profile_id], KINDS)

    assert [await entered(seen) for seen in (late, early, await look(crm.source, workspace, [profile_id], KINDS))] == [0, 0, 0]


async def test_a_source_that_fails_says_nothing_new(graph: Graph) -> None:
    """Neither an error nor an old answer is a difference; what changed meanwhile is seen when it is back."""
    crm = System.of(graph)
    name, profile = await crm.known(traits={"tier": "gold"}, items=("o1",))
    poll, _ = polling(graph, crm)
    async with watching(graph, profile):
        await poll.round(crm.source)
        crm.person(name, traits={"tier": "platinum"})
        crm.faults(AWAY)
        failed = await poll.round(crm.source)
        crm.faults(WELL)
        back = await poll.round(crm.source)

    assert (failed, back) == (0, 1)
    assert await crm.entries(profile) == [("PROFILE", ["traits"], None), ("REMOVED", [], "o1")]


async def test_a_source_of_one_workspace_is_not_asked_about_others(graph: Graph) -> None:
    """Watched profiles of a workspace that the source does not serve are none of its."""
    crm = System.of(graph)
    _, profile = await crm.known(traits={"tier": "gold"})
    own = crm.source.definition
    crm.source.definition = replace(own, poll=0.0, workspaces=frozenset({graph.stranger.workspace_key, "not-there-yet"}))
    poll = Polling(graph.runtime.database, graph.runtime.services.hub, [crm.source], Workspaces(graph.runtime.database))
    async with watching(graph, profile):
        await poll.round(crm.source)
    crm.source.definition = own

    assert crm.remote.asked == {}


async def test_those_who_waited_longest_come_first(graph: Graph, monkeypatch: pytest.MonkeyPatch) -> None:
    """More pages are open than are asked about at once: in the next round it is the others' turn."""
    monkeypatch.setattr("gateway.live.polling.MOST_PROFILES", 2)
    crm = System.of(graph)
    profiles = [(await crm.known(traits={"tier": "gold"}))[1] for _ in range(4)]
    poll, _ = polling(graph, crm)
    async with watching(graph, *profiles):
        await poll.round(crm.source)
        once = await graph.count("source_sighting")
        await poll.round(crm.source)

    assert (once, await graph.count("source_sighting")) == (2, 4)


async def test_what_is_remembered_goes_with_the_person(graph: Graph) -> None:
    """An erasure takes the hashes along, and an hour's upkeep what is three days old."""
    crm = System.of(graph)
    _, profile = await crm.known(traits={"tier": "gold"})
    poll, _ = polling(graph, crm)
    async with watching(graph, profile):
        await poll.round(crm.source)
    before = await graph.count("source_sighting")
    workspace, profile_id = crm.ids(profile)
    await graph.runtime.database.fetch(SQL["erase_records"], workspace, [profile_id])

    assert (before, await graph.count("source_sighting")) == (1, 0)
