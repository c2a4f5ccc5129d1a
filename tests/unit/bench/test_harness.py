"""The bench's arithmetic: what rounds come to, when a bar holds, in which order cases take their turns."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from bench.harness import Bar, Case, Options, Workload, judge, percentile, run, summary

FOUND = summary({"ours": [{"ms": 2.0}, {"ms": 1.0}, {"ms": 4.0}], "theirs": [{"ms": 10.0}, {"ms": 8.0}, {"ms": 40.0}]})


def test_a_summary_tells_minimum_median_and_maximum_of_each_metric() -> None:
    """Rounds are summed up by metric, also one that only some rounds told."""
    found = summary({"ours": [{"rps": 3.0, "p99": 9.0}, {"rps": 1.0}, {"rps": 2.0}]})

    assert found["ours"]["rps"] == {"min": 1.0, "median": 2.0, "max": 3.0, "values": [3.0, 1.0, 2.0]}
    assert found["ours"]["p99"]["values"] == [9.0]


@pytest.mark.parametrize(
    ("bar", "value", "best", "holds"),
    [
        (Bar("times faster", "ms", "ours", "theirs", at_least=5, inverted=True), 5.0, 8.0, True),
        (Bar("times faster", "ms", "ours", "theirs", at_least=5.1, inverted=True), 5.0, 8.0, False),
        (Bar("of their time", "ms", "ours", "theirs", at_most=0.2), 0.2, 0.125, True),
        (Bar("ms", "ms", "ours", at_most=2), 2.0, 1.0, True),
        (Bar("ms", "ms", "ours", at_most=1.9), 2.0, 1.0, False),
        (Bar("of a rate", "ms", "theirs", "ours", at_least=5), 5.0, 10.0, True),
    ],
    ids=["inverted", "inverted-missed", "share", "plain", "plain-missed", "rate"],
)
def test_a_bar_is_judged_by_medians_and_tells_the_best_rounds(bar: Bar, value: float, best: float, holds: bool) -> None:
    """Medians decide; the best round of a cost is the smallest, of a rate the greatest."""
    told = judge(bar, FOUND)

    assert (told["value"], told["best"], told["holds"]) == (value, best, holds)


def test_a_bar_beside_a_peer_that_was_not_measured_neither_holds_nor_fails() -> None:
    """Without Node there is no ratio to its servers."""
    told = judge(Bar("times mercurius", "ms", "ours", "mercurius", at_least=1), FOUND)

    assert (told["value"], told["holds"]) == (None, None)


def test_a_percentile_is_a_value_that_was_measured() -> None:
    """Nearest rank: no value in between is made up."""
    values = [float(number) for number in range(1, 101)]

    assert (percentile(values, 0.5), percentile(values, 0.99), percentile(values, 1.0)) == (50.0, 99.0, 100.0)
    assert percentile([7.0], 0.01) == 7.0
    assert math.isnan(percentile([], 0.5))


async def test_rounds_are_interleaved_and_begin_behind_checks_and_warm_ups() -> None:
    """Every case is checked and warmed up once, and then they take turns, forth and back."""
    calls: list[str] = []

    def case(name: str) -> Case:
        async def measure(seconds: float) -> dict[str, float]:
            calls.append(f"{name} {seconds:g}")
            return {"ms": 1.0 if name == "a" else 3.0}

        async def check() -> None:
            calls.append(f"check {name}")

        return Case(name, measure, check, warm=0.25)

    @asynccontextmanager
    async def opened(_options: Options) -> AsyncIterator[Sequence[Case]]:
        yield [case("a"), case("b")]
        calls.append("closed")

    bars = (Bar("times b", "ms", "a", "b", at_least=2, inverted=True),)
    told = await run(Workload("x1", "Nothing", opened, bars, ("ms",)), Options(rounds=3, seconds=0.5), lambda _: None)

    warm = ["check a", "a 0.25", "check b", "b 0.25"]
    assert calls == [*warm, "a 0.5", "b 0.5", "b 0.5", "a 0.5", "a 0.5", "b 0.5", "closed"]
    assert [bar["value"] for bar in told["bars"]] == [3.0]


async def test_a_wrong_answer_ends_a_workload_before_anything_is_timed() -> None:
    """Speed of wrong answers is not told."""
    calls: list[str] = []

    async def measure(_seconds: float) -> dict[str, float]:
        calls.append("measured")
        return {}

    async def check() -> None:
        raise AssertionError("another profile")

    @asynccontextmanager
    async def opened(_options: Options) -> AsyncIterator[Sequence[Case]]:
        yield [Case("ours", measure, check)]

    with pytest.raises(AssertionError, match="another profile"):
        await run(Workload("x1", "Nothing", opened), Options(), lambda _: None)
    assert calls == []
