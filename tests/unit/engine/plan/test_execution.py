"""What the compiled executor promises beside equality: calls per level and no second ones, kept plans, and what it leaves to the reference."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from inspect import isawaitable
from typing import Any

import pytest
from graphql import ExecutionResult, GraphQLField, GraphQLSchema, build_schema, parse, validate
from graphql.execution import Executor

from gateway.engine.plan.execution import Plans, compiled, execute
from gateway.engine.plan.tree import BATCH, Reason, Unplannable

__all__: list[str] = []

SCHEMA = """
type Query { people: [Person!]! person(name: String!): Person fails: String must: Must things: [Thing!]! }
type Mutation { first: Int second: Int third: Int }
type Must { name: String! }
type Person implements Thing { name: String! friends(most: Int = 2): [Person!]! boss: Person age: Int }
type Robot implements Thing { name: String! maker: Person }
interface Thing { name: String! }
"""


class Person:
    """Somebody, with friends by number."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.name = f"Person {number}"
        self.age = number


class Robot:
    """Something that somebody made."""

    name = "Robot"


class Scene:
    """A schema and what its resolvers were asked."""

    def __init__(self) -> None:
        self.schema: GraphQLSchema = build_schema(SCHEMA)
        self.calls: list[tuple[str, int]] = []
        self.order: list[str] = []
        self.plans = Plans(self.attribute_of, at_once=True)
        fields = self.schema.type_map["Person"].fields  # type: ignore[attr-defined]
        fields["friends"].extensions[BATCH] = self.friends
        fields["boss"].extensions[BATCH] = self.bosses
        self.schema.type_map["Robot"].fields["maker"].extensions[BATCH] = self.bosses  # type: ignore[attr-defined]
        self.schema.type_map["Thing"].resolve_type = lambda value, *_: type(value).__name__  # type: ignore[attr-defined]
        query = self.schema.query_type.fields  # type: ignore[union-attr]
        query["people"].resolve = lambda *_: [Person(number) for number in range(3)]
        query["things"].resolve = lambda *_: [Person(1), Robot(), Person(2), Robot()]
        query["must"].resolve = lambda *_: self.told("must", Robot)
        query["fails"].resolve = self.failing

    @staticmethod
    def attribute_of(field: GraphQLField, name: str) -> str | None:
        """Fields without anything else are attributes."""
        return name if field.resolve is None and BATCH not in field.extensions else None

    def told(self, name: str, value: Any) -> Any:
        """Remember that it was asked for."""
        self.calls.append((name, 1))
        return value()

    def failing(self, *_: Any) -> Any:
        """Fail, and remember that."""
        self.calls.append(("fails", 1))
        raise ValueError("It failed.")

    async def friends(self, parents: Sequence[Person], _info: Any, arguments: dict[str, Any]) -> list[Any]:
        """The friends of each."""
        self.calls.append(("friends", len(parents)))
        await asyncio.sleep(0)
        return [[Person(parent.number + step) for step in range(arguments["most"])] for parent in parents]

    async def bosses(self, parents: Sequence[Any], _info: Any, _arguments: dict[str, Any]) -> list[Any]:
        """The boss of each; of the second it cannot be said."""
        self.calls.append(("bosses", len(parents)))
        await asyncio.sleep(0)
        return [LookupError("Nobody knows.") if number == 1 else Person(9) for number, _ in enumerate(parents)]

    def run(self, text: str, **variables: Any) -> ExecutionResult:
        """Execute a document; the second time its plan is kept."""
        document = parse(text)
        assert validate(self.schema, document) == []

        async def go() -> ExecutionResult:
            executor = Executor.build(self.schema, document, None, None, variables)
            assert isinstance(executor, Executor)
            answer = execute(executor, self.plans)
            result = await answer if isawaitable(answer) else answer
            assert isinstance(result, ExecutionResult)
            return result

        return asyncio.run(go())


@pytest.fixture(name="scene")
def _scene() -> Scene:
    return Scene()


def test_a_batch_function_is_called_once_per_level(scene: Scene) -> None:
    """Three people, six friends of theirs, twelve friends of those: three calls, each with all of its level."""
    result = scene.run("{ people { friends { friends { friends(most: 1) { name } } } } }")
    assert result.errors is None
    assert scene.calls == [("friends", 3), ("friends", 6), ("friends", 12)]


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("{ all: people { x: friends { name } } }", ["all", 0, "x"]),
        ("{ people { boss { y: friends { name } } } }", ["people", 0, "boss", "y"]),
        ("{ things { ... on Robot { maker { z: friends { name } } } } }", ["things", 1, "maker", "z"]),
    ],
)
def test_a_batch_function_is_told_where_its_first_parent_stands(scene: Scene, text: str, path: list[str | int]) -> None:
    """Its `info.path` leads to a place in the response, with aliases and indices: of the first of its parents."""
    told: list[Any] = []

    async def friends(parents: Sequence[Person], info: Any, arguments: dict[str, Any]) -> list[Any]:
        told.append(info.path.as_list())
        return [[] for _ in parents]

    scene.schema.type_map["Person"].fields["friends"].extensions[BATCH] = friends  # type: ignore[attr-defined]
    scene.run(text)
    assert told == [path]


def test_fields_of_one_level_run_side_by_side(scene: Scene) -> None:
    """Two batch functions of one selection wait for each other without either having to end."""
    meeting = asyncio.Barrier(2)

    async def meet(parents: Sequence[Any], _info: Any, _arguments: dict[str, Any]) -> list[Any]:
        async with asyncio.timeout(5):
            await meeting.wait()
        return [None for _ in parents]

    fields = scene.schema.type_map["Person"].fields  # type: ignore[attr-defined]
    fields["boss"].extensions[BATCH] = meet
    fields["age"].extensions[BATCH] = meet
    result = scene.run("{ people { boss { name } age } }")
    assert (result.errors, result.data) == (None, {"people": [{"boss": None, "age": None}] * 3})


def test_what_fails_is_not_asked_again(scene: Scene) -> None:
    """An element that failed, a resolver that raised and a null where none may be are told of, and everybody was asked once."""
    scene.schema.type_map["Must"].fields["name"].resolve = lambda *_: scene.told("name", lambda: None)  # type: ignore[attr-defined]
    result = scene.run("{ people { name boss { name } } fails must { name } }")
    assert result.data == {
        "people": [
            {"name": "Person 0", "boss": {"name": "Person 9"}},
            {"name": "Person 1", "boss": None},
            {"name": "Person 2", "boss": {"name": "Person 9"}},
        ],
        "fails": None,
        "must": None,
    }
    assert sorted((tuple(error.path or ()), error.message) for error in result.errors or ()) == [
        (("fails",), "It failed."),
        (("must", "name"), "Cannot return null for non-nullable field Must.name."),
        (("people", 1, "boss"), "Nobody knows."),
    ]
    assert sorted(scene.calls) == [("bosses", 3), ("fails", 1), ("must", 1), ("name", 1)]


def test_objects_of_several_types_keep_their_order(scene: Scene) -> None:
    """Each type's batch function gets its own objects, and the answer has them where they were."""
    result = scene.run("{ things { name ... on Robot { maker { name } } ... on Person { friends(most: 1) { name } } } }")
    assert result.data is not None
    assert [thing["name"] for thing in result.data["things"]] == ["Person 1", "Robot", "Person 2", "Robot"]
    assert result.data["things"][2]["friends"] == [{"name": "Person 2"}]
    assert sorted(scene.calls) == [("bosses", 2), ("friends", 2)]


def test_a_mutation_s_fields_run_one_after_the_other(scene: Scene) -> None:
    """The next one begins when the one before has ended, whatever failed."""

    def step(name: str) -> Any:
        async def resolve(*_: Any) -> int:
            scene.order.append(f"{name} begins")
            await asyncio.sleep(0)
            scene.order.append(f"{name} ends")
            if name == "second":
                raise ValueError("It failed.")
            return 1

        return resolve

    for name, field in scene.schema.mutation_type.fields.items():  # type: ignore[union-attr]
        field.resolve = step(name)
    result = scene.run("mutation { third first second }")
    assert result.data == {"third": 1, "first": 1, "second": None}
    assert scene.order == [f"{name} {what}" for name in ("third", "first", "second") for what in ("begins", "ends")]


def test_a_plan_is_made_once_for_each_choice_of_its_guards(scene: Scene) -> None:
    """Variables of @skip and @include choose among plans; others do not."""
    document = parse("query ($a: Boolean!, $name: String!) { people { name @include(if: $a) age } person(name: $name) { name } }")

    def plan(**variables: Any) -> Any:
        executor = Executor.build(scene.schema, document, None, None, variables)
        assert isinstance(executor, Executor)
        return scene.plans.plan(executor)

    one = plan(a=True, name="x")
    assert one is not None
    assert plan(a=True, name="y") is one
    assert plan(a=False, name="x") is not one


@pytest.mark.parametrize(
    "text",
    [
        "{ __schema { types { name } } }",
        '{ people { name } __type(name: "Person") { name } }',
        (
            "query ($a: Boolean!, $b: Boolean!, $c: Boolean!, $d: Boolean!, $e: Boolean!) { people { name @skip(if: $a) @include(if: $b)"
            " age @skip(if: $c) @include(if: $d) boss @skip(if: $e) { name } } }"
        ),
    ],
    ids=["schema", "type", "five guards"],
)
def test_what_is_not_compiled_is_answered_by_the_reference(scene: Scene, text: str) -> None:
    """Introspection and documents of many guards have no plan, and an answer all the same."""
    document = parse(text)
    variables = dict.fromkeys("abcde", False)
    executor = Executor.build(scene.schema, document, None, None, variables)
    assert isinstance(executor, Executor)
    assert scene.plans.plan(executor) is None
    assert scene.run(text, **variables).data is not None


REASONS = {
    Reason.INTROSPECTION: "{ __schema { description } }",
    Reason.PARTS: "{ people { ... @defer { age } } }",
    Reason.DIRECTIVES: 'query @told { person(name: "x") { name } }',
    Reason.FRAGMENT_VARIABLES: "{ people { ...F } } fragment F($most: Int) on Person { friends(most: $most) { name } }",
    Reason.GUARDS: "query ($a: Boolean, $b: Boolean, $c: Boolean, $d: Boolean, $e: Boolean) { people { name @skip(if: $a) @include(if: $b)"
    " age @skip(if: $c) @include(if: $d) boss @skip(if: $e) { name } } }",
    Reason.LARGE: "{ " + " ".join(f"a{number}: people {{ name }}" for number in range(2001)) + " }",
    Reason.NO_ROOT: "subscription { people { name } }",
}


@pytest.mark.parametrize("reason", REASONS, ids=lambda reason: reason.value)
def test_why_there_is_no_plan_is_told_each_time(scene: Scene, reason: Reason) -> None:
    """The reason is found once and told of each execution; it has a sentence of its own."""
    told: list[Reason] = []
    plans = Plans(scene.attribute_of, at_once=True, on_reference=told.append)
    document = parse(REASONS[reason], experimental_fragment_arguments=reason is Reason.FRAGMENT_VARIABLES)
    executor = Executor.build(scene.schema, document)
    assert isinstance(executor, Executor)
    assert [plans.plan(executor), plans.plan(executor)] == [None, None]
    assert told == [reason, reason]
    with pytest.raises(Unplannable, match=r"^[A-Z\d].*\.$") as raised:
        compiled(executor, scene.attribute_of)
    assert raised.value.reason is reason


def test_the_first_sight_is_told_apart(scene: Scene) -> None:
    """The first execution of an operation goes to the reference executor, and the next has its plan; with hooks there never is one."""
    told: list[Reason] = []
    plans = Plans(scene.attribute_of, on_reference=told.append)
    document = parse("{ people { name } }")
    executor = Executor.build(scene.schema, document)
    assert isinstance(executor, Executor)
    assert plans.plan(executor) is None
    assert plans.plan(executor) is not None
    hooked = Executor.build(scene.schema, document, middleware=[lambda resolve, *given, **named: resolve(*given, **named)])
    assert isinstance(hooked, Executor)
    assert plans.plan(hooked) is None
    assert told == [Reason.FIRST_SIGHT, Reason.HOOKS]


def test_names_of_clients_hide_nothing(scene: Scene) -> None:
    """Aliases that are words of Python, or names of the code, are keys like any other, deep and shallow."""
    names = (
        "o",
        "x",
        "x1",
        "e1",
        "known",
        "wrong",
        "lists",
        "id",
        "zip",
        "objects",
        "None",
        "class",
        "level_0",
        "c_boss",
        "v_o",
        "is_object",
    )
    text = " ".join(f"{name}: friends(most: 1) {{ {name}: name }} _{name}: age" for name in names)
    result = scene.run(f"{{ people {{ {text} }} }}")
    assert result.errors is None
    assert result.data is not None
    first = result.data["people"][0]
    assert first == {key: value for name in names for key, value in ((name, [{name: "Person 0"}]), (f"_{name}", 0))}


def test_the_code_of_a_plan_reads_well_and_has_nothing_of_a_client_in_it_but_names(scene: Scene) -> None:
    """Aliases are names of GraphQL; argument values and fragments' names never get into code."""
    document = parse('{ mine: person(name: "\\"); raise SystemExit  # ") { ...F } } fragment F on Person { name }')
    executor = Executor.build(scene.schema, document)
    assert isinstance(executor, Executor)
    made = scene.plans.plan(executor)
    assert made is not None
    assert '"mine": ' in made.written.text
    assert "SystemExit" not in made.written.text
    assert "F" not in made.written.text.replace("False", "").replace("None", "")


def test_a_plan_may_be_given_up_while_it_runs(scene: Scene) -> None:
    """Who cancels an execution cancels what it waits for."""
    ended = []

    async def wait(parents: Sequence[Any], _info: Any, _arguments: dict[str, Any]) -> list[Any]:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(len(parents))
        return []

    scene.schema.type_map["Person"].fields["boss"].extensions[BATCH] = wait  # type: ignore[attr-defined]

    async def go() -> None:
        document = parse("{ people { boss { name } friends { name } } }")
        executor = Executor.build(scene.schema, document)
        assert isinstance(executor, Executor)
        answer = execute(executor, scene.plans)
        assert isawaitable(answer)
        task = asyncio.ensure_future(answer)
        for _ in range(5):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(go())
    assert ended == [3]


def test_a_plan_is_made_when_an_operation_is_seen_again(scene: Scene) -> None:
    """What is sent once costs no code; and plans that are not used make room."""
    plans = Plans(scene.attribute_of, most=2)

    def executors() -> Executor[Any]:
        executor = Executor.build(scene.schema, parse("{ people { name } }"))
        assert isinstance(executor, Executor)
        return executor

    first, second, third = executors(), executors(), executors()
    assert plans.plan(first) is None
    made = plans.plan(first)
    assert made is not None
    assert plans.plan(first) is made
    assert [plans.plan(second), plans.plan(third)] == [None, None]
    assert plans.plan(first) is None
