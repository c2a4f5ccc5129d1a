"""Section 6.4.3: completing values: result coercion of leaves, lists, objects and abstract types."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from .conftest import Obj, Run

__all__: list[str] = []

SDL = """
enum Colour { RED GREEN }
interface Named { name: String }
union Pet = Cat | Dog
type Cat implements Named { name: String }
type Dog implements Named { name: String barks: Int }
type Rock { name: String }
type Query { int: Int float: Float text: String flag: Boolean id: ID colour: Colour
  ints: [Int] must: [Int!] both: [Int!]! grid: [[Int]] dog: Dog dogs: [Dog] named: Named pet: Pet pets: [Pet] rock: Rock }
"""


@pytest.mark.parametrize(
    ("field", "value", "shown"),
    [
        ("int", 7, 7),
        ("int", 7.0, 7),
        ("int", True, 1),
        ("int", "7", 7),
        ("int", -(2**31), -(2**31)),
        ("float", 1.5, 1.5),
        ("float", 2, 2.0),
        ("float", "2.5", 2.5),
        ("text", "x", "x"),
        ("text", "", ""),
        ("text", 7, "7"),
        ("text", True, "true"),
        ("flag", True, True),
        ("flag", False, False),
        ("flag", 0, False),
        ("flag", 7, True),
        ("id", "x", "x"),
        ("id", 7, "7"),
        ("colour", "RED", "RED"),
        ("ints", [1, None, 3], [1, None, 3]),
        ("ints", (1, 2), [1, 2]),
        ("ints", [], []),
        ("ints", {1: 2}.keys(), [1]),
        ("both", [1], [1]),
        ("grid", [[1, 2], None, [], [None]], [[1, 2], None, [], [None]]),
    ],
    ids=str,
)
def test_a_value_is_shown_as_its_type_has_it(run: Run, field: str, value: Any, shown: Any) -> None:
    """CompleteValue: a leaf is what result coercion makes of it, a list the completed values of its elements in their order."""
    answer = run(SDL, f"{{ {field} }}", Obj(**{field: value}))
    assert answer == {"data": {field: shown}}
    assert repr(answer["data"][field]) == repr(shown)  # 1, 1.0 and True are equal in Python and not in GraphQL


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("int", 2**31, "Int cannot represent non 32-bit signed integer value: 2147483648"),
        ("int", 1.5, "Int cannot represent non-integer value: 1.5"),
        ("int", "", "Int cannot represent non-integer value: ''"),
        ("float", float("nan"), "Float cannot represent non numeric value: nan"),
        ("float", float("inf"), "Float cannot represent non numeric value: inf"),
        ("text", [], "String cannot represent value: []"),
        ("flag", "yes", "Boolean cannot represent a non boolean value: 'yes'"),
        ("id", 1.5, "ID cannot represent value: 1.5"),
        ("colour", "BLUE", "Enum 'Colour' cannot represent value: 'BLUE'"),
        ("ints", 7, "Expected Iterable, but did not find one for field 'Query.ints'."),
        ("ints", "12", "Expected Iterable, but did not find one for field 'Query.ints'."),
    ],
    ids=str,
)
def test_a_value_that_its_type_cannot_show_is_an_error(run: Run, field: str, value: Any, said: str) -> None:
    """CompleteValue: what cannot be coerced is an execution error of the field, which is null then."""
    answer = run(SDL, f"{{ {field} }}", Obj(**{field: value}))
    assert answer == {"data": {field: None}, "errors": [{"message": said, "at": (1, 3), "path": [field]}]}


def test_null_is_null(run: Run) -> None:
    """CompleteValue: of every nullable type null is null, and no error."""
    fields = "int float text flag id colour ints grid dog { name } pet { __typename }"
    assert set(run(SDL, f"{{ {fields} }}", Obj(**dict.fromkeys(fields.split())))["data"].values()) == {None}


def test_elements_that_must_be_waited_for(run: Run) -> None:
    """CompleteValue: a list may hold what has to be waited for, and keeps its order."""

    async def later(value: int) -> int:
        for _ in range(5 - value):
            await asyncio.sleep(0)
        return value

    assert run(SDL, "{ ints }", resolvers={"Query.ints": lambda *_: [later(1), 2, later(3)]}) == {"data": {"ints": [1, 2, 3]}}


def test_an_asynchronous_list(run: Run) -> None:
    """CompleteValue: what is iterated asynchronously is a list like any other."""

    async def values(*_: Any) -> Any:
        for number in (1, 2):
            yield number

    assert run(SDL, "{ ints }", resolvers={"Query.ints": values}) == {"data": {"ints": [1, 2]}}


def test_an_element_that_goes_wrong_is_null_alone(run: Run) -> None:
    """CompleteValue: an element's error is told with its index; a nullable element is null by itself."""
    answer = run(SDL, "{ ints }", Obj(ints=[1, "two", 3]))
    said = "Int cannot represent non-integer value: 'two'"
    assert answer == {"data": {"ints": [1, None, 3]}, "errors": [{"message": said, "at": (1, 3), "path": ["ints", 1]}]}


def test_an_object_is_its_selection(run: Run) -> None:
    """CompleteValue: an object is the execution of the merged selection sets on it."""
    assert run(SDL, "{ dog { barks name } }", Obj(dog=Obj(name="Rex", barks=3))) == {"data": {"dog": {"barks": 3, "name": "Rex"}}}


def test_objects_in_a_list(run: Run) -> None:
    """CompleteValue: each element of a list of objects is completed by itself; null among them is null."""
    answer = run(SDL, "{ dogs { name } }", Obj(dogs=[Obj(name="Rex"), None, Obj(name="Bo")]))
    assert answer == {"data": {"dogs": [{"name": "Rex"}, None, {"name": "Bo"}]}}


@pytest.mark.parametrize("waits", [False, True], ids=["at once", "waits"])
def test_an_abstract_type_s_object_is_of_the_type_it_says(run: Run, waits: bool) -> None:
    """ResolveAbstractType: an interface's or a union's object has the concrete type that is told of it, at once or later."""

    async def later(value: Any, *_: Any) -> str:
        await asyncio.sleep(0)
        return str(value.kind)

    tell: Any = later if waits else lambda value, *_: value.kind
    rex, felix = Obj(kind="Dog", name="Rex", barks=2), Obj(kind="Cat", name="Felix")
    text = "{ named { __typename name ... on Dog { barks } } pets { __typename ... on Cat { name } } }"
    answer = run(SDL, text, Obj(named=rex, pets=[felix, None, rex]), resolvers={"Named": tell, "Pet": tell})
    assert answer == {
        "data": {
            "named": {"__typename": "Dog", "name": "Rex", "barks": 2},
            "pets": [{"__typename": "Cat", "name": "Felix"}, None, {"__typename": "Dog"}],
        }
    }


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("Rock", "Runtime Object type 'Rock' is not a possible type for 'Pet'."),
        ("Colour", "Abstract type 'Pet' was resolved to a non-object type 'Colour'."),
        ("Unicorn", "Abstract type 'Pet' was resolved to a type 'Unicorn' that does not exist inside the schema."),
    ],
)
def test_a_type_that_it_cannot_be_of_is_an_error(run: Run, kind: str, said: str) -> None:
    """ResolveAbstractType: the type told must be an object type that belongs to the abstract one."""
    answer = run(SDL, "{ pets { __typename } }", Obj(pets=[Obj(kind="Cat"), Obj(kind=kind)]))
    assert answer["data"] == {"pets": [{"__typename": "Cat"}, None]}
    (error,) = answer["errors"]
    assert (error["message"], error["path"]) == (said, ["pets", 1])
