"""The nemesis: breaks one part after the other, and mends it again.

Owns the kinds of faults and their order: a shuffled deck, dealt anew when it is empty, so that a short run sees many kinds. Each fault is a
coroutine that returns when the part has been mended. Must not know what subscribers do. Started by `runner`.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import asyncpg

from tests.checker.bells import disturb, drop_listeners
from tests.checker.cluster import Replica
from tests.checker.world import World

__all__ = ["KINDS", "Nemesis"]

_MOST_AT_ONCE = 2


class Nemesis:
    """Breaks things while the run lasts."""

    def __init__(self, world: World, kinds: list[str], pause: tuple[float, float], calm: float) -> None:
        """`kinds`: of KINDS; `pause`: shortest and longest time between the beginnings of two faults, in seconds; `calm`: how long nothing is
        broken at the beginning and whenever every kind had its turn.
        """
        self.world = world
        self.cluster = world.cluster
        self.rng = world.random("nemesis")
        self._kinds = [kind for kind in kinds if kind != "promote"]
        self._pause = pause
        self._calm = calm
        self._under_way: set[asyncio.Task[None]] = set()
        self._numbers = 0

    async def run(self) -> None:
        """Break and mend until the run is over; returns when the last fault is mended."""
        deck: list[str] = []
        while self._kinds:
            if not deck:
                await self.mended()
                deck = self.rng.sample(self._kinds, len(self._kinds))
                if await self._over_within(self._calm):
                    break
            if await self._over_within(self.rng.uniform(*self._pause)):
                break
            if len(self._under_way) < _MOST_AT_ONCE:
                self.begin(deck.pop())
        await self.mended()

    def begin(self, kind: str) -> None:
        """Let a fault of this kind happen beside whatever else does."""
        self._numbers += 1
        task = asyncio.create_task(self._fault(kind, self._numbers), name=f"fault {kind}")
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def mended(self) -> None:
        """Return when no fault is under way."""
        while self._under_way:
            await asyncio.wait(self._under_way)

    async def _over_within(self, seconds: float) -> bool:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.world.over.wait()
        return self.world.over.is_set()

    async def _fault(self, kind: str, number: int) -> None:
        rng = self.world.random(f"nemesis:{number}")
        say = self.world.history.add
        held = [False]

        def begun(target: str) -> None:
            held[0] = True
            say("nemesis", "fault", phase="begin", kind=kind, number=number, target=target)

        try:
            await KINDS[kind](self.world, rng, begun)
        except Exception as error:  # noqa: BLE001  # it hit something that another fault had broken, in whatever driver
            say("nemesis", "fault", phase="missed", kind=kind, number=number, why=f"{type(error).__name__}: {error}")
        finally:
            if held[0]:
                say("nemesis", "fault", phase="end", kind=kind, number=number)


Begun = Callable[[str], None]


@asynccontextmanager
async def _one_replica(world: World, rng: random.Random) -> AsyncIterator[Replica]:
    """A replica that nothing else breaks meanwhile."""
    free = [replica for replica in world.cluster.replicas if not replica.lock.locked()] or world.cluster.replicas
    replica = rng.choice(free)
    async with replica.lock:
        yield replica


# Replicas


async def _replica_kill(world: World, rng: random.Random, begun: Begun) -> None:
    async with _one_replica(world, rng) as replica:
        begun(replica.name)
        await world.cluster.kill_replica(replica)
        await asyncio.sleep(rng.uniform(0, 1.5))
        await world.cluster.start_replica(replica)


async def _replica_freeze(world: World, rng: random.Random, begun: Begun) -> None:
    async with _one_replica(world, rng) as replica:
        begun(replica.name)
        os.kill(replica.gateway.pid, signal.SIGSTOP)
        await asyncio.sleep(rng.uniform(1, 3))
        os.kill(replica.gateway.pid, signal.SIGCONT)


async def _replica_drain(world: World, rng: random.Random, begun: Begun) -> None:
    async with _one_replica(world, rng) as replica:
        begun(replica.name)
        await _restart(world, replica)


async def _rolling_restart(world: World, rng: random.Random, begun: Begun) -> None:
    begun("all")
    for replica in world.cluster.replicas:
        async with replica.lock:
            await _restart(world, replica)


async def _restart(world: World, replica: Replica) -> None:
    status = await world.cluster.kill_replica(replica, signal.SIGTERM)
    world.history.add("nemesis", "exit", target=replica.name, status=status)
    await world.cluster.start_replica(replica)


# Postgres


async def _backend_kill(world: World, rng: random.Random, begun: Begun) -> None:
    async with world.cluster.postgres_lock:
        connection = await asyncpg.connect(world.cluster.dsn(), timeout=3)
        pids = await connection.fetch("SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()")
        connection.terminate()
        begun("a backend")
        os.kill(rng.choice(pids)[0], signal.SIGKILL)
        await asyncio.sleep(0.1)
        await world.cluster.await_postgres()


async def _backend_terminate(world: World, rng: random.Random, begun: Begun) -> None:
    connection = await asyncpg.connect(world.cluster.dsn(), timeout=3)
    begun("half of the backends")
    await connection.fetch(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() AND random() < 0.5"
    )
    connection.terminate()


async def _backends_freeze(world: World, rng: random.Random, begun: Begun) -> None:
    async with world.cluster.postgres_lock:
        server = world.cluster.postgres
        begun("all processes")
        server.freeze()
        await asyncio.sleep(rng.uniform(1, 2))
        server.thaw()


async def _postmaster_freeze(world: World, rng: random.Random, begun: Begun) -> None:
    async with world.cluster.postgres_lock:
        server = world.cluster.postgres
        begun("main process")
        server.freeze_main()
        await asyncio.sleep(rng.uniform(1, 3))
        server.thaw()


async def _postgres_crash(world: World, rng: random.Random, begun: Begun) -> None:
    async with world.cluster.postgres_lock:
        server = world.cluster.postgres
        begun("the server")
        await world.cluster.do(server.stop, signal.SIGQUIT)
        await asyncio.sleep(rng.uniform(0, 1))
        await world.cluster.do(server.start)


async def _standby_freeze(world: World, rng: random.Random, begun: Begun) -> None:
    async with world.cluster.postgres_lock:
        server = world.cluster.standby
        if server is None:
            return
        begun("the standby")
        server.freeze()
        await asyncio.sleep(rng.uniform(1, 2))
        server.thaw()


async def _promote(world: World, rng: random.Random, begun: Begun) -> None:
    cluster = world.cluster
    async with cluster.postgres_lock:
        if cluster.standby is None or not await cluster.await_standby():
            return
        begun("the standby")
        await cluster.promote()
        await cluster.await_postgres()


# The way to the database


def _some(world: World, rng: random.Random) -> list[Replica]:
    return world.cluster.replicas if rng.random() < 0.4 else [world.replica(rng)]


def _names(replicas: list[Replica]) -> str:
    return " ".join(replica.name for replica in replicas)


async def _database_cut(world: World, rng: random.Random, begun: Begun) -> None:
    replicas = _some(world, rng)
    begun(_names(replicas))
    for replica in replicas:
        replica.back.cut()


async def _database_hole(world: World, rng: random.Random, begun: Begun) -> None:
    replicas = _some(world, rng)
    begun(_names(replicas))
    for replica in replicas:
        replica.back.hold()
    await asyncio.sleep(rng.uniform(2, 4))
    for replica in replicas:
        replica.back.resume()


async def _database_slow(world: World, rng: random.Random, begun: Begun) -> None:
    replicas = _some(world, rng)
    begun(_names(replicas))
    for replica in replicas:
        replica.back.delay = rng.uniform(0.02, 0.1)
    await asyncio.sleep(rng.uniform(1, 3))
    for replica in replicas:
        replica.back.delay = 0.0


async def _commit_cut(world: World, rng: random.Random, begun: Begun) -> None:
    await _cut_commit(world, rng, begun, answered=False)


async def _commit_cut_answered(world: World, rng: random.Random, begun: Begun) -> None:
    await _cut_commit(world, rng, begun, answered=True)


async def _cut_commit(world: World, rng: random.Random, begun: Begun, *, answered: bool) -> None:
    replica = world.replica(rng)
    happened = asyncio.Event()
    replica.back.on_cut = happened.set
    begun(replica.name)
    replica.back.cut_after(b"COMMIT", answered=answered)
    async with asyncio.timeout(5):
        await happened.wait()


# Clients and bells


async def _clients_cut(world: World, rng: random.Random, begun: Begun) -> None:
    replica = world.replica(rng)
    begun(replica.name)
    replica.front.cut()


async def _clients_hole(world: World, rng: random.Random, begun: Begun) -> None:
    replica = world.replica(rng)
    begun(replica.name)
    replica.front.hold()
    await asyncio.sleep(rng.uniform(1, 3))
    replica.front.resume()


async def _bus_kill(world: World, rng: random.Random, begun: Begun) -> None:
    bus = world.cluster.bus
    if bus is None:
        return
    async with world.cluster.bus_lock:
        begun(world.cluster.bus_kind)
        await world.cluster.do(bus.kill)
        await asyncio.sleep(rng.uniform(0, 2))
        await world.cluster.do(bus.start)


async def _bus_freeze(world: World, rng: random.Random, begun: Begun) -> None:
    bus = world.cluster.bus
    if bus is None:
        return
    async with world.cluster.bus_lock:
        begun(world.cluster.bus_kind)
        bus.freeze()
        await asyncio.sleep(rng.uniform(1, 3))
        bus.thaw()


async def _bells_bad(world: World, rng: random.Random, begun: Begun) -> None:
    async with world.cluster.bus_lock:
        begun(world.cluster.bus_kind)
        await disturb(world, rng)


async def _bells_lost(world: World, rng: random.Random, begun: Begun) -> None:
    async with world.cluster.bus_lock:
        begun(world.cluster.bus_kind)
        await drop_listeners(world)


KINDS: dict[str, Callable[[World, random.Random, Begun], Awaitable[None]]] = {
    "replica-kill": _replica_kill,
    "replica-freeze": _replica_freeze,
    "replica-drain": _replica_drain,
    "rolling-restart": _rolling_restart,
    "backend-kill": _backend_kill,
    "backend-terminate": _backend_terminate,
    "backends-freeze": _backends_freeze,
    "postmaster-freeze": _postmaster_freeze,
    "postgres-crash": _postgres_crash,
    "standby-freeze": _standby_freeze,
    "promote": _promote,
    "database-cut": _database_cut,
    "database-hole": _database_hole,
    "database-slow": _database_slow,
    "commit-cut": _commit_cut,
    "commit-cut-answered": _commit_cut_answered,
    "clients-cut": _clients_cut,
    "clients-hole": _clients_hole,
    "bus-kill": _bus_kill,
    "bus-freeze": _bus_freeze,
    "bells-bad": _bells_bad,
    "bells-lost": _bells_lost,
}
"""kind → what it does. `promote` happens once, when the runner says so; `bus-…` only where the bus is a server."""
