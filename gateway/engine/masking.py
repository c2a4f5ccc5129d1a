"""From what went wrong to what a client may read.

Owns the one formatter of GraphQL errors: a stable code, a message we wrote, a path. An exception's own text never leaves the process, a value
the client sent is never echoed back (it may be personal data, or a megabyte). Called by `engine.executor` for every error.
"""

from __future__ import annotations

import re
from typing import Any
from uuid import uuid4

import structlog
from graphql import GraphQLError, GraphQLSyntaxError

from gateway.errors import GatewayError
from gateway.observe import ERRORS, request_id

__all__ = ["present", "present_failure"]

log = structlog.get_logger()

_LONGEST = 500
_INPUT_PROBLEM = re.compile(r"(Variable '\$\w+'|Argument '\w+') has invalid value: (.*)", re.DOTALL)
_ECHOES = (
    # graphql-core's words around a value → ours without it
    (re.compile(r",? ?[Ff]ound: .*", re.DOTALL), "."),
    (re.compile(r"(\w+) cannot represent (a |an )?non-(\w+) value: .*", re.DOTALL), r"\1 cannot represent a non-\3 value."),
    (re.compile(r"(\w+) cannot represent .*", re.DOTALL), r"\1 cannot represent this value."),
    (re.compile(r"Value .* does not exist in '(\w+)' enum.*", re.DOTALL), r"This value does not exist in the enum \1."),
    (re.compile(r"Enum '(\w+)' cannot represent .*", re.DOTALL), r"The enum \1 cannot represent this value."),
)


def present(error: GraphQLError, stage: str) -> dict[str, Any]:
    """One error as it goes to the client. `stage` is `parse`, `validate` or `execute`."""
    cause = _cause(error)
    if isinstance(cause, GatewayError):
        extensions: dict[str, Any] = {"code": cause.code, **cause.extensions}
        message = cause.message
        if type(cause) is GatewayError:
            extensions |= _logged(cause)
    elif cause is not None:
        extensions = {"code": "INTERNAL", **_logged(cause)}
        message = "Something went wrong on our side; the error id names it in the log."
    else:
        extensions = {"code": _code(error, stage)}
        message = _without_value(error.message)
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


def _cause(error: GraphQLError) -> BaseException | None:
    """The exception behind it that is not GraphQL's own; input coercion wraps twice."""
    cause: BaseException | None = error.original_error
    while isinstance(cause, GraphQLError):
        cause = cause.original_error
    return cause


def _code(error: GraphQLError, stage: str) -> str:
    if isinstance(error, GraphQLSyntaxError):
        return "LIMIT_TOKENS" if "limit" in error.message else "GRAPHQL_PARSE_FAILED"
    if stage == "validate":
        return "GRAPHQL_VALIDATION_FAILED"
    return "BAD_USER_INPUT" if error.path is None or _INPUT_PROBLEM.match(error.message) else "INTERNAL"


def _without_value(message: str) -> str:
    for pattern, ours in _ECHOES:
        message = pattern.sub(ours, message)
    return message


def _logged(cause: BaseException) -> dict[str, str]:
    error_id = uuid4().hex
    log.error("error.internal", error_id=error_id, request_id=request_id.get() or None, exc_info=cause)
    return {"errorId": error_id}
