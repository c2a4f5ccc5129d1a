"""The principal: one resolved, immutable answer to "who is asking", made once per request or socket.

Owns the shape and what follows from it (the actor, the expiry). Must not decide what a principal may do: that is `policy`.
Made by `gate` and `keys` alone; the workspace comes from the credential, never from an argument or a header.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from types import MappingProxyType
from typing import Final
from uuid import UUID

from gateway.model.actor import Actor, ActorKind

__all__ = ["Principal", "Role"]


class Role(Enum):
    """What kind of client holds the credential; the value is the `role` claim of a token."""

    __hash__ = object.__hash__  # each is there once; an enumeration's own is a call of Python, some of them per request

    AGENT = "agent"
    SUPERVISOR = "supervisor"
    ADMIN = "admin"
    PARTNER = "partner"
    SERVICE = "service"


_ACTOR_KINDS: Final = MappingProxyType(
    {
        Role.AGENT: ActorKind.AGENT,
        Role.SUPERVISOR: ActorKind.SUPERVISOR,
        Role.ADMIN: ActorKind.SUPERVISOR,
        Role.PARTNER: ActorKind.PARTNER,
        Role.SERVICE: ActorKind.SOURCE,
    }
)


@dataclass(frozen=True, slots=True)
class Principal:
    """`subject` names the person or key within the workspace; `scopes` are final (already narrowed by the credential).

    `expires_at` is when the credential ends, None never happens for credentials of today; `source` is the source key that the events of a
    write key count as; `issued_at` is when it was made, None where it does not say. Equal principals have equal rights, so a principal may be
    part of a cache key.
    """

    workspace_id: UUID
    workspace_key: str
    subject: str
    display_name: str
    role: Role
    scopes: frozenset[str]
    expires_at: datetime | None
    source: str | None
    issued_at: datetime | None = field(default=None, compare=False)

    @property
    def actor(self) -> Actor:
        """Who a note, a change or a trait is attributed to: a write key acts as its source."""
        return Actor(self.source or self.subject, self.display_name, _ACTOR_KINDS[self.role])

    def expired(self, now: datetime) -> bool:
        """Whether the credential has ended at this (aware) moment; a long-lived connection asks again before each event."""
        return self.expires_at is not None and now >= self.expires_at
