"""Literals that are not of their types: graphql-core's mistakes, fewer of them the longer the literal is."""

from __future__ import annotations

import pytest
from graphql import ValuesOfCorrectTypeRule, build_schema, parse, validate

from gateway.engine import literals
from gateway.engine.literals import ValuesOfCorrectType

__all__: list[str] = []

SCHEMA = build_schema("""
    input Key { id: ID number: Int keys: [Key!] }
    input One @oneOf { id: ID name: String }
    enum Order { ASC DESC }
    type Query { find(key: Key, one: One, ids: [ID!], order: Order, number: Int!): Int }
""")


@pytest.mark.parametrize(
    "arguments",
    [
        "number: 1",
        'number: "1"',
        "number: null",
        "number: 99999999999",
        "number: 1, order: ASCC",
        "number: 1, order: [ASC]",
        "number: 1, ids: 1",
        "number: 1, ids: [1, 1.5, {}, null, true]",
        'number: 1, key: {id: "a", number: 1.5, nothing: 1, keys: [{}, 5, {number: "x"}]}',
        "number: 1, one: {}",
        "number: 1, one: {id: 1, name: null}",
        "number: $v, key: {number: $v}",
    ],
)
def test_mistakes_are_those_of_graphql_core(arguments: str) -> None:
    """In literals of ordinary length each is told, in the same words, at the same place."""
    document = parse(f"query ($v: Int!) {{ find({arguments}) }}")
    ours, theirs = (validate(SCHEMA, document, [rule]) for rule in (ValuesOfCorrectType, ValuesOfCorrectTypeRule))

    assert [(error.message, error.locations) for error in ours] == [(error.message, error.locations) for error in theirs]


def test_one_mistake_of_a_long_literal_is_told() -> None:
    """A literal longer than what may be written out has one mistake told; others of the document are told as well."""
    long = " ".join(f"k{number}: 1" for number in range(literals._WRITTEN // 5))
    document = parse(f"{{ a: find(number: 1, key: {{{long}}}) b: find(number: 1, key: {{x: 1 y: 2}}) c: find(number: 1.5) }}")
    found = [error.message.partition(", found")[0] for error in validate(SCHEMA, document, [ValuesOfCorrectType])]

    assert [message.split()[-1] for message in found] == ["'k0'", "'x'", "'y'", "1.5"]
