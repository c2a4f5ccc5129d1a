"""The sql adapter against roles that may do too much, statements that try to write, servers that are slow, and callers that go away."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from gateway.errors import ConfigurationError, SourceTimeout, SourceUnavailable
from gateway.sources.adapters.sql import SqlSource
from tests.integration.sources.adapters.sql_scene import Erp

__all__: list[str] = []

pytestmark = pytest.mark.asyncio(loop_scope="module")

TIERS = "SELECT no AS key, tier FROM customer"
SLOW = "SELECT no AS key, tier, pg_sleep(30) IS NULL AS waited FROM customer"
SECONDS = 5.0


@asynccontextmanager
async def opened(erp: Erp, **options: Any) -> AsyncIterator[SqlSource]:
    """A source, open."""
    made = erp.source(**options)
    await made.open()
    try:
        yield made
    finally:
        await made.close()


async def running(erp: Erp, count: int) -> None:
    """Returns when the server runs so many statements of ours; fails when it takes too long to."""
    text = "SELECT FROM pg_stat_activity WHERE query LIKE '%pg_sleep(30)%' AND state = 'active' AND pid <> pg_backend_pid()"
    async with asyncio.timeout(SECONDS):
        while True:
            if len(await erp.run(text)) == count:
                return
            await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    ("role", "words"),
    [
        ("boss", "is too powerful (superuser"),
        ("seer", "is too powerful (BYPASSRLS)"),
        ("copier", "is too powerful (REPLICATION)"),
        ("climber", "is too powerful (superuser"),
        ("filer", "reads files)"),
        ("clerk", "may write to public.customer: make one"),
        ("heir", "may write to public.customer: make one"),
    ],
)
async def test_fault_136_a_role_that_may_do_more_than_read_is_refused(erp: Erp, role: str, words: str) -> None:
    """A superuser, whoever passes by row security, and whoever may write to a table, by itself or as what it can become."""
    made = erp.source(role, traits_in_columns=TIERS)
    with pytest.raises(ConfigurationError) as refused:
        await made.open()
    await made.close()

    assert words in refused.value.message
    assert f"{erp.name}_{role}" in refused.value.message


async def test_fault_136_a_role_that_becomes_powerful_is_not_used_on(erp: Erp) -> None:
    """Each new connection looks at the role again: one that was made a superuser meanwhile answers nothing."""
    await erp.run(f"CREATE ROLE {erp.name}_rising LOGIN IN ROLE {erp.name}_reader")
    made = erp.source("rising", traits_in_columns=TIERS)
    await made.open()
    assert await made.traits(["1"], None)
    await erp.run(f"ALTER ROLE {erp.name}_rising BYPASSRLS")
    await erp.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = $1", f"{erp.name}_rising")
    for _ in range(2):
        with pytest.raises(SourceUnavailable):
            await made.traits(["1"], None)
    await made.close()


async def test_fault_136_nothing_is_written_in_a_read_only_transaction(erp: Erp) -> None:
    """A function that writes with its owner's rights, behind a harmless SELECT, fails as the source does; nothing got in."""
    async with opened(erp, traits_in_columns="SELECT no AS key, scribble() AS word FROM customer") as erp_source:
        with pytest.raises(SourceUnavailable):
            await erp_source.traits(["1"], None)
    async with opened(erp, traits_in_columns="SELECT no AS key, nextval('counter') AS n FROM customer") as other:
        with pytest.raises(SourceUnavailable):
            await other.traits(["1"], None)

    assert await erp.run("SELECT * FROM secret") == []


async def test_fault_136_a_statement_ends_at_its_timeout(erp: Erp) -> None:
    """The server ends a statement that takes too long, by itself, and the connection serves the next."""
    async with opened(
        erp, traits_in_columns=SLOW, profiles="SELECT no AS key, mail AS locale FROM customer", statement_timeout=0.2, pool=1
    ) as one:
        started = time.monotonic()
        with pytest.raises(SourceTimeout):
            await one.traits(["1"], None)
        assert time.monotonic() - started < 1.5
        assert set(await one.profiles(["1"], None)) == {"1"}


async def test_a_caller_that_goes_away_ends_its_statement_there(erp: Erp) -> None:
    """Cancelled, or out of time: the server runs the statement no longer, and the only connection is free again."""
    async with opened(
        erp, traits_in_columns=SLOW, profiles="SELECT no AS key, mail AS locale FROM customer", statement_timeout=30, pool=1
    ) as one:
        task = asyncio.create_task(one.traits(["1"], None))
        await running(erp, 1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await running(erp, 0)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await one.traits(["1"], None)
        await running(erp, 0)
        assert set(await one.profiles(["1"], None)) == {"1"}


async def test_a_pool_that_is_used_up_says_so(erp: Erp) -> None:
    """Whoever finds every connection busy is told that the source is unavailable after a second, not after the busy ones are done."""
    async with opened(erp, traits_in_columns=SLOW, statement_timeout=30, pool=1) as one:
        busy = asyncio.create_task(one.traits(["1"], None))
        await running(erp, 1)
        with pytest.raises(SourceUnavailable):
            await one.traits(["2"], None)
        busy.cancel()
        with pytest.raises(asyncio.CancelledError):
            await busy


async def test_a_session_says_who_it_is_and_reads_only(erp: Erp) -> None:
    """The other side sees whose sessions they are; they read only, also outside of a transaction, and are idle in none."""
    async with opened(erp, traits_in_columns=TIERS) as one:
        await one.traits(["1"], None)
        (session,) = await erp.run(
            "SELECT state, backend_xid FROM pg_stat_activity WHERE application_name = 'profile-gateway/erp' AND state <> ''"
        )
        assert session["state"] == "idle"
    async with opened(erp, profiles="SELECT 'x' AS key, current_setting('default_transaction_read_only') AS locale") as other:
        assert (await other.profiles(["x"], None))["x"].values == {"locale": "on"}  # type: ignore[union-attr]
