"""`profile-gateway worker`: one process of several. Not for people: `workers`, the supervisor of `serve --workers`, starts it.

Owns taking over what the supervisor hands down: sockets, and the line. Everything else is read as `serve` reads it, anew for each worker. The end
of the line is the end of the supervisor, see `transport.server`.
"""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Annotated

import typer

__all__ = ["worker"]


def worker(
    *,
    number: Annotated[int, typer.Option()],
    listen: Annotated[str, typer.Option(help="File descriptors, separated by commas.")],
    line: Annotated[int, typer.Option(help="File descriptor.")],
    host: Annotated[str, typer.Option()],
    data_dir: Annotated[Path, typer.Option()],
    dev: Annotated[bool, typer.Option("--dev")] = False,
) -> None:
    """One process of several; started by `serve --workers`."""
    from gateway.app import serve
    from gateway.cli.runtime import read_settings
    from gateway.cli.serve import require_servable
    from gateway.transport.listeners import Post

    settings = read_settings(dev=dev or None, host=host, data_dir=data_dir)
    require_servable(settings)
    serve(settings, post=Post(number, [socket.socket(fileno=int(one)) for one in listen.split(",")], socket.socket(fileno=line)))
