"""How a gateway lets go of its clients: those that stop reading while it runs, and all of them when it is told to end.

One gateway process on a Postgres of its own, `--sockets` clients that each follow a timeline, `--deaf` of them with a window of 4 kB that ask for
megabytes and then read nothing. Measured from outside: when the kernel drops each deaf client, what other requests take meanwhile; then, with as
many deaf clients again, from SIGTERM on: readiness, first and last close, how many fall into one second, the exit.

    .venv/bin/python bench/drain.py [--sockets 1000] [--deaf 50] [--rounds 1] [--drain 20]
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from statistics import median, quantiles

import httpx2

sys.path.insert(0, str(Path(__file__).parents[1]))

from gateway.auth.development import AUDIENCE, DevelopmentKeys
from gateway.auth.principal import Role
from tests.faults.followers import Ending, Followers, Sleeper
from tests.running import Gateway
from tests.servers import PostgresServer, place_for_servers

RESTART, RED = 1012, 503
PATIENCE, CALM = 60.0, 0.1
MINE = '{ profile(by: {email: "ana@example.com"}) { id } }'
BIG = '{ profile(by: {email: "ana@example.com"}) { ' + " ".join(f"n{n}: notes(first: 50) {{ nodes {{ body }} }}" for n in range(6)) + " } }"
NOTE = "mutation($i: NoteInput!) { addNote(input: $i) { note { id } userErrors { code } } }"


def main() -> None:
    """Run the rounds and print a table."""
    parser = argparse.ArgumentParser(description="Eviction and drain of one gateway process.")
    parser.add_argument("--sockets", type=int, default=1000, help="all clients, the deaf ones included")
    parser.add_argument("--deaf", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--drain", type=float, default=20)
    given = parser.parse_args()
    rounds = [asyncio.run(one_round(given.sockets, given.deaf, given.drain)) for _ in range(given.rounds)]
    print(f"{given.sockets} sockets, {given.deaf} of them deaf, drain {given.drain:g} s, {given.rounds} round(s)")
    print(f"{'':52}{'min':>9}{'median':>9}{'max':>9}")
    for name in rounds[0]:
        values = [one[name] for one in rounds]
        print(f"{name:52}{min(values):9.2f}{median(values):9.2f}{max(values):9.2f}")


async def one_round(sockets: int, deaf: int, drain: float) -> dict[str, float]:
    """One gateway, from its start to its end."""
    found: dict[str, float] = {}
    with ExitStack() as stack:
        place, home = place_for_servers(), Path(stack.enter_context(tempfile.TemporaryDirectory()))
        stack.callback(shutil.rmtree, place, ignore_errors=True)
        server = PostgresServer(place, fsync="off")
        server.make()
        stack.enter_context(server.running())
        environment = {
            "GATEWAY_DATABASE_URL": server.dsn(),
            "GATEWAY_DRAIN_SECONDS": str(drain),
            "GATEWAY_SOCKETS_PER_SUBJECT": "100000",
            "GATEWAY_SOCKETS_PER_WORKSPACE": "100000",
            "GATEWAY_UPGRADES_PER_SECOND": "2000",
            "GATEWAY_LOG_LEVEL": "info",
        }
        gateway = Gateway(Path(sys.executable).with_name("profile-gateway"), home / "data", environment=environment)
        gateway.start()
        stack.callback(lambda: gateway.process is not None and gateway.kill())
        token = DevelopmentKeys.open(gateway.data_dir).signer(AUDIENCE).sign("demo", "ana", Role.AGENT, lifetime=timedelta(hours=1))
        gateway.track(gateway.write_key(), {"type": "identify", "messageId": "i", "userId": "ana", "traits": {"email": "ana@example.com"}})
        profile = gateway.query(token, MINE)["profile"]["id"]
        for _ in range(45):
            gateway.change(token, NOTE, i={"profileId": profile, "body": "x" * 16_000})
        begun = time.monotonic()
        async with Followers(sockets - deaf, [gateway.websocket_url], lambda: token, profile) as followers:
            found["connecting (s)"] = time.monotonic() - begun
            idle = await http_times(gateway, 3.0)
            found["HTTP p99, all calm (ms)"] = quantiles(idle, n=100)[98] * 1000
            found |= await eviction(gateway, token, deaf)
            found |= await drained(gateway, token, deaf, followers)
    return found


async def eviction(gateway: Gateway, token: str, deaf: int) -> dict[str, float]:
    """Deaf clients come one after the other; how long the kernel keeps each, from its last request on."""
    begun: dict[int, float] = {}
    took: list[float] = []
    with ExitStack() as stack:
        for _ in range(deaf):
            one = stack.enter_context(await asyncio.to_thread(Sleeper, gateway.port, token, BIG, 2))
            begun[one.port] = time.monotonic()
        meanwhile = asyncio.create_task(http_times(gateway, 15.0))
        until = time.monotonic() + PATIENCE
        while begun and time.monotonic() < until:
            there = await asyncio.to_thread(peers, gateway.port)
            took += [time.monotonic() - begun.pop(port) for port in tuple(begun) if port not in there]
            await asyncio.sleep(0.1)
        times = await meanwhile
    return {
        "deaf clients dropped": len(took),
        "dropped, median (s)": median(took) if took else 0,
        "dropped, last (s)": max(took, default=0),
        "HTTP p99 meanwhile (ms)": quantiles(times, n=100)[98] * 1000,
    }


async def drained(gateway: Gateway, token: str, deaf: int, followers: Followers) -> dict[str, float]:
    """SIGTERM with deaf clients; nobody comes back."""
    with ExitStack() as stack:
        for _ in range(deaf):
            stack.enter_context(await asyncio.to_thread(Sleeper, gateway.port, token, BIG, 2))
        await settled(gateway)
        for one in followers.all:
            one.urls = ["ws://127.0.0.1:9/"]
        begun = time.monotonic()
        ending = asyncio.create_task(asyncio.to_thread(gateway.stop))
        red = await until_red(gateway)
        status = await ending
        took = time.monotonic() - begun
    endings = [one.endings[-1] for one in followers.all if one.endings]
    times = sorted(one.at - begun for one in endings)
    seconds = Counter(int(at) for at in times)
    return {
        "SIGTERM to red (s)": red - begun,
        "first close (s)": times[0],
        "last close (s)": times[-1],
        "closes in the fullest second": max(seconds.values()),
        "closed 1012 after StreamGoAway": sum(well(one) for one in endings),
        "closed otherwise": sum(not well(one) for one in endings),
        "exit (s)": took,
        "exit status": status,
    }


def well(ending: Ending) -> bool:
    """Whether a socket ended as it should."""
    return (ending.code, ending.last) == (RESTART, "StreamGoAway, complete")


def peers(port: int) -> set[int]:
    """The ports of those to whom the kernel has a connection from this port, in whatever state."""
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return {int(line[2].partition(":")[2], 16) for line in lines if int(line[1].partition(":")[2], 16) == port}


async def settled(gateway: Gateway) -> None:
    """Wait until it has rendered what deaf clients asked for: the drain is to be measured, not that."""
    until = time.monotonic() + PATIENCE
    while max(await http_times(gateway, 0.5)) > CALM and time.monotonic() < until:
        pass


async def until_red(gateway: Gateway) -> float:
    """When readiness said 503."""
    async with httpx2.AsyncClient(trust_env=False, timeout=5) as client:
        while (await client.get(f"{gateway.url}/readyz")).status_code != RED:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    return time.monotonic()


async def http_times(gateway: Gateway, seconds: float) -> list[float]:
    """What small requests take, one after the other."""
    times = []
    until = time.monotonic() + seconds
    async with httpx2.AsyncClient(trust_env=False, timeout=30) as client:
        while time.monotonic() < until:
            begun = time.perf_counter()
            (await client.get(f"{gateway.url}/healthz")).raise_for_status()
            times.append(time.perf_counter() - begun)
            await asyncio.sleep(0.01)
    return times


if __name__ == "__main__":
    main()
