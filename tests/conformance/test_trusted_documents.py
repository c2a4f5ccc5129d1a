"""Trusted documents as clients from npm ask for them: by hash with their own fall-back to the text, by the ids of a manifest, over all transports."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.auth.development import DevelopmentKeys
from gateway.auth.principal import Role
from tests.running import Gateway

from .conftest import NodeClients

__all__: list[str] = []

pytestmark = pytest.mark.npm

MANIFEST = Path(__file__).parent / "trusted.json"
"""As `@apollo/generate-persisted-query-manifest` 1.4.0 writes one."""
ME = {"viewer": {"actor": {"id": "ana", "__typename": "Actor"}, "__typename": "Viewer"}}
READY = {"profileEvents": {"__typename": "StreamReady"}}
CREATE = json.loads(MANIFEST.read_text())["operations"][2]["body"]


@pytest.fixture(name="seen", scope="module")
def _seen(node_clients: NodeClients, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """What trusted.mjs printed that asked a gateway with another mode for each kind of client."""
    environment = {
        "GATEWAY_DRAIN_SECONDS": "0.1",
        "GATEWAY_EXECUTOR": "compiled",
        "GATEWAY_DOCUMENTS": str(MANIFEST),
        "GATEWAY_DOCUMENTS_MODE": "agent=require,partner=allow",
    }
    command = Path(sys.executable).with_name("profile-gateway")
    gateway = Gateway(command, tmp_path_factory.mktemp("trusted") / "data", environment=environment)
    gateway.start()
    try:
        signer = DevelopmentKeys.open(gateway.data_dir).signer()
        tokens = [signer.sign("demo", "ana", role) for role in (Role.PARTNER, Role.AGENT)]
        profile = gateway.change(tokens[1], CREATE)["profile"]["id"]
        arguments = [f"{gateway.url}/graphql", gateway.websocket_url, str(MANIFEST), profile, *tokens]
        done = subprocess.run(
            [node_clients.node, "trusted.mjs", *arguments], cwd=node_clients.folder, capture_output=True, text=True, check=False, timeout=30
        )
        assert done.returncode == 0, done.stderr
        assert any('"documents.trusted"' in line and '"plans": 3' in line for line in gateway.lines), gateway.lines
        yield json.loads(done.stdout)
    finally:
        gateway.stop()


def test_apollo_client_asks_by_hash(seen: dict[str, Any]) -> None:
    """A hash that is known is answered, by POST and GET; one that is not makes the client send the text, each time: nothing is learnt from it."""
    assert seen["apollo"]["got"][0] == seen["apolloByGet"]["got"][0] == ME
    assert [sorted(one["viewer"]["actor"]) for one in seen["apollo"]["got"][1:]] == [["__typename", "displayName"], ["__typename", "kind"]]
    assert seen["apollo"]["sent"] == ["POST hash 200", "POST hash 200", "POST text 200", "POST hash 200", "POST text 200"]
    assert seen["apolloByGet"]["sent"] == ["GET hash 200"]


def test_apollo_client_asks_by_the_ids_of_the_manifest(seen: dict[str, Any]) -> None:
    """The link that reads ids from the manifest needs nothing else."""
    assert seen["apolloManifest"] == {"got": [ME], "sent": ["POST hash 200"]}


def test_apollo_client_is_refused_the_rest(seen: dict[str, Any]) -> None:
    """Where trusted documents are required, the text that follows a hash nobody knows is refused."""
    assert seen["apolloRequired"] == {
        "got": [ME, ["PERSISTED_QUERY_REQUIRED"]],
        "sent": ["POST hash 200", "POST hash 200", "POST text 400"],
    }


def test_urql_asks_by_hash(seen: dict[str, Any]) -> None:
    """The same of urql's persisted exchange, by POST and GET, and by event stream for a subscription."""
    assert seen["urql"]["got"] == [ME, {"viewer": {"actor": {"displayName": "ana"}}}]
    assert seen["urql"]["sent"] == ["POST hash 200", "POST hash 200", "POST text 200"]
    assert seen["urqlByGet"] == {"got": [ME], "sent": ["GET hash 200"]}
    assert seen["urqlEvents"] == {"got": [READY], "sent": ["POST hash 200"]}


def test_graphql_ws_asks_by_id_and_hash(seen: dict[str, Any]) -> None:
    """On a socket both ways name a document, for a query and a subscription; what is unknown or a text is refused under its own id."""
    assert seen["socket"] == [
        ME,
        ME,
        READY,
        READY,
        [["PersistedQueryNotFound", "PERSISTED_QUERY_NOT_FOUND"]],
        [["Only trusted documents are answered for this client; send the id of one.", "PERSISTED_QUERY_REQUIRED"]],
    ]
