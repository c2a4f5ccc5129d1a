"""Fields that can or cannot be merged: the same verdict as graphql-core's rule, in time that grows with the document."""

from __future__ import annotations

from random import Random

import pytest
from graphql import GraphQLError, OverlappingFieldsCanBeMergedRule, PossibleFragmentSpreadsRule, build_schema, parse, validate
from hypothesis import given
from hypothesis import strategies as st

from gateway.engine import overlap
from gateway.engine.overlap import FieldsCanBeMerged

__all__: list[str] = []

SCHEMA = build_schema("""
    interface Named { name: String id: ID! size(unit: String): Int one: Named }
    type Person implements Named { name: String id: ID! size(unit: String): Int one: Person age: Int list: [Person] text: String sure: String! }
    type Place implements Named { name: String id: ID! size(unit: String): Int one: Place age: String list: [Place!] text: [String] sure: String }
    union Thing = Person | Place
    type Query { named: Named thing: Thing person(id: ID): Person place: Place }
""")
SELECTIONS = {
    "Query": {"named": "Named", "thing": "Thing", "person": "Person", "place": "Place"},
    "Named": {"one": "Named"},
    "Person": {"one": "Person", "list": "Person"},
    "Place": {"one": "Place", "list": "Place"},
    "Thing": {},
}
LEAVES = {
    "Named": ("name", "id", "size"),
    "Person": ("name", "id", "id", "size", "age", "text", "sure"),
    "Place": ("name", "id", "id", "size", "age", "text", "sure"),
}
ARGUMENTS = ("", "", '(unit: "a")', '(unit: "b")', "(unit: $v)", "(unit: null)")


def conflicts(text: str) -> list[GraphQLError]:
    """What our rule says."""
    return list(validate(SCHEMA, parse(text), [FieldsCanBeMerged]))


def made_up(seed: int) -> str:
    """A document with few names, so that they meet."""
    random = Random(seed)

    def selection(kind: str, level: int, fragment: int) -> str:
        parts = []
        for _ in range(random.choice((1, 1, 2, 2, 3))):
            choice = random.random()
            alias = random.choice(("name: ", "x: ")) if random.random() < 0.06 else ""
            if choice < 0.25 and fragment < 4 and kind != "Query":
                parts.append(f"...f{random.randint(fragment, 4)}")
            elif choice < 0.5 and level < 5 and kind != "Query":
                on = random.choice(("Named", "Person", "Place", "Thing", "Nothing" if random.random() < 0.05 else "Person"))
                parts.append(f"... {random.choice((f'on {on}', ''))} {selection(on if on in SELECTIONS else kind, level + 1, fragment)}")
            elif choice < 0.75 and level < 5 and SELECTIONS[kind]:
                name = random.choice([*SELECTIONS[kind]])
                parts.append(f"{alias}{name} {selection(SELECTIONS[kind][name], level + 1, fragment)}")
            else:
                name = random.choice(LEAVES.get(kind, ("__typename",)))
                parts.append(f"{alias}{name}{random.choice(ARGUMENTS) if name == 'size' and random.random() < 0.3 else ''}")
        return "{ " + " ".join(parts) + " }"

    kinds = ("Named", "Person", "Place", "Thing", "Person")
    fragments = [f"fragment f{number} on {kinds[number]} {selection(kinds[number], 1, number + 1)}" for number in range(5)]
    return f"query ($v: String) {selection('Query', 0, 0)} " + " ".join(fragments)


@given(st.integers(0, 2**32))
def test_the_verdict_is_that_of_graphql_core(seed: int) -> None:
    """Conflicts are found where graphql-core's rule finds some, and nowhere else, in documents whose fragments can apply."""
    document = parse(made_up(seed))
    ours = validate(SCHEMA, document, [FieldsCanBeMerged, PossibleFragmentSpreadsRule])
    theirs = validate(SCHEMA, document, [OverlappingFieldsCanBeMergedRule, PossibleFragmentSpreadsRule])

    assert bool(ours) == bool(theirs), (ours, theirs)


def test_both_verdicts_are_seen() -> None:
    """Of the documents that are made up some have conflicts and some have none."""
    verdicts = [bool(conflicts(made_up(seed))) for seed in range(100)]

    assert 10 < sum(verdicts) < 90


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{ person { a: name a: age } }", "'name' and 'age' are different fields"),
        ('{ person { size(unit: "secret") size } }', "they have differing arguments"),
        ("{ thing { ... on Person { age } ... on Place { age } } }", "they return conflicting types 'Int' and 'String'"),
        ("{ thing { ... on Person { a: text } ... on Place { a: text } } }", "they return conflicting types 'String' and '[String]'"),
        ("{ thing { ... on Person { sure } ... on Place { sure } } }", "they return conflicting types 'String!' and 'String'"),
        ("{ named { one { x: name } ... on Place { one { x: id } } } }", "'name' and 'id' are different fields"),
        ("{ thing { ... on Person { one { x: name } } ... on Place { one { x: size } } } }", "they return conflicting types"),
        ("{ place { name } } fragment f on Person { a: name a: age }", "'name' and 'age' are different fields"),
    ],
)
def test_what_a_conflict_says(text: str, reason: str) -> None:
    """Its reason in graphql-core's words, both places, and no value."""
    (error,) = conflicts(text)

    assert reason in error.message
    assert "secret" not in error.message
    assert len(error.locations or ()) == 2


@pytest.mark.parametrize(
    "text",
    [
        "{ thing { ... on Person { x: name } ... on Place { x: age } } }",
        '{ thing { ... on Person { size(unit: "a") } ... on Place { size(unit: "b") } } }',
        '{ person { size(unit: "a") ...f } } fragment f on Person { size(unit: "a") }',
        "{ thing { ... on Person { one { x: name } } ... on Place { one { x: name } } } }",
    ],
)
def test_what_is_no_conflict(text: str) -> None:
    """Different fields of different objects under one name, as long as they look alike, and the same field twice."""
    assert conflicts(text) == []


def test_steps_grow_with_the_document() -> None:
    """Twice as many fields that must be compared take twice as many steps; beyond a bound it is given up, saying so."""
    steps = []
    for count in (100, 200):
        rule_steps: list[int] = []

        class Counting(FieldsCanBeMerged):
            def leave_document(self, *_: object) -> None:
                rule_steps.append(self._steps)  # noqa: B023  # read in the same round

        text = "{ person { " + "list { one { list { name } } } " * count + "} }"
        assert validate(SCHEMA, parse(text), [Counting]) == []
        steps += rule_steps
    assert steps[1] < 2 * steps[0] + 10

    (error,) = conflicts("{ person { " + "list { one { list { name } } } " * (overlap._STEPS // 3) + "} }")
    assert "aborted" in error.message
