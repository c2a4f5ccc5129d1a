"""Sources of customer data, and what each of them answered."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

__all__ = ["DataParty", "Source", "SourceKind", "SourceReport", "SourceState", "worst_of"]


class SourceKind(Enum):
    """What a source provides."""

    PROFILE = "PROFILE"
    TRAITS = "TRAITS"
    NOTES = "NOTES"
    ACTIVITY = "ACTIVITY"
    IDENTITY = "IDENTITY"
    COMPANY = "COMPANY"


class SourceState(Enum):
    """How a source stands."""

    OK = "OK"
    STALE = "STALE"
    TIMEOUT = "TIMEOUT"
    ERROR = "ERROR"
    CIRCUIT_OPEN = "CIRCUIT_OPEN"
    DISABLED = "DISABLED"


class DataParty(Enum):
    """Whose data it is."""

    FIRST = "FIRST"
    SECOND = "SECOND"
    THIRD = "THIRD"
    PUBLIC = "PUBLIC"


@dataclass(frozen=True, slots=True)
class Source:
    """One source as clients see it. `priority`: the higher wins when values differ. `latency_ms`: of its last answer."""

    key: str
    display_name: str
    kinds: tuple[SourceKind, ...]
    party: DataParty = DataParty.FIRST
    priority: int = 0
    writable: bool = False
    state: SourceState = SourceState.OK
    last_success_at: datetime | None = None
    latency_ms: float | None = None

    @property
    def id(self) -> str:
        """The client's id."""
        return f"src_{self.key}"

    def standing(self, state: SourceState, last_success_at: datetime | None, latency_ms: float | None) -> Source:
        """The same source with its present state."""
        return Source(self.key, self.display_name, self.kinds, self.party, self.priority, self.writable, state, last_success_at, latency_ms)


@dataclass(frozen=True, slots=True)
class SourceReport:
    """What one source contributed to an answer. `as_of`: when its data was true; `message`: for a person, without upstream text."""

    source: Source
    state: SourceState
    as_of: datetime | None = None
    message: str | None = None


def worst_of(reports: Iterable[SourceReport]) -> list[SourceReport]:
    """One report per source, its worst: one that failed before one that is old, and the older of two; the highest priority first."""
    worst: dict[str, SourceReport] = {}
    for report in reports:
        known = worst.get(report.source.key)
        if known is None or _badness(report) > _badness(known):
            worst[report.source.key] = report
    return sorted(worst.values(), key=lambda report: (-report.source.priority, report.source.key))


def _badness(report: SourceReport) -> tuple[int, float]:
    if report.state is SourceState.STALE:
        return 1, 0.0 if report.as_of is None else -report.as_of.timestamp()
    return (0, 0.0) if report.state is SourceState.OK else (2, 0.0)
