"""A customer's profile: the person, how to reach them, what identifies them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from enum import Enum
from uuid import UUID

from gateway.model.change import Position
from gateway.model.ids import make_id
from gateway.model.source import Source

__all__ = [
    "Channel",
    "ContactPoint",
    "Identifier",
    "MaskState",
    "MatchedKey",
    "Profile",
    "ProfileLifecycle",
    "ProfileStatus",
]


class ProfileStatus(Enum):
    """Whether the profile is the living one."""

    ACTIVE = "ACTIVE"
    MERGED = "MERGED"
    ERASED = "ERASED"


class ProfileLifecycle(Enum):
    """How far the person is a customer."""

    ANONYMOUS = "ANONYMOUS"
    PROSPECT = "PROSPECT"
    CUSTOMER = "CUSTOMER"
    FORMER = "FORMER"


class Channel(Enum):
    """How a person and the company reach each other."""

    __hash__ = object.__hash__  # a member is equal to itself alone: to hash its name, as Enum does, takes five times as long

    VOICE = "VOICE"
    SMS = "SMS"
    WHATSAPP = "WHATSAPP"
    EMAIL = "EMAIL"
    CHAT = "CHAT"
    MESSENGER = "MESSENGER"
    INSTAGRAM = "INSTAGRAM"
    X = "X"
    VIDEO = "VIDEO"
    WEB = "WEB"
    CUSTOM = "CUSTOM"


class MaskState(Enum):
    """How much of a value the viewer may see."""

    CLEAR = "CLEAR"
    MASKED = "MASKED"
    HIDDEN = "HIDDEN"


@dataclass(frozen=True, slots=True)
class Profile:
    """One person as the gateway knows them. `position`: where the profile's stream stood before any of this was read."""

    profile_id: UUID
    version: int
    status: ProfileStatus
    lifecycle: ProfileLifecycle
    first_name: str | None
    middle_name: str | None
    last_name: str | None
    avatar_url: str | None
    locale: str | None
    time_zone: str | None
    birth_date: date | None
    customer_since: datetime | None
    created_at: datetime
    updated_at: datetime
    position: Position
    merged_into: UUID | None = None
    """Status MERGED: the profile it went into."""
    redirected_from: str | None = None
    """The client's id that was asked for, when it was merged away and this is the survivor."""
    external_types: tuple[str, ...] | None = field(default=None, compare=False, repr=False)
    """What the workspace's layout shows of external activities, where that was read together with the profile."""

    @property
    def id(self) -> str:
        """The client's id."""
        return make_id("prf", self.profile_id)

    @property
    def display_name(self) -> str:
        """What a screen calls the person; never empty."""
        names = (self.first_name, self.middle_name, self.last_name)
        return " ".join([name for name in names if name]) or f"Unnamed profile {self.profile_id.hex[-6:]}"


@dataclass(frozen=True, slots=True)
class ContactPoint:
    """One way to reach a person. `raw` is what was typed, `normalized` what is compared; `phone` and `email` only where it is one."""

    profile_id: UUID
    point_id: UUID
    channel: Channel
    custom_channel: str | None
    raw: str
    normalized: str
    label: str | None
    is_primary: bool
    is_verified: bool
    source: Source | None

    @property
    def id(self) -> str:
        """The client's id."""
        return make_id("cpt", self.profile_id, self.point_id)


@dataclass(frozen=True, slots=True)
class Identifier:
    """One key another system knows the person by: unique per type within a workspace."""

    profile_id: UUID
    identifier_id: UUID
    type: str
    raw: str
    normalized: str
    is_verified: bool
    added_at: datetime
    source: Source | None
    sealed: bool = False
    """SENSITIVE: `raw` is a mask and `normalized` a hash."""

    @property
    def id(self) -> str:
        """The client's id."""
        return make_id("idn", self.profile_id, self.identifier_id)


@dataclass(frozen=True, slots=True)
class MatchedKey:
    """Which search key found a profile, and by what value."""

    key: str
    display_value: str
