"""Federated sources over real HTTP servers: one that fails and comes back, one that sends other rows than were asked for, one that is slow."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from typing import Any

import pytest

from gateway.errors import SourceCircuitOpen, SourceError, SourceUnavailable
from gateway.model.source import Source, SourceKind
from gateway.sources.breaker import Circuit
from gateway.sources.contract import Stale
from gateway.sources.definition import Definition, GuardPolicy
from gateway.sources.federated import FederatedSource
from gateway.sources.http import Upstream as Client
from gateway.sources.remote import Capabilities, RemoteAdapter, TraitRecord
from tests.unit.sources.federated_system import ANA, BEN, HERE, Keys
from tests.upstreams import WELL, Fault, Upstream, UpstreamRequest, answering, upstreams

__all__: list[str] = []

PLANS = {"a": ["gold"], "b": ["free"]}


def _plans(request: UpstreamRequest) -> Any:
    keys = request.query["keys"].split(",")
    return {key: PLANS[key] for key in keys if key in PLANS} | ({"z": ["stolen"]} if request.path == "/foreign" else {})


class Shop(RemoteAdapter):
    """Plans of people, from `GET /plans?keys=a,b`."""

    capabilities = Capabilities(frozenset({SourceKind.TRAITS}))

    def __init__(self, client: Client, path: str) -> None:
        self._client = client
        self._path = path

    async def close(self) -> None:
        """Let go of the connections."""
        await self._client.close()

    async def traits(self, keys: Sequence[str], wanted: frozenset[str] | None) -> Mapping[str, Sequence[TraitRecord] | SourceError]:
        """One request for all of them."""
        reply = await self._client.request("GET", self._path, params={"keys": ",".join(keys)})
        return {key: [TraitRecord("plan", plan) for plan in plans] for key, plans in reply.value.items()}


def shop(server: Upstream, key: str, path: str = "/plans", **policy: Any) -> FederatedSource:
    """The server as a source."""
    definition = Definition(Source(key, key, (SourceKind.TRAITS,)), "scripted", "crm_id", policy=GuardPolicy(**policy))
    client = Client(server.url, source=key, allow_private=True, deadline=definition.policy.deadline)
    return FederatedSource(definition, Shop(client, path), Keys({ANA: ("a",), BEN: ("b",)}))


async def plan_of(source: FederatedSource) -> Any:
    """Ana's plan, an old one in a Stale, or the error."""
    (told,) = await source.traits(HERE, [ANA], None)
    if isinstance(told, SourceError | Stale):
        return told
    return told[0].value


@pytest.fixture(name="servers", scope="module")
def _servers() -> Iterator[list[Upstream]]:
    """Two shops."""
    with upstreams(answering(_plans), answering(_plans)) as servers:
        yield servers


async def test_fault_128_a_server_that_fails_is_left_alone_and_asked_again_when_it_is_well(servers: list[Upstream]) -> None:
    """Every second 500 is made good by the retry; nothing but 500s opens the circuit, which a probe closes; meanwhile the old plan is shown."""
    server, _ = servers
    async with AsyncExitStack() as stack:
        source = shop(server, "flaky", failures=2, rest=0.2, stale=60.0)
        stack.push_async_callback(source.close)
        server.fault = Fault(failing=0.5)
        halves = [await plan_of(source) for _ in range(4)]
        server.fault = Fault(failing=1.0)
        failing = [await plan_of(source) for _ in range(2)]
        server.forget()
        resting = await plan_of(source)
        asked = server.count()
        server.fault = WELL
        async with asyncio.timeout(10):
            while source.guard.circuit is not Circuit.CLOSED:
                again = await plan_of(source)
                await asyncio.sleep(0.01)

    assert halves == ["gold"] * 4
    assert all(isinstance(one, Stale) and isinstance(one.error, SourceUnavailable) for one in failing)
    assert isinstance(resting, Stale)
    assert isinstance(resting.error, SourceCircuitOpen)
    assert asked == 0
    assert again == "gold"


async def test_fault_130_a_server_that_sends_rows_of_somebody_else(servers: list[Upstream]) -> None:
    """They are nobody's; Ana and Ben have their own."""
    server, _ = servers
    server.fault = WELL
    source = shop(server, "leaky", "/foreign")
    ana, ben = await source.traits(HERE, [ANA, BEN], None)
    await source.close()

    assert not isinstance(ana, SourceError | Stale)
    assert not isinstance(ben, SourceError | Stale)
    assert [fact.value for fact in [*ana, *ben]] == ["gold", "free"]


async def test_fault_137_a_slow_server_fills_its_sixteen_places_and_no_others(servers: list[Upstream]) -> None:
    """A hundred questions at once: sixteen reach it, 64 wait, the others fail at once, and the other server's answers take what they took before."""
    slow, quick = servers
    quick.fault = WELL
    slow.fault = Fault(hang=True)
    slow.forget()
    full, other = shop(slow, "slow", deadline=1.0, retries=0), shop(quick, "quick")
    await plan_of(other)
    calls = [asyncio.create_task(full.guard.call(SourceKind.TRAITS, lambda: full.remote.traits(["a"], None))) for _ in range(100)]
    async with asyncio.timeout(5):
        while slow.at_once < 16:  # noqa: ASYNC110  # the server counts in a thread of its own
            await asyncio.sleep(0.005)
    refused = sum(task.done() for task in calls)
    took = []
    for _ in range(50):
        began = time.perf_counter()
        assert await plan_of(other) == "gold"
        took.append(time.perf_counter() - began)
    most = slow.most_at_once
    told = await asyncio.gather(*calls, return_exceptions=True)
    slow.fault = WELL
    await full.close()
    await other.close()

    assert refused == 20
    assert most == 16
    assert all(isinstance(one, SourceError) for one in told)
    assert sorted(took)[45] < 0.5
