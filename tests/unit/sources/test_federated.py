"""A system elsewhere as a source: answers by key, records as values, and what becomes of answers that are not what they must be."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import pytest
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from gateway.errors import ConfigurationError, OutcomeUnknown, Problem, Rejected, SourceError, SourceTimeout, SourceUnavailable
from gateway.loaders.batch import Loader
from gateway.model.activity import Direction, Interaction, TimelineFilter, TimelineKind, TimelinePreset
from gateway.model.actor import Actor, ActorKind
from gateway.model.ids import uuid7_span
from gateway.model.profile import Channel
from gateway.model.source import SourceKind
from gateway.model.trait import TraitKind
from gateway.sources.contract import LookupKey, NoteWindow, TimelineWindow
from gateway.sources.guard import guarded
from gateway.sources.remote import CompanyRecord, ItemRecord, NoteRecord, ProfileRecord, TraitRecord
from tests.unit.sources.federated_system import ANA, BEN, CRM, ELSEWHERE, HERE, NOON, System, federated

__all__: list[str] = []

EVERYTHING = TimelineFilter(preset=TimelinePreset.ALL)
PLAN, TIER = TraitRecord("plan", "gold"), TraitRecord("tier", 3, NOON)
ORDER = ItemRecord("o-1", NOON, "Order Completed")


def dropped(reason: str) -> float:
    """Records of the source that were not used."""
    return REGISTRY.get_sample_value("gateway_source_records_dropped_total", {"source": "crm", "reason": reason}) or 0.0


def values(facts: Any) -> dict[str, Any]:
    """Facts as values by key."""
    return {fact.key: fact.value for fact in facts}


@pytest.mark.parametrize(
    ("alter", "expected", "foreign"),
    [
        (lambda told: {**told, "z": [TIER], "zz": [TIER]}, [{"plan": "gold"}, {"tier": 3}], 2),
        (lambda told: {"b": told["b"]}, [{}, {"tier": 3}], 0),
        (lambda told: dict(reversed(told.items())), [{"plan": "gold"}, {"tier": 3}], 0),
        (lambda told: {key: [*rows, *rows] for key, rows in told.items()}, [{"plan": "gold"}, {"tier": 3}], 0),
        (lambda told: {"z": told["a"], "b": told["b"]}, [{}, {"tier": 3}], 1),
    ],
    ids=["extra", "missing", "reordered", "duplicated", "of somebody else"],
)
async def test_fault_130_answers_are_matched_by_key(
    alter: Callable[[dict[Any, Any]], Any], expected: list[dict[str, Any]], foreign: int
) -> None:
    """Whatever a system sends besides, leaves out, reorders or repeats: each profile has its own, and foreign rows raise an alarm."""
    before = dropped("foreign")
    source = federated(System({"traits": {"a": [PLAN], "b": [TIER]}}, alter))

    with capture_logs() as logs:
        told = await source.traits(HERE, [ANA, BEN], None)

    assert [values(one) for one in told] == expected
    assert [len([*facts]) for facts in told] == [len(one) for one in expected]  # type: ignore[misc]
    assert dropped("foreign") == before + foreign
    alarms = [one for one in logs if one["event"] == "source.foreign_rows"]
    assert [(one["log_level"], one["source"], one["count"]) for one in alarms] == ([("error", "crm", foreign)] if foreign else [])
    assert "'z'" not in str(logs)


@pytest.mark.parametrize("said", [[[PLAN]], "gold", 7, None], ids=["a list", "a text", "a number", "nothing"])
async def test_fault_130_what_is_no_mapping_is_no_answer(said: Any) -> None:
    """Rows without keys are never taken by position."""
    source = federated(System({"traits": {"a": [PLAN]}}, lambda _: said))

    with pytest.raises(SourceUnavailable):
        await _first(source.traits(HERE, [ANA], None))


async def _first(answer: Any) -> Any:
    """The first element, raised if it is an error."""
    one = (await answer)[0]
    if isinstance(one, SourceError):
        raise one
    return one


async def test_a_key_s_own_error_is_its_own() -> None:
    """The other profile is answered."""
    source = federated(System({"traits": {"a": SourceTimeout("crm"), "b": [TIER]}}))
    ana, ben = await source.traits(HERE, [ANA, BEN], None)

    assert isinstance(ana, SourceTimeout)
    assert values(ben) == {"tier": 3}


async def test_nobody_is_asked_about_a_profile_without_a_key() -> None:
    """It is answered with nothing, and in another workspace everybody is."""
    system = System({"traits": {"a": [PLAN]}})
    source = federated(system, {ANA: ("a",)})

    told = await source.traits(HERE, [BEN, ANA], None)
    elsewhere = await source.traits(ELSEWHERE, [ANA], None)

    assert [values(one) for one in told] == [{}, {"plan": "gold"}]
    assert [*elsewhere] == [[]]
    assert system.asked == [("traits", ("a",))]


async def test_all_keys_of_a_profile_count() -> None:
    """Of two accounts the later fact is taken, and fields of the first that has them; if one of them fails, the whole is not known."""
    later = replace(TIER, value=4, observed_at=NOON + timedelta(hours=1))
    known: dict[str, Any] = {
        "traits": {"a": [TIER, PLAN], "b": [later]},
        "profiles": {"a": ProfileRecord({"first_name": "Ana"}), "b": ProfileRecord({"first_name": "Anna", "last_name": "Diaz"})},
    }
    system = System(known)
    source = federated(system, {ANA: ("a", "b")})

    assert values(await _first(source.traits(HERE, [ANA], None))) == {"tier": 4, "plan": "gold"}
    assert await _first(source.profile_fields(HERE, [ANA], None)) == {"first_name": "Ana", "last_name": "Diaz"}
    known["traits"]["b"] = SourceUnavailable("crm")
    with pytest.raises(SourceUnavailable):
        await _first(source.traits(HERE, [ANA], None))


async def test_only_wanted_traits_are_answered() -> None:
    """Also of a system that sends all it has."""
    source = federated(System({"traits": {"a": [PLAN, TIER]}}))

    assert values(await _first(source.traits(HERE, [ANA], ["tier"]))) == {"tier": 3}


async def test_a_fact_says_where_it_came_from() -> None:
    """Its provenance is the source, at its moment in UTC, or that of the answer; kind and category are those the gateway knows."""
    elsewhere = timezone(timedelta(hours=5))
    record = TraitRecord("nps", 9, NOON.astimezone(elsewhere), TraitKind.PREDICTIVE, "Mood", 0.5)
    before = datetime.now(UTC)
    told = {fact.key: fact for fact in await _first(federated(System({"traits": {"a": [record, PLAN]}})).traits(HERE, [ANA], None))}

    nps, plan = told["nps"], told["plan"]
    assert (nps.kind, nps.category, nps.confidence) == (TraitKind.PREDICTIVE, "Mood", 0.5)
    assert (nps.provenance.source, nps.provenance.observed_at, nps.provenance.observed_at.tzinfo) == (CRM, NOON, UTC)
    assert (plan.kind, plan.category) == (TraitKind.PROFILE, "Subscription")
    assert before <= plan.provenance.observed_at <= datetime.now(UTC)


async def test_fields_of_a_profile() -> None:
    """Those that are known and what they must be; None for somebody the system does not know."""
    fields = {"first_name": "Ana", "last_name": None, "birth_date": datetime(1990, 1, 1, tzinfo=UTC), "shoe_size": "38"}
    system = System({"profiles": {"a": ProfileRecord({**fields, "customer_since": NOON})}})
    told = await federated(system).profile_fields(HERE, [ANA, BEN], None)

    assert [*told] == [{"first_name": "Ana", "customer_since": NOON}, None]
    system.known["profiles"]["a"] = ProfileRecord({"birth_date": date(1990, 1, 1), "first_name": "Ana"})
    assert await _first(federated(system).profile_fields(HERE, [ANA], frozenset({"birth_date"}))) == {"birth_date": date(1990, 1, 1)}


async def test_notes() -> None:
    """Pinned ones first, newest first, by ids that stay the same and begin with their moment; pages, count and single ones agree."""
    notes = [
        NoteRecord("n-1", "old", NOON - timedelta(days=2), author_id="b7", author_name="Ben"),
        NoteRecord("n-2", "new", NOON),
        NoteRecord("n-3", "pinned", NOON - timedelta(days=9), is_pinned=True, updated_at=NOON),
        NoteRecord("n-2", "twice", NOON),
        NoteRecord("n-4", "n" * 20_000, NOON),
    ]
    source = federated(System({"notes": {"a": notes}}))
    told = await _first(source.notes(HERE, [ANA], NoteWindow(9)))
    again = await _first(source.notes(HERE, [ANA], NoteWindow(9)))
    rest = await _first(source.notes(HERE, [ANA], NoteWindow(1, (told[0].is_pinned, told[0].note_id))))

    assert [note.body for note in told] == ["pinned", "new", "old"]
    assert [note.note_id for note in told] == [note.note_id for note in again]
    assert all(start <= note.created_at < end for note in told for start, end in [uuid7_span(note.note_id)])
    assert [note.body for note in rest] == ["new"]
    assert told[2].author == Actor("b7", "Ben", ActorKind.AGENT)
    assert told[1].author == Actor("crm", "CRM", ActorKind.SOURCE)
    assert (told[0].updated_at, told[1].updated_at, told[1].source, told[1].profile_id) == (NOON, NOON, CRM, ANA)
    assert [*await source.note_counts(HERE, [ANA, BEN])] == [3, 0]
    assert [*await source.notes_by_id(HERE, [(ANA, told[1].note_id), (BEN, told[1].note_id), (ANA, ANA)])] == [told[1], None, None]


async def test_an_interaction() -> None:
    """With what the system knows of it, and nothing else."""
    record = ItemRecord(
        "c-1",
        NOON,
        "Call",
        TimelineKind.INTERACTION,
        account="EU",
        properties={"skill": "sales"},
        channel=Channel.VOICE,
        direction=Direction.INBOUND,
        ended_at=NOON + timedelta(minutes=2),
        queue="sales",
        agent_id="b7",
        summary="Wants gold",
    )
    source = federated(System({"items": {"a": [record]}, "items_by_id": {("a", "c-1"): record, ("a", "o-2"): ORDER}}))
    (item,) = await _first(source.activities(HERE, [ANA], TimelineWindow(9)))

    assert isinstance(item, Interaction)
    assert (item.native_id, item.profile_id, item.source, item.duration_seconds) == ("c-1", ANA, CRM, 120)
    assert (item.agent, item.queue, item.attributes) == (Actor("b7", "b7", ActorKind.AGENT), "sales", {"skill": "sales"})
    told = await source.activities_by_id(HERE, [(ANA, "c-1"), (BEN, "c-1"), (ANA, "o-2"), (ANA, "\n"), (ANA, "nothing")])
    assert [*told] == [item, None, None, None, None]


async def test_companies() -> None:
    """The main one first, by ids that are always the same in a workspace, and known by them afterwards in this workspace alone."""
    acme, other = CompanyRecord("7", "Acme", "acme.example", "CTO", is_main=True, since=NOON), CompanyRecord("8", "Other")
    source = federated(System({"companies": {"a": [other, acme, acme], "b": [replace(acme, role=None)]}}))
    told: Any = await source.memberships(HERE, [ANA, BEN])
    (first, second), (only,) = told

    assert (first.company.name, first.role, first.is_main, first.since) == ("Acme", "CTO", True, NOON)
    assert second.company.name == "Other"
    assert only.company == first.company
    assert [*await source.companies(HERE, [first.company.company_id, ANA])] == [first.company, None]
    assert [*await source.companies(ELSEWHERE, [first.company.company_id])] == [None]


async def test_finding_people() -> None:
    """The profiles that have the keys the system names, ascending; a key that nobody here has is a stranger's."""
    phone, email, name = LookupKey("phone", "+14155550100"), LookupKey("email", "x@example.com"), LookupKey("name", "x")
    source = federated(System({"find": {phone: ["b", "a", "zz", "a"], email: ["zz"]}}))

    assert [*await source.find(HERE, [phone, email, name])] == [[ANA, BEN], [], []]
    assert [*await source.people(HERE, [phone, email, name])] == [{"b": (BEN,), "a": (ANA,), "zz": ()}, {"zz": ()}, {}]


async def test_fault_139_ten_thousand_keys_go_out_in_hundreds_and_a_failing_chunk_fails_only_its_own() -> None:
    """One hundred calls of one hundred keys, sixteen at once; one of them fails, and 9900 profiles are answered."""
    people = {UUID(int=number): (f"k{number}",) for number in range(1, 10_001)}
    system = System(
        {"traits": {names[0]: [TraitRecord("n", names[0])] for names in people.values()}},
        fails=lambda keys: SourceUnavailable("crm") if "k5000" in keys else None,
    )
    told = await federated(system, people, queue=0).traits(HERE, list(people), None)

    assert len(system.asked) == 100
    assert {len(keys) for _, keys in system.asked} == {100}
    failed = [profile_id for profile_id, one in zip(people, told, strict=True) if isinstance(one, SourceError)]
    assert len(failed) == 100
    assert UUID(int=5000) in failed
    assert all(values(one) == {"n": people[key][0]} for key, one in zip(people, told, strict=True) if key not in failed)


async def test_fault_139_ten_thousand_keys_of_a_loader_are_as_many_calls() -> None:
    """The loader's chunks meet again before the system, and do not crowd each other out of its queue."""
    people = {UUID(int=number): (f"k{number}",) for number in range(1, 10_001)}
    system = System(
        {"traits": {names[0]: [TraitRecord("n", names[0])] for names in people.values()}},
        fails=lambda keys: SourceUnavailable("crm") if "k5000" in keys else None,
    )
    source = federated(system, people)

    async def load(ids: Sequence[UUID]) -> Sequence[Any]:
        return await guarded("crm", SourceKind.TRAITS, source.traits(HERE, ids, None), len(ids))

    told = await Loader(load).load_many(people)

    assert len(system.asked) == 100
    assert sum(isinstance(one, SourceUnavailable) for one in told) == 100
    assert sum(isinstance(one, list) for one in told) == 9900


async def test_what_is_written_there() -> None:
    """Under the first key, once, with the idempotency key; what becomes of a note is a note of this source."""
    system = System()
    source = federated(system, {ANA: ("a", "b")})
    await source.write_trait(HERE, ANA, "plan", "gold", "i-1")
    note = await source.add_note(HERE, ANA, "Hello", "Ben", "i-2")

    assert system.written == [("a", "plan", "gold", "i-1"), ("a", "Hello", "Ben", "i-2")]
    assert (note.body, note.profile_id, note.source, note.author.display_name) == ("Hello", ANA, CRM, "Ben")


@pytest.mark.parametrize(
    ("failure", "shown"),
    [(SourceTimeout("crm"), OutcomeUnknown), (OSError("reset"), OutcomeUnknown), (Rejected(Problem("INVALID", "no")), Rejected)],
)
async def test_a_write_that_fails(failure: Exception, shown: type[Exception]) -> None:
    """It was asked for once: it may have happened, or was refused."""
    system = System(fails=lambda _: failure)

    with pytest.raises(shown):
        await federated(system, retries=1).write_trait(HERE, ANA, "plan", "gold", "i-1")

    assert len(system.asked) == 1


async def test_a_write_that_is_refused_before_it_is_tried() -> None:
    """For a person the system does not know, and to a system that is not written to."""
    system = System()
    with pytest.raises(Rejected) as unknown:
        await federated(system, {}).write_trait(HERE, ANA, "plan", "gold", "i-1")
    system.capabilities = replace(system.capabilities, writes=frozenset())
    with pytest.raises(Rejected) as closed:
        await federated(system).add_note(HERE, ANA, "x", "Ben", "i-1")

    assert [one.value.problems[0].code for one in (unknown, closed)] == ["NOT_FOUND", "READ_ONLY"]
    assert system.asked == []


async def test_a_source_that_lacks_what_it_is_to_provide_does_not_open() -> None:
    """The operator hears of it at the start."""
    with pytest.raises(ConfigurationError, match="NOTES"):
        await federated(System(kinds=frozenset(SourceKind) - {SourceKind.NOTES})).open()
    source = federated(System())
    await source.open()
    await source.close()
