"""The public contract of sources, held by two HTTP APIs: one that is asked about many at once, and one about each person, with windows and pages."""

from __future__ import annotations

import tomllib
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from gateway.model.source import Source, SourceKind
from gateway.sources.adapters import rest
from gateway.sources.contract import LookupKey
from gateway.sources.definition import Definition
from gateway.sources.testing import CHECKS, Check, Scene, name_of, run
from tests.upstreams import Upstream, UpstreamRequest, answering

__all__: list[str] = []

START = datetime(2026, 1, 1, tzinfo=UTC)
HOURS = [1, 5, 5, 5, 9, 12]
PEOPLE: dict[str, dict[str, Any]] = {
    key: {
        "id": key,
        "first": first,
        "email": f"{key}@example.com",
        "facts": {"plan": "gold", "seats": 3},
        "notes": [{"id": f"n{day}", "text": "Called.", "at": (START + timedelta(days=day)).isoformat(), "owner": key} for day in (1, 3, 2)],
        "companies": [{"id": "c1", "name": "Acme", "main": True, "owner": key}, {"id": "c2", "name": "Beta", "owner": key}],
        "items": [
            {"id": f"{key}{number}", "at": (START + timedelta(hours=hour)).isoformat(), "kind": "web" if number % 2 else "external", "owner": key}
            for number, hour in enumerate(HOURS[: 6 if key == "a1" else 1])
        ],
    }
    for key, first in (("a1", "Ana"), ("b2", "Bo"))
}  # fmt: skip
RECORDS = """
[profile.record]
first_name = "first"
[notes.record]
id = "id"
body = "text"
created_at = "at"
[companies.record]
id = "id"
name = "name"
is_main = "main"
[items.record]
id = "id"
occurred_at = "at"
type = "kind"
kind = "kind"
"""
MANY = """
[profile]
path = "/people"
keys_param = "ids"
key = "id"
[traits]
path = "/people"
keys_param = "ids"
key = "id"
every = "facts"
[notes]
path = "/people"
keys_param = "ids"
rows = "[].notes[]"
key = "owner"
[companies]
path = "/people"
keys_param = "ids"
rows = "[].companies[]"
key = "owner"
[items]
path = "/people"
keys_param = "ids"
rows = "[].items[]"
key = "owner"
[find.email]
path = "/people"
keys_param = "emails"
key = "email"
person = "id"
"""
EACH = """
[profile]
path = "/people/{key}"
[traits]
path = "/people/{key}"
every = "facts"
[write_trait]
path = "/people/{key}"
body = { "{trait}" = "{value}" }
[notes]
path = "/people/{key}"
rows = "notes"
[add_note]
path = "/people/{key}/notes"
body = { text = "{body}" }
idempotency_header = "Idempotency-Key"
[companies]
path = "/people/{key}"
rows = "companies"
[items]
path = "/people/{key}/items"
rows = "rows"
page = PAGE
window = { since = "since", until = "until", limit = "limit", order = "order", sorted = "as asked" }
[item]
path = "/people/{key}/items/{item}"
[find.email]
path = "/people"
params = { emails = "{value}" }
key = "email"
person = "id"
"""
PAGED = EACH.replace("PAGE", '{ next = "next" }')
CUT = EACH.replace("page = PAGE\n", "")


def api() -> Callable[[UpstreamRequest], Any]:
    """One with people of its own."""
    people = msgspec.json.decode(msgspec.json.encode(PEOPLE))
    written: dict[str, Any] = {}

    def answer(request: UpstreamRequest) -> Any:
        query = request.query
        if request.path == "/people":
            ids, emails = query.get("ids", "").split(","), query.get("emails", "").split(",")
            return [one for one in people.values() if one["id"] in ids or one["email"] in emails]
        _, _, key, *rest_of = request.path.split("/")
        person = people.get(key)
        if person is None or (len(rest_of) > 1 and not any(one["id"] == rest_of[1] for one in person["items"])):
            return 404, {}
        if request.method == "POST" and rest_of:
            again = request.headers["idempotency-key"]
            if again not in written:
                written[again] = {"id": f"w{len(written)}", "at": (START + timedelta(days=30)).isoformat(), **request.json}
                person["notes"].append(written[again])
            return written[again]
        if request.method == "POST":
            person["facts"] |= request.json
        if not rest_of:
            return person
        if len(rest_of) > 1:
            return next(one for one in person["items"] if one["id"] == rest_of[1])
        since, until = query.get("since", "0"), query.get("until", "9")
        rows = [one for one in person["items"] if since[:19] <= one["at"][:19] <= until[:19]]
        rows.sort(key=lambda one: one["at"], reverse=query["order"] == "desc")
        limit, skip = int(query["limit"]), int(query.get("skip", "0"))
        more = "&".join(f"{name}={value}" for name, value in {**query, "skip": str(skip + limit)}.items())
        return {"rows": rows[skip : skip + limit], "next": f"{request.path}?{more}" if skip + limit < len(rows) else None}

    return answer


@pytest.fixture(scope="module")
def upstream() -> Iterator[Upstream]:
    """One server; each scene begins with people of its own."""
    with Upstream(answering(api())) as server:
        yield server


@pytest.mark.parametrize("toml", [MANY, PAGED, CUT], ids=["many", "paged", "cut"])
@pytest.mark.parametrize("check", CHECKS, ids=name_of)
def test_http_sources_keep_the_contract(check: Check, toml: str, upstream: Upstream) -> None:
    """All of it, whichever way the API is asked."""

    @asynccontextmanager
    async def scene() -> AsyncIterator[Scene]:
        upstream.app = answering(api())
        table = {"base_url": upstream.url, "allow_private": True, "check": "/people", **tomllib.loads(toml + RECORDS)}
        options = msgspec.convert(table, rest.ADAPTER.options)
        remote = rest.ADAPTER.make(Definition(Source("crm", "CRM", tuple(SourceKind)), "rest", "crm_id", options=options))
        yield Scene(remote, ["a1", "b2"], lookups={LookupKey("email", "a1@example.com"): ["a1"]}, may_write=True)

    made: Callable[[], AbstractAsyncContextManager[Scene]] = scene
    run(check, made)
