"""Q3: the agent's screen over Postgres: random profiles of 10 000, eight at a time.

All servers ask the same Postgres for the same rows, which `profile-gateway seed` made. `cpu` is of the server and of all processes of
Postgres together. The gateway's answer is compared with Strawberry's, value by value but for cursors and permissions; PostGraphile, which
has a schema of its own, by the values that both show.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any
from uuid import UUID

import asyncpg

from bench.harness import Bar, Case, Options, Workload
from bench.load import ask, request
from bench.screen.data import DOCUMENT, EXPECTED_LEAVES, leaves
from bench.servers import BENCH, PLACE, Server, http_case, node, our_server, postgres, profiled, seeded, server, token
from bench.workloads.q2 import OURS, difference, without_cursors

__all__ = ["WORKLOAD", "profile_ids", "screens"]

CONNECTIONS = 8
ASKED = 2_000
"""Different profiles that are asked for, at random among all."""
MOST_EXPIRED = 8
STRAWBERRY = "Strawberry + asyncpg + DataLoader"
POSTGRAPHILE = "PostGraphile 5"


async def profile_ids(dsn: str, most: int = ASKED) -> tuple[UUID, list[UUID]]:
    """The demo workspace and some of its profiles, at random and the same each time."""
    connection = await asyncpg.connect(dsn)
    try:
        workspace = await connection.fetchval("SELECT id FROM workspace WHERE key = 'demo'")
        rows = await connection.fetch("SELECT id FROM profile WHERE workspace_id = $1 AND status = 'ACTIVE' ORDER BY id", workspace)
    finally:
        await connection.close()
    ids = [row["id"] for row in rows]
    return workspace, random.Random(3).sample(ids, min(most, len(ids)))


def screens(ids: Sequence[UUID], headers: dict[str, str] | None = None) -> list[bytes]:
    """A request for each."""
    return [request({"query": DOCUMENT, "variables": {"id": f"prf_{one.hex}"}}, headers) for one in ids]


def same_as(other: Server) -> Callable[[bytes, Any], None]:
    """Whether the answer is the other server's, to the same request without credentials."""

    def check(message: bytes, answer: Any) -> None:
        whole(message, answer)
        expected = ask(other.address, request(message.partition(b"\r\n\r\n")[2]))
        found, expected = without_cursors(answer), without_cursors(expected)
        assert found == expected, difference(found, expected)

    return check


def whole(_message: bytes, answer: Any) -> None:
    """An answer with all its leaves, but for traits that have expired, which are not shown: one in 400."""
    assert 0 <= EXPECTED_LEAVES - leaves(answer) <= MOST_EXPIRED * 6, f"{leaves(answer)} leaves: {str(answer)[:500]}"


def alike(other: Server) -> Callable[[bytes, Any], None]:
    """Whether PostGraphile shows the same profile, traits, notes and moments."""

    def check(message: bytes, answer: Any) -> None:
        asked = json.loads(message.partition(b"\r\n\r\n")[2])["variables"]["id"]
        ours = ask(other.address, request({"query": DOCUMENT, "variables": {"id": f"prf_{UUID(asked).hex}"}}))["data"]["profile"]
        found = answer["data"]["profileByWorkspaceIdAndRowId"]
        assert leaves(answer) >= EXPECTED_LEAVES - 1, f"{leaves(answer)} leaves"  # editedFields is an empty list
        assert (found["firstName"], found["lastName"], found["version"]) == (ours["firstName"], ours["lastName"], ours["version"])
        traits = {one["key"]: one["value"] for one in found["traitsList"]}
        assert all(traits[one["key"]] == one["value"] for one in ours["traits"]["nodes"])
        assert [one["body"] for one in found["notesList"]] == [one["body"] for one in ours["notes"]["nodes"]]
        shown = [edge["node"]["id"][-32:] for edge in ours["timeline"]["edges"]]
        assert [UUID(one["node"]["rowId"]).hex for one in found["activities"]["edges"]] == shown

    return check


@asynccontextmanager
async def cases(options: Options) -> AsyncIterator[Sequence[Case]]:
    """All servers on one database."""
    place = await asyncio.to_thread(seeded, options.profiles)
    environment = {"PROFILE": str(PLACE / "profile.txt")} if options.profile else {}
    async with AsyncExitStack() as stack:
        dsn, postmaster = await stack.enter_async_context(postgres(place))
        gateway = our_server("gateway", also=(postmaster,), GATEWAY_DATABASE_URL=dsn, GATEWAY_DATA_DIR=str(place), **environment)
        running = await stack.enter_async_context(gateway)
        workspace, ids = await profile_ids(dsn)
        check: Callable[[bytes, Any], None] = whole
        peers: list[Case] = []
        if not options.ours:
            peer = await stack.enter_async_context(
                server(
                    "strawberry-postgres",
                    [sys.executable, "-m", "bench.peers.python.strawberry_postgres"],
                    also=(postmaster,),
                    DATABASE_URL=dsn,
                    WORKSPACE=str(workspace),
                )
            )
            check = same_as(peer)
            peers.append(http_case(STRAWBERRY, peer, screens(ids), CONNECTIONS, whole))
        command = node("postgraphile.mjs")
        if options.peers and command is not None and not options.ours:
            other = await stack.enter_async_context(server("postgraphile", command, also=(postmaster,), DATABASE_URL=dsn))
            document = (BENCH / "peers" / "node" / "postgraphile.graphql").read_text()
            asked = [request({"query": document, "variables": {"workspace": str(workspace), "id": str(one)}}) for one in ids]
            peers.append(http_case(POSTGRAPHILE, other, asked, CONNECTIONS, alike(peer), warm=5.0))
        headers = {"authorization": f"Bearer {token(place)}"}
        ours = http_case(OURS, running, screens(ids, headers), CONNECTIONS, check)
        if options.profile:
            await profiled(running, ours, options)
            print((PLACE / "profile.txt").read_text())
        yield [ours, *peers]


WORKLOAD = Workload(
    "q3",
    "The screen over Postgres, random profile of 10 000, c = 8",
    cases,
    bars=(
        Bar("times PostGraphile 5", "rps", OURS, POSTGRAPHILE, at_least=3),
        Bar("times Strawberry + asyncpg + DataLoader", "rps", OURS, STRAWBERRY, at_least=10),
        Bar("ms of processor per screen (server + Postgres)", "cpu", OURS, at_most=1.6),
    ),
    shown=("rps", "cpu", "cpu_postgres", "p50", "p99"),
    seconds=2.0,
)
