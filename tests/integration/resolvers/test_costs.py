"""What operations cost, over HTTP and WebSocket: told when it is asked for, told to the viewer, and counted against what a subject may spend."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import httpx2
import pytest

from gateway.auth.rate import Budget, RateLimiter

from .conftest import Gateway, Graph
from .subscription_socket_scene import serving

__all__: list[str] = []

pytestmark = pytest.mark.asyncio(loop_scope="module")

STANDING = "{ viewer { rateLimit { cost } } }"
TEN = 'query ($n: Int! = 10) { profile(by: {id: "prf_00000000000000000000000000000000"}) { changes(first: $n) { nodes { id } } } }'
COST = 10 + 1 + 10


async def test_the_answer_says_what_it_cost_when_it_is_asked(graph: Graph, gateway: Gateway) -> None:
    """`extensions: {"cost": true}` brings `extensions.cost` with the answer, on both ways; nothing else does, and no answer is longer for it."""
    async with serving(gateway.settings, gateway.runtime) as server:
        client = await server.ready(graph.token(graph.agent))
        async with httpx2.AsyncClient(base_url=f"http://{server.address[0]}:{server.address[1]}") as http:
            headers = {"authorization": f"Bearer {graph.token(graph.agent)}"}

            async def asked(extensions: Any) -> tuple[dict[str, Any], dict[str, Any]]:
                payload = {"query": TEN, "variables": {"n": 10}, "extensions": extensions}
                await client.send({"id": "x", "type": "subscribe", "payload": payload})
                message = await client.receive()
                assert await client.receive() == {"id": "x", "type": "complete"}
                return (await http.post("/graphql", json=payload, headers=headers)).json(), message["payload"]

            shown = {"cost": {"requestedQueryCost": COST, "maximumQueryCost": 1000}}
            for answer in await asked({"cost": True}):
                assert answer == {"data": {"profile": None}, "extensions": shown}
            for extensions in ({"cost": False}, {"cost": "yes"}, {}, None):
                for answer in await asked(extensions):
                    assert answer == {"data": {"profile": None}}


async def test_the_viewer_is_told(graph: Graph) -> None:
    """`viewer.rateLimit.cost` is the cost of the operation it stands in, for each of its shapes."""
    assert (await graph.data(STANDING))["rateLimit"]["cost"] == 2
    both = STANDING[:-1] + TEN[TEN.index("profile") :]
    shown = await graph.data("query ($n: Int!) " + both, {"n": 30})
    assert shown["viewer"]["rateLimit"]["cost"] == 2 + 10 + 1 + 30


async def test_what_was_spent_is_spent_on_both_ways(graph: Graph, gateway: Gateway) -> None:
    """One budget for HTTP, streams and sockets: 429 with Retry-After, an error for that id; what is refused for itself costs nothing."""
    rates = RateLimiter(0, budget=Budget(3 * COST, 60))
    limited = replace(gateway.runtime, services=replace(gateway.runtime.services, rates=rates))
    async with serving(gateway.settings, limited) as server:
        client = await server.ready(graph.token(graph.agent))
        async with httpx2.AsyncClient(base_url=f"http://{server.address[0]}:{server.address[1]}") as http:
            headers = {"authorization": f"Bearer {graph.token(graph.agent)}"}
            for bad in ("{ nothing }", "{", TEN.replace("= 10", "= 101"), "{ viewer " + "{ a " * 12 + "}" * 13):
                assert (await http.post("/graphql", json={"query": bad}, headers=headers)).json()["errors"]
                assert (await client.ask(bad))["errors"]
            assert "errors" not in await client.ask(TEN)
            assert "errors" not in (await http.post("/graphql", json={"query": TEN}, headers=headers)).json()
            assert "errors" not in await client.ask(TEN)
            refused = await http.post("/graphql", json={"query": TEN}, headers=headers)
            stream = 'subscription { profileEvents(profileId: "x") { __typename } }'
            event = await http.post("/graphql", json={"query": stream}, headers={**headers, "accept": "text/event-stream"})
            told, mutation = await client.ask(TEN), await client.ask(stream)
            other = await http.post("/graphql", json={"query": TEN}, headers={"authorization": f"Bearer {graph.token(graph.colleague)}"})

    wait = refused.json()["errors"][0]["extensions"]
    assert (refused.status_code, wait["code"], event.status_code) == (429, "RATE_LIMITED", 429)
    assert 50_000 * COST / (3 * COST) * 0.1 < wait["retryAfterMs"] <= 60_000 / 3
    assert int(refused.headers["retry-after"]) >= wait["retryAfterMs"] // 1000
    assert [one["errors"][0]["extensions"]["code"] for one in (told, mutation)] == ["RATE_LIMITED", "RATE_LIMITED"]
    assert "errors" not in other.json()
