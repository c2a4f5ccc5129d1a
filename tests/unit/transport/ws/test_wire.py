"""Facts about a connection before and at the end of its handshake, with a transport that only writes down what happens."""

from __future__ import annotations

import asyncio
import struct
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from gateway.transport.ws.wire import Wire

__all__: list[str] = []

REQUEST = (
    b"GET / HTTP/1.1\r\nHost: here\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
HELLO = struct.pack("!BB", 129, 128 | 5) + b"\0\0\0\0hello"


class Transport(asyncio.Transport):
    """Writes down."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.closed = False

    def write(self, data: Any) -> None:
        self.written += data

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    def pause_reading(self) -> None:
        """Nobody reads."""

    def resume_reading(self) -> None:
        """Nobody reads."""


async def heard_by(before: bytes, after: bytes) -> list[Any]:
    """What an application hears of the bytes that arrive between the request and its answer, and after it."""
    heard: list[Any] = []
    come = asyncio.Event()

    async def app(_scope: Any, receive: Any, send: Any) -> None:
        await come.wait()
        await receive()
        await send({"type": "websocket.accept"})
        while True:
            heard.append((await receive()).get("text"))

    async def settle() -> None:
        for _ in range(5):
            await asyncio.sleep(0)

    state = ServerState()
    wire = Wire(uvicorn.Config(app, log_config=None, lifespan="off", ws_per_message_deflate=False), state, {}, asyncio.get_running_loop())
    wire.connection_made(Transport())
    wire.data_received(REQUEST)
    if before:
        wire.data_received(before)
    come.set()
    await settle()
    wire.data_received(after)
    await settle()
    for task in state.tasks:
        task.cancel()
    await asyncio.gather(*state.tasks, return_exceptions=True)
    return heard


@pytest.mark.parametrize("cut", range(len(HELLO) + 1))
async def test_frame_before_the_answer(cut: int) -> None:
    """A frame of which some bytes arrive before the handshake is answered is read whole, and so is the next one."""
    assert await heard_by(HELLO[:cut], HELLO[cut:] + HELLO) == ["hello", "hello"]
