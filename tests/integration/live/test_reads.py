"""Reads of the log that begin in one turn of the loop are one statement, and each hears of its own stream alone."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

import pytest

from gateway.errors import Overloaded
from gateway.live.changelog import Stretch, read
from gateway.live.reads import MOST, Reads
from gateway.model.change import StreamKey

from .conftest import Live

__all__: list[str] = []


@pytest.fixture(name="statements")
def _statements(live: Live, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every statement that is sent from now on."""
    sent: list[str] = []
    fetch = live.database.fetch

    async def counted(sql: str, *given: Any, **how: Any) -> Any:
        sent.append(sql)
        return await fetch(sql, *given, **how)

    monkeypatch.setattr(live.database, "fetch", counted)
    return sent


async def test_a_turns_reads_are_one_statement(live: Live, statements: list[str]) -> None:
    """Each is answered as if it had been made alone: behind its own number, up to its own limit, also where there is no such stream."""
    streams = [await live.profile() for _ in range(3)]
    for count, stream in enumerate(streams):
        await live.add_item(*[stream] * (count + 1))
    asked: list[tuple[StreamKey, int | None, int]] = [
        (streams[0], None, 10),
        (streams[1], 1, 1),
        (StreamKey(live.workspace, uuid4()), 0, 10),
        (streams[2], 1, 10),
        (streams[2], 9, 10),
    ]
    expected = [await read(live.database, *one) for one in asked]
    statements.clear()
    reads = Reads(live.database)

    found = await asyncio.gather(*(reads.read(*one) for one in asked))

    assert found == expected
    assert [None if one is None else len(one.entries) for one in found] == [0, 1, None, 3, 0]
    assert len(statements) == 1


async def test_many_reads_are_several_statements(live: Live, statements: list[str]) -> None:
    """No statement asks for more streams than MOST; a read of the next turn is a statement of its own."""
    stream, reads = await live.profile(), Reads(live.database)
    statements.clear()

    found = await asyncio.gather(*(reads.read(stream, 0, 10) for _ in range(MOST + 1)))
    await reads.read(stream, 0, 10)

    assert len(statements) == 3
    assert all(isinstance(one, Stretch) and len(one.entries) == 1 for one in found)


async def test_who_gives_up_takes_nobody_along(live: Live) -> None:
    """Of two reads of a turn one is cancelled: the other is answered."""
    stream, reads = await live.profile(), Reads(live.database)
    gone, stays = (asyncio.ensure_future(reads.read(stream, 0, 10)) for _ in range(2))
    await asyncio.sleep(0)
    gone.cancel()

    found = await stays

    assert found is not None
    assert len(found.entries) == 1
    assert gone.cancelled()


async def test_a_failure_is_everybodys(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the database does not answer, each of the turn's reads says so, and the next turn reads again."""
    stream, reads = await live.profile(), Reads(live.database)

    async def away(*_: Any, **__: Any) -> Any:
        raise Overloaded

    with monkeypatch.context() as patch:
        patch.setattr(live.database, "fetch", away)
        failed = await asyncio.gather(*(reads.read(stream, 0, 10) for _ in range(2)), return_exceptions=True)

    assert [type(one) for one in failed] == [Overloaded, Overloaded]
    assert await reads.read(stream, 0, 10) == await read(live.database, stream, 0, 10)
