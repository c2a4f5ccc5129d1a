"""Feeds: one reader's way through one stream, from a cursor to the live end and onwards.

Owns the resume decision (the table in docs/live.md), the order of bell and read, and the refusal to pass over a hole. Must not render: it
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

import structlog

from gateway.errors import GatewayError
from gateway.live.changelog import Head
from gateway.live.hub import Hub, Tail
from gateway.model.change import ChangeKind, Entry, Position, StreamKey
from gateway.observe import LIVE_GAPS

__all__ = ["START_PATIENCE", "Gap", "GapReason", "Ready", "Still", "Update", "complete", "conflated", "patiently"]

_TOO_FAR = 1000
"""Most changes replayed to a client that comes back."""
_BATCH = 100
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
    """The position is fixed and the bell armed: nothing behind it can be missed."""

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
    """Several entries as one: the position and time of the last, the union of their fields."""

    position: Position
    at: datetime
    fields: tuple[str, ...]
    actor_id: str


@dataclass(frozen=True, slots=True)
class Still:
    """The reader was woken and the log is as it was: something beside it may have changed."""

    position: Position
    at: datetime


async def complete(hub: Hub, stream: StreamKey, after: str | None) -> AsyncGenerator[Ready | Gap | tuple[Position, Entry]]:
    """Every entry of a stream behind the cursor `after` (None: from now on), once, in order, until the reader closes it.

    Ends at once, without an event, when there is no such stream. There is no queue: the next entry is read when it is asked for.

    Raises:
        CursorInvalid: `after` is not a cursor of this stream.
    """
    async with aclosing(_batches(hub, stream, after)) as batches:
        async for item in batches:
            if isinstance(item, Ready | Gap):
                yield item
            else:
                epoch, entries = item
                for entry in entries:
                    yield Position(epoch.epoch, entry.seq), entry


async def conflated(
    hub: Hub, stream: StreamKey, after: str | None
) -> AsyncGenerator[Ready | Gap | Still | Update | tuple[Position, Entry]]:
    """The state of a stream: after each change, or a burst of them, one update that stands for all. Never goes backwards.

    A merge and an erasure come as entries of their own, between the updates of what came before and after them.

    Raises:
        CursorInvalid: `after` is not a cursor of this stream.
    """
    async with aclosing(_batches(hub, stream, after)) as batches:
        async for item in batches:
            if isinstance(item, Ready | Gap):
                yield item
                continue
            start, entries = item
            if not entries:
                yield Still(start, datetime.now(UTC))
            burst: list[Entry] = []
            for entry in entries:
                if entry.kind not in _LANDMARKS:
                    burst.append(entry)
                    continue
                if update := _together(start, burst):
                    yield update
                burst = []
                yield Position(start.epoch, entry.seq), entry
            if update := _together(start, burst):
                yield update


def _together(start: Position, burst: list[Entry]) -> Update | None:
    states = [entry for entry in burst if entry.kind is ChangeKind.PROFILE]
    if not states:
        return None
    fields = tuple(dict.fromkeys(field for entry in states for field in entry.fields))
    return Update(Position(start.epoch, burst[-1].seq), states[-1].at, fields, states[-1].actor_id)


async def patiently(call: Callable[[], Awaitable[T]], patience: float | None = None) -> T:
    """The call's answer, asked again while the database is away or busy: a stream outlives a restart of Postgres and goes on where it was.

    Raises:
        GatewayError: it still failed after `patience` seconds (None: never gives up), or in a way that asking again does not mend.
    """
    loop = asyncio.get_running_loop()
    until = None if patience is None else loop.time() + patience
    pause = 0.05
    while True:
        try:
            return await call()
        except GatewayError as error:
            if not error.retryable or (until is not None and loop.time() >= until):
                raise
        await asyncio.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311  # jitter, not a secret
        pause = min(pause * 2, 2.0)


async def _batches(hub: Hub, stream: StreamKey, after: str | None) -> AsyncGenerator[Ready | Gap | tuple[Position, list[Entry]]]:
    """An empty list means: woken, and nothing new."""
    tail = hub.acquire(stream)
    woken = False
    try:
        generation = tail.generation
        bell = tail.bell
        head = await patiently(tail.begin, START_PATIENCE)
        if head is None:
            return
        start = _decide(hub, stream, after, head)
        yield start
        epoch, seq = start.position.epoch, start.position.seq
        while True:
            entries = await patiently(partial(tail.after, seq))
            if tail.generation != generation:
                generation = tail.generation
                gap = _broken(tail, epoch)
                yield gap
                epoch, seq = gap.position.epoch, gap.position.seq
                continue
            whole = _without_hole(stream, seq, entries)
            if whole:
                yield Position(epoch, seq), whole
                seq = whole[-1].seq
            elif woken and not entries:
                yield Position(epoch, seq), []
            woken = False
            if len(whole) < len(entries):
                head = await patiently(tail.begin)
                if head is None:
                    return
                yield _gap(head, GapReason.CURSOR_EXPIRED)
                epoch, seq = head.position.epoch, head.position.seq
            elif len(entries) < _BATCH:
                await bell.wait()
                woken = True
            # The bell is taken before the next read. The other way round, a change between the read and the taking would be slept through.
            bell = tail.bell
    finally:
        hub.release(tail)


def _decide(hub: Hub, stream: StreamKey, after: str | None, head: Head) -> Ready | Gap:
    """Where to begin, by the table in docs/live.md."""
    if after is None:
        return Ready(head.position, datetime.now(UTC), resumed=False)
    epoch, seq = hub.cursors.decode(stream, after)
    if not hub.cursors.is_current(epoch, head.position):
        return _gap(head, GapReason.EPOCH_CHANGED)
    if seq > head.position.seq:
        return _gap(head, GapReason.AHEAD)
    if seq < head.low:
        return _gap(head, GapReason.CURSOR_EXPIRED)
    if head.position.seq - seq > _TOO_FAR:
        return _gap(head, GapReason.TOO_FAR)
    return Ready(Position(head.position.epoch, seq), datetime.now(UTC), resumed=True)


def _broken(tail: Tail, epoch: object) -> Gap:
    assert tail.newest is not None
    return _gap(tail.newest, GapReason.AHEAD if tail.newest.position.epoch == epoch else GapReason.EPOCH_CHANGED)


def _gap(head: Head, reason: GapReason) -> Gap:
    LIVE_GAPS.labels(reason.value).inc()
    return Gap(head.position, datetime.now(UTC), reason)


def _without_hole(stream: StreamKey, seq: int, entries: list[Entry]) -> list[Entry]:
    """The entries up to the first missing number."""
    for index, entry in enumerate(entries):
        if entry.seq != seq + 1 + index:
            log.error("live.hole", stream=str(stream.stream_id), expected=seq + 1 + index, found=entry.seq)
            return entries[:index]
    return entries
