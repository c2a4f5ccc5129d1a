"""Credentials against a real database: a workspace, its keys and a gate, with a clock that tests turn."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from gateway.auth.development import DevelopmentKeys
from gateway.auth.gate import Gate
from gateway.auth.keys import KeyRing
from gateway.auth.workspaces import Workspaces
from gateway.storage.database import Database

__all__ = ["Clock", "Demo"]


class Clock:
    """The present, as a moment or as seconds; it stands still until it is moved."""

    def __init__(self) -> None:
        self.now = datetime.now(UTC)

    def __call__(self) -> datetime:
        return self.now

    def seconds(self) -> float:
        """For clocks that count."""
        return self.now.timestamp()

    def advance(self, **time: float) -> None:
        """Let time pass."""
        self.now += timedelta(**time)


@dataclass(frozen=True)
class Demo:
    """A database with the workspace `demo` and everything that authenticates."""

    database: Database
    workspace_id: UUID
    clock: Clock
    development: DevelopmentKeys
    keyring: KeyRing
    workspaces: Workspaces
    gate: Gate


@pytest.fixture(name="demo")
async def _demo(database: Database, tmp_path: Path) -> Demo:
    """The workspace `demo` in a database of its own."""
    clock = Clock()
    development = DevelopmentKeys.open(tmp_path)
    keyring = KeyRing(database, [development.secret], clock=clock)
    workspaces = Workspaces(database, clock=clock.seconds)
    workspace_id = await workspaces.ensure("demo", "Demo")
    gate = Gate(development.verifier(), keyring, workspaces)
    return Demo(database, workspace_id, clock, development, keyring, workspaces, gate)


@pytest.fixture(name="queries")
def _queries(demo: Demo, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every statement of the database from here on; they are executed all the same."""
    queries: list[str] = []
    fetchrow = demo.database.fetchrow

    def noted(sql: str, *args: object, **options: Any) -> Any:
        queries.append(sql)
        return fetchrow(sql, *args, **options)

    monkeypatch.setattr(demo.database, "fetchrow", noted)
    return queries
