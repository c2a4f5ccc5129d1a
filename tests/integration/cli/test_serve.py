"""`serve --dev` with the commands that work beside it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import httpx2
import pytest

__all__: list[str] = []

Run = Callable[..., subprocess.CompletedProcess[str]]
DEADLINE = 40


@pytest.mark.timeout(2 * DEADLINE)
async def test_development_from_scratch(command: Run, tmp_path: Path) -> None:
    """A first `serve --dev` on an empty directory takes the tokens of `token` and the keys of `keys create`, and SIGTERM ends it well."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "gateway.cli", "serve", "--dev", "--port", "0", "--data-dir", "data"),
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "GATEWAY_LOG_FORMAT": "json"},
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr is not None
    try:
        async with asyncio.timeout(DEADLINE):
            url = ""
            while not url:
                url = json.loads(await process.stderr.readline()).get("url", "")
            token = (await asyncio.to_thread(command, "token", "--data-dir", "data")).stdout.strip()
            async with httpx2.AsyncClient(base_url=url, trust_env=False, timeout=10) as client:
                asked = await client.post(
                    "/graphql", json={"query": "{ viewer { __typename } }"}, headers={"authorization": f"Bearer {token}"}
                )
                key = (await asyncio.to_thread(command, "keys", "create", "--data-dir", "data")).stdout.strip()
                event = {"userId": "u-1", "event": "Order Completed", "messageId": "m-1"}
                sent = await client.post("/v1/track", json=event, auth=(key, ""))
            process.send_signal(signal.SIGTERM)
            await process.stderr.read()
            code = await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()

    assert asked.json() == {"data": {"viewer": {"__typename": "Viewer"}}}
    assert sent.json()["accepted"] == 1
    assert code == 0
