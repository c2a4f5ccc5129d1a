"""The example of an adapter in a package of its own: built, installed, tested by its own tests, and found by the gateway."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

__all__: list[str] = []

CHECKOUT = Path(__file__).parents[2]
EXAMPLE = CHECKOUT / "examples" / "source-plugin"
SOURCES = """
[sources.shop]
adapter = "csv"
kinds = ["TRAITS", "ACTIVITY"]
keyed_by = "account_id"
[sources.shop.csv]
file = "orders.csv"
"""


@pytest.fixture(name="environment", scope="module")
def _environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An environment in which the package is installed beside the gateway; nothing is downloaded."""
    place = tmp_path_factory.mktemp("plugin")
    shutil.copytree(EXAMPLE, place / "package", ignore=shutil.ignore_patterns("__pycache__", ".*"))
    install = [
        *(
            sys.executable,
            "-m",
            "pip",
            "install",
            "--quiet",
            "--no-deps",
            "--no-build-isolation",
            "--no-index",
            "--disable-pip-version-check",
        ),
        *("--target", str(place / "installed"), str(place / "package")),
    ]
    subprocess.run(install, check=True, capture_output=True, text=True)
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("GATEWAY_", "PYTEST_", "COV"))}
    return {**inherited, "PYTHONPATH": os.pathsep.join([str(place / "installed"), str(CHECKOUT)]), "PYTHONDONTWRITEBYTECODE": "1"}


def test_cap_126_its_own_tests_pass(environment: dict[str, str], tmp_path: Path) -> None:
    """The contract suite of `gateway.sources.testing` and the package's other tests pass against what was installed."""
    shutil.copytree(EXAMPLE / "tests", tmp_path / "tests")
    shutil.copy(EXAMPLE / "pyproject.toml", tmp_path)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout


def test_cap_126_a_package_adds_a_source(environment: dict[str, str], tmp_path: Path) -> None:
    """`adapter = "csv"` in the sources file is what the package provides: doctor asks it about a customer."""
    (tmp_path / "sources.toml").write_text(SOURCES)
    (tmp_path / "orders.csv").write_text("customer,order,placed_at,total\nC-1,1001,2026-01-05T10:00:00Z,19.90\n")
    done = subprocess.run(
        [sys.executable, "-m", "gateway.cli", "doctor", "--json", "--key", "C-1"],
        cwd=tmp_path,
        env={**environment, "GATEWAY_SOURCES": "sources.toml"},
        capture_output=True,
        text=True,
        check=False,
    )
    (shop,) = json.loads(done.stdout)["sources"]

    assert done.returncode == 0, done.stderr
    assert (shop["adapter"], shop["state"], shop["said"]) == ("csv", "OK", "1 orders of 1 customers")
    assert [(one["kind"], one["said"]) for one in shop["answers"]] == [("TRAITS", "2 traits"), ("ACTIVITY", "1 item")]
