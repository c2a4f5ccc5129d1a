"""Ingest and the agent's screen in one process, on an empty embedded Postgres: `.venv/bin/python bench/ingest.py`.

Sends batches of 500 through the ASGI application (no socket), then asks for the screen of 300 profiles one after another. Prints minimum and
median; run two versions in turns on the same machine to compare them, since both share the processor with Postgres.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import httpx2

from gateway.app import create_app, open_runtime
from gateway.auth.development import DevelopmentKeys
from gateway.auth.keys import KeyKind, KeyRing
from gateway.auth.policy import ROLE_SCOPES
from gateway.auth.principal import Principal, Role
from gateway.auth.workspaces import Workspaces
from gateway.engine.request import Request
from gateway.settings import Settings

BATCH = 500
SCREENS = 300
SCREEN = """query($user: String!) { profile(by: {identifier: {type: "user_id", value: $user}}) {
  id version displayName contactPoints { channel value isPrimary } identifiers { type value }
  traits(first: 40) { nodes { key value provenance { observedAt source { key } } } } notes(first: 10) { nodes { body } }
  timeline(last: 50) { edges { cursor node { __typename id occurredAt title icon } } } companies { company { name } } streamCursor } }"""


def identify(n: int) -> dict[str, Any]:
    """Somebody new."""
    traits = {"firstName": f"Name{n}", "lastName": "Smith", "email": f"u{n}@example.com", "phone": f"+4479{n:08d}", "plan": "gold"}
    return {"type": "identify", "messageId": f"i-{n}", "userId": f"u-{n}", "traits": traits}


def track(n: int) -> dict[str, Any]:
    """An order of somebody known."""
    properties = {"orderId": f"SO-{n}", "total": n}
    return {"type": "track", "messageId": f"t-{n}", "userId": f"u-{n % 3000}", "event": "Order Completed", "properties": properties}


async def main() -> None:
    """Measure and print."""
    data_dir = Path(tempfile.mkdtemp(prefix="bench-"))
    settings = Settings(dev=True, data_dir=data_dir, bus="memory")
    async with open_runtime(settings) as runtime:
        workspace = await Workspaces(runtime.database).ensure("bench", "Bench")
        key = await KeyRing(runtime.database, [DevelopmentKeys.open(data_dir).secret]).create("bench", KeyKind.WRITE)
        transport = httpx2.ASGITransport(create_app(settings, runtime))
        async with httpx2.AsyncClient(transport=transport, base_url="http://gateway", auth=(key, ""), timeout=60) as client:
            for name, make, count in (("identify", identify, 3000), ("track", track, 6000)):
                rates = [await _batch(client, make, start) for start in range(0, count, BATCH)]
                print(f"{name:<10} per second: min {min(rates):6.0f}  median {median(rates):6.0f}")
        agent = Principal(workspace, "bench", "ann", "Ann", Role.AGENT, ROLE_SCOPES[Role.AGENT], None, None)
        times = []
        for n in range(SCREENS):
            started = time.perf_counter()
            prepared = runtime.engine.prepare(Request(SCREEN, {"user": f"u-{n}"}))
            answer = await runtime.engine.execute(prepared, runtime.context_for(agent))
            times.append((time.perf_counter() - started) * 1000)
            assert "errors" not in answer, answer
        print(f"{'screen':<10} ms:         min {min(times[50:]):6.2f}  median {median(times[50:]):6.2f}")


async def _batch(client: httpx2.AsyncClient, make: Callable[[int], dict[str, Any]], start: int) -> float:
    body = json.dumps({"batch": [make(n) for n in range(start, start + BATCH)]})
    started = time.perf_counter()
    answer = await client.post("/v1/batch", content=body, headers={"content-type": "application/json"})
    took = time.perf_counter() - started
    assert answer.json()["accepted"] == BATCH, answer.text
    return BATCH / took


if __name__ == "__main__":
    asyncio.run(main())
