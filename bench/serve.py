"""The gateway as a bench starts it: the product's own `serve`, from the GATEWAY_ settings, at the port in PORT; prints `ready`.

`--memory N`: its sources are N people of `bench.screen.data` in memory, and the database is there but not asked by a screen. `POST
/publish` logs changes, so that a fan-out can be measured without a client's writing. SIGUSR1 begins a profile (cProfile) and, once more,
writes it to PROFILE. Called by `servers`.
"""

from __future__ import annotations

import argparse
import cProfile
import os
import pstats
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from gateway import app as gateway
from gateway.app import Runtime
from gateway.auth.policy import ROLE_SCOPES
from gateway.auth.principal import Principal, Role
from gateway.auth.workspaces import Workspaces
from gateway.commands.unit import Receipt, Unit
from gateway.model.ids import parse_id
from gateway.settings import Settings
from gateway.sources.native import NativeSource
from gateway.sources.registry import BUILT_IN, Registry, describer

_open_runtime, _create_app = gateway.open_runtime, gateway.create_app


def with_memory(count: int, merged: int) -> Any:
    """`open_runtime` whose screens ask `count` people in memory, or `merged` more sources that hold the same timelines; 0 and 0: as it is."""

    @asynccontextmanager
    async def opened(settings: Settings, **given: Any) -> AsyncIterator[Runtime]:
        async with _open_runtime(settings, **given) as runtime:
            workspace = await Workspaces(runtime.database).ensure("demo", "Demo")
            if not count and not merged:
                yield runtime
                return
            from bench.memory import people_source, twin

            native = NativeSource(runtime.database, BUILT_IN[0].key, describer({source.key: source for source in BUILT_IN}))
            twins = [twin(runtime.database, f"twin-{number}") for number in range(merged)]
            registry = Registry.build(people_source(workspace, count) if count else native, twins)
            yield replace(runtime, services=replace(runtime.services, registry=registry))

    return opened


def with_publish(settings: Settings, runtime: Runtime) -> Starlette:
    """`create_app` with the bench's own route."""

    async def publish(request: Request) -> JSONResponse:
        """`{"id" | "ids", "count", "items"}`: so many changes of each, one transaction; of timeline items when those are named."""
        asked = await request.json()
        keys = [parse_id(one, "prf")[0] for one in asked.get("ids") or [asked["id"]]]
        items = [UUID(hex=one) for one in asked.get("items", ())]
        workspace = await Workspaces(runtime.database).ensure("demo", "Demo")
        system = Principal(workspace, "demo", "bench", "Bench", Role.AGENT, ROLE_SCOPES[Role.AGENT], None, None)

        async def work(unit: Unit) -> Receipt:
            for number in range(asked["count"]):
                for key in keys:
                    if items:
                        unit.item_added(key, items[number % len(items)], "native", is_new=False)
                    else:
                        unit.profile_changed(key, "locale")
            return Receipt(keys[0])

        await runtime.writer.run(system, work)
        return JSONResponse({"published": asked["count"]})

    made = _create_app(settings, runtime)
    made.router.routes.append(Route("/publish", publish, methods=["POST"]))
    return made


class Profiler:
    """Begins at a signal, and tells what it saw at the next."""

    def __init__(self, place: Path) -> None:
        self._place = place
        self._profile: cProfile.Profile | None = None

    def turn(self, *_: object) -> None:
        """Begin or end."""
        if self._profile is None:
            self._profile = cProfile.Profile(time.process_time)  # of the processor: others use the machine too
            self._profile.enable()
            return
        self._profile.disable()
        with self._place.open("w") as out:
            pstats.Stats(self._profile, stream=out).sort_stats("tottime").print_stats(45)
        self._profile = None


def main() -> None:
    """Read the arguments and serve."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--memory", type=int, default=0)
    parser.add_argument("--merged", type=int, default=0)
    given = parser.parse_args()
    gateway.open_runtime = with_memory(given.memory, given.merged)
    gateway.create_app = with_publish  # type: ignore[assignment]
    if "PROFILE" in os.environ:
        signal.signal(signal.SIGUSR1, Profiler(Path(os.environ["PROFILE"])).turn)
    settings = Settings(dev=True, port=int(os.environ["PORT"]))
    gateway.serve(settings, ready=lambda _: print("ready", flush=True))


if __name__ == "__main__":
    main()
