"""Events that say more of a person than that something happened: a shown interest, a word on a consent, a way into or out of an audience.

Owns the reserved event names, what their properties mean, and the rows they make: read once per batch under the profiles' locks, changed by
the rules of `model.insight`, written once. Called by `tracking` (every way in) and `activities`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

import asyncpg

from gateway.commands.consents import consent_change, consent_row
from gateway.commands.unit import Unit
from gateway.commands.validation import text_problem
from gateway.errors import Problem, Rejected
from gateway.model.audit import ChangeAction
from gateway.model.configuration import Feature
from gateway.model.insight import OTHER_CATEGORY, Audience, Consent, ConsentStatus, InterestState, later_word, moved, triggered
from gateway.model.profile import Channel
from gateway.records.insights import consent_of
from gateway.storage.database import columns

__all__ = [
    "CONSENT_UPDATED",
    "INTEREST_TRIGGERED",
    "LONGEST_TOPIC",
    "AudienceSignal",
    "ConsentSignal",
    "InterestSignal",
    "Signal",
    "read_signal",
    "write_signals",
]

INTEREST_TRIGGERED: Final = "Interest Triggered"
CONSENT_UPDATED: Final = "Consent Updated"
_AUDIENCE: Final = {"Audience Entered": True, "Audience Exited": False}

LONGEST_TOPIC: Final = 128
"""UTF-8 bytes of a topic, a category, a purpose and the key of an audience."""
_LONGEST_EVIDENCE = 2048


@dataclass(frozen=True, slots=True)
class InterestSignal:
    """Somebody showed an interest; `score` 0 to 1 where the sender knows how strong it is."""

    topic: str
    category: str | None
    score: float | None

    @property
    def detail(self) -> dict[str, Any]:
        """What the timeline item keeps of it."""
        return {"topic": self.topic, "category": self.category or OTHER_CATEGORY, "score": self.score}


@dataclass(frozen=True, slots=True)
class ConsentSignal:
    """Somebody said yes or no to a purpose."""

    purpose: str
    channel: Channel | None
    status: ConsentStatus
    evidence: str | None
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class AudienceSignal:
    """Another system put somebody into an audience, or took them out."""

    key: str
    name: str | None
    entered: bool


Signal = InterestSignal | ConsentSignal | AudienceSignal


def read_signal(type_: str, properties: Mapping[str, Any]) -> Signal | None:
    """What an event of a reserved name says; None for any other event, and for an audience without a key (which says nothing).

    Raises:
        Rejected: REQUIRED or INVALID, at `properties.<name>`.
    """
    if type_ == INTEREST_TRIGGERED:
        return InterestSignal(_required(properties, "topic"), _text(properties, "category"), _score(properties))
    if type_ == CONSENT_UPDATED:
        return ConsentSignal(
            _required(properties, "purpose"),
            _word(properties, "channel", Channel),
            _word(properties, "status", ConsentStatus) or _missing("status"),
            _text(properties, "evidence", _LONGEST_EVIDENCE),
            _moment(properties, "expiresAt"),
        )
    if type_ in _AUDIENCE and properties.get("audience_key"):
        return AudienceSignal(_required(properties, "audience_key"), _text(properties, "audience_name"), _AUDIENCE[type_])
    return None


async def write_signals(unit: Unit, source: str, given: Sequence[tuple[UUID, datetime, Signal]]) -> dict[UUID, set[str]]:
    """Write what events said, in the order given; the names on `Profile` that changed. The profiles are locked.

    A consent is logged and recorded in the audit here, so that its entry shows live. In a workspace without insights nothing else is written.
    """
    if Feature.INSIGHTS not in unit.configuration.features:
        given = [one for one in given if isinstance(one[2], ConsentSignal)]
    changed: dict[UUID, set[str]] = {}
    interests = [(owner, at, signal) for owner, at, signal in given if isinstance(signal, InterestSignal)]
    if interests:
        await _write_interests(unit, source, interests)
        for owner, _, _ in interests:
            changed.setdefault(owner, set()).add("interests")
    consents = [(owner, at, signal) for owner, at, signal in given if isinstance(signal, ConsentSignal)]
    if consents:
        await _write_consents(unit, source, consents)
    audiences = [(owner, at, signal) for owner, at, signal in given if isinstance(signal, AudienceSignal)]
    if audiences:
        for owner in await _write_audiences(unit, source, audiences):
            changed.setdefault(owner, set()).add("segments")
    return changed


async def _write_interests(unit: Unit, source: str, given: Sequence[tuple[UUID, datetime, InterestSignal]]) -> None:
    categories = await _categories(unit, [signal for _, _, signal in given])
    keys = list(dict.fromkeys((owner, signal.topic, source) for owner, _, signal in given))
    states: dict[tuple[UUID, str], InterestState] = {
        (row["profile_id"], row["topic"]): InterestState(
            row["score"], row["scored_at"], row["first_triggered_at"], row["last_triggered_at"], row["trigger_count"]
        )
        for row in await unit.fetch("interests_by_key", *columns(keys))
    }
    for owner, at, signal in given:
        states[owner, signal.topic] = triggered(states.get((owner, signal.topic)), at, signal.score)
    rows = []
    for owner, topic, _ in keys:
        one = states[owner, topic]
        moments = one.scored_at, one.first_triggered_at, one.last_triggered_at
        rows.append((owner, topic, source, categories[topic], one.score, *moments, one.trigger_count))
    await unit.fetch("write_interests", *columns(rows))


async def _categories(unit: Unit, signals: Sequence[InterestSignal]) -> dict[str, str]:
    """The category of each topic. The catalogue decides; topics it has not, or not yet put anywhere, go where the event says."""
    said: dict[str, str] = {}
    for signal in signals:
        if said.get(signal.topic, OTHER_CATEGORY) == OTHER_CATEGORY:  # of one batch the first that says one
            said[signal.topic] = signal.category or OTHER_CATEGORY
    known = {row["topic"]: row["category"] for row in await unit.fetch("topic_categories", list(said))}
    new = {
        topic: category
        for topic, category in said.items()
        if topic not in known or (known[topic] == OTHER_CATEGORY and category != OTHER_CATEGORY)
    }
    if new:
        await unit.fetch("add_interest_topics", *columns(list(new.items())))
    return {**said, **known, **new}


async def _write_consents(unit: Unit, source: str, given: Sequence[tuple[UUID, datetime, ConsentSignal]]) -> None:
    keys = list(dict.fromkeys((owner, signal.purpose, signal.channel.value if signal.channel else "") for owner, _, signal in given))
    known = {
        (row["profile_id"], row["purpose"], row["channel"]): consent_of(row) for row in await unit.fetch("consents_by_key", *columns(keys))
    }
    latest: dict[tuple[UUID, str, str], Consent] = dict(known)
    for owner, at, signal in given:
        said = Consent(signal.purpose, signal.channel, signal.status, at, signal.expires_at, source, signal.evidence)
        key = owner, signal.purpose, signal.channel.value if signal.channel else ""
        latest[key] = later_word(latest.get(key), said)
    rows = []
    for key in keys:
        before, after = known.get(key), latest[key]
        if after == before:
            continue
        owner = key[0]
        rows.append(consent_row(owner, after))
        if before is None or before.content != after.content:
            change_id = unit.record(owner, ChangeAction.UPDATED, consent_change(before, after))
            unit.profile_changed(owner, "consents", item_id=change_id)
        else:
            unit.profile_changed(owner, "consents")  # said again: only its date is new
    if rows:
        await unit.fetch("write_consents", *columns(rows))


async def _write_audiences(unit: Unit, source: str, given: Sequence[tuple[UUID, datetime, AudienceSignal]]) -> set[UUID]:
    """The profiles whose segments look different now."""
    keys = list(dict.fromkeys((owner, signal.key) for owner, _, signal in given))
    rows = await unit.fetch("segments_by_key", *columns(keys))
    known = {(row["profile_id"], row["key"]): _audience_of(row) for row in rows}
    latest: dict[tuple[UUID, str], Audience] = dict(known)
    for owner, at, signal in given:
        latest[owner, signal.key] = moved(latest.get((owner, signal.key)), at, signal.name, entered=signal.entered)
    written = [(key, latest[key]) for key in keys if latest[key] != known.get(key)]
    if written:
        await unit.fetch(
            "write_segments",
            *columns([(*key, source, one.name, one.entered_at, one.left_at, one.updated_at) for key, one in written]),
        )
    return {key[0] for key, one in written if _shown(one) != _shown(known.get(key))}


def _shown(audience: Audience | None) -> tuple[str | None, datetime | None] | None:
    return (audience.name, audience.entered_at) if audience is not None and audience.inside else None


def _audience_of(row: asyncpg.Record) -> Audience:
    return Audience(row["name"], row["entered_at"], row["left_at"], row["updated_at"])


def _text(properties: Mapping[str, Any], name: str, longest: int = LONGEST_TOPIC) -> str | None:
    value = properties.get(name)
    if value is None:
        return None
    if not isinstance(value, str):
        raise _invalid(name, "A text is expected.")
    text = value.strip()
    wrong = text_problem(text, longest)
    if wrong:
        raise _invalid(name, wrong)
    return text or None


def _required(properties: Mapping[str, Any], name: str) -> str:
    text = _text(properties, name)
    if text is None:
        raise Rejected(Problem("REQUIRED", f"properties.{name} is missing.", ("properties", name)))
    return text


def _missing(name: str) -> Any:
    raise Rejected(Problem("REQUIRED", f"properties.{name} is missing.", ("properties", name)))


def _word(properties: Mapping[str, Any], name: str, of: Any) -> Any:
    """A member of an enumeration, in any case; None when it is not given."""
    word = _text(properties, name)
    if word is None:
        return None
    try:
        return of(word.upper())
    except ValueError:
        raise _invalid(name, f"It is one of {', '.join(one.value for one in of)}.") from None


def _score(properties: Mapping[str, Any]) -> float | None:
    score = properties.get("score")
    if score is None:
        return None
    if isinstance(score, bool) or not isinstance(score, int | float) or not 0 <= score <= 1:
        raise _invalid("score", "A number from 0 to 1 is expected.")
    return float(score)


def _moment(properties: Mapping[str, Any], name: str) -> datetime | None:
    text = _text(properties, name)
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise _invalid(name, "A moment is written in ISO 8601, for example 2026-01-31T09:30:00Z.") from None


def _invalid(name: str, message: str) -> Rejected:
    return Rejected(Problem("INVALID", f"properties.{name}: {message}", ("properties", name)))
