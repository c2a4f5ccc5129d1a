"""The short way answers as the way through all layers: the same requests to an application that has it and to one that has not."""

from __future__ import annotations

import re
from typing import Any

import pytest
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Message, Receive, Scope, Send

from gateway.observe import request_id
from gateway.transport.hosts import AllowedHosts
from gateway.transport.shortcut import Application
from gateway.transport.tracing import RequestId

__all__: list[str] = []

HOSTS = ("gateway.example.com", "*.example.org", "localhost")
ORIGIN = "https://desk.example.com"


class Endpoint:
    """Answers with the id that logs would have; counts how it was reached."""

    def __init__(self, *vary: str) -> None:
        self.vary = vary
        self.asked = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.asked += 1
        answer = Response(request_id.get() and b"identified", 200, {"x-own": "1"}, "text/plain")
        answer.raw_headers += [(b"vary", value.encode()) for value in self.vary]
        await answer(scope, receive, send)


def application(endpoint: Endpoint, hosts: tuple[str, ...], *, short: bool) -> Application:
    """The layers that `app` puts around its endpoints."""
    made = Application(
        hosts=hosts,
        routes=[Route("/graphql", endpoint)],
        middleware=[
            Middleware(RequestId),
            Middleware(AllowedHosts, hosts),
            Middleware(CORSMiddleware, allow_origins=[ORIGIN], allow_methods=["GET", "POST"], expose_headers=["x-request-id"]),
        ],
    )
    if short:
        made.direct["/graphql"] = endpoint
    return made


async def answer_of(app: Application, method: str, path: str, headers: list[tuple[bytes, bytes]], root_path: str = "") -> Any:
    """Status, headers and body; ids that were made are all the same here."""
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    scope = {"type": "http", "method": method, "path": path, "root_path": root_path, "headers": headers, "query_string": b""}
    await app({**scope, "server": ("h", 1), "scheme": "http"}, receive, send)
    made = [(name, b"made" if re.fullmatch(rb"[0-9a-f]{32}", value) else value) for name, value in sent[0]["headers"]]
    assert request_id.get() == ""
    return sent[0]["status"], sorted(made), b"".join(message.get("body", b"") for message in sent[1:])


HEADERS = {
    "plain": [(b"host", b"localhost")],
    "with a port": [(b"host", b"Gateway.Example.com:8000")],
    "a long port": [(b"host", b"localhost:99999")],
    "no port": [(b"host", b"localhost:")],
    "no number": [(b"host", b"localhost:80a")],
    "a pattern's": [(b"host", b"desk.example.org")],
    "foreign": [(b"host", b"evil.example.com")],
    "user": [(b"host", b"evil@localhost")],
    "twice": [(b"host", b"localhost"), (b"host", b"evil.example.com")],
    "twice the other way": [(b"host", b"evil.example.com"), (b"host", b"localhost")],
    "none": [],
    "address": [(b"host", b"[::1]:8000")],
    "an origin": [(b"host", b"localhost"), (b"origin", ORIGIN.encode())],
    "a foreign origin": [(b"host", b"localhost"), (b"origin", b"https://evil.example.com")],
    "preflight": [(b"host", b"localhost"), (b"origin", ORIGIN.encode()), (b"access-control-request-method", b"POST")],
    "an id": [(b"host", b"localhost"), (b"x-request-id", b"a-1"), (b"x-request-id", b"a-2")],
    "an id that is none": [(b"host", b"localhost"), (b"x-request-id", b"a 1\r\n")],
    "an empty id": [(b"host", b"localhost"), (b"x-request-id", b"")],
}


@pytest.mark.parametrize("hosts", [(), HOSTS, ("*",)], ids=["any host", "some hosts", "every host"])
@pytest.mark.parametrize("headers", HEADERS.values(), ids=HEADERS.keys())
async def test_the_short_way_answers_as_the_long_one(headers: list[tuple[bytes, bytes]], hosts: tuple[str, ...]) -> None:
    """Whatever the method, the path, what the answer says it depends on, and whether it was asked at all."""
    for vary in ((), ("Accept",), ("Accept", "Cookie")):
        for method, path, root in (
            *(("POST", "/graphql", ""), ("GET", "/graphql", ""), ("OPTIONS", "/graphql", ""), ("DELETE", "/graphql", "")),
            *(("POST", "/graphql/", ""), ("POST", "/other", ""), ("POST", "/graphql", "/graphql"), ("POST", "/api/graphql", "/api")),
        ):
            short, long = Endpoint(*vary), Endpoint(*vary)
            one = await answer_of(application(short, hosts, short=True), method, path, headers, root)
            other = await answer_of(application(long, hosts, short=False), method, path, headers, root)
            assert (one, short.asked) == (other, long.asked), (method, path, root)
