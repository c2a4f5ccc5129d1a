"""The circuit breaker of one source: when it is given a rest, and how it is tried again. No I/O, no waiting: a clock and numbers.

Owns the decision whether a call may be made now. Must not know what is asked or why it failed. Called by `guard`.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from enum import IntEnum
from typing import Final

from gateway.sources.definition import GuardPolicy

__all__ = ["Breaker", "Circuit"]

_WINDOW: Final = 20
"""The last calls that are looked at together."""


class Circuit(IntEnum):
    """How a circuit stands; the number is what the metric shows."""

    CLOSED = 0
    HALF_OPEN = 1
    OPEN = 2


class Breaker:
    """Opens after `policy.failures` failed calls in a row, or when more than half of the last 20 failed.

    Then nothing is let through for `policy.rest` seconds, and after that exactly one call, the probe: if it succeeds the circuit is closed, if it
    fails the next rest is twice as long, up to `policy.longest_rest`. What was let through before the circuit changed does not count any more.
    """

    def __init__(self, policy: GuardPolicy, clock: Callable[[], float] = time.monotonic) -> None:
        self._policy = policy
        self._clock = clock
        self._turn = 0
        self._last: deque[bool] = deque(maxlen=_WINDOW)
        self._in_a_row = 0
        self._rest = policy.rest
        self._resting_until: float | None = None
        self._probing = False

    @property
    def circuit(self) -> Circuit:
        """How the circuit stands now."""
        if self._resting_until is None:
            return Circuit.CLOSED
        return Circuit.OPEN if self._clock() < self._resting_until else Circuit.HALF_OPEN

    @property
    def is_shut(self) -> bool:
        """Whether a call that came now would be turned away."""
        circuit = self.circuit
        return circuit is Circuit.OPEN or (circuit is Circuit.HALF_OPEN and self._probing)

    @property
    def retry_in(self) -> float:
        """Seconds until a call may be let through again."""
        return 0.0 if self._resting_until is None else max(0.0, self._resting_until - self._clock())

    def admit(self) -> int | None:
        """A ticket to hand in with what became of the call; None: it must not be made. Who has one hands it in, whatever happens."""
        if self.is_shut:
            return None
        self._probing = self.circuit is Circuit.HALF_OPEN
        return self._turn

    def succeeded(self, ticket: int) -> None:
        """The source answered."""
        if ticket != self._turn:
            return
        if self._probing:
            self._rest = self._policy.rest
            self._turned(None)
            return
        self._in_a_row = 0
        self._last.append(True)

    def failed(self, ticket: int) -> None:
        """The source failed, or did not answer in time."""
        if ticket != self._turn:
            return
        if self._probing:
            self._rest = min(self._rest * 2, self._policy.longest_rest)
            self._turned(self._clock() + self._rest)
            return
        self._in_a_row += 1
        self._last.append(False)
        if self._in_a_row >= self._policy.failures or self._last.count(False) * 2 > _WINDOW:
            self._turned(self._clock() + self._rest)

    def left(self, ticket: int) -> None:
        """Nobody waited for the end of the call, so nothing is known; a probe that is left makes room for another."""
        if ticket == self._turn:
            self._probing = False

    def _turned(self, resting_until: float | None) -> None:
        self._turn += 1
        self._resting_until = resting_until
        self._probing = False
        self._in_a_row = 0
        self._last.clear()
