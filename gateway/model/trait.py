"""Traits: facts about a person, each with where it came from, and the rule that picks one when sources differ.

Owns the merge of candidates (pure) and the catalogue of well-known traits. Called by sources (which make candidates) and loaders.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum
from functools import lru_cache, partial
from itertools import groupby
from operator import attrgetter
from typing import Any, Final, Protocol

from gateway.model.actor import Actor, ActorKind
from gateway.model.source import Source

__all__ = [
    "WELL_KNOWN",
    "CategoryCount",
    "Labelled",
    "Provenance",
    "Trait",
    "TraitCandidate",
    "TraitFact",
    "TraitKind",
    "display",
    "known_trait",
    "merge_traits",
    "summarize",
]


class TraitKind(Enum):
    """What sort of fact a trait is."""

    PROFILE = "PROFILE"
    DEMOGRAPHIC = "DEMOGRAPHIC"
    PREFERENCE = "PREFERENCE"
    COMPUTED = "COMPUTED"
    PREDICTIVE = "PREDICTIVE"
    BEHAVIOURAL = "BEHAVIOURAL"


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where a value came from. `actor` is set when a person typed it."""

    source: Source
    observed_at: datetime
    computed_from: str | None = None
    model: str | None = None
    expires_at: datetime | None = None
    actor: Actor | None = None


@dataclass(frozen=True, slots=True)
class TraitCandidate:
    """A value that lost, and which rule decided."""

    value: Any
    provenance: Provenance
    lost_because: str
    sealed: bool = False

    @property
    def display_value(self) -> str | None:
        """The value as a person reads it."""
        return display(self.value)


@dataclass(frozen=True, slots=True)
class Trait:
    """One trait of a profile: what one source says of it and, after the merge, what is shown of it, with what lost as `conflicts`.

    A fact that nobody contradicts goes through the merge as it is: most traits are never made twice.
    """

    key: str
    value: Any
    kind: TraitKind
    category: str | None
    confidence: float | None
    provenance: Provenance
    sealed: bool = False
    """The value is kept encrypted: `value` is None, though there is one."""
    conflicts: tuple[TraitCandidate, ...] = ()

    @property
    def display_name(self) -> str:
        """The trait's label."""
        return known_trait(self.key)[0]

    @property
    def display_value(self) -> str | None:
        """The value as a person reads it."""
        return display(self.value)


TraitFact = Trait
"""What one source says of one trait of one profile: the merge's input."""


@dataclass(frozen=True, slots=True)
class CategoryCount:
    """How many traits a category has, and the labels of its first few."""

    category: str
    count: int
    top: tuple[str, ...]


def display(value: Any) -> str | None:
    """A JSON value as a person reads it: yes/no for booleans, items joined by commas."""
    if value is None or value.__class__ is str:
        return value
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(display(item) or "" for item in value)
    if isinstance(value, dict):
        return ", ".join(f"{key}: {display(item) or '–'}" for key, item in value.items())
    return f"{value:.15g}" if isinstance(value, float) else str(value)


def merge_traits(facts: Iterable[TraitFact], now: datetime | None = None) -> list[Trait]:
    """One trait per key, by key: an agent's explicit edit beats any source, then the higher source priority, then the later observation.

    Ties fall to the source key, so the answer never depends on the order in which sources answered. Losers stay as `conflicts`. A value that
    expired before `now` (None: nothing expires) loses against any that lives, and a trait of expired values alone is none.
    """
    facts = list(facts)
    if len({fact.key for fact in facts}) == len(facts):  # nobody contradicts anybody
        single = [fact for fact in facts if fact.provenance.expires_at is None or not _expired(fact, now)]
        return sorted(single, key=attrgetter("key"))
    ordered = sorted(facts, key=partial(_rank, now))
    groups = [list(group) for _, group in groupby(ordered, key=attrgetter("key"))]
    return [_merge(group, now) for group in groups if not _expired(group[0], now)]


class Labelled(Protocol):
    """What a summary is made of."""

    @property
    def category(self) -> str | None: ...
    @property
    def display_name(self) -> str: ...


def summarize(traits: Iterable[Labelled], top: int = 3) -> list[CategoryCount]:
    """Traits counted by category, largest first; those without one count as "Other"."""
    by_category: dict[str, list[str]] = {}
    for trait in traits:
        by_category.setdefault(trait.category or "Other", []).append(trait.display_name)
    counts = Counter({category: len(names) for category, names in by_category.items()})
    return [
        CategoryCount(category, count, tuple(by_category[category][:top])) for category, count in sorted(counts.items(), key=_largest_first)
    ]


def _largest_first(item: tuple[str, int]) -> tuple[int, str]:
    return -item[1], item[0]


def _explicit(fact: TraitFact) -> bool:
    actor = fact.provenance.actor
    return actor is not None and actor.kind in (ActorKind.AGENT, ActorKind.SUPERVISOR)


def _expired(fact: TraitFact, now: datetime | None) -> bool:
    expires_at = fact.provenance.expires_at
    return now is not None and expires_at is not None and expires_at <= now


def _rank(now: datetime | None, fact: TraitFact) -> tuple[str, bool, bool, int, float, str]:
    """Sort key within one trait key: the winner first."""
    provenance = fact.provenance
    place = -provenance.source.priority, -provenance.observed_at.timestamp(), provenance.source.key
    return fact.key, _expired(fact, now), not _explicit(fact), *place


def _merge(facts: list[TraitFact], now: datetime | None) -> Trait:
    winner = facts[0]
    conflicts = tuple(
        TraitCandidate(loser.value, loser.provenance, _EXPIRED if _expired(loser, now) else _why(winner, loser), loser.sealed)
        for loser in facts[1:]
        if not _agree(winner, loser)
    )
    return replace(winner, conflicts=conflicts) if conflicts else winner


def _agree(one: TraitFact, other: TraitFact) -> bool:
    """Equal as JSON: unlike in Python, true is not 1. Of sealed values nobody here can tell, so they never agree."""
    if one.sealed or other.sealed:
        return False
    return bool(one.value == other.value) and isinstance(one.value, bool) is isinstance(other.value, bool)


_EXPIRED: Final = "the value expired"


def _why(winner: TraitFact, loser: TraitFact) -> str:
    if _explicit(winner) and not _explicit(loser):
        return "an agent set the value explicitly"
    if winner.provenance.source.priority != loser.provenance.source.priority:
        return f"{winner.provenance.source.display_name} has a higher priority"
    if winner.provenance.observed_at != loser.provenance.observed_at:
        return "a later observation won"
    return "equal in every rule; the source key decided"


_KNOWN: Final[Mapping[str, tuple[str, TraitKind, str | None]]] = {
    "age": ("Age", TraitKind.DEMOGRAPHIC, "Demographics"),
    "gender": ("Gender", TraitKind.DEMOGRAPHIC, "Demographics"),
    "birthday": ("Birthday", TraitKind.DEMOGRAPHIC, "Demographics"),
    "title": ("Job title", TraitKind.DEMOGRAPHIC, "Demographics"),
    "address": ("Address", TraitKind.DEMOGRAPHIC, "Demographics"),
    "website": ("Website", TraitKind.PROFILE, "Contact"),
    "username": ("User name", TraitKind.PROFILE, "Contact"),
    "plan": ("Plan", TraitKind.PROFILE, "Subscription"),
    "language": ("Language", TraitKind.PREFERENCE, "Preferences"),
    "lifetime_value": ("Lifetime value", TraitKind.COMPUTED, "Value"),
    "top_purchase_category": ("Top purchase category", TraitKind.COMPUTED, "Value"),
    "orders_count": ("Orders", TraitKind.COMPUTED, "Value"),
    "churn_likelihood": ("Likelihood to churn", TraitKind.PREDICTIVE, "Predictions"),
    "predicted_lifetime_value": ("Predicted lifetime value", TraitKind.PREDICTIVE, "Predictions"),
    "nps": ("NPS", TraitKind.COMPUTED, "Satisfaction"),
}
"""Segment's reserved traits and the traits contact centres name most, so that a new workspace reads well before anyone configures it."""

WELL_KNOWN: Final = tuple(_KNOWN)
"""Their keys."""

_WORD = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+")


@lru_cache(maxsize=4096)
def known_trait(key: str) -> tuple[str, TraitKind, str | None]:
    """Label, kind and category of a trait key; a key nobody described gets a label made of its words."""
    found = _KNOWN.get(key)
    if found is not None:
        return found
    words = " ".join(_WORD.findall(key)).lower()
    return (words[:1].upper() + words[1:] or key), TraitKind.PROFILE, None
