"""One suite for every bell: what is rung in one process is heard in the others, soon, and again after a failure."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from uuid import uuid4

import pytest

from gateway.live.bell_postgres import PostgresBell
from gateway.live.bus import CHANNEL, EVERYTHING, Bus, ring_key
from gateway.model.change import StreamKey
from gateway.storage.database import Database

BELLS = ["memory", "postgres"]

Start = Callable[..., Awaitable["Ear"]]


class Ear:
    """What one process heard: sets of keys, or None for "everything"."""

    def __init__(self, bus: Bus) -> None:
        self.bus = bus
        self.heard: list[set[str] | None] = []
        self._news = asyncio.Event()

    def __call__(self, keys: Iterable[str] | None) -> None:
        self.heard.append(None if keys is None else set(keys))
        self._news.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for it, five seconds at most."""
        async with asyncio.timeout(5):
            while not condition():
                self._news.clear()
                await self._news.wait()

    def rung(self) -> set[str]:
        """Every key heard so far."""
        return {key for keys in self.heard if keys for key in keys}


def stream() -> StreamKey:
    """Some stream."""
    return StreamKey(uuid4(), uuid4())


@pytest.fixture(name="process", params=BELLS)
async def _process(request: pytest.FixtureRequest, database: Database) -> AsyncIterator[Start]:
    """Starts the bus of one more process."""
    async with AsyncExitStack() as stack:

        @asynccontextmanager
        async def started(**options: float) -> AsyncIterator[Ear]:
            bus = Bus(None if request.param == "memory" else lambda: PostgresBell(database), **options)
            ear = Ear(bus)
            await bus.start(ear)
            try:
                yield ear
            finally:
                await bus.stop()

        async def process(**options: float) -> Ear:
            return await stack.enter_async_context(started(**options))

        yield process


async def test_a_ring_is_heard(process: Start) -> None:
    """What is rung is heard, by the ringing process too."""
    ear, rung = await process(), stream()
    ear.bus.ring([rung])

    await ear.until(lambda: ring_key(rung) in ear.rung())


async def test_rings_of_one_moment_travel_together(process: Start) -> None:
    """A thousand rings of one moment are a few messages, none too long for a NOTIFY, and none is missing."""
    ear = await process()
    rung = [stream() for _ in range(1000)]
    ear.heard.clear()
    ear.bus.ring(rung)
    ear.bus.ring(rung)
    await ear.until(lambda: len(ear.rung()) == len(rung))

    assert len(ear.heard) == 10
    assert all(keys is not None and len(keys) <= 100 for keys in ear.heard)


async def test_the_bell_is_healthy_when_its_heartbeat_comes_back(process: Start) -> None:
    """Health is what was heard lately, not what was sent."""
    ear = await process(heartbeat=0.05, silence=1)

    assert ear.bus.healthy


async def test_whatever_was_rung_before_listening_is_looked_at(process: Start) -> None:
    """A process that begins to listen is told to look at everything."""
    ear = await process()

    assert ear.heard[0] is None


async def test_two_processes_hear_each_other(database: Database) -> None:
    """Over Postgres a ring reaches other processes."""
    buses = [Bus(lambda: PostgresBell(database)) for _ in range(3)]
    ears = [Ear(bus) for bus in buses]
    for bus, ear in zip(buses, ears, strict=True):
        await bus.start(ear)
    rung = stream()
    buses[0].ring([rung])
    for ear in ears:
        await ear.until(lambda ear=ear: ring_key(rung) in ear.rung())
    for bus in buses:
        await bus.stop()


async def test_a_killed_connection_is_rebuilt_and_everything_is_looked_at(database: Database) -> None:
    """After the server ends the listening connection, the bell listens again by itself and says that something may have been missed."""
    bus = Bus(lambda: PostgresBell(database), heartbeat=0.1)
    ear = Ear(bus)
    await bus.start(ear)
    ear.heard.clear()
    await database.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'profile-gateway bell'")
    await ear.until(lambda: None in ear.heard)
    rung = stream()
    bus.ring([rung])
    await ear.until(lambda: ring_key(rung) in ear.rung())
    await bus.stop()


async def test_a_deaf_connection_is_rebuilt_after_the_silence(database: Database) -> None:
    """A connection that hears nothing, not even our own heartbeat, is replaced although nobody closed it."""

    class Deaf(PostgresBell):
        async def subscribe(self, group: str) -> None:
            if made == 1:
                return  # connected, but not listening: what a black-holed connection looks like
            await super().subscribe(group)

    made = 0

    def backend() -> PostgresBell:
        nonlocal made
        made += 1
        return Deaf(database)

    bus = Bus(backend, heartbeat=0.1, silence=0.4)
    ear = Ear(bus)
    await bus.start(ear, wait=0.1)

    assert not bus.healthy

    rung = stream()
    await ear.until(lambda: made > 1)
    bus.ring([rung])
    await ear.until(lambda: ring_key(rung) in ear.rung())

    assert bus.healthy

    await bus.stop()


async def test_many_rings_at_once_all_get_through(database: Database) -> None:
    """Concurrent publishing does not fail: it does not share the listening connection."""
    buses = [Bus(lambda: PostgresBell(database), coalesce=0) for _ in range(10)]
    ear = Ear(buses[0])
    await buses[0].start(ear)
    for bus in buses[1:]:
        await bus.start(lambda _: None)
    rung = [stream() for _ in range(200)]
    for number, one in enumerate(rung):
        buses[number % 10].ring([one])
    await ear.until(lambda: len(ear.rung()) == 200)
    for bus in buses:
        await bus.stop()


async def test_foreign_messages_cause_a_look_and_nothing_else(database: Database) -> None:
    """Garbage on the channel is harmless, and the word for everything is understood."""
    bus = Bus(lambda: PostgresBell(database))
    ear = Ear(bus)
    await bus.start(ear)
    ear.heard.clear()
    for message in ("", "garbage, \x01", "x" * 7000, EVERYTHING):
        await database.execute("SELECT pg_notify($1, $2)", CHANNEL, message)
    await ear.until(lambda: None in ear.heard)
    await bus.stop()
