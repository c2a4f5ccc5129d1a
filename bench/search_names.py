"""How long searches by name take among 10 000, 100 000 and 1 000 000 profiles, on a Postgres of its own that is thrown away.

Run from the checkout: `python bench/search_names.py [profiles …]`. Prints a line per size and kind of search: median and 95th percentile in
milliseconds over the statements the gateway itself sends. The numbers are discussed in docs/decisions/0005-name-search.md.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path
from uuid import UUID

import asyncpg

from gateway.model.naming import NameHit
from gateway.model.source import Source, SourceKind
from gateway.sources.native import NativeSource
from gateway.storage.database import Database
from gateway.storage.embedded import EmbeddedPostgres
from gateway.storage.migrate import migrate

__all__: list[str] = []

SIZES = (10_000, 100_000, 1_000_000)
BEGINNINGS = (
    ("prefix", ["smi"]),
    ("one letter", ["s"]),
    ("common name", ["smith"]),
    ("common pair", ["john", "smith"]),
    ("two beginnings", ["jo", "smi"]),
    ("rare name", ["xylander"]),
    ("rare and common", ["zbigniew", "xyl"]),
    ("no hit", ["qqqqqqq"]),
)
SPELLINGS = (
    ("spelt wrong", ["xylandre"]),
    ("common, wrong", ["smiht"]),
    ("pair, wrong", ["jhon", "smiht"]),
    ("nothing like it", ["qqqqqqq"]),
)
ROUNDS = 100
PAGE = 21
HERE, ELSEWHERE = UUID(int=1), UUID(int=2)

PEOPLE = """
INSERT INTO profile (workspace_id, id, first_name, last_name)
SELECT $1, gen_random_uuid(), initcap(made.first), initcap(made.last)
  FROM (SELECT CASE WHEN random() < 0.02 THEN 'john' WHEN random() < 0.02 THEN 'maria' ELSE name(floor(power(random(), 2) * 2000)::int, 2) END,
               CASE WHEN random() < 0.02 THEN 'smith' ELSE name(floor(power(random(), 2) * 80000)::int, 3) END
          FROM generate_series($2::int, $3::int)) AS made (first, last)
"""

ONE = "INSERT INTO profile (workspace_id, id, first_name, last_name) VALUES ($1, gen_random_uuid(), $2, $3)"

SYLLABLES = """
CREATE FUNCTION name(n int, syllables int) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT string_agg((ARRAY['ba','de','ki','lo','mu','na','pe','ri','so','tu','va','we','xi','yo','za','chel','dor','fen','gar','hul','jan',
                             'kor','len','mar','nor','pol','quin','ras','sal','ter','ul','vik','wil','yan','zor','ber','cas','dun','eth','fol'])
                      [1 + (n / (40 ^ k)::int + k * 7 + n) % 40], '' ORDER BY k)
      FROM generate_series(0, syllables - 1) AS k
$$
"""


async def main(sizes: tuple[int, ...]) -> None:
    """Grow one table from size to size and measure at each."""
    with tempfile.TemporaryDirectory(prefix="bench-names-") as place:
        async with await EmbeddedPostgres.start(Path(place)) as server:
            await migrate(server.dsn)
            connection = await asyncpg.connect(server.dsn)
            await connection.execute(SYLLABLES)
            there = 0
            for size in sizes:
                started = time.perf_counter()
                for first in range(there, size, 50_000):
                    await connection.execute(PEOPLE, HERE, first, min(first + 50_000, size) - 1, timeout=300)
                    say(f"  {min(first + 50_000, size)} profiles after {time.perf_counter() - started:.0f} s")
                if not there:
                    for person in ((HERE, "Zbigniew", "Xylander"), (ELSEWHERE, "Smith", "Elsewhere")):
                        await connection.execute(ONE, *person)
                there = size
                await connection.execute("VACUUM ANALYZE", timeout=300)
                await measure(server.dsn, size)
            for table in ("profile", "name_entry", "name_word"):
                say(f"{table}: {await connection.fetchval('SELECT pg_size_pretty(pg_total_relation_size($1::regclass))', table)}")
            await connection.close()


async def measure(dsn: str, size: int) -> None:
    """Every kind of search at this size."""
    database = await Database.open(dsn, size=2, delivery_size=1)
    source = NativeSource(database, "native", lambda key: Source(key, key, tuple(SourceKind)))
    try:
        for kind, words in BEGINNINGS:
            await timed(size, kind, partial(source.search_names, HERE, words, None, PAGE))
        for kind, words in SPELLINGS:
            await timed(size, kind, partial(source.similar_names, HERE, words, PAGE))
        page = await source.search_names(HERE, ["smith"], None, PAGE)
        for _ in range(20):
            page = await source.search_names(HERE, ["smith"], page[-1].place, PAGE) or page
        await timed(size, "page 21", partial(source.search_names, HERE, ["smith"], page[-1].place, PAGE))
    finally:
        await database.close()


async def timed(size: int, kind: str, search: Callable[[], Awaitable[Sequence[NameHit]]]) -> None:
    """Run a search often and say how long it took."""
    took = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        found = await search()
        took.append((time.perf_counter() - started) * 1000)
    took.sort()
    say(f"{size:>9} {kind:<16} {len(found):>3} found   p50 {took[ROUNDS // 2]:6.2f} ms   p95 {took[ROUNDS * 95 // 100]:6.2f} ms")


def say(line: str) -> None:
    """Print at once."""
    print(line, flush=True)  # this is a report


if __name__ == "__main__":
    asyncio.run(main(tuple(map(int, sys.argv[1:])) or SIZES))
