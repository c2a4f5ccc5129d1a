"""A whole gateway in front of a GraphQL source: what callers send of themselves stays here, and what the source says of its errors stays there."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from tests.members import SECRET, members, renewed
from tests.upstreams import Upstream

from .conftest import Graph, Http

__all__: list[str] = []

pytestmark = pytest.mark.asyncio(loop_scope="module")


def _free() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


PORT = _free()
SOURCES_FILE = f"""
[sources.club]
name = "The Club"
adapter = "graphql"
kinds = ["TRAITS"]
keyed_by = "member_id"
[sources.club.graphql]
url = "http://127.0.0.1:{PORT}/graphql"
allow_private = true
[sources.club.graphql.traits]
document = "query ($keys: [ID!]!) {{ members(ids: $keys) {{ id tier points }} }}"
rows = "members"
key = "id"
record = {{ tier = "tier", points = "points" }}
"""
ASK = "query ($id: ID!) { profile(by: { id: $id }) { firstName traits { nodes { key value } } sources { source { key } state } } }"


@pytest.fixture(scope="module", name="server", autouse=True)
def _server() -> Iterator[Upstream]:
    with members(PORT) as server:
        yield server


async def test_fault_133_a_callers_credentials_are_not_forwarded(graph: Graph, http: Http, server: Upstream) -> None:
    """Neither the bearer nor a cookie nor any other header of theirs: the source gets the same few headers whoever asks."""
    renewed(server)
    profile = await graph.profile("Ana", identifiers=[{"type": "member_id", "value": "ana"}])
    answer = (await http.ask(ASK, {"id": profile}, cookie="session=1", x_forwarded_for="1.2.3.4", traceparent="00-1-1-00")).json()

    assert answer["data"]["profile"]["traits"]["nodes"] == [{"key": "points", "value": 3}, {"key": "tier", "value": "gold"}]
    assert "errors" not in answer
    assert len(server.seen) == 1
    assert set(server.seen[0].headers) == {"host", "accept", "accept-encoding", "user-agent", "content-type", "content-length"}


async def test_fault_135_errors_of_the_source_are_told_by_name_only(graph: Graph, http: Http, server: Upstream) -> None:
    """The profile is answered, the source is named, and none of its words are there."""
    renewed(server)
    profile = await graph.profile("Ben", identifiers=[{"type": "member_id", "value": "sick"}])
    answer = await http.ask(ASK, {"id": profile})
    shown = answer.json()

    assert shown["data"]["profile"]["firstName"] == "Ben"
    assert shown["data"]["profile"]["traits"]["nodes"] == []
    assert {"source": {"key": "club"}, "state": "ERROR"} in shown["data"]["profile"]["sources"]
    assert [error["extensions"]["code"] for error in shown["errors"]] == ["SOURCE_UNAVAILABLE"]
    assert SECRET not in answer.text
