"""The server of the gateway around a small application, in a thread of its own, and clients that say what they want byte by byte.

For tests of what happens before anybody looks at a request. The thread runs the loop that production runs on; whoever blocks it blocks no client.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, contextmanager

from prometheus_client import REGISTRY
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from gateway.errors import BadRequest
from gateway.settings import Settings
from gateway.transport.connections import Connections
from gateway.transport.http import read_body
from gateway.transport.listeners import bind
from gateway.transport.server import RequestLimits, Server

__all__ = ["GET", "SECONDS", "House", "Peer", "Unsignalled"]

SECONDS = 10.0
"""Deadline of every wait."""

GET = b"GET /fast HTTP/1.1\r\nhost: x\r\n\r\n"


class Peer:
    """A client that says what it wants, byte by byte."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def say(self, *parts: bytes) -> None:
        """Send."""
        for part in parts:
            self.writer.write(part)
        await self.writer.drain()

    async def rest(self) -> bytes:
        """All that comes until the server closes."""
        async with asyncio.timeout(SECONDS):
            return await self.reader.read()

    async def answer(self) -> tuple[int, bytes]:
        """Status and body of the next answer; it names its length."""
        async with asyncio.timeout(SECONDS):
            head = await self.reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r")[0])
            return int(head[9:12]), await self.reader.readexactly(length)


class House:
    """The server under test, in a thread with the loop that production runs on."""

    server: Server
    address: tuple[str, int]

    def __init__(self, guests: AsyncExitStack) -> None:
        self.guests = guests
        self.announced = threading.Event()
        self.floods: list[float] = []
        """When an endless answer ended."""

    async def serve(self, limits: RequestLimits) -> None:
        """Until `server.should_exit`."""
        self._loop = asyncio.get_running_loop()
        self._let_go = asyncio.Event()
        made = (self.fast, self.echo, self.slow, self.early, self.block, self.flood)
        app = Starlette(routes=[Route(f"/{one.__name__}", one, methods=["GET", "POST"]) for one in made])
        settings = Settings(drain_seconds=0, shutdown_seconds=1)
        self.server = Unsignalled(app, Connections(), settings, lambda _: self.announced.set(), limits=limits)
        sockets = bind("127.0.0.1", 0)
        self.address = sockets[0].getsockname()
        await self.server.serve(sockets)

    def release(self) -> None:
        """Let slow answers come."""
        self._loop.call_soon_threadsafe(self._let_go.set)

    async def fast(self, _: Request) -> Response:
        """At once."""
        return PlainTextResponse("ok")

    async def echo(self, request: Request) -> Response:
        """Reads its body."""
        with contextlib.suppress(BadRequest):
            return PlainTextResponse(f"{len(await read_body(request, 1 << 20))}")
        return PlainTextResponse("nobody is there to read this", 400)

    async def slow(self, _: Request) -> Response:
        """When it is let go."""
        await self._let_go.wait()
        return PlainTextResponse("at last")

    async def early(self, _: Request) -> Response:
        """Reads no body."""
        return PlainTextResponse("no need to read that", 401)

    async def block(self, _: Request) -> Response:
        """Keeps the loop from its turn."""
        time.sleep(0.8)  # noqa: ASYNC251  # that is the fault
        return PlainTextResponse("blocked")

    async def flood(self, _: Request) -> Response:
        """Never ends by itself."""

        async def endless() -> AsyncIterator[bytes]:
            try:
                while True:
                    yield b"x" * 65536
                    await asyncio.sleep(0)
            finally:
                self.floods.append(time.monotonic())

        return StreamingResponse(endless())

    async def peer(self) -> Peer:
        """Connect."""
        reader, writer = await asyncio.open_connection(*self.address)
        self.guests.callback(writer.close)
        return Peer(reader, writer)

    async def ask(self, request: bytes = GET) -> tuple[int, bytes]:
        """One request on a connection of its own."""
        peer = await self.peer()
        await peer.say(request)
        try:
            return await peer.answer()
        finally:
            peer.writer.close()

    def refused(self, status: int) -> float:
        """How often the server refused with this status so far."""
        return REGISTRY.get_sample_value("gateway_requests_refused_total", {"status": str(status)}) or 0


class Unsignalled(Server):
    """Runs in a thread of its own, where no signals are heard."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """None."""
        yield
