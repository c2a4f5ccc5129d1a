"""The compiled executor answers as the reference executor does, value for value and error for error, and asks nobody twice."""

from __future__ import annotations

import json
import os
from random import Random

import pytest
from graphql import parse, validate
from graphql.validation import specified_rules

from gateway.engine.plan.execution import Plans
from tests.unit.engine.plan.execution_compared import nulled, run, same
from tests.unit.engine.plan.execution_worlds import document_of, world_of

__all__: list[str] = []

SEEDS = int(os.environ.get("GATEWAY_TEST_SEEDS", "250"))
"""Worlds that are tried; GATEWAY_TEST_SEEDS=20000 for a night."""

pytestmark = pytest.mark.filterwarnings(  # lists of awaitables that a failure beside them leaves: by either executor
    "ignore:coroutine .* was never awaited:RuntimeWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)


@pytest.mark.parametrize("seed", range(SEEDS))
def test_the_executors_agree(seed: int) -> None:
    """On any schema, any document and any data, right or wrong."""
    rng = Random(seed)
    world = world_of(rng)
    text, variables = document_of(rng, world)
    document = parse(text)
    assert validate(world.schema, document, [rule for rule in specified_rules if rule.__name__ != "NoUnusedVariablesRule"]) == []
    expected, asked = run(world, document, variables, None)
    plans = Plans(world.attribute_of, at_once=True)
    for _ in range(2):
        result, own = run(world, document, variables, plans)
        assert json.dumps(result.data) == json.dumps(expected.data)
        assert same(nulled(result), nulled(expected))
        if expected.errors is None:
            assert own == asked
        assert set(own.values()) <= {1} or own == asked
