"""What operations cost: by hand for each rule, over variables, and for documents that are too large to be walked for each request."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from graphql import GraphQLObjectType, GraphQLSchema, OperationDefinitionNode, build_schema, parse

from gateway.auth.principal import Principal, Role
from gateway.engine.cost import COST, LIST, MUTATION, PAGE, Cost, Costs, OperationCost
from gateway.engine.documents import Documents, Prepared
from gateway.engine.limits import WARNABLE, DocumentLimits
from gateway.engine.request import Request
from gateway.engine.sums import MOST
from gateway.observe import DOCUMENTS_OVER_LIMIT

__all__: list[str] = []

DECLARED = {
    "Query.far": Cost(weight=7),
    "Query.many": Cost(sized_by=("ids", "keys"), size=30),
    "Query.log": Cost(most=1_000),
    "Person.notes": Cost(call=10),
    "Person.free": Cost(weight=0),
}


def schema() -> GraphQLSchema:
    """A schema whose fields declare costs as those of the gateway do."""
    made = build_schema("""
        interface Named { name: String friend: Person }
        type Person implements Named { name: String friend: Person friends: [Person] far: Person free: [Person] tags: [String]
            notes(first: Int = 50, after: String): Notes pages(first: Int, last: Int): Notes plain(first: Int): [Note!]! }
        type Place implements Named { name: String friend: Person people: [Person] }
        type Notes { edges: [NoteEdge!]! nodes: [Note!]! total: Int info: Info sources: [Info!]! }
        type NoteEdge { node: Note cursor: String }
        type Note { body: String author: Person }
        type Info { more: Boolean }
        union Thing = Person | Place
        input Key { id: ID }
        type Query { me: Person far: Person thing: Thing named: Named many(ids: [ID!], keys: [Key!]): [Person] log(first: Int! = 100): Notes }
        type Mutation { rename(name: String): Person touch: Boolean }
        type Subscription { renamed: Person }
    """)
    for place, cost in DECLARED.items():
        owner, _, name = place.partition(".")
        kind = made.type_map[owner]
        assert isinstance(kind, GraphQLObjectType)
        kind.fields[name].extensions[COST] = cost
    return made


SCHEMA = schema()


def costed(text: str) -> OperationCost:
    """The cost of the first operation."""
    document = parse(text)
    operation = next(node for node in document.definitions if isinstance(node, OperationDefinitionNode))
    return Costs(SCHEMA).of(document, operation)


def cost(text: str, variables: dict[str, Any] | None = None) -> int:
    """The number."""
    return costed(text).of(variables)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{ me { name tags __typename } }", 1),
        ("{ __typename }", 0),
        ("{ me { friend { friend { name } } } }", 3),
        ("{ me { friends { name } } }", 1 + LIST),
        ("{ me { friends { friends { name } } } }", 1 + LIST * (1 + LIST)),
        ("{ far { name } }", 7),
        ("{ me { free { name friend { name } } } }", 1 + LIST),
        ("mutation { rename { name } touch }", 2 * MUTATION),
        ("mutation { a: rename { friend { name } } }", MUTATION + 1),
        ("subscription { renamed { friend { name } } }", 2),
        # pages: the page itself, and its items; edges are no objects of their own; a call once
        ("{ me { notes { total } } }", 1 + 10 + 1),
        ("{ me { notes { nodes { body } } } }", 1 + 10 + 1 + 50),
        ("{ me { notes(first: 3) { nodes { body author { name } } } } }", 1 + 10 + 1 + 3 * 2),
        ("{ me { notes(first: 3) { edges { cursor node { body } } } } }", 1 + 10 + 1 + 3),
        ("{ me { notes(first: 3) { edges { cursor } info { more } sources { more } } } }", 1 + 10 + 1 + 1 + LIST),
        ("{ me { notes(first: 3) { ...n ... { nodes { body } } } } } fragment n on Notes { nodes { body } }", 1 + 10 + 1 + 3 + 3),
        ("{ me { pages { nodes { body } } } }", 1 + 1 + PAGE),
        ("{ me { pages(last: 4) { nodes { body } } } }", 1 + 1 + 4),
        ("{ me { pages(first: 2, last: 4) { nodes { body } } } }", 1 + 1 + 4),
        ("{ me { pages(first: 0) { nodes { body } } } }", 1 + 1),
        ("{ me { pages(first: -3) { nodes { body } } } }", 1 + 1 + PAGE),
        ("{ me { pages(first: null) { nodes { body } } } }", 1 + 1 + PAGE),
        ("{ me { plain(first: 7) { body author { name } } } }", 1 + 7 * 2),
        # a call serves all parents
        ("{ me { friends { notes(first: 2) { nodes { body } } } } }", 1 + LIST * (1 + 1 + 2) + 10),
        ("{ me { notes(first: 1) { total } b: notes(first: 1) { total } } }", 1 + 2 + 20),
        # lists as long as those of the arguments
        ("{ many { name } }", 30),
        ("{ many(ids: [1, 2, 3]) { friend { name } } }", 6),
        ("{ many(ids: 1) { name } }", 1),
        ("{ many(keys: [{id: 1}, {id: 2}]) { name } }", 2),
        ("{ many(keys: []) { name } }", 0),
        # of one of several types: what the dearest of them has
        ("{ thing { ... on Person { friend { name } } ... on Place { people { name } } } }", 1 + LIST),
        ("{ named { friend { name } ... on Person { friends { name } } ... on Place { name } } }", 1 + 1 + LIST),
        ("{ named { ... on Named { friend { name } } ... on Person { friend { name } } } }", 1 + 2),
        ("{ thing { ...p ...p } } fragment p on Person { friend { name } }", 1 + 2),
        # what is never there
        ("{ me @skip(if: true) { name } }", 0),
        ("{ me { friend @include(if: false) { name } ... @include(if: true) { friend { name } } } }", 2),
    ],
)
def test_what_an_operation_costs(text: str, expected: int) -> None:
    """Leaves nothing, objects one, lists their size, pages their `first` or `last`, calls once for each place."""
    assert cost(text) == expected


@pytest.mark.parametrize(
    ("declared", "variables", "expected"),
    [
        ("($n: Int)", {"n": 4}, 4),
        ("($n: Int)", {"n": None}, PAGE),
        ("($n: Int)", {}, PAGE),
        ("($n: Int)", None, PAGE),
        ("($n: Int = 6)", None, 6),
        ("($n: Int = 6)", {"n": 2, "m": 99}, 2),
        ("($n: Int = 6)", {"n": None}, PAGE),
        ("($n: Int)", {"n": -5}, PAGE),
        ("($n: Int)", {"n": "4"}, PAGE),
        ("($n: Int)", {"n": True}, PAGE),
        ("($n: Int)", {"n": 4.0}, PAGE),
        ("($n: Int)", {"n": {"a": 1}}, PAGE),
    ],
)
def test_sizes_by_variables(declared: str, variables: dict[str, Any] | None, expected: int) -> None:
    """A variable says how many; where it is absent, null or nothing of the kind, the default does."""
    found = cost(f"query {declared} {{ me {{ pages(first: $n) {{ nodes {{ body }} }} }} }}", variables)

    assert found in {2 + expected, 2 + 1} if isinstance((variables or {}).get("n"), str | dict) else found == 2 + expected


def test_lists_by_variables() -> None:
    """As many as the list has; one thing stands for a list of one."""
    text = "query ($ids: [ID!], $keys: [Key!]) { many(ids: $ids, keys: $keys) { friend { name } } }"

    assert [cost(text, {"ids": ["a"] * count}) for count in (0, 1, 100)] == [0, 2, 200]
    assert cost(text, {"ids": ["a"], "keys": [{"id": 1}] * 3}) == 6
    assert (cost(text), cost(text, {"ids": "a"}), cost(text, {"keys": {"id": 1}})) == (60, 2, 2)


def test_what_variables_leave_out() -> None:
    """`@include` and `@skip` by a variable, on fields and fragments; one that does not say counts as there."""
    text = """query ($a: Boolean!, $b: Boolean! = true) { me { friend @include(if: $a) { name } ...f @skip(if: $b) } }
        fragment f on Person { notes(first: 2) { nodes { body } } }"""

    assert cost(text, {"a": True}) == 2
    assert cost(text, {"a": False}) == 1
    assert cost(text, {"a": False, "b": False}) == 1 + 10 + 3
    assert cost(text, {"a": True, "b": False}) == 2 + 10 + 3
    assert cost(text) == 2


def test_it_is_worked_out_once_for_the_same_sizes() -> None:
    """Other values of no consequence, and lists of the same length, are known already; what is remembered is bounded."""
    found = costed("query ($n: Int, $ids: [ID!], $x: String) { many(ids: $ids) { pages(first: $n) { nodes { body } } } }")
    for number in range(3):
        assert found.of({"n": 2, "ids": [str(number)], "x": f"{number}"}) == 1 * (1 + 1 + 2)
    assert len(found._remembered) == 1
    for number in range(1_000):
        assert found.of({"n": number, "ids": ["1"]}) == 2 + number
    assert len(found._remembered) <= 64


def test_doubling_ends_somewhere() -> None:
    """Fragments that double two hundred times cost as much as can be counted, by constants and by variables; nothing grows with it."""
    bomb = " ".join(f"fragment f{n} on Person {{ ...f{n + 1} friends {{ ...f{n + 1} }} }}" for n in range(150))
    for last in ("friend { name }", "pages(first: $n) { nodes { body } }"):
        text = f"query ($n: Int) {{ me {{ ...f0 }} }} {bomb} fragment f150 on Person {{ {last} }}"
        assert cost(text, {"n": 1}) == MOST
        assert cost(text, {"n": 10**30}) == MOST


@pytest.mark.parametrize(
    ("text", "variables", "expected"),
    [
        ("{ me { pages(first: 100) { total } } }", None, None),
        ("{ me { pages(first: 101) { total } } }", None, ("first", 100, 101)),
        ("{ me { pages(last: 101) { total } } }", None, ("last", 100, 101)),
        ("{ me { ...f } } fragment f on Person { pages(first: 101) { total } }", None, ("first", 100, 101)),
        ("{ me { pages(first: 9999999999999999999999) { total } } }", None, ("first", 100, MOST)),
        ("{ me { pages(first: -9999999999999999999999) { total } } }", None, None),
        ("query ($n: Int) { me { pages(first: $n) { total } } }", {"n": 100}, None),
        ("query ($n: Int) { me { pages(first: $n) { total } } }", {"n": 101}, ("first", 100, 101)),
        ("query ($n: Int = 101) { me { pages(last: $n) { total } } }", None, ("last", 100, 101)),
        ("query ($n: Int = 101) { me { pages(last: $n) { total } } }", {"n": 5}, None),
        ("query ($n: Int) { me { pages(first: $n) { total } } }", {"n": "101"}, None),
        ("{ log(first: 1000) { total } }", None, None),
        ("{ log(first: 1001) { total } }", None, ("first", 1000, 1001)),
    ],
)
def test_pages_that_are_too_large(text: str, variables: dict[str, Any] | None, expected: tuple[str, int, int] | None) -> None:
    """Told by argument, limit and size, in text or variables, for each field's own limit."""
    assert costed(text).page_over(variables) == expected


def principal(role: Role) -> Principal:
    """Somebody of this role."""
    return Principal(UUID(int=1), "demo", "ana", "Ana", role, frozenset(), None, None)


def prepared(text: str, role: Role | None, variables: dict[str, Any] | None = None, *, limited: bool = True, **limits: Any) -> Prepared:
    """As a gateway with these limits prepares it."""
    documents = Documents(SCHEMA, introspection=False, limits=DocumentLimits(**limits))
    return documents.prepare(Request(text, variables), None if role is None else principal(role), limited=limited)


@pytest.mark.parametrize("role", Role)
def test_the_limit_is_that_of_the_role(role: Role) -> None:
    """What costs exactly the limit passes and says what it costs; one more is LIMIT_COST with both numbers."""
    most = 5_000 if role in {Role.PARTNER, Role.SERVICE} else 1_000
    text = "query ($ids: [ID!]) { many(ids: $ids) { name } }"
    fine, over = prepared(text, role, {"ids": ["1"] * most}), prepared(text, role, {"ids": ["1"] * (most + 1)})

    assert (fine.errors, fine.cost) == (None, most)
    assert [error["extensions"] for error in over.errors or []] == [{"code": "LIMIT_COST", "limit": most, "found": most + 1}]
    assert over.document is None


def test_who_is_not_held_to_it() -> None:
    """Without a principal nothing is refused for its cost, nor is a text that is not the client's; pages are, whoever wrote them."""
    text = "query ($ids: [ID!], $n: Int) { many(ids: $ids) { pages(first: $n) { total } } }"
    much = {"ids": ["1"] * 10_000}
    assert (prepared(text, None, much).errors, prepared(text, None, much).cost) == (None, 20_000)
    assert prepared(text, Role.AGENT, much, limited=False).errors is None
    long = "{ me { " + "name " * 5_000 + "} }"
    assert (prepared(long, Role.AGENT).errors is None, prepared(long, Role.AGENT, limited=False).errors is None) == (False, True)
    (error,) = prepared(text, Role.AGENT, {"n": 101}, limited=False).errors or []
    assert error["extensions"] == {"code": "LIMIT_PAGE_SIZE", "limit": 100, "found": 101, "argument": "first"}


def test_nothing_costs_nothing() -> None:
    """Every operation counts as one at least."""
    assert prepared("{ __typename }", Role.AGENT).cost == 1


OVER = {
    "LIMIT_DEPTH": "{ me " + "{ friend " * 10 + "{ name }" + " }" * 10 + " }",
    "LIMIT_FIELDS": "{ me { " + "name " * 1_000 + "} }",
    "LIMIT_ALIASES": "{ me { " + " ".join(f"a{n}: name" for n in range(31)) + " } }",
    "LIMIT_DIRECTIVES": "{ me { " + "name @skip(if: false) " * 51 + " } }",
    "LIMIT_PAGE_SIZE": "{ me { pages(first: 101) { total } } }",
    "LIMIT_COST": "{ me { friends { friends { friends { friends { friends { name } } } } } } }",
}
FAR_OVER = {
    "LIMIT_DEPTH": "{ me " + "{ friend " * 100 + "{ name }" + " }" * 100 + " }",
    "LIMIT_FIELDS": "{ me { ...f ...f ...f ...f ...f ...f ...f ...f ...f ...f ...f } } fragment f on Person { " + "name " * 1_000 + "}",
    "LIMIT_ALIASES": "{ me { " + " ".join(f"a{n}: name" for n in range(301)) + " } }",
    "LIMIT_DIRECTIVES": "{ me { ...f ...f ...f } } fragment f on Person { " + "name @skip(if: false) " * 200 + " }",
    "LIMIT_PAGE_SIZE": "{ me { pages(first: 1001) { total } } }",
    "LIMIT_COST": "{ me { friends { friends { friends { friends { friends { friends { friends { name } } } } } } } } }",
}


@pytest.mark.parametrize("code", sorted(WARNABLE))
def test_a_limit_that_is_only_told(code: str) -> None:
    """It refuses; when it is to be told, the operation runs and is counted each time, unless it is ten times over."""
    (error,) = prepared(OVER[code], Role.AGENT).errors or [{}]
    assert error["extensions"]["code"] == code
    counted = DOCUMENTS_OVER_LIMIT.labels(code, "warned")
    before = counted._value.get()
    documents = Documents(SCHEMA, introspection=False, limits=DocumentLimits(warn_only=frozenset({code})))
    for _ in range(3):
        assert documents.prepare(Request(OVER[code]), principal(Role.AGENT)).errors is None
    assert counted._value.get() == before + 3
    (error,) = documents.prepare(Request(FAR_OVER[code]), principal(Role.AGENT)).errors or [{}]
    assert error["extensions"]["code"] == code
