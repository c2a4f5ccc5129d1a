"""Getting the ASGI stack out of a socket's way: its layers decide about the upgrade, then the socket is served outside of them.

Owns the outermost middleware and what is handed to it. A WebSocket lives for hours, and each middleware, router and wrapped `send` around it would
keep its frame and its copies of the request for as long: 4 kB a socket. Added by `app` before every other middleware; used by `endpoint`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

__all__ = ["Handover", "hand_over"]

_KEY: Final = "gateway.handover"

Serve = Callable[[Receive, Send], Awaitable[None]]


class Handover:
    """ASGI middleware; without it sockets are served in place."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the stack answer; then, if it has accepted a socket, serve that."""
        if scope["type"] != "websocket":
            await self._app(scope, receive, send)
            return
        handed: list[Serve] = []
        scope[_KEY] = handed
        await self._app(scope, receive, send)
        scope.clear()  # headers above all: nobody asks for them any more
        if handed:
            await handed.pop()(receive, send)


async def hand_over(scope: Scope, receive: Receive, send: Send, serve: Serve) -> None:
    """Have an accepted socket served: outside of the stack where `Handover` is, else here and now."""
    handed = scope.get(_KEY)
    if handed is None:
        await serve(receive, send)
    else:
        handed.append(serve)
