"""What a federation router asks: the schema with its directives, and entities by their keys, batched and under the caller's rights."""

from __future__ import annotations

from typing import Any

import pytest

from resolvers.schema import schema_text

from .conftest import Graph
from .test_batching import statements

__all__: list[str] = []

pytestmark = pytest.mark.asyncio(loop_scope="module")

ENTITIES = """query ($representations: [_Any!]!) { _entities(representations: $representations) { __typename
  ... on Profile { id displayName notes { nodes { body } } }
  ... on Company { id name }
  ... on Interaction { id channel } } }"""


def keys(*ids: str) -> list[dict[str, str]]:
    """Representations of these ids."""
    names = {"prf": "Profile", "com": "Company", "act": "Interaction"}
    return [{"__typename": names[one.partition("_")[0]], "id": one} for one in ids]


async def test_the_service_tells_its_schema(graph: Graph) -> None:
    """`_service { sdl }` is the exported schema, with keys and scopes and without the router's own fields."""
    sdl = (await graph.data("{ _service { sdl } }"))["sdl"]

    assert sdl == schema_text()
    assert '@key(fields: "id")' in sdl
    assert "_entities" not in sdl


async def test_entities_come_in_the_order_asked(graph: Graph) -> None:
    """Profiles, companies and interactions by their keys; one that is not there is null in its place."""
    profile = await graph.profile("Ana")
    company = await graph.join(profile, "Hooli")
    (call,) = await graph.happened(profile, {"kind": "INTERACTION", "channel": "VOICE", "direction": "INBOUND"})
    nobody = "prf_" + "0" * 32
    found = await graph.data(ENTITIES, {"representations": keys(call, nobody, profile, company)})

    assert found == [
        {"__typename": "Interaction", "id": call, "channel": "VOICE"},
        None,
        {"__typename": "Profile", "id": profile, "displayName": "Ana", "notes": {"nodes": []}},
        {"__typename": "Company", "id": company, "name": "Hooli"},
    ]


async def test_another_workspace_sees_nothing(graph: Graph) -> None:
    """Keys of another workspace answer exactly like keys of nothing."""
    profile = await graph.profile("Ana")

    assert await graph.data(ENTITIES, {"representations": keys(profile)}, graph.stranger) == [None]


async def test_rights_are_the_same_as_elsewhere(graph: Graph) -> None:
    """Who may not read profiles gets null; who may not read notes gets the profile without them."""
    profile = await graph.profile("Ana")
    await graph.note(profile)
    blind = graph.narrowed(graph.agent, "history:read")

    assert await graph.data(ENTITIES, {"representations": keys(profile)}, blind) == [None]
    answer = await graph.run(ENTITIES, {"representations": keys(profile)}, graph.partner)
    assert answer["data"]["_entities"][0]["notes"] is None
    assert [error["extensions"]["code"] for error in answer["errors"]] == ["FORBIDDEN"]


async def test_the_statements_do_not_grow_with_the_keys(graph: Graph, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fifty keys take as many statements as one."""
    profiles = [await graph.profile(f"P{n}") for n in range(50)]
    counts = []
    for some in (profiles[:1], profiles):
        with statements(monkeypatch) as seen:
            assert len(await graph.data(ENTITIES, {"representations": keys(*some)})) == len(some)
        counts.append(sorted(seen))

    assert counts[0] == counts[1]


@pytest.mark.parametrize(
    "wrong",
    [
        {"__typename": "Note", "id": "note_1"},
        {"__typename": "Profile"},
        {"__typename": "Profile", "id": 3},
        {"__typename": "Profile", "id": "com_" + "0" * 32},
        {"id": "prf_" + "0" * 32},
        "prf",
        None,
    ],
    ids=["type", "no id", "number", "other prefix", "no type", "text", "null"],
)
async def test_what_is_no_representation_is_refused(graph: Graph, wrong: Any) -> None:
    """A representation of another type or without a fitting id is an error that says what one is."""
    error = await graph.error(ENTITIES, {"representations": [wrong]})

    assert error["extensions"]["code"] in {"BAD_USER_INPUT", "GRAPHQL_VALIDATION_FAILED"}


async def test_too_many_representations_are_refused(graph: Graph) -> None:
    """More than a thousand keys at once are refused before anything is read."""
    error = await graph.error(ENTITIES, {"representations": keys("prf_" + "0" * 32) * 1001})

    assert error["extensions"]["code"] == "BAD_USER_INPUT"
