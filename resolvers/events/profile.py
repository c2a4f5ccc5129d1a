"""`profileEvents`: the state of a profile, what becomes of it, and who looks at it. Called by the root field of `Subscription`."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

from gateway.auth.policy import Action, may
from gateway.auth.principal import Principal
from gateway.engine.context import OperationContext
from gateway.live.feed import Gap, Ready, Update, conflated
from gateway.live.presence import Room, Viewers
from gateway.model.actor import Actor
from gateway.model.building import builder
from gateway.model.change import StreamKey
from gateway.model.configuration import Feature
from gateway.model.profile import ProfileStatus
from resolvers.events.delivery import Delivery, where
from resolvers.events.elsewhere import forget_kept
from resolvers.events.values import LiveValue, ProfileEvent, ViewersEvent

__all__ = ["profile_events"]

_event = builder(ProfileEvent)
_NAMES = ("firstName", "middleName", "lastName")
_MADE_OF = {
    "displayName": _NAMES,
    "traitSummary": ("traits",),
    "attributes": ("traits", "identifiers"),
    "missingAttributes": ("traits", "identifiers"),
}
"""Fields of `Profile` that are made of others: whoever waits for one waits for those."""


async def profile_events(
    context: OperationContext, profile_id: UUID, fields: list[str] | None, after: str | None
) -> AsyncGenerator[LiveValue]:
    """The state stream of a profile; `fields` names the only fields of `Profile` whose changes matter.

    Presence is looked at after each step of the feed, which a change of it wakes: there is one reader, and nothing to join or to cancel.
    """
    delivery = Delivery(context, StreamKey(context.principal.workspace_id, profile_id), "profile", _allowed)
    wanted = None if fields is None else frozenset(fields).union(*(_MADE_OF.get(name, ()) for name in fields))
    async with _room(context, delivery.stream) as room, delivery.steps(conflated, after) as steps:
        crowd = _Crowd(room, context.principal.actor)
        async for step in steps:
            event: LiveValue | None = None
            ends = False
            if isinstance(step, Ready | Gap):
                event, ends = await delivery.farewell(step.position, step.at)
            elif isinstance(step, tuple):
                event, ends = await delivery.landmark(*step)
            elif isinstance(step, Update) and (wanted is None or not wanted.isdisjoint(step.fields)):
                event = await _updated(delivery, step)
            for value in delivery.said(step, event):
                yield value
            if ends or delivery.is_over:
                return
            if viewers := crowd.news():
                yield ViewersEvent(*delivery.place(*where(step)), viewers.viewers, viewers.editing)


async def _updated(delivery: Delivery, step: Update) -> LiveValue | None:
    """The profile as it is now; None when it was merged or erased meanwhile: the entry that says so follows."""
    profile_id = delivery.stream.stream_id
    forget_kept(delivery.context, profile_id, step.sources, step.at)
    profile = await delivery.shared(step.position, profile_id, lambda context: context.loaders.profile.load(profile_id))
    if profile is None or profile.redirected_from is not None or profile.status is not ProfileStatus.ACTIVE:
        return None
    return _event(*delivery.place(step.position, step.at), profile, step.fields, _actor(delivery.context, step.actor_id))


class _Crowd:
    """What one subscriber was told of the viewers."""

    def __init__(self, room: Room | None, own: Actor) -> None:
        self._room = room
        self._own = own
        self._told: Viewers | None = None

    def news(self) -> Viewers | None:
        """The viewers, when they are others than last time; the first time only when anybody else is here."""
        if self._room is None or self._room.now == self._told:
            return None
        first, self._told = self._told is None, self._room.now
        return None if first and not any(actor != self._own for actor in self._told.viewers) else self._told


@asynccontextmanager
async def _room(context: OperationContext, stream: StreamKey) -> AsyncIterator[Room | None]:
    """The room of the profile, where the workspace has presence."""
    presence = context.services.presence
    if presence is None or Feature.PRESENCE not in context.configuration.features:
        yield None
        return
    async with presence.room(stream) as room:
        yield room


def _allowed(principal: Principal) -> bool:
    return may(principal, Action.SUBSCRIBE) and may(principal, Action.READ_PROFILE)


def _actor(context: OperationContext, actor_id: str) -> Actor | None:
    """Only what the log itself holds: the subject. Whose name it is would be another look-up per event."""
    own = context.principal.actor
    return own if own.id == actor_id else None
