"""What an operation begins with: the executor of an operation that was seen before is the one that graphql-core would build."""

from __future__ import annotations

import gc
from copy import copy
from typing import Any

import pytest
from graphql import GraphQLSchema, build_schema, parse
from graphql.execution import Executor
from graphql.pyutils import RefMap
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

from gateway.engine.starting import Executors

__all__: list[str] = []

DOCUMENT = """query A($n: Int! = 3, $in: In) { a(n: $n, in: $in) ...F } fragment F on Query { b } mutation B { c }"""
OWN = frozenset(
    {"async_helpers", "collected_errors", "_initial_execution_plans", "_deferred_execution_plans", "_stream_usages", "variable_values"}
)
"""Made anew for each executor, and never equal."""


@pytest.fixture(name="schema")
def _schema() -> GraphQLSchema:
    return build_schema("type Query { a(n: Int!, in: In): Int b: Int } type Mutation { c: Int } input In { x: Int! y: [Int!] }")


@pytest.mark.parametrize(
    "variables", [None, {}, {"n": 5}, {"n": 5, "in": {"x": 1, "y": 2}}, {"n": None}, {"in": {"z": 1}}, {"n": "5"}], ids=repr
)
@pytest.mark.parametrize("name", ["A", "B", "C", None])
def test_it_is_built_alike(schema: GraphQLSchema, name: str | None, variables: dict[str, Any] | None) -> None:
    """The first time, the second and the third: everything but what each execution has of its own; and the same errors."""
    document = parse(DOCUMENT)
    executors = Executors(schema, hide_suggestions=True)
    expected = StrawberryGraphQLCoreExecutionContext.build(
        schema, document, "root", "context", variables, operation_name=name, hide_suggestions=True
    )
    for _ in range(3):
        built = executors.build(document, name, variables, root="root", context="context")
        if isinstance(expected, list):
            assert isinstance(built, list)
            assert [error.formatted for error in built] == [error.formatted for error in expected]
            continue
        assert isinstance(built, Executor)
        other = vars(expected)
        own = {key: getattr(built, key) for key in other}
        assert vars(built).keys() <= other.keys()
        assert {key: own[key] for key in own.keys() - OWN} == {key: other[key] for key in other.keys() - OWN}
        assert built.variable_values.coerced == expected.variable_values.coerced
        assert all(type(own[key]) is type(other[key]) and own[key] is not other[key] for key in OWN)
        mine = {key for key, value in other.items() if isinstance(value, list | set | dict | RefMap)} - {
            "fragment_definitions",
            "fragments",
        }
        again = executors.build(document, name, variables, root="root", context="context")
        assert isinstance(again, Executor)
        assert mine
        assert all(own[key] is not getattr(again, key) for key in mine)  # nothing that one collects is another's
        assert all(getattr(copy(again), key) is getattr(again, key) for key in mine)  # but for its copies


def test_it_is_forgotten_with_its_document(schema: GraphQLSchema) -> None:
    """Whoever keeps documents decides how many: of one that is gone nothing is left, and another in its place is another."""
    executors = Executors(schema, hide_suggestions=True)
    for text in ("{ b }", "{ a(n: 1) }", "{ b }"):
        document = parse(text)
        for _ in range(2):
            built = executors.build(document, None, None, root=None, context=None)
            assert isinstance(built, Executor)
            assert built.operation is document.definitions[0]
        assert len(executors._known) == 1
        del document, built
        gc.collect()
        assert executors._known == {}
