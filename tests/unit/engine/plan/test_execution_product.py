"""The compiled executor answers as the reference executor does on documents of the gateway's own schema, whatever its resolvers say."""

from __future__ import annotations

import os
from random import Random

import pytest
from graphql import DocumentNode, StringValueNode, parse, print_ast, validate
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis_graphql import nodes
from hypothesis_graphql import strategies as graphql_strategies

from gateway.engine.plan.execution import Plans
from gateway.engine.plan.tree import Reason
from tests.unit.engine.plan.execution_compared import nulled, run, same
from tests.unit.engine.plan.execution_product import Product, dressed

__all__: list[str] = []

pytestmark = pytest.mark.filterwarnings(  # lists of awaitables that a failure beside them leaves: by either executor
    "ignore:coroutine .* was never awaited:RuntimeWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)

PRODUCT = Product()
DOCUMENTS_TRIED = int(os.environ.get("GATEWAY_TEST_EXAMPLES", "10"))
"""Fewer than of other properties, for one takes as long as ten of theirs; `make nightly` tries thousands."""
WAYS = 4
"""Each document is tried with so many dresses and values: to draw one takes longer than to execute it."""


def _texts(*texts: str) -> st.SearchStrategy[StringValueNode]:
    return st.sampled_from(texts).map(nodes.String)


SCALARS = {
    "DateTime": _texts("2026-01-31T09:30:00Z"),
    "Date": _texts("2026-01-31"),
    "JSON": _texts("one", "two"),
    "PhoneNumber": _texts("+442079460301"),
    "EmailAddress": _texts("ana@example.com"),
    "URL": _texts("https://example.com"),
    "StreamCursor": _texts("cursor"),
    "FeedCursor": _texts("cursor"),
    "_Any": _texts("entity"),
}

DOCUMENTS = graphql_strategies.from_schema(PRODUCT.schema, custom_scalars=SCALARS, print_ast=lambda document: document, allow_x00=False)


def refused(reason: Reason) -> None:
    """Nothing of these documents goes to the reference executor."""
    assert reason is Reason.SERIES, f"There is no plan: {reason}."


@settings(suppress_health_check=list(HealthCheck), max_examples=DOCUMENTS_TRIED)
@given(DOCUMENTS, st.integers(0, 2**32))
def test_the_executors_agree_on_documents_of_the_product(document: DocumentNode, seed: int) -> None:
    """Values, the order of keys, errors with message, path and place, and who was asked how often."""
    rng = Random(seed)
    for way in range(WAYS):
        shown = parse(print_ast(dressed(document, PRODUCT, rng)))
        assert way > 0 or validate(PRODUCT.schema, shown) == []
        PRODUCT.begin(rng.randrange(2**32), rng.choice((0, 0, 1, 4, 15)))
        defined = {one.variable.name.value for one in shown.definitions[0].variable_definitions or ()}  # type: ignore[attr-defined]
        chosen = {name: rng.random() < 0.5 for name in sorted(defined) if rng.random() < 0.7}
        expected, asked = run(PRODUCT, shown, chosen, None)
        result, own = run(PRODUCT, shown, chosen, Plans(PRODUCT.attribute_of, at_once=True, on_reference=refused))

        assert repr(result.data) == repr(expected.data)
        assert same(nulled(result), nulled(expected))
        if expected.errors is None:
            assert own == asked
        assert set(own.values()) <= {1} or own == asked
