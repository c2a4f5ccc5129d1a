"""The last words of streams: before a session ends, before its credentials do, and in place of what its rights do not show any more."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gateway.auth.principal import Principal
from gateway.auth.session import Departure, Session
from gateway.engine.request import Request
from gateway.live.flights import Flights
from gateway.model.change import Position, StreamKey
from gateway.model.ids import parse_id, uuid7

from .conftest import Graph, Stream
from .events_scene import CONTACTS, PROFILE, SOURCES, TIMELINE, opened, renamed

__all__: list[str] = []

pytestmark = pytest.mark.asyncio(loop_scope="module")

OPEN = "mutation ($i: OpenContactInput!) { openContact(input: $i) { contact { id } userErrors { code } } }"
FIELDS = {PROFILE: "profileEvents", TIMELINE: "timelineEvents", CONTACTS: "contactEvents", SOURCES: "sourceEvents"}
EACH = pytest.mark.parametrize("query", FIELDS, ids=FIELDS.values())


@dataclass
class Socket:
    """A session with streams on it, without a socket."""

    graph: Graph
    session: Session

    def stream(self, query: str, **variables: Any) -> Stream:
        """A subscription of this session."""
        prepared = self.graph.runtime.engine.prepare(Request(query, variables))
        context = self.graph.runtime.context_for(self.session.principal, self.session)
        return Stream(self.graph.runtime.engine.subscribe(prepared, context), FIELDS[query])

    async def opened(self, query: str, **variables: Any) -> tuple[Stream, dict[str, Any]]:
        """A subscription and its first event."""
        stream = self.stream(query, **variables)
        return stream, await stream.next()


def socket(graph: Graph, principal: Principal | None = None, life: float | None = None) -> Socket:
    """A new session; `life`: seconds that its credentials last."""
    ends = None if life is None else datetime.now(UTC) + timedelta(seconds=life)
    return Socket(graph, Session(replace(principal or graph.admin, expires_at=ends)))


async def arguments(graph: Graph, query: str) -> dict[str, Any]:
    """What a subscription needs: a new profile, or nothing."""
    return {"id": await graph.profile()} if query in {PROFILE, TIMELINE} else {}


async def rest(stream: Stream) -> list[dict[str, Any]]:
    """The remaining events of a stream that ends by itself."""
    return [next(iter(answer["data"].values())) for answer in await stream.rest()]


async def asleep(graph: Graph, readers: int = 1) -> None:
    """Until so many readers wait for something to happen."""
    async with asyncio.timeout(10):
        tails = graph.runtime.services.hub._tails
        while sum(alarm.is_waited_for for tail in tails.values() for alarm in tail.alarms) < readers:  # noqa: ASYNC110  # nobody announces it
            await asyncio.sleep(0.005)


def nearly(session: Session) -> None:
    """Let the credentials be about to end."""
    session._warn_at = datetime.now(UTC) + timedelta(seconds=0.02)
    session._arm()


async def pulled(graph: Graph, pull: Callable[[], Awaitable[Any]]) -> asyncio.Task[Any]:
    """A pull that waits for its event."""
    task = asyncio.ensure_future(pull())
    await asleep(graph)
    return task


@EACH
async def test_a_session_that_leaves_says_so_and_ends_its_streams(graph: Graph, query: str) -> None:
    """A stream that waits wakes at once, without a change, gives the place of its last event, the reason and the time to wait, and ends."""
    ours = socket(graph)
    stream, ready = await ours.opened(query, **await arguments(graph, query))
    waiting = await pulled(graph, lambda: rest(stream))
    ours.session.leave(Departure("DRAINING", 1500))
    async with asyncio.timeout(2):
        (goodbye,) = await waiting

    assert (goodbye["__typename"], goodbye["reason"], goodbye["retryAfterMs"]) == ("StreamGoAway", "DRAINING", 1500)
    assert (goodbye["cursor"], goodbye["seq"]) == (ready["cursor"], ready["seq"])
    assert ours.session._leavers == set()


@EACH
async def test_a_stream_that_begins_while_its_session_leaves(graph: Graph, query: str) -> None:
    """Whoever subscribes at the last moment is told at once."""
    ours = socket(graph)
    ours.session.leave(Departure("DRAINING"))
    (goodbye,) = await rest(ours.stream(query, **await arguments(graph, query)))

    assert goodbye["__typename"] == "StreamGoAway"


async def test_the_goodbye_wakes_only_the_streams_of_its_session(graph: Graph) -> None:
    """Others who watch the same profile go on; who resumes behind the goodbye misses nothing."""
    ana = await graph.profile()
    ours, theirs = socket(graph), socket(graph)
    stays, _ = await theirs.opened(TIMELINE, id=ana)
    leaves, _ = await ours.opened(TIMELINE, id=ana)
    (first,) = await graph.happened(ana, {})
    assert (await leaves.next())["item"]["id"] == first
    assert (await stays.next())["item"]["id"] == first
    ours.session.leave(Departure("MAX_AGE"))
    (second,) = await graph.happened(ana, {})
    (goodbye,) = await rest(leaves)
    again, _ = await opened(graph, TIMELINE, id=ana, after=goodbye["cursor"])

    assert (await stays.next())["item"]["id"] == second
    assert (goodbye["reason"], goodbye["seq"]) == ("MAX_AGE", 2)
    assert (await again.next())["item"]["id"] == second
    await stays.close()
    await again.close()


async def test_a_goodbye_between_the_read_and_the_wait_is_not_slept_through(graph: Graph) -> None:
    """The session leaves while a stream is being given its first event: the goodbye is the second."""
    ours = socket(graph)
    stream, _ = await ours.opened(PROFILE, id=await graph.profile())
    ours.session.leave(Departure("DRAINING"))
    async with asyncio.timeout(2):
        (goodbye,) = await rest(stream)

    assert goodbye["__typename"] == "StreamGoAway"


async def test_a_goodbye_together_with_what_a_state_stream_does_not_show(graph: Graph) -> None:
    """Items wake a state stream and are not shown in it: what rang beside them is seen all the same."""
    ours, ana = socket(graph), await graph.profile()
    stream, _ = await ours.opened(PROFILE, id=ana)
    await graph.happened(ana, {})
    ours.session.leave(Departure("DRAINING"))
    async with asyncio.timeout(2):
        (goodbye,) = await rest(stream)

    assert goodbye["__typename"] == "StreamGoAway"


async def test_a_gap_is_told_before_the_goodbye(graph: Graph) -> None:
    """A client whose cursor cannot be continued hears that first: the goodbye's place lies behind the gap."""
    ours, ana = socket(graph), await graph.profile()
    stream = StreamKey(graph.agent.workspace_id, parse_id(ana, "prf")[0])
    lost = graph.runtime.services.hub.cursors.encode(stream, Position(uuid7(), 1))
    ours.session.leave(Departure("DRAINING"))
    events = await rest(ours.stream(PROFILE, id=ana, after=lost))

    assert [event["__typename"] for event in events] == ["StreamGap", "StreamGoAway"]


@EACH
async def test_credentials_that_end_soon_are_warned_of_once(graph: Graph, query: str) -> None:
    """Before the token ends each stream says so, without a change; it goes on, and says it no more."""
    ours = socket(graph, life=3600)
    given = await arguments(graph, query)
    stream, ready = await ours.opened(query, **given)
    nearly(ours.session)
    warned = await stream.next()

    assert (warned["__typename"], warned["reason"], warned["retryAfterMs"]) == ("StreamGoAway", "TOKEN_EXPIRED", 0)
    assert (warned["cursor"], warned["seq"]) == (ready["cursor"], ready["seq"])
    assert not ours.session.principal.expired(datetime.now(UTC))
    if "id" in given:
        await renamed(graph, given["id"], "Ada")
        (item,) = await graph.happened(given["id"], {})
        event = await stream.next()
        assert event.get("item", {"id": item})["id"] == item
        assert event["__typename"] in {"ProfileUpdated", "TimelineItemUpserted"}
    await stream.close()


async def test_newer_credentials_make_the_warning_moot(graph: Graph) -> None:
    """After the exchange the stream lives on beyond the end it spoke of, and speaks of the newer one in its time."""
    ours, ana = socket(graph, life=1), await graph.profile()
    first_end = ours.session.principal.expires_at
    assert first_end is not None
    stream, _ = await ours.opened(PROFILE, id=ana)
    nearly(ours.session)
    assert (await stream.next())["__typename"] == "StreamGoAway"
    ours.session.exchange(replace(ours.session.principal, expires_at=datetime.now(UTC) + timedelta(hours=1)))
    await asyncio.sleep((first_end - datetime.now(UTC)).total_seconds() + 0.01)
    await renamed(graph, ana, "Ada")
    assert (await stream.next())["__typename"] == "ProfileUpdated"
    nearly(ours.session)
    assert (await stream.next())["__typename"] == "StreamGoAway"
    await stream.close()


async def test_a_stream_outlived_by_nobody(graph: Graph) -> None:
    """A stream that still runs when the token has ended says goodbye again, where it stands, and delivers nothing more."""
    ours, ana = socket(graph, life=0.6), await graph.profile()
    end = ours.session.principal.expires_at
    assert end is not None
    stream, ready = await ours.opened(PROFILE, id=ana)
    assert (await stream.next())["__typename"] == "StreamGoAway"
    await asyncio.sleep((end - datetime.now(UTC)).total_seconds() + 0.01)
    await renamed(graph, ana, "Ada")
    (goodbye,) = await rest(stream)

    assert (goodbye["__typename"], goodbye["cursor"]) == ("StreamGoAway", ready["cursor"])


@pytest.mark.parametrize("how", ["narrowed", "expired", "revoked"])
async def test_fault_102_a_right_lost_while_an_event_is_made(graph: Graph, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    """The change is committed, the event is being made, and the right goes: the event is not delivered, only why."""
    ours, ana = socket(graph, life=3600), await graph.profile()
    state, _ = await ours.opened(PROFILE, id=ana)
    items, _ = await ours.opened(TIMELINE, id=ana)
    principal = ours.session.principal
    lost = {
        "narrowed": replace(principal, scopes=frozenset({"subscribe"})),
        "expired": replace(principal, expires_at=datetime.now(UTC) - timedelta(seconds=1)),
        "revoked": principal,
    }[how]
    share = Flights.share

    async def meanwhile(*given: Any) -> Any:
        made = await share(*given)
        ours.session.exchange(lost)
        if how == "revoked":
            ours.session.leave(Departure("REVOKED"))
        return made

    monkeypatch.setattr(Flights, "share", meanwhile)
    await renamed(graph, ana, "Ada")
    await graph.happened(ana, {})
    told = [await rest(stream) for stream in (state, items)]

    assert [[event["__typename"] for event in events] for events in told] == [["StreamGap" if how == "narrowed" else "StreamGoAway"]] * 2
    assert {event["seq"] for (event,) in told} <= {1, 2}  # a name is no item, but a place
