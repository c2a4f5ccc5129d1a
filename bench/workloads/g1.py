"""G1: growth. A screen among few profiles and many, a delivery to few sockets and many, a screen of one source and of eight.

1 000 and 10 000 profiles (10 000 and 1 000 000 with `--large`); 100 and 1 000 sockets (3 000 with `--large`). Sources are those of
`bench/sources.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

from bench import sources
from bench.audience import Audience
from bench.harness import Bar, Case, Options, Workload
from bench.load import request
from bench.screen.data import EVENTS
from bench.servers import http_case, our_server, postgres, seeded, token
from bench.workloads.q3 import CONNECTIONS, profile_ids, screens, whole
from bench.workloads.s1 import fan_out, opened

__all__ = ["WORKLOAD"]


@asynccontextmanager
async def cases(options: Options) -> AsyncIterator[Sequence[Case]]:
    """Both ends of each."""
    many = 1_000_000 if options.large else options.profiles
    async with AsyncExitStack() as stack:
        made: list[Case] = []
        for label, size in (("few", max(1, min(options.profiles, many) // 10)), ("many", many)):
            place = await asyncio.to_thread(seeded, size)
            dsn, postmaster = await stack.enter_async_context(postgres(place))
            gateway = our_server(f"gateway-{label}", also=(postmaster,), GATEWAY_DATABASE_URL=dsn, GATEWAY_DATA_DIR=str(place))
            running = await stack.enter_async_context(gateway)
            ids = (await profile_ids(dsn))[1]
            agent = token(place)
            made.append(
                http_case(f"screen, {label} profiles", running, screens(ids, {"authorization": f"Bearer {agent}"}), CONNECTIONS, whole)
            )
            sockets = 100 if label == "few" else 3000 if options.large else 1000
            profile = f"prf_{ids[0].hex}"
            audience = await opened(stack, Audience(running.address, [(agent, profile)] * sockets, EVENTS, first=1))
            trigger = request({"id": profile, "count": 1}, path="/publish")
            made.append(fan_out(f"delivery, {label} sockets", audience, running, trigger, 1, "ProfileUpdated"))
        one = await stack.enter_async_context(sources.case(dsn, 1))
        eight = await stack.enter_async_context(sources.case(dsn, 8))
        made += [_sources("screen, 1 source", one), _sources("screen, 8 sources", eight)]
        yield made


def _sources(name: str, given: sources.Case) -> Case:
    async def measure(seconds: float) -> dict[str, float]:
        given.took.clear()
        given.spent.clear()
        for _ in range(max(3, int(seconds * 20))):
            await given.screen()
        return {"cpu": sorted(given.spent)[len(given.spent) // 2], "p50": sorted(given.took)[len(given.took) // 2]}

    return Case(name, measure)


WORKLOAD = Workload(
    "g1",
    "Growth: ten times the profiles, ten times the sockets, eight times the sources",
    cases,
    bars=(
        Bar("the CPU of a screen among ten times the profiles", "cpu", "screen, many profiles", "screen, few profiles", at_most=1.3),
        Bar("the CPU of a delivery to ten times the sockets", "us", "delivery, many sockets", "delivery, few sockets", at_most=1.3),
        Bar("the CPU of a screen of one source, for eight", "cpu", "screen, 8 sources", "screen, 1 source", at_most=8),
    ),
    shown=("cpu", "us", "rps", "p50"),
)
