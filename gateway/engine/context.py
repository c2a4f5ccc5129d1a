"""What every resolver of one operation can reach.

Owns the context's shape and its renewal: loaders live for one operation and, in a subscription, for one event, because a loader answers from
what it saw before. Made by `app`'s factory per request or socket message; read by resolvers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from gateway.auth.gate import Gate
from gateway.auth.principal import Principal
from gateway.auth.rate import RateLimiter
from gateway.auth.session import Session
from gateway.configuration import Configurations
from gateway.live.flights import Flights
from gateway.live.hub import Hub
from gateway.live.presence import Presence
from gateway.live.sources import SourceWatch
from gateway.loaders.bundle import Loaders
from gateway.loaders.ledger import Ledger
from gateway.loaders.turns import Turns
from gateway.loaders.wanted import EVERYTHING, Wanted
from gateway.model.configuration import Configuration
from gateway.model.sealed import Sealer
from gateway.records.keys import SearchedKeys
from gateway.sources.registry import Registry
from gateway.storage.database import Database
from gateway.vault import Vault

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
    gate: Gate | None = None
    rates: RateLimiter = field(default_factory=lambda: RateLimiter(0))
    presence: Presence | None = None
    watch: SourceWatch | None = None
    vault: Vault | None = None
    flights: Flights = field(default_factory=Flights)
    turns: Turns = field(default_factory=Turns)


class OperationContext:
    """One operation's (or one live event's) surroundings. `session`: the socket it runs on, None over HTTP; `wanted`: what its document shows."""

    __slots__ = ("_batches", "_begun", "_configuration", "_ledger", "_loaders", "_principal", "cost", "services", "session", "wanted")

    def __init__(self, principal: Principal, services: Services, session: Session | None = None, wanted: Wanted = EVERYTHING) -> None:
        self._principal = principal
        self.services = services
        self.session = session
        self.wanted = wanted
        self.cost = 1
        """What the operation was counted as before it ran."""
        # Made when they are asked for: a stream that waits for its next event keeps two contexts and asks neither.
        self._configuration: Configuration | None = None
        self._loaders: Loaders | None = None
        self._batches: dict[int, Any] | None = None
        self._ledger: Ledger | None = None
        self._begun: list[asyncio.Future[Any]] | None = None

    @property
    def loaders(self) -> Loaders:
        """The loaders of this operation or event."""
        if self._loaders is None:
            self._loaders = self._made()
        return self._loaders

    @property
    def ledger(self) -> Ledger:
        """How the sources do in this operation or event; what a mutation changed does not change that."""
        if self._ledger is None:
            self._ledger = Ledger()
        return self._ledger

    def begun(self, field: asyncio.Future[Any]) -> None:
        """A field is being answered that `settled` waits for; where nobody asks how the sources did, nobody waits."""
        if self.wanted.reports:
            if self._begun is None:
                self._begun = []
            self._begun.append(field)

    async def settled(self) -> None:
        """Wait until the fields begun so far are answered: whoever tells how the sources did must not be the first to finish."""
        waiting = [field for field in self._begun or () if not field.done()]
        if waiting:
            await asyncio.wait(waiting)

    @property
    def batches(self) -> dict[int, Any]:
        """The reference executor's gathering points, one per selection (see `resolvers.batching`)."""
        if self._batches is None:
            self._batches = {}
        return self._batches

    @property
    def principal(self) -> Principal:
        """Who is asking: on a socket, with the credentials it has now, also for what began with older ones."""
        return self._principal if self.session is None else self.session.principal

    @property
    def configuration(self) -> Configuration:
        """What the operator decided for the viewer's workspace, which a socket never leaves."""
        if self._configuration is None:
            self._configuration = self.services.configurations.of(self.principal.workspace_key)
        return self._configuration

    @property
    def keys(self) -> SearchedKeys:
        """Where values are found in the viewer's workspace."""
        services = self.services
        return SearchedKeys(self.configuration, self.principal.workspace_id, services.default_region, services.vault)

    def renew(self) -> None:
        """Forget what was read: a mutation changed it, and the next field of the same document must see that."""
        self._loaders = self._batches = self._begun = None

    def close(self) -> None:
        """The operation or event is over, and nobody asks for anything more."""
        if self._loaders is not None:
            self._loaders.close()
        self._loaders = self._batches = self._begun = None

    def fork(self) -> OperationContext:
        """The same surroundings with fresh loaders, for another answer."""
        return OperationContext(self.principal, self.services, self.session, self.wanted)

    @contextmanager
    def fork_in_turn(self) -> Iterator[OperationContext]:
        """A fork for a read that begins now and is nobody's view: its loaders are shared with all such reads of this turn of the loop."""
        forked, principal = self.fork(), self.principal
        with self.services.turns.loaders((principal.workspace_id, principal.workspace_key, self.wanted), forked._made) as loaders:  # noqa: SLF001  # our own class
            forked._loaders = loaders  # noqa: SLF001
            yield forked

    def _made(self) -> Loaders:
        principal, services = self.principal, self.services
        registry = services.registry.seen_by(principal.workspace_key)
        return Loaders(registry, principal.workspace_id, services.database, self.wanted, self.ledger)

    def fork_for(self, wanted: Wanted) -> OperationContext:
        """A fork for a document that shows this."""
        return OperationContext(self.principal, self.services, self.session, wanted)
