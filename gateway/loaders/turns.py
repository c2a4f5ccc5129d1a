"""Loaders that are shared by all reads which begin in one turn of the loop: those of a thousand streams that a burst woke become a few statements.

Owns for how long: one turn, and until the last of its reads is over. Whoever is given them asks for something that nobody's view is part of, and is
given what is read after this turn. Called by `engine.context`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager

from gateway.loaders.bundle import Loaders

__all__ = ["Turns"]


class _Turn:
    """Loaders, and how many reads use them."""

    __slots__ = ("loaders", "reads")

    def __init__(self, loaders: Loaders) -> None:
        self.loaders = loaders
        self.reads = 0


class Turns:
    """The loaders of this turn, of one process."""

    __slots__ = ("_now",)

    def __init__(self) -> None:
        self._now: dict[Hashable, _Turn] = {}

    @contextmanager
    def loaders(self, key: Hashable, make: Callable[[], Loaders]) -> Iterator[Loaders]:
        """For one read: the loaders of this turn under a key, made when they are first asked for."""
        turn = self._now.get(key)
        if turn is None:
            if not self._now:
                asyncio.get_running_loop().call_soon(self._now.clear)
            turn = self._now[key] = _Turn(make())
        turn.reads += 1
        try:
            yield turn.loaders
        finally:
            turn.reads -= 1
            if not turn.reads and self._now.get(key) is not turn:  # nobody can join it any more
                turn.loaders.close()
