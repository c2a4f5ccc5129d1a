"""A Postgres elsewhere that is not there, goes away, freezes and comes back."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from gateway.errors import ConfigurationError, SourceUnavailable
from tests.integration.sources.adapters.sql_scene import source
from tests.servers import PostgresServer

__all__: list[str] = []

SECONDS = 10.0
TIERS = "SELECT key, tier FROM customer"
PEOPLE = """CREATE TABLE customer (key text PRIMARY KEY, tier text); INSERT INTO customer VALUES ('1', 'gold');
CREATE ROLE reader LOGIN; GRANT SELECT ON customer TO reader"""


async def _answered(one: Any) -> Any:
    """What it says, as soon as it says anything."""
    until = time.monotonic() + SECONDS
    while True:
        try:
            return await one.traits(["1"], None)
        except SourceUnavailable:
            assert time.monotonic() < until, "it does not come back"
            await asyncio.sleep(0.02)


async def test_fault_136_a_server_that_goes_and_comes(postgres_server: PostgresServer, tmp_path: Path) -> None:
    """Away at the start, killed, frozen: unavailable within seconds each time, and answers again once it is there, without a restart of ours."""
    server = postgres_server
    connection = await asyncpg.connect(server.dsn(), timeout=SECONDS)
    await connection.execute(PEOPLE)
    await connection.close()
    address, encrypted = tmp_path / "dsn", tmp_path / "encrypted"
    address.write_text(server.dsn().replace("gateway@", "reader@"))
    encrypted.write_text(server.dsn().replace("gateway@", "reader@").replace("sslmode=disable", "sslmode=require"))
    server.kill()
    one, tls = (source(dsn={"file": str(file)}, traits_in_columns=TIERS) for file in (address, encrypted))
    wrong = source(dsn={"file": str(address)}, traits_in_columns="SELECT key, rank FROM customer")
    for each in (one, tls, wrong):
        await each.open()  # it is no reason not to start
        with pytest.raises(SourceUnavailable):
            await each.traits(["1"], None)
    with pytest.raises(SourceUnavailable):
        await one.check()

    server.start()
    assert (await _answered(one))["1"][0].value == "gold"
    assert (await one.check()).startswith("PostgreSQL ")
    for each in (tls, wrong):  # sslmode=require takes no connection in clear; a wrong statement is found when the server is
        with pytest.raises(SourceUnavailable):
            await each.traits(["1"], None)
    late = source(dsn={"file": str(address)}, traits_in_columns="SELECT key, rank FROM customer")
    with pytest.raises(ConfigurationError, match="rank"):
        await late.open()

    server.freeze()
    started = time.monotonic()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await one.traits(["1"], None)
    assert time.monotonic() - started < 1.5
    server.thaw()
    assert await _answered(one)

    for stop in (server.kill, server.stop):
        stop()
        with pytest.raises(SourceUnavailable):
            await one.traits(["1"], None)
        server.start()
        assert await _answered(one)
    for each in (one, tls, wrong, late):
        await each.close()
