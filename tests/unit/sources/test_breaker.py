"""The circuit breaker, by a clock that stands still unless it is told to go on."""

from __future__ import annotations

import pytest

from gateway.sources.breaker import Breaker, Circuit
from gateway.sources.definition import GuardPolicy

__all__: list[str] = []


class Clock:
    """Seconds, moved by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def call(breaker: Breaker, *, fails: bool) -> bool:
    """One call that ends like this; whether it was let through."""
    ticket = breaker.admit()
    if ticket is None:
        return False
    (breaker.failed if fails else breaker.succeeded)(ticket)
    breaker.left(ticket)
    return True


@pytest.fixture(name="clock")
def _clock() -> Clock:
    return Clock()


@pytest.fixture(name="breaker")
def _breaker(clock: Clock) -> Breaker:
    """One that is as the defaults say: 5 in a row, 2 s, 30 s."""
    return Breaker(GuardPolicy(), clock)


def test_fault_128_failures_in_a_row_open_the_circuit(breaker: Breaker) -> None:
    """The fifth failure in a row opens it, and the sixth call is not made."""
    for _ in range(4):
        call(breaker, fails=True)
    before = breaker.circuit
    call(breaker, fails=True)

    assert before is Circuit.CLOSED
    assert breaker.circuit is Circuit.OPEN
    assert breaker.admit() is None


def test_fault_128_a_success_begins_the_row_anew(breaker: Breaker) -> None:
    """Four failures, a success and four failures leave the circuit closed."""
    for fails in (*[True] * 4, False, *[True] * 4):
        call(breaker, fails=fails)

    assert breaker.circuit is Circuit.CLOSED


@pytest.mark.parametrize(("pattern", "opens"), [([True, True, False], True), ([True, False], False)])
def test_fault_128_more_than_half_of_the_last_twenty_open_it(breaker: Breaker, pattern: list[bool], opens: bool) -> None:
    """Two of three failing opens it within thirty calls, one of two does not."""
    for number in range(30):
        call(breaker, fails=pattern[number % len(pattern)])

    assert (breaker.circuit is Circuit.OPEN) is opens


def test_fault_128_exactly_one_probe_is_let_through(breaker: Breaker, clock: Clock) -> None:
    """After the rest one call is made, and others are turned away while it lasts."""
    for _ in range(5):
        call(breaker, fails=True)
    clock.now += 1.9
    resting = breaker.admit()
    clock.now += 0.1
    probe, second = breaker.admit(), breaker.admit()

    assert resting is None
    assert probe is not None
    assert second is None
    breaker.succeeded(probe)
    assert breaker.circuit is Circuit.CLOSED
    assert breaker.admit() is not None


def test_fault_128_the_rest_grows_to_its_bound_and_begins_anew_after_a_success(breaker: Breaker, clock: Clock) -> None:
    """2, 4, 8, 16, 30, 30 seconds while the probe fails; 2 again once it succeeded."""
    rests = []
    for _ in range(5):
        call(breaker, fails=True)
    for _ in range(6):
        rests.append(breaker.retry_in)
        clock.now += breaker.retry_in
        call(breaker, fails=True)
    clock.now += breaker.retry_in
    call(breaker, fails=False)
    for _ in range(5):
        call(breaker, fails=True)

    assert rests == [2, 4, 8, 16, 30, 30]
    assert breaker.retry_in == 2


def test_a_probe_that_nobody_waits_for_makes_room_for_another(breaker: Breaker, clock: Clock) -> None:
    """Its caller went away: the circuit is neither closed nor stuck."""
    for _ in range(5):
        call(breaker, fails=True)
    clock.now += 2
    probe = breaker.admit()
    assert probe is not None
    breaker.left(probe)

    assert breaker.circuit is Circuit.HALF_OPEN
    assert breaker.admit() is not None


@pytest.mark.parametrize("fails", [True, False])
def test_what_was_let_through_before_the_circuit_opened_does_not_count(breaker: Breaker, clock: Clock, fails: bool) -> None:
    """A late answer neither closes it nor makes its rest longer."""
    late = breaker.admit()
    assert late is not None
    for _ in range(5):
        call(breaker, fails=True)
    clock.now += 1
    (breaker.failed if fails else breaker.succeeded)(late)

    assert breaker.circuit is Circuit.OPEN
    assert breaker.retry_in == 1
