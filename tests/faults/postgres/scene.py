"""What the faults of Postgres are played on: a server of one test module, the gateway's pools on it with short limits, and something to change.

Owns bringing the server back after a test, and the words for its sessions. Must not be used where others share the server.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import httpx2
from pydantic import SecretStr

from gateway.app import Runtime, create_app, open_runtime
from gateway.auth.development import DevelopmentKeys
from gateway.auth.keys import KeyKind, KeyRing
from gateway.auth.policy import ROLE_SCOPES
from gateway.auth.principal import Principal, Role
from gateway.auth.workspaces import Workspaces
from gateway.commands.unit import Idempotency, Receipt, Unit, Writer
from gateway.live.bus import Bus
from gateway.live.feed import complete
from gateway.live.hub import Hub
from gateway.live.position import StreamCursors
from gateway.model.change import StreamKey
from gateway.model.ids import uuid7
from gateway.model.sealed import Sealer
from gateway.settings import Settings
from gateway.storage.database import Database, Limits
from gateway.storage.migrate import migrate
from tests.servers import PostgresServer, place_for_servers

__all__ = [
    "ENDS_WITHIN",
    "PROFILE",
    "QUICK",
    "SECONDS",
    "TOPICS",
    "Scene",
    "Watcher",
    "Whole",
    "mended",
    "own_server",
    "session",
    "sessions",
    "until",
]

PROFILE = 'mutation { createProfile(input: {firstName: "Ana"}) { profile { id } } }'
TOPICS = "{ interestTopics(first: 5) { nodes { topic } } }"
SECONDS = 30.0
"""Deadline of every wait; nothing here takes so long unless it is broken."""
QUICK = Limits(acquire=0.3, statement=0.6, farewell=0.2, close=0.5)
"""The limits of the gateway, six times as quick."""
ENDS_WITHIN = QUICK.acquire + QUICK.statement + QUICK.farewell + 0.5
"""Seconds after which a single call has ended, whatever the server does; the last half is for a busy machine."""


@contextmanager
def own_server(**settings: str) -> Iterator[PostgresServer]:
    """A migrated server."""
    place = place_for_servers()
    server = PostgresServer(place, **settings)
    try:
        server.make()
        with server.running():
            asyncio.run(migrate(server.dsn()))
            yield server
    finally:
        shutil.rmtree(place, ignore_errors=True)


@contextmanager
def mended(server: PostgresServer) -> Iterator[PostgresServer]:
    """The server for one test; it runs again at the end, whatever the test did to it."""
    try:
        yield server
    finally:
        if server.runs:
            server.thaw()
        else:
            server.stop()
            server.start()


@asynccontextmanager
async def session(server: PostgresServer, database: str = "postgres") -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
    """A session of nobody's."""
    connection = await asyncpg.connect(server.dsn(database), timeout=SECONDS)
    try:
        yield connection
    finally:
        connection.terminate()


async def sessions(server: PostgresServer, *, state: str = "%") -> list[int]:
    """The processes that serve the gateway's sessions."""
    async with session(server) as connection:
        rows = await connection.fetch(
            "SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'profile-gateway%' AND state LIKE $1", state
        )
    return [row["pid"] for row in rows]


async def until(fact: Callable[[], Awaitable[object]], seconds: float = SECONDS) -> None:
    """Wait for what nobody announces."""
    async with asyncio.timeout(seconds):
        while not await fact():  # noqa: ASYNC110  # nobody announces it
            await asyncio.sleep(0.01)


class Watcher:
    """Somebody who reads a stream to its live end: the numbers that came."""

    def __init__(self, hub: Hub, stream: StreamKey) -> None:
        self.seqs: list[int] = []
        self._ready = asyncio.Event()
        self._task = asyncio.create_task(self._read(hub, stream))

    async def ready(self) -> None:
        """From here on nothing is missed."""
        async with asyncio.timeout(SECONDS):
            await self._ready.wait()

    async def has(self, seq: int, seconds: float = SECONDS) -> None:
        """Everything up to this number came, each once and in order."""

        async def there() -> bool:
            assert not self._task.done(), self._task
            return bool(self.seqs) and self.seqs[-1] >= seq

        await until(there, seconds)
        assert self.seqs == list(range(self.seqs[0], seq + 1))

    async def stop(self) -> None:
        """Read no more."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _read(self, hub: Hub, stream: StreamKey) -> None:
        async for step in complete(hub, stream, None):
            if isinstance(step, tuple):
                self.seqs.append(step[0].seq)
            else:
                assert not hasattr(step, "reason"), step
                self._ready.set()


@dataclass
class Scene:
    """The gateway's storage and live parts, and one workspace."""

    database: Database
    hub: Hub
    writer: Writer
    principal: Principal

    @classmethod
    @asynccontextmanager
    async def on(cls, dsn: str, *, size: int = 4, limits: Limits = QUICK) -> AsyncIterator[Scene]:
        """Open on this server until the block ends, which it does whatever became of the server."""
        database = await Database.open(dsn, size=size, delivery_size=2, limits=limits)
        cursors = StreamCursors(Sealer([b"k" * 32]))
        hub = Hub(database, Bus(None), cursors, poll_interval=0.1)
        await hub.start()
        principal = Principal(uuid4(), "demo", "ana", "Ana", Role.AGENT, ROLE_SCOPES[Role.AGENT], None, None)
        try:
            yield cls(database, hub, Writer(database, hub), principal)
        finally:
            async with asyncio.timeout(SECONDS):
                await hub.stop()
                await database.close()

    async def profile(self) -> StreamKey:
        """A new profile; its stream stands at 1."""
        profile_id = uuid7()

        async def work(unit: Unit) -> Receipt:
            await unit.fetch("insert_profiles", [profile_id], ["PROSPECT"], ["Ana"], [None], [""])
            unit.profile_changed(profile_id, "firstName")
            return Receipt(profile_id)

        await self.writer.run(self.principal, work)
        return StreamKey(self.principal.workspace_id, profile_id)

    async def change(self, stream: StreamKey, *, key: str | None = None, first: Callable[[Unit], Awaitable[Any]] | None = None) -> int:
        """Log one more change of a profile; its number. `first`: what the unit does before."""

        async def work(unit: Unit) -> Receipt:
            if first is not None:
                await first(unit)
            unit.profile_changed(stream.stream_id, "firstName")
            return Receipt(stream.stream_id)

        receipt = await self.writer.run(self.principal, work, None if key is None else Idempotency(key, {"stream": str(stream.stream_id)}))
        assert receipt.position is not None
        return receipt.position.seq

    async def logged(self, stream: StreamKey) -> list[int]:
        """The numbers that stand in the log."""
        rows = await self.database.fetch(
            "SELECT seq FROM change_log WHERE workspace_id = $1 AND stream_id = $2 ORDER BY seq", stream.workspace_id, stream.stream_id
        )
        return [row["seq"] for row in rows]


@dataclass
class Whole:
    """A whole gateway in this process, and a client of it."""

    runtime: Runtime
    client: httpx2.AsyncClient
    write_key: str

    @classmethod
    @asynccontextmanager
    async def on(cls, dsn: str, data_dir: Path) -> AsyncIterator[Whole]:
        """It has two connections for requests and two for the delivery."""
        keys = DevelopmentKeys.open(data_dir)
        settings = Settings(dev=True, data_dir=data_dir, database_url=SecretStr(dsn), pool_size=2, delivery_pool_size=2, poll_interval=0.1)
        async with AsyncExitStack() as stack:
            runtime = await stack.enter_async_context(open_runtime(settings))
            await Workspaces(runtime.database).ensure("demo", "Demo")
            write_key = await KeyRing(runtime.database, [keys.secret]).create("demo", KeyKind.WRITE)
            client = httpx2.AsyncClient(
                transport=httpx2.ASGITransport(create_app(settings, runtime)),
                base_url="http://gateway",
                headers={"authorization": f"Bearer {keys.signer().sign('demo', 'ana', Role.AGENT, name='Ana')}"},
                timeout=SECONDS,
            )
            yield cls(runtime, await stack.enter_async_context(client), write_key)

    async def ask(self, query: str) -> httpx2.Response:
        """Post one operation."""
        return await self.client.post("/graphql", json={"query": query})

    async def says(self, part: str) -> str:
        """What readiness says of a part; it is green."""
        answer = await self.client.get("/readyz")
        assert (answer.status_code, answer.json()["ready"]) == (200, True), answer.text
        word: str = answer.json()[part]
        return word
