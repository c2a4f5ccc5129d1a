"""Under which look-up keys a value is kept: an identifier's type, `phone`, `email`, or an attribute that is a search key.

Owns the one way from a typed value to where it is found, so that writes and searches agree: SENSITIVE values by their hash, under every secret of
the server. Must not read anything. Called by commands and resolvers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from gateway.errors import BadUserInput
from gateway.identity import ATTRIBUTE, EMAIL, PHONE, RESERVED_TYPES, normalize, normalize_type, searchable
from gateway.model.attribute import AttributeDefinition
from gateway.model.configuration import Configuration
from gateway.vault import Vault

__all__ = ["SearchedKeys", "attribute_keys"]


def attribute_keys(configuration: Configuration) -> dict[str, AttributeDefinition]:
    """Attributes, other than identifiers, whose values find profiles."""
    return {
        one.key: one for one in configuration.attributes if one.is_search_key and not one.is_identifier and one.key not in RESERVED_TYPES
    }


@dataclass(frozen=True, slots=True)
class SearchedKeys:
    """The look-up keys of one workspace. `region`: as in `identity`; without a vault SENSITIVE values are found by nothing."""

    configuration: Configuration
    workspace: UUID
    region: str | None
    vault: Vault | None

    def of_text(self, key: str, text: str) -> list[tuple[str, str]]:
        """Every (key, value) under which a profile with this value may be found, the present one first.

        Raises:
            BadUserInput: there can be no such key, or the value cannot be one of it; the message does not repeat it.
        """
        if key in (PHONE, EMAIL):
            return [(key, normalize(key, text, self.region))]
        definition = attribute_keys(self.configuration).get(key)
        if definition is not None:
            found = self.of_attribute(definition, text)
            if not found:
                raise BadUserInput(f"This cannot be a value of {definition.name}.")
            return found
        return self.of_identifier(normalize_type(key), normalize(normalize_type(key), text))

    def of_identifier(self, kind: str, normalized: str) -> list[tuple[str, str]]:
        """The same for an identifier whose type and value are normalized."""
        if kind not in self.configuration.sensitive:
            return [(kind, normalized)]
        return self._hashed(kind, normalized)

    def of_attribute(self, definition: AttributeDefinition, value: Any, *, newest: bool = False) -> list[tuple[str, str]]:
        """The same for an attribute's value; empty where it is found by nothing. `newest`: only under the present secret, as it is written."""
        key = ATTRIBUTE + definition.key
        texts = searchable(definition, value, self.region)
        if definition.key not in self.configuration.sensitive:
            return [(key, text) for text in texts]
        return [pair for text in texts for pair in self._hashed(key, text)[: 1 if newest else None]]

    def _hashed(self, key: str, text: str) -> list[tuple[str, str]]:
        return [] if self.vault is None else [(key, blind) for blind in self.vault.blinds(self.workspace, key, text)]
