"""By what names the gateway may be called."""

from __future__ import annotations

import httpx2
import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from gateway.transport.hosts import AllowedHosts

__all__: list[str] = []


async def here(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers everything."""
    await PlainTextResponse(Request(scope).url.path)(scope, receive, send)


@pytest.mark.parametrize(
    ("names", "host", "status"),
    [
        ((), "evil", 200),
        (("gateway.example.com",), "gateway.example.com", 200),
        (("gateway.example.com",), "Gateway.Example.com:8080", 200),
        (("gateway.example.com",), "evil", 400),
        (("gateway.example.com",), "gateway.example.com.evil", 400),
        (("gateway.example.com",), "evil/gateway.example.com", 400),
        (("gateway.example.com",), "", 400),
        (("www.example.com",), "example.com", 400),
        (("*.example.com",), "a.b.example.com", 200),
        (("*.example.com",), "example.com", 400),
        (("*.example.com",), "evilexample.com", 400),
        (("127.0.0.1", "[::1]"), "127.0.0.1:8080", 200),
    ],
)
async def test_names(names: tuple[str, ...], host: str, status: int) -> None:
    """A name that is listed, or below one that is, whatever the port; nothing that only looks like it. Probes may say anything."""
    transport = httpx2.ASGITransport(AllowedHosts(here, names))
    async with httpx2.AsyncClient(transport=transport, base_url="http://gateway") as client:
        assert (await client.get("/graphql", headers={"host": host})).status_code == status
        for probe in ("/healthz", "/readyz", "/metrics"):
            assert (await client.get(probe, headers={"host": host})).status_code == 200
