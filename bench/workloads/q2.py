"""Q2: the agent's screen over HTTP, people in memory, one process on one core.

Ours is the whole product: Starlette, token, rate limit, cost and size limits, headers. Peers have none of that. Bodies are compared first;
the gateway's cursors are its own. Requests are those of 100 people in turns.
"""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from bench.harness import Bar, Case, Options, Workload
from bench.load import request
from bench.screen.data import DOCUMENT, EXPECTED_LEAVES, leaves, screen
from bench.servers import PLACE, http_case, node, our_server, people, postgres, profiled, server, token

__all__ = ["OURS", "PEERS", "WORKLOAD", "bodies", "memory_gateway", "right"]

PEOPLE = 100
CONNECTIONS = 8
OURS = "Profile Gateway"
STRAWBERRY = "Strawberry + caches + orjson"
PEERS = {"mercurius jit: 1": "mercurius.mjs", "yoga + jit": "yoga.mjs"}
_OPAQUE = {"cursor", "startCursor", "endCursor", "streamCursor"}


def bodies(headers: dict[str, str] | None = None) -> list[bytes]:
    """One request for each of the people."""
    return [request({"query": DOCUMENT, "variables": {"id": screen(number)["id"]}}, headers) for number in range(PEOPLE)]


def right(*, opaque: bool) -> Callable[[bytes, Any], None]:
    """Whether the answer is the screen of whom the request asked for; `opaque`: cursors are the server's own."""
    known = {screen(number)["id"]: screen(number) for number in range(PEOPLE)}

    def check(message: bytes, answer: Any) -> None:
        expected = asked(known[json.loads(message.partition(b"\r\n\r\n")[2])["variables"]["id"]])
        assert leaves(answer) == EXPECTED_LEAVES, f"{leaves(answer)} leaves: {str(answer)[:500]}"
        found = answer["data"]["profile"]
        if opaque:
            expected, found = without_cursors(expected), without_cursors(found)
        assert found == expected, difference(found, expected)

    return check


def asked(one: dict[str, Any]) -> dict[str, Any]:
    """What the screen asks of a person: an author's kind is not shown."""
    notes = [{**note, "author": {name: note["author"][name] for name in ("id", "displayName")}} for note in one["notes"]["nodes"]]
    return {**one, "notes": {"nodes": notes}}


def without_cursors(value: Any) -> Any:
    """The same, where a cursor only says that it is there."""
    if isinstance(value, dict):
        return {name: bool(one) if name in _OPAQUE else without_cursors(one) for name, one in value.items()}
    return [without_cursors(one) for one in value] if isinstance(value, list) else value


def difference(found: Any, expected: Any, path: str = "") -> str:
    """The first place where they are not the same."""
    if isinstance(found, dict) and isinstance(expected, dict):
        for name in {**expected, **found}:
            if found.get(name, ...) != expected.get(name, ...):
                return difference(found.get(name, ...), expected.get(name, ...), f"{path}.{name}")
    if isinstance(found, list) and isinstance(expected, list) and len(found) == len(expected):
        for number, (one, other) in enumerate(zip(found, expected, strict=True)):
            if one != other:
                return difference(one, other, f"{path}.{number}")
    return f"at {path}: {str(found)[:200]!r} instead of {str(expected)[:200]!r}"


@asynccontextmanager
async def memory_gateway(options: Options, **environment: str) -> AsyncIterator[tuple[Any, dict[str, str]]]:
    """Our server with people in memory, and the headers of an agent."""
    place = PLACE / "empty"
    if options.profile:
        environment = {**environment, "PROFILE": str(PLACE / "profile.txt")}
    async with (
        postgres(place) as (dsn, _),
        our_server(
            "gateway-memory", "--memory", str(PEOPLE), GATEWAY_DATABASE_URL=dsn, GATEWAY_DATA_DIR=str(place), **environment
        ) as running,
    ):
        yield running, {"authorization": f"Bearer {token(place)}"}


@asynccontextmanager
async def cases(options: Options) -> AsyncIterator[Sequence[Case]]:
    """All servers, side by side, on one core; only one is busy at a time."""
    async with AsyncExitStack() as stack:
        running, headers = await stack.enter_async_context(memory_gateway(options))
        opened = [http_case(OURS, running, bodies(headers), CONNECTIONS, right(opaque=True))]
        if options.profile:
            await profiled(running, opened[0], options)
            print((PLACE / "profile.txt").read_text())
        file = str(people(PEOPLE))
        if not options.ours:
            peer = server("strawberry-memory", [sys.executable, "-m", "bench.peers.python.strawberry_memory"], SCREEN_JSON=file)
            opened.append(http_case(STRAWBERRY, await stack.enter_async_context(peer), bodies(), CONNECTIONS, right(opaque=False)))
        for name, script in PEERS.items():
            if options.peers and (command := node(script)) is not None:
                peer = server(name, command, SCREEN_JSON=file)
                opened.append(http_case(name, await stack.enter_async_context(peer), bodies(), CONNECTIONS, right(opaque=False), warm=4.0))
        yield opened


WORKLOAD = Workload(
    "q2",
    "The screen over HTTP, in memory, one process, c = 8",
    cases,
    bars=(
        Bar("times mercurius jit", "rps", OURS, "mercurius jit: 1", at_least=1.3),
        Bar("of mercurius' p99 latency", "p99", OURS, "mercurius jit: 1", at_most=1.0),
        Bar("times yoga + jit", "rps", OURS, "yoga + jit", at_least=1.0),
        Bar("times Strawberry + caches + orjson", "rps", OURS, STRAWBERRY, at_least=10),
    ),
    shown=("rps", "cpu", "p50", "p99"),
    seconds=2.0,
)
