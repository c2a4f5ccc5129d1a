"""From what went wrong to what a client may read.

Owns the one formatter of GraphQL errors: a stable code, a message we wrote, a path. An exception's own text never leaves the process, a value
the client sent is never echoed back (it may be personal data, or a megabyte). Called by `engine.executor` for every error.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any
from uuid import uuid4

import structlog
from graphql import GraphQLError, GraphQLSyntaxError

from gateway.errors import GatewayError
from gateway.observe import ERRORS, request_id

__all__ = ["present", "present_failure", "present_missing"]

log = structlog.get_logger()

_LONGEST = 500
_SORRY = "Something went wrong on our side; the error id names it in the log."
_VARIABLE = re.compile(r"Variable '\$(\w+)' has invalid value(?: at ([\w.\[\]]+))?: ", re.ASCII)
_ARGUMENT = re.compile(r"Argument '[\w.():]+' has invalid value")
_TOO_DEEP = "nested too deeply"
_TOO_LONG = "Parsing aborted."
"""graphql-core's last words when a document is over one of its limits; no token of a document can stand there."""
_NOT_TAKEN = (ValueError, TypeError, ArithmeticError, RecursionError)
"""What reading a literal raises that no type takes, e.g. an integer of 5 000 digits."""
_PLACE = re.compile(r"(?:Variable '\$\w+'|Argument '\w+') has invalid value(?: at [\w.\[\]]+)?: ", re.ASCII)
_REFUSALS = (
    # graphql-core's words around a value → ours without it. Matched at the start alone: a value may be a megabyte of these very words
    (re.compile(r"(\w+) cannot represent (?:a )?(non-\w+(?: and non-\w+)?) value: ", re.ASCII), r"\1 cannot represent a \2 value."),
    (re.compile(r"(\w+) cannot represent ", re.ASCII), r"\1 cannot represent this value."),
    (re.compile(r"Value .* does not exist in '(\w+)' enum", re.ASCII | re.DOTALL), r"This value does not exist in the enum \1."),
    (re.compile(r"Enum '(\w+)' cannot represent ", re.ASCII), r"The enum \1 cannot represent this value."),
)
_ECHOES = (
    (re.compile(r" (found|Unexpected) (String|BlockString|Int|Float|Comment) .*", re.DOTALL), r" \1 \2."),
    (re.compile(r",? ?[Ff]ound: .*", re.DOTALL), "."),
    (re.compile(r"unknown field '(?![A-Za-z_][A-Za-z0-9_]{0,63}').*", re.DOTALL), "an unknown field."),
)


def present(error: GraphQLError, stage: str) -> dict[str, Any]:
    """One error as it goes to the client. `stage` is `parse`, `validate` or `execute`."""
    cause = _cause(error)
    if isinstance(cause, GatewayError):
        extensions: dict[str, Any] = {"code": cause.code, **cause.extensions}
        message = cause.message
        if type(cause) is GatewayError:
            extensions |= _logged(cause)
    elif cause is not None and not (stage == "validate" and isinstance(cause, _NOT_TAKEN)):
        extensions = {"code": "INTERNAL", **_logged(cause)}
        message = _SORRY
    elif (code := _code(error, stage)) == "INTERNAL":
        extensions = {"code": code, **_logged(error)}
        message = _SORRY
    else:
        extensions = {"code": code}
        message = _without_value(error.message) if cause is None else "A value in the document cannot be one of its type."
    if extensions["code"] == "BAD_USER_INPUT" and "argument" not in extensions and (variable := _VARIABLE.match(error.message)):
        extensions["argument"] = "".join(variable.groups(""))
    ERRORS.labels(extensions["code"]).inc()
    shown: dict[str, Any] = {"message": message[:_LONGEST]}
    if error.locations:
        shown["locations"] = [{"line": place.line, "column": place.column} for place in error.locations]
    if error.path:
        shown["path"] = error.path
    shown["extensions"] = extensions
    return shown


def present_failure(error: BaseException) -> dict[str, Any]:
    """An error outside any field, e.g. while a subscription waits for its next event."""
    return present(GraphQLError("failed", original_error=error if isinstance(error, Exception) else None), "execute")


def present_missing(source: str, code: str, message: str, path: Sequence[str | int] | None) -> dict[str, Any]:
    """A source whose part of the data is missing. `path`: of the first field that misses it; the field is there, with what others know."""
    ERRORS.labels(code).inc()
    shown: dict[str, Any] = {"message": message}
    if path is not None:
        shown["path"] = list(path)
    shown["extensions"] = {"code": code, "source": source}
    return shown


def _cause(error: GraphQLError) -> BaseException | None:
    """The exception behind it that is not GraphQL's own; input coercion wraps twice."""
    cause: BaseException | None = error.original_error
    while isinstance(cause, GraphQLError):
        cause = cause.original_error
    return cause


def _code(error: GraphQLError, stage: str) -> str:
    if isinstance(error, GraphQLSyntaxError):
        if not error.message.endswith(_TOO_LONG):
            return "GRAPHQL_PARSE_FAILED"
        return "LIMIT_DEPTH" if _TOO_DEEP in error.message else "LIMIT_TOKENS"
    if stage == "validate":
        return "GRAPHQL_VALIDATION_FAILED"
    return "BAD_USER_INPUT" if error.path is None or _ARGUMENT.match(error.message) else "INTERNAL"


def _without_value(message: str) -> str:
    place = _PLACE.match(message)
    start = place.end() if place else 0
    said = message[start:]
    for pattern, ours in _REFUSALS:
        refusal = pattern.match(said)
        if refusal:
            return message[:start] + refusal.expand(ours)
    for pattern, ours in _ECHOES:
        said = pattern.sub(ours, said)
    return message[:start] + said


def _logged(cause: BaseException) -> dict[str, str]:
    error_id = uuid4().hex
    log.error("error.internal", error_id=error_id, request_id=request_id.get() or None, exc_info=cause)
    return {"errorId": error_id}
