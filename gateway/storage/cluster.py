"""The data directory of the embedded Postgres: who may use it, what a dead owner left behind, and the cluster inside.

Owns `lock` (held by one process for its whole life, naming it and its socket directory) and `postgres/` (made once, moved into place only
when complete). Must not run the server. Called by `embedded`.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import IO

from gateway.errors import ConfigurationError
from gateway.storage.programs import DESCRIPTORS, SOCKET, Account, Programs

__all__ = ["Claim", "create_cluster", "exit_status", "failure", "remove_sockets", "server_account"]

_UNFINISHED = "postgres.new-"
_BUILTIN_LOCALE_SINCE = 17
_SETTLE_SECONDS = 15.0
_IMMEDIATE_AFTER = 10.0
_ATTEMPTS = 60
"""Times a directory that an interrupted initdb left is removed before it is left lying: three seconds."""


class Claim:
    """The right to use a data directory, held by one process at a time and given back by the kernel when it dies."""

    def __init__(self, data_dir: Path, lock: int, left_behind: str) -> None:
        self.data_dir = data_dir
        self.cluster = data_dir / "postgres"
        self._lock = lock
        self._left_behind = left_behind
        self._recorded = False

    @classmethod
    def take(cls, data_dir: Path) -> Claim:
        """Make the directory if need be and lock it.

        Raises:
            ConfigurationError: another process has it.
        """
        data_dir = data_dir.absolute()
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(data_dir / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            pid = _words(lock)[0] or "unknown"
            os.close(lock)
            if not isinstance(error, BlockingIOError):
                raise
            raise ConfigurationError(
                f"Another gateway (pid {pid}) is using {data_dir}: stop it, or give this one a directory of its own with "
                "GATEWAY_DATA_DIR. Several gateways share one database with GATEWAY_DATABASE_URL."
            ) from None
        return cls(data_dir, lock, _words(lock)[1])

    def record(self, socket_directory: Path) -> None:
        """Leave word for the next owner, in case this one is killed: which server to end and what to clear away."""
        os.ftruncate(self._lock, 0)
        os.pwrite(self._lock, f"{os.getpid()}\n{socket_directory}\n".encode(), 0)
        self._recorded = True

    def release(self) -> None:
        """Give the directory back; the file stays, since removing a lock that another process may be opening breaks it."""
        if self._recorded:  # otherwise it still speaks of a predecessor that we could not settle with
            os.ftruncate(self._lock, 0)
        os.close(self._lock)

    async def settle(self) -> None:
        """Wait until the server of a killed owner is gone, and clear its traces away.

        On Linux that server is already shutting down. Elsewhere nobody told it, so it is told here: that is when a server that outlived
        its gateway ends.

        Raises:
            ConfigurationError: it is still there after 15 seconds.
        """
        pid_file = self.cluster / "postmaster.pid"
        began = time.monotonic()
        asked: set[signal.Signals] = set()
        while (pid := _postmaster(pid_file)) is not None and (command := _command_line(pid)) is not None:
            if not self._left_behind or f"unix_socket_directories={self._left_behind}" not in command:
                if "postgres" not in command:  # the number now belongs to something else, which would keep Postgres from starting
                    pid_file.unlink(missing_ok=True)
                break
            waited = time.monotonic() - began
            if waited > _SETTLE_SECONDS:
                raise ConfigurationError(f"The Postgres of an earlier gateway (pid {pid}) does not end: kill it with kill -QUIT {pid}.")
            ask = signal.SIGINT if waited < _IMMEDIATE_AFTER else signal.SIGQUIT
            if ask not in asked:
                asked.add(ask)
                os.kill(pid, ask)
            await asyncio.sleep(0.02)
        if self._left_behind:
            remove_sockets(Path(self._left_behind))
        for unfinished in self.data_dir.glob(f"{_UNFINISHED}*"):
            for _ in range(_ATTEMPTS):  # its initdb may still be writing, or clearing away itself
                await asyncio.to_thread(shutil.rmtree, unfinished, ignore_errors=True)
                if not unfinished.exists():
                    break
                await asyncio.sleep(0.05)


def server_account(cluster: Path) -> Account | None:
    """Whom the server runs as: ourselves, or when we are root the owner of the cluster, `nobody` for a new one.

    Raises:
        ConfigurationError: the cluster belongs to another user, or there is nobody to become.
    """
    us = os.geteuid()
    status = cluster.stat() if cluster.exists() else None
    if us != 0:
        if status and status.st_uid != us:
            raise ConfigurationError(
                f"{cluster} belongs to user {status.st_uid}, who alone may run its server: start as that user, or as root."
            )
        return None
    if not Path(DESCRIPTORS).exists():
        raise ConfigurationError("On this platform the embedded Postgres does not run for root: start the gateway as another user.")
    if status and status.st_uid != 0:
        return Account(status.st_uid, status.st_gid)
    try:
        nobody = pwd.getpwnam("nobody")
    except KeyError:
        raise ConfigurationError(
            "Postgres refuses to run as root and there is no user nobody: start the gateway as another user."
        ) from None
    return Account(nobody.pw_uid, nobody.pw_gid)


async def create_cluster(programs: Programs, cluster: Path, log: IO[bytes]) -> None:
    """Run initdb unless it was done: superuser `gateway`, UTF-8, code-point order, page checksums; only a complete one is moved into place.

    Raises:
        ConfigurationError: initdb failed (the log says why), or the cluster was made by another major version.
    """
    if _is_made(cluster, programs.major):
        return
    # a name of its own: an initdb whose gateway was killed may still be clearing away what it began
    fresh = Path(tempfile.mkdtemp(prefix=_UNFINISHED, dir=cluster.parent))
    if programs.account:
        os.chown(fresh, programs.account.uid, programs.account.gid)
    said_before = os.fstat(log.fileno()).st_size
    locale = ("--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C")
    initdb = programs.spawn(
        "initdb",
        fresh,
        "--username=gateway",
        "--auth=trust",  # there is only the socket, and its directory lets nobody else in
        "--encoding=UTF8",
        *(locale if programs.major >= _BUILTIN_LOCALE_SINCE else ("--locale=C.UTF-8",)),
        "--data-checksums",
        "--no-instructions",
        output=log,
    )
    try:
        failed = await exit_status(initdb)
    except asyncio.CancelledError:
        initdb.kill()
        initdb.wait()
        raise
    if failed:
        raise failure("Postgres could not make its data directory", log, said_before)
    await asyncio.to_thread(fresh.rename, cluster)  # takes the place of an empty directory, never of a full one


async def exit_status(process: subprocess.Popen[bytes], seconds: float | None = None) -> int | None:
    """Wait for a child to end without blocking the loop; None when it has not after so many seconds."""
    began = time.monotonic()
    while process.poll() is None:
        if seconds is not None and time.monotonic() - began > seconds:
            return None
        await asyncio.sleep(0.005)
    return process.returncode


def failure(what: str, log: IO[bytes], start: int) -> ConfigurationError:
    """The error of a child that failed, with its last words since the log had `start` bytes: one line to show, twenty as the cause."""
    with Path(log.name).open("rb") as file:
        file.seek(start)
        lines = file.read().decode(errors="replace").splitlines()
    error = ConfigurationError(f"{what}; its log is {log.name}. It ended with: {lines[-1] if lines else 'nothing'}")
    error.__cause__ = RuntimeError("\n".join(lines[-20:]))
    return error


def _is_made(cluster: Path, major: int) -> bool:
    made_by = cluster / "PG_VERSION"
    if made_by.exists():
        if (made := made_by.read_text().strip()) != str(major):
            raise ConfigurationError(
                f"{cluster} was made by Postgres {made} and this is Postgres {major}: dump and restore it, or start afresh with another "
                "GATEWAY_DATA_DIR."
            )
        return True
    if cluster.exists() and any(cluster.iterdir()):
        raise ConfigurationError(f"{cluster} holds something other than a Postgres cluster: move it away, or set another GATEWAY_DATA_DIR.")
    return False


def remove_sockets(directory: Path) -> None:
    """Remove a server's socket directory, by the names of what it holds: the path may come from a file that others wrote."""
    with suppress(OSError):  # what cannot be removed harms nobody
        for name in (SOCKET, f"{SOCKET}.lock"):
            (directory / name).unlink(missing_ok=True)
        directory.rmdir()


def _words(lock: int) -> tuple[str, str]:
    """What the owner of a lock file recorded: its process id and its server's socket directory."""
    pid, _, socket_directory = os.pread(lock, 4096, 0).decode(errors="replace").strip().partition("\n")
    return pid, socket_directory


def _postmaster(pid_file: Path) -> int | None:
    try:
        return int(pid_file.read_text().partition("\n")[0])
    except (FileNotFoundError, ValueError):
        return None


def _command_line(pid: int) -> str | None:
    """How a process was started: None when there is no such process, empty when it is dead but not yet reaped."""
    if sys.platform == "linux":
        try:
            return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            return None
    ran = subprocess.run(["/bin/ps", "-ww", "-o", "command=", "-p", str(pid)], capture_output=True, text=True, check=False)  # noqa: S603
    return ran.stdout if ran.returncode == 0 else None
