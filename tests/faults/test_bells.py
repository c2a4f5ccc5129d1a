"""Faults of the bell, on real servers: it is killed, frozen, shut or full, and comes back by itself, without a flood in the log."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import shutil
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest
from structlog.testing import capture_logs

from gateway.observe import BELL_REBUILDS, BELL_RINGS_LOST
from gateway.storage.database import Database
from tests.bells import SECONDS, Ear, Nats, Postgres, Processes, Valkey, Wire, stream, valkey_command
from tests.proxy import Proxy
from tests.servers import NatsServer, PostgresServer, Server, ValkeyServer, free_port, place_for_servers

QUICK = {"heartbeat": 0.1, "silence": 0.5, "patience": 0.3, "connect": 0.5, "retry": 0.3}
"""Times of the bus, a tenth of the real ones."""


# Servers of this module's own, started once; each test leaves them running


@pytest.fixture(name="place", scope="module")
def _place() -> Iterator[Path]:
    place = place_for_servers()
    yield place
    shutil.rmtree(place, ignore_errors=True)


@pytest.fixture(name="servers", scope="module")
def _servers(place: Path) -> Iterator[dict[str, Server]]:
    postgres = PostgresServer(place, fsync="off")
    postgres.make()
    servers: dict[str, Server] = {"postgres": postgres, "valkey": ValkeyServer(), "nats": NatsServer()}
    yield servers
    for server in servers.values():
        server.stop()


@dataclass
class Outage:
    """A bell with its server, which may be harmed."""

    wire: Wire
    server: Server


@pytest.fixture(name="outage", params=["valkey", "nats", "postgres"])
async def _outage(request: pytest.FixtureRequest, servers: dict[str, Server]) -> AsyncIterator[Outage]:
    server = servers[request.param]
    if not server.runs:
        server.start()
    match server:
        case ValkeyServer():
            yield Outage(Valkey(server), server)
        case NatsServer():
            yield Outage(Nats(server), server)
        case PostgresServer():
            database = await Database.open(server.dsn(), size=2)
            yield Outage(Postgres(database), server)
            if server.runs:
                server.thaw()
            await database.close()
    if server.runs:
        server.thaw()


@pytest.fixture(name="processes")
async def _processes(outage: Outage) -> AsyncIterator[Processes]:
    """Starts processes on that bell."""
    async with Processes.on(outage.wire) as processes:
        yield processes


def drivers_said(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What the bells' own drivers, and the loop about forgotten tasks, wrote into the log; the pool's word about a lost server is not the bell's."""
    return [record.message for record in caplog.records if record.levelno >= logging.WARNING and record.name != "asyncpg.pool"]


async def rings_again(*ears: Ear) -> None:
    """The bell is back: everything is looked at, and new rings get through, both ways."""
    for ear in ears:
        await ear.is_healthy()
        await ear.looks_at_everything()
    for ear in ears:
        rung = stream()
        ear.bus.ring([rung])
        for other in ears:
            await other.hears(rung)


# The bell goes away and comes back


async def test_fault_121_a_killed_server_is_noticed_at_once_and_the_bell_is_back_within_seconds(
    processes: Processes, outage: Outage, caplog: pytest.LogCaptureFixture
) -> None:
    """SIGKILL turns every process to polling at once; five seconds after the restart, with the real times, all look at everything and ring."""
    ears = [await processes.start() for _ in range(2)]
    for ear in ears:
        ear.heard.clear()
    with capture_logs() as lines:
        await asyncio.to_thread(outage.server.kill)
        for ear in ears:
            await ear.is_polling(1)
        own = stream()
        ears[0].bus.ring([own])
        await ears[0].hears(own)  # who listens in the same process does not depend on the bell
        outage.server.start()
        async with asyncio.timeout(5):
            await rings_again(*ears)

    assert [line["event"] for line in lines if line["log_level"] == "warning"].count("bell.lost") <= 4  # two processes, two causes each
    assert drivers_said(caplog) == []


async def test_fault_121_a_frozen_server_is_noticed_by_the_silence(
    processes: Processes, outage: Outage, caplog: pytest.LogCaptureFixture
) -> None:
    """SIGSTOP ends no connection: the heartbeat that does not come back does it. When the server goes on, so does the bell."""
    ears = [await processes.start(**QUICK) for _ in range(2)]
    outage.server.freeze()
    for ear in ears:
        await ear.is_polling(2)
    for ear in ears:
        ear.heard.clear()
        for _ in range(20):
            ear.bus.ring([stream()])  # returns at once, whatever the server does
    await asyncio.sleep(0.6)  # some attempts to connect, all in vain
    outage.server.thaw()
    async with asyncio.timeout(5):
        await rings_again(*ears)
    gc.collect()

    assert drivers_said(caplog) == []  # about tasks and futures that were given up


async def test_fault_121_listeners_thrown_out_come_back(processes: Processes, outage: Outage) -> None:
    """CLIENT KILL, pg_terminate_backend, a restart: the loss is told by the connection, not by the silence."""
    ears = [await processes.start() for _ in range(2)]
    for ear in ears:
        ear.heard.clear()
    await outage.wire.throw_out()
    async with asyncio.timeout(5):
        await rings_again(*ears)


async def test_fault_121_one_frozen_listener_is_replaced(servers: dict[str, Server]) -> None:
    """The one backend of Postgres that listens for us is frozen, the rest works: the silence finds it, and nothing waits for it."""
    server = servers["postgres"]
    assert isinstance(server, PostgresServer)
    if not server.runs:
        server.start()
    database = await Database.open(server.dsn(), size=2)
    async with Processes.on(Postgres(database)) as processes:
        ear = await processes.start(**QUICK)
        pid = await database.fetchval("SELECT pid FROM pg_stat_activity WHERE application_name = 'profile-gateway bell'")
        ear.heard.clear()
        os.kill(pid, signal.SIGSTOP)
        try:
            await ear.is_polling(2)
            await rings_again(ear)
        finally:
            os.kill(pid, signal.SIGCONT)
    await database.close()


async def test_fault_121_a_frozen_postgres_holds_one_connection_of_the_pool_and_nobody(servers: dict[str, Server]) -> None:
    """While NOTIFY hangs, ringing returns at once and takes one connection of the delivery pool at most; what could not be rung is dropped."""
    server = servers["postgres"]
    if not server.runs:
        server.start()
    assert isinstance(server, PostgresServer)
    database = await Database.open(server.dsn(), size=2, delivery_size=4)
    async with Processes.on(Postgres(database)) as processes:
        ear = await processes.start(**QUICK)
        await asyncio.gather(*(database.execute("SELECT pg_sleep(0.05)", delivery=True) for _ in range(4)))  # the pool has all it may have
        lost, pool, most = BELL_RINGS_LOST._value.get(), database._delivery, 0
        server.freeze()
        until_ = asyncio.get_running_loop().time() + 1.5
        while (now := asyncio.get_running_loop().time()) < until_:
            ear.bus.ring(stream() for _ in range(100))
            assert asyncio.get_running_loop().time() - now < 0.1
            most = max(most, pool.get_size() - pool.get_idle_size())
            await asyncio.sleep(0.01)  # the rate of the rings
        waiting = len(ear.bus._pending)
        server.thaw()
        await rings_again(ear)

    assert most <= 1
    assert waiting <= 10_000  # no more than one patience's worth
    assert BELL_RINGS_LOST._value.get() - lost > 10
    await database.close()


# Refusals, and what the server does to slow ones


REFUSALS = {
    "valkey, wrong password": (ValkeyServer, ["--requirepass", "right"], "valkey://:wrong@127.0.0.1:{port}", "AuthenticationError"),
    "valkey, no password": (ValkeyServer, ["--requirepass", "right"], "valkey://127.0.0.1:{port}", "AuthenticationError"),
    "valkey, no connection left": (ValkeyServer, ["--maxclients", "2"], "valkey://127.0.0.1:{port}", "ConnectionError"),
    "valkey, nothing may be published": (
        ValkeyServer,
        ["--user", "ana", "on", ">wrong", "allchannels", "-@all", "+subscribe"],
        "valkey://ana:wrong@127.0.0.1:{port}",
        "NoPermissionError",
    ),
    "nats, wrong password": (NatsServer, ["--user", "ana", "--pass", "right"], "nats://ana:wrong@127.0.0.1:{port}", "Error"),
    "nats, no password": (NatsServer, ["--user", "ana", "--pass", "right"], "nats://127.0.0.1:{port}", "Error"),
}


async def hold_a_connection(port: int) -> asyncio.StreamWriter:
    """One of the connections that a Valkey allows; it is surely taken."""
    async with asyncio.timeout(SECONDS):
        while True:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"PING\r\n")
            if (await reader.readline()).startswith(b"+PONG"):
                return writer
            writer.close()


@pytest.mark.parametrize("case", REFUSALS.values(), ids=REFUSALS)
async def test_fault_123_a_refusal_means_polling_and_one_line_a_minute(
    case: tuple[Callable[..., Server], list[str], str, str], caplog: pytest.LogCaptureFixture
) -> None:
    """A server that refuses us is tried again and again, and said once, without the password; rings cost nobody anything."""
    make, options, url, error = case
    server = make(*options)
    with server.running(), capture_logs() as lines:
        if "--maxclients" in options:
            others = [await hold_a_connection(server.port) for _ in range(2)]
        wire: Wire = (
            Valkey(server, url.format(port=server.port)) if isinstance(server, ValkeyServer) else Nats(server, url.format(port=server.port))
        )  # type: ignore[arg-type]
        rebuilds = BELL_REBUILDS._value.get()
        async with Processes.on(wire) as processes:
            ear = await processes.start(heartbeat=0.02, silence=0.05, retry=0.02)
            while BELL_REBUILDS._value.get() - rebuilds < 8:
                ear.bus.ring([stream()])
                await asyncio.sleep(0.01)

                assert not ear.bus.healthy

            said = [line for line in lines if line["event"].startswith("bell.")]

            assert error in {line["error"] for line in said}
            assert len(said) == len({(line["event"], line["error"]) for line in said})
            assert "wrong" not in str(lines)
            assert drivers_said(caplog) == []

            if "--maxclients" in options:  # and it heals when there is room
                others[0].close()
                others[1].close()
                await ear.is_healthy()


async def test_fault_123_a_full_memory_and_a_read_only_replica_do_not_hinder_a_bell() -> None:
    """Publishing stores nothing: it works at the memory's limit, and among the clients of one read-only replica."""
    primary = ValkeyServer("--maxmemory", "1")
    replica = ValkeyServer("--replicaof", f"127.0.0.1 {primary.port}")
    with primary.running(), replica.running():
        refused = await valkey_command(primary.port, [b"SET", b"a", b"b"]), await valkey_command(replica.port, [b"SET", b"a", b"b"])
        for server in (primary, replica):
            async with Processes.on(Valkey(server)) as processes:
                await rings_again(*[await processes.start() for _ in range(2)])

    assert [answers[0].split()[0] for answers in refused] == [b"-OOM", b"-READONLY"]


async def overrun(wire: Wire, slow: Wire, proxy: Proxy, thrown_out: Callable[[], Awaitable[bool]]) -> None:
    """A listener behind a proxy stops reading, a stranger floods the channel until the server throws the listener out; then it reads again."""
    async with Processes.on(wire) as processes:
        ear = await processes.start(slow.bell)
        other = await processes.start()
        ear.heard.clear()
        proxy.hold()
        async with asyncio.timeout(30):
            while not await thrown_out():
                await wire.say(*[b"0" * 500_000] * 20)
        proxy.resume()
        async with asyncio.timeout(20):  # whoever else listens has megabytes of the flood to read first, in this very loop
            await rings_again(ear)
        rung = stream()
        ear.bus.ring([rung])
        await other.hears(rung)


async def test_fault_126_a_listener_that_valkey_throws_out_for_its_slowness_comes_back() -> None:
    """The server ends the connection whose output grows too long; the bell is rebuilt and everything is looked at."""
    server = ValkeyServer("--client-output-buffer-limit", "pubsub 1mb 0 0")
    with server.running():
        async with Proxy.before(server.port) as proxy:

            async def thrown_out() -> bool:
                (clients,) = await valkey_command(server.port, [b"CLIENT", b"LIST", b"TYPE", b"pubsub"])
                return clients.count(b"\n") == 1

            await overrun(Valkey(server), Valkey(server, f"valkey://127.0.0.1:{proxy.port}"), proxy, thrown_out)


async def test_fault_126_a_listener_that_nats_throws_out_for_its_slowness_comes_back(tmp_path: Path) -> None:
    """The same with NATS, whose limit is what it keeps for a client."""
    configuration, monitor = tmp_path / "nats.conf", free_port()
    configuration.write_text('max_pending: 2000000\nwrite_deadline: "500ms"\n')
    server = NatsServer("--config", str(configuration), "--http_port", str(monitor))
    with server.running():
        async with Proxy.before(server.port) as proxy, httpx2.AsyncClient(base_url=f"http://127.0.0.1:{monitor}") as client:

            async def thrown_out() -> bool:
                return bool((await client.get("/varz")).json()["slow_consumers"])

            await overrun(Nats(server), Nats(server, f"nats://127.0.0.1:{proxy.port}"), proxy, thrown_out)
