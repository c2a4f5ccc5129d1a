"""GATEWAY_SOURCES in a whole gateway: what is in the file is open, and each workspace sees the sources that serve it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from gateway.app import open_runtime
from gateway.errors import ConfigurationError
from gateway.live.changelog import append
from gateway.model.change import Change, ChangeKind, source_stream
from gateway.model.source import SourceState
from gateway.sources.registry import Registry

from .conftest import Graph
from .events_scene import SOURCES, opened

__all__: list[str] = []

pytestmark = pytest.mark.asyncio(loop_scope="module")

SOURCES_FILE = """
[sources.crm]
name = "Our CRM"
adapter = "memory"
kinds = ["TRAITS", "NOTES"]
keyed_by = "account_id"
priority = 70
[sources.crm.memory]
writable = true
[sources.crm.memory.people.ACC-1]
traits = { plan = "gold" }

[sources.elsewhere]
adapter = "memory"
kinds = ["TRAITS"]
keyed_by = "account_id"
workspaces = ["acme"]
[sources.elsewhere.memory.people.ACC-1]
traits = { secret = "of acme" }

[sources.resting]
adapter = "memory"
enabled = false
kinds = ["TRAITS"]
keyed_by = "account_id"
"""

ALL = "{ sources { key displayName kinds priority state writable } }"
NODE = "query ($id: ID!) { node(id: $id) { ... on Source { key } } }"


def as_of(graph: Graph, workspace: str) -> Graph:
    """The same gateway, where the file's `elsewhere` serves this workspace."""
    services = graph.runtime.services
    found = [replace_workspaces(one, workspace) for one in graph.runtime.federated]
    disabled = [one for one in graph.runtime.definitions if one.is_disabled]
    registry = Registry.build(services.registry.profiles, [*found, *disabled], dict(services.registry.described))
    return replace(graph, runtime=replace(graph.runtime, services=replace(services, registry=registry)))


def replace_workspaces(source: Any, workspace: str) -> Any:
    """The source, for this workspace instead of acme."""
    if source.definition.workspaces is None:
        return source
    definition = replace(source.definition, workspaces=frozenset({workspace}))
    return type(source)(definition, source.remote, source._keys)


async def test_the_sources_of_the_file_are_listed_as_they_stand(graph: Graph) -> None:
    """With name, kinds, priority, whether they can be written, and the state DISABLED where they are switched off; nobody else's."""
    shown = {one["key"]: one for one in await graph.data(ALL)}

    assert list(shown) == ["native", "crm", "resting", "tracking"]
    assert shown["crm"] == {
        "key": "crm",
        "displayName": "Our CRM",
        "kinds": ["TRAITS", "NOTES"],
        "priority": 70,
        "state": "OK",
        "writable": True,
    }
    assert shown["resting"]["state"] == "DISABLED"
    assert await graph.data(NODE, {"id": "src_crm"}) == {"key": "crm"}


async def test_a_source_of_another_workspace_does_not_exist(graph: Graph) -> None:
    """Neither the list nor an id nor an event of the stream tells of it; the workspace it serves has all three."""
    theirs = as_of(graph, graph.stranger.workspace_key)
    shown = {name: [one["key"] for one in await theirs.data(ALL, principal=who)] for name, who in viewers(graph).items()}
    nodes = {name: await theirs.data(NODE, {"id": "src_elsewhere"}, who) for name, who in viewers(graph).items()}

    assert "elsewhere" not in shown["ours"]
    assert "elsewhere" in shown["theirs"]
    assert nodes == {"ours": None, "theirs": {"key": "elsewhere"}}

    stream, _ = await opened(theirs, SOURCES, graph.admin)
    where = source_stream(graph.admin.workspace_id)
    changes = [Change(where, ChangeKind.SOURCE, "system", ("ERROR",), entity_source=key) for key in ("elsewhere", "crm")]
    async with graph.runtime.database.transaction() as connection:
        await append(connection, where.workspace_id, changes)
    graph.runtime.services.hub.ring([where])
    event = await stream.next()
    await stream.close()
    assert event["source"]["key"] == "crm"


async def test_a_label_named_like_a_source_of_another_workspace_has_no_state(graph: Graph) -> None:
    """How that source stands is not told to whoever has a write key of the same name, in the list, by id or as an event."""
    theirs = as_of(graph, graph.stranger.workspace_key)
    await graph.runtime.database.execute(
        "INSERT INTO api_key (id, workspace_id, kind, secret_hash, source, scopes, expires_at) VALUES ($1, $2, 'write', '', $3, '{}', now())",
        f"{graph.agent.workspace_id.hex}l",
        graph.agent.workspace_id,
        "elsewhere",
    )
    watch = graph.runtime.services.watch
    assert watch is not None
    watch.observed("elsewhere", SourceState.TIMEOUT, 2.0)
    try:
        listed = {
            name: next(one["state"] for one in await theirs.data(ALL, principal=who) if one["key"] == "elsewhere")
            for name, who in viewers(graph).items()
        }
        node = await theirs.data('{ node(id: "src_elsewhere") { ... on Source { displayName state } } }')
    finally:
        watch.observed("elsewhere", SourceState.OK, 0.1)

    assert listed == {"ours": "OK", "theirs": "TIMEOUT"}
    assert node == {"displayName": "Elsewhere", "state": "OK"}


async def test_loaders_ask_the_sources_of_the_workspace(graph: Graph) -> None:
    """An operation's loaders see the registry as the caller's workspace does."""
    theirs = as_of(graph, graph.stranger.workspace_key)
    seen = {
        name: [source.source.key for source in theirs.runtime.context_for(who).loaders._registry.traits]
        for name, who in viewers(graph).items()
    }

    assert seen == {"ours": ["native", "crm"], "theirs": ["native", "crm", "elsewhere"]}


async def test_a_wrong_file_stops_the_start(gateway: Any, tmp_path: Any) -> None:
    """Everything that is wrong is told before anything is served."""
    path = tmp_path / "sources.toml"
    path.write_text('[sources.crm]\nadapter = "sap"\nkinds = ["TRAITS"]\nkeyed_by = "account_id"\n')
    settings = gateway.settings.model_copy(update={"sources": path})

    with pytest.raises(ConfigurationError, match=r"sources\.toml:2: \[sources\.crm\] adapter: there is no adapter 'sap'"):
        async with open_runtime(settings):
            pass  # pragma: no cover  # it does not come to that


def viewers(graph: Graph) -> dict[str, Any]:
    """An agent of our workspace, and of the other one."""
    return {"ours": graph.agent, "theirs": graph.stranger}
