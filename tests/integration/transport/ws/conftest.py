"""A real uvicorn on loopback that serves the GraphQL WebSocket over a small engine whose operations are named, not parsed.

`socket_server` starts one; `Client` speaks the protocol through the `websockets` package. Waiting is always for a fact, with a deadline.
"""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import WebSocketRoute
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Origin, Subprotocol

from gateway.engine.request import Request
from gateway.errors import Forbidden, Unauthenticated
from gateway.transport.admission import Admission, AdmissionLimits
from gateway.transport.ws.endpoint import GraphQLWebSocket
from gateway.transport.ws.handover import Handover
from gateway.transport.ws.limits import Limits
from gateway.transport.ws.wire import Wire
from gateway.transport.ws.wiring import Wiring

__all__: list[str] = []

WORKSPACE = UUID(int=1)
SECONDS = 5.0
"""Deadline of every wait; nothing here takes so long unless it is broken."""

PLENTY = AdmissionLimits(sockets=10**6, sockets_per_workspace=10**6, sockets_per_subject=10**6, upgrades_per_second=10**6)


async def until(fact: Callable[[], object]) -> None:
    """Wait until a fact is true that nobody announces."""
    async with asyncio.timeout(SECONDS):
        while not fact():  # noqa: ASYNC110  # it belongs to uvicorn, the kernel or the socket under test
            await asyncio.sleep(0.005)


@dataclass(frozen=True)
class Prepared:
    """What the small engine makes of a request: its text is `<operation type> <name>`."""

    operation_type: str
    name: str
    errors: list[dict[str, Any]] | None = None
    cost: int = 1


@dataclass
class SmallEngine:
    """Operations by name. `log` tells when a stream closed; `gate` lets `gated` yield, and `careful` close, once per release."""

    gate: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(0))
    log: asyncio.Queue[str] = field(default_factory=asyncio.Queue)
    principal: Any = None
    session: Any = None
    open: int = 0
    pulled: int = 0

    def context_for(self, session: Any) -> str:
        """Remember who asks."""
        self.session, self.principal = session, session.principal
        return type(self.principal).__name__

    def prepare(self, request: Request, _principal: object = None) -> Prepared:
        """Refuse `bad …`; break on `crash …`."""
        kind, _, name = (request.query or "query stored").partition(" ")
        if kind == "crash":
            raise RuntimeError("secret in prepare")
        if kind == "bad":
            return Prepared("query", name, [{"message": "Syntax Error", "extensions": {"code": "GRAPHQL_PARSE_FAILED"}}])
        return Prepared(kind, name)

    async def execute(self, prepared: Prepared, context: Any) -> dict[str, Any]:
        """Queries and mutations."""
        match prepared.name:
            case "slow":
                await self.gate.acquire()
            case "bug":
                raise RuntimeError("secret in execute")
            case "forbidden":
                raise Forbidden
            case "refused":
                return {"errors": [{"message": "bad variable", "extensions": {"code": "BAD_USER_INPUT"}}]}
            case "unencodable":
                return {"data": {"x": object()}}
            case "unencodable-errors":
                return {"errors": [{"message": object()}]}
        return {"data": {prepared.operation_type: prepared.name, "for": context}}

    async def subscribe(self, prepared: Prepared, context: Any) -> AsyncGenerator[dict[str, Any], None]:
        """Streams; each says in the log that it was closed."""
        self.open += 1
        try:
            match prepared.name:
                case "three":
                    for number in range(3):
                        yield {"data": {"n": number}}
                case "gated":
                    while True:
                        await self.gate.acquire()
                        yield {"data": {"n": 0}}
                case "refused":
                    yield {"errors": [{"message": "no", "extensions": {"code": "CURSOR_INVALID"}}]}
                case "bug":
                    yield {"data": {"n": 0}}
                    raise RuntimeError("secret in a stream")
                case "flood":
                    while True:
                        self.pulled += 1
                        yield {"data": {"n": self.pulled, "text": "x" * 60_000}}
                case "busy":
                    while True:
                        self.pulled += 1
                        yield {"data": {"n": self.pulled}}
                case "polite":
                    left = asyncio.Event()
                    self.session.on_leave(left.set)
                    await left.wait()
                    yield {"data": {"goAway": self.session.departure.reason}}
                case "silent" | "careful":
                    await asyncio.Event().wait()
                case "careful-refusal":
                    yield {"errors": [{"message": "no"}]}
        finally:
            if prepared.name.startswith("careful"):
                await self.gate.acquire()
            self.open -= 1
            self.log.put_nowait(f"closed {prepared.name}")

    async def stalled(self) -> int:
        """Wait until a stream is pulled no more, because its client does not read; how often it was pulled."""
        pulled = 0
        async with asyncio.timeout(SECONDS):
            while not pulled or pulled != self.pulled:
                pulled = self.pulled
                await asyncio.sleep(0.2)
        return pulled

    async def closed(self, name: str) -> None:
        """Wait until a stream of this name says that it was closed."""
        async with asyncio.timeout(SECONDS):
            while await self.log.get() != f"closed {name}":
                pass


@dataclass
class Somebody:
    """A principal; a test may move its expiry, as a wall clock that jumps would."""

    workspace_id: UUID = WORKSPACE
    subject: str = "someone"
    expires_at: datetime | None = None


class Client:
    """One socket of the `websockets` package, speaking graphql-transport-ws."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection

    async def send(self, *messages: Any) -> None:
        """Send frames: text and bytes as they are, all else as JSON."""
        for message in messages:
            await self.connection.send(message if isinstance(message, (str, bytes)) else json.dumps(message))

    async def subscribe(self, operation_id: str, query: str, **payload: Any) -> None:
        """Start an operation."""
        await self.send({"id": operation_id, "type": "subscribe", "payload": {"query": query, **payload}})

    async def complete(self, operation_id: str) -> None:
        """End an operation."""
        await self.send({"id": operation_id, "type": "complete"})

    async def receive(self) -> dict[str, Any]:
        """The next message."""
        async with asyncio.timeout(SECONDS):
            text = await self.connection.recv()
        assert isinstance(text, str), "the server sends text frames only"
        message: dict[str, Any] = json.loads(text)
        return message

    async def receive_all(self, count: int) -> list[dict[str, Any]]:
        """The next messages."""
        return [await self.receive() for _ in range(count)]

    async def nothing_pending(self) -> None:
        """The server has nothing to say before it answers this ping."""
        await self.send({"type": "ping", "payload": {"marker": 1}})
        assert await self.receive() == {"type": "pong", "payload": {"marker": 1}}

    async def next_or_close(self) -> dict[str, Any] | tuple[int, str]:
        """The next message, or the code and reason of the close that comes instead."""
        try:
            return await self.receive()
        except ConnectionClosed:
            return await self.close_code()

    async def close_code(self) -> tuple[int, str]:
        """Wait for the close, ignoring what comes before it; its code and reason."""
        with suppress(ConnectionClosed):
            async with asyncio.timeout(SECONDS):
                async for _ in self.connection:
                    pass
        return self.connection.close_code or 1006, self.connection.close_reason or ""


@dataclass
class SocketServer:
    """The server under test and its engine."""

    engine: SmallEngine
    endpoint: GraphQLWebSocket
    server: uvicorn.Server
    address: tuple[str, int]
    clients: AsyncExitStack
    baseline: set[asyncio.Task[Any]]

    async def connect(
        self,
        *,
        subprotocols: Sequence[str] | None = ("graphql-transport-ws",),
        origin: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> Client:
        """Open a socket; it is closed with the test."""
        host, port = self.address
        connection = await self.clients.enter_async_context(
            connect(
                f"ws://{host}:{port}/graphql",
                subprotocols=None if subprotocols is None else [Subprotocol(name) for name in subprotocols],
                origin=None if origin is None else Origin(origin),
                additional_headers=headers,
                proxy=None,
                compression=None,
                ping_interval=None,
                close_timeout=1,
            )
        )
        return Client(connection)

    async def ready(self, who: str = "someone") -> Client:
        """Open a socket and have it acknowledged."""
        client = await self.connect()
        await client.send({"type": "connection_init", "payload": {"Authorization": f"Bearer {who}"}})
        assert await client.receive() == {"type": "connection_ack"}
        return client

    async def until(self, fact: Callable[[], object]) -> None:
        """Wait until a fact is true that nobody announces."""
        await until(fact)

    async def quiet(self) -> None:
        """Wait until no socket is open and no task of theirs is left."""
        await until(lambda: not len(self.endpoint.connections) and not self.server.server_state.tasks)

    async def reader_gone(self) -> None:
        """Wait until no socket is read any more."""
        await until(lambda: all(connection._over for connection in self.endpoint.connections._open))  # type: ignore[attr-defined]

    def tasks(self) -> set[asyncio.Task[Any]]:
        """The tasks that were not there before the first socket."""
        return {task for task in asyncio.all_tasks() if not task.done()} - self.baseline


StartServer = Callable[..., Awaitable[SocketServer]]


async def authenticate(token: str | None) -> Somebody:
    """`someone` is known for ever, as is `agent…`, `brief` for 0.3 s, `hangs` never gets an answer, `breaks` finds the directory down."""
    match token:
        case "someone":
            return Somebody()
        case "brief":
            return Somebody(expires_at=datetime.now(UTC) + timedelta(seconds=0.3))
        case "hangs":
            await asyncio.Event().wait()
        case "breaks":
            raise RuntimeError("secret in authentication")
    if token is not None and token.startswith("agent"):
        return Somebody(subject=token)
    raise Unauthenticated


@pytest.fixture(name="socket_server")
async def _socket_server() -> AsyncIterator[StartServer]:
    """Starts a server; `frames`: the burst of frames; keyword arguments beyond the named ones are `Limits`."""
    async with AsyncExitStack() as cleanup:

        async def start(
            *,
            allowed_origins: Sequence[str] = (),
            ws_max_size: int = 16 << 20,
            admission: AdmissionLimits = PLENTY,
            frames: int | None = None,
            **limits: Any,
        ) -> SocketServer:
            engine = SmallEngine()
            wiring = Wiring(
                engine=engine,
                authenticate=authenticate,
                context_for=engine.context_for,
                encode=lambda message: orjson.dumps(message).decode(),
                limits=Limits(**limits),
            )
            endpoint = GraphQLWebSocket(wiring, allowed_origins=allowed_origins, admission=Admission(admission))
            app = Starlette(routes=[WebSocketRoute("/graphql", endpoint)], middleware=[Middleware(Handover)])
            listener = socket.create_server(("127.0.0.1", 0))
            address = listener.getsockname()
            config = uvicorn.Config(
                app,
                lifespan="off",
                log_config=None,
                ws=Wire if frames is None else type("Wire", (Wire,), {"burst": frames}),
                ws_max_size=ws_max_size,
                ws_ping_interval=None,
                ws_per_message_deflate=False,
                timeout_graceful_shutdown=3,
            )
            server = uvicorn.Server(config)
            serving = asyncio.create_task(server.serve(sockets=[listener]))

            async def stop() -> None:
                server.should_exit = True
                await asyncio.wait_for(serving, SECONDS)

            cleanup.push_async_callback(stop)
            clients = await cleanup.enter_async_context(AsyncExitStack())
            await until(lambda: server.started)
            return SocketServer(engine, endpoint, server, address, clients, asyncio.all_tasks())

        yield start
