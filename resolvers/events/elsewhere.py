"""Events about what systems elsewhere hold: nothing that was kept from before the event is shown, and a system that fails holds nobody up.

Owns the forgetting of kept answers in this process (each process that delivers an event does it for itself), and the load of one item of such a
system. Called by the modules beside it.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from enum import Enum
from typing import Any, Final
from uuid import UUID

from gateway.engine.context import OperationContext
from gateway.errors import SourceError
from gateway.model.activity import TimelineItem
from gateway.model.change import Entry, Position
from gateway.model.source import SourceKind
from gateway.sources.misses import Miss, missed
from resolvers.events.delivery import Delivery

__all__ = ["forget_kept", "item_elsewhere"]


class _Away(Enum):
    AWAY = "AWAY"


_AWAY: Final = _Away.AWAY


def forget_kept(context: OperationContext, profile_id: UUID, sources: Iterable[str], before: datetime) -> None:
    """Drop what these sources are kept to have said of a person before a moment: the event is news of theirs."""
    keys = frozenset(sources)
    if not keys:
        return
    registry = context.services.registry.seen_by(context.principal.workspace_key)
    adapters: dict[int, Any] = {
        id(one): one for one in (*registry.fields, *registry.traits, *registry.notes, *registry.activities, *registry.members)
    }
    for adapter in adapters.values():
        if adapter.source.key in keys and (forget := getattr(adapter, "forget", None)) is not None:
            forget(context.principal.workspace_id, profile_id, before=before)


async def item_elsewhere(delivery: Delivery, position: Position, entry: Entry) -> TimelineItem | None:
    """The item that an entry names by its source's own id; None when it is not there, or when the source does not answer.

    Then the item is missed, and brought once the source is back (`live.healing`): the stream goes on meanwhile.
    """
    profile_id, source, key = delivery.stream.stream_id, entry.entity_source, entry.entity_key
    if source is None or key is None:
        return None
    ref = profile_id, source, key

    async def load(context: OperationContext) -> TimelineItem | _Away | None:
        try:
            return await context.loaders.item.load(ref)
        except SourceError as error:
            if error.source != source:
                raise
            return _AWAY

    forget_kept(delivery.context, profile_id, [source], entry.at)
    found = await delivery.shared(position, ref, load)
    if found is _AWAY:
        missed(Miss(delivery.stream.workspace_id, profile_id, source, SourceKind.ACTIVITY, key))
        return None
    return found
