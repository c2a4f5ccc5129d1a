"""Relationships as batch functions: written once over a list of parents, run by either executor.

Owns the decorator `batched`. Under the reference executor all parents of one selection meet in a DataLoader; a compiled executor calls the same
function (found in `field.extensions["batch"]`) with a whole level. Called by `resolvers.types`.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import strawberry
from strawberry.dataloader import DataLoader

from gateway.engine.context import OperationContext

__all__ = ["BATCH", "BatchInfo", "Info", "batched"]

BATCH = "batch"
"""Where a field's batch function lies in its metadata."""

Info = strawberry.Info[OperationContext, None]


@dataclass(frozen=True, slots=True)
class BatchInfo:
    """What a batch function may know of the operation."""

    context: OperationContext


Batch = Callable[..., Awaitable[Sequence[Any]]]


def batched(*, type: Any, description: str) -> Callable[[Batch], Any]:  # noqa: A002  # the word GraphQL uses
    """Make a field of `async def field(parents, info: BatchInfo, **arguments) -> Sequence[T | Exception]`.

    One element per parent in order; an exception as an element fails that parent alone.
    """

    def decorate(batch: Batch) -> Any:
        async def resolve(self: Any, info: Info, **arguments: Any) -> Any:
            # One selection has one AST node and, within one operation, one set of argument values: the node names the batch.
            node = id(info._raw_info.field_nodes[0])  # noqa: SLF001  # the public Info does not show the node itself
            context = info.context
            loader = context.batches.get(node)
            if loader is None:

                async def load(parents: list[Any]) -> Sequence[Any]:
                    return await batch(parents, BatchInfo(context), **arguments)

                loader = context.batches[node] = DataLoader(load, cache=False)
            return await loader.load(self)

        given = inspect.signature(batch).parameters.values()
        own, asked = [*inspect.signature(resolve).parameters.values()][:2]
        parameters = [own.replace(annotation=Any), asked.replace(annotation=Info)]  # not by name: the batch's module need not know it
        resolve.__signature__ = inspect.Signature([*parameters, *list(given)[2:]])  # type: ignore[attr-defined]
        resolve.__annotations__ = {"info": Info, **{name: kind for name, kind in batch.__annotations__.items() if name not in _OWN}}
        resolve.__name__ = batch.__name__
        resolve.__qualname__ = batch.__qualname__
        resolve.__module__ = batch.__module__
        return strawberry.field(resolver=resolve, graphql_type=type, description=description, metadata={BATCH: batch})

    return decorate


_OWN = frozenset({"parents", "info", "return"})
