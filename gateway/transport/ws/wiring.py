"""What a WebSocket is wired to: the engine, the gate and the rest of the gateway, as far as a socket sees them.

Owns shapes only. `app` makes one `Wiring`; `connection` uses it for every socket.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from gateway.auth.session import Session
from gateway.engine.encoding import Encoded
from gateway.engine.request import Request
from gateway.transport.ws.limits import Limits

__all__ = ["Engine", "Prepared", "Principal", "Wiring"]


class Principal(Protocol):
    """Who is asking."""

    @property
    def workspace_id(self) -> UUID:
        """Where."""

    @property
    def subject(self) -> str:
        """Who."""

    @property
    def expires_at(self) -> datetime | None:
        """When the credentials end (aware), None: never."""


class Prepared(Protocol):
    """A parsed and validated request, or the reason why it is none."""

    @property
    def errors(self) -> list[dict[str, Any]] | None:
        """Formatted GraphQL errors that refuse the request."""

    @property
    def operation_type(self) -> str:
        """`query`, `mutation` or `subscription`."""

    @property
    def cost(self) -> int:
        """What the operation is counted as."""


class Engine(Protocol):
    """What runs operations."""

    def prepare(self, request: Request, principal: Any = None) -> Prepared:
        """Parse and validate; never raises for a bad document."""

    async def execute(self, prepared: Any, context: Any) -> dict[str, Any]:
        """The formatted response of a query or mutation; without `data` it was refused."""

    def subscribe(self, prepared: Any, context: Any) -> AsyncGenerator[Encoded | dict[str, Any], None]:
        """Responses, one per event, written already or formatted; one without `data` ends the stream. Must be closed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wiring:
    """What every socket of an endpoint is given."""

    engine: Engine
    authenticate: Callable[[str | None], Awaitable[Principal]]
    """From the bearer token, or None, to the principal; raises `Unauthenticated`."""
    context_for: Callable[[Session], Any]
    """From the session to a fresh context, once per operation."""
    encode: Callable[[Any], str]
    """JSON text of a message."""
    limits: Limits = field(default_factory=Limits)
    open_session: Callable[[Any, Callable[[str], None]], Session] = Session
    """From the principal, and a function that ends the socket, to its session."""
    admit: Callable[[Any], None] = lambda _: None
    """Counts an operation of a principal; raises `RateLimited` when there were too many."""
    spend: Callable[[Any, int], None] = lambda _, __: None
    """Counts what an operation of a principal will cost, before it runs; raises `RateLimited` when too much was spent."""
