"""Feeds: one reader's way through one stream, from a cursor to the live end and onwards.

Owns the resume decision (the table in docs/live.md), the order of alarm and read, and the refusal to pass over a hole. Must not render: it
yields positions and entries. Called by resolvers' subscriptions.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from functools import partial
from typing import TypeVar
from uuid import UUID

import structlog

from gateway.errors import GatewayError
from gateway.live.changelog import Head, Stretch
from gateway.live.hub import Hub
from gateway.live.tail import BATCH, Alarm
from gateway.model.building import builder
from gateway.model.change import ChangeKind, Entry, Position, StreamKey
from gateway.observe import LIVE_GAPS, LIVE_HOLES

__all__ = ["START_PATIENCE", "Gap", "GapReason", "Ready", "Still", "Update", "complete", "conflated", "patiently"]

_MOST_REPLAYED = 1000
"""Most changes replayed to a client that comes back."""
_MOST_BEHIND = 10_000
"""Most changes that a connected client may lag behind on a stream that leaves none out."""
START_PATIENCE = 10.0
"""Seconds a new stream waits for a database that is away; one that runs already waits as long as its client does."""

_LANDMARKS = frozenset({ChangeKind.MERGED, ChangeKind.ERASED})
"""Entries that stand for themselves: what came before them and what comes after is not shown as one."""

T = TypeVar("T")
log = structlog.get_logger()


class GapReason(Enum):
    """Why continuity cannot be proven."""

    CURSOR_EXPIRED = "CURSOR_EXPIRED"
    EPOCH_CHANGED = "EPOCH_CHANGED"
    AHEAD = "AHEAD"
    TOO_FAR = "TOO_FAR"
    PERMISSION_CHANGED = "PERMISSION_CHANGED"


@dataclass(frozen=True, slots=True)
class Ready:
    """The position is fixed and the alarm set: nothing behind it can be missed."""

    position: Position
    at: datetime
    resumed: bool


@dataclass(frozen=True, slots=True)
class Gap:
    """Continuity cannot be proven; the stream goes on behind this position."""

    position: Position
    at: datetime
    reason: GapReason


@dataclass(frozen=True, slots=True)
class Update:
    """Several entries as one: the position and time of the last, the union of their fields, and of the sources whose news they are."""

    position: Position
    at: datetime
    fields: tuple[str, ...]
    actor_id: str
    sources: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Still:
    """The reader was woken and there is nothing to show of the log: something beside it may have changed."""

    position: Position
    at: datetime


_position, _update = builder(Position), builder(Update)


async def complete(
    hub: Hub, stream: StreamKey, after: str | None, alarm: Alarm | None = None, *, most_behind: int = _MOST_BEHIND
) -> AsyncGenerator[Ready | Gap | Still | tuple[Position, Entry]]:
    """Every entry of a stream behind the cursor `after` (None: from now on), once, in order, until the reader closes it.

    Ends at once, without an event, when there is no such stream. There is no queue: the next entry is read when it is asked for. A reader that is
    more than `most_behind` changes behind is told and goes on at the end. `alarm`: with it, a reader that was woken
    always gets a step, if only a `Still`, so that it can look at what lies beside the log.

    Raises:
        CursorInvalid: `after` is not a cursor of this stream.
    """
    async with aclosing(_stretches(hub, stream, after, alarm, most_behind)) as stretches:
        async for item in stretches:
            if isinstance(item, Ready | Gap | Still):
                yield item
            else:
                start, entries = item
                for entry in entries:
                    yield Position(start.epoch, entry.seq), entry


async def conflated(
    hub: Hub, stream: StreamKey, after: str | None, alarm: Alarm | None = None
) -> AsyncGenerator[Ready | Gap | Still | Update | tuple[Position, Entry]]:
    """The state of a stream: after each change, or a burst of them, one update that stands for all. Never goes backwards.

    A merge and an erasure come as entries of their own, between the updates of what came before and after them. `alarm` as in `complete`.

    Raises:
        CursorInvalid: `after` is not a cursor of this stream.
    """
    async with aclosing(_stretches(hub, stream, after, alarm, None)) as stretches:
        async for item in stretches:
            if isinstance(item, Ready | Gap | Still):
                yield item
                continue
            start, entries = item
            burst: list[Entry] = []
            silent = True
            for entry in entries:
                if entry.kind not in _LANDMARKS:
                    burst.append(entry)
                    continue
                if update := _together(start, burst):
                    yield update
                burst = []
                silent = False
                yield Position(start.epoch, entry.seq), entry
            if update := _together(start, burst):
                yield update
            elif silent and alarm is not None:  # what woke the reader may lie beside the log, although something came in it
                yield Still(Position(start.epoch, entries[-1].seq), entries[-1].at)


def _together(start: Position, burst: list[Entry]) -> Update | None:
    if len(burst) == 1:  # as it mostly is
        (only,) = burst
        if only.kind is not ChangeKind.PROFILE:
            return None
        known = () if only.entity_source is None else (only.entity_source,)
        return _update(_position(start.epoch, only.seq), only.at, tuple(dict.fromkeys(only.fields)), only.actor_id, known)
    states = [entry for entry in burst if entry.kind is ChangeKind.PROFILE]
    if not states:
        return None
    fields = tuple(dict.fromkeys(field for entry in states for field in entry.fields))
    sources = tuple(dict.fromkeys(entry.entity_source for entry in burst if entry.entity_source is not None))
    return _update(_position(start.epoch, burst[-1].seq), states[-1].at, fields, states[-1].actor_id, sources)


async def patiently(call: Callable[[], Awaitable[T]], patience: float | None = None) -> T:
    """The call's answer, asked again while the database is away or busy: a stream outlives a restart of Postgres and goes on where it was.

    Raises:
        GatewayError: it still failed after `patience` seconds (None: never gives up), or in a way that asking again does not mend.
    """
    since = None if patience is None else asyncio.get_running_loop().time()
    pause = 0.05
    while True:
        try:
            return await call()
        except GatewayError as error:
            if not error.retryable:
                raise
            if patience is not None and since is not None and asyncio.get_running_loop().time() >= since + patience:
                raise
        await asyncio.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311  # jitter, not a secret
        pause = min(pause * 2, 2.0)


async def _stretches(
    hub: Hub, stream: StreamKey, after: str | None, given: Alarm | None, most_behind: int | None
) -> AsyncGenerator[Ready | Gap | Still | tuple[Position, list[Entry]]]:
    """What a reader is told, in stretches: entries behind a position."""
    alarm = given or Alarm()
    tail = hub.acquire(stream, alarm)
    try:
        head = await patiently(tail.begin, START_PATIENCE)
        if head is None:
            return
        start = _decide(hub, stream, after, head)
        yield start
        position = start.position
        while True:
            # The alarm is taken before the read. The other way round, a change between the read and the taking would be slept through.
            woken = alarm.take()
            try:
                found = await tail.after(position)
            except GatewayError:
                found = await patiently(partial(tail.after, position))
            if found is None:  # a database that was restored does not know it
                yield _gap(position, GapReason.EPOCH_CHANGED)
                return
            reason = _break(position.epoch, position.seq, found.head, most_behind)
            entries = [] if reason is not None else _without_hole(position.seq, found.entries)
            if entries:
                yield position, entries
                position = _position(position.epoch, entries[-1].seq)
            elif reason is None and found.head.position.seq > position.seq:
                reason = _hole(stream, position, found)
            if reason is not None:
                yield _gap(found.head.position, reason)
                position = found.head.position
            elif len(entries) == len(found.entries) < BATCH:
                if woken and not entries and given is not None:
                    yield Still(position, datetime.now(UTC))
                if tail.stands_at(position):
                    await alarm.wait()
    finally:
        hub.release(tail, alarm)


def _decide(hub: Hub, stream: StreamKey, after: str | None, head: Head) -> Ready | Gap:
    """Where to begin, by the table in docs/live.md."""
    if after is None:
        return Ready(head.position, datetime.now(UTC), resumed=False)
    wanted = hub.cursors.decode(stream, after)
    reason = _break(wanted.epoch, wanted.seq, head, _MOST_REPLAYED)
    return _gap(head.position, reason) if reason is not None else Ready(wanted, datetime.now(UTC), resumed=True)


def _break(epoch: UUID, seq: int, head: Head, most_behind: int | None) -> GapReason | None:
    """Why a reader at this place cannot go on to this head without a gap; None: it can."""
    if epoch != head.position.epoch:
        return GapReason.EPOCH_CHANGED
    if seq > head.position.seq:
        return GapReason.AHEAD
    if seq < head.low:
        return GapReason.CURSOR_EXPIRED
    return GapReason.TOO_FAR if most_behind is not None and head.position.seq - seq > most_behind else None


def _gap(position: Position, reason: GapReason) -> Gap:
    LIVE_GAPS.labels(reason.value).inc()
    return Gap(position, datetime.now(UTC), reason)


def _without_hole(seq: int, entries: list[Entry]) -> list[Entry]:
    """The entries up to the first missing number."""
    for index, entry in enumerate(entries):
        if entry.seq != seq + 1 + index:
            return entries[:index]
    return entries


def _hole(stream: StreamKey, position: Position, found: Stretch) -> GapReason:
    """The log lacks a number that it gave out and that was not retired: somebody must look at the database."""
    LIVE_HOLES.inc()
    next_ = found.entries[0].seq if found.entries else None
    log.error("live.hole", stream=str(stream.stream_id), expected=position.seq + 1, found=next_, head=found.head.position.seq)
    return GapReason.CURSOR_EXPIRED
