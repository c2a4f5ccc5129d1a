"""The registry: which sources there are, in which order of priority, and what each key in a row means.

Owns the descriptors and the choice of sources per kind of data. Must not call a source. Built by `app`; asked by `loaders` and `resolvers`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from gateway.model.source import DataParty, Source, SourceKind
from gateway.sources.contract import ActivitySource, CompanySource, IdentitySource, NoteSource, ProfileSource, TraitSource

__all__ = ["BUILT_IN", "Registry"]

_EVERYTHING = tuple(SourceKind)

BUILT_IN: Final = (
    Source("native", "Profile Gateway", _EVERYTHING, DataParty.FIRST, priority=100, writable=True),
    Source("tracking", "Tracking API", (SourceKind.PROFILE, SourceKind.TRAITS, SourceKind.ACTIVITY), DataParty.FIRST, priority=50),
)
"""What is always there: the gateway's own tables (agents write here), and what arrives through the Segment-compatible ingest."""


@dataclass(frozen=True, slots=True)
class Registry:
    """Adapters by the kind of data they provide, highest priority first."""

    profiles: ProfileSource
    identity: IdentitySource
    companies: CompanySource
    traits: Sequence[TraitSource]
    notes: Sequence[NoteSource]
    activities: Sequence[ActivitySource]
    described: dict[str, Source] = field(default_factory=dict)

    async def find(self, workspace: UUID, key: str) -> Source | None:
        """A source that is there for everybody, or that a write key of this workspace names. Another workspace's labels are not confirmed."""
        known = self.known()
        if key in known:
            return known[key]
        return describer(self.described)(key) if await self.profiles.has_label(workspace, key) else None

    def known(self) -> dict[str, Source]:
        """The sources that are there for everybody, by key."""
        adapters = (self.profiles, *self.traits, *self.notes, *self.activities)
        return {source.key: source for source in (*BUILT_IN, *(adapter.source for adapter in adapters))}

    def labelled(self, key: str) -> Source:
        """The source behind the label of a write key."""
        found: Source = describer(self.described)(key)
        return found

    def activity_source(self, key: str) -> ActivitySource:
        """The adapter that holds the items of a source key: the native one, unless an adapter of that name is registered."""
        return next((adapter for adapter in self.activities if adapter.source.key == key), self.activities[0])

    @staticmethod
    def build(native: Any, others: Iterable[Any] = (), described: dict[str, Source] | None = None) -> Registry:
        """`native` provides everything; each other adapter what its descriptor says. `described` is kept and grows with new source keys."""
        rest = sorted(others, key=lambda adapter: (-adapter.source.priority, adapter.source.key))
        known = {source.key: source for source in BUILT_IN} if described is None else described
        known.update({adapter.source.key: adapter.source for adapter in rest})

        def providing(kind: SourceKind) -> list[Any]:
            return [native, *(adapter for adapter in rest if kind in adapter.source.kinds)]

        return Registry(
            profiles=native,
            identity=native,
            companies=native,
            traits=providing(SourceKind.TRAITS),
            notes=providing(SourceKind.NOTES),
            activities=providing(SourceKind.ACTIVITY),
            described=known,
        )


def describer(described: dict[str, Source]) -> Any:
    """A function from a source key to its descriptor; a key nobody described (a write key's own label) is presented by its name."""

    def describe(key: str) -> Source:
        found = described.get(key)
        if found is None:
            label = key.replace("-", " ").capitalize()
            found = described[key] = Source(key, label, (SourceKind.TRAITS, SourceKind.ACTIVITY), DataParty.FIRST, priority=50)
        return found

    return describe
