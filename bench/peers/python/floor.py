"""What uvicorn takes for itself: every request is answered with the same bytes, and every WebSocket is sent the same text, without a framework.

The floor of Q4 and the ceiling of S1. `POST /publish {"count"}` sends so many messages to every WebSocket that subscribed.
"""

from __future__ import annotations

import json
import os
from typing import Any

import uvicorn

BODY = b'{"data":{"viewer":{"actor":{"id":"agent-1"}}}}'
HEADERS = [(b"content-type", b"application/json"), (b"content-length", str(len(BODY)).encode())]
EVENT = json.dumps(
    {
        "id": "1",
        "type": "next",
        "payload": {
            "data": {
                "profileEvents": {
                    "__typename": "ProfileUpdated",
                    "seq": 1,
                    "profile": {
                        "id": "prf_018df1d74af87a9d8736682e14c80616",
                        "version": 12,
                        "displayName": "Ada Albers",
                        "lifecycle": "CUSTOMER",
                        "updatedAt": "2026-05-31T19:49:25Z",
                    },
                }
            }
        },
    },
    separators=(",", ":"),
)
sockets: set[Any] = set()


async def app(scope: Any, receive: Any, send: Any) -> None:
    """The whole application."""
    if scope["type"] == "http":
        if scope["path"] == "/publish":
            asked = json.loads((await receive())["body"])
            message = {"type": "websocket.send", "text": EVENT}
            for _ in range(asked["count"]):
                for one in sockets:
                    await one(message)
        await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
        await send({"type": "http.response.body", "body": BODY})
    elif scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept", "subprotocol": "graphql-transport-ws"})
        try:
            while (message := await receive())["type"] == "websocket.receive":
                kind = json.loads(message["text"])["type"]
                if kind == "connection_init":
                    await send({"type": "websocket.send", "text": '{"type":"connection_ack"}'})
                elif kind == "subscribe":
                    sockets.add(send)
        finally:
            sockets.discard(send)


class Server(uvicorn.Server):
    """Says `ready`."""

    async def startup(self, sockets: Any = None) -> None:
        """Listen."""
        await super().startup(sockets)
        print("ready", flush=True)


if __name__ == "__main__":
    config = uvicorn.Config(
        app,
        host="127.0.0.1",
        port=int(os.environ["PORT"]),
        loop="uvloop",
        http="httptools",
        log_level="error",
        access_log=False,
        lifespan="off",
        ws_per_message_deflate=False,
        ws_ping_interval=None,
        backlog=2048,
    )
    Server(config).run()
