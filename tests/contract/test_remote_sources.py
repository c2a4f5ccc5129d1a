"""What every system elsewhere must do, asked of the memory adapter; and each check of the suite fails on an adapter that does otherwise."""

from __future__ import annotations

import asyncio
import unittest
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gateway.errors import SourceError, SourceTimeout, SourceUnavailable
from gateway.model.activity import TimelineKind
from gateway.model.source import SourceKind
from gateway.sources.adapters.memory import CompanyEntry, Fields, ItemEntry, MemoryRemote, NoteEntry, Person
from gateway.sources.contract import LookupKey
from gateway.sources.memory import Faults
from gateway.sources.remote import Capabilities, ItemPage, ItemWindow
from gateway.sources.testing import CHECKS, Check, Scene, name_of, run

__all__: list[str] = []

START = datetime(2026, 1, 1, tzinfo=UTC)
LOOKUPS = {LookupKey("email", "ana@example.com"): ["A-1"], LookupKey("phone", "+14155550100"): ["A-1", "B-2"]}


def item(number: int, hours: int) -> ItemEntry:
    """Something that happened so many hours after the start."""
    kind = TimelineKind.EXTERNAL if number % 2 else TimelineKind.WEB
    return ItemEntry(id=f"i{number}", occurred_at=START + timedelta(hours=hours), type="Order Completed", kind=kind)


def note(number: int) -> NoteEntry:
    """One of a person's notes."""
    return NoteEntry(id=f"n{number}", body="Called.", created_at=START + timedelta(days=number))


PEOPLE = {
    "A-1": Person(
        profile=Fields(first_name="Ana", last_name="Silva"),
        traits={"plan": "gold", "seats": 3},
        notes=[note(1), note(3), note(2)],
        items=[item(5, 9), item(1, 1), item(2, 5), item(3, 5), item(4, 5)],
        companies=[CompanyEntry(id="c1", name="Acme", main=True), CompanyEntry(id="c2", name="Beta")],
        find={"email": ["Ana@Example.com"], "phone": ["+1 415 555 0100"]},
    ),
    "B-2": Person(
        profile=Fields(first_name="Bo"),
        traits={"plan": "basic"},
        notes=[note(1)],
        items=[item(6, 2)],
        companies=[CompanyEntry(id="c1", name="Acme")],
        find={"phone": ["+14155550100"]},
    ),
}


def scene_of(kind: Callable[..., MemoryRemote] = MemoryRemote) -> Callable[[], Any]:
    """Scenes with a source of this class."""

    @asynccontextmanager
    async def scene() -> AsyncIterator[Scene]:
        yield Scene(kind("crm", PEOPLE, writable=True), ["A-1", "B-2"], lookups=LOOKUPS, may_write=True)

    return scene


@pytest.mark.parametrize("check", CHECKS, ids=name_of)
def test_the_memory_adapter_keeps_the_contract(check: Check) -> None:
    """The reference implementation does all of it."""
    run(check, scene_of())


def wrong(**methods: Any) -> type[MemoryRemote]:
    """The memory adapter with a method done otherwise: a function of the right method's answer and its arguments."""

    def override(name: str, turned: Callable[..., Any]) -> Any:
        async def method(self: MemoryRemote, *arguments: Any) -> Any:
            return turned(await getattr(super(kind, self), name)(*arguments), *arguments)

        return method

    kind: type[MemoryRemote] = type("Wrong", (MemoryRemote,), {name: override(name, turned) for name, turned in methods.items()})
    return kind


def pages(turn: Callable[[ItemPage, ItemWindow], ItemPage]) -> type[MemoryRemote]:
    """The memory adapter with other pages."""
    return wrong(items=lambda answer, keys, window: {key: turn(page, window) for key, page in answer.items()})


class Positional(MemoryRemote):
    """It numbers people by position."""

    async def traits(self, keys: Sequence[str], wanted: frozenset[str] | None) -> Any:
        """See `RemoteSource`."""
        known = await super().traits(sorted(keys), wanted)
        return dict(zip(dict.fromkeys(keys), known.values(), strict=False))


class Fragile(MemoryRemote):
    """A call that is cancelled leaves it broken."""

    broken = False

    async def _endure(self, call: str) -> None:
        if self.broken:
            raise SourceUnavailable("crm")
        try:
            await asyncio.sleep(0.01)
        except asyncio.CancelledError:
            self.broken = True
            raise


class Closed(MemoryRemote):
    """It can be closed once."""

    async def close(self) -> None:
        """See `RemoteSource`."""
        if self.asked.pop("closed", None):
            raise RuntimeError("closed before")
        self.asked["closed"] = 1


def without_first(answer: Mapping[str, Any], *_: Any) -> dict[str, Any]:
    """An answer that lacks somebody."""
    return dict(list(answer.items())[1:])


FAULTY: dict[str, tuple[str, type[MemoryRemote]]] = {
    "silent": ("it_says_what_it_is", wrong(check=lambda said: "")),
    "positional": ("it_answers_by_key", Positional),
    "lacking": ("it_answers_by_key", wrong(companies=without_first)),
    "inventing": (
        "it_leaves_out_whom_it_does_not_know",
        wrong(notes=lambda answer, keys, limit: {key: answer.get(key, []) for key in keys}),
    ),
    "chatty": ("it_answers_nothing_to_nothing", wrong(profiles=lambda answer, keys, fields: answer or {"x": None})),
    "repeating": ("it_takes_a_key_twice", wrong(traits=lambda answer, keys, wanted: {} if len({*keys}) < len(keys) else answer)),
    "small": ("it_takes_a_hundred_keys", wrong(notes=lambda answer, keys, limit: {key: answer[key] for key in keys[:50] if key in answer})),
    "fragile": ("it_survives_who_went_away", Fragile),
    "once": ("it_closes_twice", Closed),
    "generous": (
        "profiles_have_known_fields",
        wrong(profiles=lambda answer, keys, fields: {k: v for k, v in answer.items() if fields is None}),
    ),
    "unasked": ("traits_are_those_that_are_wanted", wrong(traits=lambda answer, keys, wanted: answer if wanted is None else {})),
    "oldest": ("notes_come_newest_first", wrong(notes=lambda answer, keys, limit: {key: notes[::-1] for key, notes in answer.items()})),
    "unfindable": ("items_have_ids_that_stay", wrong(items_by_id=lambda answer, refs: {})),
    "strangers": (
        "items_have_ids_that_stay",
        wrong(items_by_id=lambda answer, refs: {**answer, **{ref: None for ref in refs if ref == ("B-2", "i1")}}),
    ),
    "early": ("items_are_read_page_by_page", pages(lambda page, window: replace(page, is_complete=True))),
    "turned": ("items_are_read_page_by_page", pages(lambda page, window: replace(page, items=page.items[::-1]))),
    "greedy": ("items_are_read_page_by_page", pages(lambda page, window: replace(page, items=[*page.items, *page.items]))),
    "endless": ("items_are_read_page_by_page", pages(lambda page, window: replace(page, items=(), is_complete=False))),
    "open": (
        "items_are_of_the_window",
        pages(lambda page, window: replace(page, items=[one for one in page.items if one.occurred_at != window.until])),
    ),
    "anything": ("items_are_of_the_window", pages(lambda page, window: page if window.kinds is None else replace(page, items=[]))),
    "twice": ("companies_have_ids", wrong(companies=lambda answer, keys: {key: [*some, *some] for key, some in answer.items()})),
    "everybody": (
        "people_are_found_by_exact_values",
        wrong(find=lambda answer, lookups: {lookup: ["A-1", "B-2"] for lookup in lookups}),
    ),
    "forgetful": (
        "a_repeated_write_is_one_write",
        wrong(add_note=lambda written, *arguments: replace(written, id="another")),
    ),
}


@pytest.mark.parametrize("name", sorted(FAULTY))
def test_the_suite_notices(name: str) -> None:
    """An adapter with one fault fails the check that is about it, with words about what the contract wants."""
    about, kind = FAULTY[name]
    check = next(one for one in CHECKS if name_of(one) == about)
    allowed: Any = (AssertionError, SourceError, RuntimeError) if name in {"fragile", "once"} else AssertionError

    with pytest.raises(allowed) as caught:
        run(check, scene_of(kind))
    assert str(caught.value)


def test_what_is_not_provided_is_skipped() -> None:
    """Checks of kinds that a source has not are skipped, and none of them fails."""

    class Little(MemoryRemote):
        def __init__(self, *arguments: Any, **more: Any) -> None:
            super().__init__(*arguments, **more)
            self.capabilities = Capabilities(frozenset({SourceKind.TRAITS}))

    skipped = set()
    for check in CHECKS:
        try:
            run(check, scene_of(Little))
        except unittest.SkipTest:
            skipped.add(name_of(check))
    assert {"notes_come_newest_first", "items_are_read_page_by_page", "people_are_found_by_exact_values", "companies_have_ids"} <= skipped
    assert "traits_are_those_that_are_wanted" not in skipped


def test_a_scene_without_items_proves_nothing() -> None:
    """A scene must have enough of everything, or its checks fail instead of passing for want of data."""

    @asynccontextmanager
    async def poor() -> AsyncIterator[Scene]:
        yield Scene(MemoryRemote("crm", {"A-1": Person(), "B-2": Person()}), ["A-1", "B-2"])

    for about, words in (("items_are_read_page_by_page", "four items"), ("people_are_found_by_exact_values", "lookups")):
        with pytest.raises(AssertionError, match=words):
            run(next(one for one in CHECKS if name_of(one) == about), poor)


async def test_faults_befall_every_call() -> None:
    """Errors, latency, hanging and flapping are as they are set, and calls are counted."""
    now = [0.0]
    remote = MemoryRemote("crm", PEOPLE, faults=Faults(flap=(10, 5), clock=lambda: now[0]))
    assert await remote.check() == "2 people in memory"
    now[0] = 12.0
    with pytest.raises(SourceUnavailable):
        await remote.traits(["A-1"], None)
    now[0] = 16.0
    assert await remote.traits(["A-1"], None)

    remote.faults = Faults(error_rate=1.0, error=SourceTimeout)
    with pytest.raises(SourceTimeout):
        await remote.find([])
    remote.faults = Faults(hang=True)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await remote.profiles(["A-1"], None)
    assert remote.asked == {"check": 1, "traits": 2, "find": 1, "profiles": 1}
