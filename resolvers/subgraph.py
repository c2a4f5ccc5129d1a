"""The schema as an Apollo Federation 2 subgraph: which types other subgraphs may extend, and what a router must ask of a caller.

Owns the directives of the exported SDL, in one table (what fields cost stands in `costs`). They describe what `auth.policy` enforces; a test holds
the two together. Called by `resolvers.schema` for the SDL and by the root field `_service`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from graphql import (
    DocumentNode,
    FieldDefinitionNode,
    ObjectTypeDefinitionNode,
    ScalarTypeDefinitionNode,
    UnionTypeDefinitionNode,
    parse,
    print_ast,
)

from resolvers.costs import FREE, directives_of, is_edge

__all__ = ["DIRECTIVES", "ENTITIES", "LINK", "annotated"]

LINK: Final = (
    'extend schema @link(url: "https://specs.apollo.dev/federation/v2.9", '
    'import: ["@key", "@shareable", "@inaccessible", "@tag", "@authenticated", "@requiresScopes", "@cost", "@listSize"])'
)
ENTITIES: Final = {"Company": "com", "Contact": "con", "Interaction": "act", "Profile": "prf"}
"""Types that other subgraphs may extend by their `id`, with the prefix their ids have."""


def _scope(scope: str) -> str:
    return f'@requiresScopes(scopes: [["{scope}"]])'


DIRECTIVES: Final = {
    **dict.fromkeys(ENTITIES, '@key(fields: "id")'),
    "Profile": '@key(fields: "id") @authenticated',
    "PageInfo": "@shareable",
    "Query.viewer": "@authenticated",
    "Query.searchProfiles": _scope("profile:search"),
    "Query.contacts": _scope("contact:read:all"),
    "Query.mergePreview": _scope("profile:merge"),
    "Query.changes": _scope("history:export"),
    "Mutation.createProfile": _scope("profile:create"),
    "Mutation.updateProfile": _scope("profile:write"),
    "Mutation.openContact": _scope("contact:write"),
    "Mutation.updateContact": _scope("contact:write"),
    "Mutation.revealSensitive": _scope("pii:reveal"),
    "Mutation.recordActivities": _scope("activity:write"),
    "Mutation.mergeProfiles": _scope("profile:merge"),
    "Mutation.unmergeProfiles": _scope("profile:merge"),
    "Mutation.dismissMergeProposal": _scope("profile:merge"),
    "Mutation.saveLayout": _scope("admin"),
    "Mutation.requestPrivacyAction": _scope("privacy"),
    "Mutation.disconnectSubject": _scope("admin"),
    "Subscription.sourceEvents": _scope("admin"),
}
"""Place → directives. What is enforced elsewhere but cannot be said here (own notes, own contacts) stands in `auth.policy` alone."""

_MACHINERY: Final = frozenset({"_Any", "_Entity", "_Service"})
_MACHINE_FIELDS: Final = frozenset({"_entities", "_service"})


def annotated(text: str) -> str:
    """The SDL with the federation directives, and without the fields a router adds by itself."""
    document = parse(text, no_location=True)
    kept = tuple(_annotated(node, document) for node in document.definitions if not _is_machinery(node))
    return f"{LINK}\n\n{print_ast(DocumentNode(definitions=kept)).rstrip()}\n"


def _is_machinery(node: Any) -> bool:
    kinds = (ObjectTypeDefinitionNode, ScalarTypeDefinitionNode, UnionTypeDefinitionNode)
    return isinstance(node, kinds) and node.name.value in _MACHINERY


def _annotated(node: Any, document: DocumentNode) -> Any:
    if not isinstance(node, ObjectTypeDefinitionNode):
        return node
    name = node.name.value
    fields = tuple(_field(name, field, document) for field in node.fields or () if field.name.value not in _MACHINE_FIELDS)
    said = f"{DIRECTIVES.get(name, '')} {FREE if is_edge(node) else ''}"
    return replace(node, fields=fields, directives=(*(node.directives or ()), *_directives(said)))


def _field(owner: str, field: FieldDefinitionNode, document: DocumentNode) -> FieldDefinitionNode:
    said = f"{DIRECTIVES.get(f'{owner}.{field.name.value}', '')} {directives_of(owner, field, document)}"
    return replace(field, directives=(*(field.directives or ()), *_directives(said)))


def _directives(said: str) -> Sequence[Any]:
    (node,) = parse(f"type T {said} {{ field: Int }}", no_location=True).definitions
    assert isinstance(node, ObjectTypeDefinitionNode)
    return node.directives or ()
