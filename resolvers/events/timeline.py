"""`timelineEvents`: every item of a timeline that appears, changes or goes, in the order of commits. Called by the root field of `Subscription`."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from uuid import UUID

from gateway.auth.policy import Action, may
from gateway.auth.principal import Principal
from gateway.engine.context import OperationContext
from gateway.live.feed import Gap, Ready, complete
from gateway.model.activity import ChangeItem, NoteItem, TimelineFilter, TimelineItem, TimelineKind, item_id
from gateway.model.change import ChangeKind, Entry, Position, StreamKey
from resolvers.events.delivery import Delivery
from resolvers.events.elsewhere import item_elsewhere
from resolvers.events.values import ErasedEvent, ItemEvent, LiveValue, RemovedEvent

__all__ = ["timeline_events"]

_LANDMARKS = frozenset({ChangeKind.MERGED, ChangeKind.ERASED})


async def timeline_events(
    context: OperationContext, profile_id: UUID, chosen: TimelineFilter, after: str | None
) -> AsyncGenerator[LiveValue]:
    """Every timeline item of a profile that the filter shows, none left out; items that went are named whatever the filter."""
    delivery = Delivery(context, StreamKey(context.principal.workspace_id, profile_id), "timeline", _allowed)
    async with delivery.steps(complete, after) as steps:
        async for step in steps:
            event: LiveValue | None = None
            ends = False
            if isinstance(step, Ready | Gap):
                event, ends = await delivery.farewell(step.position, step.at)
            elif isinstance(step, tuple) and step[1].kind in _LANDMARKS:
                event, ends = await delivery.landmark(*step)
            elif isinstance(step, tuple):
                event = await _changed(delivery, step, chosen)
            if isinstance(event, ErasedEvent):
                event = None  # of an erased person there is nothing to show: the end says it
            for value in delivery.said(step, event):
                yield value
            if ends or delivery.is_over:
                return


async def _changed(delivery: Delivery, step: tuple[Position, Entry], chosen: TimelineFilter) -> LiveValue | None:
    """The event of an item that appeared, changed or went."""
    position, entry = step
    native = entry.entity_key if entry.entity_id is None else entry.entity_id.hex
    if entry.kind is ChangeKind.REMOVED and native is not None and entry.entity_source is not None:
        gone = item_id(delivery.stream.stream_id, entry.entity_source, native)
        return RemovedEvent(*delivery.place(position, entry.at), gone)
    item = await _item(delivery, position, entry, chosen)
    return None if item is None else ItemEvent(*delivery.place(position, entry.at), item, entry.is_new)


async def _item(delivery: Delivery, position: Position, entry: Entry, chosen: TimelineFilter) -> TimelineItem | None:
    """The item that an entry is about, when the filter and the viewer's rights of now show it."""
    if entry.entity_source is None:
        return None
    if entry.entity_key is not None and entry.kind is ChangeKind.ACTIVITY:
        found = await item_elsewhere(delivery, position, entry)
        return found if found is not None and chosen.matches(found) else None
    if entry.entity_id is None:
        return None
    if entry.kind is ChangeKind.PROFILE and not (chosen.shows_kind(TimelineKind.NOTE) or chosen.shows_kind(TimelineKind.CHANGE)):
        return None  # it can only be a note or an entry of the audit
    ref = delivery.stream.stream_id, entry.entity_source, entry.entity_id.hex
    item = await delivery.shared(position, ref, lambda context: context.loaders.item.load(ref))
    return item if item is not None and chosen.matches(item) and _shown_to(delivery.context.principal, item) else None


def _shown_to(principal: Principal, item: TimelineItem) -> bool:
    if isinstance(item, NoteItem):
        return may(principal, Action.READ_NOTES)
    return may(principal, Action.READ_CHANGES) if isinstance(item, ChangeItem) else True


def _allowed(principal: Principal) -> bool:
    return may(principal, Action.SUBSCRIBE) and may(principal, Action.READ_TIMELINE)
