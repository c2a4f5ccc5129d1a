"""Section 6.4.4: execution errors, and the nulls that go up."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from .conftest import Obj, Run

__all__: list[str] = []

SDL = """
type Query { nest: Nest must: Nest! list: [Nest] strict: [Nest!] stricter: [Nest!]! grid: [[Int!]] leaf: Int }
type Nest { leaf: Int must: Int! nest: Nest inner: Nest! nests: [Nest!]! }
"""
LEAF = "Cannot return null for non-nullable field Nest.must."


def null_at(*path: str | int, at: tuple[int, int], said: str = LEAF) -> dict[str, Any]:
    """An error as it is shown."""
    return {"message": said, "at": at, "path": list(path)}


def test_an_error_makes_its_field_null(run: Run) -> None:
    """HandleExecutionError: a nullable field that failed is null, and has one error with its path and place; nothing else is touched."""

    def leaf(*_: Any) -> int:
        raise ValueError("It failed.")

    answer = run(SDL, "{ nest { must leaf } leaf }", Obj(nest=Obj(must=1), leaf=2), resolvers={"Nest.leaf": leaf})
    assert answer == {
        "data": {"nest": {"must": 1, "leaf": None}, "leaf": 2},
        "errors": [null_at("nest", "leaf", at=(1, 15), said="It failed.")],
    }


def test_an_error_that_is_returned_is_one_that_is_raised(run: Run) -> None:
    """HandleExecutionError: a resolver may give an exception instead of raising it."""
    answer = run(SDL, "{ leaf }", resolvers={"Query.leaf": lambda *_: ValueError("It failed.")})
    assert answer == {"data": {"leaf": None}, "errors": [null_at("leaf", at=(1, 3), said="It failed.")]}


def test_an_error_of_what_was_waited_for(run: Run) -> None:
    """HandleExecutionError: it makes no difference when it comes."""

    async def leaf(*_: Any) -> int:
        await asyncio.sleep(0)
        raise ValueError("It failed.")

    answer = run(SDL, "{ leaf }", resolvers={"Query.leaf": leaf})
    assert answer == {"data": {"leaf": None}, "errors": [null_at("leaf", at=(1, 3), said="It failed.")]}


def test_a_path_has_aliases_and_indices(run: Run) -> None:
    """HandleExecutionError: the path is made of response keys, and of the numbers of elements from 0."""
    root = Obj(list=[Obj(nest=Obj(leaf=1)), None, Obj(nest=Obj(leaf="x"))])
    answer = run(SDL, "{ all: list { one: nest { two: leaf } } }", root)
    said = "Int cannot represent non-integer value: 'x'"
    assert answer["errors"] == [null_at("all", 2, "one", "two", at=(1, 27), said=said)]


def test_null_where_none_may_be_is_an_error_of_the_parent(run: Run) -> None:
    """HandleExecutionError: a non-null field's null makes its nullable parent null; the error stands at the field."""
    answer = run(SDL, "{ nest { leaf must } leaf }", Obj(nest=Obj(leaf=1, must=None), leaf=2))
    assert answer == {"data": {"nest": None, "leaf": 2}, "errors": [null_at("nest", "must", at=(1, 15))]}


def test_nulls_go_up_to_the_next_that_may_be_null(run: Run) -> None:
    """HandleExecutionError: through as many non-null fields as there are."""
    deep = Obj(inner=Obj(inner=Obj(must=None)))
    answer = run(SDL, "{ nest { nest { inner { inner { must } } } leaf } }", Obj(nest=Obj(nest=deep, leaf=3)))
    assert answer == {
        "data": {"nest": {"nest": None, "leaf": 3}},
        "errors": [null_at("nest", "nest", "inner", "inner", "must", at=(1, 33))],
    }


def test_nulls_go_up_to_the_whole_of_data(run: Run) -> None:
    """HandleExecutionError: where everything up to the root must not be null, `data` is null."""
    answer = run(SDL, "{ must { inner { must } } }", Obj(must=Obj(inner=Obj(must=None))))
    assert answer == {"data": None, "errors": [null_at("must", "inner", "must", at=(1, 18))]}


@pytest.mark.parametrize(
    ("field", "data"),
    [
        ("list", {"list": [{"must": 1}, None, {"must": 3}]}),
        ("strict", {"strict": None}),
        ("stricter", None),
    ],
)
def test_an_element_and_its_list(run: Run, field: str, data: Any) -> None:
    """HandleExecutionError: an element's null stays where elements may be null; else the list is null; else the parent of the list."""
    answer = run(SDL, f"{{ {field} {{ must }} }}", Obj(**{field: [Obj(must=1), Obj(must=None), Obj(must=3)]}))
    assert answer == {"data": data, "errors": [null_at(field, 1, "must", at=(1, len(field) + 6))]}


@pytest.mark.parametrize(("field", "data"), [("strict", {"strict": None}), ("stricter", None)])
def test_a_null_element_where_none_may_be(run: Run, field: str, data: Any) -> None:
    """HandleExecutionError: the error stands at the element."""
    answer = run(SDL, f"{{ {field} {{ must }} }}", Obj(**{field: [Obj(must=1), None]}))
    said = f"Cannot return null for non-nullable field Query.{field}."
    assert answer == {"data": data, "errors": [null_at(field, 1, at=(1, 3), said=said)]}


def test_lists_of_lists(run: Run) -> None:
    """HandleExecutionError: the innermost list that may be null is."""
    answer = run(SDL, "{ grid }", Obj(grid=[[1], [2, None], None]))
    said = "Cannot return null for non-nullable field Query.grid."
    assert answer == {"data": {"grid": [[1], None, None]}, "errors": [null_at("grid", 1, 1, at=(1, 3), said=said)]}


def test_each_nullable_field_has_its_own_error(run: Run) -> None:
    """HandleExecutionError: errors of different places are all told."""
    root = Obj(list=[Obj(must=None), Obj(must=2), Obj(must=None)])
    answer = run(SDL, "{ list { must } }", root)
    assert answer == {
        "data": {"list": [None, {"must": 2}, None]},
        "errors": [null_at("list", 0, "must", at=(1, 10)), null_at("list", 2, "must", at=(1, 10))],
    }


def test_a_place_is_null_for_one_reason(run: Run) -> None:
    """HandleExecutionError: of several errors that make one place null, at least one is told, and all stand below it."""

    def must(*_: Any) -> int:
        raise ValueError("It failed.")

    answer = run(SDL, "{ nest { a: must b: must } }", Obj(nest=Obj()), resolvers={"Nest.must": must})
    assert answer["data"] == {"nest": None}
    assert {tuple(one["path"]) for one in answer["errors"]} <= {("nest", "a"), ("nest", "b")}
    assert {one["message"] for one in answer["errors"]} == {"It failed."}


def test_a_resolver_is_not_asked_again_when_something_is_wrong(run: Run) -> None:
    """HandleExecutionError: to tell an error nobody is asked a second time."""
    asked: list[str] = []

    def told(name: str, value: Any) -> Any:
        def resolve(*_: Any, **__: Any) -> Any:
            asked.append(name)
            return value

        return resolve

    resolvers = {
        "Query.nest": told("nest", Obj(must=None)),
        "Query.list": told("list", [Obj(), Obj()]),
        "Nest.leaf": told("leaf", "no number"),
    }
    answer = run(SDL, "{ nest { must } list { leaf } }", resolvers=resolvers)
    assert answer["data"] == {"nest": None, "list": [{"leaf": None}, {"leaf": None}]}
    assert len(answer["errors"]) == 3
    assert sorted(asked) == ["leaf", "leaf", "list", "nest"]
