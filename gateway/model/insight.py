"""What is known of a person beyond attributes: consents, segments and interests."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from uuid import UUID

from gateway.model.profile import Channel
from gateway.model.source import Source

__all__ = ["Consent", "ConsentStatus", "Interest", "InterestTopic", "Segment"]


class ConsentStatus(Enum):
    """What the person said to a purpose."""

    GRANTED = "GRANTED"
    DENIED = "DENIED"
    REVOKED = "REVOKED"
    UNKNOWN = "UNKNOWN"


@dataclass(frozen=True, slots=True)
class Consent:
    """The person's word on one purpose, on one channel (None: on all). `evidence`: where the word is kept."""

    purpose: str
    channel: Channel | None
    status: ConsentStatus
    updated_at: datetime | None
    expires_at: datetime | None
    source: Source | None
    evidence: str | None


@dataclass(frozen=True, slots=True)
class Segment:
    """An audience that another system put the person into."""

    key: str
    display_name: str
    entered_at: datetime | None


@dataclass(frozen=True, slots=True)
class Interest:
    """A topic the person has shown an interest in, by one source; `score` 0 to 1."""

    profile_id: UUID
    topic: str
    category: str
    score: float
    first_triggered_at: datetime
    last_triggered_at: datetime
    trigger_count: int
    source: Source


@dataclass(frozen=True, slots=True)
class InterestTopic:
    """A topic of the workspace's catalogue."""

    topic: str
    category: str
