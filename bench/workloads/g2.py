"""G2: scale-out. The screen over Postgres from one gateway process and from two behind one port, woken by a Valkey.

Nothing is pinned here: Postgres, the load generator and two gateways share what processors there are, and so the ratio on two of them is
bounded by what the other two leave.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from bench.harness import Bar, Case, Options, Workload
from bench.servers import http_case, postgres, seeded, server, token
from bench.workloads.q3 import profile_ids, screens, whole
from tests.servers import ValkeyServer

__all__ = ["WORKLOAD"]

CONNECTIONS = 16


@asynccontextmanager
async def cases(options: Options) -> AsyncIterator[Sequence[Case]]:
    """One worker and two, on one database."""
    async with AsyncExitStack() as stack:
        place = await asyncio.to_thread(seeded, options.profiles)
        dsn, postmaster = await stack.enter_async_context(postgres(place))
        valkey = ValkeyServer()
        valkey.start()
        stack.callback(valkey.stop)
        ids = (await profile_ids(dsn))[1]
        made = []
        for workers in (1, 2):
            command = [Path(sys.executable).with_name("profile-gateway"), "serve", "--dev", "--workers", str(workers), "--data-dir", place]
            running = await stack.enter_async_context(
                server(
                    f"gateway-{workers}-workers",
                    command,
                    core=None,
                    also=(postmaster,),
                    by_http=True,
                    GATEWAY_DATABASE_URL=dsn,
                    GATEWAY_BUS=valkey.url,
                    GATEWAY_RATE_LIMIT="1000000",
                    GATEWAY_LOG_LEVEL="error",
                    GATEWAY_DRAIN_SECONDS="0",
                )
            )
            requests = screens(ids, {"authorization": f"Bearer {token(place)}"})
            made.append(http_case(f"{workers} process{'es' * (workers > 1)}", running, requests, CONNECTIONS, whole))
        yield made


WORKLOAD = Workload(
    "g2",
    "Scale-out: one process and two behind one port, Valkey bell, c = 16",
    cases,
    bars=(Bar("times one process", "rps", "2 processes", "1 process", at_least=1.7),),
    shown=("rps", "cpu", "cpu_postgres", "p50", "p99"),
    seconds=2.0,
)
