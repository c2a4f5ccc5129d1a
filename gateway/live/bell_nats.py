"""The NATS bell: one connection of nats-py, which does not reconnect by itself.

Owns that connection. The client's own way back is switched off: it keeps rings for a server that is away and does not say that it was deaf, and one
way of healing (`live.bus`: build anew, look at everything) serves all bells. What the client has to say goes to the bus and not into its log. Made by
`live.bells`, used by `live.bus` alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import ssl
from typing import Any
from urllib.parse import unquote, urlsplit

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import SlowConsumerError

from gateway.live.bell import CHANNEL, HEARTBEAT, Bell

__all__ = ["NatsBell"]

_TIMEOUT = 2
_GOODBYE = 0.25
_PENDING = 65_536
"""Messages the client may hold for us between two turns of the loop; what comes then is dropped, and told."""


class NatsBell(Bell):
    """Subscribe and publish on one subject."""

    def __init__(self, url: str) -> None:
        """`url`: nats:// or tls://, with user and password or a token if need be, several servers divided by commas; nothing is opened yet.

        Raises:
            ValueError: it cannot be read; the message does not repeat it.
        """
        super().__init__()
        self._client: Client | None = None
        self._cause: Exception | None = None
        self._probe = f"{HEARTBEAT}{os.urandom(6).hex()}".encode()
        self._subscribed = asyncio.Event()
        self._servers: list[str] = []
        self._credentials: dict[str, str] = {}
        self._tls = url.startswith("tls://")
        for one in url.split(","):
            parts = urlsplit(one)
            try:
                host, port = parts.hostname, parts.port or 4222
            except ValueError as error:
                raise ValueError("the address has a wrong port") from error
            if not host or parts.scheme not in {"nats", "tls"} or (parts.scheme == "tls") != self._tls:
                raise ValueError("give every server as nats://host:4222, or every one as tls://host:4222")
            self._servers.append(f"nats://{f'[{host}]' if ':' in host else host}:{port}")
            if parts.username and parts.password is not None:
                self._credentials = {"user": unquote(parts.username), "password": unquote(parts.password)}
            elif parts.username:
                self._credentials = {"token": unquote(parts.username)}

    async def publish(self, channel: str, message: Any) -> None:
        """Hand it to the client, which does not wait for the server."""
        if self._client is None:
            raise ConnectionError("not connected")
        await self._client.publish(channel, message.encode())

    async def _open(self) -> None:
        client = self._client = Client()
        try:
            await client.connect(
                self._servers,
                name="profile-gateway bell",
                allow_reconnect=False,
                max_reconnect_attempts=1,
                reconnect_time_wait=0,
                connect_timeout=_TIMEOUT,
                ping_interval=20,
                error_cb=self._failed,
                closed_cb=self._closed,
                tls=ssl.create_default_context() if self._tls else None,
                **{name: self._guarded(value) for name, value in self._credentials.items()},
            )
            self._require_tls()
            await client.subscribe(CHANNEL, cb=self._hear, pending_msgs_limit=_PENDING)
            await client.publish(CHANNEL, self._probe)  # not `flush`: given up, it breaks the client's reader, which logs that
            async with asyncio.timeout(_TIMEOUT):
                await self._subscribed.wait()
        except Exception as error:
            if self._cause is None or self._cause is error:
                raise
            raise self._cause from error  # "connection refused" says more than "no servers"

    async def _close(self) -> None:
        client = self._client
        if client is not None:
            writer = _writer(client)
            if writer is not None:
                writer.transport.abort()
            for subscription in client._subs.values():  # noqa: SLF001  # `close` forgets their tasks when the connection ends under it
                subscription._stop_processing()  # noqa: SLF001
            with contextlib.suppress(Exception):  # a handshake that failed is one thing that `close` waits for without an end
                async with asyncio.timeout(_GOODBYE):
                    await client.close()

    async def _hear(self, message: Msg) -> None:
        if message.data == self._probe:
            self._subscribed.set()
        else:
            self.heard.put(message.data)

    async def _failed(self, error: Exception) -> None:
        self._cause = error
        if isinstance(error, SlowConsumerError):
            self.heard.overflow()

    async def _closed(self) -> None:
        self.heard.lost()

    def _guarded(self, secret: str) -> Any:
        def reveal() -> str:  # the client asks for it when it logs in, after the handshake
            self._require_tls()
            return secret

        return reveal

    def _require_tls(self) -> None:
        """The client goes on in the clear when the server does not offer TLS."""
        writer = None if self._client is None else _writer(self._client)
        if self._tls and (writer is None or writer.get_extra_info("ssl_object") is None):
            raise ConnectionError("the server does not speak TLS")


def _writer(client: Client) -> Any:
    return getattr(client._transport, "_io_writer", None)  # noqa: SLF001  # the only way to drop a connection, or to see whether it is encrypted
