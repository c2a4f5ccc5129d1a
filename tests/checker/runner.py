"""One run: start, let write, watch and break, mend, come to rest, measure, and read the truth.

Owns the phases and their deadlines. Must not judge: it returns the path of the history. Called by the command line and the tests.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import time
from collections.abc import Callable, Coroutine
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
import httpx2

from gateway.auth.principal import Role
from gateway.live.bells import bell_for
from gateway.live.bus import Bus
from gateway.live.changelog import append
from gateway.model.ids import parse_id
from gateway.storage.database import Database
from tests.checker import bugs
from tests.checker.client import Credentials, Cursors, Web
from tests.checker.cluster import Cluster, Replica
from tests.checker.contents import must_be_seen, read_contents
from tests.checker.history import History
from tests.checker.nemesis import KINDS, Nemesis
from tests.checker.subscribers import DESK, STATE, TIMELINE, Subscriber
from tests.checker.world import World
from tests.checker.writers import ApiWriter, OverlappingWriter, disconnect

__all__ = ["Plan", "run"]

_PROMOTE_AT = 0.55
_REVOKE_AT = (0.3, 0.65)
_REVOKED_FOR = 9.0
"""Seconds a disconnected client goes on with what was taken back, before it gets something new."""
_PROGRESS = 5.0
_CREATE = "mutation($input: CreateProfileInput!) { createProfile(input: $input) { profile { id } userErrors { code } } }"
_POOLS = {"GATEWAY_POOL_SIZE": "6", "GATEWAY_DELIVERY_POOL_SIZE": "3"}
_SPARE_DESCRIPTORS = 30
"""What a process may open later than at its start: its pools, its bell, kept connections of clients."""


@dataclass(frozen=True)
class Plan:
    """What a run is to be; the seed and this make it again."""

    seed: int = 1
    seconds: float = 60.0
    bus: str = "valkey"
    faults: tuple[str, ...] = tuple(KINDS)
    replicas: int = 3
    profiles: int = 20
    subscribers: int = 80
    api_writers: int = 6
    overlapping_writers: int = 4
    rate: float = 3.0
    """Operations per second of one writer."""
    stay: float = 6.0
    """How long a subscriber stays connected, on average, before it leaves by itself."""
    pause: tuple[float, float] = (1.0, 3.0)
    """Between the beginnings of two faults."""
    calm: float = 0.0
    """How long nothing is broken, at the beginning and whenever every kind of fault had its turn."""
    patience: float = 40.0
    """Seconds after mending in which everybody must catch up."""
    poll: float = 1.0
    silent: bool = False
    """Overlapping writers never ring."""
    bug: str | None = None
    settings: dict[str, str] = field(default_factory=dict)


async def run(plan: Plan, place: Path, tell: Callable[[str], None]) -> Path:
    """Do it; `place`: an empty directory for keys and the history; `tell`: is given a line of progress now and then. The history's path."""
    history = History(place / f"history-{plan.seed}.jsonl")
    try:
        history.add("runner", "start", **asdict(plan))
        settings = {"GATEWAY_POLL_INTERVAL": str(plan.poll), "GATEWAY_UPGRADES_PER_SECOND": "1000", "GATEWAY_DRAIN_SECONDS": "1"}
        settings |= {"GATEWAY_SHUTDOWN_SECONDS": "2", **_POOLS, **plan.settings}
        cluster = Cluster(place, replicas=plan.replicas, bus=plan.bus, standby="promote" in plan.faults, bug=plan.bug, settings=settings)
        async with cluster:
            web = Web()
            try:
                await _phases(plan, cluster, history, web, tell)
            finally:
                await web.close()
                (place / "gateways.log").write_text(
                    "".join(f"{replica.name} {line}" for replica in cluster.replicas for line in replica.gateway.lines)
                )
    finally:
        history.close()
    return history.path


async def _phases(plan: Plan, cluster: Cluster, history: History, web: Web, tell: Callable[[str], None]) -> None:
    keys = cluster.keys
    world = World(plan.seed, cluster, history, web, Credentials(keys), Cursors(keys), await cluster.workspace(), plan.stay)
    world.desks = [f"agent-{number}" for number in range(max(1, plan.subscribers // 20))]
    if plan.bug is not None:
        await bugs.prepare(plan.bug, cluster.dsn())
    await _make_profiles(world, plan.profiles)
    before = {replica.name: await _measure(world, replica, "before", None) for replica in cluster.replicas}
    async with contextlib.AsyncExitStack() as stack:
        bus = None if plan.silent else await _own_bus(cluster, stack)
        writers = [ApiWriter(world, number, plan.rate) for number in range(plan.api_writers)]
        changed = bugs.append_of(plan.bug, cluster.dsn) or append
        overlapping = [OverlappingWriter(world, number, plan.rate, bus, changed) for number in range(plan.overlapping_writers)]
        subscribers = _subscribers(world, plan.subscribers)
        watching = [asyncio.create_task(subscriber.run()) for subscriber in subscribers]
        stack.callback(lambda: [task.cancel() for task in watching])
        nemesis = Nemesis(
            world, [kind for kind in plan.faults if cluster.bus is not None or not kind.startswith("bus-")], plan.pause, plan.calm
        )
        writing = [asyncio.create_task(writer.run()) for writer in (*writers, *overlapping)]
        breaking = asyncio.create_task(nemesis.run())
        stack.callback(lambda: [task.cancel() for task in (*writing, breaking)])
        await _let_it_run(plan, world, nemesis, subscribers, watching + writing, tell)
        world.over.set()
        await breaking
        await nemesis.mended()
        await _all_run(world)
        history.add("runner", "heal")
        tell("mended; waiting for the last writes to be known")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(plan.patience):
                await asyncio.gather(*writing)
        world.settled.set()
        await asyncio.gather(*writing)
        await _quiet(plan, world, subscribers, watching, tell)
        world.ended.set()
        await asyncio.gather(*watching)
    await web.forget()
    for replica in cluster.replicas:
        await _measure(world, replica, "after", before[replica.name])
    history.add("runner", "contents", **await read_contents(cluster.dsn(), world.workspace))


async def _let_it_run(
    plan: Plan, world: World, nemesis: Nemesis, subscribers: list[Subscriber], tasks: list[asyncio.Task[None]], tell: Callable[[str], None]
) -> None:
    loop = asyncio.get_running_loop()
    began = loop.time()
    rng = world.random("runner")
    due: list[tuple[float, Callable[[], object]]] = []
    if "promote" in plan.faults:
        due.append((plan.seconds * _PROMOTE_AT, lambda: nemesis.begin("promote")))
    revoking: set[asyncio.Task[None]] = set()
    shares = [plan.seconds * share for share in _REVOKE_AT] if plan.seconds >= 2 * _REVOKED_FOR else []
    for moment in [*([1.0] if plan.calm else []), *shares]:
        victim = rng.choice(subscribers)
        due.append((moment, lambda victim=victim: revoking.add(_started(_revoke(world, victim, subscribers)))))
    told = began
    while (passed := loop.time() - began) < plan.seconds:
        await asyncio.sleep(min(0.2, plan.seconds - passed))
        for moment, act in [item for item in due if item[0] <= passed]:
            act()
            due = [item for item in due if item[0] > moment]
        for task in tasks:
            if task.done():
                task.result()  # an actor never ends by itself: this raises why
        if loop.time() - told >= _PROGRESS:
            told = loop.time()
            counts = world.history.counts
            tell(
                f"{passed:5.0f} s  {counts['ok']:6} written  {counts['recv']:7} delivered  {sum(world.history.faults.values()):4} faults  "
                f"{counts['disconnect']:5} disconnects  {counts['gap']:3} gaps  {sum(s.connected for s in subscribers):4} connected"
            )
    await asyncio.gather(*revoking)


async def _all_run(world: World) -> None:
    """Start the gateways that a fault could not; one that ended by itself is written down."""
    for replica in world.cluster.replicas:
        process = replica.gateway.process
        if process is not None and process.poll() is not None:
            world.history.add("runner", "died", target=replica.name, status=process.returncode)
            replica.gateway.process = process = None
        if process is None:
            await world.cluster.start_replica(replica)


def _started(work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
    return asyncio.create_task(work)


async def _revoke(world: World, victim: Subscriber, subscribers: list[Subscriber]) -> None:
    hit = [subscriber for subscriber in subscribers if subscriber.subject == victim.subject]
    for subscriber in hit:
        subscriber.revoked_until = time.time() + 3600

    async def mark(_: float) -> None:
        world.history.add("runner", "revoked", subject=victim.subject, actors=[subscriber.name for subscriber in hit])

    await disconnect(world, victim.subject, mark)
    for subscriber in hit:
        subscriber.revoked_until = time.time() + _REVOKED_FOR


async def _make_profiles(world: World, count: int) -> None:
    token = world.credentials.token("maker", Role.ADMIN)
    for number in range(count):
        address = world.cluster.replicas[0].address()
        made = await world.web.ask(address, token, _CREATE, input={"firstName": f"Person {number}"})
        world.profiles.append(parse_id(made["profile"]["id"], "prf")[0])


async def _own_bus(cluster: Cluster, stack: contextlib.AsyncExitStack) -> Bus:
    """A bell of the checker's own, for transactions that no gateway made."""
    database = await Database.open(cluster.postgres.dsn("gateway", cluster.side.port), size=2, delivery_size=2)
    stack.push_async_callback(database.close)
    bus = Bus(bell_for(cluster.bus_url, database))
    await bus.start(lambda _: None)
    stack.push_async_callback(bus.stop)
    return bus


def _subscribers(world: World, count: int) -> list[Subscriber]:
    """Seven in ten watch a timeline, two a profile's state, one a desk."""
    made = []
    for number in range(count):
        sort = DESK if number % 10 == 9 else STATE if number % 10 >= 7 else TIMELINE
        target = world.desks[number // 10 % len(world.desks)] if sort == DESK else world.profiles[number % len(world.profiles)]
        made.append(Subscriber(world, number, sort, target))
    return made


async def _quiet(
    plan: Plan, world: World, subscribers: list[Subscriber], watching: list[asyncio.Task[None]], tell: Callable[[str], None]
) -> None:
    """Wait until everybody has everything."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    contents = await read_contents(world.cluster.dsn(), world.workspace)
    last: dict[tuple[str, str], int] = {}
    for stream, seq, kind, entity, *_ in contents["log"]:
        for sort in (TIMELINE, STATE, DESK):
            if must_be_seen(sort, kind, entity) or (sort == STATE and kind == 1):
                last[stream, sort] = seq
    while True:
        behind = [one.name for one in subscribers if one.seq < last.get((one.stream.stream_id.hex, one.sort), 0)]
        waited = loop.time() - began
        for task in watching:
            if task.done():
                task.result()
        if not behind or waited > plan.patience:
            break
        await asyncio.sleep(0.05)
    tell(f"at rest after {waited:.1f} s" if not behind else f"{len(behind)} subscribers still behind after {waited:.0f} s")
    world.history.add("runner", "quiet", waited=waited, behind=behind)


async def _measure(world: World, replica: Replica, phase: str, before: int | None) -> int:
    """What a process holds, written down; its descriptors. After the run it gets ten seconds to let go; `before`: descriptors at the start."""
    until = asyncio.get_running_loop().time() + 10
    while True:
        async with httpx2.AsyncClient(timeout=5) as client:
            text = (await client.get(f"http://{replica.address()}/metrics")).text
        found = {name: _metric(text, f"gateway_{name}") for name in ("sockets", "streams")}
        descriptors = len(os.listdir(f"/proc/{replica.gateway.pid}/fd"))  # noqa: PTH208
        allowed = (descriptors if before is None else before) + _SPARE_DESCRIPTORS
        done = not any(found.values()) and descriptors <= allowed
        if done or asyncio.get_running_loop().time() > until:
            break
        await asyncio.sleep(0.1)
    world.history.add(
        "runner",
        "measured",
        phase=phase,
        target=replica.name,
        **found,
        descriptors=descriptors,
        allowed_descriptors=allowed,
        memory=_resident(replica.gateway.pid),
        **await _connections(world),
    )
    return descriptors


async def _connections(world: World) -> dict[str, int]:
    """Connections of all gateways together, how many there may be, and how many idle in a transaction."""
    connection = await asyncpg.connect(world.cluster.dsn())
    try:
        row = await connection.fetchrow(
            "SELECT count(*), count(*) FILTER (WHERE state LIKE 'idle in transaction%' AND now() - state_change > interval '1 second')"
            " FROM pg_stat_activity WHERE application_name LIKE 'profile-gateway%'"
        )
        return {"connections": row[0], "in_transaction": row[1], "allowed_connections": 11 * len(world.cluster.replicas) + 6}
    finally:
        await connection.close()


def _metric(text: str, name: str) -> float:
    found = re.search(rf"^{name} ([0-9.e+-]+)$", text, re.MULTILINE)
    assert found is not None, f"no metric {name}"
    return float(found[1])


def _resident(pid: int) -> int:
    """Resident memory in kB; 0 where there is no /proc."""
    with contextlib.suppress(OSError, StopIteration):
        status = Path(f"/proc/{pid}/status").read_text()
        return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1])
    return 0
