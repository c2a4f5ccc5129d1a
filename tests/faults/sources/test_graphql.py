"""The adapter of another GraphQL API, when that API is broken: errors beside data, nulls, other shapes, pages without an end."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs

from gateway.errors import SourceError, SourceTimeout, SourceUnavailable
from gateway.sources.remote import ItemPage, ItemWindow
from tests.members import FLAT, NOON, SECRET, found_of, members, renewed, source
from tests.upstreams import WELL, Fault, Upstream, UpstreamRequest, answering

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


async def test_fault_135_an_error_costs_the_people_it_concerns_and_nobody_else(api: Upstream) -> None:
    """A person whose field failed has an error, because null would say "none"; so has one without a row, who may have failed too."""
    club = source(api.url)
    with capture_logs() as logs:
        traits = await club.traits(["a", "sick", "unknown", "plain"], None)
    await club.close()

    assert [(one.key, one.value) for one in found_of(traits["a"])] == [("tier", "gold"), ("points", 1)]
    assert [one.key for one in found_of(traits["plain"])] == ["points"]
    for key in ("sick", "unknown"):
        error = traits[key]
        assert isinstance(error, SourceUnavailable)
        assert error.message == "The source answered with an error for this person."
    assert SECRET not in str(logs)
    assert [(log["event"], log["lost"]) for log in logs] == [("source.partial", 2)]


async def test_fault_135_a_null_that_took_the_row_away_costs_that_person(api: Upstream) -> None:
    """Where a field cannot be null, GraphQL takes its parent away: that row is missed, the others are answered."""
    club = source(api.url)
    found = await club.profiles(["a", "broken", "b"], None)
    alone = await club.profiles(["a", "b"], None)
    await club.close()

    assert {key for key, one in found.items() if isinstance(one, SourceError)} == {"broken"}
    assert set(found) == {"a", "b", "broken", "stranger"}
    assert set(alone) == {"a", "b", "stranger"}


def row(key: Any, **more: Any) -> dict[str, Any]:
    """A member as an API may answer it."""
    return {"id": key, "tier": "gold", "points": 1, **more}


def error(*path: Any) -> dict[str, Any]:
    """An error as an API may answer it."""
    return {"message": SECRET, "path": list(path), "extensions": {"stack": SECRET}}


ODD: list[tuple[str, Any, set[str], set[str]]] = [
    (
        "extra fields and rows",
        {"data": {"members": [row("a", more={"x": [1]}), row("b"), row("z")], "other": 1}, "x": 2},
        {"a", "b", "z"},
        set(),
    ),
    ("null rows", {"data": {"members": [None, row("b")]}}, {"b"}, set()),
    ("null rows and an error", {"data": {"members": [None, row("b")]}, "errors": [error("members", 0)]}, {"b"}, {"a"}),
    ("no rows, no error", {"data": {"members": None}}, set(), set()),
    ("no rows, an error", {"data": {"members": None}, "errors": [error("members")]}, set(), {"a", "b"}),
    ("null keys", {"data": {"members": [row(None), row({}), row(True), row("b")]}}, {"b"}, set()),
    ("rows that are none", {"data": {"members": [1, "a", [row("a")], row("b")]}}, {"b"}, set()),
    ("one row and no list", {"data": {"members": row("b")}}, {"b"}, set()),
    ("null for what cannot be", {"data": {"members": [row("a", tier=None, points=None), row("b")]}}, {"a", "b"}, set()),
    ("another type", {"data": {"members": [row("a", tier={"$": 1}), row("b")]}}, {"a", "b"}, set()),
    ("an error without a path", {"data": {"members": [row("a")]}, "errors": [{"message": SECRET}]}, {"a"}, {"b"}),
    ("an error of a field of a row", {"data": {"members": [row("a"), row("b")]}, "errors": [error("members", 1, "tier")]}, {"a"}, {"b"}),
    ("errors that are none", {"data": {"members": [row("a")]}, "errors": "oops"}, {"a"}, {"b"}),
    ("odd paths", {"data": {"members": [row("a")]}, "errors": [1, {"path": 1}, {"path": [{}, None]}, {"path": []}]}, {"a"}, {"b"}),
    ("an empty list of errors", {"data": {"members": [row("a")]}, "errors": []}, {"a"}, set()),
    ("null as errors", {"data": {"members": [row("a")]}, "errors": None}, {"a"}, set()),
]


@pytest.mark.parametrize(("value", "answered", "failed"), [case[1:] for case in ODD], ids=[case[0] for case in ODD])
async def test_fault_135_an_answer_is_read_as_far_as_it_goes(api: Upstream, value: Any, answered: set[str], failed: set[str]) -> None:
    """Rows by their keys; what failed is told from what is unknown; nothing of the errors' words is shown or logged."""
    api.fault = Fault(body=json.dumps(value).encode(), only="/graphql")
    club = source(api.url)
    with capture_logs() as logs:
        found = await club.traits(["a", "b"], None)
    await club.close()

    assert {key for key, one in found.items() if not isinstance(one, SourceError)} == answered
    assert {key for key, one in found.items() if isinstance(one, SourceError)} == failed
    assert SECRET not in f"{logs}{found}"


NO_DATA: list[bytes] = [
    b"null",
    b"[]",
    b"5",
    b"{}",
    b'{"data": null, "errors": [{"message": "the-database-of-acme-says-no"}]}',
    b'{"data": []}',
    b'{"errors": []}',
    b"<html>",
    b"",
    b'{"data": {"members": ' + b"[" * 100 + b"]" * 100 + b"}}",
    b'{"data": {"members": []}, "errors": [' + b",".join([b'{"message": "' + b"x" * 1000 + b'"}'] * 10_000) + b"]}",
]


@pytest.mark.parametrize("body", NO_DATA, ids=lambda body: body[:20].decode() if len(body) < 300 else "10 MB of errors")
async def test_fault_135_an_answer_without_data_fails_the_call(api: Upstream, body: bytes) -> None:
    """Errors alone, 10 MB of them, another shape, no JSON: the source's failure, in our words."""
    api.fault = Fault(body=body)
    club = source(api.url)
    with pytest.raises(SourceUnavailable) as caught, capture_logs() as logs:
        await club.traits(["a", "b"], None)
    await club.close()

    assert SECRET not in f"{caught.value.message}{logs}"


async def test_fault_135_a_required_field_that_is_null_costs_that_row(api: Upstream) -> None:
    """An item without its moment is left out and counted; the others are shown."""
    nodes = [{"id": "1", "at": None, "title": "x"}, {"id": "2", "at": "2026-03-01T12:00:00Z", "title": "y"}, None]
    members = [{"id": "a", "orders": {"nodes": nodes, "pageInfo": None}}, {"id": "b", "orders": None}]
    api.fault = Fault(body=json.dumps({"data": {"members": members}}).encode())
    club = source(api.url)
    with capture_logs() as logs:
        found = await club.items(["a", "b"], ItemWindow(5, newest_first=True))
    await club.close()

    assert [item.id for item in found_of(found["a"]).items] == ["2"]
    assert found["b"] == ItemPage([], is_complete=True)
    assert [log["rows_dropped"] for log in logs if log["event"] == "source.unreadable"] == [2]


async def test_fault_135_pages_without_an_end_are_not_followed_for_ever() -> None:
    """A cursor that always says "more" is followed so often as the table allows, and one that repeats itself not at all."""

    def answer(request: UpstreamRequest) -> Any:
        number = int(request.json["variables"].get("after", "0"))
        page = {"hasNextPage": True, "endCursor": str(number + 1)}
        node = {"id": f"a-{number}", "at": (NOON - timedelta(hours=number)).isoformat(), "title": "x"}
        return {"data": {"events": {"nodes": [node], "pageInfo": page}}}

    with Upstream(answering(answer)) as endless:
        club = source(endless.url, items=FLAT)
        found = await club.items(["a"], ItemWindow(50, newest_first=True))
        stuck = json.dumps({"data": {"events": {"nodes": [], "pageInfo": {"hasNextPage": True, "endCursor": "0"}}}}).encode()
        pages, _ = len(endless.seen), endless.forget()
        endless.fault = Fault(body=stuck)
        nothing = await club.items(["a"], ItemWindow(50, newest_first=True))
        await club.close()

    assert pages == 5
    assert [item.id for item in found_of(found["a"]).items] == ["a-0", "a-1", "a-2", "a-3"]
    assert not found_of(found["a"]).is_complete
    assert isinstance(nothing["a"], SourceUnavailable)
    assert len(endless.seen) == 2


async def test_fault_127_a_graphql_api_that_hangs_costs_its_deadline(api: Upstream) -> None:
    """And is well again afterwards."""
    club = source(api.url, deadline=0.2)
    api.fault = Fault(hang=True)
    with pytest.raises(SourceTimeout):
        await club.traits(["a"], None)
    api.fault = WELL
    assert "a" in await club.traits(["a"], None)
    await club.close()
