"""What a system elsewhere answered, and what it is being asked at this moment, key by key.

Owns three things that keep calls few: keys asked for in one turn of the loop go out together in chunks of at most 100, whoever asks for a key that is
under way waits for that answer, and an answer may be used again while it is fresh, or, said to be old, while the source fails. Bounded by number, the
least recently used go first. Must not know what an answer means. Called by `federated`.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from gateway.errors import SourceError, SourceUnavailable
from gateway.sources.definition import GuardPolicy

__all__ = ["MAX_CHUNK", "Answer", "Fetch", "Kept", "Topic"]

MAX_CHUNK: Final = 100
"""Keys of one call; a chunk that fails fails only its own keys."""

Fetch = Callable[[tuple[Any, ...], float], Awaitable[Mapping[Any, Any]]]
"""Asks for these keys until a moment of the clock: an answer or a `SourceError` for each; raises `SourceError` when all of them failed."""


@dataclass(frozen=True, slots=True)
class Topic:
    """What is asked about keys, apart from the keys themselves: two that are equal have the same answers."""

    workspace: UUID
    kind: str
    selection: Hashable = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What was said of a key. It was true at `as_of`; `error`: why there is no newer answer, when that is old."""

    value: Any
    as_of: datetime
    error: SourceError | None = None


_Name = tuple[Topic, Hashable]


@dataclass(slots=True)
class _Entry:
    name: _Name
    answer: Answer
    asked_at: float
    owners: set[UUID]


class _Flight:
    """One key that is being asked for."""

    __slots__ = ("answer", "as_of", "asked_at", "chunk", "is_void", "name", "owners", "waiting")

    def __init__(self, name: _Name, now: float) -> None:
        self.name = name
        self.answer: asyncio.Future[Answer | SourceError] = asyncio.get_running_loop().create_future()
        self.as_of = datetime.now(UTC)
        self.asked_at = now
        self.owners: set[UUID] = set()
        self.waiting = 0
        self.is_void = False
        """Something changed after it was asked: its answer is for those who waited then, and is not kept."""
        self.chunk: _Chunk | None = None


class _Chunk:
    """Keys that are asked for in one call."""

    __slots__ = ("flights", "task")

    def __init__(self, flights: list[_Flight]) -> None:
        self.flights = flights
        self.task: asyncio.Task[None] | None = None
        for flight in flights:
            flight.chunk = self

    def left(self) -> None:
        """End the call when nobody waits for any of its keys."""
        if self.task is not None and not any(flight.waiting for flight in self.flights):
            self.task.cancel()


class Kept:
    """Of one source. Answers are kept for `policy.fresh` and `policy.stale`, `policy.kept` of them at most."""

    def __init__(self, source: str, policy: GuardPolicy, clock: Callable[[], float] = time.monotonic) -> None:
        self._source = source
        self._policy = policy
        self._clock = clock
        self._entries: OrderedDict[_Name, _Entry] = OrderedDict()
        self._flights: dict[_Name, _Flight] = {}
        self._due: dict[Topic, tuple[Fetch, list[_Flight]]] = {}
        self._of_owner: dict[tuple[UUID, UUID], set[_Name]] = {}
        self._chunks: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        """How many answers are kept."""
        return len(self._entries)

    async def ask(
        self, topic: Topic, keys: Mapping[Any, AbstractSet[UUID]], fetch: Fetch, *, wider: Topic | None = None
    ) -> dict[Any, Answer | SourceError]:
        """The answer for each key, which `fetch` gives where none is fresh. `keys`: each with the profiles it is about, see `forget`.

        `wider`: a topic whose answers hold at least what this one's would.
        """
        found: dict[Any, Answer | SourceError] = {}
        flights: dict[Any, _Flight] = {}
        for key, owners in keys.items():
            entry = self._young(topic, wider, key, self._policy.fresh)
            if entry is not None:
                entry.owners |= owners
                self._index(entry.name, owners)
                found[key] = entry.answer
                continue
            flight = flights[key] = self._flight(topic, key, fetch)
            flight.owners |= owners
            flight.waiting += 1
        if flights:
            await self._landed(list(flights.values()))
        for key, flight in flights.items():
            answer = flight.answer.result()
            if isinstance(answer, SourceError):
                entry = self._young(topic, wider, key, self._policy.stale)
                answer = answer if entry is None else replace(entry.answer, error=answer)
            found[key] = answer
        return found

    def forget(self, workspace: UUID, profile_id: UUID, before: datetime | None = None) -> None:
        """Keep nothing of what was asked about a profile, or nothing that was asked before a moment; who asks now asks anew."""
        for name in tuple(self._of_owner.get((workspace, profile_id), ())):
            entry = self._entries.get(name)
            if entry is None or before is None or entry.answer.as_of < before:
                self._drop(name)
        for name, flight in tuple(self._flights.items()):
            if name[0].workspace == workspace and profile_id in flight.owners and (before is None or flight.as_of < before):
                flight.is_void = True
                del self._flights[name]

    def outdate(self, workspace: UUID, profile_id: UUID) -> None:
        """Let nothing that is kept about a profile count as fresh any more; while the source fails it may still stand in."""
        then = self._clock() - self._policy.fresh
        for name in self._of_owner.get((workspace, profile_id), ()):
            entry = self._entries.get(name)
            if entry is not None:
                entry.asked_at = min(entry.asked_at, then)

    async def close(self) -> None:
        """End what is under way."""
        chunks = tuple(self._chunks)
        for task in chunks:
            task.cancel()
        await asyncio.gather(*chunks, return_exceptions=True)

    async def _landed(self, flights: list[_Flight]) -> None:
        try:
            await asyncio.wait({flight.answer for flight in flights})
        finally:
            for flight in flights:
                flight.waiting -= 1
                if not flight.waiting and not flight.answer.done():
                    if self._flights.get(flight.name) is flight:  # nobody can join it any more
                        del self._flights[flight.name]
                    if flight.chunk is not None:
                        flight.chunk.left()

    def _flight(self, topic: Topic, key: Hashable, fetch: Fetch) -> _Flight:
        """The key's call that is under way, or one that begins when this turn of the loop ends."""
        name = (topic, key)
        flight = self._flights.get(name)
        if flight is None:
            flight = self._flights[name] = _Flight(name, self._clock())
            if topic not in self._due:
                self._due[topic] = (fetch, [])
                asyncio.get_running_loop().call_soon(self._begin, topic)
            self._due[topic][1].append(flight)
        return flight

    def _begin(self, topic: Topic) -> None:
        fetch, flights = self._due.pop(topic)
        wanted = [flight for flight in flights if flight.waiting]
        places = asyncio.Semaphore(self._policy.concurrency)  # one long list must not fill the queue of the guard and so refuse itself
        until = self._clock() + self._policy.deadline
        for start in range(0, len(wanted), MAX_CHUNK):
            chunk = _Chunk(wanted[start : start + MAX_CHUNK])
            task = chunk.task = asyncio.create_task(self._ask(chunk.flights, fetch, places, until))
            self._chunks.add(task)
            task.add_done_callback(self._chunks.discard)

    async def _ask(self, flights: list[_Flight], fetch: Fetch, places: asyncio.Semaphore, until: float) -> None:
        try:
            async with places:
                now, as_of = self._clock(), datetime.now(UTC)
                for flight in flights:
                    if not flight.is_void:
                        flight.asked_at, flight.as_of = now, as_of
                answers = await fetch(tuple(flight.name[1] for flight in flights), until)
            for flight in flights:
                self._land(flight, answers[flight.name[1]])
        except SourceError as error:
            for flight in flights:
                self._land(flight, error)
        except Exception as error:  # noqa: BLE001  # it is raised where it was asked for
            for flight in flights:
                self._gone(flight)
                if not flight.answer.done():
                    flight.answer.set_exception(error)
        finally:
            for flight in flights:  # cancelled: nobody waits, or the source is closed
                self._gone(flight)
                if not flight.answer.done():
                    flight.answer.set_result(SourceUnavailable(self._source))

    def _land(self, flight: _Flight, value: Any) -> None:
        self._gone(flight)
        if isinstance(value, SourceError):
            answer: Answer | SourceError = value
        else:
            answer = Answer(value, flight.as_of)
            if not flight.is_void and max(self._policy.fresh, self._policy.stale) > 0:
                self._keep(_Entry(flight.name, answer, flight.asked_at, flight.owners))
        if not flight.answer.done():
            flight.answer.set_result(answer)

    def _gone(self, flight: _Flight) -> None:
        if self._flights.get(flight.name) is flight:
            del self._flights[flight.name]

    def _keep(self, entry: _Entry) -> None:
        self._drop(entry.name)
        self._entries[entry.name] = entry
        self._index(entry.name, entry.owners)
        while len(self._entries) > self._policy.kept:
            self._drop(next(iter(self._entries)))

    def _index(self, name: _Name, owners: AbstractSet[UUID]) -> None:
        for owner in owners:
            self._of_owner.setdefault((name[0].workspace, owner), set()).add(name)

    def _drop(self, name: _Name) -> None:
        entry = self._entries.pop(name, None)
        for owner in () if entry is None else entry.owners:
            place = (name[0].workspace, owner)
            names = self._of_owner.get(place)
            if names is not None:
                names.discard(name)
                if not names:
                    del self._of_owner[place]

    def _young(self, topic: Topic, wider: Topic | None, key: Hashable, age: float) -> _Entry | None:
        """What is kept of a key and not older than that."""
        for name in ((topic, key),) if wider is None else ((topic, key), (wider, key)):
            entry = self._entries.get(name)
            if entry is not None and age > 0 and self._clock() - entry.asked_at < age:
                self._entries.move_to_end(name)
                return entry
        return None
