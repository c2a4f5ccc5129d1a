"""Worlds for the equality of executors: schemas, data and documents drawn at random, in which much is wrong.

A value is made of a number, and everything below it of numbers made of that one, so that two executions of one document meet the same values whatever
their order: what fails fails in both, and what waits waits in both.
"""

from __future__ import annotations

import asyncio
import zlib
from collections import Counter
from collections.abc import Callable, Sequence
from enum import Enum
from random import Random
from typing import Any

from graphql import (
    GraphQLArgument,
    GraphQLBoolean,
    GraphQLEnumType,
    GraphQLField,
    GraphQLFloat,
    GraphQLID,
    GraphQLInt,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLScalarType,
    GraphQLSchema,
    GraphQLString,
    GraphQLUnionType,
    get_named_type,
    is_abstract_type,
    is_list_type,
    is_non_null_type,
    is_object_type,
)

from gateway.engine.plan.tree import BATCH, NAMES, SAME

__all__ = ["World", "document_of", "world_of"]


class Shade(Enum):
    """Values that are Python's own members."""

    LIGHT = 1
    DARK = 2


COLOUR = GraphQLEnumType("Colour", {"RED": 1, "GREEN": 2})
SHADE = GraphQLEnumType("Shade", {"PALE": Shade.LIGHT, "DEEP": Shade.DARK})
RAW = GraphQLScalarType("Raw", serialize=lambda value: value, extensions={SAME: True})
MOMENT = GraphQLScalarType("Moment", serialize=lambda value: f"at {value:d}")  # raises for what is no number
LEAVES = (GraphQLString, GraphQLInt, GraphQLFloat, GraphQLBoolean, GraphQLID, COLOUR, MOMENT, SHADE, RAW)
GOOD: dict[str, Callable[[int], Any]] = {
    "String": lambda n: f"text {n % 7}",
    "Int": lambda n: n % 1000,
    "Float": lambda n: n % 1000 / 4,
    "Boolean": lambda n: n % 2 == 0,
    "ID": lambda n: str(n % 1000),
    "Colour": lambda n: 1 + n % 2,
    "Moment": lambda n: n % 1000,
    "Shade": lambda n: tuple(Shade)[n % 2],
    "Raw": lambda n: ({"n": n % 9}, f"raw {n % 9}", n % 9)[n % 3],
}
ODD: dict[str, tuple[Any, ...]] = {
    "String": (7, 1.5, True, ["no text"], {}),
    "Int": (1.0, True, 2**40, 0.5, "12", "no number"),
    "Float": (3, True, float("nan"), float("inf"), "1.5", "no number"),
    "Boolean": (1, 0, 0.0, float("nan"), "yes"),
    "ID": (12, 1.0, 1.5, True, []),
    "Colour": (3, "RED", [], True),
    "Moment": ("no number", [], 1.5),
    "Shade": (1, "PALE", [], None),
    "Raw": (None, 0, "", [None], {}),
}


class Failed(Exception):
    """What a resolver of these worlds raises."""


class Thing:
    """An object: of a type, made of a number."""

    def __init__(self, world: World, kind: str, number: int) -> None:
        self._world = world
        self.kind = kind
        self.number = number

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return self._world.attribute(self, name)


def mixed(*parts: object) -> int:
    """A number made of others."""
    return zlib.crc32(repr(parts).encode())


class World:
    """A schema, and what its resolvers do. `calls`: how often each resolver was asked for each object."""

    def __init__(self, trouble: int, kinds: list[tuple[str, list[tuple[str, Any, str]]]], named: bool) -> None:
        """`trouble`: of a hundred values, how many are wrong; `kinds`: (name, fields) with (name, type, way); `named`: whether an object's type is
        known at once.
        """
        self.trouble = trouble
        self.named = named
        self.calls: Counter[tuple[str, str, int]] = Counter()
        self._types: dict[str, Any] = {}
        self.classes = {name: type(name, (Thing,), {}) for name, _ in kinds}
        # Where types are known at once, the classes of some tell them without a call; of others they must be asked all the same.
        told = {NAMES: {own: name for name, own in self.classes.items() if name != kinds[-1][0]}} if named else {}
        interface = GraphQLInterfaceType("Named", {"id": GraphQLField(GraphQLID)}, resolve_type=self._type_of, extensions=told)
        self._types["Named"] = interface
        for number, (name, fields) in enumerate(kinds):
            self._types[name] = GraphQLObjectType(
                name,
                lambda name=name, fields=fields: self._fields(name, fields),
                interfaces=[interface] if number % 2 == 0 else [],
                is_type_of=self._is_type_of(name) if number % 3 == 2 else None,
            )
        self._types["Any"] = GraphQLUnionType("Any", [self._types[name] for name, _ in kinds], resolve_type=self._type_of, extensions=told)
        self._types.update({leaf.name: leaf for leaf in LEAVES})
        self._ways = {(name, field): way for name, fields in kinds for field, _, way in fields}
        query = GraphQLObjectType("Query", lambda: self._fields("Query", kinds[0][1]))
        mutation = GraphQLObjectType("Mutation", lambda: self._fields("Mutation", kinds[0][1]))
        self._ways |= {(root, field): way for root in ("Query", "Mutation") for field, _, way in kinds[0][1]}
        self.schema = GraphQLSchema(query, mutation, types=[self._types[name] for name, _ in kinds])
        self.root = Thing(self, "Query", 1)

    def attribute_of(self, field: GraphQLField, name: str) -> str | None:
        """See `tree.make_plan`."""
        return name if field.extensions.get("way") == "attribute" else None

    def attribute(self, thing: Thing, name: str) -> Any:
        """What an attribute of an object is."""
        fields = self.schema.type_map[thing.kind].fields
        if name not in fields:
            raise AttributeError(name)
        return self._value(fields[name].type, mixed(thing.number, name), waits=False)

    def _fields(self, kind: str, fields: list[tuple[str, Any, str]]) -> dict[str, GraphQLField]:
        return {"id": GraphQLField(GraphQLID, extensions={"way": "attribute"}, resolve=_attribute("id"))} | {
            name: self._field(kind, name, described, way) for name, described, way in fields
        }

    def _field(self, kind: str, name: str, described: Any, way: str) -> GraphQLField:
        wanted = self._type(described)
        if way == "attribute":
            return GraphQLField(wanted, resolve=_attribute(name), extensions={"way": way})
        if way == "default":
            return GraphQLField(wanted)

        def resolve(thing: Any, info: Any, n: int = 0) -> Any:
            number = mixed(thing.number, name, n)
            self.calls[kind, f"{name}:{n}", thing.number] += 1
            if way == "waits":
                return self._waiting(wanted, number)
            return self._outcome(wanted, number)

        extensions: dict[str, Any] = {"way": way}
        if way == "batch":

            async def batch(things: Sequence[Thing], info: Any, arguments: dict[str, Any]) -> list[Any]:
                await asyncio.sleep(0)
                found = []
                for thing in things:
                    try:
                        found.append(resolve(thing, info, **arguments))
                    except Failed as error:
                        found.append(error)
                return found

            extensions[BATCH] = batch
        elif way == "each":

            def each(things: Sequence[Thing], info: Any, arguments: dict[str, Any]) -> list[Any]:
                found: list[Any] = []
                for thing in things:
                    try:
                        found.append(resolve(thing, info, **arguments))
                    except Failed as error:
                        found.append(error)
                return found

            extensions[BATCH] = each
        return GraphQLField(wanted, args={"n": GraphQLArgument(GraphQLInt, default_value=0)}, resolve=resolve, extensions=extensions)

    async def _waiting(self, wanted: Any, number: int) -> Any:
        await asyncio.sleep(0)
        return self._outcome(wanted, number)

    def _outcome(self, wanted: Any, number: int) -> Any:
        if number % 1000 < self.trouble * 3:
            raise Failed(f"failed {number % 10}")
        return self._value(wanted, mixed(number, "value"), waits=True)

    def _value(self, wanted: Any, number: int, *, waits: bool) -> Any:
        if is_non_null_type(wanted):
            if number % 100 >= self.trouble:
                return self._present(wanted.of_type, number, waits=waits)
            wanted = wanted.of_type
        elif number % 5 == 0:
            return None
        return self._present(wanted, number, waits=waits) if number % 100 >= self.trouble else self._wrong(wanted, number)

    def _present(self, wanted: Any, number: int, *, waits: bool) -> Any:
        if is_list_type(wanted):
            values = [self._value(wanted.of_type, mixed(number, index), waits=waits) for index in range(number % 4)]
            shape = number // 7 % 8
            if waits and shape == 0:
                return (value for value in values)
            if waits and shape == 1 and self.trouble:
                return [_later(value) for value in values]
            return tuple(values) if shape == 2 else values
        if is_object_type(wanted):
            return self._thing(wanted.name, number)
        if is_abstract_type(wanted):
            possible = sorted(kind.name for kind in self.schema.get_possible_types(wanted))
            return self._thing(possible[number // 11 % len(possible)], number)
        return GOOD[wanted.name](number)

    def _thing(self, kind: str, number: int) -> Thing:
        return self.classes.get(kind, Thing)(self, kind, number)

    def _wrong(self, wanted: Any, number: int) -> Any:
        choice = number // 100 % 4
        if choice == 0:
            return None
        if choice == 1:
            return Failed(f"given {number % 10}")
        if is_list_type(wanted):
            return 7 if choice == 2 else "no list"
        named = get_named_type(wanted)
        if named.name in ODD:
            odd = ODD[named.name]
            return odd[number // 1000 % len(odd)]
        return Thing(self, "Nothing", number) if is_abstract_type(named) else Thing(self, named.name, number)

    def _type(self, described: Any) -> Any:
        sort, inner = described
        if sort == "list":
            return GraphQLList(self._type(inner))
        if sort == "must":
            return GraphQLNonNull(self._type(inner))
        return self._types[inner]

    def _type_of(self, value: Any, _info: Any, _abstract: Any) -> Any:
        return value.kind if self.named or value.number % 2 else _later(value.kind)

    def _is_type_of(self, name: str) -> Callable[[Any, Any], Any]:
        def is_type_of(value: Any, _info: Any) -> Any:
            is_own = value.kind == name and not (self.trouble and value.number % 13 == 0)
            return is_own if self.named or value.number % 3 else _later(is_own)

        return is_type_of


async def _later(value: Any) -> Any:
    await asyncio.sleep(0)
    if isinstance(value, Exception):
        raise value
    return value


def _attribute(name: str) -> Callable[..., Any]:
    def read(thing: Any, _info: Any) -> Any:
        return getattr(thing, name)

    return read


KINDS = ("Ant", "Bee", "Cat", "Dog")


def world_of(rng: Random) -> World:
    """A world of a few types that refer to each other."""
    names = KINDS[: rng.randint(2, len(KINDS))]
    kinds = []
    for name in names:
        fields = []
        for number in range(rng.randint(1, 4)):
            way = rng.choice(("attribute", "attribute", "default", "sync", "waits", "batch", "each"))
            fields.append((f"leaf{number}", _wrapped(rng, rng.choice(LEAVES).name), way))
        for number in range(rng.randint(1, 3)):
            way = rng.choice(("attribute", "default", "sync", "waits", "batch", "batch", "each"))
            fields.append((f"below{number}", _wrapped(rng, rng.choice((*names, "Named", "Any"))), way))
        kinds.append((name, fields))
    return World(rng.choice((0, 0, 2, 8, 25)), kinds, rng.random() < 0.5)


def _wrapped(rng: Random, name: str) -> Any:
    described: Any = ("named", name)
    for _ in range(rng.choice((0, 0, 0, 1, 1, 2))):
        if rng.random() < 0.4:
            described = ("must", described)
        described = ("list", described)
    return ("must", described) if rng.random() < 0.3 else described


def document_of(rng: Random, world: World) -> tuple[str, dict[str, bool]]:
    """A valid document for a world, and its variables."""
    return _Documents(rng, world).document()


class _Documents:
    def __init__(self, rng: Random, world: World) -> None:
        self._rng = rng
        self._world = world
        self._budget = rng.randint(3, 25)
        self._fragments: list[str] = []

    def document(self) -> tuple[str, dict[str, bool]]:
        sort = self._rng.choice(("query", "query", "mutation"))
        root = self._world.schema.query_type if sort == "query" else self._world.schema.mutation_type
        body = self._selection(root, 4)
        whole = f"{sort} Q($yes: Boolean = true, $no: Boolean!) {body} {' '.join(self._fragments)}"
        return whole, {"no": self._rng.random() < 0.5} | self._rng.choice(({}, {"yes": True}, {"yes": False}))

    def _guard(self) -> str:
        return self._rng.choice(("", "", "", " @include(if: $yes)", " @skip(if: $no)", " @include(if: $no)", " @skip(if: false)"))

    def _selection(self, kind: Any, depth: int) -> str:
        rng = self._rng
        possible = [kind] if is_object_type(kind) else sorted(self._world.schema.get_possible_types(kind), key=lambda one: one.name)
        parts = [part for name, field in self._fields_of(kind) if (part := self._field(possible, name, field, depth))]
        if rng.random() < 0.5:
            parts.append("__typename")
        if depth > 0 and self._budget > 0 and (len(possible) > 1 or rng.random() < 0.3):
            chosen = rng.choice(possible)
            inner = self._selection(chosen, depth - 1)
            if rng.random() < 0.5:
                parts.append(f"... on {chosen.name}{self._guard()} {inner}")
            else:
                self._fragments.append(f"fragment F{len(self._fragments)} on {chosen.name} {inner}")
                name = f"...F{len(self._fragments) - 1}"
                parts += [f"{name}{self._guard()}" for _ in range(rng.randint(1, 2))]
        return "{ " + " ".join(parts or ["__typename"]) + " }"

    @staticmethod
    def _fields_of(kind: Any) -> list[tuple[str, GraphQLField]]:
        return [] if isinstance(kind, GraphQLUnionType) else list(kind.fields.items())

    def _field(self, possible: list[Any], name: str, field: GraphQLField, depth: int) -> str | None:
        if self._budget <= 0 or self._rng.random() < 0.5:
            return None
        self._budget -= 1
        named = get_named_type(field.type)
        is_composite = is_object_type(named) or is_abstract_type(named)
        if is_composite and depth <= 0:
            return None
        # Two of one name with other arguments, or of other types, do not merge: the alias says which it is.
        number = self._rng.choice((0, 0, 1)) if field.args else 0
        alias = f"{possible[0].name.lower() if len(possible) == 1 else 'any'}_{name}_{number}"
        below = " " + self._selection(named, depth - 1) if is_composite else ""
        return f"{alias}: {name}{f'(n: {number})' if field.args else ''}{self._guard()}{below}"
