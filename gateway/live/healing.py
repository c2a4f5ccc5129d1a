"""Healing: what an open page missed while a source failed is brought to it, by its subscriptions, once the source answers again.

Owns what was missed here (told by `sources.misses`) and the gentle asking until it can be had: while there is anything that somebody here watches, a
source is asked again every two seconds, less and less often while it fails, at once when anybody else's call succeeds, and never more than its own
guard allows. What it then says is entered into the person's stream, once over all processes (`live.sightings`). Made and run by `app`.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

import structlog

from gateway.live.hub import Hub
from gateway.live.prints import SHOWN_AS
from gateway.live.sightings import MOST_PROFILES, Elsewhere, Gap, enter, look
from gateway.model.change import StreamKey
from gateway.model.source import SourceKind, SourceState
from gateway.observe import PAGES_HEALED
from gateway.sources.guard import WATCHERS
from gateway.sources.misses import LISTENERS, Miss
from gateway.storage.database import Database

__all__ = ["Healing"]

_MOST_KEPT: Final = 10_000
"""Persons (times sources) of whom it is remembered what was missed; beyond that the oldest are forgotten, and their pages wait for a reload."""
_MOST_ITEMS: Final = 50
_FORGOTTEN: Final = 600.0
"""Seconds after which what nobody here watches is forgotten: who missed it may still be about to subscribe, or to come back."""

_Key = tuple[str, UUID, UUID]
"""Source, workspace, profile."""

log = structlog.get_logger()


@dataclass(slots=True)
class _Missed:
    """What pages miss of one person and source. Moments of the loop's clock: when it was missed last, and before when it is not asked for."""

    at: float
    kinds: set[SourceKind] = field(default_factory=set)
    items: dict[str, None] = field(default_factory=dict)
    not_before: float = 0.0


@dataclass(slots=True)
class _Patience:
    """How a source is asked: failures in a row, when it may be asked again, and how its last call stood."""

    failures: int = 0
    due: float = 0.0
    state: SourceState = SourceState.OK


class Healing:
    """The misses of this process, and the task that mends them."""

    def __init__(
        self,
        database: Database,
        hub: Hub,
        sources: Iterable[Elsewhere],
        *,
        interval: float = 2.0,
        longest: float = 30.0,
        rest: float = 30.0,
    ) -> None:
        """Seconds: between two questions to a source, at first and at most, while it fails; and between two healings of the same page."""
        self._database = database
        self._hub = hub
        self._sources = {one.source.key: one for one in sources}
        self._interval = interval
        self._longest = longest
        self._rest = rest
        self._missed: OrderedDict[_Key, _Missed] = OrderedDict()
        self._patience = {key: _Patience() for key in self._sources}
        self._news = asyncio.Event()
        self._back = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        """Persons (times sources) of whom something is missed."""
        return len(self._missed)

    async def start(self) -> None:
        """Begin to listen, and to mend."""
        if self._sources:
            LISTENERS.add(self.noted)
            WATCHERS.add(self.observed)
            self._task = asyncio.create_task(self._run(), name="healing")

    async def stop(self) -> None:
        """Leave it."""
        LISTENERS.discard(self.noted)
        WATCHERS.discard(self.observed)
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def noted(self, miss: Miss) -> None:
        """An answer lacked something; never blocks."""
        if miss.source not in self._sources or miss.kind not in SHOWN_AS:
            return
        key = miss.source, miss.workspace, miss.profile_id
        now = asyncio.get_running_loop().time()
        known = self._missed.setdefault(key, _Missed(now))
        known.at = now
        known.kinds.add(miss.kind)
        if miss.item is not None and len(known.items) < _MOST_ITEMS:
            known.items[miss.item] = None
        self._missed.move_to_end(key)
        if len(self._missed) > _MOST_KEPT:
            self._missed.popitem(last=False)
        self._news.set()

    def observed(self, key: str, state: SourceState, _seconds: float) -> None:
        """A call of a source ended like this; never blocks. One that answers again is asked at once for what is missed of it."""
        patience = self._patience.get(key)
        if patience is None:
            return
        before, patience.state = patience.state, state
        if state is SourceState.OK and before is not SourceState.OK:
            patience.failures, patience.due = 0, 0.0
            self._back.set()

    async def _run(self) -> None:
        while True:
            await self._news.wait()
            self._news.clear()
            while self._missed:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._interval * random.uniform(0.8, 1.2)):  # noqa: S311  # jitter, not a secret
                        await self._back.wait()
                self._back.clear()
                try:
                    await self.mend()
                except Exception as error:  # noqa: BLE001  # the database is away, most likely: nothing is lost, the next round tries again
                    log.warning("healing.failed", error=type(error).__name__)

    async def mend(self) -> int:
        """One round: ask every source that is due for what is missed of it and watched here; how many pages were healed."""
        now = asyncio.get_running_loop().time()
        wanted: dict[tuple[str, UUID], list[UUID]] = {}
        for key, missed in list(self._missed.items()):
            source, workspace, profile_id = key
            if not self._hub.is_watched(StreamKey(workspace, profile_id)):
                if now - missed.at > _FORGOTTEN:
                    del self._missed[key]
            elif not missed.kinds:
                if now >= missed.not_before:
                    del self._missed[key]
            elif now >= max(missed.not_before, self._patience[source].due):
                wanted.setdefault((source, workspace), []).append(profile_id)
        healed = await asyncio.gather(*(self._heal(*whose, ids[:MOST_PROFILES]) for whose, ids in wanted.items()))
        return sum(healed)

    async def _heal(self, source: str, workspace: UUID, ids: list[UUID]) -> int:
        missed = {one: self._missed[source, workspace, one] for one in ids if (source, workspace, one) in self._missed}
        gaps = {one: Gap(frozenset(what.kinds), what.at, frozenset(what.items)) for one, what in missed.items()}
        kinds = frozenset().union(*(gap.kinds for gap in gaps.values()))
        seen = await look(self._sources[source], workspace, list(gaps), kinds)
        self._learn(source, bool(seen.answered))
        entered = await enter(self._database, self._hub, workspace, source, seen, gaps)
        self._settle(missed, gaps, seen.answered, seen.asked)
        count = sum(1 for one in entered if one in gaps)
        if count:
            PAGES_HEALED.labels(source).inc(count)
            log.info("source.pages_healed", source=source, pages=count)
        return count

    def _learn(self, source: str, is_back: bool) -> None:
        patience = self._patience[source]
        now = asyncio.get_running_loop().time()
        if is_back:
            patience.failures, patience.due = 0, 0.0
        else:
            patience.failures += 1
            patience.due = now + min(self._longest, self._interval * 2.0 ** min(patience.failures - 1, 16))

    def _settle(
        self, missed: Mapping[UUID, _Missed], gaps: Mapping[UUID, Gap], answered: Mapping[UUID, frozenset[SourceKind]], asked: float
    ) -> None:
        """What was had is missed no longer, unless it was missed again meanwhile; a page that was healed is left alone for a while."""
        for one, what in missed.items():
            had = answered.get(one, frozenset())
            if had and what.at <= asked:
                what.kinds -= had
                if SourceKind.ACTIVITY in had:
                    what.items.clear()
            if had and gaps[one].kinds <= had:
                what.not_before = asked + self._rest
