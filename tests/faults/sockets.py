"""Sockets that speak graphql-transport-ws by hand, and hang up as rudely as a test needs. Used by the tests beside this file."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Origin, Subprotocol

__all__ = ["CREATE", "SECONDS", "UPDATE", "WATCH", "Client", "client_of", "opened"]

SECONDS = 10.0
CREATE = "mutation($input: CreateProfileInput!) { createProfile(input: $input) { profile { id } userErrors { code } } }"
UPDATE = "mutation($input: UpdateProfileInput!) { updateProfile(input: $input) { profile { id } userErrors { code message } } }"
WATCH = """subscription($id: ID!, $after: StreamCursor) { profileEvents(profileId: $id, after: $after) { __typename
  ... on LiveEvent { cursor seq } ... on StreamReady { resumed } ... on ProfileUpdated { profile { firstName } } } }"""


class Client:
    """One socket that speaks graphql-transport-ws."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection

    async def send(self, message: Any) -> None:
        """Send a frame: text and bytes as they are, all else as JSON."""
        await self.connection.send(message if isinstance(message, str | bytes) else json.dumps(message))

    async def receive(self) -> dict[str, Any]:
        """The next message that is no ping."""
        async with asyncio.timeout(SECONDS):
            while (message := json.loads(await self.connection.recv()))["type"] == "ping":
                await self.send({"type": "pong"})
        return dict(message)

    async def ready(self, token: str) -> None:
        """Introduce oneself."""
        await self.send({"type": "connection_init", "payload": {"Authorization": f"Bearer {token}"}})
        assert await self.receive() == {"type": "connection_ack"}

    async def subscribe(self, name: str, query: str, **payload: Any) -> None:
        """Start an operation."""
        await self.send({"type": "subscribe", "id": name, "payload": {"query": query, **payload}})

    async def event(self, name: str) -> Any:
        """The next event of a subscription, which is the only one that has one."""
        message = await self.receive()
        assert (message["id"], message["type"]) == (name, "next"), message
        return message["payload"]["data"]["profileEvents"]

    async def close_code(self) -> tuple[int, str]:
        """Code and reason of the close, ignoring what comes before it."""
        with contextlib.suppress(ConnectionClosed):
            async with asyncio.timeout(SECONDS):
                async for _ in self.connection:
                    pass
        return self.connection.close_code or 1006, self.connection.close_reason or ""

    def reset(self) -> None:
        """Hang up without a word: the other side hears a reset."""
        raw = self.connection.transport.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.transport.abort()


async def opened(port: int, *, origin: str | None = None, headers: dict[str, str] | None = None, path: str = "/graphql") -> Client:
    """A socket that has said nothing yet."""
    connection = await connect(
        f"ws://127.0.0.1:{port}{path}",
        subprotocols=[Subprotocol("graphql-transport-ws")],
        origin=None if origin is None else Origin(origin),
        additional_headers=headers,
        proxy=None,
        compression=None,
        ping_interval=None,
        close_timeout=1,
        max_size=None,
    )
    return Client(connection)


@asynccontextmanager
async def client_of(port: int, token: str | None = None, **options: Any) -> AsyncIterator[Client]:
    """A socket for as long as the block lasts; with a token it is acknowledged."""
    client = await opened(port, **options)
    try:
        if token is not None:
            await client.ready(token)
        yield client
    finally:
        client.connection.transport.abort()
