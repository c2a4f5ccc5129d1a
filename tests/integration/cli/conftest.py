"""Commands as processes and in this one, without the settings of whoever runs the tests."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Protocol

import pytest

from gateway.storage.embedded import EmbeddedPostgres
from gateway.storage.migrate import migrate

__all__: list[str] = []


class Command(Protocol):
    """Runs `profile-gateway` to its end, in a directory of its own."""

    def __call__(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """The arguments of the command line; variables that are set besides."""


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(("GATEWAY_", "PGHOST", "PGSERVICE"))]:
        monkeypatch.delenv(name)


@pytest.fixture(name="command")
def _command(tmp_path: Path) -> Command:
    def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "gateway.cli", *arguments],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **environment},
            capture_output=True,
            text=True,
            timeout=50,
            check=False,
        )

    return run


@pytest.fixture(name="running")
async def _running(tmp_path: Path) -> AsyncIterator[Path]:
    """A data directory whose Postgres runs and is migrated, as beside a running gateway."""
    async with await EmbeddedPostgres.start(tmp_path / "data", settings={"fsync": "off"}) as server:
        await migrate(server.dsn)
        yield tmp_path / "data"
