"""`sourceEvents`: how the workspace's sources stand. Called by the root field of `Subscription`."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import nullcontext

from gateway.auth.policy import Action, may
from gateway.auth.principal import Principal
from gateway.engine.context import OperationContext
from gateway.live.feed import START_PATIENCE, complete, patiently
from gateway.model.change import ChangeKind, Entry, source_stream
from gateway.model.source import Source, SourceState
from gateway.records.contacts import ensure_stream
from resolvers.events.delivery import Delivery, database_of
from resolvers.events.values import LiveValue, SourceEvent

__all__ = ["source_events"]


async def source_events(context: OperationContext, after: str | None) -> AsyncGenerator[LiveValue]:
    """Every change of a source's state that a gateway with a reader of this workspace noticed, in order."""
    workspace, watch = context.principal.workspace_id, context.services.watch
    delivery = Delivery(context, source_stream(workspace), "sources", _allowed)
    await patiently(lambda: ensure_stream(database_of(context), workspace, delivery.stream.stream_id), START_PATIENCE)
    with watch.reading(workspace) if watch is not None else nullcontext():
        async with delivery.steps(complete, after) as steps:
            async for step in steps:
                event: LiveValue | None = None
                if isinstance(step, tuple) and (source := _source(context, step[1])) is not None:
                    event = SourceEvent(*delivery.place(step[0], step[1].at), source)
                for value in delivery.said(step, event):
                    yield value
                if delivery.is_over:
                    return


def _source(context: OperationContext, entry: Entry) -> Source | None:
    """The source in the state that the entry names: another process may have seen it fail, not this one."""
    if entry.kind is not ChangeKind.SOURCE or entry.entity_source is None or not entry.fields:
        return None
    # Only what is asked has a state; a write key's label may be named like a source of another workspace, of which nothing is told.
    source = context.services.registry.seen_by(context.principal.workspace_key).known().get(entry.entity_source)
    if source is None:
        return None
    watch = context.services.watch
    known = source if watch is None else watch.present(source)
    return known.standing(SourceState(entry.fields[0]), known.last_success_at, known.latency_ms)


def _allowed(principal: Principal) -> bool:
    return may(principal, Action.SUBSCRIBE) and may(principal, Action.ADMINISTER)
