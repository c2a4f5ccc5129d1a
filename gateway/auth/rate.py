"""The rate limits: how many operations a subject may ask for, and how much they may cost together, counted in this process.

Owns the buckets of a subject of a workspace: one of operations, one of their cost; those of partners and services are not those of people. Must not
know what an operation is. Asked by `transport` before each operation, and by the resolver of `Viewer.rateLimit`. Several processes count each for
itself: a subject on two of them has twice as much.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from gateway.auth.principal import Principal, Role
from gateway.errors import RateLimited
from gateway.settings import Settings

__all__ = ["Budget", "RateLimit", "RateLimiter"]

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


@dataclass(frozen=True, slots=True)
class Budget:
    """What operations may cost together: so much in so many seconds, which may be spent at once. 0: as much as one likes."""

    cost: float = 0.0
    seconds: float = 60.0


_BOUNDLESS = Budget()


class _Buckets:
    """Of one kind of subject: they fill by `rate` a second and hold `capacity`."""

    def __init__(self, rate: float, capacity: float, clock: Callable[[], float]) -> None:
        self.rate = rate
        self.capacity = max(1.0, capacity)
        self._clock = clock
        self._left: dict[tuple[UUID, str], tuple[float, float]] = {}
        self._swept_at = -math.inf

    def take(self, principal: Principal, much: float) -> None:
        """Take so much, or all there ever is of what is more than that."""
        if self.rate <= 0:
            return
        now, capacity = self._clock(), self.capacity
        key = principal.workspace_id, principal.subject
        found = self._left.get(key)
        left = capacity if found is None else self._filled(found, now)
        much = min(much, capacity)
        if left < much:
            raise RateLimited(retryAfterMs=math.ceil(1000 * (much - left) / self.rate))
        self._left[key] = left - much, now
        if len(self._left) > _MOST_BUCKETS and now >= self._swept_at + 1:
            self._sweep(now)

    def left(self, principal: Principal) -> float:
        """What there is."""
        found = self._left.get((principal.workspace_id, principal.subject))
        return self.capacity if found is None else self._filled(found, self._clock())

    def _filled(self, found: tuple[float, float], now: float) -> float:
        left, at = found
        if now > at:
            left += (now - at) * self.rate
        return min(self.capacity, left)

    def _sweep(self, now: float) -> None:
        self._swept_at = now
        self._left = {key: (left, at) for key, (left, at) in self._left.items() if left + (now - at) * self.rate < self.capacity}


class RateLimiter:
    """Buckets that fill by `per_second` and hold three seconds' worth, and buckets of cost; 0 switches a limit off."""

    def __init__(
        self,
        per_second: float,
        *,
        partners_per_second: float | None = None,
        budget: Budget = _BOUNDLESS,
        partner_budget: Budget | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`partners_per_second`, `partner_budget`: for partners and services; None: as for people."""

        def operations(rate: float) -> _Buckets:
            return _Buckets(rate, rate * _BURST, clock)

        def costs(budget: Budget) -> _Buckets:
            return _Buckets(budget.cost / budget.seconds, budget.cost, clock)

        people = operations(per_second), costs(budget)
        self._people = people
        self._machines = (
            people[0] if partners_per_second is None else operations(partners_per_second),
            people[1] if partner_budget is None else costs(partner_budget),
        )

    @classmethod
    def of(cls, settings: Settings) -> RateLimiter:
        """With the limits that an operator has set: of cost by the minute for people, by the hour for partners and services."""
        people, machines = settings.spending
        return cls(
            settings.operations_per_second,
            partners_per_second=settings.partner_operations_per_second,
            budget=Budget(people, 60),
            partner_budget=Budget(machines, 3600),
        )

    def take(self, principal: Principal) -> None:
        """Count an operation.

        Raises:
            RateLimited: there were too many; `retryAfterMs` says when the next one may come. A refused operation counts nothing.
        """
        self._of(principal)[0].take(principal, 1)

    def spend(self, principal: Principal, cost: int) -> None:
        """Count what an operation costs, which was taken and is about to run.

        Raises:
            RateLimited: too much was spent; `retryAfterMs` says when there is enough for this one. A refused operation costs nothing.
        """
        self._of(principal)[1].take(principal, cost)

    def standing(self, principal: Principal, cost: int = 1) -> RateLimit:
        """How the principal stands after an operation of this cost."""
        buckets = self._of(principal)[0]
        if buckets.rate <= 0:
            return RateLimit(0, 0, cost, datetime.now(UTC))
        left = buckets.left(principal)
        missing = (buckets.capacity - left) / buckets.rate
        return RateLimit(math.floor(buckets.capacity), math.floor(left), cost, datetime.now(UTC) + timedelta(seconds=missing))

    def _of(self, principal: Principal) -> tuple[_Buckets, _Buckets]:
        role = principal.role
        return self._machines if role is Role.PARTNER or role is Role.SERVICE else self._people
