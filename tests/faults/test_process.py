"""Faults of processes: gateways killed, frozen, drained and restarted under clients that follow a timeline; out of file descriptors.

Two gateways on one Postgres; each test leaves both running. What reaches the clients is judged whole: every acknowledged event, once, in order.
"""

from __future__ import annotations

import asyncio
import itertools
import shutil
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import httpx2
import pytest

from gateway.auth.development import AUDIENCE, DevelopmentKeys
from gateway.auth.principal import Role
from tests.faults.followers import Followers, Sleeper
from tests.running import Gateway
from tests.servers import PostgresServer, place_for_servers

__all__: list[str] = []

COMMAND = Path(sys.executable).with_name("profile-gateway")
BIG = '{ profile(by: {email: "ana@example.com"}) { ' + " ".join(f"n{n}: notes(first: 50) {{ nodes {{ body }} }}" for n in range(6)) + " } }"
"""About four megabytes."""


@dataclass
class Pair:
    """Two gateways on one database, and one person whose timeline is followed."""

    gateways: list[Gateway]
    key: str = ""
    profile: str = ""
    numbers: Iterator[int] = field(default_factory=itertools.count)

    @property
    def sockets(self) -> list[str]:
        """Where WebSockets are."""
        return [gateway.websocket_url for gateway in self.gateways]

    def token(self, seconds: float = 3600) -> str:
        """An agent's."""
        signer = DevelopmentKeys.open(self.gateways[0].data_dir).signer(AUDIENCE)
        return signer.sign("demo", "ana", Role.AGENT, lifetime=timedelta(seconds=seconds))

    async def happen(self, urls: Sequence[str]) -> str:
        """One event, given to any of these gateways until one acknowledges it; its name."""
        name = f"event {next(self.numbers)}"
        event = {"type": "track", "messageId": name, "userId": "ana", "event": name}
        async with asyncio.timeout(15), httpx2.AsyncClient(timeout=3, trust_env=False) as client:
            for url in itertools.cycle(urls):
                try:
                    answer = await client.post(f"{url}/v1/batch", json={"batch": [event]}, auth=(self.key, ""))
                    if answer.status_code == 200 and answer.json()["success"]:
                        return name
                except httpx2.HTTPError:
                    await asyncio.sleep(0.02)
        raise AssertionError

    @asynccontextmanager
    async def writing(self, titles: list[str]) -> AsyncIterator[None]:
        """Events happen one after the other, at any gateway, for as long as the block lasts."""
        over = False

        async def write() -> None:
            while not over:
                titles.append(await self.happen([gateway.url for gateway in self.gateways]))
                await asyncio.sleep(0.02)

        task = asyncio.create_task(write())
        try:
            yield
        finally:
            over = True
            await task

    def cursor(self) -> str:
        """Where the timeline stands now."""
        asked = self.gateways[0].query(self.token(), '{ profile(by: {email: "ana@example.com"}) { streamCursor } }')
        return str(asked["profile"]["streamCursor"])


@pytest.fixture(name="pair", scope="module")
def _pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """Both running, with a drain of one second."""
    place, home = place_for_servers(), tmp_path_factory.mktemp("pair")
    server = PostgresServer(place, fsync="off")
    environment = {
        "GATEWAY_DATABASE_URL": server.dsn(),
        "GATEWAY_DRAIN_SECONDS": "1",
        "GATEWAY_SOCKETS_PER_SUBJECT": "500",
        "GATEWAY_UPGRADES_PER_SECOND": "1000",
    }
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, place, ignore_errors=True)
        server.make()
        stack.enter_context(server.running())
        pair = Pair([Gateway(COMMAND, home / "data", environment=environment) for _ in range(2)])
        for gateway in pair.gateways:
            stack.callback(lambda gateway: gateway.process is not None and gateway.kill(), gateway)
            gateway.start()
        first = pair.gateways[0]
        pair.key = first.write_key()
        first.track(pair.key, {"type": "identify", "messageId": "i", "userId": "ana", "traits": {"email": "ana@example.com"}})
        pair.profile = first.query(pair.token(), '{ profile(by: {email: "ana@example.com"}) { id } }')["profile"]["id"]
        yield pair


@pytest.mark.slow
async def test_fault_149_after_a_kill_all_go_on_elsewhere_and_nothing_is_lost(pair: Pair) -> None:
    """SIGKILL of one of two gateways while events are written: its clients resume at the other one, each event once and in order."""
    titles: list[str] = []
    doomed = pair.gateways[0]
    async with Followers(20, pair.sockets, pair.token, pair.profile, pair.cursor()) as followers:
        async with pair.writing(titles):
            await asyncio.sleep(0.3)
            begun = time.monotonic()
            await asyncio.to_thread(doomed.kill)
            await asyncio.sleep(0.3)
        await followers.shown(titles[-1])
        took = time.monotonic() - begun
        await asyncio.to_thread(doomed.start)

    assert followers.lost_or_doubled(titles) == []
    codes = [ending.code for one in followers.all for ending in one.endings if ending.last]
    assert set(codes) == {1006}
    assert took < 15


@pytest.mark.slow
async def test_fault_150_sigterm_turns_readiness_red_spreads_the_closes_and_exits_in_time(pair: Pair) -> None:
    """With sixty sockets and five clients that read nothing: 503 first, new sockets refused, closes over the drain, each after its goodbye."""
    leaving, staying = pair.gateways
    titles = [await pair.happen([staying.url])]
    notes = "mutation($i: NoteInput!) { addNote(input: $i) { note { id } userErrors { code } } }"
    for _ in range(45):
        await asyncio.to_thread(leaving.change, pair.token(), notes, i={"profileId": pair.profile, "body": "x" * 16_000})
    with ExitStack() as stack:
        async with Followers(60, [leaving.websocket_url], pair.token, pair.profile, pair.cursor()) as followers:
            for _ in range(5):
                stack.enter_context(await asyncio.to_thread(Sleeper, leaving.port, pair.token(), BIG, 3))
            for one in followers.all:
                one.urls = [staying.websocket_url]
            begun = time.monotonic()
            ending = asyncio.create_task(asyncio.to_thread(leaving.stop))
            async with httpx2.AsyncClient(base_url=leaving.url, timeout=3, trust_env=False) as client:
                async with asyncio.timeout(1):
                    while (ready := await client.get("/readyz")).status_code != 503:  # noqa: ASYNC110
                        await asyncio.sleep(0.01)
                red = time.monotonic()
                healthy = await client.get("/healthz")
                upgrade = await client.get("/graphql", headers=HANDSHAKE)
            status = await ending
            took = time.monotonic() - begun
            titles.append(await pair.happen([staying.url]))
            await followers.shown(titles[-1])
        await asyncio.to_thread(leaving.start)
    times = sorted(one.endings[0].at for one in followers.all)

    assert ready.json()["process"] == "draining"
    assert (healthy.status_code, healthy.headers["connection"]) == (200, "close")
    assert (upgrade.status_code, upgrade.headers["retry-after"]) == (503, "1")
    assert red < times[0]
    assert {(one.endings[0].code, one.endings[0].last) for one in followers.all} == {(1012, "StreamGoAway, complete")}
    assert times[-1] - times[0] > 0.7
    assert max(sum(1 for at in times if start <= at < start + 0.2) for start in times) < 30
    assert status == 0
    assert took < 1 + 0.5 + 1 + 3
    assert [one.titles[-1] for one in followers.all] == [titles[-1]] * 60


HANDSHAKE = {
    "connection": "Upgrade",
    "upgrade": "websocket",
    "sec-websocket-version": "13",
    "sec-websocket-key": "MDEyMzQ1Njc4OWFiY2RlZg==",
    "sec-websocket-protocol": "graphql-transport-ws",
}


@pytest.mark.slow
async def test_fault_151_152_after_a_pause_expired_tokens_are_closed_before_any_event_and_the_other_gateway_serves(pair: Pair) -> None:
    """SIGSTOP for longer than a token lives: meanwhile the other gateway answers; then 4403 before any event, and all catch up."""
    frozen, other = pair.gateways
    cursor = pair.cursor()
    tokens = iter([pair.token(2.5)])
    brief = Followers(1, [frozen.websocket_url], lambda: next(tokens, pair.token()), pair.profile, cursor)
    patient = Followers(3, [frozen.websocket_url], pair.token, pair.profile, cursor)
    async with brief, patient:
        issued = time.monotonic()
        assert frozen.process is not None
        frozen.process.send_signal(signal.SIGSTOP)
        try:
            begun = time.monotonic()
            titles = [await pair.happen([other.url]) for _ in range(5)]
            took = time.monotonic() - begun
            await asyncio.sleep(issued + 3.0 - time.monotonic())
        finally:
            frozen.process.send_signal(signal.SIGCONT)
        await brief.shown(titles[-1])
        await patient.shown(titles[-1])
        metrics = httpx2.get(f"{frozen.url}/metrics").text

    assert took < 3
    assert brief.all[0].endings[0].code == 4403
    assert brief.all[0].endings[0].last.split(",")[0] in {"StreamReady", "StreamGoAway"}
    assert brief.lost_or_doubled(titles) == patient.lost_or_doubled(titles) == []
    assert [one.endings for one in patient.all if one.endings and one.endings[0].code != 1006] == []
    assert 'gateway_loop_lag_seconds_bucket{le="2.5"}' in metrics
    assert any('"loop.blocked"' in line for line in frozen.lines)


@pytest.mark.slow
async def test_fault_156_a_rolling_restart_of_two_gateways_loses_and_doubles_nothing(pair: Pair) -> None:
    """Each is stopped and started again while events are written at the other one."""
    titles: list[str] = []
    async with Followers(20, pair.sockets, pair.token, pair.profile, pair.cursor()) as followers:
        async with pair.writing(titles):
            for gateway in pair.gateways:
                assert await asyncio.to_thread(gateway.stop) == 0
                await asyncio.to_thread(gateway.start)
        await followers.shown(titles[-1])

    assert followers.lost_or_doubled(titles) == []
    assert {ending.code for one in followers.all for ending in one.endings if ending.last} == {1012}


@pytest.mark.slow
async def test_fault_153_out_of_file_descriptors_it_neither_spins_nor_floods_and_heals(pair: Pair, tmp_path: Path) -> None:
    """With 256 descriptors and more clients than that: next to no work, hardly a log line, and once they are gone it answers."""
    limited = tmp_path / "limited"
    limited.write_text(f'#!/bin/sh\nulimit -n 256\nexec "{COMMAND}" "$@"\n')
    limited.chmod(0o755)
    gateway = Gateway(limited, pair.gateways[0].data_dir, environment=pair.gateways[0].environment)
    await asyncio.to_thread(gateway.start)
    crowd = []
    try:
        for _ in range(400):
            one = socket.create_connection(("127.0.0.1", gateway.port), timeout=5)
            crowd.append(one)
            one.sendall(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
        await asyncio.sleep(0.3)
        said, worked = len(gateway.lines), cpu_seconds(gateway.pid)
        await asyncio.sleep(1.5)
        assert cpu_seconds(gateway.pid) - worked < 0.5
        assert len(gateway.lines) - said < 20
        assert sum(answered(one) for one in crowd) < 256
        for one in crowd:
            one.close()
        begun = time.monotonic()
        await until(lambda: healthy(gateway.url))
        assert time.monotonic() - begun < 5
    finally:
        for one in crowd:
            one.close()
        gateway.kill()


def answered(one: socket.socket) -> bool:
    """Whether a client was answered."""
    one.setblocking(False)
    try:
        return one.recv(12) == b"HTTP/1.1 200"
    except OSError:
        return False


def healthy(url: str) -> bool:
    """Whether it answers."""
    try:
        return httpx2.get(f"{url}/healthz", timeout=2).status_code == 200
    except httpx2.HTTPError:
        return False


def cpu_seconds(pid: int) -> float:
    """What a process has worked so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


async def until(fact: Callable[[], bool]) -> None:
    """Wait until something is so."""
    async with asyncio.timeout(20):
        while not await asyncio.to_thread(fact):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
