"""Many WebSockets that listen: graphql-transport-ws on raw sockets in one thread, some 3 µs a message, so that servers are the limit.

An `Audience` connects and subscribes; `burst` sends one request that makes something happen and takes what every socket is then sent, with
the time from the request to each message. It answers pings. Must not look into messages beyond counting them; a workload looks at `last`.
"""

from __future__ import annotations

import base64
import json
import os
import select
import socket
import struct
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from bench.harness import percentile

__all__ = ["Audience", "Burst"]

_PIECE = 262_144
_PATIENCE = 60.0
_SMALL = 90
"""Bytes: what is longer is an event; what is shorter may be a ping."""


@dataclass(frozen=True, slots=True)
class Burst:
    """What came: seconds until the last message, milliseconds until each."""

    deliveries: int
    seconds: float
    latencies: Sequence[float]

    def sample(self) -> dict[str, float]:
        """Rate and latencies."""
        return {
            "deliveries": self.deliveries / self.seconds,
            "p50": percentile(self.latencies, 0.5),
            "p99": percentile(self.latencies, 0.99),
        }


@dataclass
class Audience:
    """Sockets of one server. `document` is subscribed with `{"id": …}`; None: only connected.

    `first`: messages of a new subscription, such as StreamReady.
    """

    address: tuple[str, int]
    people: Sequence[tuple[str | None, str]]
    """Token and profile of each socket."""
    document: str | None
    first: int = 0
    last: bytes = b""
    counts: dict[int, int] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)
    """Held by whoever reads."""
    _sockets: dict[int, socket.socket] = field(default_factory=dict)
    _rest: dict[int, bytes] = field(default_factory=dict)
    _poll: Any = None
    _asking: socket.socket | None = None

    def open(self) -> None:
        """Connect all and subscribe; returns when all are acknowledged and have their first messages."""
        self._poll = select.epoll()
        for token, profile in self.people:
            connection = self._connected(token, profile)
            self._sockets[connection.fileno()] = connection
            self.counts[connection.fileno()] = 0
            self._poll.register(connection, select.EPOLLIN)
        if self.first and self.document is not None:
            self.take(self.first)

    def close(self) -> None:
        """Hang up."""
        for connection in self._sockets.values():
            connection.close()
        self._poll.close()

    def burst(self, trigger: bytes, each: int, *, patience: float = _PATIENCE) -> Burst:
        """As `_burst`, alone."""
        with self.lock:
            return self._burst(trigger, each, patience)

    def _burst(self, trigger: bytes, each: int, patience: float) -> Burst:
        """Send the request to the server, and take `each` messages at every socket.

        Raises:
            TimeoutError: they do not come.
        """
        with socket.create_connection(self.address, timeout=_PATIENCE) as asking:
            began = time.perf_counter()
            asking.sendall(trigger)
            self._poll.register(asking, select.EPOLLIN)
            self._asking = asking
            latencies = self.take(each, began, patience=patience)
            took = time.perf_counter() - began
            if self._asking is not None:
                self._answered()
        return Burst(len(latencies), took, latencies)

    def take(self, each: int, began: float = 0.0, *, patience: float = _PATIENCE) -> list[float]:
        """Take so many messages at every socket; milliseconds since `began` of each.

        Raises:
            TimeoutError: they do not come; with how many did.
        """
        waiting = dict.fromkeys(self._sockets, each)
        missing = each * len(waiting)
        latencies: list[float] = []
        until = time.monotonic() + patience
        while missing:
            ready = self._poll.poll(max(0.0, until - time.monotonic()))
            if not ready:
                raise TimeoutError(
                    f"{missing} of {each * len(waiting)} messages did not come within {patience:.0f} s; last: {self.last[:300]!r}"
                )
            for fd, _ in ready:
                if fd not in waiting:
                    self._answered()
                    continue
                came = self._received(fd)
                if came:
                    missing -= came
                    waiting[fd] -= came
                    latencies.extend([(time.perf_counter() - began) * 1000] * came)
        if any(waiting.values()):
            raise RuntimeError("some sockets were sent more than others")
        return latencies

    def tend(self) -> None:
        """Answer pings, while nothing is measured."""
        with self.lock:
            for fd, _ in self._poll.poll(0):
                self._received(fd)

    def _answered(self) -> None:
        """The request that makes things happen was answered."""
        assert self._asking is not None
        answer = self._asking.recv(_PIECE)
        self._poll.unregister(self._asking)
        self._asking = None
        if not answer.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(answer.decode(errors="replace"))

    def drain(self, quiet: float) -> int:
        """Take whatever comes until nothing has come for so long; how many."""
        came = 0
        while ready := self._poll.poll(quiet):
            came += sum(self._received(fd) for fd, _ in ready)
        return came

    def _connected(self, token: str | None, profile: str) -> socket.socket:
        connection = socket.create_connection(self.address, timeout=_PATIENCE)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        key = base64.b64encode(os.urandom(16)).decode()
        host, port = self.address
        connection.sendall(
            f"GET /graphql HTTP/1.1\r\nHost: {host}:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: {key}\r\n"
            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n".encode()
        )
        head = b""
        while b"\r\n\r\n" not in head:
            piece = connection.recv(_PIECE)
            if not piece:
                raise RuntimeError(f"the server hung up: {head!r}")
            head += piece
        if not head.startswith(b"HTTP/1.1 101"):
            raise RuntimeError(head.decode(errors="replace"))
        payload = {} if token is None else {"payload": {"Authorization": f"Bearer {token}"}}
        _send(connection, {"type": "connection_init", **payload})
        rest = head.partition(b"\r\n\r\n")[2]
        while b"connection_ack" not in rest:
            piece = connection.recv(_PIECE)
            if not piece:
                raise RuntimeError(f"the server hung up: {rest!r}")
            rest += piece
        if self.document is not None:
            _send(connection, {"id": "1", "type": "subscribe", "payload": {"query": self.document, "variables": {"id": profile}}})
        connection.setblocking(False)
        self._rest[connection.fileno()] = b""
        return connection

    def _received(self, fd: int) -> int:
        """How many events a socket was sent."""
        data = self._sockets[fd].recv(_PIECE)
        if not data:
            raise RuntimeError(f"the server closed a socket; last: {self.last!r}")
        if rest := self._rest[fd]:
            data = rest + data
        at, size, came = 0, len(data), 0
        while size - at >= 2:  # noqa: PLR2004  # RFC 6455, 5.2
            length, start = data[at + 1], at + 2
            if length == 126:  # noqa: PLR2004
                start = at + 4
                length = int.from_bytes(data[at + 2 : start]) if size >= start else size
            elif length == 127:  # noqa: PLR2004
                start = at + 10
                length = int.from_bytes(data[at + 2 : start]) if size >= start else size
            if size < start + length:
                break
            opcode = data[at] & 15
            if opcode == 8:  # noqa: PLR2004
                raise RuntimeError(f"closed by the server: {data[start : start + length]!r}")
            if opcode == 1 and (length > _SMALL or not self._is_small_talk(fd, data[start : start + length])):
                came += 1
                self.last = data[start : start + length]
            elif opcode == 9:  # noqa: PLR2004  # a ping, answered in kind; its content is short
                self._sockets[fd].sendall(b"\x8a" + bytes([128 | length]) + b"\0\0\0\0" + data[start : start + length])
            at = start + length
        self._rest[fd] = data[at:]
        self.counts[fd] += came
        return came

    def _is_small_talk(self, fd: int, body: bytes) -> bool:
        message = json.loads(body)
        if message["type"] == "ping":
            _send(self._sockets[fd], {"type": "pong"})
        elif message["type"] in {"error", "complete"}:
            raise RuntimeError(body.decode())
        return message["type"] != "next"


def _send(connection: socket.socket, message: dict[str, Any]) -> None:
    body = json.dumps(message).encode()
    length = struct.pack("!B", 128 | len(body)) if len(body) < 126 else struct.pack("!BH", 254, len(body))  # noqa: PLR2004
    connection.sendall(b"\x81" + length + b"\0\0\0\0" + body)  # masked with zeroes: allowed, and free
