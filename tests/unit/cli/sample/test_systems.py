"""How the demo's systems behave, and how faults are written on the command line."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from gateway.cli.sample.residents import KNOWN_EMAIL, user_ids
from gateway.cli.sample.systems.behaviour import Behaviour, System
from gateway.cli.sample.systems.customers import customers
from gateway.cli.sources import seconds_of, share_of
from gateway.errors import BadUserInput

__all__: list[str] = []

START = datetime(2026, 1, 1, 12, tzinfo=UTC)


def test_flapping_follows_the_clock() -> None:
    """A system that flaps is up for its first span, down for the second, and up again."""
    now = [100.0]
    system = System("web", "Web", Behaviour(flapping=(60, 15)), clock=lambda: now[0])
    failing = []
    for second in (0, 59, 60, 74, 75, 134, 135):
        now[0] = 100.0 + second
        failing.append(system.fails())

    assert failing == [False, False, True, True, False, False, True]


def test_a_fault_takes_the_place_of_the_nature() -> None:
    """What is injected by hand counts alone, and what is mended is as it was."""
    system = System("desk", "Desk", Behaviour(latency=(0.3, 0.8)))
    system.fault = Behaviour(off=True)
    broken = (system.wait(), system.fails(), system.present.words())
    system.fault = None

    assert broken == (0.0, True, "switched off")
    assert 0.3 <= system.wait() <= 0.8
    assert system.present.words() == "300 to 800 ms slow"


def test_everybody_is_known_everywhere_and_always_the_same() -> None:
    """The systems know the demo's people by the numbers and addresses that the gateway has, the same at every start."""
    everybody = customers(START)

    assert [one.resident.user_id for one in everybody] == user_ids()
    assert everybody[0].resident.email == KNOWN_EMAIL
    assert everybody == customers(START)
    assert all(one.orders for one in everybody)


@pytest.mark.parametrize(("text", "seconds"), [("3s", 3.0), ("300ms", 0.3), ("0.5 s", 0.5), ("0ms", 0.0)])
def test_a_span(text: str, seconds: float) -> None:
    """Spans are milliseconds or seconds."""
    assert seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["3", "", "-1s", "3h", "601s", "1e3s"])
def test_no_span(text: str) -> None:
    """Anything else is refused with the form that is wanted."""
    with pytest.raises(BadUserInput, match="300ms or 3s"):
        seconds_of(text)


def test_a_share() -> None:
    """Shares are per cent, up to all."""
    assert (share_of("50%"), share_of("100 %")) == (0.5, 1.0)
    for text in ("50", "101%", "-1%"):
        with pytest.raises(BadUserInput, match="write 50%"):
            share_of(text)
