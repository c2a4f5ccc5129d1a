"""S3: what an open socket costs in memory, idle and with a subscription, each to a profile of its own.

A fresh process for each measurement, which has served a little already: proportional set size over what it was before the first socket, and
the same once more for as many sockets with a subscription, by the number of sockets. `seconds` does not matter.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from functools import partial

from bench.audience import Audience
from bench.harness import Bar, Case, Options, Workload
from bench.screen.data import EVENTS, screen
from bench.servers import Server, node, our_server, people, postgres, seeded, server, token
from bench.workloads.q3 import profile_ids
from bench.workloads.s1 import OURS, PEERS, STRAWBERRY

__all__ = ["WORKLOAD"]

SOCKETS = 500
WARM = 20


def fresh(
    name: str, start: Callable[[], AbstractAsyncContextManager[Server]], people_: Sequence[tuple[str | None, str]], first: int
) -> Case:
    """A case with a process for each measurement."""

    async def measure(_seconds: float) -> dict[str, float]:
        async with start() as running, AsyncExitStack() as stack:

            async def sitting(who: Sequence[tuple[str | None, str]], document: str | None) -> float:
                audience = Audience(running.address, who, document, first=first)
                stack.callback(audience.close)
                await asyncio.to_thread(audience.open)
                await asyncio.sleep(0.5)  # what was made while connecting is given back
                return running.memory()

            before = await sitting(people_[:WARM], EVENTS)
            idle = await sitting(people_, None)
            subscribed = await sitting(people_, EVENTS)
        return {"kb_idle": (idle - before) / len(people_), "kb_subscribed": (subscribed - idle) / len(people_), "mb": before / 1024}

    return Case(name, measure, None, 0.0)


@asynccontextmanager
async def cases(options: Options) -> AsyncIterator[Sequence[Case]]:
    """Every server."""
    place = await asyncio.to_thread(seeded, options.profiles)
    async with postgres(place) as (dsn, _):
        count = min(SOCKETS, options.profiles)
        ids = (await profile_ids(dsn, count))[1]
        start = partial(our_server, "gateway-sockets", GATEWAY_DATABASE_URL=dsn, GATEWAY_DATA_DIR=str(place))
        agents = [token(place, f"agent-{number}") for number in range(count // 5 + 1)]
        made = [fresh(OURS, start, [(agents[number // 5], f"prf_{one.hex}") for number, one in enumerate(ids)], 1)]
        known = [(None, screen(number)["id"]) for number in range(count)]
        others: dict[str, list[str] | None] = {}
        if not options.ours:
            others[STRAWBERRY] = [sys.executable, "-m", "bench.peers.python.strawberry_memory"]
        if options.peers:
            others |= {name: node(script) for name, script in PEERS.items()}
        for name, command in others.items():
            if command:
                made.append(fresh(name, partial(server, f"{name} sockets", command, SCREEN_JSON=str(people(count))), known, 0))
        yield made


WORKLOAD = Workload(
    "s3",
    f"Memory of a socket, {SOCKETS} sockets",
    cases,
    bars=(
        Bar("kB of an idle socket", "kb_idle", OURS, at_most=25),
        Bar("kB of a socket with a subscription", "kb_subscribed", OURS, at_most=32),
    ),
    shown=("kb_idle", "kb_subscribed", "mb"),
    seconds=0.1,
    most_rounds=2,
)
