"""Resuming a subscription from outside its document: where `Last-Event-ID` goes, and where the next one comes from.

Owns the two readings of a subscription's only root field: its `after` argument, which the transport may overrule, and the `cursor` of its events
under whatever name the client gave it. Knows these two names and no type of a schema. Called by `transport.http`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Final

from graphql import (
    ArgumentNode,
    DefinitionNode,
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    NameNode,
    SelectionNode,
    SelectionSetNode,
    StringValueNode,
    get_operation_ast,
)

from gateway.engine.documents import Prepared
from gateway.errors import CursorInvalid

__all__ = ["Cursors", "resumed"]

_AFTER: Final = "after"
_CURSOR: Final = "cursor"
_LONGEST: Final = 512
"""Characters of a cursor."""


def resumed(prepared: Prepared, cursor: str) -> Prepared:
    """The subscription with `after: "<cursor>"`, whether its root field named another one, a variable, or none. The document itself, which others
    run too, stays as it is.

    Raises:
        CursorInvalid: it is longer than any cursor.
    """
    if len(cursor) > _LONGEST:
        raise CursorInvalid
    document, operation = prepared.document, None
    if document is not None:
        operation = get_operation_ast(document, prepared.request.operation_name)
    if document is None or operation is None:
        return prepared
    rewriting = _Rewriting(cursor)
    definitions: dict[int, DefinitionNode] = {
        id(operation): replace(operation, selection_set=rewriting.selections(operation.selection_set)),
    }
    fragments = _fragments(document)
    for name in rewriting.spread:  # grows while it is read: a fragment may spread others
        fragment = fragments[name]
        definitions[id(fragment)] = replace(fragment, selection_set=rewriting.selections(fragment.selection_set))
    whole = tuple(definitions.get(id(definition), definition) for definition in document.definitions)
    return replace(prepared, document=replace(document, definitions=whole))


class Cursors:
    """Where the events of a subscription show their cursor."""

    __slots__ = ("_keys", "_root")

    def __init__(self, prepared: Prepared) -> None:
        self._root: str | None = None
        self._keys: tuple[str, ...] = ()
        operation = None if prepared.document is None else get_operation_ast(prepared.document, prepared.request.operation_name)
        if prepared.document is None or operation is None:
            return
        fragments = _fragments(prepared.document)
        for root in _fields(operation.selection_set, fragments):
            self._root = _key(root)
            shown = (field for field in _fields(root.selection_set, fragments) if field.name.value == _CURSOR)
            self._keys = tuple(dict.fromkeys((*self._keys, *map(_key, shown))))

    def of(self, response: dict[str, Any]) -> str | None:
        """The cursor that the response shows; None: it was not asked for, or there is no event in it."""
        event = (response.get("data") or {}).get(self._root)
        if not isinstance(event, dict):
            return None
        return next((value for key in self._keys if isinstance(value := event.get(key), str)), None)


class _Rewriting:
    """Copies of selections in which each field has the argument. `spread`: the fragments that need the same."""

    def __init__(self, cursor: str) -> None:
        self.spread: list[str] = []
        self._argument = ArgumentNode(name=NameNode(value=_AFTER), value=StringValueNode(value=cursor))

    def selections(self, given: SelectionSetNode) -> SelectionSetNode:
        return replace(given, selections=tuple(self._selection(one) for one in given.selections))

    def _selection(self, given: SelectionNode) -> SelectionNode:
        if isinstance(given, FieldNode):
            others = tuple(argument for argument in given.arguments or () if argument.name.value != _AFTER)
            return replace(given, arguments=(*others, self._argument))
        if isinstance(given, InlineFragmentNode):
            return replace(given, selection_set=self.selections(given.selection_set))
        if isinstance(given, FragmentSpreadNode) and given.name.value not in self.spread:
            self.spread.append(given.name.value)
        return given


def _fragments(document: DocumentNode) -> dict[str, FragmentDefinitionNode]:
    return {node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)}


def _fields(selections: SelectionSetNode | None, fragments: dict[str, FragmentDefinitionNode]) -> Iterator[FieldNode]:
    """The fields of a selection, those of its fragments included."""
    waiting: list[SelectionNode] = [] if selections is None else list(selections.selections)
    seen: set[str] = set()
    for one in waiting:  # grows while it is read
        if isinstance(one, FieldNode):
            yield one
        elif isinstance(one, InlineFragmentNode):
            waiting += one.selection_set.selections
        elif isinstance(one, FragmentSpreadNode) and one.name.value not in seen:
            seen.add(one.name.value)
            waiting += fragments[one.name.value].selection_set.selections


def _key(field: FieldNode) -> str:
    return (field.alias or field.name).value
