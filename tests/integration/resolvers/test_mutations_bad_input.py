"""Bad input to every mutation: rights, other workspaces' ids, stale versions, closed contacts, keys used again, lists that are too long.

Driven by the schema: a new mutation, id, list, version or key that is not in the table of `mutations_bad_input_scene` fails here.
"""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
import pytest

from gateway.model.attribute import AttributeType

from .conftest import Graph, codes
from .mutations_bad_input_scene import CASES, MUTATIONS, World, document, holds_id, is_list, places_of, spoilt, unknown, world

__all__: list[str] = []

OPTIONS = 'options = ["gold", "silver"]\n'

pytestmark = pytest.mark.asyncio(loop_scope="module")

BARE = {"setViewing", "disconnectSubject"}
"""What answers true or false."""

WRONG: dict[AttributeType, list[Any]] = {
    AttributeType.TEXT: [1, True, ["a"], "x" * 5000, "a\x00"],
    AttributeType.LONG_TEXT: [1, {"a": 1}, "x" * 17_000],
    AttributeType.NUMBER: ["1", True, [1]],
    AttributeType.MONEY: ["12", True, {"amount": "twelve"}],
    AttributeType.BOOLEAN: ["true", 1, []],
    AttributeType.DATE: ["2026-02-30", "yesterday", 20260101],
    AttributeType.DATETIME: ["2026-01-01T25:00:00Z", "now", 1],
    AttributeType.PHONE: ["12345", "+0", 442079460000],
    AttributeType.EMAIL: ["ana", "@example.com", 1],
    AttributeType.URL: ["javascript:alert(1)", "example", 1],
    AttributeType.SELECT: ["platinum", ["gold"], 1],
    AttributeType.MULTI_SELECT: [["platinum"], "gold", [1]],
    AttributeType.JSON: [{"a": "\x00"}, "x" * 40_000],
}
CONFIG = "".join(
    f'[attributes.define.a_{kind.value.lower()}]\nname = "A"\ntype = "{kind.value}"\n{OPTIONS if "SELECT" in kind.value else ""}'
    for kind in AttributeType
)


ONCE = {
    "deleteNote": "NOT_FOUND",
    "dismissMergeProposal": "NOT_FOUND",
    "mergeProfiles": "MERGE_CONFLICT",
    "removeProfileFromCompany": "NOT_FOUND",
    "unmergeProfiles": "MERGE_CONFLICT",
}
"""What can be done once only, and what whoever comes second is told."""


def having(what: str) -> pytest.MarkDecorator:
    """One test for each mutation whose case names something of this kind."""
    return pytest.mark.parametrize("name", [name for name, case in CASES.items() if getattr(case, what)])


async def asked(graph: Graph, name: str, variables: dict[str, Any]) -> dict[str, Any]:
    """The response to the mutation of somebody who may do everything."""
    return await graph.run(document(name), variables, graph.admin)


def refused(answer: dict[str, Any], name: str) -> list[str]:
    """The codes of the refusals in a response that has no errors."""
    assert "errors" not in answer, answer
    payload = answer["data"][name]
    return ["false"] if payload is False else [error["code"] for error in payload["userErrors"]]


async def test_no_mutation_is_forgotten() -> None:
    """The table has every mutation, and of each every id, list, version and idempotency key that the schema has."""
    assert set(CASES) == set(MUTATIONS)
    for name, case in CASES.items():
        assert (name, set(case.ids)) == (name, places_of(name, holds_id))
        assert (name, set(case.lists)) == (name, places_of(name, is_list))
        assert (name, set(case.versions)) == (name, places_of(name, lambda last, _: last == "expectedVersion"))
        assert (name, set(case.keys)) == (name, places_of(name, lambda last, _: last == "idempotencyKey"))


@having("scope")
async def test_without_the_right_and_with_it(graph: Graph, name: str) -> None:
    """Everything but its own scope is not enough: FORBIDDEN, whether what it names is there or not, and nothing is written. With it the same
    call is taken, and by three at the same moment: each is done or refused with one code, and what can be done once is done once.
    """
    case = CASES[name]
    mine = await world(graph, graph.admin, "mine", case)
    variables = case.good(mine)
    nothing = variables
    for place, kind in case.ids.items():
        if kind is not None:
            nothing = spoilt(nothing, place, unknown(getattr(mine, kind)))
    poorer = graph.narrowed(graph.admin, *(graph.admin.scopes - {case.scope}))
    before = await graph.contents()
    answers = [await graph.run(document(name), one, poorer) for one in (variables, nothing)]

    assert answers[0] == answers[1]
    assert [error["extensions"] for error in answers[0]["errors"]] == [{"code": "FORBIDDEN", "scope": case.scope}]
    assert await graph.contents() == before

    answers = await asyncio.gather(*(asked(graph, name, variables) for _ in range(3)))

    assert all("errors" not in answer for answer in answers), answers
    if name in BARE:
        assert [answer["data"][name] for answer in answers] == [True] * 3
    else:
        late = [[ONCE[name]]] * 2 if name in ONCE else [[], []]
        assert sorted(refused(answer, name) for answer in answers) == [[], *late]


@having("ids")
async def test_ids_of_another_workspace(graph: Graph, name: str) -> None:
    """Each id of another workspace, alone among ones of its own, is answered byte for byte like one of nothing; nothing is written."""
    case = CASES[name]
    mine, theirs = await world(graph, graph.admin, "mine", case), await world(graph, graph.stranger, "theirs", case)
    before = await graph.contents()
    for place, kind in case.ids.items():
        if kind is None:
            continue
        foreign = getattr(theirs, kind)
        variables = [spoilt(case.good(mine), place, one) for one in (foreign, unknown(foreign))]
        answers = [await asked(graph, name, one) for one in variables]

        assert (place, refused(answers[0], name)) == (place, [case.refusal])
        assert orjson.dumps(answers[0]) == orjson.dumps(answers[1])
        assert b"theirs" not in orjson.dumps(answers[0])
    assert await graph.contents() == before


@having("versions")
async def test_a_stale_version(graph: Graph, name: str) -> None:
    """A version that is not the present one is STALE_VERSION, once, and nothing is written."""
    case = CASES[name]
    mine = await world(graph, graph.admin, "mine", case)
    (place,) = case.versions
    before = await graph.contents()
    for version in (77, 2**31 - 1):
        assert refused(await asked(graph, name, spoilt(case.good(mine), place, version)), name) == ["STALE_VERSION"]
    assert await graph.contents() == before


@having("versions")
async def test_two_writers_of_one_version(graph: Graph, name: str) -> None:
    """Of several writers who saw the same version one is taken, the others are STALE_VERSION."""
    case = CASES[name]
    mine = await world(graph, graph.admin, "mine", case)
    (place,) = case.versions
    version = 0 if name in {"setVisibleAttributes", "saveLayout"} else await _version(graph, case.good(mine)["input"]["id"])
    variables = [spoilt(case.good(mine), place, version) for _ in range(4)]
    for number, one in enumerate(variables):
        _differ(one, name, number)
    answers = await asyncio.gather(*(asked(graph, name, one) for one in variables))

    assert sorted(refused(answer, name) for answer in answers) == [[], *[["STALE_VERSION"]] * 3]


async def _version(graph: Graph, id_: str) -> int:
    query = "query ($id: ID!) { node(id: $id) { ... on Profile { version } ... on Note { version } } }"
    return int((await graph.data(query, {"id": id_}, graph.admin))["version"])


def _differ(variables: dict[str, Any], name: str, number: int) -> None:
    """Let each writer want something of its own."""
    match name:
        case "updateProfile":
            variables["input"] = {key: variables["input"][key] for key in ("id", "expectedVersion")} | {"firstName": f"N{number}"}
        case "updateNote":
            variables["input"]["body"] = f"body {number}"
        case "setVisibleAttributes":
            variables["keys"] = [f"key_{number}"]
        case _:
            variables["input"]["header"] = [f"h{number}"]


async def test_values_of_another_type(graph: Graph) -> None:
    """A value that an attribute of its type cannot have is INVALID at its key, once, for a new profile and an old one; nothing is written."""
    profile = await graph.profile()
    before = await graph.contents()
    for kind in AttributeType:
        key = f"a_{kind.value.lower()}"
        for name, given in (("createProfile", {"firstName": "New"}), ("updateProfile", {"id": profile})):
            for value in WRONG[kind]:
                answer = await asked(graph, name, {"input": {**given, "attributes": {key: value, "plan": "gold"}}})
                assert (value, codes(answer["data"][name])) == (value, [("INVALID", f"input.attributes.{key}")])
    assert await graph.contents() == before


@having("closed")
async def test_a_closed_contact(graph: Graph, name: str) -> None:
    """A contact that is over takes no more changes: CONTACT_CLOSED, once, and nothing is written."""
    case = CASES[name]
    mine = await world(graph, graph.admin, "mine", case)
    assert case.closed is not None
    before = await graph.contents()

    assert refused(await asked(graph, name, spoilt(case.good(mine), case.closed, mine.closed)), name) == ["CONTACT_CLOSED"]
    assert await graph.contents() == before


@having("keys")
async def test_a_key_with_another_input(graph: Graph, name: str) -> None:
    """An idempotency key that was used for another input is IDEMPOTENCY_KEY_REUSED, and nothing is written."""
    case = CASES[name]
    mine = await world(graph, graph.admin, "mine", case)
    ((place, (other, value)),) = case.keys.items()
    variables = case.good(mine)
    assert refused(await asked(graph, name, variables), name) == []
    before = await graph.contents()
    answer = await asked(graph, name, spoilt(variables, f"{place.rpartition('.')[0]}.{other}", value))

    assert [error["extensions"] for error in answer["errors"]] == [{"code": "IDEMPOTENCY_KEY_REUSED"}]
    assert await graph.contents() == before


@having("lists")
async def test_lists_that_are_too_long(graph: Graph, name: str) -> None:
    """One entry more than there may be is refused at that list, once, and nothing is written."""
    case = CASES[name]
    mine: World = await world(graph, graph.admin, "mine", case)
    before = await graph.contents()
    for place, entries in case.lists.items():
        if entries is None:
            continue
        answer = await asked(graph, name, spoilt(case.good(mine), place, entries(mine)))
        assert (place, refused(answer, name)) == (place, [case.too_long])
        path = ".".join(answer["data"][name]["userErrors"][0]["path"])
        assert path == place or place.startswith(f"{path}.")
    assert await graph.contents() == before
