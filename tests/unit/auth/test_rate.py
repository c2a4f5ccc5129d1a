"""The rate limit: how many operations a subject gets, and when the next one may come."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from gateway.auth.principal import Principal, Role
from gateway.auth.rate import Budget, RateLimiter
from gateway.errors import RateLimited
from gateway.settings import Settings


class Clock:
    """Seconds that pass when a test says so."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def principal(subject: str = "ana", workspace: int = 1) -> Principal:
    """Somebody with no rights."""
    return Principal(UUID(int=workspace), "demo", subject, subject, Role.AGENT, frozenset(), None, None)


def taken(limiter: RateLimiter, who: Principal) -> int:
    """How many operations are let through at once."""
    for count in range(1000):
        try:
            limiter.take(who)
        except RateLimited:
            return count
    return 1000


def test_three_seconds_worth_may_come_at_once() -> None:
    """A burst of three times the rate passes, the next operation is told when to come, and at that moment it passes."""
    clock = Clock()
    limiter = RateLimiter(20, clock=clock)
    ana = principal()
    assert taken(limiter, ana) == 60
    with pytest.raises(RateLimited) as caught:
        limiter.take(ana)
    assert caught.value.extensions == {"retryAfterMs": 50}
    clock.now += 0.0499
    with pytest.raises(RateLimited):
        limiter.take(ana)
    clock.now += 0.0002
    limiter.take(ana)


def test_the_bucket_fills_by_the_rate_and_no_further() -> None:
    """After a second of silence the rate is there again, after an hour one burst and not more."""
    clock = Clock()
    limiter = RateLimiter(5, clock=clock)
    ana = principal()
    assert taken(limiter, ana) == 15
    clock.now += 1
    assert taken(limiter, ana) == 5
    clock.now += 3600
    assert taken(limiter, ana) == 15


def test_each_subject_of_each_workspace_has_its_own() -> None:
    """One's flood costs nobody else anything, not even a namesake of another workspace."""
    limiter = RateLimiter(1, clock=Clock())
    assert taken(limiter, principal()) == 3
    assert taken(limiter, principal("bob")) == 3
    assert taken(limiter, principal(workspace=2)) == 3


def test_nought_means_no_limit() -> None:
    """With 0 everything passes, and the standing says that there is no limit."""
    limiter = RateLimiter(0)
    assert taken(limiter, principal()) == 1000
    assert (limiter.standing(principal()).limit, limiter.standing(principal()).remaining) == (0, 0)


def test_standing() -> None:
    """What is left, and when the bucket will be full again."""
    clock = Clock()
    limiter = RateLimiter(10, clock=clock)
    ana = principal()
    for _ in range(6):
        limiter.take(ana)
    shown = limiter.standing(ana)
    assert (shown.limit, shown.remaining, shown.cost) == (30, 24, 1)
    assert timedelta(seconds=0.5) < shown.reset_at - datetime.now(UTC) <= timedelta(seconds=0.6)


def test_buckets_that_say_nothing_are_thrown_away() -> None:
    """However many subjects came by, only those that asked lately are kept."""
    clock = Clock()
    limiter = RateLimiter(10, clock=clock)
    for number in range(10_000):
        limiter.take(principal(f"s{number}"))
    clock.now += 10
    limiter.take(principal("last"))
    assert len(limiter._people[0]._left) == 1


def spent(limiter: RateLimiter, who: Principal, cost: int) -> int:
    """How often so much can be spent at once."""
    for count in range(1000):
        try:
            limiter.spend(who, cost)
        except RateLimited:
            return count
    return 1000


def test_what_operations_cost_has_a_limit_of_its_own() -> None:
    """5 000 a minute, at once or little by little; who has spent it is told when there is enough for this one, and may still ask for less."""
    clock = Clock()
    limiter = RateLimiter(0, budget=Budget(5_000, 60), clock=clock)
    ana = principal()
    assert spent(limiter, ana, 900) == 5
    with pytest.raises(RateLimited) as caught:
        limiter.spend(ana, 750)
    assert caught.value.extensions == {"retryAfterMs": 3_000}
    limiter.spend(ana, 500)
    clock.now += 6
    limiter.spend(ana, 500)
    clock.now += 3_600
    assert spent(limiter, ana, 1_000) == 5
    assert spent(limiter, principal("bob"), 1_000) == 5


def test_what_costs_more_than_there_ever_is_takes_all() -> None:
    """Where the limit of one operation was raised above the budget, such an operation waits for a full one."""
    clock = Clock()
    limiter = RateLimiter(0, budget=Budget(100, 10), clock=clock)
    limiter.spend(principal(), 500)
    with pytest.raises(RateLimited) as caught:
        limiter.spend(principal(), 500)
    assert caught.value.extensions == {"retryAfterMs": 10_000}


def test_partners_and_services_have_theirs() -> None:
    """By default 10 operations a second and 50 000 of cost an hour; people 20 and 5 000 a minute; with --dev none of it."""
    clock = Clock()
    limiter = RateLimiter.of(Settings())
    kinds = {role: replace(principal(), role=role) for role in Role}
    assert {role: taken(limiter, who) for role, who in kinds.items() if role in {Role.AGENT, Role.PARTNER}} == {
        Role.AGENT: 60,
        Role.PARTNER: 30,
    }
    limiter = RateLimiter(1, partners_per_second=2, budget=Budget(10, 60), partner_budget=Budget(20, 3600), clock=clock)
    machines = {Role.PARTNER, Role.SERVICE}
    assert {role: spent(limiter, replace(who, subject=role.value), 1) for role, who in kinds.items()} == {
        role: 20 if role in machines else 10 for role in Role
    }
    free = RateLimiter.of(Settings(dev=True))
    assert (taken(free, kinds[Role.AGENT]), spent(free, kinds[Role.PARTNER], 10_000)) == (1000, 1000)
