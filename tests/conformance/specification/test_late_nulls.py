"""Sections 6.2.2, 6.3.2 and 6.4.4: null for the condition of @skip or @include, and a mutation whose answer is null before its last field."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from gateway.engine.plan.tree import Reason

from .conftest import Obj, Run

__all__: list[str] = []

SDL = """
type Query { a: Int b: Int thing: Thing }
type Thing { n: Int! inner: Thing! things: [Thing!]! }
type Mutation { first: Thing! numbers: [Int!]! number: Int! second: Thing! }
"""
SAID = "Argument 'if' has invalid value: Expected variable '$v' provided to non-null type 'Boolean!' not to be None."


@pytest.mark.parametrize("directive", ["skip", "include"])
def test_null_for_a_condition_at_the_root_is_an_error_of_the_operation(run: Run, directive: str) -> None:
    """CollectFields: a variable with a default may stand for a condition, and null may be given for it: nothing can be collected then."""
    run.without_plan.add(Reason.GUARDS)
    answer = run(SDL, f"query ($v: Boolean = true) {{ a @{directive}(if: $v) b }}", Obj(a=1, b=2), v=None)
    assert answer["data"] is None
    assert [one["message"] for one in answer["errors"]] == [SAID]


@pytest.mark.parametrize(
    "text", ["n @skip(if: $v)", "... @skip(if: $v) { n }", "...F @skip(if: $v)"], ids=["field", "inline fragment", "fragment spread"]
)
def test_null_for_a_condition_below_is_an_error_of_the_field_above(run: Run, text: str) -> None:
    """CollectSubfields: the field whose selection cannot be collected is null, and those beside it are there."""
    run.without_plan.add(Reason.GUARDS)
    fragment = " fragment F on Thing { n }" if "...F" in text else ""
    answer = run(SDL, f"query ($v: Boolean = true) {{ thing {{ {text} }} b }}{fragment}", Obj(b=2, thing=Obj(n=1)), v=None)
    assert answer["data"] == {"thing": None, "b": 2}
    assert [(one["message"], one["path"]) for one in answer["errors"]] == [(SAID, ["thing"])]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("first { n }", Obj(n=None)),
        ("first { inner { n } }", Obj(inner=Obj(n=None))),
        ("first { things { n } }", Obj(things=[Obj(n=1), None])),
        ("numbers", [1, None]),
        ("numbers", 7),
        ("number", "no number"),
    ],
    ids=["below", "deep below", "an element", "a leaf's element", "no list", "no number"],
)
@pytest.mark.parametrize("waits", [False, True], ids=["at once", "waits"])
def test_a_null_that_goes_up_to_the_root_ends_a_mutation(run: Run, field: str, value: Any, waits: bool) -> None:
    """HandleExecutionError: where completing a root field makes `data` null, those behind it are not executed: nothing happens that is not told."""
    asked: list[str] = []

    async def later() -> Any:
        await asyncio.sleep(0)
        return value

    def first(*_: Any) -> Any:
        asked.append("first")
        return later() if waits else value

    def second(*_: Any) -> Any:
        asked.append("second")
        return Obj(n=1)

    resolvers = {f"Mutation.{field.split(maxsplit=1)[0]}": first, "Mutation.second": second}
    run.without_plan.add(Reason.SERIES)
    answer = run(SDL, f"mutation {{ {field} second {{ n }} }}", resolvers=resolvers)
    assert (answer["data"], len(answer["errors"]), asked) == (None, 1, ["first"])
