"""What checks of the contract work on: a system with people in it, and assertions that say what the contract wants.

Owns `Scene` and the words of a failed check. Must not need pytest. Used by `testing` and `testing_items`, which adapters' tests import.
"""

from __future__ import annotations

import unittest
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from gateway.errors import SourceError
from gateway.model.source import SourceKind
from gateway.sources.contract import LookupKey
from gateway.sources.remote import RemoteSource

__all__ = ["LONGEST", "Check", "Scene", "answers_of", "has_zone", "holds", "needs", "unique"]

LONGEST: Final = 200
"""Characters of an id, and of what a source says of itself."""


@dataclass(frozen=True, slots=True)
class Scene:
    """A system with people in it. `source`: not open yet. `people`: two or more keys that the system knows; `stranger`: one that it does not.

    The people must have something of every kind that the source provides, and where that is ACTIVITY, one of them four items or more, two of which
    happened at the same moment. `lookups`: for IDENTITY, values and whose keys are found by them. `may_write`: checks may write to the system.
    """

    source: RemoteSource
    people: Sequence[str]
    stranger: str = "nobody-has-this-key"
    lookups: Mapping[LookupKey, Sequence[str]] = field(default_factory=dict)
    may_write: bool = False


Check = Callable[[Scene], Awaitable[None]]


def needs(scene: Scene, kind: SourceKind) -> None:
    """Skip the check unless the source provides this kind."""
    if kind not in scene.source.capabilities.kinds:
        raise unittest.SkipTest(f"the source does not provide {kind.value}")


def answers_of(answer: Mapping[Any, Any]) -> dict[Any, Any]:
    """An answer without errors; a system that fails cannot be checked."""
    failed = [f"{key}: {one.code}" for key, one in answer.items() if isinstance(one, SourceError)]
    holds(failed == [], f"the system fails: {failed}")
    return _Answers(answer)


class _Answers(dict[Any, Any]):
    def __missing__(self, key: Any) -> Any:
        raise AssertionError(f"{key} is known, and not in an answer that must have it")


def has_zone(moment: datetime | None, what: str) -> None:
    """A moment, where there is one, is not left to guess."""
    holds(moment is None or moment.utcoffset() is not None, f"{what} has a time zone")


def unique(ids: Sequence[str], what: str) -> None:
    """Ids of one person's things."""
    holds(len(ids) == len({*ids}), f"{what}: an id stands there twice")
    holds(all(isinstance(one, str) and 0 < len(one) <= LONGEST for one in ids), f"{what}: ids have between 1 and {LONGEST} characters")


def holds(holds: bool, otherwise: str) -> None:
    """An assertion that also holds under `python -O`, and says what the contract wants."""
    if not holds:
        raise AssertionError(otherwise)
