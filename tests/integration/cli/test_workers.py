"""`serve --workers`: several processes behind one port, and the supervisor that keeps them."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import httpx2
import pytest
import structlog

from gateway.auth.development import AUDIENCE, DevelopmentKeys
from gateway.auth.principal import Role
from gateway.cli.workers import Supervisor
from gateway.transport.listeners import bind_for_workers
from tests.faults.followers import Followers
from tests.running import Gateway

__all__: list[str] = []

COMMAND = Path(sys.executable).with_name("profile-gateway")

pytestmark = pytest.mark.timeout(180)  # three processes start, while others of the suite saturate the machine


@pytest.fixture(name="gateway", scope="module")
def _gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """Two workers on the embedded Postgres of their supervisor."""
    environment = {"GATEWAY_WORKERS": "2", "GATEWAY_DRAIN_SECONDS": "0.3", "GATEWAY_SOCKETS_PER_SUBJECT": "500"}
    gateway = Gateway(COMMAND, tmp_path_factory.mktemp("workers") / "data", environment=environment)
    try:
        gateway.start()
        yield gateway
    finally:
        if gateway.process is not None:
            gateway.kill()


@pytest.fixture(name="profile", scope="module")
def _profile(gateway: Gateway) -> str:
    """Somebody whose timeline is followed."""
    gateway.track(gateway.write_key(), {"type": "identify", "messageId": "i", "userId": "ana", "traits": {"email": "ana@example.com"}})
    return str(gateway.query(token(gateway), '{ profile(by: {email: "ana@example.com"}) { id } }')["profile"]["id"])


def token(gateway: Gateway) -> str:
    """An agent's."""
    return DevelopmentKeys.open(gateway.data_dir).signer(AUDIENCE).sign("demo", "ana", Role.AGENT, lifetime=timedelta(hours=1))


def workers(gateway: Gateway) -> set[int]:
    """The processes that answer."""
    done = subprocess.run(["pgrep", "-P", str(gateway.pid), "-f", "gateway.cli worker"], capture_output=True, text=True, check=False)
    return set(map(int, done.stdout.split()))


def events(gateway: Gateway, name: str) -> list[dict[str, object]]:
    """The log lines of this event so far."""
    return [line for line in map(json.loads, gateway.lines) if line["event"] == name]


def runs(pid: int) -> bool:
    """Whether the process is there and has not ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] != "Z"
    except FileNotFoundError:
        return False


def open_files(pid: int) -> int:
    """How many a process has, sockets included."""
    return sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())


async def until(fact: Callable[[], object]) -> None:
    """Wait until something is so."""
    async with asyncio.timeout(30):
        while not await asyncio.to_thread(fact):  # noqa: ASYNC110
            await asyncio.sleep(0.02)


def metric(gateway: Gateway, name: str) -> float:
    """What whichever worker is asked says."""
    text = httpx2.get(f"{gateway.url}/metrics").text
    return sum(float(line.rpartition(" ")[2]) for line in text.splitlines() if line.startswith(f"{name} "))


@asynccontextmanager
async def asking(gateway: Gateway, failures: list[str]) -> AsyncIterator[None]:
    """Ask on a new connection, again and again, for as long as the block lasts; what went wrong."""
    over = False

    async def ask() -> None:
        while not over:
            try:
                async with httpx2.AsyncClient(timeout=10, trust_env=False) as client:
                    answer = await client.get(f"{gateway.url}/healthz")
                    if answer.status_code != 200:
                        failures.append(str(answer.status_code))
            except httpx2.HTTPError as error:
                failures.append(repr(error))
            await asyncio.sleep(0.01)

    tasks = [asyncio.create_task(ask()) for _ in range(2)]
    try:
        yield
    finally:
        over = True
        await asyncio.gather(*tasks)


@pytest.mark.slow
async def test_all_are_one_gateway(gateway: Gateway, profile: str) -> None:
    """Announced once, when all are ready; clients spread over them; whoever is asked answers for all; one migration, one Postgres."""
    assert len(events(gateway, "serving")) == 1
    assert events(gateway, "serving")[0]["workers"] == 2
    assert {line["worker"] for line in events(gateway, "worker.ready")} == {1, 2}
    assert len(events(gateway, "migrating")) == 0  # the supervisor did, before it had a log
    assert len(workers(gateway)) == 2

    async with Followers(40, [gateway.websocket_url], lambda: token(gateway), profile) as followers:
        key = await asyncio.to_thread(gateway.write_key)
        asked = {await asyncio.to_thread(metric, gateway, "gateway_sockets") for _ in range(8)}
        held = [open_files(pid) for pid in workers(gateway)]
        await asyncio.to_thread(gateway.track, key, {"type": "track", "messageId": "m", "userId": "ana", "event": "seen by all"})
        await followers.shown("seen by all")

    assert asked == {40.0}
    assert max(held) - min(held) < 34  # of forty: each has its share


@pytest.mark.slow
async def test_fault_149_a_worker_that_is_killed_comes_again_and_its_clients_go_on(gateway: Gateway, profile: str) -> None:
    """SIGKILL: one log line, another process in its place, every follower resumed; nobody who connects meanwhile is turned away."""
    before, key = workers(gateway), await asyncio.to_thread(gateway.write_key)
    cursor = gateway.query(token(gateway), '{ profile(by: {email: "ana@example.com"}) { streamCursor } }')["profile"]["streamCursor"]
    failures: list[str] = []
    async with Followers(20, [gateway.websocket_url], lambda: token(gateway), profile, cursor) as followers:
        victim = min(before)
        async with asking(gateway, failures):
            os.kill(victim, signal.SIGKILL)
            await until(lambda: len(workers(gateway) - before) == 1 and len(events(gateway, "worker.ready")) == 3)
        await asyncio.to_thread(gateway.track, key, {"type": "track", "messageId": "k", "userId": "ana", "event": "after the kill"})
        await followers.shown("after the kill")
        await followers.ready()
        await until(lambda: metric(gateway, "gateway_sockets") == 20)

    assert followers.lost_or_doubled(["after the kill"]) == []
    (ended,) = events(gateway, "worker.ended")
    assert (ended["pid"], ended["status"], ended["again_in"]) == (victim, -9, 0.0)
    assert len(failures) <= 2  # those that it was just answering


@pytest.mark.slow
async def test_fault_156_sighup_restarts_one_after_the_other_and_nobody_notices(gateway: Gateway, profile: str) -> None:
    """Other processes afterwards; no request failed, every event came once and in order, sockets were told 1012 after their goodbye."""
    before, key = workers(gateway), await asyncio.to_thread(gateway.write_key)
    cursor = gateway.query(token(gateway), '{ profile(by: {email: "ana@example.com"}) { streamCursor } }')["profile"]["streamCursor"]
    titles, failures = list[str](), list[str]()
    over = False

    async def write() -> None:
        async with httpx2.AsyncClient(base_url=gateway.url, timeout=10, trust_env=False) as client:
            while not over:
                name = f"rolling {len(titles)}"
                event = {"type": "track", "messageId": name, "userId": "ana", "event": name}
                answer = await client.post("/v1/batch", json={"batch": [event]}, auth=(key, ""))
                assert answer.json()["success"]
                titles.append(name)
                await asyncio.sleep(0.02)

    async with Followers(20, [gateway.websocket_url], lambda: token(gateway), profile, cursor) as followers, asking(gateway, failures):
        writer = asyncio.create_task(write())
        assert gateway.process is not None
        gateway.process.send_signal(signal.SIGHUP)
        await until(lambda: events(gateway, "workers.restarted"))
        over = True
        await writer
        await followers.shown(titles[-1])

    assert failures == []
    assert followers.lost_or_doubled(titles) == []
    assert {(ending.code, ending.last) for one in followers.all for ending in one.endings} == {(1012, "StreamGoAway, complete")}
    assert len(workers(gateway)) == 2
    assert not workers(gateway) & before
    assert len(events(gateway, "serving")) == 1


@pytest.mark.slow
async def test_sigterm_drains_all_and_leaves_nobody_behind(gateway: Gateway, profile: str) -> None:
    """The exit status is 0, sockets were told 1012, and neither a worker nor the Postgres is left; killed, it takes its workers along."""
    family = {*workers(gateway), json.loads((gateway.data_dir / "postgres.json").read_text())["pid"]}
    async with Followers(10, [gateway.websocket_url], lambda: token(gateway), profile) as followers:
        assert await asyncio.to_thread(gateway.stop) == 0
        await until(lambda: all(one.endings for one in followers.all))

    assert {one.endings[0].code for one in followers.all} == {1012}
    assert not any(map(runs, family))

    await asyncio.to_thread(gateway.start)
    family = workers(gateway)
    await asyncio.to_thread(gateway.kill)
    await until(lambda: not any(map(runs, family)))


def test_a_worker_that_cannot_start_ends_all(tmp_path: Path, dsn: str) -> None:
    """A mistake in the configuration is told, with its exit status, and not repeated."""
    config = tmp_path / "gateway.toml"
    config.write_text("[nonsense]\n")
    environment = {**os.environ, "GATEWAY_CONFIG": str(config), "GATEWAY_DATABASE_URL": dsn, "GATEWAY_LOG_FORMAT": "json"}
    command = [COMMAND, "serve", "--dev", "--workers", "2", "--port", "0", "--data-dir", str(tmp_path / "data")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)

    assert done.returncode == 2
    assert "nonsense" in done.stderr
    assert '"serving"' not in done.stderr


WORKER = """
import os, socket, sys, time
number, line = sys.argv[sys.argv.index("--number") + 1], int(sys.argv[sys.argv.index("--line") + 1])
with open(os.environ["STARTS"], "a") as file: file.write(number + "\\n")
talk = socket.socket(fileno=line)
"""


async def supervised(tmp_path: Path, script: str, seconds: float, **options: float) -> tuple[int, int, list[dict[str, object]]]:
    """Run a worker that is nothing but this script; exit status, starts, log lines. After `seconds` it is told to end."""
    starts = tmp_path / "starts"
    sockets = bind_for_workers("127.0.0.1", 0, 1)
    command = [sys.executable, "-c", WORKER + script]
    supervisor = Supervisor(command, {**os.environ, "STARTS": str(starts)}, sockets, 2, **options)  # type: ignore[arg-type]
    with structlog.testing.capture_logs() as lines:
        running = asyncio.create_task(supervisor.run())
        await asyncio.wait({running}, timeout=seconds)
        if not running.done():
            os.kill(os.getpid(), signal.SIGTERM)
        status = await asyncio.wait_for(running, 10)
    return status, len(starts.read_text().split()), [dict(line) for line in lines]


async def test_a_worker_that_keeps_dying_is_given_longer_and_longer_pauses(tmp_path: Path) -> None:
    """At once, then after 0.2, 0.4, 0.8 s: a handful of starts and of log lines, not hundreds."""
    _, starts, lines = await supervised(tmp_path, "talk.send(b'ready\\n'); time.sleep(0.05); sys.exit(3)", 2.0, first_pause=0.2)
    pauses = [line["again_in"] for line in lines if line["event"] == "worker.ended"]

    assert pauses == [0.0, 0.2, 0.4, 0.8, 1.6][: len(pauses)]
    assert 3 <= starts <= 6


async def test_a_worker_that_never_served_ends_the_supervisor_with_its_status(tmp_path: Path) -> None:
    """As a single process would."""
    status, starts, _ = await supervised(tmp_path, "sys.exit(7)", 5.0)

    assert (status, starts) == (7, 1)


async def test_a_worker_that_stands_still_is_ended_and_replaced(tmp_path: Path) -> None:
    """It was ready, and then its loop turned no more: six looks without a word."""
    script = "talk.send(b'ready\\n'); time.sleep(60)"
    begun = time.monotonic()
    _, starts, lines = await supervised(tmp_path, script, 1.5, look_seconds=0.1)

    assert [line["event"] for line in lines][:3] == ["serving", "worker.stuck", "worker.ended"]
    assert starts >= 2
    assert time.monotonic() - begun < 5


async def test_a_worker_that_speaks_is_left_alone(tmp_path: Path) -> None:
    """Twice a second is enough."""
    script = "talk.send(b'ready\\n')\nimport signal\nsignal.signal(15, lambda *_: sys.exit(0))\nwhile True: time.sleep(0.2); talk.send(b'alive\\n')"
    status, starts, lines = await supervised(tmp_path, script, 1.5, look_seconds=0.1)

    assert (status, starts) == (0, 1)
    assert [line["event"] for line in lines] == ["serving"]


def test_a_port_that_is_taken_is_noticed() -> None:
    """Also when whoever has it shares it: two supervisors of one user must not answer side by side."""
    from gateway.errors import ConfigurationError

    first = bind_for_workers("127.0.0.1", 0, 2)
    port = first[0][0].getsockname()[1]
    for (one,) in first:
        one.listen()
    with pytest.raises(ConfigurationError, match="something else"):
        bind_for_workers("127.0.0.1", port, 2)
    for (one,) in first:
        one.close()

    assert isinstance(one, socket.socket)
