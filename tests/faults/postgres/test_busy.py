"""Postgres is busy or full, and clients lose patience: who is served, who is told, and what our own sessions leave there."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import asyncpg
import orjson
import pytest

from gateway.commands.unit import Receipt, Unit
from gateway.engine.encoding import encode
from gateway.engine.request import Request
from gateway.errors import GatewayError, Overloaded, SourceTimeout
from gateway.live.bell_postgres import PostgresBell
from gateway.model.ids import parse_id, uuid7
from gateway.storage.database import DELIVERING, Database, Limits
from tests.faults.postgres.scene import PROFILE, QUICK, SECONDS, TOPICS, Scene, Whole, session, sessions, until
from tests.servers import PostgresServer

__all__: list[str] = []

ITEMS = "subscription ($id: ID!) { timelineEvents(profileId: $id) { __typename ... on TimelineItemUpserted { item { id title } } } }"


@asynccontextmanager
async def busy(scene: Scene, count: int = 4) -> AsyncIterator[None]:
    """Every connection for requests runs something slow."""
    slow = [asyncio.create_task(scene.database.fetchval("SELECT pg_sleep(0.5) /* slow */")) for _ in range(count)]

    async def all_run() -> bool:
        async with session_of(scene) as other:
            return bool(await other.fetchval("SELECT count(*) = $1 FROM pg_stat_activity WHERE query LIKE '%/* slow */'", count))

    await until(all_run)
    yield
    await asyncio.gather(*slow)


@asynccontextmanager
async def session_of(scene: Scene) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
    """A session beside the scene's."""
    connection = await asyncpg.connect(scene.database.dsn, timeout=SECONDS)
    try:
        yield connection
    finally:
        await connection.close()


# The pool is exhausted


def test_fault_113_the_limits_are_what_is_promised() -> None:
    """One second for a connection; with a frozen server four and a half for an answer, so that every request ends within five."""
    limits = Limits()

    assert limits.acquire == 1
    assert limits.statement + limits.farewell < 5


async def test_fault_113_slow_queries_leave_the_delivery_its_connections(scene: Scene) -> None:
    """While slow queries hold every connection, others are told in time; what the delivery reads, and what renders a live event, is answered."""
    async with busy(scene):
        began = time.monotonic()
        with pytest.raises(Overloaded):
            await scene.database.fetchval("SELECT 1")
        refused_after = time.monotonic() - began
        assert await scene.database.fetchval("SELECT 1", delivery=True) == 1
        token = DELIVERING.set(True)
        assert await scene.database.fetchval("SELECT 1") == 1
        DELIVERING.reset(token)

    assert QUICK.acquire * 0.9 <= refused_after < QUICK.acquire + 0.2
    assert await scene.database.fetchval("SELECT 1") == 1


@pytest.mark.slow
async def test_fault_113_the_gateway_under_slow_queries(whole: Whole, server: PostgresServer) -> None:
    """Over HTTP: the query that finds no connection gets OVERLOADED after a second, an event of a website 503 with Retry-After; readiness stays green
    and a change of a timeline is rendered and delivered meanwhile.
    """
    profile = (await whole.ask(PROFILE)).json()["data"]["createProfile"]["profile"]["id"]
    principal = await whole.runtime.gate.authenticate(whole.client.headers["authorization"])
    prepared = whole.runtime.engine.prepare(Request(ITEMS, {"id": profile}))
    events = whole.runtime.engine.subscribe(prepared, whole.runtime.context_for(principal))

    async def told() -> Any:
        return orjson.loads(encode(await anext(events)))

    async def watch() -> Any:
        assert (await told())["data"]["timelineEvents"]["__typename"] == "StreamReady"
        subscribed.set()
        return await told()

    subscribed = asyncio.Event()
    watching = asyncio.create_task(watch())
    await subscribed.wait()
    async with session(server) as other, other.transaction():
        await other.execute("LOCK TABLE interest_topic")  # who wants to read it waits for the two seconds of lock_timeout
        slow = [asyncio.create_task(whole.ask(TOPICS)) for _ in range(2)]

        async def both_wait() -> bool:
            return bool(await other.fetchval("SELECT count(*) = 2 FROM pg_stat_activity WHERE wait_event_type = 'Lock'"))

        await until(both_wait)
        began = time.monotonic()
        refused = asyncio.create_task(whole.ask(TOPICS))
        event = {"userId": "u-1", "event": "Order Completed", "messageId": "m-1"}
        tracked = asyncio.create_task(whole.client.post("/v1/track", json=event, auth=(whole.write_key, "")))
        ready = await whole.client.get("/readyz")
        profile_id = parse_id(profile, "prf")[0]
        await happened(server, whole, profile_id)
        delivered = await asyncio.wait_for(watching, SECONDS)
        delivered_after = time.monotonic() - began
        (error,) = (await refused).json()["errors"]
        answered = await tracked
        refused_after = time.monotonic() - began
    await asyncio.gather(*slow)
    await events.aclose()

    assert (ready.status_code, ready.json()["database"]) == (200, "ok")
    assert "errors" not in delivered
    assert delivered["data"]["timelineEvents"]["__typename"] == "TimelineItemUpserted"
    assert delivered_after < 1
    assert error["extensions"]["code"] == "OVERLOADED"
    assert (answered.status_code, answered.headers["retry-after"], answered.json()["error"]["code"]) == (503, "1", "OVERLOADED")
    assert 0.9 < refused_after < 1.9


async def happened(server: PostgresServer, whole: Whole, profile_id: UUID) -> None:
    """Another gateway on the database puts an item on the timeline; no bell of ours rings."""
    async with Scene.on(server.dsn(), size=1) as other:
        principal = await whole.runtime.gate.authenticate(whole.client.headers["authorization"])

        async def work(unit: Unit) -> Receipt:
            item = uuid7()
            row = (profile_id, datetime.now(UTC), "native", item, "EXTERNAL", "Order Completed", None, None, None, {})
            await unit.fetch("insert_activities", *[[value] for value in row])
            unit.item_added(profile_id, item, "native")
            return Receipt(profile_id)

        await other.writer.run(principal, work)


# Clients cancel


@pytest.mark.parametrize("kind", ["statements", "transactions"])
async def test_fault_114_cancelled_calls_leave_nothing_behind(scene: Scene, server: PostgresServer, kind: str) -> None:
    """A thousand calls, each cancelled somewhere in the middle: no connection is lost to the pool, none stays in a transaction or at work."""
    rng = random.Random(114)

    async def in_transaction() -> None:
        async with scene.database.transaction() as connection:
            await connection.execute("SELECT pg_sleep(0.002)")
            await connection.execute("SELECT pg_sleep(0.002)")

    async def client() -> None:
        for _ in range(100):
            call = asyncio.create_task(
                in_transaction() if kind == "transactions" else scene.database.fetchval("SELECT pg_sleep(0.004)")  # type: ignore[arg-type]
            )
            await asyncio.sleep(rng.uniform(0, 0.012))
            call.cancel()
            await asyncio.wait({call}, timeout=SECONDS)
            assert call.done()
            assert call.cancelled() or call.exception() is None or isinstance(call.exception(), GatewayError)

    await asyncio.gather(*(client() for _ in range(10)))

    assert await scene.database.fetchval("SELECT 1") == 1
    assert scene.database._requests.get_idle_size() == scene.database._requests.get_size()
    assert len(await sessions(server)) <= 4 + 2
    assert await sessions(server, state="idle in transaction%") == []
    assert await sessions(server, state="active") == []
    assert await asyncio.gather(*(scene.database.fetchval("SELECT 1") for _ in range(20))) == [1] * 20


async def test_fault_116_no_connection_left(scene: Scene, server: PostgresServer) -> None:
    """Every connection of the server is taken: who has one works, who needs one is told at once and the server is not asked each time; at the
    start the message says what to do; when there is room again it is used.
    """
    refusals = "sorry, too many clients already"
    async with AsyncExitStack() as stack:
        for _ in range(24):
            try:
                hog = await asyncpg.connect(server.dsn(), timeout=SECONDS)
            except asyncpg.TooManyConnectionsError:
                break
            stack.callback(hog.terminate)
        began, before = time.monotonic(), server.log.read_text().count(refusals)
        answers: list[object] = []
        while time.monotonic() - began < 0.5:
            answers += await asyncio.gather(
                *(scene.database.fetchval("SELECT pg_sleep(0.01) IS NOT NULL") for _ in range(4)), return_exceptions=True
            )
        asked = server.log.read_text().count(refusals) - before
        refused = [answer for answer in answers if answer is not True]
        with pytest.raises(Overloaded, match=r"no connection left.*GATEWAY_POOL_SIZE.*max_connections"):
            await Database.open(server.dsn())

    assert {type(answer) for answer in refused} == {Overloaded}
    assert len(answers) - len(refused) >= 10
    assert len(refused) >= 10
    assert asked < 10

    async def room() -> bool:
        return await asyncio.gather(*(scene.database.fetchval("SELECT pg_sleep(0.05) IS NOT NULL") for _ in range(4))) == [True] * 4

    async def heals() -> bool:
        try:
            return await room()
        except Overloaded:
            return False

    await until(heals, 5)


# Our own sessions


async def test_every_session_ends_its_waits_by_itself(scene: Scene) -> None:
    """Requests, delivery and bell: lock 2 s, statement 5 s, idle in a transaction 10 s, whatever becomes of the gateway."""
    query = """SELECT current_setting('lock_timeout'), current_setting('statement_timeout'),
                      current_setting('idle_in_transaction_session_timeout'), current_setting('timezone')"""
    bell = PostgresBell(scene.database)
    await bell.connect()
    assert bell._connection is not None
    rows = [
        await scene.database.fetchrow(query),
        await scene.database.fetchrow(query, delivery=True),
        await bell._connection.fetchrow(query),
    ]
    await bell.disconnect()

    assert [tuple(row or ()) for row in rows] == [("2s", "5s", "10s", "UTC")] * 3


async def test_a_transaction_that_idles_loses_its_lock(scene: Scene, server: PostgresServer) -> None:
    """A unit that forgets to go on is ended by Postgres, told so as retryable, and its lock is free."""
    stream = await scene.profile()

    async def dawdle(unit: Unit) -> None:
        await unit.connection.execute("SELECT FROM profile WHERE id = $1 FOR UPDATE", stream.stream_id)
        await unit.connection.execute("SELECT set_config('idle_in_transaction_session_timeout', '50', true)")
        await asyncio.sleep(0.15)

    with pytest.raises((Overloaded, SourceTimeout)):
        await scene.change(stream, first=dawdle)

    assert await sessions(server, state="idle in transaction%") == []
    assert await scene.change(stream) == 2


async def test_never_more_connections_than_the_pools_and_one(whole: Whole, server: PostgresServer) -> None:
    """Under a crowd of requests a process has its pools and one LISTEN connection, and not one more."""
    most = 0
    crowd = [asyncio.create_task(whole.ask(PROFILE)) for _ in range(40)]
    while not all(task.done() for task in crowd):
        most = max(most, len(await sessions(server)))
    assert {task.result().status_code for task in crowd} == {200}

    assert 3 <= most <= 2 + 2 + 1
