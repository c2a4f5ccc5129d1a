"""The installed command, from outside."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.running import Gateway, install_wheel

__all__: list[str] = []


@pytest.fixture(name="command", scope="session")
def _command(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The command of the wheel, installed in an environment of its own."""
    return install_wheel(tmp_path_factory.mktemp("wheel"))


@pytest.fixture(name="gateway")
def _gateway(command: Path, tmp_path: Path) -> Iterator[Gateway]:
    """A development gateway with a data directory of its own, started."""
    gateway = Gateway(command, tmp_path / "data")
    gateway.start()
    yield gateway
    if gateway.process is not None:
        gateway.stop()
