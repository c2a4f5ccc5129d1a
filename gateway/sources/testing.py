"""The contract of a `RemoteSource` as checks that anybody can run against an adapter of their own.

Owns what every adapter must do, whatever it talks to; docs/sources.md has the words. Must not need pytest or a plugin of it, a gateway or a database.
Called by tests, here and elsewhere:

    @pytest.mark.parametrize("check", CHECKS, ids=name_of)
    def test_contract(check):
        run(check, scene)          # `scene` is an async context manager that gives a `Scene`

A check of a kind that the source does not provide is skipped (`unittest.SkipTest`, which pytest knows). What is wrong is told in an AssertionError.
"""

from __future__ import annotations

import asyncio
import unittest
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from typing import Any, Final
from uuid import uuid4

from gateway.model.source import SourceKind
from gateway.sources.contract import LookupKey
from gateway.sources.remote import PROFILE_FIELDS, ItemWindow
from gateway.sources.testing_items import everything_of, items_are_of_the_window, items_are_read_page_by_page, items_have_ids_that_stay
from gateway.sources.testing_scene import LONGEST, Check, Scene, answers_of, has_zone, holds, needs, unique

__all__ = ["CHECKS", "Check", "Scene", "everything_of", "name_of", "run"]

_MOST_KEYS: Final = 100
_SECONDS: Final = 20.0
_FEW: Final = 2


def name_of(check: Check) -> str:
    """What to call a check in a report."""
    return str(getattr(check, "__name__", check)).strip("_")


def run(check: Check, scene: Callable[[], AbstractAsyncContextManager[Scene]]) -> None:
    """Open the source of a new scene, check it, close it; for tests that are no coroutines.

    Raises:
        AssertionError: the source does not do what the contract says.
        unittest.SkipTest: it does not provide what this is about.
    """

    async def checked() -> None:
        async with asyncio.timeout(_SECONDS), scene() as found:
            await found.source.open()
            try:
                await check(found)
            finally:
                await found.source.close()

    asyncio.run(checked())


# --- of every source ---------------------------------------------------------------------------------------------------------------------


async def it_says_what_it_is(scene: Scene) -> None:
    """`check` answers with a short line for a person, and capabilities stay what they are."""
    source, before = scene.source, scene.source.capabilities
    said = await source.check()
    holds(
        isinstance(said, str) and 0 < len(said) <= LONGEST and said.isprintable(),
        f"check() answers one line of up to 200 characters, not {said!r}",
    )
    holds(bool(before.kinds), "capabilities name at least one kind")
    holds(before.writes <= before.kinds & {SourceKind.TRAITS, SourceKind.NOTES}, "writes are TRAITS or NOTES, and of the kinds")
    holds(source.capabilities == before, "capabilities do not change once it is open")


async def it_answers_by_key(scene: Scene) -> None:
    """Every person is in the answer under their own key, whatever the order; nobody who was not asked for is."""
    for name, ask in _questions(scene):
        straight, turned = await ask(scene.people), await ask(scene.people[::-1])
        holds(set(straight) == set(scene.people), f"{name}: asked for {list(scene.people)}, it answers {sorted(straight)}")
        for key in scene.people:
            alone = await ask([key])
            holds(set(alone) == {key}, f"{name}: asked for {key} alone, it answers {sorted(alone)}")
            holds(straight[key] == turned[key] == alone[key], f"{name}: what it says of {key} depends on who else is asked for")


async def it_leaves_out_whom_it_does_not_know(scene: Scene) -> None:
    """A stranger is not in the answer, alone or among others, and no error."""
    for name, ask in _questions(scene):
        holds(dict(await ask([scene.stranger])) == {}, f"{name}: whom it does not know is left out")
        mixed = await ask([scene.people[0], scene.stranger, scene.people[1]])
        holds(set(mixed) == {*scene.people[:2]}, f"{name}: a stranger among others is left out, and the others are not")


async def it_answers_nothing_to_nothing(scene: Scene) -> None:
    """An empty batch has an empty answer."""
    for name, ask in _questions(scene):
        holds(dict(await ask([])) == {}, f"{name}: no keys, no answers")


async def it_takes_a_key_twice(scene: Scene) -> None:
    """A key that stands twice in a batch is answered as if it stood there once."""
    twice = [scene.people[0], scene.people[1], scene.people[0]]
    for name, ask in _questions(scene):
        holds(dict(await ask(twice)) == dict(await ask(scene.people[:2])), f"{name}: a key that is asked for twice changes nothing")


async def it_takes_a_hundred_keys(scene: Scene) -> None:
    """A batch of a hundred keys is one call; those it knows are answered, wherever they stand."""
    strangers = [f"{scene.stranger}-{number}" for number in range(_MOST_KEYS - _FEW)]
    keys = [scene.people[0], *strangers, scene.people[1]]
    for name, ask in _questions(scene):
        holds(set(await ask(keys)) == {*scene.people[:2]}, f"{name}: of a hundred keys, those it knows are answered")


async def it_survives_who_went_away(scene: Scene) -> None:
    """A call that is cancelled, at once or under way, leaves nothing broken, and ends."""
    for name, ask in _questions(scene):
        expected = await ask(scene.people)
        for wait in (0.0, 0.001):
            calls = [asyncio.ensure_future(_awaited(ask(scene.people))) for _ in range(5)]
            await asyncio.sleep(wait)
            for call in calls:
                call.cancel()
            with suppress(asyncio.CancelledError):
                await asyncio.gather(*calls, return_exceptions=True)
        holds(dict(await ask(scene.people)) == dict(expected), f"{name}: it answers as before after calls were cancelled")


async def it_answers_many_at_once(scene: Scene) -> None:
    """Calls that overlap do not disturb each other."""
    for name, ask in _questions(scene):
        expected = {key: await ask([key]) for key in scene.people}
        answers = await asyncio.gather(*(_awaited(ask([key])) for key in [*scene.people] * 4))
        wrong = [key for key, one in zip([*scene.people] * 4, answers, strict=True) if dict(one) != dict(expected[key])]
        holds(wrong == [], f"{name}: of calls at the same time, those for {wrong} are answered otherwise")


async def it_closes_twice(scene: Scene) -> None:
    """`close` may be called again, and after an `open` that was never used."""
    await scene.source.close()
    await scene.source.close()


# --- of what it provides -----------------------------------------------------------------------------------------------------------------


async def profiles_have_known_fields(scene: Scene) -> None:
    """Only the fields that are asked for come, only ones there are, and what is not known is left out or None."""
    needs(scene, SourceKind.PROFILE)
    everything = answers_of(await scene.source.profiles(scene.people, None))
    for key, record in everything.items():
        names = {name for name, value in record.values.items() if value is not None}
        holds(
            set(record.values) <= PROFILE_FIELDS,
            f"profiles: {key} has fields {sorted(set(record.values) - PROFILE_FIELDS)}, which no profile has",
        )
        for name in names:
            one = answers_of(await scene.source.profiles([key], frozenset({name})))[key]
            holds(dict(one.values) == {name: record.values[name]}, f"profiles: asked for {name} of {key}, it answers {sorted(one.values)}")


async def traits_are_those_that_are_wanted(scene: Scene) -> None:
    """`wanted` names the only keys that come; a person without any of them is not unknown."""
    needs(scene, SourceKind.TRAITS)
    for key, facts in answers_of(await scene.source.traits(scene.people, None)).items():
        names = [fact.key for fact in facts]
        holds(len(names) == len({*names}) and all(names), f"traits: {key} has each key once")
        for fact in facts:
            has_zone(fact.observed_at, f"traits: observed_at of {fact.key}")
            some = answers_of(await scene.source.traits([key], frozenset({fact.key})))
            holds([one.key for one in some.get(key, ())] == [fact.key], f"traits: asked for {fact.key} of {key} alone")
        none = answers_of(await scene.source.traits([key], frozenset({"no-such-trait"})))
        holds([*none.get(key, ())] == [], f"traits: asked for a trait that {key} has not")


async def notes_come_newest_first(scene: Scene) -> None:
    """Newest first, no more than asked for, each with an id that stays."""
    needs(scene, SourceKind.NOTES)
    for key, notes in answers_of(await scene.source.notes(scene.people, _MOST_KEYS)).items():
        for note in notes:
            has_zone(note.created_at, "notes: created_at")
        moments = [note.created_at for note in notes]
        holds(moments == sorted(moments, reverse=True), f"notes: those of {key} come newest first")
        unique([note.id for note in notes], f"notes of {key}")
        for limit in range(1, len(notes) + 1):
            page = answers_of(await scene.source.notes([key], limit))[key]
            holds([one.id for one in page] == [one.id for one in notes[:limit]], f"notes: the newest {limit} of {key}")


async def companies_have_ids(scene: Scene) -> None:
    """Each company of a person is there once, with an id and a name, and one at most is the main one."""
    needs(scene, SourceKind.COMPANY)
    for key, companies in answers_of(await scene.source.companies(scene.people)).items():
        unique([one.id for one in companies], f"companies of {key}")
        holds(all(one.name for one in companies), f"companies: each of {key} has a name")
        holds(sum(one.is_main for one in companies) <= 1, f"companies: {key} has one main company at most")


async def people_are_found_by_exact_values(scene: Scene) -> None:
    """Each value leads to its people and to nobody else; a value nobody has leads to nobody; a kind that cannot be looked for is left out."""
    needs(scene, SourceKind.IDENTITY)
    holds(bool(scene.lookups), "the scene needs lookups to check IDENTITY")
    found = answers_of(await scene.source.find([*scene.lookups]))
    for lookup, owners in scene.lookups.items():
        holds(
            {*found.get(lookup, ())} == {*owners},
            f"find: {lookup.key} {lookup.value} is {list(owners)}, not {list(found.get(lookup, ()))}",
        )
        part = LookupKey(lookup.key, lookup.value[:-1])
        if part not in scene.lookups:
            holds(not (await scene.source.find([part])).get(part), f"find: a part of {lookup.value} finds nobody")
    strange = LookupKey("no_such_kind", "x")
    holds(not (await scene.source.find([strange])).get(strange), "find: a kind of value that it does not know")
    holds(dict(await scene.source.find([])) == {}, "find: nothing for nothing")


async def a_repeated_write_is_one_write(scene: Scene) -> None:
    """The same idempotency key writes once; what was written is read."""
    writes = scene.source.capabilities.writes
    if not (scene.may_write and writes):
        raise unittest.SkipTest("nothing may be written")
    key, again = scene.people[0], str(uuid4())
    if SourceKind.NOTES in writes:
        before = len(answers_of(await scene.source.notes([key], _MOST_KEYS)).get(key, ()))
        first, second = [await scene.source.add_note(key, "Written by a check.", "checker", again) for _ in range(2)]
        notes = answers_of(await scene.source.notes([key], _MOST_KEYS))[key]
        holds(first.id == second.id and len(notes) == before + 1, "add_note: the same idempotency key twice is one note")
        holds(first.id in [note.id for note in notes], "add_note: the note is among the person's")
    if SourceKind.TRAITS in writes:
        name = answers_of(await scene.source.traits([key], None))[key][0].key
        for _ in range(2):
            await scene.source.write_trait(key, name, "checked", again + name)
        facts = answers_of(await scene.source.traits([key], frozenset({name})))[key]
        holds([fact.value for fact in facts] == ["checked"], f"write_trait: {name} is what was written")


CHECKS: Final[tuple[Check, ...]] = (
    it_says_what_it_is,
    it_answers_by_key,
    it_leaves_out_whom_it_does_not_know,
    it_answers_nothing_to_nothing,
    it_takes_a_key_twice,
    it_takes_a_hundred_keys,
    it_survives_who_went_away,
    it_answers_many_at_once,
    it_closes_twice,
    profiles_have_known_fields,
    traits_are_those_that_are_wanted,
    notes_come_newest_first,
    items_have_ids_that_stay,
    items_are_read_page_by_page,
    items_are_of_the_window,
    companies_have_ids,
    people_are_found_by_exact_values,
    a_repeated_write_is_one_write,
)
"""All of it."""


def _questions(scene: Scene) -> list[tuple[str, Callable[[Sequence[str]], Awaitable[Mapping[str, Any]]]]]:
    """By name, each question about people by their keys that the source answers."""
    source, kinds = scene.source, scene.source.capabilities.kinds
    asked: dict[SourceKind, tuple[str, Callable[[Sequence[str]], Awaitable[Mapping[str, Any]]]]] = {
        SourceKind.PROFILE: ("profiles", lambda keys: source.profiles(keys, None)),
        SourceKind.TRAITS: ("traits", lambda keys: source.traits(keys, None)),
        SourceKind.NOTES: ("notes", lambda keys: source.notes(keys, 10)),
        SourceKind.ACTIVITY: ("items", lambda keys: source.items(keys, ItemWindow(10, newest_first=True))),
        SourceKind.COMPANY: ("companies", source.companies),
    }
    return [question for kind, question in asked.items() if kind in kinds]


async def _awaited(answer: Awaitable[Any]) -> Any:
    return await answer
