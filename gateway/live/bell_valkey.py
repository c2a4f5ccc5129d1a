"""The Valkey bell, also for Redis: pub/sub over two connections, one that listens and one that publishes.

Owns both. They are plain connections that speak RESP2: the client's own PubSub object, and the package's backend over it, stay deaf on the first
channel with redis-py 8, reconnect behind our back and log by themselves. Made by `live.bells`, used by `live.bus` alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from typing import Any

from redis.asyncio.connection import Connection, parse_url
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from gateway.live.bell import CHANNEL, Bell

__all__ = ["ValkeyBell"]

_TIMEOUT = 2.0
_OPTIONS = {"ssl_ca_certs", "ssl_certfile", "ssl_keyfile"}


class ValkeyBell(Bell):
    """SUBSCRIBE on one connection, PUBLISH on another; neither is ever used by two callers at once."""

    def __init__(self, url: str) -> None:
        """`url`: valkey://, valkeys://, redis:// or rediss://, with user and password if need be; nothing is opened yet.

        Raises:
            ValueError: it cannot be read; the message does not repeat it.
        """
        super().__init__()
        self._listener = _connection(url)
        self._publisher = _connection(url)
        self._turn = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None

    async def publish(self, channel: str, message: Any) -> None:
        """PUBLISH, and wait for the answer; a connection that fails, or is given up in between, is not used again."""
        async with self._turn:
            try:
                await self._publisher.connect()
                await self._publisher.send_command("PUBLISH", channel, message)
                await self._publisher.read_response()
            except AttributeError as error:  # what the client raises when `disconnect` comes in between
                raise ConnectionError("the connection was dropped") from error
            except BaseException:
                await _drop(self._publisher)
                raise
            finally:
                if self._over:  # the client may have connected again after `disconnect`
                    await _drop(self._publisher)

    async def _open(self) -> None:
        await self._listener.connect()
        await self._listener.send_command("SUBSCRIBE", CHANNEL)
        await self._listener.read_response()
        self._task = asyncio.create_task(self._listen(), name="bell-valkey")

    async def _close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        for connection in (self._listener, self._publisher):
            await _drop(connection)

    async def _listen(self) -> None:
        try:
            while True:
                answer = await self._listener.read_response(timeout=math.inf)
                if isinstance(answer, list) and len(answer) == 3 and answer[0] == b"message":  # noqa: PLR2004  # kind, channel, data
                    self.heard.put(answer[2])
        finally:
            self.heard.lost()


def _connection(url: str) -> Any:
    try:
        options: dict[str, Any] = dict(parse_url(f"redis{url.removeprefix('valkey')}" if url.startswith("valkey") else url))
    except ValueError as error:
        raise ValueError("the address has a wrong port or option") from error
    options.pop("db", None)  # channels belong to the server, whatever the database
    make = options.pop("connection_class", Connection)
    unknown = sorted(options.keys() - _OPTIONS - {"host", "port", "username", "password"})
    if unknown:
        raise ValueError(f"{unknown[0]!r} is no option here; there are {', '.join(sorted(_OPTIONS))}")
    return make(
        **options,
        protocol=2,
        socket_timeout=_TIMEOUT,
        socket_connect_timeout=_TIMEOUT,
        socket_keepalive=True,
        retry=Retry(NoBackoff(), 0),
        driver_info=None,  # CLIENT SETINFO would be one more right that the user needs
    )


async def _drop(connection: Any) -> None:
    with contextlib.suppress(Exception):
        await connection.disconnect(nowait=True)
