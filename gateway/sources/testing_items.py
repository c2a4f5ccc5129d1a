"""Checks of ACTIVITY: items by id, page by page from either end, and within windows of time.

Owns how a history is read to its end, as the gateway reads it. Must not need pytest. Part of `gateway.sources.testing`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from gateway.model.source import SourceKind
from gateway.sources.remote import ItemPage, ItemRecord, ItemWindow, RemoteSource
from gateway.sources.testing_scene import Scene, answers_of, has_zone, holds, needs, unique

__all__ = ["everything_of", "items_are_of_the_window", "items_are_read_page_by_page", "items_have_ids_that_stay"]

_MOST_KEYS: Final = 100
_STEPS: Final = 60
_ITEMS: Final = 4


async def items_have_ids_that_stay(scene: Scene) -> None:
    """Each item is there once, has an id of up to 200 characters, a moment with a time zone, and is found by its id."""
    for key, items in (await _histories(scene)).items():
        unique([item.id for item in items], f"items of {key}")
        for item in items:
            has_zone(item.occurred_at, "items: occurred_at")
            holds(bool(item.type), f"items: {item.id} has a type")
        again = await everything_of(scene.source, key, ItemWindow(_MOST_KEYS))
        holds(
            [item.id for item in items] == [item.id for item in again], f"items: those of {key} are the same when they are asked for again"
        )
        refs = [(key, item.id) for item in items]
        found = answers_of(await scene.source.items_by_id([*refs, (key, "no-such-item"), (scene.stranger, "no-such-item")]))
        holds(
            {ref: found[ref].id for ref in found} == {ref: ref[1] for ref in refs},
            f"items_by_id: those of {key}, and nothing for other ids",
        )
        holds(dict(await scene.source.items_by_id([])) == {}, "items_by_id: nothing for nothing")
    strange = [(scene.people[1], item.id) for item in (await _histories(scene))[scene.people[0]]]
    own = {(scene.people[1], item.id) for item in (await _histories(scene))[scene.people[1]]}
    holds(set(await scene.source.items_by_id(strange)) <= own, "items_by_id: an item of another person is not found under this one's key")


async def items_are_read_page_by_page(scene: Scene) -> None:
    """From either end, however small the pages: in order, nothing twice, nothing left out, complete when it says so."""
    for key, items in (await _histories(scene)).items():
        for newest_first in (False, True):
            ordered = items[::-1] if newest_first else items
            for limit in (1, 2, 3, len(items), len(items) + 1):
                window = ItemWindow(limit, newest_first=newest_first)
                page = answers_of(await scene.source.items([key], window))[key]
                _fits(page, ordered, window, key)
                read = await everything_of(scene.source, key, window)
                holds({one.id for one in read} == {one.id for one in items}, f"items: pages of {limit} of {key} lead to all {len(items)}")


async def items_are_of_the_window(scene: Scene) -> None:
    """Both ends belong to a window of time, and items of one moment stay together; `kinds` leaves the others out."""
    for key, items in (await _histories(scene)).items():
        for first in items:
            for last in items:
                window = ItemWindow(_MOST_KEYS, since=first.occurred_at, until=last.occurred_at)
                wanted = {one.id for one in items if first.occurred_at <= one.occurred_at <= last.occurred_at}
                for turned in (window, replace(window, newest_first=True)):
                    read = await everything_of(scene.source, key, turned)
                    ends = f"between {first.occurred_at} and {last.occurred_at}, newest first: {turned.newest_first}"
                    holds(
                        {one.id for one in read} == wanted,
                        f"items: of {key} {ends}: {sorted(wanted)}, not {sorted(one.id for one in read)}",
                    )
        for kind in {item.kind for item in items}:
            some = await everything_of(scene.source, key, ItemWindow(_MOST_KEYS, kinds=frozenset({kind})))
            holds({one.id for one in some} == {one.id for one in items if one.kind is kind}, f"items: of kind {kind.value} of {key}")


async def everything_of(source: RemoteSource, key: str, window: ItemWindow) -> list[ItemRecord]:
    """A person's items in a window, read to its end as the gateway does: from the last moment on, with larger pages while a page has one moment."""
    found: dict[str, ItemRecord] = {}
    present = window
    for _ in range(_STEPS):
        page = answers_of(await source.items([key], present)).get(key)
        if page is None:
            return []
        new = [item for item in page.items if item.id not in found]
        found.update({item.id: item for item in new})
        if page.is_complete:
            return list(found.values())
        edge = page.items[-1].occurred_at if page.items else None
        limit = present.limit if new else present.limit * 2
        present = replace(present, limit=limit, **({"until": edge} if window.newest_first else {"since": edge}) if edge is not None else {})
    raise AssertionError(f"items: after {_STEPS} pages of {key} there is still no complete one in {window}")


async def _histories(scene: Scene) -> dict[str, list[ItemRecord]]:
    """Each person's items, oldest first; there must be enough of them to tell anything."""
    needs(scene, SourceKind.ACTIVITY)
    found = {key: await everything_of(scene.source, key, ItemWindow(_MOST_KEYS)) for key in scene.people}
    for key, items in found.items():
        moments = [item.occurred_at for item in items]
        holds(moments == sorted(moments), f"items: those of {key} come oldest first")
    rich = [items for items in found.values() if len(items) >= _ITEMS and len({item.occurred_at for item in items}) < len(items)]
    holds(bool(rich), "the scene needs a person with four items, two of them of one moment")
    return found


def _fits(page: ItemPage, ordered: Sequence[ItemRecord], window: ItemWindow, key: str) -> None:
    """One page against everything there is, in the page's reading order; items of one moment may stand in any order."""
    count, place = len(page.items), f"items: a page of {window.limit} of {key}, newest first: {window.newest_first}"
    holds(count <= window.limit, f"{place}: has {count}")
    holds(count > 0 or not ordered, f"{place}: is empty, and there are {len(ordered)}")
    unique([item.id for item in page.items], place)
    holds([one.occurred_at for one in page.items] == [one.occurred_at for one in ordered[:count]], f"{place}: begins at its end, in order")
    if count:
        edge = page.items[-1].occurred_at
        passed = {one.id for one in ordered[:count] if one.occurred_at != edge}
        holds(passed <= {one.id for one in page.items}, f"{place}: leaves out {sorted(passed - {one.id for one in page.items})}")
    holds(not page.is_complete or count == len(ordered), f"{place}: says it is complete with {count} of {len(ordered)}")
