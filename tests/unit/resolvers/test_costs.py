"""What fields of the schema declare to cost, and what the screens of the product cost by that."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import pytest
from graphql import GraphQLObjectType, is_composite_type, parse
from graphql.type import GraphQLSchema, get_named_type

from gateway.engine.cost import COST
from gateway.engine.documents import Documents, Prepared
from gateway.engine.limits import DocumentLimits
from gateway.engine.request import Request
from gateway.loaders.wanted import NEEDS
from resolvers.costs import COSTS
from resolvers.schema import build_schema, schema_text

__all__: list[str] = []

SCREENS = Path(__file__).parents[3] / "bench" / "screen"


@cache
def schema() -> GraphQLSchema:
    """The executable one."""
    return build_schema()


def prepared(text: str, variables: dict[str, Any] | None = None) -> Prepared:
    """As nobody in particular asks for it."""
    ready = Documents(schema(), introspection=False).prepare(Request(text, variables))
    assert ready.errors is None, ready.errors
    return ready


def test_what_asks_sources_is_a_call() -> None:
    """Every list or object of a profile or company that other systems may know something of declares the call."""
    silent = [
        f"{owner.name}.{name}"
        for owner in schema().type_map.values()
        if isinstance(owner, GraphQLObjectType)
        for name, field in owner.fields.items()
        if (needs := field.extensions.get(NEEDS)) is not None
        and (needs.traits or needs.parts)
        and is_composite_type(get_named_type(field.type))
        and not (COST in field.extensions and field.extensions[COST].call)
    ]

    assert silent == []


@pytest.mark.parametrize("place", COSTS)
def test_lists_that_size_are_there(place: str) -> None:
    """Arguments that say how long a list is exist and are lists; a field's declaration reached the schema."""
    owner, _, name = place.partition(".")
    kind = schema().type_map[owner]
    assert isinstance(kind, GraphQLObjectType)
    field = kind.fields[name]

    assert field.extensions[COST] is COSTS[place]
    assert all("[" in str(field.args[argument].type) for argument in COSTS[place].sized_by)


def test_the_exported_schema_says_so() -> None:
    """For a router: pages by their arguments, mutations and calls of roots by weight, edges for nothing; only where it holds."""
    text = schema_text()
    parse(text)

    assert '): TimelineConnection! @listSize(assumedSize: 20, slicingArguments: ["first", "last"], sizedFields: ["edges", "nodes"]' in text
    assert '): TraitConnection! @listSize(assumedSize: 50, slicingArguments: ["first"]' in text
    assert "type NoteEdge @cost(weight: 0) {" in text
    assert "): Profile @cost(weight: 10)" in text
    assert text.count("@cost(weight: 10)") == len(_roots("Mutation")) + 4
    assert '"@cost", "@listSize"]' in text


def _roots(name: str) -> list[str]:
    kind = schema().type_map[name]
    assert isinstance(kind, GraphQLObjectType)
    return list(kind.fields)


def test_screens_fit_with_room() -> None:
    """The agent's screen costs a sixth of what an agent may ask for, its events next to nothing; a page of results with a little of each fits."""
    screen = prepared((SCREENS / "screen.graphql").read_text(), {"id": "x"})
    events = prepared((SCREENS / "events.graphql").read_text(), {"id": "x"})
    found = prepared("""{ searchProfiles(text: "ann", first: 50) { nodes { id displayName
        contactPoints { value } companies { company { name } } traits(first: 3) { nodes { key displayValue } } } } }""")

    profile, traits, notes, timeline = 10 + 1, 10 + 1 + 40, 10 + 1 + 10 * 2, 10 + 1 + 50 + 1
    assert (screen.cost, events.cost) == (profile + traits + notes + timeline, 2)
    assert screen.cost * 6 <= DocumentLimits().cost
    assert found.cost <= DocumentLimits().cost


def test_a_hundred_screens_do_not_fit() -> None:
    """A hundred people with all they have are for partners in parts, and for nobody at once."""
    text = (
        (SCREENS / "screen.graphql")
        .read_text()
        .replace("$id: ID!", "$by: [ProfileRef!]!")
        .replace("profile(by: { id: $id })", "profiles(by: $by)")
    )

    assert prepared(text, {"by": [{"id": "x"}] * 100}).cost > DocumentLimits().partner_cost
    assert prepared(text, {"by": [{"id": "x"}] * 25}).cost <= DocumentLimits().partner_cost
