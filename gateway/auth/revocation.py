"""Revocations: whose credentials from before a moment count no more.

Owns the process's copy of the table `revocation`, brought up to date by a poll every two seconds and at once when the bell rings. Must not close a
socket: `session` does. A database that is away leaves the copy as it was. Asked by `gate` for every credential; run by `app`.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from datetime import datetime, timedelta
from uuid import UUID

import structlog

from gateway.auth.principal import Principal
from gateway.auth.session import issued_before
from gateway.errors import GatewayError
from gateway.storage.database import Database
from gateway.storage.queries import SQL

__all__ = ["Revocations"]

_OVERLAP = timedelta(seconds=30)
"""Rows are read again that far back: one may become visible later than a younger one."""
_ALL = datetime.fromisoformat("1970-01-01T00:00:00Z")

log = structlog.get_logger()


class Revocations:
    """Every revocation there is, in memory: one row per subject an administrator ever disconnected."""

    def __init__(self, database: Database, *, interval: float = 2.0) -> None:
        self._database = database
        self._interval = interval
        self._at: dict[tuple[UUID, str], datetime] = {}
        self._newest = _ALL
        self._due = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._listeners: list[Callable[[UUID, str, datetime], None]] = []

    def listen(self, callback: Callable[[UUID, str, datetime], None]) -> None:
        """Call this with workspace, subject and moment of each new revocation."""
        self._listeners.append(callback)

    async def start(self) -> None:
        """Read them all, then keep up.

        Raises:
            GatewayError: the database cannot be asked; nobody should be let in without knowing.
        """
        await self._refresh()
        self._task = asyncio.create_task(self._keep_up(), name="revocations")

    async def stop(self) -> None:
        """Keep up no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def wake(self) -> None:
        """Look now: somebody was disconnected."""
        self._due.set()

    def covers(self, principal: Principal) -> bool:
        """Whether the principal's credentials were taken back."""
        at = self._at.get((principal.workspace_id, principal.subject))
        return at is not None and issued_before(principal, at)

    async def _keep_up(self) -> None:
        failed = False
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._interval):
                    await self._due.wait()
            self._due.clear()
            try:
                await self._refresh()
                failed = False
            except GatewayError as error:
                if not failed:
                    log.warning("revocations.poll_failed", code=error.code)
                failed = True

    async def _refresh(self) -> None:
        since = self._newest - _OVERLAP if self._newest > _ALL else _ALL
        for row in await self._database.fetch(SQL["revocations_since"], since, delivery=True):
            key, at = (row["workspace_id"], row["subject"]), row["at"]
            known = self._at.get(key)
            if known is not None and known >= at:
                continue
            self._at[key] = at
            self._newest = max(self._newest, at)
            for listener in self._listeners:
                listener(*key, at)
