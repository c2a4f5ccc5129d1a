"""What all actors of a run share, and what they watch: profiles and desks.

Owns the randomness: every actor has its own, made of the run's seed and the actor's name, so that one actor's luck does not depend on
another's speed. Must not act. Made by `runner`.
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field
from uuid import UUID

from gateway.model.change import StreamKey, desk_stream
from gateway.model.ids import make_id
from tests.checker.client import Credentials, Cursors, Web
from tests.checker.cluster import Cluster, Replica
from tests.checker.history import History

__all__ = ["World"]


@dataclass
class World:
    """The shared part of a run."""

    seed: int
    cluster: Cluster
    history: History
    web: Web
    credentials: Credentials
    cursors: Cursors
    workspace: UUID
    stay: float = 6.0
    """Seconds a subscriber stays connected, on average, before it leaves by itself."""
    profiles: list[UUID] = field(default_factory=list)
    desks: list[str] = field(default_factory=list)
    """Subjects of agents whose desks are watched."""
    over: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when writers and faults are to end."""
    settled: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when subscribers leave and move no more by themselves."""
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when subscribers are to end."""

    def random(self, actor: str) -> random.Random:
        """The actor's own randomness."""
        return random.Random(f"{self.seed}:{actor}")

    def profile_stream(self, profile: UUID) -> StreamKey:
        """The stream of a profile."""
        return StreamKey(self.workspace, profile)

    def desk(self, subject: str) -> StreamKey:
        """The stream of a desk."""
        return desk_stream(self.workspace, subject)

    def replica(self, rng: random.Random) -> Replica:
        """Any replica."""
        return rng.choice(self.cluster.replicas)

    @staticmethod
    def profile_id(profile: UUID) -> str:
        """The profile's id for clients."""
        return make_id("prf", profile)
