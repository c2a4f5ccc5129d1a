"""Live contacts: a call or a chat from OFFERED to CLOSED, whom it may be from, and with whom it is associated.

Owns the states, the moves between them that are allowed, and the shapes. Called by records, commands and resolvers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from types import MappingProxyType
from typing import Any, Final
from uuid import UUID

from gateway.model.activity import Direction
from gateway.model.actor import Actor
from gateway.model.ids import make_id
from gateway.model.profile import Channel

__all__ = ["MOVES", "Association", "Candidate", "Contact", "ContactFilter", "ContactPermissions", "ContactState", "MatchState"]


class ContactState(Enum):
    """How far a contact is."""

    OFFERED = "OFFERED"
    CONNECTED = "CONNECTED"
    WRAP_UP = "WRAP_UP"
    CLOSED = "CLOSED"


MOVES: Final[Mapping[ContactState, frozenset[ContactState]]] = MappingProxyType(
    {
        ContactState.OFFERED: frozenset({ContactState.CONNECTED, ContactState.CLOSED}),
        ContactState.CONNECTED: frozenset({ContactState.WRAP_UP, ContactState.CLOSED}),
        ContactState.WRAP_UP: frozenset({ContactState.CLOSED}),
        ContactState.CLOSED: frozenset(),
    }
)
"""From a state to those that may follow; staying is no move and always allowed."""


class MatchState(Enum):
    """What the look-up of the contact's person came to. SUPPRESSED: an agent unlinked it, and nothing matches it automatically again."""

    SEARCHING = "SEARCHING"
    NONE = "NONE"
    ONE = "ONE"
    MULTIPLE = "MULTIPLE"
    SUPPRESSED = "SUPPRESSED"


@dataclass(frozen=True, slots=True)
class Contact:
    """One live contact.

    `profile_id` is its current association's; `normalized` is the address as it is compared; `search_key` the search that its opener asked for
    instead of the channel's: `{"key", "values"}`, the values as they are compared.
    """

    contact_id: UUID
    version: int
    external_id: str
    state: ContactState
    channel: Channel
    custom_channel: str | None
    address: str | None
    normalized: str | None
    display_name: str | None
    direction: Direction
    agent: Actor | None
    queue: str | None
    match: MatchState
    profile_id: UUID | None
    parent_id: UUID | None
    attributes: dict[str, Any] | None
    handoff_context: Any
    search_key: dict[str, Any] | None
    summary: str | None
    wrap_up: dict[str, Any] | None
    unlink_reason: str | None
    interaction_id: UUID | None
    offered_at: datetime
    accepted_at: datetime | None
    wrap_up_at: datetime | None
    closed_at: datetime | None

    @property
    def id(self) -> str:
        """The client's id."""
        return make_id("con", self.contact_id)

    @property
    def is_open(self) -> bool:
        """Whether it may still change."""
        return self.state is not ContactState.CLOSED


@dataclass(frozen=True, slots=True)
class Candidate:
    """A profile a contact may be from.

    `matched_on`: (search key, normalized value; empty where the value is SENSITIVE); `score`: 1 for an exact value, less for a name.
    """

    profile_id: UUID
    score: float
    matched_on: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Association:
    """That a contact was said to be from a profile. `superseded_at` None: it counts."""

    profile_id: UUID
    by: Actor
    at: datetime
    automatic: bool
    verified_keys: tuple[str, ...]
    superseded_at: datetime | None


@dataclass(frozen=True, slots=True)
class ContactPermissions:
    """What the viewer may do with a contact."""

    associate: bool
    create_profile: bool


@dataclass(frozen=True, slots=True)
class ContactFilter:
    """Which contacts to list; every given condition must hold, within a list any one suffices. `since` is included, `until` is not."""

    agents: tuple[str, ...] | None = None
    queues: tuple[str, ...] | None = None
    channels: tuple[Channel, ...] | None = None
    states: tuple[ContactState, ...] | None = None
    profile_id: UUID | None = None
    since: datetime | None = None
    until: datetime | None = None
