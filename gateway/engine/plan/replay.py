"""The second half of an execution, the slow way: the reference executor over values that were had before.

Owns the making of an answer in which something is wrong: a null where none may be, a leaf that cannot be shown, a value that failed. No resolver runs
again: what was resolved is told again by path, and graphql-core completes it, so that its errors, their paths and what they null are the
specification's. Called by `execution`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, cast

from graphql import ExecutionResult, GraphQLResolveInfo
from graphql.execution import Executor
from graphql.execution.middleware import MiddlewareManager
from graphql.pyutils import Path

from gateway.engine.plan.levels import Frame
from gateway.engine.plan.tree import How

__all__ = ["replay"]

_Place = tuple[str | int, ...]


def replay(executor: Executor[Any], frame: Frame) -> ExecutionResult | Awaitable[ExecutionResult]:
    """The answer of an operation whose values are had."""
    had: dict[_Place, Any] = {}
    _record(frame, had)
    executor.middleware_manager = cast("MiddlewareManager", _Told(had))
    return cast("ExecutionResult | Awaitable[ExecutionResult]", executor.execute_operation())


def _record(frame: Frame, had: dict[_Place, Any]) -> None:
    places = [_place(path) for path in frame.paths()]
    for number, column in frame.columns.items():
        field = frame.plan.fields[number]
        if field.how is not How.TYPENAME:
            had.update(zip(((*place, field.key) for place in places), column, strict=True))
    for flat in frame.children.values():
        for part, _ in flat.parts:
            _record(part, had)


def _place(path: Path | None) -> _Place:
    return () if path is None else tuple(path.as_list())


class _Told:
    """What stands before every resolver: a value that was had is told, and nobody is asked again."""

    def __init__(self, had: dict[_Place, Any]) -> None:
        self._had = had

    def get_field_resolver(self, resolve: Callable[..., Any]) -> Callable[..., Any]:
        """See `MiddlewareManager`."""
        had = self._had

        def told(source: Any, info: GraphQLResolveInfo[Any], **arguments: Any) -> Any:
            place = _place(info.path)
            return had[place] if place in had else resolve(source, info, **arguments)

        return told
