"""Attributes of profiles as a viewer sees them: which ones, in which order, and with what values.

Owns the choice (what the agent pinned, or everything) and the way from a definition to its value, which is a trait or an identifier. Called by
`resolvers.types.profile_attributes`, `resolvers.types.viewer` and root fields.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from gateway.auth.policy import mask_of
from gateway.engine.context import OperationContext
from gateway.loaders.layouts import PreferenceLoaders
from gateway.model.attribute import AttributeDefinition, AttributeType, ProfileAttribute, Sensitivity
from gateway.model.configuration import Configuration
from gateway.model.layout import Preference
from gateway.model.profile import Identifier, MaskState
from gateway.model.trait import Provenance, Trait
from resolvers.types.contact_point import shown_identifier
from resolvers.types.trait import shown_value

__all__ = ["all_attributes", "definitions", "definitions_called", "empty", "pinned", "preference_of", "profile_attribute"]

_TYPES: Final[Mapping[type, AttributeType]] = {
    bool: AttributeType.BOOLEAN,
    int: AttributeType.NUMBER,
    float: AttributeType.NUMBER,
    str: AttributeType.TEXT,
}


def definitions(configuration: Configuration) -> list[AttributeDefinition]:
    """The registry in its order: position, then key."""
    return sorted(configuration.attributes, key=_place)


def definitions_called(given: Sequence[AttributeDefinition], search: str | None) -> list[AttributeDefinition]:
    """Those whose key or label, in any locale, contains the text."""
    part = (search or "").strip().casefold()
    return [one for one in given if one.is_called(part)]


async def preference_of(context: OperationContext) -> Preference:
    """What the viewer chose; read once per operation."""
    return await context.loaders.of(PreferenceLoaders).preference.load(context.principal.subject)


def pinned(configuration: Configuration, preference: Preference) -> list[AttributeDefinition]:
    """What the viewer keeps in sight, in the viewer's order; whoever never chose sees what the registry shows by default."""
    if preference.visible is None:
        return [one for one in definitions(configuration) if one.is_visible_by_default]
    return [configuration.definition(key) for key in preference.visible]


def all_attributes(configuration: Configuration, traits: Mapping[str, Trait]) -> list[AttributeDefinition]:
    """Every defined attribute, then every further trait of the profile, by key."""
    defined = definitions(configuration)
    return [*defined, *map(configuration.definition, sorted(traits.keys() - configuration.by_key.keys()))]


def profile_attribute(
    context: OperationContext, definition: AttributeDefinition, trait: Trait | None, identifiers: Sequence[Identifier]
) -> ProfileAttribute:
    """The attribute with its value as the viewer may see it. An identifier's is the first of its type, masked as identifiers are."""
    mask = mask_of(context.principal)
    if definition.is_identifier:
        found = next((one for one in identifiers if one.type == definition.key), None)
        return _of_identifier(definition, found, mask)
    if trait is None:
        value, display_value, state = shown_value(definition, None, mask)
        return ProfileAttribute(definition, value, display_value, state, None)
    if definition.key not in context.configuration.by_key:  # nobody said what its values are: the one that is there does
        definition = replace(definition, type=_TYPES.get(type(trait.value), AttributeType.JSON))
    value, display_value, state = shown_value(definition, trait.value, mask, sealed=trait.sealed)
    return ProfileAttribute(definition, value, display_value, state, trait.provenance)


def empty(definition: AttributeDefinition, trait: Trait | None, identifiers: Sequence[Identifier]) -> bool:
    """Whether a profile has no value of this attribute; a blank text and an empty list are none."""
    if definition.is_identifier:
        return all(one.type != definition.key for one in identifiers)
    return trait is None or (not trait.sealed and trait.value in (None, "", [], {}))


def _of_identifier(definition: AttributeDefinition, found: Identifier | None, mask: MaskState) -> ProfileAttribute:
    if found is None:
        _, _, state = shown_value(replace(definition, sensitivity=max(definition.sensitivity, Sensitivity.PERSONAL, key=_care)), None, mask)
        return ProfileAttribute(definition, None, None, state, None)
    shown = shown_identifier(found, mask)
    if definition.sensitivity is Sensitivity.SENSITIVE and shown.mask is MaskState.CLEAR:
        shown = shown_identifier(found, MaskState.MASKED)
    value = shown.value if shown.mask is MaskState.CLEAR else None
    provenance = None if found.source is None else Provenance(found.source, found.added_at)
    return ProfileAttribute(definition, value, shown.value, shown.mask, provenance)


def _place(definition: AttributeDefinition) -> tuple[int, str]:
    return definition.position, definition.key


def _care(sensitivity: Sensitivity) -> int:
    return [*Sensitivity].index(sensitivity)
