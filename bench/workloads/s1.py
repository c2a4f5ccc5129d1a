"""S1: fan-out. 400 and 1 000 sockets watch one profile, of which twenty things happen at once.

Ours is `timelineEvents`, which leaves nothing out: a burst of `profileEvents` would be one event, the profile as it is then. Its changes
are logged in one transaction and read from there; peers hand their events on in memory (POST /publish of bench/README.md). Every socket
must be sent every event. Latency is from the request that makes them happen to each message; the rate is of the whole burst.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from statistics import mean
from typing import Any

from bench.audience import Audience, Burst
from bench.harness import Bar, Case, Options, Workload
from bench.load import ask, pin, request
from bench.screen.data import EVENTS, screen
from bench.servers import PLACE, Server, node, our_server, people, postgres, server, token

__all__ = ["BURST", "PEERS", "STRAWBERRY", "WORKLOAD", "create_profiles", "fan_out", "gateway"]

BURST = 20
SIZES = (400, 1000)
OURS = "Profile Gateway"
STRAWBERRY = "Strawberry + broadcaster"
CEILING = "uvicorn, raw WebSockets"
PEERS = {"mercurius": "mercurius.mjs", "graphql-ws + jit": "graphql_ws.mjs"}
ITEMS = """subscription($id: ID!) { timelineEvents(profileId: $id, filter: {kinds: [NOTE]}) { __typename ... on LiveEvent { seq }
  ... on TimelineItemUpserted { item { id occurredAt title icon } } } }"""
CREATE = """mutation($name: String!) { createProfile(input: {firstName: "Ana", lastName: $name}) { profile { id } userErrors { code } } }"""
NOTE = """mutation($id: ID!, $body: String!) { addNote(input: {profileId: $id, body: $body}) { note { id } userErrors { code } } }"""


def fan_out(name: str, audience: Audience, running: Server, trigger: bytes, each: int, shows: str) -> Case:
    """Bursts, one after the other. `shows`: what an event must hold."""

    def bursts(seconds: float) -> dict[str, float]:
        pin()
        cpu, until, came = running.cpu(), time.monotonic() + seconds, list[Burst]()
        while not came or time.monotonic() < until:
            came.append(audience.burst(trigger, each))
        told = [burst.sample() for burst in came]
        found = {metric: mean(sample[metric] for sample in told) for metric in told[0]}
        return {**found, "us": (running.cpu() - cpu) * 1e6 / sum(burst.deliveries for burst in came)}

    async def check() -> None:
        await asyncio.to_thread(audience.burst, trigger, each)
        message = json.loads(audience.last)
        assert message["type"] == "next", message
        assert "errors" not in message["payload"], message
        assert shows in audience.last.decode(), f"{shows} is not in {audience.last!r}"

    async def measure(seconds: float) -> dict[str, float]:
        return await asyncio.to_thread(bursts, seconds)

    return Case(name, measure, check, warm=0.0)  # the check is a burst


async def opened(stack: AsyncExitStack, audience: Audience, trigger: bytes | None = None) -> Audience:
    """The audience, sitting. `trigger`: one event, sent until everybody has heard one, for servers that do not say when a subscription holds."""
    stack.callback(audience.close)
    await asyncio.to_thread(audience.open)
    if trigger is not None:
        for _ in range(100):
            await asyncio.to_thread(ask, audience.address, trigger)
            await asyncio.to_thread(audience.drain, 0.3)
            if all(audience.counts.values()):
                break
        else:
            raise RuntimeError("not everybody hears what happens")
    tending = asyncio.create_task(_tended(audience))
    stack.callback(tending.cancel)
    return audience


async def _tended(audience: Audience) -> None:
    while True:
        await asyncio.sleep(3)
        await asyncio.to_thread(audience.tend)


@asynccontextmanager
async def gateway(options: Options, **environment: str) -> AsyncIterator[tuple[Server, str]]:
    """The product on an empty database, and an agent's token."""
    place = PLACE / "empty"
    async with (
        postgres(place) as (dsn, postmaster),
        our_server("gateway-live", also=(postmaster,), GATEWAY_DATABASE_URL=dsn, GATEWAY_DATA_DIR=str(place), **environment) as running,
    ):
        yield running, token(place)


async def create_profiles(running: Server, agent: str, count: int) -> list[str]:
    """New profiles; their ids."""
    headers = {"authorization": f"Bearer {agent}"}
    made = []
    for number in range(count):
        answer = await asyncio.to_thread(ask, running.address, request({"query": CREATE, "variables": {"name": str(number)}}, headers))
        made.append(answer["data"]["createProfile"]["profile"]["id"])
    return made


async def _notes(running: Server, agent: str, profile: str) -> list[str]:
    headers = {"authorization": f"Bearer {agent}"}
    made = []
    for number in range(BURST):
        asked: Any = {"query": NOTE, "variables": {"id": profile, "body": f"The {number}th thing that was said."}}
        answer = await asyncio.to_thread(ask, running.address, request(asked, headers))
        made.append(answer["data"]["addNote"]["note"]["id"][-32:])
    return made


@asynccontextmanager
async def cases(options: Options) -> AsyncIterator[Sequence[Case]]:
    """Every server with both sizes of audience: another profile for each, so that one is quiet while the other is measured."""
    async with AsyncExitStack() as stack:
        made: list[Case] = []
        running, agent = await stack.enter_async_context(gateway(options))
        for size, profile in zip(SIZES, await create_profiles(running, agent, len(SIZES)), strict=True):
            items = await _notes(running, agent, profile)
            audience = await opened(stack, Audience(running.address, [(agent, profile)] * size, ITEMS, first=1))
            trigger = request({"id": profile, "count": BURST, "items": items}, path="/publish")
            made.append(fan_out(f"{OURS}, {size}", audience, running, trigger, BURST, "Note by"))
        file = str(people())
        others: dict[str, list[str] | None] = {}
        if not options.ours:
            others[STRAWBERRY] = [sys.executable, "-m", "bench.peers.python.strawberry_memory"]
            others[CEILING] = [sys.executable, "-m", "bench.peers.python.floor"]
        if options.peers:
            others |= {name: node(script) for name, script in PEERS.items()}
        for name, command in others.items():
            for size in SIZES if command else ():
                assert command is not None
                peer = await stack.enter_async_context(server(f"{name} {size}", command, SCREEN_JSON=file))
                profile = screen(0)["id"]
                one, burst = (request({"id": profile, "count": count}, path="/publish") for count in (1, BURST))
                audience = await opened(stack, Audience(peer.address, [(None, profile)] * size, EVENTS), one)
                made.append(
                    fan_out(f"{name}, {size}", audience, peer, burst, BURST, "CUSTOMER" if name == CEILING else screen(0)["displayName"])
                )
        yield made


WORKLOAD = Workload(
    "s1",
    f"Fan-out: 400 and 1 000 sockets on one profile, bursts of {BURST}",
    cases,
    bars=tuple(
        bar
        for size in SIZES
        for bar in (
            Bar(f"times Strawberry + broadcaster, {size} sockets", "deliveries", f"{OURS}, {size}", f"{STRAWBERRY}, {size}", at_least=8),
            Bar(f"times mercurius, {size} sockets", "deliveries", f"{OURS}, {size}", f"mercurius, {size}", at_least=2.5),
            Bar(f"of mercurius' p99 delivery, {size} sockets", "p99", f"{OURS}, {size}", f"mercurius, {size}", at_most=0.3),
        )
    ),
    shown=("deliveries", "us", "p50", "p99"),
)
