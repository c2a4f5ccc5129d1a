"""The embedded Postgres: a real server for people who have none, as a child that lives exactly as long as this process.

Owns the server's life: start, readiness, stop, and the promise that a SIGKILL of the gateway leaves no server behind and loses nothing that
was acknowledged. Local only: one Unix socket in a private directory, no network. Must not know a table. Called by `app` and `cli`.

    <data_dir>/lock            held by the owner for its whole life      <data_dir>/postgres/       the cluster
    <data_dir>/postgres.json   where the server is, once it is ready     <data_dir>/postgres.log    what it said

Linux ends the server when the thread that started it ends, however it ends: start it from the main thread. Elsewhere the server of a
gateway that was killed goes on until the next start on the same directory, which ends it first.
"""

from __future__ import annotations

import asyncio
import atexit
import json
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import IO, Self
from urllib.parse import quote

import asyncpg

from gateway.errors import ConfigurationError
from gateway.storage.cluster import Claim, create_cluster, exit_status, failure, remove_sockets, server_account
from gateway.storage.programs import PORT, Programs, find_programs, private_place

__all__ = ["EmbeddedPostgres", "running_dsn"]

_SETTINGS = {
    "max_connections": "100",
    "shared_buffers": "128MB",
    "max_prepared_transactions": "0",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_min_messages": "warning",
}
_READY_SECONDS = 30.0
_RECOVERY_SECONDS = 300.0
"""For a server that answers that it is starting up: replaying the log after a crash takes as long as it takes."""

_MEMORY_SECONDS = 15.0
"""How long the processes of a killed server may take to notice and let go of the cluster."""

_STOP = ((signal.SIGINT, 20.0), (signal.SIGQUIT, 5.0), (signal.SIGKILL, 5.0))
"""Fast shutdown, then immediate shutdown (the next start recovers), then the end; each with its seconds. All keep what was committed."""

_NOT_READY = (OSError, asyncpg.PostgresConnectionError, asyncpg.CannotConnectNowError, asyncpg.InterfaceError)


class EmbeddedPostgres:
    """A Postgres server that lives exactly as long as this process; also an async context manager that stops it."""

    def __init__(self, data_dir: Path, dsn: str, process: subprocess.Popen[bytes], cleanup: ExitStack) -> None:
        self.data_dir = data_dir
        self.dsn = dsn
        """asyncpg's DSN over the Unix socket, database `gateway`."""
        self._process = process
        self._cleanup = cleanup
        self._stopping: asyncio.Task[None] | None = None

    @classmethod
    async def start(cls, data_dir: Path, settings: Mapping[str, str] | None = None) -> EmbeddedPostgres:
        """Start the server on this directory, making directory, cluster and database the first time; it answers queries on return.

        `settings` are Postgres settings on top of ours (tests turn `fsync` off).

        Raises:
            ConfigurationError: no Postgres programs, directory in use or unusable, or the server does not come up; says what to do next.
        """
        try:
            with ExitStack() as cleanup:
                claim = Claim.take(data_dir)
                data_dir = claim.data_dir
                cleanup.callback(claim.release)
                await claim.settle()
                account = server_account(claim.cluster)
                programs = await asyncio.to_thread(find_programs, account)
                socket_directory = Path(tempfile.mkdtemp(prefix="gateway-", dir=private_place(account)))
                cleanup.callback(remove_sockets, socket_directory)
                claim.record(socket_directory)
                if account:
                    os.chown(socket_directory, account.uid, account.gid)
                log = cleanup.enter_context(_open_log(data_dir / "postgres.log"))
                await create_cluster(programs, claim.cluster, log)
                process = await _launch(programs, claim.cluster, socket_directory, {**_SETTINGS, **(settings or {})}, log, cleanup)
                cleanup.callback((data_dir / "postgres.json").unlink, missing_ok=True)
                _announce(data_dir, process.pid, socket_directory)
                return cls(data_dir, _dsn(socket_directory), process, cleanup.pop_all())
        except (OSError, asyncpg.PostgresError) as error:
            raise ConfigurationError(
                f"The embedded Postgres cannot use {data_dir} ({error}): choose another GATEWAY_DATA_DIR, or set GATEWAY_DATABASE_URL."
            ) from error

    @property
    def pid(self) -> int:
        """The server's main process."""
        return self._process.pid

    async def stop(self) -> None:
        """End the server and give the directory back: open transactions are rolled back, 30 seconds at most. Again is harmless."""
        if self._stopping is None:
            self._stopping = asyncio.create_task(self._stop(), name="embedded-postgres-stop")
        await asyncio.shield(self._stopping)  # a caller who loses patience must not leave it half done

    async def _stop(self) -> None:
        for ask, seconds in _STOP:
            self._process.send_signal(ask)
            if await exit_status(self._process, seconds) is not None:
                break
        self._cleanup.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.stop()


async def running_dsn(data_dir: Path) -> str | None:
    """DSN of the server that a gateway runs on this directory right now, or None: for commands that work beside a running gateway.

    Raises:
        ConfigurationError: the directory belongs to another user.
    """
    try:
        dsn = _dsn(Path(json.loads((data_dir / "postgres.json").read_bytes())["socket_dir"]))
        await (await asyncpg.connect(dsn, timeout=5)).close()
    except asyncpg.TooManyConnectionsError:
        return dsn
    except PermissionError as error:
        raise ConfigurationError(f"The Postgres in {data_dir} belongs to another user: run this command as that user.") from error
    except (*_NOT_READY, asyncpg.InvalidCatalogNameError, ValueError, KeyError):
        return None
    return dsn


async def _launch(
    programs: Programs, cluster: Path, socket_directory: Path, settings: Mapping[str, str], log: IO[bytes], cleanup: ExitStack
) -> subprocess.Popen[bytes]:
    """Start the server and wait until it answers; try again while processes of a killed predecessor still hold its shared memory."""
    options = {**settings, "listen_addresses": "", "unix_socket_directories": str(socket_directory), "port": PORT}
    arguments = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
    began = time.monotonic()
    while True:
        said_before = os.fstat(log.fileno()).st_size
        process = programs.spawn("postgres", cluster, *arguments, output=log)
        with ExitStack() as undo:
            undo.callback(_end_now, process)
            # where the kernel does not tell the child that we are gone, at least a normal exit does
            undo.callback(atexit.unregister, atexit.register(process.send_signal, signal.SIGINT))
            if await _ready(process, socket_directory):
                cleanup.push(undo.pop_all())
                return process
        failed = failure("The embedded Postgres did not start", log, said_before)
        if "is still in use" not in str(failed.__cause__) or time.monotonic() - began > _MEMORY_SECONDS:
            raise failed
        await asyncio.sleep(0.1)


async def _ready(process: subprocess.Popen[bytes], socket_directory: Path) -> bool:
    """Poll until the server answers, with the database in place (True), or has ended or is too slow (False)."""
    began = time.monotonic()
    patience = _READY_SECONDS
    while process.poll() is None and time.monotonic() - began < patience:
        try:
            connection = await asyncpg.connect(_dsn(socket_directory, "postgres"), timeout=5)
        except asyncpg.CannotConnectNowError:
            patience = _RECOVERY_SECONDS
        except _NOT_READY:
            pass
        else:
            try:
                if not await connection.fetchval("SELECT true FROM pg_database WHERE datname = 'gateway'"):
                    await connection.execute("CREATE DATABASE gateway")
            finally:
                await connection.close()
            return True
        await asyncio.sleep(0.01)
    return False


def _end_now(process: subprocess.Popen[bytes]) -> None:
    """The last resort of a start that failed and the no-op after a stop; an immediate shutdown takes milliseconds."""
    for ask in (signal.SIGQUIT, signal.SIGKILL):
        process.send_signal(ask)  # nothing is sent to a process that has ended
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            continue
        return


def _announce(data_dir: Path, pid: int, socket_directory: Path) -> None:
    fresh = data_dir / "postgres.json.new"
    fresh.write_text(json.dumps({"pid": pid, "socket_dir": str(socket_directory)}) + "\n")
    fresh.replace(data_dir / "postgres.json")


def _dsn(socket_directory: Path, database: str = "gateway") -> str:
    return f"postgresql:///{database}?host={quote(str(socket_directory))}&port={PORT}&user=gateway&sslmode=disable"


def _open_log(log: Path) -> IO[bytes]:
    log.touch(mode=0o600)
    return log.open("ab")
