"""The example files under examples/sources, loaded as an operator would and run against servers that speak those shapes."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import Rejected
from gateway.model.activity import TimelineKind
from gateway.model.profile import Channel
from gateway.sources.adapters.rest import RestSource
from gateway.sources.configuration import load_sources
from gateway.sources.contract import LookupKey
from gateway.sources.remote import ItemPage, ItemWindow
from tests.upstreams import Upstream, UpstreamRequest, answering

__all__: list[str] = []

EXAMPLES = Path(__file__).parents[4] / "examples" / "sources"
DAY = datetime(2026, 3, 1, tzinfo=UTC)
Load = Callable[[str, str], RestSource]


@pytest.fixture
async def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Load]:
    """`load(name, url)`: the source of an example, with the local server's address and a secret."""
    async with AsyncExitStack() as stack:

        def loaded(name: str, url: str) -> RestSource:
            text = (EXAMPLES / f"{name}.toml").read_text()
            monkeypatch.setenv(re.findall(r'env = "(\w+)"', text)[0], "s3cret")
            text = re.sub(r"https://[A-Za-z-]+\.[a-z.]*(?:zendesk|salesforce)\.com", url, text)
            path = tmp_path / f"{name}.toml"
            path.write_text(text.replace(f"[sources.{name}.rest]\n", f"[sources.{name}.rest]\nallow_private = true\n"))
            remote = load_sources(path)[0].remote
            assert isinstance(remote, RestSource)
            stack.push_async_callback(remote.close)
            return remote

        yield loaded


USERS = {
    str(number): {
        "id": number,
        "name": f"Ana Maria P{number}",
        "email": f"Ana{number}@Example.com",
        "phone": f"+1415555{number:04}",
        "locale": "en-GB",
        "iana_time_zone": "Europe/London",
        "photo": {"content_url": "https://desk.example/a.png"} if number % 2 else None,
        "created_at": "2024-05-06T07:08:09Z",
        "updated_at": "2026-01-01T00:00:00Z",
        "tags": ["vip"],
        "notes": "",
        "user_fields": {"plan": "gold", "seats": number, "empty": None},
    }
    for number in range(1, 60)
}
TICKETS = [
    {
        "id": 1000 + number,
        "requester_id": number % 3 + 1,
        "created_at": (DAY + timedelta(hours=number)).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "updated_at": (DAY + timedelta(hours=number + 1)).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "subject": f"Broken {number}",
        "status": "closed" if number % 2 else "open",
        "priority": "high",
        "group_id": 7 if number % 2 else None,
        "assignee_id": 42,
        "tags": [],
        "via": {"channel": ("email", "native_messaging", "sunshine_conversations_api")[number % 3]},
    }
    for number in range(40)
]


def zendesk(request: UpstreamRequest) -> Any:
    """Users and tickets as Zendesk's API gives them out."""
    query = request.query
    if request.headers["authorization"] != "Basic WU9VQFlPVVItQ09NUEFOWS5jb20vdG9rZW46czNjcmV0":
        return 401, {"error": "Couldn't authenticate you"}
    if request.method == "PUT":
        fields = request.json["user"]["user_fields"]
        if "plan" in fields and fields["plan"] == "tin":
            return 422, {"error": "RecordInvalid", "description": "Record validation errors", "details": {}}
        user = USERS[request.path.split("/")[-1].removesuffix(".json")]
        user["user_fields"].update(fields)  # type: ignore[attr-defined]
        return {"user": user}
    if request.path == "/api/v2/users/show_many.json":
        ids = query["ids"].split(",")
        assert len(ids) <= 100
        return {"users": [USERS[one] for one in sorted(ids) if one in USERS], "next_page": None, "count": len(ids)}
    if request.path == "/api/v2/users/search.json":
        kind, _, text = query["query"].partition(":")
        found = [one for one in USERS.values() if text.strip('"').lower().lstrip("+")[:8] in str(one[kind]).lower()]
        return {"users": found, "next_page": None}
    if request.path == "/api/v2/tickets/show_many.json":
        return {"tickets": [one for one in TICKETS if str(one["id"]) in query["ids"].split(",")]}
    assert request.path == "/api/v2/search.json"
    words = query["query"].split()
    people = {int(word.partition(":")[2]) for word in words if word.startswith("requester:")}
    since, until = (next(word[9:] for word in words if word.startswith(f"created{sign}")) for sign in (">=", "<="))
    rows = [one for one in TICKETS if one["requester_id"] in people and since <= str(one["created_at"]) <= until]
    rows.sort(key=lambda one: str(one["created_at"]), reverse=query["sort_order"] == "desc")
    size, page = int(query["per_page"]), int(query.get("page", "1"))
    more = "&".join(f"{name}={value}" for name, value in {**query, "page": page + 1}.items()).replace(" ", "+")
    following = f"http://{request.headers['host']}/api/v2/search.json?{more}" if page * size < len(rows) else None
    return {"results": rows[(page - 1) * size : page * size], "next_page": following, "count": len(rows)}


@pytest.fixture(scope="module")
def desk() -> Iterator[Upstream]:
    """A support desk."""
    with Upstream(answering(zendesk)) as upstream:
        yield upstream


async def test_cap_130_zendesk_users_and_tickets(load: Load, desk: Upstream) -> None:
    """Fifty people on one screen are two calls: one for fields and traits, one for tickets."""
    desk.forget()
    source = load("zendesk", desk.url)
    keys = [str(number) for number in range(1, 51)]
    profiles, traits, items = await asyncio.gather(
        source.profiles(keys, None), source.traits(keys, None), source.items(keys, ItemWindow(2, newest_first=True))
    )
    person, facts, page = profiles["3"], traits["3"], items["3"]

    assert desk.count() == 2
    assert len(profiles) == 50
    assert person.values["first_name"] == "Ana"  # type: ignore[union-attr]
    assert person.values["last_name"] == "Maria P3"  # type: ignore[union-attr]
    assert {one.key: one.value for one in facts} == {"support_tags": ["vip"], "plan": "gold", "seats": 3}  # type: ignore[union-attr]
    assert isinstance(page, ItemPage)
    assert [one.id for one in page.items] == ["1038", "1035"]
    first, second = page.items
    assert (first.kind, first.channel, first.queue, first.ended_at) == (TimelineKind.INTERACTION, Channel.CUSTOM, None, None)
    assert (second.queue, second.agent_id, second.ended_at) == ("7", "42", DAY + timedelta(hours=36))
    assert not page.is_complete
    assert "50" not in items


async def test_zendesk_pages_are_followed_and_single_tickets_found(load: Load, desk: Upstream) -> None:
    """A window across pages of the search, and tickets by id for those whose they are."""
    source = load("zendesk", desk.url)
    page = (await source.items(["1"], ItemWindow(8, since=DAY + timedelta(hours=3))))["1"]
    found = await source.items_by_id([("1", "1003"), ("2", "1003"), ("1", "9")])

    assert [one.id for one in page.items] == [str(1003 + 3 * number) for number in range(8)]  # type: ignore[union-attr]
    assert {key: one.summary for key, one in found.items()} == {("1", "1003"): "Broken 3"}  # type: ignore[union-attr]


async def test_zendesk_finds_exactly_and_writes(load: Load, desk: Upstream) -> None:
    """The search's near misses are left out; a field is written, and a refusal is told."""
    source = load("zendesk", desk.url)
    lookups = [LookupKey("email", "ana5@example.com"), LookupKey("phone", "+14155550007"), LookupKey("email", "ana99@example.com")]
    found = await source.find(lookups)
    await source.write_trait("5", "plan", "silver", "k-1")
    plan = next(one.value for one in (await source.traits(["5"], frozenset({"plan"})))["5"])  # type: ignore[union-attr]

    assert found == {lookups[0]: ["5"], lookups[1]: ["7"]}
    assert plan == "silver"
    with pytest.raises(Rejected, match="Zendesk: Record validation errors"):
        await source.write_trait("5", "plan", "tin", "k-2")


CONTACTS = [
    {
        "Id": f"003{number:012}AA{number % 10}",
        "FirstName": "Ana",
        "LastName": f"O'Hara {number}",
        "Email": f"Ana{number}@example.com",
        "Birthdate": "1990-02-28",
        "CreatedDate": "2024-05-06T07:08:09.000+0000",
        "LastModifiedDate": "2026-01-01T00:00:00.000+0000",
        "Loyalty_Tier__c": "gold",
        "Lifetime_Value__c": 12.5 * number,
        "LeadSource": None,
        "Title": "CEO",
        "AccountId": "001A" if number % 2 else None,
        "Account": {"attributes": {"type": "Account"}, "Name": "Acme", "Website": "https://acme.example"} if number % 2 else None,
    }
    for number in range(60)
]
CASES = [
    {
        "Id": f"500{number:015}",
        "ContactId": CONTACTS[number % 2]["Id"],
        "CaseNumber": str(number),
        "Subject": f"Case {number}",
        "Status": "New",
        "Priority": None,
        "Origin": ("Phone", "Email", "Fax")[number % 3],
        "CreatedDate": (DAY + timedelta(minutes=number)).strftime("%Y-%m-%dT%H:%M:%S.000+0000"),
        "ClosedDate": None,
        "OwnerId": "005X",
        "Owner": {"attributes": {"type": "User"}, "Name": "Mia"},
    }
    for number in range(30)
]
NOTES = [
    {
        "Id": f"002{n}",
        "Body": f"Note {n}",
        "CreatedDate": f"2026-01-0{n}T00:00:00.000+0000",
        "ParentId": CONTACTS[1]["Id"],
        "Owner": {"Name": "M"},
    }
    for n in range(1, 5)
]
SOQL = re.compile(
    r"SELECT (?P<fields>[\w., ]+) FROM (?P<table>\w+) WHERE (?P<field>\w+) IN \((?P<keys>.*?)\)"
    r"(?: AND CreatedDate >= (?P<since>\S+) AND CreatedDate <= (?P<until>\S+))?"
    r"(?: ORDER BY CreatedDate (?P<order>ASC|DESC))?(?: LIMIT (?P<limit>\d+))?"
)


def salesforce(request: UpstreamRequest) -> Any:
    """One query endpoint, tokens, and updates of a contact."""
    if request.path == "/services/oauth2/token":
        return {"access_token": "00D!token", "token_type": "Bearer", "instance_url": "https://x"}
    if request.headers["authorization"] != "Bearer 00D!token":
        return 401, [{"message": "Session expired or invalid", "errorCode": "INVALID_SESSION_ID"}]
    if request.method == "PATCH":
        if request.json.get("Title") == "x" * 200:
            return 400, [{"message": "Title: data value too large", "errorCode": "STRING_TOO_LONG", "fields": ["Title"]}]
        return {}  # the real one answers 204 without a body
    if "query/" in request.path:
        return answer_rows(request, CONTACTS[50:], 99)
    query = SOQL.fullmatch(request.query["q"])
    if query is None:
        return 400, [{"message": "unexpected token", "errorCode": "MALFORMED_QUERY"}]
    keys = {key.replace("\\'", "'").lower() for key in re.findall(r"'((?:[^'\\]|\\.)*)'", query["keys"])}
    table: list[dict[str, Any]] = {"Contact": CONTACTS, "Case": CASES, "Note": NOTES}[query["table"]]  # type: ignore[assignment]
    rows = [row for row in table if row[query["field"]].lower() in keys]
    if query["since"]:
        rows = [row for row in rows if query["since"][:19] <= row["CreatedDate"][:19] <= query["until"][:19]]
    if query["order"]:
        rows.sort(key=lambda row: str(row["CreatedDate"]), reverse=query["order"] == "DESC")
    wanted = {field.partition(".")[0].strip() for field in query["fields"].split(",")}
    rows = [{name: value for name, value in row.items() if name in wanted} for row in rows[: int(query["limit"] or 2000)]]
    return answer_rows(request, rows[:50], len(rows))


def answer_rows(request: UpstreamRequest, rows: list[Any], total: int) -> Any:
    """A page of records; the next one is named by a path without the host."""
    answer = {"totalSize": total, "done": total <= 50 or total == 99, "records": rows}
    return answer if answer["done"] else answer | {"nextRecordsUrl": "/services/data/v64.0/query/01gD0000002HU6KIAW-50"}


@pytest.fixture(scope="module")
def crm() -> Iterator[Upstream]:
    """A CRM."""
    with Upstream(answering(salesforce)) as upstream:
        yield upstream


async def test_cap_130_salesforce_contacts_and_accounts(load: Load, crm: Upstream) -> None:
    """Only wanted fields are selected; pages are followed; an account is a company, and a contact without one has none."""
    crm.forget()
    source = load("salesforce", crm.url)
    keys = [str(one["Id"]) for one in CONTACTS]
    profiles = await source.profiles(keys, frozenset({"last_name", "birth_date"}))
    traits = await source.traits(keys[:2], frozenset({"lifetime_value", "loyalty_tier"}))
    companies = await source.companies(keys[:2])

    assert crm.seen[1].query["q"].startswith("SELECT Id,Birthdate,LastName FROM Contact WHERE Id IN ('003")
    assert crm.seen[3].query["q"].startswith("SELECT Id,LastModifiedDate,Lifetime_Value__c,Loyalty_Tier__c FROM Contact")
    assert crm.count() == 5
    assert crm.count("/services/oauth2/token") == 1
    assert profiles[keys[59]].values["last_name"] == "O'Hara 59"  # type: ignore[union-attr]
    assert {one.key: one.value for one in traits[keys[1]]} == {"loyalty_tier": "gold", "lifetime_value": 12.5}  # type: ignore[union-attr]
    assert [(one.id, one.domain, one.role, one.is_main) for one in companies[keys[1]]] == [("001A", "https://acme.example", "CEO", True)]  # type: ignore[union-attr]
    assert keys[0] not in companies


async def test_cap_130_salesforce_cases_and_notes(load: Load, crm: Upstream) -> None:
    """Cases of several contacts in one query, cut by LIMIT and still honest; notes newest first; single cases by id."""
    source = load("salesforce", crm.url)
    one, other = str(CONTACTS[0]["Id"]), str(CONTACTS[1]["Id"])
    items = await source.items([one, other], ItemWindow(3, newest_first=True, until=DAY + timedelta(minutes=19)))
    notes = await source.notes([other], 2)
    found = await source.items_by_id([(one, str(CASES[4]["Id"])), (other, str(CASES[4]["Id"]))])

    page = items[one]
    assert isinstance(page, ItemPage)
    assert [item.summary for item in page.items] == ["Case 18", "Case 16", "Case 14"]
    assert (page.items[0].channel, page.items[1].channel, page.items[0].agent_name) == (Channel.VOICE, Channel.EMAIL, "Mia")
    assert not page.is_complete
    assert [note.body for note in notes[other]] == ["Note 4", "Note 3"]  # type: ignore[union-attr]
    assert list(found) == [(one, CASES[4]["Id"])]


async def test_fault_132_salesforce_keys_do_not_break_out_of_a_query(load: Load, crm: Upstream) -> None:
    """A quote in a looked-up value stays in its string; a refused write says why."""
    source = load("salesforce", crm.url)
    lookups = [LookupKey("email", "ana7@example.com"), LookupKey("email", "x') OR Email LIKE ('%@example.com")]
    found = await source.find(lookups)

    assert found == {lookups[0]: [CONTACTS[7]["Id"]]}
    await source.write_trait("003", "job_title", "CTO", "k")
    with pytest.raises(Rejected, match="Salesforce: Title: data value too large"):
        await source.write_trait("003", "job_title", "x" * 200, "k")
    with pytest.raises(Rejected):
        await source.write_trait("003", "lead_source", "Web", "k")
