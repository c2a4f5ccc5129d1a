"""W2: ingest. `POST /v1/batch` of 500 tracks of known people, two requests at a time; beside it COPY of such rows into the table they end up in.

Each batch is new: what was taken in already is not written again. Rates are of events.
"""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg

from bench.harness import Bar, Case, Options, Workload
from bench.load import ask, drive, request
from bench.servers import our_server, postgres, seeded
from bench.workloads.q3 import profile_ids
from gateway.auth.development import DevelopmentKeys
from gateway.auth.keys import KeyKind, KeyRing
from gateway.model.ids import uuid7
from gateway.storage.database import Database

__all__ = ["WORKLOAD"]

BATCH = 500
PROFILES = 1000
MOST_BATCHES = 60
"""Prepared for each second: 30 000 events."""
OURS, PLAIN = "POST /v1/batch", "COPY"
COLUMNS = ("workspace_id", "profile_id", "occurred_at", "source", "id", "kind", "type", "detail")


def batches(people: int) -> Iterator[bytes]:
    """Bodies of batches, none of which was there before."""
    run = time.time_ns()
    for first in itertools.count(0, BATCH):
        events = [
            {
                "type": "track",
                "messageId": f"b-{run}-{number}",
                "userId": f"seed-{1 + number % people:07d}",
                "event": "Order Completed",
                "properties": {"orderId": f"SO-{number}", "total": number % 1000},
            }
            for number in range(first, first + BATCH)
        ]
        yield json.dumps({"batch": events}).encode()


async def write_key(dsn: str, place: Path) -> str:
    """A new write key of the demo workspace."""
    database = await Database.open(dsn, size=2, delivery_size=1)
    try:
        return await KeyRing(database, [DevelopmentKeys.open(place).secret]).create("demo", KeyKind.WRITE)
    finally:
        await database.close()


@asynccontextmanager
async def cases(options: Options) -> AsyncIterator[Sequence[Case]]:
    """Ours and Postgres alone, on one database."""
    async with AsyncExitStack() as stack:
        people = min(PROFILES, options.profiles)
        place = await asyncio.to_thread(seeded, people, 10, "writes")
        dsn, postmaster = await stack.enter_async_context(postgres(place))
        gateway = our_server("gateway-ingest", also=(postmaster,), GATEWAY_DATABASE_URL=dsn, GATEWAY_DATA_DIR=str(place))
        running = await stack.enter_async_context(gateway)
        key = base64.b64encode(f"{await write_key(dsn, place)}:".encode()).decode()
        headers, made = {"authorization": f"Basic {key}"}, batches(people)

        async def check() -> None:
            answer = await asyncio.to_thread(ask, running.address, request(next(made), headers, path="/v1/batch"))
            assert answer["success"], answer
            assert answer["accepted"] == BATCH, answer

        async def ours(seconds: float) -> dict[str, float]:
            count = max(4, int(MOST_BATCHES * seconds))
            messages = [request(body, headers, path="/v1/batch") for body in itertools.islice(made, count)]
            cpu = running.cpu()
            load = await asyncio.to_thread(drive, running.address, messages, 2, seconds, again=False)
            spent = running.cpu() - cpu
            return {"events": load.count * BATCH / load.seconds, "us": spent * 1e6 / (load.count * BATCH), "p99": load.sample()["p99"]}

        connection = await asyncpg.connect(dsn)
        stack.push_async_callback(connection.close)
        await connection.set_type_codec(
            "jsonb", schema="pg_catalog", encoder=lambda text: b"\x01" + text.encode(), decoder=bytes, format="binary"
        )
        workspace, ids = await profile_ids(dsn, PROFILES)

        async def plain(seconds: float) -> dict[str, float]:
            until, count, spent = time.perf_counter() + seconds, 0, 0.0
            while time.perf_counter() < until:
                at = datetime.now(UTC)
                rows = [
                    (workspace, ids[number % len(ids)], at + timedelta(microseconds=number), "tracking", uuid7(at), *_EVENT)
                    for number in range(BATCH)
                ]
                began = time.perf_counter()
                await connection.copy_records_to_table("activity", records=rows, columns=COLUMNS)
                spent += time.perf_counter() - began
                count += BATCH
            return {"events": count / spent}

        yield [Case(OURS, ours, check), Case(PLAIN, plain)]


_EVENT = ("EXTERNAL", "Order Completed", '{"orderId": "SO-1", "total": 1}')

WORKLOAD = Workload(
    "w2",
    "Ingest: POST /v1/batch of 500 tracks",
    cases,
    bars=(Bar("events a second, one process", "events", OURS, at_least=5000), Bar("of COPY's rate", "events", OURS, PLAIN, at_least=0.25)),
    shown=("events", "us", "p99"),
    seconds=2.0,
)
