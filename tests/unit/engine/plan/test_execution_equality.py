"""The compiled executor answers as the reference executor does, value for value and error for error, and asks nobody twice."""

from __future__ import annotations

import asyncio
import json
import os
from collections import Counter
from inspect import isawaitable
from random import Random
from typing import Any

import pytest
from graphql import ExecutionResult, parse, validate
from graphql.execution import Executor
from graphql.validation import specified_rules

from gateway.engine.plan.execution import Plans, execute
from tests.unit.engine.plan.execution_worlds import World, document_of, world_of

__all__: list[str] = []

SEEDS = int(os.environ.get("GATEWAY_TEST_SEEDS", "400"))
"""Worlds that are tried; GATEWAY_TEST_SEEDS=20000 for a night."""

pytestmark = pytest.mark.filterwarnings(  # lists of awaitables that a failure beside them leaves: by either executor
    "ignore:coroutine .* was never awaited:RuntimeWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)

Asked = Counter[tuple[str, str, int]]


def _run(world: World, document: Any, variables: dict[str, bool], plans: Plans | None) -> tuple[ExecutionResult, Asked]:
    async def run() -> ExecutionResult:
        executor = Executor.build(world.schema, document, world.root, None, variables)
        assert isinstance(executor, Executor), executor
        result = executor.execute_operation() if plans is None else execute(executor, plans)
        answer = await result if isawaitable(result) else result
        assert isinstance(answer, ExecutionResult)
        return answer

    world.calls.clear()
    result = asyncio.run(run())
    return result, Counter(world.calls)


def _nulled(result: ExecutionResult) -> dict[tuple[str | int, ...], set[str]]:
    """The places that errors made null, and what was said of each: of several errors that null one place any may be told."""
    found: dict[tuple[str | int, ...], set[str]] = {}
    for error in result.errors or ():
        value, place = result.data, list(error.path or ())
        depth = 0
        while value is not None and depth < len(place):
            value, depth = value[place[depth]], depth + 1
        found.setdefault(tuple(place[:depth]), set()).add(json.dumps(error.formatted, sort_keys=True))
    return found


def _same(one: dict[tuple[str | int, ...], set[str]], other: dict[tuple[str | int, ...], set[str]]) -> bool:
    if one.keys() != other.keys():
        return False
    own = {place for place in one if all(json.loads(said)["path"] == list(place) for said in one[place] | other[place])}
    return all(one[place] == other[place] for place in own)


@pytest.mark.parametrize("seed", range(SEEDS))
def test_the_executors_agree(seed: int) -> None:
    """On any schema, any document and any data, right or wrong."""
    rng = Random(seed)
    world = world_of(rng)
    text, variables = document_of(rng, world)
    document = parse(text)
    assert validate(world.schema, document, [rule for rule in specified_rules if rule.__name__ != "NoUnusedVariablesRule"]) == []
    expected, asked = _run(world, document, variables, None)
    plans = Plans(world.attribute_of, at_once=True)
    for _ in range(2):
        result, own = _run(world, document, variables, plans)
        assert json.dumps(result.data) == json.dumps(expected.data)
        assert _same(_nulled(result), _nulled(expected))
        if expected.errors is None:
            assert own == asked
        assert set(own.values()) <= {1} or own == asked
