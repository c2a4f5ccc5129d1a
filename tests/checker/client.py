"""A client of one replica: GraphQL over HTTP, and one subscription over graphql-transport-ws, spoken by hand.

Owns the wire and the tokens. Must not decide when to connect or what to believe: that is `subscribers` and `writers`.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import httpx2
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, WebSocketException

from gateway.auth.development import DevelopmentKeys
from gateway.auth.principal import Role
from gateway.live.position import StreamCursors
from gateway.model.change import StreamKey
from gateway.model.sealed import Sealer

__all__ = ["GONE", "Credentials", "Cursors", "Refused", "Socket", "Web"]

GONE = (ConnectionClosed, WebSocketException, OSError, TimeoutError, EOFError)
"""What a connection that ended raises."""
_PATIENCE = 8.0


class Refused(Exception):
    """The gateway answered, with errors instead of data. `codes`: of the errors."""

    def __init__(self, errors: list[dict[str, Any]]) -> None:
        self.codes = [error.get("extensions", {}).get("code", "?") for error in errors]
        super().__init__(", ".join(self.codes))
        if "GRAPHQL_VALIDATION_FAILED" in self.codes:
            raise AssertionError(f"a document of the checker's own is wrong: {errors}")


class Credentials:
    """Makes tokens without a process."""

    def __init__(self, keys: DevelopmentKeys) -> None:
        self._signer = keys.signer()

    def token(self, subject: str, role: Role = Role.AGENT, seconds: float = 3600) -> str:
        """A token of the development workspace."""
        return self._signer.sign("demo", subject, role, lifetime=timedelta(seconds=seconds))


class Cursors:
    """Reads the number in a cursor: the checker has the gateway's key, a client has not."""

    def __init__(self, keys: DevelopmentKeys) -> None:
        self._cursors = StreamCursors(Sealer([keys.secret]))

    def seq(self, stream: StreamKey, cursor: str) -> int:
        """Which change the cursor stands at."""
        return self._cursors.decode(stream, cursor).seq


class Web:
    """GraphQL over HTTP to any replica; connections are kept."""

    def __init__(self) -> None:
        self._client = _client()

    async def ask(self, address: str, token: str, document: str, **variables: Any) -> Any:
        """The data of the only root field.

        Raises:
            Refused: the gateway answered with errors.
            OSError: there is no answer; what was asked may have happened.
        """
        try:
            response = await self._client.post(
                f"http://{address}/graphql",
                json={"query": document, "variables": variables},
                headers={"Authorization": f"Bearer {token}"},
            )
            answer = response.json()
        except (httpx2.HTTPError, ValueError) as error:
            raise OSError(type(error).__name__) from error
        if answer.get("errors"):
            raise Refused(answer["errors"])
        (value,) = answer["data"].values()
        return value

    async def close(self) -> None:
        """Close the kept connections."""
        await self._client.aclose()

    async def forget(self) -> None:
        """Close the kept connections, and go on with new ones."""
        await self._client.aclose()
        self._client = _client()


class Socket:
    """One WebSocket with one subscription."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection

    @classmethod
    @asynccontextmanager
    async def open(cls, address: str, token: str) -> AsyncIterator[Socket]:
        """Connected and acknowledged; at the end closed, without waiting for the goodbye."""
        async with asyncio.timeout(_PATIENCE):
            connection = await connect(
                f"ws://{address}/graphql",
                subprotocols=["graphql-transport-ws"],  # type: ignore[list-item]
                open_timeout=_PATIENCE,
                close_timeout=0.5,
                ping_interval=None,
                compression=None,
                max_queue=4,
            )
        try:
            async with asyncio.timeout(_PATIENCE):
                await connection.send(json.dumps({"type": "connection_init", "payload": {"Authorization": f"Bearer {token}"}}))
                acknowledged = json.loads(await connection.recv())
                if acknowledged["type"] != "connection_ack":
                    raise OSError(str(acknowledged["type"]))
            yield cls(connection)
        finally:
            connection.transport.abort()

    async def subscribe(self, document: str, **variables: Any) -> None:
        """Start the subscription."""
        await self._send("subscribe", "1", {"query": document, "variables": variables})

    async def refresh(self, token: str) -> None:
        """Exchange the socket's credentials; the answer is passed over by `next`."""
        document = "mutation($token: String!) { refreshSession(token: $token) { actor { id } } }"
        await self._send("subscribe", "2", {"query": document, "variables": {"token": token}})

    async def next(self, seconds: float) -> dict[str, Any] | None:
        """The next event of the subscription; None: nothing came for so long, or what came was no event.

        Raises:
            Refused: the subscription failed.
            EOFError: it was completed by the server.
            ConnectionClosed, OSError: the socket ended.
        """
        try:
            async with asyncio.timeout(seconds):
                message = json.loads(await self._connection.recv())
        except TimeoutError:
            return None
        match message["type"]:
            case "ping":
                await self._connection.send(json.dumps({"type": "pong"}))
            case "next" if message["id"] == "1":
                if message["payload"].get("errors"):
                    raise Refused(message["payload"]["errors"])
                (event,) = message["payload"]["data"].values()
                return dict(event)
            case "error" if message["id"] == "1":
                raise Refused(message["payload"])
            case "complete" if message["id"] == "1":
                raise EOFError
        return None

    async def _send(self, kind: str, name: str, payload: dict[str, Any]) -> None:
        await self._connection.send(json.dumps({"type": kind, "id": name, "payload": payload}))


def _client() -> httpx2.AsyncClient:
    return httpx2.AsyncClient(timeout=_PATIENCE, limits=httpx2.Limits(max_connections=200, keepalive_expiry=5))
