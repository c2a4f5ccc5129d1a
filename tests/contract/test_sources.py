"""The contract of sources, for every implementation: profiles, who they are, what is known and noted of them, where they belong."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Protocol
from uuid import UUID

import pytest

from gateway.model.actor import Actor, ActorKind
from gateway.model.change import Position
from gateway.model.company import Company, CompanyMembership
from gateway.model.ids import uuid7
from gateway.model.note import Note
from gateway.model.profile import Channel, ContactPoint, Identifier, Profile, ProfileLifecycle, ProfileStatus
from gateway.model.trait import Provenance, TraitFact, TraitKind
from gateway.sources.contract import (
    ActivitySource,
    CompanySource,
    Contacts,
    IdentitySource,
    LookupKey,
    NoteSource,
    NoteWindow,
    ProfileSource,
    TimelineWindow,
    TraitSource,
)
from gateway.sources.memory import MemoryData, MemorySource
from gateway.sources.registry import BUILT_IN

__all__: list[str] = []

HERE, ELSEWHERE = UUID(int=1), UUID(int=2)
NATIVE, TRACKING = BUILT_IN
NOON = datetime(2026, 3, 29, 12, 0, 0, 123_456, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
AGENT = Actor("a-7", "Agent Seven", ActorKind.AGENT)
ANA, BEN, CY, NOBODY = (uuid7(NOON) for _ in range(4))


class EverySource(ProfileSource, IdentitySource, TraitSource, NoteSource, ActivitySource, CompanySource, Protocol):
    """What both implementations are."""


Load = Callable[[MemoryData], Awaitable[EverySource]]


def profile(key: UUID, first: str | None = None, last: str | None = None, status: ProfileStatus = ProfileStatus.ACTIVE) -> Profile:
    """A profile of which nothing but the name is known."""
    empty = (None,) * 3
    return Profile(key, 1, status, ProfileLifecycle.CUSTOMER, first, None, last, *empty, None, None, NOON, NOON, Position(uuid7(), 3))


def point(key: UUID, channel: Channel, normalized: str, *, primary: bool = False, custom: str | None = None) -> ContactPoint:
    """A way to reach somebody."""
    return ContactPoint(key, uuid7(), channel, custom, f" {normalized}", normalized, "work", primary, True, TRACKING)


def identifier(key: UUID, kind: str, normalized: str) -> Identifier:
    """A key of somebody in another system."""
    return Identifier(key, uuid7(), kind, normalized.upper(), normalized, False, NOON, TRACKING)


def note(key: UUID, body: str, at: datetime = NOON) -> Note:
    """A note of an agent."""
    return Note(key, uuid7(at), 2, body, True, AGENT, at, at + MINUTE, NATIVE)


def told(notes: Sequence[object]) -> list[object]:
    """Notes without the state of the source that told them, which changes with each call."""
    return [replace(one, source=NATIVE) if isinstance(one, Note) else one for one in notes]


@pytest.fixture(name="memory")
def _memory() -> MemorySource:
    """The data to load: three profiles, of which a test makes what it needs."""
    memory = MemorySource(NATIVE, MemoryData())
    for key, first, last in ((ANA, "Ana", "Lopez"), (BEN, "Ben", None), (CY, None, None)):
        memory.put_profile(HERE, profile(key, first, last))
    return memory


async def test_one_answer_per_key_in_order(load: Load, memory: MemorySource) -> None:
    """Profiles come in the order they were asked for, a key asked twice is answered twice, an unknown one with None."""
    source = await load(memory._data)

    found = await source.profiles(HERE, [CY, NOBODY, ANA, CY])

    assert [isinstance(one, Profile) and one.profile_id for one in found] == [CY, False, ANA, CY]


async def test_a_profile_is_told_completely(load: Load, memory: MemorySource) -> None:
    """Every field of a profile, and where its stream stood, comes through unchanged."""
    full = Profile(
        *(ANA, 7, ProfileStatus.MERGED, ProfileLifecycle.FORMER, "Ana", "María", "López", "https://example.com/a.png", "es-AR"),
        *("America/Argentina/Buenos_Aires", date(1980, 2, 29), NOON - MINUTE, NOON, NOON + MINUTE, Position(uuid7(), 2**40)),
    )
    memory.put_profile(HERE, full)
    source = await load(memory._data)

    (found,) = await source.profiles(HERE, [ANA])

    assert isinstance(found, Profile)
    assert found.position.seq == 2**40
    assert replace(found, position=full.position) == full  # whose epoch a database makes its own


ASK: dict[str, Callable[[EverySource, UUID, UUID], Awaitable[Sequence[object]]]] = {
    "profiles": lambda source, workspace, key: source.profiles(workspace, [key]),
    "contacts": lambda source, workspace, key: source.contacts(workspace, [key]),
    "traits": lambda source, workspace, key: source.traits(workspace, [key], None),
    "notes": lambda source, workspace, key: source.notes(workspace, [key], NoteWindow(9)),
    "note_counts": lambda source, workspace, key: source.note_counts(workspace, [key]),
    "notes_by_id": lambda source, workspace, key: source.notes_by_id(workspace, [(key, key)]),
    "activities": lambda source, workspace, key: source.activities(workspace, [key], TimelineWindow(9)),
    "activities_by_id": lambda source, workspace, key: source.activities_by_id(workspace, [(key, key.hex)]),
    "companies": lambda source, workspace, key: source.companies(workspace, [key]),
    "memberships": lambda source, workspace, key: source.memberships(workspace, [key]),
    "resolve": lambda source, workspace, key: source.resolve(workspace, [LookupKey("account_id", key.hex)]),
}
NONE = {"profiles", "notes_by_id", "activities_by_id", "companies"}
NOTHING: dict[str, list[object]] = {question: [None] if question in NONE else [[]] for question in ASK}
NOTHING |= {"contacts": [Contacts()], "note_counts": [0]}


@pytest.mark.parametrize("question", ASK)
async def test_workspaces_are_walls(load: Load, memory: MemorySource, question: str) -> None:
    """What one workspace knows, another is told nothing of; an unknown key is answered like a foreign one: None, zero or empty."""
    owned = uuid7(NOON)
    memory.put_profile(HERE, profile(owned))
    memory.put_contacts(
        HERE, owned, Contacts((point(owned, Channel.EMAIL, "o@example.com"),), (identifier(owned, "account_id", owned.hex),))
    )
    memory.put_traits(HERE, owned, [TraitFact("plan", "gold", TraitKind.PROFILE, None, None, Provenance(NATIVE, NOON))])
    memory.put_note(HERE, replace(note(owned, "Call back"), note_id=owned))
    memory.put_membership(HERE, owned, CompanyMembership(Company(owned, 1, "Acme", None), None, is_main=True, since=NOON))
    source = await load(memory._data)
    known = {"profiles", "contacts", "traits", "notes", "note_counts", "notes_by_id", "companies", "memberships", "resolve"}
    known.add("activities_by_id")  # the note's own

    assert await ASK[question](source, ELSEWHERE, owned) == NOTHING[question]
    assert await ASK[question](source, HERE, NOBODY) == NOTHING[question]
    assert (await ASK[question](source, HERE, owned) != NOTHING[question]) is (question in known)


async def test_no_keys_no_answers(load: Load, memory: MemorySource) -> None:
    """An empty list of keys has an empty list of answers."""
    source = await load(memory._data)

    assert await source.profiles(HERE, []) == []
    assert await source.resolve(HERE, []) == []
    assert await source.notes_by_id(HERE, []) == []
    assert await source.activities(HERE, [], TimelineWindow(1)) == []
    assert await source.activities_by_id(HERE, []) == []


async def test_a_value_finds_whoever_has_it(load: Load, memory: MemorySource) -> None:
    """A look-up finds every profile of a value, ascending, by the kind of value: one phone serves calls and texts alike."""
    memory.put_contacts(HERE, BEN, Contacts((point(BEN, Channel.SMS, "+14155550100"), point(BEN, Channel.CHAT, "same")), ()))
    memory.put_contacts(HERE, ANA, Contacts((point(ANA, Channel.VOICE, "+14155550100"), point(ANA, Channel.EMAIL, "ana@example.com")), ()))
    custom = (point(CY, Channel.CUSTOM, "same", custom="Kiosk"),)
    memory.put_contacts(HERE, CY, Contacts(custom, (identifier(CY, "account_id", "same"), identifier(CY, "crm", "c%"))))
    source = await load(memory._data)
    wanted = {
        ("phone", "+14155550100"): sorted([ANA, BEN]),
        ("email", "ana@example.com"): [ANA],
        ("chat", "same"): [BEN],
        ("custom:kiosk", "same"): [CY],
        ("account_id", "same"): [CY],
        ("crm", "c%"): [CY],
    }

    found = await source.resolve(HERE, [LookupKey(*key) for key in wanted])

    assert [*found] == [*wanted.values()]


@pytest.mark.parametrize(
    "key",
    [
        *(("email", "ana@example.co"), ("email", "ana@example.com "), ("email", "ANA@example.com"), ("email", "%"), ("email", "")),
        *(("phone", "ana@example.com"), ("email", "ana_example.com"), ("EMAIL", "ana@example.com"), ("name", "Ana")),
    ],
)
async def test_a_look_up_is_exact(load: Load, memory: MemorySource, key: tuple[str, str]) -> None:
    """A part of a value, another case, a pattern or another kind of value finds nobody."""
    memory.put_contacts(HERE, ANA, Contacts((point(ANA, Channel.EMAIL, "ana@example.com"),), ()))
    source = await load(memory._data)

    assert [*await source.resolve(HERE, [LookupKey(*key), LookupKey("email", "ana@example.com")])] == [[], [ANA]]


async def test_contacts_come_primary_first(load: Load, memory: MemorySource) -> None:
    """Contact points come primary ones first, else by id; identifiers by id; each complete."""
    first, second, third = point(ANA, Channel.SMS, "+1"), point(ANA, Channel.EMAIL, "a"), point(ANA, Channel.VOICE, "+1", primary=True)
    one, two = identifier(ANA, "crm", "1"), identifier(ANA, "account_id", "2")
    first, second, third = (replace(made, point_id=UUID(int=number)) for number, made in enumerate((first, second, third)))
    one, two = (replace(made, identifier_id=UUID(int=number)) for number, made in enumerate((one, two)))
    memory.put_contacts(HERE, ANA, Contacts((second, third, first), (two, one)))
    source = await load(memory._data)

    assert await source.contacts(HERE, [BEN, ANA]) == [Contacts(), Contacts((third, first, second), (one, two))]


def fact(key: str, value: object, *, rich: bool = False) -> TraitFact:
    """What a source says; rich: with everything that can be known about it."""
    if not rich:
        return TraitFact(key, value, TraitKind.PROFILE, None, None, Provenance(TRACKING, NOON))
    where = Provenance(NATIVE, NOON, "orders of 2025", "churn-3", NOON + MINUTE, AGENT)
    return TraitFact(key, value, TraitKind.PREDICTIVE, "Predictions", 0.75, where)


def sorted_facts(answers: Sequence[object]) -> list[list[TraitFact]]:
    """Facts of each profile by key and source: the contract leaves their order open."""
    assert all(isinstance(answer, Sequence) for answer in answers)
    return [sorted(answer, key=lambda one: (one.key, one.provenance.source.key)) for answer in answers if isinstance(answer, Sequence)]


async def test_traits_are_told_completely(load: Load, memory: MemorySource) -> None:
    """Any JSON value but null, and all that is known of where it came from, comes through; sources may differ on a trait."""
    values = [True, 0, 2**53, -0.5, "", 'é" \\', [1, [None]], {"a": {"b": [1]}, "é": "x"}]
    said = [fact(f"k{number}", value) for number, value in enumerate(values)]
    rich, plain = fact("churn", 0.1, rich=True), fact("churn", 0.2)
    memory.put_traits(HERE, ANA, [*said, plain])
    memory.put_traits(HERE, ANA, [rich])
    memory.put_traits(HERE, BEN, [fact("k0", "b")])
    source = await load(memory._data)

    assert sorted_facts(await source.traits(HERE, [BEN, ANA], None)) == [[fact("k0", "b")], [rich, plain, *said]]


@pytest.mark.parametrize(
    ("wanted", "told_of"), [(["plan"], ["plan"]), (["plan", "nps", "no"], ["nps", "plan"]), (["PLAN", "pla%"], []), ([], [])]
)
async def test_only_wanted_traits_are_told(load: Load, memory: MemorySource, wanted: list[str], told_of: list[str]) -> None:
    """`keys` names the only traits that are answered."""
    memory.put_traits(HERE, ANA, [fact("plan", "gold"), fact("nps", 9), fact("age", 40)])
    source = await load(memory._data)

    assert [[one.key for one in facts] for facts in sorted_facts(await source.traits(HERE, [ANA], wanted))] == [told_of]


async def test_notes_come_newest_first(load: Load, memory: MemorySource) -> None:
    """A page holds up to `limit` notes, newest first, behind the place `before`; page by page they are all there, each complete."""
    notes = [note(ANA, f"note {number}", NOON + number * MINUTE) for number in range(5)]
    for one in (*reversed(notes), note(BEN, "other")):
        memory.put_note(HERE, one)
    source = await load(memory._data)

    (first,) = await source.notes(HERE, [ANA], NoteWindow(2))
    (rest,) = await source.notes(HERE, [ANA], NoteWindow(9, (True, notes[3].note_id)))
    (none,) = await source.notes(HERE, [ANA], NoteWindow(9, (True, notes[0].note_id)))
    counts = await source.note_counts(HERE, [CY, ANA, BEN])

    assert isinstance(first, Sequence)
    assert isinstance(rest, Sequence)
    assert told(first) + told(rest) == notes[::-1]
    assert (none, [*counts]) == ([], [0, 5, 1])


async def test_pinned_notes_come_first(load: Load, memory: MemorySource) -> None:
    """Pinned notes stand before all others, newest first among themselves, and a page goes on across the border between the two."""
    notes = [replace(note(ANA, f"note {number}", NOON + number * MINUTE), is_pinned=number % 2 == 0) for number in range(5)]
    for one in notes:
        memory.put_note(HERE, one)
    source = await load(memory._data)
    expected = [notes[number] for number in (4, 2, 0, 3, 1)]

    for number in range(5):
        place = None if number == 0 else (expected[number - 1].is_pinned, expected[number - 1].note_id)
        (page,) = await source.notes(HERE, [ANA], NoteWindow(2, place))
        assert isinstance(page, Sequence)
        assert told(page) == expected[number : number + 2]


async def test_a_note_is_found_under_its_profile(load: Load, memory: MemorySource) -> None:
    """A note is found by the pair of its profile and its own id, and under no other profile."""
    mine, theirs = note(ANA, "mine"), note(BEN, "theirs")
    memory.put_note(HERE, mine)
    memory.put_note(HERE, theirs)
    source = await load(memory._data)

    found = await source.notes_by_id(HERE, [(BEN, theirs.note_id), (ANA, theirs.note_id), (ANA, mine.note_id), (ANA, mine.note_id)])

    assert told(found) == [theirs, None, mine, mine]


async def test_owners_among_some(load: Load, memory: MemorySource) -> None:
    """Which of some profiles have a value: ascending, nobody else, nothing of another workspace."""
    email = LookupKey("email", "family@example.com")
    for key in (ANA, BEN):
        memory.put_profile(HERE, profile(key, "A", None))
        memory.put_contacts(HERE, key, Contacts((point(key, Channel.EMAIL, "family@example.com"),), ()))
    source = await load(memory._data)

    assert [list(one) for one in await source.resolve_among(HERE, [email, LookupKey("email", "x@example.com")], [BEN, uuid7(NOON)])] == [
        [BEN],
        [],
    ]
    assert [list(one) for one in await source.resolve_among(ELSEWHERE, [email], [ANA, BEN])] == [[]]


async def test_the_main_company_comes_first(load: Load, memory: MemorySource) -> None:
    """Memberships come main one first, then by when they began, then by id; a company is told as it is now."""
    old, mid, late, main = (Company(UUID(int=number), 3, f"Company {number}", "example.com") for number in range(4))
    spans = [(late, NOON + MINUTE), (mid, NOON), (main, NOON + 2 * MINUTE), (old, NOON)]
    for company, since in spans:
        memory.put_membership(HERE, ANA, CompanyMembership(company, "buyer", company is main, since))
    renamed = replace(old, version=4, name="Renamed", domain=None)
    memory.put_company(HERE, renamed)
    source = await load(memory._data)

    (members,) = await source.memberships(HERE, [ANA])

    assert members == [
        CompanyMembership(main, "buyer", is_main=True, since=NOON + 2 * MINUTE),
        CompanyMembership(renamed, "buyer", is_main=False, since=NOON),
        CompanyMembership(mid, "buyer", is_main=False, since=NOON),
        CompanyMembership(late, "buyer", is_main=False, since=NOON + MINUTE),
    ]
    assert await source.companies(HERE, [mid.company_id, NOBODY, old.company_id]) == [mid, None, renamed]


async def test_a_source_says_how_it_stands(load: Load, memory: MemorySource) -> None:
    """Before the first call a source has no success to report; after one it has its time and its latency."""
    source = await load(memory._data)
    before = datetime.now(UTC)
    assert (source.source.key, source.source.last_success_at) == ("native", None)

    await source.profiles(HERE, [ANA])

    assert source.source.last_success_at is not None
    assert source.source.last_success_at >= before
    assert source.source.latency_ms is not None
    assert source.source.latency_ms >= 0
