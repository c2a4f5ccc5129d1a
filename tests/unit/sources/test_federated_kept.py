"""What a federated source keeps: calls that are shared, answers that are used again, and answers that are said to be old."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from gateway.errors import SourceCircuitOpen, SourceError, SourceUnavailable
from gateway.sources.contract import Cut, NoteWindow, Stale, TimelineWindow
from gateway.sources.federated import FederatedSource
from gateway.sources.remote import ItemRecord, TraitRecord
from tests.unit.sources.federated_system import ANA, BEN, ELSEWHERE, HERE, NOON, System, federated

__all__: list[str] = []


class Clock:
    """Seconds, moved by hand."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def plans(**of: str) -> dict[str, Any]:
    """What the system says of everybody's plan."""
    return {"traits": {key: [TraitRecord("plan", plan)] for key, plan in of.items()}}


async def plan_of(source: FederatedSource, profile_id: UUID = ANA) -> Any:
    """The plan, an old one in a Stale, or the error."""
    (told,) = await source.traits(HERE, [profile_id], None)
    if isinstance(told, Stale):
        return Stale(told.value[0].value, told.as_of, told.error)
    return told if isinstance(told, SourceError) else told[0].value if told else None


async def settled(condition: Callable[[], bool]) -> None:
    """Turns of the loop until something holds."""
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110  # nothing is to be waited for but turns of the loop
            await asyncio.sleep(0)


@pytest.fixture(name="clock")
def _clock() -> Clock:
    return Clock()


async def test_calls_that_overlap_share_one(clock: Clock) -> None:
    """Ten that ask in one turn, and ten more while the answer is under way; who asks afterwards asks anew."""
    system = System(plans(a="gold"))
    system.gate.clear()
    source = federated(system, clock=clock)
    first = [asyncio.create_task(plan_of(source)) for _ in range(10)]
    await settled(lambda: system.under_way == 1)
    second = [asyncio.create_task(plan_of(source)) for _ in range(10)]
    for _ in range(5):
        await asyncio.sleep(0)
    system.gate.set()

    assert await asyncio.gather(*first, *second) == ["gold"] * 20
    assert len(system.asked) == 1
    assert await plan_of(source) == "gold"
    assert len(system.asked) == 2


async def test_what_is_asked_in_one_turn_goes_out_together(clock: Clock) -> None:
    """Two screens of two people are one call; two workspaces never are."""
    system = System(plans(a="gold", b="free"))
    source = federated(system, clock=clock)

    told = await asyncio.gather(plan_of(source, ANA), plan_of(source, BEN), source.traits(ELSEWHERE, [ANA], None))

    assert [*told] == ["gold", "free", [[]]]
    assert system.asked == [("traits", ("a", "b"))]


async def test_one_who_goes_away_does_not_take_the_answer_from_the_others(clock: Clock) -> None:
    """The call ends with the last who waits, and is then not there for the next."""
    system = System(plans(a="gold"))
    system.gate.clear()
    source = federated(system, clock=clock)
    gone, staying = (asyncio.create_task(plan_of(source)) for _ in range(2))
    await settled(lambda: system.under_way == 1)
    gone.cancel()
    await asyncio.sleep(0)
    assert system.under_way == 1
    staying.cancel()
    await settled(lambda: system.under_way == 0)
    system.gate.set()

    assert await plan_of(source) == "gold"
    assert len(system.asked) == 2


async def test_a_fresh_answer_is_used_again(clock: Clock) -> None:
    """For as long as the policy says; a part of the facts from an answer that had all of them."""
    system = System(plans(a="gold"))
    source = federated(system, clock=clock, fresh=10.0)
    await plan_of(source)
    system.known = plans(a="free")
    clock.now = 9.9
    early = await plan_of(source)
    (part,) = await source.traits(HERE, [ANA], ["plan"])
    clock.now = 10.0

    assert early == "gold"
    assert [fact.value for fact in part] == ["gold"]  # type: ignore[union-attr]
    assert await plan_of(source) == "free"
    assert len(system.asked) == 2


async def test_fault_128_while_a_source_fails_its_last_answer_is_shown_and_said_to_be_old(clock: Clock) -> None:
    """Stale with the moment it was true and the reason, while it is young enough and the circuit open; the error after that; then a new one."""
    system = System(plans(a="gold"))
    source = federated(system, clock=clock, stale=20.0, failures=1)
    before = datetime.now(UTC)
    await plan_of(source)
    after = datetime.now(UTC)
    system.fails = lambda _: SourceUnavailable("crm")
    failing, resting = await plan_of(source), await plan_of(source)
    nobody = await plan_of(source, BEN)
    clock.now = 20.0
    late = await plan_of(source)
    system.fails = lambda _: None
    clock.now = 60.0

    assert isinstance(failing, Stale)
    assert isinstance(resting, Stale)
    assert (failing.value, type(failing.error)) == ("gold", SourceUnavailable)
    assert (resting.value, type(resting.error)) == ("gold", SourceCircuitOpen)
    assert before <= failing.as_of <= after
    assert isinstance(nobody, SourceCircuitOpen)
    assert isinstance(late, SourceUnavailable)
    assert await plan_of(source) == "gold"


async def test_notes_and_timelines_are_shown_old_as_well(clock: Clock) -> None:
    """As pages; a single item that is old is an error, since nothing would tell that it is."""
    order = ItemRecord("o-1", NOON, "Order")
    system = System({"items": {"a": [order]}, "items_by_id": {("a", "o-1"): order}})
    source = federated(system, clock=clock, stale=20.0)
    window = TimelineWindow(9)
    await source.activities(HERE, [ANA], window)
    await source.activities_by_id(HERE, [(ANA, "o-1")])
    await source.notes(HERE, [ANA], NoteWindow(9))
    system.fails = lambda _: SourceUnavailable("crm")
    (page,), (notes,) = await source.activities(HERE, [ANA], window), await source.notes(HERE, [ANA], NoteWindow(9))
    (item,) = await source.activities_by_id(HERE, [(ANA, "o-1")])

    assert isinstance(page, Stale)
    assert not isinstance(page.value, Cut)
    assert [one.native_id for one in page.value] == ["o-1"]
    assert isinstance(notes, Stale)
    assert isinstance(item, SourceUnavailable)


async def test_nothing_is_kept_unless_it_is_asked_for(clock: Clock) -> None:
    """By default every answer is new and a failure is a failure."""
    system = System(plans(a="gold"))
    source = federated(system, clock=clock)
    await plan_of(source)
    system.fails = lambda _: SourceUnavailable("crm")

    assert isinstance(await plan_of(source), SourceUnavailable)
    assert len(source._kept) == 0


async def test_what_changed_is_forgotten(clock: Clock) -> None:
    """Of the person it is about, in the workspace it is about; what was asked later than the change stays."""
    system = System(plans(a="gold", b="gold"))
    source = federated(system, clock=clock, fresh=60.0, stale=60.0)
    await asyncio.gather(plan_of(source, ANA), plan_of(source, BEN))
    system.known = plans(a="free", b="free")
    source.forget(ELSEWHERE, ANA)
    source.forget(HERE, ANA, before=datetime.now(UTC) - timedelta(hours=1))
    kept = await plan_of(source)
    source.forget(HERE, ANA, before=datetime.now(UTC))

    assert kept == "gold"
    assert (await plan_of(source, ANA), await plan_of(source, BEN)) == ("free", "gold")


async def test_what_was_asked_before_a_change_is_not_kept_after_it(clock: Clock) -> None:
    """Who waits for it has it, and it is gone; who asks after the change asks anew, also while the old call is under way."""
    system = System(plans(a="gold"))
    system.gate.clear()
    source = federated(system, clock=clock, fresh=60.0)
    early = asyncio.create_task(plan_of(source))
    await settled(lambda: system.under_way == 1)
    source.forget(HERE, ANA)
    system.gate.set()
    assert await early == "gold"
    assert len(source._kept) == 0
    system.gate.clear()
    second = asyncio.create_task(plan_of(source))
    await settled(lambda: system.under_way == 1)
    source.forget(HERE, ANA)
    third = asyncio.create_task(plan_of(source))
    await settled(lambda: system.under_way == 2)
    system.gate.set()
    await asyncio.gather(second, third)

    assert len(system.asked) == 3
    assert len(source._kept) == 1


async def test_a_write_is_seen_by_the_next_read(clock: Clock) -> None:
    """What was kept of the person is forgotten with it."""
    system = System(plans(a="gold"))
    source = federated(system, clock=clock, fresh=60.0)
    await plan_of(source)
    system.known = plans(a="free")
    await source.write_trait(HERE, ANA, "plan", "free", "i-1")

    assert await plan_of(source) == "free"


async def test_the_least_recently_used_go_first(clock: Clock) -> None:
    """No more is kept than the policy says, nor what it was about."""
    people = {UUID(int=number): (f"k{number}",) for number in range(1, 5)}
    system = System(plans(**{names[0]: "gold" for names in people.values()}))
    source = federated(system, people, fresh=60.0, kept=3)
    one, two, three, four = people
    for profile_id in (one, two, three, one, four):
        await plan_of(source, profile_id)
    asked = len(system.asked)
    await plan_of(source, one)

    assert asked == 4
    assert len(system.asked) == 4
    assert len(source._kept) == 3
    assert {owner for _, owner in source._kept._of_owner} == {one, three, four}
    await plan_of(source, two)
    assert len(system.asked) == 5


async def test_closing_ends_what_is_under_way(clock: Clock) -> None:
    """Who waits is told that the source is not there."""
    system = System(plans(a="gold"))
    system.gate.clear()
    source = federated(system, clock=clock)
    waiting = asyncio.create_task(plan_of(source))
    await settled(lambda: system.under_way == 1)
    await source.close()

    assert isinstance(await waiting, SourceUnavailable)
    await settled(lambda: system.under_way == 0)
