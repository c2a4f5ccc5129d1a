"""Reads of the change log, those that begin in one turn of the loop as one statement: a burst that changes a thousand watched profiles is a thousand
tails that look at the same moment.

Owns the gathering of a turn's reads, and that each hears of its own stream alone. What is read is `changelog`'s. Must not keep an answer: each read
begins after it was asked for. Made by `live.hub`, called by `live.tail`.
"""

from __future__ import annotations

import asyncio

from gateway.live.changelog import Stretch, read, read_many
from gateway.model.change import StreamKey
from gateway.storage.database import Database

__all__ = ["MOST", "Reads"]

MOST = 50
"""Streams of one statement: what a slow one keeps waiting, and the most rows of an answer, stay small."""

_Asked = tuple[StreamKey, int | None, int, "asyncio.Future[Stretch | None]"]


class Reads:
    """Of one process."""

    __slots__ = ("_asked", "_database", "_tasks")

    def __init__(self, database: Database) -> None:
        self._database = database
        self._asked: list[_Asked] | None = None
        """What was asked for in this turn."""
        self._tasks: set[asyncio.Task[None]] = set()

    async def read(self, stream: StreamKey, after: int | None, limit: int) -> Stretch | None:
        """See `changelog.read`; it begins when this turn of the loop is over."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Stretch | None] = loop.create_future()
        if self._asked is None:
            self._asked = []
            loop.call_soon(self._begin)
        self._asked.append((stream, after, limit, answer))
        return await answer

    def _begin(self) -> None:
        asked, self._asked = self._asked or [], None
        for start in range(0, len(asked), MOST):
            task = asyncio.get_running_loop().create_task(self._ask(asked[start : start + MOST]))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _ask(self, asked: list[_Asked]) -> None:
        waiting = [one for one in asked if not one[3].done()]  # who gave up meanwhile need not be read for
        if not waiting:
            return
        try:
            if len(waiting) == 1:
                stream, after, limit, _ = waiting[0]
                answers = [await read(self._database, stream, after, limit)]
            else:
                answers = await read_many(self._database, [(stream, after, limit) for stream, after, limit, _ in waiting])
        except BaseException as error:
            for *_, answer in waiting:
                if not answer.done():
                    answer.cancel() if isinstance(error, asyncio.CancelledError) else answer.set_exception(error)
            if not isinstance(error, Exception):
                raise
            return
        for (*_, answer), found in zip(waiting, answers, strict=True):
            if not answer.done():
                answer.set_result(found)
