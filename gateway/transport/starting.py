"""A coroutine's first step, taken at once: most sends are over with it, and need neither a timer nor a turn of the loop.

Owns nothing but that step. Called by the transports, which put a time limit only around what is left.
"""

from __future__ import annotations

from collections.abc import Awaitable, Generator
from inspect import iscoroutine
from typing import Any, Generic, TypeVar

__all__ = ["Rest", "begun"]

T = TypeVar("T")


def begun(call: Awaitable[None]) -> Awaitable[None] | None:
    """Begin a coroutine in the task that runs: None when it is over; else what is left, to be awaited by the same task before anything else."""
    if not iscoroutine(call):
        return call
    try:
        return Rest(call, call.send(None))
    except StopIteration:
        return None


class Rest(Generic[T]):
    """A coroutine after its first step, which waits for `awaited`."""

    __slots__ = ("_awaited", "_call")

    def __init__(self, call: Any, awaited: object) -> None:
        self._call = call
        self._awaited = awaited

    def __await__(self) -> Generator[Any, Any, T]:
        call, awaited = self._call, self._awaited
        while True:
            try:
                got = yield awaited
            except GeneratorExit:
                call.close()
                raise
            except BaseException as error:  # noqa: BLE001  # the coroutine is told
                step, given = call.throw, error
            else:
                step, given = call.send, got
            try:
                awaited = step(given)
            except StopIteration as done:
                result: T = done.value
                return result
