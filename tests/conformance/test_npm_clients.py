"""The npm clients: they load under the Node.js that is installed, and the reference client receives both live streams."""

from __future__ import annotations

import asyncio
import json
import subprocess
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from gateway.auth.development import DevelopmentKeys
from gateway.auth.principal import Role
from tests.running import Gateway

from .conftest import NodeClients

__all__: list[str] = []

PROBE = """
import { GRAPHQL_TRANSPORT_WS_PROTOCOL, createClient } from "graphql-ws";
import { parse } from "graphql";
import { WebSocket } from "ws";
console.log(JSON.stringify([GRAPHQL_TRANSPORT_WS_PROTOCOL, typeof createClient, parse("{ id }").kind, typeof WebSocket]));
"""


@pytest.mark.npm
def test_the_clients_load(node_clients: NodeClients) -> None:
    """graphql-ws, graphql and ws load together and speak graphql-transport-ws."""
    command = [node_clients.node, "--input-type=module", "--eval", PROBE]
    done = subprocess.run(command, cwd=node_clients.folder, capture_output=True, text=True, check=False, timeout=30)

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == ["graphql-transport-ws", "function", "Document", "function"]


@pytest.mark.npm
async def test_fault_070_graphql_ws_receives_the_next_track_and_the_next_identify(gateway: Gateway, node_clients: NodeClients) -> None:
    """The reference client of the protocol gets what happens next on both streams."""
    token, key = gateway.token(), gateway.write_key()

    def identify(name: str) -> dict[str, Any]:
        traits = {"firstName": name, "email": "npm-1@example.com"}
        return {"type": "identify", "messageId": uuid4().hex, "userId": "npm-1", "traits": traits}

    gateway.track(key, identify("Ana"))
    profile = gateway.query(token, '{ profile(by: {email: "npm-1@example.com"}) { id streamCursor } }')["profile"]
    arguments = ["streams.mjs", gateway.websocket_url, token, profile["id"], profile["streamCursor"]]
    pipe = asyncio.subprocess.PIPE
    client = await asyncio.create_subprocess_exec(node_clients.node, *arguments, cwd=node_clients.folder, stdin=pipe, stdout=pipe)
    assert client.stdin is not None
    assert client.stdout is not None

    async def events(count: int) -> dict[str, dict[str, Any]]:
        assert client.stdout is not None
        async with asyncio.timeout(15):
            read = [json.loads(await client.stdout.readline()) for _ in range(count)]
        return {one["name"]: one for one in read}

    ready = await events(2)

    assert {one["__typename"] for one in ready.values()} == {"StreamReady"}

    gateway.track(key, {"type": "track", "messageId": uuid4().hex, "userId": "npm-1", "event": "Order Completed"}, identify("Anna"))
    news = await events(2)

    assert news["timeline"]["item"] == {"title": "Order Completed"}
    assert news["state"]["profile"] == {"firstName": "Anna"}

    client.stdin.close()

    assert await asyncio.wait_for(client.wait(), 10) == 0


@pytest.mark.npm
async def test_fault_070_graphql_ws_comes_back_by_itself(gateway: Gateway, node_clients: NodeClients, tmp_path: Path) -> None:
    """After 4403 the reference client's own retry brings the fresh token, after 1012 it waits for the restart: with its cursor, nothing is missed."""
    signer = DevelopmentKeys.open(gateway.data_dir).signer()
    token, key, token_file = gateway.token(), gateway.write_key(), tmp_path / "token"

    def happen(title: str) -> None:
        gateway.track(key, {"type": "track", "messageId": uuid4().hex, "userId": "npm-2", "event": title})

    gateway.track(key, {"type": "identify", "messageId": uuid4().hex, "userId": "npm-2", "traits": {"email": "npm-2@example.com"}})
    profile = gateway.query(token, '{ profile(by: {email: "npm-2@example.com"}) { id streamCursor } }')["profile"]
    token_file.write_text(signer.sign("demo", "ana", Role.AGENT, lifetime=timedelta(seconds=2)))
    command = [node_clients.node, "retrying.mjs", gateway.websocket_url, str(token_file), profile["id"], profile["streamCursor"]]
    pipe = asyncio.subprocess.PIPE
    client = await asyncio.create_subprocess_exec(*command, cwd=node_clients.folder, stdout=pipe)
    lines: list[dict[str, Any]] = []

    async def until(**shown: Any) -> None:
        assert client.stdout is not None
        async with asyncio.timeout(20):
            while not lines or not shown.items() <= lines[-1].items():
                lines.append(json.loads(await client.stdout.readline()))

    try:
        await until(__typename="StreamReady")
        happen("first")
        await until(item={"title": "first"})
        await until(closed=4403)
        happen("second")
        token_file.write_text(token)
        await until(__typename="StreamReady", resumed=True)
        await until(item={"title": "second"})
        await asyncio.to_thread(gateway.stop)
        await until(closed=1012)
        await asyncio.to_thread(gateway.start)
        happen("third")
        await until(__typename="StreamReady", resumed=True)
        await until(item={"title": "third"})
    finally:
        client.kill()
        await client.wait()

    assert [line["item"]["title"] for line in lines if "item" in line] == ["first", "second", "third"]
    assert not any("errors" in line for line in lines)
