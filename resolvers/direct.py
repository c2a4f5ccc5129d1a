"""Resolvers without the way through Strawberry: its field wrapper takes ten times as long as what most of ours do.

Owns `directly`, the resolver of a field as graphql-core calls it, and `for_all`, the same for all parents of a selection in one call, which a
compiled executor takes for fields that need not wait. Must not change what a resolver is given. Called by `schema`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Final, cast

import strawberry
from graphql import GraphQLResolveInfo
from strawberry.types.field import StrawberryField

from gateway.engine.context import OperationContext
from resolvers.arguments import as_written

__all__ = ["COLUMN", "directly", "for_all"]

COLUMN: Final = "column"
"""Where a field's metadata may hold `(parents, context) -> one value per parent`, which says what its resolver says of each."""

_Info = GraphQLResolveInfo[OperationContext]


def directly(field: StrawberryField, schema: strawberry.Schema) -> Callable[..., Any] | None:
    """The resolver of a field as it was written, called `(parent, info, **arguments)`; None: it has none, or more stands before it."""
    function = _taken(field)
    if function is None:
        return None
    convert, name = as_written(field, schema), _info_of(field)
    takes_parent, info_class = _takes_parent(field), schema.config.info_class

    def resolve(parent: Any, info: _Info, **arguments: Any) -> Any:
        named = convert(arguments)
        if name is not None:
            named[name] = info_class(_raw_info=info, _field=field)
        return function(parent, **named) if takes_parent else function(**named)

    return resolve


def for_all(field: StrawberryField, schema: strawberry.Schema) -> Callable[[Sequence[Any], _Info, dict[str, Any]], list[Any]] | None:
    """The same for all parents: one element for each, an exception where it failed; None: it may have to wait, or is none. Its arguments are
    converted already (`arguments.as_written`).

    All parents get one `info`, which says in what operation they are asked, but not where in the response each stands.
    """
    function = None if field.is_async else _taken(field)
    if function is None:
        return None
    name, takes_parent, info_class = _info_of(field), _takes_parent(field), schema.config.info_class
    column = cast("Callable[[Sequence[Any], OperationContext], list[Any]] | None", field.metadata.get(COLUMN))

    def resolve(parents: Sequence[Any], info: _Info, arguments: dict[str, Any]) -> list[Any]:
        if column is not None:
            with suppress(Exception):  # whose it is, is seen one by one
                return column(parents, info.context)
        named = arguments if name is None else {**arguments, name: info_class(_raw_info=info, _field=field)}
        answers: list[Any] = []
        for parent in parents:
            try:
                answers.append(function(parent, **named) if takes_parent else function(**named))
            except Exception as error:  # noqa: BLE001  # this parent's alone
                answers.append(error)
        return answers

    return resolve


def _taken(field: StrawberryField) -> Callable[..., Any] | None:
    """The function behind a field; None: it has none, or more stands before it."""
    resolver = field.base_resolver
    if resolver is None or field.extensions or field.permission_classes or resolver.parent_parameter or resolver.root_parameter:
        return None
    return cast("Callable[..., Any]", resolver.wrapped_func)


def _takes_parent(field: StrawberryField) -> bool:
    return field.base_resolver is not None and field.base_resolver.self_parameter is not None


def _info_of(field: StrawberryField) -> str | None:
    """What a resolver calls its `info`; None: it takes none."""
    asked = None if field.base_resolver is None else field.base_resolver.info_parameter
    return None if asked is None else asked.name
