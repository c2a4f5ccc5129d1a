"""Documents: parsed and validated once, then kept.

Owns the bounded cache and graphql-core's own limits on a document's size. Called by `engine.executor`.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

from graphql import (
    DocumentNode,
    GraphQLError,
    GraphQLSchema,
    NoSchemaIntrospectionCustomRule,
    OperationDefinitionNode,
    parse,
    specified_rules,
    validate,
)

from gateway.auth.principal import Principal
from gateway.engine.masking import present
from gateway.engine.request import Request
from gateway.engine.selection import Selection, selections_of
from gateway.loaders.wanted import EVERYTHING, Wanted

__all__ = ["Documents", "Prepared"]

_MAX_TOKENS = 2_000
_MAX_COMMENTS = 100
_MAX_SOURCE = 32 * 1024
_MAX_ERRORS = 20
_KEPT = 1_000
_KEPT_CHARACTERS = 1_000_000
"""Of source text, over all kept documents: a parsed one takes many times its text, and clients choose how long theirs are."""


@dataclass(frozen=True, slots=True)
class _Parsed:
    document: DocumentNode | None
    errors: tuple[dict[str, Any], ...] = ()
    operations: dict[str | None, OperationDefinitionNode] = field(default_factory=dict)
    selections: dict[str | None, Selection] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Prepared:
    """A request ready to run, or the formatted errors that refuse it. `operation_type`: query, mutation or subscription; `wanted`: what it shows of
    profiles; `cost`: what it is counted as, at most, before it ran.
    """

    request: Request
    document: DocumentNode | None
    operation_type: str
    errors: list[dict[str, Any]] | None = None
    wanted: Wanted = EVERYTHING
    cost: int = 1


class Documents:
    """Prepares requests against one schema; never raises for what a client sent."""

    def __init__(self, schema: GraphQLSchema, *, introspection: bool) -> None:
        self._schema = schema
        self._hide_suggestions = not introspection
        self._rules = [*specified_rules] if introspection else [*specified_rules, NoSchemaIntrospectionCustomRule]
        self._cache: OrderedDict[str, _Parsed] = OrderedDict()
        self._characters = 0

    def prepare(self, request: Request, principal: Principal | None = None) -> Prepared:
        """Parse, validate and choose the operation, as this principal may ask for it."""
        del principal
        if not request.query:
            return _refused(request, "BAD_REQUEST", "The request has no query.")
        parsed = self._parsed(request.query)
        if parsed.document is None:
            return Prepared(request, None, "query", list(parsed.errors))
        name = request.operation_name
        operation = parsed.operations.get(name)
        if operation is None and name is None and len(parsed.operations) == 1:
            operation = next(iter(parsed.operations.values()))
        if operation is None:
            said = (
                "The document has no operation of that name." if name else "The document has several operations; name one in operationName."
            )
            return _refused(request, "GRAPHQL_VALIDATION_FAILED", said)
        wanted = parsed.selections[None if operation.name is None else operation.name.value].wanted(request.variables)
        return Prepared(request, parsed.document, operation.operation.value, wanted=wanted)

    def _parsed(self, query: str) -> _Parsed:
        kept = self._cache.get(query)
        if kept is not None:
            self._cache.move_to_end(query)
            return kept
        parsed = self._parse(query)
        if len(query) <= _MAX_SOURCE:
            self._cache[query] = parsed
            self._characters += len(query)
            while len(self._cache) > _KEPT or self._characters > _KEPT_CHARACTERS:
                self._characters -= len(self._cache.popitem(last=False)[0])
        return parsed

    def _parse(self, query: str) -> _Parsed:
        try:
            document = parse(query, max_lexical_tokens=_MAX_TOKENS, max_comments=_MAX_COMMENTS, max_source_length=_MAX_SOURCE)
        except GraphQLError as error:
            return _Parsed(None, (present(error, "parse"),))
        errors = validate(self._schema, document, self._rules, max_errors=_MAX_ERRORS, hide_suggestions=self._hide_suggestions)
        if errors:
            return _Parsed(None, tuple(present(error, "validate") for error in errors[:_MAX_ERRORS]))
        operations = {
            node.name.value if node.name else None: node for node in document.definitions if isinstance(node, OperationDefinitionNode)
        }
        return _Parsed(document, (), operations, selections_of(self._schema, document))


def _refused(request: Request, code: str, message: str) -> Prepared:
    return Prepared(request, None, "query", [{"message": message, "extensions": {"code": code}}])
