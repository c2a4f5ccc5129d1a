"""Sections 6.4.1 and 6.4.2: the values of a field's arguments, and of the field itself."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from .conftest import Obj, Run

__all__: list[str] = []

SDL = """
enum Colour { RED GREEN }
input Point { x: Int! y: Int = 7 inner: Point }
type Query {
  args(a: Int b: Int = 2 c: [Int!] = [1] p: Point colour: Colour = GREEN): String
  must(a: Int!): String safe(a: Int! = 5): String
  things(n: Int! = 2): [Thing] value: String thing: Thing }
type Thing { n: Int double(by: Int = 2): Int other: Thing }
"""
SAID = {f"Query.{name}": lambda _, _info, **given: repr(given) for name in ("args", "must", "safe")}
REST = {"b": 2, "c": [1], "colour": "GREEN"}


@pytest.mark.parametrize(
    ("arguments", "given"),
    [
        ("(a: 1)", {"a": 1, **REST}),
        ("(b: 3)", {**REST, "b": 3}),
        ("(b: null)", {**REST, "b": None}),
        ("(a: null)", {"a": None, **REST}),
        ("(c: 4)", {**REST, "c": [4]}),
        ("(c: [])", {**REST, "c": []}),
        ("(colour: RED)", {**REST, "colour": "RED"}),
        ("(p: {x: 1})", {**REST, "p": {"x": 1, "y": 7}}),
        ("(p: {x: 1, y: null, inner: {x: 2}})", {**REST, "p": {"x": 1, "y": None, "inner": {"x": 2, "y": 7}}}),
    ],
)
def test_arguments_are_coerced_and_defaults_taken(run: Run, arguments: str, given: dict[str, Any]) -> None:
    """CoerceArgumentValues: a literal is coerced by its type, a default stands for what is not given, null is given."""
    answer = run(SDL, f"{{ args{arguments} }}", resolvers={"Query.args": lambda _, _info, **said: str(said == given)})
    assert answer == {"data": {"args": "True"}}


def test_an_argument_that_is_not_given_has_no_entry(run: Run) -> None:
    """CoerceArgumentValues: without a value and without a default there is none, which is not null."""
    assert run(SDL, "{ args }", resolvers=SAID) == {"data": {"args": repr(REST)}}


@pytest.mark.parametrize(
    ("variables", "given"),
    [({"v": 9}, {"b": 9}), ({"v": None}, {"b": None}), ({}, {"b": 2})],
    ids=["a value", "null", "not given"],
)
def test_an_argument_may_be_a_variable(run: Run, variables: dict[str, Any], given: dict[str, Any]) -> None:
    """CoerceArgumentValues: it is the variable's value; where that is not given, the argument's default."""
    answer = run(
        SDL, "query ($v: Int) { args(b: $v) }", resolvers={"Query.args": lambda _, _info, **said: str(said["b"] == given["b"])}, **variables
    )
    assert answer == {"data": {"args": "True"}}


@pytest.mark.parametrize(("variables", "y"), [({"v": 1}, 1), ({"v": None}, None), ({}, 7)], ids=["given", "null", "not given"])
def test_variables_inside_of_literals(run: Run, variables: dict[str, Any], y: int | None) -> None:
    """CoerceArgumentValues: a variable may stand in a list or an object; an object's field that is not given takes its default."""
    text = "query ($v: Int) { args(p: {x: 1, y: $v}) }"
    answer = run(SDL, text, resolvers={"Query.args": lambda _, _info, p, **_given: repr(p)}, **variables)
    assert answer == {"data": {"args": repr({"x": 1, "y": y})}}


def test_null_for_an_argument_that_must_not_be_null_is_the_field_s_error(run: Run) -> None:
    """CoerceArgumentValues: a nullable variable may stand for a non-null argument with a default; null in it is an execution error there."""
    said = "Argument 'a' has invalid value: Expected variable '$v' provided to non-null type 'Int!' not to be None."
    answer = run(SDL, "query ($v: Int) { safe(a: $v) }", resolvers=SAID, v=None)
    assert answer == {"data": {"safe": None}, "errors": [{"message": said, "at": (1, 27), "path": ["safe"]}]}


def test_a_variable_that_is_not_given_leaves_the_default(run: Run) -> None:
    """CoerceArgumentValues: the argument's default is taken, also where the argument must not be null."""
    assert run(SDL, "query ($v: Int) { safe(a: $v) }", resolvers=SAID) == {"data": {"safe": "{'a': 5}"}}


def test_each_alias_has_its_own_arguments(run: Run) -> None:
    """ExecuteField: arguments are those of the field, not of the name."""
    assert run(SDL, "{ one: must(a: 1) two: must(a: 2) }", resolvers=SAID) == {"data": {"one": "{'a': 1}", "two": "{'a': 2}"}}


def test_a_resolver_gets_its_parent_and_where_it_stands(run: Run) -> None:
    """ResolveFieldValue: the object value, the arguments, and what is known of the field."""

    def double(parent: Any, info: Any, by: int) -> int:
        asked.append((info.field_name, info.parent_type.name, info.path.as_list(), str(info.return_type)))
        return int(parent.n * by)

    asked: list[Any] = []
    root = Obj(things=[Obj(n=1), Obj(n=2)])
    answer = run(SDL, "{ things { double twice: double(by: 20) } }", root, resolvers={"Thing.double": double})
    assert answer == {"data": {"things": [{"double": 2, "twice": 20}, {"double": 4, "twice": 40}]}}
    assert sorted(asked, key=str) == [
        ("double", "Thing", ["things", 0, "double"], "Int"),
        ("double", "Thing", ["things", 0, "twice"], "Int"),
        ("double", "Thing", ["things", 1, "double"], "Int"),
        ("double", "Thing", ["things", 1, "twice"], "Int"),
    ]


def test_a_resolver_may_be_waited_for(run: Run) -> None:
    """ResolveFieldValue: it may be asynchronous; beside it others need not be."""

    async def value(*_: Any) -> str:
        await asyncio.sleep(0)
        return "waited for"

    answer = run(SDL, "{ thing { n } value }", Obj(thing=Obj(n=1)), resolvers={"Query.value": value})
    assert answer == {"data": {"thing": {"n": 1}, "value": "waited for"}}


def test_a_resolver_is_asked_once_for_each_object(run: Run) -> None:
    """ExecuteField: a field is executed once, however often the document has it under one response key."""
    asked: list[int] = []

    def double(parent: Any, _info: Any, by: int) -> int:
        asked.append(parent.n)
        return by

    root = Obj(things=[Obj(n=1), Obj(n=2), Obj(n=3)])
    text = "{ things { double ...F } things { double } } fragment F on Thing { double }"
    assert run(SDL, text, root, resolvers={"Thing.double": double}) == {"data": {"things": [{"double": 2}] * 3}}
    assert asked == [1, 2, 3]


@pytest.mark.parametrize("waits", [False, True], ids=["at once", "waits"])
def test_a_batch_function_answers_for_each_of_its_parents(run: Run, waits: bool) -> None:
    """ResolveFieldValue: how many parents are asked for in one call is nobody's business but the executor's."""

    def double(parents: Sequence[Any], _info: Any, given: dict[str, Any]) -> Any:
        found: list[Any] = [parent.n * given["by"] if parent.n != 2 else ValueError("Not two.") for parent in parents]

        async def later() -> list[Any]:
            await asyncio.sleep(0)
            return found

        return later() if waits else found

    root = Obj(things=[Obj(n=1), None, Obj(n=2), Obj(n=3)])
    answer = run(SDL, "{ things { double(by: 3) } }", root, batches={"Thing.double": double})
    assert answer == {
        "data": {"things": [{"double": 3}, None, {"double": None}, {"double": 9}]},
        "errors": [{"message": "Not two.", "at": (1, 12), "path": ["things", 2, "double"]}],
    }
