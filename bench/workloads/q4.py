"""Q4: the smallest query there is, `{ viewer { actor { id } } }`, over HTTP: what the way to an operation costs, and nothing else.

Beside it uvicorn, which answers the same bytes whatever it is asked, and Strawberry with its caches. The bar is of processor time: what
another process takes away from a server shows in its rate.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from bench.harness import Bar, Case, Options, Workload
from bench.load import request
from bench.servers import PLACE, http_case, people, profiled, server
from bench.workloads.q2 import OURS, STRAWBERRY, memory_gateway

__all__ = ["WORKLOAD"]

QUERY = "{ viewer { actor { id } } }"
FLOOR = "uvicorn, constant bytes"
CONNECTIONS = 8


def right(_message: bytes, answer: Any) -> None:
    """The viewer is the agent of the token, or the peers' only one."""
    assert answer == {"data": {"viewer": {"actor": {"id": "agent-1"}}}}, answer


@asynccontextmanager
async def cases(options: Options) -> AsyncIterator[Sequence[Case]]:
    """All servers."""
    async with AsyncExitStack() as stack:
        running, headers = await stack.enter_async_context(memory_gateway(options))
        opened = [http_case(OURS, running, [request({"query": QUERY}, headers)], CONNECTIONS, right)]
        if options.profile:
            await profiled(running, opened[0], options)
            print((PLACE / "profile.txt").read_text())
        floor = await stack.enter_async_context(server("floor", [sys.executable, "-m", "bench.peers.python.floor"]))
        opened.append(http_case(FLOOR, floor, [request({"query": QUERY})], CONNECTIONS, right))
        if not options.ours:
            peer = server("strawberry-memory", [sys.executable, "-m", "bench.peers.python.strawberry_memory"], SCREEN_JSON=str(people()))
            opened.append(http_case(STRAWBERRY, await stack.enter_async_context(peer), [request({"query": QUERY})], CONNECTIONS, right))
        yield opened


WORKLOAD = Workload(
    "q4",
    "A tiny query over HTTP, c = 8",
    cases,
    bars=(
        Bar("times the floor of uvicorn (CPU)", "cpu", OURS, FLOOR, at_most=2.5),
        Bar("times Strawberry + caches", "cpu", OURS, STRAWBERRY, at_least=1.0, inverted=True),
    ),
    shown=("rps", "cpu", "p50", "p99"),
)
