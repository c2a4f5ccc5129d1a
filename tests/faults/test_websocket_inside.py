"""What is left of thousands of sockets in a gateway that can be looked into."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import random
import socket
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from websockets.exceptions import InvalidStatus

from gateway.app import Runtime, create_app, open_runtime
from gateway.auth.development import DevelopmentKeys
from gateway.auth.principal import Role
from gateway.auth.session import Session
from gateway.auth.workspaces import Workspaces
from gateway.engine.context import OperationContext
from gateway.loaders.bundle import Loaders
from gateway.settings import Settings
from gateway.transport.admission import Seat
from gateway.transport.ws.connection import Connection
from gateway.transport.ws.wire import Wire
from tests.faults.sockets import CREATE, SECONDS, WATCH, client_of, opened

__all__: list[str] = []


_KINDS = (Connection, Wire, Session, Seat, OperationContext, Loaders)


def most(alive: list[Any]) -> int:
    """How many there are of the kind of which there are most."""
    return max(Counter(map(type, alive)).values(), default=0)


def held_by(alive: list[Any]) -> list[str]:
    """What holds each, and what holds that, by their types: who reads a failure needs no more to find it."""
    told: list[str] = []
    for thing in alive:
        chain, held, seen = [type(thing).__name__], thing, {id(alive)}
        for _ in range(6):
            seen.add(id(held))
            found = [one for one in gc.get_referrers(held) if id(one) not in seen and type(one).__name__ not in {"frame", "list_iterator"}]
            if not found:
                break
            held = found[0]
            chain.append(type(held).__name__ if not isinstance(held, dict) else f"dict {[str(key)[:20] for key in list(held)[:4]]}")
        told.append(" < ".join(chain))
    return told


@dataclass
class Inside:
    """A gateway in this process."""

    runtime: Runtime
    app: Any
    port: int
    tokens: list[str]
    baseline: set[asyncio.Task[Any]]

    def left(self) -> dict[str, int]:
        """Everything that must be nothing when no socket is open."""
        hub, services, database = self.runtime.services.hub, self.runtime.services, self.runtime.database
        admission = self.app.state.admission
        return {
            "sockets": len(self.app.state.sockets),
            "seats": len(admission),
            "holders": admission.holders,
            "sessions": len(self.runtime.sessions._open),
            "tails": len(hub._tails),
            "rooms": len(services.presence._rooms) if services.presence is not None else 0,
            "tasks": len({task for task in asyncio.all_tasks() if not task.done()} - self.baseline) - 1,  # the one that asks
            "busy connections": sum(pool.get_size() - pool.get_idle_size() for pool in (database._requests, database._delivery)),
        }

    async def quiet(self) -> None:
        """Wait until nothing is left, with a deadline."""
        try:
            async with asyncio.timeout(SECONDS):
                while any(self.left().values()):  # noqa: ASYNC110  # it belongs to many parts
                    await asyncio.sleep(0.01)
        except TimeoutError:
            pytest.fail(f"left: {self.left()}")


@pytest.fixture(name="inside")
async def _inside(dsn: str, tmp_path: Path) -> AsyncIterator[Inside]:
    """A gateway that can be looked into, with few places per workspace and subject."""
    settings = Settings(  # type: ignore[call-arg]
        dev=True,
        data_dir=tmp_path,
        database_url=dsn,
        bus="memory",
        sockets=30,
        sockets_per_workspace=25,
        sockets_per_subject=20,
        upgrades_per_second=100_000,
    )
    async with open_runtime(settings) as runtime:
        await Workspaces(runtime.database).ensure("demo", "Demo")
        app = create_app(settings, runtime)
        listener = socket.create_server(("127.0.0.1", 0), backlog=1000)
        config = uvicorn.Config(app, lifespan="off", log_config=None, ws=Wire, ws_ping_interval=None, ws_per_message_deflate=False)
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        signer = DevelopmentKeys.open(tmp_path).signer()
        tokens = [signer.sign("demo", f"agent{number}", Role.AGENT) for number in range(3)]
        async with asyncio.timeout(SECONDS):
            while not server.started:  # noqa: ASYNC110  # uvicorn announces nothing
                await asyncio.sleep(0.01)
        yield Inside(runtime, app, listener.getsockname()[1], tokens, asyncio.all_tasks())
        server.should_exit = True
        await serving


async def new_profile(inside: Inside) -> str:
    """A profile's id."""
    async with client_of(inside.port, inside.tokens[0]) as client:
        await client.subscribe("1", CREATE, variables={"input": {"firstName": "Ada"}})
        answer = await client.receive()
    return str(answer["payload"]["data"]["createProfile"]["profile"]["id"])


class TestInside:
    """What is left."""

    async def test_fault_060_settings(self, inside: Inside) -> None:
        """The settings for a subject, a workspace and the process hold, and every place is free again afterwards."""
        async with AsyncExitStack() as stack:
            for _ in range(20):
                await stack.enter_async_context(client_of(inside.port, inside.tokens[0]))
            for who, said in ((0, "Too many connections of this user (20); try again later."), (1, "")):
                client = await stack.enter_async_context(client_of(inside.port))
                await client.send({"type": "connection_init", "payload": {"Authorization": f"Bearer {inside.tokens[who]}"}})
                if said:
                    assert await client.close_code() == (1013, said)
            for _ in range(4):
                await stack.enter_async_context(client_of(inside.port, inside.tokens[1]))
            client = await stack.enter_async_context(client_of(inside.port))
            await client.send({"type": "connection_init", "payload": {"Authorization": f"Bearer {inside.tokens[2]}"}})
            assert await client.close_code() == (1013, "Too many connections of this workspace (25); try again later.")
            for _ in range(5):
                await stack.enter_async_context(client_of(inside.port))
            with pytest.raises(InvalidStatus) as refused:
                await opened(inside.port)
            assert refused.value.response.status_code == 503
        await inside.quiet()

    @pytest.mark.slow
    async def test_fault_064_154_thousand_cuts(self, inside: Inside) -> None:
        """1 000 sockets reset right after `subscribe`, at whatever point of its beginning, leave nothing: no task, tail, room, session or seat,
        no busy connection to Postgres, and no object that belongs to one of them.
        """
        watched = await new_profile(inside)
        generator = random.Random(64)
        before = {
            id(thing): thing for thing in gc.get_objects() if type(thing) in _KINDS
        }  # of gateways of other tests; held, so that ids stay theirs

        async def visit(number: int) -> None:
            client = await opened(inside.port)
            await client.ready(inside.tokens[number % 3])
            await client.subscribe("1", WATCH, variables={"id": watched})
            for _ in range(generator.randrange(8)):
                await asyncio.sleep(0)
            client.reset()

        for start in range(0, 1000, 20):
            await asyncio.gather(*(visit(start + number) for number in range(20)))
        await inside.quiet()
        alive: list[Any] = []
        with contextlib.suppress(TimeoutError):
            # What was read for several is kept half a second, and what the collector finds is closed by the loop.
            async with asyncio.timeout(5):
                while True:
                    alive.clear()
                    gc.collect()
                    alive = [thing for thing in gc.get_objects() if type(thing) in _KINDS and id(thing) not in before]
                    if most(alive) <= 1:
                        break
                    await asyncio.sleep(0.05)

        assert most(alive) <= 1, held_by(alive)  # the loop may hold the last of them
        async with client_of(inside.port, inside.tokens[0]) as client:  # and it still serves
            await client.subscribe("1", WATCH, variables={"id": watched})
            assert (await client.event("1"))["__typename"] == "StreamReady"
        await inside.quiet()
