"""How long a committed change takes to its clients (workload S4): `.venv/bin/python bench/lag.py`.

One gateway process on a Postgres of its own, a process that writes (GraphQL mutations over HTTP, or tracked events), and this one, which
holds the sockets. Two shapes: `desk`, each socket watches a profile of its own; `team`, twenty sockets watch each profile. The lag of a delivery
is from the event's `at` (the database's clock as the change is logged, just before its commit) to the moment when this process has read the
message; all clocks are one. Every delivery is accounted for: lost, doubled and reordered ones are counted. `--bell dead` names a bus that is not
there and writes through a second gateway, so that polling alone delivers.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import multiprocessing
import os
import signal
import socket
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from multiprocessing.connection import Connection
from pathlib import Path

import httpx2
import uvloop
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from gateway.auth.development import DevelopmentKeys
from gateway.auth.principal import Role
from tests.running import Gateway
from tests.servers import PostgresServer

TEAM = 20
"""Sockets that watch one profile in the shape `team`."""
PER_SUBJECT = 5
WATCH = """subscription($id: ID!) { timelineEvents(profileId: $id, filter: {kinds: [NOTE, EXTERNAL, WEB]}) { __typename
  ... on LiveEvent { cursor seq at } ... on TimelineItemUpserted { isNew item { id occurredAt title icon ... on NoteItem { note { body } } } } } }"""
NOTE = "mutation($id: ID!, $body: String!) { addNote(input: {profileId: $id, body: $body}) { userErrors { code } } }"
BARS = {"postgres": (50.0, 250.0), "dead": (None, 2500.0)}
"""Milliseconds: median and 99th percentile."""


@dataclass
class Round:
    """What one shape under one bell came to."""

    name: str
    changes: int
    rate: float
    lags: list[float]
    lost: int
    doubled: int
    reordered: int
    refused: int
    """Changes that the gateway did not take: it said OVERLOADED."""
    processor: float
    """Share of one core that the gateway used."""
    write_ms: list[float]


class Watcher:
    """One socket with one subscription; keeps each message as it came."""

    def __init__(self, url: str, token: str, profile: int, profile_id: str) -> None:
        self.url, self.token, self.profile, self.profile_id = url, token, profile, profile_id
        self.came: list[tuple[float, str]] = []
        self.ready = asyncio.Event()
        self._socket: ClientConnection | None = None
        self._task: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Connect, subscribe, and wait for StreamReady."""
        self._socket = await connect(
            self.url, subprotocols=["graphql-transport-ws"], compression=None, ping_interval=None, max_queue=None, open_timeout=60
        )
        await self._socket.send(json.dumps({"type": "connection_init", "payload": {"Authorization": f"Bearer {self.token}"}}))
        subscribe = {"id": "1", "type": "subscribe", "payload": {"query": WATCH, "variables": {"id": self.profile_id}}}
        assert json.loads(await self._socket.recv())["type"] == "connection_ack"
        await self._socket.send(json.dumps(subscribe))
        self._task = asyncio.create_task(self._read(self._socket))
        async with asyncio.timeout(60):
            await self.ready.wait()

    async def _read(self, socket: ClientConnection) -> None:
        with contextlib.suppress(ConnectionClosed):
            async for text in socket:
                now = time.time()
                if text.startswith('{"type":"ping"'):
                    await socket.send('{"type":"pong"}')
                elif self.ready.is_set():
                    self.came.append((now, str(text)))
                else:
                    assert '"StreamReady"' in text, text
                    self.ready.set()

    async def close(self) -> None:
        """Hang up."""
        assert self._socket is not None
        assert self._task is not None
        await self._socket.close()
        await self._task

    def items(self) -> list[tuple[str, float]]:
        """Which change came, and its lag in milliseconds."""
        found = []
        for now, text in self.came:
            event = json.loads(text)["payload"]["data"]["timelineEvents"]
            item = event["item"]
            name = item["note"]["body"] if "note" in item else item["title"]
            found.append((name, (now - datetime.fromisoformat(event["at"]).timestamp()) * 1000))
        return found


def write(
    pipe: Connection, url: str, credential: str, ids: list[str] | None, profiles: int, rate: float, seconds: float, prefix: str
) -> None:
    """The writing process: an open loop of `rate` changes per second, each to the next profile; sends what was committed, in order of commits.

    `ids`: of the profiles, to write notes; None: track events of the users `u-<n>`.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    done: list[tuple[int, str]] = []
    took: list[float] = []
    refused: list[str] = []
    last: dict[int, asyncio.Task[None]] = {}

    async def change(client: httpx2.AsyncClient, number: int, before: asyncio.Task[None] | None) -> None:
        if before is not None:
            await before  # one change after the other to each profile, so that its order is known
        profile, name = number % profiles, f"{prefix}-{number}"
        started = time.perf_counter()
        if ids is None:
            answer = await client.post("/v1/track", json={"messageId": name, "userId": f"u-{profile}", "event": name})
            assert answer.json()["success"], answer.text
        else:
            answer = await client.post("/graphql", json={"query": NOTE, "variables": {"id": ids[profile], "body": name}})
            if "OVERLOADED" in answer.text:  # it may have happened all the same, when it was the commit that took too long
                refused.append(name)
                return
            assert answer.json() == {"data": {"addNote": {"userErrors": []}}}, answer.text
        took.append((time.perf_counter() - started) * 1000)
        done.append((profile, name))

    async def main() -> None:
        auth = (credential, "") if ids is None else None
        headers = {} if ids is None else {"Authorization": f"Bearer {credential}"}
        async with httpx2.AsyncClient(base_url=url, auth=auth, headers=headers, timeout=60) as client, asyncio.TaskGroup() as group:
            started = time.perf_counter()
            for number in range(int(rate * seconds)):
                await asyncio.sleep(max(0.0, started + number / rate - time.perf_counter()))
                profile = number % profiles
                last[profile] = group.create_task(change(client, number, last.get(profile)))

    started = time.perf_counter()
    uvloop.run(main())
    pipe.send((done, took, refused, time.perf_counter() - started))


class Bench:
    """The measurements on one gateway."""

    def __init__(self, gateway: Gateway, writing: Gateway, options: argparse.Namespace) -> None:
        """`writing`: the gateway that the writer talks to."""
        self.gateway, self.writing, self.options = gateway, writing, options
        self.key = gateway.write_key()
        sign = DevelopmentKeys.open(gateway.data_dir).signer().sign
        self.tokens = [sign("demo", f"agent-{n}", Role.AGENT) for n in range(options.sockets // PER_SUBJECT + 1)]
        self.ids: list[str] = []

    async def prepare(self) -> None:
        """Make the profiles and learn their ids."""
        async with httpx2.AsyncClient(base_url=self.gateway.url, timeout=60) as client:
            for start in range(0, self.options.sockets, 500):
                users = range(start, min(start + 500, self.options.sockets))
                batch = [
                    {"type": "identify", "messageId": f"i-{n}", "userId": f"u-{n}", "traits": {"firstName": f"Name{n}"}} for n in users
                ]
                answer = await client.post("/v1/batch", json={"batch": batch}, auth=(self.key, ""))
                assert answer.json()["accepted"] == len(batch), answer.text
            find = 'query($user: String!) { profile(by: {identifier: {type: "user_id", value: $user}}) { id } }'
            for n in range(self.options.sockets):
                body = {"query": find, "variables": {"user": f"u-{n}"}}
                answer = await client.post("/graphql", json=body, headers={"Authorization": f"Bearer {self.tokens[0]}"})
                self.ids.append(answer.json()["data"]["profile"]["id"])

    async def measure(self, shape: str, bell: str) -> Round:
        """Open the sockets, let the writer write, wait for the last delivery."""
        options = self.options
        profiles = options.sockets if shape == "desk" else max(1, options.sockets // TEAM)
        watchers = [
            Watcher(self.gateway.websocket_url, self.tokens[n // PER_SUBJECT], n % profiles, self.ids[n % profiles])
            for n in range(options.sockets)
        ]
        started = time.perf_counter()
        await _few_at_a_time(10, [watcher.open for watcher in watchers])
        print(f"  {len(watchers)} sockets on {profiles} profiles in {time.perf_counter() - started:.1f} s; writing …", flush=True)
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        credential, ids = (self.tokens[-1], self.ids) if options.writer == "note" else (self.key, None)
        prefix = f"{shape}-{bell}-{time.time_ns()}"
        arguments = (theirs, self.writing.url, credential, ids, profiles, options.rate, options.seconds, prefix)
        writer = context.Process(target=write, args=arguments, daemon=True)
        used = _processor_seconds(self.gateway.pid)
        writer.start()
        theirs.close()  # so that its end, should it fail, is ours too
        done, took, refused, seconds = await asyncio.get_running_loop().run_in_executor(None, ours.recv)
        used = _processor_seconds(self.gateway.pid) - used
        writer.join()
        expected: dict[int, list[str]] = defaultdict(list)
        for profile, name in done:
            expected[profile].append(name)
        await _until(lambda: all(len(watcher.came) >= len(expected[watcher.profile]) for watcher in watchers), 15)
        await asyncio.sleep(0.2)  # for what should not come
        result = Round(f"{shape}, bell {bell}", len(done), len(done) / seconds, [], 0, 0, 0, len(refused), used / seconds, took)
        for watcher in watchers:
            came = [(name, lag) for name, lag in watcher.items() if name not in refused]
            times = Counter(name for name, _ in came)
            result.lags += [lag for _, lag in came]
            result.lost += sum(name not in times for name in expected[watcher.profile])
            result.doubled += sum(count - 1 for count in times.values())
            result.reordered += list(dict.fromkeys(name for name, _ in came)) != [n for n in expected[watcher.profile] if n in times]
        await _few_at_a_time(50, [watcher.close for watcher in watchers])
        return result


async def _until(fulfilled: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not fulfilled() and time.monotonic() < deadline:  # noqa: ASYNC110  # two counters of many sockets
        await asyncio.sleep(0.05)


async def _few_at_a_time(most: int, calls: list[Callable[[], Awaitable[None]]]) -> None:
    turns = asyncio.Semaphore(most)

    async def one(call: Callable[[], Awaitable[None]]) -> None:
        async with turns:
            await call()

    await asyncio.gather(*map(one, calls))


def _processor_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _percentile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * share))] if values else float("nan")


def _dead_bus() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"valkey://127.0.0.1:{probe.getsockname()[1]}"


def _show(rounds: list[Round]) -> bool:
    """The table; whether every bar was met."""
    names = ("changes/s", "deliveries", "lost", "twice", "disorder", "refused", "p50", "p99", "max", "gateway", "write p50")
    print("".join([f"\n{'':<22}", *(f"{name:>11}" for name in names)]))
    met = True
    for one in rounds:
        p50, p99 = _percentile(one.lags, 0.5), _percentile(one.lags, 0.99)
        half, most = BARS["dead" if one.name.endswith("dead") else "postgres"]
        fine = one.lost + one.doubled + one.reordered + one.refused == 0 and p99 < most and (half is None or p50 < half)
        met &= fine
        times = (p50, p99, max(one.lags, default=0.0))
        cells = [
            f"{one.rate:.1f}",
            *map(str, (len(one.lags), one.lost, one.doubled, one.reordered, one.refused)),
            *(f"{ms:.1f}" for ms in times),
        ]
        cells += [f"{one.processor:.0%}", f"{_percentile(one.write_ms, 0.5):.1f}"]
        print("".join([f"{one.name:<22}", *(f"{cell:>11}" for cell in cells), "  ok" if fine else "  MISSED"]))
    print("lags in ms, from the log to the client; bars: p50 < 50, p99 < 250, with a dead bell p99 < 2500; gateway: share of one core")
    return met


async def main(options: argparse.Namespace) -> bool:
    """Measure each bell and shape, and print."""
    return _show(await rounds_of(options))


async def rounds_of(options: argparse.Namespace) -> list[Round]:
    """Measure each bell and shape."""
    rounds: list[Round] = []
    for bell in options.bell:
        environment = {"GATEWAY_SOCKETS_PER_WORKSPACE": "100000", "GATEWAY_UPGRADES_PER_SECOND": "100000", "GATEWAY_DRAIN_SECONDS": "0"}
        if bell != "postgres":
            environment["GATEWAY_BUS"] = _dead_bus() if bell == "dead" else bell
        with contextlib.ExitStack() as running:
            place = Path(running.enter_context(tempfile.TemporaryDirectory(prefix="lag-")))  # on a disk: COMMIT is part of the lag
            os.chmod(place, 0o755)  # noqa: PTH101, S103  # for the server, which does not run as root
            postgres = PostgresServer(place)
            postgres.make()
            running.enter_context(postgres.running())
            gateways = []
            for _ in range(2 if bell == "dead" else 1):
                command = Path(sys.executable).with_name("profile-gateway")
                gateway = Gateway(command, place / "data", environment={**environment, "GATEWAY_DATABASE_URL": postgres.dsn()})
                gateway.start()
                running.callback(gateway.stop)
                gateways.append(gateway)
            bench = Bench(gateways[0], gateways[-1], options)
            await bench.prepare()
            for number in range(options.rounds):
                for shape in options.shape:
                    print(f"bell {bell}, {shape}, round {number + 1} of {options.rounds}, process {gateways[0].pid}", flush=True)
                    rounds.append(await bench.measure(shape, bell))
    return rounds


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Commit to client, in milliseconds.")
    parser.add_argument("--sockets", type=int, default=1000)
    parser.add_argument("--rate", type=float, default=100.0, help="changes per second")
    parser.add_argument("--seconds", type=float, default=20.0, help="of writing, per round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--shape", nargs="+", choices=("desk", "team"), default=["desk", "team"])
    parser.add_argument("--bell", nargs="+", default=["postgres"], help="postgres, dead, memory, or a URL for GATEWAY_BUS")
    parser.add_argument("--writer", choices=("note", "track"), default="note", help="GraphQL mutations, or events of the tracking API")
    sys.exit(not uvloop.run(main(parser.parse_args())))
