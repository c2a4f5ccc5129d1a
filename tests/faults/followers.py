"""Clients that follow a timeline through whatever happens to its gateways, and one that stops reading.

A `Follower` does what docs/live.md asks of a client: it keeps the cursor of each event it handled and comes back with it, to any gateway. It
notes what it was shown and how each of its sockets ended; a test judges. A `Sleeper` has a small window and takes nothing from it.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import random
import socket
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake
from websockets.frames import Frame, Opcode

__all__ = ["Ending", "Follower", "Followers", "Sleeper"]

TIMELINE = """subscription($id: ID!, $after: StreamCursor) { timelineEvents(profileId: $id, filter: {preset: ALL}, after: $after) {
  __typename ... on LiveEvent { cursor seq } ... on StreamReady { resumed } ... on TimelineItemUpserted { item { title } } } }"""


@dataclass(frozen=True)
class Ending:
    """How a socket ended: its close code, when (monotonic), and what its stream said last."""

    code: int
    at: float
    last: str


@dataclass
class Follower:
    """One client. `urls`: of WebSockets it may use; it takes any; `token`: asked at each connect."""

    urls: Sequence[str]
    token: Callable[[], str]
    profile: str
    cursor: str | None = None
    titles: list[str] = field(default_factory=list)
    """Of the items it was shown, in order."""
    seqs: list[int] = field(default_factory=list)
    kinds: list[str] = field(default_factory=list)
    """Of all events."""
    endings: list[Ending] = field(default_factory=list)
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    """It has a stream now."""
    tell: Callable[[str], None] = lambda _: None
    """Hears of each event and ending as it comes."""

    async def follow(self) -> None:
        """Until cancelled."""
        while True:
            with contextlib.suppress(OSError, InvalidHandshake, TimeoutError, EOFError):
                async with asyncio.timeout(None) as patience:
                    patience.reschedule(asyncio.get_running_loop().time() + 5)
                    async with connect(
                        random.choice(self.urls),
                        subprotocols=["graphql-transport-ws"],  # type: ignore[list-item]
                        compression=None,
                        ping_interval=None,
                        close_timeout=0.5,
                        proxy=None,
                    ) as opened:
                        await self._begin(opened)
                        patience.reschedule(None)
                        await self._read(opened)
            self.ready.clear()
            await asyncio.sleep(random.uniform(0.02, 0.1))

    async def _begin(self, opened: ClientConnection) -> None:
        await opened.send(json.dumps({"type": "connection_init", "payload": {"Authorization": f"Bearer {self.token()}"}}))
        with contextlib.suppress(ConnectionClosed):
            await opened.recv()
            payload = {"query": TIMELINE, "variables": {"id": self.profile, "after": self.cursor}}
            await opened.send(json.dumps({"type": "subscribe", "id": "1", "payload": payload}))

    async def _read(self, opened: ClientConnection) -> None:
        last = ""
        try:
            async for text in opened:
                message = json.loads(text)
                if message["type"] == "ping":
                    await opened.send(json.dumps({"type": "pong"}))
                if message["type"] == "complete":
                    last = f"{last}, complete"
                if message["type"] == "next":
                    last = self._note(message["payload"]["data"]["timelineEvents"])
        except ConnectionClosed:
            pass
        self.endings.append(Ending(opened.close_code or 1006, time.monotonic(), last))
        self.tell(str(self.endings[-1].code))

    def _note(self, event: dict[str, Any]) -> str:
        kind: str = event["__typename"]
        self.kinds.append(kind)
        self.cursor = event["cursor"]
        if kind == "StreamReady":
            self.ready.set()
        self.tell(event.get("item", {}).get("title", kind))
        if kind == "TimelineItemUpserted":
            self.titles.append(event["item"]["title"])
            self.seqs.append(event["seq"])
        return kind


class Followers:
    """Many of them, following for as long as the block lasts."""

    def __init__(self, count: int, urls: Sequence[str], token: Callable[[], str], profile: str, cursor: str | None = None) -> None:
        self.all = [Follower(urls, token, profile, cursor) for _ in range(count)]
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        """Begin, and wait until each has its stream."""
        self._tasks = [asyncio.create_task(one.follow()) for one in self.all]
        await self.ready()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """End."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def ready(self) -> None:
        """Wait until each has a stream."""
        async with asyncio.timeout(60):
            for one in self.all:
                await one.ready.wait()

    async def shown(self, title: str) -> None:
        """Wait until each was shown an item."""
        until = time.monotonic() + 20
        while missing := [one for one in self.all if title not in one.titles[-5:]]:
            assert time.monotonic() < until, [(one.titles[-2:], one.kinds[-2:], one.endings) for one in missing]
            await asyncio.sleep(0.02)

    def lost_or_doubled(self, titles: Sequence[str]) -> list[list[str]]:
        """Of each that was not shown exactly these, once and in order: what it was shown."""
        return [one.titles for one in self.all if one.titles != list(titles) or one.seqs != sorted(set(one.seqs))]


def main() -> None:
    """Follow in a process of its own, which may be frozen: `python -m tests.faults.followers URL TOKEN PROFILE CURSOR`; a line per event."""
    url, token, profile, cursor = sys.argv[1:]
    asyncio.run(Follower([url], lambda: token, profile, cursor, tell=lambda line: print(line, flush=True)).follow())  # noqa: T201


class Sleeper:
    """A client with a window of 4 kB that asks for much and then reads nothing more; use it as a context manager. Synchronous."""

    def __init__(self, port: int, token: str, query: str, times: int) -> None:
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self._socket.settimeout(10)
        self._socket.connect(("127.0.0.1", port))
        key = base64.b64encode(os.urandom(16)).decode()
        head = ["GET /graphql HTTP/1.1", f"Host: 127.0.0.1:{port}", "Connection: Upgrade", "Upgrade: websocket"]
        head += ["Sec-WebSocket-Version: 13", f"Sec-WebSocket-Key: {key}", "Sec-WebSocket-Protocol: graphql-transport-ws", "", ""]
        self._socket.sendall("\r\n".join(head).encode())
        self._until(b"\r\n\r\n")
        self._send({"type": "connection_init", "payload": {"Authorization": f"Bearer {token}"}})
        self._until(b"connection_ack")
        for number in range(times):
            self._send({"type": "subscribe", "id": str(number), "payload": {"query": query}})

    def __enter__(self) -> Self:
        return self

    @property
    def port(self) -> int:
        """Of its own side."""
        return int(self._socket.getsockname()[1])

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Hang up."""
        self._socket.close()

    def _send(self, message: dict[str, Any]) -> None:
        self._socket.sendall(Frame(Opcode.TEXT, json.dumps(message).encode()).serialize(mask=True))

    def _until(self, words: bytes) -> None:
        heard = b""
        while words not in heard:
            part = self._socket.recv(4096)
            assert part, heard
            heard += part


if __name__ == "__main__":
    main()
