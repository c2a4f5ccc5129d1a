"""The bench's screen: the product accepts its document, and every run has the same people."""

from __future__ import annotations

import json
from pathlib import Path

from graphql import build_schema, graphql_sync, parse, validate

from bench.screen.data import DOCUMENT, EVENTS, EXPECTED_LEAVES, PLACE, leaves, screen, written
from resolvers.schema import build_schema as product


def test_the_product_and_its_peers_accept_the_same_documents() -> None:
    """Screen and subscription are valid against both schemas."""
    peers = build_schema((PLACE / "schema.graphql").read_text())

    for document in map(parse, (DOCUMENT, EVENTS)):
        assert validate(peers, document) == []
        assert validate(product(), document) == []


def test_the_screen_has_674_leaves() -> None:
    """20 of the profile, 240 of traits, 60 of notes, 350 of the timeline, 4 of its page."""
    schema = build_schema((PLACE / "schema.graphql").read_text())
    assert schema.query_type is not None
    schema.query_type.fields["profile"].resolve = lambda _root, _info, by: screen(3)

    answer = graphql_sync(schema, DOCUMENT, variable_values={"id": screen(3)["id"]})

    assert answer.errors is None
    assert leaves(answer.data) == EXPECTED_LEAVES == 674


def test_the_same_number_is_the_same_person(tmp_path: Path) -> None:
    """Numbers make people, and a file of them is what peers read."""
    people = json.loads(written(tmp_path / "people.json", 3).read_text())

    assert list(people) == [screen(number)["id"] for number in range(3)]
    assert people[screen(2)["id"]] == screen(2)
    assert len({json.dumps(one) for one in people.values()}) == 3
