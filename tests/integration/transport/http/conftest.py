"""A real uvicorn on loopback that serves GraphQL over HTTP with the real engine over a schema of a few lines.

`http_server` starts one; `Exchange` is one request over a plain socket, read byte by byte, so that nothing hides what goes over the wire.
Waiting is always for a fact, with a deadline.
"""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
import uvicorn
from graphql import GraphQLResolveInfo, GraphQLSchema, build_schema
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Route

from gateway.auth.principal import Role
from gateway.auth.session import Session, Sessions
from gateway.engine.executor import Engine
from gateway.errors import CursorInvalid, RateLimited, Unauthenticated
from gateway.loaders.ledger import Ledger
from gateway.loaders.wanted import Wanted
from gateway.transport.http import GraphQLEndpoint, Wiring
from gateway.transport.http.events import Timing
from gateway.transport.tracing import RequestId

__all__: list[str] = []

SECONDS = 5.0
"""Deadline of every wait; nothing here takes so long unless it is broken."""
WORKSPACE = UUID(int=1)

SDL = """
interface LiveEvent { cursor: String! seq: Int! }
type Started implements LiveEvent { cursor: String! seq: Int! after: String }
type Changed implements LiveEvent { cursor: String! seq: Int! text: String }
union Event = Started | Changed
type Query { hello(name: String): String! slow: Int! broken: Int }
type Mutation { change: Int! slow: Int! }
type Subscription {
  events(after: String, count: Int, prefix: String): Event!
  gated(after: String): Event!
  silent(after: String): Event!
  flood(careful: Boolean): Event!
  bug: Event!
  polite: Event!
}
"""


async def until(fact: Callable[[], object]) -> None:
    """Wait until a fact is true that nobody announces."""
    async with asyncio.timeout(SECONDS):
        while not fact():  # noqa: ASYNC110  # it belongs to uvicorn, the kernel or the socket under test
            await asyncio.sleep(0.005)


@dataclass
class Somebody:
    """A principal."""

    subject: str
    expires_at: datetime | None = None
    workspace_id: UUID = WORKSPACE
    issued_at: datetime | None = None
    workspace_key: str = "demo"
    role: Role = Role.AGENT
    scopes: frozenset[str] = frozenset()

    def expired(self, now: datetime) -> bool:
        """Whether the credential has ended."""
        return self.expires_at is not None and now >= self.expires_at


@dataclass
class Context:
    """What resolvers see."""

    world: World
    principal: Any
    session: Session | None
    ledger: Ledger = field(default_factory=Ledger)

    def fork_for(self, wanted: Wanted) -> Context:
        """The same."""
        return self

    def close(self) -> None:
        """Nothing was loaded."""


@dataclass
class World:
    """What the schema does: `gate` lets `gated` yield once per release; the counters say what is going on."""

    gate: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(0))
    sessions: Sessions = field(default_factory=Sessions)
    open: int = 0
    pulled: int = 0
    running: int = 0
    changed: int = 0
    seats: int = 0
    places: int = 100
    expires_in: float = 0.3
    contexts: list[Context] = field(default_factory=list)

    async def authenticate(self, authorization: str | None) -> Somebody:
        """`someone` is known for ever, `brief` for a moment."""
        match authorization:
            case "Bearer someone":
                return Somebody("someone")
            case "Bearer brief":
                return Somebody("brief", datetime.now(UTC) + timedelta(seconds=self.expires_in))
        raise Unauthenticated

    def context_for(self, principal: Any, session: Session | None) -> Context:
        """Remember who asks."""
        self.contexts.append(Context(self, principal, session))
        return self.contexts[-1]

    def take_seat(self, _: Any) -> World:
        """One of the places."""
        if self.seats >= self.places:
            raise RateLimited("Too many.", retryAfterMs=4001)
        self.seats += 1
        return self

    def leave(self) -> None:
        """Give the seat back."""
        self.seats -= 1

    # Fields

    def schema(self) -> GraphQLSchema:
        """The schema with what its fields do."""
        schema = build_schema(SDL)
        for kind, name, resolve in (
            ("Query", "hello", lambda _, __, name="you": f"Hello {name}"),
            ("Query", "slow", self._slow),
            ("Mutation", "change", self._change),
            ("Mutation", "slow", self._slow_change),
        ):
            schema.type_map[kind].fields[name].resolve = resolve  # type: ignore[attr-defined]
        fields = schema.type_map["Subscription"].fields  # type: ignore[attr-defined]
        for name in ("events", "gated", "silent", "flood", "bug", "polite"):
            fields[name].subscribe = getattr(self, f"_{name}")
            fields[name].resolve = lambda event, *_, **__: event
        return schema

    async def _slow(self, *_: Any) -> int:
        self.running += 1
        try:
            await self.gate.acquire()
        finally:
            self.running -= 1
        return 1

    def _change(self, *_: Any) -> int:
        self.changed += 1
        return self.changed

    async def _slow_change(self, *_: Any) -> int:
        await self._slow()
        return self._change()

    async def _stream(self, after: str | None, *, gated: bool = False, count: int = 3, prefix: str = "c") -> AsyncGenerator[dict[str, Any]]:
        """Numbers behind `after`, which looks like c7."""
        if after is not None and not (after.startswith("c") and after[1:].isdigit()):
            raise CursorInvalid
        number = 0 if after is None else int(after[1:])
        self.open += 1
        try:
            yield {"__typename": "Started", "cursor": f"c{number}", "seq": number, "after": after}
            for _ in range(count):
                if gated:
                    await self.gate.acquire()
                number += 1
                yield {"__typename": "Changed", "cursor": f"c{number}", "seq": number, "text": f"{prefix}\n{number}"}
        finally:
            self.open -= 1

    def _events(self, _: Any, __: GraphQLResolveInfo, after: str | None = None, count: int = 3, prefix: str = "c") -> Any:
        return self._stream(after, count=count, prefix=prefix)

    def _gated(self, _: Any, __: GraphQLResolveInfo, after: str | None = None) -> Any:
        return self._stream(after, gated=True, count=1_000_000)

    async def _silent(self, *_: Any, after: str | None = None) -> AsyncGenerator[Any]:
        self.open += 1
        try:
            await asyncio.Event().wait()
            yield
        finally:
            self.open -= 1

    async def _flood(self, *_: Any, careful: bool = False) -> AsyncGenerator[Any]:
        self.open += 1
        try:
            while True:
                self.pulled += 1
                yield {"__typename": "Changed", "cursor": "c", "seq": self.pulled, "text": "x" * 60_000}
        finally:
            if careful:
                await self.gate.acquire()
                self.changed += 1
            self.open -= 1

    async def _bug(self, *_: Any) -> AsyncGenerator[Any]:
        yield {"__typename": "Changed", "cursor": "c1", "seq": 1, "text": "x"}
        raise RuntimeError("secret in a stream")

    async def _polite(self, _: Any, info: GraphQLResolveInfo) -> AsyncGenerator[Any]:
        told = asyncio.Event()
        session: Session = info.context.session
        forget = session.on_leave(told.set)
        self.open += 1
        try:
            await told.wait()
            yield {"__typename": "Changed", "cursor": "c1", "seq": 1, "text": "goodbye"}
        finally:
            self.open -= 1
            forget()


class Exchange:
    """One request on a socket of its own, and what came back so far."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.status = 0
        self.headers: dict[str, str] = {}

    async def begin(self) -> None:
        """Read status and headers."""
        async with asyncio.timeout(SECONDS):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").splitlines()
        self.status = int(head[0].split()[1])
        self.headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)}

    async def chunk(self) -> bytes:
        """The next chunk of the body; empty: its end."""
        async with asyncio.timeout(SECONDS):
            size = int(await self.reader.readline(), 16)
            return (await self.reader.readexactly(size + 2))[:-2]

    async def event(self) -> str:
        """The next chunk that is no heartbeat."""
        while (chunk := await self.chunk()) == b":\n\n":
            pass
        return chunk.decode()

    async def rest(self) -> str:
        """What still comes, heartbeats left out."""
        found = []
        while event := await self.event():
            found.append(event)
        return "".join(found)

    async def json(self) -> Any:
        """The whole body of a response with a length."""
        async with asyncio.timeout(SECONDS):
            return json.loads(await self.reader.readexactly(int(self.headers["content-length"])))

    async def ended(self) -> bool:
        """Wait until the server has closed the connection."""
        async with asyncio.timeout(SECONDS):
            with suppress(ConnectionError):
                return await self.reader.read() is not None
        return True

    def drop(self) -> None:
        """Hang up at once."""
        self.writer.transport.abort()


@dataclass
class HttpServer:
    """The server under test and its world."""

    world: World
    wiring: Wiring
    server: uvicorn.Server
    address: tuple[str, int]
    exchanges: AsyncExitStack
    baseline: set[asyncio.Task[Any]]

    async def raw(self, request: bytes, *, begin: bool = True, buffer: int | None = None) -> Exchange:
        """Send these bytes and read the head of the answer. `buffer`: bytes that this side takes in without reading."""
        sock = socket.socket()
        sock.setblocking(False)
        if buffer is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        await asyncio.get_running_loop().sock_connect(sock, self.address)
        reader, writer = await asyncio.open_connection(sock=sock, limit=2**20)
        exchange = Exchange(reader, writer)
        self.exchanges.callback(exchange.drop)
        writer.write(request)
        if begin:
            await exchange.begin()
        return exchange

    async def post(self, query: str, *, begin: bool = True, buffer: int | None = None, who: str = "someone", **headers: str) -> Exchange:
        """POST an operation; headers with `_` for `-`, `variables` as JSON text."""
        variables = json.loads(headers.pop("variables", "null"))
        body = json.dumps({"query": query, "variables": variables}).encode()
        sent = {"host": "gateway", "authorization": f"Bearer {who}", "content-type": "application/json", "content-length": str(len(body))}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        head = "".join(f"{name}: {value}\r\n" for name, value in sent.items())
        return await self.raw(f"POST /graphql HTTP/1.1\r\n{head}\r\n".encode() + body, begin=begin, buffer=buffer)

    async def stream(self, query: str, *, who: str = "someone", buffer: int | None = None, **headers: str) -> Exchange:
        """POST an operation and take nothing but events."""
        return await self.post(query, who=who, buffer=buffer, accept="text/event-stream", **headers)

    async def quiet(self) -> None:
        """Wait until nothing is open, and no task of it is left."""
        await until(lambda: not len(self.wiring.connections) and not self.server.server_state.tasks)
        assert (self.world.open, self.world.seats, self.world.running) == (0, 0, 0)
        await until(lambda: not {task for task in asyncio.all_tasks() if not task.done()} - self.baseline)


StartServer = Callable[..., Awaitable[HttpServer]]


@pytest.fixture(name="http_server")
async def _http_server() -> AsyncIterator[StartServer]:
    """Starts a server; keyword arguments are `Timing`."""
    async with AsyncExitStack() as cleanup:

        async def start(**timing: float) -> HttpServer:
            world = World()
            wiring = Wiring(
                engine=Engine(world.schema()),  # type: ignore[arg-type]
                authenticate=world.authenticate,
                context_for=world.context_for,
                open_session=world.sessions.open,
                take_seat=world.take_seat,
                timing=Timing(**timing),
            )
            app = Starlette(routes=[Route("/graphql", GraphQLEndpoint(wiring))], middleware=[Middleware(RequestId)])
            listener = socket.create_server(("127.0.0.1", 0))
            server = uvicorn.Server(uvicorn.Config(app, lifespan="off", log_config=None, timeout_graceful_shutdown=3))
            serving = asyncio.create_task(server.serve(sockets=[listener]))

            async def stop() -> None:
                server.should_exit = True
                await asyncio.wait_for(serving, SECONDS)

            cleanup.push_async_callback(stop)
            exchanges = await cleanup.enter_async_context(AsyncExitStack())
            await until(lambda: server.started)
            return HttpServer(world, wiring, server, listener.getsockname(), exchanges, asyncio.all_tasks())

        yield start
