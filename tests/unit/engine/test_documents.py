"""Documents: what is refused before anything runs, how it is refused, and that the cache forgets."""

from __future__ import annotations

from typing import Any

import pytest
from graphql import build_schema

from gateway.engine import documents
from gateway.engine.documents import Documents
from gateway.engine.limits import DocumentLimits
from gateway.engine.request import Request

__all__: list[str] = []

SCHEMA = build_schema("""
    directive @twice repeatable on FIELD
    type Query { person(id: ID, first: Int): Person }
    type Person { id: ID! name: String friend: Person }
    type Mutation { rename(id: ID!, name: String!): Person }
    type Subscription { renamed(id: ID!): Person }
""")


def prepared(query: str | None, name: str | None = None, *, introspection: bool = False) -> documents.Prepared:
    """The request as a fresh cache prepares it."""
    return Documents(SCHEMA, introspection=introspection).prepare(Request(query, operation_name=name))


def code(query: str, name: str | None = None) -> str:
    """The code of the only error."""
    (error,) = prepared(query, name).errors or [{}]
    found: str = error["extensions"]["code"]
    return found


@pytest.mark.parametrize(
    ("query", "kind"),
    [
        ("{ person { name } }", "query"),
        ("query Q { a: person { name } person { id } }", "query"),
        ('mutation { rename(id: 1, name: "x") { id } }', "mutation"),
        ("subscription { renamed(id: 1) { id } }", "subscription"),
    ],
)
def test_what_a_document_asks_for(query: str, kind: str) -> None:
    """A valid document is ready with its kind."""
    ready = prepared(query)

    assert (ready.errors, ready.operation_type) == (None, kind)
    assert ready.document is not None


def test_choosing_an_operation() -> None:
    """Of several operations the named one is meant; no name, a wrong one and an empty one are refused."""
    both = 'query A { person { id } } mutation B { rename(id: 1, name: "x") { id } }'

    assert prepared(both, "B").operation_type == "mutation"
    assert prepared("query A { person { id } }", "A").errors is None
    assert prepared("query A { person { id } }").errors is None
    for name in (None, "C", ""):
        assert code(both, name) == "GRAPHQL_VALIDATION_FAILED"
    assert code("query A { person { id } }", "B") == "GRAPHQL_VALIDATION_FAILED"


@pytest.mark.parametrize("query", [None, ""])
def test_no_query(query: str | None) -> None:
    """Without a query there is nothing to prepare."""
    (error,) = prepared(query).errors or [{}]

    assert error["extensions"] == {"code": "BAD_REQUEST"}


@pytest.mark.parametrize(
    "query",
    [
        "{",
        "}",
        "# nothing",
        "{ person",
        '{ person(id: "x) { id } }',
        "query ($a: ) { person { id } }",
        "{ person { id } } }",
        "\x00",
        "🙂",
    ],
)
def test_20_what_cannot_be_parsed(query: str) -> None:
    """A syntax error is GRAPHQL_PARSE_FAILED with its place."""
    (error,) = prepared(query).errors or [{}]

    assert (error["extensions"], set(error)) == ({"code": "GRAPHQL_PARSE_FAILED"}, {"message", "locations", "extensions"})


@pytest.mark.parametrize(
    "query",
    [
        "{ nothing }",
        "{ person }",
        "{ person { id { x } } }",
        '{ person(first: "1") { id } }',
        "{ person { id @unknown } }",
        "query ($a: Int) { person { id } }",
        "query ($a: Nothing) { person(first: $a) { id } }",
        "fragment f on Person { id } { person { ...g } }",
        "{ person { ...f } } fragment f on Person { friend { ...f } }",
        "{ person { ...a } } fragment a on Person { ...b } fragment b on Person { ...a }",
        "{ person { ...f } } fragment f on Person { id } fragment f on Person { name }",
        "fragment f on Person { id }",
        "{ person { id } } { person { name } }",
        "subscription { a: renamed(id: 1) { id } b: renamed(id: 2) { id } }",
        "{ person { ... @defer { id } } }",
    ],
)
def test_what_is_not_valid(query: str) -> None:
    """A document that does not fit the schema is GRAPHQL_VALIDATION_FAILED, in every error."""
    errors = prepared(query).errors

    assert errors
    assert {error["extensions"]["code"] for error in errors} == {"GRAPHQL_VALIDATION_FAILED"}


def test_27_limits_are_exact() -> None:
    """A document of as many tokens, characters or comments as allowed is read; one more is LIMIT_TOKENS."""
    fields = " ".join(f"a{n}: id" for n in range(665))
    tokens = f"{{ person {{ {fields} }} }}"  # 665 × 3 and five more
    unaliased = Documents(SCHEMA, introspection=False, limits=DocumentLimits(aliases=1_000))
    assert unaliased.prepare(Request(tokens)).errors is None
    assert code(tokens.replace("{ person", "{ person person", 1)) == "LIMIT_TOKENS"

    whole = "{ person { id } }"
    assert prepared(whole + " " * (32 * 1024 - len(whole))).errors is None
    assert code(whole + " " * (32 * 1024 - len(whole) + 1)) == "LIMIT_TOKENS"

    assert prepared("#\n" * 100 + whole).errors is None
    assert code("#\n" * 101 + whole) == "LIMIT_TOKENS"


def test_26_megabytes_are_not_read() -> None:
    """A megabyte of a comment, of commas, of a name or of a string is LIMIT_TOKENS."""
    for much in (
        "#" + "x" * 2**20,
        "," * 2**20 + "{ person { id } }",
        "{ " + "x" * 2**20 + " }",
        '{ person(id: """' + "x" * 2**20 + '""") { id } }',
    ):
        assert code(much) == "LIMIT_TOKENS"


def test_24_depth() -> None:
    """A document nested deeper than the parser goes is LIMIT_DEPTH, not an exception."""
    for depth in (300, 900):
        assert code("{ person " + "{ friend " * depth + "{ id }" + " }" * depth + " }") == "LIMIT_DEPTH"


def test_a_word_is_not_a_limit() -> None:
    """A syntax error that has the limits' words in it is still a syntax error."""
    for words in ("{ limit( }", '{ person(id: "too many tokens. Parsing aborted." ', "{ person(x: {Parsing: aborted.}) }"):
        assert code(words) == "GRAPHQL_PARSE_FAILED"


def test_18_fragment_bomb() -> None:
    """Fragments that spread the next one twice, two hundred deep, are refused without ever being expanded."""
    spread = " ".join(f"fragment f{n} on Person {{ ...f{n + 1} ...f{n + 1} }}" for n in range(150))

    assert code("{ person { ...f0 } } " + spread + " fragment f150 on Person { id }") == "LIMIT_FIELDS"


def test_23_many_errors_are_cut() -> None:
    """Of hundreds of mistakes the first twenty are told."""
    errors = prepared("{ person { " + " ".join(f"x{n}" for n in range(300)) + " } }").errors

    assert errors is not None
    assert len(errors) == 20


def test_25_introspection_and_suggestions_only_in_development() -> None:
    """Without introspection the schema cannot be asked for by any road and mistakes are not helped along; with it both work."""
    roads = [
        "{ __schema { queryType { name } } }",
        '{ a: __type(name: "Person") { name } }',
        "{ ...f } fragment f on Query { __schema { queryType { name } } }",
    ]
    for road in roads:
        assert prepared(road).errors
        assert prepared(road, introspection=True).errors is None
    assert prepared("{ person { __typename } }").errors is None

    (hidden,) = prepared("{ persn { id } }").errors or [{}]
    (shown,) = prepared("{ persn { id } }", introspection=True).errors or [{}]
    assert "Did you mean" not in hidden["message"]
    assert "Did you mean 'person'" in shown["message"]


def test_35_no_echo() -> None:
    """No value of a document comes back in what is said about it; names of fields do."""
    value = "c4n4ry@example.com"
    for query in (
        f'{{ person(id: "{value}" "{value}") {{ id }} }}',
        f'{{ person(id: 1 """{value}""") {{ id }} }}',
        f'{{ person(first: "{value}") {{ id }} }}',
        f'{{ person(first: {{a: "{value}"}}) {{ id }} }}',
        f'{{ person(id: ["{value}"]) {{ id }} }}',
        f'{{ person(id: "{value}) {{ id }} }}',
        f'{{ person {{ id @twice(a: "{value}") }} }}',
        f'query ($a: Int = "{value}") {{ person(first: $a) {{ id }} }}',
        f'"{value}" {{ person {{ id }} }}',
        "{ person(first: " + "7" * 5_000 + ") { id } }",
    ):
        errors = prepared(query).errors or [{}]
        assert errors
        assert "c4n4ry" not in str(errors), errors
        assert "7777" not in str(errors)
        assert all(len(error["message"]) <= 500 for error in errors)
    (error,) = prepared("{ " + "x" * 20_000 + " }").errors or [{}]
    assert len(error["message"]) == 500


def test_numbers_no_type_takes() -> None:
    """An integer of five thousand digits is a mistake of the document, not of ours."""
    (error,) = prepared("{ person(first: " + "9" * 5_000 + ") { id } }").errors or [{}]

    assert error["extensions"] == {"code": "GRAPHQL_VALIDATION_FAILED"}


def test_what_was_prepared_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same text is parsed once, refusals too; other variables and another name make no difference."""
    parsed: list[str] = []
    parse = documents.parse

    def counting(query: str, **options: Any) -> Any:
        parsed.append(query)
        return parse(query, **options)

    monkeypatch.setattr(documents, "parse", counting)
    cache = Documents(SCHEMA, introspection=False)
    good, bad, both = "{ person { id } }", "{ nothing }", "query A { person { id } } query B { person { id } }"
    for _ in range(3):
        assert cache.prepare(Request(good, {"a": object()})).errors is None
        assert cache.prepare(Request(bad)).errors
        assert cache.prepare(Request(both, operation_name="A")).errors is None
        assert cache.prepare(Request(both, operation_name="B")).errors is None
        assert cache.prepare(Request(both)).errors

    assert parsed == [good, bad, both]


def test_36_the_cache_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The cache keeps the documents used last and no more than its size; one that is too long is not kept at all."""
    monkeypatch.setattr(documents, "_KEPT", 3)
    cache = Documents(SCHEMA, introspection=False)
    texts = [f"{{ person {{ a{n}: id }} }}" for n in range(5)]
    cache.prepare(Request(texts[0]))
    cache.prepare(Request(texts[1]))
    cache.prepare(Request(texts[2]))
    cache.prepare(Request(texts[0]))
    cache.prepare(Request(texts[3]))
    cache.prepare(Request("#" + "x" * 40_000))

    assert [text for text, _ in cache._cache] == [texts[2], texts[0], texts[3]]


def test_36_the_cache_is_bounded_in_text_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few long documents push out as much as many short ones."""
    texts = [f"{{ person {{ a{n}: id }} }}" for n in range(5)]
    monkeypatch.setattr(documents, "_KEPT_CHARACTERS", len(texts[0]) * 2)
    cache = Documents(SCHEMA, introspection=False)
    for text in texts:
        cache.prepare(Request(text))

    assert [text for text, _ in cache._cache] == texts[-2:]
