"""The ASGI endpoint of GraphQL over WebSocket: who may upgrade.

Owns the upgrade: origin, subprotocol, refusal while closing. Must not speak the protocol: that is `connection`. `app` mounts one
`GraphQLWebSocket`.
"""

from __future__ import annotations

from collections.abc import Collection
from uuid import uuid4

from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket

from gateway.observe import request_id
from gateway.transport.connections import Connections
from gateway.transport.ws.connection import Connection, Wiring
from gateway.transport.ws.effects import CloseCode
from gateway.transport.ws.origin import OriginPolicy
from gateway.transport.ws.protocol import SUBPROTOCOL

__all__ = ["GraphQLWebSocket"]


class GraphQLWebSocket:
    """An ASGI application for one WebSocket route."""

    def __init__(self, wiring: Wiring, *, allowed_origins: Collection[str] = (), connections: Connections | None = None) -> None:
        self._wiring = wiring
        self._origins = OriginPolicy(allowed_origins)
        self.connections = connections if connections is not None else Connections()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one upgrade: 403 for a foreign page, 503 while closing, 4406 without our subprotocol, else serve the socket."""
        websocket = WebSocket(scope, receive, send)
        if not self._origins.permits(websocket.headers.getlist("origin"), websocket.headers.getlist("host")):
            await websocket.close()  # before accept this is the answer 403
            return
        if self.connections.closing:
            await websocket.send_denial_response(PlainTextResponse("Service Restart", 503, {"Retry-After": "1"}))
            return
        offered: list[str] = scope.get("subprotocols", [])
        if SUBPROTOCOL not in offered:
            # Naming one of its own subprotocols lets a browser see the code; without one it fails the handshake and shows 1006.
            await websocket.accept(offered[0] if offered else None)
            await websocket.close(CloseCode.SUBPROTOCOL_NOT_ACCEPTABLE, "Subprotocol not acceptable")
            return
        await websocket.accept(SUBPROTOCOL)
        if not request_id.get():
            request_id.set(uuid4().hex)
        await self.connections.serve(Connection(websocket, self._wiring))
