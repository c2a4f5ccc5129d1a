"""What sources elsewhere cost the agent's screen: `.venv/bin/python bench/sources.py [--rounds N] [--json FILE]`.

G1: 1 → 8 sources behind one screen, latency and the gateway's processor time per screen (linear in the sources that are touched, and no more).
Then five sources: with one slow (200 ms) against that source alone, and with one that hangs: the first screens against the deadline, and those behind
an open circuit against the healthy ones. The systems are real HTTP servers in a process of their own; the gateway is in this one, without a socket.
Rounds of all cases are interleaved, since everything shares the processor; minimum and median are told, and ratios of medians.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median
from typing import Any

from pydantic import SecretStr

from gateway.app import Runtime, open_runtime
from gateway.auth.policy import ROLE_SCOPES
from gateway.auth.principal import Principal, Role
from gateway.auth.workspaces import Workspaces
from gateway.engine.request import Request
from gateway.observe import configure_logging
from gateway.settings import Settings
from gateway.storage.embedded import EmbeddedPostgres

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.elsewhere import SCREEN, office
from tests.upstreams import Fault

COUNTS = (1, 2, 4, 8)
SLOW = 0.2
DEADLINE = 0.5
"""Of the sources where one hangs, so that the run is short; the bar is relative to it."""
CREATE = "mutation($input: CreateProfileInput!) { createProfile(input: $input) { profile { id } userErrors { code message } } }"


@dataclass
class Case:
    """One gateway in front of so many systems, and what its screens took: milliseconds on the clock and of the processor."""

    runtime: Runtime
    agent: Principal
    control: Connection
    took: list[float] = field(default_factory=list)
    spent: list[float] = field(default_factory=list)

    async def screen(self, *, whole: bool = True) -> float:
        """One screen; its milliseconds, which are entered. `whole`: nothing may be missing."""
        prepared = self.runtime.engine.prepare(Request(SCREEN, {"by": [{"identifier": {"type": "user_id", "value": "u-1"}}]}))
        began, cpu = time.perf_counter(), time.process_time()
        answer = await self.runtime.engine.execute(prepared, self.runtime.context_for(self.agent))
        self.took.append((time.perf_counter() - began) * 1000)
        self.spent.append((time.process_time() - cpu) * 1000)
        assert ("errors" in answer) is not whole, answer
        return self.took[-1]

    def fault(self, key: str, fault: Fault) -> None:
        """Make one of its systems behave like this."""
        self.control.send((key, fault))
        self.control.recv()


def serve(control: Connection, count: int, policy: dict[str, float]) -> None:
    """The process of the systems: tells their TOML, then sets faults until it is told to end."""
    with office(count, **policy) as systems:
        control.send(systems.toml)
        while (order := control.recv()) is not None:
            key, fault = order
            systems.systems[key].fault = fault
            control.send(None)


@contextmanager
def systems(count: int, **policy: float) -> Iterator[tuple[Connection, str]]:
    """So many systems in a process of their own: how to order faults, and their TOML."""
    spawn = multiprocessing.get_context("spawn")
    ours, theirs = spawn.Pipe()
    process = spawn.Process(target=serve, args=(theirs, count, policy), daemon=True)
    process.start()
    try:
        yield ours, ours.recv()
    finally:
        ours.send(None)
        process.join(10)


@asynccontextmanager
async def case(dsn: str, count: int, **policy: float) -> AsyncIterator[Case]:
    """A gateway with so many sources, warm."""
    place = Path(tempfile.mkdtemp(prefix="bench-"))
    with systems(count, **policy) as (control, toml):
        (place / "sources.toml").write_text(toml)
        settings = Settings(dev=True, data_dir=place, bus="memory", database_url=SecretStr(dsn), sources=place / "sources.toml")
        async with open_runtime(settings) as runtime:
            workspace = await Workspaces(runtime.database).ensure("bench", "Bench")
            agent = Principal(workspace, "bench", "ann", "Ann", Role.AGENT, ROLE_SCOPES[Role.AGENT], None, None)
            given = {"firstName": "Ann", "identifiers": [{"type": "user_id", "value": "u-1"}]}
            prepared = runtime.engine.prepare(Request(CREATE, {"input": given}))
            await runtime.engine.execute(prepared, runtime.context_for(agent))  # there already, from the second case on
            made = Case(runtime, agent, control)
            for _ in range(10):
                await made.screen()
            made.took.clear()
            made.spent.clear()
            yield made


def told(name: str, values: list[float]) -> dict[str, float]:
    """Print minimum and median; both."""
    print(f"{name:<44} min {min(values):8.2f}   median {median(values):8.2f} ms   n={len(values)}")
    return {"min": round(min(values), 3), "median": round(median(values), 3), "n": len(values)}


async def growth(dsn: str, rounds: int) -> dict[str, Any]:
    """G1."""
    found: dict[str, Any] = {}
    async with case(dsn, 1) as one, case(dsn, 2) as two, case(dsn, 4) as four, case(dsn, 8) as eight:
        cases = dict(zip(COUNTS, (one, two, four, eight), strict=True))
        for _ in range(rounds):
            for each in cases.values():
                for _ in range(5):
                    await each.screen()
        for count, each in cases.items():
            found[str(count)] = {
                "clock": told(f"G1 {count} sources: latency", each.took),
                "cpu": told(f"G1 {count} sources: processor of the gateway", each.spent),
            }
    first, per = median(one.spent), (median(eight.spent) - median(one.spent)) / 7
    predicted = first + 3 * per
    found["cpu_per_source"], found["linearity_at_4"] = round(per, 3), round(median(four.spent) / predicted, 3)
    print(f"   one more source: {per:.2f} ms of processor; at 4 sources {found['linearity_at_4']:.2f} × a straight line (bar: <= 1.3)\n")
    return found


async def slowest(dsn: str, rounds: int) -> dict[str, Any]:
    """Five sources of which one is slow, against the slow one alone."""
    async with case(dsn, 1) as alone, case(dsn, 5) as five:
        for each in (alone, five):
            each.fault("crm", Fault(latency=SLOW))
        for _ in range(rounds):
            for each in (alone, five):
                await each.screen()
        found = {"alone": told("one source, slow by 200 ms", alone.took), "five": told("five sources, one of them slow", five.took)}
    found["ratio"] = round(median(five.took) / median(alone.took), 3)  # type: ignore[assignment]
    print(f"   {found['ratio']:.2f} × the slowest source alone (bar: <= 1.2)\n")
    return found


async def hanging(dsn: str, rounds: int) -> dict[str, Any]:
    """Five sources of which one hangs, before and behind the open circuit, against another gateway whose sources are well."""
    policy = {"deadline": DEADLINE, "failures": 5, "pause": 60.0, "longest_pause": 60.0, "retries": 0}
    async with case(dsn, 5) as well, case(dsn, 5, **policy) as five:
        five.fault("orders", Fault(hang=True))
        first = [await five.screen(whole=False) for _ in range(4)]
        for _ in range(4):
            await five.screen(whole=False)  # until the circuit is certainly open
        healthy, opened = [], []
        for _ in range(rounds * 2):
            healthy.append(await well.screen())
            opened.append(await five.screen(whole=False))
        found: dict[str, Any] = {
            "healthy": told("five sources, all well", healthy),
            "first": told("one hangs: the first screens", first),
            "open": told("one hangs: behind the open circuit", opened),
        }
    found["over_deadline"] = round(median(first) - DEADLINE * 1000, 1)
    found["ratio_open"] = round(median(opened) / median(healthy), 3)
    print(f"   first: {found['over_deadline']:+.0f} ms against the deadline of {DEADLINE * 1000:.0f} (bar: <= +50)")
    print(f"   open: {found['ratio_open']:.2f} × healthy (bar: <= 1.2)\n")
    return found


async def main(rounds: int) -> dict[str, Any]:
    """Measure and print."""
    configure_logging("json", "error")
    place = Path(tempfile.mkdtemp(prefix="bench-"))
    async with await EmbeddedPostgres.start(place) as server:
        return {
            "rounds": rounds,
            "growth": await growth(server.dsn, rounds),
            "slowest": await slowest(server.dsn, rounds),
            "hanging": await hanging(server.dsn, rounds),
        }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", type=Path, help="write the figures there")
    given = parser.parse_args()
    figures = asyncio.run(main(given.rounds))
    if given.json is not None:
        given.json.write_text(json.dumps(figures, indent=2) + "\n")
