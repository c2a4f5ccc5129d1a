"""Traits: facts about a person, where they came from, and what lost, shown as far as the viewer may see them.

Owns the mask of a value by its definition: INTERNAL and PUBLIC ones are clear, PERSONAL ones take the right to personal data, of SENSITIVE ones
only that they are there is ever shown. Every path to a trait goes through `TraitView`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import strawberry

from gateway.auth.policy import mask_email, mask_of, mask_phone, mask_text
from gateway.engine.context import OperationContext
from gateway.model import trait as model
from gateway.model.attribute import AttributeDefinition, AttributeType, Sensitivity
from gateway.model.building import builder
from gateway.model.configuration import Configuration
from gateway.model.profile import MaskState
from resolvers.types.enums import TraitKind
from resolvers.types.node import PageInfo
from resolvers.types.scalars import JSON
from resolvers.types.source import Actor, Source

__all__ = [
    "CategoryCount",
    "Provenance",
    "ShownCandidate",
    "ShownTrait",
    "Trait",
    "TraitCandidate",
    "TraitConnection",
    "TraitEdge",
    "TraitView",
    "shown_value",
]

_DOTS: Final = "•••••"
_MASKS: Final = {AttributeType.PHONE: mask_phone, AttributeType.EMAIL: mask_email}


@strawberry.type(description="Where a value came from.")
class Provenance:
    source: Source = strawberry.field(description="The source that said so.")
    observed_at: datetime = strawberry.field(description="When it was observed.")
    computed_from: str | None = strawberry.field(description="What a computed value was calculated from.")
    model: str | None = strawberry.field(description="The model behind a predicted value.")
    expires_at: datetime | None = strawberry.field(description="When it stops being valid.")
    actor: Actor | None = strawberry.field(description="Who set it by hand.")


@strawberry.type(description="A value that lost against the one shown.")
class TraitCandidate:
    value: JSON | None = strawberry.field(description="The value.")
    provenance: Provenance = strawberry.field(description="Where it came from.")
    lost_because: str = strawberry.field(description="Which rule decided.")


@strawberry.type(description="A fact about the person, after the merge of all sources.")
class Trait:
    key: str = strawberry.field(description="Its name in the data.")
    display_name: str = strawberry.field(description="Its name for a person.")
    kind: TraitKind = strawberry.field(description="What sort of fact it is.")
    category: str | None = strawberry.field(description="The group it is shown in.")
    value: JSON | None = strawberry.field(description="The value.")
    display_value: str | None = strawberry.field(description="The value as a person reads it.")
    confidence: float | None = strawberry.field(description="How sure a model is, 0 to 1.")
    provenance: Provenance = strawberry.field(description="Where it came from.")
    conflicts: list[TraitCandidate] = strawberry.field(description="Values that lost, and which rule decided.")


@strawberry.type(description="A trait in a page.")
class TraitEdge:
    cursor: str = strawberry.field(description="Give it back as `after`.")
    node: Trait = strawberry.field(description="The trait.")


@strawberry.type(description="A page of traits, by key.")
class TraitConnection:
    edges: list[TraitEdge] = strawberry.field(description="The traits with their cursors.")
    nodes: list[Trait] = strawberry.field(description="The traits.")
    page_info: PageInfo = strawberry.field(description="Where the page lies.")


@strawberry.type(description="How many traits a category has.")
class CategoryCount:
    category: str = strawberry.field(description="The category; Other for traits without one.")
    count: int = strawberry.field(description="How many there are.")
    top: list[str] = strawberry.field(description="Names of the first few.")


@dataclass(frozen=True, slots=True)
class ShownCandidate:
    """A value that lost, as one viewer may see it."""

    value: Any
    provenance: model.Provenance
    lost_because: str


@dataclass(frozen=True, slots=True)
class ShownTrait:
    """A trait as one viewer may see it, under the label and in the group of its definition."""

    key: str
    display_name: str
    kind: model.TraitKind
    category: str | None
    value: Any
    display_value: str | None
    confidence: float | None
    provenance: model.Provenance
    conflicts: Sequence[ShownCandidate]


_shown = builder(ShownTrait)


class _Look:
    """What a definition and a mask say of every value of a key."""

    __slots__ = ("definition", "display", "group", "is_plain", "name")

    def __init__(self, definition: AttributeDefinition, group: str | None, mask: MaskState) -> None:
        self.definition = definition
        self.name = definition.name
        self.display = definition.display if definition.type is AttributeType.MONEY else model.display
        self.group = group
        sensitivity = definition.sensitivity
        is_personal = sensitivity is Sensitivity.PERSONAL and mask is not MaskState.CLEAR
        self.is_plain = sensitivity is not Sensitivity.SENSITIVE and not is_personal
        """Whether a value that is not kept encrypted is shown as it is."""


_MOST_LOOKS: Final = 4096
"""Keys of one workspace that a view remembers: sources may send any."""


class TraitView:
    """How traits look to one viewer: `view(trait)`."""

    __slots__ = ("_configuration", "_looks", "_mask")

    def __init__(self, configuration: Configuration, mask: MaskState) -> None:
        """`mask`: what the viewer sees of personal values (`auth.policy.mask_of`)."""
        self._configuration = configuration
        self._mask = mask
        looks: dict[str, _Look] = configuration.derived.setdefault((TraitView, mask), {})
        if len(looks) >= _MOST_LOOKS:
            looks.clear()
        self._looks = looks

    @classmethod
    def of(cls, context: OperationContext) -> TraitView:
        """The view of whoever runs the operation."""
        return cls(context.configuration, mask_of(context.principal))

    def __call__(self, trait: model.Trait) -> ShownTrait:
        """The trait behind the viewer's mask."""
        key, value = trait.key, trait.value
        look = self._looks.get(key) or self._look(key)
        if look.is_plain and not trait.sealed:
            display_value = value if value.__class__ is str else look.display(value)
        else:
            value, display_value, _ = shown_value(look.definition, value, self._mask, sealed=trait.sealed)
        return _shown(
            key,
            look.name,
            trait.kind,
            trait.category or look.group,
            value,
            display_value,
            trait.confidence,
            trait.provenance,
            [self.candidate(key, one) for one in trait.conflicts] if trait.conflicts else (),
        )

    def candidate(self, key: str, candidate: model.TraitCandidate) -> ShownCandidate:
        """A value of the key that lost, behind the viewer's mask."""
        value, _, _ = shown_value(self._configuration.definition(key), candidate.value, self._mask, sealed=candidate.sealed)
        return ShownCandidate(value, candidate.provenance, candidate.lost_because)

    def _look(self, key: str) -> _Look:
        definition = self._configuration.definition(key)
        found = self._looks[key] = _Look(definition, definition.group if key in self._configuration.by_key else None, self._mask)
        return found


def shown_value(definition: AttributeDefinition, value: Any, mask: MaskState, *, sealed: bool = False) -> tuple[Any, str | None, MaskState]:
    """Value, display value and mask of an attribute. `mask`: what the viewer sees of personal values; `sealed`: there is a value in the vault."""
    guarded = sealed or definition.sensitivity is Sensitivity.SENSITIVE
    if guarded:
        mask = MaskState.MASKED if mask is MaskState.CLEAR else MaskState.HIDDEN
    elif definition.sensitivity is not Sensitivity.PERSONAL:
        mask = MaskState.CLEAR
    if value is None and not sealed:
        return None, None, mask
    if guarded:
        return None, _DOTS, mask
    if mask is MaskState.CLEAR:
        return value, definition.display(value), mask
    text = definition.display(value) or ""
    return None, _MASKS.get(definition.type, mask_text)(text) if mask is MaskState.MASKED else None, mask
