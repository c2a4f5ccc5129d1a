"""The traits of made-up customers."""

from __future__ import annotations

from random import Random

import orjson

from gateway.cli.sample.catalogue import TEMPLATES, templates
from gateway.model.trait import TraitKind, known_trait

__all__: list[str] = []


def test_well_known_traits_are_what_they_are_everywhere() -> None:
    """A trait that the gateway knows by name has the kind it has there."""
    strange = [
        template.key
        for template in TEMPLATES
        if known_trait(template.key)[2] is not None and known_trait(template.key)[1] is not TraitKind(template.kind)
    ]

    assert strange == []


def test_every_value_is_json() -> None:
    """Each template draws a value that JSON can hold, and says where it would have come from as its kind asks."""
    rng = Random(1)
    for template in TEMPLATES:
        assert orjson.dumps(template.make(rng))
        assert (template.kind == "COMPUTED") == (template.computed_from is not None)
        assert (template.kind == "PREDICTIVE") == (template.model is not None)


def test_there_are_as_many_as_one_asks_for() -> None:
    """Beyond the named traits there are numbered ones, so that any number has that many keys."""
    for count in (0, 7, len(TEMPLATES), 200):
        assert len({template.key for template in templates(count)}) == count
