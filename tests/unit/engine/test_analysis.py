"""How large documents are with their fragments written out: compared with writing them out, for documents that nobody would write."""

from __future__ import annotations

from dataclasses import fields
from random import Random

import pytest
from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
    get_introspection_query,
    parse,
)
from hypothesis import given
from hypothesis import strategies as st

from gateway.engine.analysis import MANY, Measures, analyse, excess
from gateway.engine.limits import DocumentLimits

__all__: list[str] = []


def measured(text: str, *, introspection: bool = False) -> Measures:
    """Of the only operation."""
    (measures,) = analyse(parse(text), introspection=introspection).operations
    return measures


def over(text: str, **limits: int) -> list[tuple[str, int, int, str]]:
    """What is over the limits."""
    return list(excess(analyse(parse(text), introspection=False), DocumentLimits(**limits)))


def written_out(document: DocumentNode) -> Measures:
    """The same, by writing the only operation out; for documents without circles."""
    fragments = {node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)}
    (operation,) = (node for node in document.definitions if isinstance(node, OperationDefinitionNode))
    seen = {field.name: 0 for field in fields(Measures)}
    seen["directives"] = len(operation.directives or ()) + sum(len(one.directives or ()) for one in operation.variable_definitions or ())

    def walk(given_: SelectionSetNode, level: int) -> None:
        for node in given_.selections:
            seen["directives"] += len(node.directives or ())
            if isinstance(node, FieldNode):
                seen["fields"] += 1
                seen["root_fields"] += not level
                seen["aliases"] += node.alias is not None
                seen["depth"] = max(seen["depth"], level + 1)
                if node.selection_set:
                    walk(node.selection_set, level + 1)
                continue
            seen["fragments"] += 1
            if isinstance(node, InlineFragmentNode):
                walk(node.selection_set, level)
            elif isinstance(node, FragmentSpreadNode) and node.name.value in fragments:
                fragment = fragments[node.name.value]
                seen["directives"] += len(fragment.directives or ())
                walk(fragment.selection_set, level)

    walk(operation.selection_set, 0)
    return Measures(**seen)


def made_up(seed: int) -> str:
    """A document of a few fragments that spread later ones, and unknown ones."""
    random = Random(seed)

    def selection(first: int, level: int) -> str:
        parts = []
        for _ in range(random.randint(1, 3)):
            kind = random.random()
            marks = random.choice(("", "", "@a", "@a @b"))
            if kind < 0.3 and first < 7:
                parts.append(f"...f{random.randint(first, 7)} {marks}")
            elif kind < 0.4 and level < 4:
                parts.append(f"... {marks} {selection(first, level + 1)}")
            elif kind < 0.7 and level < 4:
                parts.append(f"{random.choice(('', 'x: '))}a {marks} {selection(first, level + 1)}")
            else:
                parts.append(f"{random.choice(('', 'x: '))}b {marks}")
        return "{ " + " ".join(parts) + " }"

    fragments = [f"fragment f{number} on T {random.choice(('', '@c'))} {selection(number + 1, 0)}" for number in range(6)]
    parts = [f"query ($v: Int @d) @e {selection(0, 0)}", *fragments]
    random.shuffle(parts)
    return " ".join(parts)


@given(st.integers(0, 2**32))
def test_the_sums_are_those_of_the_document_written_out(seed: int) -> None:
    """Whatever order fragments come in and however often they are spread, also unknown ones."""
    text = made_up(seed)

    assert measured(text) == written_out(parse(text))


def test_a_bomb_is_counted_to_many() -> None:
    """Doubling two hundred times ends at a number of seven digits, in every measure that grows."""
    bomb = " ".join(f"fragment f{n} on T @d {{ ...f{n + 1} x: a ...f{n + 1} }}" for n in range(200))
    measures = measured("{ ...f0 } " + bomb + " fragment f200 on T { a }")

    assert (measures.fields, measures.fragments, measures.aliases, measures.directives) == (MANY, MANY, MANY, MANY)
    assert (measures.depth, measures.root_fields) == (1, MANY)


def test_a_chain_is_as_deep_as_it_is_long() -> None:
    """Two hundred fragments, each a level below the one before, however Python feels about recursion."""
    chain = " ".join(f"fragment f{n} on T {{ a {{ ...f{n + 1} }} }}" for n in range(2_000))

    assert measured("{ ...f0 } " + chain + " fragment f2000 on T { a }").depth == 2_001


@pytest.mark.parametrize(
    ("text", "circular"),
    [
        ("{ ...f } fragment f on T { ...f }", True),
        ("{ a } fragment f on T { a { ...g } } fragment g on T { ... { ...f } }", True),
        ("{ ...f ...f } fragment f on T { ...g ...g } fragment g on T { ...h } fragment h on T { a }", False),
        ("{ ...nothing }", False),
        ("{ ...f } fragment f on T { a } fragment f on T { a { ...f } }", True),
    ],
)
def test_circles_are_told(text: str, circular: bool) -> None:
    """A fragment that comes back to itself, used or not, or could by its namesake, is told and measured as if the circle were cut."""
    analysis = analyse(parse(text), introspection=False)

    assert analysis.circular is circular
    assert all(one.fields <= 4 for one in analysis.operations)


def test_what_nobody_uses_is_measured_too() -> None:
    """Validation looks into fragments that no operation spreads, and into those that are there twice."""
    unused = "{ a } fragment f on T { " + "a " * 11 + "}"
    twice = "{ ...f } fragment f on T { a } fragment f on T { " + "a " * 11 + "}"

    assert over(unused, fields=11) == over(twice, fields=11) == []
    assert over(unused, fields=10) == over(twice, fields=10) == [("LIMIT_FIELDS", 10, 11, "fields")]


def test_operations_together_have_a_limit_too() -> None:
    """Each operation has its own, and a hundred of them that spread the same large fragment are not validated."""
    text = " ".join(f"query q{n} {{ b {{ ...f }} }}" for n in range(20)) + " fragment f on T { " + "a " * 49 + "}"

    assert over(text, fields=200) == []
    assert over(text, fields=199) == [("LIMIT_FIELDS", 995, 1000, "fields in all its operations")]


@pytest.mark.parametrize(
    ("text", "limit", "most", "code"),
    [
        ("{ a { a { a } } }", "depth", 3, "LIMIT_DEPTH"),
        ("{ a { ...f } } fragment f on T { a { a } }", "depth", 3, "LIMIT_DEPTH"),
        ("{ a b ... { c } ...f } fragment f on T { d }", "root_fields", 4, "LIMIT_FIELDS"),
        ("{ a { b c } ...f ...f } fragment f on T { d }", "fields", 5, "LIMIT_FIELDS"),
        ("{ ...f ... { a } } fragment f on T { ... { a } }", "fragments", 3, "LIMIT_FIELDS"),
        ("{ x: a ...f ...f } fragment f on T { y: d }", "aliases", 3, "LIMIT_ALIASES"),
        ("query @a { x @b ...f @c ... @d { e } } fragment f on T @e { y }", "directives", 5, "LIMIT_DIRECTIVES"),
    ],
)
def test_boundaries(text: str, limit: str, most: int, code: str) -> None:
    """As much as the limit passes; one more is over it, with both numbers."""
    assert over(text, **{limit: most}) == []
    assert [found[:3] for found in over(text, **{limit: most - 1})] == [(code, most - 1, most)]


def test_asking_for_the_schema_is_not_deep() -> None:
    """Where introspection is on, a tool's introspection query is within the limits; what is beside it counts as ever."""
    text = get_introspection_query(directive_is_repeatable=True, input_value_deprecation=True)

    assert measured(text, introspection=True).depth == 1
    assert list(excess(analyse(parse(text), introspection=True), DocumentLimits())) == []
    assert [found[0] for found in excess(analyse(parse(text), introspection=False), DocumentLimits())] == ["LIMIT_DEPTH"]
    assert measured("{ __schema { ...f } a { ...f } } fragment f on T { b { c } }", introspection=True).depth == 3
