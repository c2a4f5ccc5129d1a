"""GraphQL over HTTP to the letter: the audit of npm graphql-http against a running gateway."""

from __future__ import annotations

import json
import subprocess

import pytest

from tests.running import Gateway

from .conftest import NodeClients

__all__: list[str] = []


@pytest.mark.npm
def test_fault_016_all_audits_are_ok(gateway: Gateway, node_clients: NodeClients) -> None:
    """61 of 61 audits say ok, none warns."""
    command = [node_clients.node, "audit.mjs", f"{gateway.url}/graphql", gateway.token()]
    done = subprocess.run(command, cwd=node_clients.folder, capture_output=True, text=True, check=False, timeout=40)
    results = [json.loads(line) for line in done.stdout.splitlines()]

    assert [result for result in results if result["status"] != "ok"] == []
    assert (done.returncode, len(results), done.stderr) == (0, 61, "")
