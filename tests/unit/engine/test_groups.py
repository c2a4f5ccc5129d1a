"""Execute once: who shares an answer, who never does, and that nobody is told what is older than what they were told before."""

from __future__ import annotations

import asyncio
from collections.abc import Hashable
from dataclasses import dataclass, fields, replace
from typing import Any
from uuid import UUID

import pytest
from graphql import parse

from gateway.auth.principal import Principal, Role
from gateway.engine.documents import Prepared
from gateway.engine.encoding import Encoded
from gateway.engine.groups import Answer, Groups, Member, _free_variables
from gateway.engine.request import Request
from gateway.engine.viewers import SHARED, Veiled, person_of

__all__: list[str] = []

QUERY = "subscription($after: String) { events(after: $after) { cursor } }"
ANN = Principal(UUID(int=1), "demo", "ann", "Ann", Role.AGENT, frozenset({"note:read"}), None, None)
BOB = replace(ANN, subject="bob", display_name="Bob")


@dataclass
class Surroundings:
    """As much of a context as groups look at."""

    principal: Principal
    services: Any = None

    def fork_for(self, _: object) -> Surroundings:
        """The same."""
        return self


@dataclass(frozen=True)
class Event:
    """What happened; `personal`: its answer shows who asks."""

    number: int
    personal: bool = False

    def alike(self) -> Hashable | None:
        """By its number."""
        return self.number


@dataclass(frozen=True)
class Greeting:
    """An event that is told to one only."""


class World:
    """Executions that end at once, or when they are told to, each with its number."""

    def __init__(self) -> None:
        self.groups = Groups(self._run)
        self.runs = 0
        self.gates: dict[int, asyncio.Future[None]] = {}
        self.held = False
        self.failing = False

    def member(self, principal: Principal = ANN, **variables: Any) -> tuple[Member, Surroundings]:
        """A subscriber, and where its principal stands."""
        context = Surroundings(principal)
        prepared = Prepared(Request(QUERY, variables or None), parse(QUERY), "subscription")
        return self.groups.join(prepared, context), context  # type: ignore[arg-type]

    async def _run(self, _: Prepared, context: Any, event: object) -> dict[str, Any]:
        self.runs += 1
        number = self.runs
        if self.held:
            self.gates[number] = asyncio.get_running_loop().create_future()
            await self.gates[number]
        if self.failing:
            return {"errors": [{"message": "no"}], "data": {"events": None}}
        shown = context.principal.subject if getattr(event, "personal", False) else sorted(context.principal.scopes)
        return {"data": {"events": {"cursor": f"c{number}", "for": shown}}}


async def settled() -> None:
    """Let every task go on until it waits."""
    for _ in range(10):
        await asyncio.sleep(0)


def number_of(answer: Answer) -> str | None:
    """The execution an answer is of."""
    assert isinstance(answer, Encoded)
    return answer.cursor


async def test_subscribers_of_a_class_share_one_execution_and_its_bytes() -> None:
    """Different people with the same role and scopes get the very same bytes; the execution is made once, also for who comes a little later."""
    world = World()
    (ann, _), (bob, _), (late, _) = world.member(), world.member(BOB, after="c1"), world.member(BOB)
    world.held = True
    tasks = [asyncio.create_task(one.answer(Event(1))) for one in (ann, bob)]
    await settled()
    world.gates[1].set_result(None)
    first, second = await asyncio.gather(*tasks)
    assert first is second
    assert await late.answer(Event(1)) is first
    assert world.runs == 1


@pytest.mark.parametrize(
    "other",
    [
        replace(ANN, scopes=frozenset()),
        replace(ANN, role=Role.SUPERVISOR),
        replace(ANN, workspace_id=UUID(int=2)),
        replace(ANN, workspace_key="other"),
    ],
    ids=["scopes", "role", "workspace", "its key"],
)
async def test_classes_share_nothing(other: Principal) -> None:
    """Another scope, role or workspace is another execution."""
    world = World()
    members = [world.member(one)[0] for one in (ANN, BOB, other, replace(other, subject="eve"))]
    answers = [await one.answer(Event(1)) for one in members]
    assert [number_of(one) for one in answers] == ["c1", "c1", "c2", "c2"]


async def test_other_variables_are_another_group_and_where_a_stream_begins_is_not() -> None:
    """`after` decides nothing of how an event looks; any other variable may."""
    world = World()
    members = [world.member(ANN, **given)[0] for given in ({"after": "a"}, {"after": "b"}, {"x": 1}, {"x": 1, "after": "c"})]
    assert [number_of(await one.answer(Event(1))) for one in members] == ["c1", "c1", "c2", "c2"]


@pytest.mark.parametrize(
    ("document", "free"),
    [
        ("subscription($a: String) { e(after: $a) { x } }", {"a"}),
        ("subscription($a: String) { e(after: $a) { x(y: $a) } }", set()),
        ("subscription($a: String) { e(after: $a) { ...F } } fragment F on E { x @skip(if: $a) }", set()),
        ("subscription($a: String) { e(after: $a) @include(if: $a) { x } }", set()),
        ("subscription($a: String) { e(fields: $a) { x } }", set()),
    ],
)
def test_a_variable_is_left_out_only_where_it_says_nothing_but_where_to_begin(document: str, free: set[str]) -> None:
    """A variable that is used for anything else counts."""
    assert _free_variables(parse(document), None) == free


async def test_what_depends_on_the_person_is_each_persons_own() -> None:
    """An execution that looked at who asks serves nobody else: neither who waited for it nor who comes later; the same person's sockets share it."""
    world = World()
    (ann, _), (bob, _), (again, _) = world.member(), world.member(BOB), world.member(BOB)
    world.held = True
    tasks = [asyncio.create_task(one.answer(Event(1, personal=True))) for one in (ann, bob, again)]
    await settled()
    world.held = False
    world.gates[1].set_result(None)
    answers = await asyncio.gather(*tasks)
    assert [b'"for":"ann"' in answers[0].body, b'"for":"bob"' in answers[1].body, answers[1] is answers[2]] == [True, True, True]  # type: ignore[union-attr]
    assert world.runs == 2
    assert b'"for":"ann"' in (await ann.answer(Event(2, personal=True))).body  # type: ignore[union-attr]
    assert b'"for":"bob"' in (await bob.answer(Event(2, personal=True))).body  # type: ignore[union-attr]


async def test_new_rights_leave_the_group_at_once() -> None:
    """Who lost a scope while the answer was being made does not get that answer, and is of another group from then on."""
    world = World()
    (ann, _), (bob, context) = world.member(), world.member(BOB)
    world.held = True
    tasks = [asyncio.create_task(one.answer(Event(1))) for one in (ann, bob)]
    await settled()
    context.principal = replace(BOB, scopes=frozenset())
    world.held = False
    world.gates[1].set_result(None)
    kept, narrowed = await asyncio.gather(*tasks)
    assert b'"for":["note:read"]' in kept.body  # type: ignore[union-attr]
    assert b'"for":[]' in narrowed.body  # type: ignore[union-attr]
    assert number_of(await ann.answer(Event(2))) != number_of(await bob.answer(Event(2)))


async def test_its_maker_too_gets_what_its_rights_of_the_end_show() -> None:
    """The one who makes the answer loses a scope meanwhile: the others are served by it, the maker makes another."""
    world = World()
    (ann, context), (bob, _) = world.member(), world.member(BOB)
    world.held = True
    tasks = [asyncio.create_task(one.answer(Event(1))) for one in (ann, bob)]
    await settled()
    context.principal = replace(ANN, scopes=frozenset())
    world.held = False
    world.gates[1].set_result(None)
    narrowed, kept = await asyncio.gather(*tasks)
    assert [b'"for":[]' in narrowed.body, b'"for":["note:read"]' in kept.body] == [True, True]  # type: ignore[union-attr]


async def test_nobody_is_told_what_is_older_than_what_they_were_told() -> None:
    """An answer that began before the subscriber came, or before its last one was over, does not serve it."""
    world = World()
    (ann, _), (bob, _) = world.member(), world.member(BOB)
    assert number_of(await ann.answer(Event(1))) == "c1"
    assert number_of(await ann.answer(Event(2))) == "c2"
    late, _ = world.member(BOB)
    assert number_of(await late.answer(Event(1))) == "c3", "c1 began before it came"
    assert number_of(await late.answer(Event(2))) == "c4", "c2 is older than c3, which it was shown"
    assert number_of(await bob.answer(Event(1))) == "c3"
    assert number_of(await bob.answer(Event(2))) == "c4"


async def test_a_maker_that_is_cancelled_leaves_it_to_the_others() -> None:
    """The others do not wait for ever, and do not fail."""
    world = World()
    (ann, _), (bob, _), (eve, _) = world.member(), world.member(BOB), world.member(BOB)
    world.held = True
    tasks = [asyncio.create_task(one.answer(Event(1))) for one in (ann, bob, eve)]
    await settled()
    world.held = False
    tasks[0].cancel()
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(answers[0], asyncio.CancelledError)
    assert answers[1] is answers[2]
    assert world.runs == 2


async def test_an_answer_with_errors_is_not_given_to_who_comes_later() -> None:
    """Whoever comes next may fare better."""
    world = World()
    (ann, _), (bob, _) = world.member(), world.member(BOB)
    world.failing = True
    await ann.answer(Event(1))
    world.failing = False
    assert number_of(await bob.answer(Event(1))) == "c2"


async def test_who_is_alone_keeps_nothing_and_what_is_kept_goes() -> None:
    """A single subscriber leaves no answer behind; answers are forgotten after half a second, groups with their last member."""
    world = World()
    ann, _ = world.member()
    await ann.answer(Event(1))
    await ann.answer(Greeting())
    assert len(world.groups) == 0
    bob, _ = world.member(BOB)
    await ann.answer(Event(2))
    await bob.answer(Greeting())
    assert len(world.groups) == 1
    async with asyncio.timeout(5):
        while len(world.groups):  # noqa: ASYNC110  # nobody announces it
            await asyncio.sleep(0.05)
    assert world.groups._bytes == 0
    ann.leave()
    bob.leave()
    assert not world.groups._groups


@pytest.mark.parametrize("name", [field.name for field in fields(Principal)])
def test_whatever_is_not_the_classs_lifts_the_veil(name: str) -> None:
    """Each field of a principal, also one that is added later, belongs to the class or is personal."""
    veiled = Veiled(ANN)
    assert getattr(veiled, name) == getattr(ANN, name)
    assert veiled.is_personal is (name not in SHARED)


def test_what_follows_from_the_person_lifts_the_veil() -> None:
    """The actor, the expiry, equality and the hash are made of what is personal."""
    for look in (lambda one: one.actor, hash, repr, person_of):
        veiled = Veiled(ANN)
        look(veiled)  # type: ignore[no-untyped-call]
        assert veiled.is_personal
