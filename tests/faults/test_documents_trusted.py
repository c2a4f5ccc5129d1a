"""Trusted documents on a gateway as it runs in production: each mode, role and transport, what the limits are for them, and what stays made."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
import pytest_asyncio

from gateway.app import open_runtime
from gateway.auth.development import DevelopmentKeys
from gateway.auth.principal import Role
from gateway.auth.tokens import TokenSigner
from gateway.engine.manifests import read_manifests
from gateway.engine.plan.execution import Compiled
from gateway.engine.request import Request
from gateway.engine.trusted import Mode, TrustedDocuments, digest_of
from gateway.errors import ConfigurationError
from gateway.observe import REFERENCE_EXECUTIONS
from gateway.settings import Settings
from gateway.storage.embedded import EmbeddedPostgres
from tests.faults.documents import NEW, OLD, Asked, asking
from tests.faults.sockets import CREATE

__all__: list[str] = []

pytestmark = pytest.mark.asyncio(loop_scope="module")

ME = "query Me { viewer { actor { id } } }"
OTHER = "query Other { viewer { actor { id } } }"
WIDE = "query Wide { a: viewer { features } b: viewer { features } c: viewer { features } }"
COSTLY = "query Costly($people: [ProfileRef!]!, $n: Int) { profiles(by: $people) { notes(first: $n) { nodes { id } } } }"
WATCH = """subscription Watch($id: ID!, $after: StreamCursor) {
  profileEvents(profileId: $id, after: $after) { __typename ... on LiveEvent { cursor } } }"""
GUARDED = "query Guarded($a: Boolean!, $b: Boolean!) { viewer { features @include(if: $a) actor { id @skip(if: $b) kind } } }"
MANIFEST = {"me": ME, "wide": WIDE, "costly": COSTLY, "watch": WATCH, "guarded": GUARDED, "create": CREATE}
EVENTS = "text/event-stream"
KIND = {Role.AGENT: "agent", Role.ADMIN: "agent", Role.PARTNER: "partner"}
"""The others are asked for in `tests/unit/engine/test_trusted.py`."""


@dataclass(frozen=True)
class Case:
    """One way to ask, and what comes of it in a mode: None is an answer, else code and status (of a POST to which JSON is answered)."""

    payload: dict[str, Any]
    off: tuple[str, int] | None = None
    on: tuple[str, int] | None = None
    required: tuple[str, int] | None = None

    def outcome(self, mode: Mode) -> tuple[str, int] | None:
        """What is to be expected."""
        return self.off if mode is Mode.OFF else self.required if mode is Mode.REQUIRE else self.on


def by_hash(text: str) -> dict[str, Any]:
    """As Apollo's clients ask."""
    return {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": digest_of(text)}}}


NOT_FOUND, MISSED = ("PERSISTED_QUERY_NOT_FOUND", 400), ("PERSISTED_QUERY_NOT_FOUND", 200)
NOT_SUPPORTED, REQUIRED = ("PERSISTED_QUERY_NOT_SUPPORTED", 200), ("PERSISTED_QUERY_REQUIRED", 400)
CASES = [
    Case({"documentId": "me"}, NOT_FOUND),
    Case({"documentId": "sha256:" + digest_of(ME), "query": None}, NOT_FOUND),
    Case({"documentId": "you"}, NOT_FOUND, NOT_FOUND, NOT_FOUND),
    Case(by_hash(ME), NOT_SUPPORTED),
    Case({**by_hash(ME), "query": ""}, NOT_SUPPORTED),
    Case({**by_hash(ME), "query": ME}),
    Case(by_hash(OTHER), NOT_SUPPORTED, MISSED, MISSED),
    Case({"query": ME}),
    Case({"query": OTHER}, required=REQUIRED),
    Case({**by_hash(OTHER), "query": OTHER}, required=REQUIRED),
    Case({"query": "{ __schema { queryType { name } } }"}, *[("GRAPHQL_VALIDATION_FAILED", 200)] * 2, REQUIRED),
    Case({"documentId": "me", "query": ME}, *[("BAD_REQUEST", 200)] * 3),
    Case({**by_hash(OTHER), "query": ME}, *[("BAD_REQUEST", 200)] * 3),
]


@pytest.fixture(name="manifest", scope="module")
def _manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file as Relay's compiler writes it."""
    path = tmp_path_factory.mktemp("manifest") / "relay.json"
    path.write_text(json.dumps(MANIFEST))
    return path


@pytest.fixture(name="place", scope="module")
def _place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the gateway has its keys."""
    return tmp_path_factory.mktemp("trusted")


@pytest.fixture(name="signer", scope="module")
def _signer(place: Path) -> TokenSigner:
    """Signs tokens that it takes."""
    return DevelopmentKeys.open(place).signer()


@pytest_asyncio.fixture(name="asked", scope="module", loop_scope="module")
async def _asked(postgres: EmbeddedPostgres, place: Path, manifest: Path) -> AsyncIterator[Asked]:
    """A gateway that has the manifest."""
    async with asking(
        postgres,
        place,
        documents=(manifest,),
        alias_limit=2,
        cost_limit=50,
        partner_rate_limit=0,
        partner_cost_per_hour=0,
        executor="compiled",
    ) as asked:
        yield asked


@pytest.fixture(name="replaced")
def _replaced(asked: Asked, manifest: Path) -> Iterator[None]:
    """Another manifest lies where the gateway's was."""
    content = manifest.read_text()
    manifest.write_text(json.dumps({"me": OTHER}))
    yield
    manifest.write_text(content)


def in_mode(asked: Asked, monkeypatch: pytest.MonkeyPatch, manifest: Path, **modes: Mode) -> None:
    """Give kinds of clients another mode."""
    trusted = TrustedDocuments(read_manifests([manifest])[0], modes)
    monkeypatch.setattr(asked.runtime.engine._documents, "_trusted", trusted)


async def got(asked: Asked, payload: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    """Status and answer of a GET."""
    given = {name: value if isinstance(value, str) else json.dumps(value) for name, value in payload.items() if value is not None}
    headers = {"authorization": f"Bearer {asked.token}", "accept": OLD}
    answer = await asked._client.get(f"http://127.0.0.1:{asked.port}/graphql", params=given, headers=headers)
    return answer.status_code, answer.json()


def said(answer: dict[str, Any]) -> list[str]:
    """The codes of an answer's errors, each once."""
    return sorted({error["extensions"]["code"] for error in answer.get("errors", [])})


@pytest.mark.parametrize("role", KIND, ids=lambda role: role.value)
@pytest.mark.parametrize("mode", Mode, ids=lambda mode: mode.value)
async def test_fault_036_who_may_send_what(
    asked: Asked, signer: TokenSigner, manifest: Path, monkeypatch: pytest.MonkeyPatch, mode: Mode, role: Role
) -> None:
    """Over POST, GET, an event stream and a WebSocket, a client of this role is answered or refused as the mode of its kind says."""
    others = dict.fromkeys({"agent", "partner"} - {KIND[role]}, Mode.ALLOW if mode is Mode.REQUIRE else Mode.REQUIRE)
    in_mode(asked, monkeypatch, manifest, **{**others, KIND[role]: mode})
    monkeypatch.setattr(asked, "token", signer.sign("demo", "ana", role))
    answer_or = {None: ({"viewer": {"actor": {"id": "ana"}}}, [], 200)}
    client = await asked.socket()
    for number, case in enumerate(CASES):
        expected = case.outcome(mode)
        data, codes, status = answer_or.get(expected) or (None, [expected[0]], expected[1])  # type: ignore[index]
        older, newer, events = [await asked.post(case.payload, accept) for accept in (OLD, NEW, EVENTS)]
        get_status, by_get = await got(asked, case.payload)
        event = json.loads(events.text.partition("data: ")[2].partition("\n")[0])
        await client.send({"type": "subscribe", "id": str(number), "payload": case.payload})
        message = await client.receive()
        if message["type"] == "next":
            by_socket = message["payload"]
            assert (await client.receive())["type"] == "complete"
        else:
            by_socket = {"errors": message["payload"]}
        for one in (older.json(), newer.json(), event, by_get, by_socket):
            assert (one.get("data"), said(one)) == (data, codes), (case, one)
        assert (older.status_code, get_status, events.status_code) == (status, status, 200), case
        assert newer.status_code == (200 if expected in {None, MISSED, NOT_SUPPORTED} else 400), case
    client.connection.transport.abort()


@pytest.mark.parametrize("name", [5, "", "x" * 257, ["me"], True], ids=lambda value: type(value).__name__ + str(len(str(value))))
async def test_fault_036_an_id_that_is_none(asked: Asked, name: Any) -> None:
    """Over HTTP 400; on a socket the frame is no message of the protocol."""
    for accept in (OLD, NEW):
        answer = await asked.post({"documentId": name}, accept)
        assert (answer.status_code, said(answer.json())) == (400, ["BAD_REQUEST"])
    client = await asked.socket()
    await client.send({"type": "subscribe", "id": "1", "payload": {"documentId": name}})

    assert (await client.close_code())[0] == 4400


async def test_a_hash_that_is_none(asked: Asked) -> None:
    """Over HTTP 400; on a socket what `extensions` say is answered under the operation's id."""
    payload = {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": "x"}}}
    answer = await asked.post(payload)

    assert (answer.status_code, said(answer.json())) == (400, ["BAD_REQUEST"])
    assert (await asked.over_websocket(payload)).codes == {"BAD_REQUEST"}
    for empty in ({"extensions": {}}, {"extensions": {"persistedQuery": None}}, {"query": " "}, {"documentId": None}):
        assert (await asked.post(empty)).status_code == 400


async def test_a_mutation_by_get(asked: Asked) -> None:
    """The rule for texts is the rule for ids: 405, and nothing is changed."""
    status, answer = await got(asked, {"documentId": "create", "variables": {"input": {"firstName": "Ada"}}})

    assert (status, said(answer)) == (405, ["METHOD_NOT_ALLOWED"])


async def test_the_limits_of_texts_are_not_for_them(asked: Asked) -> None:
    """A trusted document may have more aliases than a text; what its variables make it cost, and how long its pages are, is limited all the same."""
    people = {"people": [{"id": "prf_0"}] * 5}
    for outcome in await asked.both(WIDE):
        assert list(outcome.data) == ["a", "b", "c"]
    await asked.refused(WIDE + " ", "LIMIT_ALIASES")
    for n, codes in ((1, set()), (50, {"LIMIT_COST"}), (101, {"LIMIT_PAGE_SIZE"})):
        payload = {"documentId": "costly", "variables": {**people, "n": n}}
        for outcome in (await asked.over_http(payload), await asked.over_websocket(payload)):
            assert outcome.codes & {"LIMIT_COST", "LIMIT_PAGE_SIZE"} == codes, outcome


async def test_a_stream_by_id(asked: Asked) -> None:
    """A subscription is had by id as an event stream and on a socket, and comes back behind Last-Event-ID."""
    made = (await asked.post({"documentId": "create", "variables": {"input": {"firstName": "Ada"}}})).json()
    payload = {"documentId": "watch", "variables": {"id": made["data"]["createProfile"]["profile"]["id"]}}
    headers = {"authorization": f"Bearer {asked.token}", "accept": EVENTS, "content-type": OLD}

    async def first(**more: str) -> tuple[str, dict[str, Any]]:
        async with httpx2.AsyncClient(timeout=10) as client:
            url = f"http://127.0.0.1:{asked.port}/graphql"
            async with client.stream("POST", url, json=payload, headers={**headers, **more}) as answer:
                lines = [line async for line in _until_data(answer)]
        return next(line[4:] for line in lines if line.startswith("id: ")), json.loads(lines[-1][6:])["data"]["profileEvents"]

    cursor, event = await first()
    assert event == {"__typename": "StreamReady", "cursor": cursor}
    assert (await first(**{"last-event-id": cursor}))[0] == cursor
    client = await asked.socket()
    await client.send({"type": "subscribe", "id": "1", "payload": payload})
    assert (await client.event("1"))["__typename"] == "StreamReady"
    client.connection.transport.abort()


async def _until_data(answer: httpx2.Response) -> AsyncIterator[str]:
    async for line in answer.aiter_lines():
        yield line
        if line.startswith("data: "):
            return


async def test_they_stay_as_they_were_read(asked: Asked, replaced: None) -> None:
    """Thousands of texts do not drive them out, and a manifest that is changed is another one from the next start on."""
    engine = asked.runtime.engine
    before = engine.prepare(Request(None, document_id="me"))
    for number in range(1_500):
        engine.prepare(Request(f"{{ viewer {{ a{number}: "))
    after = engine.prepare(Request(None, document_id="me"))

    assert after.document is before.document
    assert after.request.query == ME


async def test_their_plans_are_there_before_they_come(asked: Asked) -> None:
    """Not even the first execution goes to the reference executor, whatever their variables leave out; plans of texts do not drive theirs out."""
    sights = REFERENCE_EXECUTIONS.labels("first_sight")
    plans = asked.runtime.engine._trusted_plans
    assert plans is not None
    before, made = sights._value.get(), [kept.made for kept in plans._kept.values()]
    for number in range(4):
        payload = {"documentId": "guarded", "variables": {"a": number > 1, "b": bool(number % 2)}}
        answer = (await asked.post(payload)).json()
        assert list(answer["data"]["viewer"]) == ["features", "actor"][number < 2 :]
        assert sorted(answer["data"]["viewer"]["actor"]) == ["id", "kind"][number % 2 :]

    assert sights._value.get() == before
    assert len(made) == len(MANIFEST) - 1 + 4
    assert all(isinstance(one, Compiled) for one in made)
    assert {kept.made for kept in plans._kept.values()} == set(made)


async def test_the_start_names_what_does_not_fit(tmp_path: Path) -> None:
    """A document that is not valid stops the start before anything is opened; the message has its file and id."""
    path = tmp_path / "relay.json"
    path.write_text(json.dumps({"me": ME, "wrong": "{ viewer { nothing } }"}))
    with pytest.raises(ConfigurationError) as refused:
        async with open_runtime(Settings(documents=(path,), data_dir=tmp_path / "never")):
            pass

    assert f"{path}: wrong: Cannot query field 'nothing' on type 'Viewer'." in refused.value.message
    assert not (tmp_path / "never").exists()
