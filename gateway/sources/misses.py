"""What an answer lacked because a source failed: whose part of which source, so that it can be brought once the source is back.

Owns only the telling. A part is missed when the source did not answer for the person, or when an older answer stood in for it. Told by `loaders` and
by resolvers of live events; heard by `live.healing`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from uuid import UUID

from gateway.errors import SourceError
from gateway.model.source import SourceKind
from gateway.sources.contract import Stale

__all__ = ["LISTENERS", "Miss", "missed", "missed_among"]


@dataclass(frozen=True, slots=True)
class Miss:
    """`item`: the one item that could not be shown, by the source's own id; None: all of the kind."""

    workspace: UUID
    profile_id: UUID
    source: str
    kind: SourceKind
    item: str | None = None


LISTENERS: set[Callable[[Miss], None]] = set()
"""Called with every miss; they must not block."""


def missed(miss: Miss) -> None:
    """Tell of one."""
    for listener in tuple(LISTENERS):
        listener(miss)


def missed_among(workspace: UUID, source: str, kind: SourceKind, about: Iterable[object], answers: Iterable[object]) -> None:
    """Tell of each profile (what is about something else is passed over) whose answer is an error, or an old one."""
    if not LISTENERS:
        return
    for one, answer in zip(about, answers, strict=True):
        if isinstance(answer, SourceError | Stale) and isinstance(one, UUID):
            missed(Miss(workspace, one, source, kind))
