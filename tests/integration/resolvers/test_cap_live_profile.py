"""What becomes of a profile, live: merged with another, taken apart, erased; and its notes and changes on the timeline."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from .conftest import Graph, Stream
from .events_scene import PROFILE, TIMELINE, erased, merged, opened, renamed, seen, unmerged

__all__: list[str] = []

pytestmark = pytest.mark.asyncio(loop_scope="module")

EVERYTHING = {"preset": "ALL"}


async def last(stream: Stream) -> list[dict[str, Any]]:
    """The remaining events of a stream that ends by itself."""
    return [next(iter(answer["data"].values())) for answer in await stream.rest()]


async def test_fault_101_a_merged_away_profile_says_so_and_ends(graph: Graph) -> None:
    """Who watches the profile that goes is told into which it went, as that is then, and the stream ends."""
    ana, ann = await graph.profile("Ana"), await graph.profile("Ann")
    stream, _ = await opened(graph, PROFILE, id=ann)
    merge = await merged(graph, ana, ann)
    (event,) = await last(stream)

    assert (event["__typename"], event["seq"], event["profile"]) == ("ProfileMerged", 2, {"id": ana, "firstName": "Ana"})
    assert (event["merge"]["id"], event["merge"]["survivor"], event["merge"]["mergedIds"]) == (merge, {"id": ana}, [ann])


async def test_the_survivor_is_told_and_goes_on(graph: Graph) -> None:
    """Who watches the profile that stays is told of the merge, sees what it changed, and what comes after."""
    ana, ann = await graph.profile("Ana"), await graph.profile("Ann")
    stream, _ = await opened(graph, PROFILE, id=ana)
    merge = await merged(graph, ana, ann)
    told, changed = await stream.next(), await stream.next()
    await renamed(graph, ana, "Ada")
    after = await stream.next()
    await stream.close()

    assert seen([told, changed, after]) == [("ProfileMerged", 2), ("ProfileUpdated", 3), ("ProfileUpdated", 4)]
    assert (told["merge"]["id"], told["profile"]["id"]) == (merge, ana)
    assert after["updated"] == {"id": ana, "firstName": "Ada"}


async def test_fault_101_a_timeline_is_told_of_the_merge_too(graph: Graph) -> None:
    """Both timelines say ProfileMerged: the one that went ends, the other goes on."""
    ana, ann = await graph.profile("Ana"), await graph.profile("Ann")
    gone, _ = await opened(graph, TIMELINE, id=ann)
    stays, _ = await opened(graph, TIMELINE, id=ana)
    await merged(graph, ana, ann)
    (item,) = await graph.happened(ana, {})

    assert seen(await last(gone)) == [("ProfileMerged", 2)]
    assert (await stays.next())["__typename"] == "ProfileMerged"
    assert (await stays.next())["item"]["id"] == item
    await stays.close()


@pytest.mark.parametrize("query", [PROFILE, TIMELINE], ids=["profileEvents", "timelineEvents"])
async def test_who_comes_after_the_merge(graph: Graph, query: str) -> None:
    """A new subscription to a profile that was merged away, also through several, is told of its merge and whom it came to, and ends."""
    ana, ann, eve = [await graph.profile(name) for name in ("Ana", "Ann", "Eve")]
    merge = await merged(graph, ann, eve)
    await merged(graph, ana, ann)
    events = await last(graph.stream(query, {"id": eve}))

    assert seen(events) == [("StreamReady", 2), ("ProfileMerged", 2)]
    assert events[1]["merge"] | {"reason": 0} == {"id": merge, "survivor": {"id": ana}, "mergedIds": [eve], "reason": 0}
    assert events[1]["profile"] == {"id": ana, "firstName": "Ana"}


async def test_who_comes_back_after_the_merge(graph: Graph) -> None:
    """A client that was away while the profile was merged gets it in its place in the log, once, and the end; also when it resumes behind it."""
    ana, ann = await graph.profile("Ana"), await graph.profile("Ann")
    stream, ready = await opened(graph, PROFILE, id=ann)
    await stream.close()
    await renamed(graph, ann, "Anne")
    await merged(graph, ana, ann)
    events = await last(graph.stream(PROFILE, {"id": ann, "after": ready["cursor"]}))
    again = await last(graph.stream(PROFILE, {"id": ann, "after": events[-1]["cursor"]}))

    assert seen(events) == [("StreamReady", 1), ("ProfileMerged", 3)]
    assert seen(again) == [("StreamReady", 3), ("ProfileMerged", 3)]


async def test_fault_101_a_merge_that_was_taken_back(graph: Graph) -> None:
    """Who was away during a merge and its undoing finds the profile as it is, alive; the stream does not end."""
    ana, ann = await graph.profile("Ana"), await graph.profile("Ann")
    stream, ready = await opened(graph, PROFILE, id=ann)
    await stream.close()
    await unmerged(graph, await merged(graph, ana, ann))
    stream, _ = await opened(graph, PROFILE, id=ann, after=ready["cursor"])
    event = await stream.next()
    await renamed(graph, ann, "Anne")
    after = await stream.next()
    await stream.close()

    assert seen([event, after]) == [("ProfileUpdated", 3), ("ProfileUpdated", 4)]
    assert "status" in event["changedFields"]
    assert after["updated"] == {"id": ann, "firstName": "Anne"}


async def test_merged_again_after_that(graph: Graph) -> None:
    """Of a merge, its undoing and another merge, only the merge that holds is told."""
    ana, ann, eve = [await graph.profile(name) for name in ("Ana", "Ann", "Eve")]
    stream, ready = await opened(graph, PROFILE, id=ann)
    await stream.close()
    await unmerged(graph, await merged(graph, ana, ann))
    merge = await merged(graph, eve, ann)
    events = await last(graph.stream(PROFILE, {"id": ann, "after": ready["cursor"]}))

    assert [event["__typename"] for event in events] == ["StreamReady", "ProfileMerged"]
    assert (events[1]["merge"]["id"], events[1]["profile"]["id"]) == (merge, eve)


async def test_fault_101_an_erasure_ends_the_stream(graph: Graph) -> None:
    """Who watches a person who is erased is told so and nothing else: the state says it, the timeline just ends."""
    ana = await graph.profile("Ana")
    state, _ = await opened(graph, PROFILE, id=ana)
    items, _ = await opened(graph, TIMELINE, id=ana)
    await erased(graph, ana)

    (event,) = await last(state)
    assert (event["__typename"], event["seq"], event["profileId"]) == ("ProfileErased", 2, ana)
    assert await last(items) == []


async def test_who_comes_after_the_erasure(graph: Graph) -> None:
    """New and resumed subscriptions to an erased person are told and end, also when a change was missed before it."""
    ana = await graph.profile("Ana")
    stream, ready = await opened(graph, PROFILE, id=ana)
    await stream.close()
    await renamed(graph, ana, "Ada")
    await erased(graph, ana)

    assert seen(await last(graph.stream(PROFILE, {"id": ana}))) == [("StreamReady", 3), ("ProfileErased", 3)]
    assert seen(await last(graph.stream(PROFILE, {"id": ana, "after": ready["cursor"]}))) == [("StreamReady", 1), ("ProfileErased", 3)]
    assert seen(await last(graph.stream(TIMELINE, {"id": ana}))) == [("StreamReady", 3)]
    assert await graph.stream(PROFILE, {"id": ana}, graph.stranger).rest() == []


async def test_the_whole_erasure_ends_the_stream(graph: Graph) -> None:
    """The real erasure, from its request to its certificate, is told to who watches; afterwards nothing comes."""
    ana = await graph.profile("Ana")
    await graph.note(ana)
    stream, _ = await opened(graph, PROFILE, id=ana)
    ask = "mutation ($id: ID!) { requestPrivacyAction(profileId: $id, action: ERASE) { userErrors { code } } }"
    await graph.data(ask, {"id": ana}, graph.admin)
    async with asyncio.timeout(10):
        events = await last(stream)

    assert (events[-1]["__typename"], events[-1]["profileId"]) == ("ProfileErased", ana)


async def test_cap_087_other_agents_see_a_note_at_once(graph: Graph) -> None:
    """A note that one agent writes is on another's timeline when it is committed, changed when it is changed, and gone when it is deleted."""
    ana = await graph.profile()
    stream, _ = await opened(graph, TIMELINE, graph.colleague, id=ana, filter={"kinds": ["NOTE"]})
    note = await graph.note(ana, "Prefers tea.")
    new = await stream.next()
    change = 'mutation ($id: ID!) { updateNote(input: {id: $id, body: "Prefers coffee."}) { userErrors { code } } }'
    await graph.data(change, {"id": note})
    changed = await stream.next()
    await graph.data("mutation ($id: ID!) { deleteNote(id: $id) { userErrors { code } } }", {"id": note})
    gone = await stream.next()
    await stream.close()

    assert (new["isNew"], new["item"]["__typename"], new["item"]["note"]) == (True, "NoteItem", {"id": note, "body": "Prefers tea."})
    assert (changed["isNew"], changed["item"]["id"], changed["item"]["note"]["body"]) == (False, new["item"]["id"], "Prefers coffee.")
    assert (gone["__typename"], gone["itemId"]) == ("TimelineItemRemoved", new["item"]["id"])


async def test_notes_and_changes_come_only_when_they_are_asked_for(graph: Graph) -> None:
    """The usual timeline shows neither notes nor changes; ALL shows both, in the order of commits."""
    ana = await graph.profile()
    usual, _ = await opened(graph, TIMELINE, id=ana)
    whole, _ = await opened(graph, TIMELINE, id=ana, filter=EVERYTHING)
    await graph.note(ana)
    await renamed(graph, ana, "Ada")
    (item,) = await graph.happened(ana, {})
    order = [await whole.next() for _ in range(3)]

    assert (await usual.next())["item"]["id"] == item
    assert [event["item"]["__typename"] for event in order] == ["NoteItem", "ChangeItem", "ExternalActivity"]
    assert order[1]["item"]["change"]["action"] == "UPDATED"
    await usual.close()
    await whole.close()


async def test_a_note_needs_the_right_to_read_notes(graph: Graph) -> None:
    """Without note:read no note shows live, whatever the filter; the items around it do, and that one went is no secret."""
    ana = await graph.profile()
    reader = graph.narrowed(graph.colleague, "subscribe", "profile:read", "history:read")
    stream, _ = await opened(graph, TIMELINE, reader, id=ana, filter={"preset": "ALL"})
    await graph.note(ana)
    (item,) = await graph.happened(ana, {})
    event = await stream.next()
    await stream.close()

    assert event["item"]["id"] == item


@pytest.mark.parametrize("kind", ["merge", "erasure"])
async def test_streams_that_end_by_themselves_leave_nothing(graph: Graph, kind: str) -> None:
    """A stream that ended with its profile leaves no tail, no room and no task behind."""
    ana, ann = await graph.profile("Ana"), await graph.profile("Ann")
    hub, presence = graph.runtime.services.hub, graph.runtime.services.presence
    tasks = asyncio.all_tasks()
    streams = [(await opened(graph, query, id=ann))[0] for query in (PROFILE, TIMELINE)]
    await (merged(graph, ana, ann) if kind == "merge" else erased(graph, ann))
    for stream in streams:
        await last(stream)

    assert (hub._tails, presence._rooms, len(hub._listeners)) == ({}, {}, 1)  # the bell of revocations stays
    assert asyncio.all_tasks() - tasks == set()
