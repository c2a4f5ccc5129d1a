"""Who may be shown one and the same answer: the class of a viewer, and a principal that tells when anything beyond its class was looked at.

Owns what belongs to the class. Everything else of a principal, whatever is added to it later, is personal: an answer that was made without a look
at it is everybody's of the class, because nothing else went into it; one that was made with a look is the viewer's own. Called by `engine.groups`.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import fields
from operator import attrgetter
from typing import Any, Final

from gateway.auth.principal import Principal

__all__ = ["SHARED", "Veiled", "class_of", "person_of"]

SHARED: Final = ("workspace_id", "workspace_key", "role", "scopes")
"""What all viewers of a class have in common: with it every right and every mask is decided."""
_PERSONAL: Final = tuple(field.name for field in fields(Principal) if field.name not in SHARED)

class_of: Final = attrgetter(*SHARED)
"""The class of a principal, as a key."""


def person_of(principal: Principal) -> Hashable:
    """All that a principal has beyond its class, as a key."""
    return tuple([getattr(principal, name) for name in _PERSONAL])


class Veiled(Principal):
    """A principal like the given one, which remembers whether anything beyond its class was read from it."""

    __slots__ = ("is_personal", "own")

    is_personal: bool
    own: Principal

    def __init__(self, own: Principal) -> None:
        for name in SHARED:
            object.__setattr__(self, name, getattr(own, name))
        object.__setattr__(self, "own", own)
        object.__setattr__(self, "is_personal", False)


def _lifting(name: str) -> Any:
    """The attribute as the real principal has it; reading it lifts the veil."""

    def read(self: Veiled) -> Any:
        object.__setattr__(self, "is_personal", True)
        return getattr(self.own, name)

    return property(read)


for _name in _PERSONAL:
    setattr(Veiled, _name, _lifting(_name))
