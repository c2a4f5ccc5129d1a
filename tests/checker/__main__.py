"""`python -m tests.checker`: one run, its table, and exit status 1 when an invariant does not hold."""

# ruff: noqa: T201  # it prints its result

from __future__ import annotations

import argparse
import asyncio
import logging
import secrets
import shlex
import signal
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from gateway.observe import configure_logging
from tests.checker import bugs
from tests.checker.history import read_history
from tests.checker.judge import Bounds, Verdict, judge
from tests.checker.lineages import Facts, facts_of
from tests.checker.nemesis import KINDS
from tests.checker.report import explain, table
from tests.checker.runner import Plan, run

__all__: list[str] = []

_LONG = 45
"""Seconds from which on a run has stretches of calm, in which lag is measured."""


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.checker", description=__doc__)
    parser.add_argument("--seed", type=int, help="what actors and faults are drawn from (default: a new one, which is printed)")
    parser.add_argument("--seconds", type=float, default=60, help="how long to write and break")
    parser.add_argument("--faults", default="all", help=f"all, none, or a comma-separated list of: {', '.join(KINDS)}")
    parser.add_argument("--bus", choices=("postgres", "valkey", "nats"), default="valkey", help="what carries the bells")
    parser.add_argument("--replicas", type=int, default=3)
    parser.add_argument("--profiles", type=int, default=20)
    parser.add_argument("--subscribers", type=int, default=80)
    parser.add_argument("--rate", type=float, default=3.0, help="operations per second of each of ten writers")
    parser.add_argument("--pause", type=float, nargs=2, default=(1.0, 3.0), metavar=("FROM", "TO"), help="seconds between faults")
    parser.add_argument("--bug", choices=sorted(bugs.BUGS), help="run gateways with this bug: the checker must find it")
    parser.add_argument("--bugs", action="store_true", help="run every bug in turn: exit status 1 when one is not found")
    parser.add_argument("--mended", action="store_true", help="with --bug: the same run without the bug, which must hold")
    parser.add_argument(
        "--calm", type=float, help="I10: seconds that 99 of 100 deliveries may take while nothing fails (else only reported)"
    )
    parser.add_argument("--heal", type=float, help="I10: seconds in which everybody must have caught up after the last fault")
    parser.add_argument("--place", type=Path, help="where the history goes (default: a fresh temporary directory)")
    parser.add_argument("--judge", type=Path, metavar="HISTORY", help="judge a history again, run nothing")
    return parser.parse_args()


def _plan(given: argparse.Namespace) -> Plan:
    faults: tuple[str, ...] = tuple(KINDS) if given.faults == "all" else () if given.faults == "none" else tuple(given.faults.split(","))
    unknown = set(faults) - KINDS.keys()
    if unknown:
        raise SystemExit(f"There is no fault {', '.join(sorted(unknown))}; see --help.")
    plan = Plan(
        seed=given.seed if given.seed is not None else secrets.randbelow(1_000_000),
        seconds=given.seconds,
        bus=given.bus,
        faults=faults,
        replicas=given.replicas,
        profiles=given.profiles,
        subscribers=given.subscribers,
        rate=given.rate,
        pause=tuple(given.pause),
        calm=8.0 if given.seconds >= _LONG else 0.0,
        stay=15.0 if given.seconds >= _LONG else 6.0,
        bug=given.bug,
    )
    if plan.bug is not None:
        plan = replace(plan, **bugs.BUGS[plan.bug].plan)
    return replace(plan, bug=None) if given.mended else plan


async def _interruptible(plan: Plan, place: Path) -> Path:
    """The run; SIGTERM ends it like Ctrl-C, so that no server is left behind."""
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await run(plan, place, lambda line: print(line, file=sys.stderr, flush=True))


def _repeat(facts: Facts) -> str:
    """The arguments of this run, with its seed."""
    arguments = sys.argv[1:]
    return shlex.join(arguments if "--seed" in arguments else [*arguments, "--seed", str(facts.start["seed"])])


def _judged(plan: Plan, given: argparse.Namespace) -> tuple[Path, Facts, Verdict]:
    """A run and its verdict."""
    place = given.place or Path(tempfile.mkdtemp(prefix="gateway-checker-"))
    place = place if plan.bug is None else place / plan.bug
    place.mkdir(parents=True, exist_ok=True)
    path = asyncio.run(_interruptible(plan, place.resolve()))
    facts = facts_of(read_history(path))
    return path, facts, judge(facts, Bounds(given.calm, given.heal))


def _prove(given: argparse.Namespace) -> int:
    """Run every bug; the exit status is 1 when one was not found."""
    escaped = 0
    for name, bug in bugs.BUGS.items():
        given.bug = name
        path, _, verdict = _judged(_plan(given), given)
        broken = [invariant for invariant, violations in verdict.items() if violations]
        found = not set(bug.expects).isdisjoint(broken)
        escaped += not found
        print(
            f"{'found' if found else 'MISSED':<8}{name:<18}broken: {', '.join(broken) or 'nothing':<30}{bug.sentence}  {path}", flush=True
        )
    return 1 if escaped else 0


def main() -> int:
    """The exit status."""
    given = _arguments()
    logging.disable()  # what drivers say of servers that die here on purpose
    configure_logging("json", "error")
    if given.bugs:
        return _prove(given)
    if given.judge is not None:
        path, facts = given.judge, facts_of(read_history(given.judge))
        verdict = judge(facts, Bounds(given.calm, given.heal))
    else:
        path, facts, verdict = _judged(_plan(given), given)
    print(table(facts, verdict, path))
    if not any(verdict.values()):
        print("every invariant holds")
        return 0
    print(f"\nBROKEN\n{explain(verdict)}\n\nAgain: python -m tests.checker {_repeat(facts)}")
    return 1


if __name__ == "__main__":
    sys.exit(main())
