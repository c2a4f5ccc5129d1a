"""Bells for tests: the four kinds on real servers, what one process heard, and the wire from outside.

Owns the knowledge of how each kind is made, spoken to by strangers and robbed of its listeners. Used by the contract of bells, the faults of
bells and whoever needs several processes that hear each other.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Protocol
from uuid import uuid4

import asyncpg
from broadcaster import BroadcastBackend

from gateway.live.bell import CHANNEL
from gateway.live.bell_memory import MemoryBell
from gateway.live.bell_nats import NatsBell
from gateway.live.bell_postgres import PostgresBell
from gateway.live.bell_valkey import ValkeyBell
from gateway.live.bus import Bus, ring_key
from gateway.model.change import StreamKey
from gateway.storage.database import Database
from tests.servers import NatsServer, ValkeyServer

__all__ = [
    "SECONDS",
    "Ear",
    "Memory",
    "Nats",
    "Postgres",
    "Processes",
    "Valkey",
    "Wire",
    "stream",
    "until",
    "valkey_command",
]

SECONDS = 8.0


def stream() -> StreamKey:
    """Some stream."""
    return StreamKey(uuid4(), uuid4())


async def until(condition: Callable[[], bool], seconds: float = SECONDS) -> None:
    """Wait for what nobody announces."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110  # nobody announces it
            await asyncio.sleep(0.005)


class Ear:
    """What one process heard: sets of keys, or None for "everything"."""

    def __init__(self, bus: Bus) -> None:
        self.bus = bus
        self.heard: list[set[str] | None] = []

    def __call__(self, keys: Iterable[str] | None) -> None:
        self.heard.append(None if keys is None else set(keys))

    def rung(self) -> set[str]:
        """Every key heard so far."""
        return {key for keys in self.heard if keys for key in keys}

    async def hears(self, *rung: StreamKey, seconds: float = SECONDS) -> None:
        """Wait until all of these were rung."""
        await until(lambda: set(map(ring_key, rung)) <= self.rung(), seconds)

    async def looks_at_everything(self, seconds: float = SECONDS) -> None:
        """Wait until it was told to."""
        await until(lambda: None in self.heard, seconds)

    async def is_healthy(self, seconds: float = SECONDS) -> None:
        """Wait until the bell rings."""
        await until(lambda: self.bus.healthy, seconds)

    async def is_polling(self, seconds: float = SECONDS) -> None:
        """Wait until it is known that it does not."""
        await until(lambda: not self.bus.healthy, seconds)


class Wire(Protocol):
    """One kind of bell, and its channel as everybody else sees it."""

    def bell(self) -> BroadcastBackend:
        """A new backend."""
        ...

    async def say(self, *messages: bytes) -> None:
        """A stranger says these on our channel."""
        ...

    async def throw_out(self) -> None:
        """The server ends the connections that listen."""
        ...


class Memory:
    """Bells of one process."""

    def __init__(self) -> None:
        self.room: set[MemoryBell] = set()

    def bell(self) -> BroadcastBackend:
        return MemoryBell(self.room)

    async def say(self, *messages: bytes) -> None:
        for bell in self.room:
            for message in messages:
                bell.heard.put(message)

    async def throw_out(self) -> None:
        for bell in self.room:
            bell.heard.lost()


class Postgres:
    """LISTEN and NOTIFY; a stranger can say only what is text."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def bell(self) -> BroadcastBackend:
        return PostgresBell(self.database)

    async def say(self, *messages: bytes) -> None:
        connection = await asyncpg.connect(self.database.dsn)
        try:
            texts = [message.decode() for message in messages]
            await connection.execute("SELECT count(pg_notify($1, said)) FROM unnest($2::text[]) AS said", CHANNEL, texts)
        finally:
            await connection.close()

    async def throw_out(self) -> None:
        connection = await asyncpg.connect(self.database.dsn)
        try:
            await connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'profile-gateway bell'"
            )
        finally:
            await connection.close()


class Valkey:
    """Pub/sub of a Valkey."""

    def __init__(self, server: ValkeyServer, url: str = "") -> None:
        self.server = server
        self.url = url or server.url

    def bell(self) -> BroadcastBackend:
        return ValkeyBell(self.url)

    async def say(self, *messages: bytes) -> None:
        await valkey_command(self.server.port, *([b"PUBLISH", CHANNEL.encode(), message] for message in messages))

    async def throw_out(self) -> None:
        await valkey_command(self.server.port, [b"CLIENT", b"KILL", b"TYPE", b"pubsub"])


class Nats:
    """Publish and subscribe of a NATS server; to throw somebody out takes a restart."""

    def __init__(self, server: NatsServer, url: str = "") -> None:
        self.server = server
        self.url = url or server.url

    def bell(self) -> BroadcastBackend:
        return NatsBell(self.url)

    async def say(self, *messages: bytes) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.server.port)
        writer.write(b'CONNECT {"verbose":false,"pedantic":false}\r\n')
        for message in messages:
            writer.write(b"PUB %b %d\r\n%b\r\n" % (CHANNEL.encode(), len(message), message))
        writer.write(b"PING\r\n")
        async with asyncio.timeout(SECONDS):
            while not (await reader.readline()).startswith((b"PONG", b"-ERR")):
                await writer.drain()
        writer.close()

    async def throw_out(self) -> None:
        await asyncio.to_thread(self.server.stop)
        self.server.start()


async def valkey_command(port: int, *commands: Sequence[bytes]) -> list[bytes]:
    """Say these to a Valkey, all at once, in its own protocol; each answer, without its length if it has one."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)

    async def send() -> None:
        for number, command in enumerate(commands):
            writer.write(b"*%d\r\n" % len(command) + b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in command))
            if number % 1000 == 0:
                await writer.drain()

    sending = asyncio.create_task(send())
    try:
        async with asyncio.timeout(60):
            answers = []
            for _ in commands:
                line = await reader.readline()
                answers.append(line.rstrip() if line[:1] != b"$" else (await reader.readexactly(int(line[1:]) + 2))[:-2])
            return answers
    finally:
        await asyncio.gather(sending, return_exceptions=True)
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


class Processes:
    """As many processes as a test wants, each with a bus of its own on one wire."""

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        self._stack = AsyncExitStack()

    @classmethod
    @asynccontextmanager
    async def on(cls, wire: Wire) -> AsyncIterator[Processes]:
        """None yet; all are stopped at the end."""
        processes = cls(wire)
        async with processes._stack:
            yield processes

    async def start(self, bell: Callable[[], BroadcastBackend] | None = None, *, wait: float = 2.0, **options: Any) -> Ear:
        """Start one more; `bell`: another backend than the wire's; `options`: of the bus."""
        bus = Bus(bell or self.wire.bell, **options)
        ear = Ear(bus)
        await bus.start(ear, wait=wait)
        self._stack.push_async_callback(bus.stop)
        return ear
