"""The ASGI endpoint of GraphQL over WebSocket: who may upgrade.

Owns the upgrade: origin, admission, subprotocol, refusal while closing. Must not speak the protocol: that is `connection`. `app` mounts one
`GraphQLWebSocket`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from functools import partial
from uuid import uuid4

from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket

from gateway.errors import Overloaded
from gateway.observe import request_id
from gateway.transport.admission import Admission, Seat, retry_after
from gateway.transport.connections import Connections
from gateway.transport.ws.connection import Connection
from gateway.transport.ws.effects import CloseCode
from gateway.transport.ws.handover import hand_over
from gateway.transport.ws.origin import OriginPolicy
from gateway.transport.ws.protocol import SUBPROTOCOL
from gateway.transport.ws.wiring import Wiring

__all__ = ["GraphQLWebSocket"]


class GraphQLWebSocket:
    """An ASGI application for one WebSocket route."""

    def __init__(
        self,
        wiring: Wiring,
        *,
        allowed_origins: Collection[str] = (),
        connections: Connections | None = None,
        admission: Admission | None = None,
    ) -> None:
        self._wiring = wiring
        self._origins = OriginPolicy(allowed_origins)
        self.connections = connections if connections is not None else Connections()
        self.admission = admission if admission is not None else Admission()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one upgrade: 403 for a foreign page, 503 while closing or full, 4406 without our subprotocol, else serve the socket."""
        websocket = WebSocket(scope, receive, send)
        if not self._origins.permits(websocket.headers.getlist("origin"), websocket.headers.getlist("host")):
            await websocket.close()  # before accept this is the answer 403
            return
        if self.connections.closing:
            await _refuse(websocket, "Service Restart", 1)
            return
        try:
            seat = self.admission.upgrade(asyncio.get_running_loop().time())
        except Overloaded as error:
            await _refuse(websocket, error.message, retry_after(error))
            return
        try:
            offered: list[str] = scope.get("subprotocols", [])
            if SUBPROTOCOL not in offered:
                # Naming one of its own subprotocols lets a browser see the code; without one it fails the handshake and shows 1006.
                await websocket.accept(offered[0] if offered else None)
                await websocket.close(CloseCode.SUBPROTOCOL_NOT_ACCEPTABLE, "Subprotocol not acceptable")
                seat.leave()
                return
            await websocket.accept(SUBPROTOCOL)
        except BaseException:
            seat.leave()
            raise
        await hand_over(scope, receive, send, partial(self._serve, seat, request_id.get() or uuid4().hex))

    async def _serve(self, seat: Seat, current: str, receive: Receive, send: Send) -> None:
        request_id.set(current)
        try:
            await self.connections.serve(Connection(receive, send, self._wiring, seat))
        finally:
            seat.leave()


async def _refuse(websocket: WebSocket, reason: str, seconds: int) -> None:
    await websocket.send_denial_response(PlainTextResponse(reason, 503, {"Retry-After": str(seconds)}))
