"""What the parts of the agent's screen cost, in one process and without HTTP: `.venv/bin/python -m bench.parts [--rounds N]`.

The screen of `screen/screen.graphql` with more and more of its parts, over sources in memory, asked one after the other of the product's own
engine. Tells processor time per execution, the minimum and the median over the rounds, in microseconds: the difference between two lines is what a
part costs. The parts take turns within a round.
"""

from __future__ import annotations

import argparse
import gc
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from statistics import median

from bench.memory import people_source
from bench.screen.data import DOCUMENT, screen
from gateway.app import open_runtime
from gateway.auth.policy import ROLE_SCOPES
from gateway.auth.principal import Principal, Role
from gateway.auth.workspaces import Workspaces
from gateway.engine.encoding import encode
from gateway.engine.request import Request
from gateway.observe import configure_logging
from gateway.settings import Settings
from gateway.sources.registry import Registry
from gateway.transport.heap import collect_less

PEOPLE = 100
IN_A_ROW = 10


def documents() -> dict[str, str]:
    """The screen's parts by name."""
    starts = [DOCUMENT.index(f"    {name}(") for name in ("traits", "notes", "timeline")]
    ends = [*starts[1:], DOCUMENT.rindex("  }\n}")]
    traits, notes, timeline = (DOCUMENT[start:end] for start, end in zip(starts, ends, strict=True))

    def without(*parts: str) -> str:
        text = DOCUMENT
        for part in parts:
            text = text.replace(part, "")
        return text

    return {
        "viewer { actor { id } }": "query Q { viewer { actor { id } } }",
        "profile { id }": "query Q($id: ID!) { profile(by: { id: $id }) { id } }",
        "20 scalars": without(traits, notes, timeline),
        "and 40 traits": without(notes, timeline),
        "and 10 notes": without(traits, timeline),
        "and 50 of the timeline": without(traits, notes),
        "   without cursors": without(traits, notes, "        cursor\n"),
        "   and one of the timeline": without(traits, notes).replace("first: 50", "first: 1"),
        "the screen": DOCUMENT,
    }


async def measure(rounds: int) -> None:
    """Run and tell."""
    place = Path(tempfile.mkdtemp(prefix="bench-"))
    async with open_runtime(Settings(dev=True, data_dir=place)) as runtime:
        workspace = await Workspaces(runtime.database).ensure("demo", "Demo")
        registry = Registry.build(people_source(workspace, PEOPLE), [])
        serving = replace(runtime, services=replace(runtime.services, registry=registry))
        agent = Principal(workspace, "demo", "bench", "Bench", Role.AGENT, ROLE_SCOPES[Role.AGENT], None, None)
        ids = [screen(number)["id"] for number in range(PEOPLE)]

        async def ask(text: str, number: int) -> bytes:
            variables = {"id": ids[number % PEOPLE]} if "$id" in text else None
            prepared = serving.engine.prepare(Request(text, variables), agent)
            response = await serving.engine.execute(prepared, serving.context_for(agent))
            assert "errors" not in response, response
            return encode(response)

        parts = documents()
        took: dict[str, list[float]] = {name: [] for name in parts}
        for text in parts.values():
            for number in range(30):
                await ask(text, number)
        undo = collect_less()
        for number in range(rounds):
            for name, text in parts.items():
                began = time.process_time()
                for other in range(IN_A_ROW):
                    await ask(text, number * IN_A_ROW + other)
                took[name].append((time.process_time() - began) / IN_A_ROW * 1e6)
        undo()
        gc.collect()
        for name, times in took.items():
            print(f"{name:<26} {min(times):6.0f} / {median(times):6.0f} µs")


def main() -> None:
    """Read the arguments and run."""
    parser = argparse.ArgumentParser(description="What the parts of the agent's screen cost.")
    parser.add_argument("--rounds", type=int, default=100)
    given = parser.parse_args()
    configure_logging("text", "warning")
    import uvloop

    uvloop.run(measure(given.rounds))


if __name__ == "__main__":
    main()
