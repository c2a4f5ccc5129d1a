"""Sections 6.2.1 and 6.2.2: queries and mutations."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from gateway.engine.plan.tree import Reason

from .conftest import Obj, Run

__all__: list[str] = []

SDL = """
type Query { a: Int b: Int must: Int! }
type Mutation { one: Step two: Step three: Step must: Int! }
type Step { n: Int later: Int }
"""


def test_a_query_starts_at_the_root_value(run: Run) -> None:
    """ExecuteQuery: the root selection is executed on the query type with the initial value."""
    assert run(SDL, "query { a b }", Obj(a=1, b=2)) == {"data": {"a": 1, "b": 2}}


def test_without_a_root_value_there_is_nothing_to_find(run: Run) -> None:
    """ExecuteQuery: the initial value may be missing; fields without a resolver are null then."""
    assert run(SDL, "{ a }") == {"data": {"a": None}}


def test_errors_stand_beside_the_data(run: Run) -> None:
    """ExecuteQuery: the response has the data, and the errors that were met."""
    answer = run(SDL, "{ a b }", Obj(a="no number", b=2))
    said = "Int cannot represent non-integer value: 'no number'"
    assert answer == {"data": {"a": None, "b": 2}, "errors": [{"message": said, "at": (1, 3), "path": ["a"]}]}


def test_data_is_null_when_a_root_field_must_not_be(run: Run) -> None:
    """ExecuteQuery: the null of a non-null root field makes the whole of `data` null."""
    answer = run(SDL, "{ a must }", Obj(a=1, must=None))
    said = "Cannot return null for non-nullable field Query.must."
    assert answer == {"data": None, "errors": [{"message": said, "at": (1, 5), "path": ["must"]}]}


def _steps(log: list[str], fails: str = "") -> dict[str, Any]:
    def step(name: str) -> Any:
        async def resolve(*_: Any) -> Any:
            log.append(f"{name} begins")
            await asyncio.sleep(0)
            log.append(f"{name} ends")
            if name == fails:
                raise ValueError("It failed.")
            return Obj(n=len(log), later=None)

        return resolve

    async def later(parent: Any, _info: Any) -> int:
        log.append(f"below {parent.n} begins")
        await asyncio.sleep(0)
        log.append(f"below {parent.n} ends")
        return 0

    return {f"Mutation.{name}": step(name) for name in ("one", "two", "three")} | {"Step.later": later}


def test_a_mutation_s_fields_run_one_after_another(run: Run) -> None:
    """ExecuteMutation: the root selection is executed serially, in the order of the document."""
    log: list[str] = []
    answer = run(SDL, "mutation { three { n } one { n } two { n } }", resolvers=_steps(log))
    assert answer == {"data": {"three": {"n": 2}, "one": {"n": 4}, "two": {"n": 6}}}
    assert log == ["three begins", "three ends", "one begins", "one ends", "two begins", "two ends"]


def test_what_is_below_a_mutation_s_field_is_done_before_the_next(run: Run) -> None:
    """ExecuteMutation: a field is completed, with all that was selected of its result, before the next begins."""
    log: list[str] = []
    run(SDL, "mutation { one { later } two { later } }", resolvers=_steps(log))
    assert log == [
        *("one begins", "one ends", "below 2 begins", "below 2 ends"),
        *("two begins", "two ends", "below 6 begins", "below 6 ends"),
    ]


def test_a_mutation_that_fails_does_not_stop_those_behind_it(run: Run) -> None:
    """ExecuteMutation: a nullable root field that fails is null, and the next are executed."""
    log: list[str] = []
    answer = run(SDL, "mutation { one { n } two { n } three { n } }", resolvers=_steps(log, fails="two"))
    assert answer == {
        "data": {"one": {"n": 2}, "two": None, "three": {"n": 6}},
        "errors": [{"message": "It failed.", "at": (1, 22), "path": ["two"]}],
    }


@pytest.mark.parametrize("value", [None, ValueError("It failed.")], ids=["null", "failure"])
def test_a_mutation_that_ends_the_answer_ends_the_operation(run: Run, value: Any) -> None:
    """HandleExecutionError: where `data` is null for a root field, those behind it are not executed: nothing happens that is not told."""
    log: list[str] = []
    resolvers = _steps(log) | {"Mutation.must": lambda *_: value}
    run.without_plan.add(Reason.SERIES)
    answer = run(SDL, "mutation { one { n } must two { n } }", resolvers=resolvers)
    assert answer["data"] is None
    assert [one["path"] for one in answer["errors"]] == [["must"]]
    assert log == ["one begins", "one ends"]


def test_a_mutation_s_answer_is_in_the_order_of_the_document(run: Run) -> None:
    """ExecuteMutation: aliases of one field run as often as they are asked for, and stand where they were asked for."""
    log: list[str] = []
    answer = run(SDL, "mutation { b: one { n } a: one { n } }", resolvers=_steps(log))
    assert list(answer["data"].items()) == [("b", {"n": 2}), ("a", {"n": 4})]
