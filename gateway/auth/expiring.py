"""A bounded memory of recent answers, so that a credential seen a moment ago costs no query.

Owns age and size: an entry lives as long as the map was told, and the oldest leaves when there is no room. Must not be used for anything
that has to be remembered. Called by `keys` and `workspaces`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Generic, TypeVar

__all__ = ["ExpiringMap"]

K = TypeVar("K")
V = TypeVar("V")


class ExpiringMap(Generic[K, V]):
    """At most `size` entries, each for `seconds` after it was put; all operations take constant time."""

    def __init__(self, size: int, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._size = size
        self._seconds = seconds
        self._clock = clock
        self._entries: dict[K, tuple[float, V]] = {}

    def get(self, key: K) -> V | None:
        """The value put last, while it lives."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        if entry[0] <= self._clock():
            del self._entries[key]
            return None
        return entry[1]

    def put(self, key: K, value: V) -> None:
        """Remember a value from now on; it becomes the youngest entry."""
        self._entries.pop(key, None)
        if len(self._entries) >= self._size:
            del self._entries[next(iter(self._entries))]  # dicts keep the order of insertion, so this one would have ended first
        self._entries[key] = (self._clock() + self._seconds, value)

    def __len__(self) -> int:
        return len(self._entries)
