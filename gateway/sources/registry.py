"""The registry: which sources there are, in which order of priority, and what each key in a row means.

Owns the descriptors and the choice of sources per kind of data. Must not call a source. Built by `app`; asked by `loaders` and `resolvers`.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Iterable, MutableMapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final
from uuid import UUID

from gateway.model.source import DataParty, Source, SourceKind
from gateway.sources.contract import (
    ActivitySource,
    CompanySource,
    FindingSource,
    IdentitySource,
    MembershipSource,
    NoteSource,
    ProfileFieldSource,
    ProfileSource,
    TraitSource,
)
from gateway.sources.definition import Definition

__all__ = ["BUILT_IN", "Registry"]

_EVERYTHING = tuple(SourceKind)

BUILT_IN: Final = (
    Source("native", "Profile Gateway", _EVERYTHING, DataParty.FIRST, priority=100, writable=True),
    Source("tracking", "Tracking API", (SourceKind.PROFILE, SourceKind.TRAITS, SourceKind.ACTIVITY), DataParty.FIRST, priority=50),
)
"""What is always there: the gateway's own tables (agents write here), and what arrives through the Segment-compatible ingest."""


@dataclass(frozen=True, slots=True)
class Registry:
    """Adapters by the kind of data they provide, highest priority first.

    `profiles`, `identity` and `companies` are the gateway itself, which the first of `traits`, `notes`, `activities` and `members` is too;
    `fields` and `finders` are there besides it. `disabled` are shown and never asked. A source of some workspaces alone is in what `seen_by` gives
    those: nobody else meets its adapter, its name or its key, which may be somebody's label there.
    """

    profiles: ProfileSource
    identity: IdentitySource
    companies: CompanySource
    traits: Sequence[TraitSource]
    notes: Sequence[NoteSource]
    activities: Sequence[ActivitySource]
    fields: Sequence[ProfileFieldSource] = ()
    finders: Sequence[FindingSource] = ()
    members: Sequence[MembershipSource] = ()
    described: MutableMapping[str, Source] = field(default_factory=dict)
    disabled: Sequence[Source] = ()
    _native: Any = None
    _reserved: Sequence[tuple[frozenset[str], Any]] = ()
    """Adapters (or descriptors of disabled sources) of some workspaces alone, with these."""
    _others: Sequence[Any] = ()
    _views: dict[frozenset[str], Registry] = field(default_factory=dict)

    def seen_by(self, workspace_key: str) -> Registry:
        """The registry of one workspace: with the sources of everybody and its own. Cheap enough for every operation."""
        own = [one for workspaces, one in self._reserved if workspace_key in workspaces]
        if not own:
            return self
        keys = frozenset(_descriptor(one).key for one in own)
        if keys not in self._views:  # as many as there are different selections in the file
            described = ChainMap({}, {_descriptor(one).key: _descriptor(one) for one in own}, self.described)
            self._views[keys] = _arranged(self._native, [*self._others, *own], described)
        return self._views[keys]

    async def find(self, workspace: UUID, key: str) -> Source | None:
        """A source that is there for everybody, or that a write key of this workspace names. Another workspace's labels are not confirmed."""
        known = self.known()
        if key in known:
            return known[key]
        return describer(self.described)(key) if await self.profiles.has_label(workspace, key) else None

    def known(self) -> dict[str, Source]:
        """The sources that are there for everybody, by key."""
        adapters = (self.profiles, *self.traits, *self.notes, *self.activities, *self.fields, *self.finders, *self.members)
        return {source.key: source for source in (*BUILT_IN, *self.disabled, *(adapter.source for adapter in adapters))}

    def labelled(self, key: str) -> Source:
        """The source behind the label of a write key."""
        found: Source = describer(self.described)(key)
        return found

    def activity_source(self, key: str) -> ActivitySource:
        """The adapter that holds the items of a source key: the native one, unless an adapter of that name is registered."""
        return next((adapter for adapter in self.activities if adapter.source.key == key), self.activities[0])

    @staticmethod
    def build(native: Any, others: Iterable[Any] = (), described: MutableMapping[str, Source] | None = None) -> Registry:
        """`native` provides everything; each other adapter what its descriptor says. `described` is kept and grows with new source keys.

        Of others, an adapter with a `definition` serves the workspaces that it names; a `Definition` alone is that of a disabled source.
        """
        known = {source.key: source for source in BUILT_IN} if described is None else described
        everybodys: list[Any] = []
        reserved: list[tuple[frozenset[str], Any]] = []
        for one in others:
            definition = one if isinstance(one, Definition) else getattr(one, "definition", None)
            if definition is None or definition.workspaces is None:
                everybodys.append(one)
            else:
                reserved.append((definition.workspaces, one))
        known.update({_descriptor(one).key: _descriptor(one) for one in everybodys})
        return replace(_arranged(native, everybodys, known), _native=native, _reserved=tuple(reserved), _others=tuple(everybodys))


def _arranged(native: Any, others: Sequence[Any], described: MutableMapping[str, Source]) -> Registry:
    rest = sorted(
        (one for one in others if not isinstance(one, Definition)), key=lambda adapter: (-adapter.source.priority, adapter.source.key)
    )

    def others_with(kind: SourceKind) -> list[Any]:
        return [adapter for adapter in rest if kind in adapter.source.kinds]

    def providing(kind: SourceKind) -> list[Any]:
        return [native, *others_with(kind)]

    return Registry(
        profiles=native,
        identity=native,
        companies=native,
        traits=providing(SourceKind.TRAITS),
        notes=providing(SourceKind.NOTES),
        activities=providing(SourceKind.ACTIVITY),
        fields=others_with(SourceKind.PROFILE),
        finders=others_with(SourceKind.IDENTITY),
        members=providing(SourceKind.COMPANY),
        described=described,
        disabled=[one.source for one in others if isinstance(one, Definition)],
    )


def _descriptor(one: Any) -> Source:
    found: Source = one.source  # an adapter has it, and so has a definition
    return found


def describer(described: MutableMapping[str, Source]) -> Any:
    """A function from a source key to its descriptor; a key nobody described (a write key's own label) is presented by its name."""

    def describe(key: str) -> Source:
        found = described.get(key)
        if found is None:
            label = key.replace("-", " ").capitalize()
            found = described[key] = Source(key, label, (SourceKind.TRAITS, SourceKind.ACTIVITY), DataParty.FIRST, priority=50)
        return found

    return describe
