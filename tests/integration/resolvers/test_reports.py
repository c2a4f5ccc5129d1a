"""What is said of a source that does not answer: in `sources`, in `errors`, and in nothing that it wrote itself."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from gateway.errors import SourceCircuitOpen, SourceError, SourceTimeout, SourceUnavailable
from gateway.model.ids import uuid7
from gateway.model.source import SourceKind
from gateway.sources.native import NativeSource

from .conftest import START, Graph
from .events_scene import renamed
from .reports_scene import System, behind, uid

__all__: list[str] = []

pytestmark = pytest.mark.asyncio(loop_scope="module")

FIELDS, TRAITS, NOTES = SourceKind.PROFILE, SourceKind.TRAITS, SourceKind.NOTES
ACTIVITY, COMPANY, IDENTITY = SourceKind.ACTIVITY, SourceKind.COMPANY, SourceKind.IDENTITY
REPORTS = "sources { source { key } state asOf message }"
SECRET = "psql: password of root is hunter2"


def states(shown: dict[str, Any]) -> dict[str, str]:
    """Source → state."""
    return {one["source"]["key"]: one["state"] for one in shown["sources"]}


def told(answer: dict[str, Any]) -> list[tuple[str, str, list[Any] | None]]:
    """Code, source and path of each error of a response."""
    return [(one["extensions"]["code"], one["extensions"].get("source"), one.get("path")) for one in answer.get("errors", ())]


@pytest.mark.parametrize(
    ("error", "state", "code"),
    [
        (SourceTimeout("crm", SECRET), "TIMEOUT", "SOURCE_TIMEOUT"),
        (SourceUnavailable("crm", SECRET, reply=SECRET), "ERROR", "SOURCE_UNAVAILABLE"),
        (SourceCircuitOpen("crm", SECRET), "CIRCUIT_OPEN", "SOURCE_CIRCUIT_OPEN"),
        (RuntimeError(SECRET), "ERROR", "SOURCE_UNAVAILABLE"),
    ],
)
async def test_cap_139_a_source_that_fails_is_named(graph: Graph, error: Exception, state: str, code: str) -> None:
    """The others' data stays, every report of the source says how it stands, and `errors` names it once, at a field that misses it, in our words."""
    profiles = [await graph.profile(f"P{n}", attributes={"plan": "gold"}) for n in range(3)]
    crm = System("crm", (FIELDS, TRAITS, NOTES, ACTIVITY, COMPANY), error=error)  # type: ignore[arg-type]
    query = f"""query ($by: [ProfileRef!]!) {{ profiles(by: $by) {{ displayName traits {{ nodes {{ key value }} }} {REPORTS}
      notes {{ nodes {{ id }} totalCount }} companies {{ role }} timeline {{ nodes {{ id }} {REPORTS} }} }} }}"""
    answer = await behind(graph, crm).run(query, {"by": [{"id": one} for one in profiles]})

    for n, shown in enumerate(answer["data"]["profiles"]):
        assert shown["displayName"] == f"P{n}"
        assert shown["traits"]["nodes"] == [{"key": "plan", "value": "gold"}]
        assert shown["notes"] == {"nodes": [], "totalCount": None}  # how many there are in all nobody can say
        assert states(shown) == states(shown["timeline"]) == {"native": "OK", "crm": state}
    ((shown_code, source, path),) = told(answer)
    assert (shown_code, source) == (code, "crm")
    assert path is not None
    assert path[:2] == ["profiles", 0]
    assert "hunter2" not in json.dumps(answer)
    assert "CRM" in answer["errors"][0]["message"]


async def test_cap_139_a_worse_value_is_not_passed_off_as_the_best(graph: Graph) -> None:
    """While the better source is down the lower one's value shows with the report that says so; once it is back, its own."""
    ana = await graph.profile("Ana")
    best, other = System("best", (FIELDS, TRAITS), 90), System("other", (FIELDS, TRAITS), 60)
    for system, name, plan in ((best, "Roe", "gold"), (other, "Doe", "silver")):
        system.fields[uid(ana)] = {"last_name": name}
        system.knows(ana, plan=plan)
    over = behind(graph, best, other)
    query = f"query ($id: ID!) {{ profile(by: {{id: $id}}) {{ {REPORTS} lastName traits {{ nodes {{ value conflicts {{ value }} }} }} }} }}"
    best.error = SourceTimeout("best")
    down = await over.run(query, {"id": ana})
    best.stale = True
    old = await over.data(query, {"id": ana})
    best.error = None
    back = await over.data(query, {"id": ana})

    shown = down["data"]["profile"]
    assert (shown["lastName"], shown["traits"]["nodes"]) == ("Doe", [{"value": "silver", "conflicts": []}])
    assert states(shown) == {"native": "OK", "best": "TIMEOUT", "other": "OK"}
    assert [(code, source) for code, source, _ in told(down)] == [("SOURCE_TIMEOUT", "best")]
    for answer, state in ((old, "STALE"), (back, "OK")):
        assert (answer["lastName"], answer["traits"]["nodes"]) == ("Roe", [{"value": "gold", "conflicts": [{"value": "silver"}]}])
        assert states(answer) == {"native": "OK", "best": state, "other": "OK"}
    (report,) = [one for one in old["sources"] if one["source"]["key"] == "best"]
    assert report["asOf"] == "2026-02-03T00:00:00Z"
    assert report["message"] == "BEST does not answer; this is what it said before."


@pytest.mark.parametrize(
    ("selection", "contributed"),
    [
        ("firstName", {"crm"}),
        ("traits { nodes { key } }", {"billing"}),
        ("notes { nodes { id } }", {"desk"}),
        ("notes { totalCount }", {"desk"}),
        ("mainCompany { name }", {"registry"}),
        ("timeline { nodes { id } }", set()),
        ("displayName attributes { value } more: notes(first: 1) { nodes { id } }", {"crm", "billing", "desk"}),
        ("", {"crm", "billing"}),
        ("version", {"crm", "billing"}),
    ],
)
async def test_who_contributed_to_what_is_shown(graph: Graph, selection: str, contributed: set[str]) -> None:
    """`Profile.sources` has a report of each source that anything shown was asked of, and of no other; with nothing shown, how they all stand."""
    ana = await graph.profile("Ana")
    crm, billing, desk = System("crm", (FIELDS,)), System("billing", (TRAITS,)), System("desk", (NOTES,))
    systems = [crm, billing, desk, System("orders", (ACTIVITY,)), System("registry", (COMPANY,))]
    shown = await behind(graph, *systems).data(
        f"query ($id: ID!) {{ profile(by: {{id: $id}}) {{ a: {REPORTS} {selection} b: {REPORTS} }} }}", {"id": ana}
    )

    assert states({"sources": shown["a"]}) == states({"sources": shown["b"]}) == dict.fromkeys({"native", *contributed}, "OK")
    assert max((len(system.calls) for system in systems), default=0) <= 2  # a page of notes and their number


async def test_nobody_answers(graph: Graph, monkeypatch: pytest.MonkeyPatch) -> None:
    """A field that nobody could answer fails with its own error; of the others each source that failed is named once, and `sources` still tells."""
    ana = await graph.profile("Ana")

    async def away(*_: Any) -> Any:
        raise SourceUnavailable("native")

    monkeypatch.setattr(NativeSource, "notes", away)
    desk = System("desk", (NOTES, TRAITS), error=SourceTimeout("desk", SECRET))
    query = (
        f"query ($id: ID!) {{ profile(by: {{id: $id}}) {{ firstName {REPORTS} notes {{ nodes {{ id }} }} traitSummary {{ category }} }} }}"
    )
    answer = await behind(graph, desk).run(query, {"id": ana})

    shown = answer["data"]["profile"]
    assert (shown["firstName"], shown["notes"], shown["traitSummary"]) == ("Ana", None, [])
    assert states(shown) == {"native": "ERROR", "desk": "TIMEOUT"}
    assert [(code, source) for code, source, _ in told(answer)] == [("SOURCE_UNAVAILABLE", "native"), ("SOURCE_TIMEOUT", "desk")]
    assert told(answer)[0][2] == ["profile", "notes"]
    assert "hunter2" not in json.dumps(answer)


async def test_a_thing_by_its_id_that_its_source_does_not_tell(graph: Graph) -> None:
    """What could be in a source that does not answer is an error of its field, not a thing that is not there, and the error is in our words."""
    ana = await graph.profile("Ana")
    desk = System("desk", (NOTES, ACTIVITY), error=SourceUnavailable("another", SECRET, reply=SECRET))
    note = f"note_{uid(ana).hex}{uuid7(START).hex}"
    answers = [
        await behind(graph, desk).run("query ($id: ID!) { node(id: $id) { id } }", {"id": one})
        for one in (note, f"act_{uid(ana).hex}.desk.so-1")
    ]

    for answer in answers:
        assert answer["data"] == {"node": None}
        assert told(answer) == [("SOURCE_UNAVAILABLE", "desk", ["node"])]
        assert answer["errors"][0]["message"] == "DESK could not be reached or answered with an error."
        assert "hunter2" not in json.dumps(answer)


@pytest.mark.parametrize("selection", [f"{REPORTS} traits {{ nodes {{ key }} }}", f"traits {{ nodes {{ key }} }} {REPORTS}"])
async def test_the_field_that_misses_it_is_named(graph: Graph, selection: str) -> None:
    """The path leads to the field whose part is missing, not to the reports about it, wherever those stand in the document."""
    ana = await graph.profile("Ana")
    crm = System("crm", (TRAITS,), error=SourceTimeout("crm"))
    answer = await behind(graph, crm).run(f"query ($id: ID!) {{ p: profile(by: {{id: $id}}) {{ {selection} }} }}", {"id": ana})

    assert told(answer) == [("SOURCE_TIMEOUT", "crm", ["p", "traits"])]


async def test_a_search_says_who_is_missing(graph: Graph) -> None:
    """A look-up that a system did not answer shows whom the others found, and that profiles may be missing."""
    ana = await graph.profile("Ana", identifiers=[{"type": "account_id", "value": "A-9"}])
    crm = System("crm", (IDENTITY,), error=SourceTimeout("crm"))
    query = f'{{ searchProfiles(keys: [{{key: "account_id", values: ["A-9"]}}]) {{ nodes {{ id }} {REPORTS} }} }}'
    answer = await behind(graph, crm).run(query)

    assert [one["id"] for one in answer["data"]["searchProfiles"]["nodes"]] == [ana]
    assert states(answer["data"]["searchProfiles"]) == {"native": "OK", "crm": "TIMEOUT"}
    assert told(answer) == [("SOURCE_TIMEOUT", "crm", ["searchProfiles"])]
    found = await behind(graph, crm).run('{ profile(by: {identifier: {type: "order_id", value: "so-7"}}) { id } }')
    assert found["data"] == {"profile": None}
    assert told(found) == [("SOURCE_TIMEOUT", "crm", ["profile"])]


async def test_a_live_event_says_who_is_missing(graph: Graph) -> None:
    """An event whose profile misses a source's part comes with data and errors; the next one, when the source is back, with data alone."""
    ana = await graph.profile("Ana")
    crm = System("crm", (FIELDS, TRAITS), error=SourceTimeout("crm"))
    crm.fields[uid(ana)] = {"last_name": "Roe"}
    live = f"""subscription ($id: ID!) {{ profileEvents(profileId: $id) {{ ... on ProfileUpdated {{
      profile {{ displayName traits {{ nodes {{ key }} }} {REPORTS} }} }} }} }}"""
    stream = behind(graph, crm).stream(live, {"id": ana})
    assert await stream.next() == {}
    await renamed(graph, ana, "Anna")
    first = await stream.answer()
    crm.error = None
    await renamed(graph, ana, "Anne")
    second = await stream.answer()
    await stream.close()

    assert first["data"]["profileEvents"]["profile"]["displayName"] == "Anna"
    assert [(code, source, path is not None and path[:2]) for code, source, path in told(first)] == [
        ("SOURCE_TIMEOUT", "crm", ["profileEvents", "profile"])
    ]
    assert states(first["data"]["profileEvents"]["profile"]) == {"native": "OK", "crm": "TIMEOUT"}
    assert "errors" not in second
    assert second["data"]["profileEvents"]["profile"]["displayName"] == "Anne Roe"


async def test_a_payload_says_who_is_missing(graph: Graph) -> None:
    """A mutation that succeeded says so, and that its profile is not whole."""
    ana = await graph.profile("Ana")
    crm = System("crm", (FIELDS,), error=SourceError("crm"))
    answer = await behind(graph, crm).run(
        'mutation ($id: ID!) { updateProfile(input: {id: $id, firstName: "Anna"}) { profile { displayName } userErrors { code } } }',
        {"id": ana},
    )

    assert answer["data"]["updateProfile"] == {"profile": {"displayName": "Anna"}, "userErrors": []}
    assert told(answer) == [("SOURCE_UNAVAILABLE", "crm", ["updateProfile", "profile", "displayName"])]


async def test_one_error_however_many_fields_miss_it(graph: Graph) -> None:
    """Three systems down in every part of fifty profiles are three errors."""
    profiles = [await graph.profile(f"P{n}") for n in range(50)]
    systems = [System(name, (FIELDS, TRAITS, NOTES, ACTIVITY, COMPANY), error=SourceTimeout(name)) for name in ("a", "b", "c")]
    query = """query ($by: [ProfileRef!]!) { profiles(by: $by) { displayName locale traits { nodes { key } } traitSummary { category }
      notes { nodes { id } } timeline { nodes { id } } companies { role } } }"""
    answer = await behind(graph, *systems).run(query, {"by": [{"id": one} for one in profiles]})

    assert sorted(source or "" for _, source, _ in told(answer)) == ["a", "b", "c"]
    assert len(answer["data"]["profiles"]) == 50


async def test_what_is_old_is_shown_everywhere(graph: Graph) -> None:
    """Stale notes, companies and items are shown, reported with their date, and are no error: nothing is missing."""
    ana = await graph.profile("Ana")
    crm = System("crm", (NOTES, ACTIVITY, COMPANY), error=SourceTimeout("crm"), stale=True)
    crm.noted(ana, "VIP", datetime(2026, 1, 1, tzinfo=UTC))
    crm.happened(ana, 1, "so-1")
    crm.employs(ana, "Acme")
    query = f"""query ($id: ID!) {{ profile(by: {{id: $id}}) {{ {REPORTS} notes {{ nodes {{ body }} totalCount }} mainCompany {{ name }}
      timeline {{ nodes {{ id }} {REPORTS} }} }} }}"""
    shown = await behind(graph, crm).data(query, {"id": ana})

    assert (shown["notes"], shown["mainCompany"]) == ({"nodes": [{"body": "VIP"}], "totalCount": 1}, {"name": "Acme"})
    assert len(shown["timeline"]["nodes"]) == 1
    for reports in (shown, shown["timeline"]):
        assert states(reports) == {"native": "OK", "crm": "STALE"}
        assert reports["sources"][1]["asOf"] == "2026-02-03T00:00:00Z"
