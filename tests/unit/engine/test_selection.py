"""What a document shows of profiles, told from the document and its variables."""

from __future__ import annotations

import time
from functools import cache
from typing import Any

import pytest

from gateway.engine.documents import Documents
from gateway.engine.request import Request
from gateway.loaders.wanted import Wanted
from resolvers.schema import build_schema

__all__: list[str] = []

NAMES = frozenset({"first_name", "middle_name", "last_name"})


@cache
def documents() -> Documents:
    """The schema's documents."""
    return Documents(build_schema(), introspection=True)


def wanted(query: str, variables: dict[str, Any] | None = None, name: str | None = None) -> Wanted:
    """What is wanted of sources."""
    prepared = documents().prepare(Request(query, variables, name), limited=False)
    assert prepared.errors is None, prepared.errors
    return prepared.wanted


def of_profile(selection: str, variables: dict[str, Any] | None = None, declared: str = "", more: str = "") -> Wanted:
    """The same of a selection on a profile."""
    return wanted(f'query {declared} {{ profile(by: {{id: "x"}}) {{ {selection} }} }} {more}', variables)


@pytest.mark.parametrize(
    ("selection", "fields"),
    [
        ("id createdAt", set()),
        ("firstName", {"first_name"}),
        ("name: firstName lastName", {"first_name", "last_name"}),
        ("displayName", NAMES),
        ("... on Node { id } ... on Profile { birthDate } ... { locale }", {"birth_date", "locale"}),
        ("firstName @skip(if: true) lastName @include(if: true) locale @include(if: false)", {"last_name"}),
        ("... @include(if: false) { firstName avatarUrl } timeZone @skip(if: false)", {"time_zone"}),
        ("timeline { nodes { id title } } customerSince", {"customer_since"}),
    ],
)
def test_fields_of_the_profile(selection: str, fields: set[str]) -> None:
    """Fields are told under any alias, in inline fragments, and as far as constants let them be there."""
    assert of_profile(selection).fields == fields


@pytest.mark.parametrize(
    ("selection", "keys"),
    [
        ("id", set()),
        ('traits(filter: {keys: ["plan", "nps"]}) { nodes { key } }', {"plan", "nps"}),
        ('traits(filter: {keys: "plan"}) { nodes { key } }', {"plan"}),
        ('a: traits(filter: {keys: ["a"]}) { nodes { key } } b: traits(filter: {keys: ["b"], search: "x"}) { nodes { key } }', {"a", "b"}),
        ('a: traits(filter: {keys: ["a"]}) { nodes { key } } traits { nodes { key } }', None),
        ('a: traits(filter: {keys: ["a"]}) { nodes { key } } traits @skip(if: true) { nodes { key } }', {"a"}),
        ('traits(filter: {search: "x"}) { nodes { key } }', None),
        ("traits(filter: {keys: null}) { nodes { key } }", None),
        ("traits(filter: null) { nodes { key } }", None),
        ("traits(filter: {keys: []}) { nodes { key } }", set()),
        ("traitSummary { category }", None),
        ("attributes { value }", None),
        ("missingAttributes { key }", None),
    ],
)
def test_keys_of_traits(selection: str, keys: set[str] | None) -> None:
    """The keys of all uses together, when every one of them names its keys; else any."""
    assert of_profile(selection).traits == keys


@pytest.mark.parametrize(
    ("declared", "filter", "variables", "keys"),
    [
        ("($k: [String!])", "{keys: $k}", {"k": ["a", "b"]}, {"a", "b"}),
        ("($k: [String!])", "{keys: $k}", {"k": "a"}, {"a"}),
        ("($k: [String!])", "{keys: $k}", {"k": None}, None),
        ("($k: [String!])", "{keys: $k}", None, None),
        ('($k: [String!] = ["c"])', "{keys: $k}", {}, {"c"}),
        ('($k: [String!] = ["c"])', "{keys: $k}", {"k": ["d"]}, {"d"}),
        ("($k: String!)", '{keys: ["a", $k]}', {"k": "b"}, {"a", "b"}),
        ("($f: TraitFilter)", "$f", {"f": {"keys": ["a"]}}, {"a"}),
        ("($f: TraitFilter)", "$f", {"f": {"search": "a"}}, None),
        ("($f: TraitFilter)", "$f", {"f": None}, None),
        ("($f: TraitFilter)", "$f", None, None),
        ('($f: TraitFilter = {keys: ["e"]})', "$f", None, {"e"}),
        ("($k: [String!])", "{keys: $k}", {"k": [1, {"x": 2}]}, None),
        ("($f: TraitFilter)", "$f", {"f": 3}, None),
    ],
)
def test_keys_from_variables(declared: str, filter: str, variables: dict[str, Any] | None, keys: set[str] | None) -> None:  # noqa: A002
    """Variables and their defaults count as they were sent, also one value for a list; what is no list of texts does not limit anything."""
    assert of_profile(f"traits(filter: {filter}) {{ nodes {{ key }} }}", variables, declared).traits == keys


@pytest.mark.parametrize(("shown", "fields"), [(True, {"first_name"}), (False, {"last_name"}), (None, {"first_name", "last_name"})])
def test_conditions_from_variables(shown: bool | None, fields: set[str]) -> None:
    """A variable decides what is there; one without a value leaves both in, and the operation to be refused."""
    variables = {} if shown is None else {"x": shown}

    assert of_profile("firstName @include(if: $x) lastName @skip(if: $x)", variables, "($x: Boolean!)").fields == fields
    assert of_profile("...f @include(if: $x) ...l @skip(if: $x)", variables, "($x: Boolean!)", _FRAGMENTS).fields == fields
    assert of_profile("...both", variables, "($x: Boolean!)", _BOTH).fields == fields


_FRAGMENTS = "fragment f on Profile { firstName } fragment l on Profile { lastName }"
_BOTH = "fragment both on Profile { ... @include(if: $x) { ...f } ...l @skip(if: $x) } " + _FRAGMENTS


def test_the_default_of_a_condition() -> None:
    """A variable that was not sent has its default."""
    assert of_profile("firstName @include(if: $x)", None, "($x: Boolean = false)").fields == frozenset()
    assert of_profile("firstName @include(if: $x)", {"x": True}, "($x: Boolean = false)").fields == {"first_name"}


@pytest.mark.parametrize(
    "query",
    [
        '{ node(id: "x") { ... on Profile { firstName } } }',
        "{ nodes(ids: []) { id ... on Profile { firstName } ... on Note { body } } }",
        "{ profiles(by: []) { firstName } }",
        '{ searchProfiles(text: "x") { nodes { firstName } } }',
        '{ searchProfiles(text: "x") { edges { node { ...f } } } } fragment f on Profile { ...g } fragment g on Profile { firstName }',
        '{ company(id: "x") { members { nodes { firstName } } } }',
        '{ contact(id: "x") { candidates { profile { firstName } } } }',
        'mutation { updateProfile(input: {id: "x"}) { profile { firstName } } }',
        'subscription { profileEvents(profileId: "x") { ... on ProfileUpdated { profile { firstName } } } }',
        "subscription { contactEvents { ... on ContactChanged { contact { profile { firstName } } } } }",
    ],
)
def test_wherever_a_profile_is_shown(query: str) -> None:
    """Through nodes, searches, companies, contacts, payloads and live events a profile is a profile."""
    assert wanted(query) == Wanted(frozenset({"first_name"}), frozenset(), reports=False, anything=True)


def test_what_else_is_told() -> None:
    """Whether the sources' reports are asked, and whether anything is shown that they are about."""
    assert of_profile("id sources { state }") == Wanted(frozenset(), frozenset(), reports=True, anything=False)
    assert of_profile("notes { totalCount }") == Wanted(frozenset(), frozenset(), reports=False, anything=True)
    assert of_profile("companies { role } sources { state }") == Wanted(frozenset(), frozenset(), reports=True, anything=True)
    assert wanted("{ viewer { __typename } }") == Wanted(frozenset(), frozenset(), reports=False, anything=False)
    assert wanted("{ __schema { types { name fields { name } } } }").anything is False


def test_only_the_chosen_operation_counts() -> None:
    """Of a document with several operations each wants its own."""
    both = 'query A { profile(by: {id: "x"}) { firstName } } query B { profile(by: {id: "x"}) { ...t } } fragment t on Profile { locale }'

    assert wanted(both, name="A").fields == {"first_name"}
    assert wanted(both, name="B").fields == {"locale"}


def test_the_walk_is_made_once() -> None:
    """A document that is asked again is not walked again, and where variables have no say in it, it has one answer for good."""
    query = 'query ($id: ID!) { profile(by: {id: $id}) { firstName traits(first: 3, filter: {keys: ["a"]}) { nodes { key } } } }'

    assert wanted(query, {"id": "x"}) is wanted(query, {"id": "y"})


def test_fragments_that_multiply_are_looked_at_once() -> None:
    """Fragments that spread the next one several times each do not multiply the work."""
    chain = " ".join(f"fragment f{n} on Profile {{ a{n}: id ...f{n + 1} ...f{n + 1} ...f{n + 1} }}" for n in range(30))
    started = time.perf_counter()
    found = of_profile("...f0", None, "", f"{chain} fragment f30 on Profile {{ firstName }}")

    assert found.fields == {"first_name"}
    assert time.perf_counter() - started < 5  # 3 ** 30 takes longer
