"""One way of batching for the whole gateway: the keys that are asked for in one turn of the event loop are asked for together.

Owns chunking, errors per key and what happens to failed keys. The pattern is `strawberry.dataloader`'s, which the reference executor's fields use
(PyPI's `dataloader` is an unrelated package); why this is another is told in decision 16. A loader lives for one operation and, in a subscription,
for one event: it never answers from before. Called by `loaders.bundle`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Iterable, Sequence
from typing import Generic, TypeVar

__all__ = ["MAX_BATCH", "Loader"]

MAX_BATCH = 100
"""Keys of one source call; a larger batch is cut, and a chunk that fails fails only its own keys."""

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Loader(Generic[K, V]):
    """Gathers the keys asked for in one turn of the event loop and asks for them together, each once."""

    __slots__ = ("_answers", "_batch", "_fetch", "_tasks")

    def __init__(self, fetch: Callable[[Sequence[K]], Awaitable[Sequence[V | BaseException]]]) -> None:
        """`fetch` answers a list of distinct keys, one element per key in order; an exception as an element fails that key alone."""
        self._fetch = fetch
        # Made when something is asked: an operation has two dozen loaders, and asks a few.
        self._answers: dict[K, asyncio.Future[V]] | None = None
        self._batch: dict[K, None] | None = None
        self._tasks: list[asyncio.Task[None]] | None = None

    @property
    def is_asking(self) -> bool:
        """Whether something that was asked for has not been answered."""
        return self._batch is not None or any(not task.done() for task in self._tasks or ())

    async def load(self, key: K) -> V:
        """The answer for one key; raises what its source said."""
        return await self._answer(key)

    async def load_many(self, keys: Iterable[K]) -> list[V | BaseException]:
        """The answer for each key in order; failures are elements, not raised."""
        answers = list(map(self._answer, keys))
        if len(answers) != 1:
            return await asyncio.gather(*answers, return_exceptions=True)
        try:
            return [await answers[0]]
        except Exception as error:  # noqa: BLE001  # whatever the source said
            return [error]

    def prime(self, key: K, value: V) -> None:
        """Make a value that is known already the answer for its key."""
        known = self._answers
        if known is None:
            known = self._answers = {}
        answer = known.get(key)
        if answer is None or answer.cancelled():
            answer = known[key] = asyncio.get_running_loop().create_future()
        if not answer.done():
            answer.set_result(value)

    def _answer(self, key: K) -> asyncio.Future[V]:
        known = self._answers
        if known is None:
            known = self._answers = {}
        answer = known.get(key)
        if answer is None or answer.cancelled():
            loop = asyncio.get_running_loop()
            answer = known[key] = loop.create_future()
            batch = self._batch
            if batch is None or len(batch) >= MAX_BATCH:
                batch = self._batch = {}
                loop.call_soon(self._begin, batch, loop)
            batch[key] = None
        return answer

    def _begin(self, batch: dict[K, None], loop: asyncio.AbstractEventLoop) -> None:
        """The turn is over: ask."""
        if self._batch is batch:
            self._batch = None
        if self._tasks is None:
            self._tasks = []  # the loop itself keeps only weak references
        self._tasks.append(loop.create_task(self._ask(batch)))

    async def _ask(self, batch: dict[K, None]) -> None:
        known = self._answers
        assert known is not None, "keys were asked for"
        keys = [key for key in batch if not known[key].done()]  # what was primed meanwhile, or whose askers all went away, is not asked
        if not keys:
            return
        asked = [known[key] for key in keys]
        try:
            values = await self._fetch(keys)
            if len(values) != len(keys):
                raise ValueError(f"{len(values)} answers to {len(keys)} keys")  # noqa: TRY301  # told to all of them, like any other failure
        except Exception as error:  # noqa: BLE001  # told to whoever asked
            values = [error] * len(keys)
        except BaseException:
            for answer in asked:
                answer.cancel()
            raise
        for answer, value in zip(asked, values, strict=True):
            if answer.done():  # its askers all went away
                continue
            if isinstance(value, BaseException):
                answer.set_exception(value)
            else:
                answer.set_result(value)
