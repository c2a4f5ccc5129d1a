"""W1: mutations. `addNote` over HTTP, sixteen at a time, each in a transaction of its own that is on the disk before it is answered,
logged, and delivered to whoever watches the profile; beside it a plain INSERT of the same row, a transaction each, from as many
connections.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from uuid import uuid4

import asyncpg

from bench.audience import Audience
from bench.harness import Bar, Case, Options, Workload, percentile
from bench.load import request
from bench.servers import http_case, our_server, postgres, seeded, token
from bench.workloads.q3 import profile_ids
from bench.workloads.s1 import ITEMS, NOTE, opened

__all__ = ["WORKLOAD"]

CONNECTIONS = 16
WATCHERS = 20
PROFILES = 1000
OURS, PLAIN = "addNote", "plain INSERT"
BODY = "Called about the order of last week; the courier had gone to the old address."
INSERT = """INSERT INTO note (workspace_id, profile_id, id, body, is_pinned, author_id, author_name, author_kind)
VALUES ($1, $2, $3, $4, false, 'agent-1', 'Agent 1', 'AGENT')"""


@asynccontextmanager
async def cases(options: Options) -> AsyncIterator[Sequence[Case]]:
    """Ours and Postgres alone, on one database."""
    async with AsyncExitStack() as stack:
        place = await asyncio.to_thread(seeded, min(PROFILES, options.profiles), 10, "writes")
        dsn, postmaster = await stack.enter_async_context(postgres(place))
        gateway = our_server("gateway-writes", also=(postmaster,), GATEWAY_DATABASE_URL=dsn, GATEWAY_DATA_DIR=str(place))
        running = await stack.enter_async_context(gateway)
        workspace, ids = await profile_ids(dsn, PROFILES)
        agent = token(place)
        headers = {"authorization": f"Bearer {agent}"}
        keys = [f"prf_{one.hex}" for one in ids]
        watching = await opened(stack, Audience(running.address, [(agent, key) for key in keys[:WATCHERS]], ITEMS, first=1))
        requests = [request({"query": NOTE, "variables": {"id": key, "body": BODY}}, headers) for key in keys]

        def right(_message: bytes, answer: object) -> None:
            assert isinstance(answer, dict)
            assert answer["data"]["addNote"]["userErrors"] == [], answer
            assert answer["data"]["addNote"]["note"], answer

        load = http_case(OURS, running, requests, CONNECTIONS, right)

        async def ours(seconds: float) -> dict[str, float]:
            watching.tend()
            sample = dict(await load.measure(seconds))
            await asyncio.to_thread(watching.drain, 0.3)
            return sample

        pool = await stack.enter_async_context(asyncpg.create_pool(dsn, min_size=CONNECTIONS, max_size=CONNECTIONS))

        async def plain(seconds: float) -> dict[str, float]:
            until, took = time.perf_counter() + seconds, list[float]()

            async def write(number: int) -> None:
                async with pool.acquire() as connection:
                    while (began := time.perf_counter()) < until:
                        await connection.execute(INSERT, workspace, ids[(number + len(took)) % len(ids)], uuid4(), BODY)
                        took.append((time.perf_counter() - began) * 1000)

            began = time.perf_counter()
            await asyncio.gather(*map(write, range(CONNECTIONS)))
            return {
                "rps": len(took) / (time.perf_counter() - began),
                "p50": percentile(took, 0.5),
                "p99": percentile(took, 0.99),
            }

        yield [Case(OURS, ours, load.check), Case(PLAIN, plain)]


WORKLOAD = Workload(
    "w1",
    "addNote, durable, logged, delivered, c = 16",
    cases,
    bars=(Bar("mutations a second", "rps", OURS, at_least=300), Bar("of the plain INSERT's rate", "rps", OURS, PLAIN, at_least=0.3)),
    shown=("rps", "cpu", "cpu_postgres", "p50", "p99"),
    seconds=2.0,
)
