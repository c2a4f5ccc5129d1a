"""What a schema may tell the compiled executor, so that it need not ask: scalars that are shown as they are, classes that say their type, batch
functions that need not wait; and that none of it is taken for more than it says.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from enum import Enum
from inspect import isawaitable
from typing import Any

import pytest
from graphql import ExecutionResult, GraphQLEnumType, GraphQLSchema, build_schema, parse
from graphql.execution import Executor

from gateway.engine.plan.execution import Plans, execute
from gateway.engine.plan.tree import BATCH, NAMES, SAME

__all__: list[str] = []

SCHEMA = """
scalar Raw
enum Shade { PALE DEEP }
type Query { things(count: Int = 2): [Thing] thing: Thing raw: Raw must: Raw! shade: Shade }
interface Thing { name: String }
type Cat implements Thing { name: String raw: Raw! shade: Shade! more: [Thing!] }
type Dog implements Thing { name: String barks: Boolean }
"""


class Cat:
    """Has everything."""

    name, raw, more = "Cat", {"a": 1}, ()

    def __init__(self) -> None:
        self.shade = Shade.LIGHT


class Dog:
    """Has little."""

    name, barks = "Dog", True


class Shade(Enum):
    """Values of an enumeration, as Python's own members."""

    LIGHT = 1
    DARK = 2


class Scene:
    """A schema that tells what it can."""

    def __init__(self) -> None:
        self.schema: GraphQLSchema = build_schema(SCHEMA)
        self.asked: list[Any] = []
        self.things: Any = [Cat(), None, Dog()]
        types: dict[str, Any] = dict(self.schema.type_map)
        types["Raw"].extensions[SAME] = True
        types["Raw"].coerce_output_value = lambda value: value
        shade = types["Shade"]
        assert isinstance(shade, GraphQLEnumType)
        shade.values["PALE"].value, shade.values["DEEP"].value = Shade.LIGHT, Shade.DARK
        shade._value_lookup = {Shade.LIGHT: "PALE", Shade.DARK: "DEEP"}  # type: ignore[attr-defined]
        types["Thing"].extensions[NAMES] = {Cat: "Cat"}
        types["Thing"].resolve_type = self.name_of
        types["Query"].fields["things"].resolve = lambda *_, **_given: self.things
        self.types = types
        self.plans = Plans(lambda field, name: name if field.resolve is None and BATCH not in field.extensions else None, at_once=True)

    def name_of(self, value: Any, *_: Any) -> str:
        """The way for classes that say nothing."""
        self.asked.append(type(value))
        return type(value).__name__

    def run(self, text: str, root: Any = None, **variables: Any) -> tuple[ExecutionResult, ExecutionResult]:
        """The compiled executor's answer, and the reference executor's."""
        document = parse(text)

        async def go(plans: Plans | None) -> ExecutionResult:
            executor = Executor.build(self.schema, document, root, None, variables)
            assert isinstance(executor, Executor)
            answer: Any = execute(executor, plans) if plans is not None else executor.execute_operation()
            result = await answer if isawaitable(answer) else answer
            assert isinstance(result, ExecutionResult)
            return result

        return asyncio.run(go(self.plans)), asyncio.run(go(None))


@pytest.fixture(name="scene")
def _scene() -> Scene:
    return Scene()


@pytest.mark.parametrize(
    "value", [{"deep": [1]}, 0, "", None, ValueError("It failed.")], ids=["object", "zero", "empty", "null", "failure"]
)
def test_a_scalar_that_is_shown_as_it_is(scene: Scene, value: Any) -> None:
    """Its value is the answer; nothing where none may be, and failures, are what they are for any scalar."""
    for field in ("raw", "must"):
        own, expected = scene.run(f"{{ {field} }}", type("Root", (), {"raw": value, "must": value})())
        assert (own.data, own.errors) == (expected.data, expected.errors)


def test_classes_that_say_their_type_are_not_asked_about(scene: Scene) -> None:
    """Of two classes the table knows one: only the other's objects are asked for their type, where a level is begun and where it is written."""
    for text in ("{ things { __typename name ... on Cat { raw shade } } }", "{ things { __typename ... on Cat { more { name } raw } } }"):
        own, expected = scene.run(text)
        assert (own.data, own.errors) == (expected.data, None)
    scene.asked.clear()
    scene.things = [Cat(), Cat()]
    own, _ = scene.run("{ things { name } }")
    calls = len(scene.asked)  # of the reference executor, and of the first look at a class
    assert own.data == {"things": [{"name": "Cat"}, {"name": "Cat"}]}
    assert calls <= 3


def test_members_of_an_enumeration(scene: Scene) -> None:
    """They have their names, and what is none of them is an error."""
    for shade in (*Shade, None, 3, "PALE"):
        own, expected = scene.run("{ shade }", type("Root", (), {"shade": shade})())
        assert own.data == expected.data
        assert [error.message for error in own.errors or ()] == [error.message for error in expected.errors or ()]


async def _waiting() -> str:
    await asyncio.sleep(0)
    return "waited for"


def test_a_batch_function_that_need_not_wait(scene: Scene) -> None:
    """It is called once, its answers are taken at once, and one that must be waited for all the same is; too few answers fail every parent."""
    calls: list[int] = []

    def each(parents: Sequence[Any], _info: Any, _arguments: dict[str, Any]) -> list[Any]:
        calls.append(len(parents))
        return [_waiting() if number else "at once" for number, _ in enumerate(parents)]

    scene.things = [Dog(), Dog()]
    scene.types["Dog"].fields["name"].extensions[BATCH] = each
    own, _ = scene.run("{ things { name } }")
    assert own.data == {"things": [{"name": "at once"}, {"name": "waited for"}]}
    assert calls == [2]
    scene.types["Dog"].fields["name"].extensions[BATCH] = lambda *_: ["one"]
    own, _ = scene.run("{ things { name } }")
    assert own.data == {"things": [{"name": None}, {"name": None}]}
    assert {error.message for error in own.errors or ()} == {"Dog.name answers 1 of 2 parents."}


def test_arguments_that_never_change_are_had_once(scene: Scene) -> None:
    """Literals are the same each time, variables are each execution's, and nobody gets another's table of them."""
    seen: list[dict[str, Any]] = []

    def each(parents: Sequence[Any], _info: Any, arguments: dict[str, Any]) -> list[Any]:
        seen.append(dict(arguments))
        arguments["count"] = "changed"
        return [[] for _ in parents]

    scene.types["Query"].fields["things"].extensions[BATCH] = each
    text = "query ($n: Int) { a: things { name } b: things(count: 3) { name } c: things(count: $n) { name } }"
    document = parse(text)
    for number in (5, 6, 7):
        executor = Executor.build(scene.schema, document, None, None, {"n": number})
        assert isinstance(executor, Executor)
        result = execute(executor, scene.plans)
        assert isinstance(result, ExecutionResult)
    assert seen == [{"count": count} for count in (2, 3, 5, 2, 3, 6, 2, 3, 7)]
