"""Commands without the settings of whoever runs the tests."""

from __future__ import annotations

import os

import pytest

__all__: list[str] = []


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(("GATEWAY_", "PGHOST", "PGSERVICE"))]:
        monkeypatch.delenv(name)
