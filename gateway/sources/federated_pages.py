"""Timelines of a system elsewhere: as many calls as a window takes, within the time and the number there is for it.

Owns which calls are made for whom, and that a failure on the way ends a page where it came to. What is asked and what it is worth is
`federated_timeline`'s. Called by `federated`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import structlog

from gateway.errors import SourceError, SourceTimeout
from gateway.model.source import Source
from gateway.sources.contract import TimelineWindow
from gateway.sources.federated_questions import Questions
from gateway.sources.federated_reading import Reading, combined
from gateway.sources.federated_timeline import Walk, united
from gateway.sources.guard import Guard
from gateway.sources.kept import Answer
from gateway.sources.remote import ItemWindow

__all__ = ["Pages"]

log = structlog.get_logger()


class Pages:
    """Of one source."""

    def __init__(self, source: Source, guard: Guard, reading: Reading, questions: Questions) -> None:
        self._source = source
        self._guard = guard
        self._reading = reading
        self._questions = questions

    async def read(
        self, workspace: UUID, ids: Sequence[UUID], known_as: Sequence[Sequence[str]], window: TimelineWindow, first: ItemWindow
    ) -> list[Any]:
        """A page of each profile, as `contract.ActivitySource.activities` answers it; `first`: what is asked first, of all of them together."""
        due = self._guard.clock() + self._guard.policy.deadline
        rows = await self._reading.rows(self._questions.items(workspace, first), ids, known_as)
        places = asyncio.Semaphore(self._guard.policy.concurrency)

        async def walked(profile_id: UUID, key: str, begun: Answer | SourceError) -> Answer | SourceError:
            walk = Walk(self._source, profile_id, window, first)
            told: list[Answer] = []
            answer = begun
            while isinstance(answer, Answer):
                told.append(answer)
                walk.took(answer.value)
                if walk.next is None:
                    break
                answer = await self._asked_on(workspace, profile_id, key, walk.next, due, places)
            if walk.is_stuck:
                log.warning("source.page_too_small", source=self._source.key)
            if isinstance(answer, SourceError) and not walk.can_end_here:
                return answer
            worst = min(told, key=lambda one: (one.error is None, one.as_of))
            return Answer(walk.page, worst.as_of, worst.error)

        async def about(profile_id: UUID, names: Sequence[str], row: Sequence[Answer | SourceError]) -> Any:
            pages = await asyncio.gather(*(walked(profile_id, name, one) for name, one in zip(names, row, strict=True)))
            return combined(pages, lambda answers: united([one.value for one in answers], window))

        return list(await asyncio.gather(*(about(*one) for one in zip(ids, known_as, rows, strict=True))))

    async def _asked_on(
        self, workspace: UUID, profile_id: UUID, key: str, window: ItemWindow, due: float, places: asyncio.Semaphore
    ) -> Answer | SourceError:
        """One more page, within what is left of the time."""
        try:
            async with asyncio.timeout(max(0.0, due - self._guard.clock())), places:
                told = await self._reading.answers(self._questions.items(workspace, window), {key: {profile_id}})
        except TimeoutError:
            return SourceTimeout(self._source.key)
        return told[key]
