"""The embedded server's life, against the real one: start, stop, kill, another owner, another user."""

from __future__ import annotations

import asyncio
import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from gateway.errors import ConfigurationError
from gateway.storage import cluster, embedded
from gateway.storage.embedded import EmbeddedPostgres, running_dsn
from gateway.storage.programs import Account, Programs

__all__: list[str] = []

FAST = {"fsync": "off"}
ROOT = os.geteuid() == 0
needs_root = pytest.mark.skipif(not ROOT, reason="only root can give up being root")

OWNER = """
import asyncio, os, sys
from pathlib import Path
from gateway.storage.embedded import EmbeddedPostgres

async def main():
    server = await EmbeddedPostgres.start(Path(sys.argv[1]))
    print(server.pid, server.dsn, flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await server.stop()

asyncio.run(asyncio.to_thread(int))  # what Python imports late it imports now, while it can still read everything
exec(sys.argv[2])
asyncio.run(main())
"""
"""A process that owns a server until its standard input ends; the second argument is run first."""


class Owner:
    """A gateway in another process, as far as its database goes."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.server_pid = 0
        self.dsn = ""

    async def ready(self) -> Owner:
        """Wait until the server of that process answers."""
        assert self.process.stdout
        line = await asyncio.wait_for(self.process.stdout.readline(), 20)
        pid, self.dsn = line.decode().split()
        self.server_pid = int(pid)
        return self

    async def kill(self) -> None:
        """End that process, and nothing else, by SIGKILL."""
        self.process.kill()
        await self.process.wait()


@asynccontextmanager
async def an_owner(data_dir: Path, first: str = "") -> AsyncIterator[Owner]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", OWNER, data_dir, first, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        yield Owner(process)
    finally:
        if process.returncode is None:
            assert process.stdin
            process.stdin.close()
            await asyncio.wait_for(process.wait(), 20)


async def until(condition: Callable[[], bool], seconds: float = 20) -> None:
    """Wait for something outside this process, which sends no event."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.005)


def user_of(pid: int) -> int:
    """The user a process runs as."""
    return Path(f"/proc/{pid}").stat().st_uid


def names(directory: Path) -> list[str]:
    """What is in a directory."""
    return sorted(path.name for path in directory.iterdir())


def mode(path: Path) -> int:
    """Permission bits."""
    return stat.S_IMODE(path.stat().st_mode)


def gone(pid: int) -> bool:
    """Whether a process has ended; one that nobody has reaped yet has."""
    try:
        return (Path("/proc") / str(pid) / "cmdline").read_bytes() == b""
    except (FileNotFoundError, ProcessLookupError):
        return True


async def run(dsn: str, *statements: str) -> object:
    """Execute statements, each committed by itself; the value of the last."""
    connection = await asyncpg.connect(dsn, timeout=10)
    try:
        for statement in statements[:-1]:
            await connection.execute(statement)
        return await connection.fetchval(statements[-1])
    finally:
        await connection.close()


@pytest.fixture(name="open_dir")
def _open_dir() -> Iterator[Path]:
    """A directory that every user can enter; pytest's own are closed."""
    directory = Path(tempfile.mkdtemp(prefix="open-"))
    directory.chmod(0o755)
    yield directory
    shutil.rmtree(directory)


async def test_data_survives_a_restart(tmp_path: Path) -> None:
    """What was committed before stop() is there after the next start(), and the second start makes no new cluster."""
    async with await EmbeddedPostgres.start(tmp_path) as server:
        await run(server.dsn, "CREATE TABLE kept (v int)", "INSERT INTO kept VALUES (42)")
        born = (tmp_path / "postgres" / "PG_VERSION").stat().st_ino
    async with await EmbeddedPostgres.start(tmp_path) as server:
        assert await run(server.dsn, "SELECT v FROM kept") == 42
        assert (tmp_path / "postgres" / "PG_VERSION").stat().st_ino == born


async def test_stop_leaves_nothing_behind(tmp_path: Path) -> None:
    """After stop(), called twice at once and once more, there is no process, no socket directory, no postgres.json and no lock."""
    server = await EmbeddedPostgres.start(tmp_path, FAST)
    socket_directory = Path(str(await run(server.dsn, "SHOW unix_socket_directories")))
    assert mode(socket_directory) == 0o700
    assert (tmp_path / "postgres.json").exists()
    await asyncio.gather(server.stop(), server.stop())
    await server.stop()

    assert gone(server.pid)
    assert socket_directory.name not in names(socket_directory.parent)
    assert names(tmp_path) == ["lock", "postgres", "postgres.log"]
    assert await running_dsn(tmp_path) is None
    await (await EmbeddedPostgres.start(tmp_path, FAST)).stop()


async def test_a_stop_goes_on_when_its_caller_gives_up(tmp_path: Path) -> None:
    """Cancelling stop() does not leave the server half stopped or the directory taken."""
    server = await EmbeddedPostgres.start(tmp_path, FAST)
    stopping = asyncio.create_task(server.stop())
    await asyncio.sleep(0)
    stopping.cancel()
    with pytest.raises(asyncio.CancelledError):
        await stopping
    await until(lambda: names(tmp_path) == ["lock", "postgres", "postgres.log"])
    await (await EmbeddedPostgres.start(tmp_path, FAST)).stop()


async def test_settings_and_locale(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server is local, durable, checksummed, sorts by code point, hears the caller's settings and knows none of our environment."""
    monkeypatch.setenv("GATEWAY_SECRET_KEYS", "do-not-tell")
    monkeypatch.setenv("PGPORT", "1")
    monkeypatch.setenv("PGSSLMODE", "verify-full")
    async with await EmbeddedPostgres.start(tmp_path, {"work_mem": "5MB"}) as server:
        shown = {
            name: await run(server.dsn, f"SHOW {name}")
            for name in ("listen_addresses", "fsync", "data_checksums", "work_mem", "TimeZone", "jit", "server_encoding")
        }
        assert shown == {
            "listen_addresses": "",
            "fsync": "on",
            "data_checksums": "on",
            "work_mem": "5MB",
            "TimeZone": "UTC",
            "jit": "off",
            "server_encoding": "UTF8",
        }
        order = await run(server.dsn, "SELECT string_agg(v, '' ORDER BY v) FROM unnest('{a,B,é,Z,z,-}'::text[]) v")
        assert order == "-BZazé"
        assert await run(server.dsn, "SELECT upper('é')") == "É"
        environment = await run(
            server.dsn, "CREATE TABLE e (v text)", "COPY e FROM PROGRAM 'env'", "SELECT count(*) FROM e WHERE v ~ 'do-not-tell'"
        )
        assert environment == 0


async def test_a_second_owner_is_refused(tmp_path: Path) -> None:
    """While one process owns the directory another is told who it is and what to do, and the first goes on undisturbed."""
    async with an_owner(tmp_path) as other:
        await other.ready()
        with pytest.raises(ConfigurationError, match=rf"\(pid {other.process.pid}\).*GATEWAY_DATA_DIR"):
            await EmbeddedPostgres.start(tmp_path)
        assert await run(other.dsn, "SELECT 1") == 1


async def test_running_dsn_from_another_process(tmp_path: Path) -> None:
    """running_dsn() is the address of another process's server while it runs, and None before, after and on nonsense."""
    assert await running_dsn(tmp_path) is None
    async with an_owner(tmp_path) as other:
        await other.ready()
        dsn = await running_dsn(tmp_path)
        assert dsn == other.dsn
        assert await run(dsn, "SELECT 1") == 1
    assert await running_dsn(tmp_path) is None
    (tmp_path / "postgres.json").write_text('{"socket_dir": "/nowhere"}')
    assert await running_dsn(tmp_path) is None
    (tmp_path / "postgres.json").write_text("{")
    assert await running_dsn(tmp_path) is None


async def test_running_dsn_of_a_full_server(tmp_path: Path) -> None:
    """A server with no connection left is running all the same."""
    async with await EmbeddedPostgres.start(tmp_path, {**FAST, "max_connections": "4", "max_wal_senders": "0"}) as server:
        taken = [await asyncpg.connect(server.dsn) for _ in range(4)]
        assert await running_dsn(tmp_path) == server.dsn
        for connection in taken:
            await connection.close()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends the children of a killed process")
async def test_a_killed_owner_leaves_no_server(tmp_path: Path) -> None:
    """SIGKILL of the owner ends its server by itself; the next start keeps what was committed and clears the socket."""
    async with an_owner(tmp_path) as other:
        await other.ready()
        await run(other.dsn, "CREATE TABLE kept (v int)", "INSERT INTO kept VALUES (1)")
        unfinished = await asyncpg.connect(other.dsn)
        await unfinished.execute("BEGIN")
        await unfinished.execute("INSERT INTO kept VALUES (2)")
        socket_directory = Path(str(await run(other.dsn, "SHOW unix_socket_directories")))
        await other.kill()
        await until(lambda: gone(other.server_pid))
        unfinished.terminate()
        assert await running_dsn(tmp_path) is None
    async with await EmbeddedPostgres.start(tmp_path) as server:
        assert await run(server.dsn, "SELECT sum(v) FROM kept") == 1
        assert socket_directory.name not in names(socket_directory.parent)


async def test_everything_killed_at_once(tmp_path: Path) -> None:
    """SIGKILL of owner and server together loses nothing committed, though the next start must wait for a backend that has not noticed."""
    async with an_owner(tmp_path) as other:
        await other.ready()
        await run(other.dsn, "CREATE TABLE kept (v int)", "INSERT INTO kept SELECT generate_series(1, 1000)")
        backend = await asyncpg.connect(other.dsn)
        backend_pid = await backend.fetchval("SELECT pg_backend_pid()")
        os.kill(backend_pid, signal.SIGSTOP)
        try:
            os.kill(other.server_pid, signal.SIGKILL)
            await other.kill()
            starting = asyncio.create_task(EmbeddedPostgres.start(tmp_path))
            await until(lambda: "is still in use" in (tmp_path / "postgres.log").read_text())
        finally:
            os.kill(backend_pid, signal.SIGCONT)
        async with await starting as server:
            assert await run(server.dsn, "SELECT count(*) FROM kept") == 1000
        backend.terminate()


async def test_a_server_that_outlived_its_owner_is_ended(tmp_path: Path) -> None:
    """Where the kernel sends no death signal, the next start ends the server of a killed owner first, and keeps its data."""
    unlinked = "from gateway.storage import programs; programs._die_with_parent = lambda: None"
    async with an_owner(tmp_path, unlinked) as other:
        await other.ready()
        await run(other.dsn, "CREATE TABLE kept (v int)", "INSERT INTO kept VALUES (42)")
        await other.kill()
        assert not gone(other.server_pid)
        assert await running_dsn(tmp_path) == other.dsn
        async with await EmbeddedPostgres.start(tmp_path) as server:
            assert gone(other.server_pid)
            assert await run(server.dsn, "SELECT v FROM kept") == 42


async def test_a_server_that_will_not_end_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A start that waits in vain for a killed owner's server says which process it is, and the next one still knows whom to end."""
    monkeypatch.setattr(cluster, "_SETTLE_SECONDS", 0.3)
    async with an_owner(tmp_path) as other:
        await other.ready()
        os.kill(other.server_pid, signal.SIGSTOP)
        await other.kill()
        try:
            with pytest.raises(ConfigurationError, match=f"kill -QUIT {other.server_pid}"):
                await EmbeddedPostgres.start(tmp_path)
        finally:
            os.kill(other.server_pid, signal.SIGCONT)
        monkeypatch.undo()
        async with await EmbeddedPostgres.start(tmp_path):
            assert gone(other.server_pid)


async def test_an_interrupted_initdb_is_redone(tmp_path: Path) -> None:
    """A cluster half made when its gateway was killed is thrown away and made again."""
    async with an_owner(tmp_path) as other:
        await until(lambda: any(tmp_path.glob("postgres.new-*/base/1/PG_VERSION")))
        await other.kill()
        assert not (tmp_path / "postgres").exists()
    async with await EmbeddedPostgres.start(tmp_path, FAST) as server:
        assert await run(server.dsn, "SELECT 1") == 1
    assert names(tmp_path) == ["lock", "postgres", "postgres.log"]


async def test_a_cancelled_start_can_be_repeated(tmp_path: Path) -> None:
    """Cancelling start() ends what it began and gives the directory back."""
    starting = asyncio.create_task(EmbeddedPostgres.start(tmp_path, FAST))
    await until(lambda: any(tmp_path.glob("postgres.new-*/global")))
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    await (await EmbeddedPostgres.start(tmp_path, FAST)).stop()


async def test_a_server_that_cannot_start_says_why(tmp_path: Path) -> None:
    """A server that exits during start() is reported at once with its last words and its log, and the directory is free again."""
    with pytest.raises(ConfigurationError, match=r"postgres\.log.*shared_buffers") as caught:
        await EmbeddedPostgres.start(tmp_path, {"shared_buffers": "much"})
    assert "shared_buffers" in str(caught.value.__cause__)
    await (await EmbeddedPostgres.start(tmp_path, FAST)).stop()


async def test_a_server_that_never_answers_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A start that runs out of patience leaves no child behind."""
    children: list[subprocess.Popen[bytes]] = []
    spawn = Programs.spawn

    def watched(*args: Any, **options: Any) -> subprocess.Popen[bytes]:
        children.append(spawn(*args, **options))
        return children[-1]

    monkeypatch.setattr(Programs, "spawn", watched)
    monkeypatch.setattr(embedded, "_READY_SECONDS", 0)
    with pytest.raises(ConfigurationError, match="did not start"):
        await EmbeddedPostgres.start(tmp_path, FAST)
    assert [child.returncode is None for child in children] == [False, False]


@needs_root
async def test_root_runs_below_a_closed_directory(tmp_path: Path) -> None:
    """As root the server is another user's process, though that user cannot enter the parents, whose modes stay as they were."""
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    async with await EmbeddedPostgres.start(closed / "data", FAST) as server:
        owner = user_of(server.pid)
        assert owner == (closed / "data" / "postgres").stat().st_uid != 0
        assert not Account(owner, -1).may_enter(closed)
        made = await run(server.dsn, "CREATE TABLE t (v text)", "INSERT INTO t VALUES ('x')", "SELECT v FROM t")
        assert made == "x"
        await run(server.dsn, "CHECKPOINT", "SELECT pg_reload_conf()")
    assert mode(closed) == 0o700
    assert closed.stat().st_uid == 0


@needs_root
async def test_an_ordinary_user_runs_it_too(open_dir: Path) -> None:
    """A process that is not root runs the server as itself, and SIGKILL of that process leaves no server either."""
    nobody = pwd.getpwnam("nobody")
    package = next(iter(sys.modules["asyncpg"].__path__))
    if not Account(nobody.pw_uid, nobody.pw_gid).may_enter(Path(package)):
        pytest.skip("the installed packages lie where the user nobody cannot read them")
    data_dir = open_dir / "data"
    data_dir.mkdir()
    os.chown(data_dir, nobody.pw_uid, nobody.pw_gid)
    become = f"os.setgroups([]); os.setgid({nobody.pw_gid}); os.setuid({nobody.pw_uid}); os.umask(0o077)"
    async with an_owner(data_dir, become) as other:
        await other.ready()
        assert user_of(other.server_pid) == nobody.pw_uid
        assert await run(other.dsn, "CREATE TABLE kept (v int)", "INSERT INTO kept VALUES (42)", "SELECT v FROM kept") == 42
        await other.kill()
        await until(lambda: gone(other.server_pid))
    async with await EmbeddedPostgres.start(data_dir, FAST) as server:  # and root takes over what that user began
        assert user_of(server.pid) == nobody.pw_uid
        assert await run(server.dsn, "SELECT v FROM kept") == 42


async def test_a_normal_exit_without_stop_ends_the_server(tmp_path: Path) -> None:
    """A process that forgets stop() and exits takes its server along, even where the kernel would not."""
    script = OWNER.replace("    await server.stop()\n", "")
    unlinked = "from gateway.storage import programs; programs._die_with_parent = lambda: None"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", script, tmp_path, unlinked, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE
    )
    said, _ = await asyncio.wait_for(process.communicate(), 20)
    await until(lambda: gone(int(said.split()[0])))
    await (await EmbeddedPostgres.start(tmp_path)).stop()  # also clears the socket directory away
