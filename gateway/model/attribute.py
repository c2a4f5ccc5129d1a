"""Attributes: the registry of facts a workspace keeps, and one attribute of one profile as a screen shows it.

Owns the shape of a definition and its client id. Called by configuration (which makes definitions), commands (which check writes against
them) and resolvers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType
from typing import Any

from gateway.model.profile import MaskState
from gateway.model.trait import Provenance, display

__all__ = ["AttributeDefinition", "AttributeType", "AttributeVisibility", "ProfileAttribute", "Sensitivity"]


class AttributeType(Enum):
    """What a value is, and so which editor a screen opens."""

    TEXT = "TEXT"
    LONG_TEXT = "LONG_TEXT"
    NUMBER = "NUMBER"
    MONEY = "MONEY"
    BOOLEAN = "BOOLEAN"
    DATE = "DATE"
    DATETIME = "DATETIME"
    PHONE = "PHONE"
    EMAIL = "EMAIL"
    URL = "URL"
    SELECT = "SELECT"
    MULTI_SELECT = "MULTI_SELECT"
    JSON = "JSON"


class Sensitivity(Enum):
    """How carefully a value is treated. SENSITIVE: encrypted, found by its whole value only, masked unless revealed."""

    PUBLIC = "PUBLIC"
    INTERNAL = "INTERNAL"
    PERSONAL = "PERSONAL"
    SENSITIVE = "SENSITIVE"


class AttributeVisibility(Enum):
    """MAIN: what the agent pinned, in the agent's order; ALL: everything."""

    MAIN = "MAIN"
    ALL = "ALL"


_NO_NAMES: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class AttributeDefinition:
    """One attribute of the registry.

    `is_editable`: the operator lets agents write it; where it is `managed_by` a source (its key), only through that one, if it takes writes.
    `names` are labels per locale;
    `is_identifier`: its values identify exactly one profile and live in the profile's identifiers under this key.
    """

    key: str
    name: str
    type: AttributeType = AttributeType.TEXT
    options: tuple[str, ...] | None = None
    group: str | None = None
    is_editable: bool = True
    managed_by: str | None = None
    is_search_key: bool = False
    is_identifier: bool = False
    is_required: bool = False
    sensitivity: Sensitivity = Sensitivity.INTERNAL
    is_visible_by_default: bool = True
    position: int = 0
    deprecation_reason: str | None = None
    names: Mapping[str, str] = field(default_factory=lambda: _NO_NAMES)

    @property
    def id(self) -> str:
        """The client's id."""
        return f"atd_{self.key}"

    def name_in(self, locale: str | None) -> str:
        """The label in a locale: exact (`pt-BR`), else its language (`pt`), else the default."""
        if locale is None:
            return self.name
        return self.names.get(locale) or self.names.get(locale.partition("-")[0]) or self.name

    def is_called(self, part: str) -> bool:
        """Whether the key or a label, in any locale, contains this (casefolded) text."""
        return any(part in text.casefold() for text in (self.key, self.name, *self.names.values()))

    def display(self, value: Any) -> str | None:
        """A value as a person reads it: `12.5 EUR` for an amount with its currency."""
        if self.type is AttributeType.MONEY and isinstance(value, dict) and {"amount", "currency"} == set(value):
            return f"{display(value['amount'])} {value['currency']}"
        return display(value)


@dataclass(frozen=True, slots=True)
class ProfileAttribute:
    """One attribute of one profile as one viewer may see it; without a value, `value` and `display_value` are None."""

    definition: AttributeDefinition
    value: Any
    display_value: str | None
    mask: MaskState
    provenance: Provenance | None
