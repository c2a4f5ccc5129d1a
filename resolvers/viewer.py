"""The value behind `Viewer`: the principal as it sees itself. Called by the root field `viewer`."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.auth.principal import Principal
from gateway.model.actor import Actor

__all__ = ["ViewerValue"]


@dataclass(frozen=True, slots=True)
class ViewerValue:
    """Who is asking and what the credentials allow."""

    actor: Actor
    scopes: list[str]

    @classmethod
    def of(cls, principal: Principal) -> ViewerValue:
        """The viewer that a principal is."""
        return cls(principal.actor, sorted(principal.scopes))
