"""Presence between processes: two of them share a database and a bell, or have lost it; each has its own rooms and sockets."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any
from uuid import UUID, uuid4

import pytest

from gateway.live.bell_postgres import PostgresBell
from gateway.live.bus import Bus
from gateway.live.hub import Hub
from gateway.live.position import StreamCursors
from gateway.live.presence import Presence, Room, Viewers
from gateway.model.actor import Actor, ActorKind
from gateway.model.change import StreamKey
from gateway.model.sealed import Sealer
from gateway.storage.database import Database

from .conftest import Live

SECONDS = 8.0
ANA, BOB = (Actor(name, name.title(), ActorKind.AGENT) for name in ("ana", "bob"))

Start = Callable[..., Awaitable[Presence]]


@pytest.fixture(name="start")
async def _start(live: Live) -> AsyncIterator[Start]:
    """Starts the presence of one more process; `deaf`: its bell reaches nobody."""
    async with AsyncExitStack() as stack:

        async def start(*, deaf: bool = False, **options: float) -> Presence:
            database = await Database.open(live.database.dsn, size=4)
            stack.push_async_callback(database.close)
            bus = Bus(None) if deaf else Bus(lambda: PostgresBell(database))
            hub = Hub(database, bus, StreamCursors(Sealer([b"k" * 32])), poll_interval=30)
            await hub.start()
            stack.push_async_callback(hub.stop)
            presence = Presence(database, hub, **{"poll": 30.0, "renew": 30.0, **options})
            await presence.start()
            stack.push_async_callback(presence.stop)
            return presence

        yield start


async def shows(room: Room, viewers: Sequence[Actor], editing: Sequence[Actor] = ()) -> None:
    """Wait until a room has exactly these people."""
    async with asyncio.timeout(SECONDS):
        while room.now != Viewers(tuple(viewers), tuple(editing)):  # noqa: ASYNC110  # nobody announces it
            await asyncio.sleep(0.01)


async def look(presence: Presence, stream: StreamKey, actor: Actor, session: UUID, *, editing: bool = False) -> bool:
    """A socket of the process looks at a profile."""
    return await presence.view(stream, session, actor, editing=editing, renewed=True)


async def rows(live: Live) -> int:
    """Rows of presence there are."""
    return int(await live.database.fetchval("SELECT count(*) FROM presence"))


async def test_who_comes_and_goes_is_seen_in_another_process(live: Live, start: Start) -> None:
    """Coming, beginning to edit, going on to another profile and leaving reach the other process by the bell, far ahead of any poll."""
    stream, other = await live.profile(), await live.profile()
    here, there = await start(), await start()
    session = uuid4()
    async with there.room(stream) as room, there.room(other) as other_room:
        assert await look(here, stream, ANA, session)
        await shows(room, [ANA])
        assert await look(there, stream, BOB, uuid4(), editing=True)
        await shows(room, [ANA, BOB], [BOB])
        await look(here, stream, ANA, session, editing=True)
        await shows(room, [ANA, BOB], [ANA, BOB])
        await look(here, other, ANA, session)
        await shows(room, [BOB], [BOB])
        await shows(other_room, [ANA])
        here.leave(session)
        await shows(other_room, [])
    assert await rows(live) == 1


async def test_a_deaf_process_sees_it_by_its_poll(live: Live, start: Start) -> None:
    """Without a bell, what changed is seen with the next poll."""
    stream = await live.profile()
    here, there = await start(deaf=True), await start(deaf=True, poll=0.2)
    session = uuid4()
    async with there.room(stream) as room:
        await look(here, stream, ANA, session)
        await shows(room, [ANA])
        here.leave(session)
        await shows(room, [])


async def test_a_person_with_two_screens_is_one_viewer(live: Live, start: Start) -> None:
    """Two sockets of one subject are one viewer, who edits when either does, and who is gone when both are."""
    stream = await live.profile()
    presence = await start()
    first, second = uuid4(), uuid4()
    async with presence.room(stream) as room:
        await look(presence, stream, ANA, first)
        await look(presence, stream, ANA, second, editing=True)
        await shows(room, [ANA], [ANA])
        presence.leave(second)
        await shows(room, [ANA])
        presence.leave(first)
        await shows(room, [])


async def test_rows_of_a_killed_process_expire(live: Live, start: Start) -> None:
    """A process that ends without a word leaves rows that nobody renews: they are seen no longer than their lifetime."""
    stream = await live.profile()
    killed, there = await start(lifetime=0.8, renew=0.2), await start(poll=0.2)
    async with there.room(stream) as room:
        await look(killed, stream, ANA, uuid4())
        await shows(room, [ANA])
        await asyncio.sleep(1.2)  # longer than the lifetime: it is renewed
        assert room.now.viewers == (ANA,)
        assert killed._task is not None
        killed._task.cancel()
        await shows(room, [])
        killed._held.clear()


async def test_a_crash_of_the_server_is_made_good(live: Live, start: Start) -> None:
    """The table is unlogged, so a crash empties it; the next renewal puts this process's sockets in again."""
    stream = await live.profile()
    presence = await start(poll=0.1, renew=0.1)
    async with presence.room(stream) as room:
        await look(presence, stream, ANA, uuid4(), editing=True)
        await shows(room, [ANA], [ANA])
        await live.database.execute("TRUNCATE presence")
        await shows(room, [ANA], [ANA])


async def test_who_leaves_during_a_renewal_is_gone(live: Live, start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """A renewal that was on its way when a socket closed puts its row in again; it is taken away after all."""
    stream = await live.profile()
    presence = await start()
    session = uuid4()
    await look(presence, stream, ANA, session)
    execute = presence._database.execute

    async def slow(sql: str, *args: object, **options: Any) -> str:
        presence.leave(session)
        await presence._let_go()
        return await execute(sql, *args, **options)

    with monkeypatch.context() as patch:
        patch.setattr(presence._database, "execute", slow)
        await presence._keep()
    async with asyncio.timeout(SECONDS):
        while await rows(live):  # noqa: ASYNC110  # nobody announces it
            await asyncio.sleep(0.01)


async def test_a_profile_that_is_not_there(live: Live, start: Start) -> None:
    """Nobody looks at what does not exist, or is another workspace's; whoever tries stays where they were."""
    stream = await live.profile()
    presence = await start()
    session = uuid4()
    async with presence.room(stream) as room:
        assert await look(presence, stream, ANA, session)
        for nothing in (StreamKey(live.workspace, uuid4()), StreamKey(uuid4(), stream.stream_id)):
            assert not await look(presence, nothing, ANA, session)
        await shows(room, [ANA])
        assert presence._held[session].stream == stream
    assert await rows(live) == 1


async def test_the_last_row_goes_with_the_process(live: Live, start: Start) -> None:
    """A process that ends in order takes its rows away at once."""
    stream = await live.profile()
    leaving = await start()
    await look(leaving, stream, ANA, uuid4())
    assert await rows(live) == 1
    await leaving.stop()
    assert await rows(live) == 0


async def test_rooms_and_sockets_leave_nothing_behind(live: Live, start: Start) -> None:
    """A hundred sockets that come, move and go leave no room, no row, no lock and no listener."""
    streams = [await live.profile() for _ in range(5)]
    presence = await start()

    @asynccontextmanager
    async def screen(number: int) -> AsyncIterator[None]:
        session = uuid4()
        async with presence.room(streams[number % 5]):
            await look(presence, streams[number % 5], ANA, session)
            await look(presence, streams[(number + 1) % 5], ANA, session, editing=True)
            yield
        presence.leave(session)

    async def visit(number: int) -> None:
        async with screen(number):
            await asyncio.sleep(0)

    await asyncio.gather(*map(visit, range(100)))
    async with asyncio.timeout(SECONDS):
        while await rows(live):  # noqa: ASYNC110  # nobody announces it
            await asyncio.sleep(0.01)
    gc.collect()
    assert (presence._rooms, presence._held, presence._turns, presence._gone, presence._hub._listeners) == ({}, {}, {}, [], {})
