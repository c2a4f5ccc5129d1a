"""Two executions of one operation, compared: the same data, and errors that tell of the same places.

Of several errors that null one place any may be told, so those are compared by the places they null; all others to the letter.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from inspect import isawaitable
from typing import Any

from graphql import ExecutionResult
from graphql.execution import Executor

from gateway.engine.plan.execution import Plans, execute
from tests.unit.engine.plan.execution_worlds import World

__all__ = ["Asked", "nulled", "run", "same"]

Asked = Counter[tuple[str, str, int]]
"""How often each resolver was asked for each object: by type, field and number."""


def run(world: World, document: Any, variables: dict[str, bool], plans: Plans | None) -> tuple[ExecutionResult, Asked]:
    """The result of a document in a world, by the reference executor or by plans, and who was asked."""

    async def go() -> ExecutionResult:
        executor = Executor.build(world.schema, document, world.root, None, variables)
        assert isinstance(executor, Executor), executor
        result = executor.execute_operation() if plans is None else execute(executor, plans)
        answer = await result if isawaitable(result) else result
        assert isinstance(answer, ExecutionResult)
        return answer

    world.calls.clear()
    result = asyncio.run(go())
    return result, Counter(world.calls)


def nulled(result: ExecutionResult) -> dict[tuple[str | int, ...], set[str]]:
    """The places that errors made null, and what was said of each."""
    found: dict[tuple[str | int, ...], set[str]] = {}
    for error in result.errors or ():
        value, place = result.data, list(error.path or ())
        depth = 0
        while value is not None and depth < len(place):
            value, depth = value[place[depth]], depth + 1
        found.setdefault(tuple(place[:depth]), set()).add(json.dumps(error.formatted, sort_keys=True))
    return found


def same(one: dict[tuple[str | int, ...], set[str]], other: dict[tuple[str | int, ...], set[str]]) -> bool:
    """Whether the same places are null for the same reasons: message, path and locations."""
    if one.keys() != other.keys():
        return False
    own = {place for place in one if all(json.loads(said)["path"] == list(place) for said in one[place] | other[place])}
    return all(one[place] == other[place] for place in own)
