"""From a feed's positions and entries to the events a client sees, under the client's rights at that moment.

Owns the rendering and the end of a stream whose credential ended. Called by the root fields of `Subscription`.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from uuid import UUID

from gateway.engine.context import OperationContext
from gateway.live.feed import Gap, GapReason, Ready, Update, complete, conflated, patiently
from gateway.model.activity import TimelineFilter, TimelineItem
from gateway.model.actor import Actor
from gateway.model.change import ChangeKind, Position, StreamKey
from gateway.model.profile import Profile
from gateway.observe import EVENTS_DELIVERED, LIVE_LAG

__all__ = [
    "GapEvent",
    "GoAwayEvent",
    "ItemEvent",
    "ProfileEvent",
    "ReadyEvent",
    "profile_events",
    "timeline_events",
]


@dataclass(frozen=True, slots=True)
class _Event:
    cursor: str
    seq: int
    at: datetime


@dataclass(frozen=True, slots=True)
class ReadyEvent(_Event):
    """Value of `StreamReady`."""

    resumed: bool


@dataclass(frozen=True, slots=True)
class GapEvent(_Event):
    """Value of `StreamGap`."""

    reason: GapReason


@dataclass(frozen=True, slots=True)
class GoAwayEvent(_Event):
    """Value of `StreamGoAway`."""

    reason: str
    retry_after_ms: int


@dataclass(frozen=True, slots=True)
class ProfileEvent(_Event):
    """Value of `ProfileUpdated`."""

    profile: Profile
    changed_fields: list[str]
    actor: Actor | None


@dataclass(frozen=True, slots=True)
class ItemEvent(_Event):
    """Value of `TimelineItemUpserted`."""

    item: TimelineItem
    is_new: bool


async def profile_events(
    context: OperationContext, profile_id: UUID, fields: list[str] | None, after: str | None
) -> AsyncGenerator[_Event]:
    """The state stream of a profile; `fields` names the only fields of `Profile` whose changes matter."""
    stream = StreamKey(context.principal.workspace_id, profile_id)
    wanted = frozenset(fields) if fields is not None else None
    seen: _Place | None = None
    async with aclosing(conflated(context.services.hub, stream, after)) as feed:
        async for step in feed:
            place = _placed(context, stream, step.position, step.at)
            if _ended(context):
                yield _go_away(seen or place)
                return
            seen = place
            if isinstance(step, Update):
                if wanted is not None and wanted.isdisjoint(step.fields):
                    continue
                profile = await patiently(partial(_profile, context, profile_id))
                if profile is None:
                    return
                _count("profile", step.at)
                yield ProfileEvent(*place, profile, list(step.fields), _actor(context, step.actor_id))
            else:
                yield _announced(place, step)


async def timeline_events(context: OperationContext, profile_id: UUID, chosen: TimelineFilter, after: str | None) -> AsyncGenerator[_Event]:
    """Every timeline item of a profile that the filter shows, in the order of their commits."""
    stream = StreamKey(context.principal.workspace_id, profile_id)
    seen: _Place | None = None
    async with aclosing(complete(context.services.hub, stream, after)) as feed:
        async for step in feed:
            position, at = (step.position, step.at) if isinstance(step, Ready | Gap) else (step[0], step[1].at)
            place = _placed(context, stream, position, at)
            if _ended(context):
                yield _go_away(seen or place)
                return
            seen = place
            if isinstance(step, Ready | Gap):
                yield _announced(place, step)
                continue
            _, entry = step
            if entry.kind is not ChangeKind.ACTIVITY or entry.entity_id is None or entry.entity_source is None:
                continue
            item = await patiently(partial(_item, context, (profile_id, entry.entity_source, entry.entity_id.hex)))
            if item is not None and chosen.matches(item):
                _count("timeline", entry.at)
                yield ItemEvent(*place, item, entry.is_new)


_Place = tuple[str, int, datetime]


async def _profile(context: OperationContext, profile_id: UUID) -> Profile | None:
    """The profile as it is now: asked of fresh loaders, which have seen nothing yet."""
    return await context.fork().loaders.profile.load(profile_id)


async def _item(context: OperationContext, ref: tuple[UUID, str, str]) -> TimelineItem | None:
    return await context.fork().loaders.item.load(ref)


def _placed(context: OperationContext, stream: StreamKey, position: Position, at: datetime) -> _Place:
    return context.services.hub.cursors.encode(stream, position), position.seq, at


def _announced(place: _Place, step: Ready | Gap) -> _Event:
    return ReadyEvent(*place, step.resumed) if isinstance(step, Ready) else GapEvent(*place, step.reason)


def _ended(context: OperationContext) -> bool:
    return context.principal.expired(datetime.now(UTC))


def _go_away(place: _Place) -> GoAwayEvent:
    """At the place of the last event that was shown: whoever resumes behind it gets the one that is withheld here."""
    return GoAwayEvent(*place, "TOKEN_EXPIRED", 0)


def _actor(context: OperationContext, actor_id: str) -> Actor | None:
    """Only what the log itself holds: the subject. Whose name it is would be another look-up per event."""
    own = context.principal.actor
    return own if own.id == actor_id else None


def _count(stream: str, at: datetime) -> None:
    EVENTS_DELIVERED.labels(stream).inc()
    LIVE_LAG.observe(max(0.0, (datetime.now(UTC) - at).total_seconds()))
