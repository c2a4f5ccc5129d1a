"""setViewing and ViewersChanged: who else is here, told to whoever watches the profile, without a trace in its log."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from gateway.auth.session import Session
from gateway.engine.request import Request
from gateway.model.ids import make_id, parse_id, uuid7

from .conftest import Graph, Stream
from .events_scene import PROFILE, TIMELINE, VIEWING, merged, names, opened, renamed

__all__: list[str] = []

pytestmark = pytest.mark.asyncio(loop_scope="module")

CONFIG = '[workspaces.without]\nfeatures = ["contacts", "merge"]'


async def views(graph: Graph, session: Session, profile: str, *, editing: bool = False) -> Any:
    """SetViewing over a socket."""
    prepared = graph.runtime.engine.prepare(Request(VIEWING, {"id": profile, "editing": editing}))
    answer = await graph.runtime.engine.execute(prepared, graph.runtime.context_for(session.principal, session))
    assert "errors" not in answer, answer
    return answer["data"]["setViewing"]


async def viewers(stream: Stream) -> tuple[list[str], list[str]]:
    """Who is here and who edits, by the next event."""
    event = await stream.next()
    assert event["__typename"] == "ViewersChanged", event
    return names(event["viewers"]), names(event["editing"])


async def test_who_else_is_here(graph: Graph) -> None:
    """Coming, editing, ceasing to edit, going on to another profile and closing the socket are each told, with everybody who is there."""
    ana, bob = await graph.profile("Ana"), await graph.profile("Bob")
    stream, _ = await opened(graph, PROFILE, id=ana)
    one, other = Session(graph.agent), Session(graph.colleague)
    assert await views(graph, one, ana)
    first = await stream.next()
    await views(graph, other, ana)
    assert await viewers(stream) == (["ann", "bob"], [])
    await views(graph, other, ana, editing=True)
    assert await viewers(stream) == (["ann", "bob"], ["bob"])
    await views(graph, one, ana, editing=True)
    assert await viewers(stream) == (["ann", "bob"], ["ann", "bob"])
    await views(graph, other, ana)
    assert await viewers(stream) == (["ann", "bob"], ["ann"])
    await views(graph, other, bob)
    assert await viewers(stream) == (["ann"], ["ann"])
    one.closed()
    assert await viewers(stream) == ([], [])
    other.closed()
    await stream.close()

    assert first["viewers"] == [{"id": "ann", "displayName": "Ann", "kind": "AGENT"}]


async def test_right_after_ready_when_anybody_else_is_here(graph: Graph) -> None:
    """A new subscriber is told at once of others, not of being alone with itself."""
    ana = await graph.profile()
    own, other = Session(graph.agent), Session(graph.colleague)
    await views(graph, own, ana)
    alone, _ = await opened(graph, PROFILE, id=ana)
    await renamed(graph, ana, "Ada")
    assert (await alone.next())["__typename"] == "ProfileUpdated"
    await views(graph, other, ana)
    assert await viewers(alone) == (["ann", "bob"], [])
    late, ready = await opened(graph, PROFILE, id=ana)
    event = await late.next()
    own.closed()
    assert await viewers(alone) == (["bob"], [])
    other.closed()
    await alone.close()
    await late.close()

    assert (event["__typename"], names(event["viewers"])) == ("ViewersChanged", ["ann", "bob"])
    assert (event["seq"], event["cursor"]) == (ready["seq"], ready["cursor"])


async def test_presence_takes_no_number_of_the_log(graph: Graph) -> None:
    """The event stands at the stream's present position: the next change has the next number, and resuming behind it repeats nobody."""
    ana = await graph.profile()
    stream, _ = await opened(graph, PROFILE, id=ana)
    session = Session(graph.colleague)
    await views(graph, session, ana)
    here = await stream.next()
    await renamed(graph, ana, "Ada")
    changed = await stream.next()
    session.closed()
    await viewers(stream)
    await stream.close()
    again, ready = await opened(graph, PROFILE, id=ana, after=here["cursor"])
    assert (await again.next())["__typename"] == "ProfileUpdated"
    await again.close()

    assert (here["seq"], changed["seq"], ready["resumed"]) == (1, 2, True)
    assert len(await graph.log(ana)) == 2


async def test_a_field_filter_does_not_hide_people(graph: Graph) -> None:
    """`fields` is about changes of the profile; who is here is told all the same, timelines are not concerned."""
    ana = await graph.profile()
    stream, _ = await opened(graph, PROFILE, id=ana, fields=["notes"])
    items, _ = await opened(graph, TIMELINE, id=ana)
    session = Session(graph.colleague)
    await views(graph, session, ana)
    assert await viewers(stream) == (["bob"], [])
    (item,) = await graph.happened(ana, {})
    assert (await items.next())["item"]["id"] == item
    session.closed()
    await stream.close()
    await items.close()


async def test_without_a_socket_it_belongs_to_the_subject(graph: Graph) -> None:
    """Over HTTP a subject looks at one profile, whatever request said so, and for 30 seconds from the last time."""
    ana, bob = await graph.profile("Ana"), await graph.profile("Bob")
    stream, _ = await opened(graph, PROFILE, id=ana)
    assert await graph.data(VIEWING, {"id": ana}, graph.colleague) is True
    assert await viewers(stream) == (["bob"], [])
    left = "SELECT extract(epoch FROM expires_at - clock_timestamp()) FROM presence WHERE profile_id = $1"
    assert 25 < await graph.runtime.database.fetchval(left, parse_id(ana, "prf")[0]) <= 30
    await graph.data(VIEWING, {"id": bob}, graph.colleague)
    assert await viewers(stream) == ([], [])
    await graph.runtime.database.execute("DELETE FROM presence")
    await stream.close()


async def test_what_expires_is_seen_to_go(graph: Graph) -> None:
    """A row that nobody renews is gone from the screens within five seconds of its end, without any bell."""
    ana = await graph.profile()
    stream, _ = await opened(graph, PROFILE, id=ana)
    await graph.data(VIEWING, {"id": ana}, graph.colleague)
    await viewers(stream)
    await graph.runtime.database.execute(
        "UPDATE presence SET expires_at = clock_timestamp() + interval '100 ms' WHERE profile_id = $1", parse_id(ana, "prf")[0]
    )
    async with asyncio.timeout(5):
        assert await viewers(stream) == ([], [])
    await stream.close()


async def test_a_profile_that_is_not_there_is_not_viewed(graph: Graph) -> None:
    """False for an unknown profile, one that was merged away and one of another workspace: all alike, and nothing is written."""
    ana, gone = await graph.profile("Ana"), await graph.profile("Ann")
    foreign = await graph.profile("Eve", graph.stranger)
    await merged(graph, ana, gone)
    session = Session(graph.agent)
    for profile in (make_id("prf", uuid7()), gone, foreign):
        assert await views(graph, session, profile) is False
    session.closed()

    assert await graph.count("presence") == 0


async def test_nobody_sees_people_of_another_workspace(graph: Graph) -> None:
    """Presence of a namesake profile in another workspace is not shown: the streams are not the same."""
    ana = await graph.profile()
    stream, _ = await opened(graph, PROFILE, id=ana)
    assert await graph.data(VIEWING, {"id": ana}, graph.stranger) is False
    await graph.data(VIEWING, {"id": ana}, graph.colleague)
    assert await viewers(stream) == (["bob"], [])
    await stream.close()


async def test_refusals(graph: Graph) -> None:
    """Without profile:read, with a malformed id, or where the feature is off, it is an error and nothing is written."""
    ana = await graph.profile()
    blind = await graph.error(VIEWING, {"id": ana}, graph.narrowed(graph.agent, "subscribe"))
    malformed = await graph.error(VIEWING, {"id": "note_1"})
    off = await graph.error(VIEWING, {"id": ana}, replace(graph.agent, workspace_key="without"))

    assert blind["extensions"] == {"code": "FORBIDDEN", "scope": "profile:read"}
    assert malformed["extensions"] == {"code": "BAD_USER_INPUT", "argument": "profileId"}
    assert off["extensions"]["code"] == "FORBIDDEN"
    assert await graph.count("presence") == 0


async def test_where_the_feature_is_off_nobody_is_shown(graph: Graph) -> None:
    """A subscriber of a workspace without presence is told of changes only."""
    ana = await graph.profile()
    session = Session(graph.colleague)
    await views(graph, session, ana)
    stream, _ = await opened(graph, PROFILE, replace(graph.agent, workspace_key="without"), id=ana)
    await renamed(graph, ana, "Ada")
    assert (await stream.next())["__typename"] == "ProfileUpdated"
    session.closed()
    await stream.close()


async def test_a_crowd_that_comes_and_goes(graph: Graph) -> None:
    """Whatever happens meanwhile, whoever watches ends with the truth: everybody who is still here, and only they; no task is left."""
    ana = await graph.profile()
    tasks = asyncio.all_tasks()
    streams = [(await opened(graph, PROFILE, id=ana))[0] for _ in range(5)]
    sessions = [Session(replace(graph.agent, subject=f"s{number:02}", display_name=f"S{number:02}")) for number in range(20)]

    async def visit(number: int, session: Session) -> None:
        await views(graph, session, ana, editing=number % 2 == 0)
        if number % 3:
            await renamed(graph, ana, f"Ana {number}")
        if number >= 5:
            session.closed()

    await asyncio.gather(*(visit(number, session) for number, session in enumerate(sessions)))
    expected = ([f"s{number:02}" for number in range(5)], ["s00", "s02", "s04"])
    for stream in streams:
        shown: Any = None
        async with asyncio.timeout(10):
            while shown != expected:
                event = await stream.next()
                if event["__typename"] == "ViewersChanged":
                    shown = names(event["viewers"]), names(event["editing"])
        await stream.close()
    for session in sessions:
        session.closed()

    async with asyncio.timeout(10):
        while asyncio.all_tasks() - tasks:  # noqa: ASYNC110  # what is cancelled ends with its next step
            await asyncio.sleep(0)
