"""The first half of an execution: every value that takes more than to read an attribute is had, level by level, each field for all its parents.

Owns the frames (the objects of one selection, and the columns of their fields' values), what runs beside what, and the order of a mutation's root
fields. Nothing is completed here and no error is raised: a value that failed is kept as its exception, and whatever looks odd makes the frame
`is_odd`, so that the answer is made the slow way. Called by `execution`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, Awaitable, Callable, Iterable, Mapping, Sequence
from inspect import CO_ITERABLE_COROUTINE
from types import GeneratorType
from typing import Any, Final, TypeGuard

from graphql import GraphQLOutputType, GraphQLResolveInfo, OperationType, is_list_type, is_non_null_type
from graphql.execution import Executor
from graphql.execution.values import get_argument_values
from graphql.pyutils import Path, Undefined

from gateway.engine.plan.tree import BATCH, Child, FieldPlan, How, ObjectPlan, Plan

__all__ = ["Flat", "Frame", "Levels"]

_PLAIN: Final = (list, tuple)
_WAITING: Final[dict[type, bool]] = {}
"""Whether what is of a class must be waited for: asked of thousands of values that are of few classes."""
_MOST_CLASSES: Final = 10_000


class Frame:
    """The objects of one selection, in the order of the answer. `columns`: the values of each active field, one per object, by the field's place."""

    __slots__ = ("children", "columns", "objects", "paths", "plan")

    def __init__(self, plan: ObjectPlan, objects: Sequence[Any], paths: Callable[[], list[Path | None]]) -> None:
        self.plan = plan
        self.objects = objects
        self.columns: dict[int, list[Any]] = {}
        self.children: dict[int, Flat] = {}
        self.paths = paths
        """Where each object stands, for who must know: it is worked out when it is asked for."""


class Flat:
    """All objects below one field of a frame, whatever lists they lie in: `parts` are frames of one type each, with the places of their objects."""

    __slots__ = ("count", "parts")

    def __init__(self, count: int, parts: list[tuple[Frame, list[int] | None]]) -> None:
        """A part's places None: it has them all."""
        self.count = count
        self.parts = parts


class Levels:
    """One execution's way through its plan."""

    def __init__(self, plan: Plan, executor: Executor[Any]) -> None:
        """`executor`: the reference executor of the same operation, for its variables and its resolvers."""
        self._plan = plan
        self._executor = executor
        self._variables = executor.variable_values
        self.is_odd = False
        """Something came up that only the reference executor knows how to tell."""

    def run(self, root: Any) -> Frame | Awaitable[Frame]:
        """Have every value; awaitable where any of them is."""
        frame = Frame(self._plan.root, [root], lambda: [None])
        if self._plan.operation.operation is OperationType.MUTATION:
            return self._serially(frame)
        waiting = self._start(frame)
        return self._after(waiting, frame) if waiting else frame

    async def _serially(self, frame: Frame) -> Frame:
        for place, field in frame.plan.active:
            await _together(self._begin(frame, place, field))
        return frame

    async def _after(self, waiting: list[Awaitable[None]], frame: Frame) -> Frame:
        await _together(waiting)
        return frame

    def _start(self, frame: Frame) -> list[Awaitable[None]]:
        """Begin every field of a frame; what is still to be waited for."""
        waiting: list[Awaitable[None]] = []
        for place, field in frame.plan.active:
            waiting += self._begin(frame, place, field)
        return waiting

    def _begin(self, frame: Frame, place: int, field: FieldPlan) -> list[Awaitable[None]]:
        values = self._values(frame, field)
        if isinstance(values, list):
            return self._had(frame, place, field, values)
        return [self._later(frame, place, field, values)]

    async def _later(self, frame: Frame, place: int, field: FieldPlan, values: Awaitable[list[Any]]) -> None:
        await _together(self._had(frame, place, field, await values))

    def _had(self, frame: Frame, place: int, field: FieldPlan, values: list[Any]) -> list[Awaitable[None]]:
        """Keep the values of a field, and go on below it."""
        frame.columns[place] = values
        if any(isinstance(value, Exception) for value in values):
            self.is_odd = True
        return self._descend(frame, place, field)

    # The values of a field

    def _values(self, frame: Frame, field: FieldPlan) -> list[Any] | Awaitable[list[Any]]:
        if field.how is How.TYPENAME:
            return [field.parent.name] * len(frame.objects)
        if field.how is How.ATTRIBUTE:
            assert field.attribute is not None
            return _waited([_read(one, field.attribute) for one in frame.objects])
        try:
            arguments = self._arguments(field)
        except Exception as error:  # noqa: BLE001  # told when the answer is made
            self.is_odd = True
            return [error] * len(frame.objects)
        if field.how is How.BATCH:
            return self._batch(frame, field, arguments)
        resolve = field.definition.resolve or self._executor.field_resolver
        infos = self._infos(frame, field)
        return _waited([_call(resolve, one, info, arguments) for one, info in zip(frame.objects, infos, strict=True)])

    async def _batch(self, frame: Frame, field: FieldPlan, arguments: dict[str, Any]) -> list[Any]:
        try:
            info = self._executor.build_resolve_info(field.definition, field.nodes, field.parent, Path(None, field.key, field.parent.name))
            found = list(await field.definition.extensions[BATCH](frame.objects, info, arguments))
            if len(found) != len(frame.objects):
                raise TypeError(f"{field.parent.name}.{field.node.name.value} answers {len(found)} of {len(frame.objects)} parents.")  # noqa: TRY301
        except Exception as error:  # noqa: BLE001  # of each of its parents
            return [error] * len(frame.objects)
        return found

    def _arguments(self, field: FieldPlan) -> dict[str, Any]:
        if not field.definition.args and not field.node.arguments:
            return {}
        given = get_argument_values(
            field.definition, field.node, self._variables, field.details[0].fragment_variable_values, self._executor.hide_suggestions
        )
        return dict(given)

    def _infos(self, frame: Frame, field: FieldPlan) -> list[GraphQLResolveInfo[Any]]:
        parent, key = field.parent.name, field.key
        build, nodes = self._executor.build_resolve_info, field.nodes
        return [build(field.definition, nodes, field.parent, Path(path, key, parent)) for path in frame.paths()]

    # The objects below a field

    def _descend(self, frame: Frame, place: int, field: FieldPlan) -> list[Awaitable[None]]:
        if not field.is_deep:
            return []
        assert field.child is not None
        column = frame.columns[place]
        found: list[Any] = []
        for index, value in enumerate(column):
            column[index] = self._flatten(field.type, value, found)
        if any(map(_waits, found)):
            return [self._awaited(frame, place, field)]
        return self._below(frame, place, field, found)

    async def _awaited(self, frame: Frame, place: int, field: FieldPlan) -> None:
        """Lists of what must be waited for: wait, and begin anew."""
        column = frame.columns[place]
        for index, value in enumerate(column):
            column[index] = await _settled(value)
        await _together(self._descend(frame, place, field))

    def _flatten(self, kind: GraphQLOutputType, value: Any, found: list[Any]) -> Any:
        """Add the objects of a value to those found, in order; the value, with lists for whatever can be read once only."""
        if value is None:
            return value
        if value is Undefined or isinstance(value, Exception):
            self.is_odd = True
            return value
        if is_non_null_type(kind):
            kind = kind.of_type
        if not is_list_type(kind):
            found.append(value)
            return value
        if isinstance(value, AsyncIterable):
            found.append(_collected(value))  # never an object: it makes the column wait
            return found[-1]
        if value.__class__ not in _PLAIN:
            if not isinstance(value, Iterable) or isinstance(value, str | bytes | bytearray | Mapping):
                self.is_odd = True
                return value
            try:
                value = list(value)
            except Exception as error:  # noqa: BLE001
                self.is_odd = True
                return error
        changed = [self._flatten(kind.of_type, one, found) for one in value]
        return value if all(one is other for one, other in zip(value, changed, strict=True)) else changed

    def _below(self, frame: Frame, place: int, field: FieldPlan, found: list[Any]) -> list[Awaitable[None]]:
        child = field.child
        assert child is not None
        flat = frame.children[place] = Flat(len(found), [])
        if child.abstract is None:
            (plan,) = child.by_type.values()
            if plan.type.is_type_of is None:
                part = Frame(plan, found, lambda: _paths_below(frame, place, field))
                flat.parts.append((part, None))
                return self._start(part)
        if not found:
            return []
        names = self._names(frame, place, field, child, found)
        if isinstance(names, list):
            return self._partition(frame, place, field, found, names)
        return [self._partition_later(frame, place, field, found, names)]

    async def _partition_later(self, frame: Frame, place: int, field: FieldPlan, found: list[Any], names: Awaitable[list[Any]]) -> None:
        await _together(self._partition(frame, place, field, found, await names))

    def _partition(self, frame: Frame, place: int, field: FieldPlan, found: list[Any], names: list[Any]) -> list[Awaitable[None]]:
        assert field.child is not None
        places: dict[str, list[int]] = {}
        for index, name in enumerate(names):
            if isinstance(name, str) and name in field.child.by_type:
                places.setdefault(name, []).append(index)
            else:
                self.is_odd = True
        waiting: list[Awaitable[None]] = []
        for name, own in places.items():
            part = Frame(field.child.by_type[name], [found[index] for index in own], _some(lambda: _paths_below(frame, place, field), own))
            frame.children[place].parts.append((part, own))
            waiting += self._start(part)
        return waiting

    def _names(self, frame: Frame, place: int, field: FieldPlan, child: Child, found: list[Any]) -> list[Any] | Awaitable[list[Any]]:
        """The name of each object's type; anything else where that cannot be told, or its type does not want it."""
        abstract = child.abstract
        infos = self._infos_below(frame, field)
        if abstract is None:
            names: list[Any] = [child.named.name] * len(found)
        else:
            resolve = abstract.resolve_type or self._executor.type_resolver
            names = [_type_of(resolve, one, infos, abstract) for one in found]
        if any(map(_waits, names)):
            return self._named_later(child, found, names, infos)
        checked = _checked(child, found, names, infos)
        return self._named_later(child, found, checked, infos) if any(map(_waits, checked)) else checked

    async def _named_later(self, child: Child, found: list[Any], names: list[Any], info: GraphQLResolveInfo[Any]) -> list[Any]:
        names = await _waited_for(names)
        return await _waited_for(_checked(child, found, names, info))

    def _infos_below(self, frame: Frame, field: FieldPlan) -> GraphQLResolveInfo[Any]:
        return self._executor.build_resolve_info(field.definition, field.nodes, field.parent, Path(None, field.key, field.parent.name))


def _checked(child: Child, found: list[Any], names: list[Any], info: GraphQLResolveInfo[Any]) -> list[Any]:
    """The names, with something else for each object that its type says is none of its own."""
    checked: list[Any] = []
    for one, name in zip(found, names, strict=True):
        plan = child.by_type.get(name) if isinstance(name, str) else None
        if plan is None or plan.type.is_type_of is None:
            checked.append(name)
            continue
        try:
            is_own = plan.type.is_type_of(one, info)
        except Exception as error:  # noqa: BLE001
            checked.append(error)
            continue
        checked.append(_named_if(is_own, name) if _waits(is_own) else name if is_own else None)
    return checked


async def _named_if(is_own: Awaitable[bool], name: str) -> str | None:
    return name if await is_own else None


def _waits(value: Any) -> TypeGuard[Awaitable[Any]]:
    """Whether a value must be waited for; `inspect.isawaitable`, eight times as fast."""
    kind = value.__class__
    known = _WAITING.get(kind)
    if known is None:
        if len(_WAITING) >= _MOST_CLASSES:
            _WAITING.clear()
        known = _WAITING[kind] = hasattr(kind, "__await__")
    return known or (kind is GeneratorType and bool(value.gi_code.co_flags & CO_ITERABLE_COROUTINE))


def _read(parent: Any, attribute: str) -> Any:
    try:
        return getattr(parent, attribute)
    except Exception as error:  # noqa: BLE001
        return error


def _call(resolve: Callable[..., Any], parent: Any, info: Any, arguments: dict[str, Any]) -> Any:
    try:
        return resolve(parent, info, **arguments)
    except Exception as error:  # noqa: BLE001
        return error


def _type_of(resolve: Callable[..., Any], value: Any, info: Any, abstract: Any) -> Any:
    try:
        return resolve(value, info, abstract)
    except Exception as error:  # noqa: BLE001
        return error


def _waited(values: list[Any]) -> list[Any] | Awaitable[list[Any]]:
    return _waited_for(values) if any(map(_waits, values)) else values


async def _waited_for(values: list[Any]) -> list[Any]:
    """The values, with what they became for those that must be waited for, all at once."""
    waiting = [index for index, value in enumerate(values) if _waits(value)]
    if len(waiting) == 1:
        values[waiting[0]] = await _settled(values[waiting[0]])
    elif waiting:
        done = await asyncio.gather(*(values[index] for index in waiting), return_exceptions=True)
        for index, value in zip(waiting, done, strict=True):
            if isinstance(value, BaseException) and not isinstance(value, Exception):
                raise value
            values[index] = value
    return values


async def _settled(value: Any) -> Any:
    """What a value becomes: awaited, also in lists; a failure is its value."""
    if _waits(value):
        try:
            return await value
        except Exception as error:  # noqa: BLE001
            return error
    if value.__class__ in _PLAIN and any(_waits(one) or one.__class__ in _PLAIN for one in value):
        return [await _settled(one) for one in await _waited_for(list(value))]
    return value


async def _collected(values: AsyncIterable[Any]) -> list[Any]:
    return [value async for value in values]


async def _together(waiting: list[Awaitable[None]]) -> None:
    if len(waiting) == 1:
        await waiting[0]
    elif waiting:
        await asyncio.gather(*waiting)


def _some(paths: Callable[[], list[Path | None]], places: list[int]) -> Callable[[], list[Path | None]]:
    def chosen() -> list[Path | None]:
        every = paths()
        return [every[place] for place in places]

    return chosen


def _paths_below(frame: Frame, place: int, field: FieldPlan) -> list[Path | None]:
    """Where each object below a field stands, in the order in which they are flattened."""
    paths: list[Path | None] = []

    def walk(kind: GraphQLOutputType, value: Any, path: Path) -> None:
        if value is None or value is Undefined or isinstance(value, Exception):
            return
        if is_non_null_type(kind):
            kind = kind.of_type
        if not is_list_type(kind):
            paths.append(path)
        elif value.__class__ in _PLAIN:
            for index, one in enumerate(value):
                walk(kind.of_type, one, path.add_key(index, None))

    for parent, value in zip(frame.paths(), frame.columns[place], strict=True):
        walk(field.type, value, Path(parent, field.key, field.parent.name))
    return paths
