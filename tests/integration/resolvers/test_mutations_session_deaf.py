"""Disconnecting a subject where no bell is heard: every stream of every kind ends in time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import httpx2
import pytest
import pytest_asyncio
from pydantic import SecretStr
from websockets.exceptions import ConnectionClosed

from gateway.app import open_runtime
from gateway.auth.principal import Principal

from .conftest import Gateway, Graph
from .events_scene import PROFILE, TIMELINE, renamed
from .subscription_socket_scene import Server, serving

__all__: list[str] = []

pytestmark = pytest.mark.asyncio(loop_scope="module")

DISCONNECT = "mutation ($subject: String!, $reason: String!) { disconnectSubject(subject: $subject, reason: $reason) }"
NOBODY = "valkey://127.0.0.1:1"
WITHIN = 5.0
"""Seconds within which a disconnected subject is gone from every process."""


@pytest_asyncio.fixture(name="deaf", loop_scope="module")
async def _deaf(gateway: Gateway) -> AsyncIterator[Server]:
    """Another process, whose bell is at an address where nobody answers."""
    settings = gateway.settings.model_copy(update={"bus": SecretStr(NOBODY)})
    async with open_runtime(settings) as runtime, serving(settings, runtime) as server:
        assert not runtime.services.hub.bell_is_healthy
        yield server


def token(graph: Graph, principal: Principal) -> str:
    """A token of the principal."""
    return graph.signer.sign(principal.workspace_key, principal.subject, principal.role, name="A")


async def test_a_disconnected_subject_is_gone_without_a_bell(graph: Graph, deaf: Server) -> None:
    """A socket closes, an event stream over HTTP says that the credentials are no good any more and ends, both within five seconds; what is said
    before that are goodbyes.
    """
    ana, old = await graph.profile(), token(graph, graph.colleague)
    client = await deaf.ready(old)
    names = [await client.start(query, id=ana) for query in (PROFILE, TIMELINE)]
    for _ in names:
        await client.receive()
    url = f"http://{deaf.address[0]}:{deaf.address[1]}/graphql"
    headers = {"authorization": f"Bearer {old}", "accept": "text/event-stream"}
    body = {"query": TIMELINE, "variables": {"id": ana}}
    async with httpx2.AsyncClient() as http, http.stream("POST", url, json=body, headers=headers) as response:
        lines = response.aiter_lines()
        async with asyncio.timeout(WITHIN):
            while "StreamReady" not in await anext(lines):
                pass
        began = asyncio.get_running_loop().time()
        assert await graph.data(DISCONNECT, {"subject": graph.colleague.subject, "reason": "lost laptop"}, graph.admin)
        await renamed(graph, ana, "Ada")
        await graph.happened(ana, {})
        said: list[dict[str, Any]] = []
        with suppress(ConnectionClosed):
            while True:
                said.append(await client.receive())
        closed = await client.close_code()
        rest = "\n".join([line async for line in lines])
        seconds = asyncio.get_running_loop().time() - began

    assert seconds < WITHIN
    assert closed == (4403, "Disconnected by an administrator")
    assert "UNAUTHENTICATED" in rest
    last = [next(iter(message["payload"]["data"].values())) for message in said if message["type"] == "next"]
    assert [event for event in last if event["__typename"] == "StreamGoAway" and event["reason"] != "REVOKED"] == []
