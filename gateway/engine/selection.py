"""What an operation shows of profiles, found in its document: once per document, then per request by its variables.

Owns the walk over a document that adds up the `Needs` which the schema's fields declare (in their extensions; it knows no type or field by name).
Rather too much than too little: what cannot be told is wanted. Called by `engine.documents`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from graphql import (
    BooleanValueNode,
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLNamedType,
    GraphQLSchema,
    InlineFragmentNode,
    ListValueNode,
    ObjectValueNode,
    OperationDefinitionNode,
    SelectionNode,
    SelectionSetNode,
    StringValueNode,
    ValueNode,
    VariableNode,
    get_named_type,
    print_ast,
)
from graphql.utilities import value_from_ast_untyped

from gateway.loaders.wanted import NEEDS, Needs, Wanted

__all__ = ["Selection", "selections_of"]

_Conditions = tuple[tuple[bool, ValueNode], ...]
"""Each: whether the value must be true for what stands under it to be there."""
_UNTOLD: Final = object()


@dataclass(slots=True)
class _Part:
    """What an operation or a fragment has in itself: uses of fields that need something, and the fragments it spreads."""

    uses: list[tuple[_Conditions, Needs, FieldNode]] = field(default_factory=list)
    spreads: list[tuple[_Conditions, str]] = field(default_factory=list)
    varies: bool = False
    """Whether variables may have a say in it."""


class Selection:
    """One operation of a document."""

    __slots__ = ("_defaults", "_fragments", "_part", "always")

    def __init__(self, operation: OperationDefinitionNode, part: _Part, fragments: Mapping[str, _Part]) -> None:
        self._part = part
        self._fragments = fragments
        self._defaults = {
            one.variable.name.value: value_from_ast_untyped(one.default_value)
            for one in operation.variable_definitions or ()
            if one.default_value is not None
        }
        self.always: Wanted | None = None if any(one.varies for one in (part, *fragments.values())) else self._added_up({})
        """What it shows whatever its variables are; None: that depends."""

    def wanted(self, variables: Mapping[str, Any] | None) -> Wanted:
        """What it shows with these variables, as the client sent them."""
        return self._added_up({**self._defaults, **(variables or {})}) if self.always is None else self.always

    def _added_up(self, variables: Mapping[str, Any]) -> Wanted:
        fields: set[str] = set()
        traits: set[str] | None = set()
        parts = reports = False
        for needs, node in self._uses(variables):
            fields |= needs.fields
            parts, reports = parts or needs.parts, reports or needs.reports
            if needs.traits and traits is not None:
                keys = _keys(node, needs.keys, variables)
                traits = None if keys is None else traits | keys
        anything = bool(parts or fields or traits is None or traits)
        return Wanted(frozenset(fields), None if traits is None else frozenset(traits), reports, anything)

    def _uses(self, variables: Mapping[str, Any]) -> Iterator[tuple[Needs, FieldNode]]:
        """The fields that are there; each fragment is looked at once."""
        waiting, seen = [self._part], set[str]()
        for part in waiting:  # grows while it is read
            yield from ((needs, node) for conditions, needs, node in part.uses if _holds(conditions, variables))
            for conditions, name in part.spreads:
                if name not in seen and _holds(conditions, variables):
                    seen.add(name)
                    waiting.append(self._fragments[name])


def selections_of(schema: GraphQLSchema, document: DocumentNode) -> dict[str | None, Selection]:
    """The operations of a valid document, by name."""
    fragments: dict[str, _Part] = {}
    operations: list[tuple[OperationDefinitionNode, _Part]] = []
    for node in document.definitions:
        part = _Part()
        if isinstance(node, FragmentDefinitionNode):
            fragments[node.name.value] = part
            _walk(schema, part, node.selection_set, schema.get_type(node.type_condition.name.value), ())
        elif isinstance(node, OperationDefinitionNode):
            operations.append((node, part))
            _walk(schema, part, node.selection_set, schema.get_root_type(node.operation), ())
    return {None if node.name is None else node.name.value: Selection(node, part, fragments) for node, part in operations}


def _walk(schema: GraphQLSchema, part: _Part, given: SelectionSetNode | None, parent: GraphQLNamedType | None, above: _Conditions) -> None:
    for node in () if given is None else given.selections:
        conditions = above + tuple(_conditions(node))
        part.varies = part.varies or any(isinstance(value, VariableNode) for _, value in conditions)
        if isinstance(node, FragmentSpreadNode):
            part.spreads.append((conditions, node.name.value))
        elif isinstance(node, InlineFragmentNode):
            kind = parent if node.type_condition is None else schema.get_type(node.type_condition.name.value)
            _walk(schema, part, node.selection_set, kind, conditions)
        elif isinstance(node, FieldNode):
            known = getattr(parent, "fields", {}).get(node.name.value)
            if known is None:
                continue  # __typename, __schema
            needs = known.extensions.get(NEEDS)
            if needs is not None:
                part.uses.append((conditions, needs, node))
                part.varies = part.varies or (bool(needs.keys) and any("$" in print_ast(one) for one in node.arguments or ()))
            _walk(schema, part, node.selection_set, get_named_type(known.type), conditions)


def _conditions(node: SelectionNode) -> Iterator[tuple[bool, ValueNode]]:
    for directive in node.directives or ():
        if directive.name.value in ("skip", "include"):
            yield from ((directive.name.value == "include", one.value) for one in directive.arguments or () if one.name.value == "if")


def _holds(conditions: _Conditions, variables: Mapping[str, Any]) -> bool:
    """Whether it is there; a variable that has no value does not say."""
    for expected, node in conditions:
        value = (
            node.value if isinstance(node, BooleanValueNode) else variables.get(node.name.value) if isinstance(node, VariableNode) else None
        )
        if isinstance(value, bool) and value is not expected:
            return False
    return True


def _keys(node: FieldNode, path: Iterable[str], variables: Mapping[str, Any]) -> set[str] | None:
    """The texts that stand at a path of the field's arguments; None: there is no limit, or none that can be told."""
    value: Any = {one.name.value: one.value for one in node.arguments or ()} if path else _UNTOLD
    for name in path:
        value = _inside(value, name, variables)
    value = _plain(value, variables)
    if isinstance(value, str):
        value = [value]  # a single value may stand for a list of one
    return set(value) if isinstance(value, list) and all(isinstance(one, str) for one in value) else None


def _inside(value: Any, name: str, variables: Mapping[str, Any]) -> Any:
    if isinstance(value, VariableNode):
        value = variables.get(value.name.value, _UNTOLD)
    if isinstance(value, ObjectValueNode):
        value = {one.name.value: one.value for one in value.fields}
    return value.get(name, _UNTOLD) if isinstance(value, dict) else _UNTOLD


def _plain(value: Any, variables: Mapping[str, Any]) -> Any:
    if isinstance(value, VariableNode):
        return variables.get(value.name.value, _UNTOLD)
    if isinstance(value, StringValueNode):
        return value.value
    if isinstance(value, ListValueNode):
        return [_plain(one, variables) for one in value.values]
    return value
