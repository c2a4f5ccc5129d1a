"""What every test with a database stands on: one real Postgres per session, one fresh migrated database per test.

`dsn` is the address of that database, `database` the gateway's pools on it. The server starts with the first test that asks, as a child
that dies with this process however the run ends.
"""

from __future__ import annotations

import asyncio
import inspect
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from itertools import count
from pathlib import Path
from zlib import crc32

import asyncpg
import pytest
import structlog
from hypothesis import settings

from gateway.storage.database import Database
from gateway.storage.embedded import EmbeddedPostgres
from gateway.storage.migrate import migrate

__all__: list[str] = []

# Timings never decide a test. Fifty examples each time, as many as wanted for a night.
settings.register_profile("gateway", deadline=None, max_examples=int(os.environ.get("GATEWAY_TEST_EXAMPLES", "25")))
settings.load_profile("gateway")

_TEMPLATE = "migrated"
_UNSAFE_BUT_FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "autovacuum": "off"}
"""A test that is about surviving a crash starts a server of its own."""

_MEMORY = Path("/dev/shm")
_ROOM = 2 * 1024**3
"""Bytes that must be free in memory for the cluster to lie there: copying its hundreds of files takes 15 ms instead of 200."""

_numbers = count(1)

_WATCHED = ("tests/unit/", "tests/integration/live/", "tests/integration/transport/")
"""Where tasks and sockets are made by hand: there the loop runs in debug mode. Elsewhere it would double the time of the suite for nothing new."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Let the loop of those tests watch for what is never awaited, for foreign threads and for callbacks that block."""
    for item in items:
        where = item.path.relative_to(config.rootpath).as_posix()
        if where.startswith(_WATCHED) and inspect.iscoroutinefunction(getattr(item, "obj", None)):
            item.add_marker(pytest.mark.usefixtures("watched_loop"))
    # Files with slow tests are spread over the first three quarters: side by side they would starve each other, and at the end one of them would
    # keep a single worker busy while the others have nothing left.
    slow = {item.path for item in items if item.get_closest_marker("slow") is not None}
    turns = {path: crc32(path.name.encode()) * (0.75 if path in slow else 1.0) for path in {item.path for item in items}}
    items.sort(key=lambda item: (turns[item.path], item.path))


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    """A test that starts a gateway in this process leaves logging set up for a stderr that ends with the test."""
    yield
    if structlog.is_configured():
        structlog.reset_defaults()


@pytest.fixture(name="watched_loop")
async def _watched_loop() -> None:
    """The loop of this test, in debug mode."""
    asyncio.get_running_loop().set_debug(enabled=True)


def _address(server: EmbeddedPostgres, name: str) -> str:
    path = ":///gateway?"
    assert path in server.dsn
    return server.dsn.replace(path, f":///{name}?")


async def _on_server(server: EmbeddedPostgres, statement: str) -> None:
    connection = await asyncpg.connect(server.dsn, timeout=10)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


@pytest.fixture(name="postgres", scope="session")
def _postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    """The server of the session, with a migrated database to copy. Do not stop or crash it: others use it too."""
    in_memory = _MEMORY.is_dir() and shutil.disk_usage(_MEMORY).free > _ROOM
    place = tempfile.TemporaryDirectory(prefix="gateway-tests-", dir=_MEMORY if in_memory else tmp_path_factory.getbasetemp())

    async def start(data_dir: Path) -> EmbeddedPostgres:
        server = await EmbeddedPostgres.start(data_dir, settings=_UNSAFE_BUT_FAST)
        await _on_server(server, f"CREATE DATABASE {_TEMPLATE}")
        await migrate(_address(server, _TEMPLATE))
        return server

    # a plain fixture, so that the server's thread is the main one, and loops of its own, since each test has another
    with place as data_dir:
        with asyncio.Runner() as runner:
            server = runner.run(start(Path(data_dir)))
        yield server
        with asyncio.Runner() as runner:
            runner.run(server.stop())


@pytest.fixture(name="dsn")
async def _dsn(postgres: EmbeddedPostgres) -> AsyncIterator[str]:
    """The address of an empty database with all migrations applied, for this test alone."""
    name = f"t_{next(_numbers)}"
    await _on_server(postgres, f"CREATE DATABASE {name} TEMPLATE {_TEMPLATE} STRATEGY FILE_COPY")
    yield _address(postgres, name)
    await _on_server(postgres, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(name="database")
async def _database(dsn: str) -> AsyncIterator[Database]:
    """The gateway's pools, open on the database of this test."""
    database = await Database.open(dsn)
    yield database
    await database.close()
