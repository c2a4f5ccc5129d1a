"""Relationships as batch functions: written once over a list of parents, run by either executor.

Owns the decorator `batched`. Under the reference executor all parents of one selection meet in a DataLoader; a compiled executor calls the same
function (found in `field.extensions["batch"]`) with a whole level. Called by `resolvers.types`.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import strawberry
from graphql import GraphQLResolveInfo
from strawberry.dataloader import DataLoader
from strawberry.types.field import StrawberryField

from gateway.engine.context import OperationContext
from gateway.loaders.ledger import FIELD
from gateway.loaders.wanted import NEEDS, Needs

__all__ = ["BATCH", "WAITS", "BatchInfo", "Info", "batched", "in_one_call"]

BATCH = "batch"
"""Where a field's batch function lies in its metadata."""
WAITS = "waits"
"""Where a field's metadata says that it waits for other fields."""

Info = strawberry.Info[OperationContext, None]


@dataclass(frozen=True, slots=True)
class BatchInfo:
    """What a batch function may know of the operation."""

    context: OperationContext


Batch = Callable[..., Awaitable[Sequence[Any]]]


def batched(
    *,
    type: Any,  # noqa: A002  # the word GraphQL uses
    description: str,
    needs: Needs | None = None,
    waits: bool = False,
) -> Callable[[Batch], Any]:
    """Make a field of `async def field(parents, info: BatchInfo, **arguments) -> Sequence[T | Exception]`.

    One element per parent in order; an exception as an element fails that parent alone. `needs`: what it takes from sources. `waits`: it waits
    for other fields (`context.settled`), so none may wait for it.
    """

    def decorate(batch: Batch) -> Any:
        async def resolve(self: Any, info: Info, **arguments: Any) -> Any:
            # One selection has one AST node and, within one operation, one set of argument values: the node names the batch.
            node = id(info._raw_info.field_nodes[0])  # noqa: SLF001  # the public Info does not show the node itself
            context = info.context
            loader = context.batches.get(node)
            if loader is None:
                path = info._raw_info.path  # noqa: SLF001  # likewise

                async def load(parents: list[Any]) -> Sequence[Any]:
                    FIELD.set(path)
                    return await batch(parents, BatchInfo(context), **arguments)

                loader = context.batches[node] = DataLoader(load, cache=False)
            answer = cast("asyncio.Future[Any]", loader.load(self))
            if not waits:
                context.begun(answer)
            return await answer

        given = inspect.signature(batch).parameters.values()
        own, asked = [*inspect.signature(resolve).parameters.values()][:2]
        parameters = [own.replace(annotation=Any), asked.replace(annotation=Info)]  # not by name: the batch's module need not know it
        resolve.__signature__ = inspect.Signature([*parameters, *list(given)[2:]])  # type: ignore[attr-defined]
        resolve.__annotations__ = {"info": Info, **{name: kind for name, kind in batch.__annotations__.items() if name not in _OWN}}
        resolve.__name__ = batch.__name__
        resolve.__qualname__ = batch.__qualname__
        resolve.__module__ = batch.__module__
        metadata = {BATCH: batch, WAITS: waits} if needs is None else {BATCH: batch, WAITS: waits, NEEDS: needs}
        return strawberry.field(resolver=resolve, graphql_type=type, description=description, metadata=metadata)

    return decorate


def in_one_call(field: StrawberryField, schema: strawberry.Schema) -> Callable[..., Awaitable[Sequence[Any]]]:
    """The batch function of a field as a compiled executor calls it: `(parents, info, arguments)`, with arguments from `arguments.as_written`."""
    batch, waits = field.metadata[BATCH], field.metadata[WAITS]

    async def call(parents: Sequence[Any], info: GraphQLResolveInfo[OperationContext], arguments: dict[str, Any]) -> Sequence[Any]:
        context = info.context
        FIELD.set(info.path)
        if waits or not context.wanted.reports:  # nobody will ask whether it was answered
            return cast("Sequence[Any]", await batch(list(parents), BatchInfo(context), **arguments))
        answered = asyncio.get_running_loop().create_future()
        context.begun(answered)
        try:
            return cast("Sequence[Any]", await batch(list(parents), BatchInfo(context), **arguments))
        finally:
            if not answered.done():
                answered.set_result(None)

    return call


_OWN = frozenset({"parents", "info", "return"})
