"""The demo's systems elsewhere: seen on one screen, broken by hand from another terminal, mended, and gone with the demo."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import sys
import time
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
from typer.testing import CliRunner

from gateway.cli import app
from gateway.sources.configuration import load_definitions

__all__: list[str] = []

pytestmark = [pytest.mark.slow, pytest.mark.timeout(90)]

DEADLINE = 40.0
ELSEWHERE = {"crm", "orders", "support", "analytics"}


@dataclass(frozen=True)
class Demo:
    """A running demo as a newcomer has it: what it printed."""

    data_dir: Path
    url: str
    command: str
    pid: int

    def ask(self) -> dict[str, Any]:
        """The answer to the printed command, sent without a shell."""
        body = self.command.partition("--data '")[2].rstrip("'")
        token = self.command.partition("Bearer ")[2].partition("'")[0]
        headers = {"content-type": "application/json", "authorization": f"Bearer {token}"}
        answer: dict[str, Any] = httpx2.post(f"{self.url}/graphql", content=body, headers=headers, timeout=20).json()
        return answer

    def states(self) -> dict[str, str]:
        """Source → state, of everything that the screen asks for."""
        profile = self.ask()["data"]["profile"]
        return {one["source"]["key"]: one["state"] for one in (*profile["sources"], *profile["timeline"]["sources"])}

    def until(self, wanted: Callable[[dict[str, str]], bool]) -> dict[str, str]:
        """The first states that are as wanted."""
        last = time.monotonic() + DEADLINE / 2
        while not wanted(states := self.states()):
            assert time.monotonic() < last, states
        return states

    def sources(self, *arguments: str) -> str:
        """What `profile-gateway sources …` prints, in another terminal."""
        done = CliRunner().invoke(app, ["sources", *arguments, "--data-dir", str(self.data_dir)])
        assert done.exit_code == 0, done.output
        return done.stdout


@pytest.fixture(name="demo", scope="module")
def _demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    place = tmp_path_factory.mktemp("demo")
    with asyncio.Runner() as runner:
        process, demo = runner.run(_start(place))
        yield demo
        if process.returncode is None:
            process.kill()
            runner.run(process.wait())


async def _start(place: Path) -> tuple[asyncio.subprocess.Process, Demo]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "gateway.cli", "demo", "--port", "0", "--data-dir", "data", "--no-ticker"),
        cwd=place,
        env={**{name: value for name, value in os.environ.items() if not name.startswith("GATEWAY_")}, "PYTHONPATH": ":".join(sys.path)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        limit=1 << 20,
    )
    assert process.stdout is not None
    url, commands = "", []
    async with asyncio.timeout(DEADLINE):
        while len(commands) < 4:
            line = (await process.stdout.readline()).decode().rstrip()
            assert line or process.returncode is None, "the demo ended"
            url = line.split()[-1].removesuffix("/graphql") if line.startswith("GraphQL ") else url
            commands += [line] if line.startswith("curl ") else []
    return process, Demo(place / "data", url, commands[-1], process.pid)


def test_all_four_are_on_the_screen(demo: Demo) -> None:
    """The printed command shows the CRM's, the shop's, the support desk's and the website's part of one customer."""
    demo.until(lambda states: {key for key, state in states.items() if state == "OK"} >= ELSEWHERE)

    profile = demo.ask()["data"]["profile"]
    said = {trait["displayName"]: trait["provenance"]["source"]["displayName"] for trait in profile["traits"]["nodes"]}
    seen = {item["source"]["displayName"]: item["title"] for item in profile["timeline"]["nodes"]}

    assert said["Account manager"] == "CRM"
    assert said["Lifetime value"] == "Orders"
    assert said["Favourite category"] == "Web analytics"
    assert seen["Support desk"] == "Ticket: Parcel has not arrived"
    assert seen["Orders"] == "Order SO-301900"


def test_a_fault_by_hand(demo: Demo) -> None:
    """A system that is made slow costs its own branch and is named; mended, it answers again."""
    assert "3000 ms slow" in demo.sources("fault", "orders", "--latency", "3s")

    broken = demo.until(lambda states: states["orders"] != "OK")
    answer = demo.ask()
    listed = demo.sources("list", "--url", demo.url)
    assert "steady" in demo.sources("fault", "orders", "--clear")

    assert broken["orders"] in {"TIMEOUT", "CIRCUIT_OPEN"}
    assert broken["crm"] == "OK"
    assert {error["extensions"]["source"] for error in answer["errors"]} == {"orders"}
    assert answer["data"]["profile"]["displayName"] == "Ana Souza"
    (row,) = [line for line in listed.splitlines() if line.startswith("orders ")]
    assert "TIMEOUT" in row or "CIRCUIT_OPEN" in row
    demo.until(lambda states: states["orders"] == "OK")


@pytest.mark.parametrize("fault", [["--off"], ["--errors", "100%"]], ids=["off", "errors"])
def test_a_system_that_is_out_of_order(demo: Demo, fault: list[str]) -> None:
    """A system that fails is named as failing."""
    demo.sources("fault", "analytics", *fault)

    assert demo.until(lambda states: states["analytics"] != "OK")["analytics"] in {"ERROR", "CIRCUIT_OPEN"}

    demo.sources("fault", "--clear")
    assert "by hand" not in demo.sources("fault")


def test_the_file_is_a_readable_example(demo: Demo) -> None:
    """The demo's sources.toml is a file for GATEWAY_SOURCES, and shows no secret."""
    path = demo.data_dir / "sources.toml"
    text = path.read_text()

    assert {definition.key for definition in load_definitions(path)} == ELSEWHERE == set(tomllib.loads(text)["sources"])
    for secret in (demo.data_dir / "systems").iterdir():
        assert secret.stat().st_mode & 0o077 == 0
        assert secret.read_text() not in text


@pytest.mark.skipif(shutil.which("sh") is None, reason="signals are sent to a process")
def test_they_end_with_the_demo(demo: Demo) -> None:
    """Ctrl-C ends all of it: nothing listens any more, no secret is left, and the command says that no demo runs."""
    control = json.loads((demo.data_dir / "systems.json").read_text())
    os.kill(demo.pid, signal.SIGINT)
    last = time.monotonic() + DEADLINE
    while (demo.data_dir / "systems.json").exists():
        assert time.monotonic() < last
        time.sleep(0.05)

    done = CliRunner().invoke(app, ["sources", "fault", "orders", "--hang", "--data-dir", str(demo.data_dir)])

    with pytest.raises(httpx2.ConnectError):
        httpx2.get(control["url"])
    assert list((demo.data_dir / "systems").iterdir()) == []
    assert (done.exit_code, "No demo with simulated systems runs" in done.stderr) == (2, True)
