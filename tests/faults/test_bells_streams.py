"""Streams while the bell fails: nothing rings, or wrongly, or its server is killed, frozen, not there; each item comes once, in order, in time."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, aclosing
from uuid import UUID, uuid4

import httpx2
import pytest
from broadcaster import BroadcastBackend

from gateway.auth.policy import ROLE_SCOPES
from gateway.auth.principal import Principal, Role
from gateway.commands.unit import Writer
from gateway.live.bus import Bus, ring_key
from gateway.live.feed import Gap, Ready, complete
from gateway.live.hub import Hub
from gateway.live.position import StreamCursors
from gateway.live.tail import Alarm
from gateway.model.change import StreamKey
from gateway.model.sealed import Sealer
from gateway.storage.database import Database
from tests.bad_bells import Faults, Told, bad
from tests.bells import SECONDS, Memory, Nats, Valkey, Wire, until
from tests.integration.live.conftest import Live
from tests.running import Gateway
from tests.servers import NatsServer, ValkeyServer

QUICK = {"heartbeat": 0.1, "silence": 0.5, "patience": 0.3, "connect": 0.5, "retry": 0.3}
"""Times of the bus, a tenth of the real ones."""

StartProcess = Callable[..., Awaitable[Live]]


@pytest.fixture(name="start_process")
async def _start_process(dsn: str) -> AsyncIterator[StartProcess]:
    """Starts one more process on the same database: its own pools, bus and hub."""
    principal = Principal(uuid4(), "demo", "agent-1", "Ana", Role.AGENT, ROLE_SCOPES[Role.AGENT], None, None)
    async with AsyncExitStack() as stack:

        async def start(bell: Callable[[], BroadcastBackend], poll: float, **options: float) -> Live:
            database = await Database.open(dsn, size=6)
            stack.push_async_callback(database.close)
            bus = Bus(bell, **options)
            hub = Hub(database, bus, StreamCursors(Sealer([b"k" * 32])), poll_interval=poll)
            await hub.start()
            stack.push_async_callback(hub.stop)
            return Live(database, hub, Writer(database, hub), principal)

        yield start


class Reader:
    """A subscriber of one stream, who notes what comes and when."""

    def __init__(self, live: Live, stream_: StreamKey) -> None:
        self.received: list[UUID] = []
        self.at: dict[UUID, float] = {}
        self.ready = asyncio.Event()
        self._task = asyncio.create_task(self._read(live, stream_))

    async def has(self, items: Sequence[UUID], seconds: float) -> None:
        """Wait until the last of these has come."""
        await until(lambda: items[-1] in self.at, seconds)

    async def stop(self) -> None:
        """Read no more; whatever broke the reading is raised."""
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task

    async def _read(self, live: Live, stream_: StreamKey) -> None:
        async with aclosing(complete(live.hub, stream_, None)) as feed:
            async for step in feed:
                assert not isinstance(step, Gap)
                if isinstance(step, Ready):
                    self.ready.set()
                elif (item := step[1].entity_id) is not None:
                    self.received.append(item)
                    self.at[item] = asyncio.get_running_loop().time()


async def committed(live: Live, stream_: StreamKey) -> list[UUID]:
    """The items of a stream in the order of the log."""
    rows = await live.database.fetch(
        "SELECT entity_id FROM change_log WHERE workspace_id = $1 AND stream_id = $2 AND entity_id IS NOT NULL ORDER BY seq",
        stream_.workspace_id,
        stream_.stream_id,
    )
    return [row[0] for row in rows]


@pytest.mark.parametrize("deaf", [False, True], ids=["which looks healthy", "and is known to be deaf"])
async def test_fault_094_without_any_bell_the_poll_delivers_in_time(start_process: StartProcess, deaf: bool) -> None:
    """All rings are lost on their way: each item arrives within the poll interval and a second, once and in order."""
    poll, room, told = 0.4, Memory(), Told()
    writer = await start_process(room.bell, 30)
    reading = await start_process(bad(room.bell, Faults(drop=1, deaf=deaf), 1, told), poll, heartbeat=0.1, silence=0.5)
    stream_ = await writer.profile()
    reader = Reader(reading, stream_)
    await reader.ready.wait()
    for _ in range(3):
        item = await writer.add_item(stream_)
        began = asyncio.get_running_loop().time()
        await reader.has([item], SECONDS)

        assert reader.at[item] - began < poll + 1

    await reader.stop()

    assert reading.hub.bell_is_healthy is not deaf
    assert reader.received == await committed(writer, stream_)
    assert told.dropped >= 3


@pytest.mark.parametrize("seed", [1, 2])
async def test_fault_095_wrong_rings_neither_double_nor_reorder_anything(start_process: StartProcess, seed: int) -> None:
    """Every ring ten times, shuffled, late, among strangers' rings and garbage: each reader gets each item once, in the order of the commits."""
    server = ValkeyServer()
    with server.running():
        wire, told = Valkey(server), Told()
        faults = Faults(double=10, hold=0.5, strange=0.5, garbage=0.5)
        lives = [await start_process(bad(wire.bell, faults, seed + number, told), 30, heartbeat=0.05) for number in range(2)]
        streams = [await lives[0].profile() for _ in range(3)]
        readers = [(Reader(live, one), one) for live in lives for one in streams]
        await asyncio.gather(*(reader.ready.wait() for reader, _ in readers))

        async def write(live: Live, rng: random.Random) -> None:
            for _ in range(15):
                await live.add_item(*sorted(rng.sample(streams, rng.randint(1, 2)), key=lambda key: key.stream_id))

        async def talk(rng: random.Random) -> None:
            for _ in range(15):
                await wire.say(rng.randbytes(rng.randint(0, 40)), ring_key(rng.choice(streams)).encode())

        await asyncio.gather(
            *(write(lives[number % 2], random.Random(seed * 10 + number)) for number in range(4)), talk(random.Random(seed))
        )
        wanted = {one: await committed(lives[0], one) for one in streams}
        for reader, one in readers:
            await reader.has(wanted[one], SECONDS)
            await reader.stop()

            assert reader.received == wanted[one]

        assert min(told.doubled, told.held, told.strange, told.garbage) > 10
        assert all(live.hub.bell_is_healthy for live in lives)


async def test_fault_095_a_ring_wakes_nobody_of_another_workspace(start_process: StartProcess) -> None:
    """The same id in another workspace has another key: its ring makes nobody here read."""
    room = Memory()
    live = await start_process(room.bell, 30)
    stream_ = StreamKey(live.workspace, uuid4())
    alarm = Alarm()
    tail = live.hub.acquire(stream_, alarm)
    await room.say(ring_key(StreamKey(uuid4(), stream_.stream_id)).encode(), ring_key(StreamKey(live.workspace, uuid4())).encode())
    await asyncio.sleep(0.05)  # what is tested is that nothing happens

    assert tail._asked == 0

    await room.say(ring_key(stream_).encode())
    async with asyncio.timeout(SECONDS):
        while tail._asked == 0:  # noqa: ASYNC110  # it has no event to wait for
            await asyncio.sleep(0.005)
    live.hub.release(tail, alarm)


@pytest.mark.parametrize("kind", ["valkey", "nats"])
async def test_fault_121_streams_lose_nothing_while_the_bell_is_killed_frozen_and_thrown_out(
    start_process: StartProcess, kind: str
) -> None:
    """Through every outage each item arrives, within the poll interval and a second, once and in order; with the bell back, at once."""
    poll = 0.4
    server: ValkeyServer | NatsServer = ValkeyServer() if kind == "valkey" else NatsServer()
    wire: Wire = Valkey(server) if isinstance(server, ValkeyServer) else Nats(server)
    with server.running():
        lives = [await start_process(wire.bell, poll, **QUICK) for _ in range(2)]
        stream_ = await lives[0].profile()
        reader = Reader(lives[1], stream_)
        await reader.ready.wait()

        async def deliver(count: int) -> None:
            for _ in range(count):
                item = await lives[0].add_item(stream_)
                began = asyncio.get_running_loop().time()
                await reader.has([item], SECONDS)
                assert reader.at[item] - began < poll + 1

        async def healed() -> None:
            await until(lambda: all(live.hub.bell_is_healthy for live in lives), 5)

        await deliver(3)
        await asyncio.to_thread(server.kill)
        await deliver(3)
        server.start()
        await healed()
        await deliver(3)
        server.freeze()
        await deliver(3)
        server.thaw()
        await healed()
        await wire.throw_out()
        await deliver(3)
        await healed()
        await reader.stop()

        assert len(reader.received) == 15
        assert reader.received == await committed(lives[0], stream_)


async def test_fault_122_an_absent_server_neither_stops_the_start_nor_readiness(start_gateway: Callable[..., Gateway], dsn: str) -> None:
    """The gateway starts, is ready, and says `bell: polling`; with the server it says `ok` by itself, and without it `polling` again; no password
    is logged.
    """
    server = ValkeyServer("--requirepass", "open-sesame")
    gateway = await asyncio.to_thread(start_gateway, dsn, GATEWAY_BUS=f"valkey://:open-sesame@127.0.0.1:{server.port}")

    async def says(word: str) -> None:
        async with httpx2.AsyncClient(base_url=gateway.url) as client, asyncio.timeout(5):
            while True:
                answer = await client.get("/readyz")
                assert (answer.status_code, answer.json()["ready"]) == (200, True)
                if answer.json()["bell"] == word:
                    break
                await asyncio.sleep(0.05)
            metrics = (await client.get("/metrics")).text
            assert f"\ngateway_bell_healthy {float(word == 'ok')}\n" in metrics

    await says("polling")
    with server.running():
        await says("ok")
        server.kill()
        await says("polling")
        server.start()
        await says("ok")

    text = "".join(gateway.lines)
    assert 1 <= text.count('"bell.lost"') <= 3
    assert "open-sesame" not in text
