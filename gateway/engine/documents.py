"""Documents: parsed, measured, validated and costed once, then kept.

Owns the order of these and the bounded cache of what came of them. In that order, because each step is safe only for what the one before let
through: the parser counts characters, comments and tokens; `analysis` is linear in what is left; validation and `cost` are so only for a document
whose written-out size is bounded. Called by `engine.executor`.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import structlog
from graphql import (
    ASTValidationRule,
    DocumentNode,
    GraphQLError,
    GraphQLSchema,
    NoSchemaIntrospectionCustomRule,
    OperationDefinitionNode,
    OverlappingFieldsCanBeMergedRule,
    ValuesOfCorrectTypeRule,
    parse,
    specified_rules,
    validate,
)
from graphql.validation.rules.defer_stream_directive_label import DeferStreamDirectiveLabel
from graphql.validation.rules.defer_stream_directive_on_root_field import DeferStreamDirectiveOnRootField
from graphql.validation.rules.defer_stream_directive_on_valid_operations_rule import DeferStreamDirectiveOnValidOperationsRule
from graphql.validation.rules.stream_directive_on_list_field import StreamDirectiveOnListField

from gateway.auth.principal import Principal
from gateway.engine.analysis import analyse, excess
from gateway.engine.cost import Costs, OperationCost
from gateway.engine.limits import DocumentLimits, over
from gateway.engine.literals import ValuesOfCorrectType
from gateway.engine.masking import present, present_failure
from gateway.engine.overlap import FieldsCanBeMerged
from gateway.engine.request import Request
from gateway.engine.selection import Selection, selections_of
from gateway.engine.sums import MOST
from gateway.engine.trusted import NO_DOCUMENTS, StoredDocument, TrustedDocuments
from gateway.errors import ConfigurationError, GatewayError, LimitExceeded
from gateway.loaders.wanted import EVERYTHING, Wanted
from gateway.observe import DOCUMENTS_OVER_LIMIT

__all__ = ["Documents", "Prepared"]

log = structlog.get_logger()

_KEPT = 1_000
_KEPT_CHARACTERS = 1_000_000
"""Of source text, over all kept documents: a parsed one takes many times its text, and clients choose how long theirs are."""
_NAMED, _LONGEST_ID = 2, 80
"""Trusted documents that are not valid and are named in one message, and the characters of their ids there."""

_DEFAULTS = DocumentLimits()
_OURS: dict[type[ASTValidationRule], type[ASTValidationRule]] = {
    OverlappingFieldsCanBeMergedRule: FieldsCanBeMerged,
    ValuesOfCorrectTypeRule: ValuesOfCorrectType,
}
_INCREMENTAL = {
    DeferStreamDirectiveLabel,
    DeferStreamDirectiveOnRootField,
    DeferStreamDirectiveOnValidOperationsRule,
    StreamDirectiveOnListField,
}


@dataclass(frozen=True, slots=True)
class _Chosen:
    """What is known of one of its operations. `wanted`: None where that depends on variables, and is asked of `selection`."""

    type: str
    costs: OperationCost
    selection: Selection
    wanted: Wanted | None


@dataclass(frozen=True, slots=True)
class _Parsed:
    """What is known of a text. `over`: the code of the limit it is refused for; `warned`: of those it is over and not refused for."""

    document: DocumentNode | None
    errors: tuple[dict[str, Any], ...] = ()
    operations: dict[str | None, OperationDefinitionNode] = field(default_factory=dict)
    selections: dict[str | None, Selection] = field(default_factory=dict)
    chosen: dict[str | None, _Chosen] = field(default_factory=dict)
    """By the name that a request gave, which may be none."""
    over: str | None = None
    warned: set[str] = field(default_factory=set)


@dataclass(slots=True)  # not frozen, which nearly triples the time to make one
class Prepared:
    """A request ready to run, or the formatted errors that refuse it; nobody changes it. `operation_type`: query, mutation or subscription;
    `wanted`: what it shows of profiles; `cost`: what it is counted as, at most, before it ran.
    """

    request: Request
    document: DocumentNode | None
    operation_type: str
    errors: list[dict[str, Any]] | None = None
    wanted: Wanted = EVERYTHING
    cost: int = 1


class Documents:
    """Prepares requests against one schema; never raises for what a client sent."""

    def __init__(
        self,
        schema: GraphQLSchema,
        *,
        introspection: bool,
        limits: DocumentLimits = _DEFAULTS,
        trusted: TrustedDocuments = NO_DOCUMENTS,
    ) -> None:
        """Trusted documents are read now, and kept.

        Raises:
            ConfigurationError: one of them is not valid; the message names its file and its id.
        """
        self._schema = schema
        self._limits = limits
        self._introspection = introspection
        self._rules = _rules(schema, introspection=introspection)
        self._costs = Costs(schema)
        self._cache: OrderedDict[tuple[str, bool], _Parsed] = OrderedDict()
        self._characters = 0
        self._trusted = trusted
        self._stored = self._kept(trusted.documents)

    def stored(self) -> Iterator[tuple[DocumentNode, OperationDefinitionNode]]:
        """The trusted documents, each with its operation. They stay as long as the process."""
        for parsed in self._stored.values():
            assert parsed.document is not None
            for operation in parsed.operations.values():
                yield parsed.document, operation

    def prepare(self, request: Request, principal: Principal | None = None, *, limited: bool = True) -> Prepared:
        """Parse, measure, validate, choose the operation and cost it, as this principal may ask for it; without one, it may cost anything.

        `limited`: whether the text comes from a client and has to keep within the limits of documents; page sizes, which come with the variables,
        are looked at in either case.
        """
        try:
            request = self._trusted.resolve(request, principal)
        except GatewayError as error:
            return Prepared(request, None, "query", [present_failure(error)])
        if not request.query:
            return _refused(request, "BAD_REQUEST", "The request has no query.")
        parsed = self._stored.get(request.query) or self._parsed(request.query, limited=limited)
        for code in parsed.warned:
            _over(code, "warned").inc()
        if parsed.document is None:
            if parsed.over is not None:
                _over(parsed.over, "refused").inc()
            return Prepared(request, None, "query", list(parsed.errors))
        name = request.operation_name
        chosen = parsed.chosen.get(name) or self._chosen(parsed, parsed.document, name)
        if chosen is None:
            said = (
                "The document has no operation of that name." if name else "The document has several operations; name one in operationName."
            )
            return _refused(request, "GRAPHQL_VALIDATION_FAILED", said)
        cost = chosen.costs.of(request.variables)
        page = chosen.costs.page_over(request.variables)
        most = self._limits.cost_for(principal) if limited and principal is not None else MOST
        if page is not None or cost > most:
            refused = self._for_its_variables(parsed, request, page, cost, most)
            if refused is not None:
                return refused
        wanted = chosen.wanted or chosen.selection.wanted(request.variables)
        return Prepared(request, parsed.document, chosen.type, None, wanted, max(1, cost))

    def _chosen(self, parsed: _Parsed, document: DocumentNode, name: str | None) -> _Chosen | None:
        """The operation that a request means by this name, looked for once; None: there is none, or no name says which."""
        operation = parsed.operations.get(name)
        if operation is None and name is None and len(parsed.operations) == 1:
            operation = next(iter(parsed.operations.values()))
        if operation is None:
            return None
        selection = parsed.selections[None if operation.name is None else operation.name.value]
        found = _Chosen(operation.operation.value, self._costs.of(document, operation), selection, selection.always)
        parsed.chosen[name] = found
        return found

    def _for_its_variables(
        self, parsed: _Parsed, request: Request, page: tuple[str, int, int] | None, cost: int, most: int
    ) -> Prepared | None:
        """The refusal of a page or a cost that is too large with these variables; None: it is only told."""
        if page is not None:
            argument, limit, found = page
            if (error := self._held("LIMIT_PAGE_SIZE", limit, found, parsed, request, argument=argument)) is not None:
                return Prepared(request, None, "query", [present_failure(error)])
        if cost > most and (error := self._held("LIMIT_COST", most, cost, parsed, request)) is not None:
            return Prepared(request, None, "query", [present_failure(error)], cost=cost)
        return None

    def _held(self, code: str, limit: int, found: int, parsed: _Parsed, request: Request, **more: str) -> LimitExceeded | None:
        if self._is_refused(code, limit, found):
            _over(code, "refused").inc()
            return over(code, limit, found, **more)
        if code not in parsed.warned:
            parsed.warned.add(code)  # told once of a document; counted from the next time on by `prepare`
            self._tell(code, limit, found, request.query or "")
            _over(code, "warned").inc()
        return None

    def _is_refused(self, code: str, limit: int, found: int) -> bool:
        return code not in self._limits.warn_only or found > limit * self._limits.slack

    def _tell(self, code: str, limit: int, found: int, text: str) -> None:
        digest = hashlib.sha256(text.encode(errors="replace")).hexdigest()
        log.warning("document.over_limit", code=code, limit=limit, found=found, document=digest)

    def _parsed(self, query: str, *, limited: bool) -> _Parsed:
        key = query, limited
        kept = self._cache.get(key)
        if kept is not None:
            self._cache.move_to_end(key)
            return kept
        parsed = self._parse(query, limited=limited)
        if len(query) <= self._limits.source_length:
            self._cache[key] = parsed
            self._characters += len(query)
            while len(self._cache) > _KEPT or self._characters > _KEPT_CHARACTERS:
                self._characters -= len(self._cache.popitem(last=False)[0][0])
        return parsed

    def _kept(self, documents: Sequence[StoredDocument]) -> dict[str, _Parsed]:
        """Trusted documents by their text. Their size was looked at by who made them trusted: what is over a limit is told."""
        found: dict[str, _Parsed] = {}
        problems: list[str] = []
        for one in documents:
            if one.text in found:
                continue  # under several ids
            parsed = self._parse(one.text, limited=True)
            if parsed.over is not None:
                log.warning("document.trusted_over_limit", code=parsed.over, document=one.id, file=one.file)
                parsed = self._parse(one.text, limited=False)
            parsed.warned.clear()
            found[one.text] = parsed
            problems += [f"{one.file}: {one.id[:_LONGEST_ID]}: {error['message']}" for error in parsed.errors[:1]]
        if problems:
            told = "\n".join(problems[:_NAMED])
            raise ConfigurationError(
                f"Trusted documents: {len(problems)} do not fit the schema (profile-gateway documents check shows all):\n{told}"
            )
        return found

    def _parse(self, query: str, *, limited: bool) -> _Parsed:
        limits = self._limits
        try:
            document = (
                parse(query, max_lexical_tokens=limits.tokens, max_comments=limits.comments, max_source_length=limits.source_length)
                if limited
                else parse(query)
            )
        except GraphQLError as error:
            shown = present(error, "parse")
            code = shown["extensions"]["code"]
            return _Parsed(None, (shown,), over=code if code.startswith("LIMIT_") else None)
        analysis = analyse(document, introspection=self._introspection)
        warned: set[str] = set()
        for code, limit, found, what in excess(analysis, limits) if limited else ():
            if self._is_refused(code, limit, found):
                return _Parsed(None, (present_failure(over(code, limit, found, what=what)),), over=code)
            if code not in warned:
                warned.add(code)
                self._tell(code, limit, found, query)
        errors = self._validated(document, circular=analysis.circular)
        if errors:
            return _Parsed(None, tuple(present(error, "validate") for error in errors[: limits.errors]), warned=warned)
        operations = {
            node.name.value if node.name else None: node for node in document.definitions if isinstance(node, OperationDefinitionNode)
        }
        return _Parsed(document, (), operations, selections_of(self._schema, document), warned=warned)

    def _validated(self, document: DocumentNode, *, circular: bool) -> Sequence[GraphQLError]:
        # A circle is a mistake of its own; what it is merged with would never end.
        rules = [rule for rule in self._rules if not (circular and rule is FieldsCanBeMerged)]
        return validate(self._schema, document, rules, max_errors=self._limits.errors, hide_suggestions=not self._introspection)


_over = cache(DOCUMENTS_OVER_LIMIT.labels)
"""By code, and by what came of it."""


def _rules(schema: GraphQLSchema, *, introspection: bool) -> list[type[ASTValidationRule]]:
    """The specification's rules, as far as there is something to be said by them."""
    rules = [_OURS.get(rule, rule) for rule in specified_rules]
    if schema.get_directive("stream") is None and schema.get_directive("defer") is None:
        rules = [rule for rule in rules if rule not in _INCREMENTAL]  # one of them fails on unions; to be unknown is mistake enough
    return rules if introspection else [*rules, NoSchemaIntrospectionCustomRule]


def _refused(request: Request, code: str, message: str) -> Prepared:
    return Prepared(request, None, "query", [{"message": message, "extensions": {"code": code}}])
