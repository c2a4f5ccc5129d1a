"""What an operation leaves behind: nothing that refers to itself, which would keep what was read until the collector stops everybody to find it."""

from __future__ import annotations

import gc
from collections import Counter
from typing import Any

import pytest

from .conftest import Graph
from .test_schema_executors import CREATE, NOTE, SCREEN, UPDATE

__all__: list[str] = []

pytestmark = pytest.mark.asyncio(loop_scope="module")


def found_by_the_collector() -> Counter[str]:
    """What the collector finds now and nobody else could have freed, by class."""
    flags, gc.garbage[:] = gc.get_debug(), []
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        gc.collect()
        return Counter(type(one).__name__ for one in gc.garbage)
    finally:
        gc.set_debug(flags)
        gc.garbage.clear()


async def test_a_screen_leaves_nothing_for_the_collector(graph: Graph) -> None:
    """A screen with every kind of list on it, and mutations, are gone when they are answered: loaders, pages and rows, and the levels of the plan."""
    ana = await graph.profile(firstName="Ana")

    async def day() -> None:
        await graph.run(NOTE, {"input": {"profileId": ana, "body": "Called."}}, graph.agent)
        await graph.run(SCREEN, {"id": ana}, graph.supervisor)
        await graph.run(UPDATE, {"input": {"id": ana, "lastName": "Lima"}}, graph.agent)
        await graph.run(CREATE, {"input": {"firstName": "Ben"}}, graph.agent)

    for _ in range(3):  # plans, statements and caches are made
        await day()
    gc.collect()
    gc.disable()
    try:
        for _ in range(3):
            await day()
        left: Any = found_by_the_collector()
    finally:
        gc.enable()

    ours = {
        "Loaders",
        "Loader",
        "Frame",
        "Flat",
        "OperationContext",
        "Record",
        "ShownTrait",
        "TimelinePage",
        "Profile",
        "Note",
        "Task",
        "coroutine",
    }
    assert not ours & left.keys(), left
    assert left.total() < 100, left
