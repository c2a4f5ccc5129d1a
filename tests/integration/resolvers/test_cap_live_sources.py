"""sources and sourceEvents: degraded sources are seen."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.errors import SourceTimeout
from gateway.live.changelog import append
from gateway.model.change import Change, ChangeKind, source_stream
from gateway.model.source import SourceKind
from gateway.sources.guard import guarded

from .conftest import Graph
from .events_scene import SOURCES, opened

__all__: list[str] = []

pytestmark = pytest.mark.asyncio(loop_scope="module")

ALL = "{ sources { id key displayName kinds priority state lastSuccessAt latencyMs writable } }"


async def asked(source: str, *, fails: bool) -> None:
    """Somebody asks a source, under the guard."""

    async def answer() -> Any:
        if fails:
            raise SourceTimeout(source)
        return [1]

    await guarded(source, SourceKind.TRAITS, answer(), 1)


async def test_cap_139_a_degraded_source_is_seen_live(graph: Graph) -> None:
    """When a source stops answering an administrator is told, and again when it answers; the list of sources says the same."""
    stream, ready = await opened(graph, SOURCES, graph.admin)
    await asked("tracking", fails=True)
    failed = await stream.next()
    shown = {source["key"]: source for source in await graph.data(ALL)}
    node = await graph.data('{ node(id: "src_tracking") { ... on Source { state } } }')
    await asked("tracking", fails=False)
    back = await stream.next()
    await stream.close()

    assert (ready["__typename"], failed["__typename"], failed["seq"]) == ("StreamReady", "SourceChanged", 1)
    assert (failed["source"]["key"], failed["source"]["state"]) == ("tracking", "TIMEOUT")
    assert shown["tracking"]["state"] == node["state"] == "TIMEOUT"
    assert (back["source"]["state"], back["seq"], back["source"]["lastSuccessAt"] is not None) == ("OK", 2, True)


async def test_cap_139_every_source_of_the_workspace_is_listed(graph: Graph) -> None:
    """The built-in sources and the labels of the workspace's own write keys, the highest priority first; nobody else's labels."""
    database = graph.runtime.database
    for number, (workspace, label) in enumerate([(graph.agent.workspace_id, "web-shop"), (graph.stranger.workspace_id, "secret-shop")]):
        await database.execute(
            "INSERT INTO api_key (id, workspace_id, kind, secret_hash, source, scopes, expires_at) VALUES ($1, $2, 'write', '', $3, '{}', now())",
            f"{workspace.hex}{number}",
            workspace,
            label,
        )
    await graph.profile()
    await graph.data("{ profiles(by: []) { id } }")
    shown = await graph.data(ALL)

    assert [(source["key"], source["displayName"]) for source in shown] == [
        ("native", "Profile Gateway"),
        ("tracking", "Tracking API"),
        ("web-shop", "Web shop"),
    ]
    assert shown[0]["writable"]
    assert (await graph.error(ALL, principal=graph.narrowed(graph.agent, "subscribe")))["extensions"]["scope"] == "profile:read"


async def test_what_another_process_saw(graph: Graph) -> None:
    """An entry of another process is shown in the state that it names, although this process has seen nothing of it."""
    stream, _ = await opened(graph, SOURCES, graph.admin)
    where = source_stream(graph.admin.workspace_id)
    async with graph.runtime.database.transaction() as connection:
        await append(connection, where.workspace_id, [Change(where, ChangeKind.SOURCE, "system", ("ERROR",), entity_source="native")])
    graph.runtime.services.hub.ring([where])
    event = await stream.next()
    await stream.close()

    assert (event["source"]["key"], event["source"]["state"]) == ("native", "ERROR")


async def test_who_may_watch(graph: Graph) -> None:
    """Only administrators are told; the reader's count ends with the subscription."""
    (refused,) = await graph.stream(SOURCES, {}, graph.supervisor).rest()
    assert refused["errors"][0]["extensions"] == {"code": "FORBIDDEN", "scope": "admin"}
    watch = graph.runtime.services.watch
    stream, _ = await opened(graph, SOURCES, graph.admin)
    assert dict(watch._readers) == {graph.admin.workspace_id: 1}
    await stream.close()

    assert not watch._readers
    assert graph.runtime.services.hub._tails == {}


async def test_a_workspace_is_told_for_itself(graph: Graph) -> None:
    """Administrators of two workspaces are each told on their own stream; a cursor of one is not good for the other."""
    ours, ready = await opened(graph, SOURCES, graph.admin)
    theirs, _ = await opened(graph, SOURCES, graph.stranger)
    await asked("tracking", fails=True)
    assert (await ours.next())["source"]["state"] == (await theirs.next())["source"]["state"] == "TIMEOUT"
    await asked("tracking", fails=False)
    await ours.next()
    await ours.close()
    await theirs.close()
    (answer,) = await graph.stream(SOURCES, {"after": ready["cursor"]}, graph.stranger).rest()

    assert answer["errors"][0]["extensions"] == {"code": "CURSOR_INVALID"}
