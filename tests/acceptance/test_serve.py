"""`serve`: starts, answers, survives what kills it, and ends when it is told to."""

from __future__ import annotations

import asyncio
import json
import subprocess
from pathlib import Path
from typing import Any

import httpx2
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.running import Gateway

TIMELINE = """subscription($id: ID!, $after: StreamCursor) { timelineEvents(profileId: $id, filter: {preset: ALL}, after: $after) {
  __typename ... on LiveEvent { cursor seq } ... on StreamReady { resumed } ... on TimelineItemUpserted { item { title } } } }"""


def person(user: str) -> dict[str, Any]:
    """An identify event."""
    return {"type": "identify", "messageId": f"i-{user}", "userId": user, "traits": {"firstName": "Ana", "email": f"{user}@example.com"}}


def happened(user: str, name: str) -> dict[str, Any]:
    """A track event whose message id is its name."""
    return {"type": "track", "messageId": f"t-{user}-{name}", "userId": user, "event": name}


def runs(pid: int) -> bool:
    """Whether the process is there; one that has ended and waits to be collected by init is not."""
    done = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return done.stdout.strip()[:1] not in {"", "Z"}


async def subscribe(gateway: Gateway, token: str, profile: str, after: str | None) -> ClientConnection:
    """A socket with one running timeline subscription, speaking the protocol by hand."""
    socket = await connect(gateway.websocket_url, subprotocols=["graphql-transport-ws"])  # type: ignore[list-item]
    await socket.send(json.dumps({"type": "connection_init", "payload": {"Authorization": f"Bearer {token}"}}))
    assert json.loads(await socket.recv())["type"] == "connection_ack"
    payload = {"query": TIMELINE, "variables": {"id": profile, "after": after}}
    await socket.send(json.dumps({"type": "subscribe", "id": "1", "payload": payload}))
    return socket


async def event(socket: ClientConnection) -> dict[str, Any]:
    """The next event of the subscription."""
    async with asyncio.timeout(10):
        while True:
            message = json.loads(await socket.recv())
            if message["type"] == "ping":
                await socket.send(json.dumps({"type": "pong"}))
                continue
            assert message["type"] == "next", message
            return dict(message["payload"]["data"]["timelineEvents"])


async def to_the_end(socket: ClientConnection) -> None:
    """Read whatever is still on its way, until the connection ends."""
    async with asyncio.timeout(10):
        async for _ in socket:
            pass
        await socket.recv()


@pytest.mark.slow
async def test_after_a_kill_a_resumed_stream_delivers_exactly_what_was_missed(gateway: Gateway) -> None:
    """SIGKILL, restart, resume with `after`: every acknowledged event behind the cursor, once and in order, then the live ones."""
    token, key = gateway.token(), gateway.write_key()
    gateway.track(key, person("u-1"))
    profile = gateway.query(token, '{ profile(by: {email: "u-1@example.com"}) { id streamCursor } }')["profile"]
    socket = await subscribe(gateway, token, profile["id"], profile["streamCursor"])

    assert await event(socket) | {"cursor": ""} == {"__typename": "StreamReady", "cursor": "", "seq": 1, "resumed": True}

    gateway.track(key, happened("u-1", "seen 1"), happened("u-1", "seen 2"))
    seen = [await event(socket), await event(socket)]

    assert [one["item"]["title"] for one in seen] == ["seen 1", "seen 2"]

    gateway.track(key, *(happened("u-1", f"missed {n}") for n in range(20)))  # acknowledged: durable from here on
    gateway.kill()
    with pytest.raises(ConnectionClosed):
        await to_the_end(socket)
    gateway.start()
    gateway.track(key, *(happened("u-1", f"missed {n}") for n in range(20, 30)))
    again = await subscribe(gateway, token, profile["id"], seen[-1]["cursor"])
    ready = await event(again)

    assert (ready["__typename"], ready["resumed"], ready["seq"]) == ("StreamReady", True, seen[-1]["seq"])

    resumed = [await event(again) for _ in range(30)]
    gateway.track(key, happened("u-1", "live"))
    resumed.append(await event(again))

    assert [one["item"]["title"] for one in resumed] == [f"missed {n}" for n in range(30)] + ["live"]
    assert [one["seq"] for one in resumed] == list(range(seen[-1]["seq"] + 1, seen[-1]["seq"] + 32))

    await again.close()


@pytest.mark.slow
def test_nothing_outlives_a_kill(gateway: Gateway) -> None:
    """SIGKILL of the gateway leaves no Postgres behind, and the same data directory starts again."""
    server = json.loads((gateway.data_dir / "postgres.json").read_text())["pid"]
    gateway.kill()
    gateway.start()  # waits for the old server to let go

    assert json.loads((gateway.data_dir / "postgres.json").read_text())["pid"] != server
    assert not runs(server)


@pytest.mark.slow
async def test_sigterm_ends_cleanly_with_sockets_open(gateway: Gateway) -> None:
    """SIGTERM lets streams say goodbye, closes sockets with 1012, which clients retry, and the process exits 0 in time."""
    token, key = gateway.token(), gateway.write_key()
    gateway.track(key, person("u-1"))
    profile = gateway.query(token, '{ profile(by: {email: "u-1@example.com"}) { id } }')["profile"]
    socket = await subscribe(gateway, token, profile["id"], None)
    await event(socket)
    ending = asyncio.get_running_loop().run_in_executor(None, gateway.stop)
    goodbye = await event(socket)
    with pytest.raises(ConnectionClosed) as closed:
        await to_the_end(socket)

    assert goodbye["__typename"] == "StreamGoAway"
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1012
    assert await ending == 0


@pytest.mark.slow
def test_a_second_gateway_on_the_same_directory_says_so(gateway: Gateway) -> None:
    """The second one names the first and exits with the status of a configuration mistake."""
    arguments = ["serve", "--dev", "--port", "0", "--data-dir", str(gateway.data_dir)]
    done = subprocess.run([gateway.command, *arguments], capture_output=True, text=True, check=False, timeout=30)

    assert done.returncode == 2
    assert str(gateway.process.pid if gateway.process else "") in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_health_readiness_and_metrics_answer(gateway: Gateway) -> None:
    """The three pages an operator looks at."""
    ready = httpx2.get(f"{gateway.url}/readyz").json()

    assert httpx2.get(f"{gateway.url}/healthz").text == "ok\n"
    assert ready == {"ready": True, "database": "ok", "durability": "ok", "migrations": "ok", "bell": "ok"}
    assert "gateway_operations_total" in httpx2.get(f"{gateway.url}/metrics").text


def test_unconfigured_it_refuses_to_start(command: Path, tmp_path: Path) -> None:
    """Without --dev and without configuration there is no gateway, and the message says what is missing."""
    done = subprocess.run([command, "serve"], capture_output=True, text=True, check=False, cwd=tmp_path, timeout=30)

    assert done.returncode == 2
    assert "GATEWAY_DATABASE_URL" in done.stderr
    assert "--dev" in done.stderr


def test_development_stays_on_this_machine(command: Path, tmp_path: Path) -> None:
    """--dev refuses an address that others can reach."""
    done = subprocess.run(
        [command, "serve", "--dev", "--host", "192.0.2.1"], capture_output=True, text=True, check=False, cwd=tmp_path, timeout=30
    )

    assert done.returncode == 2
    assert "this machine only" in done.stderr
