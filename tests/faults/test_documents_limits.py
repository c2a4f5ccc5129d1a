"""Where the limits of documents lie, to the unit, and what variables, extensions and headers change about them: nothing.

Each is asked over HTTP and over WebSocket; the numbers are read from the gateway's own, never written here.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from itertools import cycle, islice
from math import isqrt
from typing import Any

import pytest
import pytest_asyncio

from gateway.engine.documents import Documents
from gateway.engine.limits import DocumentLimits
from gateway.engine.request import Request
from gateway.engine.trusted import Mode, StoredDocument, TrustedDocuments
from gateway.model.page import MAX_PAGE
from gateway.sources.native import NativeSource
from gateway.storage.database import Database
from gateway.storage.embedded import EmbeddedPostgres
from resolvers.schema import build_schema
from tests.faults.bad_documents import INVALID, VIEWER, fields
from tests.faults.documents import WELL, Asked, asking
from tests.faults.sockets import CREATE

__all__: list[str] = []

pytestmark = pytest.mark.asyncio(loop_scope="module")

LIMITS = DocumentLimits()
IDS = 100
"""Ids that a list may have; one more is BAD_USER_INPUT."""
NOBODY = "prf_" + "0" * 32
COMPANIES = ("mainCompany { %", "members(first: 1) { %", "nodes { %")


@pytest_asyncio.fixture(name="asked", scope="module", loop_scope="module")
async def _asked(postgres: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Asked]:
    """A gateway as it runs in production."""
    async with asking(postgres, tmp_path_factory.mktemp("limits")) as asked:
        yield asked


@pytest_asyncio.fixture(name="person", scope="module", loop_scope="module")
async def _person(asked: Asked) -> str:
    """The id of somebody."""
    answer = (await asked.post({"query": CREATE, "variables": {"input": {"firstName": "Ada"}}})).json()
    return str(answer["data"]["createProfile"]["profile"]["id"])


def tokens(count: int) -> str:
    """A document of so many; two limits stand in nobody's way, for arguments are neither fields nor aliases."""
    text = f'{{ profile(by: {{id: "{NOBODY}"}}) {{ identifiers(types: [%]) {{ id }} }} }}'
    return text.replace("%", '"a" ' * (count - 24))


def deep(levels: int) -> str:
    """Fields in so many levels: a person's company's member's company."""
    steps = list(islice(cycle(COMPANIES), levels - 2))
    return f'{{ profile(by: {{id: "{NOBODY}"}}) {{ ' + "".join(steps).replace("%", "") + "__typename" + " }" * len(steps) + " } }"


def spread(uses: int) -> str:
    """So many uses of fragments, with one field each, or less."""
    side = isqrt(LIMITS.fragments) - 1
    inner, outer = f"fragment b on Viewer {{ {'...c ' * side} }}", f"fragment a on Viewer {{ {'...b ' * side} }}"
    rest = uses - 1 - side - side * side
    return f"{{ viewer {{ ...a {'...c ' * rest} }} }} {outer} {inner} fragment c on Viewer {{ __typename }}"


BOUNDARIES: dict[str, tuple[str, int, Callable[[int], str]]] = {
    "tokens": ("LIMIT_TOKENS", LIMITS.tokens, tokens),
    "characters": ("LIMIT_TOKENS", LIMITS.source_length, lambda count: WELL + " " * (count - len(WELL))),
    "comments": ("LIMIT_TOKENS", LIMITS.comments, lambda count: "#\n" * count + WELL),
    "depth": ("LIMIT_DEPTH", LIMITS.depth, deep),
    "roots": ("LIMIT_FIELDS", LIMITS.root_fields, lambda count: "{ " + "viewer { __typename } " * count + "}"),
    "fields": ("LIMIT_FIELDS", LIMITS.fields, lambda count: VIEWER % ("scopes " * (count - 1))),
    "fragments": ("LIMIT_FIELDS", LIMITS.fragments, spread),
    "aliases": ("LIMIT_ALIASES", LIMITS.aliases, lambda count: VIEWER % fields(count)),
    "directives": ("LIMIT_DIRECTIVES", LIMITS.directives, lambda count: VIEWER % ("scopes @include(if: true) " * count)),
}


@pytest.mark.parametrize("what", BOUNDARIES)
async def test_fault_018_022_023_024_027_boundaries_are_exact(asked: Asked, what: str) -> None:
    """As much as is allowed is answered; one more is refused."""
    code, limit, document = BOUNDARIES[what]
    for outcome in await asked.both(document(limit)):
        assert (outcome.errors, list(outcome.data)) == ([], ["viewer"] if "viewer" in document(limit) else ["profile"])

    assert (await asked.refused(document(limit + 1), code)).codes == {code}


# Pages

PAGE = "query ($id: ID!, $first: Int, $last: Int) { profile(by: {id: $id}) { timeline(first: $first, last: $last) { edges { cursor } } } }"


@pytest.mark.parametrize("size", [MAX_PAGE + 1, 2_147_483_647])
async def test_fault_029_pages_that_are_too_long(asked: Asked, person: str, size: int) -> None:
    """A page longer than the longest is refused before anything runs, wherever its size stands."""
    here = f'profile(by: {{id: "{person}"}})'
    for query, variables in (
        (f"{{ {here} {{ timeline(first: {size}) {{ edges {{ cursor }} }} }} }}", None),
        (f"{{ {here} {{ timeline(last: {size}) {{ edges {{ cursor }} }} }} }}", None),
        (f"query ($n: Int = {size}) {{ {here} {{ notes(first: $n) {{ nodes {{ id }} }} }} }}", None),
        (PAGE, {"id": person, "first": size}),
        (PAGE, {"id": person, "last": size}),
        (PAGE, {"id": person, "first": size * 10}),
    ):
        await asked.refused(query, "LIMIT_PAGE_SIZE", variables)


@pytest.mark.parametrize("sizes", [{"first": 0}, {"first": -1}, {"last": -2_147_483_648}, {"first": 2, "last": 2}], ids=str)
async def test_fault_029_pages_that_are_none(asked: Asked, person: str, sizes: dict[str, int]) -> None:
    """Nothing, less than nothing and both ends at once are BAD_USER_INPUT of that argument, written in the document or given as variables."""
    written = ", ".join(f"{name}: {size}" for name, size in sizes.items())
    text = f'{{ profile(by: {{id: "{person}"}}) {{ timeline({written}) {{ edges {{ cursor }} }} }} }}'
    for query, variables in ((PAGE, {"id": person, **sizes}), (text, None)):
        for outcome in await asked.both(query, variables):
            assert outcome.codes == {"BAD_USER_INPUT"}
            assert outcome.errors[0]["extensions"]["argument"] == list(sizes)[-1]


@pytest.mark.parametrize("sizes", [{}, {"first": None}, {"first": None, "last": None}, {"first": MAX_PAGE}, {"last": 1}], ids=str)
async def test_fault_029_pages_that_are_fine(asked: Asked, person: str, sizes: dict[str, int | None]) -> None:
    """No size, null and the longest page are answered."""
    for outcome in await asked.both(PAGE, {"id": person, **sizes}):
        assert (outcome.errors, outcome.data) == ([], {"profile": {"timeline": {"edges": []}}})


@pytest.mark.parametrize("size", ["5", 1.5, [1], True], ids=str)
async def test_fault_029_sizes_that_are_no_number(asked: Asked, person: str, size: object) -> None:
    """What is no integer is BAD_USER_INPUT as a variable, before anything runs."""
    await asked.refused(PAGE, "BAD_USER_INPUT", {"id": person, "first": size})


# Cost

REFS = [{"id": f"prf_{number:032x}"} for number in range(100)]
DEAR = """query Dear($by: [ProfileRef!]!) { profiles(by: $by) { notes(first: 100) { nodes { body author { id } contact { id } } } } }"""
BACKGROUND = "revocation"


@contextmanager
def calls(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """What is asked of Postgres and of the gateway's own source meanwhile, by anybody but the gateway itself."""
    seen: list[str] = []

    def noting(kind: type, name: str) -> Any:
        method = getattr(kind, name)

        def noted(self: Any, *args: Any, **options: Any) -> Any:
            if kind is not Database or BACKGROUND not in str(args[0]):
                seen.append(f"{kind.__name__}.{name}")
            return method(self, *args, **options)

        return noted

    with monkeypatch.context() as patch:
        for kind in (Database, NativeSource):
            for name in [name for name, value in vars(kind).items() if callable(value) and not name.startswith("_")]:
                if not isinstance(vars(kind)[name], classmethod | staticmethod):
                    patch.setattr(kind, name, noting(kind, name))
        yield seen


async def test_fault_030_cost(asked: Asked, person: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundred notes of each of a hundred people cost too much, in the text or in variables; no statement is run and no source is asked for it."""
    literal = "[" + " ".join(f'{{id: "{ref["id"]}"}}' for ref in REFS) + "]"
    written = DEAR.replace("($by: [ProfileRef!]!)", "").replace("$by", literal)
    with calls(monkeypatch) as seen:
        for query, variables in ((DEAR, {"by": REFS}), (written, None)):
            outcome = await asked.refused(query, "LIMIT_COST", variables)
            assert outcome.errors[0]["extensions"]["limit"] == LIMITS.cost
        assert seen == []
        await asked.both(DEAR, {"by": [{"id": person}]})
        assert seen != []  # it would have been noticed


async def test_fault_030_what_a_screen_costs(asked: Asked, person: str) -> None:
    """The same of one person is answered."""
    for outcome in await asked.both(DEAR, {"by": [{"id": person}]}):
        assert (outcome.errors, outcome.data) == ([], {"profiles": [{"notes": {"nodes": []}}]})


async def test_fault_031_only_the_one_that_runs_is_costed(asked: Asked) -> None:
    """Of fifty operations the dear ones are no reason to refuse the cheap one; a name that is not there, or none, is."""
    dear = DEAR.replace("query Dear($by: [ProfileRef!]!)", "query Dear%").replace("$by", '[{id: "%"}]').replace("first: 100", "first: 1")
    text = "query Cheap { viewer { __typename } } " + " ".join(dear.replace("%", str(number)) for number in range(49))
    text = text.replace("first: 1)", "first: 100)", 3)
    for outcome in await asked.both(text, operationName="Cheap"):
        assert (outcome.errors, outcome.data) == ([], {"viewer": {"__typename": "Viewer"}})
    for name in (None, "Nobody", ""):
        await asked.refused(text, INVALID, operationName=name)
    both = f"query Cheap {{ viewer {{ __typename }} }} {DEAR}"
    for outcome in await asked.both(both, {"by": REFS}, operationName="Cheap"):
        assert outcome.errors == []
    await asked.refused(both, "LIMIT_COST", {"by": REFS}, operationName="Dear")


async def test_fault_031_all_of_them_are_read(asked: Asked) -> None:
    """Tokens count wherever they stand: fifty operations of fifty tokens are too many for the one that would run."""
    text = "query Cheap { viewer { __typename } } " + " ".join(
        f"query Q{number} {{ viewer {{ {'scopes ' * 43}}} }}" for number in range(49)
    )

    await asked.refused(text, "LIMIT_TOKENS", operationName="Cheap")


# Variables

NODES = "query ($ids: [ID!]!) { nodes(ids: $ids) { id } }"
PEOPLE = "query ($by: [ProfileRef!]!) { profiles(by: $by) { id } }"


@pytest.mark.parametrize("count", [IDS + 1, 10_000])
async def test_fault_034_long_lists_of_ids(asked: Asked, count: int) -> None:
    """A list of more than a hundred ids is BAD_USER_INPUT (or costs too much before that), and never looked through."""
    for outcome in await asked.both(NODES, {"ids": ["x"] * count}):
        assert outcome.codes <= {"BAD_USER_INPUT", "LIMIT_COST"}
        assert len(outcome.errors) == 1
    for outcome in await asked.both(PEOPLE, {"by": [{"id": "x"}] * min(count, 4_000)}):
        assert outcome.codes <= {"BAD_USER_INPUT", "LIMIT_COST"}
        assert len(outcome.errors) == 1


async def test_fault_034_a_hundred_ids(asked: Asked) -> None:
    """A hundred are answered, in their order."""
    for outcome in await asked.both(NODES, {"ids": [ref["id"] for ref in REFS]}):
        assert (outcome.errors, outcome.data) == ([], {"nodes": [None] * IDS})


async def test_fault_034_megabytes(asked: Asked) -> None:
    """A variable of a megabyte is not read: 413, or 1009 on a socket; one of 30 kB is no id."""
    large = {"ids": ["x" * 2**20]}
    assert (await asked.post({"query": NODES, "variables": large})).status_code == 413
    client = await asked.socket()
    await client.subscribe("1", NODES, variables=large)
    assert (await client.close_code())[0] == 1009

    for outcome in await asked.both(PEOPLE, {"by": [{"id": "x" * 30_000}]}):
        assert outcome.codes == {"BAD_USER_INPUT"}
        assert "xxx" not in outcome.text


async def test_fault_034_variables_nobody_asked_for(asked: Asked) -> None:
    """Variables that the document does not declare are ignored, as the specification has it, however many and deep they are."""
    more = {f"v{number}": [{"a": "secret"}] * 10 for number in range(100)}
    for outcome in await asked.both(WELL, more):
        assert outcome.errors == []
        assert "secret" not in outcome.text


@pytest.mark.parametrize("by", [5, "x", [[{"id": "1"}]], [{"idd": "1"}], [{"id": "1", "email": "a@b.c"}], [None], None], ids=str)
async def test_fault_034_variables_of_wrong_shapes(asked: Asked, by: object) -> None:
    """A value that is not of its variable's type is BAD_USER_INPUT before anything runs."""
    await asked.refused(PEOPLE, "BAD_USER_INPUT", {"by": by})


# Echoes

CANARY = "c4n4ry@example.com"
ENUM = "query ($id: ID!, $kinds: [TimelineKind!]) { profile(by: {id: $id}) { timeline(filter: {kinds: $kinds}) { edges { cursor } } } }"


@pytest.mark.parametrize("length", [1, 2_000], ids=["short", "36 kB"])
@pytest.mark.parametrize("kind", ["enum", "integer", "boolean", "time", "object", "id", "argument", "operation", "document"])
async def test_fault_035_no_echo(asked: Asked, person: str, kind: str, length: int) -> None:
    """A value that is refused is not said again, whatever was expected in its place; the message is at most 500 characters."""
    value = CANARY * length
    text = json.dumps(CANARY * min(length, 1_500))
    timeline = "timeline(filter: {%s}) { edges { cursor } }"
    written = f'query {{ profile(by: {{id: "{person}"}}) {{ %s }} }}'
    cases: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
        "enum": (ENUM, {"id": person, "kinds": [value]}, {}),
        "integer": (PAGE, {"id": person, "first": value}, {}),
        "boolean": ("query ($a: Boolean!) { viewer @include(if: $a) { scopes } }", {"a": value}, {}),
        "time": (
            ENUM.replace("$kinds: [TimelineKind!]", "$at: DateTime").replace("kinds: $kinds", "from: $at"),
            {"id": person, "at": value},
            {},
        ),
        "object": (PEOPLE, {"by": [{"id": {value: 1}}]}, {}),
        "id": (PEOPLE, {"by": [{"id": value}]}, {}),
        "argument": (written % (timeline % f"kinds: [{text}]"), {}, {}),
        "operation": ("query A { viewer { scopes } } query B { viewer { scopes } }", {}, {"operationName": value}),
        "document": (written % text, {}, {}),
    }
    query, variables, more = cases[kind]
    for outcome in await asked.both(query, variables, **more):
        assert outcome.errors
        assert "INTERNAL" not in outcome.codes
        assert "c4n4ry" not in outcome.text
        assert all(len(error["message"]) <= 500 for error in outcome.errors)


async def test_fault_035_a_megabyte_is_not_echoed(asked: Asked, person: str) -> None:
    """Of the longest value that fits into a body nothing comes back."""
    answer = await asked.post({"query": ENUM, "variables": {"id": person, "kinds": [CANARY * 13_000]}})

    assert (answer.status_code, answer.json()["errors"][0]["extensions"]["code"]) == (200, "BAD_USER_INPUT")
    assert len(answer.content) < 1_000
    assert "c4n4ry" not in answer.text


# Stored documents


def persisted(text: str) -> dict[str, Any]:
    """The extension with which a client names a document by its hash."""
    return {"persistedQuery": {"version": 1, "sha256Hash": sha256(text.encode()).hexdigest()}}


async def test_fault_036_a_hash_of_something_else(asked: Asked) -> None:
    """A document that is not the one its hash names is BAD_REQUEST and not run; with its own hash it is answered."""
    await asked.refused(WELL, "BAD_REQUEST", extensions=persisted(WELL + " "))
    for outcome in await asked.both(WELL, extensions=persisted(WELL)):
        assert (outcome.errors, list(outcome.data)) == ([], ["viewer"])


@pytest.mark.parametrize(
    "named", [{"extensions": persisted("{ viewer { features } }")}, {"documentId": "sha256:" + "0" * 64}], ids=["hash", "id"]
)
async def test_fault_036_documents_that_nobody_knows(asked: Asked, named: dict[str, Any]) -> None:
    """A hash or an id of a document that is not there is not found, and never learnt from what clients send."""
    await asked.both("{ viewer { features } }", extensions=persisted("{ viewer { features } }"))
    for outcome in (await asked.over_http(named), await asked.over_websocket(named)):
        assert outcome.codes <= {"PERSISTED_QUERY_NOT_FOUND", "PERSISTED_QUERY_NOT_SUPPORTED"}
        assert (len(outcome.errors), outcome.data) == (1, None)


async def test_fault_036_only_trusted_documents(asked: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where only trusted documents run, free text is refused, whatever it asks and whether it could be read; the trusted text itself is answered."""
    trusted = TrustedDocuments([StoredDocument("desk", WELL, "desk.json")], {"agent": Mode.REQUIRE})
    documents = Documents(build_schema(), introspection=False, trusted=trusted)
    monkeypatch.setattr(asked.runtime.engine, "_documents", documents)
    for text in ("{ viewer { features } }", WELL + " ", "{", "{ nothing }", VIEWER % fields(600)):
        await asked.refused(text, "PERSISTED_QUERY_REQUIRED")
        await asked.refused(text, "PERSISTED_QUERY_REQUIRED", extensions=persisted(text))
    for outcome in await asked.both(WELL):
        assert (outcome.errors, list(outcome.data)) == ([], ["viewer"])


async def test_fault_036_documents_are_forgotten(asked: Asked) -> None:
    """Of three thousand different documents so many are kept as the cache has places; the one that is always asked for stays."""
    documents = asked.runtime.engine._documents
    for number in range(3_000):  # every thirtieth is valid: reading those takes longest
        text = f"{{ viewer {{ a{number}: id" if number % 30 else f"{{ a{number}: viewer {{ __typename }} }}"
        prepared = documents.prepare(Request(text))
        assert (prepared.errors is None) == (number % 30 == 0)
        documents.prepare(Request(WELL))

    assert len(documents._cache) <= 1_000
    assert any(WELL in key for key in documents._cache)


# Headers


@pytest.mark.parametrize(
    "headers",
    [
        {"apollo_federation_include_trace": "ftv1"},
        {"apollo_tracing": "1", "x_apollo_tracing": "1", "apollo_query_plan_experimental": "1"},
        {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "graphql_require_preflight": "1"},
    ],
    ids=["federation", "apollo", "w3c"],
)
async def test_fault_037_headers_that_ask_for_traces(asked: Asked, headers: dict[str, str]) -> None:
    """Who asks for a trace gets the answer everybody gets; in a WebSocket's payload it changes nothing either."""
    plain, traced = await asked.post({"query": WELL}), await asked.post({"query": WELL}, **headers)
    bare, bad = await asked.post({"query": "{ x }"}), await asked.post({"query": "{ x }"}, **headers)
    socket = await asked.over_websocket({"query": WELL, "extensions": {name.replace("_", "-"): value for name, value in headers.items()}})

    assert (traced.status_code, traced.content) == (plain.status_code, plain.content)
    assert (bad.status_code, bad.content) == (bare.status_code, bare.content)
    assert "extensions" not in traced.json() or "ftv1" not in traced.json()["extensions"]
    assert (socket.errors, socket.data) == ([], plain.json()["data"])
