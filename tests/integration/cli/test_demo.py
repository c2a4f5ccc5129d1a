"""`demo` as a newcomer meets it: started, pasted from, watched, stopped, started again."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import connect

from gateway.cli.sample.residents import user_ids
from gateway.storage.database import Database
from gateway.storage.embedded import EmbeddedPostgres

__all__: list[str] = []

DEADLINE = 40
WATCH = """subscription Watch($id: ID!) { timelineEvents(profileId: $id) {
    __typename ... on TimelineItemUpserted { item { title source { key } } } } }"""


@asynccontextmanager
async def demo(cwd: Path, *arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """A demo on a free port, killed if the test does not end it."""
    with (cwd / "errors").open("wb") as errors:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "gateway.cli", "demo", "--port", "0", "--data-dir", "data", *arguments),
            cwd=cwd,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            stdout=asyncio.subprocess.PIPE,
            stderr=errors,
            limit=1 << 20,
        )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def welcome(process: asyncio.subprocess.Process) -> tuple[dict[str, str], list[str]]:
    """What the demo prints once it runs: addresses and credentials by their labels, and the commands to paste."""
    assert process.stdout is not None
    labelled, commands = {}, []
    while len(commands) < 4:
        line = (await process.stdout.readline()).decode().rstrip()
        label, _, value = line.partition("  ")
        labelled[label] = value.strip()
        if line.startswith("curl "):
            commands.append(line)
    return labelled, commands


async def paste(command: str) -> dict[str, Any]:
    """The JSON answer of a command, run by a shell as it was printed."""
    shell = await asyncio.create_subprocess_exec("sh", "-c", command, stdout=asyncio.subprocess.PIPE)
    answer: dict[str, Any] = json.loads((await shell.communicate())[0])
    return answer


async def next_item(url: str, token: str, profile_id: str) -> dict[str, Any]:
    """The next timeline item that a subscriber of this profile is sent."""
    async with connect(url, subprotocols=["graphql-transport-ws"], proxy=None) as socket:  # type: ignore[list-item]
        await socket.send(json.dumps({"type": "connection_init", "payload": {"authorization": f"Bearer {token}"}}))
        assert json.loads(await socket.recv())["type"] == "connection_ack"
        watch = {"query": WATCH, "variables": {"id": profile_id}}
        await socket.send(json.dumps({"type": "subscribe", "id": "1", "payload": watch}))
        async for message in socket:
            event = json.loads(message).get("payload", {}).get("data", {}).get("timelineEvents", {})
            if event.get("__typename") == "TimelineItemUpserted":
                item: dict[str, Any] = event["item"]
                return item
    raise AssertionError("the socket ended without an item")


async def stored(data_dir: Path) -> tuple[int, int]:
    """Profiles of the demo's people, and events that were pasted."""
    async with await EmbeddedPostgres.start(data_dir) as server:
        database = await Database.open(server.dsn)
        try:
            people = await database.fetchval("SELECT count(DISTINCT profile_id) FROM lookup WHERE value = any($1)", user_ids())
            pasted = await database.fetchval(
                "SELECT count(*) FROM activity WHERE type = 'Order Completed' AND detail = '{\"total\": 49.9}'"
            )
            return people, pasted
        finally:
            await database.close()


@pytest.mark.skipif(shutil.which("curl") is None, reason="the printed commands use curl")
@pytest.mark.timeout(2 * DEADLINE)
async def test_a_newcomers_first_minutes(tmp_path: Path) -> None:
    """All printed commands work as pasted, a subscriber sees the ticker's events come by themselves, and Ctrl-C ends it well.

    The second start stops by itself after the asked seconds and finds the people and the event of the first.
    """
    async with asyncio.timeout(DEADLINE), demo(tmp_path) as process:
        labelled, (query, desk, track, elsewhere) = await welcome(process)
        profile = (await paste(query))["data"]["profile"]
        item = await next_item(labelled["WebSocket"], labelled["agent"], profile["id"])
        viewer = (await paste(desk))["data"]["viewer"]
        tracked = await paste(track)
        parts = (await paste(elsewhere))["data"]["profile"]["sources"]
        process.send_signal(signal.SIGINT)
        assert process.stdout is not None
        last = (await process.stdout.read()).decode().splitlines()[-1]
        code = await process.wait()

    assert profile["displayName"] == "Ana Souza"
    assert profile["timeline"]["nodes"]
    assert any(trait["conflicts"] for trait in profile["traits"]["nodes"])
    assert item["source"]["key"] == "tracking"
    assert viewer["actor"]["displayName"] == "Maria Keller"
    assert (tracked["accepted"], tracked["rejected"]) == (1, [])
    assert {"crm", "orders", "analytics"} <= {part["source"]["key"] for part in parts}
    assert (code, last, (tmp_path / "errors").read_text()) == (0, "Stopped.", "")

    async with asyncio.timeout(DEADLINE), demo(tmp_path, "--no-ticker", "--seconds", "0.2") as process:
        await welcome(process)
        code = await process.wait()

    assert (code, (tmp_path / "errors").read_text()) == (0, "")
    assert await stored(tmp_path / "data") == (len(user_ids()), 1)


@pytest.mark.timeout(2 * DEADLINE)
async def test_two_demos_on_one_directory(tmp_path: Path) -> None:
    """The second demo on a directory says that the first one has it, and leaves it alone."""
    async with asyncio.timeout(DEADLINE), demo(tmp_path, "--no-ticker") as first:
        await welcome(first)
        async with demo(tmp_path, "--no-ticker") as second:
            code = await second.wait()
        errors = (tmp_path / "errors").read_text()
        running = first.returncode is None
        first.terminate()
        ended = await first.wait()

    assert (code, running, ended) == (2, True, 0)
    assert errors.startswith("Error: Another gateway")
