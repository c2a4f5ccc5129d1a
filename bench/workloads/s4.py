"""S4: from a commit to its clients, at 100 changes a second and 1 000 sockets, with a bell and with none. It is `bench/lag.py`, which owns
the measurement.

Each measurement starts servers of its own and writes for some seconds; with the dead bell polling alone delivers.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from bench import lag
from bench.harness import Bar, Case, Options, Workload, percentile

__all__ = ["WORKLOAD"]


def case(name: str, bell: str, sockets: int) -> Case:
    """One shape under one bell: each socket watches a profile of its own."""

    async def measure(seconds: float) -> dict[str, float]:
        options = argparse.Namespace(sockets=sockets, rate=100.0, seconds=seconds, rounds=1, shape=["desk"], bell=[bell], writer="note")
        with contextlib.redirect_stdout(sys.stderr):
            (one,) = await lag.rounds_of(options)
        lost = one.lost + one.doubled + one.reordered
        told = {"p50": percentile(one.lags, 0.5), "p99": percentile(one.lags, 0.99)}
        return {**told, "wrong": float(lost), "refused": float(one.refused), "core": one.processor, "changes": one.rate}

    return Case(name, measure, None, 0.0)


@asynccontextmanager
async def cases(options: Options) -> AsyncIterator[Sequence[Case]]:
    """Both bells."""
    sockets = min(1000, options.profiles)
    yield [case("bell", "postgres", sockets), case("bell dead", "dead", sockets)]


WORKLOAD = Workload(
    "s4",
    "Commit → client, 100 changes/s, 1 000 sockets",
    cases,
    bars=(
        Bar("ms, median", "p50", "bell", at_most=50),
        Bar("ms, 99th percentile", "p99", "bell", at_most=250),
        Bar("ms, 99th percentile, bell dead", "p99", "bell dead", at_most=2500),
        Bar("lost, doubled or reordered, bell dead", "wrong", "bell dead", at_most=0),
    ),
    shown=("p50", "p99", "wrong", "core"),
    seconds=10.0,
    most_rounds=1,
)
