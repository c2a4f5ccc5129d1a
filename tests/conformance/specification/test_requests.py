"""Section 6.1: executing requests, and coercing the values of variables."""

from __future__ import annotations

from typing import Any

import pytest

from .conftest import Obj, Run

__all__: list[str] = []

SDL = """
enum Colour { RED GREEN }
input Point { x: Int! y: Int = 7 }
type Query { a: Int b: Int
  int(v: Int): String float(v: Float): String text(v: String): String flag(v: Boolean): String id(v: ID): String
  colour(v: Colour): String point(v: Point): String ints(v: [Int!]): String grid(v: [[Int]]): String must(v: Int!): String
  standing(v: Int = 3): String }
"""
KINDS = {
    "int": "Int",
    "float": "Float",
    "text": "String",
    "flag": "Boolean",
    "id": "ID",
    "colour": "Colour",
    "point": "Point",
    "ints": "[Int!]",
    "grid": "[[Int]]",
}
SAID = {f"Query.{name}": lambda _, _info, **given: repr(given) for name in (*KINDS, "must", "standing")}


def test_the_only_operation_needs_no_name(run: Run) -> None:
    """GetOperation: without a name, the document's only operation is it, whether it has a name or none."""
    assert run(SDL, "{ a }", Obj(a=1)) == {"data": {"a": 1}}
    assert run(SDL, "query Named { a }", Obj(a=1)) == {"data": {"a": 1}}


def test_of_several_operations_the_one_that_is_named(run: Run) -> None:
    """GetOperation: with a name, the operation of that name is executed and no other."""
    assert run(SDL, "query A { a } query B { b }", Obj(a=1, b=2), operation="B") == {"data": {"b": 2}}


def test_no_name_among_several_operations_is_an_error(run: Run) -> None:
    """GetOperation: a request error, without data."""
    said = "Must provide operation name if query contains multiple operations."
    assert run(SDL, "query A { a } query B { b }") == {"errors": [{"message": said}]}


def test_a_name_that_no_operation_has_is_an_error(run: Run) -> None:
    """GetOperation: a request error, without data."""
    assert run(SDL, "query A { a }", operation="C") == {"errors": [{"message": "Unknown operation named 'C'."}]}


@pytest.mark.parametrize(
    ("field", "value", "given"),
    [
        ("int", 5, 5),
        ("int", 5.0, 5),
        ("float", 5, 5.0),
        ("text", "x", "x"),
        ("flag", False, False),
        ("id", 7, "7"),
        ("id", "seven", "seven"),
        ("colour", "RED", "RED"),
        ("point", {"x": 1}, {"x": 1, "y": 7}),
        ("point", {"x": 1, "y": None}, {"x": 1, "y": None}),
        ("ints", [1, 2], [1, 2]),
        ("ints", 1, [1]),
        ("grid", [[1], None, [None]], [[1], None, [None]]),
        ("grid", 1, [[1]]),
        ("int", None, None),
    ],
)
def test_a_value_is_coerced_by_its_type(run: Run, field: str, value: Any, given: Any) -> None:
    """CoerceVariableValues: the value of each variable is what the input coercion of its type makes of it."""
    assert run(SDL, f"query ($v: {KINDS[field]}) {{ {field}(v: $v) }}", resolvers=SAID, v=value) == {"data": {field: repr({"v": given})}}


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("int", "5", "Variable '$v' has invalid value: Int cannot represent non-integer value: '5'"),
        ("int", 2**31, "Variable '$v' has invalid value: Int cannot represent non 32-bit signed integer value: 2147483648"),
        ("int", True, "Variable '$v' has invalid value: Int cannot represent non-integer value: True"),
        ("text", 5, "Variable '$v' has invalid value: String cannot represent a non string value: 5"),
        ("flag", 1, "Variable '$v' has invalid value: Boolean cannot represent a non boolean value: 1"),
        ("ints", [1, None], "Variable '$v' has invalid value at [1]: Expected value of non-null type 'Int!' not to be None."),
    ],
    ids=["text for int", "large int", "flag for int", "int for text", "int for flag", "null in a list"],
)
def test_a_value_that_its_type_refuses_is_an_error(run: Run, field: str, value: Any, said: str) -> None:
    """CoerceVariableValues: a request error; nothing is executed and there is no data."""
    answer = run(SDL, f"query ($v: {KINDS[field]}) {{ {field}(v: $v) }}", resolvers=SAID, v=value)
    assert answer == {"errors": [{"message": said, "at": (1, 8)}]}


def test_a_default_stands_for_what_is_not_given(run: Run) -> None:
    """CoerceVariableValues: no value is given, the definition has a default: that is its value."""
    assert run(SDL, "query ($v: Int = 4) { int(v: $v) }", resolvers=SAID) == {"data": {"int": "{'v': 4}"}}


def test_null_is_a_value_and_no_default_stands_for_it(run: Run) -> None:
    """CoerceVariableValues: null is given, so the default is not taken."""
    assert run(SDL, "query ($v: Int = 4) { int(v: $v) }", resolvers=SAID, v=None) == {"data": {"int": "{'v': None}"}}


def test_what_must_be_given_and_is_not_is_an_error(run: Run) -> None:
    """CoerceVariableValues: a non-null variable without value and default is a request error."""
    said = "Variable '$v' has invalid value: Expected a value of non-null type 'Int!' to be provided."
    assert run(SDL, "query ($v: Int!) { must(v: $v) }", resolvers=SAID) == {"errors": [{"message": said, "at": (1, 8)}]}


def test_null_for_what_must_not_be_null_is_an_error(run: Run) -> None:
    """CoerceVariableValues: null for a non-null variable is a request error."""
    said = "Variable '$v' has invalid value: Expected value of non-null type 'Int!' not to be None."
    assert run(SDL, "query ($v: Int!) { must(v: $v) }", resolvers=SAID, v=None) == {"errors": [{"message": said, "at": (1, 8)}]}


def test_what_is_not_given_has_no_entry(run: Run) -> None:
    """CoerceVariableValues: a nullable variable without value and default is not there, which is not the same as null."""
    assert run(SDL, "query ($v: Int) { int(v: $v) }", resolvers=SAID) == {"data": {"int": "{}"}}
