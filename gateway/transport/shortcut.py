"""The application, with a short way for the requests that almost all are.

Owns `Application`: Starlette, except that a request for an exact address which none of the layers around it has anything to say to goes straight to
its endpoint. What that is, is decided positively: whatever is unusual (another page's origin, a host that must be looked at twice) takes the way
through all layers, which alone decide. Half of what a small query costs would else be spent between layers. Made by `app`.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from functools import lru_cache
from typing import Any, Final

from starlette.applications import Starlette
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.observe import request_id
from gateway.transport.quick import KEPT, WHOLE, Whole
from gateway.transport.tracing import HEADER, identified

__all__ = ["Application"]

_VARY: Final = b"vary"
_ORIGIN: Final = b"Origin"
_PLAIN_HOST: Final = re.compile(rb"([A-Za-z0-9.-]+)(?::[0-9]{1,4})?")
"""A `Host` about which nothing can be said but its name; others are looked at by who knows all of them."""


class Application(Starlette):
    """Starlette with endpoints that are had directly; `direct`: them, by path. They must take every method and let nothing escape."""

    def __init__(self, *, hosts: Collection[str] = (), **given: Any) -> None:
        """`hosts`: see `transport.hosts`; the rest is Starlette's."""
        super().__init__(**given)
        self.direct: dict[str, ASGIApp] = {}
        self._hosts = frozenset() if "*" in hosts else frozenset(name.lower().encode() for name in hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer."""
        endpoint = self.direct.get(scope["path"]) if scope["type"] == "http" else None
        extensions = scope.get("extensions") or {}
        given = None
        if endpoint is not None and not scope.get("root_path"):
            kept = extensions.get(KEPT, {})
            given = kept.get(self)
            if given is None:
                given = kept[self] = self._given(scope["headers"])
        if endpoint is None or given is None:
            extensions.pop(WHOLE, None)  # the layers have something to say to each message
            await super().__call__(scope, receive, send)
            return
        current = identified(given)
        if WHOLE in extensions:
            extensions[WHOLE] = _with_id(extensions[WHOLE], current)

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = _varied(message.get("headers", ()))
                headers.append((HEADER, current))
                message["headers"] = headers
            await send(message)

        token = request_id.set(current.decode())
        try:
            await endpoint(scope, receive, answer)
        finally:
            request_id.reset(token)

    def _given(self, headers: Collection[tuple[bytes, bytes]]) -> bytes | None:
        """The id that a request came with, or an empty one; None: it must take the way through all layers."""
        given = host = b""
        hosts = 0
        for name, value in headers:
            if name == b"host":
                host, hosts = value, hosts + 1
            elif name == b"origin":
                return None
            elif name == HEADER and not given:
                given = value
        if self._hosts and not (hosts == 1 and (called := _PLAIN_HOST.fullmatch(host)) and called[1].lower() in self._hosts):
            return None
        return given


def _with_id(whole: Whole, current: bytes) -> Whole:
    """The same for answers that say their request's id and that they depend on `Origin`."""

    def answer(status: int, lines: bytes, body: bytes) -> bool:
        return whole(status, b"%b%b: %b\r\n" % (_varied_lines(lines), HEADER, current), body)

    return answer


@lru_cache(64)
def _varied_lines(lines: bytes) -> bytes:
    """`_varied` for header lines; there are a few kinds of them."""
    headers = [(name.lower(), value) for name, _, value in (line.partition(b": ") for line in lines.split(b"\r\n")[:-1])]
    return b"".join([b"%b: %b\r\n" % header for header in _varied(headers)])


def _varied(given: Collection[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """The headers, saying in the one that tells what an answer depends on that it depends on `Origin`, as `CORSMiddleware` does."""
    headers: list[tuple[bytes, bytes]] = []
    place, values = -1, []
    for header in given:
        if header[0] == _VARY:
            values.append(header[1])
            if place >= 0:
                continue
            place = len(headers)
        headers.append(header)
    varied = (_VARY, b", ".join([*values, _ORIGIN]))
    if place >= 0:
        headers[place] = varied
    else:
        headers.append(varied)
    return headers
