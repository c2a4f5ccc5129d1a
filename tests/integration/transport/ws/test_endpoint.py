"""Facts about the upgrade, malformed frames and the end of the process, over a real server."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus

__all__: list[str] = []


class TestUpgrade:
    """Who may open a socket."""

    @pytest.mark.parametrize("origin", ["https://evil.example", "null", "https://desk.example.com.evil.example", "http://127.0.0.1"])
    async def test_59_foreign_origin(self, socket_server: Any, origin: str) -> None:
        """A page of a foreign origin is refused with 403 before any socket exists."""
        server = await socket_server(allowed_origins=["https://desk.example.com"])
        with pytest.raises(InvalidStatus) as refused:
            await server.connect(origin=origin, headers={"Cookie": "session=1"})

        assert refused.value.response.status_code == 403

    async def test_59_own_and_listed_origin(self, socket_server: Any) -> None:
        """The same origin and a listed one may open a socket."""
        server = await socket_server(allowed_origins=["https://desk.example.com"])
        for origin in ("http://{}:{}".format(*server.address), "https://desk.example.com"):
            client = await server.connect(origin=origin)
            assert client.connection.subprotocol == "graphql-transport-ws"

    @pytest.mark.parametrize("offered", [None, ["graphql-ws"], ["foo", "bar"], ["Graphql-Transport-Ws"]])
    async def test_58_wrong_subprotocol(self, socket_server: Any, offered: list[str] | None) -> None:
        """Without graphql-transport-ws, or with the legacy graphql-ws alone, the socket closes with 4406."""
        client = await (await socket_server()).connect(subprotocols=offered)

        assert client.connection.subprotocol == (offered[0] if offered else None)  # without it a browser would see 1006
        assert await client.close_code() == (4406, "Subprotocol not acceptable")

    async def test_58_chosen_among_several(self, socket_server: Any) -> None:
        """graphql-transport-ws is chosen wherever it stands in the offer."""
        client = await (await socket_server()).connect(subprotocols=["graphql-ws", "graphql-transport-ws"])

        assert client.connection.subprotocol == "graphql-transport-ws"


class TestMalformed:
    """Frames that are no messages."""

    @pytest.mark.parametrize(
        "frame",
        [
            "[]",
            "null",
            "nonsense",
            "{}",
            b'{"type":"ping"}',
            b"",
            '{"type":"' + "x" * 60_000 + '"}',
            '{"type":"subscribe","id":["1"],"payload":{"query":"{a}"}}',
            '{"type":"subscribe","id":"1","payload":{"query":"{a}","variables":[]}}',
            "[" * 65_000,
            '{"type":"ping","payload":{"n":' + "9" * 5_000 + "}}",
        ],
        ids=lambda frame: str(frame)[:40],
    )
    async def test_49_to_51_close_4400(self, socket_server: Any, frame: str | bytes, caplog: pytest.LogCaptureFixture) -> None:
        """A malformed frame closes with 4400 and a reason that fits, and nothing is logged as a failure."""
        server = await socket_server()
        client = await server.ready()
        await client.send(frame)
        code, reason = await client.close_code()
        await server.quiet()

        assert code == 4400
        assert 0 < len(reason.encode()) <= 123
        assert [record for record in caplog.records if record.levelname in {"ERROR", "CRITICAL"}] == []

    async def test_49_deep_frame_of_any_size(self, socket_server: Any) -> None:
        """100 000 levels of JSON close with 4400 where frames may be so large: the nesting itself is harmless."""
        client = await (await socket_server(max_frame=1 << 20)).ready()
        await client.send("[" * 100_000 + "]" * 100_000)

        assert (await client.close_code())[0] == 4400

    @pytest.mark.parametrize("ws_max_size", [65_536, 16 << 20])
    async def test_62_oversize(self, socket_server: Any, ws_max_size: int) -> None:
        """A frame of 65 537 bytes closes with 1009, whether the server's limit or ours notices; 65 536 pass."""
        server = await socket_server(ws_max_size=ws_max_size)
        client = await server.ready()
        frame = json.dumps({"type": "ping", "payload": {"x": ""}})
        await client.send(frame.replace('""', '"' + "x" * (65_536 - len(frame)) + '"'))
        assert (await client.receive())["type"] == "pong"
        await client.send(frame.replace('""', '"' + "x" * (65_537 - len(frame)) + '"'))

        assert (await client.close_code())[0] == 1009

    async def test_ping(self, socket_server: Any) -> None:
        """A ping is answered with its payload, also before init; a pong is ignored."""
        client = await (await socket_server()).connect()
        await client.send({"type": "ping"}, {"type": "pong"}, {"type": "ping", "payload": {"a": 1}})

        assert await client.receive_all(2) == [{"type": "pong"}, {"type": "pong", "payload": {"a": 1}}]


class TestShutdown:
    """The end of the process."""

    async def test_close_all(self, socket_server: Any) -> None:
        """`close_all` closes every socket with 1012, returns when all streams have ended, and lets nobody in any more."""
        server = await socket_server()
        connections = server.endpoint.connections
        clients = [await server.ready() for _ in range(5)]
        for client in clients:
            await client.subscribe("1", "subscription careful")
            await client.nothing_pending()
        assert len(connections) == server.engine.open == 5
        closing = asyncio.create_task(connections.close_all())
        assert [await client.close_code() for client in clients] == [(1012, "Service Restart")] * 5
        assert not closing.done()
        for _ in clients:
            server.engine.gate.release()
        async with asyncio.timeout(5):
            await closing

        assert len(connections) == server.engine.open == 0
        with pytest.raises(InvalidStatus) as refused:
            await server.connect()
        assert refused.value.response.status_code == 503

    async def test_close_all_with_a_client_that_never_reads(self, socket_server: Any) -> None:
        """A client that reads nothing holds `close_all` up for the send timeout at most."""
        server = await socket_server(send_timeout=0.3)
        client = await server.ready()
        client.connection.transport.pause_reading()
        await client.subscribe("1", "subscription flood")
        await server.until(lambda: server.engine.pulled)
        async with asyncio.timeout(5):
            await server.endpoint.connections.close_all()

        assert server.engine.open == 0
        client.connection.transport.abort()

    async def test_close_all_ends_operations_first(self, socket_server: Any) -> None:
        """Operations end when the close begins, not when a client that does not read has taken the close frame."""
        server = await socket_server(send_timeout=60)
        client = await server.ready()
        await client.subscribe("1", "subscription silent")
        await client.nothing_pending()
        client.connection.transport.pause_reading()
        await client.subscribe("2", "subscription flood")
        await server.engine.stalled()
        closing = asyncio.create_task(server.endpoint.connections.close_all())
        await server.until(lambda: server.engine.open == 0)
        assert not closing.done()
        client.connection.transport.abort()
        async with asyncio.timeout(5):
            await closing

    async def test_close_all_without_sockets(self, socket_server: Any) -> None:
        """`close_all` returns at once when nothing is open."""
        server = await socket_server()
        async with asyncio.timeout(1):
            await server.endpoint.connections.close_all(1013, "Try Again Later")

        assert server.endpoint.connections.closing

    async def test_server_stops_by_itself(self, socket_server: Any) -> None:
        """When uvicorn itself shuts the sockets, clients see 1012 and the streams are closed."""
        server = await socket_server()
        client = await server.ready()
        await client.subscribe("1", "subscription silent")
        await client.nothing_pending()
        server.server.should_exit = True

        assert (await client.close_code())[0] == 1012
        await server.engine.closed("silent")
