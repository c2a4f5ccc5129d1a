"""A gateway as its clients and its orchestrator see it while Postgres is frozen: what it answers, how soon, and that it ends when it is told to."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import httpx2
import pytest

from tests.acceptance.desk import PROFILE, Desk
from tests.running import Gateway
from tests.servers import PostgresServer

__all__: list[str] = []

CREATE = 'mutation { createProfile(input: {firstName: "Ana"}) { profile { id } userErrors { code } } }'
RENAME = "mutation($input: UpdateProfileInput!) { updateProfile(input: $input) { userErrors { code } profile { displayName } } }"
READ = "query($id: ID!) { profile(by: {id: $id}) { displayName } }"


@pytest.mark.slow
@pytest.mark.timeout(90)
async def test_fault_110_157_a_gateway_on_a_frozen_server(start_gateway: Callable[..., Gateway], server: PostgresServer) -> None:
    """All of Postgres is stopped. Requests end within 5 seconds with an error; /healthz and /metrics answer as if nothing had been, /readyz says 503
    in time; sockets stay open. After the thaw all is well within 5 seconds, and the stream goes on without a hole. SIGTERM ends the process
    also while the server is frozen.
    """
    gateway = await asyncio.to_thread(start_gateway, server.dsn(), GATEWAY_SHUTDOWN_SECONDS="2", GATEWAY_DRAIN_SECONDS="0")
    token = await asyncio.to_thread(gateway.token)
    profile = (await asyncio.to_thread(gateway.change, token, CREATE))["profile"]["id"]
    async with httpx2.AsyncClient(base_url=gateway.url, headers={"authorization": f"Bearer {token}"}, timeout=20) as client:

        async def timed(method: str, path: str, body: Any = None) -> tuple[httpx2.Response, float]:
            began = time.monotonic()
            answer = await client.request(method, path, json=body)
            return answer, time.monotonic() - began

        def rename(name: str) -> dict[str, Any]:
            return {"query": RENAME, "variables": {"input": {"id": profile, "lastName": name}}}

        async with Desk(gateway, token) as desk:
            stream = await desk.watch(PROFILE, id=profile)
            await client.post("/graphql", json=rename("Before"))
            first = await desk.until(stream, "ProfileUpdated")

            server.freeze()
            asked = [
                asyncio.create_task(timed("POST", "/graphql", body))
                for body in (rename("No"), {"query": READ, "variables": {"id": profile}})
            ]
            ready = asyncio.create_task(timed("GET", "/readyz"))
            alive: list[tuple[int, float]] = []
            while not all(task.done() for task in (*asked, ready)):
                for path in ("/healthz", "/metrics"):
                    answer, took = await timed("GET", path)
                    alive.append((answer.status_code, took))
                await asyncio.sleep(0.1)
            server.thaw()
            thawed = time.monotonic()

            while (answer := await client.post("/graphql", json=rename("After"))).json().get("errors"):
                assert time.monotonic() - thawed < 5
                await asyncio.sleep(0.05)
            while (await client.get("/readyz")).status_code != 200:
                assert time.monotonic() - thawed < 5
                await asyncio.sleep(0.05)
            after = await desk.until(stream, "ProfileUpdated")

        for task in asked:
            answer, took = task.result()
            codes = {error["extensions"]["code"] for error in answer.json()["errors"]}
            assert codes <= {"OVERLOADED", "SOURCE_TIMEOUT", "SOURCE_UNAVAILABLE", "OPERATION_TIMEOUT"}
            assert took < 5.5  # half a second is the machine's
        refused, took = ready.result()
        assert (refused.status_code, refused.json()["database"]) == (503, "down")
        assert took < 5
        assert {status for status, _ in alive} == {200}
        assert sorted(took for _, took in alive)[-3] < 0.1  # the event loop never waits; two are forgiven: the machine has others to serve
        assert after["seq"] == first["seq"] + 1
        assert after["profile"]["displayName"] == "Ana After"

        server.freeze()
        began = time.monotonic()
        await asyncio.to_thread(gateway.stop)
        assert time.monotonic() - began < 10
