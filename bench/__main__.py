"""`python -m bench`: run workloads, tell a table, keep the result. `python -m bench table`: the latest result as Markdown and a chart, into
the README.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import json
import os
import platform
import resource
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench import report
from bench.harness import Options, Workload, run
from bench.servers import alone

KEYS = ("q1", "q2", "q3", "q4", "q5", "q6", "w1", "w2", "s1", "s2", "s3", "s4", "g1", "g2")
RESULTS = Path(__file__).parent / "results"


def workload(key: str) -> Workload:
    """The workload of a key."""
    found: Workload = importlib.import_module(f"bench.workloads.{key}").WORKLOAD
    return found


def machine() -> dict[str, Any]:
    """What it was measured on, without its name."""
    model = next((line.partition(":")[2].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line), "")
    return {
        "processor": model,
        "cores": len(os.sched_getaffinity(os.getpid())),
        "python": platform.python_version(),
        "system": platform.system(),
    }


def say(text: str) -> None:
    """A line of progress, on standard error."""
    print(text, file=sys.stderr, flush=True)


def measure(given: argparse.Namespace) -> int:
    """Run what was asked for; 1 when something failed to be measured."""
    options = Options(given.rounds, given.seconds, given.peers, given.ours, given.large, given.profile, given.profiles)
    keys = [key.strip().lower() for key in given.only.split(",")] if given.only else list(KEYS)
    began, found, failed = time.monotonic(), {}, {}
    for key in keys:
        try:
            found[key] = asyncio.run(run(workload(key), options, say))
        except Exception as error:  # the others are measured all the same
            failed[key] = f"{type(error).__name__}: {error}"
            say(f"{key}: FAILED, {failed[key]}")
            if given.only:
                raise
    asked = {"rounds": given.rounds, "seconds": given.seconds, "peers": given.peers, "large": given.large, "profiles": given.profiles}
    result = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": "make bench-peers" if given.peers else "make bench",
        "took": round(time.monotonic() - began, 1),
        "machine": machine(),
        "options": asked,
        "workloads": found,
        "failed": failed,
    }
    print(report.text_table(result))
    if not given.no_file:
        RESULTS.mkdir(exist_ok=True)
        place = RESULTS / f"{datetime.now(UTC):%Y-%m-%dT%H%M%S}.json"
        place.write_text(json.dumps(result, indent=1) + "\n")
        say(f"written to {place}")
    return 1 if failed else 0


def main() -> int:
    """Read the arguments."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("what", nargs="?", choices=("run", "table"), default="run")
    parser.add_argument("--only", help="workloads, by commas: q1,q3")
    parser.add_argument("--list", action="store_true", help="tell the workloads and their bars")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, help="of one measurement of one case")
    parser.add_argument("--peers", action="store_true", help="the Node peers too")
    parser.add_argument("--ours", action="store_true", help="no peers at all")
    parser.add_argument(
        "--large", action="store_true", help="1 M profiles in Q5 and G1, 10 M activities in Q6: takes the better part of an hour to fill"
    )
    parser.add_argument("--profiles", type=int, default=10_000, help="profiles of the database")
    parser.add_argument("--profile", action="store_true", help="Q2, Q3, Q4: tell where our server's time goes")
    parser.add_argument("--no-file", action="store_true", help="keep no result")
    parser.add_argument("--readme", type=Path, help="table: write it between the <!-- bench --> marks of this file")
    given = parser.parse_args()
    if given.what == "table":
        return report.publish(RESULTS, given.readme)
    if given.list:
        for key in KEYS:
            one = workload(key)
            print(f"{key}: {one.title}")
            for bar in one.bars:
                print(f"      {report.limit_of(bar.at_least, bar.at_most)} {bar.says}")
        return 0
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with alone():
        return measure(given)


if __name__ == "__main__":
    sys.exit(main())
