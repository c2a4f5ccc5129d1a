"""The gateway behind a real server on loopback, and clients that speak the WebSocket protocol to it."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from itertools import count
from typing import Any

import uvicorn
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from gateway.app import Runtime, create_app
from gateway.settings import Settings

__all__ = ["Client", "Server", "serving"]

SECONDS = 8.0


class Client:
    """One acknowledged socket; messages of its operations are told apart by their ids."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self._ids = count(1)

    async def send(self, message: dict[str, Any]) -> None:
        """Send one message."""
        await self.connection.send(json.dumps(message))

    async def receive(self) -> dict[str, Any]:
        """The next message that is no ping."""
        async with asyncio.timeout(SECONDS):
            while True:
                message: dict[str, Any] = json.loads(await self.connection.recv())
                if message["type"] != "ping":
                    return message

    async def start(self, query: str, **variables: Any) -> str:
        """Begin an operation; its id."""
        name = str(next(self._ids))
        await self.send({"id": name, "type": "subscribe", "payload": {"query": query, "variables": variables}})
        return name

    async def next(self, name: str) -> dict[str, Any]:
        """The payload of the next event of an operation: its only root field."""
        message = await self.receive()
        assert (message["id"], message["type"]) == (name, "next"), message
        assert "errors" not in message["payload"], message
        return dict(next(iter(message["payload"]["data"].values())))

    async def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        """The answer to a query or mutation, or to one that was refused: `errors`. Events that come meanwhile are lost."""
        name = await self.start(query, **variables)
        answer: dict[str, Any] = {}
        while True:
            message = await self.receive()
            if message.get("id") != name:
                continue
            if message["type"] == "error":
                return {"errors": message["payload"]}
            if message["type"] == "complete":
                return answer
            answer = message["payload"]

    async def close_code(self) -> tuple[int, str]:
        """Wait for the close; its code and reason."""
        with suppress(ConnectionClosed):
            async with asyncio.timeout(SECONDS):
                async for _ in self.connection:
                    pass
        return self.connection.close_code or 1006, self.connection.close_reason or ""

    def reset(self) -> None:
        """Go without a word, as a machine that lost its power does, with a TCP reset."""
        transport = self.connection.transport
        raw = transport.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
        transport.abort()


@dataclass
class Server:
    """A served gateway."""

    address: tuple[str, int]
    clients: AsyncExitStack

    async def open(self, token: str) -> Client:
        """A socket with this token, not acknowledged yet; closed with the test."""
        connection = await self.clients.enter_async_context(
            connect(
                f"ws://{self.address[0]}:{self.address[1]}/graphql",
                subprotocols=[Subprotocol("graphql-transport-ws")],
                proxy=None,
                compression=None,
                ping_interval=None,
                close_timeout=1,
            )
        )
        client = Client(connection)
        await client.send({"type": "connection_init", "payload": {"Authorization": f"Bearer {token}"}})
        return client

    async def ready(self, token: str) -> Client:
        """An acknowledged socket."""
        client = await self.open(token)
        assert await client.receive() == {"type": "connection_ack"}
        return client


@asynccontextmanager
async def serving(settings: Settings, runtime: Runtime) -> AsyncIterator[Server]:
    """Serve this runtime on loopback until the block ends."""
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        create_app(settings, runtime),
        lifespan="off",
        log_config=None,
        ws="websockets-sansio",
        ws_ping_interval=None,
        timeout_graceful_shutdown=3,
    )
    server = uvicorn.Server(config)
    running = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        async with AsyncExitStack() as clients:
            async with asyncio.timeout(SECONDS):
                while not server.started:  # noqa: ASYNC110  # uvicorn tells nobody
                    await asyncio.sleep(0.005)
            yield Server(listener.getsockname()[:2], clients)
    finally:
        server.should_exit = True
        await asyncio.wait_for(running, SECONDS)
