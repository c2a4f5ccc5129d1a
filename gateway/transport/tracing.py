"""The request id: one per request or socket, on every log line and in every answer.

Owns the ASGI middleware that takes it from `x-request-id` or makes one. Added by `app`.
"""

from __future__ import annotations

import re
from uuid import uuid4

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.observe import request_id

__all__ = ["RequestId"]

_SAFE = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_HEADER = b"x-request-id"


class RequestId:
    """ASGI middleware."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Set the id for everything below, and answer with it."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        given = next((value for name, value in scope["headers"] if name == _HEADER), b"")
        current = given if _SAFE.fullmatch(given) else uuid4().hex.encode()
        token = request_id.set(current.decode())

        async def answer(message: Message) -> None:
            if message["type"] in ("http.response.start", "websocket.accept"):
                message["headers"] = [*message.get("headers", ()), (_HEADER, current)]
            await send(message)

        try:
            await self._app(scope, receive, answer)
        finally:
            request_id.reset(token)
