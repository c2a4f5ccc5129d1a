"""A server on loopback that writes whatever bytes a test wants, and a client of it: for what no honest HTTP server can be made to send.

Owns one listening port; `answer` makes an honest answer to begin with. Used by the tests of `gateway.sources.http`.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from gateway.errors import SourceError
from gateway.sources.http import Upstream

__all__ = ["DEADLINE", "Answer", "Server", "answer", "endlessly", "failing", "saying", "serving", "to"]

DEADLINE = 0.3
"""Seconds of one exchange, unless a test says otherwise."""


Answer = Callable[[asyncio.StreamWriter], Awaitable[None]]


class Server:
    """A server of raw bytes on loopback: it reads a request, remembers it, and writes whatever a test wants."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.requests: list[bytes] = []
        self.connections = 0
        self.open = 0
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.open += 1
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
                while True:
                    head = await reader.readuntil(b"\r\n\r\n")
                    length = next((int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), 0)
                    self.requests.append(head + await reader.readexactly(length))
                    await self.answer(writer)
                    await writer.drain()
        finally:
            self.open -= 1
            writer.close()


@asynccontextmanager
async def serving(answer: Answer) -> AsyncIterator[Server]:
    """A server for as long as the block lasts."""
    server = Server(answer)
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    server.port = listening.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listening.close()


def to(server: Server, **options: Any) -> Upstream:
    """The client of this server."""
    given: dict[str, Any] = {"source": "crm", "allow_private": True, "deadline": DEADLINE, **options}
    return Upstream(f"http://127.0.0.1:{server.port}/api", **given)


def answer(
    body: bytes, *headers: str, status: str = "200 OK", content_type: str | None = "application/json", length: int | None = None
) -> bytes:
    """One answer, whole."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body) if length is None else length}", *headers]
    lines += [] if content_type is None else [f"Content-Type: {content_type}"]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def saying(*chunks: bytes, close: bool = False) -> Answer:
    """Writes this."""

    async def write(writer: asyncio.StreamWriter) -> None:
        for chunk in chunks:
            writer.write(chunk)
            await writer.drain()
        if close:
            writer.close()

    return write


def endlessly(head: bytes, chunk: bytes, *, every: float = 0.0) -> Answer:
    """Writes this until the client has enough."""

    async def write(writer: asyncio.StreamWriter) -> None:
        writer.write(head)
        while not writer.is_closing():
            writer.write(chunk)
            await writer.drain()
            await asyncio.sleep(every)

    return write


async def failing(server: Server, **options: Any) -> SourceError:
    """The error of a request."""
    async with to(server, **options) as upstream:
        with pytest.raises(SourceError) as caught:
            await upstream.request("GET", "/people")
    return caught.value
