"""One suite for every bell: what is rung in one process is heard in all, soon, together, and whatever else is said on the channel."""

from __future__ import annotations

import asyncio
import gc
import random
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, cast

import pytest
from broadcaster import Broadcast, BroadcastBackend

from gateway.live.bell import CHANNEL, Bell
from gateway.live.bus import Bus, ring_key
from gateway.observe import BELL_FOREIGN, BELL_OVERFLOWS
from gateway.storage.database import Database
from gateway.storage.embedded import EmbeddedPostgres
from tests.bells import Ear, Memory, Nats, Postgres, Processes, Valkey, Wire, stream, until
from tests.servers import NatsServer, ValkeyServer

SERVERS = [pytest.param(None, id="memory"), "postgres", "valkey_server", "nats_server"]
MEGABYTE = 1024 * 1024


@pytest.fixture(name="valkey_server", scope="module")
def _valkey_server() -> Iterator[ValkeyServer]:
    server = ValkeyServer()
    with server.running():
        yield server


@pytest.fixture(name="nats_server", scope="module")
def _nats_server() -> Iterator[NatsServer]:
    server = NatsServer()
    with server.running():
        yield server


@pytest.fixture(name="server", params=SERVERS)
def _server(request: pytest.FixtureRequest) -> Any:
    """What the bell needs: the fixture of that name, started outside the test's loop."""
    return request.param and request.getfixturevalue(request.param)


@pytest.fixture(name="wire")
async def _wire(server: Any) -> AsyncIterator[Wire]:
    """One kind of bell; nobody listens yet."""
    match server:
        case None:
            yield Memory()
        case EmbeddedPostgres():  # any database does: a bell has no tables
            database = await Database.open(server.dsn, size=2)
            yield Postgres(database)
            await database.close()
        case ValkeyServer():
            yield Valkey(server)
        case _:
            yield Nats(server)


@pytest.fixture(name="processes")
async def _processes(wire: Wire) -> AsyncIterator[Processes]:
    """Starts processes that share the wire."""
    async with Processes.on(wire) as processes:
        yield processes


@asynccontextmanager
async def connected(wire: Wire) -> AsyncIterator[tuple[BroadcastBackend, Broadcast]]:
    """A backend and the package's own front of it, without our bus."""
    backend = wire.bell()
    broadcast = Broadcast(backend=backend)
    await broadcast.connect()
    try:
        yield backend, broadcast
    finally:
        await broadcast.disconnect()


def key() -> str:
    """The key of some stream."""
    return ring_key(stream())


# What a ring does


async def test_a_ring_is_heard_by_every_process(processes: Processes) -> None:
    """What is rung in one process is heard in the others, and in that one too."""
    ears = [await processes.start() for _ in range(3)]
    rung = stream()
    ears[0].bus.ring([rung])
    for ear in ears:
        await ear.hears(rung)


async def test_rings_of_one_moment_travel_together(processes: Processes) -> None:
    """A thousand rings of one moment, each rung twice, are ten messages, none longer than a NOTIFY may be, and none is missing."""
    sent: list[str] = []

    class Counting(Bell):
        def __init__(self, inner: BroadcastBackend) -> None:
            super().__init__()
            self.connect, self.disconnect, self.next_published = inner.connect, inner.disconnect, inner.next_published
            self.inner = inner

        async def publish(self, channel: str, message: str) -> None:
            sent.append(message)
            await self.inner.publish(channel, message)

    ear = await processes.start(lambda: Counting(processes.wire.bell()))
    sent.clear()
    rung = [stream() for _ in range(1000)]
    ear.bus.ring(rung)
    ear.bus.ring(rung)
    await ear.hears(*rung)

    assert len(sent) == 10
    assert max(map(len, sent)) < 2000


async def test_the_bell_is_healthy_when_its_heartbeat_comes_back(processes: Processes) -> None:
    """Health is what was heard lately, not what was sent; it is known when the start returns."""
    ear = await processes.start()

    assert ear.bus.healthy


async def test_whatever_was_rung_before_listening_is_looked_at(processes: Processes) -> None:
    """A process that begins to listen is told to look at everything, once."""
    ear = await processes.start()

    assert ear.heard == [None]


# What the package and others get wrong


async def test_the_first_channel_is_not_deaf(wire: Wire) -> None:
    """The package over redis-py 8 delivers nothing until a second channel is subscribed."""
    async with connected(wire) as (backend, broadcast), broadcast.subscribe(CHANNEL) as events:
        said = key()
        await backend.publish(CHANNEL, said)
        async with asyncio.timeout(5):
            assert (await events.get()).message == said


async def test_fifty_publishes_at_once_all_get_through(wire: Wire) -> None:
    """The package publishes and listens on one connection: 49 of 50 fail with "another operation is in progress"."""
    async with connected(wire) as (backend, broadcast), broadcast.subscribe(CHANNEL) as events:
        said = {key() for _ in range(50)}
        heard: set[str] = set()
        await asyncio.gather(*(backend.publish(CHANNEL, one) for one in said))
        async with asyncio.timeout(5):
            while heard != said:
                heard.update((await events.get()).message.split(","))


async def test_twenty_first_subscribers_at_once_all_hear(wire: Wire) -> None:
    """The package forgets all but the last of those that subscribe while the first one does."""
    async with connected(wire) as (backend, broadcast):
        ready: list[str] = []
        heard: list[str] = []

        async def listen() -> None:
            async with broadcast.subscribe(CHANNEL) as events:
                ready.append("")
                heard.append((await events.get()).message)

        listeners = [asyncio.create_task(listen()) for _ in range(20)]
        await until(lambda: len(ready) == 20)
        said = key()
        await backend.publish(CHANNEL, said)
        async with asyncio.timeout(5):
            await asyncio.gather(*listeners)

        assert heard == [said] * 20


async def test_the_next_one_hears_when_the_last_one_leaves(wire: Wire) -> None:
    """The package leaves those deaf that join while the last one leaves: 50 of 50 over Postgres."""
    async with connected(wire) as (backend, broadcast):
        for _ in range(50):
            leaving = broadcast.subscribe(CHANNEL)
            await leaving.__aenter__()
            joining = broadcast.subscribe(CHANNEL)
            _, events = await asyncio.gather(leaving.__aexit__(None, None, None), joining.__aenter__())
            said = key()
            await backend.publish(CHANNEL, said)
            async with asyncio.timeout(5):
                assert (await events.get()).message == said
            await joining.__aexit__(None, None, None)


async def test_many_processes_start_and_ring_at_once(processes: Processes) -> None:
    """Ten processes that start together and ring for two hundred streams all hear every ring."""
    ears = await asyncio.gather(*(processes.start(coalesce=0) for _ in range(10)))
    rung = [stream() for _ in range(200)]
    for number, one in enumerate(rung):
        ears[number % 10].bus.ring([one])
    for ear in ears:
        await ear.hears(*rung)


async def test_three_hundred_thousand_rings_that_nobody_takes_need_little_memory(wire: Wire) -> None:
    """The package queues without a limit (330 MB); here what nobody takes is a set that turns into "look at everything"; 30 000 over a wire."""
    async with connected(wire) as (backend, _):
        assert isinstance(backend, Bell)
        backend.next_published = asyncio.Event().wait  # type: ignore[assignment,method-assign]
        rng = random.Random(1)
        overflows = BELL_OVERFLOWS._value.get()
        before = memory()
        for _ in range(30 if isinstance(wire, Memory) else 3):
            await wire.say(*(rng.randbytes(8).hex().encode() for _ in range(10_000)))

        await until(lambda: BELL_OVERFLOWS._value.get() > overflows)
        gc.collect()

        assert len(backend.heard) <= 10_000
        assert memory() - before < 40 * MEGABYTE


def memory() -> int:
    """Bytes that this process has resident."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def descriptors() -> int:
    """Files and sockets that this process has open."""
    return len(list(Path("/proc/self/fd").iterdir()))


async def test_too_much_at_once_means_everything(processes: Processes) -> None:
    """Whoever is far behind is told once to look at every stream; the bell goes on and is healthy."""
    ear = await processes.start()
    ear.heard.clear()
    overflows = BELL_OVERFLOWS._value.get()
    words = [key().encode() for _ in range(12_000)]
    await processes.wire.say(*(b",".join(words[start : start + 400]) for start in range(0, len(words), 400)))
    await until(lambda: BELL_OVERFLOWS._value.get() > overflows or len(ear.rung()) == len(words))
    rung = stream()
    ear.bus.ring([rung])
    await ear.hears(rung)

    assert None in ear.heard or len(ear.rung()) == len(words) + 1
    assert ear.bus.healthy


# What strangers say


async def test_fault_124_what_is_no_ring_is_ignored_and_counted(processes: Processes) -> None:
    """Empty, not UTF-8, of another shape, with words that are only for the inside: nothing of it is heard, and the next ring is."""
    ear = await processes.start()
    ear.heard.clear()
    foreign = BELL_FOREIGN._value.get()
    garbage = [b"", b"garbage, \x01", b"!", b"?", b"*", b"x" * 7000, b"0123456789abcdef,", "ÀÈ".encode(), "0123456789abcdeﬁ".encode()]
    if not isinstance(processes.wire, Postgres):  # which takes nothing else than text of its encoding
        garbage += [b"\xff\xfe\x00", bytes(range(256)), b"0123456789abcdef\xff"]
    await processes.wire.say(*garbage)
    await until(lambda: BELL_FOREIGN._value.get() - foreign == len(garbage))
    rung = stream()
    ear.bus.ring([rung])
    await ear.hears(rung)

    assert ear.heard == [{ring_key(rung)}]
    assert ear.bus.healthy


async def test_fault_124_ten_megabytes_are_ignored_and_counted(processes: Processes) -> None:
    """A message of 10 MB, or the largest the server takes, is dropped as a whole, and the next ring is heard."""
    size = {Memory: 10 * MEGABYTE, Postgres: 7999, Valkey: 10 * MEGABYTE, Nats: MEGABYTE}[type(processes.wire)]
    ear = await processes.start()
    ear.heard.clear()
    foreign = BELL_FOREIGN._value.get()
    await processes.wire.say(b"0" * size, b",".join([b"0123456789abcdef"] * (size // 17)))
    rung = stream()
    ear.bus.ring([rung])
    await ear.hears(rung)
    await until(lambda: BELL_FOREIGN._value.get() - foreign >= 1)

    assert ear.bus.healthy


async def test_fault_125_rings_of_others_only_wake_who_has_that_key(processes: Processes) -> None:
    """Another gateway, or a replayed ring, is heard as keys and no more: they wake whoever has such a stream here."""
    ear = await processes.start()
    ear.heard.clear()
    mine, other = stream(), key()
    await processes.wire.say(f"{other},{ring_key(mine)}".encode(), b"*0123456789ab", f"*ba9876543210,{other}".encode())
    await ear.hears(mine)

    assert ear.rung() == {ring_key(mine), other}
    assert None not in ear.heard


# Silence


async def test_a_deaf_connection_is_rebuilt_after_the_silence(processes: Processes) -> None:
    """A connection that hears nothing, not even our own heartbeat, is replaced although nobody closed it; meanwhile it is polling."""
    made: list[BroadcastBackend] = []

    def bell() -> BroadcastBackend:
        made.append(processes.wire.bell())
        if len(made) == 1:
            made[0].next_published = asyncio.Event().wait  # type: ignore[assignment,method-assign]
        return made[-1]

    ear = await processes.start(bell, wait=0.1, heartbeat=0.1, silence=0.3)

    assert not ear.bus.healthy

    await ear.is_healthy()
    rung = stream()
    ear.bus.ring([rung])
    await ear.hears(rung)

    assert len(made) == 2
    assert ear.heard[:2] == [None, None]


@pytest.mark.parametrize("swallowed", [False, True], ids=["cancelled", "with the cancellation swallowed"])
async def test_a_start_that_is_given_up_at_any_moment_leaves_nothing_behind(wire: Wire, swallowed: bool) -> None:
    """Disconnected after any number of turns of the loop, a backend has no connection, no task, and does not come back later."""

    async def give_up_after(turns: int) -> None:
        bell = wire.bell()
        connecting = asyncio.create_task(bell.connect())
        for _ in range(turns):
            await asyncio.sleep(0)
        if not swallowed:  # which a driver's `wait_for` does when it comes at the wrong moment
            connecting.cancel()
        await bell.disconnect()
        with suppress(asyncio.CancelledError, Exception):
            await connecting

    await give_up_after(1000)
    tasks, opened = len(asyncio.all_tasks()), descriptors()
    for turns in range(60):
        await give_up_after(turns)
    await until(lambda: len(asyncio.all_tasks()) <= tasks)
    await until(lambda: descriptors() <= opened)


async def test_nothing_is_left_behind(wire: Wire) -> None:
    """Twenty starts and stops, also in the moments in which a loss is being noticed, leave no task and no descriptor."""
    made: list[Bell] = []

    def bell() -> BroadcastBackend:
        made.append(cast("Bell", wire.bell()))
        return made[-1]

    async def once(turns: int) -> None:
        ear = Ear(Bus(bell))
        await ear.bus.start(ear)
        made[-1].heard.lost()
        for _ in range(turns):
            await asyncio.sleep(0)
        await ear.bus.stop()

    await once(0)
    tasks, opened = len(asyncio.all_tasks()), descriptors()
    for turns in range(20):
        await once(turns)
    await until(lambda: len(asyncio.all_tasks()) <= tasks)
    await until(lambda: descriptors() <= opened)


async def test_a_ring_at_the_very_end_leaves_nothing_behind(wire: Wire) -> None:
    """Whatever the moment in which a backend is disconnected while it sends, it does not connect again."""
    opened = descriptors()
    for turns in range(30):
        bell = wire.bell()
        await bell.connect()
        sending = asyncio.create_task(bell.publish(CHANNEL, key()))
        for _ in range(turns):
            await asyncio.sleep(0)
        await bell.disconnect()
        with suppress(Exception):
            await sending
        with suppress(Exception):
            await bell.publish(CHANNEL, key())
    if isinstance(wire, Postgres):
        return  # which sends through the pool
    await until(lambda: descriptors() <= opened)
