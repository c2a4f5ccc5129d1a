"""What the tests of faults stand on: a Postgres of their own that may be killed, and gateways as processes on it.

The ordinary fixtures (`database`, `dsn`) stay what they are: their server is shared and must not be harmed.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.running import Gateway
from tests.servers import PostgresServer, place_for_servers

__all__: list[str] = []

StartGateway = Callable[..., Gateway]


@pytest.fixture(name="postgres_server")
def _postgres_server() -> Iterator[PostgresServer]:
    """A Postgres for this test alone, running; freeze it, kill it, start it again. Its database `gateway` is empty."""
    place = place_for_servers()
    server = PostgresServer(place)
    try:
        server.make()
        with server.running():
            yield server
    finally:
        shutil.rmtree(place, ignore_errors=True)


@pytest.fixture(name="start_gateway")
def _start_gateway(tmp_path: Path) -> Iterator[StartGateway]:
    """Starts gateways in development mode that share keys and a data directory: `start_gateway(server.dsn(), GATEWAY_BUS="…")`."""
    with ExitStack() as stack:

        def start(database_url: str, *arguments: str, **environment: str) -> Gateway:
            command = Path(sys.executable).with_name("profile-gateway")
            settings = {"GATEWAY_DATABASE_URL": database_url, **environment}
            gateway = Gateway(command, tmp_path / "data", environment=settings, arguments=arguments)
            gateway.start()
            stack.callback(lambda: gateway.process is not None and gateway.kill())
            return gateway

        yield start
