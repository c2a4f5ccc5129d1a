"""Section 6.3: executing selection sets: collecting fields, merging, and what runs beside what."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from .conftest import Obj, Run

__all__: list[str] = []

SDL = """
interface Named { name: String }
type Cat implements Named { name: String meows: Boolean owner: Person }
type Dog implements Named { name: String barks: Boolean owner: Person }
type Person { name: String age: Int pet: Named pets: [Pet] friend: Person }
union Pet = Cat | Dog
type Query { a: Int b: Int c: Int me: Person named: Named pet: Pet }
"""
FELIX = Obj(kind="Cat", name="Felix", meows=True, owner=Obj(name="Ana", age=1))
REX = Obj(kind="Dog", name="Rex", barks=False, owner=Obj(name="Bob", age=2))
ME = Obj(name="Me", age=40, pet=FELIX, pets=[REX, None, FELIX], friend=Obj(name="You", age=41, friend=None))
ROOT = Obj(a=1, b=2, c=3, me=ME, named=REX, pet=FELIX)


def said(run: Run, text: str, **variables: Any) -> list[tuple[str, Any]]:
    """The data of an operation on those, with the order of its keys."""
    answer = run(SDL, text, ROOT, **variables)
    assert answer.keys() == {"data"}, answer
    return list(answer["data"].items())


def test_fields_stand_in_the_order_of_the_document(run: Run) -> None:
    """CollectFields: the grouped field set is ordered by first appearance, whatever the order of the type's definition."""
    assert said(run, "{ c a b }") == [("c", 3), ("a", 1), ("b", 2)]


def test_a_field_stands_under_its_alias(run: Run) -> None:
    """CollectFields: the response key is the alias if there is one, else the name."""
    assert said(run, "{ x: a a b: c }") == [("x", 1), ("a", 1), ("b", 3)]


def test_a_field_that_is_asked_for_twice_is_there_once(run: Run) -> None:
    """CollectFields: fields of one response key are one entry, where the first of them stands."""
    assert said(run, "{ a b a }") == [("a", 1), ("b", 2)]


def test_typename_is_a_field_of_every_type(run: Run) -> None:
    """CollectFields: `__typename` stands where it is asked for, under an alias too, and is the object's type."""
    assert said(run, "{ __typename a kind: __typename me { __typename } }") == [
        ("__typename", "Query"),
        ("a", 1),
        ("kind", "Query"),
        ("me", {"__typename": "Person"}),
    ]


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("{ a @skip(if: true) b }", ["b"]),
        ("{ a @skip(if: false) b }", ["a", "b"]),
        ("{ a @include(if: false) b }", ["b"]),
        ("{ a @include(if: true) b }", ["a", "b"]),
        ("{ a @include(if: true) @skip(if: true) b }", ["b"]),
        ("{ a @include(if: false) @skip(if: false) b }", ["b"]),
        ("{ ... @skip(if: true) { a } b }", ["b"]),
        ("{ ... @include(if: true) { a } b }", ["a", "b"]),
        ("{ ...F @include(if: false) b } fragment F on Query { a }", ["b"]),
        ("{ ...F @include(if: false) ...F b } fragment F on Query { a }", ["a", "b"]),
        ("{ a @skip(if: true) a b }", ["a", "b"]),
    ],
)
def test_skip_and_include(run: Run, text: str, keys: list[str]) -> None:
    """CollectFields: a selection is left out if @skip is true or @include is not, of fields and of both sorts of fragments."""
    assert [key for key, _ in said(run, text)] == keys


@pytest.mark.parametrize(("yes", "keys"), [(True, ["a", "c"]), (False, ["b"])], ids=["true", "false"])
def test_variables_decide_what_is_selected(run: Run, yes: bool, keys: list[str]) -> None:
    """CollectFields: the directives' arguments may be variables."""
    text = "query ($yes: Boolean!) { a @include(if: $yes) b @skip(if: $yes) ... @include(if: $yes) { c } }"
    assert [key for key, _ in said(run, text, yes=yes)] == keys


def test_a_selection_of_nothing_is_an_empty_object(run: Run) -> None:
    """CollectFields: an object all of whose fields are left out is there, and empty."""
    assert said(run, "{ me { name @skip(if: true) } }") == [("me", {})]


def test_fragments_stand_where_they_are_spread(run: Run) -> None:
    """CollectFields: a fragment's fields are collected at the place of its spread, inline or named."""
    text = "{ a ...F ... on Query { me { age } } } fragment F on Query { c b }"
    assert said(run, text) == [("a", 1), ("c", 3), ("b", 2), ("me", {"age": 40})]


def test_a_fragment_is_spread_once(run: Run) -> None:
    """CollectFields: of several spreads of one fragment in a selection set the first counts."""
    assert said(run, "{ ...F b ...F } fragment F on Query { a }") == [("a", 1), ("b", 2)]


def test_fragments_in_fragments(run: Run) -> None:
    """CollectFields: a fragment may spread others."""
    text = "{ ...F } fragment F on Query { me { ...G } } fragment G on Person { friend { ...H } name } fragment H on Person { age }"
    assert said(run, text) == [("me", {"friend": {"age": 41}, "name": "Me"})]


@pytest.mark.parametrize(
    ("condition", "found"),
    [("Dog", {"barks": False}), ("Named", {"name": "Rex"}), ("Cat", {})],
    ids=["its own type", "an interface of it", "another type"],
)
def test_a_fragment_applies_to_objects_of_its_type(run: Run, condition: str, found: dict[str, Any]) -> None:
    """DoesFragmentTypeApply: if the type is the object's, or an interface or union that it belongs to."""
    fields = {"Dog": "barks", "Named": "name", "Cat": "meows"}[condition]
    assert said(run, f"{{ named {{ ... on {condition} {{ {fields} }} }} }}") == [("named", found)]


def test_a_fragment_on_a_union_applies_to_its_members(run: Run) -> None:
    """DoesFragmentTypeApply: the object's type is a member of the union."""
    text = "{ named { ... on Pet { __typename ... on Named { name } } } }"
    assert said(run, text) == [("named", {"__typename": "Dog", "name": "Rex"})]


def test_an_inline_fragment_without_a_type_applies_to_all(run: Run) -> None:
    """CollectFields: without a type condition there is nothing to hold."""
    assert said(run, "{ named { ... { name } } }") == [("named", {"name": "Rex"})]


def test_objects_of_several_types_have_each_their_own(run: Run) -> None:
    """CollectFields: what is collected depends on each object's type; they keep their places."""
    text = "{ me { pets { ... on Cat { meows name } ... on Named { name } ... on Dog { barks } } } }"
    pets = [{"name": "Rex", "barks": False}, None, {"meows": True, "name": "Felix"}]
    assert said(run, text) == [("me", {"pets": pets})]
    assert [list(one) for one in said(run, text)[0][1]["pets"] if one] == [["name", "barks"], ["meows", "name"]]


def test_selections_of_one_field_are_merged(run: Run) -> None:
    """CollectSubfields: the selection sets of all fields of one response key are one."""
    assert said(run, "{ me { name } b me { age name } }") == [("me", {"name": "Me", "age": 40}), ("b", 2)]


def test_selections_are_merged_at_every_depth(run: Run) -> None:
    """CollectSubfields: merged fields' own fields are merged in turn, also those of fragments."""
    text = "{ me { friend { name } } ...F } fragment F on Query { me { friend { age friend { name } } } }"
    assert said(run, text) == [("me", {"friend": {"name": "You", "age": 41, "friend": None}})]


def test_selections_of_other_types_are_not_merged(run: Run) -> None:
    """CollectSubfields: a field of one response key that is asked of two types is had of each with its own selection."""
    text = "{ me { pets { ... on Cat { owner { name } } ... on Dog { owner { age } } } } }"
    assert said(run, text) == [("me", {"pets": [{"owner": {"age": 2}}, None, {"owner": {"name": "Ana"}}]})]


def test_a_field_that_the_type_has_not_is_left_out(run: Run) -> None:
    """ExecuteSelectionSet: without a definition a field has no entry, which a valid document never meets."""
    assert run(SDL, "{ a nothing }", ROOT, is_valid=False) == {"data": {"a": 1}}


def test_a_query_s_fields_may_run_side_by_side(run: Run) -> None:
    """Normal execution: no field waits for the end of another; two that wait for each other both end."""

    async def go(_parent: Any, _info: Any) -> int:
        async with asyncio.timeout(5):
            await meeting[-1].wait()
        return 1

    meeting: list[asyncio.Barrier] = []

    async def begin(_parent: Any, _info: Any) -> Any:
        meeting.append(asyncio.Barrier(2))
        return ME

    resolvers = {"Query.me": begin, "Person.age": go, "Person.name": go}
    assert run(SDL, "{ me { name age } }", ROOT, resolvers=resolvers) == {"data": {"me": {"name": "1", "age": 1}}}


def test_the_order_of_the_answer_is_not_that_of_the_ends(run: Run) -> None:
    """Normal execution: whichever field ends first, the answer has the order of the document."""

    def after(turns: int) -> Any:
        async def resolve(*_: Any) -> int:
            for _turn in range(turns):
                await asyncio.sleep(0)
            return turns

        return resolve

    answer = run(SDL, "{ c b a }", resolvers={"Query.a": after(0), "Query.b": after(1), "Query.c": after(3)})
    assert list(answer["data"].items()) == [("c", 3), ("b", 1), ("a", 0)]
