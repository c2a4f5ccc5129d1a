"""Fields of a profile that several sources know: each shows the value of the source with the highest priority that has one.

Owns that rule, and what a profile looks like under it. Pure. Called by `loaders` with what the sources said, and by resolvers for each field.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from gateway.model.profile import Profile
from gateway.model.source import Source

__all__ = ["OVERLAID", "Overlay", "overlay_of"]

OVERLAID: Final = ("first_name", "middle_name", "last_name", "avatar_url", "locale", "time_zone", "birth_date", "customer_since")
"""Fields of a profile that other sources may know, in the order of the profile."""


@dataclass(frozen=True, slots=True)
class Overlay:
    """What others than `own` (the source of the profile itself) say of one profile: per field the best of their values, and whose it is."""

    own: Source
    claims: Mapping[str, tuple[Any, Source]] = field(default_factory=dict)

    def value(self, name: str, known: Any) -> Any:
        """The field's value where the profile itself has `known`."""
        claim = self.claims.get(name)
        if claim is None or (_is_told(known) and _rank(self.own) < _rank(claim[1])):
            return known
        return claim[0]

    def shown(self, profile: Profile) -> Profile:
        """The profile with every field as it is shown."""
        return replace(profile, **{name: self.value(name, getattr(profile, name)) for name in self.claims})


def overlay_of(own: Source, said: Iterable[tuple[Source, Mapping[str, Any]]]) -> Overlay:
    """The overlay of one profile from what each other source said of it; what is None or blank is not said.

    Of equal priorities the lower key wins, so that the answer never depends on the order in which sources answered.
    """
    claims: dict[str, tuple[Any, Source]] = {}
    for source, values in sorted(said, key=lambda one: _rank(one[0])):
        for name in OVERLAID:
            if name not in claims and _is_told(value := values.get(name)):
                claims[name] = value, source
    return Overlay(own, claims)


def _rank(source: Source) -> tuple[int, str]:
    return -source.priority, source.key


def _is_told(value: Any) -> bool:
    return value is not None and not (isinstance(value, str) and not value.strip())
