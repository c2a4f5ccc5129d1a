"""Q1: execution alone. The agent's screen in memory, from a parsed document to JSON bytes, in one thread.

Ours is the compiled executor on the very schema that Strawberry serves (`peers/python/screen_types.py`): the relationships have batch
functions, as the product's have. Strawberry has its caches of parsed and validated documents and orjson instead of json. graphql-jit (Node)
has a compiled query and JSON.stringify. Processor time per execution.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from inspect import isawaitable
from typing import Any

import orjson
from graphql import Executor, GraphQLField, GraphQLInterfaceType, GraphQLObjectType, GraphQLScalarType, parse, validate
from strawberry.types.field import StrawberryField

from bench.harness import Bar, Case, Options, Workload
from bench.peers.python.screen_types import ExternalActivity, Interaction, Query, make_schema, person
from bench.screen.data import DOCUMENT, EXPECTED_LEAVES, leaves, screen
from bench.servers import PLACE, node, people
from gateway.engine.plan.execution import Plans, execute
from gateway.engine.plan.tree import BATCH, NAMES, SAME
from gateway.engine.starting import Executors
from resolvers.direct import directly

__all__ = ["WORKLOAD"]

PEOPLE = 100
SHOWN_AS_THEY_ARE = {"Date", "DateTime", "JSON", "StreamCursor", "URL"}
"""Scalars whose values the encoder writes, as in the product."""


def prepared() -> Any:
    """The schema for the compiled executor: batch functions at the relationships, a table of classes at the interface."""
    made = make_schema()
    schema = made._schema  # noqa: SLF001  # Strawberry keeps the core schema to itself
    for name in ("traits", "notes", "timeline"):
        schema.type_map["Profile"].fields[name].extensions[BATCH] = _batch(name)
    names = {ExternalActivity: "ExternalActivity", Interaction: "Interaction"}
    for kind in schema.type_map.values():
        if isinstance(kind, GraphQLInterfaceType):
            kind.resolve_type = lambda value, _info, _type: names[type(value)]
            kind.extensions[NAMES] = names
        elif isinstance(kind, GraphQLObjectType):
            kind.is_type_of = None
            for field in kind.fields.values():
                made_from = field.extensions.get("strawberry-definition")
                if BATCH not in field.extensions and isinstance(made_from, StrawberryField):
                    field.resolve = directly(made_from, made) or field.resolve
        elif isinstance(kind, GraphQLScalarType) and kind.name in SHOWN_AS_THEY_ARE:
            kind.extensions[SAME] = True
    return schema


def _batch(name: str) -> Callable[..., list[Any]]:
    def batch(parents: Sequence[Any], _info: Any, arguments: Mapping[str, Any]) -> list[Any]:
        return [getattr(parent.loaded, name)(parent, arguments.get("first")) for parent in parents]

    return batch


def attribute(field: GraphQLField, _name: str) -> str | None:
    """What a field without a resolver is called in Python."""
    made_from = field.extensions.get("strawberry-definition")
    return made_from.python_name if made_from is not None and getattr(field.resolve, "_is_default", False) else None


def ours() -> Callable[[str], Awaitable[bytes]]:
    """The compiled executor, once per call with its variables, as the engine runs it."""
    schema, plans = prepared(), Plans(attribute, at_once=True)
    executors = Executors(schema, hide_suggestions=False)
    document = parse(DOCUMENT)
    assert validate(schema, document) == []

    async def once(key: str) -> bytes:
        executor = executors.build(document, None, {"id": key}, root=None, context=None)
        assert isinstance(executor, Executor), executor
        result = execute(executor, plans)
        if isawaitable(result):
            result = await result
        assert result.errors is None, result.errors
        return orjson.dumps({"data": result.data})

    return once


def strawberrys() -> Callable[[str], Awaitable[bytes]]:
    """Strawberry with its caches."""
    schema = make_schema()

    async def once(key: str) -> bytes:
        result = await schema.execute(DOCUMENT, variable_values={"id": key})
        assert result.errors is None, result.errors
        return orjson.dumps({"data": result.data})

    return once


def here(name: str, once: Callable[[str], Awaitable[bytes]], ids: Sequence[str]) -> Case:
    """A case in this process."""

    async def check() -> None:
        for number in (0, len(ids) - 1):
            answer = json.loads(await once(ids[number]))
            expected = _asked(screen(number))
            assert answer == {"data": {"profile": expected}}, f"{name} answers something else"
            assert leaves(answer) == EXPECTED_LEAVES

    async def measure(seconds: float) -> dict[str, float]:
        count, cpu, until = 0, time.process_time(), time.perf_counter() + seconds
        while time.perf_counter() < until:
            for _ in range(5):
                await once(ids[count % len(ids)])
                count += 1
        return {"ms": (time.process_time() - cpu) * 1000 / count}

    return Case(name, measure, check)


def _asked(one: dict[str, Any]) -> dict[str, Any]:
    """What the screen asks of it: an author's kind is not shown."""
    notes = [{**note, "author": {name: note["author"][name] for name in ("id", "displayName")}} for note in one["notes"]["nodes"]]
    return {**one, "notes": {"nodes": notes}}


def jit(command: Sequence[str]) -> Case:
    """Node's own measurement, a process for each round."""
    environment = {**os.environ, "SCREEN_JSON": str(people(PEOPLE)), "BODY_OUT": str(PLACE / "jit-body.json"), "ROUNDS": "1"}

    async def measure(seconds: float) -> dict[str, float]:
        def run() -> str:
            done = subprocess.run(  # noqa: S603
                command, capture_output=True, text=True, check=True, env={**environment, "SECONDS": str(seconds)}
            )
            return done.stdout

        told = json.loads((await asyncio.to_thread(run)).splitlines()[-1])
        return {"ms": told["ms_per_execution"], "ms_plain": told["ms_per_execution_without_json"]}

    async def check() -> None:
        await measure(0.2)
        answer = json.loads((PLACE / "jit-body.json").read_text())
        assert answer == {"data": {"profile": _asked(screen(0))}}, "graphql-jit answers something else"

    return Case("graphql-jit (Node)", measure, check)


@asynccontextmanager
async def cases(options: Options) -> AsyncIterator[list[Case]]:
    """Ours, Strawberry's and, with peers, graphql-jit's."""
    found = {screen(number)["id"]: person(screen(number)) for number in range(PEOPLE)}
    Query.lookup = staticmethod(found.get)  # type: ignore[assignment]
    ids = list(found)
    opened = [here("compiled executor", ours(), ids)]
    if not options.ours:
        opened.append(here("Strawberry + caches + orjson", strawberrys(), ids))
    command = node("jit.mjs")
    if options.peers and command is not None:
        opened.append(jit(command))
    yield opened


WORKLOAD = Workload(
    "q1",
    "Execution only: the agent's screen, 674 leaves, in memory",
    cases,
    bars=(
        Bar("times Strawberry + caches + orjson", "ms", "compiled executor", "Strawberry + caches + orjson", at_least=18, inverted=True),
        Bar("times graphql-jit", "ms", "compiled executor", "graphql-jit (Node)", at_least=0.9, inverted=True),
    ),
    shown=("ms",),
)
