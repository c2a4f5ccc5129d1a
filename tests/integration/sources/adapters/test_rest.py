"""One HTTP API as a source: batches, matching by key, pages, what is sent once, pauses, credentials."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from gateway.errors import SourceError, SourceUnavailable
from gateway.sources.contract import LookupKey
from gateway.sources.remote import CompanyRecord, ProfileRecord
from tests.integration.sources.adapters.conftest import Make
from tests.upstreams import WELL, Fault, Upstream

__all__: list[str] = []

PEOPLE = """
[profile]
path = "/people"
keys_param = "ids"
rows = "people"
key = "id"
record = { first_name = "first", last_name = "last" }
[traits]
path = "/people"
keys_param = "ids"
rows = "people"
key = "id"
record = { tier = "tier", spend = { value = "spend", type = "number" } }
"""
PERSON = """
per_key_concurrency = 3
[profile]
path = "/people/{key}"
record = { first_name = "first" }
"""


class Crm:
    """A CRM with one list of people. What it answers is turned by attributes."""

    def __init__(self) -> None:
        self.headers: dict[str, str] = {}
        self.status = 200
        self.extra: list[Any] = []
        self.version = 1
        self.next = ""
        self.paused = False

    def row(self, key: str) -> dict[str, Any]:
        """A person."""
        return {"id": key, "first": f"First{key}", "last": f"v{self.version}", "tier": "gold", "spend": "12.50", "email": f"{key}@X.com"}

    async def people(self, request: Request) -> Response:
        """Those of `ids`, the last one first, every one twice."""
        if self.paused:
            return JSONResponse({}, 429, {"retry-after": "7"})
        if "bad" in request.query_params["ids"]:
            return JSONResponse({"error": "secret words"}, 500)
        rows = [self.row(key) for key in reversed(request.query_params["ids"].split(",")) if key != "nobody"]
        etag = f'"v{self.version}"'
        if request.headers.get("if-none-match") == etag:
            return Response(status_code=304, headers={"etag": etag, **self.headers})
        return JSONResponse({"people": rows * 2 + self.extra}, self.status, {"etag": etag, **self.headers})

    async def person(self, request: Request) -> Response:
        """One of them."""
        key = request.path_params["key"]
        await asyncio.sleep(0.01)
        if key == "nobody":
            return JSONResponse({}, 404)
        return JSONResponse({"oops": "secret words"}, 422) if key == "bad" else JSONResponse(self.row(key))

    async def listed(self, request: Request) -> Response:
        """Twelve companies, in pages of five by every fashion."""
        query = request.query_params
        start = int(query.get("offset") or (int(query.get("page", "1")) - 1) * 5)
        rows = [{"id": number, "name": f"C{number}"} for number in range(start, min(start + 5, 12))]
        following = f"{request.url.path}?offset={start + 5}" if start + 5 < 12 else None
        link = self.next or following
        headers = {"link": f'<{link}>; rel="prev next", </x>; rel=last'} if link else {}
        token = str(start + 5) if start + 5 < 12 else None
        return JSONResponse({"rows": rows, "next": link, "token": token, "more": token is not None}, headers=headers)

    async def who(self, request: Request) -> Response:
        """Searches like a search engine: by any part."""
        return JSONResponse([self.row("7"), self.row("77")] if request.query_params["q"] == "7@x.com" else [])


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[Upstream, Crm]]:
    """One for all tests here."""
    crm = Crm()
    app = Starlette(
        routes=[
            Route("/people", crm.people),
            Route("/people/{key}", crm.person),
            Route("/list/{key}", crm.listed),
            Route("/who", crm.who),
        ]
    )
    with Upstream(app) as upstream:
        yield upstream, crm


@pytest.fixture
def upstream(server: tuple[Upstream, Crm]) -> Upstream:
    """Well, and nothing counted yet."""
    server[0].forget()
    server[0].fault = WELL
    return server[0]


@pytest.fixture
def crm(server: tuple[Upstream, Crm]) -> Crm:
    """As it was in the beginning."""
    vars(server[1]).update(vars(Crm()))
    return server[1]


async def test_cap_129_one_request_for_fifty_people_and_both_kinds(make: Make, upstream: Upstream, crm: Crm) -> None:
    """PROFILE and TRAITS of fifty people from one endpoint are one call, at the same time and one after the other."""
    source = make(upstream.url, PEOPLE)
    keys = [str(number) for number in range(50)]
    profiles, traits = await asyncio.gather(source.profiles(keys, None), source.traits(keys, None))
    again = make(upstream.url, PEOPLE)
    await again.profiles(keys, None)
    await again.traits(keys, frozenset({"tier"}))

    assert upstream.count() == 2
    assert list(profiles) == list(traits)
    assert set(profiles) == set(keys)
    assert profiles["7"] == ProfileRecord({"first_name": "First7", "last_name": "v1"})
    assert [(one.key, one.value) for one in traits["7"]] == [("tier", "gold"), ("spend", 12.5)]  # type: ignore[union-attr]


async def test_a_kind_that_asks_again_asks_anew(make: Make, upstream: Upstream, crm: Crm) -> None:
    """What changed is seen by the next question of the same kind, and after `forget` by every kind; within a second."""
    source = make(upstream.url, PEOPLE)
    await source.profiles(["7"], None)
    crm.version = 2
    second = await source.profiles(["7"], None)
    crm.version = 3
    source.forget(["7"])
    await source.traits(["7"], None)
    third = await source.profiles(["7"], None)

    assert second["7"].values["last_name"] == "v2"  # type: ignore[union-attr]
    assert third["7"].values["last_name"] == "v3"  # type: ignore[union-attr]
    assert upstream.count() == 3


async def test_fault_130_rows_are_matched_by_key_never_by_place(make: Make, upstream: Upstream, crm: Crm) -> None:
    """Reordered and duplicated rows find their people, rows without a key are dropped, missing people are left out, foreign ones stay foreign."""
    crm.extra = [{"first": "Nobody's"}, None, 5, {"id": "foreign", "first": "F"}]
    found = await make(upstream.url, PEOPLE).profiles(["1", "nobody", "2"], frozenset({"first_name"}))

    assert found == {
        "1": ProfileRecord({"first_name": "First1"}),
        "2": ProfileRecord({"first_name": "First2"}),
        "foreign": ProfileRecord({"first_name": "F"}),
    }


async def test_fault_139_one_failing_chunk_fails_its_keys_alone(make: Make, upstream: Upstream, crm: Crm) -> None:
    """250 keys are three requests; the one that fails takes no others with it, and nothing the server said gets out."""
    keys = [str(number) for number in range(249)] + ["bad"]
    found = await make(upstream.url, PEOPLE, share=0).profiles(keys, None)

    failed = {key for key, one in found.items() if isinstance(one, SourceError)}
    assert upstream.count() == 3
    assert len(found) == 250
    assert failed == {*keys[200:]}
    assert "secret" not in str(found["bad"])


async def test_people_asked_one_by_one_fail_alone(make: Make, upstream: Upstream, crm: Crm) -> None:
    """At most three at once; who is unknown is left out, and the one that fails fails alone."""
    keys = [*map(str, range(9)), "nobody", "bad", "../admin", "a/b"]
    found = await make(upstream.url, PERSON).profiles(keys, None)

    assert upstream.most_at_once == 3
    assert upstream.count() == 11  # nobody asks for what leads elsewhere
    assert isinstance(found.pop("bad"), SourceUnavailable)
    assert set(found) == {*map(str, range(9))}


async def test_a_trait_that_nobody_maps_costs_no_call(make: Make, upstream: Upstream, crm: Crm) -> None:
    """What cannot be there is not asked for."""
    source = make(upstream.url, PEOPLE)

    assert await source.traits(["1"], frozenset({"unknown"})) == {}
    assert await source.profiles(["1"], frozenset({"locale"})) == {}
    assert upstream.count() == 0


async def test_only_what_is_wanted_travels(make: Make, upstream: Upstream, crm: Crm) -> None:
    """The names of wanted traits are sent as the API calls them."""
    toml = PEOPLE + 'selection = { param = "fields", names = { tier = "Tier__c" }, always = ["Id"] }'
    source = make(upstream.url, toml, share=0)
    await source.traits(["1"], frozenset({"tier", "unknown"}))
    await source.traits(["1"], None)

    assert [request.query.get("fields") for request in upstream.seen] == ["Id,Tier__c", None]


@pytest.mark.parametrize(
    "page",
    [
        '{ next = "next" }',
        '{ next = "token", token_param = "offset", more = "more" }',
        "{ link = true }",
        '{ page_param = "page", size = 5 }',
        '{ offset_param = "offset", size_param = "size", size = 5 }',
    ],
)
async def test_every_page_is_read(make: Make, upstream: Upstream, crm: Crm, page: str) -> None:
    """By links, tokens, the header, numbers or offsets: twelve rows in three pages."""
    toml = f'[companies]\npath = "/list/{{key}}"\nrows = "rows"\nrecord = {{ id = "id", name = "name" }}\npage = {page}'
    found = await make(upstream.url, toml).companies(["a b"])

    assert [one.id for one in found["a b"] if isinstance(one, CompanyRecord)] == [str(number) for number in range(12)]  # type: ignore[union-attr]
    assert upstream.count("/list/a b") == 3


@pytest.mark.parametrize("link", ["http://169.254.169.254/latest", "//evil.example/x", "/../admin", "/list/1", "https://127.0.0.1/x"])
async def test_fault_131_a_next_page_elsewhere_is_not_followed(make: Make, upstream: Upstream, crm: Crm, link: str) -> None:
    """A link to another host, a step up, or to the page itself ends in an error, not in a request."""
    crm.next = link
    toml = '[companies]\npath = "/list/{key}"\nrows = "rows"\nrecord = { id = "id", name = "name" }\npage = { next = "next" }'
    with pytest.raises(SourceUnavailable):
        await make(upstream.url, toml).companies(["1"])

    assert upstream.count() == 1


async def test_a_list_without_end_is_an_error_not_half_an_answer(make: Make, upstream: Upstream, crm: Crm) -> None:
    """More pages than are read: nothing is passed off as all there is."""
    toml = '[companies]\npath = "/list/{key}"\nrows = "rows"\nrecord = { id = "id", name = "name" }\npage = { link = true, most = 2 }'
    found = await make(upstream.url, toml).companies(["1"])

    assert isinstance(found["1"], SourceUnavailable)
    assert upstream.count() == 2


async def test_an_answer_of_another_shape_is_an_error(make: Make, upstream: Upstream, crm: Crm) -> None:
    """200 with something else where the rows should be does not mean that nobody is known."""
    upstream.fault = Fault(body=b'{"error": "quota"}')
    with pytest.raises(SourceUnavailable, match="another shape"):
        await make(upstream.url, PEOPLE).profiles(["1"], None)


async def test_what_did_not_change_is_not_sent_again(make: Make, upstream: Upstream, crm: Crm) -> None:
    """With an ETag the server is asked whether it changed; the answer is the one it gave, until it says otherwise."""
    source = make(upstream.url, PEOPLE)
    first = await source.profiles(["1"], None)
    second = await source.profiles(["1"], None)
    crm.version = 2
    third = await source.profiles(["1"], None)

    assert [request.headers.get("if-none-match") for request in upstream.seen] == [None, '"v1"', '"v1"']
    assert first == second
    assert third["1"].values["last_name"] == "v2"  # type: ignore[union-attr]


async def test_max_age_counts_only_where_it_is_allowed(make: Make, upstream: Upstream, crm: Crm) -> None:
    """`Cache-Control: max-age` saves the call with `most_fresh`, until it is forgotten, and never without."""
    crm.headers = {"cache-control": "private, max-age=600"}
    source = make(upstream.url, PEOPLE, most_fresh=60)
    for _ in range(3):
        await source.profiles(["1"], None)
    assert upstream.count() == 1
    source.forget()
    await source.profiles(["1"], None)
    assert upstream.count() == 2
    crm.headers = {"cache-control": "no-store, max-age=600"}
    source.forget()
    for _ in range(2):
        await source.profiles(["1"], None)
    assert upstream.count() == 4


async def test_who_asks_for_a_pause_gets_it(make: Make, upstream: Upstream, crm: Crm) -> None:
    """After 429 with Retry-After nothing is sent, the error says for how long, and one word about it suffices."""
    source = make(upstream.url, PEOPLE)
    crm.paused = True
    for key in ("1", "2", "3"):
        with pytest.raises(SourceUnavailable) as error:
            await source.profiles([key], None)
        assert 6000 <= error.value.extensions["retryAfterMs"] <= 7000

    assert upstream.count() == 1


async def test_requests_that_overlap_are_one(make: Make, upstream: Upstream, crm: Crm) -> None:
    """Whoever asks the same meanwhile waits with the first; who goes away takes nobody along; the last one to go ends the request."""
    source = make(upstream.url, PEOPLE)
    upstream.fault = Fault(hang=True)
    asked = [asyncio.create_task(source.profiles(["1"], None)) for _ in range(5)]
    await _until(lambda: upstream.at_once == 1)
    asked[0].cancel()
    upstream.fault = WELL
    answers = await asyncio.gather(*asked, return_exceptions=True)
    assert isinstance(answers[0], asyncio.CancelledError)
    assert all(isinstance(one, dict) and "1" in one for one in answers[1:])
    assert upstream.count() == 1

    upstream.fault = Fault(hang=True)
    alone = asyncio.create_task(source.profiles(["2"], None))
    await _until(lambda: upstream.count() == 2)
    alone.cancel()
    left = time.monotonic()
    await _until(lambda: upstream.gone == 1)
    assert time.monotonic() - left < 1.5  # not when its deadline of three seconds is over


async def test_what_is_forgotten_on_its_way_is_asked_anew(make: Make, upstream: Upstream, crm: Crm) -> None:
    """A question after a change does not join one from before it."""
    source = make(upstream.url, PEOPLE)
    upstream.fault = Fault(latency=0.3)
    before = asyncio.create_task(source.profiles(["1"], None))
    await _until(lambda: upstream.at_once == 1)
    source.forget(["1"])
    upstream.fault = WELL
    crm.version = 2
    await source.profiles(["1"], None)
    await before

    assert upstream.count() == 2


async def test_only_exact_matches_are_found(make: Make, upstream: Upstream, crm: Crm) -> None:
    """A search engine's guess is left out by `key`; a kind of value without a table is left out too."""
    toml = '[find.email]\npath = "/who"\nparams = { q = "{value}" }\nkey = "lower(email)"\nperson = "id"\n'
    toml += '[find.bad]\npath = "/people"\nkeys_param = "ids"\nrows = "people"\nkey = "first"\nperson = "id"'
    lookups = [LookupKey("email", "7@x.com"), LookupKey("email", "8@x.com"), LookupKey("phone", "+1")]
    source = make(upstream.url, toml)

    assert await source.find(lookups) == {lookups[0]: ["7"]}
    assert set(await source.find([*lookups, LookupKey("bad", "bad")])) == {lookups[0], LookupKey("bad", "bad")}
    with pytest.raises(SourceUnavailable):
        await source.find([LookupKey("bad", "bad")])


async def test_check_says_what_answers(make: Make, upstream: Upstream, crm: Crm, monkeypatch: pytest.MonkeyPatch) -> None:
    """Anything but 5xx, 401 and 403 is alive; a redirect to a login page too."""
    source = make(upstream.url, PEOPLE)
    assert (await source.check()).startswith("HTTP 404 in ")
    upstream.fault = Fault(redirect="/login")
    assert (await source.check()).startswith("HTTP 302 in ")
    upstream.fault = Fault(failing=1.0, status=401)
    with pytest.raises(SourceUnavailable, match="credentials"):
        await source.check()
    upstream.fault = Fault(failing=1.0, status=500)
    with pytest.raises(SourceUnavailable):
        await source.check()


async def _until(condition: Any) -> None:
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.005)
