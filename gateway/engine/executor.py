"""Running one operation against any schema, with graphql-core as the reference executor.

Owns the order of things: prepare, run with fresh loaders, present errors, measure. The only file that touches Strawberry's execution context
(its base class is not a public name; the tests fail loudly when it moves). Called by transports through `prepare`, `execute`, `subscribe`.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from inspect import isawaitable
from typing import Any, cast

from graphql import ExecutionResult, GraphQLError, GraphQLSchema, execute, subscribe
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

from gateway.engine.context import OperationContext
from gateway.engine.documents import Documents, Prepared
from gateway.engine.masking import present, present_failure
from gateway.engine.request import Request
from gateway.observe import OPERATION_SECONDS, OPERATIONS

__all__ = ["Engine"]


class _Execution(StrawberryGraphQLCoreExecutionContext):
    """Gives every event of a subscription its own loaders: with the socket's, the second event would show what the first one saw."""

    def build_per_event_executor(self, payload: Any) -> Any:
        executor = super().build_per_event_executor(payload)
        executor.context_value = self.context_value.fork()
        return executor


class Engine:
    """Executes operations of one schema."""

    def __init__(self, schema: GraphQLSchema, *, introspection: bool = False) -> None:
        self._schema = schema
        self._hide_suggestions = not introspection
        self._documents = Documents(schema, introspection=introspection)

    def prepare(self, request: Request) -> Prepared:
        """Parse and validate (cached). Never raises: what is wrong stands in `errors`."""
        return self._documents.prepare(request)

    async def execute(self, prepared: Prepared, context: OperationContext) -> dict[str, Any]:
        """Run a query or a mutation; the response as it is encoded."""
        if prepared.errors is not None or prepared.document is None:
            return {"errors": prepared.errors}
        started = time.perf_counter()
        result = execute(
            self._schema,
            prepared.document,
            context_value=context.fork(),
            variable_values=prepared.request.variables,
            operation_name=prepared.request.operation_name,
            executor_class=_Execution,
            hide_suggestions=self._hide_suggestions,
        )
        response = _response(await result if isawaitable(result) else result)
        OPERATION_SECONDS.labels(prepared.operation_type).observe(time.perf_counter() - started)
        OPERATIONS.labels(prepared.operation_type, "errors" if "errors" in response else "ok").inc()
        return response

    async def subscribe(self, prepared: Prepared, context: OperationContext) -> AsyncGenerator[dict[str, Any]]:
        """Run a subscription; one response per event. A refusal at the start is a single response without `data`."""
        if prepared.errors is not None or prepared.document is None:
            yield {"errors": prepared.errors}
            return
        OPERATIONS.labels(prepared.operation_type, "ok").inc()
        stream = subscribe(
            self._schema,
            prepared.document,
            context_value=context.fork(),
            variable_values=prepared.request.variables,
            operation_name=prepared.request.operation_name,
            executor_class=_Execution,
            hide_suggestions=self._hide_suggestions,
        )
        events = await stream if isawaitable(stream) else stream
        if isinstance(events, ExecutionResult):
            yield {"errors": [present(error, "execute") for error in events.errors or ()]}
            return
        try:
            async with aclosing(cast("AsyncGenerator[ExecutionResult]", cast("AsyncIterator[Any]", events))) as results:
                async for result in results:
                    yield _response(result)
        except GraphQLError as error:
            yield {"errors": [present(error, "execute")]}
        except Exception as error:  # noqa: BLE001  # a stream that breaks says so under its own id
            yield {"errors": [present_failure(error)]}


def _response(result: ExecutionResult) -> dict[str, Any]:
    if not result.errors:
        return {"data": result.data}
    errors = [present(error, "execute") for error in result.errors]
    if result.data is None and all("path" not in error for error in errors):
        return {"errors": errors}  # refused before anything ran, e.g. by a variable
    return {"errors": errors, "data": result.data}
