"""Bells that ring wrongly, by the seed: rings are dropped, doubled, held back and shuffled, made up, and mixed with garbage.

Owns a backend around any other one; what it does wrong it does between the wire and the process that listens, and garbage goes over the wire. For
tests of live delivery and the checker: nothing that is promised may depend on a bell that rings rightly.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from broadcaster import BroadcastBackend, Event

from gateway.live.bell import CHANNEL, HEARTBEAT, LOST

__all__ = ["BadBell", "Faults", "bad"]

_GARBAGE = ("", ",", ",,", "*", "*nobody", "zz", "!", "?", "0" * 5000, "\u2603 not hex", "{}", '{"seq": 1}', "\x01\x02")


@dataclass(frozen=True, slots=True)
class Faults:
    """What goes wrong; a probability each, unless said otherwise."""

    drop: float = 0.0
    """A ring is not heard."""
    double: int = 1
    """Times that a ring is heard."""
    hold: float = 0.0
    """A ring is held back, and heard in another order with later ones."""
    strange: float = 0.0
    """A ring for a stream that nobody has is heard too."""
    garbage: float = 0.0
    """Something that is no ring goes over the wire before a message."""
    deaf: bool = False
    """Heartbeats suffer too; else the bell looks healthy while it rings wrongly."""


@dataclass
class Told:
    """What a bad bell did, summed over its lives."""

    dropped: int = 0
    doubled: int = 0
    held: int = 0
    strange: int = 0
    garbage: int = 0
    heard: int = field(default=0)


class BadBell(BroadcastBackend):
    """Another backend, as its listener hears it on a bad day."""

    def __init__(self, inner: BroadcastBackend, faults: Faults, rng: random.Random, told: Told) -> None:
        self._inner = inner
        self._faults = faults
        self._rng = rng
        self._told = told
        self._ready: deque[str] = deque()
        self._held: list[str] = []

    async def connect(self) -> None:
        await self._inner.connect()

    async def disconnect(self) -> None:
        await self._inner.disconnect()

    async def subscribe(self, group: str) -> None:
        await self._inner.subscribe(group)

    async def unsubscribe(self, group: str) -> None:
        await self._inner.unsubscribe(group)

    async def publish(self, channel: str, message: Any) -> None:
        """Ring rightly, perhaps with garbage before it."""
        if self._rng.random() < self._faults.garbage:
            self._told.garbage += 1
            await self._inner.publish(channel, self._rng.choice(_GARBAGE))
        await self._inner.publish(channel, message)

    async def next_published(self) -> Event:
        """The next message, after what goes wrong with it; each carries one word."""
        while not self._ready:
            event = await self._inner.next_published()
            for word in event.message.split(","):
                self._hear(word)
            self._release()
        return Event(CHANNEL, self._ready.popleft())

    def _hear(self, word: str) -> None:
        faults, rng = self._faults, self._rng
        if word == LOST or (word.startswith(HEARTBEAT) and not faults.deaf):
            self._ready.append(word)
            return
        if rng.random() < faults.strange:
            self._told.strange += 1
            self._ready.append(rng.randbytes(8).hex())
        if rng.random() < faults.drop:
            self._told.dropped += 1
            return
        self._told.heard += 1
        self._told.doubled += faults.double - 1
        for _ in range(faults.double):
            if rng.random() < faults.hold:
                self._told.held += 1
                self._held.append(word)
            else:
                self._ready.append(word)

    def _release(self) -> None:
        """Of what is held, a part comes now, in any order, between the others."""
        if not self._faults.hold:
            return
        self._rng.shuffle(self._held)
        count = self._rng.randint(0, len(self._held))
        self._ready.extend(self._held[:count])
        del self._held[:count]
        shuffled = list(self._ready)
        self._rng.shuffle(shuffled)
        self._ready = deque(shuffled)


def bad(backend: Callable[[], BroadcastBackend], faults: Faults, seed: int, told: Told | None = None) -> Callable[[], BadBell]:
    """Makes such bells for `live.bus.Bus`, in place of `backend`; `told` counts what they do wrong."""
    rng, sums = random.Random(seed), told or Told()
    return lambda: BadBell(backend(), faults, rng, sums)
