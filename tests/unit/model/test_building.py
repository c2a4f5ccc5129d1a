"""Builders of frozen values: what they make is what the class makes."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, dataclass, field, fields
from typing import Any

import pytest

from gateway.model.activity import ExternalActivity, Interaction, InterestTriggered, Message
from gateway.model.actor import Actor
from gateway.model.building import builder
from gateway.model.note import Note
from gateway.model.trait import Provenance, Trait, TraitFact
from resolvers.types.trait import ShownTrait

__all__: list[str] = []

KINDS: list[Any] = [Actor, ExternalActivity, Interaction, InterestTriggered, Message, Note, Provenance, ShownTrait, Trait, TraitFact]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_a_built_value_is_what_the_class_makes(kind: Any) -> None:
    """It is of the class, equal to what the class makes, with the same defaults and by the same names, and as frozen."""
    names = [one.name for one in fields(kind)]
    needed = len([one for one in fields(kind) if one.default is not None and one.default.__class__.__name__ == "_MISSING_TYPE"])
    build = builder(kind)

    for given in (names, names[:needed]):
        made = build(*given)
        assert type(made) is kind
        assert made == kind(*given)
        assert (repr(made), hash(made)) == (repr(kind(*given)), hash(kind(*given)))
    assert build is not kind
    assert build(**dict(zip(names, names, strict=True))) == kind(*names)
    with pytest.raises(FrozenInstanceError):
        setattr(build(*names), names[0], 1)
    with pytest.raises(TypeError):
        build(*names, "one too many")


@dataclass(frozen=True, slots=True)
class Listed:
    """Each has a list of its own."""

    names: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Checked:
    """It looks at what it is given."""

    size: int

    def __post_init__(self) -> None:
        """Raise ValueError for nothing."""
        if self.size < 1:
            raise ValueError


@pytest.mark.parametrize("kind", [Listed, Checked])
def test_what_a_class_does_at_birth_is_left_to_it(kind: Any) -> None:
    """A class that checks its values, or makes some anew each time, makes its instances itself."""
    assert builder(kind) is kind
