"""Running one operation against any schema, by its plan or with graphql-core as the reference executor.

Owns the order of things: prepare, run with fresh loaders, present errors, measure. Called by transports through `prepare`, `execute`, `subscribe`.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from contextlib import aclosing
from dataclasses import replace
from functools import cache, partial
from inspect import isawaitable
from typing import Any, Final, cast
from uuid import UUID

import structlog
from graphql import (
    ExecutionResult,
    Executor,
    GraphQLError,
    GraphQLSchema,
    create_source_event_stream,
)

from gateway.auth.principal import Principal, Role
from gateway.engine.context import OperationContext, Services
from gateway.engine.documents import Documents, Prepared
from gateway.engine.groups import Answer, Groups
from gateway.engine.limits import DocumentLimits
from gateway.engine.manifests import trusted_documents
from gateway.engine.masking import present, present_failure, present_missing
from gateway.engine.plan.execution import Plans
from gateway.engine.plan.execution import execute as run_planned
from gateway.engine.plan.tree import AttributeOf, Reason
from gateway.engine.request import Request
from gateway.engine.starting import Executors, compile_plans
from gateway.engine.trusted import NO_DOCUMENTS, TrustedDocuments
from gateway.observe import OPERATION_SECONDS, OPERATIONS, REFERENCE_EXECUTIONS
from gateway.settings import Settings
from gateway.storage.database import DELIVERING

__all__ = ["Engine"]

log = structlog.get_logger()

_LIMITS = DocumentLimits()
_NOBODY: Final = Principal(UUID(int=0), "", "", "", Role.AGENT, frozenset(), None, None)


class Engine:
    """Executes operations of one schema."""

    def __init__(
        self,
        schema: GraphQLSchema,
        *,
        introspection: bool = False,
        plans: Plans | None = None,
        limits: DocumentLimits = _LIMITS,
        trusted: TrustedDocuments = NO_DOCUMENTS,
        trusted_plans: Plans | None = None,
    ) -> None:
        """`plans`: of the compiled executor, which then takes what it can; None: the reference executor takes everything. `trusted_plans`: those of
        `trusted`, which clients' documents must not drive out.

        Raises:
            ConfigurationError: a trusted document is not valid.
        """
        self._schema = schema
        self._plans = plans
        self._executors = Executors(schema, hide_suggestions=not introspection)
        self._limits = limits
        started = time.perf_counter()
        self._documents = Documents(schema, introspection=introspection, limits=limits, trusted=trusted)
        self._reading = time.perf_counter() - started
        self._trusted_plans = trusted_plans
        self._trusted = frozenset(id(document) for document, _ in self._documents.stored())
        self._groups = Groups(self._once)

    @classmethod
    def of(cls, settings: Settings, schema: GraphQLSchema, attributes_for: Callable[[OperationContext], AttributeOf]) -> Engine:
        """As the settings want it. `attributes_for`: see `Plans`.

        Raises:
            ConfigurationError: trusted documents cannot be read, or are not valid.
        """
        make = partial(Plans, attributes_for=attributes_for, on_reference=_count)
        is_compiled = settings.executor == "compiled"
        return cls(
            schema,
            introspection=settings.dev,
            plans=make() if is_compiled else None,
            limits=DocumentLimits.of(settings),
            trusted=trusted_documents(settings),
            trusted_plans=make(most=sys.maxsize, at_once=True) if is_compiled else None,
        )

    def prepare(self, request: Request, principal: Principal | None = None) -> Prepared:
        """Parse and validate (cached), and hold against the limits of the principal's kind. Never raises: what is wrong stands in `errors`."""
        return self._documents.prepare(request, principal)

    async def compile_trusted(self, services: Services, workspaces: Iterable[str] = ()) -> None:
        """Make the plans of the trusted documents before the first of them comes. `workspaces`: keys of those that have sources of their own; what
        is an attribute depends on these.
        """
        contexts = [OperationContext(replace(_NOBODY, workspace_key=key), services) for key in sorted({"", *workspaces})]
        started, plans = time.perf_counter(), 0
        for document, operation in self._documents.stored():
            if self._trusted_plans is not None:
                plans += compile_plans(self._trusted_plans, self._schema, document, operation, contexts)
            await asyncio.sleep(0)  # hundreds of them take seconds
        if self._trusted:
            seconds = time.perf_counter() - started + self._reading
            log.info("documents.trusted", documents=len(self._trusted), plans=plans, seconds=round(seconds, 3))

    async def execute(self, prepared: Prepared, context: OperationContext) -> dict[str, Any]:
        """Run a query or a mutation; the response as it is encoded."""
        if prepared.errors is not None or prepared.document is None:
            return {"errors": prepared.errors}
        started = time.perf_counter()
        own = context.fork_for(prepared.wanted)
        own.cost = prepared.cost
        executor = self._executor(prepared, own, None)
        if isinstance(executor, list):
            result = ExecutionResult(None, executor)
        else:
            running = self._begun(executor, prepared)
            result = running if isinstance(running, ExecutionResult) else await running
        response = _response(result, own)
        own.close()
        _seconds(prepared.operation_type).observe(time.perf_counter() - started)
        _operations(prepared.operation_type, "errors" if "errors" in response else "ok").inc()
        asked = prepared.request.extensions
        if asked is not None and asked.get("cost") is True:
            most = self._limits.cost_for(context.principal)
            response["extensions"] = {"cost": {"requestedQueryCost": prepared.cost, "maximumQueryCost": most}}
        return response

    async def subscribe(self, prepared: Prepared, context: OperationContext) -> AsyncGenerator[Answer]:
        """Run a subscription; one response per event, as bytes that others may share. A refusal at the start is a single response without `data`."""
        if prepared.errors is not None or prepared.document is None:
            yield {"errors": prepared.errors}
            return
        DELIVERING.set(True)
        _operations(prepared.operation_type, "ok").inc()
        source = await self._source(prepared, context)
        if isinstance(source, list):
            yield {"errors": [present(error, "execute") for error in source]}
            return
        member = self._groups.join(prepared, context)
        try:
            async with aclosing(source):
                async for event in source:
                    yield await member.answer(event)
                    del event  # nothing of one event is kept until the next: thousands of streams wait at any time
        except GraphQLError as error:
            yield {"errors": [present(error, "execute")]}
        except Exception as error:  # noqa: BLE001  # a stream that breaks says so under its own id
            yield {"errors": [present_failure(error)]}
        finally:
            member.leave()

    async def _once(self, prepared: Prepared, own: OperationContext, event: object) -> dict[str, Any]:
        """The response to one event of a subscription."""
        executor = self._executor(prepared, own, event)
        assert not isinstance(executor, list), "the same variables were fine when it began"
        running = self._begun(executor, prepared)
        response = _response(running if isinstance(running, ExecutionResult) else await running, own)
        own.close()
        return response

    def _begun(self, executor: Executor[Any], prepared: Prepared) -> ExecutionResult | Awaitable[ExecutionResult]:
        """The result of an operation, or of one event of it. One event's root fields run side by side, like a query's."""
        plans = self._trusted_plans if self._trusted and id(prepared.document) in self._trusted else self._plans
        result = executor.execute_operation() if plans is None else run_planned(executor, plans)
        return cast("ExecutionResult | Awaitable[ExecutionResult]", result)

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

        Made anew for each event: that takes 5 µs, and one that is kept weighs 5 kB, and more after its first event.
        """
        assert prepared.document is not None
        request = prepared.request
        return self._executors.build(prepared.document, request.operation_name, request.variables, root=root, context=own)


def _count(reason: Reason) -> None:
    REFERENCE_EXECUTIONS.labels(reason.value).inc()


_seconds = cache(OPERATION_SECONDS.labels)
"""By type of operation; to look a metric's child up by its labels takes ten times as long as to count."""
_operations = cache(OPERATIONS.labels)
"""By type of operation and outcome."""


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
