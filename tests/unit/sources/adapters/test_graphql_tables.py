"""What is checked of the tables of a GraphQL source before it is asked anything."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from gateway.errors import ConfigurationError
from gateway.model.source import Source, SourceKind
from gateway.sources.adapters.graphql import ADAPTER
from gateway.sources.definition import Definition
from tests.members import FLAT, TABLES

__all__: list[str] = []


def wrong(where: str, table: str, **changes: Any) -> tuple[str, dict[str, Any]]:
    """A table with something wrong in it, and how the message begins."""
    return where, {table: {**TABLES[table], **changes}}


WRONG = [
    wrong("graphql.traits.document: is no GraphQL document (line 1, column 9)", "traits", document="query { "),
    wrong("graphql.traits.document: holds one query", "traits", document="mutation ($keys: [ID!]!) { a(ids: $keys) }"),
    wrong("graphql.traits.document: holds one query", "traits", document="query A { a } query B { b }"),
    wrong("graphql.traits.document: does not declare $keys", "traits", document="query { a }"),
    wrong(
        "graphql.traits.document: declares $limit", "traits", document="query ($keys: [ID!]!, $limit: Int) { a(ids: $keys, first: $limit) }"
    ),
    wrong("graphql.traits.document: does not declare $shop", "traits", variables={"shop": 1}),
    wrong("graphql.traits.document: is no GraphQL document", "traits", document="query { a(b: " + "[" * 6000 + "]" * 6000 + ") }"),
    wrong("graphql.traits.rows: 'a..b' is no path", "traits", rows="a..b"),
    wrong("graphql.traits.rows: 'a[0]' is no path", "traits", rows="a[0]"),
    wrong("graphql.traits.key: 'id[' is not a JMESPath expression", "traits", key="id["),
    wrong("graphql.items.cursor: the document does not declare $after", "items", document=TABLES["notes"]["document"], sorted="not"),
    wrong("graphql.items.sorted: the document asks for no order", "items", document=FLAT["document"]),
    wrong("graphql.items.pages: is from 1", "items", pages=0),
    wrong("graphql.items.record.id: is missing", "items", record={"occurred_at": "at", "type": "title"}),
    wrong("graphql.write_trait.document: holds one mutation", "write_trait", document="query ($key: ID!) { a(id: $key) }"),
    ("graphql.write_trait: traits that are written have to be read", {"traits": None}),
    ("graphql.add_note: notes that are written have to be read", {"notes": None}),
    ("graphql.url: a source's base URL has no user name", {"url": "https://user:hunter2@example.com/graphql"}),
    ("graphql.url: a source's base URL has an address that is not public", {"url": "https://127.0.0.1/", "allow_private": False}),
    ("graphql.headers.Authorization: a secret does not stand in the file", {"headers": {"Authorization": "Bearer hunter2"}}),
    ("graphql.auth.bearer: the secret NO_SUCH_THING is empty", {"auth": {"bearer": {"env": "NO_SUCH_THING"}}}),
    ("graphql.max_bytes: is from 1024", {"max_bytes": 1}),
]


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEMBERS_KEY", "k-123")


@pytest.mark.parametrize(("message", "tables"), WRONG, ids=[message[:70] for message, _ in WRONG])
def test_a_wrong_table_is_named(message: str, tables: dict[str, Any]) -> None:
    """Before anything is asked: with the table, the key, and what is wrong, without a secret."""
    options = msgspec.convert({**TABLES, "url": "https://api.example.com/graphql", **tables}, ADAPTER.options)
    with pytest.raises(ConfigurationError) as caught:
        ADAPTER.make(Definition(Source("club", "The Club", ()), "graphql", "member_id", options=options))

    assert caught.value.message.startswith(message)
    assert "hunter2" not in caught.value.message


@pytest.mark.parametrize("kinds", [(SourceKind.ACTIVITY,), (SourceKind.TRAITS, SourceKind.NOTES)])
def test_a_kind_without_a_table_is_refused(kinds: Sequence[SourceKind]) -> None:
    """A source that says it knows something has to say how it is asked."""
    options = msgspec.convert({"url": "https://api.example.com/", "traits": TABLES["traits"]}, ADAPTER.options)
    with pytest.raises(ConfigurationError, match="there is no table graphql"):
        ADAPTER.make(Definition(Source("club", "The Club", tuple(kinds)), "graphql", "member_id", options=options))
