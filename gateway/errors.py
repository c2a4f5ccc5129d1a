"""Every error the gateway shows to a client or an operator, in one tree.

Owns the stable codes (`extensions.code` in GraphQL, `error.code` over HTTP), the HTTP status of each and whether a retry can help.
Must not hold internal detail: what a driver said stays in `__cause__` and in the log, under the error's id.
Called by every layer; `engine.masking` and `transport` turn these into bytes.

    GatewayError
    ├── BadRequest               BAD_REQUEST            the bytes are not a request
    │   ├── MethodNotAllowed     METHOD_NOT_ALLOWED
    │   ├── NotAcceptable        NOT_ACCEPTABLE
    │   ├── PayloadTooLarge      PAYLOAD_TOO_LARGE
    │   ├── RequestTimeout       REQUEST_TIMEOUT
    │   └── UnsupportedMediaType UNSUPPORTED_MEDIA_TYPE
    ├── BadUserInput             BAD_USER_INPUT         a value in a well-formed request is wrong
    │   ├── CursorInvalid        CURSOR_INVALID
    │   ├── AmbiguousReference   AMBIGUOUS_REFERENCE
    │   └── IdempotencyKeyReused IDEMPOTENCY_KEY_REUSED
    ├── LimitExceeded            LIMIT_*                the document is larger than the gateway answers
    ├── PersistedQueryNotFound      PERSISTED_QUERY_NOT_FOUND
    ├── PersistedQueryNotSupported  PERSISTED_QUERY_NOT_SUPPORTED
    ├── PersistedQueryRequired      PERSISTED_QUERY_REQUIRED
    ├── Unauthenticated          UNAUTHENTICATED
    ├── Forbidden                FORBIDDEN
    ├── RateLimited              RATE_LIMITED
    ├── SubscriptionLimit        SUBSCRIPTION_LIMIT
    ├── Overloaded               OVERLOADED
    ├── OutcomeUnknown           OUTCOME_UNKNOWN        the answer to a commit was lost
    ├── OperationTimeout         OPERATION_TIMEOUT
    ├── SourceError                                     one source failed; the others answered
    │   ├── SourceTimeout        SOURCE_TIMEOUT
    │   ├── SourceUnavailable    SOURCE_UNAVAILABLE
    │   └── SourceCircuitOpen    SOURCE_CIRCUIT_OPEN
    ├── Rejected                 (userErrors)           an expected, domain-level refusal of a command
    └── ConfigurationError       CONFIGURATION          the process cannot start as configured
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

__all__ = [
    "AmbiguousReference",
    "BadRequest",
    "BadUserInput",
    "ConfigurationError",
    "CursorInvalid",
    "Forbidden",
    "GatewayError",
    "IdempotencyKeyReused",
    "LimitExceeded",
    "MethodNotAllowed",
    "NotAcceptable",
    "OperationTimeout",
    "OutcomeUnknown",
    "Overloaded",
    "PayloadTooLarge",
    "PersistedQueryNotFound",
    "PersistedQueryNotSupported",
    "PersistedQueryRequired",
    "Problem",
    "RateLimited",
    "Rejected",
    "RequestTimeout",
    "SourceCircuitOpen",
    "SourceError",
    "SourceTimeout",
    "SourceUnavailable",
    "SubscriptionLimit",
    "Unauthenticated",
    "UnsupportedMediaType",
]

_LONGEST_MESSAGE = 500
"""Characters of a public message; a longer one is cut, so that no input is echoed back whole."""


class GatewayError(Exception):
    """Something went wrong on our side; the error id names it in the log."""

    code: ClassVar[str] = "INTERNAL"
    http_status: ClassVar[int] = 500
    retryable: ClassVar[bool] = False

    def __init__(self, message: str | None = None, **extensions: Any) -> None:
        text = message or (type(self).__doc__ or "").strip().splitlines()[0]
        self.message = text if len(text) <= _LONGEST_MESSAGE else text[: _LONGEST_MESSAGE - 1] + "…"
        self.extensions: dict[str, Any] = extensions
        super().__init__(self.message)


class BadRequest(GatewayError):
    """The request could not be read."""

    code = "BAD_REQUEST"
    http_status = 400


class MethodNotAllowed(BadRequest):
    """The method cannot do this here; the header Allow names those that can."""

    code = "METHOD_NOT_ALLOWED"
    http_status = 405

    def __init__(self, message: str | None = None, allowed: str = "") -> None:
        super().__init__(message)
        self.allowed = allowed


class NotAcceptable(BadRequest):
    """The request accepts no media type that it can be answered with."""

    code = "NOT_ACCEPTABLE"
    http_status = 406


class PayloadTooLarge(BadRequest):
    """The request body is larger than the gateway accepts."""

    code = "PAYLOAD_TOO_LARGE"
    http_status = 413


class RequestTimeout(BadRequest):
    """The request did not arrive in time."""

    code = "REQUEST_TIMEOUT"
    http_status = 408
    retryable = True


class UnsupportedMediaType(BadRequest):
    """The request's content type or encoding is not supported here."""

    code = "UNSUPPORTED_MEDIA_TYPE"
    http_status = 415


class BadUserInput(GatewayError):
    """A value in the request is not valid."""

    code = "BAD_USER_INPUT"
    http_status = 400


class CursorInvalid(BadUserInput):
    """The cursor is not one this server made for this stream or list."""

    code = "CURSOR_INVALID"


class AmbiguousReference(BadUserInput):
    """More than one profile answers to this reference; use searchProfiles to choose one."""

    code = "AMBIGUOUS_REFERENCE"


class IdempotencyKeyReused(BadUserInput):
    """This idempotency key was used before with a different input; make a new key for a new change."""

    code = "IDEMPOTENCY_KEY_REUSED"


class LimitExceeded(GatewayError):
    """The document is larger than the gateway answers.

    The code names the limit: `LIMIT_TOKENS`, `LIMIT_DEPTH`, `LIMIT_ALIASES`, `LIMIT_FIELDS`, `LIMIT_DIRECTIVES`, `LIMIT_COST` or `LIMIT_PAGE_SIZE`.
    """

    code = "LIMIT_EXCEEDED"
    http_status = 400

    def __init__(self, limit: str, message: str, /, **extensions: Any) -> None:
        super().__init__(message, **extensions)
        self.code = f"LIMIT_{limit}"  # type: ignore[misc]  # one class, one code per limit


class PersistedQueryNotFound(GatewayError):
    """No trusted document has this id."""

    code = "PERSISTED_QUERY_NOT_FOUND"
    http_status = 400


class PersistedQueryNotSupported(GatewayError):
    """This client's documents are not looked up by a hash; send them as they are."""

    code = "PERSISTED_QUERY_NOT_SUPPORTED"
    http_status = 200


class PersistedQueryRequired(GatewayError):
    """Only trusted documents are answered for this client; send the id of one."""

    code = "PERSISTED_QUERY_REQUIRED"
    http_status = 400


class Unauthenticated(GatewayError):
    """No valid credentials were sent."""

    code = "UNAUTHENTICATED"
    http_status = 401


class Forbidden(GatewayError):
    """These credentials do not allow this."""

    code = "FORBIDDEN"
    http_status = 403


class RateLimited(GatewayError):
    """Too many requests; try again later."""

    code = "RATE_LIMITED"
    http_status = 429
    retryable = True


class SubscriptionLimit(GatewayError):
    """This connection already runs as many operations as it may."""

    code = "SUBSCRIPTION_LIMIT"
    http_status = 429


class Overloaded(GatewayError):
    """The gateway is busy or shutting down; try again in a moment."""

    code = "OVERLOADED"
    http_status = 503
    retryable = True


class OutcomeUnknown(GatewayError):
    """The connection was lost while the change was saved: it may have been made; look, or repeat it with the same idempotency key.

    Not `retryable`: what is repeated without a key may be made twice.
    """

    code = "OUTCOME_UNKNOWN"
    http_status = 503


class OperationTimeout(GatewayError):
    """The operation took longer than its time budget."""

    code = "OPERATION_TIMEOUT"
    http_status = 504
    retryable = True


class SourceError(GatewayError):
    """A source of customer data did not answer."""

    code = "SOURCE_UNAVAILABLE"
    http_status = 503
    retryable = True

    def __init__(self, source: str, message: str | None = None, **extensions: Any) -> None:
        super().__init__(message, source=source, **extensions)
        self.source = source


class SourceTimeout(SourceError):
    """A source of customer data did not answer in time."""

    code = "SOURCE_TIMEOUT"


class SourceUnavailable(SourceError):
    """A source of customer data could not be reached or answered with an error."""


class SourceCircuitOpen(SourceError):
    """A source of customer data failed too often and is given a rest."""

    code = "SOURCE_CIRCUIT_OPEN"


@dataclass(frozen=True, slots=True)
class Problem:
    """One expected failure of a command: becomes one entry of a payload's `userErrors`.

    `code` is a `UserErrorCode`; `path` leads to the input field, from `input` downwards. `current` carries the entity as it is now
    (STALE_VERSION), `existing` the profile that already has the value (TAKEN).
    """

    code: str
    message: str
    path: tuple[str, ...] | None = None
    current: object | None = None
    current_version: int | None = None
    existing: object | None = None


class Rejected(GatewayError):
    """The command was refused; nothing was changed."""

    code = "REJECTED"
    http_status = 200

    def __init__(self, *problems: Problem) -> None:
        super().__init__("; ".join(problem.message for problem in problems))
        self.problems: Sequence[Problem] = problems


class ConfigurationError(GatewayError):
    """The gateway cannot start as it is configured."""

    code = "CONFIGURATION"
