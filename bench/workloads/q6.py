"""Q6: pages of fifty of one long timeline: its head, behind row 100 000, and its end, each through the whole gateway.

1 M activities (10 M with `--large`), in two years; beside it what OFFSET takes for the same rows. The cursors are what the gateway itself
would have given there.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from uuid import UUID

import asyncpg

from bench.harness import Bar, Case, Options, Workload
from bench.load import request
from bench.servers import http_case, our_server, postgres, seeded, token
from bench.workloads.q3 import profile_ids

__all__ = ["WORKLOAD"]

DEEP = 100_000
PAGE = """query($id: ID!, $after: String) { profile(by: {id: $id}) { timeline(filter: {kinds: [EXTERNAL]}, order: DESC, first: 50, after: $after) {
  edges { cursor node { id occurredAt title icon } } pageInfo { hasNextPage } } } }"""
FILL = """INSERT INTO activity (workspace_id, profile_id, occurred_at, source, id, kind, type, detail)
SELECT $1, $2, moment, 'tracking',
       (lpad(to_hex((extract(epoch FROM moment) * 1000)::bigint), 12, '0') || '70008' || lpad(to_hex(n), 15, '0'))::uuid,
       'EXTERNAL', 'Order Completed', '{"total": 1}'
  FROM generate_series($3::bigint, $4::bigint) AS n CROSS JOIN LATERAL (SELECT now() - n * $5::interval AS moment) AS at"""
PLACES = """SELECT occurred_at, id FROM activity WHERE workspace_id = $1 AND profile_id = $2 AND kind = 'EXTERNAL'
 ORDER BY occurred_at DESC, source DESC, id DESC OFFSET $3 LIMIT 50"""


async def filled(dsn: str, rows: int) -> tuple[tuple[UUID, UUID], asyncpg.Connection]:
    """The workspace and profile with the long timeline; made the first time."""
    connection = await asyncpg.connect(dsn, timeout=60)
    workspace, ids = await profile_ids(dsn, 1)
    there = await connection.fetchval("SELECT count(*) FROM activity WHERE workspace_id = $1 AND profile_id = $2", workspace, ids[0])
    if there < rows:
        step = f"{int(690 * 86_400_000 / rows)} milliseconds"
        for first in range(1, rows + 1, 200_000):
            await connection.execute(
                FILL.replace("$5::interval", f"interval '{step}'"), workspace, ids[0], first, min(first + 199_999, rows), timeout=600
            )
        await connection.execute("VACUUM ANALYZE activity", timeout=600)
    return (workspace, ids[0]), connection


@asynccontextmanager
async def cases(options: Options) -> AsyncIterator[Sequence[Case]]:
    """Three depths, and OFFSET at two of them."""
    rows = 10_000_000 if options.large else max(3_000, min(1_000_000, options.profiles * 100))
    deep = min(DEEP, rows // 3)
    async with AsyncExitStack() as stack:
        place = await asyncio.to_thread(seeded, 10, 0, f"timeline-{rows}")
        dsn, postmaster = await stack.enter_async_context(postgres(place))
        environment = {"GATEWAY_DATABASE_URL": dsn, "GATEWAY_DATA_DIR": str(place)}
        running = await stack.enter_async_context(our_server("gateway-timeline", also=(postmaster,), **environment))
        merging = await stack.enter_async_context(our_server("gateway-merging", "--merged", "2", also=(postmaster,), **environment))
        (workspace, profile), connection = await filled(dsn, rows)
        stack.push_async_callback(connection.close)
        headers = {"authorization": f"Bearer {token(place)}"}
        made = []
        for name, offset in (("head", 0), ("deep", deep), ("end", rows - 100)):
            cursor = None if offset == 0 else await cursor_at(connection, place, workspace, profile, offset - 1)
            asked = request({"query": PAGE, "variables": {"id": f"prf_{profile.hex}", "after": cursor}}, headers)
            first = await connection.fetchval(PLACES.replace("SELECT occurred_at, id", "SELECT id"), workspace, profile, offset)

            def right(_message: bytes, answer: dict, first: object = first) -> None:  # type: ignore[type-arg]
                edges = answer["data"]["profile"]["timeline"]["edges"]
                assert len(edges) == 50, len(edges)  # noqa: PLR2004
                assert edges[0]["node"]["id"].endswith(first.hex), "another page"  # type: ignore[attr-defined]

            made += [http_case(name, running, [asked], 1, right), http_case(f"{name}, 3 sources", merging, [asked], 1, right)]
        made += [_offset(connection, workspace, profile, name, offset) for name, offset in (("OFFSET, head", 0), ("OFFSET, deep", deep))]
        yield made


async def cursor_at(connection: asyncpg.Connection, place: Path, workspace: object, profile: object, offset: int) -> str:
    """The cursor that the gateway gives with the row behind so many."""
    from gateway.auth.development import DevelopmentKeys
    from gateway.model.activity import Place
    from gateway.model.sealed import Sealer
    from gateway.timeline import cursor

    row = (await connection.fetch(PLACES, workspace, profile, offset))[0]
    sealer = Sealer([DevelopmentKeys.open(place).secret])
    return cursor.encode(sealer, workspace, Place(row["occurred_at"], "tracking", row["id"].hex))  # type: ignore[arg-type]


def _offset(connection: asyncpg.Connection, workspace: object, profile: object, name: str, offset: int) -> Case:
    async def measure(seconds: float) -> dict[str, float]:
        until, took = time.perf_counter() + seconds, list[float]()
        while not took or time.perf_counter() < until:
            began = time.perf_counter()
            await connection.fetch(PLACES, workspace, profile, offset)
            took.append((time.perf_counter() - began) * 1000)
        return {"p50": sorted(took)[len(took) // 2]}

    return Case(name, measure)


WORKLOAD = Workload(
    "q6",
    "A page of 50 of a timeline of 1 M: head, behind 100 000, end",
    cases,
    bars=(
        Bar("as much CPU behind row 100 000", "cpu", "deep", "head", at_most=1.5),
        Bar("as much CPU at the end", "cpu", "end", "head", at_most=1.5),
        Bar("as much CPU at the end of 3 merged sources", "cpu", "end, 3 sources", "head, 3 sources", at_most=1.5),
    ),
    shown=("p50", "p99", "cpu", "cpu_postgres"),
    seconds=0.7,
)
