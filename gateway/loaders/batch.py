"""One DataLoader policy for the whole gateway, over `strawberry.dataloader`.

Owns chunking, errors per key and what happens to failed keys. (PyPI's `dataloader` is an unrelated package.) A loader lives for one operation
and, in a subscription, for one event: it never answers from before. Called by `loaders.bundle`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Iterable, Sequence
from typing import Generic, TypeVar, cast

from strawberry.dataloader import DataLoader

__all__ = ["MAX_BATCH", "Loader"]

MAX_BATCH = 100
"""Keys of one source call; a larger batch is cut, and a chunk that fails fails only its own keys."""

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Loader(Generic[K, V]):
    """Gathers the keys asked for in one turn of the event loop and asks for them together."""

    __slots__ = ("_fetch", "_loader")

    def __init__(self, fetch: Callable[[Sequence[K]], Awaitable[Sequence[V | BaseException]]]) -> None:
        """`fetch` answers a list of distinct keys, one element per key in order; an exception as an element fails that key alone."""
        self._fetch = fetch
        self._loader: DataLoader[K, V] | None = None

    async def load(self, key: K) -> V:
        """The answer for one key; raises what its source said."""
        return await self._inner.load(key)

    async def load_many(self, keys: Iterable[K]) -> list[V | BaseException]:
        """The answer for each key in order; failures are elements, not raised."""
        load = self._inner.load
        futures = [load(key) for key in keys]
        if len(futures) != 1:
            return await asyncio.gather(*futures, return_exceptions=True)
        try:
            return [await futures[0]]
        except Exception as error:  # noqa: BLE001  # whatever the source said
            return [error]

    def prime(self, key: K, value: V) -> None:
        """Make a value that is known already the answer for its key."""
        self._inner.prime(key, value)

    @property
    def _inner(self) -> DataLoader[K, V]:
        """Made when something is asked: an operation has two dozen loaders, and asks a few."""
        if self._loader is None:
            self._loader = DataLoader(
                cast("Callable[[list[K]], Awaitable[Sequence[V | BaseException]]]", self._fetch), max_batch_size=MAX_BATCH
            )
        return self._loader
