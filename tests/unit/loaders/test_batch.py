"""Batching: keys of one turn are asked for together, each once, and each hears of its own failure alone."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import pytest

from gateway.loaders.batch import MAX_BATCH, Loader

__all__: list[str] = []

Fetch = Callable[[Sequence[int]], Awaitable[Sequence[int | BaseException]]]


def doubling(asked: list[list[int]]) -> Fetch:
    """A source that answers the double of each key, and fails for those below nought."""

    async def fetch(keys: Sequence[int]) -> Sequence[int | BaseException]:
        asked.append(list(keys))
        return [2 * key if key >= 0 else LookupError(key) for key in keys]

    return fetch


async def test_keys_of_one_turn_are_asked_for_together() -> None:
    """Whoever asks in the same turn of the loop is part of one call, in which each key stands once."""
    asked: list[list[int]] = []
    loader = Loader(doubling(asked))

    answers = await asyncio.gather(loader.load(1), loader.load_many([2, 1]), loader.load(3))

    assert answers == [2, [4, 2], 6]
    assert asked == [[1, 2, 3]]


async def test_an_answer_is_kept() -> None:
    """A key that was answered is not asked for again, and a later turn is a call of its own."""
    asked: list[list[int]] = []
    loader = Loader(doubling(asked))

    await loader.load(1)

    assert await loader.load_many([1, 2]) == [2, 4]
    assert asked == [[1], [2]]


async def test_large_batches_are_cut() -> None:
    """No call has more keys than MAX_BATCH, and the answers stand in the order of the keys all the same."""
    asked: list[list[int]] = []
    keys = range(MAX_BATCH * 2 + 1)

    assert await Loader(doubling(asked)).load_many(keys) == [2 * key for key in keys]
    assert sorted(map(len, asked)) == [1, MAX_BATCH, MAX_BATCH]


async def test_a_key_fails_alone() -> None:
    """An exception as an element is raised by `load`, an element of `load_many`, and nobody else's."""
    loader = Loader(doubling([]))

    one, other = await loader.load_many([1, -1])

    assert (one, type(other)) == (2, LookupError)
    with pytest.raises(LookupError):
        await loader.load(-1)


@pytest.mark.parametrize("answer", [RuntimeError("away"), [1]], ids=["raises", "too few"])
async def test_a_call_that_fails_fails_all_its_keys(answer: list[int] | Exception) -> None:
    """A call that raises, or that has not one answer for each key, fails each of its keys."""

    async def fetch(_keys: Sequence[int]) -> Sequence[int | BaseException]:
        if isinstance(answer, Exception):
            raise answer
        return answer

    assert [type(one) for one in await Loader(fetch).load_many([1, 2])] == [
        type(answer) if isinstance(answer, Exception) else ValueError
    ] * 2


async def test_known_values_are_not_asked_for() -> None:
    """A primed value is its key's answer, also when that was asked for in the same turn."""
    asked: list[list[int]] = []
    loader = Loader(doubling(asked))
    waiting = asyncio.ensure_future(loader.load_many([1, 2]))
    await asyncio.sleep(0)

    loader.prime(1, 10)
    loader.prime(3, 30)

    assert await waiting == [10, 4]
    assert await loader.load(3) == 30
    assert asked == [[2]]


async def test_who_goes_away_does_not_take_others_along() -> None:
    """A key whose askers all went away before the call is not asked for, and can be asked for again; others are answered."""
    asked: list[list[int]] = []
    loader = Loader(doubling(asked))
    gone, stays = asyncio.ensure_future(loader.load(1)), asyncio.ensure_future(loader.load(2))
    await asyncio.sleep(0)

    gone.cancel()

    assert await stays == 4
    assert gone.cancelled()
    assert await loader.load(1) == 2
    assert asked == [[2], [1]]


async def test_who_comes_back_in_the_same_turn_is_asked_for_once() -> None:
    """A key whose asker went away, and that another asks for before the call, stands in it once."""
    asked: list[list[int]] = []
    loader = Loader(doubling(asked))
    gone = asyncio.ensure_future(loader.load(1))
    await asyncio.sleep(0)
    gone.cancel()
    again = asyncio.ensure_future(loader.load_many([1, 2]))

    assert await again == [2, 4]
    assert all(len(set(keys)) == len(keys) for keys in asked)


async def test_a_call_that_is_cancelled_leaves_nobody_waiting() -> None:
    """Whoever waits for a call that is cancelled, as at the end of the process, is cancelled too."""
    begun = asyncio.Event()

    async def fetch(_keys: Sequence[int]) -> Sequence[int | BaseException]:
        begun.set()
        await asyncio.Event().wait()
        return []

    loader = Loader(fetch)
    waiting = asyncio.ensure_future(loader.load(1))
    await begun.wait()

    for task in asyncio.all_tasks() - {asyncio.current_task(), waiting}:
        task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await waiting
