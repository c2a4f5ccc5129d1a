"""What every workload has in common: cases in turns, round by round, and what their numbers come to.

Owns the order of a run (open, check, warm up, A B A B …), the summary of samples and the judgement of bars. It knows no server and no protocol:
a workload opens cases, and a case measures itself for some seconds. Called by `__main__`; `report` shows what it returns.
"""

from __future__ import annotations

import math
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from statistics import median
from typing import Any

__all__ = ["Bar", "Case", "Options", "Workload", "judge", "percentile", "run", "summary"]

Sample = Mapping[str, float]
Summary = dict[str, dict[str, Any]]
"""Case → metric → {min, median, max, values}."""


@dataclass(frozen=True, slots=True)
class Options:
    """What was asked for. `seconds`: of one measurement of one case, None: as the workload has it. `peers`: Node's too; `ours`: no peer at all."""

    rounds: int = 3
    seconds: float | None = None
    peers: bool = False
    ours: bool = False
    large: bool = False
    profile: bool = False
    profiles: int = 10_000


@dataclass(frozen=True, slots=True)
class Case:
    """One thing that is measured: `check` raises when its answer is wrong, `measure` takes some seconds and tells its numbers by name."""

    name: str
    measure: Callable[[float], Awaitable[Sample]]
    check: Callable[[], Awaitable[None]] | None = None
    warm: float = 1.0
    """Seconds until it is as fast as it gets; 0: every measurement begins anew."""


@dataclass(frozen=True, slots=True)
class Bar:
    """A number that is to be reached: the median of `metric` of the case `of`, divided by that of `beside` where there is one.

    `inverted`: the other one divided by ours, so that a lower cost is a higher ratio. Exactly one of `at_least` and `at_most` is set.
    """

    says: str
    metric: str
    of: str
    beside: str | None = None
    at_least: float | None = None
    at_most: float | None = None
    inverted: bool = False


@dataclass(frozen=True, slots=True)
class Workload:
    """`open` starts what is measured and ends it; `seconds`: of one measurement, unless told otherwise."""

    key: str
    title: str
    open: Callable[[Options], AbstractAsyncContextManager[Sequence[Case]]]
    bars: tuple[Bar, ...] = ()
    shown: tuple[str, ...] = ()
    """Metrics that the table tells, the one that matters most first."""
    seconds: float = 1.0
    most_rounds: int | None = None
    """Where a measurement takes long and is not compared with another."""


async def run(workload: Workload, options: Options, say: Callable[[str], None]) -> dict[str, Any]:
    """Everything of one workload: its summary and its bars."""
    began = time.monotonic()
    seconds = options.seconds if options.seconds is not None else workload.seconds
    samples: dict[str, list[Sample]] = {}
    async with workload.open(options) as cases:
        for case in cases:
            if case.check is not None:
                await case.check()
            if case.warm:
                await case.measure(min(case.warm, 2 * seconds))  # plans, statements and compiled code are made here
        say(f"{workload.key}: {len(cases)} cases are ready after {time.monotonic() - began:.1f} s")
        rounds = min(options.rounds, workload.most_rounds or options.rounds)
        for number in range(rounds):
            for case in cases if number % 2 == 0 else reversed(cases):
                sample = await case.measure(seconds)
                samples.setdefault(case.name, []).append(sample)
                told = "  ".join(f"{name} {short(sample[name])}" for name in workload.shown if name in sample)
                say(f"{workload.key}: {number + 1}/{rounds} {case.name:<34} {told}")
    found = summary(samples)
    bars = [judge(bar, found) for bar in workload.bars]
    return {
        "title": workload.title,
        "shown": list(workload.shown),
        "cases": found,
        "bars": bars,
        "took": round(time.monotonic() - began, 1),
    }


def summary(samples: Mapping[str, Sequence[Sample]]) -> Summary:
    """What the rounds of each case came to; metrics that a round did not tell are told by the others."""
    found: Summary = {}
    for case, rounds in samples.items():
        metrics = dict.fromkeys(name for sample in rounds for name in sample)
        found[case] = {name: _spread([sample[name] for sample in rounds if name in sample]) for name in metrics}
    return found


def judge(bar: Bar, found: Summary) -> dict[str, Any]:
    """The bar with its value, from the medians, and whether it holds; both None when a case was not measured.

    `best` is the same from each side's best round: the smaller cost, the greater rate.
    """
    value = best = None
    ours = found.get(bar.of, {}).get(bar.metric)
    theirs = None if bar.beside is None else found.get(bar.beside, {}).get(bar.metric)
    is_rate = (bar.at_least is not None) is not bar.inverted
    pick = "max" if is_rate else "min"
    if ours is not None and bar.beside is None:
        value, best = ours["median"], ours[pick]
    elif ours is not None and theirs is not None:
        value, best = _ratio(ours["median"], theirs["median"]), _ratio(ours[pick], theirs[pick])
        if bar.inverted:
            value, best = _ratio(1, value), _ratio(1, best)
    holds = None if value is None else value >= bar.at_least if bar.at_least is not None else bar.at_most is None or value <= bar.at_most
    return {
        "says": bar.says,
        "value": None if value is None else round(value, 4),
        "best": None if best is None else round(best, 4),
        "limit": bar.at_least if bar.at_least is not None else bar.at_most,
        "at_least": bar.at_least is not None,
        "is_ratio": bar.beside is not None,
        "holds": holds,
    }


def percentile(values: Iterable[float], share: float) -> float:
    """The smallest value that at least this share of all values does not exceed; NaN of none."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * share) - 1)] if ordered else math.nan


def short(value: float) -> str:
    """Three digits that matter."""
    if not math.isfinite(value):
        return "–"
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2 if abs(value) >= 1 else 3  # noqa: PLR2004
    return f"{value:,.{digits}f}"


def _spread(values: Sequence[float]) -> dict[str, Any]:
    return {
        "min": round(min(values), 5),
        "median": round(median(values), 5),
        "max": round(max(values), 5),
        "values": [round(value, 5) for value in values],
    }


def _ratio(above: float, below: float) -> float:
    return above / below if below else math.inf
