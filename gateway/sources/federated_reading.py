"""One call of a system elsewhere, from the keys that are asked about to an answer for each of them.

Owns that an answer is matched by key and never by position: rows about nobody who was asked for are dropped and reported, what is missing is nothing,
and a record that cannot be used costs only itself. Must not know what a record becomes. Called by `federated`, between what is kept and the guard.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any, Final, TypeVar
from uuid import UUID

import structlog

from gateway.errors import SourceError, SourceUnavailable
from gateway.model.source import SourceKind
from gateway.observe import SOURCE_DROPPED
from gateway.sources.contract import Stale
from gateway.sources.federated_records import Unusable
from gateway.sources.guard import Guard
from gateway.sources.kept import Answer, Kept, Topic

__all__ = ["Drops", "Question", "Reading", "combined", "usable"]

MAX_RECORDS: Final = 1000
"""Records of one key in one answer; more are dropped."""

R = TypeVar("R")
T = TypeVar("T")
log = structlog.get_logger()


class Drops:
    """Records of one call that were not used."""

    __slots__ = ("count", "wrong")

    def __init__(self) -> None:
        self.count = 0
        self.wrong = ""

    def add(self, wrong: str, count: int = 1) -> None:
        """Some more of them."""
        self.wrong = self.wrong or wrong
        self.count += count


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked about keys. `ask`: the call for a chunk of them. `check`: an answer as it is kept, from a key and what was said of it, or
    `Unusable`. `nothing`: the answer for a key that is not known there.
    """

    kind: SourceKind
    topic: Topic
    ask: Callable[[tuple[Any, ...]], Awaitable[Mapping[Any, Any]]]
    check: Callable[[Any, Any, Drops], Any]
    nothing: Any = ()
    wider: Topic | None = None


class Reading:
    """Of one source."""

    def __init__(self, guard: Guard, kept: Kept) -> None:
        self._guard = guard
        self._kept = kept

    async def answers(self, question: Question, keys: Mapping[Any, AbstractSet[UUID]]) -> dict[Any, Answer | SourceError]:
        """The answer for each key; `keys`: each with the profiles it is about."""

        async def fetch(chunk: tuple[Any, ...], until: float) -> Mapping[Any, Any]:
            said = await self._guard.call(question.kind, lambda: question.ask(chunk), until=until)
            return self._matched(question, chunk, said)

        return await self._kept.ask(question.topic, keys, fetch, wider=question.wider)

    async def rows(
        self, question: Question, ids: Sequence[UUID], known_as: Sequence[Sequence[Hashable]]
    ) -> list[list[Answer | SourceError]]:
        """The answers about each profile, one for each of its keys; none of a profile without keys, which nobody is asked about."""
        keys: dict[Any, set[UUID]] = {}
        for profile_id, names in zip(ids, known_as, strict=True):
            for name in names:
                keys.setdefault(name, set()).add(profile_id)
        found = await self.answers(question, keys)
        return [[found[name] for name in names] for names in known_as]

    def _matched(self, question: Question, chunk: tuple[Any, ...], said: object) -> dict[Any, Any]:
        source = self._guard.key
        if not isinstance(said, Mapping):
            log.warning("source.failed", source=source, kind=question.kind.value, error=type(said).__name__)
            raise SourceUnavailable(source)
        foreign = len(said.keys() - set(chunk))
        if foreign:
            log.error("source.foreign_rows", source=source, kind=question.kind.value, count=foreign)
            SOURCE_DROPPED.labels(source, "foreign").inc(foreign)
        drops = Drops()
        answers = {key: self._checked(question, key, said.get(key), drops) for key in chunk}
        if drops.count:
            log.error("source.unusable_records", source=source, kind=question.kind.value, count=drops.count, wrong=drops.wrong)
            SOURCE_DROPPED.labels(source, "unusable").inc(drops.count)
        return answers

    def _checked(self, question: Question, key: Any, said: Any, drops: Drops) -> Any:
        if said is None:
            return question.nothing
        if isinstance(said, SourceError):
            return said
        try:
            return question.check(key, said, drops)
        except Unusable as error:
            drops.add(str(error))
            return SourceUnavailable(self._guard.key)


def usable(check: Callable[[R], T | None], name: Callable[[T], Hashable]) -> Callable[[Any, Any, Drops], tuple[T, ...]]:
    """A check of an answer that is a sequence of records: those that can be used, each name once."""

    def check_all(_key: Any, said: Any, drops: Drops) -> tuple[T, ...]:
        if not isinstance(said, Sequence) or isinstance(said, str | bytes):
            raise Unusable(type(said).__name__)
        found: dict[Hashable, T] = {}
        for record in said[:MAX_RECORDS]:
            try:
                one = check(record)
            except Unusable as error:
                drops.add(str(error))
            else:
                if one is not None:
                    found.setdefault(name(one), one)
        if len(said) > MAX_RECORDS:
            drops.add("number", len(said) - MAX_RECORDS)
        return tuple(found.values())

    return check_all


def combined(row: Sequence[Answer | SourceError], unite: Callable[[Sequence[Answer]], T]) -> T | Stale[T] | SourceError:
    """One answer of those about all keys of a profile: as old as the oldest, and none when any is missing, since part of it would look like all."""
    answers = [one for one in row if isinstance(one, Answer)]
    if len(answers) < len(row):
        return next(one for one in row if isinstance(one, SourceError))
    value = unite(answers)
    old = [one for one in answers if one.error is not None]
    if not old:
        return value
    assert old[0].error is not None
    return Stale(value, min(one.as_of for one in old), old[0].error)
