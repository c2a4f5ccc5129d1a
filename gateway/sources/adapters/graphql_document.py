"""A document of an operator, checked when the gateway starts, and its variables filled for each question.

Owns what a document may be: one operation, with variables that the gateway knows how to fill; only those it declares are sent. Called by `graphql`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from graphql import (
    DocumentNode,
    GraphQLSyntaxError,
    ListTypeNode,
    NonNullTypeNode,
    OperationDefinitionNode,
    OperationType,
    TypeNode,
    parse,
)

from gateway.errors import ConfigurationError

__all__ = ["Document"]

_MOST_TOKENS: Final = 10_000
_WITH: Final = "with_"
_INT: Final = re.compile(r"0|-?[1-9][0-9]{0,9}")
_INT_END: Final = 2**31


class Document:
    """One operation. `variables`: what is always sent; `known`: names that questions fill; `needed`: of those, the ones that must be declared.

    Raises:
        ConfigurationError: it is not one query (or mutation), or declares what nobody fills; the message begins with `where`.
    """

    def __init__(
        self, text: str, where: str, *, known: frozenset[str], needed: str, variables: Mapping[str, Any], mutation: bool = False
    ) -> None:
        self.text = text
        self._fixed = dict(variables)
        operation = _operation(text, f"{where}.document", OperationType.MUTATION if mutation else OperationType.QUERY)
        types = {one.variable.name.value: one.type for one in operation.variable_definitions or ()}
        for name in types:
            if name not in known and name not in variables and not (name.startswith(_WITH) and "fields" in known):
                filled = ", ".join(f"${one}" for one in sorted(known))
                raise ConfigurationError(
                    f"{where}.document: declares ${name}, which nobody fills; there are {filled}, and those of variables"
                )
        for name in (needed, *variables):
            if name not in types:
                raise ConfigurationError(f"{where}.document: does not declare ${name}, which it needs")
        self.declared = frozenset(types)
        self._numbers = {name for name, one in types.items() if _name_of(one) == "Int"}
        self._required = {name for name, one in types.items() if isinstance(one, NonNullTypeNode)}
        self._selected = {name: name[len(_WITH) :] for name in types if name.startswith(_WITH) and name not in variables}

    def body(self, values: Mapping[str, Any], wanted: frozenset[str] | None = None) -> dict[str, Any]:
        """The JSON of a request. `values`: by variable; one that is None is left out, or its `open <name>` is taken where null is not allowed."""
        sent: dict[str, Any] = dict(self._fixed)
        for name, value in values.items():
            if name in self.declared:
                given = values.get(f"open {name}") if value is None and name in self._required else value
                if given is not None:
                    sent[name] = self._written(name, given)
        sent |= {name: wanted is None or field in wanted for name, field in self._selected.items()}
        if "fields" in self.declared and wanted is not None:
            sent["fields"] = sorted(wanted)
        return {"query": self.text, "variables": sent}

    def writable(self, name: str, texts: Sequence[str]) -> list[str]:
        """Those of the texts that the variable can hold: where it takes `Int`, what is no such number cannot be known there."""
        return [one for one in texts if _INT.fullmatch(one) and abs(int(one)) < _INT_END] if name in self._numbers else list(texts)

    def _written(self, name: str, value: Any) -> Any:
        if name in self._numbers and isinstance(value, list):
            return [int(one) for one in value]
        return int(value) if name in self._numbers and isinstance(value, str) else value


def _operation(text: str, where: str, kind: OperationType) -> OperationDefinitionNode:
    try:
        document: DocumentNode = parse(text, no_location=True, max_tokens=_MOST_TOKENS)
    except GraphQLSyntaxError as error:
        place = f" (line {error.locations[0].line}, column {error.locations[0].column})" if error.locations else ""
        raise ConfigurationError(f"{where}: is no GraphQL document{place}") from error
    except RecursionError as error:
        raise ConfigurationError(f"{where}: is nested too deeply") from error
    operations = [one for one in document.definitions if isinstance(one, OperationDefinitionNode)]
    if len(operations) != 1 or operations[0].operation is not kind:
        raise ConfigurationError(f"{where}: holds one {kind.value} and no other operation")
    return operations[0]


def _name_of(node: TypeNode) -> str:
    while isinstance(node, NonNullTypeNode | ListTypeNode):
        node = node.type
    name = getattr(node, "name", None)
    return str(name.value) if name is not None else ""
