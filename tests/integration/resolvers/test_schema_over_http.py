"""GraphQL over HTTP against the real schema: what is no request, who may ask, and what a bug looks like from outside."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
import structlog

from gateway.auth.development import DevelopmentKeys
from gateway.auth.principal import Role
from gateway.loaders.bundle import Loaders
from gateway.model.ids import make_id, uuid7

from .conftest import Http

__all__: list[str] = []

pytestmark = pytest.mark.asyncio(loop_scope="module")

VIEWER = "{ viewer { actor { id } } }"
RESPONSE = "application/graphql-response+json"


def error_of(response: Any) -> dict[str, Any]:
    """The one error of a response without data."""
    answer = response.json()
    assert set(answer) == {"errors"}
    (error,) = answer["errors"]
    found: dict[str, Any] = error
    return found


BODIES: dict[str, bytes] = {
    "nothing": b"",
    "a number": b"5",
    "a string": b'"x"',
    "null": b"null",
    "an empty list": b"[]",
    "no query": b"{}",
    "a query that is null": b'{"query": null}',
    "a query that is a number": b'{"query": 5}',
    "a query that is a list": b'{"query": ["{ viewer { scopes } }"]}',
    "variables that are a list": b'{"query": "{ viewer { scopes } }", "variables": []}',
    "variables that are a string": b'{"query": "{ viewer { scopes } }", "variables": "{}"}',
    "extensions that are a list": b'{"query": "{ viewer { scopes } }", "extensions": []}',
    "a name that is a number": b'{"query": "{ viewer { scopes } }", "operationName": 5}',
    "a batch of one": b'[{"query": "{ viewer { scopes } }"}]',
    "a batch of eleven": b"[" + b'{"query": "{ viewer { scopes } }"},' * 10 + b'{"query": "{ viewer { scopes } }"}]',
    "a batch of numbers": b"[1" + b",1" * 10_000 + b"]",
    "query twice": b'{"query": "{ viewer { scopes } }", "query": "{ viewer { actor { id } } }"}',
    "a variable twice": b'{"query": "{ viewer { scopes } }", "variables": {"a": 1, "a": 2}}',
    "half an object": b'{"query": "{ viewer',
    "two objects": b'{"query": "{ viewer { scopes } }"} {}',
    "invalid UTF-8": b'{"query": "\xff\xfe{ viewer { scopes } }"}',
    "UTF-16": '{"query": "{ viewer { scopes } }"}'.encode("utf-16"),
    "a byte order mark": b'\xef\xbb\xbf{"query": "{ viewer { scopes } }"}',
    "half a surrogate pair": b'{"query": "{ viewer { scopes } }", "variables": {"a": "\\ud800"}}',
    "NaN": b'{"query": "{ viewer { scopes } }", "variables": {"a": NaN}}',
    "Infinity": b'{"query": "{ viewer { scopes } }", "variables": {"a": Infinity}}',
    "an infinite number": b'{"query": "{ viewer { scopes } }", "variables": {"a": 1e400}}',
    "an integer of 5000 digits": b'{"query": "{ viewer { scopes } }", "variables": {"a": ' + b"9" * 5000 + b"}}",
    "100 000 lists": b'{"query": "{ viewer { scopes } }", "variables": {"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}}",
    "40 000 objects": b'{"query": "{ viewer { scopes } }", "variables": ' + b'{"a":' * 40_000 + b"1" + b"}" * 40_000 + b"}",
}


@pytest.mark.parametrize("accept", ["application/json", RESPONSE])
async def test_fault_001_002_003_004_005_012_bodies_that_are_no_request(http: Http, accept: str) -> None:
    """A body that is not one JSON object with a query in it is 400 BAD_REQUEST, whatever else it is."""
    for name, body in BODIES.items():
        response = await http.post(body, accept=accept)
        seen = (name, response.status_code, error_of(response)["extensions"], response.headers["content-type"])
        assert seen == (name, 400, {"code": "BAD_REQUEST"}, f"{accept}; charset=utf-8")


async def test_large_integers_are_numbers(http: Http) -> None:
    """A variable of thirty digits is too large for an Int, and an ID is text however it looks."""
    query = 'query ($first: Int) { profile(by: {id: "prf_1"}) { notes(first: $first) { totalCount } } }'
    response = await http.post(json.dumps({"query": query, "variables": {"first": 10**30}}).encode())

    assert error_of(response)["extensions"] == {"code": "BAD_USER_INPUT", "argument": "first"}


async def test_fault_006_size(http: Http) -> None:
    """A body of 256 KiB is read, one of 300 KB is 413."""
    whole = json.dumps({"query": VIEWER, "variables": {"x": ""}}).encode()
    padded = whole.replace(b'""', b'"' + b"x" * (256 * 1024 - len(whole)) + b'"')
    assert len(padded) == 256 * 1024

    assert (await http.post(padded)).json() == {"data": {"viewer": {"actor": {"id": "ann"}}}}
    for body in (padded + b" ", b"x" * 300_000):
        response = await http.post(body)
        assert (response.status_code, error_of(response)["extensions"]["code"]) == (413, "PAYLOAD_TOO_LARGE")


@pytest.mark.parametrize(
    "kind", ["", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/graphql"]
)
async def test_fault_009_content_types(http: Http, kind: str) -> None:
    """Anything but application/json is 415 and never executed, so that no form of another site can send a mutation."""
    before = await http.graph.contents()
    response = await http.post({"query": 'mutation { createProfile(input: {firstName: "A"}) { profile { id } } }'}, content_type=kind)

    assert (response.status_code, error_of(response)["extensions"]["code"]) == (415, "UNSUPPORTED_MEDIA_TYPE")
    assert await http.graph.contents() == before


async def test_fault_007_compressed(http: Http) -> None:
    """A compressed request is 415; `identity` and a charset are fine."""
    response = await http.post({"query": VIEWER}, content_encoding="gzip")
    plain = await http.post({"query": VIEWER}, content_encoding="identity", content_type="application/json; charset=utf-8")

    assert (response.status_code, error_of(response)["extensions"]["code"]) == (415, "UNSUPPORTED_MEDIA_TYPE")
    assert plain.json()["data"]["viewer"]["actor"]["id"] == "ann"


@pytest.mark.parametrize(
    "credential", ["", "Bearer", "Bearer x", "Bearer pgw_partner_x", "Basic YW5uOnB3", "Token x", "Bearer a, Bearer b"]
)
async def test_no_credentials(http: Http, credential: str) -> None:
    """Without credentials that we know the answer is 401 with WWW-Authenticate, before anything of the body is looked at."""
    for body in ({"query": VIEWER}, b"nonsense"):
        response = await http.post(body, authorization=credential)
        assert (response.status_code, error_of(response)["extensions"]) == (401, {"code": "UNAUTHENTICATED"})
        assert response.headers["www-authenticate"].startswith("Bearer")


async def test_tokens_of_others(http: Http) -> None:
    """A token without its signature or with another one's, one that has expired, and one for a workspace that is not there are 401; a good
    one is not.
    """
    graph = http.graph
    mine, admins = graph.token(graph.agent), graph.token(graph.admin)
    unsigned, signature = mine.rpartition(".")[0] + ".", mine.rpartition(".")[2]
    stolen = f"{admins.rpartition('.')[0]}.{signature}"
    late = graph.signer.sign(graph.agent.workspace_key, "ann", Role.AGENT, lifetime=timedelta(minutes=-5))
    unknown = graph.signer.sign("nowhere", "ann", Role.AGENT)
    for token in (unsigned, stolen, late, unknown):
        response = await http.post({"query": VIEWER}, authorization=f"Bearer {token}")
        assert (response.status_code, error_of(response)["extensions"]["code"]) == (401, "UNAUTHENTICATED")
    response = await http.post({"query": VIEWER}, authorization=f"bearer {mine}")

    assert response.json() == {"data": {"viewer": {"actor": {"id": "ann"}}}}


async def test_a_token_of_another_key(http: Http, tmp_path: Any) -> None:
    """A token that is right in everything but its signature is 401."""
    (tmp_path / "other").mkdir()
    token = DevelopmentKeys.open(tmp_path / "other").signer().sign("demo", "ann", Role.ADMIN)
    response = await http.post({"query": VIEWER}, authorization=f"Bearer {token}")

    assert response.status_code == 401


async def test_subscriptions_and_get(http: Http) -> None:
    """A subscription for who takes no events is 400; a query by GET is answered with its parameters, one that any page could send is not."""
    subscription = f'subscription {{ profileEvents(profileId: "{make_id("prf", uuid7())}") {{ __typename }} }}'
    response = await http.ask(subscription)
    assert (response.status_code, error_of(response)["extensions"]["code"]) == (400, "BAD_REQUEST")
    query = "query ($by: ProfileRef!) { profile(by: $by) { firstName } }"
    ana = await http.graph.profile()
    asked = {"query": query, "variables": json.dumps({"by": {"id": ana}}), "operationName": ""}
    credential = {"authorization": f"Bearer {http.graph.token(http.graph.agent)}"}
    got = await http.client.get("/graphql", params=asked, headers=credential)
    assert (got.status_code, got.json()) == (200, {"data": {"profile": {"firstName": "Ana"}}})
    assert (await http.client.get("/graphql", params=asked)).status_code == 400


async def test_statuses(http: Http) -> None:
    """What could not be executed is 400 for the newer media type and 200 for JSON, over a limit 400 for both; what was executed is 200."""
    refused = [
        "{ nothing }",
        "{ viewer",
        "query ($a: Int!) { viewer { scopes } }",
        "query A { viewer { scopes } } query B { viewer { scopes } }",
    ]
    for accept, status in ((RESPONSE, 400), ("application/json", 200), ("*/*", 200)):
        for query in refused:
            response = await http.ask(query, accept=accept)
            assert (query, response.status_code, "data" in response.json()) == (query, status, False)
        partial = await http.ask('{ viewer { scopes } profile(by: {id: "x"}) { id } }', accept=accept)
        assert (partial.status_code, partial.json()["data"]["profile"]) == (200, None)
        over = await http.ask("{" + " viewer { scopes }" * 1000 + " }", accept=accept)
        assert (over.status_code, error_of(over)["extensions"]["code"]) == (400, "LIMIT_TOKENS")
    assert (await http.ask(VIEWER, accept="text/html")).status_code == 406


async def test_a_bug_shows_an_id_and_nothing_else(http: Http, monkeypatch: pytest.MonkeyPatch) -> None:
    """An exception nobody expected is INTERNAL with an id that the log knows, without its text, and costs only its own field."""
    ana = await http.graph.profile()

    async def broken(*_: object) -> Any:
        raise RuntimeError("secret of the database")

    monkeypatch.setattr(Loaders, "_load_contacts", broken)
    with structlog.testing.capture_logs() as logs:
        response = await http.ask(
            "query ($id: ID!) { node(id: $id) { ... on Profile { firstName contactPoints { value } } } }", {"id": ana}
        )
    (error,) = response.json()["errors"]

    assert response.status_code == 200
    assert (error["path"], error["extensions"]["code"]) == (["node", "contactPoints"], "INTERNAL")
    assert [entry["error_id"] for entry in logs if entry["event"] == "error.internal"] == [error["extensions"]["errorId"]]
    assert "secret" not in response.text
    assert "RuntimeError" not in response.text


async def test_a_bug_outside_the_graph(http: Http, monkeypatch: pytest.MonkeyPatch) -> None:
    """What breaks before anything is executed is 500 INTERNAL with an id, in the same shape and as silent."""

    def broken(*_: object) -> Any:
        raise RuntimeError("secret of the engine")

    monkeypatch.setattr(type(http.graph.runtime.engine), "prepare", broken)
    response = await http.ask(VIEWER)

    assert (response.status_code, error_of(response)["extensions"]["code"]) == (500, "INTERNAL")
    assert "secret" not in response.text


async def test_a_source_that_fails_is_named(http: Http, monkeypatch: pytest.MonkeyPatch) -> None:
    """A source that raises costs its own branch: the error names the source and says nothing of what it said."""
    ana = await http.graph.profile()

    async def broken(*_: object) -> Any:
        raise RuntimeError("secret of the source")

    monkeypatch.setattr(type(http.graph.runtime.services.registry.identity), "contacts", broken)
    response = await http.ask(
        "query ($id: ID!) { profile(by: {id: $id}) { firstName traits { nodes { key } } } node(id: $id) { id } }", {"id": ana}
    )
    assert response.json()["data"]["profile"] == {"firstName": "Ana", "traits": {"nodes": []}}
    response = await http.ask("query ($id: ID!) { node(id: $id) { ... on Profile { firstName contactPoints { id } } } }", {"id": ana})
    (error,) = response.json()["errors"]

    assert error["extensions"] == {"code": "SOURCE_UNAVAILABLE", "source": "native"}
    assert "secret" not in response.text
