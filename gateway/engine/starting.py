"""Executors of one schema: what an operation begins with.

Owns what is the same for every execution of an operation and is had once: which definition of the document it is, and its fragments. The only file
that touches Strawberry's execution context (its base class is not a public name; the tests fail loudly when it moves). Called by `executor`.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from types import MappingProxyType
from typing import Any, Final

from graphql import (
    DocumentNode,
    FragmentDefinitionNode,
    GraphQLError,
    GraphQLSchema,
    OperationDefinitionNode,
    default_field_resolver,
    default_type_resolver,
)
from graphql.execution import Executor
from graphql.execution.collect_fields import FragmentDetails
from graphql.execution.executor import CollectedErrors
from graphql.execution.values import VariableValues, get_variable_values
from graphql.pyutils import RefMap
from graphql.type import GraphQLResolveInfoHelpers
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

from gateway.engine.plan.execution import MOST_GUARDS, Compiled, Plans, guards

__all__ = ["Executors", "compile_plans"]

_MOST_ERRORS: Final = 50
"""Of variables, as graphql-core has it."""

_Execution = StrawberryGraphQLCoreExecutionContext

_FRESH: Final[Mapping[str, Callable[[], Any]]] = MappingProxyType(
    {
        "collected_errors": CollectedErrors,
        "pending_incremental_futures": set,
        "background_futures": set,
        "_relevant_sub_fields": dict,
        "_stream_usages": RefMap,
        "groups": list,
        "tasks": list,
        "streams": list,
        "_initial_execution_plans": RefMap,
        "_deferred_execution_plans": RefMap,
    }
)
"""What an executor collects while it runs; a plan needs none of it."""
_OWN: Final = frozenset({*_FRESH, "root_value", "context_value", "variable_values", "async_helpers"})


class _Again(_Execution):
    """An executor of an operation that was seen before: as its first one, except for what each execution has of its own."""

    def __init__(self, shared: Mapping[str, Any], root: object, context: object, values: VariableValues) -> None:
        self.__dict__.update(shared)
        self.root_value = root
        self.context_value = context
        self.variable_values = values

    def __getattr__(self, name: str) -> Any:
        """What is collected, from the moment somebody asks for it."""
        make = _FRESH.get(name)
        if make is None:
            raise AttributeError(name)
        made = self.__dict__[name] = make()
        return made

    def __copy__(self) -> _Again:
        """Copies share what is collected, but for what they replace."""
        for name in _FRESH:
            getattr(self, name)
        copied = object.__new__(_Again)
        copied.__dict__.update(self.__dict__)
        return copied

    @property
    def async_helpers(self) -> GraphQLResolveInfoHelpers:  # type: ignore[override]
        """For resolvers; not kept: it would keep its executor, until the collector comes."""
        return GraphQLResolveInfoHelpers(gather=self.gather_async_work, track=self.track_async_work)


@dataclass(frozen=True, slots=True)
class _Known:
    """An operation of a document that somebody keeps; it is forgotten together with the document. `shared`: of its executors."""

    document: weakref.ref[DocumentNode]
    operation: OperationDefinitionNode
    shared: Mapping[str, Any]


class Executors:
    """Builds executors as graphql-core's `Executor.build` does, without looking for the operation and its fragments again."""

    def __init__(self, schema: GraphQLSchema, *, hide_suggestions: bool) -> None:
        self._schema = schema
        self._hide_suggestions = hide_suggestions
        self._known: dict[tuple[int, str | None], _Known] = {}

    def build(
        self, document: DocumentNode, operation_name: str | None, variables: dict[str, Any] | None, *, root: object, context: object
    ) -> Executor[Any] | list[GraphQLError]:
        """An executor of a valid document's operation; errors instead where the variables are not what it takes."""
        known = self._known.get((id(document), operation_name))
        if known is None or known.document() is not document:
            return self._first(document, operation_name, variables, root, context)
        definitions = known.operation.variable_definitions
        if not definitions:
            return _Again(known.shared, root, context, VariableValues({}, {}))
        values = get_variable_values(
            self._schema, definitions, variables or {}, max_errors=_MOST_ERRORS, hide_suggestions=self._hide_suggestions
        )
        return values if isinstance(values, list) else _Again(known.shared, root, context, values)

    def _first(
        self, document: DocumentNode, operation_name: str | None, variables: dict[str, Any] | None, root: object, context: object
    ) -> Executor[Any] | list[GraphQLError]:
        built: Executor[Any] | list[GraphQLError] = _Execution.build(
            self._schema,
            document,
            root_value=root,
            context_value=context,
            raw_variable_values=variables,
            operation_name=operation_name,
            hide_suggestions=self._hide_suggestions,
        )
        if not isinstance(built, list):
            key, known = (id(document), operation_name), self._known

            def forget(gone: weakref.ref[DocumentNode]) -> None:
                kept = known.get(key)
                if kept is not None and kept.document is gone:
                    del known[key]

            shared = {name: value for name, value in vars(built).items() if name not in _OWN}
            known[key] = _Known(weakref.ref(document, forget), built.operation, shared)
        return built


def compile_plans(
    plans: Plans, schema: GraphQLSchema, document: DocumentNode, operation: OperationDefinitionNode, contexts: Sequence[object]
) -> int:
    """Make an operation's plans before it comes: one for each combination of the variables that decide what it selects, where they are few, and for
    each kind of context. How many there are; operations that have no plan are left to the reference executor.
    """
    definitions = {one.name.value: one for one in document.definitions if isinstance(one, FragmentDefinitionNode)}
    fragments = {name: FragmentDetails(one, None) for name, one in definitions.items()}
    names = guards(operation, fragments)
    if len(names) > MOST_GUARDS:
        return 0
    deciding = [one for one in operation.variable_definitions or () if one.variable.name.value in names]
    made: set[Compiled] = set()
    for values in product((False, True), repeat=len(names)):
        given = get_variable_values(schema, deciding, dict(zip(names, values, strict=True)))
        if isinstance(given, list):
            continue
        resolvers = default_field_resolver, default_type_resolver, default_field_resolver
        for context in contexts:
            executor = _Execution(schema, definitions, fragments, None, context, operation, given, *resolvers)
            plan = plans.make(executor)
            if isinstance(plan, Compiled):
                made.add(plan)
    return len(made)
