"""`profile-gateway plan`: how an operation is executed, and the code that is made for it.

Owns reading the document and what is printed of its plan; nothing is executed, and no database is needed. The values of variables matter only where
they decide what is selected. Plans are those of a workspace in which a source describes fields of profiles; elsewhere those are attributes like any
other.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.errors import ConfigurationError, GatewayError

if TYPE_CHECKING:
    from graphql import DocumentNode, GraphQLSchema, OperationDefinitionNode
    from graphql.execution import Executor

__all__ = ["plan"]

_SHOWN = 5
"""Problems of a document that are named one by one."""


def plan(
    document: Annotated[str, typer.Argument(help="A file with a GraphQL document; -: standard input.", metavar="FILE.graphql")],
    *,
    operation: Annotated[str | None, typer.Option(help="Which of the document's operations.")] = None,
    variables: Annotated[str | None, typer.Option(help="JSON: those of @skip and @include decide which plan it is.")] = None,
) -> None:
    """Print how an operation is executed: its levels, and the code made for it."""
    from gateway.engine.plan.execution import compiled
    from gateway.engine.plan.listing import listing
    from gateway.engine.plan.tree import Unplannable
    from resolvers.schema import attribute_of, build_schema

    schema = build_schema()
    parsed = _parsed(schema, document, _read(document))
    chosen = _chosen(parsed, operation)
    executor = _executor(schema, parsed, chosen, _given(variables))
    try:
        made = compiled(executor, attribute_of)
    except Unplannable as error:
        raise GatewayError(f"No plan is made, the reference executor takes it ({error.reason.value}). {error}") from error
    lines = listing(made.plan)
    typer.echo("\n".join(f"# {line}" for line in lines) + f"\n\n\n{made.written.text}", nl=False)


def _read(document: str) -> str:
    try:
        return sys.stdin.read() if document == "-" else Path(document).read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"{document} cannot be read ({error.strerror}).") from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{document} is not UTF-8.") from error


def _parsed(schema: GraphQLSchema, name: str, text: str) -> DocumentNode:
    from graphql import GraphQLError, parse, validate

    try:
        parsed = parse(text)
    except GraphQLError as error:
        raise ConfigurationError(_told(name, error)) from error
    problems = validate(schema, parsed)
    if problems:
        more = f"\n… and {len(problems) - _SHOWN} more." if len(problems) > _SHOWN else ""
        raise ConfigurationError("\n".join(_told(name, one) for one in problems[:_SHOWN]) + more)
    return parsed


def _told(name: str, error: Any) -> str:
    where = "".join(f":{one.line}:{one.column}" for one in (error.locations or ())[:1])
    return f"{'standard input' if name == '-' else name}{where}: {error.message}"


def _chosen(parsed: DocumentNode, operation: str | None) -> OperationDefinitionNode:
    from graphql import OperationDefinitionNode

    every = [one for one in parsed.definitions if isinstance(one, OperationDefinitionNode)]
    names = ", ".join(one.name.value for one in every if one.name is not None)
    if not every:
        raise ConfigurationError("The document has no operation.")
    if operation is None:
        if len(every) > 1:
            raise ConfigurationError(f"The document has several operations; name one with --operation: {names}.")
        return every[0]
    for one in every:
        if one.name is not None and one.name.value == operation:
            return one
    raise ConfigurationError(f"The document has no operation {operation}{f', but {names}' if names else ''}.")


def _given(variables: str | None) -> dict[str, Any]:
    try:
        given = json.loads(variables or "{}")
    except ValueError as error:
        raise ConfigurationError(f"--variables is not JSON: {error}.") from error
    if not isinstance(given, dict):
        raise ConfigurationError("--variables is not a JSON object.")
    return given


def _executor(schema: GraphQLSchema, parsed: DocumentNode, chosen: OperationDefinitionNode, given: dict[str, Any]) -> Executor[Any]:
    """An executor with values for the variables that decide what is selected, and for no other."""
    from graphql import FragmentDefinitionNode, default_field_resolver, default_type_resolver
    from graphql.execution import Executor
    from graphql.execution.collect_fields import FragmentDetails
    from graphql.execution.values import get_variable_values

    from gateway.engine.plan.execution import guards

    definitions = {one.name.value: one for one in parsed.definitions if isinstance(one, FragmentDefinitionNode)}
    fragments = {name: FragmentDetails(one, None) for name, one in definitions.items()}
    deciding = guards(chosen, fragments)
    defined = chosen.variable_definitions or ()
    unknown = sorted(given.keys() - {one.variable.name.value for one in defined})
    if unknown:
        raise ConfigurationError(f"The operation has no variable ${unknown[0]}.")
    values = get_variable_values(
        schema, [one for one in defined if one.variable.name.value in deciding], {name: given[name] for name in deciding if name in given}
    )
    if isinstance(values, list):
        raise ConfigurationError(f"{values[0].message} It decides what is selected: give it with --variables.")
    resolvers = default_field_resolver, default_type_resolver, default_field_resolver
    return Executor(schema, definitions, fragments, None, None, chosen, values, *resolvers)
