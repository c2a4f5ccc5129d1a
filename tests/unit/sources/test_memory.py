"""The memory source's faults, and what it keeps. What it answers is proved by the contract suite."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime
from random import Random
from uuid import UUID

import pytest

from gateway.errors import SourceError, SourceTimeout, SourceUnavailable
from gateway.model.company import Company, CompanyMembership
from gateway.model.profile import Channel, ContactPoint
from gateway.model.source import Source, SourceKind, SourceState
from gateway.model.trait import Provenance, TraitFact, TraitKind
from gateway.sources.contract import Contacts, LookupKey, NoteWindow, TimelineWindow
from gateway.sources.memory import Faults, MemoryData, MemorySource

__all__: list[str] = []

HERE = UUID(int=1)
ANA, BEN, ACME = UUID(int=2), UUID(int=3), UUID(int=4)
NOON = datetime(2026, 3, 29, 12, tzinfo=UTC)
CRM = Source("crm", "CRM", tuple(SourceKind))

ASK: list[Callable[[MemorySource], Awaitable[object]]] = [
    lambda source: source.profiles(HERE, [ANA]),
    lambda source: source.resolve(HERE, [LookupKey("email", "a@example.com")]),
    lambda source: source.search_names(HERE, ["ana"], None, 9),
    lambda source: source.contacts(HERE, [ANA]),
    lambda source: source.traits(HERE, [ANA], None),
    lambda source: source.notes(HERE, [ANA], NoteWindow(9)),
    lambda source: source.note_counts(HERE, [ANA]),
    lambda source: source.notes_by_id(HERE, [(ANA, ANA)]),
    lambda source: source.activities(HERE, [ANA], TimelineWindow(9)),
    lambda source: source.activities_by_id(HERE, [(ANA, "a")]),
    lambda source: source.companies(HERE, [ACME]),
    lambda source: source.memberships(HERE, [ANA]),
]


@pytest.fixture(name="source")
def _source() -> MemorySource:
    """A source that knows nothing and works."""
    return MemorySource(CRM)


@pytest.mark.parametrize("ask", ASK)
async def test_a_failing_source_raises(source: MemorySource, ask: Callable[[MemorySource], Awaitable[object]]) -> None:
    """Whatever is asked, a failure is an error that names the source, and the source shows it until a call succeeds again."""
    source.faults = Faults(error_rate=1)
    with pytest.raises(SourceUnavailable) as caught:
        await ask(source)
    failed = source.source.state
    source.faults = Faults()
    await ask(source)

    assert caught.value.source == "crm"
    assert (failed, source.source.state) == (SourceState.ERROR, SourceState.OK)


@pytest.mark.parametrize("ask", ASK)
async def test_a_hanging_source_ends_by_cancellation(source: MemorySource, ask: Callable[[MemorySource], Awaitable[object]]) -> None:
    """Whatever is asked, a call that hangs lasts until it is cancelled, and the source shows a time-out."""
    source.faults = Faults(hang=True)
    call = asyncio.ensure_future(ask(source))
    done, _ = await asyncio.wait([call], timeout=0.01)
    assert done == set()

    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert source.source.state is SourceState.TIMEOUT


async def test_a_deadline_frees_the_caller(source: MemorySource) -> None:
    """A caller's own deadline ends a call that hangs, as the guard's does."""
    source.faults = Faults(hang=True)

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await source.profiles(HERE, [ANA])


async def test_a_failure_can_be_a_time_out(source: MemorySource) -> None:
    """The kind of failure is chosen: a time-out of the source itself is shown as one."""
    source.faults = Faults(error_rate=1, error=SourceTimeout)

    with pytest.raises(SourceTimeout):
        await source.profiles(HERE, [ANA])
    assert source.source.state is SourceState.TIMEOUT


async def test_errors_come_at_their_rate(source: MemorySource) -> None:
    """About the given share of calls fail, and the same ones for the same seed."""

    async def failures(seed: int) -> list[bool]:
        source.faults = Faults(error_rate=0.3, random=Random(seed))
        answers = [await asyncio.gather(source.profiles(HERE, [ANA]), return_exceptions=True) for _ in range(200)]
        return [isinstance(answer, SourceError) for (answer,) in answers]

    first = await failures(7)

    assert 40 <= sum(first) <= 80
    assert await failures(7) == first
    assert await failures(8) != first


async def test_latency_is_taken_and_told(source: MemorySource) -> None:
    """A call takes at least its latency, and the source tells the latency of its last answer, in milliseconds."""
    loop = asyncio.get_running_loop()
    source.faults = Faults(latency=0.02)
    before = loop.time()
    await source.profiles(HERE, [ANA])

    assert loop.time() - before >= 0.019
    assert source.source.latency_ms is not None
    assert source.source.latency_ms >= 19


async def test_a_flapping_source_is_up_and_down_in_turns(source: MemorySource) -> None:
    """From the moment it is set the source is up for so many seconds of its clock, then down for so many, and so on."""
    now = 1000.0
    source.faults = Faults(flap=(2, 1), clock=lambda: now)
    states = []
    for second in (0, 1.9, 2, 2.9, 3, 4.9, 5.5, 6):
        now = 1000 + second
        answer = await asyncio.gather(source.profiles(HERE, [ANA]), return_exceptions=True)
        states.append(not isinstance(answer[0], SourceUnavailable))

    assert states == [True, True, False, False, True, True, False, True]


async def test_a_key_can_fail_alone(source: MemorySource) -> None:
    """A failing key is answered with an error of its own in its place; the other keys and the source's state are not touched."""
    source.put_company(HERE, Company(ACME, 1, "Acme", None))
    source.faults = Faults(failing_keys={ANA})

    answers = [
        *await source.profiles(HERE, [BEN, ANA]),
        *await source.note_counts(HERE, [BEN, ANA]),
        *await source.notes_by_id(HERE, [(BEN, BEN), (BEN, ANA)]),
        *await source.activities_by_id(HERE, [(BEN, "a"), (ANA, "a")]),
        *await source.companies(HERE, [ACME, ANA]),
    ]

    assert [isinstance(answer, SourceUnavailable) for answer in answers] == [False, True] * 5
    assert answers[8] == Company(ACME, 1, "Acme", None)
    assert source.source.state is SourceState.OK


async def test_a_call_keeps_the_faults_it_began_with(source: MemorySource) -> None:
    """Mending a source does not wake the calls that hang on it."""
    source.faults = Faults(hang=True)
    call = asyncio.ensure_future(source.profiles(HERE, [ANA]))
    await asyncio.wait([call], timeout=0.01)
    source.faults = Faults()

    assert await source.profiles(HERE, [ANA]) == [None]
    assert not call.done()
    call.cancel()


async def test_putting_again_replaces() -> None:
    """Contacts and facts put again take the place of what was there, and a value given up finds nobody."""
    source = MemorySource(CRM, MemoryData())

    def reached_by(text: str) -> Contacts:
        return Contacts((ContactPoint(ANA, BEN, Channel.EMAIL, None, text, text, None, is_primary=True, is_verified=False, source=CRM),))

    def plan(value: str) -> TraitFact:
        return TraitFact("plan", value, TraitKind.PROFILE, None, None, Provenance(CRM, NOON))

    source.put_contacts(HERE, ANA, reached_by("old@example.com"))
    source.put_contacts(HERE, ANA, reached_by("new@example.com"))
    source.put_traits(HERE, ANA, [plan("basic"), replace(plan("x"), key="other")])
    source.put_traits(HERE, ANA, [plan("gold")])

    found = await source.resolve(HERE, [LookupKey("email", "old@example.com"), LookupKey("email", "new@example.com")])
    (facts,) = await source.traits(HERE, [ANA], ["plan"])

    assert found == [[], [ANA]]
    assert await source.contacts(HERE, [ANA]) == [reached_by("new@example.com")]
    assert facts == [plan("gold")]


async def test_data_can_be_shared() -> None:
    """Two sources over the same data know the same, each with faults of its own."""
    data = MemoryData()
    one, other = MemorySource(CRM, data), MemorySource(CRM, data)
    one.put_membership(HERE, ANA, CompanyMembership(Company(ACME, 1, "Acme", None), None, is_main=True, since=None))
    one.faults = Faults(error_rate=1)

    assert await other.companies(HERE, [ACME]) == [Company(ACME, 1, "Acme", None)]
    with pytest.raises(SourceUnavailable):
        await one.companies(HERE, [ACME])
