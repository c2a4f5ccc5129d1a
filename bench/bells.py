"""How long a ring takes from one process's bus to another's, for the four bells side by side: `.venv/bin/python bench/bells.py`.

Two buses in one process, real servers on loopback, rounds in turns so that what else the machine does meets all of them alike. `coalesce` is 0: the
5 ms for which rings are gathered are the same for every bell. Prints minimum and median in milliseconds, and the median over that of memory.
"""

from __future__ import annotations

import asyncio
import shutil
import sys
import time
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from uuid import uuid4

sys.path.insert(0, str(Path(__file__).parents[1]))

from gateway.live.bus import Bus
from gateway.model.change import StreamKey
from gateway.storage.database import Database
from tests.bells import Memory, Nats, Postgres, Valkey, Wire
from tests.servers import NatsServer, PostgresServer, ValkeyServer, place_for_servers

ROUNDS, RINGS = 10, 100


async def listen(wire: Wire) -> tuple[Bus, asyncio.Event]:
    """A bus, and what is set when it hears the next ring."""
    heard = asyncio.Event()

    def on_ring(_: Iterable[str] | None) -> None:
        heard.set()

    bus = Bus(wire.bell, coalesce=0)
    await bus.start(on_ring)
    return bus, heard


async def main(postgres: PostgresServer, valkey: ValkeyServer, nats: NatsServer) -> None:
    """Measure all of them in turns."""
    database = await Database.open(postgres.dsn(), size=2)
    wires: dict[str, Wire] = {"memory": Memory(), "postgres": Postgres(database), "valkey": Valkey(valkey), "nats": Nats(nats)}
    pairs = {name: (await listen(wire), await listen(wire)) for name, wire in wires.items()}
    took: dict[str, list[float]] = {name: [] for name in wires}
    for _ in range(ROUNDS):
        for name, ((here, _), (_, heard)) in pairs.items():
            for _ in range(RINGS):
                heard.clear()
                began = time.perf_counter()
                here.ring([StreamKey(uuid4(), uuid4())])
                await heard.wait()
                took[name].append((time.perf_counter() - began) * 1000)
    for name, times in took.items():
        print(f"{name:9} min {min(times):6.3f}  median {median(times):6.3f}  x {median(times) / median(took['memory']):5.1f}")
    for ears in pairs.values():
        for bus, _ in ears:
            await bus.stop()
    await database.close()


if __name__ == "__main__":
    with ExitStack() as stack:
        place = place_for_servers()
        stack.callback(shutil.rmtree, place, ignore_errors=True)
        servers = PostgresServer(place), ValkeyServer(), NatsServer()
        servers[0].make()
        for server in servers:
            stack.enter_context(server.running())
        asyncio.run(main(*servers))
