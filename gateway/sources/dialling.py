"""Connecting to a source: to an address that was looked at, and to no other.

Owns the step from a name to a connection. Which addresses are fine is said by `addresses`; TLS and HTTP are above it. Called by the pool of
`gateway.sources.http` for each new connection.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, Final

import httpcore2

from gateway.sources.addresses import dialable

__all__ = ["NotDialled", "Resolve", "Vetted", "resolved"]

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""From a name and a port to IP addresses, the best first."""

_LOOKED_AT: Final = 32
_TRIED: Final = 4
"""Addresses of a name: that are looked at, and that are tried."""


class NotDialled(Exception):
    """None of the addresses is one that we connect to."""


class Vetted(httpcore2.AsyncNetworkBackend):
    """Connects to exactly the address that was looked at, each time anew: a name that leads elsewhere a moment later leads nowhere (DNS rebinding).

    TLS above it still checks the certificate against the name.
    """

    def __init__(self, *, allow_private: bool, resolve: Resolve, dial: httpcore2.AsyncNetworkBackend | None = None) -> None:
        self._allow_private = allow_private
        self._resolve = resolve
        self._dial = dial or httpcore2.AnyIOBackend()
        self._lookup: asyncio.Future[Sequence[str]] | None = None

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """A connection to one of the host's addresses, within `timeout` seconds in all."""
        async with asyncio.timeout(timeout):
            found = await self._addresses(host, port)
            looked_at = (dialable(address, allow_private=self._allow_private) for address in found[:_LOOKED_AT])
            vetted = [address for address in looked_at if address is not None][:_TRIED]
            if not vetted:
                raise NotDialled
            for number, address in enumerate(vetted, 1):
                share = None if timeout is None else timeout / len(vetted)
                try:
                    return _Closing(await self._dial.connect_tcp(address, port, timeout=share, socket_options=socket_options))
                except (httpcore2.ConnectError, httpcore2.ConnectTimeout):
                    if number == len(vetted):
                        raise
        raise AssertionError  # the last address is tried or raises

    async def _addresses(self, host: str, port: int) -> Sequence[str]:
        """What the name leads to now. Connections that begin meanwhile wait for the same lookup: one that hangs holds one thread, not all of them."""
        if self._lookup is None or self._lookup.done():
            self._lookup = asyncio.ensure_future(self._resolve(host, port))
        return await asyncio.shield(self._lookup)

    async def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None
    ) -> httpcore2.AsyncNetworkStream:
        """Never."""
        raise NotDialled

    async def sleep(self, seconds: float) -> None:
        """See the backend."""
        await asyncio.sleep(seconds)


class _Closing(httpcore2.AsyncNetworkStream):
    """A connection that is closed when its handshake does not end, also when nobody waits for it any more: httpcore2 forgets that one."""

    def __init__(self, stream: httpcore2.AsyncNetworkStream) -> None:
        self._stream = stream

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return await self._stream.read(max_bytes, timeout)

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        await self._stream.write(buffer, timeout)

    async def aclose(self) -> None:
        await self._stream.aclose()

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.AsyncNetworkStream:
        try:
            return await self._stream.start_tls(ssl_context, server_hostname, timeout)
        except BaseException:
            await self._stream.aclose()
            raise

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


async def resolved(host: str, port: int) -> Sequence[str]:
    """The addresses of a name, as the system resolves it, in the order it prefers."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))
