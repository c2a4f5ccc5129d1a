"""Polling: a source that cannot tell of changes is looked at now and then, for the profiles that somebody here watches and no others.

Owns when and about whom: each process asks for what its own readers watch, one question for each kind and round, 100 persons at most, those first
who have waited longest; a person whom another process asked about just now is left out. What differs from the last look of any process is entered
into the stream (`live.sightings`). The first look at a person only remembers. Made and run by `app`.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterable, Mapping
from typing import Final, Protocol
from uuid import UUID

import structlog

from gateway.errors import Unauthenticated
from gateway.live.hub import Hub
from gateway.live.prints import SHOWN_AS
from gateway.live.sightings import MOST_PROFILES, Elsewhere, enter, look
from gateway.observe import SOURCE_POLLS
from gateway.storage.database import Database
from gateway.storage.queries import SQL

__all__ = ["Polling", "WorkspaceIds"]

_JITTER: Final = (0.8, 1.2)
_SHARED: Final = 0.5
"""A person about whom anybody asked within this part of the interval is not asked about again."""
_NAMED: Final = 5
"""The version of the ids that streams other than profiles' have: they are made of names."""
_ALL_KINDS: Final = frozenset(SHOWN_AS)

log = structlog.get_logger()


class WorkspaceIds(Protocol):
    """What polling needs of `auth.workspaces.Workspaces`."""

    async def by_key(self, key: str) -> UUID:
        """The id of a workspace, or `Unauthenticated`."""


class Polling:
    """One task for each source that is polled."""

    def __init__(self, database: Database, hub: Hub, sources: Iterable[Elsewhere], workspaces: WorkspaceIds) -> None:
        self._database = database
        self._hub = hub
        self._sources = [one for one in sources if one.definition.poll is not None]
        self._workspaces = workspaces
        self._asked: dict[str, dict[tuple[UUID, UUID], float]] = {one.source.key: {} for one in self._sources}
        """When this process asked about whom, of those who are watched."""
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Begin to look."""
        self._tasks = [asyncio.create_task(self._run(one), name=f"poll-{one.source.key}") for one in self._sources]

    async def stop(self) -> None:
        """Look no more."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _run(self, source: Elsewhere) -> None:
        interval = source.definition.poll
        assert interval is not None
        failed = False
        while True:
            await asyncio.sleep(interval * random.uniform(*_JITTER))  # noqa: S311  # jitter, not a secret
            try:
                await self.round(source)
                failed = False
            except Exception as error:  # noqa: BLE001  # the database is away, most likely: the next round looks again
                if not failed:
                    log.warning("poll.failed", source=source.source.key, error=type(error).__name__)
                failed = True

    async def round(self, source: Elsewhere) -> int:
        """One look at the watched profiles whose turn it is; how many of them had news.

        Raises:
            GatewayError: the database is away or busy.
        """
        key, news = source.source.key, 0
        for workspace, ids in (await self._turn(source)).items():
            due = await self._database.fetch(SQL["sightings_due"], workspace, ids, key, (source.definition.poll or 0.0) * _SHARED)
            if due:
                seen = await look(source, workspace, [row["id"] for row in due], _ALL_KINDS)
                news += len(await enter(self._database, self._hub, workspace, key, seen))
                SOURCE_POLLS.labels(key, "answered").inc(len(seen.answered))
                SOURCE_POLLS.labels(key, "failed").inc(len(due) - len(seen.answered))
        return news

    async def _turn(self, source: Elsewhere) -> Mapping[UUID, list[UUID]]:
        """The watched profiles of the source's workspaces that were asked about longest ago, by workspace."""
        served = await self._served(source)
        watched = [
            (stream.workspace_id, stream.stream_id)
            for stream in self._hub.watched()
            if stream.stream_id.version != _NAMED and (served is None or stream.workspace_id in served)
        ]
        before = self._asked[source.source.key]
        chosen = sorted(watched, key=lambda one: before.get(one, 0.0))[:MOST_PROFILES]
        now = asyncio.get_running_loop().time()
        self._asked[source.source.key] = {one: before[one] for one in watched if one in before} | dict.fromkeys(chosen, now)
        found: dict[UUID, list[UUID]] = {}
        for workspace, profile_id in chosen:
            found.setdefault(workspace, []).append(profile_id)
        return found

    async def _served(self, source: Elsewhere) -> frozenset[UUID] | None:
        if source.definition.workspaces is None:
            return None
        found = set()
        for key in source.definition.workspaces:
            try:
                found.add(await self._workspaces.by_key(key))
            except Unauthenticated:
                continue  # it is not there yet
        return frozenset(found)
