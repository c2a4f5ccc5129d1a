"""Workspaces on a real Postgres."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from gateway.auth.workspaces import Workspaces
from gateway.errors import BadUserInput, Unauthenticated


async def test_ensure(demo: Any) -> None:
    """Asking for a workspace makes it once; its name stays the first one."""
    again = await Workspaces(demo.database).ensure("demo", "Another name")

    assert again == demo.workspace_id
    assert await demo.database.fetchval("SELECT name FROM workspace") == "Demo"


async def test_ensure_in_a_crowd(demo: Any) -> None:
    """Twenty processes that make the same workspace in the same moment get the same one."""
    found = await asyncio.gather(*(Workspaces(demo.database).ensure("new", "New") for _ in range(20)))

    assert len(set(found)) == 1
    assert await demo.database.fetchval("SELECT count(*) FROM workspace WHERE key = 'new'") == 1


async def test_known_ones_are_remembered(demo: Any, queries: list[str]) -> None:
    """A known workspace is looked up once a minute."""
    workspaces = Workspaces(demo.database, clock=demo.clock.seconds)
    for _ in range(100):
        assert await workspaces.by_key("demo") == demo.workspace_id
    assert len(queries) == 1

    demo.clock.advance(seconds=60)
    await workspaces.by_key("demo")
    assert len(queries) == 2


async def test_unknown_ones_are_throttled(demo: Any, queries: list[str]) -> None:
    """A hundred credentials for a workspace that does not exist cost one query in five seconds; made meanwhile, it is found after them."""
    for _ in range(100):
        with pytest.raises(Unauthenticated):
            await demo.workspaces.by_key("later")
    assert len(queries) == 1

    made = await Workspaces(demo.database).ensure("later", "Later")
    demo.clock.advance(seconds=5)
    assert await demo.workspaces.by_key("later") == made


async def test_ensure_forgets_that_it_was_unknown(demo: Any) -> None:
    """A workspace that this process makes is known at once, though it was asked for in vain a moment ago."""
    with pytest.raises(Unauthenticated):
        await demo.workspaces.by_key("soon")
    made = await demo.workspaces.ensure("soon", "Soon")

    assert await demo.workspaces.by_key("soon") == made


@pytest.mark.parametrize("key", ["", " ", "a b", "-a", "é", "a\x00", "a\n", "x" * 65, "' OR 1=1"], ids=repr)
async def test_malformed_keys(demo: Any, queries: list[str], key: str) -> None:
    """What cannot be a workspace's key is refused without a query, and cannot be made."""
    with pytest.raises(Unauthenticated):
        await demo.workspaces.by_key(key)
    with pytest.raises(BadUserInput):
        await demo.workspaces.ensure(key, "Name")

    assert queries == []
