"""Systems elsewhere, for tests: real HTTP servers on loopback that count what they are asked and misbehave on demand.

Owns one uvicorn server in a thread per `Upstream`, the record of its requests and its present `Fault`. What it answers when it is well is the test's:
any ASGI application, or `answering` with a plain function. Synchronous outside: make it, `with` it, set `fault`, read `seen`; the faults take effect
for requests that come after they are set, except that a hanging one is let go when the fault changes.
"""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qsl

import uvicorn
from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["WELL", "Fault", "Upstream", "UpstreamRequest", "answering", "upstreams"]

_START = 10.0
_GZIP = 31
"""What zlib calls the format of gzip."""
_TICK = 0.01
"""Seconds between two looks whether a fault is over."""


@dataclass(frozen=True, slots=True)
class Fault:
    """How it misbehaves; the parts add up, in this order: wait, then hang, then fail, then answer badly.

    `latency`: seconds before anything. `hang`: no answer until the fault is changed. `failing`: this share of requests, evenly spread, gets `status`
    (0.5: every second one). `flapping`: seconds of being well and seconds of `status`, in turns, from when it is set. `drip`: seconds between
    two bytes of the body. `huge`: a body of so many bytes of JSON string, in chunks. `bomb`: the same, packed with gzip. `truncated`: the body's
    first half under the length of the whole. `deep`: arrays in arrays, so many. `headers`: additional ones. `redirect`: 302 to there.
    `body`: these bytes instead of the answer, with `content_type`. `only`: for paths that begin like this.
    """

    latency: float = 0.0
    hang: bool = False
    failing: float = 0.0
    status: int = 500
    flapping: tuple[float, float] | None = None
    drip: float = 0.0
    huge: int = 0
    bomb: int = 0
    truncated: bool = False
    deep: int = 0
    headers: int = 0
    redirect: str = ""
    body: bytes | None = None
    content_type: str = "application/json"
    only: str = "/"


WELL = Fault()
"""No fault."""


@dataclass(frozen=True, slots=True)
class UpstreamRequest:
    """One request as it came. `headers`: names in lower case. `began`: by `time.monotonic`."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    began: float

    @property
    def json(self) -> Any:
        """The body, decoded."""
        return json.loads(self.body)


@dataclass
class Upstream:
    """One server. `app` answers when it is well; `certificate`: files of a chain and its key, for HTTPS."""

    app: ASGIApp
    certificate: tuple[Path, Path] | None = None
    port: int = 0
    seen: list[UpstreamRequest] = field(default_factory=list)
    """Every request so far, in the order in which they came."""
    at_once: int = 0
    """Requests that are being answered now."""
    most_at_once: int = 0
    gone: int = 0
    """Requests whose asker hung up before the answer was complete."""
    _fault: Fault = WELL
    _since: float = 0.0
    _hit: int = 0
    _server: uvicorn.Server | None = None
    _thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        """Its address, without a slash at the end."""
        return f"{'https' if self.certificate else 'http'}://127.0.0.1:{self.port}"

    @property
    def fault(self) -> Fault:
        """How it misbehaves now; set it to change that."""
        return self._fault

    @fault.setter
    def fault(self, fault: Fault) -> None:
        self._since, self._hit = time.monotonic(), 0
        self._fault = fault

    def count(self, path: str = "/") -> int:
        """Requests so far whose path begins like this."""
        return sum(request.path.startswith(path) for request in self.seen)

    def forget(self) -> None:
        """Begin to count anew."""
        self.seen.clear()
        self.most_at_once = self.at_once
        self.gone = 0

    def start(self) -> None:
        """Listen; on the port it had, if it was stopped."""
        listener = socket.socket(proto=socket.IPPROTO_TCP)  # said aloud, or asyncio leaves TCP_NODELAY off and each answer waits 40 ms
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", self.port))
        self.port = listener.getsockname()[1]
        files = {} if self.certificate is None else {"ssl_certfile": self.certificate[0], "ssl_keyfile": self.certificate[1]}
        quiet: dict[str, Any] = {"log_config": None, "log_level": None, "access_log": False, "server_header": False}
        config = uvicorn.Config(self._answer, interface="asgi3", loop="asyncio", lifespan="off", **quiet, **files)  # type: ignore[arg-type]
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, args=([listener],), name=f"upstream-{self.port}", daemon=True)
        self._thread.start()
        until = time.monotonic() + _START
        while not self._server.started:
            assert self._thread.is_alive(), "an upstream does not come up"
            assert time.monotonic() < until, "an upstream does not come up"
            time.sleep(0.001)

    def stop(self) -> None:
        """Listen no more; what is open is cut. Connections to the port are refused from then on."""
        self.fault = WELL
        if self._server is not None and self._thread is not None:
            self._server.should_exit = self._server.force_exit = True
            self._thread.join(_START)
            self._server = self._thread = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http", scope["type"]
        began = time.monotonic()
        body = await _body(receive)
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        query = dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True))
        self.seen.append(UpstreamRequest(scope["method"], scope["path"], query, headers, body, began))
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        whole = False

        async def watched(message: Message) -> None:
            nonlocal whole
            whole = message["type"] == "http.response.body" and not message.get("more_body", False)
            await send(message)

        answer = asyncio.ensure_future(self._misbehave(scope, body, watched))
        left = asyncio.ensure_future(_left(receive))
        try:
            await asyncio.wait((answer, left), return_when=asyncio.FIRST_COMPLETED)
            if answer.done():
                answer.result()
            elif not whole:
                self.gone += 1
        finally:
            self.at_once -= 1
            for task in (answer, left):
                task.cancel()
            await asyncio.gather(answer, left, return_exceptions=True)

    async def _misbehave(self, scope: Scope, body: bytes, send: Send) -> None:
        fault = self._fault
        if not scope["path"].startswith(fault.only):
            fault = WELL
        if fault.latency:
            await asyncio.sleep(fault.latency)
        while fault.hang and fault is self._fault:  # noqa: ASYNC110  # the test that changes it is in another thread
            await asyncio.sleep(_TICK)
        if self._fails(fault):
            await _whole(send, fault.status, b'{"error": "out of order"}')
        elif fault.redirect:
            await _whole(send, 302, b"", location=fault.redirect)
        elif fault.huge or fault.bomb:
            await _huge(send, fault)
        elif fault.deep:
            await _whole(send, 200, b"[" * fault.deep + b"]" * fault.deep)
        elif fault.body is not None:
            await _whole(send, 200, fault.body, **{"content-type": fault.content_type})
        else:
            await self._well(scope, body, _altered(send, fault))

    def _fails(self, fault: Fault) -> bool:
        if fault.flapping is not None:
            well, ill = fault.flapping
            return (time.monotonic() - self._since) % (well + ill) >= well
        if not fault.failing:
            return False
        self._hit += 1
        return int(self._hit * fault.failing) > int((self._hit - 1) * fault.failing)

    async def _well(self, scope: Scope, body: bytes, send: Send) -> None:
        given = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive() -> Message:
            if given:
                return given.pop()
            await asyncio.Event().wait()  # nobody asks for more
            raise AssertionError

        await self.app(scope, receive, send)


@contextmanager
def upstreams(*apps: ASGIApp) -> Iterator[list[Upstream]]:
    """A server for each application, for as long as the block lasts."""
    servers = [Upstream(app) for app in apps]
    try:
        for server in servers:
            server.start()
        yield servers
    finally:
        for server in servers:
            server.stop()


def answering(answer: Callable[[UpstreamRequest], Any]) -> ASGIApp:
    """An application that answers every request with what the function makes of it, as JSON; `(status, value)` for another status than 200."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        query = dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True))
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        made = answer(UpstreamRequest(scope["method"], scope["path"], query, headers, await _body(receive), time.monotonic()))
        status, value = made if isinstance(made, tuple) else (200, made)
        await _whole(send, status, json.dumps(value).encode())

    return app


async def _body(receive: Receive) -> bytes:
    parts = []
    more = True
    while more:
        message = await receive()
        parts.append(message.get("body", b""))
        more = message.get("more_body", False)
    return b"".join(parts)


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _whole(send: Send, status: int, body: bytes, **headers: str) -> None:
    given = {"content-type": "application/json", "content-length": str(len(body)), **headers}
    lines = [(name.encode(), value.encode("latin-1")) for name, value in given.items()]
    await send({"type": "http.response.start", "status": status, "headers": lines})
    await send({"type": "http.response.body", "body": body})


async def _huge(send: Send, fault: Fault) -> None:
    """A JSON string in chunks; nobody has to hold the whole of it, and who hangs up ends it."""
    lines = [(b"content-type", b"application/json")] + ([(b"content-encoding", b"gzip")] if fault.bomb else [])
    await send({"type": "http.response.start", "status": 200, "headers": lines})
    packer = zlib.compressobj(9, wbits=_GZIP) if fault.bomb else None

    def packed(part: bytes) -> bytes:
        return part if packer is None else packer.compress(part) + packer.flush(zlib.Z_SYNC_FLUSH)

    chunk = b"x" * (1 << 20)
    await send({"type": "http.response.body", "body": packed(b'"'), "more_body": True})
    for _ in range(max(1, (fault.bomb or fault.huge) // len(chunk))):
        await send({"type": "http.response.body", "body": packed(chunk), "more_body": True})
        await asyncio.sleep(0)
    await send({"type": "http.response.body", "body": packed(b'"') + (b"" if packer is None else packer.flush())})


def _altered(send: Send, fault: Fault) -> Send:
    """What the application sends, with more headers, cut or byte by byte; the body of an application comes in one piece here."""
    if not (fault.drip or fault.truncated or fault.headers):
        return send
    start: dict[str, Any] = {}
    parts: list[bytes] = []

    async def altered(message: Message) -> None:
        if message["type"] == "http.response.start":
            start.update(message)
            return
        parts.append(message.get("body", b""))
        if message.get("more_body"):
            return
        body = b"".join(parts)
        lines = [line for line in start["headers"] if line[0] != b"content-length"] + [(b"content-length", str(len(body)).encode())]
        lines += [(f"x-more-{number}".encode(), b"1") for number in range(fault.headers)]
        await send({**start, "headers": lines})
        if fault.drip:
            for position in range(len(body)):
                await send({"type": "http.response.body", "body": body[position : position + 1], "more_body": True})
                await asyncio.sleep(fault.drip)
        with suppress(RuntimeError):  # uvicorn refuses a body that is too short, and cuts the connection
            await send({"type": "http.response.body", "body": b"" if fault.drip else body[: len(body) // 2] if fault.truncated else body})

    return altered
