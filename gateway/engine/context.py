"""What every resolver of one operation can reach.

Owns the context's shape and its renewal: loaders live for one operation and, in a subscription, for one event, because a loader answers from
what it saw before. Made by `app`'s factory per request or socket message; read by resolvers.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from gateway.auth.principal import Principal
from gateway.configuration import Configurations
from gateway.live.hub import Hub
from gateway.loaders.bundle import Loaders
from gateway.model.configuration import Configuration
from gateway.model.sealed import Sealer
from gateway.sources.registry import Registry
from gateway.storage.database import Database

__all__ = ["OperationContext", "Services"]


@dataclass(frozen=True, slots=True)
class Services:
    """What lives as long as the process. `commands` is the write side (see `gateway.commands`)."""

    registry: Registry
    hub: Hub
    sealer: Sealer
    commands: Any
    default_region: str | None = None
    database: Database | None = None
    configurations: Configurations = field(default_factory=lambda: Configurations(Configuration()))


class OperationContext:
    """One operation's (or one live event's) surroundings."""

    __slots__ = ("batches", "loaders", "principal", "services")

    def __init__(self, principal: Principal, services: Services) -> None:
        self.principal = principal
        self.services = services
        self.loaders = Loaders(services.registry, principal.workspace_id, services.database)
        self.batches: dict[int, Any] = {}
        """The reference executor's gathering points, one per selection (see `resolvers.batching`)."""

    @property
    def configuration(self) -> Configuration:
        """What the operator decided for the viewer's workspace."""
        return self.services.configurations.of(self.principal.workspace_key)

    def renew(self) -> None:
        """Forget what was read: a mutation changed it, and the next field of the same document must see that."""
        self.loaders = Loaders(self.services.registry, self.principal.workspace_id, self.services.database)
        self.batches.clear()

    def fork(self) -> OperationContext:
        """The same surroundings with fresh loaders."""
        return OperationContext(self.principal, self.services)
