"""Facts about the upgrade, malformed frames and the end of the process, over a real server."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus

from gateway.transport.admission import AdmissionLimits

__all__: list[str] = []

PLENTY = AdmissionLimits(sockets=10**6, sockets_per_workspace=10**6, sockets_per_subject=10**6, upgrades_per_second=10**6)


class TestUpgrade:
    """Who may open a socket."""

    @pytest.mark.parametrize("origin", ["https://evil.example", "null", "https://desk.example.com.evil.example", "http://127.0.0.1"])
    async def test_fault_059_foreign_origin(self, socket_server: Any, origin: str) -> None:
        """A page of a foreign origin is refused with 403 before any socket exists."""
        server = await socket_server(allowed_origins=["https://desk.example.com"])
        with pytest.raises(InvalidStatus) as refused:
            await server.connect(origin=origin, headers={"Cookie": "session=1"})

        assert refused.value.response.status_code == 403

    async def test_fault_059_own_and_listed_origin(self, socket_server: Any) -> None:
        """The same origin and a listed one may open a socket."""
        server = await socket_server(allowed_origins=["https://desk.example.com"])
        for origin in ("http://{}:{}".format(*server.address), "https://desk.example.com"):
            client = await server.connect(origin=origin)
            assert client.connection.subprotocol == "graphql-transport-ws"

    @pytest.mark.parametrize("offered", [None, ["graphql-ws"], ["foo", "bar"], ["Graphql-Transport-Ws"]])
    async def test_fault_058_wrong_subprotocol(self, socket_server: Any, offered: list[str] | None) -> None:
        """Without graphql-transport-ws, or with the legacy graphql-ws alone, the socket closes with 4406."""
        client = await (await socket_server()).connect(subprotocols=offered)

        assert client.connection.subprotocol == (offered[0] if offered else None)  # without it a browser would see 1006
        assert await client.close_code() == (4406, "Subprotocol not acceptable")

    async def test_fault_058_chosen_among_several(self, socket_server: Any) -> None:
        """graphql-transport-ws is chosen wherever it stands in the offer."""
        client = await (await socket_server()).connect(subprotocols=["graphql-ws", "graphql-transport-ws"])

        assert client.connection.subprotocol == "graphql-transport-ws"


class TestAdmission:
    """How many may be here."""

    async def test_fault_060_process_is_full(self, socket_server: Any) -> None:
        """A socket too many of the process is refused with 503 and `Retry-After`; it is taken when another has gone."""
        server = await socket_server(admission=replace(PLENTY, sockets=2))
        first, _ = await server.ready(), await server.connect()
        with pytest.raises(InvalidStatus) as refused:
            await server.connect()

        assert (refused.value.response.status_code, refused.value.response.headers["Retry-After"]) == (503, "5")
        await first.connection.close()
        await server.until(lambda: len(server.endpoint.admission) == 1)
        await server.ready()

    @pytest.mark.parametrize("limit", ["sockets_per_subject", "sockets_per_workspace"])
    async def test_fault_060_subject_and_workspace(self, socket_server: Any, limit: str) -> None:
        """A socket too many of a subject or workspace closes with 1013 and says why, instead of being acknowledged; the others live on."""
        server = await socket_server(admission=replace(PLENTY, **{limit: 2}))
        others = [await server.ready("agent1") for _ in range(2)]
        client = await server.connect()
        await client.send({"type": "connection_init", "payload": {"Authorization": "Bearer agent1"}})
        code, reason = await client.close_code()

        assert code == 1013
        assert reason.startswith("Too many connections of this ")
        await others[0].connection.close()
        await server.until(lambda: len(server.endpoint.admission) == 1)
        await server.ready("agent1")
        await others[1].nothing_pending()

    async def test_fault_069_upgrade_flood(self, socket_server: Any) -> None:
        """Of 100 upgrades at once 20 are taken where 20 a second are allowed, the others hear 503 with a moment to come back that is true."""
        server = await socket_server(admission=replace(PLENTY, upgrades_per_second=20))
        answers = await asyncio.gather(*(server.connect() for _ in range(100)), return_exceptions=True)
        refused = [answer.response for answer in answers if isinstance(answer, InvalidStatus)]

        assert 75 <= len(refused) <= 80  # a few tokens come in while they knock
        assert {response.status_code for response in refused} == {503}
        assert {1, 2, 3, 4} <= {int(response.headers["Retry-After"]) for response in refused}
        await asyncio.sleep(0.06)  # what one more takes to be let in
        await server.ready()

    async def test_nothing_is_held(self, socket_server: Any) -> None:
        """However an upgrade ends, its seat is given back."""
        server = await socket_server(allowed_origins=[], init_timeout=0.2)
        with pytest.raises(InvalidStatus):
            await server.connect(origin="https://evil.example")
        await (await server.connect(subprotocols=["graphql-ws"])).close_code()
        await (await server.connect()).close_code()
        bad = await server.connect()
        await bad.send({"type": "connection_init", "payload": {"Authorization": "Bearer nobody"}})
        await bad.close_code()
        (await server.ready("agent1")).connection.transport.abort()
        await server.quiet()

        assert (len(server.endpoint.admission), server.endpoint.admission.holders) == (0, 0)


class TestAge:
    """How long a socket may be here."""

    async def test_streams_say_goodbye(self, socket_server: Any) -> None:
        """A socket that is as old as it may get tells its streams, and closes with 1012 when they have said so."""
        client = await (await socket_server(max_age=0.5, age_spread=0.0, farewell=0.4)).ready()
        await client.subscribe("1", "subscription polite")
        await client.subscribe("2", "subscription polite")
        heard = await client.receive_all(4)

        assert [message["payload"]["data"]["goAway"] for message in heard if message["type"] == "next"] == ["MAX_AGE"] * 2
        assert sorted(message["id"] for message in heard if message["type"] == "complete") == ["1", "2"]
        assert await client.close_code() == (1012, "Maximum age")

    async def test_stream_that_does_not_hear(self, socket_server: Any) -> None:
        """A stream that does not end by itself is ended with the socket."""
        server = await socket_server(max_age=0.3, age_spread=0.0, farewell=0.2)
        client = await server.ready()
        await client.subscribe("1", "subscription silent")

        assert await client.close_code() == (1012, "Maximum age")
        await server.engine.closed("silent")

    async def test_ages_are_spread(self, socket_server: Any) -> None:
        """Sockets that came together go between 10 % earlier and 10 % later."""
        server = await socket_server(max_age=1000)
        for _ in range(30):
            await server.ready()
        ages = [connection._protocol._ends_at - connection._protocol._opened_at for connection in server.endpoint.connections._open]

        assert all(900 <= age <= 1100 for age in ages)
        assert max(ages) - min(ages) > 50


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
    async def test_fault_049_050_051_close_4400(self, socket_server: Any, frame: str | bytes, caplog: pytest.LogCaptureFixture) -> None:
        """A malformed frame closes with 4400 and a reason that fits, and nothing is logged as a failure."""
        server = await socket_server()
        client = await server.ready()
        await client.send(frame)
        code, reason = await client.close_code()
        await server.quiet()

        assert code == 4400
        assert 0 < len(reason.encode()) <= 123
        assert [record for record in caplog.records if record.levelname in {"ERROR", "CRITICAL"}] == []

    async def test_fault_049_deep_frame_of_any_size(self, socket_server: Any) -> None:
        """100 000 levels of JSON close with 4400 where frames may be so large: the nesting itself is harmless."""
        client = await (await socket_server(max_frame=1 << 20)).ready()
        await client.send("[" * 100_000 + "]" * 100_000)

        assert (await client.close_code())[0] == 4400

    @pytest.mark.parametrize("ws_max_size", [65_536, 16 << 20])
    async def test_fault_062_oversize(self, socket_server: Any, ws_max_size: int) -> None:
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
