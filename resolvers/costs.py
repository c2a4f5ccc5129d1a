"""What fields cost that cost something else than `engine.cost` takes for granted: one table, of places in the schema.

Owns the table, how it comes into the executable schema, and how it stands in the exported one (`@cost`, `@listSize`, for a router in front). A call
is of a source that may live elsewhere: one for all parents together. Called by `resolvers.schema` and `resolvers.subgraph`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from graphql import (
    DocumentNode,
    FieldDefinitionNode,
    GraphQLObjectType,
    GraphQLSchema,
    IntValueNode,
    ListTypeNode,
    NamedTypeNode,
    NonNullTypeNode,
    ObjectTypeDefinitionNode,
)

from gateway.engine.cost import COST, MUTATION, PAGE, Cost

__all__ = ["COSTS", "FREE", "declare", "directives_of", "is_edge"]

_CALL: Final = 10

COSTS: Final[Mapping[str, Cost]] = {
    "Query.profile": Cost(weight=_CALL),
    "Query.profiles": Cost(call=_CALL, size=PAGE, sized_by=("by",)),
    "Query.node": Cost(weight=_CALL),
    "Query.nodes": Cost(call=_CALL, size=PAGE, sized_by=("ids",)),
    "Query.searchProfiles": Cost(weight=_CALL),
    "Query.company": Cost(weight=_CALL),
    "Query.changes": Cost(most=1000),
    "Query._entities": Cost(call=_CALL, size=PAGE, sized_by=("representations",)),
    "Query.attributeDefinitions": Cost(size=50),
    "Query.searchKeys": Cost(size=20),
    "Query.sources": Cost(size=10),
    "Change.fields": Cost(weight=0),
    "Viewer.contacts": Cost(size=20),
    "Viewer.visibleAttributes": Cost(size=10),
    "Profile.attributes": Cost(call=_CALL, size=30),
    "Profile.missingAttributes": Cost(call=_CALL),
    "Profile.contactPoints": Cost(call=_CALL),
    "Profile.identifiers": Cost(call=_CALL),
    "Profile.traits": Cost(call=_CALL),
    "Profile.traitSummary": Cost(call=_CALL),
    "Profile.companies": Cost(call=_CALL, size=2),
    "Profile.mainCompany": Cost(call=_CALL),
    "Profile.notes": Cost(call=_CALL),
    "Profile.timeline": Cost(call=_CALL),
    "Company.traits": Cost(call=_CALL),
    "Company.members": Cost(call=_CALL),
    "Interaction.transcript": Cost(call=_CALL),
}
"""Place → cost."""

FREE: Final = "@cost(weight: 0)"
"""Of edges: they are no objects of their own, `nodes` and `edges { node }` cost the same."""
_PAGED: Final = ("first", "last")


def declare(schema: GraphQLSchema) -> None:
    """Put each cost at its field, where `engine.cost` finds it."""
    for place, cost in COSTS.items():
        owner, _, name = place.partition(".")
        kind = schema.type_map[owner]
        assert isinstance(kind, GraphQLObjectType), place
        kind.fields[name].extensions[COST] = cost


def directives_of(owner: str, field: FieldDefinitionNode, document: DocumentNode) -> str:
    """The directives of a field in the exported schema. Those have no word for a call that serves all parents: it is left out."""
    declared = COSTS.get(f"{owner}.{field.name.value}", Cost())
    said = []
    if declared.weight is not None or owner == "Mutation":
        said.append(f"@cost(weight: {MUTATION if declared.weight is None else declared.weight})")
    paged = {one.name.value: one.default_value for one in field.arguments or () if one.name.value in _PAGED}
    if paged:
        slicing = ", ".join(f'"{name}"' for name in paged)
        default = next((int(one.value) for one in paged.values() if isinstance(one, IntValueNode)), PAGE)
        sized = ", ".join(f'"{name}"' for name in _items(field, document))
        said.append(
            f"@listSize(assumedSize: {default}, slicingArguments: [{slicing}], sizedFields: [{sized}], requireOneSlicingArgument: false)"
        )
    elif declared.size is not None:
        said.append(f"@listSize(assumedSize: {declared.size})")
    return " ".join(said)


def is_edge(node: ObjectTypeDefinitionNode) -> bool:
    """Whether it is what stands between a page and an item."""
    return node.name.value.endswith("Edge") and any(one.name.value == "node" for one in node.fields or ())


def _items(field: FieldDefinitionNode, document: DocumentNode) -> list[str]:
    """The lists of items of the page that a field is."""
    kind: Any = field.type
    while isinstance(kind, NonNullTypeNode | ListTypeNode):
        kind = kind.type
    assert isinstance(kind, NamedTypeNode)
    for node in document.definitions:
        if isinstance(node, ObjectTypeDefinitionNode) and node.name.value == kind.name.value:
            return [one.name.value for one in node.fields or () if one.name.value in ("edges", "nodes")]
    return []
