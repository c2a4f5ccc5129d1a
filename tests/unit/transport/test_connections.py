"""The register of open connections: how all of them are told to go."""

from __future__ import annotations

import asyncio

from gateway.auth.session import Departure
from gateway.transport.connections import Connections

__all__: list[str] = []


class Open:
    """A connection that notes what it is told, and when."""

    def __init__(self, *, deaf: bool = False) -> None:
        self.deaf = deaf
        self.told: list[tuple[float, object]] = []
        self.left = asyncio.Event()

    async def run(self) -> None:
        """Until it was closed."""
        await self.left.wait()

    def leave(self, departure: Departure) -> None:
        """Noted."""
        self.told.append((asyncio.get_running_loop().time(), departure))

    async def close(self, code: int, reason: str) -> None:
        """Noted; a deaf one stays."""
        self.told.append((asyncio.get_running_loop().time(), (code, reason)))
        if not self.deaf:
            self.left.set()


async def serve(connections: Connections, *served: Open) -> list[asyncio.Task[None]]:
    """Serve them, in tasks."""
    tasks = [asyncio.create_task(connections.serve(one)) for one in served]
    await asyncio.sleep(0)
    return tasks


async def test_each_is_told_to_leave_then_closed_and_all_are_spread() -> None:
    """Sixty connections over a second: a random order, no herd at any moment, each with its own time to come back."""
    connections = Connections()
    served = [Open() for _ in range(60)]
    tasks = await serve(connections, *served)
    begun = asyncio.get_running_loop().time()
    await connections.drain(1.0)
    await asyncio.gather(*tasks)
    departures = [one.told[0][1] for one in served]
    times = [one.told[1][0] - begun for one in served]

    assert {one.told[1][1] for one in served} == {(1012, "Service Restart")}
    assert {departure.reason for departure in departures if isinstance(departure, Departure)} == {"DRAINING"}
    assert len({departure.retry_after_ms for departure in departures if isinstance(departure, Departure)}) > 30
    assert all(0.4 < one.told[1][0] - one.told[0][0] < 0.8 for one in served)
    assert max(times) - min(times) > 0.7
    assert max(sum(1 for time in times if start <= time < start + 0.2) for start in times) <= 25
    assert times != sorted(times)


async def test_a_deaf_one_holds_nobody_up() -> None:
    """It was told like the others; whoever drains goes on."""
    connections = Connections()
    deaf, other = Open(deaf=True), Open()
    tasks = await serve(connections, deaf, other)
    await asyncio.wait_for(connections.drain(0), 1.5)

    assert len(connections) == 1
    assert (len(deaf.told), len(other.told)) == (2, 2)

    deaf.left.set()
    await asyncio.gather(*tasks)


async def test_without_time_all_are_told_at_once() -> None:
    """Zero seconds: nobody is spread, everybody still hears the word before the close."""
    connections = Connections()
    served = [Open() for _ in range(10)]
    tasks = await serve(connections, *served)
    begun = asyncio.get_running_loop().time()
    await connections.drain(0)
    await asyncio.gather(*tasks)

    assert all(one.told[0][0] - begun < 0.1 for one in served)
    assert asyncio.get_running_loop().time() - begun < 1


async def test_hurrying_ends_a_long_drain() -> None:
    """Who would have had a minute is closed now."""
    connections = Connections()
    served = [Open() for _ in range(10)]
    tasks = await serve(connections, *served)
    draining = asyncio.create_task(connections.drain(60))
    await asyncio.sleep(0)
    connections.hurry()
    await asyncio.wait_for(asyncio.gather(draining, *tasks), 1)

    assert connections.hurried
    assert all(len(one.told) == 2 for one in served)


async def test_a_drain_ends_with_the_last_connection() -> None:
    """Nobody there, or nobody left: there is nothing to wait for."""
    connections = Connections()
    await asyncio.wait_for(connections.drain(60), 0.5)

    assert connections.closing

    connections = Connections()
    alone = Open()
    tasks = await serve(connections, alone)
    draining = asyncio.create_task(connections.drain(60))
    await asyncio.sleep(0)
    alone.left.set()
    await asyncio.wait_for(asyncio.gather(draining, *tasks), 1)


async def test_who_comes_while_the_others_go_is_closed_at_once() -> None:
    """An upgrade that was under way when the drain began."""
    connections = Connections()
    await connections.drain(0)
    late = Open()
    await asyncio.wait_for(connections.serve(late), 1)

    assert late.told[-1][1] == (1012, "Service Restart")
