"""The rule of the specification that fields of one response name can be merged (5.3.2), in time that grows with the document and not with its square.

Owns that check, as a validation rule in place of graphql-core's `OverlappingFieldsCanBeMergedRule`, which compares every two fields: 270 times
`notes { nodes { id } }` take it most of a second. Here all fields of a name are compared with the first of them: to be alike is transitive. Documents
whose fragments are circular are not for it. Called by `engine.documents`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
    ValidationContext,
    ValidationRule,
    get_named_type,
    is_composite_type,
    is_leaf_type,
    print_ast,
)
from graphql.utilities.sort_value_node import sort_value_node

__all__ = ["FieldsCanBeMerged"]

_STEPS: Final = 20_000
"""Fields looked at before it is given up; a document within the limits takes some ten thousand at the very most."""

_Field = tuple[Any, FieldNode, Any]
"""The type it is selected of, the node, its type; None where the document names what there is not."""
_Sets = list[tuple[Any, SelectionSetNode]]


class _TooMuch(Exception):
    """There are too many ways in which fields could meet."""


class FieldsCanBeMerged(ValidationRule):
    """A validation rule like graphql-core's own."""

    def __init__(self, context: ValidationContext) -> None:
        super().__init__(context)
        self._steps = 0
        self._arguments: dict[int, str] = {}

    def enter_document(self, node: DocumentNode, *_: Any) -> None:
        """Check every operation, and the fragments that none uses."""
        context, schema = self.context, self.context.schema
        unused = dict.fromkeys(one.name.value for one in node.definitions if isinstance(one, FragmentDefinitionNode))
        try:
            for one in node.definitions:
                if isinstance(one, OperationDefinitionNode):
                    self._check([(schema.get_root_type(one.operation), one.selection_set)], names=True)
                    for used in context.get_recursively_referenced_fragments(one):
                        unused.pop(used.name.value, None)
            for name in unused:
                fragment = context.get_fragment(name)
                if fragment is not None:
                    self._check([(schema.get_type(fragment.type_condition.name.value), fragment.selection_set)], names=True)
        except _TooMuch:
            self.report_error(GraphQLError("Too many fields of the same name. Validation aborted."))

    def _check(self, sets: _Sets, *, names: bool) -> None:
        """Check what is merged into one selection. `names`: it is one object's; otherwise only the shape of the answer must be one."""
        for name, fields in self._collected(sets).items():
            if len(fields) == 1:
                self._check_below(fields, names=names)
                continue
            classes = _classes(fields) if names else []
            conflict = next(filter(None, map(self._other_field, classes)), None) or self._other_shape(fields)
            if conflict is not None:
                reason, first, second = conflict
                said = (
                    f"Fields '{name}' conflict because {reason}. Use different aliases on the fields to fetch both if this was intentional."
                )
                self.report_error(GraphQLError(said, [first, second]))
            elif len(classes) == 1:
                self._check_below(fields, names=True)
            else:
                self._check_below(fields, names=False)
                for one in classes:
                    self._check_below(one, names=True)

    def _check_below(self, fields: Sequence[_Field], *, names: bool) -> None:
        sets = [(None if kind is None else get_named_type(kind), node.selection_set) for _, node, kind in fields if node.selection_set]
        if sets:
            self._check(sets, names=names)

    def _collected(self, sets: _Sets) -> dict[str, list[_Field]]:
        """Response name → fields; each fragment is looked into once."""
        schema, found, seen = self.context.schema, dict[str, list[_Field]](), set[str]()
        waiting = list(sets)
        for parent, given in waiting:  # grows while it is read
            self._steps += len(given.selections)
            if self._steps > _STEPS:
                raise _TooMuch
            for node in given.selections:
                if isinstance(node, FieldNode):
                    known = schema.get_field(parent, node.name.value) if is_composite_type(parent) else None
                    name = node.name.value if node.alias is None else node.alias.value
                    found.setdefault(name, []).append((parent, node, None if known is None else known.type))
                elif isinstance(node, InlineFragmentNode):
                    condition = node.type_condition
                    waiting.append((parent if condition is None else schema.get_type(condition.name.value), node.selection_set))
                elif isinstance(node, FragmentSpreadNode) and node.name.value not in seen:
                    seen.add(node.name.value)
                    fragment = self.context.get_fragment(node.name.value)
                    if fragment is not None:
                        waiting.append((schema.get_type(fragment.type_condition.name.value), fragment.selection_set))
        return found

    def _other_shape(self, fields: Iterable[_Field]) -> tuple[str, FieldNode, FieldNode] | None:
        typed = ((node, kind) for _, node, kind in fields if kind is not None)
        first, one = next(typed, (None, None))
        for node, kind in typed:
            if kind is not one and first is not None and _differ(one, kind):
                return f"they return conflicting types '{one}' and '{kind}'", first, node
        return None

    def _other_field(self, fields: Sequence[_Field]) -> tuple[str, FieldNode, FieldNode] | None:
        first = fields[0][1]
        arguments = self._arguments_of(first)
        for _, node, _ in fields[1:]:
            if node.name.value != first.name.value:
                return f"'{first.name.value}' and '{node.name.value}' are different fields", first, node
            if self._arguments_of(node) != arguments:
                return "they have differing arguments", first, node
        return None

    def _arguments_of(self, node: FieldNode) -> str:
        if not node.arguments:
            return ""
        known = self._arguments.get(id(node))
        if known is None:
            given = sorted(f"{one.name.value}: {print_ast(sort_value_node(one.value))}" for one in node.arguments)
            known = self._arguments[id(node)] = "\n".join(given)
        return known


def _classes(fields: Sequence[_Field]) -> list[list[_Field]]:
    """Fields that may be of one and the same object, together: those of each object type, and with each those of interfaces and unions."""
    own: dict[GraphQLObjectType, list[_Field]] = {}
    others: list[_Field] = []
    for one in fields:
        if isinstance(one[0], GraphQLObjectType):
            own.setdefault(one[0], []).append(one)
        else:
            others.append(one)
    return [[*others, *some] for some in own.values()] or [others]


def _differ(one: Any, other: Any) -> bool:
    """Whether no value is shown alike as both types."""
    while True:
        for wrapper in (GraphQLList, GraphQLNonNull):
            if isinstance(one, wrapper) or isinstance(other, wrapper):
                if not (isinstance(one, wrapper) and isinstance(other, wrapper)):
                    return True
                one, other = one.of_type, other.of_type
                break
        else:
            return (is_leaf_type(one) or is_leaf_type(other)) and one is not other
