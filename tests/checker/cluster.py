"""What a run is made of: a Postgres with its standby, a bus, and gateway replicas, each behind proxies that can fail.

Owns starting and ending them, and the addresses. Must not decide what fails: that is `nemesis`. Everything that blocks is called through
threads, for servers on one thread that lives as long as the run: the kernel ends them with the thread that started them.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self, TypeVar
from uuid import UUID

import asyncpg

from gateway.auth.development import DevelopmentKeys
from tests.proxy import Proxy
from tests.running import Gateway
from tests.servers import NatsServer, PostgresServer, Server, ValkeyServer, place_for_servers

__all__ = ["Cluster", "Replica"]

T = TypeVar("T")
_DURABLE = {
    "fsync": "on",
    "synchronous_commit": "on",
    "max_connections": "100",
    "wal_retrieve_retry_interval": "200ms",
    "wal_receiver_timeout": "5s",
    "hot_standby_feedback": "on",
    "restart_after_crash": "on",
}
_LAUNCHER = "#!{python}\nimport sys\nsys.path.insert(0, {checkout!r})\nfrom tests.checker.launch import main\nmain()\n"
CHECKOUT = Path(__file__).parents[2]


@dataclass
class Replica:
    """One gateway process; clients reach it directly or through `front`, it reaches Postgres through `back`."""

    name: str
    gateway: Gateway
    back: Proxy
    front: Proxy
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held by a fault that kills or freezes it, so that no second one starts what the first will start."""

    def address(self, *, proxied: bool = False) -> str:
        """Host and port for clients."""
        return f"127.0.0.1:{self.front.port if proxied else self.gateway.port}"


class Cluster:
    """Everything a run needs; an async context manager."""

    def __init__(self, place: Path, *, replicas: int, bus: str, standby: bool, bug: str | None, settings: Mapping[str, str]) -> None:
        """`place`: where keys and logs go; `settings`: GATEWAY_ variables of every replica."""
        self.place = place
        self.bus_kind = bus
        self.replicas: list[Replica] = []
        self.postgres: PostgresServer
        """The primary: after `promote` the former standby."""
        self.standby: PostgresServer | None = None
        self.bus: Server | None = None
        self.side = Proxy(0)
        """To the primary, for the checker's own bell: it never fails, and leads to the standby after `promote`."""
        self.bus_lock = asyncio.Lock()
        self.postgres_lock = asyncio.Lock()
        self._count = replicas
        self._wants_standby = standby
        self._bug = bug
        self._settings = settings
        self._places: list[Path] = []
        self._thread = ThreadPoolExecutor(1, "servers")

    async def do(self, call: Callable[..., T], *arguments: Any) -> T:
        """Call something that blocks."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, call, *arguments)

    async def __aenter__(self) -> Self:
        """Start everything."""
        try:
            await self._start()
        except BaseException:
            await self.stop()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        """End everything, whatever state it is in."""
        await self.stop()

    # Addresses

    def dsn(self) -> str:
        """The primary, past the proxies."""
        return self.postgres.dsn("gateway")

    @property
    def bus_url(self) -> str:
        """What GATEWAY_BUS says."""
        return "postgres" if self.bus is None else self.bus.url  # type: ignore[attr-defined]

    @property
    def keys(self) -> DevelopmentKeys:
        """What tokens and cursors are made with."""
        return DevelopmentKeys.open(self.place / "data")

    async def workspace(self) -> UUID:
        """The id of the workspace that development tokens are for."""
        connection = await asyncpg.connect(self.dsn())
        try:
            found: UUID = await connection.fetchval("SELECT id FROM workspace WHERE key = 'demo'")
            return found
        finally:
            await connection.close()

    # Replicas

    async def start_replica(self, replica: Replica, patience: float = 40.0) -> None:
        """Start a replica that does not run; while its database is away, again."""
        until = asyncio.get_running_loop().time() + patience
        while True:
            try:
                await asyncio.to_thread(replica.gateway.start)
                return
            except AssertionError:
                await asyncio.to_thread(_reap, replica.gateway)
                if asyncio.get_running_loop().time() > until:
                    raise
                await asyncio.sleep(0.2)

    async def kill_replica(self, replica: Replica, number: signal.Signals = signal.SIGKILL) -> int | None:
        """End a replica; its exit status, None when it ran no more."""
        if replica.gateway.process is None:
            return None
        ending = replica.gateway.kill if number is signal.SIGKILL else replica.gateway.stop
        return await asyncio.to_thread(ending)

    # Postgres

    async def await_postgres(self, patience: float = 30.0) -> None:
        """Return when the primary answers queries."""
        until = asyncio.get_running_loop().time() + patience
        while True:
            try:
                connection = await asyncpg.connect(self.dsn(), timeout=2)
                await connection.close()
                return
            except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
                if asyncio.get_running_loop().time() > until:
                    raise
                await asyncio.sleep(0.05)

    async def await_standby(self, patience: float = 15.0) -> bool:
        """Whether the standby streams and has everything, so that nothing that anybody saw can be lost with the primary."""
        until = asyncio.get_running_loop().time() + patience
        while asyncio.get_running_loop().time() < until:
            with contextlib.suppress(OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
                connection = await asyncpg.connect(self.dsn(), timeout=2)
                try:
                    if await connection.fetchval(
                        "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming' AND sync_state = 'sync'"
                    ):
                        return True
                finally:
                    await connection.close()
            await asyncio.sleep(0.1)
        return False

    async def promote(self) -> None:
        """The primary dies, the standby takes over, and the proxies lead there."""
        assert self.standby is not None
        old, new = self.postgres, self.standby
        self.postgres, self.standby = new, None
        await self.do(old.stop, signal.SIGQUIT)
        await self.do(new.promote)
        for proxy in (self.side, *(replica.back for replica in self.replicas)):
            proxy.target = new.port
            proxy.cut()

    async def stop(self) -> None:
        """End everything."""
        for replica in self.replicas:
            replica.back.resume()
            if replica.gateway.process is not None:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(replica.gateway.pid, signal.SIGCONT)
                await asyncio.to_thread(replica.gateway.kill)
            for proxy in (replica.front, replica.back):
                await proxy.stop()
        await self.side.stop()
        for server in (getattr(self, "postgres", None), self.standby, self.bus):
            if server is not None:
                try:
                    await self.do(server.stop)  # not killed: Postgres would leave its shared memory behind
                except (OSError, subprocess.TimeoutExpired):
                    await self.do(server.kill)
        for place in self._places:
            shutil.rmtree(place, ignore_errors=True)
        self._thread.shutdown(wait=False)

    # Beginning

    async def _start(self) -> None:
        self.postgres = await self.do(self._new_postgres)
        await self.do(self.postgres.make)
        await self.do(self.postgres.start)
        connection = await asyncpg.connect(self.postgres.dsn())
        await connection.execute("CREATE DATABASE gateway")
        await connection.close()
        if self._wants_standby:
            self.standby = await self.do(self._new_standby)
            await self.do(self.standby.start)
            connection = await asyncpg.connect(self.dsn())
            await connection.execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
            await connection.execute("SELECT pg_reload_conf()")
            await connection.close()
        self.side.target = self.postgres.port
        await self.side.start()
        if self.bus_kind != "postgres":
            self.bus = ValkeyServer() if self.bus_kind == "valkey" else NatsServer()
            await self.do(self.bus.start)
        command = self._command()
        (self.place / "data").mkdir(exist_ok=True)
        for number in range(self._count):
            back, front = Proxy(self.postgres.port), Proxy(0)
            await back.start()
            await front.start()
            environment = {
                **self._settings,
                "GATEWAY_DATABASE_URL": self.postgres.dsn("gateway", back.port),
                "GATEWAY_BUS": self.bus_url,
                "CHECKER_BUG": self._bug or "",
            }
            replica = Replica(f"replica-{number}", Gateway(command, self.place / "data", environment=environment), back, front)
            self.replicas.append(replica)
        first, *others = self.replicas  # the first one migrates
        await self.start_replica(first)
        await asyncio.gather(*(self.start_replica(replica) for replica in others))
        for replica in self.replicas:
            replica.front.target = replica.gateway.port

    def _new_postgres(self) -> PostgresServer:
        self._places.append(place_for_servers())
        return PostgresServer(self._places[-1], **_DURABLE)

    def _new_standby(self) -> PostgresServer:
        self._places.append(place_for_servers())
        return self.postgres.standby(self._places[-1], **_DURABLE)

    def _command(self) -> Path:
        if self._bug is None:
            return Path(sys.executable).with_name("profile-gateway")
        script = self.place / "gateway-with-a-bug"
        script.write_text(_LAUNCHER.format(python=sys.executable, checkout=str(CHECKOUT)))
        script.chmod(0o755)
        return script


def _reap(gateway: Gateway) -> None:
    if gateway.process is not None:
        gateway.process.kill()
        gateway.process.wait()
        gateway.process = None
