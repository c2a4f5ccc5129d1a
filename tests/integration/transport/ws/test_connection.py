"""Facts about one GraphQL WebSocket over a real server: operations, streams, cancellation, and what is left afterwards."""

from __future__ import annotations

import asyncio
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

    async def test_fault_052_no_init(self, socket_server: Any) -> None:
        """A socket without init closes with 4408."""
        client = await (await socket_server(init_timeout=0.05)).connect()

        assert await client.close_code() == (4408, "Connection initialisation timeout")

    async def test_fault_053_hanging_authentication(self, socket_server: Any) -> None:
        """Authentication that hangs is cancelled and closes with 4403."""
        server = await socket_server(auth_timeout=0.1)
        client = await server.connect()
        await client.send({"type": "connection_init", "payload": {"Authorization": "Bearer hangs"}})

        assert await client.close_code() == (4403, "Forbidden")
        await server.quiet()

    async def test_fault_054_double_init(self, socket_server: Any) -> None:
        """A second init closes with 4429, pending or acknowledged."""
        server = await socket_server()
        pending, acknowledged = await server.connect(), await server.ready()
        init = {"type": "connection_init", "payload": {"Authorization": "Bearer hangs"}}
        await pending.send(init, init)
        await acknowledged.send(init)

        assert await pending.close_code() == (4429, "Too many initialisation requests")
        assert await acknowledged.close_code() == (4429, "Too many initialisation requests")

    async def test_fault_055_subscribe_too_early(self, socket_server: Any) -> None:
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

    async def test_fault_151_wall_clock_jumps(self, socket_server: Any) -> None:
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
    async def test_fault_057_bad_operation(self, socket_server: Any, query: str, code: str) -> None:
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

    async def test_fault_056_duplicate_id(self, socket_server: Any) -> None:
        """A duplicate id closes with 4409, streams and slow queries alike; after complete it may be used again."""
        server = await socket_server()
        for query in ("subscription silent", "query slow"):
            client = await server.ready()
            await client.subscribe("1", query)
            await client.complete("1")
            await client.subscribe("1", query)
            await client.subscribe("1", "query ok")
            assert await client.close_code() == (4409, "Subscriber for 1 already exists")

    async def test_fault_063_complete(self, socket_server: Any) -> None:
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

    async def test_fault_063_complete_a_query(self, socket_server: Any) -> None:
        """A query that was completed before it resolved sends nothing."""
        server = await socket_server()
        client = await server.ready()
        await client.subscribe("1", "query slow")
        await client.complete("1")
        server.engine.gate.release()

        await client.nothing_pending()

    async def test_fault_060_limit(self, socket_server: Any) -> None:
        """The operation beyond the limit gets SUBSCRIPTION_LIMIT, and the socket lives."""
        client = await (await socket_server(operations=2)).ready()
        for number in range(3):
            await client.subscribe(str(number), "subscription silent")
        error = await client.receive()

        assert (error["id"], error["payload"][0]["extensions"]["code"]) == ("2", "SUBSCRIPTION_LIMIT")
        await client.nothing_pending()

    async def test_fault_061_flood(self, socket_server: Any) -> None:
        """A flood of subscribes is answered with RATE_LIMITED, then closed with 1008."""
        client = await (await socket_server(burst=5)).ready()
        for number in range(30):
            await client.subscribe(str(number), "subscription silent")
        answers = await client.receive_all(5)

        assert {answer["payload"][0]["extensions"]["code"] for answer in answers} == {"RATE_LIMITED"}
        assert await client.close_code() == (1008, "Rate limit exceeded")
