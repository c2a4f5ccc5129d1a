"""The request id: one per request or socket, on every log line and in every answer.

Owns the ASGI middleware that takes it from `x-request-id` or makes one. Added by `app`; `transport.shortcut` says it where that is passed by.
"""

from __future__ import annotations

import re
from random import getrandbits

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.observe import request_id

__all__ = ["HEADER", "RequestId", "identified"]

_SAFE = re.compile(rb"[A-Za-z0-9._-]{1,64}")
HEADER = b"x-request-id"


def identified(given: bytes) -> bytes:
    """The id of a request that came with this one, or with none."""
    return given if given and _SAFE.fullmatch(given) else b"%032x" % getrandbits(128)  # a name, no secret


class RequestId:
    """ASGI middleware."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Set the id for everything below, and answer with it."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        given = b""
        for name, value in scope["headers"]:
            if name == HEADER:
                given = value
                break
        current = identified(given)
        token = request_id.set(current.decode())

        async def answer(message: Message) -> None:
            if message["type"] in ("http.response.start", "websocket.accept"):
                message["headers"] = [*message.get("headers", ()), (HEADER, current)]
            await send(message)

        try:
            await self._app(scope, receive, answer)
        finally:
            request_id.reset(token)
