"""Many WebSockets in processes of their own, that speak graphql-transport-ws by hand so that they cost little. Used by `sockets.py`.

`Crowds` starts the processes and tells them what to do; a `Crowd` is the sockets of one of them.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import multiprocessing
import random
import re
import signal
import struct
import time
from collections import Counter
from multiprocessing.connection import Connection
from typing import Any

__all__ = ["Crowds"]

CLIENTS = 2
"""Client processes."""
WATCH = (
    "subscription($id: ID!, $after: StreamCursor) { profileEvents(profileId: $id, after: $after) { __typename "
    "... on LiveEvent { cursor seq } ... on StreamReady { resumed } ... on ProfileUpdated { changedFields profile { id displayName } } } }"
)


class Socket(asyncio.Protocol):
    """One client: a WebSocket of text frames, no more than the bench needs."""

    def __init__(self, token: str, profile: str) -> None:
        self.token = token
        self.profile = profile
        self.cursor: str | None = None
        self.retry_after = 0.0
        self.caught_up_at = 0.0
        self.refusals = 0
        self.closed: int | None = None
        self.ended = ""
        self._transport: asyncio.Transport | None = None
        self._buffer = b""
        self._shaken = False
        self._waiting: dict[str, asyncio.Future[bool]] = {}
        self._wants_update = False

    async def open(self, host: str, port: int) -> bool:
        """Connect and introduce oneself; False when refused (see `retry_after`)."""
        loop = asyncio.get_running_loop()
        self._buffer, self._shaken, self._waiting, self.closed = b"", False, {"ack": loop.create_future()}, None
        try:
            self._transport, _ = await loop.create_connection(lambda: self, host, port)
            key = base64.b64encode(random.randbytes(16)).decode()
            self._transport.write(
                f"GET /graphql HTTP/1.1\r\nHost: {host}:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: {key}\r\n"
                f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n".encode()
            )
            async with asyncio.timeout(20):
                return await self._waiting["ack"]
        except (OSError, TimeoutError):
            self.retry_after = 1.0
            return False

    async def watch(self, *, update: bool = False) -> None:
        """Subscribe behind the cursor, if there is one; returns at StreamReady, with `update` at the change that was missed."""
        self._wants_update = update
        self._waiting["ready"] = asyncio.get_running_loop().create_future()
        variables = {"id": self.profile, "after": self.cursor}
        self._send({"id": "1", "type": "subscribe", "payload": {"query": WATCH, "variables": variables}})
        async with asyncio.timeout(30):
            await self._waiting["ready"]

    def cut(self) -> None:
        """Reset the connection."""
        if self._transport is not None:
            with contextlib.suppress(OSError):
                raw = self._transport.get_extra_info("socket")
                raw.setsockopt(1, 13, struct.pack("ii", 1, 0))  # SOL_SOCKET, SO_LINGER
            self._transport.abort()

    def connection_lost(self, error: Exception | None) -> None:
        """Whoever waits is told."""
        for future in self._waiting.values():
            if not future.done():
                self.retry_after = self.retry_after or 1.0
                future.set_result(False)

    def data_received(self, data: bytes) -> None:
        """The handshake's answer, then frames."""
        self._buffer += data
        if not self._shaken:
            head, end, rest = self._buffer.partition(b"\r\n\r\n")
            if not end:
                return
            if not head.startswith(b"HTTP/1.1 101"):
                self.refusals += 1
                found = re.search(rb"(?i)retry-after: *(\d+)", head)
                self.retry_after = float(found[1]) if found else 1.0
                assert self._transport is not None
                self._transport.abort()
                return
            self._shaken, self._buffer = True, rest
            self._send({"type": "connection_init", "payload": {"Authorization": f"Bearer {self.token}"}})
        while len(self._buffer) >= 2:  # noqa: PLR2004  # RFC 6455, 5.2
            length, start = self._buffer[1], 2
            if length == 126:  # noqa: PLR2004
                length, start = struct.unpack_from("!H", self._buffer, 2)[0], 4
            if len(self._buffer) < start + length:
                return
            opcode, body = self._buffer[0] & 15, self._buffer[start : start + length]
            self._buffer = self._buffer[start + length :]
            if opcode == 8:  # noqa: PLR2004
                self.closed = struct.unpack_from("!H", body)[0]
            elif opcode == 1:
                self._take(json.loads(body))

    def _take(self, message: dict[str, Any]) -> None:
        match message["type"]:
            case "connection_ack":
                self._waiting["ack"].set_result(True)
            case "ping":
                self._send({"type": "pong"})
            case "next":
                assert "errors" not in message["payload"], message
                event = message["payload"]["data"]["profileEvents"]
                self.cursor = event["cursor"]
                done = event["__typename"] == ("ProfileUpdated" if self._wants_update else "StreamReady")
                if done and not self._waiting["ready"].done():
                    self.caught_up_at = time.monotonic()
                    self._waiting["ready"].set_result(True)
            case "error" | "complete":
                self.ended = str(message)

    def _send(self, message: dict[str, Any]) -> None:
        assert self._transport is not None
        body = json.dumps(message).encode()
        length = struct.pack("!B", 128 | len(body)) if len(body) < 126 else struct.pack("!BH", 254, len(body))  # noqa: PLR2004
        self._transport.write(b"\x81" + length + b"\0\0\0\0" + body)  # masked with zeroes: allowed, and free


class Crowd:
    """The sockets of one client process."""

    def __init__(self, host: str, port: int, people: list[tuple[str, str]]) -> None:
        self.host, self.port = host, port
        self.sockets = [Socket(token, profile) for token, profile in people]

    async def connect(self, watch: bool) -> float:
        """Open all, a few at a time; with `watch`, subscribe on each. Seconds."""
        turns = asyncio.Semaphore(20)

        async def one(socket: Socket) -> None:
            async with turns:
                while not await socket.open(self.host, self.port):  # noqa: ASYNC110
                    await asyncio.sleep(socket.retry_after)
                if watch:
                    await socket.watch()

        started = time.monotonic()
        await asyncio.gather(*map(one, self.sockets))
        return time.monotonic() - started

    async def cut(self) -> None:
        """Reset all at once."""
        for socket in self.sockets:
            socket.cut()

    async def resume(self) -> dict[str, Any]:
        """All come back at once with their cursors; each waits for what it missed."""

        async def one(socket: Socket) -> None:
            while not await socket.open(self.host, self.port):  # noqa: ASYNC110
                await asyncio.sleep(socket.retry_after + random.random())
            await socket.watch(update=True)

        started = time.monotonic()
        await asyncio.gather(*map(one, self.sockets))
        took = [socket.caught_up_at - started for socket in self.sockets]
        return {"took": took, "refusals": sum(socket.refusals for socket in self.sockets)}

    def states(self) -> str:
        """How many were closed with which code so far, and why streams ended."""
        closes = Counter(socket.closed for socket in self.sockets)
        return f"closed: {dict(closes)}, ended: {[socket.ended for socket in self.sockets if socket.ended][:3]}"


def run_crowd(pipe: Connection, host: str, port: int, people: list[tuple[str, str]]) -> None:
    """A client process: does what it is told until it is told nothing more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    async def main() -> None:
        crowd = Crowd(host, port, people)
        loop = asyncio.get_running_loop()
        with contextlib.suppress(EOFError):
            while True:
                name, arguments = await loop.run_in_executor(None, pipe.recv)
                try:
                    pipe.send(await getattr(crowd, name)(*arguments))
                except Exception as error:  # noqa: BLE001  # whoever asked is told
                    pipe.send(RuntimeError(f"{name}: {error!r} {crowd.states()}"))

    asyncio.run(main())


class Crowds:
    """All client processes."""

    def __init__(self, address: tuple[str, int], people: list[tuple[str, str]]) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipes: list[Connection] = []
        self._processes = []
        for part in range(CLIENTS):
            ours, theirs = context.Pipe()
            process = context.Process(target=run_crowd, args=(theirs, *address, people[part::CLIENTS]), daemon=True)
            process.start()
            theirs.close()
            self._pipes.append(ours)
            self._processes.append(process)

    async def do(self, name: str, *arguments: Any) -> list[Any]:
        """Have each do this; their answers."""
        for pipe in self._pipes:
            pipe.send((name, arguments))
        loop = asyncio.get_running_loop()
        answers = await asyncio.gather(*(loop.run_in_executor(None, pipe.recv) for pipe in self._pipes))
        for answer in answers:
            if isinstance(answer, Exception):
                raise answer
        return answers

    def end(self) -> None:
        """Hang up."""
        for pipe, process in zip(self._pipes, self._processes, strict=True):
            pipe.close()
            process.join(5)
            process.kill()
