"""What of a person's data says who it was, and what may stay when that is taken out.

Owns the rule per kind of timeline item and per trait: named structure and numbers stay, free text goes. Pure. Called by `erasure`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, Final

from gateway.model.activity import TimelineKind
from gateway.model.attribute import Sensitivity
from gateway.model.configuration import Configuration
from gateway.model.trait import TraitKind

__all__ = ["anonymous_detail", "identifying_traits"]

_PERSONAL: Final = frozenset({Sensitivity.PERSONAL, Sensitivity.SENSITIVE})
_ABOUT_THE_PERSON: Final = frozenset({TraitKind.PROFILE.value, TraitKind.DEMOGRAPHIC.value})
_STRUCTURE: Final[Mapping[str, frozenset[str]]] = MappingProxyType(
    {
        TimelineKind.INTERACTION.value: frozenset(
            {"agent", "contact", "conversation", "endedAt", "notRecorded", "outcome", "parent", "queue", "sentiment"}
        ),
        TimelineKind.MESSAGE.value: frozenset({"conversation", "interaction"}),
        TimelineKind.INTEREST.value: frozenset({"category", "topic"}),
    }
)
"""Keys of an item's detail that the gateway itself gave their meaning; none holds the customer's words."""
_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_ -]{0,63}")
_WHERE: Final = re.compile(r"lat|lng|lon|latitude|longitude|zip|zip_?code|post_?code|postal_?code|phone|mobile|ip", re.IGNORECASE)
"""Names under which a number leads to a person or a place."""
_LARGEST: Final = 10_000_000
"""From here on a whole number may be a phone or an account number."""
_WRAP_UP: Final = frozenset({"completedAt", "dispositionCode", "topic"})


def anonymous_detail(kind: str, detail: Mapping[str, Any]) -> dict[str, Any]:
    """The detail of a timeline item without any text of, or about, the person: structure, numbers and truth values."""
    structure = _STRUCTURE.get(kind, frozenset())
    kept: dict[str, Any] = {}
    for key, value in detail.items():
        if key in structure:
            kept[key] = value
        elif key == "wrapUp" and kind == TimelineKind.INTERACTION.value and isinstance(value, dict):
            kept[key] = {name: part for name, part in value.items() if name in _WRAP_UP}
        else:
            _keep_numbers(kept, key, value)
    return kept


def identifying_traits(configuration: Configuration, traits: Iterable[tuple[str, str]]) -> list[str]:
    """Keys, of (key, kind) pairs, that say who somebody is: personal by the registry, or about the person and not in it."""
    found = set()
    for key, kind in traits:
        definition = configuration.by_key.get(key)
        if (kind in _ABOUT_THE_PERSON) if definition is None else (definition.sensitivity in _PERSONAL):
            found.add(key)
    return sorted(found)


def _keep_numbers(into: dict[str, Any], key: str, value: Any) -> None:
    """Numbers, truth values, and objects of them; a list could name things by their places, so lists go."""
    if not _NAME.fullmatch(key) or _WHERE.fullmatch(key):
        return
    if isinstance(value, bool | int | float):
        if isinstance(value, bool) or abs(value) < _LARGEST:
            into[key] = value
    elif isinstance(value, dict):
        inner: dict[str, Any] = {}
        for name, part in value.items():
            _keep_numbers(inner, name, part)
        if inner:
            into[key] = inner
