"""Arguments of fields: from the values that GraphQL coerced them to, to the values their functions in Python are written for.

Owns `as_written`, which works out once per field what Strawberry's `convert_arguments` works out at every call: names in the other style, classes of
inputs. What it does not know is left to that one. Must not check a value: GraphQL did. Called by `direct` and `schema`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING
from typing import Any

import strawberry
from strawberry.relay import GlobalID
from strawberry.scalars import is_scalar
from strawberry.types.arguments import convert_argument
from strawberry.types.base import StrawberryList, StrawberryOptional, has_object_definition
from strawberry.types.enum import StrawberryEnumDefinition, has_enum_definition
from strawberry.types.field import StrawberryField
from strawberry.types.lazy_type import LazyType
from strawberry.types.unset import UNSET

__all__ = ["as_written"]

_Way = Callable[[Any], Any]
"""How a value that is not null is converted."""


def as_written(field: StrawberryField, schema: strawberry.Schema) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """A function from a field's arguments, as GraphQL has them, to those that its function in Python is written for."""
    known: list[tuple[str, str, _Way | None]] | None = None

    def convert(given: dict[str, Any]) -> dict[str, Any]:
        nonlocal known
        if known is None:  # when it is first asked: classes are named before they are there
            ways, name_of = _Ways(schema), schema.config.name_converter.from_argument
            known = [(name_of(one), one.python_name, ways.of(one.type)) for one in field.arguments]
        return _converted(known, given)

    return convert


def _converted(known: list[tuple[str, str, _Way | None]], given: Mapping[str, Any]) -> dict[str, Any]:
    """The values by their names in Python; what was not given is not there."""
    written: dict[str, Any] = {}
    for name, own, way in known:
        if name in given:
            value = given[name]
            written[own] = value if way is None or value is None or value is UNSET else way(value)
    return written


class _Ways:
    """How values of each type are converted; None: they are taken as they are."""

    def __init__(self, schema: strawberry.Schema) -> None:
        self._config = schema.config
        self._scalars = schema.schema_converter.scalar_registry
        self._inputs: dict[Any, _Way] = {}

    def of(self, kind: Any) -> _Way | None:
        """How a value of this type is converted."""
        if isinstance(kind, LazyType):
            return self.of(kind.resolve_type())
        if kind.__class__ is StrawberryOptional:
            return self.of(kind.of_type)
        if kind.__class__ is StrawberryList:
            return self._list(kind)
        if kind is not GlobalID and (
            is_scalar(kind, self._scalars) or isinstance(kind, StrawberryEnumDefinition) or has_enum_definition(kind)
        ):
            return None
        if has_object_definition(kind):
            definition = kind.__strawberry_definition__
            if definition.is_input and definition.from_input is None:
                return self._inputs.get(kind) or self._input(kind)
        return lambda value: convert_argument(value, kind, self._scalars, self._config)

    def _list(self, kind: StrawberryList) -> _Way:
        way = self.of(kind.of_type)
        if way is None:
            return list  # a copy: a default is the same list in every request
        return lambda values: [None if value is None else way(value) for value in values]

    def _input(self, kind: Any) -> _Way:
        known: list[tuple[str, str, _Way | None]] = []
        definition = kind.__strawberry_definition__
        absent = {one.python_name: None for one in definition.fields if one.default_value is MISSING and one.default_factory is MISSING}

        def make(given: Mapping[str, Any]) -> Any:
            return kind(**{**absent, **_converted(known, given)})

        self._inputs[kind] = make  # before its fields are looked at: one may be of the same class
        name_of = self._config.name_converter.from_field
        known.extend((name_of(one), one.python_name, self.of(one.resolve_type(type_definition=definition))) for one in definition.fields)
        return make
