"""What values are at first sight: whether one must be waited for, and whether a column holds nothing but objects.

Owns the memory of what is known of classes, asked of thousands of values that are of few classes, and the waiting itself. Nothing raises here: what
fails is kept as its exception. Called by `levels`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, Awaitable, Sequence
from inspect import CO_ITERABLE_COROUTINE
from types import GeneratorType, NoneType
from typing import Any, Final, TypeGuard

from graphql.pyutils import UndefinedType

__all__ = ["PLAIN", "any_failed", "any_waits", "collected", "objects_in", "settled", "together", "waited", "waited_for", "waits"]

PLAIN: Final = (list, tuple)
_WAITING: Final[dict[type, bool]] = {}
"""Whether what is of a class must be waited for: asked of thousands of values that are of few classes."""
_OBJECTS: Final[dict[type, bool]] = {}
"""Whether what is of a class can only be an object: it has not failed, and need not be waited for."""
_FAILED: Final[dict[type, bool]] = {}
"""Whether what is of a class is an exception."""
_MOST_CLASSES: Final = 10_000


def objects_in(column: Sequence[Any], lists: int) -> list[Any] | None:
    """The objects in a column whose values are what they should be, as almost always: objects, or lists of them, or nothing; None: they are not."""
    found: list[Any] = []
    if lists == 0:
        found = [value for value in column if value is not None]
    elif lists == 1:
        for value in column:
            if value.__class__ in PLAIN:
                found += value
            elif value is not None:
                return None
        if NoneType in set(map(type, found)):
            found = [value for value in found if value is not None]
    else:
        return None
    for kind in set(map(type, found)):
        known = _OBJECTS.get(kind)
        if known is None:
            if len(_OBJECTS) >= _MOST_CLASSES:
                _OBJECTS.clear()
            known = _OBJECTS[kind] = not (
                issubclass(kind, Exception | UndefinedType) or hasattr(kind, "__await__") or kind is GeneratorType
            )
        if not known:
            return None
    return found


def waits(value: Any) -> TypeGuard[Awaitable[Any]]:
    """Whether a value must be waited for; `inspect.isawaitable`, eight times as fast."""
    kind = value.__class__
    known = _WAITING.get(kind)
    if known is None:
        if len(_WAITING) >= _MOST_CLASSES:
            _WAITING.clear()
        known = _WAITING[kind] = hasattr(kind, "__await__")
    return known or (kind is GeneratorType and bool(value.gi_code.co_flags & CO_ITERABLE_COROUTINE))


def any_failed(values: Sequence[Any]) -> bool:
    """Whether any of many values, which are of few classes, is an exception."""
    for kind in set(map(type, values)):
        failed = _FAILED.get(kind)
        if failed is None:
            if len(_FAILED) >= _MOST_CLASSES:
                _FAILED.clear()
            failed = _FAILED[kind] = issubclass(kind, Exception)
        if failed:
            return True
    return False


def any_waits(values: Sequence[Any]) -> bool:
    """Whether any of many values, which are of few classes, must be waited for."""
    kinds = set(map(type, values))
    if GeneratorType in kinds:
        return any(map(waits, values))
    for kind in kinds:
        known = _WAITING.get(kind)
        if hasattr(kind, "__await__") if known is None else known:
            return True
    return False


def waited(values: list[Any]) -> list[Any] | Awaitable[list[Any]]:
    """The values; awaitable where any of them is."""
    return waited_for(values) if any_waits(values) else values


async def waited_for(values: list[Any]) -> list[Any]:
    """The values, with what they became for those that must be waited for, all at once."""
    waiting = [index for index, value in enumerate(values) if waits(value)]
    if len(waiting) == 1:
        values[waiting[0]] = await settled(values[waiting[0]])
    elif waiting:
        done = await asyncio.gather(*(values[index] for index in waiting), return_exceptions=True)
        for index, value in zip(waiting, done, strict=True):
            if isinstance(value, BaseException) and not isinstance(value, Exception):
                raise value
            values[index] = value
    return values


async def settled(value: Any) -> Any:
    """What a value becomes: awaited, also in lists; a failure is its value."""
    if waits(value):
        try:
            return await value
        except Exception as error:  # noqa: BLE001
            return error
    if value.__class__ in PLAIN and any(waits(one) or one.__class__ in PLAIN for one in value):
        return [await settled(one) for one in await waited_for(list(value))]
    return value


async def collected(values: AsyncIterable[Any]) -> list[Any]:
    """All of them, as a list."""
    return [value async for value in values]


async def together(waiting: list[Awaitable[None]]) -> None:
    """Wait for all of them, side by side."""
    if len(waiting) == 1:
        await waiting[0]
    elif waiting:
        await asyncio.gather(*waiting)
