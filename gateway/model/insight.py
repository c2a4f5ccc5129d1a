"""What is known of a person beyond attributes: consents, segments and interests, and how each event changes them.

Owns the shapes and the rules (pure): what a trigger does to an interest, which of two words on a consent counts, when an audience is left.
Events may arrive in any order. Called by `commands.insights` and `commands.consents`, records and resolvers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum
from typing import Final
from uuid import UUID

from gateway.model.profile import Channel
from gateway.model.trait import known_trait

__all__ = [
    "OTHER_CATEGORY",
    "Audience",
    "Consent",
    "ConsentStatus",
    "Interest",
    "InterestState",
    "InterestTopic",
    "Segment",
    "later_word",
    "moved",
    "triggered",
]

OTHER_CATEGORY: Final = "Other"
"""The category of a topic that nobody has put into one yet."""

_MOST_HALVINGS = 52
"""From here on a score made of halves is 1 in double precision anyway."""


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
    updated_at: datetime
    expires_at: datetime | None
    source_key: str
    evidence: str | None

    def at(self, now: datetime) -> Consent:
        """As it stands at a moment: a yes that ran out is none, a no stays a no."""
        ran_out = self.status is ConsentStatus.GRANTED and self.expires_at is not None and self.expires_at <= now
        return replace(self, status=ConsentStatus.UNKNOWN) if ran_out else self

    @property
    def content(self) -> tuple[ConsentStatus, datetime | None, str | None]:
        """What was said, without when and by whom it was passed on."""
        return self.status, self.expires_at, self.evidence


def later_word(known: Consent | None, said: Consent) -> Consent:
    """The consent after somebody said something; the known one when what was said is older."""
    return known if known is not None and known.updated_at > said.updated_at else said


@dataclass(frozen=True, slots=True)
class Segment:
    """An audience that another system put the person into. `name`: as that system calls it."""

    key: str
    name: str | None
    entered_at: datetime | None

    def label(self, names: Mapping[str, str]) -> str:
        """Its name for a person: the operator's, else the sender's, else one made of the key's words."""
        return names.get(self.key) or self.name or known_trait(self.key)[0]


@dataclass(frozen=True, slots=True)
class Audience:
    """A person's way into an audience and out of it: `left_at` is None while inside, `updated_at` the moment of the event that decided."""

    name: str | None
    entered_at: datetime | None
    left_at: datetime | None
    updated_at: datetime

    @property
    def inside(self) -> bool:
        """Whether the person is in it."""
        return self.left_at is None


def moved(known: Audience | None, at: datetime, name: str | None, *, entered: bool) -> Audience:
    """The way after somebody entered or left at a moment; an event older than what is known changes nothing."""
    if known is not None and known.updated_at > at:
        return known
    name = name or (known.name if known is not None else None)
    if entered:
        inside = known is not None and known.inside
        return Audience(name, known.entered_at if known is not None and inside else at, None, at)
    return Audience(name, known.entered_at if known is not None else None, at, at)


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
    source_key: str


@dataclass(frozen=True, slots=True)
class InterestState:
    """An interest as triggers make it. `scored_at`: when a trigger last said the score itself; None where it follows from the count."""

    score: float
    scored_at: datetime | None
    first_triggered_at: datetime
    last_triggered_at: datetime
    trigger_count: int


def triggered(known: InterestState | None, at: datetime, score: float | None) -> InterestState:
    """The interest after one more trigger.

    Dates widen and the count grows whatever the order of arrival. The score is the one that the latest trigger with a score gave; while none
    did, it is 1 - 0.5^count: one trigger is half an interest, two are three quarters.
    """
    if known is None:
        return InterestState(_derived(1) if score is None else score, None if score is None else at, at, at, 1)
    count = known.trigger_count + 1
    kept, scored_at = known.score, known.scored_at
    if score is not None and (scored_at is None or (at, score) > (scored_at, kept)):
        kept, scored_at = score, at
    elif scored_at is None:
        kept = _derived(count)
    return InterestState(kept, scored_at, min(at, known.first_triggered_at), max(at, known.last_triggered_at), count)


def _derived(count: int) -> float:
    return float(1 - 0.5 ** min(count, _MOST_HALVINGS))


@dataclass(frozen=True, slots=True)
class InterestTopic:
    """A topic of the workspace's catalogue."""

    topic: str
    category: str
