"""What every subscription shares: places of events, the right to go on, and the moments a stream ends.

Owns the cursor and time of each event, the last words to a client whose session, credentials or rights end, and what is said of a profile that was
merged away or erased. Called by the modules beside it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine, Hashable
from datetime import UTC, datetime
from functools import cache, partial
from types import TracebackType
from typing import Any, Generic, Protocol, TypeVar
from uuid import UUID

from gateway.auth.principal import Principal
from gateway.auth.session import EXPIRY, Departure, Session
from gateway.engine.context import OperationContext
from gateway.errors import GatewayError
from gateway.live.feed import Gap, GapReason, Ready, Still, Update, patiently
from gateway.live.hub import Hub
from gateway.live.standing import Standing, standing
from gateway.live.tail import Alarm
from gateway.loaders.merges import MergeLoaders
from gateway.model.change import ChangeKind, Entry, Position, StreamKey
from gateway.model.ids import make_id
from gateway.model.merge import MergeRecord
from gateway.model.profile import Profile, ProfileStatus
from gateway.observe import EVENTS_DELIVERED, LIVE_LAG
from gateway.storage.database import Database
from resolvers.events.values import ErasedEvent, GapEvent, GoAwayEvent, LiveValue, MergedEvent, ReadyEvent

__all__ = ["Delivery", "Place", "database_of", "where"]

_delivered = cache(EVENTS_DELIVERED.labels)

Place = tuple[str, int, datetime]
"""Cursor, seq and time of an event."""
Step = Ready | Gap | Still | Update | tuple[Position, Entry]
S_co = TypeVar("S_co", covariant=True)
T = TypeVar("T")


class Reading(Protocol[S_co]):
    """A way to read a stream: `feed.complete` or `feed.conflated`."""

    def __call__(self, hub: Hub, stream: StreamKey, after: str | None, alarm: Alarm, /) -> AsyncGenerator[S_co]:
        """Its steps; `alarm` makes it take one."""


class Delivery:
    """One client's way through one stream."""

    __slots__ = ("_alarm", "_allowed", "_began", "_seen", "_warned_of", "context", "is_over", "name", "stream")

    def __init__(self, context: OperationContext, stream: StreamKey, name: str, allowed: Callable[[Principal], bool]) -> None:
        """`name`: of the subscription, in metrics; `allowed`: whether a principal may read on (rights may change while a stream runs)."""
        self.context = context
        self.stream = stream
        self.name = name
        self.is_over = False
        """Whether the last words were said."""
        self._allowed = allowed
        self._alarm = Alarm()
        self._began = asyncio.get_running_loop().time()
        self._seen: tuple[Position, datetime] | None = None
        self._warned_of: datetime | None = None

    def steps(self, reading: Reading[S_co], after: str | None) -> _Steps[S_co]:
        """The steps of the stream, as a context manager. There is one at least whenever the session is about to end, and soon before its
        credentials do: every step goes through `said`.
        """
        return _Steps(self.context.session, self._alarm, reading(self.context.services.hub, self.stream, after, self._alarm))

    def place(self, position: Position, at: datetime) -> Place:
        """Where an event stands."""
        return self.context.services.hub.cursors.encode(self.stream, position), position.seq, at

    async def shared(self, position: Position, ref: Hashable, load: Callable[[OperationContext], Coroutine[Any, Any, T]]) -> T:
        """What an entry is about, read with fresh loaders and once for all subscribers here; `ref` names it, and it is nobody's view of it."""
        context = self.context
        flights, key = context.services.flights, (self.stream, position.epoch, ref)

        async def begin() -> T:
            with context.fork_in_turn() as forked:
                return await load(forked)

        try:
            return await flights.share(key, position.seq, self._began, begin)
        except GatewayError:
            return await patiently(lambda: flights.share(key, position.seq, self._began, begin))

    def said(self, step: Step, event: LiveValue | None = None) -> list[LiveValue]:
        """What the client is told of a step: that the position is fixed, if that is what it says, then this event.

        Or, in place of all that, the last words: they stand where the last step stood that was told, so that whoever resumes behind them gets what is
        withheld here. Call it when the event is made: what was allowed when that began may not be any more.
        """
        position, at = where(step)
        now = datetime.now(UTC)
        words = self._last_words(position, at, now)
        if words is not None:
            self.is_over = True
            if isinstance(step, Gap) and self._seen is None:
                return [GapEvent(*self.place(position, at), step.reason), words]  # its first word: a cursor behind the gap would hide it
            return [words]
        self._seen = position, at
        told: list[LiveValue] = []
        if isinstance(step, Ready):
            told.append(ReadyEvent(*self.place(position, at), step.resumed))
        elif isinstance(step, Gap):
            told.append(GapEvent(*self.place(position, at), step.reason))
        if event is not None:
            _delivered(self.name).inc()
            LIVE_LAG.observe(max(0.0, (now - at).total_seconds()))
            told.append(event)
        session, principal = self.context.session, self.context.principal
        if session is None or principal.expires_at == self._warned_of or principal.expired(now):
            return told  # what has expired is said with the next step, and ends it
        if session.is_about_to_expire:
            self._warned_of = principal.expires_at
            told.append(self._goodbye(EXPIRY, position, at))
        return told

    def _last_words(self, position: Position, at: datetime, now: datetime) -> LiveValue | None:
        """What ends the stream now; None: it goes on."""
        principal, session = self.context.principal, self.context.session
        if session is not None and session.departure is not None:
            return self._goodbye(session.departure, *(self._seen or (position, at)))
        if principal.expired(now):
            return self._goodbye(EXPIRY, *(self._seen or (position, at)))
        if not self._allowed(principal):
            return GapEvent(*self.place(*(self._seen or (position, at))), GapReason.PERMISSION_CHANGED)
        return None

    def _goodbye(self, departure: Departure, position: Position, at: datetime) -> LiveValue:
        return GoAwayEvent(*self.place(position, at), departure.reason, departure.retry_after_ms)

    # Profiles that are not there any more

    async def farewell(self, position: Position, at: datetime) -> tuple[LiveValue | None, bool]:
        """For who comes when it has happened: the event that says so, and whether the stream ends; not when the log is about to tell."""
        found = await self._standing(position.seq)
        if found is None or found.status is ProfileStatus.ACTIVE or found.is_told:
            return None, False
        place = self.place(position, at)
        if found.status is ProfileStatus.ERASED:
            return self._erased(place), True
        return await self._merged(place, found.merge_id), True

    async def landmark(self, position: Position, entry: Entry) -> tuple[LiveValue | None, bool]:
        """The event of a merge or an erasure in the log, if it still holds, and whether the stream ends with it."""
        place = self.place(position, entry.at)
        if entry.kind is ChangeKind.ERASED:
            return self._erased(place), True
        found = await self._standing(position.seq)
        if found is None or (found.status is ProfileStatus.MERGED and found.is_told):
            return None, False  # undone and done again: a later entry says so
        if found.status is ProfileStatus.ERASED:
            return None, False  # the entry of that follows
        record = await self._merge(entry.entity_id)
        was_merged_away = record is not None and self.stream.stream_id in record.merged
        if was_merged_away and found.status is ProfileStatus.ACTIVE:
            return None, False  # undone meanwhile
        return await self._merged(place, entry.entity_id), was_merged_away

    def _erased(self, place: Place) -> LiveValue:
        return ErasedEvent(*place, make_id("prf", self.stream.stream_id))

    async def _merged(self, place: Place, merge_id: UUID | None) -> LiveValue | None:
        record = await self._merge(merge_id)
        survivor = None if record is None else await self.profile(record.survivor_id)
        return None if record is None or survivor is None else MergedEvent(*place, record, survivor)

    async def _merge(self, merge_id: UUID | None) -> MergeRecord | None:
        if merge_id is None:
            return None
        return await patiently(lambda: self.context.fork().loaders.of(MergeLoaders).record.load(merge_id))

    async def profile(self, profile_id: UUID) -> Profile | None:
        """A profile, or whom it was merged into, as it is now: asked of fresh loaders, which have seen nothing yet."""
        return await patiently(lambda: self.context.fork().loaders.profile.load(profile_id))

    async def _standing(self, seq: int) -> Standing | None:
        return await patiently(partial(standing, database_of(self.context), self.stream, seq))


class _Steps(Generic[S_co]):
    """The steps of a feed while they are asked for: the session can wake it, and it is closed at the end."""

    __slots__ = ("_alarm", "_feed", "_forget", "_session")

    def __init__(self, session: Session | None, alarm: Alarm, feed: AsyncGenerator[S_co]) -> None:
        self._session = session
        self._alarm = alarm
        self._feed = feed
        self._forget: Callable[[], None] | None = None

    async def __aenter__(self) -> AsyncGenerator[S_co]:
        if self._session is not None:
            self._forget = self._session.on_leave(self._alarm.ring)
        return self._feed

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._forget is not None:
            self._forget()
        await self._feed.aclose()


def where(step: Step) -> tuple[Position, datetime]:
    """The position and the time of a step."""
    return (step[0], step[1].at) if isinstance(step, tuple) else (step.position, step.at)


def database_of(context: OperationContext) -> Database:
    """The database of a gateway that runs."""
    database = context.services.database
    assert database is not None
    return database
