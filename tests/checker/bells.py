"""Bells that ring wrongly: garbage, rings for nothing, the same ring many times and in another order, and listeners that lose their connection.

Owns a connection to the bus of its own for each disturbance. Called by `nemesis`.
"""

from __future__ import annotations

import random
from typing import Any

import asyncpg

from gateway.live.bus import CHANNEL, ring_key
from tests.checker.world import World

__all__ = ["disturb", "drop_listeners"]

_RINGS = 40


def _messages(world: World, rng: random.Random) -> list[str]:
    keys = [ring_key(world.profile_stream(profile)) for profile in world.profiles]
    true = [",".join(rng.sample(keys, min(3, len(keys)))) for _ in range(_RINGS)]
    wrong = ["", ",", ",,", "*", "*nobody", "zz", "0" * 5000, "\u2603 not hex", rng.randbytes(8).hex(), "{}", '{"seq": 1}']
    messages = true + true[: _RINGS // 2] + wrong
    rng.shuffle(messages)
    return messages


async def disturb(world: World, rng: random.Random) -> None:
    """Ring for streams that did not change, twice and out of order, with garbage in between."""
    cluster = world.cluster
    messages = _messages(world, rng)
    if cluster.bus is None:
        connection = await asyncpg.connect(cluster.dsn(), timeout=3)
        try:
            for message in messages:
                await connection.execute("SELECT pg_notify($1, $2)", CHANNEL, message)
        finally:
            connection.terminate()
    elif cluster.bus_kind == "valkey":
        async with _valkey(cluster.bus.port) as client:
            for message in messages:
                await client.publish(CHANNEL, message)
    else:
        import nats

        client = await nats.connect(f"nats://127.0.0.1:{cluster.bus.port}", connect_timeout=3, allow_reconnect=False)
        for message in messages:
            await client.publish(CHANNEL, message.encode())
        await client.flush(2)
        await client.close()


async def drop_listeners(world: World) -> None:
    """End the connections on which processes hear the bell: what is rung meanwhile is lost."""
    cluster = world.cluster
    if cluster.bus is None:
        connection = await asyncpg.connect(cluster.dsn(), timeout=3)
        try:
            await connection.fetch(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'profile-gateway bell%'"
            )
        finally:
            connection.terminate()
    elif cluster.bus_kind == "valkey":
        async with _valkey(cluster.bus.port) as client:
            await client.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
    else:  # NATS has no such command: a restart of the server does the same
        await cluster.do(cluster.bus.kill)
        await cluster.do(cluster.bus.start)


def _valkey(port: int) -> Any:
    from redis.asyncio import Redis

    return Redis(host="127.0.0.1", port=port, socket_timeout=3, socket_connect_timeout=3)
