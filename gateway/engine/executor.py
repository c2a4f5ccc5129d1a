"""Running one operation against any schema, by its plan or with graphql-core as the reference executor.

Owns the order of things: prepare, run with fresh loaders, present errors, measure. The only file that touches Strawberry's execution context
(its base class is not a public name; the tests fail loudly when it moves). Called by transports through `prepare`, `execute`, `subscribe`.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from inspect import isawaitable
from typing import Any, cast

from graphql import (
    ExecutionResult,
    Executor,
    GraphQLError,
    GraphQLSchema,
    create_source_event_stream,
)
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

from gateway.auth.principal import Principal
from gateway.engine.context import OperationContext
from gateway.engine.documents import Documents, Prepared
from gateway.engine.masking import present, present_failure, present_missing
from gateway.engine.plan.execution import Plans
from gateway.engine.plan.execution import execute as run_planned
from gateway.engine.request import Request
from gateway.observe import OPERATION_SECONDS, OPERATIONS
from gateway.storage.database import DELIVERING

__all__ = ["Engine"]


_Execution = StrawberryGraphQLCoreExecutionContext


class Engine:
    """Executes operations of one schema."""

    def __init__(self, schema: GraphQLSchema, *, introspection: bool = False, plans: Plans | None = None) -> None:
        """`plans`: of the compiled executor, which then takes what it can; None: the reference executor takes everything."""
        self._schema = schema
        self._plans = plans
        self._hide_suggestions = not introspection
        self._documents = Documents(schema, introspection=introspection)

    def prepare(self, request: Request, principal: Principal | None = None) -> Prepared:
        """Parse and validate (cached), and hold against the limits of the principal's kind. Never raises: what is wrong stands in `errors`."""
        return self._documents.prepare(request, principal)

    async def execute(self, prepared: Prepared, context: OperationContext) -> dict[str, Any]:
        """Run a query or a mutation; the response as it is encoded."""
        if prepared.errors is not None or prepared.document is None:
            return {"errors": prepared.errors}
        started = time.perf_counter()
        own = context.fork_for(prepared.wanted)
        executor = self._executor(prepared, own, None)
        response = _response(ExecutionResult(None, executor) if isinstance(executor, list) else await self._run(executor), own)
        OPERATION_SECONDS.labels(prepared.operation_type).observe(time.perf_counter() - started)
        OPERATIONS.labels(prepared.operation_type, "errors" if "errors" in response else "ok").inc()
        return response

    async def subscribe(self, prepared: Prepared, context: OperationContext) -> AsyncGenerator[dict[str, Any]]:
        """Run a subscription; one response per event. A refusal at the start is a single response without `data`."""
        if prepared.errors is not None or prepared.document is None:
            yield {"errors": prepared.errors}
            return
        DELIVERING.set(True)
        OPERATIONS.labels(prepared.operation_type, "ok").inc()
        source = await self._source(prepared, context)
        if isinstance(source, list):
            yield {"errors": [present(error, "execute") for error in source]}
            return
        try:
            async with aclosing(source):
                async for event in source:
                    own = context.fork_for(prepared.wanted)
                    executor = self._executor(prepared, own, event)
                    assert not isinstance(executor, list), "the same variables were fine when it began"
                    yield _response(await self._run(executor), own)
                    # Nothing of one event is kept until the next: thousands of streams wait at any time.
                    del event, executor, own
        except GraphQLError as error:
            yield {"errors": [present(error, "execute")]}
        except Exception as error:  # noqa: BLE001  # a stream that breaks says so under its own id
            yield {"errors": [present_failure(error)]}

    async def _run(self, executor: Executor[Any]) -> ExecutionResult:
        """The result of an operation, or of one event of it. One event's root fields run side by side, like a query's."""
        result = executor.execute_operation() if self._plans is None else run_planned(executor, self._plans)
        return cast("ExecutionResult", await result if isawaitable(result) else result)

    async def _source(self, prepared: Prepared, context: OperationContext) -> AsyncGenerator[Any] | list[GraphQLError]:
        """The events of a subscription as its resolver makes them, or why there are none."""
        executor = self._executor(prepared, context.fork_for(prepared.wanted), None)
        if isinstance(executor, list):
            return executor
        created = create_source_event_stream(executor)
        source = await created if isawaitable(created) else created
        return list(source.errors or ()) if isinstance(source, ExecutionResult) else cast("AsyncGenerator[Any]", source)

    def _executor(self, prepared: Prepared, own: OperationContext, root: object) -> Executor[Any] | list[GraphQLError]:
        """An executor with fresh loaders, `own`: with those of the operation, the second event would show what the first one saw.

        Made anew for each event: that takes 20 µs, and one that is kept weighs 5 kB, and more after its first event.
        """
        assert prepared.document is not None
        return _Execution.build(
            self._schema,
            prepared.document,
            root_value=root,
            context_value=own,
            raw_variable_values=prepared.request.variables,
            operation_name=prepared.request.operation_name,
            hide_suggestions=self._hide_suggestions,
        )


def _response(result: ExecutionResult, context: OperationContext) -> dict[str, Any]:
    """The response; a source whose part is missing is named in `errors`, once, also where every field could be answered without it."""
    failures = context.ledger.failures
    if not result.errors and not failures:
        return {"data": result.data}
    errors = [present(error, "execute") for error in result.errors or ()]
    if result.data is None and all("path" not in error for error in errors):
        return {"errors": errors}  # refused before anything ran, e.g. by a variable
    named = {error["extensions"].get("source") for error in errors}
    errors += [present_missing(one.source, one.code, one.message, one.path) for one in failures if one.source not in named]
    return {"errors": errors, "data": result.data} if errors else {"data": result.data}
