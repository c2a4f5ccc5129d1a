"""The ASGI endpoint of GraphQL over WebSocket: who may upgrade, and which sockets are open.

Owns the upgrade (origin, subprotocol, refusal while closing) and the registry of open sockets. Must not speak the protocol: that is
`connection`. `app` mounts one `GraphQLWebSocket` and calls `Connections.close_all` when the process is about to end.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from uuid import uuid4

from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket

from gateway.observe import SOCKETS, request_id
from gateway.transport.ws.connection import Connection, Wiring
from gateway.transport.ws.effects import CloseCode
from gateway.transport.ws.origin import OriginPolicy
from gateway.transport.ws.protocol import SUBPROTOCOL

__all__ = ["Connections", "GraphQLWebSocket"]


class Connections:
    """The open sockets of this process."""

    def __init__(self) -> None:
        self._open: set[Connection] = set()
        self._none_open = asyncio.Event()
        self._none_open.set()
        self._last_words: tuple[int, str] | None = None

    def __len__(self) -> int:
        return len(self._open)

    @property
    def closing(self) -> bool:
        """Whether `close_all` was called: new sockets are refused with 503."""
        return self._last_words is not None

    async def close_all(self, code: int = CloseCode.SERVICE_RESTART, reason: str = "Service Restart") -> None:
        """Refuse new sockets, close the open ones, and return when their last operation has ended.

        A client that does not read holds this up for at most `Limits.send_timeout`.
        """
        self._last_words = (code, reason)
        for connection in tuple(self._open):
            await connection.close(code, reason)
        await self._none_open.wait()

    async def serve(self, connection: Connection) -> None:
        """Run an accepted socket to its end, counted meanwhile."""
        self._open.add(connection)
        self._none_open.clear()
        SOCKETS.inc()
        try:
            if self._last_words is not None:  # the upgrade was under way when `close_all` was called
                await connection.close(*self._last_words)
            await connection.run()
        finally:
            SOCKETS.dec()
            self._open.discard(connection)
            if not self._open:
                self._none_open.set()


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
