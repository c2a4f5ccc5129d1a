"""The npm clients themselves: they load under the Node.js that is installed, so a failure elsewhere is the gateway's."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import NodeClients

__all__: list[str] = []

PROBE = """
import { GRAPHQL_TRANSPORT_WS_PROTOCOL, createClient } from "graphql-ws";
import { parse } from "graphql";
import { WebSocket } from "ws";
console.log(JSON.stringify([GRAPHQL_TRANSPORT_WS_PROTOCOL, typeof createClient, parse("{ id }").kind, typeof WebSocket]));
"""


@pytest.mark.npm
def test_the_clients_load(node_clients: NodeClients) -> None:
    """graphql-ws, graphql and ws load together and speak graphql-transport-ws."""
    command = [node_clients.node, "--input-type=module", "--eval", PROBE]
    done = subprocess.run(command, cwd=node_clients.folder, capture_output=True, text=True, check=False, timeout=30)

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == ["graphql-transport-ws", "function", "Document", "function"]
