"""What every subscription shares: places of events, the right to go on, and the moments a stream ends.

Owns the cursor and time of each event, the last words to a client whose credentials ended or changed, and what is said of a profile that was
merged away or erased. Called by the modules beside it.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from uuid import UUID

from gateway.auth.principal import Principal
from gateway.engine.context import OperationContext
from gateway.live.feed import Gap, GapReason, Ready, patiently
from gateway.live.standing import Standing, standing
from gateway.loaders.merges import MergeLoaders
from gateway.model.change import ChangeKind, Entry, Position, StreamKey
from gateway.model.ids import make_id
from gateway.model.merge import MergeRecord
from gateway.model.profile import Profile, ProfileStatus
from gateway.observe import EVENTS_DELIVERED, LIVE_LAG
from gateway.storage.database import Database
from resolvers.events.values import ErasedEvent, GapEvent, GoAwayEvent, LiveValue, MergedEvent, ReadyEvent

__all__ = ["Delivery", "Place", "database_of"]

Place = tuple[str, int, datetime]
"""Cursor, seq and time of an event."""


class Delivery:
    """One client's way through one stream."""

    __slots__ = ("_allowed", "_seen", "context", "name", "stream")

    def __init__(self, context: OperationContext, stream: StreamKey, name: str, allowed: Callable[[Principal], bool]) -> None:
        """`name`: of the subscription, in metrics; `allowed`: whether a principal may read on (rights may change while a stream runs)."""
        self.context = context
        self.stream = stream
        self.name = name
        self._allowed = allowed
        self._seen: Place | None = None

    def place(self, position: Position, at: datetime) -> Place:
        """Where an event stands."""
        return self.context.services.hub.cursors.encode(self.stream, position), position.seq, at

    def last_words(self, place: Place) -> LiveValue | None:
        """What to say instead of the event at this place, and then nothing more; None: go on.

        They stand at the place of the last event that was shown: whoever resumes behind it gets the one that is withheld here.
        """
        principal = self.context.principal
        if principal.expired(datetime.now(UTC)):
            return GoAwayEvent(*(self._seen or place), "TOKEN_EXPIRED", 0)
        if not self._allowed(principal):
            return GapEvent(*(self._seen or place), GapReason.PERMISSION_CHANGED)
        self._seen = place
        return None

    def announced(self, place: Place, step: Ready | Gap) -> LiveValue:
        """The event that fixes a position."""
        return ReadyEvent(*place, step.resumed) if isinstance(step, Ready) else GapEvent(*place, step.reason)

    def count(self, at: datetime) -> None:
        """Measure an event that is about to be delivered."""
        EVENTS_DELIVERED.labels(self.name).inc()
        LIVE_LAG.observe(max(0.0, (datetime.now(UTC) - at).total_seconds()))

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


def database_of(context: OperationContext) -> Database:
    """The database of a gateway that runs."""
    database = context.services.database
    assert database is not None
    return database
