"""Statuses and headers of answers and refusals."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from gateway.errors import Forbidden, GatewayError, MethodNotAllowed, Overloaded, RateLimited, SourceTimeout, Unauthenticated
from gateway.transport.http.answers import answer, encode, failure
from gateway.transport.http.negotiation import JSON, RESPONSE

__all__: list[str] = []


def refused(code: str, message: str = "no") -> dict[str, object]:
    """A response without data."""
    return {"errors": [{"message": message, "extensions": {"code": code}}]}


@pytest.mark.parametrize(
    ("response", "media", "status"),
    [
        ({"data": {"a": 1}}, JSON, 200),
        ({"data": {"a": 1}}, RESPONSE, 200),
        ({"data": None, **refused("INTERNAL")}, RESPONSE, 200),
        (refused("GRAPHQL_PARSE_FAILED"), JSON, 200),
        (refused("GRAPHQL_PARSE_FAILED"), RESPONSE, 400),
        (refused("LIMIT_TOKENS"), JSON, 400),
        (refused("LIMIT_DEPTH"), RESPONSE, 400),
        (refused("BAD_USER_INPUT"), JSON, 200),
        (refused("PERSISTED_QUERY_REQUIRED"), JSON, 400),
        (refused("PERSISTED_QUERY_NOT_FOUND"), JSON, 400),
        (refused("PERSISTED_QUERY_NOT_FOUND"), RESPONSE, 400),
        (refused("PERSISTED_QUERY_NOT_FOUND", "PersistedQueryNotFound"), JSON, 200),
        (refused("PERSISTED_QUERY_NOT_FOUND", "PersistedQueryNotFound"), RESPONSE, 200),
        (refused("PERSISTED_QUERY_NOT_SUPPORTED", "PersistedQueryNotSupported"), RESPONSE, 200),
    ],
)
def test_statuses(response: dict[str, object], media: str, status: int) -> None:
    """Real statuses for the newer type; for the older one 200, unless a document is over a limit or not trusted. Apollo's misses are 200."""
    made = answer(response, media)

    assert (made.status_code, made.headers["content-type"], json.loads(made.body)) == (status, f"{media}; charset=utf-8", response)
    assert {made.headers[name] for name in ("cache-control", "vary", "x-content-type-options")} == {"no-store", "Accept", "nosniff"}


@pytest.mark.parametrize(
    ("error", "status", "header"),
    [
        (Unauthenticated(), 401, ("www-authenticate", 'Bearer realm="profile-gateway"')),
        (MethodNotAllowed("No.", "POST"), 405, ("allow", "POST")),
        (RateLimited(retryAfterMs=1001), 429, ("retry-after", "2")),
        (RateLimited(retryAfterMs=0), 429, ("retry-after", "1")),
        (Overloaded(), 503, ("retry-after", "1")),
        (Overloaded(retryAfterMs=5000), 503, ("retry-after", "5")),
        (SourceTimeout("crm"), 503, ("retry-after", "1")),
        (Forbidden(), 403, ("vary", "Accept")),
    ],
    ids=lambda value: type(value).__name__,
)
def test_refusals(error: GatewayError, status: int, header: tuple[str, str]) -> None:
    """Each error has its status, its code, and the header that goes with it."""
    made = failure(error, RESPONSE)
    (shown,) = json.loads(made.body)["errors"]

    assert (made.status_code, shown["extensions"]["code"], made.headers["content-type"]) == (
        status,
        error.code,
        f"{RESPONSE}; charset=utf-8",
    )
    assert made.headers[header[0]] == header[1]


def test_a_bug() -> None:
    """Anything else is 500 with an error id, and keeps its words to itself."""
    made = failure(RuntimeError("secret"), JSON)
    (shown,) = json.loads(made.body)["errors"]

    assert (made.status_code, set(shown["extensions"]), shown["extensions"]["code"]) == (500, {"code", "errorId"}, "INTERNAL")
    assert b"secret" not in made.body


def test_moments() -> None:
    """Moments are written in UTC with a Z."""
    assert encode({"at": datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)}) == b'{"at":"2026-01-02T03:04:05Z"}'
