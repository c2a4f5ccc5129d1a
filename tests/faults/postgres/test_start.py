"""What the gateway finds out about Postgres before it serves: migrations, a pooler in between, a standby, settings that lose commits."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import asyncpg
import pytest
from pydantic import SecretStr
from structlog.testing import capture_logs
from typer.testing import CliRunner

from gateway.app import open_runtime
from gateway.cli import app
from gateway.commands.unit import Unit
from gateway.errors import ConfigurationError
from gateway.settings import Settings
from gateway.storage.database import Database
from gateway.storage.direct import require_direct
from gateway.storage.migrate import Migration, load, migrate, require_migrated
from tests.faults.postgres.pooler import pooler
from tests.faults.postgres.scene import PROFILE, SECONDS, Scene, Whole, session, until
from tests.proxy import Proxy
from tests.servers import PostgresServer, place_for_servers

__all__: list[str] = []

NEXT = len(load()) + 1
KILLED = f"""
import asyncio, sys
from gateway.storage import migrate
files = migrate.load()
migrate.load = lambda: [*files, migrate.Migration({NEXT}, "slow", "CREATE TABLE half (); SELECT pg_sleep(30)")]
asyncio.run(migrate.migrate(sys.argv[1]))
"""


@pytest.fixture(name="files")
def _files(monkeypatch: pytest.MonkeyPatch) -> list[Migration]:
    """The migrations that the code has from now on; append to them."""
    files = load()
    monkeypatch.setattr("gateway.storage.migrate.load", lambda: list(files))
    return files


@pytest.fixture(name="fresh")
def _fresh(server: PostgresServer) -> Iterator[str]:
    """The address of a migrated database that a test may change."""

    async def on_server(statement: str) -> None:
        async with session(server) as connection:
            await connection.execute(statement)

    asyncio.run(on_server("DROP DATABASE IF EXISTS fresh WITH (FORCE)"))
    asyncio.run(on_server("CREATE DATABASE fresh"))
    asyncio.run(migrate(server.dsn("fresh")))
    yield server.dsn("fresh")
    asyncio.run(on_server("DROP DATABASE fresh WITH (FORCE)"))


# Migrations


async def test_fault_118_old_and_new_gateways_serve_together(fresh: str, files: list[Migration], tmp_path: Path) -> None:
    """A gateway that serves while a migration adds columns to its tables goes on, also with the statements it had prepared and in the middle of
    transactions; one that is started afterwards serves beside it.
    """
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
    async with Whole.on(fresh, tmp_path / "old") as old:
        async with Scene.on(fresh) as scene:
            stream = await scene.profile()

            async def all_columns(unit: Unit) -> None:
                await unit.connection.fetch("SELECT * FROM profile WHERE id = $1", stream.stream_id)

            for _ in range(4):
                await asyncio.gather(*(scene.change(stream, first=all_columns) for _ in range(4)))
            assert (await old.ask(PROFILE)).json()["data"]

            files.append(
                Migration(NEXT, "more", "ALTER TABLE profile ADD COLUMN later text; ALTER TABLE stream_head ADD COLUMN later text")
            )
            assert await migrate(fresh) == files[-1:]

            await asyncio.gather(*(scene.change(stream, first=all_columns) for _ in range(8)))
            logged = await scene.logged(stream)
        async with Whole.on(fresh, tmp_path / "new") as new:
            answers = [(await gateway.ask(PROFILE)).json() for gateway in (old, new, old, new)]

    assert logged == list(range(1, 1 + 16 + 8 + 1))
    assert all("errors" not in answer for answer in answers)


async def test_fault_118_a_migration_gives_way(fresh: str, files: list[Migration], server: PostgresServer) -> None:
    """A table that somebody holds is not waited for until everybody queues behind the migration: it lets go and tries again; at last it says who
    is in the way, with nothing applied, and the next run completes it.
    """
    files.append(Migration(NEXT, "wants_it", "CREATE TABLE half (); ALTER TABLE profile ADD COLUMN later text"))
    holder = await asyncpg.connect(fresh, timeout=SECONDS)
    other = await asyncpg.connect(fresh, timeout=SECONDS)
    try:
        async with holder.transaction():
            await holder.fetch("SELECT FROM profile LIMIT 1")
            applying = asyncio.create_task(migrate(fresh, lock_seconds=0.15, attempts=2))
            slowest = 0.0
            while not applying.done():
                began = time.monotonic()
                await other.fetch("SELECT FROM profile LIMIT 1")
                slowest = max(slowest, time.monotonic() - began)
                await asyncio.sleep(0.01)
            with pytest.raises(ConfigurationError, match=r"wants_it gave way 2 times.*pg_stat_activity"):
                await applying
            assert await other.fetchval("SELECT to_regclass('half')") is None
    finally:
        holder.terminate()
        other.terminate()

    assert slowest < 0.15 + 0.5
    assert await migrate(fresh) == files[-1:]


@pytest.mark.slow
async def test_fault_118_a_killed_migration_is_completed_by_the_next(fresh: str, files: list[Migration], server: PostgresServer) -> None:
    """The process is killed by SIGKILL in the middle of a long statement: Postgres notices within seconds, undoes it and gives the lock back; two
    that then come at once apply it once.
    """
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", KILLED, fresh, env=environment, stderr=subprocess.DEVNULL)
    async with session(server) as other:

        async def in_the_middle() -> bool:
            return bool(await other.fetchval("SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep'"))

        try:
            await until(in_the_middle)
        finally:
            process.send_signal(signal.SIGKILL)
            await process.wait()
        began = time.monotonic()
        files.append(Migration(NEXT, "slow", "CREATE TABLE half ()"))
        with pytest.raises(ConfigurationError, match="lacks 1 migration"):
            await require_migrated(fresh)
        done = await asyncio.gather(migrate(fresh), migrate(fresh))

    assert sorted(done, key=len) == [[], files[-1:]]
    assert time.monotonic() - began < 8
    await require_migrated(fresh)


# A pooler in between


@pytest.mark.parametrize(("size", "lifo"), [(3, True), (3, False)], ids=["last first", "in turn"])
async def test_fault_119_a_pooler_per_transaction_is_refused(server: PostgresServer, tmp_path: Path, size: int, lifo: bool) -> None:
    """However it picks its connections: the gateway finds out before it migrates or opens anything, and says what to give instead."""
    async with pooler(server.port, size=size, lifo=lifo) as port:
        with pytest.raises(ConfigurationError, match=r"GATEWAY_DATABASE_URL leads through a pooler.*Give the server's own address"):
            await require_direct(server.dsn(port=port), patience=0.4)
        with pytest.raises(ConfigurationError, match="leads through a pooler"):
            async with open_runtime(Settings(dev=True, data_dir=tmp_path, database_url=SecretStr(server.dsn(port=port))), migrated=True):
                raise AssertionError("it started")


async def test_fault_119_a_pooler_with_one_connection_is_refused(server: PostgresServer) -> None:
    """While our second session is in a transaction the first is served by nobody."""
    async with pooler(server.port, size=1) as port:
        with pytest.raises(ConfigurationError, match="leads through a pooler"):
            await require_direct(server.dsn(port=port), patience=0.4)


async def test_fault_119_a_pooler_that_refuses_our_settings_is_named_as_one(server: PostgresServer, tmp_path: Path) -> None:
    """PgBouncer turns session settings down unless it is told otherwise: its words become ours, for `serve` and for `migrate`."""
    async with pooler(server.port, size=2, refuses=b"jit") as port:
        dsn = server.dsn(port=port)
        settings = Settings(dev=True, data_dir=tmp_path, database_url=SecretStr(dsn))
        for migrated in (False, True):
            with pytest.raises(ConfigurationError, match="leads through a pooler"):
                async with open_runtime(settings, migrated=migrated):
                    raise AssertionError("it started")
        with pytest.raises(ConfigurationError, match="leads through a pooler"):
            await migrate(dsn)


async def test_fault_119_dropped_settings_are_refused(server: PostgresServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Something in between keeps the session but not its settings: without the timeouts a stuck client could hold everybody up."""
    monkeypatch.setattr(
        "gateway.storage.direct.SESSION",
        {"statement_timeout": "1", "lock_timeout": "1", "idle_in_transaction_session_timeout": "10000"},
    )
    with pytest.raises(ConfigurationError, match=r"drops the settings of its sessions \(statement_timeout, lock_timeout\)"):
        await require_direct(server.dsn())


async def test_a_role_that_owns_its_database_is_enough(server: PostgresServer, tmp_path: Path) -> None:
    """A role that owns its database and is nothing more migrates it, proves the way to it direct, and serves."""
    async with session(server) as other:
        for statement in (
            "DROP DATABASE IF EXISTS owned WITH (FORCE)",
            "DROP ROLE IF EXISTS app",
            "CREATE ROLE app LOGIN",
            "CREATE DATABASE owned OWNER app",
        ):
            await other.execute(statement)
        dsn = server.dsn("owned").replace("gateway@", "app@")
        await migrate(dsn)
        async with Whole.on(dsn, tmp_path) as whole:
            answer = (await whole.ask(PROFILE)).json()
            assert await whole.runtime.database.fetchval("SELECT ensure_partitions(now() + interval '40 days')", delivery=True) > 0
        await other.execute("DROP DATABASE owned WITH (FORCE)")
        await other.execute("DROP ROLE app")

    assert "errors" not in answer


async def test_fault_119_what_passes_sessions_on_is_no_pooler(server: PostgresServer) -> None:
    """A TCP proxy, or a pooler in session mode, is welcome."""
    async with Proxy.before(server.port) as proxy:
        await require_direct(server.dsn(port=proxy.port))


@pytest.mark.slow
async def test_fault_099_a_standby_is_refused(server: PostgresServer, request: pytest.FixtureRequest) -> None:
    """A standby takes no changes and may lag: the URL is refused when it leads to one alone, and found past it when it names the primary too."""
    place = place_for_servers()
    request.addfinalizer(partial(shutil.rmtree, place, ignore_errors=True))
    standby = server.standby(place, max_connections="24")
    with standby.running():
        with pytest.raises(ConfigurationError, match="leads to a standby"):
            await Database.open(standby.dsn())
        both = f"postgresql://gateway@127.0.0.1:{standby.port},127.0.0.1:{server.port}/postgres?sslmode=disable"
        database = await Database.open(both)
        assert not await database.fetchval("SELECT pg_is_in_recovery()")
        await database.close()


# Settings that lose commits


async def test_fault_120_settings_that_lose_commits_are_told(server: PostgresServer, tmp_path: Path) -> None:
    """`synchronous_commit` is off for our role, later `fsync` for the server: a warning at the start, and readiness says so and stays green."""
    async with session(server) as other:
        await other.execute("ALTER ROLE gateway SET synchronous_commit = off")
        try:
            with capture_logs() as logs:
                async with Whole.on(server.dsn(), tmp_path) as whole:
                    at_start = await whole.says("durability")
                    await other.execute("ALTER SYSTEM SET fsync = off")
                    await other.execute("SELECT pg_reload_conf()")

                    async def told() -> bool:
                        return (await whole.runtime.database.standing()).risks == ("fsync", "synchronous_commit")

                    await until(told)
        finally:
            await other.execute("ALTER ROLE gateway RESET synchronous_commit")
            await other.execute("ALTER SYSTEM RESET fsync")
            await other.execute("SELECT pg_reload_conf()")

    assert [line for line in logs if line["event"].startswith("database.")] == [
        {"event": "database.durability_at_risk", "log_level": "warning", "settings": ["synchronous_commit"]}
    ]
    assert at_start == "at risk"


async def test_fault_120_a_durable_server_is_said_to_be_one(whole: Whole) -> None:
    """Without such settings readiness says `ok`."""
    assert await whole.says("durability") == "ok"


# What the command line says


@pytest.mark.parametrize(
    ("change", "code", "words"),
    [
        ("sslmode=disable", 1, r"no connection left.*GATEWAY_POOL_SIZE.*max_connections"),
        ("sslmode=require", 1, "cannot be reached"),
    ],
    ids=["no room", "no TLS"],
)
def test_fault_116_the_command_line_says_what_to_do(server: PostgresServer, change: str, code: int, words: str) -> None:
    """A server without room, or without what the URL asks for: one sentence, no traceback."""

    async def hogs() -> list[asyncpg.Connection[asyncpg.Record]]:
        found = []
        try:
            while True:
                found.append(await asyncpg.connect(server.dsn(), timeout=SECONDS))
        except asyncpg.TooManyConnectionsError:
            return found

    with asyncio.Runner() as runner:
        held = runner.run(hogs())
        result = CliRunner().invoke(app, ["migrate"], env={"GATEWAY_DATABASE_URL": server.dsn().replace("sslmode=disable", change)})

        async def let_go() -> None:
            for connection in held:
                connection.terminate()

        runner.run(let_go())

    assert result.exit_code == code, result.stderr
    assert re.search(words, result.stderr), result.stderr
    assert len(result.stderr.splitlines()) == 1
