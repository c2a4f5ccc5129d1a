"""Facts about slow, silent and vanishing clients of one GraphQL WebSocket over a real server, and what is left afterwards."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import struct
import sys
from typing import Any

import pytest

from tests.proxy import Proxy

__all__: list[str] = []

SLEEPER = """
import asyncio, contextlib, json, sys
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

async def main():
    async with connect(sys.argv[1], subprotocols=["graphql-transport-ws"], ping_interval=None, proxy=None) as socket:
        await socket.send(json.dumps({"type": "connection_init", "payload": {"Authorization": "Bearer someone"}}))
        await socket.recv()
        await socket.send(json.dumps({"type": "subscribe", "id": "1", "payload": {"query": "subscription silent"}}))
        with contextlib.suppress(ConnectionClosed):
            for number in range(1000):
                await socket.recv()
                if number == 2:
                    print("pinged", flush=True)
                await socket.send(json.dumps({"type": "pong"}))
    print(socket.close_code, flush=True)

asyncio.run(main())
"""
"""A client that answers pings and prints the code it was closed with."""


class TestPressure:
    """Slow clients and busy streams."""

    async def test_back_pressure(self, socket_server: Any) -> None:
        """A stream whose client does not read is not pulled beyond what the transport takes, and goes on when it reads again."""
        server = await socket_server()
        client = await server.ready()
        client.connection.transport.pause_reading()
        await client.subscribe("1", "subscription flood")
        pulled = await server.engine.stalled()

        assert pulled < 500  # 30 MB; the rest is in the buffers of two kernels
        client.connection.transport.resume_reading()
        numbers = [(await client.receive())["payload"]["data"]["n"] for _ in range(pulled + 50)]
        assert numbers == list(range(1, pulled + 51))

    async def test_busy_stream_shares(self, socket_server: Any) -> None:
        """A stream that always has its next event keeps neither another operation nor a complete from being served."""
        server = await socket_server()
        client = await server.ready()
        await client.subscribe("1", "subscription busy")
        await client.subscribe("2", "query ok")
        while (await client.receive())["id"] != "2":
            pass
        assert server.engine.pulled < 1000
        await client.complete("1")
        await server.engine.closed("busy")

    async def test_fault_065_client_that_never_reads(self, socket_server: Any) -> None:
        """A client that takes nothing for `send_timeout` is dropped and its streams are closed."""
        server = await socket_server(send_timeout=0.3)
        client = await server.ready()
        client.connection.transport.pause_reading()
        await client.subscribe("1", "subscription flood")
        await server.engine.closed("flood")
        await server.until(lambda: not len(server.endpoint.connections))
        client.connection.transport.abort()

    async def test_ping_and_deaf_client(self, socket_server: Any) -> None:
        """The server pings; a client that does not answer is closed with 1001."""
        server = await socket_server(ping_interval=0.05, pong_timeout=0.1)
        client = await server.ready()
        await client.subscribe("1", "subscription silent")

        assert await client.receive() == {"type": "ping"}
        assert await client.close_code() == (1001, "Ping timeout")

    async def test_fault_066_frozen_client(self, socket_server: Any) -> None:
        """A client that was stopped for longer than the pings allow reads 1001 when it goes on, which it retries, and never 1011."""
        server = await socket_server(ping_interval=0.1, pong_timeout=0.3)
        url = "ws://{}:{}/graphql".format(*server.address)
        client = await asyncio.create_subprocess_exec(sys.executable, "-c", SLEEPER, url, stdout=asyncio.subprocess.PIPE)
        assert client.stdout is not None
        try:
            async with asyncio.timeout(10):
                assert await client.stdout.readline() == b"pinged\n"
                client.send_signal(signal.SIGSTOP)
                await server.engine.closed("silent")
                await server.quiet()
                client.send_signal(signal.SIGCONT)
                assert await client.stdout.readline() in {b"1001\n", b"1006\n"}
        finally:
            with contextlib.suppress(ProcessLookupError):
                client.kill()
            await client.wait()

    async def test_fault_067_black_hole(self, socket_server: Any) -> None:
        """A client whose packets vanish both ways is gone when its pings fail; its streams are closed."""
        server = await socket_server(ping_interval=0.1, pong_timeout=0.2, send_timeout=0.2)
        async with Proxy.before(server.address[1]) as proxy:
            server.address = ("127.0.0.1", proxy.port)
            client = await server.ready()
            await client.subscribe("1", "subscription silent")
            assert await client.receive() == {"type": "ping"}
            await client.send({"type": "pong"})
            proxy.hold()
            await server.engine.closed("silent")
            await server.quiet()
            client.connection.transport.abort()

    async def test_pong_keeps_alive(self, socket_server: Any) -> None:
        """A client that answers pings stays."""
        server = await socket_server(ping_interval=0.02, pong_timeout=0.5)
        client = await server.ready()
        await client.subscribe("1", "subscription silent")
        for _ in range(20):
            assert await client.receive() == {"type": "ping"}
            await client.send({"type": "pong"})

    async def test_idle(self, socket_server: Any) -> None:
        """A socket without an operation closes with 1001 after the idle time."""
        client = await (await socket_server(idle_timeout=0.05)).ready()

        assert await client.close_code() == (1001, "Idle")


class TestEnd:
    """What is left when a socket ends."""

    async def test_client_closes(self, socket_server: Any) -> None:
        """When the client closes, every stream and query is cancelled, every generator closed, no task left."""
        server = await socket_server()
        client = await server.ready()
        for number, query in enumerate(["subscription silent", "subscription gated", "query slow", "mutation slow"]):
            await client.subscribe(str(number), query)
        await client.nothing_pending()
        assert server.engine.open == 2
        await client.connection.close()
        await server.quiet()

        assert server.engine.open == 0
        assert server.tasks() == set()

    @pytest.mark.parametrize("how", ["careful", "careful-refusal"])
    async def test_cleanup_is_not_cut_short(self, socket_server: Any, how: str) -> None:
        """A stream that is closing, by a complete or by itself, is awaited and not cancelled when the socket ends."""
        server = await socket_server()
        client = await server.ready()
        await client.subscribe("1", f"subscription {how}")
        if how == "careful":
            await client.nothing_pending()
            await client.complete("1")
            await client.nothing_pending()
        else:
            assert (await client.receive())["type"] == "error"
        await client.connection.close()
        await server.reader_gone()
        assert (server.engine.open, len(server.endpoint.connections)) == (1, 1)
        server.engine.gate.release()
        await server.engine.closed(how)
        await server.quiet()

        assert server.engine.open == 0

    async def test_fault_064_cut_right_after_subscribe(self, socket_server: Any) -> None:
        """100 sockets reset right after their subscribe leave no stream, no socket and no task."""
        server = await socket_server()
        for _ in range(100):
            client = await server.ready()
            await client.subscribe("1", "subscription silent")
            client.connection.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.connection.transport.abort()
        await server.quiet()

        assert server.engine.open == 0
        assert server.tasks() == set()

    async def test_1000_rounds(self, socket_server: Any) -> None:
        """1000 subscribe and complete rounds on one socket leave nothing running on it."""
        server = await socket_server(burst=10_000, frames=10_000)
        client = await server.ready()
        await client.nothing_pending()
        before = server.tasks()
        for number in range(1000):
            await client.subscribe(str(number % 7), "subscription gated")
            if number % 2:
                server.engine.gate.release()
                assert (await client.receive())["type"] == "next"
            await client.complete(str(number % 7))
            await server.engine.closed("gated") if number % 2 else None
        await client.nothing_pending()
        await server.until(lambda: not server.engine.open and server.tasks() == before)
