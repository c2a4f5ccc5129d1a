"""Who did something: an agent, a supervisor, the system, a source or a partner."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

__all__ = ["SYSTEM", "Actor", "ActorKind"]


class ActorKind(Enum):
    """What kind of party acted."""

    AGENT = "AGENT"
    SUPERVISOR = "SUPERVISOR"
    SYSTEM = "SYSTEM"
    SOURCE = "SOURCE"
    PARTNER = "PARTNER"


@dataclass(frozen=True, slots=True)
class Actor:
    """`id` is the credential's subject (or the source's key); `display_name` is what a screen shows."""

    id: str
    display_name: str
    kind: ActorKind


SYSTEM = Actor("system", "Profile Gateway", ActorKind.SYSTEM)
