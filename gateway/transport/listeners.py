"""Where a process listens: its sockets, bound before anything else is opened, and the line of a worker to its supervisor.

Owns binding a port for one process or for several workers behind it, and what a worker and its supervisor say to each other. Must not serve
anything: that is `server`. Called by `app`, and by `cli.workers`, which keeps every socket open while its workers come and go.
"""

from __future__ import annotations

import contextlib
import socket
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from gateway.errors import ConfigurationError

__all__ = ["ALIVE", "READY", "RETIRE", "Post", "base_url", "bind", "bind_again", "bind_for_workers"]

READY = b"ready\n"
"""A worker to its supervisor: I answer requests."""

ALIVE = b"alive\n"
"""A worker to its supervisor, twice a second: my loop turns."""

RETIRE = b"retire\n"
"""A supervisor to its worker: another one has taken your place; take no more connections, and end."""

_SPREADS = sys.platform == "linux"
"""Whether the kernel spreads connections over sockets that share a port (SO_REUSEPORT); elsewhere the last one gets them all."""


@dataclass(frozen=True, slots=True)
class Post:
    """Where a worker stands: what its supervisor gave it."""

    number: int
    """From 1."""
    sockets: Sequence[socket.socket]
    line: socket.socket
    """To the supervisor; its end means that the supervisor is gone."""


def bind(host: str, port: int) -> list[socket.socket]:
    """Sockets bound to every address of this host, not listening yet; port 0 picks a free one, the same for all.

    Raises:
        ConfigurationError: it is taken, or not ours to bind.
    """
    return _bound(host, port, shared=False)


def bind_for_workers(host: str, port: int, workers: int) -> list[list[socket.socket]]:
    """One list of sockets per worker, all of the same port. The kernel spreads new connections over those that listen.

    Raises:
        ConfigurationError: it is taken, or not ours to bind.
    """
    if not _SPREADS:
        return [_bound(host, port, shared=False)] * workers
    # A port may be shared with any process of the same user: what is somebody else's must be noticed before.
    first = _bound(host, port, shared=False)
    port = first[0].getsockname()[1]
    for one in first:
        one.close()
    return [_bound(host, port, shared=True) for _ in range(workers)]


def bind_again(sockets: Sequence[socket.socket]) -> list[socket.socket] | None:
    """Other sockets in place of a worker's, which do not listen yet; None where workers share theirs.

    Raises:
        ConfigurationError: that cannot be had.
    """
    if not _SPREADS:
        return None
    return [socket_ for one in sockets for socket_ in _bound(*one.getsockname()[:2], shared=True)]


def base_url(sockets: Sequence[socket.socket]) -> str:
    """How clients on this machine call what listens there."""
    host, port = sockets[0].getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def _bound(host: str, port: int, *, shared: bool) -> list[socket.socket]:
    opened: list[socket.socket] = []
    with contextlib.ExitStack() as undo:
        try:
            places = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
            for family, kind, protocol, _, address in dict.fromkeys(places):
                one = socket.socket(family, kind, protocol)
                undo.callback(one.close)
                one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if shared:
                    one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
                if family == socket.AF_INET6:
                    one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                one.bind((address[0], opened[0].getsockname()[1], *address[2:]) if opened else address)
                opened.append(one)
        except OSError as error:
            raise ConfigurationError(
                f"Cannot listen on {host}:{port} ({error.strerror}); is something else running there? Choose another port."
            ) from error
        undo.pop_all()
    return opened
