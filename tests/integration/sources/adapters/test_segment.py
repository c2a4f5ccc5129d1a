"""The Segment preset against a server with the shape of the Profile API."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gateway.errors import ConfigurationError, SourceUnavailable
from gateway.model.activity import TimelineKind
from gateway.model.source import Source, SourceKind
from gateway.sources.adapters import segment
from gateway.sources.adapters.rest import RestSource
from gateway.sources.configuration import load_sources
from gateway.sources.contract import LookupKey
from gateway.sources.definition import Definition
from gateway.sources.remote import ItemPage, ItemWindow
from tests.upstreams import Upstream, UpstreamRequest, answering

__all__: list[str] = []

PEOPLE = "/v1/spaces/spa_1/collections/users/profiles/"
START = datetime(2026, 1, 1, tzinfo=UTC)
TRAITS: dict[str, Any] = {"first_name": "Ana", "last_name": "Pérez", "birthday": "1990-02-28", "plan": "gold", "ltv": 12.5}
EVENTS = [
    {
        "message_id": f"m{number:02}",
        "type": "page" if number % 5 == 0 else "track",
        **({"name": "Pricing"} if number % 5 == 0 else {"event": "Order Completed"}),
        "properties": {"total": number},
        "timestamp": (START + timedelta(days=number)).isoformat().replace("+00:00", "Z"),
        "external_ids": [{"collection": "users", "type": "user_id", "id": "ana", "encoding": "none"}],
    }
    for number in range(30)
]


def answer(request: UpstreamRequest) -> Any:
    """Traits, events and external ids of one person, by cursor."""
    if request.headers.get("authorization") != "Basic " + base64.b64encode(b"s3cret:").decode():
        return 401, {"error": {"code": "authentication_failure"}}
    assert request.path.startswith(PEOPLE)
    person, _, what = request.path.removeprefix(PEOPLE).partition("/")
    query = request.query
    if person == "user_id:broken":
        return 500, {}
    if person not in {"user_id:ana", "email:ana@example.com"}:
        return 404, {"error": {"code": "not_found", "message": "The resource was not found."}}
    start = int(query.get("next", "0"))
    if what == "traits":
        names = query["include"].split(",") if "include" in query else list(TRAITS)
        size = 2
        rows = [name for name in names if name in TRAITS]
        return {"traits": {name: TRAITS[name] for name in rows[start : start + size]}, "cursor": cursor(start, size, len(rows))}
    if what == "external_ids":
        assert query["include"] == "user_id"
        return {"data": [{"type": "user_id", "id": "ana"}, {"type": "email", "id": "ana@example.com"}], "cursor": cursor(0, 10, 2)}
    assert what == "events"
    events = [one for one in EVENTS if query.get("start", "") <= str(one["timestamp"]) <= query.get("end", "9")]
    events.sort(key=lambda one: str(one["timestamp"]), reverse=query["sort"] == "DESC")
    size = int(query["limit"])
    return {"data": events[start : start + size], "cursor": cursor(start, size, len(events))}


def cursor(start: int, size: int, total: int) -> dict[str, Any]:
    """Where the next page is."""
    more = start + size < total
    return {"url": "/v1/…", "has_more": more, "next": str(start + size) if more else "", "limit": size}


@pytest.fixture(scope="module")
def space() -> Iterator[Upstream]:
    """One person."""
    with Upstream(answering(answer)) as upstream:
        yield upstream


@pytest.fixture
async def source(space: Upstream, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[RestSource]:
    """The example file, with the local server's address."""
    space.forget()
    monkeypatch.setenv("SEGMENT_TOKEN", "s3cret")
    text = (Path(__file__).parents[4] / "examples" / "sources" / "segment.toml").read_text()
    text = text.replace('base_url = "https://profiles.segment.com"', f'base_url = "{space.url}"\nallow_private = true')
    path = tmp_path / "segment.toml"
    path.write_text(text.replace("YOUR-SPACE-ID", "spa_1").replace('avatar_url = "avatar"', 'birth_date = "birthday"'))
    remote = load_sources(path)[0].remote
    assert isinstance(remote, RestSource)
    yield remote
    await remote.close()


async def test_fields_and_traits(source: RestSource, space: Upstream) -> None:
    """Only wanted traits are included; pages of traits are one person; who is unknown is left out, and who fails fails alone."""
    profiles = await source.profiles(["ana", "nobody", "broken"], frozenset({"first_name", "birth_date"}))
    assert {request.query["include"] for request in space.seen} == {"birthday,first_name"}
    everything = await source.traits(["ana"], None)
    plan = await source.traits(["ana"], frozenset({"plan"}))

    assert profiles["ana"].values == {"first_name": "Ana", "birth_date": date(1990, 2, 28)}  # type: ignore[union-attr]
    assert isinstance(profiles["broken"], SourceUnavailable)
    assert "nobody" not in profiles
    assert {one.key: one.value for one in everything["ana"]} == TRAITS  # type: ignore[union-attr]
    assert [(one.key, one.value) for one in plan["ana"]] == [("plan", "gold")]  # type: ignore[union-attr]
    assert space.seen[-1].query["include"] == "plan"


async def test_events_are_items(source: RestSource, space: Upstream) -> None:
    """Events in either direction, with a span; pages are web visits, tracks are external."""
    newest, spanned = await asyncio.gather(
        source.items(["ana"], ItemWindow(3, newest_first=True)),
        source.items(["ana"], ItemWindow(50, since=START + timedelta(days=4), until=START + timedelta(days=6))),
    )
    page, whole = newest["ana"], spanned["ana"]

    assert isinstance(page, ItemPage)
    assert isinstance(whole, ItemPage)
    assert ([one.id for one in page.items], page.is_complete) == (["m29", "m28", "m27"], False)
    assert [(one.id, one.kind, one.type) for one in whole.items] == [
        ("m04", TimelineKind.EXTERNAL, "Order Completed"),
        ("m05", TimelineKind.WEB, "Pricing"),
        ("m06", TimelineKind.EXTERNAL, "Order Completed"),
    ]
    assert whole.is_complete
    assert whole.items[0].properties == {"total": 4}
    assert space.count() == 2


async def test_people_are_found_by_other_ids(source: RestSource) -> None:
    """By e-mail, whose external ids lead to the user id; who is unknown is nobody."""
    known, unknown = LookupKey("email", "ana@example.com"), LookupKey("phone", "+14155550100")

    assert await source.find([known, unknown]) == {known: ["ana"]}


async def test_wrong_options_are_refused_at_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """A space that is none, a type of id that is none, an address that is none."""
    monkeypatch.setenv("SEGMENT_TOKEN", "s3cret")
    good = {"space": "spa_1", "token": {"env": "SEGMENT_TOKEN"}}
    for more, words in (
        ({"space": "../x"}, "space: "),
        ({"id_type": "a' || @ || '"}, "id_type: "),
        ({"find": {"email": "e/mail"}}, "find.email: "),
        ({"base_url": "ftp://x"}, "base_url: "),
    ):
        options = msgspec.convert(good | more, segment.ADAPTER.options)
        definition = Definition(Source("segment", "Segment", (SourceKind.PROFILE,)), "segment", "user_id", options=options)
        with pytest.raises(ConfigurationError) as error:
            segment.ADAPTER.make(definition)
        assert error.value.message.startswith(words)
