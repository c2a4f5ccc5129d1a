"""The checker itself, run for a short while on real processes that are killed, frozen and cut off.

`make check-live` and `make soak` are the long runs; see docs/checker.md.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.checker.bugs import BUGS
from tests.checker.history import read_history
from tests.checker.launch import edited

__all__: list[str] = []

CHECKOUT = Path(__file__).parents[2]
FAULTS = (
    "replica-kill,replica-freeze,replica-drain,backend-kill,backends-freeze,postgres-crash,promote,"
    "database-cut,database-hole,commit-cut,commit-cut-answered,clients-cut,bus-kill,bells-bad,bells-lost"
)
"""One or two of each part: a restart of every gateway in turn, and what only takes time, are for the longer runs."""


def checker(place: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A run of the command."""
    command = [sys.executable, "-m", "tests.checker", "--place", str(place), *arguments]
    return subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False, timeout=280)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_twenty_seconds_of_faults_lose_double_and_reorder_nothing(tmp_path: Path) -> None:
    """50 subscribers, two gateways and at least six faults, among them a failover: every invariant holds."""
    small = ("--seconds", "20", "--subscribers", "50", "--replicas", "2")
    done = checker(tmp_path, "--seed", "4", *small, "--pause", "0.5", "1.5", "--faults", FAULTS)
    faults = re.search(r"^faults +(\d+) of", done.stdout, re.MULTILINE)

    assert done.returncode == 0, done.stdout + done.stderr[-4000:]
    assert "every invariant holds" in done.stdout
    assert faults is not None
    assert int(faults[1]) >= 6
    assert {record["type"] for record in read_history(tmp_path / "history-4.jsonl")} >= {"invoke", "ok", "recv", "fault", "contents"}


@pytest.mark.slow
@pytest.mark.proof
@pytest.mark.timeout(300)
def test_a_bug_in_the_gateway_is_found(tmp_path: Path) -> None:
    """Gateways that resume one behind the cursor fail the run, and the report names the invariant and how to repeat it."""
    done = checker(tmp_path, "--seed", "5", "--bug", "off-by-one")

    assert done.returncode == 1, done.stdout + done.stderr[-4000:]
    assert re.search(r"^I3: .*violations\)$", done.stdout, re.MULTILINE)
    assert "Again: python -m tests.checker" in done.stdout


@pytest.mark.parametrize("name", BUGS)
def test_each_bug_still_has_its_place(name: str) -> None:
    """The text that a bug replaces is in the gateway's code once, so that `make check-live` tests what is written today."""
    for edit in BUGS[name].edits:
        path = CHECKOUT.joinpath(*edit.module.split(".")).with_suffix(".py")

        assert edit.after in edited(path.read_text(encoding="utf-8"), [edit])


def test_a_bug_without_its_place_is_refused() -> None:
    """Code that has changed under a bug ends the launcher, instead of running a gateway without the bug."""
    with pytest.raises(LookupError, match="must be adapted"):
        edited("nothing of the kind\n", BUGS["off-by-one"].edits)
