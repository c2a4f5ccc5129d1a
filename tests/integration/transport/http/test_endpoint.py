"""Requests over a real uvicorn: methods, media types, what a connection is worth after a refusal, and who waits for an answer."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import quote

import pytest

from gateway.transport.http import endpoint
from gateway.transport.http.request import MAX_BODY

from .conftest import Exchange, HttpServer, StartServer, until

__all__: list[str] = []

HELLO = {"data": {"hello": "Hello you"}}
RESPONSE = "application/graphql-response+json"


async def asked(server: HttpServer, method: str, query: str = "{hello}", *, headers: str = "authorization: Bearer someone\r\n") -> Exchange:
    """A request without a body."""
    return await server.raw(f"{method} /graphql?query={quote(query)} HTTP/1.1\r\nhost: gateway\r\n{headers}\r\n".encode())


async def code_of(exchange: Exchange) -> str:
    """The code of a refusal."""
    (error,) = (await exchange.json())["errors"]
    code: str = error["extensions"]["code"]
    return code


async def test_methods(http_server: StartServer) -> None:
    """GET and POST answer, OPTIONS names them, everything else is 405 and names them too."""
    server = await http_server()
    assert await (await asked(server, "GET")).json() == HELLO
    options = await asked(server, "OPTIONS", headers="")
    assert (options.status, options.headers["allow"]) == (204, "GET, POST, OPTIONS")
    for method in ("HEAD", "PUT", "DELETE", "PATCH"):
        refused = await asked(server, method)
        assert (refused.status, refused.headers["allow"]) == (405, "GET, POST, OPTIONS")


async def test_fault_010_a_get_that_any_page_could_send(http_server: StartServer) -> None:
    """A GET without a header that makes browsers ask first is 400; with Apollo's it is 401, because that is no credential. Nothing was run."""
    server = await http_server()
    for headers, status, code in (
        ("", 400, "BAD_REQUEST"),
        ("cookie: session=1\r\nsec-fetch-site: cross-site\r\n", 400, "BAD_REQUEST"),
        ("apollo-require-preflight: true\r\n", 401, "UNAUTHENTICATED"),
        ("x-apollo-operation-name: A\r\n", 401, "UNAUTHENTICATED"),
    ):
        refused = await asked(server, "GET", headers=headers)
        assert (refused.status, await code_of(refused)) == (status, code)
    assert server.world.contexts == []


async def test_fault_011_a_mutation_by_get(http_server: StartServer) -> None:
    """A mutation by GET is 405 with Allow: POST, for whoever takes JSON and for whoever takes events, and is not run."""
    server = await http_server()
    for accept in ("*/*", RESPONSE, "text/event-stream"):
        refused = await asked(server, "GET", "mutation { change }", headers=f"authorization: Bearer someone\r\naccept: {accept}\r\n")
        assert (refused.status, refused.headers["allow"], await code_of(refused)) == (405, "POST", "METHOD_NOT_ALLOWED")
    assert server.world.changed == 0


async def test_fault_013_nothing_that_can_be_served(http_server: StartServer) -> None:
    """Accept without anything we have is 406 before credentials are looked at, and says what there is."""
    server = await http_server()
    for accept in ("text/plain", "text/html, image/*", "application/json;q=0", "application/graphql+json"):
        refused = await server.post("mutation { change }", accept=accept, who="nobody")
        assert (refused.status, refused.headers["content-type"]) == (406, "application/json; charset=utf-8")
        (error,) = (await refused.json())["errors"]
        assert error["extensions"] == {"code": "NOT_ACCEPTABLE"}
        assert {"application/graphql-response+json", "application/json,", "text/event-stream."} < set(error["message"].split())
    assert server.world.changed == 0


async def test_answers(http_server: StartServer) -> None:
    """Media type, headers and status by what was asked for; the connection stays."""
    server = await http_server()
    bad = '{ hello(name: "a", name: "b") }'
    for accept, kind, status in (
        ("application/json", "application/json", 200),
        (RESPONSE, RESPONSE, 400),
        ("*/*", "application/json", 200),
    ):
        answer = await server.post("{ hello }", accept=accept, x_request_id="a-1")
        assert (answer.status, answer.headers["content-type"]) == (200, f"{kind}; charset=utf-8")
        assert {answer.headers[name] for name in ("cache-control", "vary", "x-request-id")} == {"no-store", "Accept", "a-1"}
        assert "connection" not in answer.headers
        assert await answer.json() == HELLO
        assert (await server.post(bad, accept=accept)).status == status
    assert (await server.post("{ broken }", accept=RESPONSE)).status == 200


# Sizes, and what a connection is worth afterwards


def head(*lines: str) -> bytes:
    """The head of a POST."""
    usual = ("POST /graphql HTTP/1.1", "host: gateway", "authorization: Bearer someone", "content-type: application/json")
    return "".join(f"{line}\r\n" for line in (*usual, *lines, "")).encode()


async def test_fault_006_an_announced_size(http_server: StartServer) -> None:
    """300 MB that are announced are refused before a byte of them came, also to who waits for a word before sending, and the connection ends."""
    server = await http_server()
    for more in ((), ("expect: 100-continue",)):
        refused = await server.raw(head("content-length: 300000000", *more))
        assert (refused.status, refused.headers["connection"], await code_of(refused)) == (413, "close", "PAYLOAD_TOO_LARGE")
        assert await refused.ended()
    for who in ("authorization: Bearer nobody", "accept: text/plain"):
        refused = await server.raw(head("content-length: 300000000", who))
        assert (refused.status, refused.headers["connection"]) == (413, "close")


async def test_fault_006_a_size_that_is_not_announced(http_server: StartServer) -> None:
    """A chunked body is refused after 256 KiB, while the client still sends, and the connection ends: the rest of it is never read."""
    server = await http_server()
    exchange = await server.raw(head("transfer-encoding: chunked"), begin=False)
    sent = 0

    async def flood() -> None:
        nonlocal sent
        while sent < 300_000_000:
            exchange.writer.write(b"10000\r\n" + b" " * 65_536 + b"\r\n")
            sent += 65_536
            await exchange.writer.drain()

    with pytest.raises(ConnectionError):
        await asyncio.wait_for(flood(), 5)
    assert sent < 30_000_000  # what fits into the buffers of two kernels
    await server.quiet()


async def test_the_answer_to_a_large_body_arrives(http_server: StartServer) -> None:
    """Who sent a little too much reads why."""
    server = await http_server()
    body = b"x" * 300_000
    for request in (
        head(f"content-length: {len(body)}") + body,
        head("transfer-encoding: chunked") + b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body),
    ):
        refused = await server.raw(request)
        assert (refused.status, refused.headers["connection"], await code_of(refused)) == (413, "close", "PAYLOAD_TOO_LARGE")


async def test_the_connection_stays_when_little_is_unread(http_server: StartServer) -> None:
    """A refusal before the body costs no connection when the body is small: it is passed over."""
    server = await http_server()
    refused = await server.post("{ hello }", who="nobody")
    assert (refused.status, await code_of(refused)) == (401, "UNAUTHENTICATED")
    body = b'{"query": "{ hello }"}'
    refused.writer.write(head(f"content-length: {len(body)}") + body)
    await refused.begin()
    assert await refused.json() == HELLO


async def test_expect_continue(http_server: StartServer) -> None:
    """A client that waits for a word before it sends its body gets it once its credentials are fine."""
    server = await http_server()
    body = b'{"query": "{ hello }"}'
    exchange = await server.raw(head(f"content-length: {len(body)}", "expect: 100-continue"))
    assert exchange.status == 100
    exchange.writer.write(body)
    await exchange.begin()
    assert await exchange.json() == HELLO
    assert (await server.raw(head("content-length: 20", "expect: 100-continue").replace(b"someone", b"nobody"))).status == 401


async def test_boundary(http_server: StartServer) -> None:
    """A body of exactly 256 KiB is read."""
    server = await http_server()
    body = b'{"query": "{ hello }"}'.ljust(MAX_BODY)
    assert await (await server.raw(head(f"content-length: {len(body)}") + body)).json() == HELLO
    assert (await server.raw(head(f"content-length: {len(body) + 1}") + body + b" ")).status == 413


# Who waits


async def test_a_query_whose_client_has_gone_is_cancelled(http_server: StartServer) -> None:
    """Hanging up ends a query at once, by POST and by GET."""
    server = await http_server()
    request = b"GET /graphql?query={slow} HTTP/1.1\r\nhost: a\r\nauthorization: Bearer someone\r\n\r\n"
    for start in (lambda: server.post("{ slow }", begin=False), lambda: server.raw(request, begin=False)):
        exchange = await start()
        await until(lambda: server.world.running)
        exchange.drop()
        async with asyncio.timeout(1):
            await server.quiet()


async def test_a_mutation_whose_client_has_gone_goes_on(http_server: StartServer) -> None:
    """Hanging up does not stop a mutation: a page that is closed sends its last one just so."""
    server = await http_server()
    exchange = await server.post("mutation { slow }", begin=False)
    await until(lambda: server.world.running)
    exchange.drop()
    await until(lambda: not server.server.server_state.connections)
    server.world.gate.release()
    await server.quiet()

    assert server.world.changed == 1


async def test_half_a_body(http_server: StartServer) -> None:
    """A client that goes away in the middle of its body leaves nothing."""
    server = await http_server()
    exchange = await server.raw(head("content-length: 100") + b'{"query', begin=False)
    await until(lambda: server.server.server_state.tasks)
    exchange.drop()
    await server.quiet()


async def test_time_is_limited(http_server: StartServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A query and a mutation that take longer than their budget are 504 and cancelled; the budgets are 5 and 10 seconds."""
    assert endpoint._BUDGET == {"query": 5.0, "mutation": 10.0}
    monkeypatch.setitem(endpoint._BUDGET, "query", 0.05)
    monkeypatch.setitem(endpoint._BUDGET, "mutation", 0.05)
    server = await http_server()
    for query in ("{ slow }", "mutation { slow }"):
        late = await server.post(query)
        assert (late.status, await code_of(late)) == (504, "OPERATION_TIMEOUT")
    await server.quiet()
    assert server.world.changed == 0


async def test_pipelined_requests(http_server: StartServer) -> None:
    """Requests that come together are answered one after the other."""
    server = await http_server()
    body = b'{"query": "{ hello }"}'
    exchange = await server.raw((head(f"content-length: {len(body)}") + body) * 3)
    answers: list[Any] = [await exchange.json()]
    for _ in range(2):
        await exchange.begin()
        answers.append(await exchange.json())

    assert answers == [HELLO] * 3
