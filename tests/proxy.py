"""A TCP proxy on loopback that fails on purpose: it delays, holds, cuts, and lets a cut happen right after words that a test names.

Owns one listening port and the connections through it. Used by fault tests and the checker, between the gateway and Postgres, Valkey or NATS, and
between clients and the gateway. It looks at bytes, not at protocols: what a test wants to cut at, it gives as bytes (`b"COMMIT"`).
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

__all__ = ["Proxy"]

_CHUNK = 65536


class Proxy:
    """Forwards a port of its own to another one of loopback."""

    def __init__(self, target: int) -> None:
        self.target = target
        self.port = 0
        self.accepted = 0
        """Connections taken so far."""
        self.delay = 0.0
        """Seconds each chunk waits, in both directions."""
        self._open = asyncio.Event()
        self._open.set()
        self._links: set[_Link] = set()
        self._server: asyncio.Server | None = None
        self._armed: tuple[bytes, bool] | None = None
        self.on_cut: Callable[[], None] = lambda: None
        """Called when the cut that `cut_after` asked for happened."""

    @classmethod
    @asynccontextmanager
    async def before(cls, target: int) -> AsyncIterator[Proxy]:
        """A proxy in front of this port, for as long as the block lasts."""
        proxy = cls(target)
        await proxy.start()
        try:
            yield proxy
        finally:
            await proxy.stop()

    async def start(self) -> None:
        """Listen."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Listen no more and cut what is open."""
        if self._server is not None:
            self._server.close()
            self._server = None
        self.cut()
        self._open.set()

    def __len__(self) -> int:
        """Connections open now."""
        return len(self._links)

    def hold(self) -> None:
        """A black hole from now on: connections stay and are taken, and nothing goes through."""
        self._open.clear()

    def resume(self) -> None:
        """What was held goes through."""
        self._open.set()

    def cut(self) -> None:
        """Reset every connection, on both sides."""
        for link in tuple(self._links):
            link.cut()

    def cut_after(self, words: bytes, *, answered: bool = False) -> None:
        """Once, when a client has sent chunk with these words, cut its connection: after the server got them, before it answers.

        `answered`: the server's answer is waited for and swallowed, so that what was asked has surely happened.
        """
        self._armed = words, answered

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        try:
            upstream = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            _reset(writer)
            return
        link = _Link(self, (reader, writer), upstream)
        self._links.add(link)
        try:
            await link.run()
        finally:
            self._links.discard(link)


class _Link:
    def __init__(
        self,
        proxy: Proxy,
        client: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        server: tuple[asyncio.StreamReader, asyncio.StreamWriter],
    ) -> None:
        self._proxy = proxy
        self._client = client
        self._server = server
        self._swallow = False

    async def run(self) -> None:
        tasks = [
            asyncio.create_task(self._pump(self._client[0], self._server[1], upwards=True)),
            asyncio.create_task(self._pump(self._server[0], self._client[1], upwards=False)),
        ]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            for writer in (self._client[1], self._server[1]):
                writer.close()

    def cut(self) -> None:
        for writer in (self._client[1], self._server[1]):
            _reset(writer)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, upwards: bool) -> None:
        proxy = self._proxy
        with contextlib.suppress(OSError):
            while chunk := await reader.read(_CHUNK):
                if proxy.delay:
                    await asyncio.sleep(proxy.delay)
                await proxy._open.wait()
                if not upwards and self._swallow:
                    self._finish()
                    return
                writer.write(chunk)
                await writer.drain()
                armed = proxy._armed
                if upwards and armed is not None and armed[0] in chunk:
                    proxy._armed = None
                    if not armed[1]:
                        self._finish()
                        return
                    self._swallow = True

    def _finish(self) -> None:
        self.cut()
        self._proxy.on_cut()


def _reset(writer: asyncio.StreamWriter) -> None:
    """Close with a reset, not with a goodbye."""
    given = writer.get_extra_info("socket")
    if given is not None:
        with contextlib.suppress(OSError):
            given.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
