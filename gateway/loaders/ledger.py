"""How the sources did in one operation: per profile for `sources`, and as a whole for `errors`.

Owns what is kept of each answer: the worst report of each source, and for a source that failed the place in the response where that was met first.
Must not keep what a source wrote: its words are ours. Filled by `loaders`; read by resolvers and `engine`.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final, Protocol

from gateway.errors import SourceCircuitOpen, SourceError, SourceTimeout, SourceUnavailable
from gateway.model.source import Source, SourceReport, SourceState, worst_of
from gateway.sources.contract import Stale
from gateway.sources.guard import state_of

__all__ = ["FIELD", "SEARCH", "Failure", "Ledger", "Place", "in_our_words", "report_of"]


class Place(Protocol):
    """A place in the response, as the executor keeps it."""

    def as_list(self) -> Sequence[str | int]:
        """The keys and indices that lead there."""


FIELD: ContextVar[Place | None] = ContextVar("field", default=None)
"""Where the field stands that is being answered, for who is asked on its behalf."""

SEARCH: Final = "search"
"""What reports about look-ups are entered under: they are about nobody yet."""

_ERRORS: Final[dict[SourceState, type[SourceError]]] = {
    SourceState.TIMEOUT: SourceTimeout,
    SourceState.ERROR: SourceUnavailable,
    SourceState.CIRCUIT_OPEN: SourceCircuitOpen,
}
_SAID: Final = {
    SourceState.STALE: "{} does not answer; this is what it said before.",
    SourceState.TIMEOUT: "{} did not answer in time.",
    SourceState.ERROR: "{} could not be reached or answered with an error.",
    SourceState.CIRCUIT_OPEN: "{} failed too often and is given a rest.",
}


@dataclass(frozen=True, slots=True)
class Failure:
    """A source whose part is missing from the response. `path`: of the first field that misses it, if that is known."""

    source: str
    code: str
    message: str
    path: Sequence[str | int] | None


class Ledger:
    """Of one operation, or of one live event."""

    __slots__ = ("_failures", "_reports")

    def __init__(self) -> None:
        self._reports: dict[Hashable, list[SourceReport]] = {}
        self._failures: dict[str, Failure] = {}

    def enter(self, reports: Iterable[SourceReport], about: Hashable = None) -> None:
        """Keep what sources did; `about`: a profile's id, or `SEARCH` (None: what was asked has reports of its own)."""
        told = list(reports)
        if about is not None:
            self._reports.setdefault(about, []).extend(told)
        for report in told:
            if report.state is SourceState.OK:
                continue
            error = _ERRORS.get(report.state)
            if error is not None and report.source.key not in self._failures:
                place = FIELD.get()
                path = None if place is None else place.as_list()
                self._failures[report.source.key] = Failure(report.source.key, error.code, report.message or "", path)

    def of(self, about: Hashable) -> list[SourceReport]:
        """The worst report of each source about something, the highest priority first."""
        return worst_of(self._reports.get(about, ()))

    @property
    def failures(self) -> Sequence[Failure]:
        """The sources that failed, each once."""
        return tuple(self._failures.values())


def report_of(source: Source, answer: object) -> SourceReport:
    """What a source's answer for one key says of the source."""
    if isinstance(answer, SourceError):
        state = state_of(answer)
        return SourceReport(source, state, source.last_success_at, _SAID[state].format(source.display_name))
    if isinstance(answer, Stale):
        return SourceReport(source, SourceState.STALE, answer.as_of, _SAID[SourceState.STALE].format(source.display_name))
    return SourceReport(source, SourceState.OK, source.last_success_at)


def in_our_words(source: Source, error: SourceError) -> SourceError:
    """The error of a system elsewhere as a client may see it, whatever its adapter wrote into it."""
    state = state_of(error)
    return _ERRORS[state](source.key, _SAID[state].format(source.display_name))
