"""The gateway's own schema with values made up: the types, arguments and ways of its fields, and resolvers that answer at random, much of it wrong.

What a field is in the product (an attribute, a resolver, a batch function that waits or does not) it is here. A value is made of a number, as in
`execution_worlds`, so that two executions of one document meet the same.
"""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from inspect import iscoroutinefunction
from random import Random
from typing import Any, Final

from graphql import (
    ArgumentNode,
    BooleanValueNode,
    DirectiveNode,
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLObjectType,
    InlineFragmentNode,
    NamedTypeNode,
    NameNode,
    OperationDefinitionNode,
    SelectionSetNode,
    TypeInfo,
    TypeInfoVisitor,
    VariableDefinitionNode,
    VariableNode,
    Visitor,
    get_named_type,
    is_composite_type,
    is_enum_type,
    is_leaf_type,
    is_list_type,
    print_ast,
    visit,
)

from gateway.engine.plan.tree import BATCH, CONVERT, NAMES
from resolvers.schema import attribute_of, build_schema
from tests.unit.engine.plan.execution_worlds import Failed, Thing, World, mixed

__all__ = ["Product", "dressed"]

_BEGIN: Final = datetime(2026, 1, 1, tzinfo=UTC)
_GOOD: Final[dict[str, Any]] = {
    "String": lambda n: f"text {n % 7}",
    "Int": lambda n: n % 1000,
    "Float": lambda n: n % 1000 / 4,
    "Boolean": lambda n: n % 2 == 0,
    "ID": lambda n: f"prf_{n % 1000}",
    "DateTime": lambda n: _BEGIN + timedelta(seconds=n % 100_000),
    "Date": lambda n: date(2026, 1, 1 + n % 28),
    "JSON": lambda n: (n % 9, {"n": n % 9}, f"json {n % 9}", [n % 9], False)[n % 5],
}
_ODD: Final = (None, 7, 1.5, True, "text", [], {}, 2**40, float("nan"), "")


class Product(World):
    """The product's schema. `trouble`: of a hundred values, how many are wrong."""

    def __init__(self) -> None:
        self.trouble = 0
        self.named = True
        self.salt = 0
        """Another number, other values."""
        self.calls: Counter[tuple[str, str, int]] = Counter()
        self.schema = build_schema()
        kinds = [kind for kind in self.schema.type_map.values() if isinstance(kind, GraphQLObjectType) and not kind.name.startswith("__")]
        self.classes = {kind.name: type(kind.name, (Thing,), {}) for kind in kinds}
        self._fields: dict[tuple[str, str], GraphQLField] = {}
        names = {made: name for name, made in self.classes.items()}
        for kind in self.schema.type_map.values():
            if NAMES in kind.extensions:
                kind.extensions[NAMES] = names
                kind.resolve_type = lambda value, *_: value.kind  # type: ignore[attr-defined]
        for kind in self.schema.type_map.values():
            if isinstance(kind, GraphQLInputObjectType):
                kind.is_one_of = False  # hypothesis-graphql does not know of @oneOf; arguments are graphql-core's with either executor
        for kind in kinds:
            for name, field in kind.fields.items():
                self._replace(kind.name, name, field)
        self._roots = {name: self._thing(name, 1) for name in ("Query", "Mutation")}
        self.root = self._roots["Query"]

    def begin(self, salt: int, trouble: int) -> None:
        """Other values from here on."""
        self.salt, self.trouble = salt, trouble

    def attribute_of(self, field: GraphQLField, name: str) -> str | None:
        """As the product's own."""
        attribute: str | None = field.extensions.get("made up attribute")
        return attribute

    def attribute(self, thing: Thing, name: str) -> Any:
        """What an attribute of an object is."""
        field = self._fields.get((thing.kind, name))
        if field is None:
            raise AttributeError(name)
        return self._value(field.type, mixed(thing.number, name, self.salt), waits=False)

    def _replace(self, kind: str, name: str, field: GraphQLField) -> None:
        attribute = attribute_of(field, name)
        if attribute is not None:
            field.extensions["made up attribute"] = attribute
            self._fields[kind, attribute] = field
            field.resolve = lambda thing, _info: getattr(thing, attribute)
            return
        batch = field.extensions.pop(BATCH, None)
        field.extensions.pop(CONVERT, None)
        waits = mixed(kind, name) % 2 == 0

        def resolve(thing: Any, info: Any, **given: Any) -> Any:
            number = mixed(thing.number, name, repr(sorted(given.items())), self.salt)
            self.calls[kind, f"{name}:{sorted(given.items())}", thing.number] += 1
            return self._waiting(field.type, number) if waits and batch is None else self._outcome(field.type, number)

        def each(things: Any, info: Any, given: dict[str, Any]) -> list[Any]:
            found: list[Any] = []
            for thing in things:
                try:
                    found.append(resolve(thing, info, **given))
                except Failed as error:
                    found.append(error)
            return found

        async def later(things: Any, info: Any, given: dict[str, Any]) -> list[Any]:
            return each(things, info, given)

        field.resolve = resolve
        if batch is not None:
            field.extensions[BATCH] = later if iscoroutinefunction(batch) or waits else each

    def _present(self, wanted: Any, number: int, *, waits: bool) -> Any:
        if is_enum_type(wanted):
            assert isinstance(wanted, GraphQLEnumType)
            values = [one.value for one in wanted.values.values()]
            return values[number % len(values)]
        if is_leaf_type(wanted):
            return _GOOD.get(wanted.name, _GOOD["String"])(number)
        return super()._present(wanted, number, waits=waits)

    def _wrong(self, wanted: Any, number: int) -> Any:
        named = get_named_type(wanted)
        if is_leaf_type(named) and number // 100 % 4 == 3 and not is_list_type(wanted):
            return _ODD[number // 1000 % len(_ODD)]
        return super()._wrong(wanted, number) if not is_leaf_type(named) or is_list_type(wanted) else Failed(f"given {number % 10}")


def dressed(document: DocumentNode, world: Product, rng: Random) -> DocumentNode:
    """The same document with what the generator leaves out: guards, fragments with names, fields that stand there twice."""
    info = TypeInfo(world.schema)
    dresser = _Dresser(info, rng)
    made: DocumentNode = visit(document, TypeInfoVisitor(info, dresser))
    text = " ".join([print_ast(made), *map(print_ast, dresser.fragments)])
    (operation,) = (one for one in made.definitions if isinstance(one, OperationDefinitionNode))
    if "$yes" not in text and "$no" not in text:
        return DocumentNode(definitions=(operation, *dresser.fragments))
    used = [name for name in ("yes", "no") if f"${name}" in text]
    variables = tuple(
        VariableDefinitionNode(
            variable=VariableNode(name=NameNode(value=name)),
            type=NamedTypeNode(name=NameNode(value="Boolean")),
            default_value=BooleanValueNode(value=name == "yes"),
            directives=(),
        )
        for name in used
    )
    asking = OperationDefinitionNode(
        operation=operation.operation, name=None, variable_definitions=variables, directives=(), selection_set=operation.selection_set
    )
    return DocumentNode(definitions=(asking, *dresser.fragments))


class _Dresser(Visitor):
    def __init__(self, info: TypeInfo, rng: Random) -> None:
        super().__init__()
        self._info = info
        self._rng = rng
        self.fragments: list[FragmentDefinitionNode] = []

    def leave_selection_set(self, node: SelectionSetNode, *_: Any) -> SelectionSetNode:
        """Guard some of what is selected, put some of it in fragments, and some there twice."""
        rng, kind = self._rng, self._info.get_parent_type()
        assert kind is None or is_composite_type(kind)
        shown: list[Any] = []
        for one in node.selections:
            choice = rng.random()
            if choice < 0.08 and isinstance(one, FieldNode | InlineFragmentNode):
                shown.append(self._guarded(one))
            elif choice < 0.12 and kind is not None:
                name = NameNode(value=f"F{len(self.fragments)}")
                on = NamedTypeNode(name=NameNode(value=kind.name))
                self.fragments.append(
                    FragmentDefinitionNode(
                        name=name,
                        type_condition=on,
                        variable_definitions=(),
                        directives=(),
                        selection_set=SelectionSetNode(selections=(one,)),
                    )
                )
                shown.append(FragmentSpreadNode(name=name, directives=(self._guard(),) if rng.random() < 0.5 else (), arguments=()))
            elif choice < 0.16:
                shown.append(InlineFragmentNode(type_condition=None, directives=(), selection_set=SelectionSetNode(selections=(one,))))
            elif choice < 0.2:
                shown += [one, one]
            else:
                shown.append(one)
        if rng.random() < 0.2:
            shown.append(FieldNode(name=NameNode(value="__typename"), alias=None, arguments=(), directives=(), selection_set=None))
        return SelectionSetNode(selections=tuple(shown))

    def _guarded(self, one: FieldNode | InlineFragmentNode) -> FieldNode | InlineFragmentNode:
        given = {key: getattr(one, key) for key in one.keys if key != "directives"}
        return type(one)(**given, directives=(self._guard(),))

    def _guard(self) -> DirectiveNode:
        name, variable = self._rng.choice(("skip", "include")), VariableNode(name=NameNode(value=self._rng.choice(("yes", "no"))))
        return DirectiveNode(name=NameNode(value=name), arguments=(ArgumentNode(name=NameNode(value="if"), value=variable),))
