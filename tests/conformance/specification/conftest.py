"""Operations on schemas of a few lines, run by each executor: the reference, and the compiled one with values looked up and with attributes.

`run` executes one operation and gives the response as the specification formats it; `events` runs a subscription. A test says its answer literally:
that the executors agree is not enough when both could be wrong. Where the compiled executor is chosen and has no plan, the test fails.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from functools import cache
from inspect import isawaitable
from types import SimpleNamespace
from typing import Any

import pytest
from graphql import (
    ExecutionResult,
    GraphQLError,
    GraphQLField,
    GraphQLObjectType,
    GraphQLSchema,
    build_schema,
    create_source_event_stream,
    parse,
    validate,
)
from graphql.execution import Executor

from gateway.engine.plan.execution import Plans, execute
from gateway.engine.plan.tree import BATCH, Reason

__all__ = ["Obj", "Run"]

Obj = SimpleNamespace
"""An object with these attributes."""
Resolvers = Mapping[str, Callable[..., Any]]


class Run:
    """An executor under test. `way`: reference, compiled (values are looked up) or attributes (what has no resolver is read when it is written)."""

    def __init__(self, way: str) -> None:
        self.way = way
        self.without_plan: set[Reason] = set()
        """Why the compiled executor may leave an operation to the other."""

    def __call__(
        self,
        sdl: str,
        text: str,
        root: object = None,
        *,
        resolvers: Resolvers | None = None,
        batches: Resolvers | None = None,
        is_valid: bool = True,
        operation: str | None = None,
        **variables: Any,
    ) -> dict[str, Any]:
        """The response. `resolvers` and `batches` by `Type.field`; a name without a dot is an abstract type's `resolve_type`, and a batch function
        takes `(parents, info, arguments)`.
        """
        schema, document = self.schema(sdl, resolvers or {}, batches or {}), parse(text)
        assert not is_valid or validate(schema, document) == []

        async def go() -> dict[str, Any]:
            executor = Executor.build(schema, document, root, None, variables, operation)
            return {"errors": [_shown(one) for one in executor]} if isinstance(executor, list) else await self._response(executor)

        return asyncio.run(go())

    async def _response(self, executor: Executor[Any]) -> dict[str, Any]:
        found: Any = executor.execute_operation() if self.way == "reference" else execute(executor, self._plans())
        result = await found if isawaitable(found) else found
        assert isinstance(result, ExecutionResult)
        if not result.errors:
            return {"data": result.data}
        return {"data": result.data, "errors": sorted(map(_shown, result.errors), key=lambda one: str(one.get("path")))}

    async def events(
        self, sdl: str, text: str, source: Callable[..., AsyncIterator[Any]], *, resolvers: Resolvers | None = None, **variables: Any
    ) -> AsyncIterator[dict[str, Any]]:
        """The response to each event of a subscription whose only field has this source stream."""
        schema, document = self.schema(sdl, resolvers or {}, {}), parse(text)
        assert validate(schema, document) == []
        assert schema.subscription_type is not None
        (field,) = schema.subscription_type.fields.values()
        field.subscribe = source
        executor = Executor.build(schema, document, None, None, variables)
        if isinstance(executor, list):
            yield {"errors": [_shown(one) for one in executor]}
            return
        created = create_source_event_stream(executor)
        stream = await created if isawaitable(created) else created
        if isinstance(stream, ExecutionResult):
            yield {"errors": [_shown(one) for one in stream.errors or ()]}
            return
        try:
            async for event in stream:
                each = Executor.build(schema, document, event, None, variables)
                assert isinstance(each, Executor)
                yield await self._response(each)
        finally:
            if hasattr(stream, "aclose"):
                await stream.aclose()

    def _plans(self) -> Plans:
        def refused(reason: Reason) -> None:
            assert reason in self.without_plan, f"There is no plan: {reason}."

        return Plans(self._attribute if self.way == "attributes" else lambda *_: None, at_once=True, on_reference=refused)

    @staticmethod
    def _attribute(field: GraphQLField, name: str) -> str | None:
        return name if field.resolve is None and BATCH not in field.extensions else None

    def schema(self, sdl: str, resolvers: Resolvers, batches: Resolvers) -> GraphQLSchema:
        """The schema, with its resolvers put where they belong."""
        schema = _built(sdl)
        types: Any = schema.type_map
        for kind in types.values():
            if hasattr(kind, "resolve_type"):
                kind.resolve_type = lambda value, *_: value.kind
            elif isinstance(kind, GraphQLObjectType) and not kind.name.startswith("__"):  # those are every schema's
                for field in kind.fields.values():
                    field.resolve = field.subscribe = None
                    field.extensions.pop(BATCH, None)
        for place, resolve in resolvers.items():
            kind, _, name = place.partition(".")
            if name:
                types[kind].fields[name].resolve = resolve
            else:
                types[kind].resolve_type = resolve
        for place, batch in batches.items():
            kind, _, name = place.partition(".")
            field = types[kind].fields[name]
            field.extensions[BATCH], field.resolve = batch, _alone(batch)
        return schema


_built = cache(build_schema)
"""To build one takes longer than most tests do with it; `Run.schema` takes off what the test before put on."""


def _alone(batch: Callable[..., Any]) -> Callable[..., Any]:
    """A batch function as a resolver of one object."""

    def one(found: Any) -> Any:
        (value,) = found
        if isinstance(value, Exception):
            raise value
        return value

    async def later(found: Any) -> Any:
        return one(await found)

    def resolve(parent: Any, info: Any, **arguments: Any) -> Any:
        found = batch([parent], info, arguments)
        return later(found) if isawaitable(found) else one(found)

    return resolve


def _shown(error: GraphQLError) -> dict[str, Any]:
    """Message, path and the first location, as (line, column)."""
    where = [(one.line, one.column) for one in error.locations or ()]
    return {"message": error.message} | ({"at": where[0]} if where else {}) | ({"path": list(error.path)} if error.path else {})


@pytest.fixture(name="run", params=["reference", "compiled", "attributes"])
def _run(request: pytest.FixtureRequest) -> Run:
    return Run(request.param)
