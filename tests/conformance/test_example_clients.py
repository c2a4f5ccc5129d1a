"""The clients of examples/clients, as a team would copy them: against a gateway that is killed, restarted and kept from them.

Both follow the same person at the same time while the test lets events happen; what they print is compared with what happened.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest

from gateway.auth.development import DevelopmentKeys
from gateway.auth.principal import Role
from tests.running import Gateway

from .conftest import npm_packages

__all__: list[str] = []

CLIENTS = Path(__file__).parents[2] / "examples" / "clients"
EMAIL = "ana@example.com"
SHORT = timedelta(seconds=3)
FAR = 1100
"""Changes that are more than the gateway replays."""
SECONDS = 25.0
"""Deadline of every wait."""


@dataclass
class Example:
    """One client that runs, and every line it printed."""

    name: str
    process: asyncio.subprocess.Process
    lines: list[dict[str, Any]] = field(default_factory=list)
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    async def read(self) -> None:
        """Take in its lines until it ends."""
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            self.lines.append(json.loads(line))
            self._news.set()

    async def until(self, what: str, fulfilled: Callable[[list[dict[str, Any]]], bool], since: int = 0) -> None:
        """Wait until the lines printed since then say so."""
        try:
            async with asyncio.timeout(SECONDS):
                while not fulfilled(self.lines[since:]):
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            pytest.fail(f"{self.name} did not come to {what}: {self.lines[-8:]}, exit {self.process.returncode}")

    async def until_shown(self, title: str) -> None:
        """Wait until this item came."""
        await self.until(title, lambda lines: any(line.get("item", {}).get("title") == title for line in lines))

    def shown(self) -> list[str]:
        """The titles of the items that came, in their order."""
        return [line["item"]["title"] for line in self.lines if line.get("__typename") == "TimelineItemUpserted"]

    def numbers(self) -> list[int]:
        """The numbers of the items that came."""
        return [line["seq"] for line in self.lines if line.get("__typename") == "TimelineItemUpserted"]


class Person:
    """Somebody to whom things happen, one after another; each once, however often it has to be told."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._key = gateway.write_key()
        self.happened: list[str] = []
        self._tell({"type": "identify", "messageId": "m-0", "userId": "u-1", "traits": {"email": EMAIL}})

    async def happen(self, count: int = 1) -> str:
        """Let so many things happen; the title of the last."""
        titles = [f"Event {len(self.happened) + number + 1}" for number in range(count)]
        for start in range(0, count, 500):
            chunk = titles[start : start + 500]
            await asyncio.to_thread(self._tell, *({"type": "track", "messageId": name, "userId": "u-1", "event": name} for name in chunk))
            self.happened += chunk
        return titles[-1]

    @asynccontextmanager
    async def busy(self) -> AsyncIterator[None]:
        """Meanwhile, let things happen without a pause."""
        enough = False

        async def go_on() -> None:
            while not enough:
                await self.happen()

        task = asyncio.create_task(go_on())
        try:
            yield
        finally:
            enough = True
            await task  # not cancelled: what it is telling may have been heard

    def _tell(self, *events: dict[str, Any]) -> None:
        until = time.monotonic() + SECONDS
        while True:
            try:
                self._gateway.track(self._key, *events)
            except (httpx2.TransportError, AssertionError, ValueError):  # it is away, or about to be: the same again
                assert time.monotonic() < until, "the gateway takes no events"
                time.sleep(0.02)
                continue
            return


@pytest.fixture(name="built", scope="module")
def _built() -> Path:
    """The TypeScript client, checked as strictly as its configuration says, and translated."""
    clients = npm_packages(CLIENTS / "typescript")
    compiler = [clients.node, "node_modules/typescript/bin/tsc"]
    done = subprocess.run(compiler, cwd=clients.folder, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout
    assert json.loads((clients.folder / "tsconfig.json").read_text())["compilerOptions"]["strict"] is True
    return clients.folder / "build" / "follow.js"


@pytest.mark.parametrize("path", ["python/follow.py", "typescript/follow.ts"])
def test_an_example_is_short_enough_to_be_read(path: str) -> None:
    """Each client is one file of fewer than 100 lines."""
    assert len((CLIENTS / path).read_text().splitlines()) < 100


@pytest.mark.npm
@pytest.mark.slow
@pytest.mark.timeout(150)
async def test_fault_070_the_examples_miss_nothing_whatever_happens(gateway: Gateway, built: Path, tmp_path: Path) -> None:
    """Through an expired token, a gap, a renewed session, a kill and a restart each item comes once, in order, or the screen anew."""
    person = Person(gateway)
    token_file = tmp_path / "token"
    signer = DevelopmentKeys.open(gateway.data_dir).signer()

    def issue(lifetime: timedelta) -> None:
        token_file.write_text(signer.sign("demo", "ana", Role.AGENT, lifetime=lifetime) + "\n")

    @asynccontextmanager
    async def short_tokens() -> AsyncIterator[None]:
        """Meanwhile, have a token at hand that is about to end, however long a slow machine takes to use it."""

        async def go_on() -> None:
            while True:
                issue(SHORT)
                await asyncio.sleep(0.5)

        task = asyncio.create_task(go_on())
        yield
        task.cancel()

    commands = {"python": [sys.executable, str(CLIENTS / "python" / "follow.py")], "typescript": ["node", str(built)]}
    async with AsyncExitStack() as stack:

        async def all_until(what: str, fulfilled: Callable[[list[dict[str, Any]]], bool], since: list[int] | None = None) -> None:
            await asyncio.gather(*(one.until(what, fulfilled, 0 if since is None else since[n]) for n, one in enumerate(examples)))

        async def all_have(title: str) -> None:
            await asyncio.gather(*(example.until_shown(title) for example in examples))

        def so_far() -> list[int]:
            return [len(example.lines) for example in examples]

        await person.happen(3)
        issue(SHORT)
        async with short_tokens():
            examples = [
                await stack.enter_async_context(_running(name, [*command, gateway.websocket_url, EMAIL, str(token_file)]))
                for name, command in commands.items()
            ]
            await all_until("its first StreamReady", lambda lines: any(line.get("__typename") == "StreamReady" for line in lines))
        await all_have(await person.happen(5))

        # The token ends and there is no other; meanwhile more happens than is replayed.
        await all_until("the end of its token", lambda lines: any(line.get("offline") == 4403 for line in lines))
        for example in examples:
            example.process.send_signal(signal.SIGSTOP)  # or they would give up on a slow machine, after so many refusals
        before_gap = len(person.happened)
        covered = await person.happen(FAR)
        async with short_tokens():
            for example in examples:
                example.process.send_signal(signal.SIGCONT)
            await all_until("the gap", lambda lines: any(line.get("gap") == "TOO_FAR" for line in lines))
        issue(timedelta(hours=1))
        since = so_far()

        # The session is renewed on its socket, which outlives the token it began with.
        await all_until("a renewed session", lambda lines: any("refreshSession" in line for line in lines), since)
        await asyncio.sleep(SHORT.total_seconds() * 0.2 + 0.5)  # past the end of the token: time itself is the condition
        await all_have(await person.happen())
        assert [line for n, one in enumerate(examples) for line in one.lines[since[n] :] if "offline" in line] == []

        # It is killed, and comes back; it is told to end, says goodbye, and comes back.
        for end, goodbye in ((gateway.kill, False), (gateway.stop, True)):
            since = so_far()
            async with person.busy():
                await asyncio.to_thread(end)
                await asyncio.to_thread(gateway.start)
                await all_until("coming back", lambda lines: any(line.get("resumed") for line in lines), since)
            await all_have(await person.happen())
            for n, one in enumerate(examples):
                assert any(line.get("__typename") == "StreamGoAway" for line in one.lines[since[n] :]) is goodbye, one.name

    for example in examples:
        shown = example.shown()
        assert shown == [*person.happened[3:before_gap], *person.happened[before_gap + FAR :]], example.name
        assert example.numbers() == sorted(set(example.numbers()))
        (gap,) = (number for number, line in enumerate(example.lines) if line.get("__typename") == "StreamGap")
        assert example.lines[gap + 1]["profile"]["timeline"]["nodes"][-1]["title"] == covered


@asynccontextmanager
async def _running(name: str, command: list[str]) -> AsyncIterator[Example]:
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE, cwd=CLIENTS)
    example = Example(name, process)
    reader = asyncio.create_task(example.read())
    try:
        yield example
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.wait()
        await reader
