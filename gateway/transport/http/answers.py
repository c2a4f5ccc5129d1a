"""What goes back over HTTP: one JSON document, its status and its headers.

Owns status and headers of answers and refusals. Must not decide what is answered. Called by `endpoint`; `encode` by every transport.

Statuses follow GraphQL over HTTP: `application/graphql-response+json` gets real ones, `application/json` gets 200 for whatever could be read as a
request. A request that could not be read, was not allowed, or came too often has its own status in both.
"""

from __future__ import annotations

import math
from typing import Any

import orjson
from starlette.responses import Response

from gateway.engine.masking import present_failure
from gateway.errors import GatewayError, MethodNotAllowed, Unauthenticated
from gateway.transport.http.negotiation import RESPONSE

__all__ = ["HEADERS", "answer", "encode", "failure"]

HEADERS = {"cache-control": "no-store", "vary": "Accept", "x-content-type-options": "nosniff"}
"""Of every answer: it is one person's, and depends on what was asked for."""
_LATER = frozenset({429, 503})


def encode(value: Any) -> bytes:
    """JSON as every transport writes it: UTF-8, moments in UTC with a Z."""
    return orjson.dumps(value, option=orjson.OPT_UTC_Z)


def answer(response: dict[str, Any], media: str) -> Response:
    """The response to an operation as this media type."""
    return Response(encode(response), _status(response, media), HEADERS, f"{media}; charset=utf-8")


def failure(error: Exception, media: str) -> Response:
    """What refuses a whole request; anything but a `GatewayError` shows as an id that the log knows."""
    headers = dict(HEADERS)
    status = error.http_status if isinstance(error, GatewayError) else 500
    if isinstance(error, Unauthenticated):
        headers["www-authenticate"] = 'Bearer realm="profile-gateway"'
    elif isinstance(error, MethodNotAllowed):
        headers["allow"] = error.allowed
    if status in _LATER:
        wait = error.extensions.get("retryAfterMs", 1000) if isinstance(error, GatewayError) else 1000
        headers["retry-after"] = str(max(1, math.ceil(wait / 1000)))
    return Response(encode({"errors": [present_failure(error)]}), status, headers, f"{media}; charset=utf-8")


def _status(response: dict[str, Any], media: str) -> int:
    """400 for what was refused before it ran; in the older media type only for a document over a limit, which no retry makes smaller."""
    if "data" in response:
        return 200
    over_a_limit = any(error["extensions"]["code"].startswith("LIMIT_") for error in response["errors"])
    return 400 if over_a_limit or media == RESPONSE else 200
