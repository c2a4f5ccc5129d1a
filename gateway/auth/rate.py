"""The rate limit: how many operations a subject may ask for, counted in this process.

Owns one bucket of tokens per subject of a workspace. Must not know what an operation is. Asked by `transport` before each operation, and by the
resolver of `Viewer.rateLimit`. Several processes count each for itself: a subject on two of them has twice as much.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from gateway.auth.principal import Principal
from gateway.errors import RateLimited

__all__ = ["RateLimit", "RateLimiter"]

_BURST = 3
"""Seconds' worth of operations that may come at once."""
_MOST_BUCKETS = 10_000
"""Above that, full buckets (they say nothing) are thrown away, at most once per second."""


@dataclass(frozen=True, slots=True)
class RateLimit:
    """How a subject stands. `limit`: operations that may come at once, 0 where there is no limit; `reset_at`: when all of them are there again."""

    limit: int
    remaining: int
    cost: int
    reset_at: datetime


class RateLimiter:
    """Buckets that fill by `per_second` and hold three seconds' worth; 0 switches the limit off."""

    def __init__(self, per_second: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = per_second
        self._capacity = max(1.0, per_second * _BURST)
        self._clock = clock
        self._buckets: dict[tuple[UUID, str], tuple[float, float]] = {}
        self._swept_at = -math.inf

    def take(self, principal: Principal, cost: int = 1) -> None:
        """Count an operation.

        Raises:
            RateLimited: there were too many; `retryAfterMs` says when the next one may come. A refused operation costs nothing.
        """
        if self._rate <= 0:
            return
        now = self._clock()
        tokens = self._tokens(principal, now)
        if tokens < cost:
            raise RateLimited(retryAfterMs=math.ceil(1000 * (cost - tokens) / self._rate))
        self._buckets[principal.workspace_id, principal.subject] = tokens - cost, now
        if len(self._buckets) > _MOST_BUCKETS and now >= self._swept_at + 1:
            self._sweep(now)

    def standing(self, principal: Principal, cost: int = 1) -> RateLimit:
        """How the principal stands after an operation of this cost."""
        if self._rate <= 0:
            return RateLimit(0, 0, cost, datetime.now(UTC))
        tokens = self._tokens(principal, self._clock())
        missing = (self._capacity - tokens) / self._rate
        return RateLimit(math.floor(self._capacity), math.floor(tokens), cost, datetime.now(UTC) + timedelta(seconds=missing))

    def _tokens(self, principal: Principal, now: float) -> float:
        tokens, at = self._buckets.get((principal.workspace_id, principal.subject), (self._capacity, now))
        return min(self._capacity, tokens + max(0.0, now - at) * self._rate)

    def _sweep(self, now: float) -> None:
        self._swept_at = now
        self._buckets = {key: (left, at) for key, (left, at) in self._buckets.items() if left + (now - at) * self._rate < self._capacity}
