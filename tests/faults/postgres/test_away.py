"""Postgres goes away (killed, frozen, behind a black hole) and comes back: what callers meanwhile get, and that nothing is lost."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import time
from collections.abc import AsyncIterator

import pytest

from gateway.commands.unit import Unit
from gateway.errors import GatewayError, OutcomeUnknown, Overloaded, SourceTimeout
from gateway.live.bell_postgres import PostgresBell
from gateway.live.bus import Bus
from gateway.storage.database import Database
from tests.faults.postgres.scene import ENDS_WITHIN, QUICK, Scene, Watcher, session, sessions, until
from tests.proxy import Proxy
from tests.servers import PostgresServer

__all__: list[str] = []

HEALS_WITHIN = 5.0


async def works(scene: Scene) -> bool:
    """Whether both pools answer, and changes are taken."""
    try:
        await scene.database.fetchval("SELECT 1")
        await scene.database.fetchval("SELECT 1", delivery=True)
        async with scene.database.transaction() as connection:
            await connection.execute("SELECT 1")
    except GatewayError:
        return False
    return True


@contextlib.asynccontextmanager
async def lag_watched() -> AsyncIterator[list[float]]:
    """How late the event loop came to what was due every hundredth of a second, worst first, once the block is over."""
    late: list[float] = []

    async def watch() -> None:
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + 0.01
            await asyncio.sleep(0.01)
            late.append(loop.time() - due)

    task = asyncio.create_task(watch())
    try:
        yield late
    finally:
        task.cancel()
        late.sort(reverse=True)


async def ended(scene: Scene, call: asyncio.Task[object]) -> BaseException | None:
    """What a call ended with; it must end in time."""
    done, _ = await asyncio.wait({call}, timeout=ENDS_WITHIN)
    assert done, "it still waits"
    return call.exception()


# A backend is killed


@pytest.mark.slow
async def test_fault_109_a_killed_backend_costs_seconds_and_nothing_that_was_promised(server: PostgresServer) -> None:
    """Under load from writers and readers one backend dies by SIGKILL, and with it, as Postgres has it, all others: for three seconds at most callers
    get OVERLOADED or the like, then everything goes on by itself; every change that was acknowledged is in the log, once, and was delivered.
    """
    failures: list[float] = []
    kinds: set[type[BaseException]] = set()
    acknowledged: dict[int, list[int]] = {0: [], 1: [], 2: [], 3: []}
    async with Scene.on(server.dsn(), size=6) as scene:
        streams = [await scene.profile() for _ in acknowledged]
        watchers = [Watcher(scene.hub, stream) for stream in streams]
        for watcher in watchers:
            await watcher.ready()
        over = asyncio.Event()

        async def write(number: int) -> None:
            count = 0
            while not over.is_set():
                count += 1
                try:
                    acknowledged[number].append(await scene.change(streams[number], key=f"{number}.{count}" if number % 2 else None))
                except GatewayError as error:
                    kinds.add(type(error))
                    failures.append(time.monotonic())
                await asyncio.sleep(0.005)

        async def read() -> None:
            while not over.is_set():
                try:
                    await scene.database.fetchval("SELECT count(*) FROM stream_head")
                except GatewayError as error:
                    kinds.add(type(error))
                    failures.append(time.monotonic())
                await asyncio.sleep(0.005)

        load = [asyncio.create_task(work) for work in (*map(write, acknowledged), read(), read())]
        await until(lambda: _true(all(len(seqs) > 10 for seqs in acknowledged.values())))
        assert not failures
        os.kill((await sessions(server))[0], signal.SIGKILL)
        killed = time.monotonic()
        await until(lambda: _true(failures and time.monotonic() - failures[-1] > 1))
        enough = [len(seqs) + 10 for seqs in acknowledged.values()]
        await until(lambda: _true(all(len(seqs) > most for seqs, most in zip(acknowledged.values(), enough, strict=True))))
        over.set()
        await asyncio.gather(*load)

        assert failures[-1] - killed < 3
        assert kinds <= {Overloaded, SourceTimeout, OutcomeUnknown}
        for number, (stream, watcher) in enumerate(zip(streams, watchers, strict=True)):
            logged = await scene.logged(stream)
            assert logged == list(range(1, len(logged) + 1))
            assert len(set(acknowledged[number])) == len(acknowledged[number])
            assert set(acknowledged[number]) <= set(logged)
            await watcher.has(logged[-1])
            await watcher.stop()


async def _true(value: object) -> bool:
    return bool(value)


async def test_fault_109_a_read_is_asked_again(scene: Scene, server: PostgresServer) -> None:
    """A statement that only reads, whose backend is ended under it, is answered as if nothing had been."""
    pids: set[int] = set()

    async def end_it() -> None:
        async with session(server) as other:
            while not pids:
                found = await other.fetchval("SELECT pid FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep(0.2%'")
                if found:
                    pids.add(found)
                    await other.fetchval("SELECT pg_terminate_backend($1)", found)

    ending = asyncio.create_task(end_it())
    answer = await scene.database.fetchval("SELECT pg_sleep(0.2) IS NOT NULL, pg_backend_pid()")
    await ending

    assert answer is True
    assert len(pids) == 1


async def test_fault_109_a_single_write_is_not_asked_again(scene: Scene, server: PostgresServer) -> None:
    """The same under a statement that writes: the caller is told, and it was executed once at most."""
    async with session(server) as other:
        await other.execute("CREATE TABLE IF NOT EXISTS once (at timestamptz)")
        call = asyncio.create_task(scene.database.fetch("INSERT INTO once SELECT now() FROM pg_sleep(0.3) RETURNING at"))

        async def ended_by_us() -> bool:
            query = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'INSERT INTO once%'"
            return bool(await other.fetchval(query))

        await until(ended_by_us)
        with pytest.raises(Overloaded):
            await call

        assert await other.fetchval("SELECT count(*) FROM once") == 0


async def test_fault_109_a_unit_that_surely_did_not_commit_is_begun_anew(scene: Scene, server: PostgresServer) -> None:
    """The connection is lost in the middle of a transaction, before its COMMIT: the writer does it again, and it is done once."""
    stream = await scene.profile()
    begun = 0

    async def lose_the_first(unit: Unit) -> None:
        nonlocal begun
        begun += 1
        if begun == 1:
            pid = await unit.connection.fetchval("SELECT pg_backend_pid()")
            async with session(server) as other:
                await other.fetchval("SELECT pg_terminate_backend($1)", pid)

    assert await scene.change(stream, first=lose_the_first) == 2
    assert begun == 2
    assert await scene.logged(stream) == [1, 2]


@pytest.mark.parametrize("answered", [True, False], ids=["committed", "not known"])
async def test_fault_093_109_a_commit_without_an_answer(server: PostgresServer, answered: bool) -> None:
    """The connection is lost during the COMMIT. With an idempotency key the writer finds out and answers; without one the caller is told that
    it is not known, and never that nothing was changed.
    """
    async with Proxy.before(server.port) as proxy, Scene.on(server.dsn(port=proxy.port), size=2) as scene:
        stream = await scene.profile()

        proxy.cut_after(b"COMMIT", answered=answered)
        assert await scene.change(stream, key="k-1") == 2
        assert await scene.change(stream, key="k-1") == 2

        proxy.cut_after(b"COMMIT", answered=answered)
        with pytest.raises(OutcomeUnknown) as caught:
            await scene.change(stream)
        await until(lambda: works(scene))

        assert await scene.logged(stream) in ([[1, 2, 3]] if answered else [[1, 2], [1, 2, 3]])
        assert not caught.value.retryable


# Frozen


async def test_fault_110_every_call_on_a_frozen_server_ends(scene: Scene, server: PostgresServer) -> None:
    """All processes are stopped: reads, changes, open transactions and cancelled calls end in time with an error a client may retry; the event loop
    does not notice; after the thaw everything works again, and a live stream went on without a hole.
    """
    stream = await scene.profile()
    watcher = Watcher(scene.hub, stream)
    await watcher.ready()
    held = asyncio.Event()

    async def in_the_middle(unit: Unit) -> None:
        held.set()
        await asyncio.sleep(0.05)  # the server freezes here

    calls = [asyncio.create_task(scene.change(stream, first=in_the_middle))]
    await held.wait()
    server.freeze()
    async with lag_watched() as late:
        calls += [
            asyncio.create_task(scene.database.fetchval("SELECT 1", delivery=delivery)) for delivery in (False, True) for _ in range(6)
        ]
        calls += [asyncio.create_task(scene.change(stream)) for _ in range(2)]
        given_up = asyncio.create_task(scene.database.fetchval("SELECT 2"))
        await asyncio.sleep(0.05)
        given_up.cancel()
        errors = [await ended(scene, call) for call in calls]
        done, _ = await asyncio.wait({given_up}, timeout=ENDS_WITHIN)
    server.thaw()

    assert {type(error) for error in errors} <= {Overloaded, SourceTimeout}
    assert all(isinstance(error, GatewayError) and error.retryable for error in errors)
    assert done
    assert given_up.cancelled()
    assert late[2] < 0.1  # two of them are forgiven: the machine has others to serve
    await until(lambda: works(scene), HEALS_WITHIN)
    assert await scene.change(stream) == 2
    await watcher.has(2)
    await watcher.stop()
    async with session(server) as other:
        assert await other.fetchval("SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in transaction%'") == 0


async def test_fault_110_a_commit_on_a_frozen_server_is_not_called_undone(scene: Scene, server: PostgresServer) -> None:
    """The server stops between the last statement and the COMMIT: the caller is told that the outcome is not known."""

    async def change() -> None:
        async with scene.database.transaction() as connection:
            await connection.execute("SELECT 1")
            server.freeze()

    error = await ended(scene, asyncio.create_task(change()))

    assert isinstance(error, OutcomeUnknown)


async def test_fault_110_cancelling_is_not_swallowed(scene: Scene, server: PostgresServer) -> None:
    """Whoever cancels a task that waits for a frozen server cancels it: loops around such calls end, and with them the process."""
    rounds = 0

    async def loop() -> None:
        nonlocal rounds
        while True:
            rounds += 1
            with contextlib.suppress(GatewayError):
                await scene.database.fetchval("SELECT 1")

    async def transactions() -> None:
        while True:
            with contextlib.suppress(GatewayError):
                async with scene.database.transaction() as connection:
                    await connection.fetchval("SELECT pg_sleep(0.02)")

    tasks = [asyncio.create_task(loop()), asyncio.create_task(transactions())]
    await until(lambda: _true(rounds > 10))
    server.freeze()
    await asyncio.sleep(0.1)
    for task in tasks:
        task.cancel()
    done, _ = await asyncio.wait(tasks, timeout=ENDS_WITHIN)

    assert done == set(tasks)
    assert all(task.cancelled() for task in tasks)


async def test_fault_111_without_the_main_process_those_who_are_in_go_on(scene: Scene, server: PostgresServer) -> None:
    """The postmaster alone is stopped: connections that are open serve on, who needs a new one is told in time, and later there is room again."""

    async def all_four() -> list[object]:
        return await asyncio.gather(
            *(scene.database.fetchval("SELECT pg_sleep(0.4) IS NOT NULL") for _ in range(4)), return_exceptions=True
        )

    server.freeze_main()
    began = time.monotonic()
    answers = await all_four()
    took = time.monotonic() - began
    server.thaw()

    assert answers.count(True) == 2  # the pool opened with two
    assert [type(answer) for answer in answers if answer is not True] == [Overloaded] * 2
    assert took < ENDS_WITHIN

    async def room() -> bool:
        return await all_four() == [True] * 4

    await until(room, HEALS_WITHIN)


async def test_fault_111_an_immediate_stop_and_a_start(scene: Scene, server: PostgresServer) -> None:
    """Stopped without a goodbye and started again: errors in time meanwhile, then everything works and no stream has a hole."""
    stream = await scene.profile()
    watcher = Watcher(scene.hub, stream)
    await watcher.ready()
    assert await scene.change(stream) == 2

    await asyncio.to_thread(server.stop, signal.SIGQUIT)
    for call in (scene.change(stream), scene.database.fetchval("SELECT 1"), scene.database.fetchval("SELECT 1", delivery=True)):
        assert isinstance(await ended(scene, asyncio.create_task(call)), Overloaded)
    server.start()  # here: its life is tied to the thread that starts it

    await until(lambda: works(scene), HEALS_WITHIN)
    assert await scene.change(stream) == 3
    await watcher.has(3)
    await watcher.stop()


# Black holes


async def test_fault_112_black_holes_in_the_pool_are_replaced(server: PostgresServer) -> None:
    """Packets vanish without a word: calls end in time, their connections are given up, and new ones serve as soon as there is a way."""
    async with Proxy.before(server.port) as proxy, Scene.on(server.dsn(port=proxy.port), size=2) as scene:
        before = set(await sessions(server))
        proxy.hold()
        calls = [
            asyncio.create_task(scene.database.fetchval("SELECT 1", delivery=delivery)) for delivery in (False, True) for _ in range(3)
        ]
        errors = [await ended(scene, call) for call in calls]
        proxy.resume()

        assert {type(error) for error in errors} <= {Overloaded, SourceTimeout}
        await until(lambda: works(scene), HEALS_WITHIN)

        async def replaced() -> bool:
            return not before & set(await sessions(server))

        await until(replaced)


async def test_fault_112_a_bell_in_a_black_hole_is_built_anew(server: PostgresServer) -> None:
    """LISTEN hears nothing when its connection has become a hole, not even its end: the missing heartbeat says so, and another one is made."""
    async with Proxy.before(server.port) as proxy:
        database = await Database.open(server.dsn(), size=2, delivery_size=2)
        deaf = await Database.open(server.dsn(port=proxy.port), size=2, delivery_size=2, limits=QUICK)
        heard: list[object] = []
        bus = Bus(lambda: PostgresBell(deaf), heartbeat=0.1, silence=0.4, connect=0.5, retry=0.1)
        await bus.start(heard.append)
        try:
            assert bus.healthy
            proxy.hold()
            await until(lambda: _true(not bus.healthy), 2)
            proxy.resume()
            await until(lambda: _true(bus.healthy), HEALS_WITHIN)
        finally:
            await bus.stop()
            await deaf.close()
            await database.close()


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="this kernel has no such option")
async def test_fault_112_sockets_give_up_a_vanished_peer_within_ten_seconds(scene: Scene) -> None:
    """Idle or waiting: the kernel asks after 4 silent seconds, and gives the connection up at 8."""
    bell = PostgresBell(scene.database)
    await bell.connect()
    assert bell._connection is not None
    async with scene.database._lease(delivery=False) as ours, scene.database._lease(delivery=True) as delivery:
        for connection in (ours._con, delivery._con, bell._connection):
            found = connection._transport.get_extra_info("socket")
            shown = {name: found.getsockopt(socket.IPPROTO_TCP, getattr(socket, name)) for name in ("TCP_USER_TIMEOUT", "TCP_KEEPIDLE")}
            assert shown == {"TCP_USER_TIMEOUT": 8000, "TCP_KEEPIDLE": 4}
            assert found.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
    await bell.disconnect()
