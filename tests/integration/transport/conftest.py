"""The tracking API over a real database: a workspace, a write key, and eyes for what arrived.

`ingest` posts through the ASGI application without a socket; `tracking_server` is a real uvicorn on loopback, for real clients.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx2
import orjson
import pytest
import uvicorn
from starlette.applications import Starlette

from gateway.auth.development import DevelopmentKeys
from gateway.auth.gate import Gate
from gateway.auth.keys import KeyKind, KeyRing
from gateway.auth.workspaces import Workspaces
from gateway.commands.unit import Writer
from gateway.identity import EMAIL
from gateway.live.bus import Bus
from gateway.live.hub import Hub
from gateway.live.position import StreamCursors
from gateway.model.activity import TimelineFilter, TimelineItem, TimelinePreset
from gateway.model.profile import Profile
from gateway.model.sealed import Sealer
from gateway.sources.contract import Contacts, LookupKey, TimelineWindow
from gateway.sources.native import NativeSource
from gateway.sources.registry import describer
from gateway.storage.database import Database
from gateway.transport.tracking import Tracking

__all__: list[str] = []

SECONDS = 10.0
"""Deadline of every wait; nothing here takes so long unless it is broken."""

_numbers = count(1)


@dataclass(frozen=True)
class Ingest:
    """One workspace, a key to write into it, and the application that takes events in."""

    app: Starlette
    client: httpx2.AsyncClient
    database: Database
    workspace: UUID
    key: str
    keyring: KeyRing
    native: NativeSource

    def message(self, type_: str, **fields: Any) -> dict[str, Any]:
        """One event with a message id of its own."""
        return {"type": type_, "messageId": f"m-{next(_numbers)}", **fields}

    async def post(self, body: Any, *, call: str = "batch", **options: Any) -> httpx2.Response:
        """Post a body (JSON unless it is bytes already) with the write key as user name."""
        content = body if isinstance(body, bytes) else orjson.dumps(body)
        return await self.client.post(f"/v1/{call}", content=content, **{"auth": (self.key, ""), **options})

    async def send(self, *events: dict[str, Any], **more: Any) -> dict[str, Any]:
        """Post a batch and return the answer, which is 200."""
        response = await self.post({"batch": events, **more})
        assert response.status_code == 200, response.text
        answer: dict[str, Any] = response.json()
        return answer

    async def owners(self, key: str, value: str) -> list[UUID]:
        """The profiles that have a value."""
        (found,) = await self.native.resolve(self.workspace, [LookupKey(key, value)])
        assert not isinstance(found, Exception)
        return list(found)

    async def owner(self, key: str, value: str) -> UUID:
        """The one profile that has a value."""
        (found,) = await self.owners(key, value)
        return found

    async def profile(self, profile_id: UUID) -> Profile:
        """A profile as the native source reads it."""
        (found,) = await self.native.profiles(self.workspace, [profile_id])
        assert isinstance(found, Profile)
        return found

    async def traits(self, profile_id: UUID) -> dict[str, Any]:
        """Key → value."""
        (found,) = await self.native.traits(self.workspace, [profile_id], None)
        assert not isinstance(found, Exception)
        return {fact.key: fact.value for fact in found}

    async def contacts(self, profile_id: UUID) -> Contacts:
        """Contact points and identifiers."""
        (found,) = await self.native.contacts(self.workspace, [profile_id])
        assert isinstance(found, Contacts)
        return found

    async def timeline(self, profile_id: UUID) -> Sequence[TimelineItem]:
        """Everything that happened, oldest first."""
        window = TimelineWindow(1000, filter=TimelineFilter(TimelinePreset.ALL))
        (found,) = await self.native.activities(self.workspace, [profile_id], window)
        assert not isinstance(found, Exception)
        return found

    async def count(self, table: str) -> int:
        """Rows of a table."""
        counted: int = await self.database.fetchval(f"SELECT count(*) FROM {table}")
        return counted

    async def found_by_email(self, email: str) -> list[UUID]:
        """The profiles with an e-mail address."""
        return await self.owners(EMAIL, email)


@pytest.fixture(name="ingest")
async def _ingest(database: Database, tmp_path: Path) -> AsyncIterator[Ingest]:
    """The tracking API of the workspace `demo`, with the region GB for phones in national format."""
    development = DevelopmentKeys.open(tmp_path)
    keyring = KeyRing(database, [development.secret])
    workspaces = Workspaces(database)
    workspace = await workspaces.ensure("demo", "Demo")
    key = await keyring.create("demo", KeyKind.WRITE)
    hub = Hub(database, Bus(None), StreamCursors(Sealer([development.secret])), poll_interval=1.0)
    await hub.start()
    tracking = Tracking(Gate(development.verifier(), keyring, workspaces), Writer(database, hub), "GB")
    app = Starlette(routes=tracking.routes())
    native = NativeSource(database, "native", describer({}))
    try:
        async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://gateway") as client:
            yield Ingest(app, client, database, workspace, key, keyring, native)
    finally:
        await hub.stop()


@pytest.fixture(name="tracking_server")
async def _tracking_server(ingest: Ingest) -> AsyncIterator[str]:
    """The address of a uvicorn that serves the tracking API on loopback."""
    with _listener() as listener:
        host, port = listener.getsockname()
        server = uvicorn.Server(uvicorn.Config(ingest.app, lifespan="off", log_config=None, timeout_graceful_shutdown=3))
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        async with asyncio.timeout(SECONDS):
            while not server.started:  # noqa: ASYNC110  # uvicorn announces it no other way
                await asyncio.sleep(0.005)
        yield f"http://{host}:{port}"
        server.should_exit = True
        await asyncio.wait_for(serving, SECONDS)


@contextmanager
def _listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener


@pytest.fixture(name="now")
def _now() -> datetime:
    """The present."""
    return datetime.now(UTC)
