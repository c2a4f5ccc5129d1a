"""The bench as it is run: a workload with real servers, small."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.servers import place_for_servers

CHECKOUT = Path(__file__).parents[3]


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_a_workload_runs_and_tells_its_table() -> None:
    """`python -m bench --only q4` starts its servers, compares their answers, measures and judges."""
    place = place_for_servers()
    try:
        command = [sys.executable, "-m", "bench", "--only", "q4", "--rounds", "1", "--seconds", "0.2", "--ours", "--no-file"]
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("GATEWAY_", "COVERAGE_"))}
        done = subprocess.run(
            command, cwd=CHECKOUT, env={**environment, "BENCH_PLACE": str(place)}, capture_output=True, text=True, check=False, timeout=100
        )
    finally:
        shutil.rmtree(place, ignore_errors=True)

    assert done.returncode == 0, done.stderr
    assert "Profile Gateway" in done.stdout
    assert "times the floor of uvicorn (CPU)" in done.stdout
    assert "not measured: times Strawberry" in done.stdout
