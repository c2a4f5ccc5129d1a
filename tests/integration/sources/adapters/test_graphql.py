"""The adapter of another GraphQL API, against a real one over HTTP: batches, windows, pages, look-ups, writes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from gateway.errors import Rejected, SourceError, SourceUnavailable
from gateway.model.activity import TimelineKind
from gateway.model.source import SourceKind
from gateway.sources.contract import LookupKey
from gateway.sources.remote import ItemPage, ItemWindow, NoteRecord
from gateway.sources.testing import CHECKS, Check, Scene, name_of, run
from tests.members import FEWER, FLAT, INTRUDERS, NOON, ORDERS, SECRET, TABLES, WRITTEN, found_of, members, orders_of, renewed, source
from tests.upstreams import Fault, Upstream

__all__: list[str] = []


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEMBERS_KEY", "k-123")


@pytest.fixture(scope="module", name="server")
def _server() -> Iterator[Upstream]:
    """The API, one for all tests here."""
    with members() as server:
        yield server


@pytest.fixture(name="api")
def _api(server: Upstream) -> Upstream:
    """The API, well, and nothing asked yet."""
    return renewed(server)


OF_ITEMS = [check for check in CHECKS if name_of(check) == "items_are_read_page_by_page"]


@pytest.mark.parametrize(
    ("check", "is_flat"),
    [*((check, False) for check in CHECKS), *((check, True) for check in OF_ITEMS)],
    ids=[*map(name_of, CHECKS), *(f"{name_of(check)}-of-all" for check in OF_ITEMS)],
)
def test_the_adapter_keeps_the_contract(api: Upstream, check: Check, is_flat: bool) -> None:
    """Whatever third parties' adapters are held to; items by person, and those of all people in one list."""
    INTRUDERS.clear()

    @asynccontextmanager
    async def scene() -> AsyncIterator[Scene]:
        tables = {"items": {**FLAT, "pages": 100}, "item": None} if is_flat else {}
        lookups = {LookupKey("email", f"{key}@example.com"): [key] for key in FEWER}
        yield Scene(source(api.url, **tables), [*FEWER], "unknown", lookups, may_write=True)

    run(check, scene)


async def test_one_request_is_about_all_people_of_a_call(api: Upstream) -> None:
    """Fifty people are one request, matched by key whatever their order; who is unknown is left out; the secret goes along."""
    club = source(api.url)
    keys = [f"m{number}" for number in range(50)] + ["unknown"]
    found = await club.profiles(keys, None)
    await club.close()

    assert len(api.seen) == 1
    assert api.seen[0].headers["x-api-key"] == "k-123"
    assert "authorization" not in api.seen[0].headers
    assert {key: one.values for key, one in found.items() if not isinstance(one, SourceError)} == {
        key: {"first_name": f"Name {key}"} for key in [*keys[:50], "stranger"]
    }


async def test_kinds_that_are_asked_at_once_are_separate_calls(api: Upstream) -> None:
    """A slow kind does not hold up another one."""
    club = source(api.url)
    profiles, traits, companies = await asyncio.gather(club.profiles(["a"], None), club.traits(["a"], None), club.companies(["a"]))
    await club.close()

    assert len(api.seen) == 3
    assert set(profiles) == set(traits) == set(companies) == {"a", "stranger"}
    assert [(one.id, one.name) for one in found_of(companies["a"])] == [("1", "Acme"), ("2", "Globex")]


async def test_only_what_is_wanted_travels(api: Upstream) -> None:
    """A trait that nobody wants is not selected; when none of ours is wanted, nothing is asked."""
    club = source(api.url)
    some = await club.traits(["a"], frozenset({"tier", "age"}))
    everything = await club.traits(["a"], None)
    nothing = await club.traits(["a"], frozenset({"age"})), await club.profiles(["a"], frozenset({"locale"}))
    await club.close()

    assert [(one.key, one.value) for one in found_of(some["a"])] == [("tier", "gold")]
    assert [(one.key, one.value) for one in found_of(everything["a"])] == [("tier", "gold"), ("points", 1)]
    assert nothing == ({}, {})
    assert [request.json["variables"] for request in api.seen] == [
        {"keys": ["a"], "with_tier": True, "with_points": False},
        {"keys": ["a"], "with_tier": True, "with_points": True},
    ]


async def test_keys_that_are_numbers_there_are_sent_as_numbers(api: Upstream) -> None:
    """What is no number cannot be known there, and is not asked for."""
    document = "query ($keys: [Int!]!) { numbered(ids: $keys) { id name } }"
    club = source(api.url, profile={**TABLES["profile"], "document": document, "rows": "numbered"})
    found = await club.profiles(["7", "x", "007", "99999999999"], None)
    await club.close()

    assert set(found) == {"7"}
    assert api.seen[0].json["variables"] == {"keys": [7]}


@pytest.mark.parametrize("newest_first", [True, False])
@pytest.mark.parametrize("limit", [1, 2, 3, 5, 7, 20])
async def test_a_window_of_items_is_read_page_by_page(api: Upstream, limit: int, newest_first: bool) -> None:
    """Pages of three are followed until there is enough; both reading orders; a moment is never cut in two."""
    club = source(api.url)
    found = await club.items(["a", "b", "unknown"], ItemWindow(limit, newest_first=newest_first))
    await club.close()
    expected = sorted(orders_of("b"), key=lambda one: (one.at, one.id), reverse=newest_first)

    page = found["b"]
    assert isinstance(page, ItemPage)
    assert [item.id for item in page.items] == [one.id for one in expected[:limit]]
    assert page.is_complete is (limit >= ORDERS)
    assert page.items[0].kind is TimelineKind.EXTERNAL
    assert "unknown" not in found


async def test_a_window_has_ends(api: Upstream) -> None:
    """Both are in; and only the person who has more is asked about again."""
    club = source(api.url)
    window = ItemWindow(10, since=NOON + timedelta(hours=1), until=NOON + timedelta(hours=3))
    found = await club.items(["a"], window)
    empty = await club.items(["a"], ItemWindow(10, newest_first=True, until=NOON - timedelta(days=1)))
    await club.close()

    assert [item.id for item in found_of(found["a"]).items] == ["a-1", "a-2", "a-3", "a-4"]
    assert found_of(found["a"]).is_complete
    assert empty["a"] == ItemPage([], is_complete=True)
    later = [request.json["variables"]["keys"] for request in api.seen if "after" in request.json["variables"]]
    assert all(len(keys) == 1 for keys in later)


async def test_a_list_of_everybodys_items_is_taken_apart(api: Upstream) -> None:
    """Its pages follow one cursor for all; when they are too many, a person has what is certain, or an error."""
    club = source(api.url, items=FLAT)
    whole = await club.items(["a", "b"], ItemWindow(20, newest_first=True))
    oldest = await club.items(["a", "b"], ItemWindow(2))
    short = source(api.url, items={**FLAT, "pages": 1})
    cut = await short.items(["a", "b"], ItemWindow(20, newest_first=True))
    wrong_end = await short.items(["a", "b"], ItemWindow(20))
    for one in (club, short):
        await one.close()

    assert [len(found_of(whole[key]).items) for key in "ab"] == [ORDERS, ORDERS]
    assert [item.id for item in found_of(oldest["a"]).items] == ["a-0", "a-1"]
    assert [item.id for item in found_of(cut["a"]).items] == ["a-6", "a-5"]
    assert not found_of(cut["a"]).is_complete
    assert all(isinstance(wrong_end[key], SourceUnavailable) for key in "ab")


async def test_single_items_are_asked_for_by_id(api: Upstream) -> None:
    """Those of somebody else are not shown; without a document for it, the newest are looked through."""
    refs = [("a", "a-1"), ("b", "a-2"), ("b", "b-6"), ("a", "a-99")]
    club = source(api.url)
    found = await club.items_by_id(refs)
    scanning = source(api.url, item=None)
    scanned = await scanning.items_by_id(refs)
    for one in (club, scanning):
        await one.close()

    assert set(found) == set(scanned) == {("a", "a-1"), ("b", "b-6")}
    assert found_of(found["a", "a-1"]).type == "Order 1"


async def test_notes_are_the_newest_ones(api: Upstream) -> None:
    """Newest first, so many as were asked for."""
    club = source(api.url)
    found = await club.notes(["a"], 3)
    await club.close()

    assert [note.id for note in found_of(found["a"])] == ["a-0", "a-1", "a-2"]


async def test_people_are_found_by_a_value(api: Upstream) -> None:
    """Exactly that value; kinds of values that are not configured are left out."""
    club = source(api.url)
    ana, ben, number = (
        LookupKey("email", "ana@example.com"),
        LookupKey("email", "ben@elsewhere.example"),
        LookupKey("phone", "+34600111222"),
    )
    found = await club.find([ana, ben, number])
    await club.close()

    assert found == {ana: ["ana"]}


async def test_writing(api: Upstream) -> None:
    """A trait under its name there, with the idempotency key; refusals are the system's own words in one line; failures are not."""
    club = source(api.url)
    await club.write_trait("a", "tier", "silver", "once-1")
    refused: list[str] = []
    for trait, value in (("tier", "platinum"), ("points", 3)):
        with pytest.raises(Rejected) as caught:
            await club.write_trait("a", trait, value, "once-2")
        refused.append(caught.value.problems[0].message)
    with pytest.raises(SourceUnavailable) as failed:
        await club.write_trait("a", "tier", "crash", "once-3")
    note = await club.add_note("a", "Call back", "Eva", "once-4")
    await club.close()

    assert club.capabilities.writes == {SourceKind.TRAITS, SourceKind.NOTES}
    assert WRITTEN == [("a", "level", "silver", "once-1")]
    assert refused == ["The Club: There is no platinum.", "The Club does not let this be written from here."]
    assert SECRET not in failed.value.message
    assert note == NoteRecord("a-once-4", "Call back (Eva)", NOON + timedelta(hours=1))


async def test_the_check_says_what_it_is(api: Upstream) -> None:
    """The cheapest question there is."""
    club = source(api.url)
    assert (await club.check()).startswith("GraphQL in ")
    api.fault = Fault(failing=1)
    with pytest.raises(SourceUnavailable):
        await club.check()
    await club.close()
