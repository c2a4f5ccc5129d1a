"""The plan of an operation: what is selected of each concrete type, fields collected and merged, fragments folded.

Owns the shape of a plan and its making from a validated document, by graphql-core's own collection of fields, so that what is merged is what the
specification merges. `@skip` and `@include` are decided when a plan is made: there is one plan for each combination of their variables that occurs.
Pure. Called by `gateway.engine.plan.execution`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any, Final, cast

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    GraphQLAbstractType,
    GraphQLField,
    GraphQLNamedOutputType,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLSchema,
    ListValueNode,
    ObjectValueNode,
    OperationDefinitionNode,
    OperationType,
    ValueNode,
    VariableNode,
    get_named_type,
    is_abstract_type,
    is_list_type,
    is_non_null_type,
    is_object_type,
    is_wrapping_type,
)
from graphql.execution.collect_fields import FieldDetails, FragmentDetails, collect_fields, collect_subfields
from graphql.execution.values import VariableValues

__all__ = [
    "BATCH",
    "CONVERT",
    "NAMES",
    "PLACELESS",
    "SAME",
    "AttributeOf",
    "Child",
    "FieldPlan",
    "How",
    "ObjectPlan",
    "Plan",
    "Reason",
    "Unplannable",
    "make_plan",
]

BATCH: Final = "batch"
"""Where a field's extensions hold its batch function: `(parents, info, arguments) -> one element per parent`, which may be waited for."""
CONVERT: Final = "convert"
"""Where a field's extensions may hold a function from its arguments, as GraphQL has them, to those its batch function takes instead. That one must
not change them: where no variable is in them they are made once.
"""
NAMES: Final = "names"
"""Where an abstract type's extensions may hold a table from the classes of its objects to the names of their types, which says what its
`resolve_type` says.
"""
PLACELESS: Final = "placeless"
"""Where a field's extensions may say that its batch function does not look at where in the response its parents stand."""
SAME: Final = "same"
"""Where a scalar's extensions may say that every value is shown as it is."""
_MOST_OBJECTS: Final = 2_000
"""Selections of one plan: a document of nested fragments over many types could make any number of them."""
_TYPENAME: Final = "__typename"


class Reason(Enum):
    """Why the reference executor takes an operation."""

    FIRST_SIGHT = "first_sight"
    """It has not been seen before: a plan is made when it comes again."""
    INTROSPECTION = "introspection"
    PARTS = "defer"
    """`@defer` or `@stream`."""
    DIRECTIVES = "directives"
    """On the operation itself."""
    FRAGMENT_VARIABLES = "fragment_variables"
    GUARDS = "guards"
    """Too many variables decide what is selected."""
    LARGE = "large"
    SERIES = "series"
    """A mutation's root field that may not be null, before another: where it is null, for a reason of its own or of what lies below it, those behind
    it must not be executed, and whether it is shows only in completing it.
    """
    HOOKS = "hooks"
    """Who executes it has middleware, or a signal to abort."""
    NO_ROOT = "no_root"
    """The schema has no type for operations of its kind, which a valid document never meets."""


class Unplannable(Exception):  # it is no failure: the reference executor takes the operation
    """The operation has what is not compiled: `reason`, and a sentence."""

    def __init__(self, reason: Reason, sentence: str) -> None:
        super().__init__(sentence)
        self.reason = reason


class How(Enum):
    """How a field gets its values."""

    TYPENAME = auto()
    """It is the name of the type."""
    ATTRIBUTE = auto()
    """An attribute of the parent, read where the answer is written."""
    DEFAULT = auto()
    """By the executor's field resolver, for each parent."""
    RESOLVER = auto()
    """By its own resolver, for each parent."""
    BATCH = auto()
    """By its batch function, for all parents at once."""


@dataclass(slots=True, eq=False)
class FieldPlan:
    """One field of a selection. `details`: the nodes that were merged; `attribute`: its name on the parent, where `how` is ATTRIBUTE."""

    key: str
    how: How
    parent: GraphQLObjectType
    definition: GraphQLField
    details: list[FieldDetails]
    attribute: str | None = None
    child: Child | None = None
    lists: int = 0
    """How many lists lie around one of its objects."""
    given: dict[str, Any] | None = None
    """Its arguments, once they were had and are the same in every execution."""
    is_constant: bool = False
    """Whether no variable is in its arguments."""

    @property
    def node(self) -> FieldNode:
        """The first of its nodes, whose arguments count."""
        return self.details[0].node

    @property
    def nodes(self) -> list[FieldNode]:
        """All of its nodes."""
        return [detail.node for detail in self.details]

    @property
    def type(self) -> GraphQLOutputType:
        """What it returns."""
        return self.definition.type

    @property
    def is_deep(self) -> bool:
        """Whether something below it takes more than to read attributes: then its objects are a level of their own."""
        return self.child is not None and self.child.is_deep

    @property
    def is_active(self) -> bool:
        """Whether its values are had before the answer is written."""
        return self.how in (How.DEFAULT, How.RESOLVER, How.BATCH) or self.is_deep


@dataclass(slots=True, eq=False)
class Child:
    """What is selected of a composite field, by the concrete types of its objects; one, unless the field's type is abstract."""

    named: GraphQLNamedOutputType
    abstract: GraphQLAbstractType | None
    by_type: dict[str, ObjectPlan]
    is_deep: bool = False
    is_unchecked: bool = False
    """Whether none of its types wants to look at an object before it is taken for its own."""


@dataclass(slots=True, eq=False)
class ObjectPlan:
    """The fields selected of one concrete type at one place of the operation. `number`: of the plan's selections, from 0."""

    number: int
    type: GraphQLObjectType
    fields: list[FieldPlan] = field(default_factory=list)
    active: list[tuple[int, FieldPlan]] = field(default_factory=list)
    """The fields whose values are had before the answer is written, with their places."""


@dataclass(slots=True, eq=False)
class Plan:
    """A planned operation. `objects`: every selection in it, the root's first."""

    schema: GraphQLSchema
    operation: OperationDefinitionNode
    fragments: dict[str, FragmentDefinitionNode]
    root: ObjectPlan
    objects: list[ObjectPlan]


def _lists(kind: GraphQLOutputType) -> int:
    count = 0
    while is_wrapping_type(kind):
        count += is_list_type(kind)
        kind = kind.of_type
    return count


def _has_variables(value: ValueNode) -> bool:
    if isinstance(value, ListValueNode):
        return any(map(_has_variables, value.values))
    if isinstance(value, ObjectValueNode):
        return any(_has_variables(one.value) for one in value.fields)
    return isinstance(value, VariableNode)


AttributeOf = Callable[[GraphQLField, str], str | None]
"""The attribute that a field of this name is, when it is nothing else; None: its resolver must be asked."""


def make_plan(
    schema: GraphQLSchema,
    operation: OperationDefinitionNode,
    fragments: dict[str, FragmentDetails],
    variables: VariableValues,
    attribute_of: AttributeOf,
) -> Plan:
    """Plan an operation of a valid document. Of `variables` only those of `@skip` and `@include` matter.

    Raises:
        Unplannable: it asks for introspection or for parts, defines what is not compiled, or is too large.
    """
    return _Maker(schema, operation, fragments, variables, attribute_of).make()


class _Maker:
    def __init__(
        self,
        schema: GraphQLSchema,
        operation: OperationDefinitionNode,
        fragments: dict[str, FragmentDetails],
        variables: VariableValues,
        attribute_of: AttributeOf,
    ) -> None:
        self._schema = schema
        self._operation = operation
        self._fragments = fragments
        self._variables = variables
        self._attribute_of = attribute_of
        self._objects: list[ObjectPlan] = []

    def make(self) -> Plan:
        root_type = self._schema.get_root_type(self._operation.operation)
        if root_type is None:
            raise Unplannable(Reason.NO_ROOT, f"The schema has no type for a {self._operation.operation.value}.")
        if self._operation.directives:
            raise Unplannable(Reason.DIRECTIVES, f"The operation itself has a directive, @{self._operation.directives[0].name.value}.")
        for name, one in self._fragments.items():
            if one.variable_signatures:
                raise Unplannable(Reason.FRAGMENT_VARIABLES, f"The fragment {name} has variables of its own.")
        collected = collect_fields(self._schema, self._fragments, self._variables, root_type, self._operation)
        root = self._object(root_type, collected.grouped_field_set, collected.new_defer_usages)
        if self._operation.operation is OperationType.MUTATION:
            for early in root.fields[:-1]:
                if early.how is not How.TYPENAME and is_non_null_type(early.type):
                    raise Unplannable(Reason.SERIES, f"{early.key} may not be null: where it is, nothing behind it is executed.")
        definitions = {name: one.definition for name, one in self._fragments.items()}
        return Plan(self._schema, self._operation, definitions, root, self._objects)

    def _object(self, kind: GraphQLObjectType, grouped: dict[str, list[FieldDetails]], deferred: list[Any]) -> ObjectPlan:
        if deferred:
            raise Unplannable(Reason.PARTS, f"A fragment below {kind.name} is deferred.")
        if len(self._objects) >= _MOST_OBJECTS:
            raise Unplannable(Reason.LARGE, f"It has more than {_MOST_OBJECTS} selections, counted once for each type that each may be of.")
        made = ObjectPlan(len(self._objects), kind)
        self._objects.append(made)
        made.fields = list(self._fields(kind, grouped))
        made.active = [(place, one) for place, one in enumerate(made.fields) if one.is_active]
        return made

    def _fields(self, kind: GraphQLObjectType, grouped: dict[str, list[FieldDetails]]) -> Iterator[FieldPlan]:
        for key, details in grouped.items():
            name = details[0].node.name.value
            definition = self._schema.get_field(kind, name)
            if definition is None:
                continue  # as the specification has it, which a valid document never meets
            if any(directive.name.value == "stream" for detail in details for directive in detail.node.directives or ()):
                raise Unplannable(Reason.PARTS, f"{kind.name}.{name} is streamed.")
            planned = FieldPlan(key, How.DEFAULT, kind, definition, details, lists=_lists(definition.type))
            planned.is_constant = not any(_has_variables(argument.value) for argument in details[0].node.arguments or ())
            if name == _TYPENAME:
                planned.how = How.TYPENAME
            elif name.startswith("__"):
                raise Unplannable(Reason.INTROSPECTION, f"It asks for {name}, and introspection is not compiled.")
            elif BATCH in definition.extensions:
                planned.how = How.BATCH
            elif (attribute := self._attribute_of(definition, name)) is not None:
                planned.how, planned.attribute = How.ATTRIBUTE, attribute
            elif definition.resolve is not None:
                planned.how = How.RESOLVER
            planned.child = self._child(cast("GraphQLNamedOutputType", get_named_type(definition.type)), details)
            yield planned

    def _child(self, named: GraphQLNamedOutputType, details: list[FieldDetails]) -> Child | None:
        if is_object_type(named):
            child = Child(named, None, {named.name: self._selected(named, details)})
        elif is_abstract_type(named):
            possible = self._schema.get_possible_types(named)
            child = Child(named, named, {kind.name: self._selected(kind, details) for kind in possible})
        else:
            return None
        # Who an abstract type's objects are may be asked of code that waits, and so may whether an object is of its type.
        child.is_deep = any(one.is_active for plan in child.by_type.values() for one in plan.fields)
        child.is_unchecked = all(plan.type.is_type_of is None for plan in child.by_type.values())
        return child

    def _selected(self, kind: GraphQLObjectType, details: list[FieldDetails]) -> ObjectPlan:
        collected = collect_subfields(self._schema, self._fragments, self._variables, self._operation, kind, details)
        return self._object(kind, collected.grouped_field_set, collected.new_defer_usages)
