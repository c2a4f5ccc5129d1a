"""The schema is an Apollo Federation 2 subgraph: Apollo's own composition takes it, together with a subgraph that extends Profile."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from .conftest import NodeClients

__all__: list[str] = []

SCHEMA = Path(__file__).parents[2] / "schema.graphql"


@pytest.mark.npm
def test_the_schema_composes(node_clients: NodeClients) -> None:
    """`@apollo/composition` makes a supergraph of it without an error or a hint; what a caller needs stays visible in it."""
    command = [node_clients.node, "compose.mjs", str(SCHEMA)]
    done = subprocess.run(command, cwd=node_clients.folder, capture_output=True, text=True, check=False, timeout=60)

    assert done.returncode == 0, done.stderr
    composed = json.loads(done.stdout)
    assert composed["errors"] == []
    assert composed["hints"] == []
    assert {"displayName", "timeline", "loyaltyPoints"} <= set(composed["profile"])
    assert composed["scoped"]
    assert composed["authenticated"]
