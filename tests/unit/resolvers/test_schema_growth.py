"""The published schema only grows."""

from __future__ import annotations

from pathlib import Path

from graphql import build_schema, find_breaking_changes

from resolvers.schema import schema_text

__all__: list[str] = []

PUBLISHED = Path(__file__).parents[3] / "schema.graphql"


def test_cap_099_the_schema_grows_without_breaking() -> None:
    """Nothing of the schema that the project publishes is gone or has changed its meaning in the one that is served."""
    published = build_schema(PUBLISHED.read_text(encoding="utf-8"), assume_valid=True)
    served = build_schema(schema_text(), assume_valid=True)

    assert find_breaking_changes(published, served) == []
