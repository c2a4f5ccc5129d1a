"""Q5: searches by phone, by two keys, and by the beginning of a name, among few profiles and many.

1 000 and 10 000 profiles; 1 000 000 with `--large`, or when build/bench/people-1000000 is there (`--large` filled it once). One request at
a time: the time of a search, not of a crowd.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

import asyncpg

from bench.harness import Bar, Case, Options, Workload
from bench.load import request
from bench.servers import PLACE, http_case, our_server, postgres, seeded, token

__all__ = ["WORKLOAD"]

FEW, MANY, LARGE = 1_000, 10_000, 1_000_000
KINDS = ("phone", "two keys", "name prefix")
SEARCH = """query($keys: [SearchKeyInput!], $text: String) { searchProfiles(keys: $keys, text: $text, first: 20) { nodes { id displayName } } }"""
SAMPLE = """SELECT i.value AS user_id, p.value AS phone, r.first_name
  FROM lookup i JOIN lookup p USING (workspace_id, profile_id) JOIN profile r ON r.workspace_id = i.workspace_id AND r.id = i.profile_id
 WHERE i.key = 'user_id' AND p.key = 'phone' ORDER BY md5(i.value) LIMIT 200"""


def sizes(options: Options) -> list[int]:
    """Few and many."""
    if options.large or (PLACE / f"people-{LARGE}" / "filled").exists():
        return [MANY, LARGE]
    return [min(FEW, options.profiles), min(MANY, options.profiles * 10)]


def questions(rows: Sequence[asyncpg.Record], kind: str, headers: dict[str, str]) -> list[bytes]:
    """Searches that find somebody."""
    asked: list[dict[str, object]] = []
    for row in rows:
        phone, user = ({"key": key, "values": [row[name]]} for key, name in (("phone", "phone"), ("user_id", "user_id")))
        asked.append({"text": row["first_name"][:3]} if kind == "name prefix" else {"keys": [phone] if kind == "phone" else [phone, user]})
    return [request({"query": SEARCH, "variables": variables}, headers) for variables in asked]


def found(_message: bytes, answer: dict[str, dict[str, dict[str, list[object]]]]) -> None:
    """Somebody."""
    assert answer["data"]["searchProfiles"]["nodes"], answer


@asynccontextmanager
async def cases(options: Options) -> AsyncIterator[Sequence[Case]]:
    """Each kind among each number."""
    async with AsyncExitStack() as stack:
        made: list[Case] = []
        for label, size in zip(("few", "many"), sizes(options), strict=True):
            place = await asyncio.to_thread(seeded, size, 0, f"people-{size}", traits=2, notes=0)
            dsn, postmaster = await stack.enter_async_context(postgres(place))
            gateway = our_server(f"gateway-{size}", also=(postmaster,), GATEWAY_DATABASE_URL=dsn, GATEWAY_DATA_DIR=str(place))
            running = await stack.enter_async_context(gateway)
            connection = await asyncpg.connect(dsn)
            rows = await connection.fetch(SAMPLE)
            await connection.close()
            headers = {"authorization": f"Bearer {token(place)}"}
            made += [http_case(f"{kind}, {label}", running, questions(rows, kind, headers), 1, found) for kind in KINDS]
        yield made


WORKLOAD = Workload(
    "q5",
    "Searches: few profiles (1 k, or 10 k) and many (10 k, or 1 M)",
    cases,
    bars=tuple(Bar(f"the CPU among many, {kind}", "cpu", f"{kind}, many", f"{kind}, few", at_most=1.5) for kind in KINDS),
    shown=("p50", "p99", "cpu", "cpu_postgres"),
    seconds=0.7,
)
