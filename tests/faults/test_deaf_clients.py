"""Clients that do not listen, at a whole gateway with short patience: it runs in this process, on the server that it has in production."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest
from pydantic import SecretStr
from websockets.frames import CloseCode

from gateway.app import create_app, open_runtime
from gateway.auth.development import AUDIENCE, DevelopmentKeys
from gateway.auth.principal import Role
from gateway.auth.workspaces import Workspaces
from gateway.errors import ConfigurationError
from gateway.settings import Settings
from gateway.transport.connections import Connections
from gateway.transport.listeners import base_url, bind
from gateway.transport.server import RequestLimits, Server, _Socket
from gateway.transport.ws.limits import Limits
from tests.faults.followers import Followers, Sleeper
from tests.house import Unsignalled

__all__: list[str] = []

SECONDS = 30.0
"""Deadline of every wait."""
CREATE = 'mutation { createProfile(input: {firstName: "Ana"}) { profile { id streamCursor } userErrors { code } } }'


@dataclass
class Impatient:
    """The gateway, and a profile there."""

    url: str
    token: str
    server: Server
    connections: Connections
    profile: str = ""
    cursor: str = ""

    async def ask(self, query: str, **variables: object) -> dict[str, dict[str, str]]:
        """The payload of one operation."""
        async with httpx2.AsyncClient(trust_env=False, timeout=10) as client:
            body = {"query": query, "variables": variables}
            answer = await client.post(f"{self.url}/graphql", json=body, headers={"authorization": f"Bearer {self.token}"})
        (payload,) = answer.json()["data"].values()
        return dict(payload)

    async def note(self, body: str) -> None:
        """One more note on the profile."""
        mutation = "mutation($i: NoteInput!) { addNote(input: $i) { note { id } userErrors { code message } } }"
        assert (await self.ask(mutation, i={"profileId": self.profile, "body": body}))["userErrors"] == []


@pytest.fixture(name="impatient")
async def _impatient(dsn: str, tmp_path: Path) -> AsyncIterator[Impatient]:
    """Pings every 0.2 s, waits 0.4 s for an answer, 0.5 s for a client to take a message; the kernel waits a second."""
    settings = Settings(dev=True, data_dir=tmp_path, database_url=SecretStr(dsn), port=0, sockets_per_subject=100)
    token = DevelopmentKeys.open(tmp_path).signer(AUDIENCE).sign("demo", "ana", Role.AGENT)
    async with AsyncExitStack() as stack:
        runtime = await stack.enter_async_context(open_runtime(settings))
        await Workspaces(runtime.database).ensure("demo", "Demo")
        app = create_app(settings, runtime, socket_limits=Limits(ping_interval=0.2, pong_timeout=0.4, send_timeout=0.5))
        announced = asyncio.Event()
        server = Unsignalled(app, app.state.sockets, settings, lambda _: announced.set(), limits=RequestLimits(unacknowledged_seconds=1))
        sockets = bind("127.0.0.1", 0)
        url = base_url(sockets)
        serving = asyncio.create_task(server.serve(sockets))
        await asyncio.wait_for(announced.wait(), SECONDS)
        gateway = Impatient(url, token, server, app.state.sockets)
        made = (await gateway.ask(CREATE))["profile"]
        gateway.profile, gateway.cursor = made["id"], made["streamCursor"]
        yield gateway
        server.should_exit = True
        await asyncio.wait_for(serving, SECONDS)


async def test_fault_065_clients_that_stop_reading_are_gone_and_others_do_not_notice(impatient: Impatient) -> None:
    """Five with a window of 4 kB and megabytes to read: their sockets and the kernel's buffers are given back; a follower misses nothing."""
    for number in range(10):
        await impatient.note(f"{number} " + "x" * 16_000)
    fields = " ".join(f"n{n}: notes(first: 50) {{ nodes {{ body }} }}" for n in range(30))
    query = f'{{ profile(by: {{id: "{impatient.profile}"}}) {{ {fields} }} }}'
    port = int(impatient.url.rpartition(":")[2])
    async with AsyncExitStack() as stack:
        for _ in range(5):
            sleeper = await asyncio.to_thread(Sleeper, port, impatient.token, query, 2)
            stack.callback(sleeper.__exit__, None, None, None)
        url = impatient.url.replace("http", "ws") + "/graphql"
        followers = Followers(3, [url], lambda: impatient.token, impatient.profile, impatient.cursor)
        await stack.enter_async_context(followers)
        async with asyncio.timeout(SECONDS):
            while len(impatient.connections) > 3 or len(impatient.server.server_state.connections) > 4:  # noqa: ASYNC110
                await asyncio.sleep(0.02)

        assert [one.endings for one in followers.all] == [[]] * 3


async def test_fault_066_a_client_that_slept_comes_back_and_catches_up(impatient: Impatient) -> None:
    """Frozen for longer than the pings allow, it reads 1001 or finds its connection gone, resumes and is shown what it missed."""
    url = impatient.url.replace("http", "ws") + "/graphql"
    arguments = ("-m", "tests.faults.followers", url, impatient.token, impatient.profile, impatient.cursor)
    client = await asyncio.create_subprocess_exec(sys.executable, *arguments, stdout=asyncio.subprocess.PIPE, cwd=Path(__file__).parents[2])
    assert client.stdout is not None
    try:
        async with asyncio.timeout(SECONDS):
            assert await client.stdout.readline() == b"StreamReady\n"
            client.send_signal(signal.SIGSTOP)
            while len(impatient.connections):  # noqa: ASYNC110
                await asyncio.sleep(0.02)
            await impatient.note("while it slept")
            client.send_signal(signal.SIGCONT)
            said = [await client.stdout.readline() for _ in range(3)]
    finally:
        client.kill()
        await client.wait()

    assert said[0] in {b"1001\n", b"1006\n"}
    assert said[1] == b"StreamReady\n"
    assert said[2] not in {b"1001\n", b"1006\n"}


async def test_a_refused_upgrade_is_no_error(impatient: Impatient, caplog: pytest.LogCaptureFixture) -> None:
    """While the gateway ends, upgrades are answered 503; the log is not filled with one line for each."""
    await impatient.connections.drain(0)
    handshake = {
        "connection": "Upgrade",
        "upgrade": "websocket",
        "sec-websocket-version": "13",
        "sec-websocket-key": "MDEyMzQ1Njc4OWFiY2RlZg==",
        "sec-websocket-protocol": "graphql-transport-ws",
    }
    with caplog.at_level(logging.INFO):
        async with httpx2.AsyncClient(trust_env=False) as client:
            answer = await client.get(f"{impatient.url}/graphql", headers=handshake)

    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


async def test_what_breaks_inside_is_never_1011(impatient: Impatient) -> None:
    """Clients take 1011 for the end: where websockets or uvicorn would say it, 1001 is said."""
    server = impatient.server
    opened = _Socket(config=server.config, server_state=server.server_state, app_state={})
    opened.conn.state = opened.conn.state.OPEN
    opened.conn.fail(CloseCode.INTERNAL_ERROR, "keepalive ping timeout")

    assert opened.conn.close_sent is not None
    assert opened.conn.close_sent.code == 1001


async def test_a_taken_port_is_told(impatient: Impatient) -> None:
    """Before anything else is opened."""
    port = int(impatient.url.rpartition(":")[2])
    with pytest.raises(ConfigurationError, match="something else"):
        bind("127.0.0.1", port)
