"""Facts about what lies below messages: fragments, WebSocket pings, floods, and what is kept of a connection. Frames are made by hand."""

from __future__ import annotations

import asyncio
import contextlib
import json
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

__all__: list[str] = []

TEXT, CONTINUATION, CLOSE, PING, PONG = 1, 0, 8, 9, 10
INIT = b'{"type":"connection_init","payload":{"Authorization":"Bearer someone"}}'


def frame(opcode: int, body: bytes = b"", *, last: bool = True) -> bytes:
    """A client's frame, masked with zeroes."""
    assert len(body) < 126
    return struct.pack("!BB", opcode | 128 * last, 128 | len(body)) + b"\0\0\0\0" + body


def pieces(text: bytes, size: int = 1) -> bytes:
    """One text message in frames of so many bytes each."""
    parts = [text[start : start + size] for start in range(0, len(text), size)]
    return b"".join(frame(CONTINUATION if index else TEXT, part, last=index == len(parts) - 1) for index, part in enumerate(parts))


class Raw:
    """A WebSocket after its handshake."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def receive(self) -> tuple[int, bytes]:
        """The next frame's opcode and body."""
        async with asyncio.timeout(5):
            first, length = await self.reader.readexactly(2)
            if length == 126:
                (length,) = struct.unpack("!H", await self.reader.readexactly(2))
            return first & 15, await self.reader.readexactly(length)

    async def close_code(self) -> int:
        """The code of the close frame, ignoring what comes before it; 1006 when the connection ends without."""
        try:
            while True:
                opcode, body = await self.receive()
                if opcode == CLOSE:
                    return int.from_bytes(body[:2])
        except (asyncio.IncompleteReadError, ConnectionError):
            return 1006

    async def ready(self) -> None:
        """Introduce oneself."""
        self.writer.write(frame(TEXT, INIT))
        assert json.loads((await self.receive())[1]) == {"type": "connection_ack"}


@asynccontextmanager
async def raw(server: Any) -> AsyncIterator[Raw]:
    """A connection."""
    host, port = server.address
    reader, writer = await asyncio.open_connection(host, port)
    head = f"GET /graphql HTTP/1.1\r\nHost: {host}:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    more = (
        "Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n"
    )
    writer.write((head + more).encode())
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101")
    try:
        yield Raw(reader, writer)
    finally:
        writer.transport.abort()


class TestPieces:
    """Messages in more than one frame."""

    async def test_a_message_in_pieces(self, socket_server: Any) -> None:
        """A message that comes byte by byte, with a ping between, is one message."""
        async with raw(await socket_server()) as client:
            await client.ready()
            client.writer.write(frame(TEXT, b'{"type":', last=False) + frame(PING, b"x"))
            client.writer.write(frame(CONTINUATION, b'"ping"}'))
            assert [await client.receive(), await client.receive()] == [(PONG, b"x"), (TEXT, b'{"type":"pong"}')]
            client.writer.write(pieces(b'{"type":"ping"}'))

            assert await client.receive() == (TEXT, b'{"type":"pong"}')

    @pytest.mark.parametrize("body", [b"", b"x"], ids=["empty", "one-byte"])
    async def test_fault_061_endless_pieces(self, socket_server: Any, body: bytes) -> None:
        """A message that never ends is closed with 1008 after 256 pieces, although pieces of nothing never reach the limit of its size."""
        server = await socket_server()
        async with raw(server) as client:
            await client.ready()
            client.writer.write(frame(TEXT, b"", last=False) + 255 * frame(CONTINUATION, body, last=False))
            client.writer.write(frame(PING, b"still here"))
            assert await client.receive() == (PONG, b"still here")
            client.writer.write(frame(CONTINUATION, body, last=False))
            assert await client.close_code() == 1008
        await server.quiet()

    async def test_fault_061_many_messages_in_pieces(self, socket_server: Any) -> None:
        """60 KB in frames of one byte are closed with 1008 before a message of them is complete."""
        async with raw(await socket_server()) as client:
            await client.ready()
            client.writer.write(pieces(b'{"type":"ping","payload":{"x":"' + 60_000 * b"x" + b'"}}'))

            assert await client.close_code() == 1008


class TestFloods:
    """More than anybody needs."""

    async def test_fault_061_websocket_pings(self, socket_server: Any) -> None:
        """Pings of WebSocket itself are answered, up to 1 000 at once; 50 000 are closed with 1008."""
        server = await socket_server()
        async with raw(server) as polite, raw(server) as flood:
            await polite.ready()
            polite.writer.write(900 * frame(PING))
            assert [await polite.receive() for _ in range(900)] == [(PONG, b"")] * 900
            await flood.ready()
            flood.writer.write(50_000 * frame(PING))
            assert await flood.close_code() == 1008
            polite.writer.write(frame(TEXT, b'{"type":"ping"}'))
            assert await polite.receive() == (TEXT, b'{"type":"pong"}')

    async def test_fault_061_goes_on_after_the_close(self, socket_server: Any) -> None:
        """Who goes on sending after the close frame is cut off; nothing of it is parsed for long."""
        server = await socket_server()
        async with raw(server) as flood:
            await flood.ready()
            started = asyncio.get_running_loop().time()
            with contextlib.suppress(ConnectionError):
                for _ in range(10_000):
                    flood.writer.write(1_000 * frame(TEXT, b'{"type":"ping"}'))
                    await flood.writer.drain()
                pytest.fail("it read all of it")
            assert asyncio.get_running_loop().time() - started < 5  # uvicorn itself would wait 10 s for the client's close frame
        await server.quiet()

        assert not server.server.server_state.connections

    async def test_silence_refills(self, socket_server: Any) -> None:
        """Frames are counted per second: 200 more may come each second, for ever."""
        async with raw(await socket_server(burst=10**6)) as client:
            await client.ready()
            for _ in range(6):
                client.writer.write(170 * frame(PING))
                for _ in range(170):
                    await client.receive()
                await asyncio.sleep(0.1)
            client.writer.write(frame(TEXT, b'{"type":"ping"}'))

            assert await client.receive() == (TEXT, b'{"type":"pong"}')


class TestHandshake:
    """What is kept of it."""

    async def test_request_is_forgotten(self, socket_server: Any) -> None:
        """An accepted connection keeps neither its request nor its answer: they are most of its memory."""
        server = await socket_server()
        async with raw(server) as client:
            await client.ready()
            (wire,) = server.server.server_state.connections

            assert {"request", "response", "scope"} & vars(wire).keys() == set()
            client.writer.write(frame(CLOSE, struct.pack("!H", 1000)))
            assert await client.close_code() == 1000
        await server.quiet()
