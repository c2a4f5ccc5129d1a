"""Events that arrive while and after profiles are merged: every one of them is on the survivor's timeline."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gateway.auth.principal import Principal, Role
from gateway.commands.tracking import Activity, Event, Person, take_in
from gateway.model.activity import TimelineKind
from gateway.model.ids import parse_id
from gateway.sources.contract import LookupKey

from .conftest import START, Graph
from .test_mutations_merge import merge, screen, unmerge

__all__: list[str] = []

pytestmark = pytest.mark.asyncio(loop_scope="module")


def sender(graph: Graph) -> Principal:
    """A system that sends events into the first workspace."""
    workspace = graph.supervisor.workspace_id, graph.supervisor.workspace_key
    return Principal(*workspace, "site", "Site", Role.SERVICE, frozenset({"ingest:write"}), datetime.now(UTC) + timedelta(hours=1), "site")


def order(user: str, n: int, **more: Any) -> Event:
    """The n-th order of a user."""
    activity = Activity(TimelineKind.EXTERNAL, f"Order {n}", {})
    return Event(f"{user}-{n}", START + timedelta(minutes=n), (LookupKey("user_id", user),), activity=activity, **more)


async def test_merge_while_events_arrive(graph: Graph) -> None:
    """Nothing that is sent for the merged user while the merge runs is lost: all of it ends on the survivor."""
    for turn in range(5):
        user = f"user-{turn}"
        ana = await graph.profile("Ana")
        anna = await graph.profile("Anna", identifiers=[{"type": "user_id", "value": user}])

        async def send(n: int, user: str = user) -> None:
            person = Person({"last_name": "Silva"}, email=f"{user}@example.com") if n % 3 == 0 else None
            await take_in(graph.runtime.writer, sender(graph), "site", [order(user, n, person=person)])

        await asyncio.gather(*(send(n) for n in range(6)), merge(graph, ana, anna), *(send(n) for n in range(6, 12)))
        titles = [item["title"] for item in (await screen(graph, ana))["timeline"]["nodes"]]
        left = "SELECT count(*) FROM activity WHERE profile_id = $1"

        assert sorted(titles) == sorted(f"Order {n}" for n in range(12))
        assert await graph.runtime.database.fetchval(left, parse_id(anna, "prf")[0]) == 0


async def test_merge_then_events_then_unmerge(graph: Graph) -> None:
    """Events that name the merged user or the merged profile go to the survivor; after the undoing new ones find their own profile again."""
    ana = await graph.profile("Ana")
    anna = await graph.profile("Anna", identifiers=[{"type": "user_id", "value": "anna"}])
    made = await merge(graph, ana, anna)
    await take_in(
        graph.runtime.writer,
        sender(graph),
        "site",
        [
            order("anna", 1),
            Event("named", START, (), profile_id=parse_id(anna, "prf")[0], activity=Activity(TimelineKind.EXTERNAL, "Order 2", {})),
        ],
    )
    await unmerge(graph, made["id"])
    await take_in(graph.runtime.writer, sender(graph), "site", [order("anna", 3)])
    titles = [sorted(item["title"] for item in (await screen(graph, one))["timeline"]["nodes"]) for one in (ana, anna)]

    assert titles == [["Order 1", "Order 2"], ["Order 3"]]
