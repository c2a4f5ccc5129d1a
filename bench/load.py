"""A load generator: HTTP/1.1 with keep-alive on raw sockets, as cheap as Python gets, some 15 µs a request.

`drive` keeps `connections` requests on their way for some seconds and tells how many were answered and how long each took. Every answer must
be a 200 without `errors`. It runs in the calling thread and pins that to the last processor, which servers leave alone.
"""

from __future__ import annotations

import json
import os
import re
import select
import socket
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.harness import percentile

__all__ = ["Load", "LoadError", "ask", "drive", "pin", "request"]

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_PIECE = 262_144
_PATIENCE = 30.0


class LoadError(Exception):
    """A server answered what it should not."""


@dataclass(frozen=True, slots=True)
class Load:
    """What came of it. `latencies` in milliseconds, `seconds` on the clock, `cpu` of the generator."""

    count: int
    seconds: float
    latencies: Sequence[float]
    cpu: float
    body_bytes: int

    def sample(self, server_cpu: float | None = None) -> dict[str, float]:
        """As a sample; `server_cpu`: seconds that the servers used meanwhile."""
        told = {
            "rps": self.count / self.seconds,
            "p50": percentile(self.latencies, 0.5),
            "p99": percentile(self.latencies, 0.99),
            "load": self.cpu / self.seconds,
            "bytes": self.body_bytes / self.count,
        }
        return told if server_cpu is None else {**told, "cpu": server_cpu * 1000 / self.count}


def request(body: Any, headers: Mapping[str, str] | None = None, *, path: str = "/graphql", host: str = "127.0.0.1") -> bytes:
    """A POST of JSON."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    extra = "".join(f"{name}: {value}\r\n" for name, value in (headers or {}).items())
    head = (
        f"POST {path} HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\naccept: application/json\r\n"
        f"{extra}content-length: {len(content)}\r\n\r\n"
    )
    return head.encode() + content


def ask(address: tuple[str, int], message: bytes) -> Any:
    """One request; its answer, read as JSON."""
    with socket.create_connection(address, timeout=_PATIENCE) as connection:
        connection.sendall(message)
        received = _Answer()
        while not received.add(connection.recv(_PIECE)):
            pass
    status, body = received.parts()
    if status != b"200":
        raise LoadError(f"{status.decode()}: {body[:500].decode(errors='replace')}")
    return json.loads(body)


def drive(address: tuple[str, int], requests: Sequence[bytes], connections: int, seconds: float, *, again: bool = True) -> Load:
    """Send the requests one after another for so long, `connections` of them at once.

    `again`: behind the last comes the first; else it ends there.
    """
    pin()
    poll = select.epoll()
    opened = {}
    for _ in range(connections):
        connection = socket.create_connection(address, timeout=_PATIENCE)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.setblocking(False)
        poll.register(connection, select.EPOLLIN)
        opened[connection.fileno()] = connection
    try:
        return _driven(poll, opened, requests, seconds, again=again)
    finally:
        poll.close()
        for connection in opened.values():
            connection.close()


def _driven(poll: select.epoll, opened: Mapping[int, socket.socket], requests: Sequence[bytes], seconds: float, *, again: bool) -> Load:
    sent = dict.fromkeys(opened, 0.0)
    answers = {fd: _Answer() for fd in opened}
    latencies: list[float] = []
    number = size = 0
    now = time.perf_counter
    cpu, began = time.thread_time(), now()
    until = began + seconds
    for fd, connection in opened.items():
        sent[fd] = now()
        connection.sendall(requests[number % len(requests)])
        number += 1
    waiting = len(opened)
    while waiting:
        ready = poll.poll(_PATIENCE)
        if not ready:
            raise LoadError(f"no answer within {_PATIENCE:.0f} s")
        for fd, _ in ready:
            answer = answers[fd]
            if not answer.add(opened[fd].recv(_PIECE)):
                continue
            at = now()
            latencies.append((at - sent[fd]) * 1000)
            size += answer.checked()
            if at < until and (again or number < len(requests)):
                sent[fd] = at
                opened[fd].sendall(requests[number % len(requests)])
                number += 1
            else:
                waiting -= 1
    return Load(len(latencies), now() - began, latencies, time.thread_time() - cpu, size)


class _Answer:
    """One response as it comes in."""

    __slots__ = ("_data", "_end", "_start")

    def __init__(self) -> None:
        self._data, self._start, self._end = b"", 0, 0

    def add(self, data: bytes) -> bool:
        """Whether it is complete."""
        if not data:
            raise LoadError(f"the server hung up: {self._data[:300]!r}")
        self._data = self._data + data if self._data else data
        if not self._start:
            at = self._data.find(b"\r\n\r\n")
            if at < 0:
                return False
            found = _LENGTH.search(self._data, 0, at + 2)
            self._start = at + 4
            self._end = self._start + int(found[1]) if found else -1
        return self._data.endswith(b"0\r\n\r\n") if self._end < 0 else len(self._data) >= self._end

    def checked(self) -> int:
        """Be ready for the next one; how many bytes this one's body had."""
        data, size = self._data, len(self._data) - self._start
        if not data.startswith(b"HTTP/1.1 200") or b'"errors"' in data:
            raise LoadError(data[:600].decode(errors="replace"))
        self._data, self._start, self._end = b"", 0, 0
        return size

    def parts(self) -> tuple[bytes, bytes]:
        """Status and body."""
        body = self._data[self._start :]
        if self._end < 0:
            pieces, rest = [], body
            while True:
                length, _, rest = rest.partition(b"\r\n")
                if not (count := int(length, 16)):
                    break
                pieces.append(rest[:count])
                rest = rest[count + 2 :]
            body = b"".join(pieces)
        return self._data[9:12], body


def pin() -> None:
    """The last processor for this thread, where there are several."""
    cores = sorted(os.sched_getaffinity(os.getpid()))
    if len(cores) > 1:
        os.sched_setaffinity(0, {cores[-1]})
