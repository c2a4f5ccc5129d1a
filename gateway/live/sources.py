"""How the sources stand, as this process sees it, and the log entry when that changes.

Owns what the guard observed of each source, and the workspaces whose `sourceEvents` somebody here reads: a change of state is entered into their
streams, at most once a second per source, so that a source which comes and goes does not flood them. Each process says what it saw itself: one may
reach a source that another does not, and both are told. Must not call a source. Called by `app` (life) and resolvers.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from uuid import UUID

import structlog

from gateway.errors import GatewayError
from gateway.live.changelog import append
from gateway.live.hub import Hub
from gateway.model.actor import SYSTEM
from gateway.model.change import Change, ChangeKind, source_stream
from gateway.model.source import Source, SourceState
from gateway.observe import SOURCE_STATES, SOURCE_UP
from gateway.sources.guard import WATCHERS
from gateway.storage.database import Database

__all__ = ["SourceWatch"]

_NOTHING = (SourceState.OK, None, None)

log = structlog.get_logger()


class SourceWatch:
    """The latest observation of each source: state, moment of the last success, milliseconds of the last answer."""

    def __init__(self, database: Database, hub: Hub, *, interval: float = 1.0) -> None:
        """`interval`: seconds between two entries about one source."""
        self._database = database
        self._hub = hub
        self._interval = interval
        self._seen: dict[str, tuple[SourceState, datetime | None, float | None]] = {}
        self._told: dict[str, SourceState] = {}
        self._readers: Counter[UUID] = Counter()
        self._due = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to watch."""
        WATCHERS.add(self.observed)
        self._task = asyncio.create_task(self._tell(), name="source-watch")

    async def stop(self) -> None:
        """Watch no more."""
        WATCHERS.discard(self.observed)
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def observed(self, key: str, state: SourceState, seconds: float) -> None:
        """A call of the source ended like this; never blocks."""
        known = self._seen.get(key)
        before, success, _ = _NOTHING if known is None else known
        if known is None or state is not before:
            SOURCE_UP.labels(key).set(state is SourceState.OK)
        if state is not before:
            SOURCE_STATES.labels(key, state.value).inc()
        self._seen[key] = state, datetime.now(UTC) if state is SourceState.OK else success, round(seconds * 1000, 1)
        if state is not self._told.get(key, SourceState.OK):
            self._due.set()

    def present(self, source: Source) -> Source:
        """The source as it stands now; as it is described, while it was not asked for anything."""
        seen = self._seen.get(source.key)
        return source if seen is None else source.standing(*seen)

    @contextmanager
    def reading(self, workspace: UUID) -> Iterator[None]:
        """While this is open, changes are entered into the workspace's stream."""
        self._readers[workspace] += 1
        try:
            yield
        finally:
            self._readers[workspace] -= 1
            if not self._readers[workspace]:
                del self._readers[workspace]

    async def _tell(self) -> None:
        while True:
            await self._due.wait()
            self._due.clear()
            news = self._news()
            try:
                await self._log(news)
                self._told.update(news)
            except GatewayError as error:
                log.warning("sources.not_told", code=error.code)
            if self._news():  # not entered, or the source went back to what was told before while this was being entered
                self._due.set()
            await asyncio.sleep(self._interval)

    def _news(self) -> dict[str, SourceState]:
        """The sources that stand otherwise than was told last."""
        return {key: state for key, (state, _, _) in self._seen.items() if state is not self._told.get(key, SourceState.OK)}

    async def _log(self, news: dict[str, SourceState]) -> None:
        for workspace in tuple(self._readers) if news else ():
            stream = source_stream(workspace)
            changes = [Change(stream, ChangeKind.SOURCE, SYSTEM.id, (state.value,), entity_source=key) for key, state in news.items()]
            async with self._database.transaction() as connection:
                await append(connection, workspace, changes)
            self._hub.ring([stream])
