"""What the conformance tests stand on: a running gateway, Node.js and the pinned packages of tests/conformance/node.

`make test` installs the packages when npm is there. Where they are missing the tests are skipped, and say what is missing.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.running import Gateway

__all__ = ["NodeClients", "npm_packages"]


@dataclass(frozen=True, slots=True)
class NodeClients:
    """Where the npm clients live: run `node` with `folder` as its working directory, so that imports find them."""

    node: str
    folder: Path


@pytest.fixture(name="node_clients", scope="session")
def _node_clients() -> NodeClients:
    """Node.js with graphql-ws, graphql and ws at exactly the versions of package.json; skips the test where one is missing."""
    return npm_packages(Path(__file__).parent / "node")


def npm_packages(folder: Path) -> NodeClients:
    """Node.js with the packages of this folder at exactly the versions of its package.json; skips the test where one is missing."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("Node.js is not installed: the npm clients cannot run (install Node.js 20 or newer with npm, then make test)")
    manifest = json.loads((folder / "package.json").read_text())
    for name, version in {**manifest["dependencies"], **manifest.get("devDependencies", {})}.items():
        installed = folder / "node_modules" / name / "package.json"
        if not installed.is_file():
            pytest.skip(f"the npm package {name} is not installed in {folder.name}: make test installs it when npm is there")
        if json.loads(installed.read_text())["version"] != version:
            pytest.skip(f"the npm package {name} in {folder.name} is not {version}: run make test, which installs it")
    return NodeClients(node=node, folder=folder)


@pytest.fixture(name="gateway", scope="module")
def _gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A development gateway, started with the command of this environment; it hurries when it is told to end."""
    command = Path(sys.executable).with_name("profile-gateway")
    gateway = Gateway(command, tmp_path_factory.mktemp("gateway") / "data", environment={"GATEWAY_DRAIN_SECONDS": "0.5"})
    gateway.start()
    yield gateway
    gateway.stop()
