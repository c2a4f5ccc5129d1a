"""Where a cursor goes into a subscription, and where the next one comes out."""

from __future__ import annotations

from dataclasses import replace

import pytest
from graphql import parse, print_ast

from gateway.engine.documents import Prepared
from gateway.engine.request import Request
from gateway.engine.resume import Cursors, resumed
from gateway.errors import CursorInvalid

__all__: list[str] = []


def prepared(text: str, name: str | None = None) -> Prepared:
    """A subscription as the engine would have it."""
    return Prepared(Request(text, operation_name=name), parse(text), "subscription")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("{ a }", '{ a(after: "X") }'),
        ('{ a(after: "c") }', '{ a(after: "X") }'),
        ("($v: C) { a(id: 1, after: $v) { after } }", '($v: C) { a(id: 1, after: "X") { after } }'),
        ("{ one: a(after: null, id: 1) @d { b(after: 1) } }", '{ one: a(id: 1, after: "X") @d { b(after: 1) } }'),
        ("{ ... on S { a } }", '{ ... on S { a(after: "X") } }'),
        (
            "{ ...F } fragment F on S { ...G } fragment G on S { a { b } }",
            '{ ...F } fragment F on S { ...G } fragment G on S { a(after: "X") { b } }',
        ),
    ],
)
def test_the_root_field_alone_is_changed(before: str, after: str) -> None:
    """`after` of the root field, wherever that stands, and nothing below it; what was prepared stays as it was."""
    given = prepared(f"subscription {before}")
    changed = resumed(given, "X")

    assert changed.document is not None
    assert print_ast(changed.document) == print_ast(parse(f"subscription {after}"))
    assert given == prepared(f"subscription {before}")
    assert replace(changed, document=given.document) == given


def test_the_named_operation_is_changed() -> None:
    """Of several operations the one that runs."""
    changed = resumed(prepared("subscription A { a } subscription B { b }", "B"), "X")

    assert changed.document is not None
    assert print_ast(changed.document) == print_ast(parse('subscription A { a } subscription B { b(after: "X") }'))


def test_fragments_are_looked_at_once() -> None:
    """Fragments that spread the next one twice cost as much as their text."""
    bomb = "".join(f" fragment F{number} on S {{ ...F{number + 1} ...F{number + 1} }}" for number in range(60))
    given = prepared(f"subscription {{ ...F0 }}{bomb} fragment F60 on S {{ a {{ cursor }} }}")
    changed = resumed(given, "X")

    assert changed.document is not None
    assert print_ast(changed.document).count('a(after: "X")') == 1
    assert Cursors(given).of({"data": {"a": {"cursor": "c"}}}) == "c"


def test_a_cursor_is_a_string_whatever_is_in_it() -> None:
    """Quotes and braces end no string."""
    changed = resumed(prepared("subscription { a }"), '") { b } #')

    assert changed.document is not None
    assert print_ast(changed.document) == 'subscription {\n  a(after: "\\") { b } #")\n}'


def test_a_cursor_that_is_too_long() -> None:
    """512 characters, as for the argument."""
    resumed(prepared("subscription { a }"), "c" * 512)
    with pytest.raises(CursorInvalid):
        resumed(prepared("subscription { a }"), "c" * 513)


@pytest.mark.parametrize(
    ("text", "response", "found"),
    [
        ("{ a { cursor } }", {"data": {"a": {"cursor": "c"}}}, "c"),
        ("{ x: a { y: cursor } }", {"data": {"x": {"y": "c"}}}, "c"),
        ("{ a { ... on B { cursor } ... on C { z: cursor } } }", {"data": {"a": {"z": "c"}}}, "c"),
        ("{ ...F } fragment F on S { a { ...G } } fragment G on L { cursor }", {"data": {"a": {"cursor": "c"}}}, "c"),
        ("{ a { cursor } }", {"data": {"a": None}}, None),
        ("{ a { cursor } }", {"data": None, "errors": []}, None),
        ("{ a { cursor } }", {"errors": []}, None),
        ("{ a { cursor } }", {"data": {"a": {"cursor": None}}}, None),
        ("{ a { seq cursor: seq } }", {"data": {"a": {"seq": 1, "cursor": 1}}}, None),
        ("{ a { page { cursor } } }", {"data": {"a": {"page": {"cursor": "c"}}}}, None),
        ("{ a }", {"data": {"a": 1}}, None),
    ],
)
def test_cursors(text: str, response: dict[str, object], found: str | None) -> None:
    """The event's own cursor under the name that it was asked for by; none of what lies deeper."""
    assert Cursors(prepared(f"subscription {text}")).of(response) == found
