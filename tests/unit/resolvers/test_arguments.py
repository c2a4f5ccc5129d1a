"""Arguments as functions in Python take them: what is worked out once per field is what Strawberry works out at every call."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest
from graphql import (
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLObjectType,
    is_list_type,
    is_non_null_type,
)
from strawberry.types.arguments import convert_arguments
from strawberry.types.field import StrawberryField

from resolvers.arguments import as_written
from resolvers.inputs.profile import ProfileRef
from resolvers.schema import _strawberry_schema

__all__: list[str] = []

SCHEMA = _strawberry_schema()
_FEWER = 0.3


def fields() -> Iterator[tuple[str, GraphQLField, StrawberryField]]:
    """Every field of the schema that takes arguments."""
    for kind in SCHEMA._schema.type_map.values():
        for name, field in kind.fields.items() if isinstance(kind, GraphQLObjectType) else ():
            made_from = field.extensions.get("strawberry-definition")
            if field.args and isinstance(made_from, StrawberryField):
                yield f"{kind.name}.{name}", field, made_from


FIELDS = {name: (field, made_from) for name, field, made_from in fields()}


def some(kind: GraphQLInputType, chance: random.Random, depth: int = 0) -> Any:
    """A value of the type as GraphQL coerces one."""
    if is_non_null_type(kind):
        kind = kind.of_type
    elif chance.random() < _FEWER:
        return None
    if is_list_type(kind):
        return [some(kind.of_type, chance, depth + 1) for _ in range(chance.randrange(3))]
    if isinstance(kind, GraphQLEnumType):
        return chance.choice(list(kind.values.values())).value
    if isinstance(kind, GraphQLInputObjectType):
        return {
            name: some(field.type, chance, depth + 1)
            for name, field in kind.fields.items()
            if is_non_null_type(field.type) or chance.random() > _FEWER
        }
    return chance.choice(["text", 7, True, {"a": [1]}])


@pytest.mark.parametrize("name", FIELDS)
def test_arguments_are_what_strawberry_makes_of_them(name: str) -> None:
    """For values of every shape that a field's arguments may have, both ways lead to equal arguments, and to none that was not given."""
    field, made_from = FIELDS[name]
    convert, chance = as_written(made_from, SCHEMA), random.Random(name)  # as many cases, and the same, in every process
    for _ in range(10):
        given = {key: some(one.type, chance) for key, one in field.args.items() if chance.random() > _FEWER}

        expected = convert_arguments(
            given, made_from.arguments, scalar_registry=SCHEMA.schema_converter.scalar_registry, config=SCHEMA.config
        )
        assert convert(given) == expected


def test_inputs_become_their_classes() -> None:
    """An input object becomes an instance of its class, whose fields that were not given are None."""
    _, made_from = FIELDS["Query.profile"]

    (by,) = as_written(made_from, SCHEMA)({"by": {"id": "prf_1"}}).values()

    assert isinstance(by, ProfileRef)
    assert (by.id, by.phone) == ("prf_1", None)


def test_lists_are_copied() -> None:
    """A list is a new one in every call: a default is the same object in all of them."""
    name, (field, made_from) = next((name, one) for name, one in FIELDS.items() if name.endswith(".identifiers") and "types" in one[0].args)
    types = ["email"]

    written = as_written(made_from, SCHEMA)({"types": types})

    assert (name, written["types"]) == (name, types)
    assert written["types"] is not types
    assert "types" in field.args
