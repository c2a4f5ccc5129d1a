"""Postgres refuses: it takes no changes, or others were faster. What is tried again, what the caller is told, and that nothing is half-written."""

from __future__ import annotations

import asyncio
import itertools
import time
from typing import Any

import asyncpg
import pytest

from gateway.commands.unit import Unit
from gateway.errors import GatewayError, Overloaded, SourceTimeout, SourceUnavailable
from gateway.model.configuration import Configuration
from tests.faults.postgres.scene import PROFILE, TOPICS, Scene, Watcher, Whole, session, until
from tests.servers import PostgresServer

__all__: list[str] = []


# It refuses changes


async def test_fault_115_a_read_only_database_takes_reads(whole: Whole, server: PostgresServer) -> None:
    """Changes get SOURCE_UNAVAILABLE, which a retry may mend, and leave nothing; reads go on; readiness is green and says `read-only`."""
    async with session(server) as other:
        await other.execute("ALTER SYSTEM SET default_transaction_read_only = on")
        await other.execute("SELECT pg_reload_conf()")
        try:

            async def said() -> bool:
                return await whole.says("database") == "read-only"

            await until(said)
            before = await other.fetchval("SELECT count(*) FROM profile")
            (error,) = (await whole.ask(PROFILE)).json()["errors"]
            read = (await whole.ask(TOPICS)).json()
            after = await other.fetchval("SELECT count(*) FROM profile")
        finally:
            await other.execute("SET default_transaction_read_only = off")
            await other.execute("ALTER SYSTEM RESET default_transaction_read_only")
            await other.execute("SELECT pg_reload_conf()")

    assert error["extensions"]["code"] == "SOURCE_UNAVAILABLE"
    assert "no changes" in error["message"]
    assert after == before
    assert "errors" not in read

    async def writes_again() -> bool:
        return "errors" not in (await whole.ask(PROFILE)).json()

    await until(writes_again)


@pytest.mark.parametrize(("state", "expected"), [("53100", SourceUnavailable), ("53200", SourceUnavailable), ("58030", SourceUnavailable)])
async def test_fault_115_a_full_disk_refuses_and_undoes(scene: Scene, state: str, expected: type[GatewayError]) -> None:
    """A full disk, no memory or a file that cannot be written, in the middle of a change: refused, retryable, nothing half-written."""
    stream = await scene.profile()

    async def fail(unit: Unit) -> None:
        await unit.connection.execute("UPDATE profile SET first_name = 'Half' WHERE id = $1", stream.stream_id)
        await unit.connection.execute(f"DO $$ BEGIN RAISE EXCEPTION 'full' USING ERRCODE = '{state}'; END $$")

    with pytest.raises(expected) as caught:
        await scene.change(stream, first=fail)

    assert caught.value.retryable
    assert await scene.database.fetchval("SELECT first_name FROM profile WHERE id = $1", stream.stream_id) == "Ana"
    assert await scene.logged(stream) == [1]


# Others were faster


async def test_fault_117_two_that_deadlock_are_both_done(scene: Scene) -> None:
    """Two units that lock the same two rows in opposite orders: one is undone by Postgres, begun anew, and both are in the log once."""
    first, second = await scene.profile(), await scene.profile()
    begun = 0
    both = asyncio.Barrier(2)

    def locking(one: Any, other: Any) -> Any:
        async def lock(unit: Unit) -> None:
            nonlocal begun
            begun += 1
            await unit.connection.execute("SELECT FROM profile WHERE id = $1 FOR UPDATE", one.stream_id)
            if begun <= 2:
                await both.wait()
            await unit.connection.execute("SELECT FROM profile WHERE id = $1 FOR UPDATE", other.stream_id)

        return lock

    await asyncio.gather(scene.change(first, first=locking(first, second)), scene.change(first, first=locking(second, first)))

    assert begun == 3
    assert await scene.logged(first) == [1, 2, 3]


@pytest.mark.parametrize(("state", "told"), [("40001", Overloaded), ("40P01", Overloaded), ("55P03", SourceTimeout)])
async def test_fault_117_three_more_attempts_and_no_fourth(scene: Scene, state: str, told: type[GatewayError]) -> None:
    """A serialisation failure, a deadlock or a lock that does not come is tried again three times, with pauses; then the caller is told, and
    nothing was written.
    """
    stream = await scene.profile()
    begun: list[float] = []

    async def fail(unit: Unit) -> None:
        begun.append(time.monotonic())
        await unit.connection.execute("UPDATE profile SET first_name = 'Half' WHERE id = $1", stream.stream_id)
        if len(begun) <= failures:
            await unit.connection.execute(f"DO $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '{state}'; END $$")

    failures = 4
    with pytest.raises(told) as caught:
        await scene.change(stream, first=fail)
    assert caught.value.retryable
    assert len(begun) == 4
    assert min(later - sooner for sooner, later in itertools.pairwise(begun)) > 0.005
    assert await scene.logged(stream) == [1]
    assert await scene.database.fetchval("SELECT first_name FROM profile WHERE id = $1", stream.stream_id) == "Ana"

    failures, begun[:] = 3, []
    assert await scene.change(stream, first=fail) == 2


async def test_fault_117_a_head_row_that_stays_locked(scene: Scene, server: PostgresServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody holds the row that numbers a stream: whoever waits for it tries no longer than the patience lasts; then there is an error."""
    monkeypatch.setattr("gateway.commands.unit._PATIENCE", 0.15)
    stream = await scene.profile()
    begun = 0

    async def hurry(unit: Unit) -> None:
        nonlocal begun
        begun += 1
        await unit.connection.execute("SELECT set_config('lock_timeout', '100', true)")

    async with session(server) as other, other.transaction():
        await other.execute("SELECT FROM stream_head WHERE stream_id = $1 FOR UPDATE", stream.stream_id)
        with pytest.raises(SourceTimeout):
            await scene.change(stream, first=hurry)
        assert begun == 2

    assert await scene.change(stream) == 2
    assert await scene.logged(stream) == [1, 2]


async def test_fault_117_a_mistake_that_was_passed_over_is_no_success(scene: Scene) -> None:
    """Postgres answers the COMMIT of a failed transaction with ROLLBACK, and no error: that is not taken for a change."""
    stream = await scene.profile()

    async def stumble(unit: Unit) -> None:
        await unit.connection.execute("UPDATE profile SET first_name = 'Half' WHERE id = $1", stream.stream_id)
        with pytest.raises(asyncpg.DivisionByZeroError):
            await unit.connection.execute("SELECT 1 / 0")

    async def change() -> None:
        async with scene.database.transaction() as connection:
            await stumble(Unit(connection, scene.principal, Configuration()))

    with pytest.raises(GatewayError, match="nothing was changed"):
        await change()

    assert await scene.database.fetchval("SELECT first_name FROM profile WHERE id = $1", stream.stream_id) == "Ana"


# It lets nobody in


async def test_a_database_that_lets_nobody_in_is_one_that_is_away(scene: Scene, server: PostgresServer) -> None:
    """New connections are refused for a reason of their own (a changed password, pg_hba.conf, a database taken out of service): callers get
    OVERLOADED, what polls goes on polling, and all heals by itself.
    """
    stream = await scene.profile()
    watcher = Watcher(scene.hub, stream)
    await watcher.ready()
    async with session(server, "template1") as other:
        await other.execute("ALTER DATABASE postgres ALLOW_CONNECTIONS false")
        try:
            await other.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'postgres'")

            async def polled_in_vain() -> bool:
                try:
                    await scene.database.fetchval("SELECT 1", delivery=True)
                except GatewayError as error:
                    return isinstance(error, Overloaded)
                return False

            await until(polled_in_vain)
            with pytest.raises(Overloaded):
                await scene.change(stream)
            await asyncio.sleep(0.3)  # the hub polls every tenth of a second
        finally:
            await other.execute("ALTER DATABASE postgres ALLOW_CONNECTIONS true")

    async def taken() -> bool:
        try:
            return bool(await scene.change(stream))
        except Overloaded:
            return False

    await until(taken)
    await watcher.has(2)
    await watcher.stop()
