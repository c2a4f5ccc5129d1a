"""What a person reads after a run: one table, and each kind of violation explained once, with what repeats the run.

Owns the words and the counts. Called by the command line and the tests.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from tests.checker.delivered import lost
from tests.checker.judge import INVARIANTS, Violation, lags_in_calm
from tests.checker.lineages import Facts

__all__ = ["explain", "table"]

_SHOWN = 5
"""Violations of one invariant that are written out."""


def table(facts: Facts, verdict: dict[str, list[Violation]], history: Path) -> str:
    """The run in numbers."""
    faults = Counter(kind for kind, _, _ in facts.faults)
    outcomes = Counter(operation.outcome for operation in facts.operations.values())
    deliveries = sum(1 for _ in facts.of("recv"))
    gaps = Counter(record["reason"] for record in facts.of("gap"))
    doubled, reordered = len(verdict["I4"]), len(verdict["I5"])
    missing = sum(len(lost(facts, lineage)) for lineage in facts.lineages if lineage.sort in {"timeline", "desk"})
    lags, every = sorted(lags_in_calm(facts)), sorted(record["lag"] for record in facts.of("recv") if record["live"])
    memory = list(facts.of("measured"))
    rows = [
        ("seed", facts.start.get("seed", "?")),
        ("written", f"{outcomes['ok']} ok, {outcomes['fail']} refused or rolled back, {outcomes['unknown']} unknown"),
        ("committed", f"{sum(map(len, facts.contents.log.values()))} changes in {len(facts.contents.log)} streams"),
        ("deliveries", deliveries),
        ("faults", f"{sum(faults.values())} of {len(faults)} kinds: " + ", ".join(f"{kind} {n}" for kind, n in sorted(faults.items()))),
        ("disconnects", sum(1 for _ in facts.of("disconnect"))),
        ("lost", missing),
        ("doubled", doubled),
        ("reordered", reordered),
        (
            "gaps",
            f"{sum(gaps.values())} ({len(verdict['I12'])} unjustified)" + "".join(f", {name} {n}" for name, n in sorted(gaps.items())),
        ),
        ("lag in calm", _percentiles(lags)),
        ("lag, all live", _percentiles(every)),
        ("caught up", ", ".join(f"{record['waited']:.1f} s after mending" for record in facts.of("quiet"))),
        ("memory", ", ".join(f"{record['target']} {record['phase']} {record['memory'] // 1024} MB" for record in memory)),
        ("history", history),
    ]
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"{name:<{width}}  {value}" for name, value in rows)


def explain(verdict: dict[str, list[Violation]]) -> str:
    """Each broken invariant with its sentence and the first contradictions; empty when there is none."""
    lines = []
    for name, violations in verdict.items():
        if violations:
            sentence = " ".join((INVARIANTS[name].__doc__ or "").split())
            lines.append(f"{sentence} ({len(violations)} violations)")
            lines += [f"    {violation.where}: {violation.what}" for violation in violations[:_SHOWN]]
    return "\n".join(lines)


def _percentiles(lags: list[float]) -> str:
    if not lags:
        return "not measured"
    middle, high = (lags[int(len(lags) * share)] * 1000 for share in (0.5, 0.99))
    return f"p50 {middle:.0f} ms, p99 {high:.0f} ms of {len(lags)}"
