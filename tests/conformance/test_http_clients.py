"""Clients from npm over HTTP and Server-Sent Events: each asks in its own way and gets what it asked for."""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import pytest

from tests.running import Gateway

from .conftest import NodeClients

__all__: list[str] = []

pytestmark = pytest.mark.npm

RESPONSE = "application/graphql-response+json; charset=utf-8"
EVENTS = "text/event-stream; charset=utf-8"
SECONDS = 15.0
"""Deadline of every wait."""


def ran(clients: NodeClients, script: str, gateway: Gateway) -> dict[str, Any]:
    """What a script printed that ran against the gateway to its end."""
    command = [clients.node, script, f"{gateway.url}/graphql", gateway.token()]
    done = subprocess.run(command, cwd=clients.folder, capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == 0, done.stderr
    printed: dict[str, Any] = json.loads(done.stdout)
    return printed


def test_urql_gets_json_for_queries_and_events_for_subscriptions(gateway: Gateway, node_clients: NodeClients) -> None:
    """The client that names text/event-stream in every request gets JSON for queries and mutations all the same, and events for its subscription."""
    seen = ran(node_clients, "urql.mjs", gateway)
    viewer = {"data": {"viewer": {"actor": {"id": "ana"}}}}

    assert (seen["query"], seen["get"]) == (viewer, viewer)
    assert seen["mutation"]["data"]["createProfile"]["profile"]["firstName"] == "Ada"
    assert seen["refused"] == {"codes": ["GRAPHQL_VALIDATION_FAILED"]}
    ready, updated = seen["events"]
    assert ready["__typename"] == "StreamReady"
    assert seen["renamed"]["data"]["updateProfile"] == {"profile": {"firstName": "Ida"}, "userErrors": []}
    assert (updated["__typename"], updated["profile"]) == ("ProfileUpdated", {"firstName": "Ida"})
    assert all("text/event-stream" in request["accept"] for request in seen["sent"])
    assert [(request["method"], request["status"], request["type"]) for request in seen["sent"]] == [
        ("POST", 200, RESPONSE),
        ("GET", 200, RESPONSE),
        ("POST", 200, RESPONSE),
        ("POST", 400, RESPONSE),
        ("POST", 200, EVENTS),
        ("POST", 200, RESPONSE),
    ]


def test_apollo_client_reads_answers_and_refusals(gateway: Gateway, node_clients: NodeClients) -> None:
    """Apollo Client queries by POST and GET, mutates, keeps entities by id, and reads the errors of a 400. Where there are no trusted documents it is
    told so once, and sends no more hashes.
    """
    seen = ran(node_clients, "apollo.mjs", gateway)

    assert seen["query"] == seen["get"] == {"viewer": {"__typename": "Viewer", "actor": {"__typename": "Actor", "id": "ana"}}}
    assert seen["mutation"]["createProfile"]["profile"]["firstName"] == seen["read"]["node"]["firstName"] == seen["cached"] == "Ada"
    assert seen["refused"] == {"typed": True, "codes": ["GRAPHQL_VALIDATION_FAILED"]}
    assert [(request["method"], request["status"], request["type"]) for request in seen["sent"]] == [
        ("POST", 200, RESPONSE),
        ("GET", 200, RESPONSE),
        ("POST", 200, RESPONSE),
        ("POST", 200, RESPONSE),
        ("POST", 400, RESPONSE),
        *[("POST", 200, RESPONSE)] * 3,
    ]
    assert [request.get("by") for request in seen["sent"][5:]] == ["hash", None, None]


def test_graphql_sse_gets_single_answers_as_events(gateway: Gateway, node_clients: NodeClients) -> None:
    """The client that takes nothing but events gets a query, a mutation and a refused document as `next` and `complete`; a stranger gets 401."""
    seen = ran(node_clients, "sse_single.mjs", gateway)

    assert seen == {
        "query": [{"data": {"viewer": {"actor": {"id": "ana"}}}}],
        "mutation": [{"data": {"createProfile": {"profile": {"firstName": "Eve"}, "userErrors": []}}}],
        "syntax": ["GRAPHQL_PARSE_FAILED"],
        "field": ["GRAPHQL_VALIDATION_FAILED"],
        "cursor": ["BAD_USER_INPUT"],
        "stranger": "Server responded with 401: Unauthorized",
    }


class Subscriber:
    """A running sse.mjs."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def event(self) -> dict[str, Any]:
        """The next thing that it printed."""
        assert self._process.stdout is not None
        async with asyncio.timeout(SECONDS):
            read: dict[str, Any] = json.loads(await self._process.stdout.readline())
        return read


@asynccontextmanager
async def subscriber(clients: NodeClients, gateway: Gateway, *arguments: str) -> AsyncIterator[Subscriber]:
    """Start sse.mjs; end it by closing its standard input, and see it end well."""
    pipe = asyncio.subprocess.PIPE
    command = ["sse.mjs", f"{gateway.url}/graphql", *arguments]
    process = await asyncio.create_subprocess_exec(clients.node, *command, cwd=clients.folder, stdin=pipe, stdout=pipe)
    assert process.stdin is not None
    yield Subscriber(process)
    process.stdin.close()
    assert await asyncio.wait_for(process.wait(), 10) == 0


async def test_graphql_sse_resumes_behind_last_event_id(gateway: Gateway, node_clients: NodeClients) -> None:
    """The client follows a timeline, goes away, and comes back behind the last event it had: by `after`, and by Last-Event-ID."""
    token, key = gateway.token(), gateway.write_key()

    def happens(title: str) -> None:
        gateway.track(key, {"type": "track", "messageId": uuid4().hex, "userId": "sse-1", "event": title})

    gateway.track(key, {"type": "identify", "messageId": uuid4().hex, "userId": "sse-1", "traits": {"email": "sse-1@example.com"}})
    profile = gateway.query(token, '{ profile(by: {email: "sse-1@example.com"}) { id streamCursor } }')["profile"]
    async with subscriber(node_clients, gateway, token, profile["id"], profile["streamCursor"], "variable") as first:
        assert (await first.event())["__typename"] == "StreamReady"
        happens("Order One")
        one = await first.event()
        assert one["item"] == {"title": "Order One"}
    happens("Order Two")
    for how in ("header", "variable"):
        async with subscriber(node_clients, gateway, token, profile["id"], one["cursor"], how) as second:
            ready = await second.event()
            assert (ready["__typename"], ready["resumed"], ready["cursor"]) == ("StreamReady", True, one["cursor"])
            two = await second.event()
            assert (two["item"], two["seq"]) == ({"title": "Order Two"}, one["seq"] + 1)
