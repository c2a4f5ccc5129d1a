"""One server for all faults of Postgres; each test gets it running, and leaves it in whatever state it likes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.faults.postgres.scene import Scene, Whole, mended, own_server
from tests.servers import PostgresServer

__all__: list[str] = []


@pytest.fixture(name="place", scope="session")
def _place() -> Iterator[PostgresServer]:
    """A migrated server with room for few, that finds deadlocks at once."""
    with own_server(max_connections="24", deadlock_timeout="50ms") as server:
        yield server


@pytest.fixture(name="server")
def _server(place: PostgresServer) -> Iterator[PostgresServer]:
    """The server; it runs."""
    with mended(place) as server:
        yield server


@pytest.fixture(name="scene")
async def _scene(server: PostgresServer) -> AsyncIterator[Scene]:
    """The gateway's storage and live parts on it, with short limits."""
    async with Scene.on(server.dsn()) as scene:
        yield scene


@pytest.fixture(name="whole")
async def _whole(server: PostgresServer, tmp_path: Path) -> AsyncIterator[Whole]:
    """A whole gateway on it."""
    async with Whole.on(server.dsn(), tmp_path) as whole:
        yield whole
