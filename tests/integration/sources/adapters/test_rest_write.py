"""Writing to an HTTP API, who the gateway says it is, and tables that are refused at start."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Iterator
from typing import Any

import pytest

from gateway.errors import ConfigurationError, Rejected, SourceUnavailable
from gateway.sources.remote import NoteRecord
from tests.integration.sources.adapters.conftest import Make
from tests.upstreams import WELL, Fault, Upstream, UpstreamRequest, answering

__all__: list[str] = []

WRITES = """
[profile]
path = "/people/{key}"
record = { first_name = "facts.Tier__c" }
[traits]
path = "/people/{key}"
every = "facts"
[write_trait]
method = "PATCH"
path = "/people/{key}"
body = { facts = { "{trait}" = "{value}" }, note = "set {trait} to {value}" }
names = { tier = "Tier__c" }
only = ["tier"]
idempotency_header = "Idempotency-Key"
refusal = "error.message"
[notes]
path = "/people/{key}/notes"
record = { id = "id", body = "text", created_at = "at", author_name = "by" }
[add_note]
path = "/people/{key}/notes"
body = { text = "{body}", by = "{author}" }
row = "note"
"""
READS = '[traits]\npath = "/people/{key}"\nevery = "facts"\n'


class Desk:
    """Takes writes, gives out tokens."""

    def __init__(self) -> None:
        self.facts: dict[str, Any] = {}
        self.tokens = 0
        self.valid = ""
        self.needs_token = False

    def answer(self, request: UpstreamRequest) -> Any:
        """By path and method."""
        if request.path == "/token":
            assert request.body.decode().startswith("grant_type=client_credentials&client_id=me&")
            self.tokens += 1
            self.valid = f"t{self.tokens}"
            return {"access_token": self.valid, "token_type": "Bearer", "expires_in": 3600}
        if self.needs_token and request.headers.get("authorization") != f"Bearer {self.valid}":
            return 401, {"error": "who?"}
        if request.path.endswith("/notes"):
            return 201, {"note": {"id": 5, "at": 0, **request.json}} if request.json["text"] != "odd" else {}
        if request.method == "PATCH":
            if request.path == "/people/unknown":
                return 404, {}
            facts = request.json["facts"]
            if "wrong" in facts.values():
                return 422, {"error": {"message": "Tier must be gold\n<b>or</b> silver"}}
            self.facts |= facts
        return {"facts": self.facts}


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[Upstream, Desk]]:
    """One for all tests here."""
    desk = Desk()
    with Upstream(answering(desk.answer)) as upstream:
        yield upstream, desk


@pytest.fixture
def upstream(server: tuple[Upstream, Desk]) -> Upstream:
    """Well, and nothing counted yet."""
    server[0].forget()
    server[0].fault = WELL
    return server[0]


@pytest.fixture
def desk(server: tuple[Upstream, Desk]) -> Desk:
    """As it was in the beginning."""
    vars(server[1]).update(vars(Desk()))
    return server[1]


async def test_a_trait_is_written_through(make: Make, upstream: Upstream, desk: Desk) -> None:
    """The value travels as it is, under the API's name, with the key that makes a repeat harmless; what was read before is forgotten."""
    source = make(upstream.url, WRITES, share=60)
    await source.profiles(["7"], None)
    await source.write_trait("7", "tier", "gold", "k-1")
    found = await source.traits(["7"], None)
    await source.write_trait("7", "tier", None, "blank and ünusual")

    write = upstream.seen[1]
    assert (write.method, write.path, write.headers["idempotency-key"]) == ("PATCH", "/people/7", "k-1")
    assert write.json == {"facts": {"Tier__c": "gold"}, "note": "set Tier__c to gold"}
    assert [(one.key, one.value) for one in found["7"]] == [("Tier__c", "gold")]  # type: ignore[union-attr]
    assert upstream.seen[3].json["facts"] == {"Tier__c": None}
    assert len(upstream.seen[3].headers["idempotency-key"]) == 64


async def test_a_refusal_is_told_in_one_line(make: Make, upstream: Upstream, desk: Desk) -> None:
    """A 4xx about the value becomes a problem with the mapped message; an unknown person and a trait that is not to be written too."""
    source = make(upstream.url, WRITES)
    problems = []
    for key, trait, value in (("7", "tier", "wrong"), ("unknown", "tier", "gold"), ("7", "other", "x"), ("..", "tier", "x")):
        with pytest.raises(Rejected) as refused:
            await source.write_trait(key, trait, value, "k")
        problems.append((refused.value.problems[0].code, refused.value.problems[0].message))

    assert problems[0] == ("INVALID", "CRM: Tier must be gold <b>or</b> silver")
    assert [code for code, _ in problems[1:]] == ["NOT_FOUND", "READ_ONLY", "NOT_FOUND"]
    assert upstream.count() == 2


@pytest.mark.parametrize("fault", [Fault(failing=1.0), Fault(failing=1.0, status=429), Fault(failing=1.0, status=403)])
async def test_a_write_that_fails_is_sent_once(make: Make, upstream: Upstream, desk: Desk, fault: Fault) -> None:
    """5xx, 429 and 403 are the source's errors, not the agent's; nothing is repeated."""
    upstream.fault = fault
    with pytest.raises(SourceUnavailable):
        await make(upstream.url, WRITES).write_trait("7", "tier", "gold", "k")

    assert upstream.count() == 1


async def test_a_note_is_added_and_read_back(make: Make, upstream: Upstream, desk: Desk) -> None:
    """The answer is read as notes are; one that cannot be read is an error that promises nothing."""
    source = make(upstream.url, WRITES)
    note = await source.add_note("7", "Called back", "Mia", "k")

    assert isinstance(note, NoteRecord)
    assert (note.id, note.body, note.author_name) == ("5", "Called back", "Mia")
    with pytest.raises(SourceUnavailable):
        await source.add_note("7", "odd", "Mia", "k")


@pytest.mark.parametrize(
    ("auth", "header", "value"),
    [
        ('{ bearer = { env = "CRM_SECRET" } }', "authorization", "Bearer s3cret"),
        (
            '{ basic = { user = "me", password = { env = "CRM_SECRET" } } }',
            "authorization",
            "Basic " + base64.b64encode(b"me:s3cret").decode(),
        ),
        ('{ basic = { user = { env = "CRM_SECRET" } } }', "authorization", "Basic " + base64.b64encode(b"s3cret:").decode()),
        ('{ header = { name = "X-Api-Key", value = { env = "CRM_SECRET" }, prefix = "Key " } }', "x-api-key", "Key s3cret"),
    ],
)
async def test_the_gateway_says_who_it_is(
    make: Make, upstream: Upstream, desk: Desk, monkeypatch: pytest.MonkeyPatch, auth: str, header: str, value: str
) -> None:
    """With each request, from a secret."""
    monkeypatch.setenv("CRM_SECRET", "s3cret")
    await make(upstream.url, f"auth = {auth}\n{READS}").traits(["1"], None)

    assert upstream.seen[0].headers[header] == value


async def test_one_token_serves_everybody_and_is_replaced_when_refused(
    make: Make, upstream: Upstream, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """OAuth 2: ten questions ask for one token; one that is refused before its time is replaced, once."""
    monkeypatch.setenv("CRM_SECRET", "s3cret")
    oauth = f'{{ token_url = "{upstream.url}/token", client_id = "me", client_secret = {{ env = "CRM_SECRET" }} }}'
    source = make(upstream.url, f"auth = {{ oauth2 = {oauth} }}\n{READS}")
    desk.needs_token = True
    first = await asyncio.gather(*(source.traits([str(key)], None) for key in range(10)))
    assert desk.tokens == 1
    desk.valid = "another"
    second = await asyncio.gather(*(source.traits([str(key)], None) for key in range(10)))

    assert desk.tokens == 2
    assert [*first[0]] == ["0"]
    assert all(not isinstance(one, Exception) for answer in second for one in answer.values())


GOOD = '[profile]\npath = "/p/{key}"\nrecord = { first_name = "a" }\n'


@pytest.mark.parametrize(
    ("toml", "words"),
    [
        (GOOD.replace("/p/", "/../p/"), "profile.path: "),
        (GOOD.replace("/p/", "/%2e%2e/p/"), "profile.path: "),
        (GOOD.replace("/p/", "//evil/p/"), "profile.path: "),
        (GOOD.replace("/p/", "/p#/"), "profile.path: "),
        (GOOD.replace("/p/", "/p\\r\\nX: y/"), "profile.path: "),
        (GOOD.replace("{key}", "{person}"), "profile.path: {person} stands for nothing here; there are {key}, {keys}"),
        (GOOD.replace("/{key}", ""), "profile.keys_param: nothing says for whom is asked"),
        (GOOD + 'keys_param = "ids"', "profile.path: asks for one by {key} and for many by keys_param; use one of the two"),
        (GOOD.replace("/{key}", "") + 'keys_param = "ids"', "profile.key: is missing; answers about many are matched by it"),
        (GOOD + 'headers = { "X-A" = "a\\r\\nHost: b" }', "profile.headers: "),
        (GOOD + 'headers = { Authorization = "Bearer x" }', "profile.headers.authorization: a secret does not stand in the file"),
        ('headers = { Cookie = "x" }\n' + GOOD, "headers.Cookie: a secret does not stand in the file"),
        ('headers = { "X A" = "x" }\n' + GOOD, "headers: "),
        (GOOD + 'body = { a = "{key}" }', "profile.body: a GET has none"),
        (GOOD + 'page = { next = "a", link = true }', "profile.page: names one of next, link, page_param and offset_param"),
        (GOOD + 'page = { next = "a[" }', "profile.page.next: 'a[' is not a JMESPath expression"),
        (GOOD + 'rows = "a["', "profile.rows: 'a[' is not a JMESPath expression"),
        (GOOD.replace("first_name", "firstname"), "profile.record.firstname: there is no such field"),
        (GOOD + "selection = { }", "profile.selection: names travel in one place"),
        (GOOD + "most_keys = 101", "profile.most_keys: is from 1 to 100"),
        ("share = 100\n" + GOOD, "share: is from 0 to 60"),
        ('check = "nowhere"\n' + GOOD, "check: "),
        ('auth = { bearer = { env = "CRM_NOT_SET" } }\n' + GOOD, "auth.bearer: the secret CRM_NOT_SET is empty"),
        ('auth = { bearer = { env = "A" }, basic = { user = "b" } }\n' + GOOD, "auth: names bearer and basic; one of them is used"),
        ('base_url = "https://crm.example"\nca_file = "/does/not/exist"\n' + GOOD, "ca_file: "),
        ('[traits]\npath = "/p/{key}"', "traits.record: names no trait"),
        ('[item]\npath = "/i/{item}"\nrecord = { id = "a", occurred_at = "b", type = "c" }', "item.person: is missing"),
        ('[write_trait]\npath = "/p/{key}"\nbody = { }', "write_trait: traits that are written have to be read"),
        ('[find.email]\npath = "/p"\nparams = { q = "{mail}" }\nperson = "id"', "find.email.params.q: {mail} stands for nothing here"),
        ('base_url = "http://user@host"\n' + GOOD, "base_url: "),
        ('base_url = "http://127.0.0.1"\nallow_private = false\n' + GOOD, "base_url: "),
    ],
)  # fmt: skip
async def test_fault_132_wrong_tables_are_refused_at_start(make: Make, toml: str, words: str) -> None:
    """What is wrong is named by table and key before anything is asked."""
    with pytest.raises(ConfigurationError) as error:
        make("http://127.0.0.1:1", toml)

    assert error.value.message.startswith(words)
