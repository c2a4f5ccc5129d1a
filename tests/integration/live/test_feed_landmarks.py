"""Merges and erasures in a state feed: each stands for itself, in its place; and a nudge wakes a reader without a change."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from contextlib import aclosing
from typing import Any
from uuid import uuid4

from gateway.commands.unit import Receipt, Unit
from gateway.live.feed import Ready, Still, Update, complete, conflated
from gateway.live.reads import Reads
from gateway.live.tail import Alarm
from gateway.model.change import ChangeKind, StreamKey

from .conftest import Live

SECONDS = 5.0


async def soon(event: Awaitable[Any]) -> Any:
    """The awaited value, or a failure instead of a test that hangs."""
    async with asyncio.timeout(SECONDS):
        return await event


async def happen(live: Live, stream: StreamKey, *what: str | ChangeKind) -> None:
    """Log, in one transaction, changes of fields and entries of other kinds."""

    async def work(unit: Unit) -> Receipt:
        for one in what:
            if isinstance(one, ChangeKind):
                unit.logged(stream.stream_id, one, uuid4())
            else:
                unit.profile_changed(stream.stream_id, one)
        return Receipt(stream.stream_id)

    await live.writer.run(live.principal, work)


def shown(step: Any) -> Any:
    """A step in one word: the fields of an update, the kind of an entry."""
    return step.fields if isinstance(step, Update) else step[1].kind


async def test_a_merge_is_neither_swallowed_nor_moved(live: Live) -> None:
    """Of a burst, what came before a merge and what came after are two updates with the merge between them, whoever resumes."""
    stream = await live.profile()
    async with aclosing(conflated(live.hub, stream, None)) as feed:
        start = await soon(anext(feed))
    await happen(live, stream, "a", "b", ChangeKind.MERGED, "c", "d")
    await happen(live, stream, "e", ChangeKind.ERASED)
    async with aclosing(conflated(live.hub, stream, live.hub.cursors.encode(stream, start.position))) as feed:
        assert isinstance(await soon(anext(feed)), Ready)
        steps = [await soon(anext(feed)) for _ in range(4)]
    assert [shown(step) for step in steps] == [("a", "b"), ChangeKind.MERGED, ("c", "d", "e"), ChangeKind.ERASED]
    assert [(step.position if isinstance(step, Update) else step[0]).seq for step in steps] == [3, 4, 7, 8]


async def test_a_merge_alone(live: Live) -> None:
    """Without anything around it, the merge is all there is; items between are no state."""
    stream = await live.profile()
    async with aclosing(conflated(live.hub, stream, None)) as feed:
        await soon(anext(feed))
        await live.add_item(stream)
        await happen(live, stream, ChangeKind.MERGED)
        step = await soon(anext(feed))
    assert (shown(step), step[0].seq) == (ChangeKind.MERGED, 3)


async def test_a_nudge_wakes_without_a_read(live: Live, monkeypatch: Any) -> None:
    """Something beside the log changed: state readers see that nothing is new in it, complete ones sleep on, and the log is not read."""
    stream = await live.profile()
    async with aclosing(conflated(live.hub, stream, None, Alarm())) as state, aclosing(complete(live.hub, stream, None)) as items:
        await soon(anext(state))
        await soon(anext(items))
        coming, waiting = asyncio.ensure_future(anext(items)), asyncio.ensure_future(anext(state))
        tail = live.hub._tails[stream]
        async with asyncio.timeout(SECONDS):
            while not all(alarm.is_waited_for for alarm in tail.alarms):
                await asyncio.sleep(0.02)
                if waiting.done():  # the ring of the profile's own making came late
                    assert isinstance(waiting.result(), Still)
                    waiting = asyncio.ensure_future(anext(state))

        async def read(*_: Any) -> Any:
            raise AssertionError("the log was read")

        with monkeypatch.context() as patch:
            patch.setattr(Reads, "read", read)
            live.hub.nudge(stream)
            step = await soon(waiting)
        assert isinstance(step, Still)
        assert step.position.seq == 1
        item = await live.add_item(stream)
        assert (await soon(coming))[1].entity_id == item


async def test_a_name_without_a_log_can_be_listened_to(live: Live) -> None:
    """Whoever listens is called when the name is rung, and not after having left."""
    name = StreamKey(live.workspace, uuid4())
    heard = asyncio.Event()
    leave = live.hub.listen(name, heard.set)
    live.hub.ring([StreamKey(live.workspace, uuid4()), name])
    await soon(heard.wait())
    leave()
    assert live.hub._listeners == {}
