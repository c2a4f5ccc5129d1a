"""WebSockets of one gateway process: what each costs in memory, and a reconnect storm: `.venv/bin/python bench/sockets.py`.

Starts a gateway on an embedded Postgres of its own, and two client processes that speak graphql-transport-ws by hand, so that clients cost little.
Memory is the server's (PSS of the one process, never its children's), over what it was before the first socket, in a process that is fresh for each
measurement. The storm: every socket is reset at once, each profile changes once, and all come back with their cursors, honouring `Retry-After`;
meanwhile a program asks over HTTP. Prints each round as it ends, and a table of minimum and median.
"""

from __future__ import annotations

import argparse
import asyncio
import atexit
import contextlib
import json
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import httpx2
from crowd import Crowds

from gateway.auth.development import DevelopmentKeys
from gateway.auth.principal import Role

PER_SUBJECT = 5
"""Sockets of one agent; the gateway allows 10."""
ASK = 'query($user: String!) { profile(by: {identifier: {type: "user_id", value: $user}}) { id displayName traits(first: 5) { nodes { key } } } }'


class Server:
    """One gateway process."""

    def __init__(self, data_dir: Path, **settings: str) -> None:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("GATEWAY_")}
        environment |= {"GATEWAY_LOG_FORMAT": "json", "GATEWAY_SOCKETS_PER_WORKSPACE": "5000", **settings}
        command = [Path(sys.executable).with_name("profile-gateway"), "serve", "--dev", "--port", "0", "--data-dir", data_dir]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)  # noqa: S603
        assert self.process.stderr is not None
        for line in self.process.stderr:
            if '"serving"' in line:
                self.url = json.loads(line)["url"]
                break
        threading.Thread(target=self.process.stderr.read, daemon=True).start()  # or its log would fill the pipe
        self.address = ("127.0.0.1", int(self.url.rpartition(":")[2]))
        self.data_dir = data_dir
        atexit.register(self.stop)

    def memory(self) -> dict[str, float]:
        """RSS and PSS of the one process in kB."""
        text = Path(f"/proc/{self.process.pid}/smaps_rollup").read_text()
        return {name: float(re.search(rf"^{name}: +(\d+)", text, re.MULTILINE)[1]) for name in ("Rss", "Pss")}  # type: ignore[index]

    def cpu(self) -> float:
        """Seconds of processor time so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def database_connections(self) -> int:
        """Client connections of its Postgres, counted as processes."""
        found = 0
        for directory in Path("/proc").iterdir():
            if directory.name.isdigit():
                with contextlib.suppress(OSError):
                    title = (directory / "cmdline").read_bytes().replace(b"\0", b" ")
                    if title.startswith(b"postgres:") and b"[local]" in title and self._is_ours(int(directory.name)):
                        found += 1
        return found

    def _is_ours(self, pid: int) -> bool:
        for _ in range(3):
            pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
            if pid == self.process.pid:
                return True
        return False

    def metric(self, name: str) -> float:
        """One metric."""
        text = httpx2.get(f"{self.url}/metrics").text
        return sum(float(line.rpartition(" ")[2]) for line in text.splitlines() if re.match(rf"{name}[ {{]", line))

    def stop(self) -> None:
        """SIGTERM, and wait."""
        atexit.unregister(self.stop)
        self.process.terminate()
        self.process.wait(60)


async def make_profiles(server: Server, key: str, count: int, plan: str) -> None:
    """Make each profile, or change a trait of it."""
    async with httpx2.AsyncClient(base_url=server.url, auth=(key, ""), timeout=60) as client:
        for start in range(0, count, 500):
            batch = [
                {"type": "identify", "messageId": f"{plan}-{n}", "userId": f"u-{n}", "traits": {"firstName": f"Name{n}", "plan": plan}}
                for n in range(start, min(start + 500, count))
            ]
            answer = await client.post("/v1/batch", json={"batch": batch})
            assert answer.json()["accepted"] == len(batch), answer.text


async def profile_ids(server: Server, token: str, count: int) -> list[str]:
    """The ids of the profiles, by their users."""
    headers = {"Authorization": f"Bearer {token}"}
    ids: list[str] = []
    async with httpx2.AsyncClient(base_url=server.url, headers=headers, timeout=60) as client:
        for start in range(0, count, 50):
            users = range(start, min(start + 50, count))
            fields = " ".join(f'u{n}: profile(by: {{identifier: {{type: "user_id", value: "u-{n}"}}}}) {{ id }}' for n in users)
            data = (await client.post("/graphql", json={"query": f"{{ {fields} }}"})).json()["data"]
            ids += [data[f"u{n}"]["id"] for n in users]
    return ids


async def ask(server: Server, token: str, until: asyncio.Event, times: list[float], failures: list[int]) -> None:
    """Query over HTTP, 20 times a second, until told; milliseconds of each."""
    async with httpx2.AsyncClient(base_url=server.url, headers={"Authorization": f"Bearer {token}"}, timeout=30) as client:
        number = 0
        while not until.is_set():
            started = time.monotonic()
            answer = await client.post("/graphql", json={"query": ASK, "variables": {"user": f"u-{number % 100}"}})
            times.append((time.monotonic() - started) * 1000)
            if answer.status_code != 200 or "errors" in answer.json():  # noqa: PLR2004
                failures.append(answer.status_code)
            number += 1
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(until.wait(), 0.05)


class Bench:
    """The measurements on one data directory."""

    def __init__(self, data_dir: Path, count: int) -> None:
        self.data_dir = data_dir
        self.count = count
        self.results: dict[str, list[float]] = defaultdict(list)
        self.ids: list[str] = []
        self.tokens: list[str] = []
        self.key = ""

    def start(self, **settings: str) -> Server:
        """A fresh gateway process that has served a little already."""
        server = Server(self.data_dir, **settings)
        if not self.tokens:
            signer = DevelopmentKeys.open(self.data_dir).signer()
            self.tokens = [signer.sign("demo", f"agent{n}", Role.AGENT) for n in range(self.count // PER_SUBJECT + 2)]
        return server

    def people(self, *, distinct: bool = True) -> list[tuple[str, str]]:
        """Token and profile of each socket."""
        return [(self.tokens[n // PER_SUBJECT], self.ids[n if distinct else 0]) for n in range(self.count)]

    async def prepare(self) -> None:
        """Make the profiles."""
        server = self.start()
        arguments = [Path(sys.executable).with_name("profile-gateway"), "keys", "create", "--data-dir", self.data_dir]
        self.key = subprocess.run(arguments, check=True, capture_output=True, text=True).stdout.strip()  # noqa: S603, ASYNC221
        await make_profiles(server, self.key, self.count, "gold")
        self.ids = await profile_ids(server, self.tokens[0], self.count)
        server.stop()

    async def memory(self, name: str, *, watch: bool, distinct: bool) -> None:
        """Memory of one socket, and of one with a subscription."""
        server = self.start(GATEWAY_UPGRADES_PER_SECOND="100000")
        warm = Crowds(server.address, [(self.tokens[-1], self.ids[n]) for n in range(4)])
        await warm.do("connect", True)
        await profile_ids(server, self.tokens[0], 50)
        warm.end()
        await self._until(lambda: server.metric("gateway_sockets") == 0)
        before = server.memory()
        crowds = Crowds(server.address, self.people(distinct=distinct))
        took, used = time.monotonic(), server.cpu()
        await crowds.do("connect", watch)
        took, used = time.monotonic() - took, server.cpu() - used
        await asyncio.sleep(2)
        after = server.memory()
        assert server.metric("gateway_sockets") == self.count
        for kind in ("Rss", "Pss"):
            self.note(f"{name}: {kind.upper()} per socket (kB)", (after[kind] - before[kind]) / self.count)
        self.note(f"{name}: time to connect all (s)", took)
        self.note(f"{name}: processor time of it (s)", used)
        self.note(f"{name}: PSS before (MB)", before["Pss"] / 1024)
        await asyncio.sleep(3)
        used, started = server.cpu(), time.monotonic()
        await asyncio.sleep(3)
        self.note(f"{name}: processor while nothing happens (%)", 100 * (server.cpu() - used) / (time.monotonic() - started))
        await crowds.do("cut")
        await self._until(lambda: server.metric("gateway_sockets") == 0)
        await asyncio.sleep(1)
        self.note(f"{name}: PSS left per socket after all are gone (kB)", (server.memory()["Pss"] - before["Pss"]) / self.count)
        crowds.end()
        server.stop()

    async def storm(self, number: int) -> None:
        """Everybody is cut, everybody comes back."""
        server = self.start()
        crowds = Crowds(server.address, self.people())
        await crowds.do("connect", True)
        calm: list[float] = []
        times: list[float] = []
        failures: list[int] = []
        most = server.database_connections()
        await self._asking(server, calm, failures, asyncio.sleep(5))
        await crowds.do("cut")
        await make_profiles(server, self.key, self.count, f"storm-{number}-{time.time()}")
        used = server.cpu()
        storm = asyncio.create_task(crowds.do("resume"))

        async def watched() -> None:
            nonlocal most
            while not storm.done():
                most = max(most, server.database_connections())
                await asyncio.sleep(0.2)

        await self._asking(server, times, failures, watched())
        answers = storm.result()
        took = sorted(one for answer in answers for one in answer["took"])
        self.note("storm: all caught up (s)", took[-1])
        self.note("storm: half caught up (s)", took[len(took) // 2])
        self.note("storm: refused upgrades", sum(answer["refusals"] for answer in answers))
        self.note("storm: processor time of the gateway (s)", server.cpu() - used)
        self.note("storm: most connections to Postgres", most)
        self.note("storm: HTTP p99 before (ms)", sorted(calm)[int(len(calm) * 0.99)])
        self.note("storm: HTTP p99 meanwhile (ms)", sorted(times)[int(len(times) * 0.99)])
        self.note("storm: HTTP failures", len(failures))
        crowds.end()
        server.stop()

    async def _asking(self, server: Server, times: list[float], failures: list[int], work: Any) -> None:
        over = asyncio.Event()
        asking = asyncio.create_task(ask(server, self.tokens[0], over, times, failures))
        await work
        over.set()
        await asking

    async def _until(self, fact: Callable[[], bool]) -> None:
        async with asyncio.timeout(60):
            while not fact():  # noqa: ASYNC110  # of another process
                await asyncio.sleep(0.1)

    def note(self, name: str, value: float) -> None:
        """Keep and show one number."""
        self.results[name].append(value)
        print(f"  {name:<62} {value:10.2f}", flush=True)


async def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--sockets", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", choices=["idle", "distinct", "one", "storm"], action="append", help="these measurements alone")
    chosen = parser.parse_args()
    wanted = chosen.only or ["idle", "distinct", "one", "storm"]
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    data_dir = Path(tempfile.mkdtemp(prefix="bench-"))
    bench = Bench(data_dir, chosen.sockets)
    try:
        await bench.prepare()
        for number in range(chosen.rounds):
            print(f"round {number + 1} of {chosen.rounds}", flush=True)
            if "idle" in wanted:
                await bench.memory("idle", watch=False, distinct=True)
            if "distinct" in wanted:
                await bench.memory("subscribed, each its profile", watch=True, distinct=True)
            if "one" in wanted:
                await bench.memory("subscribed, all one profile", watch=True, distinct=False)
            if "storm" in wanted:
                await bench.storm(number)
    finally:
        shutil.rmtree(data_dir, ignore_errors=True)
    print(f"\n{chosen.sockets} sockets, {chosen.rounds} rounds{'min':>38} {'median':>10}")
    for name, values in bench.results.items():
        print(f"{name:<64} {min(values):10.2f} {median(values):10.2f}")


if __name__ == "__main__":
    asyncio.run(main())
