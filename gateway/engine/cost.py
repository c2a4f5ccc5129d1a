"""What an operation may cost at most, told before it runs: an expression over its variables, worked out once per document.

Owns the model, in the sense of the cost directives of IBM and Apollo (`@cost`, `@listSize`): a leaf 0, an object 1 (an edge is none of its own), a
list its size times what is in it, a page its `first` or `last`; and one thing they have no word for: a call of the sources, which serves all parents
at once and so counts once for each place in the document. The schema's fields declare what differs from that (in their extensions). Called by
`engine.documents`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from graphql import (
    BooleanValueNode,
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLArgument,
    GraphQLField,
    GraphQLInt,
    GraphQLSchema,
    InlineFragmentNode,
    IntValueNode,
    ListValueNode,
    NullValueNode,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    Undefined,
    ValueNode,
    VariableNode,
    get_named_type,
    get_nullable_type,
    is_abstract_type,
    is_composite_type,
    is_list_type,
)
from graphql.utilities import value_from_ast_untyped

from gateway.engine.sums import MOST, Factor, Guard, Later, Program, Size, Step, Value
from gateway.model.page import MAX_PAGE

__all__ = ["COST", "LIST", "MOST", "PAGE", "Cost", "Costs", "OperationCost"]

COST: Final = "cost"
"""Where a schema's field holds its `Cost`, in its extensions."""
PAGE: Final = 20
"""Items of a page when the operation does not say how many."""
LIST: Final = 5
"""Items of a list that is no page and declares no size."""
MUTATION: Final = 10
"""Of each root field of a mutation."""
_PAGED: Final = ("first", "last")
_ITEMS: Final = frozenset({"edges", "nodes"})
_NODE: Final = "node"
"""What an edge leads to; it is no object of its own."""
_REMEMBERED: Final = 64
"""Combinations of sizes of one operation whose cost is remembered."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What a field declares. `weight`: of each value (1 for objects, 0 for leaves); `call`: of the field, once for all its parents; `size`: items of
    the list when the operation does not say; `sized_by`: lists among its arguments that have as many items as it; `most`: items of a page.
    """

    weight: int | None = None
    call: int = 0
    size: int | None = None
    sized_by: tuple[str, ...] = ()
    most: int = MAX_PAGE


_NOTHING: Final = Cost()


_Both = tuple[Value, Value]
"""What is multiplied by its parents, and what counts once."""


class OperationCost:
    """The cost of one operation of a valid document."""

    __slots__ = ("_constant", "_defaults", "_last", "_names", "_pages", "_remembered", "_steps")

    def __init__(self, program: Program, total: Value, defaults: Mapping[str, Any]) -> None:
        self._steps: Sequence[Step] = tuple(program.steps[: total.step + 1]) if isinstance(total, Later) else ()
        self._last = -1
        self._constant = total if isinstance(total, int) else 0
        self._names = tuple(program.names)
        self._pages = program.pages
        self._defaults = dict(defaults)
        self._remembered: dict[tuple[Any, ...], int] = {}

    def of(self, variables: Mapping[str, Any] | None) -> int:
        """The cost with these variables, as the client sent them; `MOST` at most."""
        if not self._steps:
            return self._constant
        given = self._defaults if not variables else {**self._defaults, **variables} if self._defaults else variables
        key = tuple([_told(given.get(name)) for name in self._names])
        known = self._remembered.get(key)
        if known is None:
            values = dict(zip(self._names, key, strict=True))
            done: list[int] = []
            for step in self._steps:
                done.append(min(MOST, step(done, values)))
            known = done[-1]
            if len(self._remembered) >= _REMEMBERED:
                self._remembered.clear()
            self._remembered[key] = known
        return known

    def page_over(self, variables: Mapping[str, Any] | None) -> tuple[str, int, int] | None:
        """A page that is too large: its argument, the limit, and what was asked for."""
        for argument, value, most in self._pages:
            size = value
            if isinstance(value, str):
                size = (variables or {}).get(value, self._defaults.get(value))
            if size.__class__ is int and size > most:
                return argument, most, min(size, MOST)
        return None


def _told(value: Any) -> Any:
    """What matters of a variable: a number, the length of a list, or yes and no. Numbers and truths are no longer equal."""
    kind = value.__class__
    if kind is int:
        return min(value, MOST)
    if kind is list:
        return len(value)
    if kind is bool:
        return "yes" if value else "no"
    return 1 if kind is dict or kind is str else None  # one thing stands for a list of it


class Costs:
    """Works out costs of valid documents of one schema."""

    def __init__(self, schema: GraphQLSchema) -> None:
        self._schema = schema

    def of(self, document: DocumentNode, operation: OperationDefinitionNode) -> OperationCost:
        """The cost of one of its operations."""
        fragments = {node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)}
        program = Program()
        walk = _Walk(self._schema, fragments, program)
        root = self._schema.get_root_type(operation.operation)
        weight = MUTATION if operation.operation is OperationType.MUTATION else None
        each, once = walk.selected(operation.selection_set, root, None, root_weight=weight)
        defaults = {
            one.variable.name.value: value_from_ast_untyped(one.default_value)
            for one in operation.variable_definitions or ()
            if one.default_value is not None and one.variable.name.value in program.names
        }
        return OperationCost(program, program.total([each, once]), defaults)


class _Walk:
    """Over the selections of one operation; a fragment is looked into once for each size of what it is spread on."""

    def __init__(self, schema: GraphQLSchema, fragments: Mapping[str, FragmentDefinitionNode], program: Program) -> None:
        self._schema = schema
        self._fragments = fragments
        self._program = program
        self._known: dict[tuple[str, Factor | None, int | None], _Both] = {}
        self._sizes: dict[tuple[int, int | None, tuple[str, ...]], Size] = {}

    def selected(self, given: SelectionSetNode, parent: Any, items: Factor | None, *, root_weight: int | None = None) -> _Both:
        """Of a selection on one object of this type. `items`: how many its lists of items have, where it is a page."""
        always: list[_Both] = []
        by_type: dict[Any, list[_Both]] = {}
        for node in given.selections:
            there = self._there(node)
            if there == 0:
                continue
            if isinstance(node, FieldNode):
                field = getattr(parent, "fields", {}).get(node.name.value)
                cost = (0, 0) if field is None else self._field(node, field, items, root_weight)  # __typename, __schema
                into = always
            elif isinstance(node, InlineFragmentNode):
                condition = parent if node.type_condition is None else self._schema.get_type(node.type_condition.name.value)
                cost = self.selected(node.selection_set, condition, items, root_weight=root_weight)
                into = always if condition is parent else by_type.setdefault(condition, [])
            elif isinstance(node, FragmentSpreadNode):
                fragment = self._fragments[node.name.value]
                condition = self._schema.get_type(fragment.type_condition.name.value)
                cost = self._fragment(fragment, condition, items, root_weight)
                into = always if condition is parent else by_type.setdefault(condition, [])
            else:
                continue
            if cost != (0, 0):
                into.append((self._program.times(there, cost[0]), self._program.times(there, cost[1])))
        if by_type:
            sums = {condition: self._total(costs) for condition, costs in by_type.items()}
            always.append(self._largest(parent, sums))
        return self._total(always)

    def _fragment(self, fragment: FragmentDefinitionNode, condition: Any, items: Factor | None, root_weight: int | None) -> _Both:
        key = fragment.name.value, items, root_weight
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = self.selected(fragment.selection_set, condition, items, root_weight=root_weight)
        return known

    def _largest(self, parent: Any, sums: Mapping[Any, _Both]) -> _Both:
        """An object is of one type: only what is asked of that type is had of it."""
        schema, program = self._schema, self._program
        if not is_abstract_type(parent):
            return self._total(list(sums.values()))
        alike: dict[frozenset[Any], None] = {}
        for kind in schema.get_possible_types(parent):
            alike[frozenset(one for one in sums if one is kind or (is_abstract_type(one) and schema.is_sub_type(one, kind)))] = None
        sides = [self._total([sums[one] for one in some]) for some in alike]
        return program.most([each for each, _ in sides]), program.most([once for _, once in sides])

    def _total(self, costs: Sequence[_Both]) -> _Both:
        if len(costs) == 1:
            return costs[0]
        return self._program.total([each for each, _ in costs]), self._program.total([once for _, once in costs])

    def _field(self, node: FieldNode, field: GraphQLField, items: Factor | None, root_weight: int | None) -> _Both:
        program, declared = self._program, field.extensions.get(COST, _NOTHING)
        kind = get_named_type(field.type)
        paged = self._page(node, field, declared)
        is_list = is_list_type(get_nullable_type(field.type))
        is_item = is_list and items is not None and node.name.value in _ITEMS
        weight = declared.weight if declared.weight is not None else root_weight
        if weight is None:
            is_edge = is_item and _NODE in getattr(kind, "fields", {})
            weight = int(is_composite_type(kind) and not is_edge)
        each: Value = weight
        once: Value = declared.call
        if node.selection_set is not None:
            below, calls = self.selected(node.selection_set, kind, None if is_list else paged)
            each, once = program.total([weight, below]), program.total([declared.call, calls])
        if is_list and each != 0:
            if is_item and items is not None:
                each = program.times(items, each)
            else:
                each = program.times(paged if paged is not None else self._length(node, declared), each)
        return each, once

    def _page(self, node: FieldNode, field: GraphQLField, declared: Cost) -> Factor | None:
        """How many items the page has that a field is; None: it is none."""
        paged = [name for name in _PAGED if name in field.args and get_named_type(field.args[name].type) is GraphQLInt]
        if not paged:
            return None
        given = {one.name.value: one.value for one in node.arguments or ()}
        numbers = []
        names = []
        default = declared.size
        for name in paged:
            value = given.get(name)
            if isinstance(value, IntValueNode):
                number = _number(value)
                numbers.append(number)
                self._program.pages.append((name, number, declared.most))
            elif isinstance(value, VariableNode):
                names.append(value.name.value)
                self._program.names[value.name.value] = None
                self._program.pages.append((name, value.name.value, declared.most))
            if default is None:
                default = _default(field.args[name])
        return self._size(PAGE if default is None else default, numbers, names)

    def _length(self, node: FieldNode, declared: Cost) -> Factor:
        """How many items a list has that is no page."""
        default = LIST if declared.size is None else declared.size
        numbers = []
        names = []
        for one in node.arguments or ():
            if one.name.value in declared.sized_by:
                if isinstance(one.value, ListValueNode):
                    numbers.append(len(one.value.values))
                elif isinstance(one.value, VariableNode):
                    names.append(one.value.name.value)
                    self._program.names[one.value.name.value] = None
                elif not isinstance(one.value, NullValueNode):
                    numbers.append(1)
        return self._size(default, numbers, names)

    def _size(self, default: int, numbers: Sequence[int], names: Sequence[str]) -> Factor:
        known = max(numbers, default=None)
        if not names:
            return default if known is None or known < 0 else known
        key = default, known, tuple(names)
        size = self._sizes.get(key)
        if size is None:
            size = self._sizes[key] = Size(*key)
        return size

    def _there(self, node: Any) -> Factor:
        """1; 0 where `@skip` or `@include` leave it out by a constant; a question to the variables otherwise."""
        names = []
        for directive in node.directives or ():
            if directive.name.value not in ("skip", "include"):
                continue
            expected = directive.name.value == "include"
            for one in directive.arguments or ():
                if isinstance(one.value, BooleanValueNode) and one.value.value is not expected:
                    return 0
                if isinstance(one.value, VariableNode):
                    names.append((one.value.name.value, expected))
                    self._program.names[one.value.name.value] = None
        return Guard(tuple(names)) if names else 1


def _default(argument: GraphQLArgument) -> int | None:
    value = argument.default_value
    if value is Undefined and argument.default is not None:
        value = argument.default.value if argument.default.literal is None else _number(argument.default.literal)
    return value if isinstance(value, int) else None


def _number(value: ValueNode) -> int:
    text = value.value if isinstance(value, IntValueNode) else "0"
    if text.startswith("-"):
        return -1
    return int(text) if len(text) <= len(str(MOST)) else MOST
