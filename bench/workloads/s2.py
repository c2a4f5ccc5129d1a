"""S2: the agents' desks. A thousand profiles, one subscriber each, and one change to every profile at once.

All changes are one request; ours logs them in one transaction. Every socket must be sent its one event.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

from bench.audience import Audience
from bench.harness import Bar, Case, Options, Workload
from bench.load import request
from bench.screen.data import EVENTS, screen
from bench.servers import node, our_server, people, postgres, seeded, server, token
from bench.workloads.q3 import profile_ids
from bench.workloads.s1 import OURS, PEERS, STRAWBERRY, fan_out, opened

__all__ = ["WORKLOAD"]

DESKS = 1000


@asynccontextmanager
async def cases(options: Options) -> AsyncIterator[Sequence[Case]]:
    """Every server with its audience."""
    count = min(DESKS, options.profiles)
    async with AsyncExitStack() as stack:
        place = await asyncio.to_thread(seeded, options.profiles)
        dsn, postmaster = await stack.enter_async_context(postgres(place))
        gateway = our_server("gateway-desks", also=(postmaster,), GATEWAY_DATABASE_URL=dsn, GATEWAY_DATA_DIR=str(place))
        running = await stack.enter_async_context(gateway)
        ids = [f"prf_{one.hex}" for one in (await profile_ids(dsn, count))[1]]
        agent = token(place)
        audience = await opened(stack, Audience(running.address, [(agent, one) for one in ids], EVENTS, first=1))
        made = [fan_out(OURS, audience, running, request({"ids": ids, "count": 1}, path="/publish"), 1, "ProfileUpdated")]
        others: dict[str, list[str] | None] = {}
        if not options.ours:
            others[STRAWBERRY] = [sys.executable, "-m", "bench.peers.python.strawberry_memory"]
        if options.peers:
            others |= {name: node(script) for name, script in PEERS.items()}
        known = [screen(number)["id"] for number in range(count)]
        trigger = request({"ids": known, "count": 1}, path="/publish")
        for name, command in others.items():
            if command:
                peer = await stack.enter_async_context(server(f"{name} desks", command, SCREEN_JSON=str(people(count))))
                audience = await opened(stack, Audience(peer.address, [(None, one) for one in known], EVENTS), trigger)
                made.append(fan_out(name, audience, peer, trigger, 1, "ProfileUpdated"))
        yield made


WORKLOAD = Workload(
    "s2",
    "One change to each of 1 000 profiles, one subscriber each",
    cases,
    bars=(
        Bar("times mercurius", "deliveries", OURS, "mercurius", at_least=2),
        Bar("times Strawberry + broadcaster", "deliveries", OURS, STRAWBERRY, at_least=1),
    ),
    shown=("deliveries", "us", "p50", "p99"),
)
