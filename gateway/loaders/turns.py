"""Loaders that are shared by all reads which begin in one turn of the loop: those of a thousand streams that a burst woke become a few statements.

Owns for how long: one turn. Whoever is given them asks for something that nobody's view is part of, and is given what is read after this turn. Called
by `engine.context`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable

from gateway.loaders.bundle import Loaders

__all__ = ["Turns"]


class Turns:
    """The loaders of this turn, of one process."""

    __slots__ = ("_now",)

    def __init__(self) -> None:
        self._now: dict[Hashable, Loaders] = {}

    def of(self, key: Hashable, make: Callable[[], Loaders]) -> Loaders:
        """The loaders of this turn under a key, made when they are first asked for."""
        found = self._now.get(key)
        if found is None:
            if not self._now:
                asyncio.get_running_loop().call_soon(self._now.clear)
            found = self._now[key] = make()
        return found
