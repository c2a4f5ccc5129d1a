"""Malformed values over HTTP: always a typed refusal with its place, never a 5xx, never the value itself, and nothing written."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest

from gateway.model.ids import parse_id

from .conftest import Graph, Http

__all__: list[str] = []

pytestmark = pytest.mark.asyncio(loop_scope="module")

CANARY = "c4n4ry"
"""Stands in every value that is sent; it must not come back."""
KEY = f"{CANARY}@"
"""The same as a key: a misplaced value. (A key that could be a field's name is named in the error, so that a developer finds it.)"""

READ = """query ($by: ProfileRef!, $first: Int, $last: Int, $after: String, $before: String, $order: SortDirection! = ASC,
  $timeline: TimelineFilter, $traits: TraitFilter, $channel: Channel, $types: [String!]) { profile(by: $by) { id
    notes(first: $first, after: $after) { nodes { id } }
    timeline(first: $first, last: $last, after: $after, before: $before, order: $order, filter: $timeline) { nodes { id } }
    traits(first: $first, after: $after, filter: $traits) { nodes { key } }
    contactPoints(channel: $channel) { id } identifiers(types: $types) { id } } }"""

VARIABLES: list[tuple[dict[str, Any], str]] = [
    # (variables, the `argument` of the error); "" where the path tells
    ({"by": None}, "by"),
    ({"by": CANARY}, "by"),
    ({"by": [CANARY]}, "by"),
    ({"by": {}}, "by"),
    ({"by": {KEY: CANARY}}, "by"),
    ({"by": {"id": "prf_1", "email": CANARY}}, "by"),
    ({"by": {"id": None}}, "by.id"),
    ({"by": {"id": {KEY: CANARY}}}, "by.id"),
    ({"by": {"id": True}}, "by.id"),
    ({"by": {"id": 5}}, "by.id"),
    ({"by": {"id": f"prf_{CANARY}"}}, "by.id"),
    ({"by": {"id": "prf_\x00"}}, "by.id"),
    ({"by": {"id": CANARY * 30_000}}, "by.id"),
    ({"by": {"email": f"{CANARY}@"}}, "by"),
    ({"by": {"email": f"{CANARY}\x00@example.com"}}, "by"),
    ({"by": {"email": 5}}, "by.email"),
    ({"by": {"email": CANARY * 60}}, "by.email"),
    ({"by": {"phone": CANARY}}, "by"),
    ({"by": {"phone": "+44 20 7946 0958 ext. 5"}}, "by"),
    ({"by": {"phone": "0" * 41}}, "by.phone"),
    ({"by": {"phone": "9" * 40}}, "by"),
    ({"by": {"phone": "020 7946 0958"}}, "by"),
    ({"by": {"identifier": CANARY}}, "by.identifier"),
    ({"by": {"identifier": {"type": "account_id"}}}, "by.identifier"),
    ({"by": {"identifier": {"type": f"{CANARY}!", "value": "1"}}}, "by"),
    ({"by": {"identifier": {"type": "account_id", "value": f"{CANARY}\x00"}}}, "by"),
    ({"by": {"identifier": {"type": "account_id", "value": CANARY * 100}}}, "by"),
    ({"by": {"identifier": {"type": "email", "value": f"{CANARY}@example.com"}}}, "by"),
    ({"first": CANARY}, "first"),
    ({"first": 0}, "first"),
    ({"first": -1}, "first"),
    ({"first": 101}, "first"),
    ({"first": 2**31}, "first"),
    ({"first": 10**30}, "first"),
    ({"first": 1.5}, "first"),
    ({"first": [CANARY]}, "first"),
    ({"first": 1, "last": 1}, "last"),
    ({"last": 0}, "last"),
    ({"after": CANARY}, ""),
    ({"after": ""}, ""),
    ({"before": f"{CANARY}\x00"}, ""),
    ({"before": "AAAA" * 50_000}, ""),
    ({"after": 5}, "after"),
    ({"order": CANARY}, "order"),
    ({"order": None}, "order"),
    ({"channel": CANARY}, "channel"),
    ({"types": [None]}, "types[0]"),
    ({"types": [{KEY: 1}]}, "types[0]"),
    ({"timeline": CANARY}, "timeline"),
    ({"timeline": {KEY: CANARY}}, "timeline"),
    ({"timeline": {"kinds": ["WEB", CANARY]}}, "timeline.kinds[1]"),
    ({"timeline": {"preset": CANARY}}, "timeline.preset"),
    ({"timeline": {"from": CANARY}}, "timeline.from"),
    ({"timeline": {"from": "infinity"}}, "timeline.from"),
    ({"timeline": {"from": "10000-01-01T00:00:00Z"}}, "timeline.from"),
    ({"timeline": {"from": "2026-02-30T00:00:00Z"}}, "timeline.from"),
    ({"timeline": {"from": "2026-02-20T00:00:00"}}, "timeline.from"),
    ({"timeline": {"to": "0001-01-01T00:00:00+14:00"}}, "timeline.to"),
    ({"timeline": {"to": 5}}, "timeline.to"),
    ({"timeline": {"types": [f"{CANARY}\x00"]}}, "filter.types"),
    ({"timeline": {"accounts": [f"{CANARY}\x00"]}}, "filter.accounts"),
    ({"timeline": {"agentIds": [f"{CANARY}\x00"]}}, "filter.agentIds"),
    ({"timeline": {"search": f"{CANARY}\x00"}}, "filter.search"),
    ({"timeline": {"attributes": [{"key": f"{CANARY}\x00", "value": ""}]}}, "filter.attributes"),
    ({"traits": {"kinds": [CANARY]}}, "traits.kinds[0]"),
    ({"traits": {"search": 5}}, "traits.search"),
]


def refusal(response: httpx2.Response) -> list[dict[str, Any]]:
    """The errors of a response that must be a typed refusal and must not echo."""
    assert response.status_code in {200, 400}, response.text
    assert CANARY not in response.text, response.text[:1000]
    assert len(response.content) < 5_000
    found: list[dict[str, Any]] = response.json()["errors"]
    return found


async def test_malformed_variables(http: Http) -> None:
    """Every value that a variable cannot have is BAD_USER_INPUT, CURSOR_INVALID or LIMIT_PAGE_SIZE with its path or its argument."""
    ana = await http.graph.profile()
    for given, argument in VARIABLES:
        errors = refusal(await http.ask(READ, {"by": {"id": ana}, **given}))
        seen = {
            (
                error["extensions"]["code"] in {"BAD_USER_INPUT", "CURSOR_INVALID", "LIMIT_PAGE_SIZE"},
                error["extensions"].get("argument", ""),
            )
            for error in errors
        }
        assert (str(given)[:100], seen) == (str(given)[:100], {(True, argument)})
        assert all(argument or error["path"][0] == "profile" for error in errors)


LITERALS = [
    f'{{ profile(by: {{email: "{CANARY}" "{CANARY}"}}) {{ id }} }}',
    f'{{ profile(by: {{email: 1 """{CANARY}"""}}) {{ id }} }}',
    f'{{ profile(by: {{email: "{CANARY} }}) {{ id }} }}',
    f'{{ profile(by: {{email: "\\ud800{CANARY}"}}) {{ id }} }}',
    f'{{ profile(by: {{email: "\\q{CANARY}"}}) {{ id }} }}',
    f'{{ profile(by: {{email: "{CANARY}@x.org", id: "{CANARY}"}}) {{ id }} }}',
    "{ profile(by: {}) { id } }",
    "{ profile(by: {email: null}) { id } }",
    f'{{ profile(by: {{phone: "{CANARY * 10}"}}) {{ id }} }}',
    f'{{ profile(by: "{CANARY}") {{ id }} }}',
    f'{{ profile(by: {{id: "x"}}) {{ notes(first: "{CANARY}") {{ totalCount }} }} }}',
    f'{{ profile(by: {{id: "x"}}) {{ timeline(order: "{CANARY}") {{ nodes {{ id }} }} }} }}',
    f'{{ profile(by: {{id: "x"}}) {{ timeline(filter: {{from: "{CANARY}"}}) {{ nodes {{ id }} }} }} }}',
    '{ profile(by: {id: "x"}) { notes(first: 2147483648) { totalCount } } }',
    '{ profile(by: {id: "x"}) { notes(first: %s) { totalCount } } }' % ("9" * 5000),
    '{ profile(by: {id: "x"}) { notes(first: 1e400) { totalCount } } }',
]


async def test_malformed_literals(http: Http) -> None:
    """What is wrong in the document itself is a parse or validation failure, or BAD_USER_INPUT, with its place in the document."""
    for document in LITERALS:
        errors = refusal(await http.ask(document))
        codes = {error["extensions"]["code"] for error in errors}
        assert (document[:80], codes - {"GRAPHQL_PARSE_FAILED", "GRAPHQL_VALIDATION_FAILED", "BAD_USER_INPUT"}) == (document[:80], set())
        assert all(error["locations"] for error in errors)


async def test_a_nullable_variable_for_a_one_of(http: Http) -> None:
    """A variable that may be null where exactly one value is wanted is refused, whether it is null, absent or set."""
    document = "query ($email: EmailAddress) { profile(by: {email: $email}) { id } }"
    for variables in ({}, {"email": None}):
        errors = refusal(await http.ask(document, variables))
        assert {error["extensions"]["code"] for error in errors} <= {"BAD_USER_INPUT", "GRAPHQL_VALIDATION_FAILED"}


NUMBERS = ["1e400", "-1e400", "9" * 30, "9" * 5000, "[1e999]", "{deep: [{a: 1e400}]}"]


async def test_numbers_out_of_range(http: Http) -> None:
    """A number that JSON or Postgres cannot hold is refused, alone and nested, not stored as null."""
    ana = await http.graph.profile()
    before = await http.graph.contents()
    for number in NUMBERS:
        document = f'mutation {{ createProfile(input: {{firstName: "A", attributes: {{a: {number}}}}}) {{ userErrors {{ code path }} }} }}'
        answer = (await http.ask(document)).json()
        assert answer == {"data": {"createProfile": {"userErrors": [{"code": "INVALID", "path": ["input", "attributes", "a"]}]}}}, number[
            :20
        ]
        document = f"""mutation {{ recordActivities(activities: [{{profile: {{id: "{ana}"}}, type: "t", messageId: "m",
          occurredAt: "2026-01-01T00:00:00Z", properties: {{a: {number}}}}}]) {{ accepted userErrors {{ code }} }} }}"""
        answer = (await http.post({"query": document}, http.graph.admin)).json()
        assert answer == {"data": {"recordActivities": {"accepted": 0, "userErrors": [{"code": "INVALID"}]}}}, number[:20]

    assert await http.graph.contents() == before


WRITES: list[tuple[str, str, dict[str, Any]]] = [
    ("createProfile", "CreateProfileInput", {}),
    ("createProfile", "CreateProfileInput", {"firstName": None}),
    ("createProfile", "CreateProfileInput", {"firstName": 5}),
    ("createProfile", "CreateProfileInput", {"firstName": "A", "attributes": [CANARY]}),
    ("createProfile", "CreateProfileInput", {"firstName": "A", "attributes": CANARY}),
    ("createProfile", "CreateProfileInput", {"firstName": "A", "contactPoints": [{"channel": CANARY, "value": "x"}]}),
    ("createProfile", "CreateProfileInput", {"firstName": "A", "contactPoints": [{"channel": "EMAIL"}]}),
    ("createProfile", "CreateProfileInput", {"firstName": "A", "contactPoints": [{"id": CANARY, "channel": "EMAIL", "value": "a@x.org"}]}),
    ("createProfile", "CreateProfileInput", {"firstName": "A", "contactPoints": [None]}),
    ("createProfile", "CreateProfileInput", {"firstName": "A", KEY: 1}),
    ("updateProfile", "UpdateProfileInput", {"id": CANARY}),
    ("updateProfile", "UpdateProfileInput", {"id": "{ana}", "expectedVersion": "1"}),
    ("updateProfile", "UpdateProfileInput", {"id": "{ana}", "expectedVersion": 2**31}),
    ("updateProfile", "UpdateProfileInput", {"id": "{ana}", "lifecycle": CANARY}),
    ("updateProfile", "UpdateProfileInput", {"id": "{ana}", "attributes": 5}),
    ("updateProfile", "UpdateProfileInput", {"id": "{ana}", "removeContactPointIds": [CANARY]}),
    ("updateProfile", "UpdateProfileInput", {"id": "{ana}", "removeIdentifierIds": ["prf_1"]}),
    (
        "updateProfile",
        "UpdateProfileInput",
        {"id": "{ana}", "upsertContactPoints": [{"id": "{bobs}", "channel": "EMAIL", "value": "a@x.org"}]},
    ),
    ("addNote", "NoteInput", {"profileId": CANARY, "body": "x"}),
    ("addNote", "NoteInput", {"profileId": "{ana}", "body": None}),
    ("addNote", "NoteInput", {"profileId": "{ana}", "body": "x", "isPinned": CANARY}),
    ("updateNote", "UpdateNoteInput", {"id": "{ana}", "body": "x"}),
    ("updateNote", "UpdateNoteInput", {"id": "note_\x00", "body": "x"}),
]


@pytest.mark.parametrize("name", ["createProfile", "updateProfile", "addNote", "updateNote"])
async def test_malformed_inputs(http: Http, name: str) -> None:
    """An input of another shape than the schema's, or a malformed id in it, is BAD_USER_INPUT, and nothing is written."""
    ana = await http.graph.profile()
    bobs = await _point_of_bob(http.graph)
    before = await http.graph.contents()
    for mutation, kind, input_ in WRITES:
        if mutation == name:
            values = {key: _filled(value, {"{ana}": ana, "{bobs}": bobs}) for key, value in input_.items()}
            response = await http.ask(
                f"mutation ($input: {kind}!) {{ {name}(input: $input) {{ userErrors {{ code }} }} }}", {"input": values}
            )
            for error in refusal(response):
                assert (input_, error["extensions"]["code"]) == (input_, "BAD_USER_INPUT")
                assert error.get("path") == [name] or error["extensions"]["argument"].startswith("input")

    assert await http.graph.contents() == before


async def _point_of_bob(graph: Graph) -> str:
    """The contact point of a profile nobody means."""
    bob = await graph.profile("Bob", contactPoints=[{"channel": "EMAIL", "value": "bob@example.com"}])
    shown = await graph.data("query ($id: ID!) { profile(by: {id: $id}) { contactPoints { id } } }", {"id": bob})
    assert parse_id(shown["contactPoints"][0]["id"], "cpt")[0] == parse_id(bob, "prf")[0]
    return str(shown["contactPoints"][0]["id"])


def _filled(value: Any, names: dict[str, str]) -> Any:
    """The value with names in braces replaced by what they stand for."""
    if isinstance(value, dict):
        return {key: _filled(inner, names) for key, inner in value.items()}
    if isinstance(value, list):
        return [_filled(inner, names) for inner in value]
    return names.get(value, value) if isinstance(value, str) else value


async def test_long_texts(http: Http) -> None:
    """A text as long as a request can be is refused where it stands, and never comes back."""
    ana = await http.graph.profile()
    long = CANARY * 30_000
    note = "mutation ($input: NoteInput!) { addNote(input: $input) { userErrors { code path } } }"
    create = "mutation ($input: CreateProfileInput!) { createProfile(input: $input) { userErrors { code path } } }"
    before = await http.graph.contents()
    for query, input_ in (
        (note, {"profileId": ana, "body": long}),
        (create, {"firstName": long}),
        (create, {"firstName": "A", "contactPoints": [{"channel": "EMAIL", "value": long}]}),
        (create, {"firstName": "A", "contactPoints": [{"channel": "CUSTOM", "customChannel": long, "value": "x"}]}),
        (create, {"firstName": "A", "identifiers": [{"type": long, "value": "1"}]}),
        (create, {"firstName": "A", "identifiers": [{"type": "account_id", "value": long}]}),
        (create, {"firstName": "A", "attributes": {"a": long}}),
    ):
        response = await http.ask(query, {"input": input_})
        (payload,) = response.json()["data"].values()
        assert [error["code"] for error in payload["userErrors"]] == ["INVALID"]
        assert CANARY not in response.text

    assert await http.graph.contents() == before
