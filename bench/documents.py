"""What a document costs before it runs, or is refused: `.venv/bin/python bench/documents.py [--rounds N] [--all] [--json FILE]`.

The documents of the catalogue of bad inputs (rows 18-37), those at the very limits, and the agent's screen: processor time to prepare each for the
first time, and what it takes again when it is kept. The bar: no document of 32 KiB takes 50 ms before it is refused. Rounds of all are interleaved;
the minimum is told, since everything shares the processor, and the median beside it. No database and no network.
"""

from __future__ import annotations

import argparse
import gc
import json
import sys
import time
from pathlib import Path
from statistics import median
from uuid import UUID

from gateway.auth.principal import Principal, Role
from gateway.engine.documents import Documents
from gateway.engine.request import Request
from gateway.observe import configure_logging
from resolvers.schema import build_schema

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.faults.bad_documents import CASES, OVERLAPS

BAR = 50.0
AGAIN = 2_000
SHOWN = 15
PROFILE = '{ profile(by: {id: "x"}) { %s } }'
AGENT = Principal(UUID(int=1), "demo", "ana", "Ana", Role.AGENT, frozenset(), None, None)


def fragments(count: int, on: str, body: str) -> str:
    """So many, each with this body; % is the number."""
    return " ".join(f"fragment f{n} on {on} {{ {body.replace('%', str(n))} }}" for n in range(count))


EDGES = {
    "1000 leaves": PROFILE % ("id version status locale " * 249),
    "1000 leaves of five places": PROFILE % "notes(first: 1) { nodes { %s } }" % ("id body isPinned createdAt " * 240),
    "unknown fields, 21 of them last": PROFILE % ("id " * 950 + " ".join(f"x{n}" for n in range(25))),
    "330 objects": PROFILE % ("notes(first: 1) { nodes { id } } " * 165),
    "330 inline fragments": PROFILE % ("... on Profile { id } " * 320),
    "inline fragments of other types": "{ node(id: 1) { " + "... on Profile { id } ... on Note { id } ... on Contact { id } " * 105 + "} }",
    "180 fragments side by side": PROFILE % " ".join(f"...f{n}" for n in range(180)) + fragments(180, "Profile", "id"),
    "a chain of 240 fragments": PROFILE % "...f0"
    + " ".join(f"fragment f{n} on Profile {{ ...f{n + 1} }}" for n in range(238))
    + " fragment f238 on Profile { id }",
    "100 operations of one fragment": " ".join(f"query q{n} {PROFILE % '...f0'}" for n in range(90))
    + fragments(1, "Profile", "id version"),
    "90 operations, 90 fragments": " ".join(f"query q{n} {{ ...f{n} }}" for n in range(90)) + fragments(90, "Query", "__typename"),
    "arguments of thirty words": "{ " + "searchProfiles(keys: [%s]) { nodes { id } } " % ('{key: "a", value: "b"} ' * 9) * 19 + "}",
    "a list of 1900": "{ nodes(ids: [" + "1 " * 1900 + "]) { id } }",
    "objects in lists": "{ profiles(by: [" + "{id: 1} " * 390 + "]) { id } }",
    "lists in lists": "{ nodes(ids: " + "[" * 190 + "]" * 190 + ") { id } }",
    "32 kB of string": '{ profile(by: {id: "' + "\\u0041" * 5_400 + '"}) { id } }',
    "32 kB of block string": '{ profile(by: {id: """' + "\n a" * 10_800 + '"""}) { id } }',
    "480 variables": "query (" + " ".join(f"$v{n}: Int" for n in range(480)) + ") " + PROFILE % "id",
    "300 uses of variables": "query ($a: Boolean!) " + PROFILE % ("... @include(if: $a) { id } " * 49),
    "cost of a thousand": "{ profiles(by: [" + "{id: 1} " * 100 + "]) { notes(first: 100) { nodes { author { id } } } } }",
}


def main(rounds: int, *, everything: bool) -> list[dict[str, object]]:
    """Measure and print."""
    configure_logging("json", "error")
    schema = build_schema()
    screen = (Path(__file__).parent / "screen" / "screen.graphql").read_text()
    texts = {"the agent's screen": screen, **{f"{case.row} {case.name}": case.text for case in CASES}}
    texts |= {f"28 {name}": text for name, text in OVERLAPS.items()} | EDGES
    texts = {name: text for name, text in texts.items() if len(text) <= 32 * 1024}
    took: dict[str, list[float]] = {name: [] for name in texts}
    ends: dict[str, str] = {}
    gc.collect()
    gc.freeze()  # as the gateway does
    for _ in range(rounds):
        for name, text in texts.items():
            documents = Documents(schema, introspection=False)
            started = time.process_time()
            prepared = documents.prepare(Request(text), AGENT)
            took[name].append((time.process_time() - started) * 1000)
            ends[name] = "prepared" if prepared.errors is None else prepared.errors[0]["extensions"]["code"]
    rows = sorted(texts, key=lambda name: -min(took[name]))
    print(f"first time, ms of processor time, best and median of {rounds}\n")
    for name in rows if everything else rows[:SHOWN]:
        print(f"   {min(took[name]):6.1f} {median(took[name]):6.1f}  {name:<38} {ends[name]}")
    over = [name for name in texts if min(took[name]) >= BAR]
    print(f"\n   {len(texts)} documents, {len(over)} of them over {BAR:.0f} ms {over or ''}")
    documents, request = Documents(schema, introspection=False), Request(screen, {"id": "x"})
    sized = Request(
        "query ($n: Int, $by: [ProfileRef!]!) { profiles(by: $by) { notes(first: $n) { nodes { id } } } }",
        {"n": 3, "by": [{"id": "x"}] * 20},
    )
    for name, one in (("the agent's screen", request), ("with sizes by two variables", sized)):
        best = min(_again(documents, one) for _ in range(rounds))
        print(f"   kept: {best:.2f} µs  {name}")
    return [{"name": name, "best_ms": min(took[name]), "median_ms": median(took[name]), "end": ends[name]} for name in rows]


def _again(documents: Documents, request: Request) -> float:
    documents.prepare(request, AGENT)
    started = time.process_time()
    for _ in range(AGAIN):
        documents.prepare(request, AGENT)
    return (time.process_time() - started) / AGAIN * 1e6


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--all", action="store_true", help="show every document")
    parser.add_argument("--json", type=Path, help="write the figures there")
    given = parser.parse_args()
    figures = main(given.rounds, everything=given.all)
    if given.json is not None:
        given.json.write_text(json.dumps(figures, indent=2) + "\n")
