"""Readers that come to a stream others watch already: what they see first, those others must be told too."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from uuid import uuid4

from gateway.commands.unit import Unit
from gateway.configuration import Configurations
from gateway.live.changelog import append
from gateway.live.feed import Ready, complete
from gateway.model.configuration import Configuration

from .conftest import Live


async def test_what_a_newcomer_sees_first_wakes_who_is_there(live: Live) -> None:
    """A change whose bell is lost, and that somebody who subscribes just then reads, reaches the reader that sleeps; the poll is far away."""
    stream = await live.profile()
    item = uuid4()
    async with asyncio.timeout(5), aclosing(complete(live.hub, stream, None)) as feed:
        assert isinstance(await anext(feed), Ready)
        asleep = asyncio.ensure_future(anext(feed))
        (alarm,) = live.hub._tails[stream].alarms
        for _ in range(10_000):
            if alarm.is_waited_for:
                break
            await asyncio.sleep(0)
        async with live.database.transaction() as connection:  # committed, and never rung
            unit = Unit(connection, live.principal, Configurations(Configuration()).of("demo"))
            unit.item_added(stream.stream_id, item, "native")
            await append(connection, live.workspace, unit.changes)
        async with aclosing(complete(live.hub, stream, None)) as newcomer:
            assert (await anext(newcomer)).position.seq == 2
        position, entry = await asleep

    assert (position.seq, entry.entity_id) == (2, item)
