"""GraphQL over HTTP: one POST, one response.

Owns reading a body safely, choosing status and media type, and the time budget of an operation. Must not know the schema.
Mounted by `app`; follows the GraphQL over HTTP draft (2025): `application/graphql-response+json` gets real status codes, `application/json`
gets 200 for whatever could be parsed as a request.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

import orjson
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from gateway.engine.masking import present_failure
from gateway.engine.request import Request as Operation
from gateway.errors import BadRequest, GatewayError, OperationTimeout, PayloadTooLarge, RateLimited, Unauthenticated, UnsupportedMediaType

__all__ = ["GraphQLEndpoint", "encode", "read_body"]

MAX_BODY = 256 * 1024
_BUDGET = {"query": 5.0, "mutation": 10.0}
_GRAPHQL = "application/graphql-response+json"
_JSON = "application/json"


class Engine(Protocol):
    """What runs operations."""

    def prepare(self, request: Operation) -> Any:
        """Parse and validate."""

    async def execute(self, prepared: Any, context: Any) -> dict[str, Any]:
        """The formatted response."""


def encode(value: Any) -> bytes:
    """JSON as every transport writes it: UTF-8, moments in UTC with a Z."""
    return orjson.dumps(value, option=orjson.OPT_UTC_Z)


async def read_body(request: Request, limit: int) -> bytes:
    """The body, counted while it streams in.

    Raises:
        PayloadTooLarge: more than `limit` bytes came.
        BadRequest: the client went away in the middle.
    """
    chunks: list[bytes] = []
    size = 0
    try:
        async for chunk in request.stream():
            size += len(chunk)
            if size > limit:
                raise PayloadTooLarge(f"The body may have {limit} bytes at most.")
            chunks.append(chunk)
    except ClientDisconnect:
        raise BadRequest("The request ended before its body did.") from None
    return b"".join(chunks)


class GraphQLEndpoint:
    """Answers POST requests with one operation each."""

    def __init__(
        self,
        engine: Engine,
        authenticate: Callable[[str | None], Awaitable[Any]],
        context_for: Callable[[Any], Any],
        admit: Callable[[Any], None] = lambda _: None,
    ) -> None:
        """`authenticate`: from the Authorization header to the principal; `context_for`: from the principal to a fresh context; `admit`: counts
        an operation of a principal and raises `RateLimited` when there were too many.
        """
        self._engine = engine
        self._admit = admit
        self._authenticate = authenticate
        self._context_for = context_for

    async def handle(self, request: Request) -> Response:
        """One request, one response; nothing escapes as an exception."""
        media = _media_type(request.headers.get("accept"))
        if media is None:
            return Response("Answers are application/graphql-response+json or application/json.\n", 406, media_type="text/plain")
        try:
            principal = await self._authenticate(request.headers.get("authorization"))
            self._admit(principal)
            operation = _parse(
                request.headers.get("content-type"), request.headers.get("content-encoding"), await read_body(request, MAX_BODY)
            )
            prepared = self._engine.prepare(operation)
            if prepared.errors is None and prepared.operation_type == "subscription":
                return _failure(BadRequest("Subscriptions run over WebSocket (subprotocol graphql-transport-ws), not over HTTP."), media)
            async with asyncio.timeout(_BUDGET.get(prepared.operation_type, 5.0)):
                answer = await self._engine.execute(prepared, self._context_for(principal))
        except TimeoutError:
            return _failure(OperationTimeout(), media)
        except GatewayError as error:
            return _failure(error, media)
        except Exception as error:  # noqa: BLE001  # the client gets an error id, the log the rest
            return Response(encode({"errors": [present_failure(error)]}), 500, media_type=media)
        return Response(encode(answer), _status(answer, media), media_type=f"{media}; charset=utf-8")


def _status(answer: dict[str, Any], media: str) -> int:
    """400 for what was refused before it ran; in the older media type only for a document over a limit, which no retry makes smaller."""
    if "data" in answer:
        return 200
    over_a_limit = any(error["extensions"]["code"].startswith("LIMIT_") for error in answer["errors"])
    return 400 if over_a_limit or media == _GRAPHQL else 200


def _media_type(accept: str | None) -> str | None:
    """The media type to answer with: the newer one when it is named, JSON for whoever takes anything."""
    if not accept:
        return _JSON
    named = {part.split(";")[0].strip().lower() for part in accept.split(",")}
    if _GRAPHQL in named:
        return _GRAPHQL
    return _JSON if named & {_JSON, "application/*", "*/*"} else None


def _parse(content_type: str | None, encoding: str | None, body: bytes) -> Operation:
    if (content_type or "").split(";")[0].strip().lower() != _JSON:
        raise UnsupportedMediaType("Send the request as application/json.")
    if encoding and encoding.lower() != "identity":
        raise UnsupportedMediaType("Compressed requests are not accepted here.")
    try:
        given = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise BadRequest("The body is not JSON.") from None
    if not isinstance(given, dict):
        raise BadRequest("The body is not a JSON object with a query in it.")
    query, variables, name, extensions = (given.get(key) for key in ("query", "variables", "operationName", "extensions"))
    if not isinstance(query, str):
        raise BadRequest("query is a string.")
    if not isinstance(variables, dict | None) or not isinstance(extensions, dict | None) or not isinstance(name, str | None):
        raise BadRequest("variables and extensions are objects, operationName is a string; each may be absent or null.")
    return Operation(query, variables, name, extensions)


def _failure(error: GatewayError, media: str) -> Response:
    headers = {}
    if isinstance(error, Unauthenticated):
        headers["www-authenticate"] = 'Bearer realm="profile-gateway"'
    if isinstance(error, RateLimited):
        headers["retry-after"] = str(math.ceil(error.extensions.get("retryAfterMs", 1000) / 1000))
    elif error.http_status == 503:  # noqa: PLR2004
        headers["retry-after"] = "1"
    return Response(encode({"errors": [present_failure(error)]}), error.http_status, headers, f"{media}; charset=utf-8")
