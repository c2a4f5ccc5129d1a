"""Loaders of a turn: shared by the reads that begin in it, by no later one, and gone when the last of them is over."""

from __future__ import annotations

import asyncio
from uuid import UUID

from gateway.loaders.bundle import Loaders
from gateway.loaders.turns import Turns
from gateway.model.source import Source
from gateway.sources.memory import MemorySource
from gateway.sources.registry import Registry

__all__: list[str] = []

REGISTRY = Registry.build(MemorySource(Source("native", "Profile Gateway", ())))


def fresh() -> Loaders:
    """Loaders that ask an empty source."""
    return Loaders(REGISTRY, UUID(int=1))


async def test_reads_of_one_turn_share_them() -> None:
    """Whoever comes under the same key in the same turn is given the same loaders, another key others, and the next turn others again."""
    turns = Turns()
    with turns.loaders("a", fresh) as first, turns.loaders("a", fresh) as second, turns.loaders("b", fresh) as other:
        await asyncio.sleep(0)
        with turns.loaders("a", fresh) as later:
            assert first is second
            assert first is not other
            assert later is not first


async def test_they_end_with_the_last_read() -> None:
    """While anybody of the turn still reads they answer, and whoever comes later in the turn is given them; then they let go of what they know."""
    turns = Turns()
    with turns.loaders("a", fresh) as first:
        pass
    with turns.loaders("a", fresh) as again:
        assert again is first
        await asyncio.sleep(0)
        assert await again.profile.load(UUID(int=2)) is None
    assert not vars(first)
