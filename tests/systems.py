"""A gateway with two systems elsewhere that tests can change and break: a CRM (all of a person) and a shop (what they bought), in memory.

Owns how a person of theirs is made, and how they fail. The gateway is the one of `resolvers.conftest`, whose fixtures the test modules take
in.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any
from uuid import UUID

from gateway.model.ids import parse_id
from gateway.sources.adapters.memory import Fields, ItemEntry, MemoryRemote, Person
from gateway.sources.breaker import Breaker
from gateway.sources.federated import FederatedSource
from gateway.sources.memory import Faults
from tests.integration.resolvers.conftest import Graph

__all__ = ["AWAY", "PROFILE_EVENTS", "SCREEN", "START", "TIMELINE_EVENTS", "WELL", "System"]

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
WELL = Faults()
AWAY = Faults(error_rate=1.0)

SCREEN = """query ($id: ID!) { profile(by: {id: $id}) { id streamCursor firstName traits { nodes { key value } }
  timeline(last: 20) { streamCursor nodes { id } } } }"""
PROFILE_EVENTS = """subscription ($id: ID!, $after: StreamCursor) { profileEvents(profileId: $id, after: $after) { __typename
  ... on ProfileUpdated { seq changedFields profile { firstName traits { nodes { key value } } sources { source { key } state } } } } }"""
TIMELINE_EVENTS = """subscription ($id: ID!, $after: StreamCursor) {
  timelineEvents(profileId: $id, filter: {preset: ALL}, after: $after) { __typename
  ... on TimelineItemUpserted { seq isNew item { id title source { key } } } ... on TimelineItemRemoved { seq itemId } } }"""

_numbers = count(1)


@dataclass(frozen=True)
class System:
    """One of the systems, as the gateway asks it."""

    graph: Graph
    source: FederatedSource

    @classmethod
    def of(cls, graph: Graph, key: str = "crm") -> System:
        """The one with this key, well."""
        (found,) = (one for one in graph.runtime.federated if one.definition.key == key)
        system = cls(graph, found)
        system.faults(WELL)
        found.guard._breaker = Breaker(found.definition.policy)  # what failed in the tests before is none of this one's
        system.remote.asked.clear()
        return system

    @property
    def key(self) -> str:
        """The source's key."""
        return self.source.definition.key

    @property
    def remote(self) -> MemoryRemote:
        """The system itself."""
        assert isinstance(self.source.remote, MemoryRemote)
        return self.source.remote

    def faults(self, faults: Faults) -> None:
        """Let it be like this from now on."""
        self.remote.faults = faults

    def person(self, name: str, *, first_name: str | None = None, traits: dict[str, Any] | None = None, items: Iterable[str] = ()) -> None:
        """What it knows of a person from now on; `items` by their ids, a minute apart, the oldest first."""
        known = MemoryRemote(
            self.key,
            {
                name: Person(
                    profile=Fields(first_name=first_name),
                    traits=traits or {},
                    items=[
                        ItemEntry(id=one, occurred_at=START + timedelta(minutes=n), type="Order Completed") for n, one in enumerate(items)
                    ],
                )
            },
        )
        self.remote._people.update(known._people)

    async def known(self, **what: Any) -> tuple[str, str]:
        """A new person that it knows, and their profile: the key and the profile's id."""
        name = f"C-{next(_numbers)}"
        self.person(name, **what)
        return name, await self.graph.profile(identifiers=[{"type": "crm", "value": name}])

    def item(self, profile: str, key: str) -> str:
        """The client's id of an item."""
        return f"act_{parse_id(profile, 'prf')[0].hex}.{self.key}.{key}"

    async def entries(self, profile: str) -> list[tuple[str, list[str], str | None]]:
        """What was entered into a profile's stream in the name of this source: kind, fields and item."""
        rows = await self.graph.runtime.database.fetch(
            "SELECT kind, fields, entity_key FROM change_log WHERE stream_id = $1 AND entity_source = $2 AND actor = $2 ORDER BY seq",
            parse_id(profile, "prf")[0],
            self.key,
        )
        return [({1: "PROFILE", 2: "ACTIVITY", 3: "REMOVED"}[row["kind"]], row["fields"], row["entity_key"]) for row in rows]

    def ids(self, profile: str) -> tuple[UUID, UUID]:
        """Workspace and profile."""
        return self.graph.agent.workspace_id, parse_id(profile, "prf")[0]
