"""The gateway as its users meet it: a wheel, installed, started as a process, talked to over loopback.

Owns building and installing the wheel once per session and the life of one gateway process. Used by the fixtures of acceptance and conformance.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import sysconfig
import threading
import venv
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2

__all__ = ["Gateway", "install_wheel"]

CHECKOUT = Path(__file__).parents[1]
_START = 60.0
"""Seconds a gateway may take to listen, the first initdb included."""


def install_wheel(place: Path) -> Path:
    """Build the wheel, install it alone into a fresh environment, and return the command there.

    Its dependencies are the locked ones of this environment, which a `.pth` file adds; the checkout itself is not among them.
    """
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(place / "dist")]
    subprocess.run(build, cwd=CHECKOUT, check=True, capture_output=True, text=True)
    (wheel,) = (place / "dist").glob("*.whl")
    venv.create(place / "venv", with_pip=False, symlinks=True)
    packages = next((place / "venv" / "lib").glob("python*/site-packages"))
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    install = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        str(place / "venv" / "bin" / "python"),
        "install",
        "--quiet",
        "--no-deps",
        str(wheel),
    ]
    subprocess.run(install, check=True, capture_output=True, text=True)
    return place / "venv" / "bin" / "profile-gateway"


@dataclass
class Gateway:
    """One gateway process on a data directory: start it, kill it, start it again."""

    command: Path
    data_dir: Path
    config: Path | None = None
    port: int = 0
    environment: dict[str, str] = field(default_factory=dict)
    """Settings beyond the arguments: `{"GATEWAY_DATABASE_URL": …}`."""
    arguments: tuple[str, ...] = ()
    """Arguments of `serve` beyond the usual ones."""
    url: str = ""
    process: subprocess.Popen[str] | None = None
    lines: list[str] = field(default_factory=list)

    @property
    def websocket_url(self) -> str:
        """Where subscriptions are."""
        return self.url.replace("http://", "ws://") + "/graphql"

    def start(self) -> None:
        """Start and wait until it listens; the port stays the same from then on."""
        arguments = ["serve", "--dev", "--port", str(self.port), "--data-dir", str(self.data_dir), *self.arguments]
        environment = {**_clean_environment(), "GATEWAY_LOG_FORMAT": "json", **self.environment}
        if self.config is not None:
            environment["GATEWAY_CONFIG"] = str(self.config)
        self.process = subprocess.Popen(
            [self.command, *arguments], stderr=subprocess.PIPE, text=True, env=environment, cwd=self.data_dir.parent
        )
        announced: queue.Queue[str | None] = queue.Queue()
        threading.Thread(target=self._read, args=(self.process, announced), daemon=True).start()
        try:
            url = announced.get(timeout=_START)
        except queue.Empty:
            raise AssertionError(f"the gateway does not come up; it said: {''.join(self.lines)}") from None
        assert url is not None, "the gateway ended: " + "".join(self.lines)
        self.url, self.port = url, int(url.rpartition(":")[2])

    @property
    def pid(self) -> int:
        """Its process."""
        assert self.process is not None, "it does not run"
        return self.process.pid

    def kill(self) -> None:
        """SIGKILL: no goodbye, no clean-up."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """SIGTERM; the exit status."""
        return self._end(signal.SIGTERM)

    def run(self, *arguments: str) -> str:
        """Another command beside the gateway; what it printed, without the line's end."""
        command = [self.command, *arguments, "--data-dir", str(self.data_dir)]
        done = subprocess.run(
            command, check=True, capture_output=True, text=True, env={**_clean_environment(), **self.environment}, timeout=60
        )
        return done.stdout.rstrip("\n")

    def token(self, role: str = "agent", subject: str = "ana") -> str:
        """A token of the demo workspace."""
        return self.run("token", "--role", role, "--subject", subject)

    def write_key(self) -> str:
        """A write key of the demo workspace."""
        return self.run("keys", "create", "--kind", "write")

    def query(self, token: str, document: str, **variables: Any) -> dict[str, Any]:
        """The data of one operation over HTTP; an error fails the test."""
        answer = httpx2.post(
            f"{self.url}/graphql",
            json={"query": document, "variables": variables},
            headers={"Authorization": f"Bearer {token}"},
            timeout=10,
        ).json()
        assert "errors" not in answer, answer
        data: dict[str, Any] = answer["data"]
        return data

    def change(self, token: str, document: str, **variables: Any) -> dict[str, Any]:
        """The payload of one mutation over HTTP; an error or a refusal fails the test."""
        (payload,) = self.query(token, document, **variables).values()
        assert payload["userErrors"] == [], payload
        return dict(payload)

    def track(self, key: str, *events: dict[str, Any]) -> dict[str, Any]:
        """Send events through the tracking API; its answer, which must be a full success."""
        answer = httpx2.post(f"{self.url}/v1/batch", json={"batch": list(events)}, auth=(key, ""), timeout=10).json()
        assert answer["success"], answer
        return dict(answer)

    def _end(self, number: signal.Signals) -> int:
        assert self.process is not None
        self.process.send_signal(number)
        status = self.process.wait(timeout=35)
        self.process = None
        return status

    def _read(self, process: subprocess.Popen[str], announced: queue.Queue[str | None]) -> None:
        assert process.stderr is not None
        with process.stderr as lines:
            for line in lines:
                self.lines.append(line)
                if '"serving"' in line:
                    announced.put(json.loads(line)["url"])
        announced.put(None)


def _clean_environment() -> dict[str, str]:
    """Nothing of this environment configures it, but which executor the suite is run for; and nobody measures its coverage, which would take twice
    its time to start.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("GATEWAY_", "COVERAGE_"))}
    return kept | {name: os.environ[name] for name in ("GATEWAY_EXECUTOR",) if name in os.environ}
