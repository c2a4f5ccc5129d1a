"""What goes back over HTTP: one JSON document, its status and its headers.

Owns status and headers of answers and refusals. Must not decide what is answered. Called by `endpoint`; `encode` by every transport.

Statuses follow GraphQL over HTTP: `application/graphql-response+json` gets real ones, `application/json` gets 200 for whatever could be read as a
request. A request that could not be read, was not allowed, or came too often has its own status in both.
"""

from __future__ import annotations

import math
from typing import Any, Final

from starlette.responses import Response

from gateway.engine.encoding import encode
from gateway.engine.masking import present_failure
from gateway.engine.trusted import NOT_FOUND, NOT_SUPPORTED
from gateway.errors import GatewayError, MethodNotAllowed, Unauthenticated
from gateway.transport.http.negotiation import JSON, RESPONSE

__all__ = ["HEADERS", "Answer", "answer", "encode", "failure"]

HEADERS = {"cache-control": "no-store", "vary": "Accept", "x-content-type-options": "nosniff"}
"""Of every answer: it is one person's, and depends on what was asked for."""
_LATER = frozenset({429, 503})
_FINAL: Final = ("LIMIT_", "PERSISTED_QUERY_")
_SEND_THE_TEXT: Final = frozenset({NOT_FOUND, NOT_SUPPORTED})
_RAW: Final = [(name.encode(), value.encode()) for name, value in HEADERS.items()]
_LINES: Final = {
    media: b"".join([b"%b: %b\r\n" % field for field in (*_RAW, (b"content-type", f"{media}; charset=utf-8".encode()))])
    for media in (JSON, RESPONSE)
}
_FIELDS: Final = {media: (_RAW, (b"content-type", f"{media}; charset=utf-8".encode())) for media in (JSON, RESPONSE)}


def answer(response: dict[str, Any], media: str) -> Answer:
    """The response to an operation as this media type."""
    return Answer(encode(response), _status(response, media), media)


class Answer(Response):
    """A response whose headers but one are the same each time; `lines`: the others, as they are written."""

    def __init__(self, body: bytes, status: int, media: str) -> None:
        """As `Response` would have them, without putting each of them together anew."""
        self.status_code = status
        self.background = None
        self.body = body
        self.lines = _LINES[media]
        self._media = media

    @property
    def raw_headers(self) -> list[tuple[bytes, bytes]]:  # type: ignore[override]
        """For who sends them one by one."""
        before, after = _FIELDS[self._media]
        return [*before, (b"content-length", b"%d" % len(self.body)), after]


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
    """400 for what was refused before it ran; in the older media type only for what no retry makes better: a document over a limit, or one that is
    not trusted. The two answers of Apollo's protocol that ask for the text are 200 in both, as its clients and caches expect.
    """
    if "data" in response:
        return 200
    errors = response["errors"]
    if len(errors) == 1 and errors[0]["message"] in _SEND_THE_TEXT:
        return 200
    return 400 if media == RESPONSE or any(error["extensions"]["code"].startswith(_FINAL) for error in errors) else 200
