"""Facts about one GraphQL WebSocket over a real server: operations, streams, cancellation, and what is left afterwards."""

from __future__ import annotations

import asyncio
import socket
import struct
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

__all__: list[str] = []


class TestAuthentication:
    """Who may speak."""

    @pytest.mark.parametrize("payload", [None, {}, {"Authorization": "Bearer nobody"}, {"Authorization": "Basic x"}, {"token": "someone"}])
    async def test_forbidden(self, socket_server: Any, payload: Any) -> None:
        """No credentials, or bad ones, close with 4403."""
        client = await (await socket_server()).connect()
        await client.send({"type": "connection_init", "payload": payload})

        assert await client.close_code() == (4403, "Forbidden")

    async def test_no_other_way_in(self, socket_server: Any) -> None:
        """Cookies and headers of the upgrade authenticate nobody."""
        client = await (await socket_server()).connect(
            headers={"Authorization": "Bearer someone", "Cookie": "Authorization=Bearer someone"}
        )
        await client.send({"type": "connection_init"})

        assert await client.close_code() == (4403, "Forbidden")

    async def test_broken_authentication(self, socket_server: Any) -> None:
        """When authentication itself is broken the client gets a code that it retries, and no detail."""
        client = await (await socket_server()).connect()
        await client.send({"type": "connection_init", "payload": {"Authorization": "Bearer breaks"}})

        assert await client.close_code() == (4403, "Forbidden")

    async def test_52_no_init(self, socket_server: Any) -> None:
        """A socket without init closes with 4408."""
        client = await (await socket_server(init_timeout=0.05)).connect()

        assert await client.close_code() == (4408, "Connection initialisation timeout")

    async def test_53_hanging_authentication(self, socket_server: Any) -> None:
        """Authentication that hangs is cancelled and closes with 4403."""
        server = await socket_server(auth_timeout=0.1)
        client = await server.connect()
        await client.send({"type": "connection_init", "payload": {"Authorization": "Bearer hangs"}})

        assert await client.close_code() == (4403, "Forbidden")
        await server.quiet()

    async def test_54_double_init(self, socket_server: Any) -> None:
        """A second init closes with 4429, pending or acknowledged."""
        server = await socket_server()
        pending, acknowledged = await server.connect(), await server.ready()
        init = {"type": "connection_init", "payload": {"Authorization": "Bearer hangs"}}
        await pending.send(init, init)
        await acknowledged.send(init)

        assert await pending.close_code() == (4429, "Too many initialisation requests")
        assert await acknowledged.close_code() == (4429, "Too many initialisation requests")

    async def test_55_subscribe_too_early(self, socket_server: Any) -> None:
        """A subscribe before init or before the acknowledgement closes with 4401."""
        server = await socket_server()
        early, pending = await server.connect(), await server.connect()
        await early.subscribe("1", "query ok")
        await pending.send({"type": "connection_init", "payload": {"Authorization": "Bearer hangs"}})
        await pending.subscribe("1", "query ok")

        assert await early.close_code() == (4401, "Unauthorized")
        assert await pending.close_code() == (4401, "Unauthorized")

    async def test_expiry(self, socket_server: Any) -> None:
        """When the token expires the socket closes with 4403 and its streams end."""
        server = await socket_server()
        client = await server.ready("brief")
        await client.subscribe("1", "subscription silent")

        assert await client.close_code() == (4403, "token expired")
        await server.engine.closed("silent")

    async def test_newer_credentials(self, socket_server: Any) -> None:
        """Credentials that were prolonged meanwhile keep the socket open past the first deadline, although nothing was sent since."""
        server = await socket_server()
        client = await server.ready("brief")
        await client.subscribe("1", "subscription gated")
        await server.until(lambda: server.engine.principal)
        server.engine.principal.expires_at = datetime.now(UTC) + timedelta(hours=1)
        await asyncio.sleep(0.5)  # past the 0.3 s of the first credentials
        server.engine.gate.release()

        assert (await client.receive())["type"] == "next"

    async def test_151_wall_clock_jumps(self, socket_server: Any) -> None:
        """A token that expired by the wall clock, which the timer did not see, lets no further event out."""
        server = await socket_server()
        client = await server.ready()
        await client.subscribe("1", "subscription gated")
        server.engine.gate.release()
        assert (await client.receive())["type"] == "next"
        server.engine.principal.expires_at = datetime.now(UTC)
        server.engine.gate.release()

        assert await client.next_or_close() == (4403, "token expired")


class TestOperations:
    """Queries, mutations and subscriptions."""

    async def test_query_and_mutation(self, socket_server: Any) -> None:
        """A query and a mutation each send one next and a complete."""
        client = await (await socket_server()).ready()
        for kind in ("query", "mutation"):
            await client.subscribe(kind, f"{kind} ok")
            assert await client.receive_all(2) == [
                {"id": kind, "type": "next", "payload": {"data": {kind: "ok", "for": "Somebody"}}},
                {"id": kind, "type": "complete"},
            ]

    async def test_stored_query(self, socket_server: Any) -> None:
        """A subscribe without query but with extensions reaches the engine."""
        client = await (await socket_server()).ready()
        await client.send({"id": "1", "type": "subscribe", "payload": {"extensions": {"persistedQuery": {}}}})

        assert (await client.receive())["payload"]["data"]["query"] == "stored"

    async def test_subscription(self, socket_server: Any) -> None:
        """A subscription sends each event in order, then complete."""
        client = await (await socket_server()).ready()
        await client.subscribe("s", "subscription three")

        assert await client.receive_all(4) == [
            *({"id": "s", "type": "next", "payload": {"data": {"n": number}}} for number in range(3)),
            {"id": "s", "type": "complete"},
        ]

    @pytest.mark.parametrize(
        ("query", "code"),
        [
            ("bad syntax", "GRAPHQL_PARSE_FAILED"),
            ("query refused", "BAD_USER_INPUT"),
            ("query forbidden", "FORBIDDEN"),
            ("subscription refused", "CURSOR_INVALID"),
            ("query bug", "INTERNAL"),
            ("crash now", "INTERNAL"),
            ("query unencodable", "INTERNAL"),
            ("query unencodable-errors", "INTERNAL"),
        ],
    )
    async def test_57_bad_operation(self, socket_server: Any, query: str, code: str) -> None:
        """A bad operation gets one `error` under its id, without internal text; the other stream and the socket live on."""
        server = await socket_server()
        client = await server.ready()
        await client.subscribe("live", "subscription gated")
        await client.subscribe("bad", query)
        error = await client.receive()

        assert (error["id"], error["type"]) == ("bad", "error")
        assert [problem["extensions"]["code"] for problem in error["payload"]] == [code]
        assert "secret" not in str(error)
        server.engine.gate.release()
        assert (await client.receive())["id"] == "live"
        await client.nothing_pending()

    async def test_bug_in_a_stream(self, socket_server: Any) -> None:
        """A stream that breaks after its first event ends with INTERNAL and an error id; its id can be used again."""
        client = await (await socket_server()).ready()
        for _ in range(2):
            await client.subscribe("1", "subscription bug")
            event, error = await client.receive_all(2)
            assert event["type"] == "next"
            assert error["payload"][0]["extensions"].keys() == {"code", "errorId"}
            assert "secret" not in str(error)
        await client.nothing_pending()

    async def test_56_duplicate_id(self, socket_server: Any) -> None:
        """A duplicate id closes with 4409, streams and slow queries alike; after complete it may be used again."""
        server = await socket_server()
        for query in ("subscription silent", "query slow"):
            client = await server.ready()
            await client.subscribe("1", query)
            await client.complete("1")
            await client.subscribe("1", query)
            await client.subscribe("1", "query ok")
            assert await client.close_code() == (4409, "Subscriber for 1 already exists")

    async def test_63_complete(self, socket_server: Any) -> None:
        """A client's complete closes the generator; nothing more comes for the id, and a second or unknown complete is ignored."""
        server = await socket_server()
        client = await server.ready()
        await client.subscribe("1", "subscription gated")
        server.engine.gate.release()
        assert (await client.receive())["type"] == "next"
        await client.complete("1")
        await server.engine.closed("gated")
        for _ in range(3):
            server.engine.gate.release()
        await client.complete("1")
        await client.complete("unknown")

        await client.nothing_pending()

    async def test_63_complete_a_query(self, socket_server: Any) -> None:
        """A query that was completed before it resolved sends nothing."""
        server = await socket_server()
        client = await server.ready()
        await client.subscribe("1", "query slow")
        await client.complete("1")
        server.engine.gate.release()

        await client.nothing_pending()

    async def test_60_limit(self, socket_server: Any) -> None:
        """The operation beyond the limit gets SUBSCRIPTION_LIMIT, and the socket lives."""
        client = await (await socket_server(operations=2)).ready()
        for number in range(3):
            await client.subscribe(str(number), "subscription silent")
        error = await client.receive()

        assert (error["id"], error["payload"][0]["extensions"]["code"]) == ("2", "SUBSCRIPTION_LIMIT")
        await client.nothing_pending()

    async def test_61_flood(self, socket_server: Any) -> None:
        """A flood of subscribes is answered with RATE_LIMITED, then closed with 1008."""
        client = await (await socket_server(burst=5)).ready()
        for number in range(30):
            await client.subscribe(str(number), "subscription silent")
        answers = await client.receive_all(5)

        assert {answer["payload"][0]["extensions"]["code"] for answer in answers} == {"RATE_LIMITED"}
        assert await client.close_code() == (1008, "Rate limit exceeded")


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

    async def test_65_client_that_never_reads(self, socket_server: Any) -> None:
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

    async def test_64_cut_right_after_subscribe(self, socket_server: Any) -> None:
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
        server = await socket_server(burst=10_000)
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
